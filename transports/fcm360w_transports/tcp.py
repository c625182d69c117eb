"""`tcp://host:port`: a UART's bytes over TCP, nothing added: a twin, ser2net in raw mode, a serial device server."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import ClassVar

from fcm360w_transports import options as option
from fcm360w_transports.sockets import SocketPort

# What may be under way, in bytes, and how long a dead path goes unnoticed, in seconds.
SEND_BUFFER = 16 * 1024
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPALIVE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
USER_TIMEOUT_MS = 30_000


class TcpPort(SocketPort):
    """A raw TCP connection. `baud` is what the far end is known to run at: it helps to tell when the wire is idle."""

    options: ClassVar[Mapping[str, str]] = {
        "baud": "bit/s of the UART at the far end, if known",
        "connect_timeout": "seconds to wait for the connection, default 10",
        "slack": "jitter the path may add, in seconds, default 0.05",
    }
    capabilities = frozenset({"fileno", "out_waiting"})

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        host, port = _host_and_port(address)
        self.url = f"tcp://{address}"
        self.baud = option.positive(options, "baud", None)
        self.slack = option.seconds(options, "slack", 0.05)
        super().__init__(_connect(host, port, option.seconds(options, "connect_timeout", 10.0)))


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
