"""`tcp://host:port`: a UART's bytes over TCP, nothing added: a twin, ser2net in raw mode, a serial device server."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from fcm360w_transports import options as option
from fcm360w_transports.readiness import Waiter, transfer

if TYPE_CHECKING:
    from typing_extensions import Buffer

# What may be under way, in bytes, and how long a dead path goes unnoticed, in seconds.
SEND_BUFFER = 16 * 1024
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPALIVE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
USER_TIMEOUT_MS = 30_000


class TcpPort:
    """A raw TCP connection. `baud` is what the far end is known to run at: it helps to tell when the wire is idle."""

    options: ClassVar[Mapping[str, str]] = {
        "baud": "bit/s of the UART at the far end, if known",
        "connect_timeout": "seconds to wait for the connection, default 10",
        "slack": "jitter the path may add, in seconds, default 0.05",
    }
    capabilities = frozenset({"fileno"})

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        host, port = _host_and_port(address)
        self.url = f"tcp://{address}"
        self.baud = option.positive(options, "baud", None)
        self.slack = option.seconds(options, "slack", 0.05)
        self._socket = _connect(host, port, option.seconds(options, "connect_timeout", 10.0))
        self._reading, self._writing = threading.RLock(), threading.RLock()
        self._readable = Waiter(self._socket.fileno())
        self._writable = Waiter(self._socket.fileno(), write=True)

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

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close; a thread inside readinto or write leaves it with an OSError first."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._reading, self._writing:
            self._socket.close()


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{address or 'nothing'}: must be host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _connect(host: str, port: int, timeout: float) -> socket.socket:
    """Try every address of the host; the last one's error is the error."""
    failure = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        link = socket.socket(family, kind, protocol)
        try:
            _tune(link)
            link.settimeout(timeout)
            link.connect(place)
            link.setblocking(False)
        except OSError as error:
            link.close()
            failure = error if error.errno else TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        else:
            return link
    raise failure


def _tune(link: socket.socket) -> None:
    """Send at once, keep little under way, notice a dead path. The buffer's size counts only before connecting."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {**KEEPALIVE, "TCP_USER_TIMEOUT": USER_TIMEOUT_MS}.items():
        if number := vars(socket).get(name):
            link.setsockopt(socket.IPPROTO_TCP, number, value)
