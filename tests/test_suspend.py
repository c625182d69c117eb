"""A transparent stream that is suspended: commands run, nothing is lost, and it goes on, or ends as usual."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.attached import attach
from fcm360w.channel import Report
from fcm360w.commands import system, tcp
from fcm360w.errors import CommandError, CommandTimeout, PeerClosed, TransportLost, UsageError
from fcm360w.states import State
from fcm360w.steps import EscapePolicy
from fcm360w.transparent import Transparent
from fcm360w.turns import Turn, perform
from scripted import CONNECT, ERROR, NO_CARRIER, OK, Driver, World, answer, line, transparent
from streaming import (
    CLOSED,
    GUARD,
    NASTY,
    Interrupt,
    commanded,
    gone,
    leaves,
    qird,
    receive,
    receive_exactly,
    recv_urc,
    send,
)
from twinned import TwinWorld

POLICY = EscapePolicy()


def opened(world: TwinWorld) -> Transparent:
    stream = world.open("transparent")
    assert isinstance(stream, Transparent)
    return stream


def steps_out(world: World, *more: Any) -> None:
    world.on(b"+++", *more, (GUARD + 0.02, OK))


def version(world: World) -> str:
    return world.run(system.GetVersion()).version


# ---- out, and back


def test_what_goes_over_the_wire() -> None:
    world = World()
    stream = transparent(world)
    world.forget()
    begin = world.now
    steps_out(world)
    world.drive(stream.suspend())
    assert world.link.state is State.COMMAND
    assert world.writes[0][0] >= begin + POLICY.guard_before
    world.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
    assert version(world) == "FCM360W"
    world.on("ATO", CONNECT)
    world.drive(stream.resume())
    assert world.link.state is State.DATA
    assert world.sent == b"+++AT+QVERSION\r\nATO\r\n"


def test_it_goes_on_as_if_nothing_had_been() -> None:
    world = TwinWorld()
    stream = opened(world)
    for number in range(3):
        world.send(stream, b"out%d" % number)
        world.arrives(b"in%d" % number)
        world.drive(stream.suspend())
        assert version(world).startswith("FCM360W")
        world.drive(stream.resume())
        assert world.receive(stream, 3) == b"in%d" % number
    assert (stream.sent, stream.received) == (12, 9)
    assert world.drive(stream.close(1.0)) == Report(12, 12, 9)
    assert world.peer_got() == b"out0out1out2"
    world.check_idle()


def test_without_it_no_command_runs() -> None:
    world = TwinWorld()
    stream = opened(world)
    with pytest.raises(UsageError, match="transparent stream is open"):
        version(world)
    world.drive(stream.suspend())
    version(world)
    world.drive(stream.resume())
    with pytest.raises(UsageError, match="transparent stream is open"):
        version(world)


def test_who_asked_before_it_is_refused_and_who_asks_while_it_begins_is_served() -> None:
    world = TwinWorld()
    stream = opened(world)
    early = world.start(perform(world.link, system.GetVersion()))
    suspending = world.start(stream.suspend())
    others = [world.start(perform(world.link, system.GetVersion())) for _ in range(3)]
    world.finish(suspending)
    with pytest.raises(UsageError):
        world.finish(early)
    resuming = world.start(stream.resume())
    for other in others:
        assert world.finish(other).version.startswith("FCM360W")
    world.finish(resuming)
    assert world.link.state is State.DATA


def test_the_last_who_suspended_it_lets_it_go_on() -> None:
    world = TwinWorld()
    stream = opened(world)
    first, second = world.start(stream.suspend()), world.start(stream.suspend())
    for driver in (first, second):
        world.finish(driver)
    assert world.sent.count(b"+++") == 1
    world.drive(stream.resume())
    version(world)
    world.drive(stream.resume())
    assert world.link.state is State.DATA
    assert world.sent.count(b"ATO") == 1


@pytest.mark.parametrize("data", NASTY, ids=repr)
def test_awkward_payload_that_comes_meanwhile(data: bytes) -> None:
    world = TwinWorld()
    stream = opened(world)
    world.drive(stream.suspend())
    world.arrives(data)
    world.wait(1.0)
    world.drive(stream.resume())
    world.arrives(b"!")
    assert world.receive(stream, len(data) + 1) == data + b"!"
    assert not world.events()


MOMENTS = [round(0.05 * number, 2) for number in range(70)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_byte_is_lost_whenever_it_comes(moment: float) -> None:
    """Before the escape, between it and its OK, while commands run, with CONNECT, after it."""
    world = TwinWorld()
    stream = opened(world)
    for number in range(20):
        world.later(moment + 0.013 * number, lambda number=number: world.arrives(b"%04d" % number))  # type: ignore[misc]
    reader = world.start(reading(stream, 80))
    world.drive(stream.suspend())
    version(world)
    world.drive(stream.resume())
    assert world.finish(reader) == b"".join(b"%04d" % number for number in range(20))
    assert not world.events()


@pytest.mark.parametrize("read", ["meanwhile", "afterwards"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_peer_closes_whenever_it_likes(moment: float, read: str) -> None:
    """Every byte comes first, then the end, once, and to whoever asks."""
    world = TwinWorld()
    stream = opened(world)
    world.send(stream, b"out")
    data = bytes(range(256)) * 20
    world.later(moment, lambda: world.arrives(data))
    world.later(moment + 0.001, world.ends)
    reader = world.start(reading(stream, 1 << 20)) if read == "meanwhile" else None
    world.drive(stream.suspend())
    version(world)
    world.drive(stream.resume())
    reader = reader or world.start(reading(stream, 1 << 20))
    assert world.finish(reader) == data
    for _ in range(2):
        with pytest.raises(PeerClosed) as caught:
            world.receive(stream, 1)
        assert (caught.value.sent, caught.value.acknowledged) == (3, 3)
    with pytest.raises(PeerClosed):
        world.send(stream, b"x")
    assert stream.report
    assert stream.report[:3] == (3, 3, len(data))
    assert stream.report.added in (0, 3)  # it closed while the escape had not become one yet
    assert not world.events()
    world.check_idle()


def reading(stream: Transparent, count: int) -> Any:
    """Up to the end, or so many bytes."""
    got, buffer = bytearray(), memoryview(bytearray(1000))
    while len(got) < count:
        try:
            got += buffer[: (yield from stream.receive_into(buffer, None))]
        except PeerClosed:
            break
    return bytes(got)


def test_what_is_left_in_the_module_is_read_when_it_is_wanted() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.drive(stream.suspend())
    world.arrives(bytes(30_000))
    world.ends()
    world.wait(1.0)
    world.drive(stream.resume())
    world.forget()
    assert world.receive(stream, 4000) == bytes(4000)
    assert world.sent.count(b"AT+QIRD") == 3
    assert stream.inbox.mark.high_water == 1500
    assert world.receive(stream, 26_000) == bytes(26_000)


def test_the_lines_of_the_socket_belong_to_the_stream_and_those_of_others_do_not() -> None:
    world = World()
    stream = transparent(world)
    steps_out(world)
    world.drive(stream.suspend())
    world.say(recv_urc() + recv_urc(None, 5) + line('+QIURC: "closed",5') + CLOSED)
    world.wait(1.0)
    assert world.events() == [tcp.Received(5), tcp.Closed(5)]


@pytest.mark.parametrize("noted", [recv_urc(), b""])
def test_the_module_knows_of_no_connection_to_return_to(noted: bytes) -> None:
    """It may say so in no other way than by refusing."""
    for refusal in (NO_CARRIER, ERROR):
        world = World()
        stream = transparent(world)
        steps_out(world)
        world.drive(stream.suspend())
        world.say(noted)
        world.wait(1.0)
        world.on("ATO", refusal)
        world.drive(stream.resume())
        for piece in (b"one", b"two", b""):
            world.on("AT+QIRD=0,1500", qird(piece))
        world.on("AT+QISEND=0,0", answer("+QISEND: 0,0,0"))
        world.on("AT+QICLOSE=0,1", OK)
        assert receive_exactly(world, stream, 6) == b"onetwo"
        with pytest.raises(PeerClosed):
            receive(world, stream)
        assert stream.report == Report(0, 0, 6)
        assert world.script.spent


def test_the_module_cannot_say_what_is_left() -> None:
    world = World()
    stream = transparent(world)
    steps_out(world)
    world.drive(stream.suspend())
    world.say(CLOSED)
    world.wait(1.0)
    world.drive(stream.resume())
    assert b"ATO" not in world.sent
    world.on("AT+QIRD=0,1500", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 565,"Socket has been closed"'))
    world.on("AT+QISEND=0,0", ERROR)
    world.on("AT+QICLOSE=0,1", OK)
    with pytest.raises(PeerClosed):
        receive(world, stream)


# ---- which socket goes on


def test_with_other_sockets_open_the_socket_is_named() -> None:
    """ATO takes some other socket if the peer of this one has just closed."""
    world = TwinWorld()
    other = world.open("push")
    stream = opened(world)
    world.drive(stream.suspend())
    world.drive(stream.resume())
    assert b"ATO" not in world.sent
    assert b"AT+QISWTMD=1,2" in world.sent
    world.drive(stream.suspend())
    world.ends()
    world.link.sinks.remove(stream.take)  # the line that says so is still to come
    world.wait(1.0)
    world.link.sinks.append(stream.take)
    world.drive(stream.resume())
    assert stream.ended
    assert not other.ended


def test_another_transparent_stream_in_between() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.drive(stream.suspend())
    inner = opened(world)
    world.send(inner, b"inner")
    world.arrives(b"to inner")
    waiting = world.start(stream.receive_into(memoryview(bytearray(99)), None))
    assert world.receive(inner, 8) == b"to inner"
    with pytest.raises(UsageError, match="transparent stream is open"):
        world.drive(stream.resume())
    with pytest.raises(UsageError, match="transparent stream is open"):
        world.send(stream, b"x")
    assert world.drive(inner.close(1.0)).acknowledged == 5
    world.send(stream, b"outer")
    assert b"AT+QISWTMD=0,2" in world.sent
    outer = world.bench.network.connections[0]
    world.wait(3.0)
    assert b"".join(outer.sent) == b"outer"
    del waiting


def test_an_attached_stream_returns_by_ato_and_reads_nothing_else() -> None:
    world = TwinWorld()
    world.open("push")
    other = opened(world)
    world.drive(other.suspend())
    other.detach()
    stream = world.drive(attach(world.link, tcp.Resume()))
    world.drive(stream.suspend())
    version(world)
    world.drive(stream.resume())
    assert world.sent.endswith(b"ATO\r\n")
    world.drive(stream.suspend())
    world.arrives(b"left in the module")
    world.ends()
    world.wait(1.0)
    world.bench.host(b"AT+QICLOSE=0\r")
    world.drive(stream.resume())
    with pytest.raises(PeerClosed):
        receive(world, stream)
    assert b"QIRD" not in world.sent
    with pytest.raises(UsageError, match="not known"):
        world.drive(stream.verify())


# ---- senders and receivers


def test_a_busy_sender_does_not_keep_it_from_beginning_and_goes_on_afterwards() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.write_limit = 100
    data = bytes(range(256)) * 40
    sender = world.start(slowly(stream, data))
    while not stream.sent:
        world.step()
    suspending = world.start(stream.suspend())
    world.finish(suspending)
    assert 0 < stream.sent < len(data)
    before = stream.sent
    world.wait(5.0)
    assert stream.sent == before
    world.drive(stream.resume())
    world.finish(sender)
    world.wait(3.0)
    assert world.peer_got() == data


def slowly(stream: Transparent, data: bytes) -> Any:
    """A sender that never leaves a silence of its own."""
    for at in range(0, len(data), 100):
        yield from stream.send(memoryview(data[at : at + 100]), None)
        end = stream.link.now + 0.05
        while stream.link.now < end:
            yield Turn(deadline=end)


def test_a_sender_runs_out_of_time() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.drive(stream.suspend())
    begin = world.now
    with pytest.raises(TimeoutError):
        world.drive(stream.send(memoryview(b"x"), world.now + 2.0))
    with pytest.raises(TimeoutError):
        world.drive(stream.receive_into(memoryview(bytearray(9)), world.now + 2.0))
    assert begin + 4.0 <= world.now < begin + 4.5


def test_a_sender_that_waits_does_not_spin() -> None:
    """It holds back a plus sign, and the time at which it would go passes while the stream is suspended."""
    world = TwinWorld()
    stream = opened(world)
    world.wait(3.0)
    sender = world.start(stream.send(memoryview(b"+++"), None))
    world.wait(0.1)
    world.drive(stream.suspend())
    before = sender.taken
    world.wait(100.0)
    assert sender.taken - before < 10
    world.drive(stream.resume())
    world.finish(sender)
    world.wait(3.0)
    assert world.peer_got() == b"+++"


def test_a_sender_that_waits_for_a_suspicion_does_not_spin() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.wait(3.0)
    sender = world.start(stream.send(memoryview(b"+++"), None))
    reader = world.start(reading(stream, 1 << 20))
    world.wait(0.8)
    world.arrives(NO_CARRIER)
    before = sender.taken
    world.finish(sender)
    assert sender.taken - before < 60
    assert not reader.done


def test_what_has_come_before_can_be_received_meanwhile() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.arrives(b"hello")
    world.drive(stream.suspend())
    assert world.receive(stream, 5) == b"hello"


# ---- what goes wrong


def test_the_escape_is_not_confirmed() -> None:
    world = World()
    stream = transparent(world)
    for _ in range(POLICY.attempts):
        world.on(b"+++", (0.1, b"still here"))
    world.forget()
    with pytest.raises(CommandTimeout) as caught:
        world.drive(stream.suspend())
    assert (caught.value.command, caught.value.section) == ("+++", "2.3.11")
    assert world.sent == b"+++" * POLICY.attempts
    assert world.link.state is State.DATA
    send(world, stream, b"x")
    assert receive_exactly(world, stream, 30) == b"still here" * 3


def test_bytes_are_stuck_on_the_way() -> None:
    world = World()
    stream = transparent(world)
    world.stuck = True
    with pytest.raises(CommandTimeout, match="draining"):
        world.drive(stream.suspend())
    world.stuck = False
    send(world, stream, b"x")
    assert world.sent.endswith(b"x")


@pytest.mark.parametrize("echo", [ERROR, b""])
def test_the_peer_has_closed_when_it_begins(echo: bytes) -> None:
    world = World()
    stream = transparent(world)
    world.on(b"+++", (0.3, b"last" + NO_CARRIER + CLOSED))
    world.on("", echo)
    world.on("AT", OK, always=True)
    world.drive(stream.suspend())
    world.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
    version(world)
    world.drive(stream.resume())
    world.on("AT+QISEND=0,0", answer("+QISEND: 0,0,0"))
    world.on("AT+QICLOSE=0,1", OK)
    assert receive(world, stream) == b"last"
    with pytest.raises(PeerClosed):
        receive(world, stream)
    assert b"ATO" not in world.sent
    assert b"QIRD" not in world.sent
    assert not world.events()


def test_what_looked_like_no_carrier_when_it_began_was_payload() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.arrives(b"one" + NO_CARRIER)
    world.wait(0.5)
    assert world.link.state is State.SUSPECT
    world.drive(stream.suspend())
    world.drive(stream.resume())
    world.arrives(b"two")
    assert world.receive(stream, 6 + len(NO_CARRIER)) == b"one" + NO_CARRIER + b"two"


def test_it_does_not_return() -> None:
    """Nobody knows whether data mode has begun: what comes now may be lost, so the stream has ended."""
    world = World()
    stream = transparent(world)
    steps_out(world)
    world.drive(stream.suspend())
    with pytest.raises(CommandTimeout, match="ATO"):
        world.drive(stream.resume())
    world.forget()
    world.say(CONNECT + b"too late")
    world.wait(1.0)
    steps_out(world)
    world.on("AT", OK, always=True)
    world.on("AT+QISEND=0,0", answer("+QISEND: 0,0,0"))
    world.on("AT+QICLOSE=0,1", OK)
    for _ in range(2):
        with pytest.raises(PeerClosed):
            receive(world, stream)
    assert world.sent.startswith(b"+++")  # a question would have gone to the peer


def test_the_peer_closes_just_before_the_module_returns_to_data_mode() -> None:
    """CONNECT says that the rest, and the end, come in-band."""
    world = World()
    stream = transparent(world)
    steps_out(world)
    world.drive(stream.suspend())
    world.on("ATO", CLOSED + CONNECT + b"rest" + NO_CARRIER)
    world.drive(stream.resume())
    world.on("", ERROR)
    world.on("AT+QISEND=0,0", answer("+QISEND: 0,0,0"))
    world.on("AT+QICLOSE=0,1", OK)
    assert receive(world, stream) == b"rest"
    with pytest.raises(PeerClosed):
        receive(world, stream)
    assert b"QIRD" not in world.sent


def test_much_payload_before_the_answer_is_kept_though_nobody_reads() -> None:
    """Over a network megabytes may be on their way, and the module's OK is the last of them."""
    world = World()
    stream = transparent(world)
    piece = bytes(65536)
    world.on(b"+++", *((0.1, piece) for _ in range(100)), (GUARD + 0.02, OK))
    world.drive(stream.suspend())
    world.on("ATO", CONNECT)
    world.drive(stream.resume())
    assert receive_exactly(world, stream, 100 * len(piece), 1 << 20) == bytes(100 * len(piece))


def test_more_payload_than_is_kept_hides_the_answer_and_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have come: to go on as if the module were in data mode would make commands of payload."""
    monkeypatch.setattr("fcm360w.link.LEAVING_INBOX", 100_000)
    world = World()
    stream = transparent(world)
    world.on(b"+++", *((0.1, bytes(65536)) for _ in range(3)), (GUARD + 0.02, OK))
    world.drive(stream.suspend())
    assert world.link.state is State.COMMAND
    world.drive(stream.resume())
    assert receive_exactly(world, stream, 131_072, 1 << 20) == bytes(131_072)
    world.on("AT+QISEND=0,0", answer("+QISEND: 0,0,0"))
    world.on("AT+QICLOSE=0,1", OK)
    with pytest.raises(PeerClosed):
        receive(world, stream)
    assert b"ATO" not in world.sent


def test_a_command_times_out_meanwhile() -> None:
    """Its answer is waited for before the stream goes on."""
    world = World()
    stream = transparent(world)
    steps_out(world)
    world.drive(stream.suspend())
    with pytest.raises(CommandTimeout):
        world.run(tcp.GetSent(3))
    world.on("AT", answer("+QISEND: 1,1,0") + OK)
    world.on("ATO", CONNECT + b"hello")
    world.drive(stream.resume())
    assert receive(world, stream) == b"hello"


def test_the_module_says_nothing_when_it_is_to_go_on_and_comes_to_itself_later() -> None:
    world = World()
    stream = transparent(world)
    steps_out(world)
    world.drive(stream.suspend())
    with pytest.raises(CommandTimeout):
        world.run(tcp.GetSent(3))
    with pytest.raises(CommandTimeout, match=r"^AT:"):
        world.drive(stream.resume())
    world.on("AT", OK)
    world.on("ATO", CONNECT + b"hello")
    assert receive(world, stream) == b"hello"
    send(world, stream, b"x")


@pytest.mark.parametrize("after", [0.1, POLICY.before + 0.5, POLICY.before + GUARD + 0.1, 4.0])
def test_the_transport_is_lost(after: float) -> None:
    world = World()
    stream = transparent(world)
    world.say(b"first", 0.05)
    world.say(gone(), after)
    steps_out(world)
    world.on("ATO", CONNECT)
    drivers: list[Driver[Any]] = [world.start(act) for act in (stream.suspend(), stream.send(memoryview(b"+++"), None))]
    world.wait(5.0)
    with pytest.raises(TransportLost):
        world.drive(stream.resume())
    assert receive(world, stream) == b"first"
    for act in (lambda: receive(world, stream), lambda: send(world, stream, b"x")):
        with pytest.raises(TransportLost):
            act()
    assert all(driver.done for driver in drivers)


# ---- beside closing


def test_a_stream_that_is_closed_while_it_is_suspended() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.send(stream, b"hello")
    world.drive(stream.suspend())
    assert world.drive(stream.close(1.0)) == Report(5, 5, 0)
    world.drive(stream.resume())
    assert b"ATO" not in world.sent
    world.check_idle()
    for act in (stream.suspend, stream.verify):
        with pytest.raises(UsageError, match="closed"):
            world.drive(act())


def test_a_stream_that_has_ended_can_be_suspended() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.ends()
    with pytest.raises(PeerClosed):
        world.receive(stream, 1)
    world.drive(stream.suspend())
    version(world)
    world.drive(stream.resume())


def test_an_interrupted_suspension_lets_the_stream_go_on() -> None:
    world = TwinWorld()
    stream = opened(world)
    driver = world.start(stream.suspend())
    world.wait(POLICY.before + 0.5)
    world.cancel(driver, Interrupt())
    world.arrives(b"hello")
    assert world.receive(stream, 5) == b"hello"
    assert world.sent.count(b"+++") == 1


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_in_the_other_modes_it_is_nothing(mode: Any) -> None:
    world = World()
    stream = commanded(world, mode)
    for act in (stream.suspend, stream.resume):
        world.drive(act())
    assert world.sent == b""


# ---- verify


def test_verify() -> None:
    world = TwinWorld()
    for mode in ("transparent", "push", "buffer"):
        stream = world.open(mode)  # type: ignore[arg-type]
        world.send(stream, b"hello")
        world.wait(1.0)
        world.peer.unacknowledged = 2
        assert world.drive(stream.verify()) == tcp.Sent(5, 3, 2)
        world.peer.unacknowledged = 0
        world.send(stream, b"more")
        world.drive(stream.close(1.0))
    world.check_idle()


def test_verify_while_it_is_suspended_needs_no_escape() -> None:
    world = TwinWorld()
    stream = opened(world)
    world.drive(stream.suspend())
    begin = world.now
    assert world.drive(stream.verify()) == tcp.Sent(0, 0, 0)
    assert world.now < begin + 0.1
    assert world.link.state is State.COMMAND


def test_verify_of_a_stream_whose_peer_has_closed_leaves_its_bytes_to_be_read() -> None:
    world = TwinWorld()
    for mode in ("transparent", "push", "buffer"):
        stream = world.open(mode)  # type: ignore[arg-type]
        world.send(stream, b"hello")
        world.arrives(b"last")
        world.ends()
        world.wait(0.01)
        with pytest.raises(PeerClosed) as caught:
            world.drive(stream.verify())
        assert (caught.value.sent, caught.value.acknowledged) == (5, 5)
        assert world.receive(stream, 4) == b"last"
        with pytest.raises(PeerClosed):
            world.receive(stream, 1)
    world.check_idle()


def test_verify_that_is_refused() -> None:
    for code, kind in ((565, PeerClosed), (550, CommandError)):
        world = World()
        stream = commanded(world, "push")
        world.on("AT+QISEND=0,0", ERROR, always=True)
        world.on("AT+QIGETERROR", answer(f"+QIGETERROR: {code}"), always=True)
        world.on("AT+QICLOSE=0,1", OK)
        with pytest.raises(kind):
            world.drive(stream.verify())


def test_a_refused_verify_lets_the_stream_go_on() -> None:
    world = World()
    stream = transparent(world)
    steps_out(world)
    world.on("AT+QISEND=0,0", ERROR)
    world.on("AT+QIGETERROR", answer("+QIGETERROR: 550"))
    world.on("ATO", CONNECT)
    with pytest.raises(CommandError):
        world.drive(stream.verify())
    assert world.link.state is State.DATA
    leaves(world, 0)
    world.drive(stream.close(10.0))


# ---- any order of things


@given(
    st.lists(
        st.sampled_from(["suspend", "resume", "verify", "receive", "send", "arrive", "wait", "alarm"]), max_size=12
    )
)
def test_any_order(acts: list[str]) -> None:
    world = TwinWorld()
    stream = opened(world)
    holds, wanted, got, sent = 0, b"", b"", b""
    for act in acts:
        if act == "suspend":
            world.drive(stream.suspend())
            holds += 1
        elif act == "resume" and holds:
            world.drive(stream.resume())
            holds -= 1
        elif act == "verify":
            assert world.drive(stream.verify()).total_send_length == len(sent)
        elif act in ("arrive", "alarm"):
            piece = b"%d" % len(wanted) + (NO_CARRIER if act == "alarm" else b"")
            wanted += piece
            world.arrives(piece)
        elif act == "receive" and not holds and len(got) < len(wanted):
            got += world.receive(stream, len(wanted) - len(got))
        elif act == "send" and not holds:
            world.send(stream, b"+++")
            sent += b"+++"
        elif act == "wait":
            world.wait(1.5)
    for _ in range(holds):
        world.drive(stream.resume())
    got += world.receive(stream, len(wanted) - len(got))
    assert got == wanted
    assert world.drive(stream.close(1.0)).acknowledged == len(sent)
    assert world.peer_got() == sent
    assert not world.events()
    world.check_idle()
