"""Sockets of the module that are no byte streams, for programs with threads: listeners, and UDP."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fcm360w.datagrams import Datagram, Datagrams
from fcm360w.errors import FCM360WError
from fcm360w.listener import Listening
from fcm360w.streams import flat

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fcm360w.module import Module
    from fcm360w.socketlike import Socket as Socket
    from fcm360w.streams import Stream


def __getattr__(name: str) -> Any:
    """Socket is imported when it is first named: it brings the system's sockets along, which open() does without."""
    if name != "Socket":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fcm360w.socketlike import Socket

    return Socket


class Listener:
    """A TCP port of the module's own that clients connect to."""

    transparent = False

    def __init__(self, module: Module, channel: Listening) -> None:
        self._module = module
        self._channel = channel

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self._channel.closed or bool(self._channel.lost)

    @property
    def connect_id(self) -> int:
        """The module's socket id, 0 to 11."""
        return self._channel.connect_id

    @property
    def waiting(self) -> int:
        """Clients that came in, and nobody has accepted yet."""
        return self._channel.waiting

    @property
    def full(self) -> int:
        """Clients that the module turned away since this was opened, by any listener: no id was free."""
        return self._channel.full

    @property
    def dropped(self) -> int:
        """Clients that had left long before anybody accepted them, and were forgotten."""
        return self._channel.dropped

    def accept(self, timeout: float | None = None) -> Stream:
        """The client that has waited longest, with all it has sent so far; one that has left by now, too.

        Waits at most `timeout` seconds, for ever if None; then TimeoutError.  A command that has begun is not cut
        short, see Stream.settimeout.  A manual listener asks the module every 0.2 s (manual 2.3.7).
        """
        deadline = None if timeout is None else self._module.clock() + timeout
        return self._module.stream_over(self._module.drive(self._channel.accept(deadline)))

    def reject(self) -> None:
        """Turn away the client of a manual listener that waits in the module, if one does (manual 2.3.7)."""
        self._module.drive(self._channel.reject())

    def close(self) -> None:
        """Stop listening, and close what nobody accepted.  Streams that were accepted go on."""
        self._module.drive(self._channel.close())
        self._module.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except (OSError, FCM360WError) as second:
            error.add_note(f"closing the listener failed too: {second}")


class UdpEnd:
    """What both kinds of UDP socket share."""

    transparent = False

    def __init__(self, module: Module, channel: Datagrams) -> None:
        self._module = module
        self._channel = channel
        self._timeout: float | None = None

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self._channel.closed or bool(self._channel.lost)

    @property
    def connect_id(self) -> int:
        """The module's socket id, 0 to 11."""
        return self._channel.connect_id

    @property
    def sent(self) -> int:
        """Datagrams that the module took; whether they arrived nobody knows."""
        return self._channel.sent

    @property
    def received(self) -> int:
        """Datagrams that came, those that were dropped included."""
        return self._channel.received

    @property
    def dropped(self) -> int:
        """Datagrams that were dropped because nobody took them in time."""
        return self._channel.inbox.dropped

    def settimeout(self, seconds: float | None) -> None:
        """As Stream.settimeout."""
        self._timeout = seconds

    def close(self) -> None:
        """Free the socket.  What came and nobody took is dropped."""
        self._module.drive(self._channel.close())
        self._module.forget(self)

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._module.clock() + self._timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except (OSError, FCM360WError) as second:
            error.add_note(f"closing the socket failed too: {second}")


class UdpSocket(UdpEnd):
    """A UDP socket with one peer."""

    def send(self, data: Buffer) -> None:
        """Send one datagram of 1 to 1460 bytes.  SendTimeout if the module has no room for it in time."""
        self._module.drive(self._channel.send(bytes(flat(data)), self._deadline()))

    def recv(self) -> bytes:
        """Receive one datagram.  Overrun, once, where some were dropped; SocketLost if the socket is gone."""
        return self._module.drive(self._channel.receive(self._deadline())).data


class UdpService(UdpEnd):
    """A UDP socket that anybody may send to."""

    def sendto(self, data: Buffer, address: tuple[str, int]) -> None:
        """Send one datagram of 1 to 1460 bytes to a dotted address and a port.  SendTimeout as UdpSocket.send."""
        self._module.drive(self._channel.send_to(bytes(flat(data)), *address, self._deadline()))

    def recvfrom(self) -> Datagram:
        """Receive one datagram, and learn from whom.  Overrun and SocketLost as UdpSocket.recv."""
        return self._module.drive(self._channel.receive(self._deadline()))
