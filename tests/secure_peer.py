"""A server in memory that speaks TLS: the far end of a connection in a World, for a test to play."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcm360w.sim.pipes import MemoryPeer

__all__ = ["Identity", "SecurePeer", "secure"]


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


class Identity:
    """A certificate for a name, with its key, in PEM, signed by `issuer` or by itself.  It lasts from the first to the second of `days`."""

    def __init__(
        self, name: str, issuer: Identity | None = None, days: tuple[int, int] = (-1, 30), *, rsa_key: bool = False
    ) -> None:
        pytest.importorskip("cryptography", reason="platform: no cryptography")
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        self.is_rsa = rsa_key
        self._key: Any = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(issuer._name if issuer else self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .sign(issuer._key if issuer else self._key, hashes.SHA256())
        )
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.cert: bytes = made.public_bytes(pem)
        self.key: bytes = self._key.private_bytes(pem, pkcs8, serialization.NoEncryption())

    def server(self, folder: Path, clients: Identity | None = None) -> ssl.SSLContext:
        """The context of a server of that name, which asks for a certificate of `clients` if they are given.

        It takes whatever TLS there is, as old servers do.
        """
        (folder / "cert.pem").write_bytes(self.cert)
        (folder / "key.pem").write_bytes(self.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        if clients:
            context.load_verify_locations(cadata=clients.cert.decode())
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def secure(context: ssl.SSLContext, meet: Callable[[SecurePeer], None]) -> Callable[[MemoryPeer], None]:
    """For MemoryNetwork.serve: let every connection that comes speak TLS, and meet it."""
    return lambda peer: meet(SecurePeer(peer, context))
