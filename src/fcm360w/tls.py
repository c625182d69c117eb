"""TLS for programs with threads: contexts, and what the module says of its connections (manual 2.4)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from fcm360w.certificates import Pem, Verify, terms
from fcm360w.channel import Mode
from fcm360w.commands.tls import CipherSuite, ConnectionInfo, ListConnections, SslVersion
from fcm360w.contexts import Context, Pool, new_context
from fcm360w.link import Link
from fcm360w.settings import Get, Set, Setting
from fcm360w.streams import Stream

if TYPE_CHECKING:
    from fcm360w.module import Module

S = TypeVar("S", bound=Setting)


class Tls:
    """TLS contexts and connections of the module (manual 2.4)."""

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link
        self._pool = Pool()

    def context(
        self,
        ca: Pem = None,
        cert: Pem = None,
        key: Pem = None,
        verify: Verify | None = None,
        *,
        version: SslVersion = SslVersion.ALL,
        cipher: CipherSuite = CipherSuite.ALL,
        sni: bool = True,
        check_time: bool = False,
        session_cache: bool = False,
        handshake: int = 300,
    ) -> Context:
        """Set up one of the module's six TLS contexts, for streams, MQTT and HTTP.

        `ca`, `cert` and `key` are PEM: bytes, text or a path.  They are written to the module's files unless it has
        them already.  `verify`: whose certificate is checked; without it as much as there are certificates for, and
        nobody's if there are none.  `check_time`: the module refuses a server's certificate that has expired, for which
        its clock must be right.  `handshake`: seconds, 10 to 300.
        UsageError before anything is sent if one of them is no PEM, has expired, or does not fit another, or
        cryptography, which tells, is not installed; if all six are in use.  CommandError, ProtocolError as
        Files.write_bytes (manual 2.4.1).
        """
        options = (version, cipher, sni, check_time, session_cache, handshake)
        wanted = terms(ca, cert, key, verify, time.time(), *options)
        return self._module.run(new_context(self._link, self._pool, wanted))

    def connect(self, host: str, port: int, context: Context, mode: Mode = "transparent") -> Stream:
        """As Module.stream under TLS."""
        return self._module.stream(host, port, mode, context)

    def connections(self) -> tuple[ConnectionInfo, ...]:
        """Every TLS connection of the module, by ascending id (manual 2.4.6)."""
        return self._module.run(ListConnections())

    def get(self, setting: type[S], context_id: int) -> S:
        """The value of an option of a context, such as `get(tls.Sni, 0)` (manual 2.4.1)."""
        return self._module.run(Get(setting, (context_id,)))

    def set(self, setting: Setting) -> None:
        """Set an option of a context, such as `set(tls.Sni(0, Switch.ON))` (manual 2.4.1)."""
        self._module.run(Set(setting))
