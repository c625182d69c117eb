"""What AT+QSSLCFG says of a TLS context, made into one of the standard library's.

TLS 1.0 to 1.2 and the table's suites, as far as OpenSSL has them; no TLS 1.3, of which the manual knows nothing.
"""

from __future__ import annotations

import re
import ssl
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from fcm360w.commands.tls import (
    CaCert,
    CipherSuite,
    ClientCert,
    ClientKey,
    IgnoreTime,
    SecLevel,
    Security,
    SessionCache,
    Sni,
    SslVersion,
    Suite,
    Version,
)
from fcm360w.settings import Setting
from fcm360w.sim.network import is_address

__all__ = ["SUITES", "Impossible", "Prepared", "Terms", "made"]

S = TypeVar("S", bound=Setting)

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, for which Python has no name
SESSIONS = 16  # that are kept for a context

SUITES: dict[CipherSuite, str] = {
    CipherSuite.TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
    CipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
    CipherSuite.TLS_RSA_WITH_RC4_128_SHA: "RC4-SHA",
    CipherSuite.TLS_RSA_WITH_3DES_EDE_CBC_SHA: "DES-CBC3-SHA",
    CipherSuite.TLS_RSA_WITH_AES_256_CBC_SHA256: "AES256-SHA256",
    CipherSuite.TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA: "ECDH-ECDSA-DES-CBC3-SHA",
    CipherSuite.TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA: "ECDH-ECDSA-AES128-SHA",
    CipherSuite.TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA: "ECDH-ECDSA-AES256-SHA",
    CipherSuite.TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA: "ECDHE-ECDSA-DES-CBC3-SHA",
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
    CipherSuite.TLS_ECDHE_RSA_WITH_RC4_128_SHA: "ECDHE-RSA-RC4-SHA",
    CipherSuite.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: "ECDHE-RSA-DES-CBC3-SHA",
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
    CipherSuite.TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA: "ECDH-RSA-DES-CBC3-SHA",
    CipherSuite.TLS_ECDH_RSA_WITH_AES_128_CBC_SHA: "ECDH-RSA-AES128-SHA",
    CipherSuite.TLS_ECDH_RSA_WITH_AES_256_CBC_SHA: "ECDH-RSA-AES256-SHA",
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256",
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384: "ECDHE-ECDSA-AES256-SHA384",
    CipherSuite.TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256: "ECDH-ECDSA-AES128-SHA256",
    CipherSuite.TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384: "ECDH-ECDSA-AES256-SHA384",
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384: "ECDHE-RSA-AES256-SHA384",
    CipherSuite.TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256: "ECDH-RSA-AES128-SHA256",
    CipherSuite.TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384: "ECDH-RSA-AES256-SHA384",
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
}
VERSIONS = {
    SslVersion.TLS_1_0: ssl.TLSVersion.TLSv1,
    SslVersion.TLS_1_1: ssl.TLSVersion.TLSv1_1,
    SslVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
}


Read = Callable[[str], bytes | None]


class Settings(Protocol):
    """Tells the value of an option; `whose`, the context it is of."""

    def __call__(self, row: type[S], *whose: Any) -> S: ...


class Impossible(Exception):
    """No connection can be opened with such a context; says why."""


class Terms(NamedTuple):
    """One context's settings, with what its files hold.  `tell_name`: an address is no name to tell."""

    version: SslVersion
    suite: CipherSuite
    level: SecLevel
    check_time: bool
    tell_name: bool
    cache: bool
    ca: bytes
    cert: bytes
    key: bytes

    @classmethod
    def of(cls, number: int, setting: Settings, read: Read, host: str, *, defaults: bool = False) -> Terms:
        """Those of a context, for a host; `read` gives a file of the module's.

        `defaults`: names that are not set are those of the manual's examples.  Impossible if a file that is needed is
        not there.
        """
        level = setting(Security, number).seclevel
        named = (
            ("cacert", setting(CaCert, number).cacert, "ca.pem", level is not SecLevel.NONE),
            ("clientcert", setting(ClientCert, number).clientcert, "user.pem", level is SecLevel.BOTH),
            ("clientkey", setting(ClientKey, number).clientkey, "user_key.pem", level is SecLevel.BOTH),
        )
        files = [
            _file(option, name or (default if defaults else ""), read) if needed else b""
            for option, name, default, needed in named
        ]
        return cls(
            setting(Version, number).ssl_version,
            setting(Suite, number).cipher_suites,
            level,
            not setting(IgnoreTime, number).ignore_ltime,
            bool(setting(Sni, number).sni) and not is_address(host),
            bool(setting(SessionCache, number).session_cache_enable),
            *files,
        )


def _file(option: str, name: str, read: Read) -> bytes:
    found = read(name) if name else None
    if found is None:
        raise Impossible(f"{option} is {name!r}, and there is no such file" if name else f"{option} is not set")
    return found


class Prepared:
    """A context ready for use, and the sessions that may be resumed with it, by server."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.context = made(terms)
        self._sessions: dict[tuple[str, int], ssl.SSLSession] = {}

    def name(self, host: str) -> str | None:
        """What the server is told it is called by."""
        return host if self.terms.tell_name else None

    def session(self, host: str, port: int) -> ssl.SSLSession | None:
        """The latest with a server, if sessions are kept."""
        return self._sessions.get((host, port))

    def keep(self, host: str, port: int, session: ssl.SSLSession | None) -> None:
        """Remember one; of many the oldest are forgotten."""
        self._sessions.pop((host, port), None)
        if self.terms.cache and session:
            self._sessions[host, port] = session
        if len(self._sessions) > SESSIONS:
            del self._sessions[next(iter(self._sessions))]


def made(terms: Terms) -> ssl.SSLContext:
    """The library's context.  Impossible if the library does not have what is asked for, or a file is not what it says.

    A server's name is looked for in its certificate if it is told to the server, too.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.options |= ssl.OP_NO_RENEGOTIATION
    _limit(context, terms.version)
    _choose(context, terms.suite)
    if terms.level is SecLevel.NONE:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not terms.check_time:
        context.verify_flags |= NO_CHECK_TIME
    context.check_hostname = terms.tell_name
    _trust(context, terms.ca)
    if terms.level is SecLevel.BOTH:
        _identify(context, terms.cert, terms.key)
    return context


def _limit(context: ssl.SSLContext, version: SslVersion) -> None:
    if version is SslVersion.SSL_3_0:
        raise Impossible("OpenSSL has no SSL 3.0 any more")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if version in (SslVersion.ALL, SslVersion.TLS_1_2):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if version is not SslVersion.ALL:
        _permit_old()
        context.maximum_version = context.minimum_version = VERSIONS[version]


def _permit_old() -> None:
    """The library deprecates what the module may have to speak.

    Filters of warnings are the whole process's, and to put them back is a race between threads: so this one, which
    concerns nothing but this file, stays.
    """
    warnings.filterwarnings("ignore", r"ssl\.TLSVersion\.", DeprecationWarning, re.escape(__name__))


def _choose(context: ssl.SSLContext, suite: CipherSuite) -> None:
    names = list(SUITES.values()) if suite is CipherSuite.ALL else [SUITES[suite]]
    try:
        context.set_ciphers(":".join([*names, "@SECLEVEL=0"]))
    except ssl.SSLError:
        raise Impossible(f"OpenSSL has no {suite.name} any more") from None


def _trust(context: ssl.SSLContext, ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=ca.decode("ascii") if b"-----BEGIN" in ca else ca)
    except (ssl.SSLError, ValueError) as error:
        raise Impossible(f"the file of cacert is no certificate: {error}") from None


def _identify(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """The library reads these from files only."""
    with tempfile.TemporaryDirectory(prefix="fcm360w-") as folder:
        paths = Path(folder, "cert.pem"), Path(folder, "key.pem")
        for path, text in zip(paths, (cert, key), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(text)
        try:
            context.load_cert_chain(*paths, password="")
        except (ssl.SSLError, ValueError) as error:
            raise Impossible(f"clientcert and clientkey are not of use: {error}") from None
