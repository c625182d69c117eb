"""An event loop for asyncio whose time is a world's."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from fcm360w.errors import UsageError
from fcm360w.sim.cable import Cable, CablePort, WaitUntil

__all__ = ["LoopPort", "run", "running_loop"]

R = TypeVar("R")
Ready = list[tuple[selectors.SelectorKey, int]]


class Clock(Protocol):
    """What the loop needs of a world."""

    now: float

    def wait_until(self, true: Callable[[], bool], seconds: float | None = None) -> bool: ...


class LoopPort(CablePort):
    """A cable's port with a descriptor, which is only its name for the loop: no byte passes it."""

    capabilities = CablePort.capabilities | {"fileno"}

    def __init__(self, cable: Cable, wait_until: WaitUntil) -> None:
        loop = running_loop()
        super().__init__(cable, wait_until)
        self._name = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        loop.ports[self._name.fileno()] = self

    def fileno(self) -> int:
        return self._name.fileno()

    def close(self) -> None:
        super().close()
        self._name.close()


class WorldSelector(selectors.SelectSelector):
    """Waits for ports by letting the world's time pass; other descriptors are never ready."""

    def __init__(self, world: Clock, ports: dict[int, LoopPort]) -> None:
        super().__init__()
        self._world = world
        self._ports = ports

    def select(self, timeout: float | None = None) -> Ready:
        if timeout is None or timeout > 0:
            self._world.wait_until(lambda: bool(self._ready()), timeout)
        return self._ready()

    def _ready(self) -> Ready:
        found = [(key, key.events & self._state(key.fd)) for key in self.get_map().values()]
        return [(key, events) for key, events in found if events]

    def _state(self, fd: int) -> int:
        port = self._ports.get(fd)
        if port is None:
            return 0
        return selectors.EVENT_READ * port.readable | selectors.EVENT_WRITE * port.writable


class WorldLoop(asyncio.SelectorEventLoop):
    """A selector loop by the world's clock.  Threads, and sockets that are real, are not waited for."""

    def __init__(self, world: Clock) -> None:
        self.ports: dict[int, LoopPort] = {}
        self._world = world
        super().__init__(WorldSelector(world, self.ports))

    def time(self) -> float:
        return self._world.now


def running_loop() -> WorldLoop:
    """UsageError if there is none."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, WorldLoop):
        raise UsageError("an asyncio module of a world lives in the world's own loop: see World.run")
    return loop


def run(world: Clock, main: Coroutine[Any, Any, R]) -> R:
    """As asyncio.run."""
    with asyncio.Runner(loop_factory=lambda: WorldLoop(world)) as runner:
        return runner.run(main)
