"""Sockets as byte streams: the guard, the watch and the end of transparent mode; push and buffer mode."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w import channel as channels
from fcm360w import datamode
from fcm360w.channel import Channel, Commanded, Report, Transparent
from fcm360w.commands import tcp
from fcm360w.commands.system import GetVersion
from fcm360w.errors import CommandError, CommandTimeout, Overrun, PeerClosed, SendTimeout, TransportLost, UsageError
from fcm360w.escape import Escape
from fcm360w.events import Lost
from fcm360w.states import State
from fcm360w.steps import EscapePolicy
from fcm360w.turns import perform
from scripted import (
    CONNECT,
    ERROR,
    NO_CARRIER,
    OK,
    PROMPT,
    TOKENS,
    Driver,
    World,
    answer,
    cut_at,
    each_byte,
    line,
    transparent,
)

POLICY = EscapePolicy()
GUARD = POLICY.guard_after
CLOSED = line('+QIURC: "closed",0')
NASTY = [
    bytes(range(256)),
    b"+" * 500,
    b"+++",
    b"++",
    b"+",
    b"a+++",
    b"+++a",
    b"".join(TOKENS),
    NO_CARRIER + b"x",
    b"\r\nOK\r\n",
    b"\r" * 30,
    b"\x1a\x1b\x00\xff",
    b"> ",
]


def receive(world: World, stream: Channel, size: int = 4096, seconds: float | None = None) -> bytes:
    buffer = bytearray(size)
    deadline = None if seconds is None else world.now + seconds
    count = world.drive(stream.receive_into(memoryview(buffer), deadline))
    assert count > 0
    return bytes(buffer[:count])


def receive_exactly(world: World, stream: Channel, size: int, piece: int = 4096) -> bytes:
    out = b""
    while len(out) < size:
        out += receive(world, stream, min(piece, size - len(out)), 60.0)
    return out


def send(world: World, stream: Channel, data: bytes, seconds: float | None = None) -> None:
    deadline = None if seconds is None else world.now + seconds
    world.drive(stream.send(memoryview(data), deadline))


def leaves(world: World, sent: int, acked: int | None = None, connect_id: int = 0, seconds: str = "10") -> None:
    """What a module says to the guarded escape and to what closes a socket."""
    world.on(b"+++", (GUARD + 0.02, OK))
    counts(world, sent, acked, connect_id, seconds)


def counts(world: World, sent: int, acked: int | None = None, connect_id: int = 0, seconds: str = "10") -> None:
    acked = sent if acked is None else acked
    world.on(f"AT+QISEND={connect_id},0", answer(f"+QISEND: {sent},{acked},{sent - acked}"), always=True)
    world.on(f"AT+QICLOSE={connect_id},{seconds}", OK)


def state(world: World) -> State:
    return world.link.state


# ---- transparent: out


def as_module_sees(writes: list[tuple[float, bytes]], guard: float, late: float) -> bytes:
    """What passes a module's own escape machine; an escape fails the test."""
    machine = Escape(guard, writes[0][0] - 10.0)
    out, held = b"", b""
    for at, data in [*writes, (writes[-1][0] + 10.0, b"")]:
        deadline = machine.deadline
        if deadline is not None and deadline <= at:
            step = machine.step(b"", deadline)
            assert not step.seen
            out, held = out + b"+" * step.plus, b""
        step = machine.step(data, at + late)
        assert not step.seen
        out += b"+" * step.plus + data[: step.forward]
        held = data[step.forward :]
    return out + held


@pytest.mark.parametrize("data", NASTY, ids=repr)
def test_payload_goes_out_unchanged_and_is_never_an_escape(data: bytes) -> None:
    world = World()
    stream = transparent(world)
    world.wait(5.0)
    world.forget()
    send(world, stream, data)
    world.wait(5.0)
    assert world.sent == data
    assert as_module_sees(world.writes, POLICY.guard_before, 0.0) == data
    assert stream.sent == len(data)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.3, 0.96, 1.0, 1.04, 1.06, 3.0]),
            st.sampled_from([b"+", b"++", b"+++", b"a", b"++++"]),
        )
    ),
    st.integers(1, 4),
)
def test_no_sequence_of_sends_is_an_escape(sends: list[tuple[float, bytes]], limit: int) -> None:
    world = World()
    stream = transparent(world)
    world.forget()
    world.write_limit = limit
    for pause, data in sends:
        world.wait(pause)
        send(world, stream, data)
    wanted = b"".join(data for _, data in sends)
    assert world.sent == wanted
    if wanted:
        assert as_module_sees(world.writes, POLICY.guard_before, 0.0) == wanted


def test_a_lone_escape_is_split_by_more_than_a_guard() -> None:
    world = World()
    stream = transparent(world)
    world.wait(5.0)
    world.forget()
    send(world, stream, b"+++")
    assert len(world.writes) == 2
    assert world.writes[1][0] - world.writes[0][0] > POLICY.before - 1e-6


def test_an_escape_within_payload_costs_nothing() -> None:
    world = World()
    stream = transparent(world)
    world.wait(5.0)
    begin = world.now
    send(world, stream, b"a+++b")
    send(world, stream, b"+++")
    assert world.now == begin


def test_send_that_runs_out_of_time_says_what_went() -> None:
    world = World()
    stream = transparent(world)
    world.wait(5.0)
    with pytest.raises(SendTimeout, match="after 2 bytes") as caught:
        send(world, stream, b"+++", 0.5)
    assert caught.value.sent == stream.sent == 2


def test_the_wire_rate_keeps_the_guard_honest() -> None:
    """At 1200 bit/s the bytes written leave long after they were written; the silence starts then."""
    world = World(baud=1200)
    stream = transparent(world)
    world.wait(20.0)
    world.forget()
    send(world, stream, b"x" * 240)  # two seconds on the wire
    leaves(world, 240)
    world.drive(stream.close(10.0))
    at = next(at for at, data in world.writes if data == b"+++")
    assert at >= world.writes[0][0] + 2.0 + POLICY.guard_before


# ---- transparent: in


@pytest.mark.parametrize("data", NASTY, ids=repr)
@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_payload_comes_in_unchanged(data: bytes, cut: Any) -> None:
    world = World()
    stream = transparent(world)
    world.cut = cut
    world.say(data + b"!")
    assert receive_exactly(world, stream, len(data) + 1) == data + b"!"
    assert stream.received == len(data) + 1
    assert world.link.state is State.DATA


def test_payload_comes_right_after_connect() -> None:
    for cut in (lambda data: [data], each_byte):
        world = World(cut=cut)
        stream = transparent(world, b"\r\nfirst" + OK)
        assert receive_exactly(world, stream, 7 + len(OK)) == b"\r\nfirst" + OK


@given(
    st.binary(max_size=60) | st.lists(st.sampled_from([NO_CARRIER, OK, b"\r\n", b"x", CLOSED])).map(b"".join),
    st.integers(0, 80),
)
def test_any_payload_cut_anywhere(data: bytes, offset: int) -> None:
    world = World()
    stream = transparent(world)
    world.cut = cut_at(offset)
    world.say(data + b"end")
    assert receive_exactly(world, stream, len(data) + 3, 7) == data + b"end"


@pytest.mark.parametrize("size", range(1, len(NO_CARRIER)))
def test_the_beginning_of_a_marker_is_withheld_for_a_moment_only(size: int) -> None:
    world = World()
    stream = transparent(world)
    begin = world.now
    world.say(b"abc" + NO_CARRIER[:size])
    assert receive_exactly(world, stream, 3 + size) == b"abc" + NO_CARRIER[:size]
    assert world.now - begin <= 2 * POLICY.hold
    assert world.link.state is State.DATA


@pytest.mark.parametrize("size", range(1, len(NO_CARRIER)))
def test_the_marker_in_two_bursts_within_the_hold_is_a_marker(size: int) -> None:
    world = World()
    transparent(world)
    world.say(NO_CARRIER[:size], 0.1)
    world.say(NO_CARRIER[size:], 0.1 + POLICY.hold / 2)
    world.wait(0.2)
    assert world.link.state is State.SUSPECT


def test_receive_reads_into_the_callers_buffer() -> None:
    world = World()
    stream = transparent(world)
    world.say(b"hello")
    buffer = bytearray(b"." * 10)
    assert world.drive(stream.receive_into(memoryview(buffer), None)) == 5
    assert buffer == b"hello....."
    assert not stream.data.inbox
    assert stream.data.inbox_high_water == 0


def test_receive_runs_out_of_time() -> None:
    world = World()
    stream = transparent(world)
    begin = world.now
    with pytest.raises(TimeoutError):
        receive(world, stream, 5, 1.5)
    assert world.now == pytest.approx(begin + 1.5)
    world.say(b"late")
    assert receive(world, stream) == b"late"


def test_receive_without_patience_takes_what_is_there() -> None:
    world = World()
    stream = transparent(world)
    world.say(b"hello", 0.0)
    assert receive(world, stream, 10, 0.0) == b"hello"


def test_the_inbox_is_bounded() -> None:
    world = World()
    stream = transparent(world)
    chunk = bytes(65536)
    for _ in range(40):
        world.say(chunk, 0.0)
    world.wait(1.0)
    assert not world.link.has_room
    assert datamode.INBOX <= stream.data.inbox_high_water <= datamode.INBOX + len(chunk)
    assert receive_exactly(world, stream, 40 * len(chunk), 65536) == bytes(40 * len(chunk))


# ---- transparent: suspicion


def suspect(world: World, data: bytes = NO_CARRIER) -> Transparent:
    stream = transparent(world)
    world.say(data)
    world.wait(0.015)
    assert world.link.state is State.SUSPECT
    world.forget()
    return stream


def test_suspicion_stops_the_writer_at_once() -> None:
    world = World()
    stream = suspect(world)
    assert world.link.may_send(memoryview(b"hello")) == 0
    writer = world.start(stream.send(memoryview(b"hello"), None))
    world.wait(POLICY.before - 0.1)
    assert world.sent == b""
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("ATO", CONNECT)
    world.finish(writer)
    assert world.sent == b"+++ATO\r\nhello"


def test_a_writer_goes_on_when_the_suspicion_dissolves() -> None:
    world = World()
    stream = suspect(world)
    world.say(b"more", 0.3)
    begin = world.now
    send(world, stream, b"hello")
    assert world.now == pytest.approx(begin + 0.3)
    assert receive(world, stream) == NO_CARRIER + b"more"


@pytest.mark.parametrize("rest", [b"", CLOSED])
def test_peer_closed(rest: bytes) -> None:
    world = World()
    stream = transparent(world)
    send(world, stream, b"12345678")
    world.on("", ERROR)
    counts(world, 8, 6, seconds="1")
    world.say(b"last" + NO_CARRIER + rest)
    begin = world.now
    assert receive(world, stream) == b"last"
    for _ in range(2):
        with pytest.raises(PeerClosed) as caught:
            receive(world, stream)
        assert (caught.value.sent, caught.value.acknowledged, caught.value.uncertain) == (8, 6, 2)
    assert stream.report == Report(8, 6, 4)
    assert world.now - begin < POLICY.guard_before + POLICY.guard_after + 1.0
    assert world.link.state is State.COMMAND
    assert world.events() == ([tcp.Closed(0)] if rest else [])
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert world.drive(stream.close(10.0)) == Report(8, 6, 4)


def test_peer_closed_is_told_to_a_writer_too() -> None:
    world = World()
    stream = suspect(world)
    world.on("", ERROR)
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert stream.ended


def test_peer_closed_and_the_module_does_not_know_the_count() -> None:
    world = World()
    stream = transparent(world)
    send(world, stream, b"12345678")
    world.say(NO_CARRIER)
    world.on("", ERROR)
    world.on("AT+QISEND=0,0", ERROR)
    world.on("AT+QICLOSE=0,1", ERROR)
    with pytest.raises(PeerClosed) as caught:
        receive(world, stream)
    assert (caught.value.sent, caught.value.acknowledged, caught.value.uncertain) == (8, None, 0)


def test_a_false_alarm_goes_on_with_bytes_in_order() -> None:
    world = World()
    stream = transparent(world)
    send(world, stream, b"before")
    world.say(b"one" + NO_CARRIER)
    world.on(b"+++", (0.1, b"two"), (GUARD + 0.02, OK))
    world.on("ATO", CONNECT + b"three")
    wanted = b"one" + NO_CARRIER + b"twothree"
    assert receive_exactly(world, stream, len(wanted)) == wanted
    world.forget()
    send(world, stream, b"after")
    assert world.sent == b"after"
    assert (stream.sent, stream.received) == (len(b"beforeafter"), len(wanted))
    leaves(world, 11)
    assert world.drive(stream.close(10.0)) == Report(11, 11, len(wanted))


def test_a_false_alarm_again_and_again() -> None:
    world = World()
    stream = transparent(world)
    for number in range(3):
        world.say(b"%d" % number + NO_CARRIER)
        world.on(b"+++", (GUARD + 0.02, OK))
        world.on("ATO", CONNECT)
        assert receive_exactly(world, stream, 1 + len(NO_CARRIER)) == b"%d" % number + NO_CARRIER
    assert stream.received == 3 * (1 + len(NO_CARRIER))


@given(
    st.lists(
        st.sampled_from([NO_CARRIER, OK, CLOSED, b"\r\n", b"\r", b"x", b"NO CARRIER"]), min_size=1, max_size=6
    ).map(b"".join)
)
def test_any_burst_that_ends_like_the_end_of_data_mode_arrives(data: bytes) -> None:
    """Each is payload: the module answers the probe, so nothing of it may be lost or swallowed."""
    world = World()
    stream = transparent(world)
    world.on(b"+++", (GUARD + 0.02, OK), always=True)
    world.on("ATO", CONNECT, always=True)
    world.say(data)
    assert receive_exactly(world, stream, len(data)) == data


def test_a_writer_and_a_reader_see_a_false_alarm_through() -> None:
    world = World()
    stream = transparent(world)
    world.say(b"one" + NO_CARRIER)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("ATO", CONNECT + b"two")
    assert receive(world, stream) == b"one"
    world.forget()
    buffer = memoryview(bytearray(100))
    reader = world.start(stream.receive_into(buffer, None))
    writer = world.start(stream.send(memoryview(b"out"), None))
    world.finish(writer)
    count = world.finish(reader)
    assert world.sent == b"+++ATO\r\nout"
    rest = receive_exactly(world, stream, len(NO_CARRIER) + 3 - count) if count < len(NO_CARRIER) + 3 else b""
    assert bytes(buffer[:count]) + rest == NO_CARRIER + b"two"


def test_a_writer_and_a_reader_both_hear_of_the_end() -> None:
    world = World()
    stream = transparent(world)
    world.say(NO_CARRIER + CLOSED)
    world.on("", ERROR)
    counts(world, 0, seconds="1")
    reader = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    world.wait(0.015)
    writer = world.start(stream.send(memoryview(b"out"), None))
    both: list[Driver[Any]] = [reader, writer]
    for driver in both:
        with pytest.raises(PeerClosed) as caught:
            world.finish(driver)
        assert (caught.value.sent, caught.value.acknowledged) == (0, 0)
    assert world.sent.count(b"AT+QICLOSE") == 1


def test_a_full_inbox_does_not_make_a_false_alarm_a_true_one() -> None:
    world = World()
    stream = transparent(world)
    block = bytes(datamode.INBOX - 3)
    world.say(block, 0.0)
    world.say(b"abc" + NO_CARRIER, 0.01)
    world.on(b"+++", (0.1, b"two"), (GUARD + 0.02, OK))
    world.on("ATO", CONNECT)
    writer = world.start(stream.send(memoryview(b"out"), None))
    world.finish(writer)
    world.start(stream.send(memoryview(b"out"), None))
    world.wait(10.0)
    assert not stream.ended
    wanted = block + b"abc" + NO_CARRIER + b"two"
    assert receive_exactly(world, stream, len(wanted), 1 << 20) == wanted


# ---- transparent: closing


def test_close() -> None:
    world = World()
    stream = transparent(world)
    send(world, stream, b"hello")
    leaves(world, 5)
    assert world.drive(stream.close(10.0)) == Report(5, 5, 0)
    assert world.drive(stream.close(10.0)) == Report(5, 5, 0)
    assert world.script.spent
    for act in (lambda: send(world, stream, b"x"), lambda: receive(world, stream)):
        with pytest.raises(UsageError, match="closed"):
            act()


def test_what_came_before_the_close_can_be_read_after_it() -> None:
    world = World()
    stream = transparent(world)
    leaves(world, 0)
    world.say(b"abc", 0.3)
    assert world.drive(stream.close(10.0)) == Report(0, 0, 3)
    assert receive(world, stream) == b"abc"


def test_close_waits_for_the_peer_at_most_so_long() -> None:
    world = World()
    stream = transparent(world)
    send(world, stream, b"hello")
    leaves(world, 5, 2, seconds="2")
    begin = world.now
    report = world.drive(stream.close(2.0))
    assert (report.acknowledged, report.uncertain) == (2, 3)
    assert begin + 2.0 < world.now < begin + 6.0


def test_close_after_escapes_that_went_to_the_peer() -> None:
    """Three bytes of each went to the peer: the module's count is not this stream's."""
    world = World()
    stream = transparent(world)
    send(world, stream, b"hello")
    world.on(b"+++")
    leaves(world, 8)
    assert world.drive(stream.close(10.0)) == Report(5, 5, 0, 3)


def test_close_when_the_peer_has_closed() -> None:
    world = World()
    stream = suspect(world, b"abc" + NO_CARRIER + CLOSED)
    world.on("", ERROR)
    counts(world, 0)
    assert world.drive(stream.close(10.0)) == Report(0, 0, 3)
    assert receive(world, stream) == b"abc"
    with pytest.raises(PeerClosed):
        receive(world, stream)


def test_close_that_cannot_leave() -> None:
    world = World()
    stream = transparent(world)
    with pytest.raises(CommandTimeout):
        world.drive(stream.close(10.0))
    assert state(world) is State.UNSURE
    assert stream.report is None


def test_close_with_an_inbox_that_nobody_empties() -> None:
    world = World()
    stream = transparent(world)
    for _ in range(32):
        world.say(bytes(65536), 0.0)
    world.wait(0.5)
    assert not world.link.has_room
    leaves(world, 0)
    assert world.drive(stream.close(10.0)).acknowledged == 0
    assert len(stream.data.inbox) <= 3 * datamode.INBOX


def test_close_tells_those_who_wait() -> None:
    world = World()
    stream = transparent(world)
    reader = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    leaves(world, 0)
    world.drive(stream.close(10.0))
    with pytest.raises(UsageError, match="closed"):
        world.finish(reader)


def test_close_while_another_finds_out_that_the_peer_has_closed() -> None:
    world = World()
    stream = suspect(world)
    reader = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    world.wait(0.1)
    world.on("", ERROR, always=True)
    counts(world, 0)
    world.on("AT+QICLOSE=0,1", OK)
    assert world.drive(stream.close(10.0)) == Report(0, 0, 0)
    with pytest.raises(PeerClosed):
        world.finish(reader)
    assert world.sent.count(b"+++") == 1
    assert world.sent.count(b"AT+QICLOSE") == 1


class Interrupt(BaseException):
    """Somebody has no more interest."""


@pytest.mark.parametrize("after", [0.1, POLICY.before + 0.01, POLICY.before + GUARD + 0.03])
def test_an_interrupted_close_can_be_done_again(after: float) -> None:
    world = World()
    stream = transparent(world)
    world.on(b"+++", (GUARD + 0.02, OK), always=True)
    world.on("AT", OK, always=True)
    counts(world, 0)
    driver = world.start(stream.close(10.0))
    world.wait(after)
    world.cancel(driver, Interrupt())
    assert isinstance(driver.error, Interrupt)
    assert world.drive(stream.close(10.0)) == Report(0, 0, 0)
    assert world.link.state is State.COMMAND
    assert world.sent.count(b"+++") == 1


def test_an_answer_that_nobody_has_read_yet_is_waited_for_again() -> None:
    """Threads read only while somebody waits: the OK may lie in the port since long."""
    world = World()
    stream = transparent(world)
    world.on(b"+++", (GUARD + 0.02, OK), always=True)
    counts(world, 0)
    driver = world.start(stream.close(10.0))
    world.wait(POLICY.before + 0.5)
    world.cancel(driver, Interrupt())
    world.now += 60.0
    assert world.drive(stream.close(10.0)) == Report(0, 0, 0)
    assert world.sent.count(b"+++") == 1


@pytest.mark.parametrize("after", [0.1, POLICY.before + 0.01, POLICY.before + GUARD + 0.01])
def test_an_interrupted_receive_does_not_lose_a_false_alarm(after: float) -> None:
    world = World()
    stream = transparent(world)
    world.say(NO_CARRIER)
    world.on(b"+++", (GUARD + 0.02, OK), always=True)
    world.on("ATO", CONNECT + b"more")
    driver = world.start(stream.receive_into(memoryview(bytearray(99)), None))
    world.wait(0.03 + after)
    world.cancel(driver, Interrupt())
    assert isinstance(driver.error, Interrupt)
    assert receive_exactly(world, stream, len(NO_CARRIER) + 4) == NO_CARRIER + b"more"
    assert world.sent.count(b"+++") == 1


@pytest.mark.parametrize("after", [0.1, POLICY.before + 0.01])
def test_an_interrupt_that_respects_no_shield_does_not_lose_a_false_alarm_either(after: float) -> None:
    world = World()
    stream = transparent(world)
    world.say(NO_CARRIER)
    world.on(b"+++", (GUARD + 0.02, OK), always=True)
    world.on("ATO", CONNECT + b"more")
    driver = world.start(stream.receive_into(memoryview(bytearray(99)), None))
    world.wait(0.03 + after)
    driver.cancel(Interrupt())
    assert receive_exactly(world, stream, len(NO_CARRIER) + 4) == NO_CARRIER + b"more"
    assert world.sent.count(b"+++") == 1


def test_an_interrupt_between_ato_and_connect_ends_the_stream() -> None:
    world = World()
    stream = transparent(world)
    world.say(NO_CARRIER)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("ATO", (1.0, CONNECT))
    driver = world.start(stream.receive_into(memoryview(bytearray(99)), None))
    world.wait(0.03 + POLICY.before + POLICY.after + 0.05)
    assert world.link.state is State.PENDING
    driver.cancel(Interrupt())
    assert receive(world, stream) == NO_CARRIER
    world.wait(1.0)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT", always=True)
    world.on("", always=True)
    with pytest.raises((PeerClosed, CommandTimeout)):
        receive(world, stream, 9)
    assert world.link.state in (State.COMMAND, State.UNSURE)


def test_an_alarm_that_ends_in_silence_ends_the_stream() -> None:
    """The escape was confirmed, ATO was not: nobody knows where the module is, and nobody waits for ever."""
    world = World()
    stream = suspect(world, b"abc" + NO_CARRIER)
    world.on(b"+++", (GUARD + 0.02, OK))
    assert receive(world, stream) == b"abc"
    assert receive(world, stream) == NO_CARRIER
    world.on("AT", OK, always=True)
    counts(world, 0, seconds="1")
    for _ in range(2):
        with pytest.raises(PeerClosed):
            receive(world, stream, 9)


# ---- transparent: loss


RESET = ConnectionResetError(104, "Connection reset by peer")


def gone() -> TransportLost:
    return TransportLost("lost sim://", RESET)


@pytest.mark.parametrize("before", [b"", b"abc", b"abc\r\n", b"abc\r\nNO CARR"])
def test_loss_of_the_transport_gives_what_came_first(before: bytes) -> None:
    world = World()
    stream = transparent(world)
    world.say(before or b"", 0.1)
    world.say(gone(), 0.11)
    world.wait(0.2)
    if before:
        assert receive_exactly(world, stream, len(before)) == before
    for act in (
        lambda: receive(world, stream),
        lambda: send(world, stream, b"x"),
        lambda: world.drive(stream.close(1.0)),
    ):
        with pytest.raises(TransportLost):
            act()
    assert [type(row) for row in world.events()] == [Lost]


@pytest.mark.parametrize("last", [b"line\r\n", b"line\r\nNO CARR", b"\r"])
def test_loss_gives_a_reader_that_waits_what_came_first(last: bytes) -> None:
    world = World()
    stream = transparent(world)
    world.say(last, 0.1)
    world.say(gone(), 0.11)
    assert receive_exactly(world, stream, len(last)) == last
    with pytest.raises(TransportLost):
        receive(world, stream)


@pytest.mark.parametrize("after", [0.01, 0.5, POLICY.before + 0.1, POLICY.before + POLICY.after + 0.1])
def test_loss_while_leaving(after: float) -> None:
    world = World()
    stream = transparent(world)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.say(gone(), after)
    with pytest.raises(TransportLost):
        world.drive(stream.close(10.0))
    assert world.link.state is State.DEAD
    assert [type(row) for row in world.events()] == [Lost]


@pytest.mark.parametrize("after", [0.01, 0.5, POLICY.before + 0.1])
def test_loss_while_suspicious(after: float) -> None:
    world = World()
    stream = suspect(world)
    world.say(gone(), after)
    drivers: list[Driver[Any]] = [
        world.start(stream.receive_into(memoryview(bytearray(9)), None)),
        world.start(stream.send(memoryview(b"x"), None)),
    ]
    for driver in drivers:
        with pytest.raises(TransportLost):
            world.finish(driver)
    assert [type(row) for row in world.events()] == [Lost]


# ---- push and buffer: opening


def commanded(world: World, mode: channels.Mode, first: bytes = b"") -> Commanded:
    access = channels.ACCESS[mode]
    world.on("AT+QISTATE", OK)
    world.on(f'AT+QIOPEN=0,"TCP","h",80,0,{int(access)}', OK + line("+QIOPEN: 0,0") + first)
    opened = world.drive(channels.open_channel(world.link, "h", 80, mode))
    assert isinstance(opened, Commanded)
    world.forget()
    return opened


def recv_urc(data: bytes | None = None, connect_id: int = 0) -> bytes:
    if data is None:
        return line(f'+QIURC: "recv",{connect_id}')
    return b'\r\n+QIURC: "recv",%d,%d\r\n' % (connect_id, len(data)) + data + b"\r\n"


def qird(data: bytes) -> bytes:
    return b"\r\n+QIRD: %d\r\n" % len(data) + (data + b"\r\n" if data else b"") + OK


def test_what_comes_in_one_burst_with_the_opening_belongs_to_the_stream() -> None:
    world = World()
    stream = commanded(world, "push", recv_urc(b"220 hello"))
    assert receive(world, stream) == b"220 hello"
    assert not world.events()


def test_what_an_earlier_stream_left_behind_does_not() -> None:
    world = World()
    world.say(CLOSED + recv_urc(b"old"))
    world.wait(1.0)
    stream = commanded(world, "push")
    with pytest.raises(TimeoutError):
        receive(world, stream, 9, 1.0)
    assert world.events() == [tcp.Closed(0), tcp.Received(0, b"old")]


def test_a_stream_that_cannot_be_opened_leaves_nothing_behind() -> None:
    world = World()
    for mode in channels.ACCESS:
        world.on("AT+QISTATE", OK)
        world.on(f'AT+QIOPEN=0,"TCP","h",80,0,{int(channels.ACCESS[mode])}', ERROR)
        world.on("AT+QIGETERROR", answer('+QIGETERROR: 564,"Socket connect failed"'))
        with pytest.raises(CommandError):
            world.drive(channels.open_channel(world.link, "h", 80, mode))
    assert not world.link.sinks


@pytest.mark.parametrize("said", [b"", OK, OK + line("+QIOPEN: 0,0")])
def test_an_interrupted_opening_frees_the_id(said: bytes) -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"TCP","h",80,0,1', (0.0, said))
    driver = world.start(channels.open_channel(world.link, "h", 80, "push"))
    while b"AT+QIOPEN" not in world.sent:
        world.step()
    world.link.receive(said, world.now)
    world.on("AT", OK, always=True)
    world.on("AT+QICLOSE=0,1", OK)
    driver.resume(lambda: driver.turns.throw(Interrupt()))
    assert driver.turn
    assert driver.turn.shielded
    with pytest.raises(Interrupt):
        world.finish(driver)
    assert world.script.spent
    assert state(world) is State.COMMAND
    assert not world.link.sinks


@pytest.mark.parametrize("early", [True, False])
def test_an_interrupted_opening_of_a_transparent_stream_leaves_data_mode(early: bool) -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"TCP","h",80,0,2', *([] if early else [(0.5, CONNECT)]))
    driver = world.start(channels.open_channel(world.link, "h", 80, "transparent"))
    while b"AT+QIOPEN" not in world.sent:
        world.step()
    if early:
        world.link.receive(CONNECT, world.now)
    world.on(b"+++", (1.05, OK))
    world.on("AT+QICLOSE=0,1", OK)
    driver.resume(lambda: driver.turns.throw(Interrupt()))
    while b"+++" not in world.sent:
        world.step()
    world.on("AT", OK, always=True)
    with pytest.raises(Interrupt):
        world.finish(driver)
    assert b"AT+QICLOSE=0,1" in world.sent
    assert state(world) is State.COMMAND


def test_an_id_that_cannot_be_freed_at_once_is_freed_before_the_next_command() -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    driver = world.start(channels.open_channel(world.link, "h", 80, "transparent"))
    while b"AT+QIOPEN" not in world.sent:
        world.step()
    driver.resume(lambda: driver.turns.throw(Interrupt()))
    with pytest.raises(Interrupt):  # the module says nothing: it is still opening
        world.finish(driver)
    assert b"AT+QICLOSE" not in world.sent
    assert state(world) is State.UNSURE
    for command in ("AT", "AT+QICLOSE=0,1", "AT+QISTATE"):
        world.on(command, OK)
    assert world.run(tcp.ListSockets()) == ()
    assert world.script.spent
    assert not world.link.unclosed


def test_open_channel_of_a_transparent_stream() -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"TCP","h",80,0,2', CONNECT + b"hello")
    stream = world.drive(channels.open_channel(world.link, "h", 80, "transparent"))
    assert isinstance(stream, Transparent)
    assert receive(world, stream) == b"hello"


# ---- push and buffer: out


def sends(world: World, *pieces: bytes, reply: bytes = line("SEND OK")) -> None:
    for piece in pieces:
        world.on(f"AT+QISEND=0,{len(piece)}", PROMPT)
        world.on(piece, reply)


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_send_in_pieces(mode: channels.Mode) -> None:
    world = World()
    stream = commanded(world, mode)
    data = b"".join(b"%d" % number + token for number in range(40) for token in TOKENS)
    pieces = [data[i : i + 1460] for i in range(0, len(data), 1460)]
    sends(world, *pieces)
    send(world, stream, data)
    assert stream.sent == len(data)
    assert world.script.spent


def test_a_full_send_buffer_is_tried_again_later_and_later() -> None:
    world = World()
    stream = commanded(world, "push")
    for _ in range(8):
        sends(world, b"hello", reply=line("SEND FAIL"))
    sends(world, b"hello")
    begin = world.now
    send(world, stream, b"hello")
    assert stream.sent == 5
    gaps = [at for at, data in world.writes if data.startswith(b"AT+QISEND")]
    pauses = [after - before for before, after in itertools.pairwise(gaps)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.1
    assert pauses[-1] < 0.6
    assert world.now - begin > 1.0


def test_a_full_send_buffer_runs_out_of_time() -> None:
    world = World()
    stream = commanded(world, "push")
    world.on("AT+QISEND=0,5", PROMPT, always=True)
    world.on(b"hello", line("SEND FAIL"), always=True)
    begin = world.now
    with pytest.raises(SendTimeout) as caught:
        send(world, stream, b"hello", 2.0)
    assert begin + 2.0 <= world.now < begin + 3.0
    assert caught.value.sent == stream.sent == 0


def test_the_time_for_a_send_may_be_up_in_the_queue() -> None:
    world = World()
    stream = commanded(world, "push")
    world.on("AT+QVERSION", (0.9, answer("+QVERSION: X")))
    other = world.start(perform(world.link, GetVersion()))
    with pytest.raises(SendTimeout) as caught:
        send(world, stream, b"hello", 0.5)
    assert caught.value.sent == 0
    world.finish(other)


def test_send_without_patience_sends_what_it_can() -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, b"hello")
    send(world, stream, b"hello", 0.0)
    assert stream.sent == 5


@pytest.mark.parametrize("urc", [CLOSED, b""])
def test_the_module_says_that_the_socket_is_closed(urc: bytes) -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, b"hello")
    send(world, stream, b"hello")
    world.on("AT+QISEND=0,3", PROMPT)
    world.on(b"abc", ERROR + urc)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 565,"Socket has been closed"'))
    counts(world, 5, 4, seconds="1")
    with pytest.raises(PeerClosed) as caught:
        send(world, stream, b"abc")
    assert (caught.value.sent, caught.value.acknowledged, caught.value.uncertain) == (5, 4, 1)
    assert not world.link.sinks


def test_another_refusal_is_told_as_it_is() -> None:
    world = World()
    stream = commanded(world, "push")
    world.on("AT+QISEND=0,3", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 569,"Operation not allowed"'))
    with pytest.raises(CommandError) as caught:
        send(world, stream, b"abc")
    assert caught.value.code == 569


def test_others_run_between_the_pieces() -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, bytes(1460), b"x" * 40)
    writer = world.start(stream.send(memoryview(bytes(1460) + b"x" * 40), None))
    world.on("AT+QVERSION", answer("+QVERSION: 1"))
    other = world.start(perform(world.link, tcp.GetSent(3)))
    world.on("AT+QISEND=3,0", answer("+QISEND: 7,7,0"))
    world.finish(other)
    assert not writer.done
    world.finish(writer)


# ---- push and buffer: in


def test_pushed_bytes() -> None:
    world = World()
    stream = commanded(world, "push")
    for piece in NASTY:
        world.say(recv_urc(piece))
    wanted = b"".join(NASTY)
    assert receive_exactly(world, stream, len(wanted), 7) == wanted
    assert stream.received == len(wanted)
    assert world.sent == b""
    assert not world.events()


def test_pushed_bytes_of_another_socket_are_events() -> None:
    world = World()
    stream = commanded(world, "push")
    world.say(recv_urc(b"other", 5) + recv_urc(b"mine"))
    assert receive(world, stream) == b"mine"
    assert world.events() == [tcp.Received(5, b"other")]


def test_receive_in_push_mode_without_patience() -> None:
    world = World()
    stream = commanded(world, "push")
    world.say(recv_urc(b"hello"), 0.0)
    assert receive(world, stream, 9, 0.0) == b"hello"
    with pytest.raises(TimeoutError):
        receive(world, stream, 9, 0.0)


@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_buffered_bytes_are_read_until_none_are_left(cut: Any) -> None:
    world = World(cut=cut)
    stream = commanded(world, "buffer")
    world.say(recv_urc())
    pieces = [piece for piece in NASTY if len(piece) < 1500]
    for piece in (*pieces, b""):
        world.on("AT+QIRD=0,1500", qird(piece))
    wanted = b"".join(pieces)
    assert receive_exactly(world, stream, len(wanted), 1500) == wanted
    with pytest.raises(TimeoutError):
        receive(world, stream, 1500, 1.0)
    assert world.script.spent


def test_buffered_bytes_are_not_asked_for_before_they_are_announced() -> None:
    world = World()
    stream = commanded(world, "buffer")
    with pytest.raises(TimeoutError):
        receive(world, stream, 9, 1.0)
    assert world.sent == b""


def test_bytes_that_are_announced_while_the_last_are_read() -> None:
    """The announcement comes once: in the very burst that says there are none, it must not be missed."""
    for order in (qird(b"") + recv_urc(), recv_urc() + qird(b"")):
        world = World()
        stream = commanded(world, "buffer")
        world.say(recv_urc())
        world.on("AT+QIRD=0,1500", order)
        world.on("AT+QIRD=0,1500", qird(b"more"))
        assert receive(world, stream, 1500, 5.0) == b"more"


def test_bytes_are_still_asked_for_after_a_read_that_failed() -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.say(recv_urc())
    with pytest.raises(CommandTimeout):
        receive(world, stream, 1500)
    world.on("AT", OK)
    world.on("AT+QIRD=0,0", answer("+QIRD: 4,0,4"))
    world.on("AT+QIRD=0,1500", qird(b"more"))
    assert receive(world, stream, 1500, 5.0) == b"more"


@pytest.mark.parametrize("told", [True, False])
def test_bytes_that_an_interrupted_read_took_along_are_told(told: bool) -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.say(recv_urc())
    driver = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    while b"AT+QIRD" not in world.sent:
        world.step()
    driver.cancel(Interrupt())
    assert isinstance(driver.error, Interrupt)
    world.on("AT", OK)
    world.on("AT+QIRD=0,0", answer("+QIRD: 9,5,4") if told else ERROR)
    world.on("AT+QIGETERROR", answer("+QIGETERROR: 565"), always=True)
    with pytest.raises(Overrun, match="5 bytes are missing" if told else "up to 1500 bytes"):
        while True:
            world.on("AT+QIRD=0,1500", qird(b"rest"))
            world.on("AT+QIRD=0,1500", qird(b""))
            assert receive(world, stream, 9, 5.0) == b"never"
    assert receive(world, stream, 9, 5.0) == b"rest"


@pytest.mark.parametrize("after", [0.005, 0.015])
def test_a_cancelled_receive_keeps_what_was_read(after: float) -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.on("AT+QIRD=0,1500", (0.02, qird(b"one")))
    world.say(recv_urc(), 0.0)
    driver = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    while b"AT+QIRD" not in world.sent:
        world.step()
    world.cancel(driver, Interrupt())
    assert isinstance(driver.error, Interrupt)
    assert receive(world, stream, 9, 5.0) == b"one"
    assert state(world) is State.COMMAND


def test_a_writer_that_hears_of_the_end_waits_for_the_read_in_progress() -> None:
    world = World()
    stream = commanded(world, "buffer")
    for piece in (b"one", b"two", b""):
        world.on("AT+QIRD=0,1500", (0.05, qird(piece)))
    world.say(recv_urc(), 0.0)
    got = bytearray(9)
    reader = world.start(stream.receive_into(memoryview(got), None))
    while b"AT+QIRD" not in world.sent:
        world.step()
    stream.ended = True
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert bytes(got[: world.finish(reader)]) + receive(world, stream, 9) == b"onetwo"
    with pytest.raises(PeerClosed):
        receive(world, stream, 9)


@pytest.mark.parametrize("urc", [CLOSED, b""])
def test_a_read_that_is_refused_after_the_end_is_the_end(urc: bytes) -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.say(recv_urc() + urc)
    world.on("AT+QIRD=0,1500", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 565,"Socket has been closed"'))
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        receive(world, stream, 9, 5.0)


def test_what_the_inbox_cannot_hold_before_the_close_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "PUSH_INBOX", 4)
    world = World()
    stream = commanded(world, "buffer")
    world.say(CLOSED)
    world.wait(0.1)
    for piece in (b"one", b"two", b"three", b""):
        world.on("AT+QIRD=0,1500", qird(piece))
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert receive(world, stream, 9) == b"onet"
    with pytest.raises(Overrun, match="7 bytes are missing"):
        receive(world, stream, 9)
    with pytest.raises(PeerClosed):
        receive(world, stream, 9)


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_peer_closed_with_bytes_still_to_be_read(mode: channels.Mode) -> None:
    world = World()
    stream = commanded(world, mode)
    if mode == "push":
        world.say(recv_urc(b"one") + recv_urc(b"two") + CLOSED)
    else:
        world.say(CLOSED)
        for piece in (b"one", b"two", b""):
            world.on("AT+QIRD=0,1500", qird(piece))
    counts(world, 0, seconds="1")
    assert receive_exactly(world, stream, 6, 1500) == b"onetwo"
    with pytest.raises(PeerClosed):
        receive(world, stream, 1500)
    assert stream.report == Report(0, 0, 6)
    assert not world.link.sinks
    assert world.drive(stream.close(10.0)) == stream.report
    assert world.sent.count(b"AT+QICLOSE") == 1


@pytest.mark.parametrize("urc", [CLOSED, b""])
def test_a_writer_that_hears_of_the_end_loses_no_byte_of_the_reader(urc: bytes) -> None:
    world = World()
    stream = commanded(world, "buffer")
    if urc:
        world.say(recv_urc() + urc)
        world.wait(0.1)
    else:
        world.on("AT+QISEND=0,1", ERROR)
        world.on("AT+QIGETERROR", answer('+QIGETERROR: 565,"Socket has been closed"'))
    for piece in (b"one", b"two", b""):
        world.on("AT+QIRD=0,1500", qird(piece))
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert receive_exactly(world, stream, 6, 1500) == b"onetwo"
    with pytest.raises(PeerClosed):
        receive(world, stream, 1500)


def test_two_who_hear_of_the_end_get_the_same_figures() -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, b"hello")
    send(world, stream, b"hello")
    world.on("AT+QISEND=0,0", answer("+QISEND: 5,3,2"))
    world.on("AT+QISEND=0,0", ERROR, always=True)
    world.on("AT+QICLOSE=0,1", OK)
    drivers = [world.start(stream.receive_into(memoryview(bytearray(9)), None)) for _ in range(2)]
    world.say(CLOSED)
    for driver in drivers:
        with pytest.raises(PeerClosed) as caught:
            world.finish(driver)
        assert (caught.value.acknowledged, caught.value.uncertain) == (3, 2)


def test_pushed_bytes_nobody_takes_are_dropped_and_told() -> None:
    world = World()
    stream = commanded(world, "push")
    piece = bytes(1500)
    fits = channels.PUSH_INBOX // len(piece)
    world.say(recv_urc(piece) * (fits + 10))
    world.wait(1.0)
    world.say(recv_urc(b"after"))
    world.wait(1.0)
    assert stream.inbox_high_water == channels.PUSH_INBOX
    got = receive_exactly(world, stream, channels.PUSH_INBOX, 1 << 20)
    assert got == bytes(channels.PUSH_INBOX)
    lost = (fits + 10) * 1500 + 5 - channels.PUSH_INBOX
    with pytest.raises(Overrun, match=f"^{lost} bytes"):
        receive(world, stream)
    world.say(recv_urc(b"again"))
    assert receive(world, stream) == b"again"


# ---- push and buffer: closing


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_close_of_a_commanded_stream(mode: channels.Mode) -> None:
    world = World()
    stream = commanded(world, mode)
    sends(world, b"hello")
    send(world, stream, b"hello")
    counts(world, 5)
    assert world.drive(stream.close(10.0)) == Report(5, 5, 0)
    assert world.drive(stream.close(10.0)) == Report(5, 5, 0)
    assert not world.link.sinks
    for act in (lambda: send(world, stream, b"x"), lambda: receive(world, stream)):
        with pytest.raises(UsageError, match="closed"):
            act()
    world.say(CLOSED)
    world.wait(1.0)
    assert world.events() == [tcp.Closed(0)]


def test_a_close_that_fails_can_be_done_again() -> None:
    world = World()
    stream = commanded(world, "push")
    with pytest.raises(CommandTimeout):
        world.drive(stream.close(10.0))
    world.on("AT", OK)
    counts(world, 0)
    assert world.drive(stream.close(10.0)) == Report(0, 0, 0)


def test_an_id_used_again_has_one_owner() -> None:
    world = World()
    old = commanded(world, "push")
    world.say(CLOSED)
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        receive(world, old)
    new = commanded(world, "push")
    world.say(recv_urc(b"new"))
    assert receive(world, new) == b"new"
    assert not old.inbox


def test_loss_of_the_transport_gives_what_was_pushed_first() -> None:
    world = World()
    stream = commanded(world, "push")
    world.say(recv_urc(b"last"), 0.1)
    world.say(gone(), 0.2)
    world.wait(1.0)
    assert receive(world, stream) == b"last"
    for act in (
        lambda: receive(world, stream),
        lambda: send(world, stream, b"x"),
        lambda: world.drive(stream.close(1.0)),
    ):
        with pytest.raises(TransportLost):
            act()


def test_the_face_of_a_channel_is_abstract() -> None:
    bare = Channel(World().link, 0)
    for act in (
        lambda: bare.receive_into(memoryview(b""), None),
        lambda: bare.send(memoryview(b""), None),
        lambda: bare.close(1.0),
    ):
        with pytest.raises(TypeError):
            act()
