"""A world of its own in one thread: a module with its driver, a network in memory, and a clock that only they move."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from fcm360w.errors import TransportUnavailable, UsageError
from fcm360w.ports import OpenPort
from fcm360w.sim.agenda import Action, Agenda
from fcm360w.sim.board import Board
from fcm360w.sim.cable import Cable, CablePort, Socket
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.hotspots import DEFAULT_AP, AccessPoint
from fcm360w.sim.link import SimLink
from fcm360w.sim.memory import MemoryNetwork
from fcm360w.sim.module import FACTORY_BAUD
from fcm360w.sim.module import Module as SimModule
from fcm360w.sim.uart import PayloadStamps, Uart

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule
    from fcm360w.module import Module
    from fcm360w.sim.air import SteppedAir
    from fcm360w.steps import EscapePolicy

__all__ = ["RawHost", "Stalled", "World"]

R = TypeVar("R")
START = 1000.0
STILL = 10_000  # turns of one moment after which time is said to stand still


class Stalled(RuntimeError):
    """Somebody waits without a limit for what will never happen, or time stands still."""


class Alone:
    """The lock of a single thread: who finds it taken would wait for itself."""

    def __init__(self) -> None:
        self._taken = False

    def __enter__(self) -> None:
        if self._taken:
            raise UsageError("a world has one thread: what it calls back must not use the module")
        self._taken = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken = False


class VirtualWaiting:
    """How a module waits in a world: the world's time goes on meanwhile.  fcm360w.threads.Waiting is the contract."""

    def __init__(self, world: World, port: CablePort) -> None:
        self.lock = Alone()
        self._world = world
        self._port = port

    def clock(self) -> float:
        return self._world.now

    def wait(self, reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
        port = self._port
        self._world.wait_until(lambda: (reading and port.readable) or (writing and port.writable), seconds)
        return reading and port.readable, writing and port.writable

    def notify(self) -> None:
        """There is nobody else."""

    def close(self) -> None:
        """Nothing is held open."""


class RawHost:
    """Bytes to the twin and from it, without the driver.  It holds the port from its first use to `close`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._port: CablePort | None = None

    def _open(self) -> CablePort:
        if self._port is None or not self._port.in_use:
            self._port = self._world.port()
        return self._port

    def send(self, data: bytes) -> None:
        """Write all; time goes on while there is no room."""
        port, view = self._open(), memoryview(data)
        while view:
            view = view[port.write(view, None) :]

    def read(self, seconds: float = 0.0) -> bytes:
        """Let so much time pass; all that has come by then."""
        self._open()
        self._world.sleep(seconds)
        return self._take()

    def ask(self, data: bytes, end: bytes = b"OK\r\n", seconds: float = 10.0) -> bytes:
        """Write, and read until what has come ends like that.  TimeoutError with what came instead."""
        self.send(data)
        port, said = self._open(), bytearray()

        def ended() -> bool:
            said.extend(self._take())
            return said.endswith(end) or port.broken

        if not self._world.wait_until(ended, seconds) or not said.endswith(end):
            raise TimeoutError(f"{bytes(said)!r} does not end with {end!r}")
        return bytes(said)

    def _take(self) -> bytes:
        buffer, port = bytearray(1 << 16), self._open()
        said = b""
        while count := port.readinto(memoryview(buffer), 0):
            said += buffer[:count]
        return said

    def close(self) -> None:
        """Give the port back."""
        if self._port:
            self._port.close()


class World:
    """Twin and driver under one virtual clock, for tests of programs that use a module.

    Whoever waits lets time jump to whatever happens next, so that a time-out of 150 s takes milliseconds, and a run
    depends on the program and on `seed` alone::

        def test_the_server_does_not_answer() -> None:
            world = fcm360w.sim.World()
            world.network.cut("10.0.0.9")
            with world.module() as module:
                module.wifi.join("hall", "open sesame")
                with pytest.raises(fcm360w.CommandError):
                    module.stream("10.0.0.9", 8009)
            assert 150 < world.now - world.start < 160

        def test_a_reading_arrives() -> None:
            world = fcm360w.sim.World()
            server = world.network.serve("logger.example", 8009)
            with world.module() as module:
                module.wifi.join("hall", "open sesame")
                with module.stream("logger.example", 8009) as stream:
                    stream.sendall(b"21.5 C")
            assert server.peers[0].received == b"21.5 C"

    `module()` is the ordinary `fcm360w.Module`; with asyncio it is `run(main())`, and `await async_module()` in it.
    What else happens is planned with `after`, or done between two calls: to the `network`, the radio, the serial cable.
    All in one thread: what the world calls back must not wait, and a program with threads of its own needs a Twin.
    While it is `frozen` the module stands still; afterwards it goes on where it was.  `baud` None is a line without
    pacing, `seed` None a radio whose signals do not vary.  `now` and `start` are seconds.
    """

    def __init__(
        self,
        aps: Iterable[AccessPoint] = (DEFAULT_AP,),
        *,
        baud: int | None = FACTORY_BAUD,
        dialect: Dialect = MANUAL,
        seed: int | None = 0,
    ) -> None:
        self.start = self.now = START
        self.network = MemoryNetwork(seed=seed or 0, now=self.now)
        self.twin = SimModule(self.network, dialect, aps, baud, seed=seed)
        self.link = SimLink(self.twin, self.now)
        self.uart = Uart(baud)
        self.host = RawHost(self)
        self._socket = Socket()
        self._board = Board(self.link, self.uart, self.network, [self._socket])
        self._agenda = Agenda()
        self._noise = random.Random(seed or 0)
        self._port: CablePort | None = None
        self._cable: Cable | None = None
        self.frozen = self._unwired = self._turning = False
        self._still = 0

    # ---- hosts

    def module(self, escape: EscapePolicy | None = None) -> Module:
        """Open the port and bring the module to command mode, as fcm360w.open does.

        TransportUnavailable if somebody holds the port: one at a time may, and closes it.
        """
        from fcm360w.module import Module, awake

        port = self.port()
        return awake(Module(OpenPort(port), escape, VirtualWaiting(self, port)))

    async def async_module(self, escape: EscapePolicy | None = None) -> AsyncModule:
        """As `module`, for asyncio; in what `run` runs."""
        from fcm360w.aio import AsyncModule, awake
        from fcm360w.sim.worldloop import LoopPort

        self._port = port = LoopPort(self._plug(), self.wait_until)
        return await awake(AsyncModule(OpenPort(port), escape, lambda: self.now))

    def run(self, main: Coroutine[Any, Any, R]) -> R:
        """As asyncio.run, with an event loop whose time is the world's.

        Stalled if every task waits without a limit for what will never happen.
        """
        from fcm360w.sim.worldloop import run

        return run(self, main)

    def port(self) -> CablePort:
        """The bare port.  TransportUnavailable if somebody holds it."""
        self._port = CablePort(self._plug(), self.wait_until)
        return self._port

    def _plug(self) -> Cable:
        if self._port and self._port.in_use:
            raise TransportUnavailable(f"{self._port.url} is in use: close what was opened before")
        self._cable = Cable(lambda: self.uart.baud, self._noise)
        self._cable.cut = self._unwired
        self._socket.close()
        self._socket.plug(self._cable)
        return self._cable

    @property
    def air(self) -> SteppedAir:
        """Where the module's Bluetooth is, by this world's clock.  TransportUnavailable if bumble is not installed."""
        return self.twin.bluetooth.own_air()

    # ---- time

    def sleep(self, seconds: float) -> None:
        """Let time pass; nobody reads the port meanwhile."""
        self.wait_until(lambda: False, seconds)

    def after(self, seconds: float, action: Action) -> None:
        """Let something happen so many seconds from now, whoever waits then.  It must not wait itself."""
        self._agenda.plan(self.now + seconds, action)

    def wait_until(self, true: Callable[[], bool], seconds: float | None = None) -> bool:
        """Let time pass until something is true, at most so many seconds; whether it is.

        Stalled if there is no limit, and nothing happens any more.
        """
        end = None if seconds is None else self.now + seconds
        self._turn()
        while not (found := true()) and (end is None or self.now < end):
            self._jump(end)
        return found

    def _jump(self, end: float | None) -> None:
        """To whatever is next."""
        board = self.network.deadline() if self.frozen else self._board.deadline(self.now)
        times = (end, self._agenda.deadline(), board)
        then = min((time for time in times if time is not None), default=None)
        if then is None:
            raise Stalled("nothing will ever happen")
        self._still = self._still + 1 if then <= self.now else 0
        if self._still > STILL:
            raise Stalled(f"time stands still at {self.now}")
        self.now = max(self.now, then)
        self._turn()

    def _turn(self) -> None:
        """Do what is to be done now."""
        if self._turning:
            raise UsageError("what a world calls back must not wait")
        self._turning = True
        try:
            self._agenda.run(self.now)
            if self.frozen:
                self.network.tick(self.now)
                return
            self._socket.look()
            self._board.turn(self.now)
        finally:
            self._turning = False

    # ---- what may befall it

    def unplug(self) -> None:
        """The port dies: whoever holds it hears of an error, and may open it anew."""
        if self._port and self._cable:
            self._port.broken = self._cable.host_gone = True

    @property
    def unwired(self) -> bool:
        """Whether nothing passes the serial cable, in either direction, of which the port says nothing."""
        return self._unwired

    @unwired.setter
    def unwired(self, wanted: bool) -> None:
        self._unwired = wanted
        if self._cable:
            self._cable.cut = wanted

    def lose_ap(self, ssid: str = DEFAULT_AP.ssid) -> None:
        """As Twin.lose_ap."""
        self.twin.lose_ap(ssid)

    def restore_ap(self, ssid: str = DEFAULT_AP.ssid) -> None:
        """As Twin.restore_ap."""
        self.twin.restore_ap(ssid, self.now)

    def ap_client(self, joins: bool) -> str | None:
        """As Twin.ap_client."""
        return self.twin.ap_client(joins)

    def power_cycle(self) -> None:
        """As Twin.power_cycle."""
        self._board.power_cycle(self.now)

    # ---- what it has seen

    @property
    def stamps(self) -> PayloadStamps:
        """As Twin.stamps."""
        return self.link.stamps
