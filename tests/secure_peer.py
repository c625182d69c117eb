"""A server in memory that speaks TLS: the far end of a connection in a World, for a test to play."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fcm360w.sim.pipes import MemoryPeer

if TYPE_CHECKING:
    from certificates import Issued

__all__ = ["SecurePeer", "secure", "server_context"]


class SecurePeer:
    """What a MemoryPeer carries, decrypted.

    `received` has all of it, `on_data` is given each piece.  `agreed` is true once the handshake is over, `failure`
    says why there will never be an agreement; `goodbye` is true once the module has said that it sends no more.
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

    @property
    def ended(self) -> bool:
        """Whether the module sends no more, and has said so in TLS."""
        return self.goodbye and self.peer.ended

    @property
    def reading(self) -> bool:
        """Whether what arrives is read."""
        return self.peer.reading

    @reading.setter
    def reading(self, wanted: bool) -> None:
        self.peer.reading = wanted

    @property
    def window(self) -> int:
        """Bytes that this end's system takes in."""
        return self.peer.window

    @window.setter
    def window(self, size: int) -> None:
        self.peer.window = size

    def reset(self) -> None:
        """End the connection at once."""
        self.peer.reset()

    def send(self, data: bytes) -> None:
        """Send bytes; after the end they go nowhere."""
        self.tls.write(data)
        self._flush()

    def close(self) -> None:
        """Say goodbye, and end the connection."""
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self._flush()
        self.peer.close()


def server_context(issued: Issued, clients: bytes | None = None) -> ssl.SSLContext:
    """The context of a server, which asks for a certificate of the authority of its `clients`, if they are to have one.

    It takes whatever TLS there is, as old servers do.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*issued.save(Path(folder), "server"))
    if clients:
        context.load_verify_locations(cadata=clients.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def secure(context: ssl.SSLContext, meet: Callable[[SecurePeer], None]) -> Callable[[MemoryPeer], None]:
    """For MemoryNetwork.serve: let every connection that comes speak TLS, and meet it."""
    return lambda peer: meet(SecurePeer(peer, context))
