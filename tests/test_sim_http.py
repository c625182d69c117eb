"""The twin's HTTP client against servers in memory: what goes out, what is kept, what it makes of odd answers."""

from __future__ import annotations

import builtins
import logging
import random
import sys
from typing import Any

import pytest

from fcm360w.commands.codes import SocketCode
from fcm360w.sim import MANUAL, World
from fcm360w.sim.http import MAX_FIELDS, MAX_HEADERS
from fcm360w.sim.http_exchange import BODY_BUFFER
from fcm360w.sim.urls import Place, place_of
from sim_bench import CONNECT, OK, Bench, MemoryConnection
from web_memory import Asked, MemoryWeb, Page

DISCONNECTED = b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n'
CLOSED = b'\r\n+QHTTPURC: "closed"\r\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
HELLO = HEAD % 5 + b"hello"


def cme(code: int) -> bytes:
    return b"\r\n+CME ERROR: %d\r\n" % code


def late(code: int) -> bytes:
    return b"\r\n+QHTTPGET: %d\r\n" % code


def read(body: bytes, code: int = 0) -> bytes:
    return CONNECT + body + OK + b"\r\n+QHTTPREAD: %d\r\n" % code


def ready(url: bytes = b"http://10.0.0.9/", *options: bytes, dialect: Any = MANUAL) -> Bench:
    bench = Bench(dialect)
    assert bench.host(b'AT+QHTTPCFG="url","%b"\r' % url) == OK
    for option in options:
        assert bench.host(b"AT+QHTTPCFG=%b\r" % option) == OK
    return bench


def getting(*options: bytes) -> tuple[Bench, MemoryConnection]:
    bench = ready(b"http://10.0.0.9/", *options)
    assert bench.host(b"AT+QHTTPGET\r") == OK
    return bench, bench.network.connections[-1]


def answered(answer: bytes, *options: bytes) -> tuple[Bench, MemoryConnection]:
    """The late line is said."""
    bench, server = getting(*options)
    server.arrive(answer)
    assert bench.tick().startswith(b"\r\n+QHTTPGET: 0,")
    return bench, server


# ---- URLs


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://a.example", Place(False, "a.example", 80, "/")),
        ("HTTPS://a.example/", Place(True, "a.example", 443, "/")),
        ("http://10.0.0.9:8080/a/b?c=d", Place(False, "10.0.0.9", 8080, "/a/b?c=d")),
        ("http://a?c=d#e", Place(False, "a", 80, "/?c=d")),
        ("", None),
        ("a.example/", None),
        ("ftp://a/", None),
        ("http:///a", None),
        ("http://user:secret@a/", None),
        ("http://a:0/", None),
        ("http://a:65536/", None),
        ("http://a/ b", None),
        ("http://a/\xe9", None),
    ],
)
def test_urls(url: str, place: Place | None) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    ("url", "host"),
    [("http://a:80/", "a"), ("http://a:443/", "a:443"), ("https://a:443/", "a"), ("https://a:80/", "a:80")],
)
def test_the_usual_port_is_not_told(url: str, host: str) -> None:
    place = place_of(url)
    assert place is not None
    assert place.authority == host


# ---- what fails before the request is out


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (SocketCode.DNS_FAILED, 710),
        (SocketCode.PORT_BUSY, 711),
        (SocketCode.CREATE_FAILED, 711),
        (SocketCode.CONNECT_FAILED, 712),
        (SocketCode.OUT_OF_MEMORY, 723),
    ],
)
def test_why_there_is_no_connection(outcome: SocketCode, code: int) -> None:
    bench = ready()
    bench.network.outcome = outcome
    assert bench.host(b"AT+QHTTPGET\r") + bench.tick() == OK + late(code)
    assert bench.host(b"AT+QHTTPPOST=5,80,80\r") + bench.tick() == cme(code)
    assert bench.host(b"AT+QHTTPREAD\r") == cme(705)


def test_a_get_that_does_not_connect_in_time_gives_up() -> None:
    bench = ready()
    bench.network.outcome = None
    assert bench.host(b"AT+QHTTPGET=3\r") == OK
    assert bench.wait(2.9) == b""
    assert bench.wait(0.2) == late(702)
    bench.network.outcome = SocketCode.SUCCESS
    assert bench.tick() == b""
    assert bench.network.connections == []


def test_a_post_waits_for_its_connection_for_125_seconds() -> None:
    bench = ready()
    bench.network.outcome = None
    assert bench.host(b"AT+QHTTPPOST=5,3,3\r") == b""
    assert bench.wait(124.9) == b""
    assert bench.wait(0.2) == cme(712)
    bench.network.outcome = SocketCode.SUCCESS
    assert bench.tick() == b""
    assert bench.network.connections == []


@pytest.mark.parametrize("said", [b"AT+QHTTPGET\r", b"AT+QHTTPPOST=5,80,80\r", b"AT+QHTTPPUT=5,80,80\r"])
def test_without_h11_the_log_tells_what_to_install(
    said: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name == "h11":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "h11", raising=False)
    monkeypatch.setattr(builtins, "__import__", importing)
    bench = ready()
    with caplog.at_level(logging.ERROR, "fcm360w.sim"):
        assert bench.host(said) == cme(701)
    assert "pip install 'fcm360w[sim]'" in caplog.text


def test_header_lines_and_fields_are_bounded() -> None:
    bench = ready()
    line = b'AT+QHTTPCFG="header","X: %b"\r' % (b"x" * 497)
    said = [bench.host(line) for _ in range(MAX_HEADERS // 500)]
    assert set(said) == {OK}
    assert bench.host(line) == cme(723)
    for number in range(MAX_FIELDS):
        assert bench.host(b'AT+QHTTPCFG="form/option","f%d"\r' % number) == OK
    assert bench.host(b'AT+QHTTPCFG="form/option","more"\r') == cme(723)


# ---- odd answers


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"220 mail.example ESMTP\r\n\r\n", 717),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 717),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 717),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 717),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 717),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000, 719),
    ],
)
def test_answers_that_are_none(answer: bytes, code: int) -> None:
    bench, server = getting()
    server.arrive(answer)
    assert bench.tick() + bench.tick() == late(code)
    assert server.closed


def test_a_header_that_comes_byte_by_byte() -> None:
    bench, server = getting()
    for byte in HELLO[:-6]:
        server.arrive(bytes([byte]))
        assert bench.tick() == b""
    server.arrive(HELLO[-6:])
    assert bench.tick() == b"\r\n+QHTTPGET: 0,200,5\r\n"


@pytest.mark.parametrize(
    ("answer", "line", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"0,204", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"0,304,0", b""),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", b"0,301,0", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhimore", b"0,200,2", b"hi"),
        (b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + HELLO, b"0,200,5", b"hello"),
    ],
)
def test_bodies_that_end_by_themselves(answer: bytes, line: bytes, body: bytes) -> None:
    bench, server = getting()
    server.arrive(answer)
    assert bench.tick() == b"\r\n+QHTTPGET: %b\r\n" % line
    assert bench.host(b"AT+QHTTPREAD\r") == read(body)
    assert server.closed


def test_a_chunk_that_is_none() -> None:
    bench, server = answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx\r\n")
    assert bench.host(b"AT+QHTTPREAD\r") == read(b"hi", 717)
    assert server.closed


def test_a_body_up_to_the_end_of_the_connection() -> None:
    bench, server = answered(b"HTTP/1.0 200 OK\r\n\r\nhel", b'"closed/ind",1')
    assert bench.host(b"AT+QHTTPREAD\r") == CONNECT + b"hel"
    server.arrive(b"lo")
    assert bench.tick() == b"lo"
    server.end()
    assert bench.tick() == OK + CLOSED + b"\r\n+QHTTPREAD: 0\r\n"


# ---- the body stays in the network


def test_a_body_that_nobody_reads_is_not_held() -> None:
    bench, server = answered(HEAD % 1_000_000)
    server.arrive(bytes(1_000_000))
    for _ in range(100):
        assert bench.tick() == b""
    left = len(server._incoming)
    assert 1_000_000 - BODY_BUFFER <= left < 1_000_000
    assert bench.module.http.stats()["http_high_water"] <= BODY_BUFFER
    assert bench.module.deadline(bench.now) is None, "there is nothing to do until the host reads"


def test_a_body_waits_for_room_on_the_line() -> None:
    body = random.Random(3).randbytes(300_000)
    bench, server = answered(HEAD % len(body))
    server.arrive(body)
    bench.link.window = 10_000
    said = bench.host(b"AT+QHTTPREAD\r")
    while not said.endswith(b"READ: 0\r\n"):
        more = bench.tick()
        assert 0 < len(more) < 10_000 + 4096 + 64
        said += more
    assert said == read(body)


def test_a_request_body_waits_for_the_server() -> None:
    bench = ready()
    bench.host(b"AT+QHTTPPOST=20000,80,80\r")
    server = bench.network.connections[-1]
    server.capacity = 0
    assert bench.host(bytes(4096)) == b""
    assert bench.host(bytes(4096)) == b""
    assert sum(map(len, server.sent[1:])) == 4096
    assert bench.link.room() == 0, "the host has to wait, too"
    server.capacity = 65536
    assert bench.tick() == b""
    assert bench.host(bytes(20000 - 8192)) == OK
    assert sum(map(len, server.sent[1:])) == 20000
    server.arrive(HELLO)
    assert bench.tick() == b"\r\n+QHTTPPOST: 0,200,5\r\n"


def test_a_server_that_takes_nothing_any_more() -> None:
    bench = ready()
    bench.host(b"AT+QHTTPPUT=20000,30,80\r")
    server = bench.network.connections[-1]
    server.capacity = 0
    bench.host(bytes(4096))
    assert bench.wait(29.9) == b""
    assert bench.wait(0.2) == b"\r\n+QHTTPPUT: 720\r\n"
    assert server.closed


def test_the_time_for_a_body_counts_from_connect_however_it_comes() -> None:
    bench = ready()
    bench.host(b"AT+QHTTPPOST=20000,10,80\r")
    said = b""
    for _ in range(9):
        said += bench.host(bytes(1000)) + bench.wait(1.0)
    assert said == b""
    assert bench.wait(1.1) == b"\r\n+QHTTPPOST: 720\r\n"
    assert bench.host(b"AT\r") == OK


# ---- what happens meanwhile


def test_the_network_goes_away_before_the_response() -> None:
    bench, server = getting(b'"closed/ind",1')
    bench.module.lose_ap("hall")
    assert bench.tick() == DISCONNECTED + late(706) + CLOSED
    assert server.closed
    pending = ready()
    pending.network.outcome = None
    pending.host(b"AT+QHTTPGET\r")
    pending.module.lose_ap("hall")
    assert pending.tick() == DISCONNECTED + late(706)


def test_the_network_goes_away_during_the_response() -> None:
    bench, server = answered(HELLO[:-2])
    bench.module.lose_ap("hall")
    assert bench.tick() == DISCONNECTED
    assert bench.host(b"AT+QHTTPREAD\r") == read(b"hel", 706)
    assert server.closed


def test_the_network_goes_away_under_a_request_body() -> None:
    bench = ready()
    bench.host(b"AT+QHTTPPOST=5,80,80\r")
    bench.module.lose_ap("hall")
    assert bench.host(b"hello") == OK + DISCONNECTED + b"\r\n+QHTTPPOST: 706\r\n"


def test_the_modules_own_hotspot_is_a_network_and_goes_away() -> None:
    bench = Bench(joined=False)
    bench.host(b'AT+QSOFTAP="mine"\r')
    bench.wait(1.0)
    bench.host(b'AT+QHTTPCFG="url","http://10.0.0.9/"\r')
    assert bench.host(b"AT+QHTTPGET\r") == OK
    said = bench.host(b"AT+QSOFTAPSTOP\r")
    assert late(706) in said + bench.wait(1.0)


def test_a_new_request_drops_the_old_response() -> None:
    bench, old = answered(HELLO[:-2], b'"closed/ind",1')
    assert bench.host(b"AT+QHTTPGET\r") == OK
    assert old.closed
    new = bench.network.connections[-1]
    new.arrive(HELLO)
    assert bench.tick() == b"\r\n+QHTTPGET: 0,200,5\r\n" + CLOSED
    assert bench.host(b"AT+QHTTPREAD\r") == read(b"hello")


def test_a_restart_forgets_everything() -> None:
    bench, server = getting(b'"header","X: y"', b'"form/option","f"', b'"auth","a:b"')
    bench.host(b"AT+QRST\r")
    bench.wait(1.0)
    assert server.closed
    for option in (b"header", b"form/option"):
        assert bench.host(b'AT+QHTTPCFG="%b"\r' % option) == OK
    assert bench.host(b'AT+QHTTPCFG="auth"\r') == b'\r\n+QHTTPCFG: "auth",""\r\n' + OK
    assert bench.host(b"AT+QHTTPGET\r") == cme(708)


def test_a_restart_in_the_midst_of_a_body() -> None:
    bench = ready()
    bench.host(b"AT+QHTTPPOST=5,80,80\r")
    server = bench.network.connections[-1]
    bench.link.power_cycle(bench.now)
    assert bench.wait(1.0) == b"\r\nready\r\n"
    assert server.closed
    assert bench.host(b"AT\r") == OK


def test_lines_of_sockets_wait_while_a_response_is_read() -> None:
    bench, server = answered(HELLO[:-2])
    other = bench.open(3)
    assert bench.host(b"AT+QHTTPREAD\r") == CONNECT + b"hel"
    other.arrive(b"x")
    assert bench.tick() == b""
    server.arrive(b"lo")
    said = bench.tick()
    assert said.startswith(b"lo" + OK)
    assert b'\r\n+QIURC: "recv",3\r\n' in said


def test_output_that_nobody_asks_for_keeps_out_of_a_payload() -> None:
    bench, server = getting(b'"rspout/auto",1')
    bench.open(3)
    assert bench.host(b"AT+QISEND=3,2\r") == b"\r\n>"
    server.arrive(HELLO)
    assert bench.tick() == b""
    assert bench.host(b"ab") == b"\r\nSEND OK\r\n" + HELLO + b"\r\n+QHTTPGET: 0,200,5\r\n"


def test_output_that_nobody_asks_for_ends_if_the_server_is_silent() -> None:
    bench, server = getting(b'"rspout/auto",1')
    server.arrive(HELLO[:-2])
    assert bench.tick() == HELLO[:-2]
    assert bench.host(b"AT\r") == b""
    assert bench.wait(59.0) == b""
    assert bench.wait(2.0) == late(718) + OK
    assert server.closed


def test_the_quirk_wants_name_and_value_apart() -> None:
    bench = ready(dialect=MANUAL.with_quirks(["header_apart"]))
    assert bench.host(b'AT+QHTTPCFG="header","X","y"\r') == OK
    assert bench.host(b'AT+QHTTPCFG="header","X: y"\r') == cme(724)
    bench.host(b"AT+QHTTPGET\r")
    assert b"\r\nX: y\r\n" in bench.network.connections[-1].sent[0]


# ---- a virtual world


def world(answer: Any) -> tuple[World, MemoryWeb]:
    world = World(baud=None)
    web = MemoryWeb(world.network, answer)
    world.host.ask(b'AT+QSTAAPINFO="hall","open sesame"\r\n', b'"GOT_IP"\r\n')
    world.host.ask(b'AT+QHTTPCFG="url","http://10.0.0.9/all"\r\n')
    return world, web


@pytest.mark.parametrize("page", [Page(), Page(chunked=True), Page(announced=False)])
def test_a_megabyte_comes_unchanged_however_it_is_sent(page: Page) -> None:
    page.body = random.Random(5).randbytes(1_024_000) + b"\r\nOK\r\n\r\n+QHTTPREAD: 0\r\n"
    place, web = world(lambda asked: page)
    told = b",%d" % len(page.body) if page.announced and not page.chunked else b""
    place.host.ask(b"AT+QHTTPGET\r\n", b"\r\n+QHTTPGET: 0,200%b\r\n" % told)
    end = OK + b"\r\n+QHTTPREAD: 0\r\n"
    assert place.host.ask(b"AT+QHTTPREAD\r\n", page.body[-20:] + end, 100.0) == read(page.body)
    assert place.twin.http.stats()["http_high_water"] <= BODY_BUFFER
    assert web.asked[0].target == "/all"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_megabyte_goes_out_unchanged(method: str) -> None:
    body = random.Random(6).randbytes(1_024_000)

    def answer(asked: Asked) -> Page:
        assert asked.body == body
        return Page(b"taken", 201)

    place, web = world(answer)
    place.host.ask(b"AT+QHTTP%b=1024000,80,80\r\n" % method.encode(), CONNECT)
    place.host.ask(body, OK + b"\r\n+QHTTP%b: 0,201,5\r\n" % method.encode(), 100.0)
    assert (web.asked[0].method, web.asked[0].header["content-length"]) == (method, "1024000")
    assert place.link.input_high_water <= 3 * 65536


def test_a_paced_line_holds_the_server_back() -> None:
    place = World(baud=115200)
    page = Page(bytes(200_000))
    web = MemoryWeb(place.network, lambda asked: page)
    place.host.ask(b'AT+QSTAAPINFO="hall","open sesame"\r\n', b'"GOT_IP"\r\n')
    place.host.ask(b'AT+QHTTPCFG="url","http://10.0.0.9/"\r\n')
    place.host.ask(b"AT+QHTTPGET\r\n", b"200000\r\n")
    place.host.send(b"AT+QHTTPREAD\r\n")
    place.host.read(1.0)
    assert web.server.peers[0].unsent > 0, "the network is full, and the server waits"
    place.host.ask(b"", bytes(20) + OK + b"\r\n+QHTTPREAD: 0\r\n", 20.0)


# ---- a request that promises what does not come


def test_a_length_that_a_get_does_not_have() -> None:
    bench = ready(b"http://10.0.0.9/", b'"header","Content-Length: 5"')
    assert bench.host(b"AT+QHTTPGET\r") + bench.wait(0.1) == OK + late(716)
    assert bench.network.connections[-1].sent == []
    assert bench.host(b"AT\r") == OK


@pytest.mark.parametrize("told", [b"3", b"8"])
def test_a_length_that_the_body_does_not_have(told: bytes) -> None:
    bench = ready(b"http://10.0.0.9/", b'"header","Content-Length: %b"' % told)
    assert bench.host(b"AT+QHTTPPOST=5\r") + bench.tick() == CONNECT
    assert bench.host(b"hello") + bench.wait(0.1) == OK + b"\r\n+QHTTPPOST: 716\r\n"
    assert bench.host(b"AT\r") == OK
