"""Certificates and keys, looked at before the module gets them: it would only say that a handshake failed.

Needs cryptography, of the extra `tls`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fcm360w.commands.tls import CipherSuite, SecLevel, SslVersion
from fcm360w.contexts import Terms
from fcm360w.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

Pem = bytes | str | os.PathLike[str] | None
Verify = Literal["none", "server", "both"]
LEVELS: dict[Verify, SecLevel] = {"none": SecLevel.NONE, "server": SecLevel.SERVER, "both": SecLevel.BOTH}

HINT = "certificates are checked with cryptography, which is not installed: pip install 'fcm360w[tls]'"


def read_pem(name: str, source: Pem) -> bytes:
    """PEM as it is given: as bytes, as text, or in a file.  Empty for None; UsageError if a file cannot be read."""
    if source is None:
        return b""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str) and "-----BEGIN" in source:
        return source.encode()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {os.fspath(source)} cannot be read: {error.strerror}") from error


def terms(
    ca: Pem,
    cert: Pem,
    key: Pem,
    verify: Verify | None,
    now: float,
    version: SslVersion,
    cipher: CipherSuite,
    sni: bool,
    check_time: bool,
    session_cache: bool,
    handshake: int,
) -> Terms:
    """What a context is to do.  UsageError as `level` and `check`, and for an option out of bounds."""
    read = read_pem("ca", ca), read_pem("cert", cert), read_pem("key", key)
    wanted = Terms(*read, level(*read, verify), version, cipher, sni, check_time, session_cache, handshake)
    check(*read, now)
    for setting in wanted.settings(0):
        setting.parameters()
    return wanted


def level(ca: bytes, cert: bytes, key: bytes, verify: Verify | None) -> SecLevel:
    """Whose certificate is checked, if that is not said: as much as there are certificates for.

    UsageError if there are fewer.
    """
    if bool(cert) != bool(key):
        raise UsageError(f"{'key' if cert else 'cert'} is missing: a certificate and its key go together")
    if verify is None:
        verify = "both" if ca and cert else "server" if ca else "none"
        if cert and not ca:
            raise UsageError("ca is missing: the module shows its own certificate only if it checks the server's")
    if verify not in LEVELS:
        raise UsageError(f"verify {verify!r} is not one of {', '.join(LEVELS)}")
    if verify != "none" and not ca:
        raise UsageError(f"ca is missing: verify={verify!r} checks the server's certificate (manual 2.4.1)")
    if verify == "both" and not cert:
        raise UsageError("cert and key are missing: verify='both' shows the server a certificate (manual 2.4.1)")
    return LEVELS[verify]


def check(ca: bytes, cert: bytes, key: bytes, now: float) -> None:
    """UsageError if one of them is no PEM, is out of its time at `now` (seconds since 1970), or does not fit."""
    if not (ca or cert or key):
        return
    try:
        import_module("cryptography.x509")
    except ImportError as error:
        raise UsageError(HINT) from error
    for certificate in _certificates("ca", ca) if ca else ():
        _check_time("ca", certificate, now)
    if cert:
        chain = _certificates("cert", cert)
        for certificate in chain:
            _check_time("cert", certificate, now)
        _check_chain(chain)
        _check_key(chain[0], _private_key(key))


def _certificates(name: str, data: bytes) -> Sequence[Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise UsageError(f"{name}: no certificate in PEM form: {error}") from error


def _private_key(data: bytes) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(data, None)
    except TypeError as error:
        raise UsageError("key: it is encrypted, and the module has nobody to ask for its password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError("key: no private key in PEM form") from error


def _check_time(name: str, certificate: Certificate, now: float) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < first.timestamp():
        raise UsageError(f"{name}: {_subject(certificate)} is not valid before {first:%Y-%m-%d %H:%M} UTC")
    if now > last.timestamp():
        raise UsageError(f"{name}: {_subject(certificate)} expired on {last:%Y-%m-%d %H:%M} UTC")


def _check_chain(chain: Sequence[Certificate]) -> None:
    """Each of the certificates must come from the next."""
    from cryptography.exceptions import InvalidSignature

    for issued, issuer in itertools.pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            text = f"cert: {_subject(issued)} was not issued by {_subject(issuer)}, which follows it"
            raise UsageError(text) from error


def _check_key(certificate: Certificate, key: PrivateKeyTypes) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise UsageError(f"key: it is not the one of {_subject(certificate)}")


def _subject(certificate: Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"certificate {certificate.serial_number:x}"
