"""Transparent mode in the twin: the escape, the packets, the end.  Artificial clock, network in memory."""

from __future__ import annotations

import pytest

from fcm360w.sim.dialect import MANUAL, Dialect
from sim_bench import CONNECT, ERROR, OK, Bench, MemoryConnection

EVERYTHING = bytes(range(256))
END = b'\r\nNO CARRIER\r\n\r\n+QIURC: "closed",0\r\n'


def connected(*options: bytes, bench: Bench | None = None) -> tuple[Bench, MemoryConnection]:
    """A bench in data mode on socket 0, by default without gathering packets."""
    bench = bench or Bench()
    for option in options or (b'"transwaittm",0',):
        assert bench.host(b"AT+QICFG=" + option + b"\r") == OK
    assert bench.host(b'AT+QIOPEN=0,"TCP","10.0.0.9",8009,0,2\r\n') == CONNECT
    return bench, bench.network.connections[-1]


def sent(connection: MemoryConnection) -> bytes:
    return b"".join(connection.sent)


# ---- bytes both ways ------------------------------------------------------------------------------------------------


def test_all_values_both_ways() -> None:
    bench, connection = connected()
    assert bench.host(EVERYTHING) == b""
    assert sent(connection) == EVERYTHING
    connection.arrive(EVERYTHING)
    assert bench.tick() == EVERYTHING


@pytest.mark.parametrize(
    "payload",
    [
        b"+++",
        b"AT\r\n",
        b"\r\nOK\r\n",
        b"\r\nNO CARRIER\r\n",
        b'+QIURC: "closed",0\r\n',
        b"> ",
        b"\x1a\x1b",
        b"+" * 1000,
        b"a+++b",
        b"\n\n",
    ],
)
def test_no_content_is_special_in_a_stream(payload: bytes) -> None:
    text = b"x" + payload + b"y"
    for cut in range(len(text) + 1):
        bench, connection = connected()
        bench.host(text[:cut])
        bench.wait(0.01)
        bench.host(text[cut:])
        assert bench.wait(5.0) == b""
        assert sent(connection) == text
    connection.arrive(text)
    assert bench.tick() == text


def test_r9_every_line_waits_for_the_end_of_data_mode() -> None:
    bench = Bench()
    other = bench.open(3)
    bench, connection = connected(bench=bench)
    other.arrive(b"x")
    other.end()
    assert bench.tick() == b""
    connection.arrive(b"last")
    connection.end()
    assert bench.tick() == (
        b'last\r\nNO CARRIER\r\n\r\n+QIURC: "recv",3\r\n\r\n+QIURC: "closed",3\r\n\r\n+QIURC: "closed",0\r\n'
    )


def test_the_network_is_read_only_while_the_line_has_room() -> None:
    bench, connection = connected()
    connection.arrive(b"x" * 1000)
    bench.link.window = 300
    assert len(bench.tick()) == 300
    assert bench.link.hungry()
    bench.link.window = 0
    assert bench.tick() == b""
    bench.link.window = 65536
    assert len(bench.tick()) == 700
    assert not bench.link.hungry()


def test_the_host_is_heard_only_while_the_network_has_room() -> None:
    bench, connection = connected()
    connection.capacity = 10
    assert bench.link.room() == 10
    bench.host(b"x" * 10)
    connection.capacity = 0
    assert bench.link.room() == 0


# ---- the escape -----------------------------------------------------------------------------------------------------


def test_w26_escape_and_resume() -> None:
    bench, connection = connected()
    bench.host(b"hello")
    assert bench.wait(1.0) == b""
    assert bench.host(b"+++") == b""
    assert bench.wait(0.999) == b""
    assert bench.wait(0.001) == OK
    assert sent(connection) == b"hello"
    assert bench.host(b"AT+QISTATE=0\r") == b'\r\n+QISTATE: 0,"TCP","10.0.0.9",8009,49152,2,0,0,"uart1"\r\n' + OK
    connection.arrive(b"meanwhile")
    assert bench.tick() == b'\r\n+QIURC: "recv",0\r\n'
    assert bench.host(b"ATO\r") == CONNECT + b"meanwhile"
    bench.host(b"more")
    assert sent(connection) == b"hellomore"
    bench.wait(1.0)
    bench.host(b"+++")
    assert bench.wait(1.0) == OK, "the guard begins anew"


@pytest.mark.parametrize(
    ("before", "after", "escapes"),
    [(1.0, 1.0, True), (0.999, 1.0, False), (1.0, 0.999, False), (0.0, 2.0, False), (2.0, 0.0, False)],
)
def test_the_guard_is_exact(before: float, after: float, escapes: bool) -> None:
    bench, connection = connected()
    bench.host(b"x")
    bench.wait(before)
    bench.host(b"+++")
    said = bench.wait(after)
    said += bench.host(b"y")
    assert said == (OK if escapes else b"")
    assert sent(connection) == (b"x" if escapes else b"x+++y")


@pytest.mark.parametrize("plus", [1, 2, 4, 5])
def test_only_three_are_an_escape(plus: int) -> None:
    bench, connection = connected()
    bench.host(b"x")
    bench.wait(2.0)
    bench.host(b"+" * plus)
    assert bench.wait(3.0) == b""
    assert sent(connection) == b"x" + b"+" * plus


def test_the_three_may_come_one_by_one() -> None:
    bench, connection = connected()
    bench.wait(1.0)
    for _ in range(3):
        bench.host(b"+")
        assert bench.wait(0.5) == b""
    assert bench.wait(0.5) == OK
    assert sent(connection) == b""


@pytest.mark.parametrize("line", [b"+++\r", b"+++\r\n", b"+++AT\r"])
def test_an_escape_has_no_line_end(line: bytes) -> None:
    bench, connection = connected()
    bench.wait(1.0)
    bench.host(line)
    assert bench.wait(2.0) == b""
    assert sent(connection) == line


def test_what_follows_the_escape_is_a_command() -> None:
    bench, connection = connected()
    bench.wait(1.0)
    bench.host(b"+++")
    bench.now += 1.0
    assert bench.host(b"AT+QIGETERROR\r") == OK + b'\r\n+QIGETERROR: 0,"Operation success"\r\n' + OK
    assert sent(connection) == b""


def test_what_was_announced_before_is_announced_again() -> None:
    bench, connection = connected()
    bench.wait(1.0)
    bench.host(b"+++")
    bench.wait(1.0)
    connection.arrive(b"hello")
    assert bench.tick() == b'\r\n+QIURC: "recv",0\r\n'
    bench.link.window = 0
    assert bench.host(b"ATO\r") == CONNECT
    bench.wait(1.0)
    bench.host(b"+++")
    assert bench.wait(1.0) == OK + b'\r\n+QIURC: "recv",0\r\n'
    bench.link.window = 65536
    assert bench.host(b"AT+QIRD=0\r") == b"\r\n+QIRD: 5\r\nhello\r\n" + OK


def test_another_guard() -> None:
    bench, _ = connected(bench=Bench(Dialect(guard=0.25)))
    bench.wait(0.25)
    bench.host(b"+++")
    assert bench.wait(0.24) == b""
    assert bench.wait(0.01) == OK


def test_who_could_not_send_was_not_silent() -> None:
    """Back-pressure keeps the host from sending; `+++` after it, with nothing behind, is data."""
    bench, connection = connected()
    connection.capacity = 0
    bench.wait(5.0)
    connection.capacity = 100
    bench.host(b"+++")
    assert bench.wait(5.0) == b""
    assert sent(connection) == b"+++"


def test_no_silence_counts_while_the_module_is_deaf() -> None:
    bench, connection = connected()
    bench.wait(1.0)
    bench.host(b"+++")
    connection.capacity = 0
    assert bench.wait(5.0) == b""
    connection.capacity = 100
    assert bench.wait(0.5) == b""
    bench.host(b"x")
    assert sent(connection) == b"+++x"


def test_touch_tells_of_a_loop_that_was_late() -> None:
    bench, connection = connected()
    bench.wait(1.0)
    bench.link.touch(bench.now)
    bench.host(b"+++")
    assert bench.wait(2.0) == b""
    assert sent(connection) == b"+++"


def test_times_out_of_order_do_no_harm() -> None:
    """Bytes of a paced line may carry a time before that of the latest tick."""
    bench, connection = connected()
    bench.wait(1.0)
    bench.link.touch(bench.now)
    bench.link.receive(b"+++", bench.now - 0.001)
    assert bench.wait(2.0) == b""
    assert sent(connection) == b"+++"


def test_resume_picks_the_last_transparent_else_the_lowest() -> None:
    bench, _ = connected()
    bench.wait(1.0)
    bench.host(b"+++")
    bench.wait(1.0)
    lowest, _ = bench.open(2), bench.open(5)
    bench.host(b"AT+QICLOSE=0\r")
    assert bench.host(b"ATO\r") == CONNECT
    bench.host(b"x")
    assert sent(lowest) == b"x"
    lowest.end()
    bench.tick()
    assert bench.host(b"AT+QICLOSE=2\rATO\r") == OK + CONNECT


def test_an_id_that_is_used_again_was_never_transparent() -> None:
    bench = Bench()
    bench.open(5, 2)
    bench.wait(1.0)
    bench.host(b"+++")
    bench.wait(1.0)
    bench.host(b"AT+QICLOSE=5\r")
    lowest, _ = bench.open(3), bench.open(5)
    assert bench.host(b"ATO\r") == CONNECT
    bench.host(b"x")
    bench.wait(1.0)
    assert sent(lowest) == b"x"


# ---- the end --------------------------------------------------------------------------------------------------------


def test_w34_the_peer_closes() -> None:
    bench, connection = connected()
    connection.arrive(EVERYTHING * 100)
    connection.end()
    bench.link.window = 10_000
    said = bench.tick()
    assert said == (EVERYTHING * 100)[:10_000]
    while bench.link.hungry():
        said += bench.tick()
    assert said == EVERYTHING * 100 + END
    assert bench.host(b"AT+QISTATE=0\r") == b'\r\n+QISTATE: 0,"TCP","10.0.0.9",8009,49152,4,0,0,"uart1"\r\n' + OK
    assert bench.host(b"ATO\r") == b"\r\nNO CARRIER\r\n"


def test_w34_no_carrier_only() -> None:
    bench, connection = connected(bench=Bench(MANUAL.with_quirks(["no_carrier_only"])))
    connection.end()
    assert bench.tick() == b"\r\nNO CARRIER\r\n"
    assert bench.wait(5.0) == b""
    assert bench.host(b"AT+QICLOSE=0\r") == OK


def test_w34_with_passiveclosed() -> None:
    bench, connection = connected(b'"passiveclosed",1')
    connection.end()
    assert bench.tick() == END
    assert bench.host(b"AT+QISTATE\r") == OK


def test_bytes_after_the_end_run_as_commands() -> None:
    bench, connection = connected()
    connection.end()
    assert bench.tick() == END
    assert bench.host(b"payload\r\nAT\r\n") == ERROR + OK


def test_what_was_gathered_is_sent_at_the_end() -> None:
    bench, connection = connected(b'"transwaittm",20')
    bench.host(b"hello")
    bench.wait(1.0)
    bench.host(b"++")
    assert sent(connection) == b""
    connection.end()
    assert bench.tick() == END
    assert sent(connection) == b"hello++"


# ---- packets --------------------------------------------------------------------------------------------------------


def test_packets_go_when_full_or_after_a_silence() -> None:
    bench, connection = connected(b'"transpktsize",100', b'"transwaittm",3')
    bench.host(b"a" * 99)
    bench.wait(0.29)
    bench.host(b"b")
    assert connection.sent == [b"a" * 99 + b"b"]
    bench.host(b"c" * 250)
    assert connection.sent[1:] == [b"c" * 100, b"c" * 100], "whole packets, each by itself"
    bench.wait(0.29)
    assert len(connection.sent) == 3
    bench.wait(0.02)
    assert connection.sent[3:] == [b"c" * 50]


def test_no_wait_sends_at_once() -> None:
    bench, connection = connected(b'"transpktsize",1460', b'"transwaittm",0')
    bench.host(b"a")
    bench.host(b"b" * 2000)
    assert connection.sent == [b"a", b"b" * 1460, b"b" * 540], "no packet is longer than its limit"


def test_default_packets() -> None:
    bench, connection = connected(b'"transpktsize",1024')
    bench.host(b"a" * 1023)
    bench.wait(0.19)
    assert connection.sent == []
    bench.wait(0.02)
    assert connection.sent == [b"a" * 1023]


def test_an_escape_flushes() -> None:
    bench, connection = connected(b'"transwaittm",20')
    bench.host(b"hello")
    bench.wait(1.0)
    bench.host(b"+++")
    assert bench.wait(1.0) == OK
    assert sent(connection) == b"hello"


# ---- stamps ---------------------------------------------------------------------------------------------------------


def test_stamps_of_payload_from_the_host() -> None:
    bench, _ = connected()
    start = bench.now
    bench.link.receive(b"x" * 100, start + 0.1, 0.001)
    bench.link.receive(b"y" * 100, start + 0.2, 0.001)
    bench.now = start + 0.2
    bench.wait(1.0)
    bench.host(b"+++")
    assert bench.wait(1.0) == OK
    stamp = bench.link.stamps.to_network
    assert stamp.count == 200, "the escape is no payload"
    assert stamp.first == pytest.approx(start + 0.001)
    assert stamp.last == pytest.approx(start + 0.2)
    assert stamp.utilisation(10_000) == pytest.approx(1.0)


def test_stamps_begin_anew_at_each_connect() -> None:
    bench, connection = connected()
    bench.host(b"x")
    connection.arrive(b"y")
    pieces = bench.link.stamps.to_host
    bench.tick()
    bench.wait(1.0)
    bench.host(b"+++")
    bench.wait(1.0)
    bench.host(b"ATO\r")
    assert bench.link.stamps.to_network.count == 0
    assert bench.link.stamps.to_host is not pieces


def test_payload_for_the_host_is_marked() -> None:
    bench, connection = connected()
    connection.arrive(b"data")
    connection.end()
    bench.link.tick(bench.now)
    marked = [(data, passage is bench.link.stamps.to_host) for data, passage in bench.link.data_to_send()]
    assert marked[0] == (b"data", True)
    assert not any(payload for _, payload in marked[1:])
