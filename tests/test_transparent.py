"""Transparent mode: the guard, the watch, and the end of the stream."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w import inbox
from fcm360w.channel import Report
from fcm360w.errors import CommandTimeout, PeerClosed, SendTimeout, SocketLost, TransportLost, UsageError
from fcm360w.escape import Escape
from fcm360w.events import Lost
from fcm360w.states import State
from fcm360w.transparent import Transparent
from scripted import CONNECT, ERROR, NO_CARRIER, OK, Driver, World, cut_at, each_byte, line, transparent
from streaming import (
    CLOSED,
    GUARD,
    NASTY,
    POLICY,
    Interrupt,
    counts,
    gone,
    leaves,
    receive,
    receive_exactly,
    send,
    state,
)

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
    assert stream.inbox.mark.high_water == 0


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
    assert inbox.INBOX <= stream.inbox.mark.high_water <= inbox.INBOX + len(chunk)
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
    assert not world.events()
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


@pytest.mark.parametrize("first", ["send", "receive"])
def test_a_restart_is_told_as_such_to_whoever_asks_first(first: str) -> None:
    world = World()
    stream = transparent(world)
    send(world, stream, b"12345678")
    world.say(line("ready"))
    world.wait(5.0)
    acts = [lambda: send(world, stream, b"x"), lambda: receive(world, stream)]
    for act in acts if first == "send" else reversed(acts):
        with pytest.raises(SocketLost, match="restarted"):
            act()


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
    assert (caught.value.sent, caught.value.acknowledged, caught.value.uncertain) == (8, None, 8)


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
    block = bytes(inbox.INBOX - 3)
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
    assert len(stream.data.inbox) <= 3 * inbox.INBOX


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
