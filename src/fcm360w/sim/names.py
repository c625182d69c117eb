"""Names of hosts: asked of the servers that the host has set, or, as long as it has set none, of the hotspot's own.

That is this machine's, for the twin's hotspots are no networks of their own.  Servers are asked in DNS by UDP.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.network import Attempt, Datagrams, Network, is_address

if TYPE_CHECKING:
    import dns.message

__all__ = ["Answer", "Lookup", "Names"]

log = logging.getLogger("fcm360w.sim")

PORT = 53
PATIENCE = 5.0  # with one server, seconds
ROUNDS = 2
AT_ONCE = 4
HOTSPOT_TTL = 600  # seconds; nobody says for how long this machine's answers hold
MISSING = "no DNS server can be asked: pip install 'fcm360w[sim]' brings what it takes"


class Answer(NamedTuple):
    """The addresses of a name, dotted, and the seconds for which they hold."""

    addresses: tuple[str, ...]
    ttl: int


Done = Callable[[Answer | SocketCode], None]


class Lookup:
    """One name.  `done` is told once, in a tick; never before begin() has returned."""

    def __init__(self, network: Network, chance: random.Random, name: str, done: Done) -> None:
        self._network = network
        self._chance = chance
        self._name = name
        self._done: Done | None = done
        self._result: Answer | SocketCode | None = None
        self._left: list[str] = []
        self._server = ""
        self._until: float | None = None
        self._query: dns.message.Message | None = None
        self._datagrams: Datagrams | None = None
        self._attempt: Attempt | None = None

    @property
    def over(self) -> bool:
        return self._done is None

    def begin(self, servers: tuple[str, ...], now: float) -> None:
        """Ask these servers by turns; without any, the hotspot's."""
        if is_address(self._name):
            self._result = Answer((self._name,), 0)
        elif servers:
            self._left = [*servers] * ROUNDS
            self._ask(now)
        else:
            self._attempt = self._network.resolve(self._name, self._found)

    def fail(self, code: SocketCode) -> None:
        """End it so."""
        self._result = code

    def _found(self, address: str) -> None:
        self._attempt = None
        self._result = Answer((address,), HOTSPOT_TTL) if address else SocketCode.DNS_FAILED

    def _ask(self, now: float) -> None:
        """Send the question to the next server, as a new one: an answer that comes too late is nobody's."""
        self._close()
        question = self._question()
        datagrams = self._network.datagrams(0, client=True) if question else SocketCode.DNS_FAILED
        if question is None or isinstance(datagrams, SocketCode):
            self._result = SocketCode.DNS_FAILED
            return
        self._datagrams, self._server, self._until = datagrams, self._left.pop(0), now + PATIENCE
        datagrams.send(question, self._server, PORT)

    def _question(self) -> bytes | None:
        try:
            import dns.exception
            import dns.message
        except ImportError:
            log.warning(MISSING)
            return None
        try:
            self._query = dns.message.make_query(self._name, "A", id=self._chance.randrange(65536))
        except (dns.exception.DNSException, UnicodeError) as error:
            log.info("%s is no name: %s", self._name, error)
            return None
        return self._query.to_wire()

    def deadline(self) -> float | None:
        waiting = self._result is not None or (self._datagrams is not None and self._datagrams.readable)
        return 0.0 if waiting else self._until

    def tick(self, now: float) -> None:
        if self._datagrams and self._result is None:
            self._hear()
            if self._result is None and self._until is not None and now >= self._until:
                self._next(now)
        if self._result is not None and self._done:
            done, self._done = self._done, None
            self._close()
            done(self._result)

    def _next(self, now: float) -> None:
        log.info("the name server %s says nothing", self._server)
        if self._left:
            self._ask(now)
        else:
            self._result = SocketCode.DNS_FAILED

    def _hear(self) -> None:
        while self._datagrams and self._datagrams.readable and self._result is None:
            came = self._datagrams.receive()
            if came and came[1:] == (self._server, PORT):
                self._result = self._read(came[0])

    def _read(self, data: bytes) -> Answer | SocketCode | None:
        """What an answer says; None if it is none to this question."""
        import dns.exception
        import dns.message

        assert self._query is not None
        try:
            response = dns.message.from_wire(data)
            if not self._query.is_response(response):
                return None
            if not isinstance(response, dns.message.QueryMessage):
                return SocketCode.DNS_FAILED
            found = response.resolve_chaining()
        except dns.exception.DNSException as error:
            log.info("%s: %s", self._name, error)
            return SocketCode.DNS_FAILED
        addresses = tuple(record.address for record in found.answer or ())
        return Answer(addresses, found.minimum_ttl) if addresses else SocketCode.DNS_FAILED

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._done = None
        self._close()

    def _close(self) -> None:
        if self._attempt:
            self._attempt.cancel()
        if self._datagrams:
            self._datagrams.close()
        self._attempt = self._datagrams = None


class Names:
    """All names that are being looked up.  `servers` are those that the host has set."""

    def __init__(self, network: Network, chance: random.Random, servers: Callable[[], tuple[str, ...]]) -> None:
        self._network = network
        self._chance = chance
        self._servers = servers
        self._lookups: list[Lookup] = []

    def look_up(self, name: str, now: float, done: Done) -> Lookup:
        """Begin; at most four at once, the next are told that DNS is busy."""
        lookup = Lookup(self._network, self._chance, name, done)
        if sum(not each.over for each in self._lookups) >= AT_ONCE:
            lookup.fail(SocketCode.DNS_BUSY)
        else:
            lookup.begin(self._servers(), now)
        self._lookups.append(lookup)
        return lookup

    def deadline(self) -> float | None:
        times = (each.deadline() for each in self._lookups if not each.over)
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        for each in list(self._lookups):
            each.tick(now)
        self._lookups = [each for each in self._lookups if not each.over]

    def lose(self) -> None:
        """No answer comes any more."""
        for each in self._lookups:
            each.fail(SocketCode.DNS_FAILED)

    def reset(self) -> None:
        for each in self._lookups:
            each.cancel()
        self._lookups.clear()
