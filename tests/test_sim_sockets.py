"""Every kind of socket in the twin, byte for byte.  Artificial clock, network in memory; W, R and T as in the spec."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fcm360w.commands.codes import SOCKET_TEXTS, SocketCode
from fcm360w.commands.tcp import ListSockets
from fcm360w.sim.dialect import MANUAL
from fcm360w.sim.handlers import HANDLERS
from fcm360w.sim.module import MAX_WAITING
from sim_bench import CONNECT, ERROR, JOIN, OK, Bench, MemoryConnection

PROMPT = b"\r\n>"
SEND_OK = b"\r\nSEND OK\r\n"
SEND_FAIL = b"\r\nSEND FAIL\r\n"
FULL = b'\r\n+QIURC: "incoming full"\r\n'
EVERYTHING = bytes(range(256))


def opened(number: int, code: int = 0) -> bytes:
    return b"\r\n+QIOPEN: %d,%d\r\n" % (number, code)


def incoming(number: int, server: int = 1, port: int = 51000) -> bytes:
    return b'\r\n+QIURC: "incoming",%d,%d,"10.0.0.9",%d\r\n' % (number, server, port)


def recv(number: int) -> bytes:
    return b'\r\n+QIURC: "recv",%d\r\n' % number


def pushed(number: int, data: bytes) -> bytes:
    return b'\r\n+QIURC: "recv",%d,%d\r\n%b\r\n' % (number, len(data), data)


def closed(number: int) -> bytes:
    return b'\r\n+QIURC: "closed",%d\r\n' % number


def qird(data: bytes) -> bytes:
    return b"\r\n+QIRD: %d\r\n%b\r\n" % (len(data), data) + OK


def last_error(bench: Bench) -> int:
    return int(bench.host(b"AT+QIGETERROR\r").removeprefix(b"\r\n+QIGETERROR: ").partition(b",")[0])


def quirky(*names: str) -> Bench:
    return Bench(MANUAL.with_quirks(names))


def say(bench: Bench, *options: bytes) -> None:
    for option in options:
        assert bench.host(b"AT+QICFG=" + option + b"\r") == OK


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            b"QIOPEN",
            [b'(0-11),("TCP","UDP","TCP LISTENER","UDP SERVICE"),<IP_address>/<domain_name>,(1-65535),(1-65535),(0-2)'],
        ),
        (b"QICLOSE", [b"(0-11),(1-120)"]),
        (b"QISTATE", []),
        (b"QISEND", [b"(0-11),(0-1460),<remoteIP>,(1-65535)"]),
        (b"QIRD", [b"(0-11),(0-1500)"]),
        (b"QIACCEPT", [b"(0-11),(0,1),(0-11)"]),
        (b"QISWTMD", [b"(0-11),(0-2)"]),
        (b"QIGETERROR", []),
    ],
)
def test_w15_what_can_be_asked(name: bytes, lines: list[bytes]) -> None:
    answer = b"".join(b"\r\n+%b: %b\r\n" % (name, line) for line in lines)
    assert Bench().host(b"AT+%b=?\r" % name) == answer + OK


# ---- listeners ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [b'"127.0.0.1"', b'"0.0.0.0"', b'""', b'"10.0.0.7"'])
@pytest.mark.parametrize("remote_port", [b"0", b"", b"5000"])
@pytest.mark.parametrize("service", [b"TCP LISTENER", b"UDP SERVICE"])
def test_t7_t8_every_way_to_say_any_address(address: bytes, remote_port: bytes, service: bytes) -> None:
    bench = Bench()
    line = b'AT+QIOPEN=1,"%b",%b,%b,7000,1\r' % (service, address, remote_port)
    assert bench.host(line) == OK + opened(1)
    state = b"3" if service == b"TCP LISTENER" else b"2"
    assert bench.host(b"AT+QISTATE=1\r") == (
        b'\r\n+QISTATE: 1,"%b","10.0.0.7",0,7000,%b,1,1,"uart1"\r\n' % (service, state) + OK
    )


@pytest.mark.parametrize("service", [b"TCP LISTENER", b"UDP SERVICE"])
def test_a_server_that_cannot_be(service: bytes) -> None:
    bench = Bench()

    def ask(number: int, address: bytes = b"127.0.0.1") -> bytes:
        return bench.host(b'AT+QIOPEN=%d,"%b","%b",0,7000\r' % (number, service, address))

    assert ask(1, b"10.0.0.8") == OK + opened(1, 556)
    assert ask(1, b"localhost") == OK + opened(1, 556)
    assert ask(1) == OK + opened(1)
    assert ask(2) == OK + opened(2, 570)
    assert last_error(bench) == 570
    for code in (SocketCode.BIND_FAILED, SocketCode.LISTEN_FAILED, SocketCode.CREATE_FAILED):
        bench.network.local = code
        assert ask(2) == OK + opened(2, code)
        assert last_error(bench) == code
    assert bench.host(b"AT+QISTATE=2\r") == OK, "the id is free again"
    bench.host(b"AT+QSTASTOP\r")
    assert ask(2) == OK + opened(2, 564)


@pytest.mark.parametrize("service", [b"TCP LISTENER", b"UDP SERVICE"])
def test_t11_a_server_is_not_transparent(service: bytes) -> None:
    bench = Bench()
    assert bench.host(b'AT+QIOPEN=1,"%b","127.0.0.1",0,7000,2\r' % service) == ERROR
    assert last_error(bench) == 555
    bench.host(b'AT+QIOPEN=1,"%b","127.0.0.1",0,7000,0\r' % service)
    assert bench.host(b"AT+QISWTMD=1,2\r") == ERROR
    assert last_error(bench) == 555
    assert bench.host(b"AT+QISTATE=1\r").count(b',1,0,"uart1"') == 1


def test_w31_clients_get_the_highest_free_ids_until_all_are_used() -> None:
    bench = Bench()
    bench.listener()
    bench.open(10)
    numbers = [11, 9, 8, 7, 6, 5, 4, 3, 2, 0]
    for port, number in enumerate(numbers, 51000):
        bench.dial(port)
        assert bench.tick() == incoming(number, port=port)
    turned_away = bench.dial(52000)
    assert bench.tick() == FULL
    assert turned_away.closed
    assert bench.host(b"AT+QICLOSE=4\r") == OK
    bench.dial(52001)
    assert bench.tick() == incoming(4, port=52001)
    assert bench.module.sockets.stats()["clients_turned_away"] == 1


def test_w19_a_client_that_came_in() -> None:
    bench = Bench()
    bench.listener()
    bench.dial(51234)
    bench.tick()
    assert bench.host(b"AT+QISTATE\r") == (
        b'\r\n+QISTATE: 1,"TCP LISTENER","10.0.0.7",0,7000,3,1,0,"uart1"\r\n'
        b'\r\n+QISTATE: 11,"TCP INCOMING","10.0.0.9",51234,7000,2,1,0,"uart1"\r\n' + OK
    )


@pytest.mark.parametrize("access", [0, 1])
def test_t10_a_client_has_the_listeners_access_mode(access: int) -> None:
    bench = Bench()
    bench.listener(access=access)
    bench.dial().arrive(b"hello")
    assert bench.tick() == incoming(11) + (pushed(11, b"hello") if access else recv(11))
    assert bench.host(b"AT+QISWTMD=1,%d\r" % (1 - access)) == OK
    bench.dial().arrive(b"hello")
    assert bench.tick() == incoming(10) + (recv(10) if access else pushed(10, b"hello"))


def test_quirks_of_clients_that_come_in() -> None:
    bench = quirky("incoming_buffer", "incoming_low")
    bench.listener(access=1)
    bench.dial().arrive(b"hello")
    assert bench.tick() == incoming(0) + recv(0)
    bench.dial()
    assert bench.tick() == incoming(2)
    assert bench.host(b"AT+QISTATE=2\r").count(b',2,1,0,"uart1"') == 1


def test_a_client_that_came_in_is_a_socket_like_every_other() -> None:
    bench = Bench()
    bench.listener()
    client = bench.dial()
    bench.tick()
    assert bench.host(b"AT+QISEND=11,5\rhello") == PROMPT + SEND_OK
    assert client.sent == [b"hello"]
    assert bench.host(b"AT+QISEND=11,0\r") == b"\r\n+QISEND: 5,5,0\r\n" + OK
    client.arrive(b"world")
    assert bench.tick() == recv(11)
    assert bench.host(b"AT+QISWTMD=11,2\r") == CONNECT + b"world"
    client.end()
    assert bench.tick() == b"\r\nNO CARRIER\r\n" + closed(11)
    assert bench.host(b"AT+QICLOSE=11\r") == OK


def test_a_client_that_leaves_before_it_is_told_of() -> None:
    bench = Bench()
    bench.listener()
    bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    client = bench.dial()
    client.arrive(b"hello")
    client.end()
    assert bench.tick() == b""
    assert bench.host(b"hello") == SEND_OK + incoming(11) + recv(11) + closed(11)
    assert bench.host(b"AT+QIRD=11\r") == qird(b"hello")


def test_closing_a_listener_keeps_its_clients() -> None:
    bench = Bench()
    bench.listener()
    client = bench.dial()
    bench.tick()
    say(bench, b'"tcp/accept",0')
    pending = bench.dial()
    assert bench.host(b"AT+QICLOSE=1\r") == OK
    assert bench.network.listening == {}
    assert pending.closed
    assert not client.closed
    assert bench.host(b"AT+QISTATE\r").count(b"+QISTATE") == 1
    say(bench, b'"close/mode",1')
    bench.listener()
    assert bench.host(b"AT+QICLOSE=1\r") == OK + closed(1)
    assert bench.network.listening == {}


def test_nothing_is_sent_to_or_read_from_a_listener() -> None:
    bench = Bench()
    bench.listener()
    for line in (b"AT+QISEND=1,5", b"AT+QISEND=1", b"AT+QISEND=1,0", b"AT+QIRD=1", b"AT+QIRD=1,0"):
        assert bench.host(line + b"\r") == ERROR
        assert last_error(bench) == 569
    assert bench.host(b'AT+QISEND=1,5,"10.0.0.9",5000\r') == ERROR
    assert last_error(bench) == 569


# ---- QIACCEPT -------------------------------------------------------------------------------------------------------


def asking() -> Bench:
    bench = Bench()
    say(bench, b'"tcp/accept",0')
    bench.listener()
    return bench


def test_w32_accept() -> None:
    bench = asking()
    first, second = bench.dial(51000), bench.dial(51001)
    first.arrive(b"hello")
    assert bench.tick() == b"", "nothing is said of clients that wait"
    assert bench.host(b"AT+QISTATE\r").count(b"+QISTATE") == 1
    assert bench.host(b"AT+QIACCEPT=1,1\r") == (
        b'\r\n+QIACCEPT: 11,"10.0.0.9",51000\r\n' + OK + incoming(11) + recv(11)
    )
    assert bench.host(b"AT+QIACCEPT=1,1,5\r") == b'\r\n+QIACCEPT: 5,"10.0.0.9",51001\r\n' + OK + incoming(5, port=51001)
    assert bench.host(b"AT+QISEND=5,2\rhi") == PROMPT + SEND_OK
    assert second.sent == [b"hi"]
    assert bench.host(b"AT+QIACCEPT=1,1\r") == OK, "none waits"


def test_w32_reject() -> None:
    bench = asking()
    first, second = bench.dial(51000), bench.dial(51001)
    assert bench.host(b"AT+QIACCEPT=1,0\r") == OK
    assert (first.closed, second.closed) == (True, False)
    assert bench.host(b"AT+QIACCEPT=1,0,5\r") == OK
    assert second.closed
    assert bench.host(b"AT+QIACCEPT=1,0\r") == OK
    assert bench.host(b"AT+QISTATE=5\r") == OK


def test_refused_accepts() -> None:
    bench = asking()
    bench.dial()
    for line, code in [
        (b"AT+QIACCEPT=2,1", 565),
        (b"AT+QIACCEPT=1,1,1", 561),
        (b"AT+QIACCEPT=1,1,12", 552),
        (b"AT+QIACCEPT=1,2", 552),
        (b"AT+QIACCEPT=1", 552),
    ]:
        assert bench.host(line + b"\r") == ERROR
        assert last_error(bench) == code
    for number in (0, *range(2, 12)):
        bench.open(number)
    assert bench.host(b"AT+QIACCEPT=1,1\r") == ERROR
    assert last_error(bench) == 560
    assert bench.host(b"AT+QIACCEPT=3,1\r") == ERROR
    assert last_error(bench) == 569
    bench.host(b"AT+QICLOSE=7\r")
    assert bench.host(b"AT+QIACCEPT=1,1\r").startswith(b"\r\n+QIACCEPT: 7,"), "it still waits"


def test_clients_that_wait_are_bounded() -> None:
    bench = asking()
    clients = [bench.dial(51000 + i) for i in range(15)]
    assert bench.tick() == FULL * 3
    assert [client.closed for client in clients] == [False] * 12 + [True] * 3
    stats = bench.module.sockets.stats()
    assert (stats["clients_waiting_high_water"], stats["clients_turned_away"]) == (12, 3)


def test_switching_to_automatic_lets_those_in_that_wait() -> None:
    bench = asking()
    bench.dial(51000)
    bench.dial(51001)
    assert bench.host(b'AT+QICFG="tcp/accept",1\r') == OK + incoming(11) + incoming(10, port=51001)


# ---- UDP clients ----------------------------------------------------------------------------------------------------


def test_udp_client() -> None:
    bench = Bench()
    assert bench.host(b'AT+QIOPEN=3,"UDP","10.0.0.9",5000,4000,1\r') == OK + opened(3)
    link = bench.network.udp[4000]
    assert bench.host(b"AT+QISTATE=3\r") == b'\r\n+QISTATE: 3,"UDP","10.0.0.9",5000,4000,2,3,1,"uart1"\r\n' + OK
    assert bench.host(b"AT+QISEND=3,5\rhello") == PROMPT + SEND_OK
    assert bench.host(b"AT+QISEND=3\rworld!\x1a") == PROMPT + SEND_OK
    assert link.sent == [(b"hello", "10.0.0.9", 5000), (b"world!", "10.0.0.9", 5000)]
    assert bench.host(b"AT+QISEND=3,0\r") == b"\r\n+QISEND: 11,11,0\r\n" + OK
    link.arrive(b"one")
    link.arrive(b"from elsewhere", "10.0.0.8")
    link.arrive(b"from elsewhere", port=5001)
    link.arrive(b"")
    link.arrive(b"two")
    assert bench.tick() == pushed(3, b"one") + pushed(3, b"two"), "each datagram by itself"
    assert bench.host(b"AT+QICLOSE=3\r") == OK
    assert bench.network.udp == {}


def test_udp_client_in_buffer_mode_reads_one_datagram_at_a_time() -> None:
    bench = Bench()
    link = bench.udp()
    link.arrive(b"hello")
    link.arrive(EVERYTHING)
    assert bench.tick() == recv(3)
    assert bench.host(b"AT+QIRD=3,0\r") == b"\r\n+QIRD: 261,0,261\r\n" + OK
    assert bench.host(b"AT+QIRD=3,2\r") == qird(b"he")
    assert bench.host(b"AT+QIRD=3,1500\r") == qird(b"llo")
    assert bench.host(b"AT+QIRD=3,1500\r") == qird(EVERYTHING)
    assert bench.host(b"AT+QIRD=3,1500\r") == b"\r\n+QIRD: 0\r\n" + OK
    link.arrive(b"more")
    assert bench.tick() == recv(3), "announced again once drained"


def test_udp_client_by_name() -> None:
    bench = Bench()
    bench.network.outcome = None
    assert bench.host(b'AT+QIOPEN=3,"UDP","example.org",5000\r') == OK
    assert bench.host(b"AT+QISTATE=3\r") == b'\r\n+QISTATE: 3,"UDP","0.0.0.0",5000,0,1,3,0,"uart1"\r\n' + OK
    bench.network.outcome = SocketCode.SUCCESS
    assert bench.tick() == opened(3)
    assert bench.host(b"AT+QISTATE=3\r") == b'\r\n+QISTATE: 3,"UDP","10.0.0.9",5000,49152,2,3,0,"uart1"\r\n' + OK
    assert bench.host(b'AT+QIOPEN=4,"UDP","nowhere",5000\r') == OK + opened(4, 563)
    assert last_error(bench) == 563
    assert bench.host(b'AT+QIOPEN=4,"UDP","nowhere",5000,0,2\r') == ERROR
    assert last_error(bench) == 563


def test_udp_client_with_a_port_that_is_taken() -> None:
    bench = Bench()
    bench.udp()
    assert bench.host(b'AT+QIOPEN=4,"UDP","10.0.0.9",5000,4000\r') == OK + opened(4, 570)
    assert bench.host(b'AT+QIOPEN=4,"UDP","10.0.0.9",5000,4000,2\r') == ERROR
    assert last_error(bench) == 570


def test_udp_client_whose_line_is_full() -> None:
    bench = quirky("small_send_buffer")
    link = bench.udp()
    link.full = True
    data = b"x" * 1460
    assert bench.host(b"AT+QISEND=3,1460\r" + data) == PROMPT + SEND_OK, "kept for later"
    assert bench.host(b"AT+QISEND=3,1460\r" + data) == PROMPT + SEND_OK
    assert bench.host(b"AT+QISEND=3,1\rx") == PROMPT + SEND_FAIL
    link.full = False
    assert bench.host(b"AT+QISEND=3,5\rhello") == PROMPT + SEND_OK
    assert [datagram for datagram, *_ in link.sent] == [data, data, b"hello"]


def test_udp_client_in_transparent_mode() -> None:
    """What the packer makes are the datagrams; what arrives is a stream."""
    bench = Bench()
    say(bench, b'"transpktsize",100', b'"transwaittm",3')
    assert bench.host(b'AT+QIOPEN=3,"UDP","10.0.0.9",5000,4000,2\r') == CONNECT
    link = bench.network.udp[4000]
    bench.host(b"a" * 250)
    assert [len(data) for data, *_ in link.sent] == [100, 100]
    bench.wait(0.31)
    assert [len(data) for data, *_ in link.sent] == [100, 100, 50]
    link.arrive(b"hello")
    link.arrive(b"world")
    bench.link.window = 3
    assert bench.tick() == b"hel"
    bench.link.window = 65536
    assert bench.tick() == b"loworld"
    bench.wait(1.0)
    bench.host(b"+++")
    assert bench.wait(1.0) == OK
    assert bench.host(b"ATO\r") == CONNECT


# ---- UDP services ---------------------------------------------------------------------------------------------------


def test_w28_udp_service_pushes() -> None:
    bench = Bench()
    link = bench.service(4, 1)
    link.arrive(b"hello")
    link.arrive(EVERYTHING, "10.0.0.8", 5001)
    assert bench.tick() == (
        b'\r\n+QIURC: "recv",4,5,"10.0.0.9",5000\r\nhello\r\n'
        b'\r\n+QIURC: "recv",4,256,"10.0.0.8",5001\r\n' + EVERYTHING + b"\r\n"
    )
    assert bench.host(b"AT+QIRD=4\r") == ERROR
    assert last_error(bench) == 569


def test_w29_udp_service_reads_one_whole_datagram() -> None:
    bench = Bench()
    link = bench.service(4)
    link.arrive(b"hello")
    link.arrive(b"again", "10.0.0.8", 5001)
    assert bench.tick() == recv(4)
    assert bench.host(b"AT+QIRD=4,0\r") == b"\r\n+QIRD: 10,0,10\r\n" + OK
    assert bench.host(b"AT+QIRD=4\r") == b'\r\n+QIRD: 5,"10.0.0.9",5000\r\nhello\r\n' + OK
    # However little is asked for.
    assert bench.host(b"AT+QIRD=4,2\r") == b'\r\n+QIRD: 5,"10.0.0.8",5001\r\nagain\r\n' + OK
    assert bench.host(b"AT+QIRD=4\r") == b"\r\n+QIRD: 0\r\n" + OK
    assert bench.host(b"AT+QIRD=4,0\r") == b"\r\n+QIRD: 10,10,0\r\n" + OK


def test_quirk_qird_comma() -> None:
    bench = quirky("qird_comma")
    bench.open(3).arrive(b"x")
    bench.service(4).arrive(b"hello")
    bench.tick()
    assert bench.host(b"AT+QIRD=4\r") == b'\r\n+QIRD: 5,"10.0.0.9",5000,\r\nhello\r\n' + OK
    assert bench.host(b"AT+QIRD=4\r") == b"\r\n+QIRD: 0\r\n" + OK
    assert bench.host(b"AT+QIRD=3\r") == qird(b"x"), "of services only"


def test_udp_service_sends() -> None:
    bench = Bench()
    link = bench.service(4)
    assert bench.host(b'AT+QISEND=4,5,"10.0.0.9",5000\r') == PROMPT
    assert bench.host(b"hello") == SEND_OK
    assert link.sent == [(b"hello", "10.0.0.9", 5000)]
    assert bench.host(b"AT+QISEND=4,0\r") == b"\r\n+QISEND: 5,5,0\r\n" + OK
    link.full = True
    assert bench.host(b'AT+QISEND=4,5,"10.0.0.9",5000\rhello') == PROMPT + SEND_FAIL
    assert bench.host(b"AT+QISEND=4,0\r") == b"\r\n+QISEND: 5,5,0\r\n" + OK
    assert bench.host(b"AT+QICLOSE=4\r") == OK
    assert bench.network.udp == {}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (b"4", 552),
        (b"4,5", 552),
        (b'4,5,"10.0.0.9"', 552),
        (b'4,5,"example.org",5000', 552),
        (b'4,5,"10.0.0.256",5000', 552),
        (b'4,5,"10.0.0.9",0', 552),
        (b'4,5,"10.0.0.9",65536', 552),
        (b'4,0,"10.0.0.9",5000', 552),
        (b'4,1461,"10.0.0.9",5000', 552),
        (b'4,,"10.0.0.9",5000', 552),
        (b'3,5,"10.0.0.9",5000', 569),
        (b'5,5,"10.0.0.9",5000', 565),
    ],
)
def test_t23_refused_sends_of_a_service(parameters: bytes, code: int) -> None:
    bench = Bench()
    bench.open(3)
    bench.service(4)
    assert bench.host(b"AT+QISEND=" + parameters + b"\r") == ERROR
    assert last_error(bench) == code


def test_datagrams_that_find_no_room_are_lost_and_counted() -> None:
    bench = Bench()
    link = bench.service(4)
    for _ in range(30):
        link.arrive(b"x" * 1472)
    bench.tick()
    kept = 32 * 1024 // 1472
    assert bench.host(b"AT+QIRD=4,0\r") == b"\r\n+QIRD: %d,0,%d\r\n" % (kept * 1472, kept * 1472) + OK
    bench.open(3)
    for data in (b"x" * 1473, b""):
        bench.network.udp[6000].arrive(data)
    bench.tick()
    assert bench.module.sockets.stats()["datagrams_dropped"] == 30 - kept + 2
    bench.host(b"AT+QICLOSE=4\r")
    stats = bench.module.sockets.stats()
    assert (stats["datagrams_dropped"], stats["receive_high_water"]) == (30 - kept + 2, kept * 1472)


def test_many_small_datagrams_are_bounded_too() -> None:
    bench = Bench()
    link = bench.service(4)
    for _ in range(300):
        link.arrive(b"x")
    for _ in range(3):
        bench.tick()
    assert bench.host(b"AT+QIRD=4,0\r") == b"\r\n+QIRD: 256,0,256\r\n" + OK
    assert bench.module.sockets.stats()["datagrams_dropped"] == 44


# ---- the order of things --------------------------------------------------------------------------------------------


def test_r9_lines_come_in_the_order_of_arrival() -> None:
    bench = Bench()
    bench.listener()
    push, buffer = bench.open(4, 1), bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    push.arrive(b"a" * 2000)
    bench.tick()
    buffer.arrive(b"b")
    bench.tick()
    bench.dial()
    bench.tick()
    push.end()
    bench.tick()
    assert bench.host(b"hello") == (
        SEND_OK + pushed(4, b"a" * 1460) + pushed(4, b"a" * 540) + recv(3) + incoming(11) + closed(4)
    )


def test_a_full_line_keeps_the_order() -> None:
    bench = Bench()
    push, buffer = bench.open(4, 1), bench.open(3)
    bench.link.window = 0
    push.arrive(b"a" * 2000)
    bench.tick()
    buffer.arrive(b"b")
    push.end()
    assert bench.tick() == b""
    bench.link.window = 1
    assert bench.tick() == pushed(4, b"a" * 1460)
    assert bench.link.hungry()
    assert bench.tick() == pushed(4, b"a" * 540) + recv(3) + closed(4)
    assert not bench.link.hungry()


def test_what_was_to_be_told_of_a_socket_that_is_gone_is_not() -> None:
    bench = Bench()
    connection = bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    connection.arrive(b"x")
    bench.tick()
    bench.module.sockets.reset()
    assert bench.host(b"hello") == ERROR


def test_what_was_to_be_announced_is_told_as_the_mode_now_is() -> None:
    bench = Bench()
    connection = bench.open(3)
    bench.open(0, 2)
    connection.arrive(b"hello")
    assert bench.tick() == b"", "data mode"
    connection.end()
    bench.network.connections[1].end()
    assert bench.tick() == b"\r\nNO CARRIER\r\n" + recv(3) + closed(3) + closed(0)


def test_r9_with_urc_in_prompt() -> None:
    bench = quirky("urc_in_prompt")
    connection, push = bench.open(3), bench.open(4, 1)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    connection.arrive(b"x")
    push.arrive(b"y")
    push.end()
    assert bench.tick() == recv(3) + pushed(4, b"y") + closed(4)
    assert bench.host(b"hello") == SEND_OK


def test_lines_that_cannot_wait_turn_clients_away() -> None:
    """In data mode nothing can be said; what the host will not be told of must not occupy an id."""
    bench = Bench()
    say(bench, b'"passiveclosed",1')
    bench.listener()
    data = bench.open(0, 2)
    for _ in range(MAX_WAITING):
        bench.dial().end()
        bench.tick()
    assert len(bench.module.waiting) <= MAX_WAITING + 12
    assert bench.module.sockets.stats()["clients_turned_away"] > 0
    assert bench.host(b"still data") == b""
    bench.wait(0.5)
    assert data.sent == [b"still data"]


def test_what_follows_the_end_of_data_mode_in_the_middle_of_a_line() -> None:
    """The part before the close is payload, the rest a command: `AT+QVERSION` cut in any place."""
    line = b"AT+QVERSION\r\n"
    for cut in range(len(line) + 1):
        bench = Bench()
        say(bench, b'"transwaittm",0')
        connection = bench.open(0, 2)
        bench.host(line[:cut])
        connection.end()
        said = bench.tick() + bench.host(line[cut:])
        rest = line[cut:].strip(b"\r\n")
        answer = b"" if not rest else b"\r\n+QVERSION: FCM360WAAR01A01\r\n" + OK if cut == 0 else ERROR
        assert said == b"\r\nNO CARRIER\r\n" + closed(0) + answer
        assert b"".join(connection.sent) == line[:cut]


def test_host_bytes_that_found_no_room_run_as_commands_when_the_peer_closes() -> None:
    bench = Bench()
    connection = bench.open(0, 2)
    connection.capacity = 0
    assert bench.host(b"AT\r\n") == b""
    connection.end()
    assert bench.tick() == b"\r\nNO CARRIER\r\n" + closed(0) + OK
    assert connection.sent == []


# ---- options --------------------------------------------------------------------------------------------------------


def test_passiveclosed_keeps_the_id_until_everything_is_read() -> None:
    bench = Bench()
    say(bench, b'"passiveclosed",1')
    connection = bench.open(3)
    connection.arrive(b"hello")
    connection.end()
    assert bench.tick() == recv(3) + closed(3)
    assert bench.host(b"AT+QIRD=3\r") == qird(b"hello")
    assert bench.host(b"AT+QISTATE\r") == OK
    push = bench.open(3, 1)
    push.arrive(b"hello")
    push.end()
    assert bench.tick() == pushed(3, b"hello") + closed(3)
    assert bench.host(b"AT+QISTATE\r") == OK


def test_w30_hexadecimal_of_datagrams() -> None:
    bench = Bench()
    say(bench, b'"dataformat",1,1')
    link = bench.service(4)
    assert bench.host(b'AT+QISEND=4,4,"10.0.0.9",5000\r4f4B') == PROMPT + SEND_OK
    assert link.sent == [(b"OK", "10.0.0.9", 5000)]
    link.arrive(b"OK")
    assert bench.tick() == recv(4)
    assert bench.host(b"AT+QIRD=4\r") == b'\r\n+QIRD: 2,"10.0.0.9",5000\r\n4F4B\r\n' + OK
    bench.host(b"AT+QISWTMD=4,1\r")
    link.arrive(b"OK")
    assert bench.tick() == b'\r\n+QIURC: "recv",4,2,"10.0.0.9",5000\r\n4F4B\r\n'


def test_w25_counts_are_those_of_the_network_in_hexadecimal_too() -> None:
    bench = Bench()
    say(bench, b'"dataformat",1,1')
    connection = bench.open(3)
    bench.host(b"AT+QISEND=3,4\r4f4B")
    assert bench.host(b"AT+QISEND=3,0\r") == b"\r\n+QISEND: 2,2,0\r\n" + OK
    connection.arrive(b"hello")
    bench.tick()
    assert bench.host(b"AT+QIRD=3,0\r") == b"\r\n+QIRD: 5,0,5\r\n" + OK


def test_every_byte_in_hexadecimal_both_ways() -> None:
    bench = Bench()
    say(bench, b'"dataformat",1,1')
    connection = bench.open(3)
    digits = EVERYTHING.hex().encode()
    assert bench.host(b"AT+QISEND=3,512\r" + digits) == PROMPT + SEND_OK
    assert bench.host(b"AT+QISEND=3\r" + digits.upper() + b"\x1a") == PROMPT + SEND_OK
    assert connection.sent == [EVERYTHING, EVERYTHING]
    connection.arrive(EVERYTHING)
    bench.tick()
    assert bench.host(b"AT+QIRD=3,256\r") == b"\r\n+QIRD: 256\r\n" + digits.upper() + b"\r\n" + OK


def test_hexadecimal_one_way_only() -> None:
    bench = Bench()
    say(bench, b'"dataformat",1,0')
    connection = bench.open(3, 1)
    bench.host(b"AT+QISEND=3,4\r4f4B")
    connection.arrive(b"OK")
    assert bench.tick() == pushed(3, b"OK")
    say(bench, b'"dataformat",0,1')
    bench.host(b"AT+QISEND=3,4\r4f4B")
    assert connection.sent == [b"OK", b"4f4B"]
    connection.arrive(b"OK")
    assert bench.tick() == b'\r\n+QIURC: "recv",3,2\r\n4F4B\r\n'


def test_hexadecimal_does_not_touch_data_mode() -> None:
    bench = Bench()
    say(bench, b'"dataformat",1,1', b'"transwaittm",0')
    connection = bench.open(0, 2)
    bench.host(b"hello")
    assert connection.sent == [b"hello"]
    connection.arrive(b"world")
    assert bench.tick() == b"world"


def test_w22_too_many_digits() -> None:
    bench = Bench()
    say(bench, b'"dataformat",1,1')
    connection = bench.open(3)
    assert bench.host(b"AT+QISEND=3\r" + b"4f" * 730 + b"\x1a") == PROMPT + SEND_OK
    assert bench.host(b"AT+QISEND=3\r" + b"4f" * 731 + b"\x1a") == PROMPT + ERROR
    assert last_error(bench) == 552
    assert connection.sent == [b"O" * 730]


def test_quirk_hex_send_bytes() -> None:
    bench = quirky("hex_send_bytes")
    say(bench, b'"dataformat",1,0')
    connection = bench.open(3)
    assert bench.host(b"AT+QISEND=3,2\r4f4") == PROMPT
    assert bench.host(b"BAT\r") == SEND_OK + OK
    assert bench.host(b"AT+QISEND=3,1460\r" + b"4f" * 1460) == PROMPT + SEND_OK
    assert bench.host(b"AT+QISEND=3\r" + b"4f" * 1460 + b"\x1a") == PROMPT + SEND_OK
    assert connection.sent == [b"OK", b"O" * 1460, b"O" * 1460]
    say(bench, b'"dataformat",0,0')
    assert bench.host(b"AT+QISEND=3,2\rhi") == PROMPT + SEND_OK


def test_quirk_hex_recv_digits() -> None:
    bench = quirky("hex_recv_digits")
    say(bench, b'"dataformat",0,1')
    connection, push = bench.open(3), bench.open(4, 1)
    connection.arrive(b"OK!")
    push.arrive(b"x" * 731)
    assert bench.tick() == recv(3) + pushed(4, b"78" * 730) + pushed(4, b"78")
    assert bench.host(b"AT+QIRD=3,4\r") == qird(b"4F4B")
    assert bench.host(b"AT+QIRD=3\r") == qird(b"21")
    say(bench, b'"dataformat",0,0')
    connection.arrive(b"OK")
    bench.tick()
    assert bench.host(b"AT+QIRD=3\r") == qird(b"OK")


def test_t18_quirk_qistate_type() -> None:
    for bench, taken in ((Bench(), False), (quirky("qistate_type"), True)):
        bench.open(3)
        line = b'\r\n+QISTATE: 3,"TCP","10.0.0.9",8009,49152,2,3,0,"uart1"\r\n' + OK
        assert bench.host(b"AT+QISTATE=1,3\r") == (line if taken else ERROR)
        assert last_error(bench) == (0 if taken else 552)
        assert bench.host(b"AT+QISTATE=0,3\r") == ERROR
        assert bench.host(b"AT+QISTATE=3\r") == line


def test_t26_the_send_buffer_counts_what_is_not_acknowledged() -> None:
    bench = quirky("small_send_buffer")
    connection = bench.open(3)
    connection.unacknowledged = 2000
    assert bench.host(b"AT+QISEND=3,921\r" + b"x" * 921) == PROMPT + SEND_FAIL
    assert connection.sent == []
    assert bench.host(b"AT+QISEND=3,920\r" + b"x" * 920) == PROMPT + SEND_OK
    assert last_error(bench) == 0


def test_tw_cycle_changes_nothing_that_shows() -> None:
    bench = Bench()
    say(bench, b'"tcp/tw_cycle",1')
    bench.open(3)
    assert bench.host(b"AT+QICLOSE=3\r") == OK


# ---- the end of the Wi-Fi -------------------------------------------------------------------------------------------


def test_losing_the_wifi_closes_every_kind() -> None:
    bench = Bench()
    bench.listener(1)
    incoming_ = bench.dial()
    link = bench.udp(3)
    bench.service(4).arrive(b"kept")
    bench.tick()
    assert bench.host(b"AT+QSTASTOP\r") == (
        OK + b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n' + closed(1) + closed(3) + closed(4) + closed(11)
    )
    assert incoming_.closed
    assert bench.network.udp == {}
    assert bench.network.listening == {}
    assert bench.host(b"AT+QIRD=4\r") == b'\r\n+QIRD: 4,"10.0.0.9",5000\r\nkept\r\n' + OK
    for line in (b"AT+QISEND=3,5", b'AT+QISEND=4,5,"10.0.0.9",5000', b"AT+QISEND=11"):
        assert bench.host(line + b"\r") == ERROR
        assert last_error(bench) == 565
    assert bench.host(b"AT+QISTATE\r").count(b",4,") >= 4
    for number in (1, 3, 4, 11):
        assert bench.host(b"AT+QICLOSE=%d\r" % number) == OK
    assert bench.host(b"AT+QISTATE\r") == OK
    link.arrive(b"late")
    assert bench.tick() == b""


def test_losing_the_wifi_while_opening() -> None:
    bench = Bench()
    bench.network.outcome = None
    for number, kind in ((3, b"UDP"), (4, b"TCP")):
        bench.host(b'AT+QIOPEN=%d,"%b","example.org",5000\r' % (number, kind))
    assert bench.host(b'AT+QIOPEN=5,"UDP","example.org",5000,0,2\r') == b""
    bench.module.radio.leave()
    assert bench.tick() == ERROR + b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n' + opened(3, 564) + opened(4, 564)
    assert bench.host(b"AT+QISTATE\r") == OK
    bench.network.outcome = SocketCode.SUCCESS
    assert bench.tick() == b""
    assert bench.network.udp == {}


AP_UP = b'\r\n+QAPSTAT: "AP_UP"\r\n'


def test_the_modules_own_hotspot_is_a_network_too() -> None:
    bench = Bench(joined=False)
    bench.host(b'AT+QSOFTAP="mine","12345678"\r')
    assert bench.wait(1.0) == AP_UP
    bench.listener()
    assert bench.host(b"AT+QISTATE\r") == b'\r\n+QISTATE: 1,"TCP LISTENER","192.168.19.1",0,7000,3,1,0,"uart1"\r\n' + OK
    bench.dial()
    assert bench.tick() == incoming(11)
    assert bench.host(b"AT+QSOFTAPSTOP\r").endswith(closed(1) + closed(11))


def test_servers_stay_while_the_module_has_another_role() -> None:
    bench = Bench()
    bench.host(b'AT+QSOFTAP="mine","12345678"\r')
    bench.wait(1.0)
    bench.listener()
    bench.service(4)
    bench.open(3)
    assert bench.host(b"AT+QSTASTOP\r") == OK + b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n' + closed(3)
    bench.host(JOIN)
    bench.wait(1.0)
    assert bench.host(b"AT+QSOFTAPSTOP\r").count(b"closed") == 0
    assert bench.host(b"AT+QISTATE\r").count(b'"10.0.0.7"') == 2


# ---- codes ----------------------------------------------------------------------------------------------------------


def opening(bench: Bench) -> None:
    bench.network.outcome = None
    bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009\r')


def test_566_while_it_opens() -> None:
    bench = Bench()
    opening(bench)
    for line in (b"AT+QISEND=3,5", b"AT+QISEND=3,0", b"AT+QIRD=3", b"AT+QISWTMD=3,1", b"AT+QISWTMD=3,2"):
        assert bench.host(line + b"\r") == ERROR
        assert last_error(bench) == 566


def provoke_bug(bench: Bench) -> None:
    handler = HANDLERS[ListSockets]
    HANDLERS[ListSockets] = lambda module, command: 1 / 0  # type: ignore[assignment, return-value]
    try:
        bench.host(b"AT+QISTATE\r")
    finally:
        HANDLERS[ListSockets] = handler


def late(code: SocketCode) -> Callable[[Bench], None]:
    def provoke(bench: Bench) -> None:
        bench.network.outcome = bench.network.local = code
        kind = b"TCP" if code is not SocketCode.LISTEN_FAILED else b"TCP LISTENER"
        bench.host(b'AT+QIOPEN=3,"%b","127.0.0.1",8009,7000\r' % kind)

    return provoke


def said(*lines: bytes) -> Callable[[Bench], None]:
    def provoke(bench: Bench) -> None:
        bench.open(3)
        for line in lines:
            bench.host(line)

    return provoke


def accept_without_an_id(bench: Bench) -> None:
    say(bench, b'"tcp/accept",0')
    bench.listener()
    for number in (0, *range(2, 12)):
        bench.open(number)
    bench.dial()
    bench.host(b"AT+QIACCEPT=1,1\r")


def closed_by_the_peer(bench: Bench) -> None:
    bench.open(3).end()
    bench.tick()
    bench.host(b"AT+QISEND=3,5\r")


def send_while_opening(bench: Bench) -> None:
    opening(bench)
    bench.host(b"AT+QISEND=3,5\r")


def silence_at_the_prompt(bench: Bench) -> None:
    bench.open(3)
    bench.host(b"AT+QISEND=3,5\r")
    bench.wait(5.0)


def port_taken(bench: Bench) -> None:
    bench.listener(1)
    bench.listener(2)


# How each code comes about, or why it cannot.
PROVOKED: dict[SocketCode, Callable[[Bench], None] | str] = {
    SocketCode.SUCCESS: said(b"AT+QISTATE\r"),
    SocketCode.UNKNOWN: provoke_bug,
    SocketCode.BLOCKED: "commands are served one after the other; those that come meanwhile wait in the line",
    SocketCode.INVALID_PARAMETERS: said(b"AT+QISEND=3,1461\r"),
    SocketCode.OUT_OF_MEMORY: "every buffer is bounded, and a full one says SEND FAIL",
    SocketCode.CREATE_FAILED: late(SocketCode.CREATE_FAILED),
    SocketCode.NOT_SUPPORTED: said(b'AT+QIOPEN=4,"UDP SERVICE","127.0.0.1",0,7000,2\r'),
    SocketCode.BIND_FAILED: said(b'AT+QIOPEN=4,"TCP LISTENER","10.0.0.8",0,7000\r'),
    SocketCode.LISTEN_FAILED: late(SocketCode.LISTEN_FAILED),
    SocketCode.WRITE_FAILED: "SEND OK says that the module has the data; a fault after that is a closed line",
    SocketCode.READ_FAILED: "what is read has been in the module for a while",
    SocketCode.ACCEPT_FAILED: accept_without_an_id,
    SocketCode.ID_IN_USE: said(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009\r'),
    SocketCode.DNS_BUSY: late(SocketCode.DNS_BUSY),
    SocketCode.DNS_FAILED: late(SocketCode.DNS_FAILED),
    SocketCode.CONNECT_FAILED: late(SocketCode.CONNECT_FAILED),
    SocketCode.CLOSED: closed_by_the_peer,
    SocketCode.BUSY: send_while_opening,
    SocketCode.TIMED_OUT: silence_at_the_prompt,
    SocketCode.CANCELLED: said(b"AT+QISEND=3\rhel\x1b"),
    SocketCode.NOT_ALLOWED: said(b"AT+QISWTMD=3,1\rAT+QIRD=3\r"),
    SocketCode.PORT_BUSY: port_taken,
}


def test_every_code_is_accounted_for() -> None:
    assert list(PROVOKED) == list(SocketCode)


@pytest.mark.parametrize("code", [code for code, how in PROVOKED.items() if callable(how)])
def test_every_code_that_can_be_is_told(code: SocketCode) -> None:
    bench = Bench()
    how = PROVOKED[code]
    assert callable(how)
    how(bench)
    line = b'\r\n+QIGETERROR: %d,"%b"\r\n' % (code, SOCKET_TEXTS[code].encode())
    assert bench.host(b"AT+QIGETERROR\r") == line + OK
    bench.host(b"AT+QISTATE\r")
    assert last_error(bench) == 0, "0 after a success"


def test_the_last_error_is_that_of_the_last_line() -> None:
    """A late line counts when it is said, not when its reason came up."""
    bench = Bench()
    bench.open(4)
    opening(bench)
    assert bench.host(b"AT+QISEND=4\r") == PROMPT
    bench.network.outcome = SocketCode.CONNECT_FAILED
    assert bench.tick() == b""
    assert bench.host(b"\x1b") == ERROR + opened(3, 564)
    assert last_error(bench) == 564
    assert bench.host(b"AT+QISEND=4\r\x1b") == PROMPT + ERROR
    assert last_error(bench) == 568


def test_the_network_is_not_asked_for_what_the_host_has_no_room_for() -> None:
    bench = Bench()
    connection: MemoryConnection = bench.open(3)
    connection.arrive(b"x" * 100_000)
    bench.tick()
    assert bench.module.sockets.stats()["receive_high_water"] == 32 * 1024
    assert connection.readable
