"""Certificates for tests: an authority that issues what a test wants, good or bad."""

from __future__ import annotations

import datetime
import functools
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Kind = Literal["ec", "rsa"]
Days = tuple[int, int]

# Valid from and until, in days from now.
VALID: Days = (-30, 365)
EXPIRED: Days = (-400, -30)
FUTURE: Days = (30, 365)


class Issued(NamedTuple):
    """A certificate, with the authorities between, and its key; PEM."""

    cert: bytes
    key: bytes

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        """As two files."""
        cert, key = folder / f"{name}.pem", folder / f"{name}_key.pem"
        cert.write_bytes(self.cert)
        key.write_bytes(self.key)
        return cert, key


def make_key(kind: Kind) -> Key:
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)


def pem_of(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """Signs certificates.  `above` is the authority that signed its own; itself, if there is none."""

    def __init__(self, name: str = "Test CA", kind: Kind = "ec", days: Days = VALID, above: Authority | None = None):
        self.subject = named(name)
        self.key = make_key(kind)
        self.above = above
        signer = above or self
        builder = _builder(self.subject, signer.subject, self.key, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
        )
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain(self) -> bytes:
        """Its own certificate and those of the authorities above, but for the root's."""
        return self.pem + self.above.chain if self.above else b""

    def issue(self, *names: str, kind: Kind = "ec", days: Days = VALID) -> Issued:
        """A certificate for hosts, or for a client of the first name."""
        key = make_key(kind)
        return Issued(self.sign(key, names, days).public_bytes(Encoding.PEM) + self.chain, pem_of(key))

    def sign(self, key: Key, names: Sequence[str], days: Days = VALID) -> x509.Certificate:
        builder = _builder(named(names[0]), self.subject, key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(alternative, names)]), critical=False)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.add_extension(above, critical=False).sign(self.key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: Days) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
    )


@functools.cache
def authority() -> Authority:
    """The one that tests trust."""
    return Authority()


@functools.cache
def stranger() -> Authority:
    """One that nobody trusts, though it has the same name."""
    return Authority()


@functools.cache
def server(*names: str, kind: Kind = "ec", days: Days = VALID) -> Issued:
    """A certificate of the trusted authority for hosts; 127.0.0.1 without a name."""
    return authority().issue(*(names or ("127.0.0.1", "localhost")), kind=kind, days=days)


@functools.cache
def client(name: str = "module 7") -> Issued:
    """A client's certificate of the trusted authority."""
    return authority().issue(name)
