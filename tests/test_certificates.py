"""What is found wrong with certificates before the module gets them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

import certificates
from certificates import EXPIRED, FUTURE, Authority, Issued, make_key, pem_of
from fcm360w.certificates import Verify, check, read_pem, terms
from fcm360w.commands.tls import CipherSuite, SecLevel, SslVersion
from fcm360w.contexts import Terms
from fcm360w.errors import UsageError

CA = certificates.authority().pem
MINE = certificates.client()


def made(
    ca: Any = None, cert: Any = None, key: Any = None, verify: Verify | None = None, handshake: int = 300
) -> Terms:
    return terms(ca, cert, key, verify, time.time(), SslVersion.ALL, CipherSuite.ALL, True, False, False, handshake)


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, SecLevel.NONE),
        ({"ca": CA}, SecLevel.SERVER),
        ({"ca": CA, "cert": MINE.cert, "key": MINE.key}, SecLevel.BOTH),
        ({"ca": CA, "verify": "none"}, SecLevel.NONE),
        ({"ca": CA, "cert": MINE.cert, "key": MINE.key, "verify": "server"}, SecLevel.SERVER),
    ],
)
def test_whose_certificate_is_checked(given: dict[str, Any], level: SecLevel) -> None:
    assert made(**given).level is level


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"cert": MINE.cert}, "key is missing"),
        ({"key": MINE.key}, "cert is missing"),
        ({"cert": MINE.cert, "key": MINE.key}, "ca is missing"),
        ({"verify": "server"}, r"ca is missing.*manual 2\.4\.1"),
        ({"ca": CA, "verify": "both"}, r"cert and key are missing.*manual 2\.4\.1"),
        ({"ca": CA, "verify": "all"}, "not one of none, server, both"),
        ({"handshake": 9}, r"negotiate_time 9 is outside 10\.\.300 \(manual 2\.4\.1\)"),
        ({"ca": b"no PEM"}, "ca: no certificate in PEM form"),
        ({"ca": "/nowhere/ca.pem"}, "ca: /nowhere/ca.pem cannot be read"),
        ({"ca": CA, "cert": MINE.cert, "key": MINE.cert}, "key: no private key in PEM form"),
        ({"ca": CA, "cert": MINE.cert, "key": certificates.server().key}, "key: it is not the one of CN=module 7"),
        ({"ca": Authority("old", days=EXPIRED).pem}, "ca: CN=old expired on 20"),
        ({"ca": Authority("new", days=FUTURE).pem}, "ca: CN=new is not valid before 20"),
    ],
)
def test_what_does_not_fit_is_told(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        made(**given)


def test_a_chain_must_hang_together() -> None:
    between = Authority("between", above=certificates.authority())
    good = between.issue("module 7")
    made(CA, good.cert, good.key)
    bad = Issued(good.cert + certificates.stranger().pem, good.key)
    with pytest.raises(UsageError, match="cert: CN=between was not issued by CN=Test CA, which follows it"):
        made(CA, bad.cert, bad.key)


def test_an_encrypted_key_is_refused() -> None:
    key = make_key("ec")
    cert = certificates.authority().sign(key, ["module 7"]).public_bytes(Encoding.PEM)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    made(CA, cert, pem_of(key))
    with pytest.raises(UsageError, match="key: it is encrypted"):
        made(CA, cert, locked)


def test_certificates_may_be_bytes_text_or_paths(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(CA)
    for source in (CA, CA.decode(), path, str(path)):
        assert read_pem("ca", source) == CA


def test_nothing_secret_is_shown() -> None:
    assert "PRIVATE" not in repr(made(CA, MINE.cert, MINE.key))


def test_without_cryptography_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    check(b"", b"", b"", time.time())
    with pytest.raises(UsageError, match=r"pip install 'fcm360w\[tls\]'"):
        check(CA, b"", b"", time.time())
