"""The world beyond the module, as its sockets see it.

Nothing blocks and nothing reads a clock.  Every call, and every callback, is made in the thread that runs the module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from fcm360w.commands.codes import SocketCode

__all__ = ["Attempt", "Connection", "Datagrams", "Echo", "Listening", "Network", "is_address"]


class Connection(Protocol):
    """A TCP connection.  `accepted` counts the bytes that send() took.

    `high_water` is the most that ever waited in its own send buffer.
    """

    accepted: int
    high_water: int
    peer: str
    peer_port: int
    local_port: int

    @property
    def readable(self) -> bool:
        """Whether receive() may have something."""
        ...

    def room(self) -> int:
        """Bytes that send() may be given now."""
        ...

    def send(self, data: bytes) -> None:
        """Take all of `data`, as a packet of its own where that can be had; the caller minds the room."""
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


class Listening(Protocol):
    """A port at which clients come in."""

    local_port: int

    def close(self) -> None:
        """Take no more clients; those that came in stay."""
        ...


class Datagrams(Protocol):
    """A bound UDP socket."""

    local_port: int

    @property
    def readable(self) -> bool:
        """Whether receive() may have something."""
        ...

    def send(self, data: bytes, host: str, port: int) -> bool:
        """Send one datagram to a dotted address.  False: no room, and nothing was taken."""
        ...

    def receive(self) -> tuple[bytes, str, int] | None:
        """The oldest datagram with its sender's address and port, or None."""
        ...

    def close(self) -> None:
        """Be gone, with what was not received."""
        ...


class Echo(NamedTuple):
    """The answer to an echo request: from whom, how many bytes, and how many hops it could have gone on."""

    address: str
    size: int
    ttl: int


class Attempt(Protocol):
    """Something in the making."""

    def cancel(self) -> None:
        """Give up; its `done` is not called any more."""
        ...


class Network(Protocol):
    """Where connections and datagrams come from."""

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        """Resolve and connect; `done` is called later, once, with the connection or the reason why not."""
        ...

    def listen(self, local_port: int, arrived: Callable[[Connection], None]) -> Listening | SocketCode:
        """Let clients in at a port from now on; `arrived` is called, later, with each."""
        ...

    def datagrams(self, local_port: int, *, client: bool = False) -> Datagrams | SocketCode:
        """Bind a UDP socket; port 0 picks one.  A client's may reach any host, a service's is bound as a listener's."""
        ...

    def resolve(self, host: str, done: Callable[[str], None]) -> Attempt:
        """Look a name up; `done` is called later, once, with its dotted address, or "" if it has none.

        A dotted address is its own.
        """
        ...

    def ping(self, host: str, size: int, done: Callable[[Echo | SocketCode], None]) -> Attempt:
        """Send a dotted address one echo request with `size` bytes; `done` is called later, when it is answered.

        Or with the reason why not, at once or never.
        """
        ...


def is_address(host: str) -> bool:
    """Whether this is four dotted numbers rather than a name."""
    parts = host.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and _is_octet(part) for part in parts)


def _is_octet(digits: str) -> bool:
    return len(digits) <= 3 and int(digits) < 256 and str(int(digits)) == digits
