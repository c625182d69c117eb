"""Where hosts plug in: in this process, at a pty, at a TCP port.

Each front end holds at most one host, a bare stream of bytes.  The module neither knows nor cares who is there; it
keeps its state when a host goes, and what was already on the wire to that host is lost with it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import select
import selectors
import socket
from collections.abc import Callable
from typing import Protocol

from fcm360w.sim.watch import READ, WRITE, Watch

__all__ = ["FrontEnd", "Host", "InProcess", "Pty", "Tcp"]

log = logging.getLogger("fcm360w.sim")

OUTPUT = 64 * 1024
IN_FLIGHT = 8 * 1024
PIECES = 64
LINGER = 1.0
HANDOVER = 5.0
RECENT = 0.1


class Stream(Protocol):
    """What a host is read from and written to; never blocks."""

    def read(self, limit: int, /) -> bytes: ...
    def write(self, data: bytearray, /) -> int: ...
    def close(self) -> None: ...


class SocketStream:
    """A connected socket."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def read(self, limit: int, /) -> bytes:
        return self._link.recv(limit)

    def write(self, data: bytearray, /) -> int:
        return self._link.send(data)

    def close(self) -> None:
        self._link.close()


class DescriptorStream:
    """The master side of a pty; whoever made it closes it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, limit: int, /) -> bytes:
        """A pty hands over a few hundred bytes at a time; a turn for each would cost more than the bytes."""
        pieces = [os.read(self._descriptor, limit)]
        with contextlib.suppress(BlockingIOError):
            while (limit := limit - len(pieces[-1])) > 0 and len(pieces) < PIECES:
                pieces.append(os.read(self._descriptor, limit))
        return b"".join(pieces)

    def write(self, data: bytearray, /) -> int:
        return os.write(self._descriptor, data)

    def close(self) -> None:
        """Nothing of its own to close."""


class Host:
    """Whoever is plugged in.  `ended`: it will send no more; `gone`: it cannot be written to either."""

    def __init__(self, stream: Stream, watch: Callable[[Callable[[int], None]], Watch]) -> None:
        self.readable = False
        self.ended = False
        self.gone = False
        self.heard = -math.inf
        self.until: float | None = None
        self.high_water = 0
        self._stream = stream
        self._out = bytearray()
        self._watch = watch(self._ready)

    def _ready(self, mask: int) -> None:
        if mask & READ:
            self.readable = True
        if mask & WRITE:
            self._drain()

    def listen(self, wanted: bool) -> None:
        """Say whether bytes of the host have room, and await what is to be awaited."""
        read = READ if wanted and not self.ended else 0
        self._watch.want(0 if self.gone else read | (WRITE if self._out else 0))

    def receive(self, limit: int, now: float) -> bytes:
        """What the host has sent."""
        self.readable = False
        self.heard = now
        try:
            data = self._stream.read(limit)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            log.debug("host: %s", error)
            data, self.gone = b"", True
        self.ended = not data
        return data

    def room(self) -> int:
        return 0 if self.gone else max(0, OUTPUT - len(self._out))

    def send(self, data: bytes) -> None:
        self._out += data
        self.high_water = max(self.high_water, len(self._out))
        self._drain()

    def idle(self) -> bool:
        return not self._out

    def _drain(self) -> None:
        try:
            while self._out and (count := self._stream.write(self._out)):
                del self._out[:count]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            log.debug("host: %s", error)
            self.gone = True

    def close(self) -> int:
        """Unplug; returns how many bytes for the host are lost."""
        self.gone = True
        self._watch.want(0)
        self._stream.close()
        return len(self._out)


class FrontEnd(Protocol):
    """A place for one host.  `url` is what a host opens; empty if it has no name."""

    url: str
    host: Host | None

    def tick(self, now: float) -> None:
        """Let time pass."""
        ...

    def deadline(self) -> float | None: ...

    def close(self) -> None: ...


class _Socketed:
    """A front end whose hosts come over sockets."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.host: Host | None = None
        self._selector = selector
        self._link: socket.socket | None = None

    def _plug(self, link: socket.socket) -> None:
        link.setblocking(False)
        self._link = link
        self.host = Host(SocketStream(link), lambda ready: Watch(self._selector, link, ready))

    def _unplug(self) -> None:
        if self.host:
            self.host.close()
        self.host = None

    def tick(self, now: float) -> None:
        """Nothing depends on time here."""

    def deadline(self) -> float | None:
        return None

    def close(self) -> None:
        self._unplug()

    def _occupied(self) -> bool:
        """Whether a host is there of which more may come."""
        return self.host is not None and not self.host.ended and not self.host.gone

    def _hung_up(self) -> bool:
        """Whether the host has ended what it sends, even if the last of it is still unread."""
        if self._link is None or not hasattr(select, "POLLRDHUP"):
            return False
        poll = select.poll()
        poll.register(self._link, select.POLLRDHUP)
        return bool(poll.poll(0))


class InProcess(_Socketed):
    """Hosts of this process."""

    def __init__(self, selector: selectors.BaseSelector, paced: bool, name: str | None) -> None:
        super().__init__(selector)
        self.url = f"sim://{name}" if name else ""
        self._paced = paced

    def attach(self) -> socket.socket:
        """Plug in a host; returns its side.  OSError (EBUSY) if there is one.  In the loop's thread only."""
        if self._occupied() and not self._hung_up():
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self._unplug()
        ours, theirs = socket.socketpair()
        if self._paced:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, IN_FLIGHT)
        self._plug(ours)
        return theirs


class Tcp(_Socketed):
    """One host at a time at a TCP port.

    A host that is killed may leave bytes behind that its kernel still delivers; until the last of them nothing tells
    that it is dead.  So a newcomer waits a while if the old host was busy lately, and is refused if it was idle.
    """

    def __init__(self, selector: selectors.BaseSelector, paced: bool, address: tuple[str, int], query: str) -> None:
        super().__init__(selector)
        self._newcomer: socket.socket | None = None
        self._until: float | None = None
        self._look = 0.0
        self._listener = socket.create_server(address, backlog=8)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._listener.setsockopt(socket.SOL_SOCKET, option, IN_FLIGHT if paced else OUTPUT)
        self._listener.setblocking(False)
        self._watch = Watch(selector, self._listener, self._arrived)
        self._watch.want(READ)
        self.url = f"tcp://{address[0]}:{self._listener.getsockname()[1]}{query}"

    def _arrived(self, mask: int) -> None:
        try:
            link, _ = self._listener.accept()
        except OSError:
            return
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._newcomer:
            self._refuse(link)
        else:
            self._newcomer = link

    def tick(self, now: float) -> None:
        """Let a newcomer in, let it wait, or refuse it."""
        if self._newcomer is None:
            return
        if not self._occupied():
            self._admit(self._newcomer)
            return
        if self._until is None:
            self._until = now + HANDOVER
        self._look = min(self._until, now + RECENT)
        if now >= self._until or not self._busy(now):
            end = self._admit if self._hung_up() else self._refuse
            end(self._newcomer)

    def _admit(self, link: socket.socket) -> None:
        self._newcomer = self._until = None
        self._unplug()
        try:
            log.info("%s: host %s:%d", self.url, *link.getpeername()[:2])
        except OSError:
            link.close()  # left again while it waited
        else:
            self._plug(link)

    def _refuse(self, link: socket.socket) -> None:
        if link is self._newcomer:
            self._newcomer = self._until = None
        with contextlib.suppress(OSError):
            log.warning("%s: refused %s:%d, a host is there already", self.url, *link.getpeername()[:2])
        link.close()

    def _busy(self, now: float) -> bool:
        if self.host is None or self._link is None:
            return False
        try:
            unread = bool(self._link.recv(1, socket.MSG_PEEK))
        except OSError:
            unread = False
        return unread or now - self.host.heard < RECENT

    def deadline(self) -> float | None:
        return self._look if self._newcomer else None

    def close(self) -> None:
        self._watch.want(0)
        self._listener.close()
        if self._newcomer:
            self._newcomer.close()
        super().close()


class Pty:
    """A pseudo-terminal in raw mode.  Our own slave descriptor stays open, so that hosts may come and go unseen."""

    def __init__(self, selector: selectors.BaseSelector, path: str | None, query: str) -> None:
        import tty

        master, self._slave = os.openpty()
        self._master = master
        tty.setraw(self._slave)
        os.set_blocking(master, False)
        self._path: str | None = None
        if path is not None:
            self._point_link(path)
        self.url = f"serial://{path or os.ttyname(self._slave)}{query}"
        self.host: Host | None = Host(DescriptorStream(master), lambda ready: Watch(selector, master, ready))

    def tick(self, now: float) -> None:
        """Nothing depends on time here."""

    def deadline(self) -> float | None:
        return None

    def _point_link(self, path: str) -> None:
        """A link left behind by a twin that died is replaced, nothing else is."""
        try:
            if os.path.islink(path) and not os.path.exists(path):
                os.unlink(path)
            os.symlink(os.ttyname(self._slave), path)
        except OSError:
            os.close(self._master)
            os.close(self._slave)
            raise
        self._path = path

    def close(self) -> None:
        if self.host:
            self.host.close()
        os.close(self._master)
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        os.close(self._slave)
