"""A port over a connected stream socket."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from typing import TYPE_CHECKING

from fcm360w_transports.readiness import Waiter, transfer, unsent

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["SocketPort"]


class SocketPort:
    """Moves bytes over a socket, which it owns from now on. The end of the stream is a ConnectionResetError."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._reading, self._writing = threading.RLock(), threading.RLock()
        self._readable = Waiter(connected.fileno())
        self._writable = Waiter(connected.fileno(), write=True)

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        with self._reading:
            return transfer(lambda: self._receive(buffer), self._readable, timeout)

    def _receive(self, buffer: memoryview) -> int:
        count = self._socket.recv_into(buffer)
        if count == 0 and len(buffer):
            raise ConnectionResetError(errno.ECONNRESET, "the other side closed the connection")
        return count

    def write(self, data: Buffer, timeout: float | None) -> int:
        with self._writing:
            return transfer(lambda: self._socket.send(data), self._writable, timeout)

    def out_waiting(self) -> int:
        """Bytes written that are not at the other end yet, at least; 0 also where the system does not tell."""
        return unsent(self._socket.fileno())

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close; a thread inside readinto or write leaves it with an OSError first."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._reading, self._writing:
            self._socket.close()
