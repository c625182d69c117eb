"""What radio waves pass through: all Bluetooth devices on one air hear each other.  Bluetooth itself is bumble's.

An air is an event loop for what is on it.  The twins of this process share one, in a thread of its own; a world has its
own, which takes a step whenever the world does, by the world's clock.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fcm360w.errors import TransportUnavailable
from fcm360w.sim.steploop import StepLoop

if TYPE_CHECKING:
    from bumble.controller import Controller
    from bumble.link import LocalLink

__all__ = ["INSTALL", "Air", "SharedAir", "SteppedAir", "shared"]

log = logging.getLogger("fcm360w.sim")

R = TypeVar("R")
INSTALL = "pip install 'fcm360w[ble]'"
ADDRESS = "c8:00:33:77:69:{:02x}"
FIRST, LAST = 0xCD, 0xFF
CENTRAL = "02:00:5e:30:00:{:02x}"


def check() -> None:
    """TransportUnavailable if bumble is not installed.  To import it takes a second: the air does that."""
    if find_spec("bumble") is None:
        raise TransportUnavailable("Bluetooth needs bumble", INSTALL)


class Air(Protocol):
    """Calls come from any thread, what is posted runs in the loop of the air, one thing at a time."""

    def post(self, action: Callable[[], object]) -> None: ...
    def claim(self) -> str:
        """An address for a twin, that no other has."""
        ...

    def release(self, address: str) -> None: ...
    @property
    def link(self) -> LocalLink:
        """What radios are on; to be used in the air's loop."""
        ...

    def step(self, now: float) -> None:
        """Let time pass, if it passes here only then."""
        ...

    def deadline(self) -> float | None:
        """When to call step() at the latest."""
        ...


class Medium:
    """What all airs have: a link, and addresses, of which a twin gets the lowest that is free.

    TransportUnavailable if bumble is not installed.
    """

    def __init__(self) -> None:
        check()
        self._taken: set[str] = set()
        self._centrals = itertools.count(1)
        self._link: LocalLink | None = None
        self._lock = threading.Lock()

    @property
    def link(self) -> LocalLink:
        from bumble.link import LocalLink

        if self._link is None:
            self._link = LocalLink()  # type: ignore[no-untyped-call]
        return self._link

    def controller(self) -> Controller:
        """The radio of another device, a central for instance; to be used in the air's loop."""
        return make_controller(self.link, self.central())

    def claim(self) -> str:
        with self._lock:
            free = (ADDRESS.format(last) for last in range(FIRST, LAST + 1))
            found = next((address for address in free if address not in self._taken), "")
            if not found:
                raise TransportUnavailable("the air is full")
            self._taken.add(found)
            return found

    def release(self, address: str) -> None:
        with self._lock:
            self._taken.discard(address)

    def central(self) -> str:
        """The next address for somebody who is no twin."""
        with self._lock:
            return CENTRAL.format(next(self._centrals) % 256)


class SteppedAir(Medium):
    """An air by somebody else's clock."""

    def __init__(self, now: float = 0.0) -> None:
        super().__init__()
        self.loop = StepLoop(now)  # type: ignore[abstract]

    def post(self, action: Callable[[], object]) -> None:
        self.loop.call_soon(action)

    def spawn(self, main: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Have a coroutine run on the air; it makes progress as time goes on."""
        return self.loop.create_task(main)

    def step(self, now: float) -> None:
        self.loop.step(now)

    def deadline(self) -> float | None:
        return self.loop.deadline()


class SharedAir(Medium):
    """An air by the real clock, in a thread that runs from now to the end of the program."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="fcm360w-air", daemon=True).start()

    def post(self, action: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(action)

    def spawn(self, main: Coroutine[Any, Any, R]) -> Future[R]:
        """Have a coroutine run on the air."""
        return asyncio.run_coroutine_threadsafe(main, self.loop)

    def serve(self, host: str, port: int) -> tuple[asyncio.Server, int]:
        """Give whoever connects to a TCP port a radio, to speak HCI with; the port.  OSError if it is taken."""

        async def begin() -> asyncio.Server:
            from fcm360w.sim.hci import RemoteHost

            return await self.loop.create_server(lambda: RemoteHost(self.link, self.central()), host, port)

        server = self.spawn(begin()).result()
        return server, server.sockets[0].getsockname()[1]

    def step(self, now: float) -> None:
        """Time passes by itself."""

    def deadline(self) -> float | None:
        return None


def make_controller(link: LocalLink, address: str) -> Controller:
    """A radio on the air, with a public address."""
    from bumble.controller import Controller

    return Controller(address, link=link, public_address=address)


_sharing = threading.Lock()
_shared: list[SharedAir] = []


def shared() -> SharedAir:
    """The air of the twins of this process.  TransportUnavailable if bumble is not installed."""
    with _sharing:
        if not _shared:
            _shared.append(SharedAir())
        return _shared[0]
