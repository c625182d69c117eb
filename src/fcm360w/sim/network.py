"""The world beyond the module: what its sockets need, and the kernel's TCP as the provider of it.  Nothing blocks."""

from __future__ import annotations

import array
import contextlib
import errno
import logging
import os
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.watch import READ, WRITE, Watch

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Attempt", "Connection", "KernelNetwork", "Network"]

log = logging.getLogger("fcm360w.sim")

SEND_BUFFER = 64 * 1024
KERNEL_BUFFER = 64 * 1024
CONNECT_PATIENCE = 150.0
SIOCOUTQ = 0x5411
SO_NWRITE = 0x1024


class Connection(Protocol):
    """A TCP connection.  `readable`: receive() may have something; `accepted` counts the bytes that send() took.

    `high_water` is the most that ever waited in its own send buffer.
    """

    readable: bool
    accepted: int
    high_water: int
    peer: str
    local_port: int

    def room(self) -> int:
        """Bytes that send() may be given now."""
        ...

    def send(self, data: Buffer) -> None:
        """Take all of `data`; the caller minds the room."""
        ...

    def receive(self, limit: int) -> bytes | None:
        """At most `limit` bytes; empty if nothing has come, None if nothing ever will."""
        ...

    def outstanding(self) -> int:
        """Bytes taken that the peer's system has not acknowledged, as far as this system knows."""
        ...

    def finish(self) -> None:
        """End our direction once everything is sent; what still comes in is thrown away."""
        ...

    def finished(self) -> bool:
        """Whether the peer has everything and our end, or is gone."""
        ...

    def close(self) -> None:
        """Be gone; a reset if something is still outstanding."""
        ...


class Attempt(Protocol):
    """A connection in the making."""

    def cancel(self) -> None:
        """Give up; its `done` is not called any more."""
        ...


class Network(Protocol):
    """Where connections come from."""

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        """Resolve and connect; `done` is called later, once, with the connection or the reason why not."""
        ...


def is_address(host: str) -> bool:
    """Whether this is four dotted numbers rather than a name."""
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return False
    return True


def unacknowledged(link: socket.socket) -> int:
    """Bytes in the kernel's send queue, our end mark included; 0 where the system does not tell."""
    if sys.platform == "linux":
        import fcntl

        count = array.array("i", [0])
        fcntl.ioctl(link.fileno(), SIOCOUTQ, count)
        return count[0]
    if sys.platform == "darwin":
        return link.getsockopt(socket.SOL_SOCKET, SO_NWRITE)
    return 0


class KernelConnection:
    """A connected, non-blocking kernel socket with a bounded send buffer of its own in front."""

    def __init__(self, link: socket.socket, selector: selectors.BaseSelector) -> None:
        self.readable = False
        self.accepted = 0
        self.high_water = 0
        self.peer: str = link.getpeername()[0]
        self.local_port: int = link.getsockname()[1]
        self._link = link
        self._backlog = bytearray()
        self._ended = False
        self._broken = False
        self._finishing = False
        self._shut = False
        self._watch = Watch(selector, link, self._ready)
        self._watch.want(READ)

    def _ready(self, mask: int) -> None:
        if mask & WRITE:
            self._drain()
        if mask & READ:
            if self.readable:
                self._watch.drop(READ)  # nobody has room for it now; receive() asks again
            self.readable = True
            if self._finishing:
                self._discard()

    def room(self) -> int:
        return SEND_BUFFER - len(self._backlog)

    def send(self, data: Buffer) -> None:
        view = memoryview(data)
        self.accepted += len(view)
        if not self._backlog:
            view = view[self._push(view) :]
        if len(view):
            self._backlog += view
            self.high_water = max(self.high_water, len(self._backlog))
            self._drain()

    def _drain(self) -> None:
        while self._backlog and (count := self._push(self._backlog)):
            del self._backlog[:count]
        if self._backlog and not self._broken:
            self._watch.add(WRITE)
            return
        self._watch.drop(WRITE)
        if self._finishing and not self._shut:
            self._shut = True
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_WR)

    def _push(self, data: Buffer) -> int:
        if self._broken:
            return 0
        try:
            return self._link.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            log.debug("socket: %s", error)
            self._broken = self.readable = True
            return 0

    def receive(self, limit: int) -> bytes | None:
        if self._ended:
            return None
        try:
            data = self._link.recv(limit)
        except (BlockingIOError, InterruptedError):
            data = None
        except OSError as error:
            log.debug("socket: %s", error)
            self._broken, data = True, b""
        if data is None or 0 < len(data) < limit:
            self.readable = False
            self._watch.add(READ)
            return data or b""
        if not data:
            self._ended, self.readable = True, False
            self._watch.drop(READ)
            return None
        return data

    def outstanding(self) -> int:
        own_end = 1 if self._shut and not self._broken else 0
        return len(self._backlog) + max(0, unacknowledged(self._link) - own_end)

    def finish(self) -> None:
        self._finishing = True
        self._drain()
        self._discard()

    def _discard(self) -> None:
        """Unread data would turn our orderly end into a reset."""
        while self.receive(65536):
            pass

    def finished(self) -> bool:
        return self._broken or (self._shut and not unacknowledged(self._link))

    def close(self) -> None:
        if not self._broken and self.outstanding():
            self._link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._watch.want(0)
        self._link.close()


class KernelAttempt:
    """Resolves in a thread of its own, since no system call resolves without blocking, then connects."""

    def __init__(self, network: KernelNetwork, done: Callable[[Connection | SocketCode], None]) -> None:
        self._network = network
        self._done: Callable[[Connection | SocketCode], None] | None = done
        self._link: socket.socket | None = None
        self._watch: Watch | None = None
        self.until: float | None = None

    def resolve(self, host: str, port: int, local_port: int) -> None:
        def look_up() -> None:
            try:
                address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
            except (OSError, UnicodeError):
                address = ""
            self._network.post(lambda: self._resolved(str(address), port, local_port))

        threading.Thread(target=look_up, name="fcm360w-sim-resolver", daemon=True).start()

    def _resolved(self, address: str, port: int, local_port: int) -> None:
        if not address:
            self._end(SocketCode.DNS_FAILED)
        elif self._done:
            self.start(address, port, local_port)

    def start(self, address: str, port: int, local_port: int) -> None:
        link = self._link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
        if local_port and not self._bind(local_port):
            return
        try:
            result = link.connect_ex((address, port))
        except OSError:
            result = errno.EINVAL
        if result not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            log.info("connect to %s:%d: %s", address, port, os.strerror(result))
            self._network.post(lambda: self._end(SocketCode.CONNECT_FAILED))
            return
        self._watch = Watch(self._network.selector, link, self._ready)
        self._watch.want(WRITE)

    def _bind(self, local_port: int) -> bool:
        assert self._link is not None
        try:
            self._link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._link.bind(("", local_port))
        except OSError as error:
            code = SocketCode.PORT_BUSY if error.errno == errno.EADDRINUSE else SocketCode.BIND_FAILED
            self._network.post(lambda: self._end(code))
            return False
        return True

    def _ready(self, mask: int) -> None:
        assert self._link is not None
        assert self._watch is not None
        error = self._link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._watch.want(0)
        if error:
            log.info("connect: %s", os.strerror(error))
            self._end(SocketCode.CONNECT_FAILED)
            return
        link, self._link = self._link, None
        self._end(KernelConnection(link, self._network.selector))

    def expire(self) -> None:
        self._end(SocketCode.CONNECT_FAILED)

    def cancel(self) -> None:
        self._done = None
        self._end(SocketCode.CLOSED)

    def _end(self, result: Connection | SocketCode) -> None:
        if self._watch:
            self._watch.want(0)
        if self._link:
            self._link.close()
            self._link = None
        self._network.attempts.discard(self)
        done, self._done = self._done, None
        if done:
            done(result)


class KernelNetwork:
    """Connections of this machine.  `post` runs a callable in the loop's thread, from any thread."""

    def __init__(self, selector: selectors.BaseSelector, post: Callable[[Callable[[], None]], None]) -> None:
        self.selector = selector
        self.post = post
        self.attempts: set[KernelAttempt] = set()
        self._now = 0.0

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        attempt = KernelAttempt(self, done)
        attempt.until = self._now + CONNECT_PATIENCE
        self.attempts.add(attempt)
        if is_address(host):
            attempt.start(host, port, local_port)
        else:
            attempt.resolve(host, port, local_port)
        return attempt

    def deadline(self) -> float | None:
        return min((attempt.until for attempt in self.attempts if attempt.until is not None), default=None)

    def tick(self, now: float) -> None:
        self._now = now
        for attempt in [each for each in self.attempts if each.until is not None and each.until <= now]:
            attempt.expire()

    def close(self) -> None:
        for attempt in list(self.attempts):
            attempt.cancel()
