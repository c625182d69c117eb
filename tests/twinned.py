"""The driver's link and the twin's under one artificial clock, without I/O between them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from fcm360w.channel import Channel, Mode
from fcm360w.commands.system import GetVersion
from fcm360w.commands.tcp import ListSockets
from fcm360w.opening import open_channel
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.steps import EscapePolicy
from scripted import LATENCY, Driver, World
from sim_bench import Bench, MemoryConnection


class TwinWorld(World):
    """A world whose module is the twin; what it says takes LATENCY to arrive."""

    def __init__(self, policy: EscapePolicy | None = None, dialect: Dialect = MANUAL) -> None:
        super().__init__(policy)
        self.bench = Bench(dialect)
        self.now = self.bench.now
        self.link.tick(self.now)
        self.link.idle_at = self.link.heard_at = self.now
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Something is to happen in so many seconds."""
        heapq.heappush(self._agenda, (self.now + seconds, next(self._number), act))

    @property
    def peer(self) -> MemoryConnection:
        """The far end of the latest connection."""
        return self.bench.network.connections[-1]

    def arrives(self, data: bytes) -> None:
        """The peer sends."""
        self.peer.arrive(data)
        self._look()

    def ends(self) -> None:
        """The peer closes."""
        self.peer.end()
        self._look()

    def peer_got(self) -> bytes:
        return b"".join(self.peer.sent)

    def open(self, mode: Mode) -> Channel:
        return self.drive(open_channel(self.link, "10.0.0.9", 8009, mode))

    def receive(self, stream: Channel, count: int, seconds: float | None = 60.0) -> bytes:
        """So many bytes."""
        got = b""
        while len(got) < count:
            buffer = bytearray(count - len(got))
            deadline = None if seconds is None else self.now + seconds
            got += buffer[: self.drive(stream.receive_into(memoryview(buffer), deadline))]
        return got

    def send(self, stream: Channel, data: bytes) -> None:
        self.drive(stream.send(memoryview(data), self.now + 60.0))

    def check_idle(self) -> None:
        """Commands are served, nobody is in the queue, no socket is open."""
        assert self.run(GetVersion()).version.startswith("FCM360W")
        assert self.run(ListSockets()) == ()
        assert not self.link.queue
        assert not self.link.sinks

    def _look(self) -> None:
        self.bench.now = self.now
        if said := self.bench.tick():
            self.say(said, LATENCY)

    def _hear(self, data: bytes) -> None:
        self.writes.append((self.now, data))
        self.bench.now = self.now
        if said := self.bench.host(data):
            self.say(said, LATENCY)
        self._look()

    def _next_time(self) -> float | None:
        agenda = self._agenda[0][0] if self._agenda else None
        times = [super()._next_time(), self.bench.link.deadline(), agenda]
        return min((time for time in times if time is not None), default=None)

    def _advance(self, then: float) -> None:
        self.now = then
        while self._agenda and self._agenda[0][0] <= then:
            heapq.heappop(self._agenda)[2]()
        self._look()
        super()._advance(then)


def turn_by_turn(world: World, driver: Driver[Any], turns: int, each: Callable[[], None] = lambda: None) -> bool:
    """Let a driver take so many turns; whether it is still at it."""
    while not driver.done and driver.taken <= turns:
        each()
        world.step()
    return not driver.done
