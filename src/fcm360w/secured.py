"""TLS connections of the module as byte streams: what they do otherwise than TCP sockets, in all three modes.

The module keeps no count of them: nobody knows what the peer has acknowledged, nor what a read that was interrupted
took along.  Their payload is never hexadecimal.
"""

from __future__ import annotations

from typing import Any, TypeVar

from fcm360w.channel import Channel
from fcm360w.commanded import Commanded
from fcm360w.commands.tcp import MAX_READ, Sent
from fcm360w.commands.tls import Closed, Read, Received, Send
from fcm360w.errors import FCM360WError, SocketLost, UsageError
from fcm360w.flows.leave import resume
from fcm360w.flows.tls import close_secure, connected, explained_secure
from fcm360w.holder import Holder
from fcm360w.link import Link
from fcm360w.steps import Steps
from fcm360w.transparent import Transparent
from fcm360w.turns import Turns
from fcm360w.wire import Command, Flow

R = TypeVar("R")


class SecureHolder(Holder):
    """Whoever has the id of a TLS connection."""

    def __init__(self, link: Link, connect_id: int) -> None:
        super().__init__(link, connect_id)
        link.secure.add(connect_id)

    def detach(self) -> None:
        """As Holder.detach.  An id that is still to be closed stays a TLS connection's until it is."""
        super().detach()
        if self.connect_id not in self.link.unclosed:
            self.link.secure.discard(self.connect_id)


class Secured(Channel, SecureHolder):
    """What both kinds share."""

    received_row = Received
    closed_row = Closed

    def explained(self, command: Flow[R]) -> Steps[R]:
        return explained_secure(command, self.connect_id)

    def reading(self) -> Command[Any]:
        return Read(self.connect_id, MAX_READ)

    def sending(self, data: bytes) -> Send:
        return Send(self.connect_id, data)

    def settled(self, seconds: float) -> Steps[Sent | None]:
        yield from ()
        return None

    def freeing(self, seconds: float) -> Steps[None]:
        return close_secure(self.connect_id, seconds)

    def decoded(self, data: bytes) -> bytes | None:
        return data

    def verify(self) -> Turns[Sent]:
        """UsageError: there is nothing to ask."""
        yield from self._alive()
        raise UsageError("the module does not count what the peer of a TLS connection has acknowledged (manual 2.4)")

    def passed_over(self) -> FCM360WError | None:
        """Only that the module dropped the connection: of one that was closed nobody knows what has arrived."""
        return SocketLost(self.lost) if self.lost and self.sent and not self._confessed else None

    def _account(self) -> Steps[None]:
        yield from ()
        self._interrupted, self._at_most = False, True
        self.dropped += MAX_READ


class SecureCommanded(Secured, Commanded):
    """Push and buffer mode."""


class SecureTransparent(Secured, Transparent):
    """Transparent mode.  AT+QISWTMD knows no TLS connections: only ATO leads back."""

    def _resumed(self) -> Steps[bool]:
        if not self._alone and not (yield from connected(self.connect_id)):
            return False
        return (yield from super()._resumed())

    def _returned(self) -> Steps[bool]:
        return resume(self.connect_id)
