"""Whatever is under way is interrupted at every one of its turns; afterwards the link, and the stream, can be used.

The acts are run on the twin, once to count their turns, and then once for each turn and each way to be interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest

import fcm360w
import fcm360w.sim
from fcm360w.channel import ACCESS, Channel, Mode
from fcm360w.commands.system import Attention, GetVersion
from fcm360w.commands.tcp import Closed, ListSockets, Read, Send
from fcm360w.errors import FCM360WError, Overrun, PeerClosed, SendTimeout, UsageError
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


def receiving(stream: Channel, got: bytearray, deadline: float | None = None) -> Turns[None]:
    buffer = memoryview(bytearray(64))
    while len(got) < len(INCOMING):
        count = yield from stream.receive_into(buffer, deadline)
        got += buffer[:count]


def receiving_chunks(stream: Channel, got: bytearray) -> Turns[None]:
    buffer = memoryview(bytearray(1000))
    while len(got) < len(INCOMING):
        _, count = yield from stream.receive_chunk_into(buffer, None)
        got += buffer[:count]


Act = Callable[[TwinWorld, Channel, bytearray], Turns[Any]]
ACTS: dict[str, Act] = {
    "receive": lambda world, stream, got: receiving(stream, got),
    "chunks": lambda world, stream, got: receiving_chunks(stream, got),
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
        if name:
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


LIMITED: dict[str, Callable[[Channel, bytearray, float], Turns[Any]]] = {
    "receive": lambda stream, got, deadline: receiving(stream, got, deadline),
    "send": lambda stream, got, deadline: stream.send(memoryview(OUTGOING), deadline),
    "send a lone escape": lambda stream, got, deadline: stream.send(memoryview(b"+++"), deadline),
}
LIMITS = [round(0.09 * number, 2) for number in range(36)]


@pytest.mark.parametrize("busy", [False, True], ids=["free", "busy"])
@pytest.mark.parametrize(("mode", "alarm"), [*((mode, False) for mode in MODES), ("transparent", True)])
@pytest.mark.parametrize("name", LIMITED)
def test_a_stream_whose_time_runs_out(name: str, mode: Mode, alarm: bool, busy: bool) -> None:
    """At any moment; `busy`: while a command of somebody else's is under way."""
    for limit in LIMITS:
        scene = Scene("", mode, alarm)
        world, stream = scene.world, scene.stream
        if busy and mode != "transparent":
            world.start(perform(world.link, Until(Closed, 0.7)))
        driver = world.start(LIMITED[name](stream, scene.got, world.now + limit))
        while not driver.done:
            world.step()
        assert driver.error is None or isinstance(driver.error, TimeoutError)
        if isinstance(driver.error, SendTimeout):
            assert driver.error.sent == stream.sent
        go_on(scene, politely)


# ---- the facades

HOST, PORT = "10.0.0.9", 8009


class Session:
    """Everything a program may do with a stream; `got` and `sent` are what it knows of."""

    def __init__(self) -> None:
        self.world = fcm360w.sim.World(baud=None)
        self.server = self.world.network.serve(HOST, PORT, lambda peer: peer.send(INCOMING))
        self.got = bytearray()
        self.stream: Any = None

    def run(self, module: fcm360w.Module, mode: Mode) -> None:
        module.wifi.join("hall", "open sesame")
        self.stream = module.stream(HOST, PORT, mode)
        self.stream.sendall(OUTGOING)
        self.got += self.stream.recv(100)
        with self.stream.suspended():
            module.run(GetVersion())
        self.got += self.stream.recv_chunk(100).data
        self.stream.verify()
        module.recover()
        module.wait(Closed, 0.1)
        self.stream.sendall(b"more")

    async def arun(self, module: fcm360w.AsyncModule, mode: Mode) -> None:
        await module.wifi.join("hall", "open sesame")
        self.stream = await module.stream(HOST, PORT, mode)
        await self.stream.sendall(OUTGOING)
        self.got += await self.stream.recv(100)
        async with self.stream.suspended():
            await module.run(GetVersion())
        self.got += (await self.stream.recv_chunk(100)).data
        await self.stream.verify()
        await module.recover()
        await module.wait(Closed, 0.1)
        await self.stream.sendall(b"more")

    def check(self, end: Any) -> None:
        """All that the peer sent has come, all that was sent has arrived, and nothing else."""
        if self.stream is None:
            return
        assert self.got == INCOMING
        (peer,) = self.server.peers
        assert peer.received.endswith(b"fin")
        assert len(peer.received) == self.stream.sent
        assert (OUTGOING + b"more").startswith(bytes(peer.received[:-3]))
        assert end.acknowledged == self.stream.sent


@pytest.mark.parametrize("mode", MODES)
def test_a_program_with_threads(mode: Mode) -> None:
    """Ctrl-C at every wait of it."""
    moment, reached = 0, True
    while reached:
        session = Session()
        with session.world.module() as module:
            reached = interrupted(session, module, mode, moment)
            end = None
            if session.stream:
                while len(session.got) < len(INCOMING):
                    session.got += session.stream.recv(100)
                session.stream.sendall(b"fin")
                end = session.stream.close()
            assert module.run(GetVersion()).version.startswith("FCM360W")
            assert module.run(ListSockets()) == ()
        session.check(end)
        moment += 1


def interrupted(session: Session, module: fcm360w.Module, mode: Mode, moment: int) -> bool:
    """Run a session to the wait that is interrupted; whether there was such a wait."""
    wait, waits = module._waiters.wait, itertools.count()

    def once(reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
        if next(waits) == moment:
            raise KeyboardInterrupt
        return wait(reading, writing, seconds)

    module._waiters.wait = once  # type: ignore[method-assign]
    with contextlib.suppress(KeyboardInterrupt):
        session.run(module, mode)
    module._waiters.wait = wait  # type: ignore[method-assign]
    return next(waits) > moment


@pytest.mark.parametrize("mode", MODES)
def test_a_program_with_tasks(mode: Mode) -> None:
    """It is cancelled at every wait of it."""
    moment, reached = 0, True
    while reached:
        session = Session()

        async def main(session: Session = session, moment: int = moment) -> tuple[bool, Any]:
            async with await session.world.async_module() as module:
                reached = await cancelled(session, module, mode, moment)
                end = None
                if session.stream:
                    while len(session.got) < len(INCOMING):
                        session.got += await session.stream.recv(100)
                    await session.stream.sendall(b"fin")
                    end = await session.stream.close()
                assert (await module.run(GetVersion())).version.startswith("FCM360W")
                assert await module.run(ListSockets()) == ()
                return reached, end

        reached, end = session.world.run(main())
        session.check(end)
        moment += 1


async def cancelled(session: Session, module: fcm360w.AsyncModule, mode: Mode, moment: int) -> bool:
    turn, turns = module._turn, itertools.count()
    task = asyncio.ensure_future(session.arun(module, mode))

    async def once(what: Any) -> Any:
        if next(turns) == moment:
            task.cancel()
        return await turn(what)

    module._turn = once  # type: ignore[method-assign]
    with contextlib.suppress(asyncio.CancelledError):
        await task
    module._turn = turn  # type: ignore[method-assign]
    return next(turns) > moment
