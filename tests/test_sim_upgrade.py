"""Firmware over the air: fetched through the twin's network, checked, and run after a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.store import FileStore
from fcm360w.sim.upgrade import Image, image
from sim_bench import ERROR, OK, Bench, MemoryConnection

URL = b'AT+QWLANOTA="http://10.0.0.9:8080/fw.rbl"\r'
DISCONNECTED = b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n'


def told(*events: str) -> bytes:
    return b"".join(b'\r\n+QOTASTAT: "%b"\r\n' % event.encode() for event in events)


STARTED, FAILED = told("START_DOWNLOAD"), told("DOWNLOAD_FAILED")
FETCHED = told("DOWNLOAD_SUCCEED", "START_UPGRADE")
NEW = "FCM360WAAR02A01"
FIRMWARE = image(NEW, b"firmware")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(FIRMWARE), FIRMWARE)


def version(bench: Bench) -> str:
    return bench.host(b"AT+QVERSION\r").decode().split()[1]


def begun(said: bytes = URL) -> tuple[Bench, MemoryConnection]:
    bench = Bench()
    assert bench.host(said) == OK + STARTED
    return bench, bench.network.connections[-1]


@pytest.mark.parametrize("url", [b'"http://10.0.0.9:8080/fw.rbl"', b"http://10.0.0.9:8080/fw.rbl"])
def test_w19_w20_upgrade(url: bytes) -> None:
    bench, server = begun(b"AT+QWLANOTA=" + url + b"\r")
    assert bench.network.asked == [("10.0.0.9", 8080, 0)]
    assert server.sent == [b"GET /fw.rbl HTTP/1.0\r\nHost: 10.0.0.9:8080\r\n\r\n"]
    server.arrive(ANSWER[:-4])
    assert bench.tick() == b""
    assert bench.host(b"AT\r") == OK
    server.arrive(ANSWER[-4:])
    assert bench.tick() == FETCHED
    assert server.closed
    assert bench.wait(0.19) == b""
    assert version(bench) == "FCM360WAAR01A01"
    assert bench.wait(5.0) == b"\r\nready\r\n"
    assert bench.host(b"AT+QGETWIFISTATE\r") == ERROR
    assert version(bench) == NEW
    bench.host(b"AT+QRST\r")
    bench.wait(5.0)
    assert version(bench) == NEW


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (b"http://a.example", ("a.example", 80, 0)),
        (b"HTTP://a:1/", ("a", 1, 0)),
        (b"http://a_b.example#part", ("a_b.example", 80, 0)),
    ],
)
def test_what_a_url_may_leave_out(url: bytes, asked: tuple[str, int, int]) -> None:
    bench, server = begun(b'AT+QWLANOTA="%b"\r' % url)
    assert bench.network.asked == [asked]
    assert server.sent[0].startswith(b"GET / HTTP/1.0\r\n")


def test_a_length_that_is_not_announced() -> None:
    bench, server = begun()
    whole = b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n" + image(NEW, bytes(100_000))
    for piece in (whole[:17], whole[17:29], whole[29:60], whole[60:]):
        server.arrive(piece)
        assert bench.tick() + bench.tick() == b""
    server.end()
    assert bench.tick() == FETCHED


def test_what_comes_behind_the_announced_length_is_not_looked_at() -> None:
    bench, server = begun()
    server.arrive(ANSWER + b"more")
    assert bench.tick() == FETCHED


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        b"SSH-2.0-something\r\n\r\n",
        ANSWER[:-1],
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfirmware",
        b"HTTP/1.1 200 OK\r\n\r\n" + FIRMWARE[:-1],
        b"HTTP/1.1 200 OK\r\n\r\n" + FIRMWARE + b"x",
        b"HTTP/1.1 200 OK\r\n\r\n" + FIRMWARE[:-1] + b"x",
        b"HTTP/1.1 200 OK\r\n\r\n" + FIRMWARE.replace(b" 8 ", b" 9 "),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000 + FIRMWARE,
        b"HTTP/1.1 200 OK\r\n",
        b"",
    ],
)
def test_answers_that_bring_no_firmware(answer: bytes) -> None:
    bench, server = begun()
    server.arrive(answer)
    server.end()
    assert bench.tick() + bench.tick() == FAILED
    assert server.closed
    assert bench.wait(60.0) == b""
    assert version(bench) == "FCM360WAAR01A01"


def test_a_head_without_an_end() -> None:
    bench, server = begun()
    server.arrive(b"x" * 5000)
    assert bench.tick() == FAILED


def test_a_server_that_falls_silent() -> None:
    bench, server = begun()
    assert bench.wait(29.0) == b""
    server.arrive(b"HTTP/1.1 200 OK\r\n\r\n")
    assert bench.wait(29.0) == b""
    assert bench.wait(2.0) == FAILED
    assert server.closed


def test_no_server() -> None:
    bench = Bench()
    bench.network.outcome = SocketCode.CONNECT_FAILED
    assert bench.host(URL) == OK + STARTED + FAILED
    bench.network.outcome = SocketCode.SUCCESS
    assert bench.host(URL) == OK + STARTED, "it may be tried again"


def test_no_network() -> None:
    assert Bench(joined=False).host(URL) == OK + STARTED + FAILED


def test_the_network_goes_away() -> None:
    bench, server = begun()
    bench.module.lose_ap("hall")
    assert bench.tick() == DISCONNECTED + FAILED
    assert server.closed
    pending = Bench()
    pending.network.outcome = None
    pending.host(URL)
    pending.module.lose_ap("hall")
    assert pending.tick() == DISCONNECTED + FAILED
    pending.network.outcome = SocketCode.SUCCESS
    assert pending.tick() == b""


@pytest.mark.parametrize(
    "said",
    [
        b'AT+QWLANOTA=""\r',
        b'AT+QWLANOTA="fw.rbl"\r',
        b'AT+QWLANOTA="ftp://10.0.0.9/fw.rbl"\r',
        b'AT+QWLANOTA="http:///fw.rbl"\r',
        b'AT+QWLANOTA="http://10.0.0.9:0/"\r',
        b'AT+QWLANOTA="http://10.0.0.9:65536/"\r',
        b'AT+QWLANOTA="http://10.0.0.9/a b"\r',
        b"AT+QWLANOTA=http://10.0.0.9/a b\r",
        b'AT+QWLANOTA="http://10.0.0.9/%b"\r' % (b"x" * 512),
        b"AT+QWLANOTA=\r",
        b"AT+QWLANOTA\r",
        b"AT+QWLANOTA?\r",
        b'AT+QWLANOTA="http://10.0.0.9/",1\r',
    ],
)
def test_what_is_no_url(said: bytes) -> None:
    bench = Bench()
    assert bench.host(said) == ERROR
    assert bench.network.asked == []


def test_one_at_a_time() -> None:
    bench, server = begun()
    assert bench.host(URL) == ERROR
    server.arrive(ANSWER)
    assert bench.tick() == FETCHED
    assert bench.host(URL) == ERROR


@pytest.mark.parametrize("said", [b"AT+QISEND=3,5\rhel", b"AT+QISWTMD=3,2\r", b"AT+QV"])
def test_the_restart_does_not_ask(said: bytes) -> None:
    bench, server = begun()
    bench.open(3)
    server.arrive(ANSWER)
    bench.tick()
    bench.host(said)
    assert bench.wait(5.0) == b"\r\nready\r\n"
    assert bench.host(b"AT\r") == OK


def test_a_restart_ends_it() -> None:
    bench, server = begun()
    bench.host(b"AT+QRST\r")
    assert server.closed
    assert bench.wait(60.0) == b"\r\nready\r\n"


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_an_image_comes_in_pieces(step: int) -> None:
    made, found = image(NEW, bytes(range(256))), Image()
    for start in range(0, len(made), step):
        assert found.version() is None
        found.take(made[start : start + step])
    assert found.version() == NEW


def test_an_image_of_nothing() -> None:
    found = Image()
    found.take(image("v1"))
    assert found.version() == "v1"


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "new\n"])
def test_a_version_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 printable characters"):
        image(name)


@pytest.mark.parametrize(("moment", "runs"), [(0.0, "FCM360WAAR01A01"), (0.19, "FCM360WAAR01A01"), (0.21, NEW)])
def test_the_power_fails_in_the_middle(moment: float, runs: str) -> None:
    bench, server = begun()
    server.arrive(ANSWER)
    bench.tick()
    bench.wait(moment)
    bench.link.power_cycle(bench.now)
    bench.wait(5.0)
    assert version(bench) == runs


def test_the_power_fails_while_it_is_fetched() -> None:
    bench, server = begun()
    server.arrive(ANSWER[:-1])
    bench.tick()
    bench.link.power_cycle(bench.now)
    assert server.closed
    bench.wait(5.0)
    assert version(bench) == "FCM360WAAR01A01"


def test_a_store_keeps_the_version(tmp_path: Path) -> None:
    bench = Bench(store=FileStore(str(tmp_path)))
    bench.host(URL)
    bench.network.connections[-1].arrive(ANSWER)
    bench.wait(5.0)
    assert version(Bench(store=FileStore(str(tmp_path)))) == NEW


@pytest.mark.parametrize(("port", "where"), [(b"", 443), (b":8443", 8443)])
def test_https_goes_through_the_first_context(port: bytes, where: int) -> None:
    bench = Bench()
    dialled: list[tuple[str, int, int | None]] = []

    def dial(whose: object, host: str, port: int, context: int | None, done: Callable[..., None]) -> object:
        dialled.append((host, port, context))
        return bench.network.connect(host, port, 0, done)

    bench.module.upgrade._dial = dial  # type: ignore[assignment]
    assert bench.host(b'AT+QWLANOTA="https://a.example%b/fw"\r' % port) == OK + STARTED
    assert dialled == [("a.example", where, 0)]
    bench.network.connections[-1].arrive(ANSWER)
    assert bench.tick() == FETCHED
