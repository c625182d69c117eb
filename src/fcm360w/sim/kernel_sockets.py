"""The kernel's sockets, non-blocking and bounded: a connection, a listener, a socket for datagrams."""

from __future__ import annotations

import array
import contextlib
import logging
import selectors
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable

from fcm360w.sim.network import Connection
from fcm360w.sim.watch import READ, WRITE, Watch

__all__ = ["KERNEL_BUFFER", "KernelConnection", "KernelDatagrams", "KernelListening"]

log = logging.getLogger("fcm360w.sim")

SEND_BUFFER = 64 * 1024
KERNEL_BUFFER = 64 * 1024
LONGEST_DATAGRAM = 65535
SIOCOUTQ = 0x5411
SO_NWRITE = 0x1024

# Where the kernel knows it, what one call sends shares no segment with what the next one does.
PACKET = socket.MSG_EOR if sys.platform == "linux" else 0


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

    def __init__(self, link: socket.socket, peer: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self.readable = False
        self.accepted = 0
        self.high_water = 0
        self.peer, self.peer_port = peer
        self.local_port: int = link.getsockname()[1]
        self._link = link
        self._backlog: deque[memoryview] = deque()
        self._waiting = 0
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
        return SEND_BUFFER - self._waiting

    def send(self, data: bytes) -> None:
        size = len(data)
        self.accepted += size
        sent = self._push(data) if not self._backlog else 0
        if sent < size:
            self._backlog.append(memoryview(data)[sent:])
            self._waiting += size - sent
            self.high_water = max(self.high_water, self._waiting)
            self._drain()

    def _drain(self) -> None:
        while self._backlog and (count := self._push(self._backlog[0])):
            self._waiting -= count
            self._backlog[0] = self._backlog[0][count:]
            if not self._backlog[0]:
                self._backlog.popleft()
        if self._backlog and not self._broken:
            self._watch.add(WRITE)
            return
        self._watch.drop(WRITE)
        if self._finishing and not self._shut:
            self._shut = True
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_WR)

    def _push(self, data: bytes | memoryview) -> int:
        if self._broken:
            return 0
        try:
            return self._link.send(data, PACKET)
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
        return self._waiting + max(0, unacknowledged(self._link) - own_end)

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


class KernelListening:
    """A bound socket that listens, owned from now on.  `closed` is told of its end."""

    def __init__(
        self,
        link: socket.socket,
        selector: selectors.BaseSelector,
        arrived: Callable[[Connection], None],
        closed: Callable[[KernelListening], None],
    ) -> None:
        self.local_port: int = link.getsockname()[1]
        self._link = link
        self._selector = selector
        self._arrived = arrived
        self._closed = closed
        self._watch = Watch(selector, link, self._ready)
        self._watch.want(READ)

    def _ready(self, mask: int) -> None:
        try:
            link, peer = self._link.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("a client cannot be let in: %s", error)
            self._watch.want(0)
            return
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._arrived(KernelConnection(link, peer, self._selector))

    def again(self) -> None:
        """Look once more after there was no descriptor left for a client."""
        self._watch.want(READ)

    def close(self) -> None:
        self._watch.want(0)
        self._link.close()
        self._closed(self)


class KernelDatagrams:
    """A bound UDP socket, owned from now on."""

    def __init__(self, link: socket.socket, selector: selectors.BaseSelector) -> None:
        self.local_port: int = link.getsockname()[1]
        self.readable = False
        self._link = link
        self._watch = Watch(selector, link, self._ready)
        self._watch.want(READ)

    def _ready(self, mask: int) -> None:
        self.readable = True

    def send(self, data: bytes, host: str, port: int) -> bool:
        try:
            self._link.sendto(data, (host, port))
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            log.info("datagram to %s:%d: %s", host, port, error)
        return True

    def receive(self) -> tuple[bytes, str, int] | None:
        try:
            data, (host, port) = self._link.recvfrom(LONGEST_DATAGRAM)
        except OSError:
            self.readable = False
            return None
        return data, host, port

    def close(self) -> None:
        self._watch.want(0)
        self._link.close()
