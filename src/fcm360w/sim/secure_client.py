"""A socket id that holds a TLS connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fcm360w.commands.tcp import Access, Open
from fcm360w.commands.tls import Closed, ConnectionInfo, Kind, Received
from fcm360w.sim.endpoints import Client
from fcm360w.sim.inbox import Piece
from fcm360w.sim.network import Attempt, Network
from fcm360w.wire import Reply

__all__ = ["SecureClient"]

Dial = Callable[[str, int, int, Callable[..., None]], Attempt]


class SecureClient(Client):
    """A client whose connection `dial` makes, secured as `context` says."""

    secure = True

    def __init__(self, number: int, access: Access, context: int, dial: Dial) -> None:
        super().__init__(number, access)
        self.context = context
        self._dial = dial

    def _reach(self, network: Network, command: Open) -> Attempt | None:
        return self._dial(command.host, command.remote_port, self.context, self._finish)

    def received(self, piece: Piece | None = None) -> Reply:
        return Received(self.id, piece.data if piece else None)

    def closed(self) -> Reply:
        return Closed(self.id)

    def connection_info(self) -> ConnectionInfo:
        """What AT+QSSLSTATE reports of it."""
        told: Any = self.info("0.0.0.0")
        return ConnectionInfo(
            told.connect_id,
            Kind.CLIENT,
            told.ip_address,
            told.remote_port,
            told.local_port,
            told.socket_state,
            told.server_id,
            told.access_mode,
            told.at_port,
            self.context,
        )
