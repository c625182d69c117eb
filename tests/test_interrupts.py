"""Whatever is under way is interrupted at every one of its turns; afterwards the link, and the stream, can be used.

The acts are run on the twin, once to count their turns, and then once for each turn and each way to be interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fcm360w.channel import ACCESS, Channel, Mode
from fcm360w.commands.system import Attention, GetVersion
from fcm360w.commands.tcp import Closed, Read, Send
from fcm360w.errors import FCM360WError, Overrun, PeerClosed, UsageError
from fcm360w.opening import open_channel
from fcm360w.steps import Pause, Until
from fcm360w.transparent import Transparent
from fcm360w.turns import Turns, perform, recovered, wait
from scripted import NO_CARRIER, Driver
from twinned import TwinWorld, turn_by_turn

MODES = tuple(ACCESS)
INCOMING = b"0123456789" * 50
OUTGOING = b"abcdefghij" * 300


class Interrupt(BaseException):
    """Somebody has no more interest."""


# ---- ways to be interrupted


def politely(world: TwinWorld, driver: Driver[Any]) -> None:
    """As the facades do it: no turn that is shielded."""
    world.cancel_to_the_end(driver, Interrupt())


def rudely(world: TwinWorld, driver: Driver[Any]) -> None:
    """At any turn; what then still has to be done, is."""
    driver.cancel(Interrupt())
    while not driver.done:
        world.step()


def silently(world: TwinWorld, driver: Driver[Any]) -> None:
    """The generator is closed, as by a loop that ends."""
    driver.turns.close()
    driver.turn = None


WAYS = (politely, rudely, silently)
Way = Callable[[TwinWorld, Driver[Any]], None]


# ---- commands


def two() -> Any:
    yield GetVersion()
    yield Pause(0.2)
    yield Attention()


FLOWS: dict[str, Callable[[TwinWorld], Turns[Any]]] = {
    "command": lambda world: perform(world.link, GetVersion()),
    "flow": lambda world: perform(world.link, two()),
    "refusal": lambda world: perform(world.link, Read(7)),
    "send": lambda world: perform(world.link, Send(0, OUTGOING[:100])),
    "until": lambda world: perform(world.link, Until(Closed, 1.0)),
    "wait": lambda world: wait(world.link, Closed, 1.0),
    "recover": lambda world: recovered(world.link),
    **{
        f"open {mode}": lambda world, mode=mode: open_channel(world.link, "10.0.0.9", 8009, mode)  # type: ignore[misc]
        for mode in MODES
    },
}


def count_turns(make: Callable[[], tuple[TwinWorld, Turns[Any]]]) -> int:
    world, turns = make()
    driver = world.start(turns)
    while not driver.done:
        world.step()
    return driver.taken


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow(name: str, way: Way) -> None:
    def make() -> tuple[TwinWorld, Turns[Any]]:
        world = TwinWorld()
        if name == "send":
            world.open("push").detach()
        return world, FLOWS[name](world)

    for turns in range(count_turns(make)):
        world, act = make()
        driver = world.start(act)
        if turn_by_turn(world, driver, turns):
            way(world, driver)
        world.wait(0.5)
        for connect_id in (0,) if name == "send" or driver.error is None else ():
            world.link.unclosed.add(connect_id)
        for sink in tuple(world.link.sinks):
            sink.__self__.detach()  # type: ignore[attr-defined]
        world.check_idle()


# ---- streams


def receiving(world: TwinWorld, stream: Channel, got: bytearray) -> Turns[None]:
    buffer = memoryview(bytearray(64))
    while len(got) < len(INCOMING):
        count = yield from stream.receive_into(buffer, None)
        got += buffer[:count]


def receiving_chunks(world: TwinWorld, stream: Channel, got: bytearray) -> Turns[None]:
    buffer = memoryview(bytearray(1000))
    while len(got) < len(INCOMING):
        _, count = yield from stream.receive_chunk_into(buffer, None)
        got += buffer[:count]


Act = Callable[[TwinWorld, Channel, bytearray], Turns[Any]]
ACTS: dict[str, Act] = {
    "receive": receiving,
    "chunks": receiving_chunks,
    "send": lambda world, stream, got: stream.send(memoryview(OUTGOING), None),
    "send a lone escape": lambda world, stream, got: stream.send(memoryview(b"+++"), None),
    "verify": lambda world, stream, got: stream.verify(),
    "suspend": lambda world, stream, got: stream.suspend(),
    "resume": lambda world, stream, got: stream.resume(),
    "close": lambda world, stream, got: stream.close(2.0),
    "recover": lambda world, stream, got: recovered(world.link),
}
CASES = [(name, mode, False) for name in ACTS for mode in MODES] + [(name, "transparent", True) for name in ACTS]


class Scene:
    """A stream that is in the middle of something, while its peer sends in two pieces.

    `alarm`: the first ends like NO CARRIER.
    """

    def __init__(self, name: str, mode: Mode, alarm: bool) -> None:
        self.world = world = TwinWorld()
        self.stream = world.open(mode)
        first, second = INCOMING[:250] + (NO_CARRIER if alarm else b""), INCOMING[250:]
        self.wanted = first + second
        self.got = bytearray()
        if name == "resume":
            world.drive(self.stream.suspend())
        world.arrives(first)
        world.later(1.0, lambda: world.arrives(second))
        self.driver = world.start(ACTS[name](world, self.stream, self.got))

    def read_on(self) -> FCM360WError | None:
        """All that came; the error, if there is one."""
        try:
            while len(self.got) < len(self.wanted):
                self.got += self.world.receive(self.stream, 1)
        except (PeerClosed, Overrun, UsageError) as error:
            return error
        return None


def go_on(scene: Scene, way: Way) -> None:
    """What a program would do that still has an interest: nothing is lost, or it is told."""
    world, stream = scene.world, scene.stream
    while isinstance(stream, Transparent) and stream._holds:
        world.drive(stream.resume())
    error = scene.read_on()
    assert scene.got == scene.wanted[: len(scene.got)]
    if error is None:
        check_sending(world, stream, way)
    elif way is politely:
        assert isinstance(error, UsageError)  # it was being closed
    world.drive(stream.close(1.0))
    world.check_idle()


def check_sending(world: TwinWorld, stream: Channel, way: Way) -> None:
    sent = stream.sent
    try:
        world.send(stream, b"fin")
    except UsageError:
        assert stream.report or stream._shut
    except PeerClosed:
        assert way is not politely
    else:
        world.wait(3.0)
        assert world.peer_got().endswith(b"fin")
    if way is politely:
        assert len(world.peer_got()) == stream.sent
        assert world.peer_got()[:sent] in OUTGOING + b"+++"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("name", "mode", "alarm"), CASES)
def test_a_stream(name: str, mode: Mode, alarm: bool, way: Way) -> None:
    turns, alive = 0, True
    while alive:
        scene = Scene(name, mode, alarm)
        alive = turn_by_turn(scene.world, scene.driver, turns)
        if alive:
            way(scene.world, scene.driver)
        go_on(scene, way)
        turns += 1
