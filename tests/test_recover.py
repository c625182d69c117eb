"""The ladder out of any stuck state: from every state of the link, and from whatever the module waits for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from fcm360w.channel import Channel
from fcm360w.commands import system, tcp
from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tcp import Access, Open, Send, SendTimeout, Service
from fcm360w.errors import CommandError, CommandTimeout, GivenUp, ProtocolError, SocketLost, TransportLost
from fcm360w.flows.recover import INPUT_LIMIT, Recovery, Rung
from fcm360w.settings import Set
from fcm360w.sim.dialect import MANUAL
from fcm360w.states import TABLE, State
from fcm360w.steps import EscapePolicy, Pause, Until, Within
from fcm360w.turns import Turns, perform, recovered, woken
from scripted import NO_CARRIER, OK, Driver, World, answer, line
from twinned import TwinWorld

POLICY = EscapePolicy()
GUARD = POLICY.guard_after
ASKED, WAITED, CANCELLED, ESCAPED, FILLED, RESTARTED = Rung
VERSION = answer("+QVERSION: FCM360W")


class Interrupt(BaseException):
    """Somebody has no more interest."""


def ladder(world: World) -> Recovery:
    found = world.drive(recovered(world.link))
    assert world.link.state is State.COMMAND
    assert world.link.owing is None
    assert not world.link.adrift
    return found


def usable(world: TwinWorld) -> None:
    assert world.run(system.GetVersion()).version.startswith("FCM360W")
    assert not world.link.queue


# ---- from every state of the link, with a module that is where the link thinks it is

CONNECTING = Open(3, Service.TCP, "10.0.0.9", 80, 0, Access.PUSH)


def in_command(world: TwinWorld) -> None:
    return None


def begun(world: TwinWorld, command: Open) -> Driver[Any]:
    world.bench.network.outcome = None
    driver = world.start(perform(world.link, command))
    world.wait(0.0)  # it is written
    world.wait(1.0)
    return driver


def in_pending(world: TwinWorld) -> Driver[Any]:
    return begun(world, CONNECTING.replace(access_mode=Access.TRANSPARENT))


def in_late(world: TwinWorld) -> Driver[Any]:
    return begun(world, CONNECTING)


def reading(stream: Channel) -> Turns[bytes]:
    got, buffer = b"", memoryview(bytearray(99))
    while b"on" not in got:
        got += buffer[: (yield from stream.receive_into(buffer, None))]
    return got


def in_data(world: TwinWorld) -> Driver[Any]:
    return world.start(reading(world.open("transparent")))


def in_suspect(world: TwinWorld) -> Driver[Any]:
    driver = in_data(world)
    world.arrives(NO_CARRIER)
    world.wait(0.5)
    return driver


def in_leaving(world: TwinWorld) -> Driver[Any]:
    driver = world.start(world.open("transparent").close(10.0))
    world.wait(POLICY.before + 0.5)
    return driver


def in_unsure(world: TwinWorld) -> None:
    world.bench.network.outcome = None
    with pytest.raises(CommandTimeout):
        world.run(Within(CONNECTING, 0.5))


STATES: dict[State, Callable[[TwinWorld], Driver[Any] | None]] = {
    State.COMMAND: in_command,
    State.PENDING: in_pending,
    State.LATE: in_late,
    State.DATA: in_data,
    State.SUSPECT: in_suspect,
    State.LEAVING: in_leaving,
    State.UNSURE: in_unsure,
}


def test_no_state_of_the_table_is_left_out() -> None:
    assert set(STATES) == {before for before, _ in TABLE}


@pytest.mark.parametrize("outcome", [SocketCode.SUCCESS, SocketCode.CONNECT_FAILED])
@pytest.mark.parametrize("after", [0.0, 0.8, 1.6, 4.0])
@pytest.mark.parametrize("stuck", [True, False], ids=["stuck", "abandoned"])
@pytest.mark.parametrize("state", STATES)
def test_from_every_state(state: State, stuck: bool, after: float, outcome: SocketCode) -> None:
    """`after` so many seconds the network says what becomes of a connection that is being opened."""
    world = TwinWorld()
    driver = STATES[state](world)
    assert world.link.state is state
    if driver and not stuck:
        world.drivers.remove(driver)  # its thread never runs again, nor gives back its place in the queue
    world.later(after, lambda: setattr(world.bench.network, "outcome", outcome))
    begin = world.now
    found = ladder(world)
    assert world.now - begin < 30.0
    assert found.rungs
    assert RESTARTED not in found.rungs
    if state in (State.DATA, State.SUSPECT) and stuck:  # the stream goes on
        world.arrives(b"on")
        assert driver
        assert b"on" in world.finish(driver)
        return
    usable(world)


def test_a_module_that_is_there_is_only_asked() -> None:
    world = World()
    world.on("AT", OK)
    world.on("AT+QVERSION", VERSION)
    begin = world.now
    assert ladder(world) == Recovery((ASKED,))
    assert world.sent == b"AT\r\nAT+QVERSION\r\n"
    assert world.now < begin + 0.1


def test_a_late_answer_to_an_earlier_command_is_no_reason_to_climb() -> None:
    world = World()
    world.on("AT", answer("+QISEND: 1,1,0") + OK)
    world.on("AT", OK)
    world.on("AT+QVERSION", VERSION, always=True)
    assert ladder(world).rungs == (ASKED,)


# ---- what the module waits for, and the link does not know of


def prompted(count: bytes, limit: int) -> Callable[[TwinWorld], None]:
    def bring(world: TwinWorld) -> None:
        world.open("push")
        world.run(Set(SendTimeout(limit)))
        world.bench.host(b"AT+QISEND=0" + count + b"\r")

    return bring


def half_a_line(world: TwinWorld) -> None:
    world.bench.host(b"AT+QISE")


def in_data_mode(world: TwinWorld) -> None:
    world.bench.host(b'AT+QIOPEN=5,"TCP","10.0.0.9",80,0,2\r')


def restarting(world: TwinWorld) -> None:
    world.bench.host(b"AT+QRST\r")


def in_a_payload(world: TwinWorld) -> None:
    """The module restarted while it told of bytes that will never come."""
    world.link.receive(b'\r\n+QIURC: "recv",3,1000\r\nhalf', world.now)


HIDDEN: dict[str, tuple[Callable[[TwinWorld], None], Recovery]] = {
    "half a line": (half_a_line, Recovery((ASKED,))),
    "counted": (prompted(b",1000", 5), Recovery((ASKED, WAITED))),
    "typed": (prompted(b"", 60), Recovery((ASKED, WAITED, CANCELLED))),
    "data mode": (in_data_mode, Recovery((ASKED, WAITED, CANCELLED, ESCAPED), data_mode=True)),
    "counted, long": (
        prompted(b",1000", 60),
        Recovery((ASKED, WAITED, CANCELLED, ESCAPED, FILLED), filled=1464, closed=(0,)),
    ),
    "counted, short, without limit": (
        prompted(b",600", 0),
        Recovery((ASKED, WAITED, CANCELLED, ESCAPED, FILLED), filled=732, closed=(0,)),
    ),
    "restarting": (restarting, Recovery((ASKED, WAITED))),
    "in a payload": (in_a_payload, Recovery((ASKED, WAITED, CANCELLED, ESCAPED))),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_from_what_the_link_does_not_know_of(name: str) -> None:
    bring, wanted = HIDDEN[name]
    world = TwinWorld(dialect=dataclasses.replace(MANUAL, boot_delay=3.0))
    bring(world)
    assert ladder(world) == wanted
    usable(world)


REMEDIES: dict[Rung, tuple[str | bytes, float]] = {
    ASKED: ("AT", 0.0),
    CANCELLED: (b"\x1b", 0.0),
    ESCAPED: (b"+++", GUARD + 0.02),
    FILLED: (b"\r\n" * 700, 0.0),
    RESTARTED: ("AT+QRST", 0.0),
}


@pytest.mark.parametrize("last", REMEDIES)
def test_no_rung_is_taken_that_is_not_needed(last: Rung) -> None:
    """A module that comes to itself with one of them, and a ladder that ends there."""
    world = World()
    said, after = REMEDIES[last]
    world.on(said, (after, line("ready") if last is RESTARTED else OK))
    heard = world.script.hear

    def hear(data: bytes) -> Any:
        reactions = heard(data)
        if reactions:
            world.on("AT", OK, always=True)
            world.on("AT+QVERSION", VERSION, always=True)
            world.on("AT+QISTATE", OK, always=True)
            world.on("AT+QSSLSTATE", OK, always=True)
            world.on("AT+QFOPEN?", OK, always=True)
            for echo in ("ATE0", "AT+QECHO=0"):
                world.on(echo, OK)
        return reactions

    world.script.hear = hear  # type: ignore[method-assign]
    found = ladder(world)
    assert found.rungs[-1] is last
    assert found.rungs == tuple(Rung)[: len(found.rungs)]
    assert (b"\x1b" in world.sent) == (CANCELLED in found.rungs)
    assert (b"+++" in world.sent) == (ESCAPED in found.rungs)
    assert (b"\r\n" * 300 in world.sent) == (FILLED in found.rungs) == bool(found.filled)
    assert (b"AT+QRST" in world.sent) == (last is RESTARTED)


def test_nothing_helps() -> None:
    world = World()
    begin = world.now
    with pytest.raises(ProtocolError, match="whatever was tried"):
        world.drive(recovered(world.link))
    assert world.now - begin < 40.0
    assert world.sent.count(b"+++") == world.sent.count(b"AT+QRST") == 1


def test_bytes_that_cannot_leave() -> None:
    world = TwinWorld()
    world.open("transparent")
    world.stuck = True
    with pytest.raises(CommandTimeout, match="draining"):
        world.drive(recovered(world.link))
    assert b"+++" not in world.sent


def test_a_transport_that_is_lost() -> None:
    world = TwinWorld()
    world.link.lost(TransportLost("lost sim://"), world.now)
    with pytest.raises(TransportLost):
        world.drive(recovered(world.link))


def test_a_recovery_can_be_read() -> None:
    found = Recovery((ASKED, WAITED, ESCAPED, FILLED), data_mode=True, filled=732, closed=(3, 4))
    assert str(found) == (
        "asked it; waited until it gives up an input; sent the guarded +++; filled up a payload; it was in data mode; "
        "732 bytes were made up; socket 3 was closed; socket 4 was closed"
    )
    with pytest.raises(AttributeError):
        found.filled = 0  # type: ignore[misc]


def test_a_module_that_may_be_in_data_mode_is_not_asked_first() -> None:
    """A question would go to the peer."""
    world = TwinWorld()
    world.bench.network.outcome = None
    with pytest.raises(CommandTimeout):
        world.run(Within(CONNECTING.replace(access_mode=Access.TRANSPARENT), 0.5))
    world.bench.network.outcome = SocketCode.SUCCESS
    world.wait(0.1)  # it connects
    world.wait(2.0)
    assert ladder(world) == Recovery((ESCAPED,), data_mode=True)
    assert not world.peer_got()


# ---- a payload that is owed


def owing(limit: int) -> tuple[TwinWorld, Channel, Channel]:
    """A module that waits for a payload of a sender who has gone, and a stream that has nothing to do with it."""
    world = TwinWorld()
    other, stream = world.open("push"), world.open("push")
    world.run(Set(SendTimeout(limit)))
    driver = world.start(perform(world.link, Send(stream.connect_id, bytes(1000))))
    world.wait(0.005)
    driver.cancel(Interrupt())
    world.forget()
    return world, other, stream


def test_a_payload_that_is_owed_is_not_asked_for_before_its_time_is_over() -> None:
    world, *streams = owing(5)
    begin = world.now
    assert ladder(world) == Recovery((WAITED,))
    assert world.writes[0][0] >= begin + INPUT_LIMIT
    assert not world.peer_got()
    for stream in streams:
        world.send(stream, b"more")
        assert world.drive(stream.close(1.0)).acknowledged == 4


@pytest.mark.parametrize("by_itself", [True, False])
def test_a_payload_that_must_be_made_up_ends_its_stream_and_no_other(by_itself: bool) -> None:
    world, other, stream = owing(0)
    if by_itself:
        usable(world)
    else:
        found = ladder(world)
        assert found.closed == (stream.connect_id,)
        assert found.filled >= 1000 - 20
        assert found.rungs == (WAITED, CANCELLED, ESCAPED, FILLED)
    assert not world.link.unclosed
    assert len(world.peer_got()) == 1000
    with pytest.raises(SocketLost):
        world.send(stream, b"more")
    with pytest.raises(SocketLost):
        world.receive(stream, 1)
    world.send(other, b"more")
    assert world.drive(other.close(1.0)).acknowledged == 4
    world.check_idle()


def test_a_payload_that_is_being_made_up_ends_its_stream_even_if_the_ladder_is_interrupted() -> None:
    world, _, stream = owing(0)
    driver = world.start(recovered(world.link))
    while b"\r\n" * 300 not in world.sent:
        world.step()
    driver.cancel(Interrupt())
    usable(world)
    with pytest.raises(SocketLost):
        world.send(stream, b"more")


# ---- beside the flows of others


def test_the_flow_that_has_the_link_loses_it_and_those_behind_it_go_on() -> None:
    world = TwinWorld()
    first = world.start(perform(world.link, Until(tcp.Closed, 3600.0)))
    second = world.start(perform(world.link, system.GetVersion()))
    begin = world.now
    assert ladder(world) == Recovery((ASKED,))
    assert world.finish(second).version.startswith("FCM360W")
    with pytest.raises(GivenUp, match="Until"):
        world.finish(first)
    assert world.now < begin + 1.0
    usable(world)


def test_a_flow_that_goes_on_after_that_goes_to_the_end_of_the_queue() -> None:
    order: list[str] = []

    def stubborn() -> Any:
        try:
            yield Until(tcp.Closed, 3600.0)
        except GivenUp:
            yield system.Attention()
            order.append("stubborn")

    def patient() -> Any:
        yield system.Attention()
        order.append("patient")

    world = TwinWorld()
    drivers = [world.start(perform(world.link, flow())) for flow in (stubborn, patient)]
    ladder(world)
    for driver in drivers:
        world.finish(driver)
    assert order == ["patient", "stubborn"]
    usable(world)


def test_a_command_that_loses_the_link_is_named() -> None:
    world = TwinWorld()
    driver = in_pending(world)
    world.bench.network.outcome = SocketCode.CONNECT_FAILED
    ladder(world)
    with pytest.raises(GivenUp) as caught:
        world.finish(driver)
    assert caught.value.command.startswith("AT+QIOPEN=3,")
    assert 1.0 <= caught.value.seconds < 2.0
    assert caught.value.section == "2.3.2"


def test_two_who_recover_take_turns() -> None:
    world = TwinWorld()
    drivers = [world.start(recovered(world.link)) for _ in range(3)]
    assert [world.finish(driver) for driver in drivers] == [Recovery((ASKED,))] * 3


def test_a_send_that_is_about_to_begin_waits() -> None:
    """It has its turn, but has not begun: it must not write between the rungs."""
    world = TwinWorld()
    stream = world.open("push")
    sender = world.start(stream.send(memoryview(b"hello"), None))
    ladder(world)
    world.finish(sender)
    assert world.peer_got() == b"hello"


def test_a_pause_is_given_up_too() -> None:
    def pauses() -> Any:
        yield Pause(3600.0)

    world = TwinWorld()
    driver = world.start(perform(world.link, pauses()))
    ladder(world)
    with pytest.raises(GivenUp, match="Pause"):
        world.finish(driver)


# ---- streams


def test_a_transparent_stream_goes_on_afterwards() -> None:
    world = TwinWorld()
    stream = world.open("transparent")
    world.send(stream, b"before")
    world.arrives(b"one")
    assert ladder(world) == Recovery((ESCAPED,), data_mode=True)
    usable(world)
    world.arrives(b"two")
    world.wait(1.0)
    assert not world.events()
    assert world.receive(stream, 6) == b"onetwo"
    world.send(stream, b"after")
    assert world.drive(stream.close(1.0)).acknowledged == len(b"beforeafter")
    assert world.peer_got() == b"beforeafter"


def test_a_module_that_is_woken_tells_the_streams_whose_sockets_it_closes() -> None:
    world = TwinWorld()
    streams = [world.open("push"), world.open("buffer")]
    world.drive(woken(world.link))
    for stream in streams:
        with pytest.raises(SocketLost, match="woken"):
            world.receive(stream, 1)
    world.check_idle()


def test_a_restart_ends_every_stream() -> None:
    world = TwinWorld()
    streams = [world.open("push"), world.open("buffer")]
    world.arrives(b"lost")
    world.say(line("ready"))
    world.wait(1.0)
    for stream in streams:
        with pytest.raises(SocketLost):
            world.receive(stream, 1)
    assert world.events() == [system.Booted()]


def test_a_restart_is_the_end_of_a_stream_that_is_suspended() -> None:
    world = TwinWorld()
    stream = world.open("transparent")
    world.drive(stream.suspend())
    with pytest.raises(CommandError):
        world.run(tcp.GetSent(5))
    world.run(system.Restart())
    assert world.run(Until(system.Booted, 10.0))
    world.drive(stream.resume())
    with pytest.raises(SocketLost):
        world.receive(stream, 1)
    world.check_idle()
