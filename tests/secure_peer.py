"""A server in memory that speaks TLS: the far end of a connection in a World, for a test to play."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from fcm360w.sim.pipes import MemoryPeer

__all__ = ["SecurePeer", "secure"]


class SecurePeer:
    """What a MemoryPeer carries, decrypted.

    `received` has all of it, `on_data` is given each piece.  `agreed` is true once the handshake is over, `failure` says
    why there will never be an agreement; `goodbye` is true once the module has said that it sends no more.
    """

    def __init__(self, peer: MemoryPeer, context: ssl.SSLContext) -> None:
        self.peer = peer
        self.received = bytearray()
        self.agreed = self.goodbye = False
        self.failure: ssl.SSLError | None = None
        self.on_data: Callable[[bytes], None] = lambda data: None
        self._into, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._into, self._out, server_side=True)
        peer.on_data = self._arrived

    @property
    def name(self) -> str | None:
        """What the module called this server."""
        return getattr(self.tls, "told", None)

    def _arrived(self, data: bytes) -> None:
        self._into.write(data)
        try:
            self._read()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.failure = error
        self._flush()

    def _read(self) -> None:
        if not self.agreed:
            self.tls.do_handshake()
            self.agreed = True
        while not self.goodbye:
            piece = self.tls.read(65536)
            self.goodbye = not piece
            if piece:
                self.received += piece
                self.on_data(piece)

    def _flush(self) -> None:
        if self._out.pending:
            self.peer.send(self._out.read())

    def send(self, data: bytes) -> None:
        """Send bytes; after the end they go nowhere."""
        self.tls.write(data)
        self._flush()

    def close(self) -> None:
        """Say goodbye, and end the connection."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self._flush()
        self.peer.close()


def secure(context: ssl.SSLContext, meet: Callable[[SecurePeer], None]) -> Callable[[MemoryPeer], None]:
    """For MemoryNetwork.serve: let every connection that comes speak TLS, and meet it."""
    return lambda peer: meet(SecurePeer(peer, context))
