"""TLS connections in the twin, as far as its commands go: ids, modes, lines; what is on the network is in the clear."""

from __future__ import annotations

import pytest

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.dialect import MANUAL
from sim_bench import CONNECT, ERROR, OK, Bench, MemoryConnection

PROMPT = b"\r\n>"
OPENED = b"\r\n+QSSLOPEN: 4,0\r\n"


def error(code: int, text: str) -> bytes:
    return b'\r\n+QIGETERROR: %d,"%s"\r\n' % (code, text.encode()) + OK


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def server(bench: Bench) -> MemoryConnection:
    return bench.secure(4)


def test_w38_open_and_send(bench: Bench) -> None:
    bench.secure(9)
    assert bench.host(b'AT+QSSLOPEN=2,4,"10.0.0.9",8010,0\r') == OK + OPENED
    assert bench.host(b"AT+QSSLSEND=4,5\r") == PROMPT
    assert bench.host(b"hello") == b"\r\nSEND OK\r\n"
    assert bench.host(b"AT+QSSLSEND=4\r") == PROMPT
    assert bench.host(b"you\x1a") == b"\r\nSEND OK\r\n"
    assert bench.network.connections[-1].sent == [b"hello", b"you"]


def test_w38_buffer_mode(bench: Bench, server: MemoryConnection) -> None:
    server.arrive(b"hello")
    assert bench.tick() == b'\r\n+QSSLURC: "recv",4\r\n'
    server.arrive(b"again")
    assert bench.tick() == b""
    assert bench.host(b"AT+QSSLRECV=4,7\r") == b"\r\n+QSSLRECV: 7\r\nhelloag\r\n" + OK
    assert bench.host(b"AT+QSSLRECV=4,1500\r") == b"\r\n+QSSLRECV: 3\r\nain\r\n" + OK
    assert bench.host(b"AT+QSSLRECV=4,1500\r") == b"\r\n+QSSLRECV: 0\r\n" + OK


@pytest.mark.parametrize("length", [b"", b",0", b",1501", b",-1", b",x"])
def test_s11_the_length_of_a_read(bench: Bench, server: MemoryConnection, length: bytes) -> None:
    assert bench.host(b"AT+QSSLRECV=4%b\r" % length) == ERROR


def test_w38_push_mode(bench: Bench) -> None:
    server = bench.secure(4, access=1)
    server.arrive(b"hello")
    assert bench.tick() == b'\r\n+QSSLURC: "recv",4,5\r\nhello\r\n'
    server.arrive(b"x" * 2000)
    pushed = (
        b'\r\n+QSSLURC: "recv",4,1460\r\n' + b"x" * 1460 + b'\r\n\r\n+QSSLURC: "recv",4,540\r\n' + b"x" * 540 + b"\r\n"
    )
    assert bench.tick() == pushed
    assert bench.host(b"AT+QSSLRECV=4,5\r") == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == error(569, "Operation not allowed")


def test_push_without_a_trailer() -> None:
    bench = Bench(MANUAL.with_quirks(["push_no_trailer"]))
    bench.secure(4, access=1).arrive(b"hello")
    assert bench.tick() == b'\r\n+QSSLURC: "recv",4,5\r\nhello'


def test_payloads_are_never_hexadecimal(bench: Bench) -> None:
    server = bench.secure(4, access=1)
    assert bench.host(b'AT+QICFG="dataformat",1,1\r') == OK
    server.arrive(b"hello")
    assert bench.tick() == b'\r\n+QSSLURC: "recv",4,5\r\nhello\r\n'
    assert bench.host(b"AT+QSSLSEND=4,2\r") == PROMPT
    assert bench.host(b"hi") == b"\r\nSEND OK\r\n"
    assert server.sent == [b"hi"]


def test_w34_transparent_mode(bench: Bench) -> None:
    bench.secure(9)
    bench.host(b"AT+QSSLCLOSE=9\r")
    assert bench.host(b'AT+QSSLOPEN=0,4,"10.0.0.9",8010,2\r') == CONNECT
    server = bench.network.connections[-1]
    bench.host(b"hello")
    bench.wait(1.0)
    assert server.sent == [b"hello"]
    bench.host(b"+++")
    assert bench.wait(1.5) == OK
    assert bench.host(b"ATO\r") == CONNECT
    server.arrive(b"bye")
    server.end()
    assert bench.tick() == b'bye\r\nNO CARRIER\r\n\r\n+QSSLURC: "closed",4\r\n'
    assert bench.host(b"ATO\r") == b"\r\nNO CARRIER\r\n"


def test_no_carrier_only() -> None:
    bench = Bench(MANUAL.with_quirks(["no_carrier_only"]))
    bench.secure(4, access=2).end()
    assert bench.tick() == b"\r\nNO CARRIER\r\n"


def test_modes_are_switched(bench: Bench, server: MemoryConnection) -> None:
    """T33: that command is for both sorts of sockets."""
    server.arrive(b"hello")
    assert bench.tick() == b'\r\n+QSSLURC: "recv",4\r\n'
    assert bench.host(b"AT+QISWTMD=4,1\r") == OK + b'\r\n+QSSLURC: "recv",4,5\r\nhello\r\n'
    assert bench.host(b"AT+QISWTMD=4,2\r") == CONNECT


def test_w39_states(bench: Bench) -> None:
    assert bench.host(b"AT+QSSLSTATE\r") == OK
    bench.secure(4, context=1)
    bench.secure(2, access=1, context=3)
    two = b'\r\n+QSSLSTATE: 2,"SSLClient","10.0.0.9",8010,49152,2,2,1,"uart1",3\r\n'
    four = b'\r\n+QSSLSTATE: 4,"SSLClient","10.0.0.9",8010,49152,2,4,0,"uart1",1\r\n'
    for form in (b"", b"?"):
        assert bench.host(b"AT+QSSLSTATE%b\r" % form) == two + four + OK
    assert bench.host(b"AT+QSSLSTATE=0,1\r") == four + OK
    assert bench.host(b"AT+QSSLSTATE=0,4\r") == OK
    assert bench.host(b"AT+QSSLSTATE=1,2\r") == two + OK
    assert bench.host(b"AT+QSSLSTATE=1,5\r") == OK
    for wrong in (b"=1", b"=2,1", b"=0,6", b"=1,12"):
        assert bench.host(b"AT+QSSLSTATE%b\r" % wrong) == ERROR


def test_the_peer_closes(bench: Bench, server: MemoryConnection) -> None:
    server.arrive(b"hello")
    server.end()
    assert bench.tick() == b'\r\n+QSSLURC: "recv",4\r\n\r\n+QSSLURC: "closed",4\r\n'
    assert b',4,4,0,"uart1",0' in bench.host(b"AT+QSSLSTATE=1,4\r")
    assert bench.host(b"AT+QSSLSEND=4,5\r") == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == error(565, "Socket has been closed")
    assert bench.host(b"AT+QSSLRECV=4,5\r") == b"\r\n+QSSLRECV: 5\r\nhello\r\n" + OK
    assert bench.host(b"AT+QSSLCLOSE=4\r") == OK
    assert bench.host(b"AT+QSSLSTATE\r") == OK


def test_passiveclosed_is_for_sockets(bench: Bench, server: MemoryConnection) -> None:
    bench.host(b'AT+QICFG="passiveclosed",1\r')
    server.end()
    assert bench.tick() == b'\r\n+QSSLURC: "closed",4\r\n'
    assert bench.host(b"AT+QSSLSTATE\r") != OK


def test_close_waits_for_the_peer(bench: Bench, server: MemoryConnection) -> None:
    server.confirmed = False
    assert bench.host(b"AT+QSSLCLOSE=4,3\r") == b""
    assert server.finishing
    assert bench.wait(2.9) == b""
    assert bench.wait(0.2) == OK
    assert server.closed


def test_close_at_once(bench: Bench, server: MemoryConnection) -> None:
    """S13: that is what 0 seconds mean."""
    server.confirmed = False
    assert bench.host(b"AT+QSSLCLOSE=4,0\r") + bench.tick() == OK
    assert server.closed


def test_close_of_an_id_that_is_not_in_use() -> None:
    assert Bench().host(b"AT+QSSLCLOSE=4\r") == OK
    assert Bench(MANUAL.with_quirks(["close_unused_error"])).host(b"AT+QSSLCLOSE=4\r") == ERROR


@pytest.mark.parametrize("outcome", [564, 563])
@pytest.mark.parametrize("access", [0, 1])
def test_w16_it_cannot_be_opened(bench: Bench, outcome: int, access: int) -> None:
    bench.secure(9)
    bench.network.outcome = SocketCode(outcome)
    said = bench.host(b'AT+QSSLOPEN=0,4,"a.example",8010,%d\r' % access)
    assert said == OK + b"\r\n+QSSLOPEN: 4,%d\r\n" % outcome
    assert bench.host(b"AT+QIGETERROR\r").startswith(b"\r\n+QIGETERROR: %d," % outcome)
    assert b" 4," not in bench.host(b"AT+QSSLSTATE\r")


def test_transparent_mode_cannot_be_opened(bench: Bench) -> None:
    bench.secure(9)
    bench.network.outcome = SocketCode.CONNECT_FAILED
    assert bench.host(b'AT+QSSLOPEN=0,4,"a.example",8010,2\r') == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == error(564, "Socket connect failed")


@pytest.mark.parametrize(
    "line",
    [
        b'AT+QSSLOPEN=6,4,"10.0.0.9",8010',
        b'AT+QSSLOPEN=0,12,"10.0.0.9",8010',
        b'AT+QSSLOPEN=0,4,"10.0.0.9",0',
        b'AT+QSSLOPEN=0,4,"10.0.0.9",65536',
        b'AT+QSSLOPEN=0,4,"10.0.0.9",8010,3',
        b'AT+QSSLOPEN=0,4,"",8010',
        b"AT+QSSLOPEN=0,4,10.0.0.9,8010",
        b'AT+QSSLOPEN=0,4,"10.0.0.9"',
        b"AT+QSSLSEND=4,0",
        b"AT+QSSLSEND=4,1461",
        b"AT+QSSLSEND=12",
        b"AT+QSSLCLOSE=4,65536",
    ],
)
def test_w17_w24_what_is_refused(bench: Bench, line: bytes) -> None:
    assert bench.host(line + b"\r") == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == error(552, "Invalid parameters")


@pytest.mark.parametrize(("host", "code"), [(b"10.0.0.9", 564), (b"a.example", 563)])
def test_r11_without_a_network(host: bytes, code: int) -> None:
    bench = Bench(joined=False)
    line = b'AT+QSSLOPEN=0,4,"%b",8010,%d\r'
    assert bench.host(line % (host, 1)) == OK + b"\r\n+QSSLOPEN: 4,%d\r\n" % code
    assert bench.host(line % (host, 2)) == ERROR


# ---- ids


def test_t42_sockets_and_connections_share_ids(bench: Bench, server: MemoryConnection) -> None:
    bench.open(3)
    bench.host(b'AT+QIOPEN=4,"TCP","10.0.0.9",8009\r')
    assert bench.host(b"AT+QIGETERROR\r") == error(561, "Socket Identity has been used")
    bench.host(b'AT+QSSLOPEN=0,3,"10.0.0.9",8010\r')
    assert bench.host(b"AT+QIGETERROR\r") == error(561, "Socket Identity has been used")


@pytest.mark.parametrize(
    "line",
    [
        *(b"AT+QISEND=4,5", b"AT+QISEND=4,0", b"AT+QIRD=4,5", b"AT+QIRD=4,0", b"AT+QICLOSE=4", b"AT+QIACCEPT=4,1"),
        *(b"AT+QSSLSEND=3,5", b"AT+QSSLRECV=3,5", b"AT+QSSLCLOSE=3"),
    ],
)
def test_commands_for_the_other_sort(bench: Bench, server: MemoryConnection, line: bytes) -> None:
    bench.open(3)
    assert bench.host(line + b"\r") == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == error(569, "Operation not allowed")


def test_states_of_the_other_sort(bench: Bench, server: MemoryConnection) -> None:
    assert bench.host(b"AT+QISTATE\r") == OK
    assert bench.host(b"AT+QISTATE=4\r") == OK
    bench.open(3)
    assert bench.host(b"AT+QSSLSTATE=1,3\r") == OK


def test_separate_ids() -> None:
    bench = Bench(MANUAL.with_quirks(["separate_ids"]))
    plain, server = bench.open(4), bench.secure(4)
    assert bench.host(b"AT+QISEND=4,5\r") == PROMPT
    bench.host(b"plain")
    assert bench.host(b"AT+QSSLSEND=4,5\r") == PROMPT
    bench.host(b"hello")
    assert (plain.sent, server.sent) == ([b"plain"], [b"hello"])
    plain.arrive(b"a")
    server.arrive(b"b")
    assert bench.tick() == b'\r\n+QIURC: "recv",4\r\n\r\n+QSSLURC: "recv",4\r\n'
    assert bench.host(b"AT+QICLOSE=4\r") == OK
    assert plain.closed
    assert not server.closed
    assert bench.host(b"AT+QSSLRECV=4,5\r") == b"\r\n+QSSLRECV: 1\r\nb\r\n" + OK
    assert bench.host(b"AT+QISWTMD=4,2\r") == CONNECT


def test_the_hotspot_is_lost(bench: Bench, server: MemoryConnection) -> None:
    said = bench.host(b"AT+QSTASTOP\r")
    assert b'+QSSLURC: "closed",4' in said
    assert server.closed


def test_a_restart_ends_everything(bench: Bench, server: MemoryConnection) -> None:
    bench.host(b'AT+QSSLCFG="sni",2,1\r')
    bench.host(b"AT+QRST\r")
    bench.wait(1.0)
    assert server.closed
    assert bench.host(b"AT+QSSLSTATE\r") == OK
    assert bench.host(b'AT+QSSLCFG="sni",2\r') == b'\r\n+QSSLCFG: "sni",2,0\r\n' + OK


# ---- options


@pytest.mark.parametrize(
    ("key", "default", "value"),
    [
        ("sslversion", "4", "3"),
        ("ciphersuite", "0XFFFF", "0XC02F"),
        ("seclevel", "0", "2"),
        ("ignorelocaltime", "1", "0"),
        ("negotiatetime", "300", "10"),
        ("sni", "0", "1"),
        ("session_cache", "0", "1"),
        ("cacert", '""', '"ca.pem"'),
        ("clientcert", '""', '"UFS:user.pem"'),
        ("clientkey", '""', '"user_key.pem"'),
    ],
)
def test_w39_options(bench: Bench, key: str, default: str, value: str) -> None:
    def ask(context: int) -> bytes:
        return bench.host(f'AT+QSSLCFG="{key}",{context}\r'.encode())

    def told(context: int, text: str) -> bytes:
        return f'\r\n+QSSLCFG: "{key}",{context},{text}\r\n'.encode() + OK

    assert ask(1) == told(1, default)
    assert bench.host(f'AT+QSSLCFG="{key}",1,{value}\r'.encode()) == OK
    assert ask(1) == told(1, value)
    assert ask(0) == told(0, default)
    assert bench.host(f'AT+QSSLCFG="{key}",6\r'.encode()) == ERROR


def test_s7_suites_in_either_case(bench: Bench) -> None:
    assert bench.host(b'AT+QSSLCFG="ciphersuite",1,0xc02f\r') == OK
    assert bench.host(b'AT+QSSLCFG="ciphersuite",1\r') == b'\r\n+QSSLCFG: "ciphersuite",1,0XC02F\r\n' + OK


@pytest.mark.parametrize(
    "words",
    [
        *(b'"ssiversion",0,3', b'"sslversion",0,5', b'"ciphersuite",0,0XC02B', b'"seclevel",0,"1"', b'"sni",0,2'),
        *(b'"negotiatetime",0,9', b'"negotiatetime",0,301', b'"sslversion"', b'"sni",0,1,1'),
    ],
)
def test_s6_what_is_no_option(bench: Bench, words: bytes) -> None:
    assert bench.host(b"AT+QSSLCFG=%b\r" % words) == ERROR
