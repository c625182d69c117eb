"""The module's six TLS contexts: who has one, what it was set to, and setting it again after a restart.

What a context asks for is checked by certificates.py before; nothing here does I/O.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from fcm360w.commands.system import Switch
from fcm360w.commands.tls import (
    CaCert,
    CipherSuite,
    ClientCert,
    ClientKey,
    IgnoreTime,
    NegotiateTime,
    SecLevel,
    Security,
    SessionCache,
    Sni,
    SslVersion,
    Suite,
    Version,
)
from fcm360w.errors import UsageError
from fcm360w.flows.tls import set_each, stored
from fcm360w.link import Link
from fcm360w.settings import Setting
from fcm360w.steps import Steps

NUMBERS = range(6)


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a context is to do.  `ca`, `cert` and `key` are PEM, empty if there is none; a repr shows none of them."""

    ca: bytes = dataclasses.field(default=b"", repr=False)
    cert: bytes = dataclasses.field(default=b"", repr=False)
    key: bytes = dataclasses.field(default=b"", repr=False)
    level: SecLevel = SecLevel.NONE
    version: SslVersion = SslVersion.ALL
    cipher: CipherSuite = CipherSuite.ALL
    sni: bool = True
    check_time: bool = False
    session_cache: bool = False
    handshake: int = 300

    def files(self, number: int) -> Iterator[tuple[str, bytes]]:
        """The files of a context, by name.  A context has its own, so that they stay few."""
        named = (("ca", self.ca), ("cert", self.cert), ("key", self.key))
        yield from ((file_name(number, kind), data) for kind, data in named if data)

    def settings(self, number: int) -> Iterator[Setting]:
        """Every option, since an earlier owner may have set another."""
        yield Version(number, self.version)
        yield Suite(number, self.cipher)
        yield Security(number, self.level)
        yield IgnoreTime(number, Switch(not self.check_time))
        yield NegotiateTime(number, self.handshake)
        yield Sni(number, Switch(self.sni))
        yield SessionCache(number, Switch(self.session_cache))
        rows = {"ca": CaCert, "cert": ClientCert, "key": ClientKey}
        names = [name for name, _ in self.files(number)]
        for kind, row in rows.items():
            name = file_name(number, kind)
            yield row(number, name if name in names else "")


def file_name(number: int, kind: str) -> str:
    """What a context calls a file of its own."""
    return f"tls{number}_{kind}.pem"


class Pool:
    """Which contexts are whose."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        """The lowest that is free.  UsageError if none is."""
        number = next((number for number in NUMBERS if number not in self._taken), None)
        if number is None:
            raise UsageError("all six TLS contexts of the module are in use: close one first (manual 2.4.1)")
        self._taken.add(number)
        return number

    def give_back(self, number: int) -> None:
        self._taken.discard(number)


class Context:
    """A TLS context of the module, for streams, MQTT and HTTP.

    It keeps its number until it is closed.  Connections that were opened with it go on after that.
    """

    def __init__(self, link: Link, pool: Pool, number: int, terms: Terms) -> None:
        self._link = link
        self._pool = pool
        self._number = number
        self._restarts = link.restarts
        self.terms = terms
        self.closed = False

    @property
    def context_id(self) -> int:
        """The module's number of it, 0 to 5.  UsageError if it was closed."""
        if self.closed:
            raise UsageError("the TLS context is closed")
        return self._number

    @property
    def handshake(self) -> float:
        """Seconds that a handshake may take."""
        return float(self.terms.handshake)

    def check(self, link: Link) -> None:
        """UsageError if it was closed, or is another module's."""
        if self._link is not link:
            raise UsageError("the TLS context is another module's: make one for this (manual 2.4.1)")
        _ = self.context_id

    def ready(self) -> Steps[int]:
        """Set it up again if the module has restarted since: options are not saved.  Its number."""
        number, restarts = self.context_id, self._link.restarts
        if self._restarts != restarts:
            yield from prepared(number, self.terms)
            self._restarts = restarts
        return number

    def close(self) -> None:
        """Give it back.  Its files stay: the next that asks for the same need not write them again."""
        if not self.closed:
            self.closed = True
            self._pool.give_back(self._number)

    def __repr__(self) -> str:
        return f"<Context {'closed' if self.closed else self._number}: {self.terms}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def prepared(number: int, terms: Terms) -> Steps[None]:
    """Have the module keep a context's files, and set its options."""
    for name, data in terms.files(number):
        yield from stored(name, data)
    yield from set_each(terms.settings(number))


def new_context(link: Link, pool: Pool, terms: Terms) -> Steps[Context]:
    """Set up the lowest free context.  It is free again if that fails."""
    number = pool.take()
    context = Context(link, pool, number, terms)
    try:
        yield from prepared(number, terms)
    except BaseException:
        context.close()
        raise
    return context
