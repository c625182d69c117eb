"""A running twin: the module, its serial line, its network, and the places where hosts plug in."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from fcm360w.sim.board import Board
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.frontends import FrontEnd, InProcess, Pty, Tcp
from fcm360w.sim.hotspots import DEFAULT_AP, AccessPoint
from fcm360w.sim.kernel import LOOPBACK, KernelNetwork
from fcm360w.sim.link import SimLink
from fcm360w.sim.module import Module
from fcm360w.sim.routes import Place, RoutedNetwork
from fcm360w.sim.runner import Loop, Runner
from fcm360w.sim.store import FileStore
from fcm360w.sim.uart import PayloadStamps, Uart
from fcm360w.sim.volume import FolderVolume

if TYPE_CHECKING:
    from fcm360w.sim.air import Air

__all__ = ["FLOWS", "Flow", "Twin", "find", "serve"]

log = logging.getLogger("fcm360w.sim")

T = TypeVar("T")
Flow = Literal["rtscts", "none"]
FLOWS: tuple[Flow, ...] = ("rtscts", "none")

# What a module says its rate is that has no wire to hold it up.
FASTEST = 2_000_000

_named: dict[str, Twin] = {}


def find(name: str) -> Twin | None:
    """The running twin of that name in this process."""
    return _named.get(name)


def shared_air() -> Air:
    """The air of the twins of this process; only Bluetooth needs what it imports."""
    from fcm360w.sim.air import shared

    return shared()


class Machine:
    """Everything that a twin holds open."""

    def __init__(self, twin: Twin) -> None:
        store = FileStore(twin.fs) if twin.fs is not None else None
        volume = FolderVolume(str(Path(twin.fs, "files"))) if twin.fs is not None else None
        self.loop = Loop()
        try:
            self.network = KernelNetwork(self.loop.selector, self.loop.post, twin.address)
            network = RoutedNetwork(self.network, twin.routes) if twin.routes else self.network
            self.module = Module(network, twin.dialect, twin.aps, twin.baud or FASTEST, store, twin.seed, volume)
        except BaseException:
            self.loop.close()
            raise
        self.module.bluetooth.tune(shared_air, lambda: self.loop.post(lambda: None))
        self.link = SimLink(self.module, time.monotonic())
        self.uart = Uart(self.module.baud if twin.baud else None, flow_control=twin.flow == "rtscts")
        self.in_process = InProcess(self.loop.selector, twin.baud is not None, twin.name)
        self.front_ends: list[FrontEnd] = [self.in_process]
        self.board = Board(self.link, self.uart, self.network, self.front_ends)
        self.runner = Runner(self.loop, self.board)
        self._closed = threading.Event()
        self._owner: threading.Thread | None = None

    def open_pty(self, path: str | None) -> None:
        self.front_ends.append(Pty(self.loop.selector, path, self._query()))

    def open_tcp(self, address: tuple[str, int]) -> None:
        self.front_ends.append(Tcp(self.loop.selector, self.uart.baud is not None, address, self._query()))

    def _query(self) -> str:
        return f"?baud={self.uart.baud}" if self.uart.baud else ""

    def call(self, act: Callable[[], T]) -> T:
        """Have something done in the loop's thread, from any other, and wait for it.  OSError if the twin has ended."""
        done = threading.Event()
        results: list[T | Exception] = []

        def run() -> None:
            try:
                results.append(act())
            except Exception as error:
                results.append(error)
            done.set()

        self.loop.post(run)
        while not done.wait(0.1):
            if self._closed.is_set():
                raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        result = results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def own(self, thread: threading.Thread) -> threading.Thread:
        """Say which thread is going to run the loop."""
        self._owner = thread
        return thread

    def run(self) -> None:
        self.own(threading.current_thread())
        try:
            self.runner.run()
        except Exception:
            log.exception("the twin failed")
        finally:
            self.close()

    def stop(self) -> None:
        """Close, by way of the thread that runs the loop if there is one."""
        self.runner.stop()
        if self._owner is None:
            self.close()
        elif self._owner is not threading.current_thread():
            self._closed.wait()

    def close(self) -> None:
        """In the loop's thread, or without one."""
        if self._closed.is_set():
            return
        for front_end in self.front_ends:
            front_end.close()
        self.module.sockets.reset()
        for service in self.module.services:
            service.reset()
        self.module.bluetooth.close()
        self.network.close()
        self.loop.close()
        self._closed.set()

    def stats(self) -> dict[str, int]:
        return {
            "baud": self.uart.baud or 0,
            "input_high_water": self.link.input_high_water,
            "overrun_bytes": self.uart.from_host.dropped,
            "from_host_high_water": self.uart.from_host.high_water,
            "to_host_high_water": self.uart.to_host.high_water,
            "host_high_water": self.board.host_high_water,
            "waiting_high_water": self.module.waiting_high_water,
            "waiting_dropped": self.module.waiting_dropped,
            "ignored_while_booting": self.link.ignored,
            "overlong_dropped": self.link.overlong_dropped,
            "host_gone_bytes": self.board.host_gone_bytes,
            "sockets_open": len(self.module.sockets.every()),
            **self.module.sockets.stats(),
            **self.module.http.stats(),
        }


class Twin:
    """A simulated module with real sockets, started by start() or `with`, or run in this thread by serve().

    `baud` in bit/s paces the serial line in both directions; None lets bytes pass at once.  `tcp` is an address to
    listen at (port 0 picks one), `pty` True or the path of a symbolic link to be made, `name` makes ``sim://name`` lead
    here.  The module has been running for a while when a host comes: it prints its banner only after a restart.

    A listener or UDP service that the module opens is a port of the same number of this machine, at the address
    `bind`: what is opened at 7000 is reached at 127.0.0.1:7000.  `routes` maps places (host, port) to others: whatever
    the module means to send to the first goes to the second, and it is not told.

    `fs` is a folder that keeps what the module saves, and its files, so that the next twin starts with it; a saved rate
    goes before `baud` unless the line is unpaced.  With a `seed` signals vary, for each seed in a way of its own.
    `flow` "none": a module that is busy loses what does not fit its input; on an unpaced line nothing is ever lost.
    """

    def __init__(
        self,
        aps: Iterable[AccessPoint] = (DEFAULT_AP,),
        *,
        baud: int | None = None,
        dialect: Dialect = MANUAL,
        name: str | None = None,
        tcp: tuple[str, int] | None = None,
        pty: bool | str | None = None,
        fs: str | None = None,
        seed: int | None = None,
        flow: Flow = "rtscts",
        bind: str = LOOPBACK,
        routes: Mapping[Place, Place] = MappingProxyType({}),
    ) -> None:
        self.aps = tuple(aps)
        self.baud = baud
        self.dialect = dialect
        self.name = name
        self.fs = fs
        self.seed = seed
        self.flow = flow
        self.address = bind
        self.routes = dict(routes)
        self._tcp = tcp
        self._pty = pty
        self._machine: Machine | None = None
        self._thread: threading.Thread | None = None

    # ---- life ----

    def bind(self) -> Self:
        """Open the front ends, so that `urls` can be told; the module does not answer yet.

        OSError if that cannot be done, ValueError if `fs` holds what no twin has written.
        """
        if self._machine:
            return self
        if self.name is not None and _named.setdefault(self.name, self) is not self:
            raise OSError(errno.EADDRINUSE, f"a twin called {self.name!r} is running")
        try:
            self._machine = Machine(self)
        except BaseException:
            self._forget()
            raise
        try:
            if self._pty:
                self._machine.open_pty(self._pty if isinstance(self._pty, str) else None)
            if self._tcp:
                self._machine.open_tcp(self._tcp)
        except OSError:
            self.stop()
            raise
        return self

    def start(self) -> Self:
        """Run in a thread of its own, once; a twin that was stopped stays stopped."""
        machine = self.bind()._running()
        if self._thread is None:
            self._thread = machine.own(threading.Thread(target=machine.run, name="fcm360w-sim", daemon=True))
            self._thread.start()
        return self

    def serve(self) -> None:
        """Run in this thread until stop() is called elsewhere, or KeyboardInterrupt, which is passed on."""
        machine = self.bind()._running()
        try:
            machine.run()
        finally:
            self._forget()

    def stop(self) -> None:
        """Stop and close everything; hosts see the line go dead.  As often as you like."""
        if self._machine is None:
            return
        self._machine.stop()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        self._forget()

    def _forget(self) -> None:
        if self.name is not None and _named.get(self.name) is self:
            del _named[self.name]

    def _running(self) -> Machine:
        if self._machine is None:
            raise OSError(errno.ECONNREFUSED, "the twin was not started")
        return self._machine

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- hosts ----

    @property
    def urls(self) -> list[str]:
        """What a host opens, one URL a front end; empty before bind() or start()."""
        ends = self._machine.front_ends if self._machine else []
        return [end.url for end in (*ends[1:], *ends[:1]) if end.url]

    @property
    def rate(self) -> int | None:
        """Bit/s that the serial line runs at now; None if it is unpaced."""
        return self._running().uart.baud

    def attach(self) -> socket.socket:
        """Plug in a host of this process; returns its end, non-blocking.  OSError if there is one already."""
        machine = self._running()
        end = machine.call(machine.in_process.attach)
        end.setblocking(False)
        return end

    # ---- what happens to it, at will and from any thread ----

    def power_cycle(self) -> None:
        """Take the power away and give it back.  Returns at once; the banner follows when the module has started."""
        machine = self._running()
        machine.call(lambda: machine.board.power_cycle(time.monotonic()))

    def lose_ap(self, ssid: str) -> None:
        """Take the hotspots of a name out of reach.  A station joined to one says so, and its sockets are lost."""
        machine = self._running()
        machine.call(lambda: machine.module.lose_ap(ssid))

    def restore_ap(self, ssid: str) -> None:
        """Bring them back.  A station that was not told to leave joins again by itself if the hotspot is saved.

        The manual says nothing of that; without a saved hotspot the host has to join again.
        """
        machine = self._running()
        machine.call(lambda: machine.module.restore_ap(ssid, time.monotonic()))

    def ap_client(self, joins: bool) -> str | None:
        """A client comes to the module's own hotspot, or the first that came leaves.

        Its hardware address; None if nothing happened, for want of a hotspot, of room or of a client.
        """
        machine = self._running()
        return machine.call(lambda: machine.module.ap_client(joins))

    # ---- what it has seen ----

    @property
    def stamps(self) -> PayloadStamps:
        """Payload bytes of the latest data mode, with the times of the first and the last, by the twin's own line."""
        return self._running().link.stamps

    def stats(self) -> dict[str, int]:
        """High-water marks of every queue in bytes (lines for `waiting`, clients for `clients_waiting`), and drops.

        `baud` is what the line runs at now, 0 if unpaced.
        """
        return self._running().stats()


def serve(twin: Twin, announce: Callable[[str], None]) -> None:
    """Announce the URL of each front end, then run the twin in this thread until interrupted."""
    twin.bind()
    for url in twin.urls:
        announce(url)
    with contextlib.suppress(KeyboardInterrupt):
        twin.serve()
