"""Connections that the module opens under TLS: TCP, then a handshake, as one attempt."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tls import NegotiateTime
from fcm360w.sim.network import Attempt, Connection, Network
from fcm360w.sim.steps import Refused

if TYPE_CHECKING:
    from fcm360w.sim.contexts import Prepared, Read, Settings
    from fcm360w.sim.secured import Handshake

__all__ = ["Dialler"]

log = logging.getLogger("fcm360w.sim")

Done = Callable[[Connection | SocketCode], None]


class SecureAttempt:
    """One attempt.  It is served by `tick`, at `deadline()` at the latest, until `done` has been told.

    A handshake may take `patience` seconds.
    """

    def __init__(self, place: tuple[str, int], prepared: Prepared | None, patience: float, done: Done) -> None:
        self.over = False
        self._place = place
        self._prepared = prepared
        self._patience = patience
        self._done = done
        self._attempt: Attempt | None = None
        self._handshake: Handshake | None = None
        self._until: float | None = None

    def start(self, network: Network) -> None:
        """Connect.  One that has no context fails when it is served."""
        if self._prepared:
            self._attempt = network.connect(*self._place, 0, self._connected)

    def _connected(self, result: Connection | SocketCode) -> None:
        from fcm360w.sim.secured import Handshake

        assert self._prepared is not None
        self._attempt = None
        if isinstance(result, SocketCode):
            self._settle(result)
            return
        name, session = self._prepared.name(self._place[0]), self._prepared.session(*self._place)
        try:
            self._handshake = Handshake(result, self._prepared.context, name, session)
        except ValueError as error:  # no name that could be told
            result.close()
            self._fail(str(error))

    def deadline(self) -> float | None:
        if self._attempt:
            return None
        handshake = self._handshake
        return 0.0 if handshake is None or handshake.readable or self._until is None else self._until

    def tick(self, now: float) -> None:
        if self._attempt:
            return
        if self._handshake is None:
            self._settle(SocketCode.CONNECT_FAILED)
            return
        begun = self._until is not None
        self._until = now + self._patience if self._until is None else self._until
        if not begun or self._handshake.readable:
            self._step(self._handshake)
        if not self.over and now >= self._until:
            self._fail(f"the handshake takes more than {self._patience:g} s")

    def _step(self, handshake: Handshake) -> None:
        import ssl

        assert self._prepared is not None
        try:
            link = handshake.step()
        except (ssl.SSLError, ValueError) as error:
            self._fail(str(error))
            return
        if link:
            self._prepared.keep(*self._place, link.session)
            agreed = [*link.agreed, *(["resumed"] if link.resumed else [])]
            log.info("TLS with %s:%d: %s", *self._place, ", ".join(agreed))
            self._handshake = None
            self._settle(link)

    def _fail(self, reason: str) -> None:
        log.warning("TLS with %s:%d: %s", *self._place, reason)
        self._settle(SocketCode.CONNECT_FAILED)

    def _settle(self, result: Connection | SocketCode) -> None:
        self._let_go()
        self._done(result)

    def cancel(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        self.over = True
        if self._attempt:
            self._attempt.cancel()
        if self._handshake:
            self._handshake.close()
        self._attempt = self._handshake = None


class Dialler:
    """A service of the module: every attempt that is under way, and what six contexts remember.

    `read` gives a file of the module's.  `default_names`: certificates that are not set are those of the manual's
    examples.
    """

    def __init__(self, network: Network, setting: Settings, read: Read, *, default_names: bool) -> None:
        self._network = network
        self._setting = setting
        self._read = read
        self._default_names = default_names
        self._attempts: list[SecureAttempt] = []
        self._prepared: dict[tuple[int, bool], Prepared] = {}

    def dial(self, host: str, port: int, context: int, done: Done) -> Attempt:
        """Connect, and agree on TLS as the context says; `done` is called later, once."""
        patience = float(self._setting(NegotiateTime, context).negotiate_time)
        attempt = SecureAttempt((host, port), self._prepare(context, host), patience, done)
        self._attempts.append(attempt)
        attempt.start(self._network)
        return attempt

    def _prepare(self, number: int, host: str) -> Prepared | None:
        """What a context says now; with the sessions of before, if it says the same as then."""
        from fcm360w.sim.contexts import Impossible, Prepared, Terms

        try:
            terms = Terms.of(number, self._setting, self._read, host, defaults=self._default_names)
            known = self._prepared.get((number, terms.tell_name))
            if known is None or known.terms != terms:
                self._prepared[number, terms.tell_name] = known = Prepared(terms)
        except Impossible as reason:
            log.warning("TLS context %d: %s", number, reason)
            return None
        except Refused:
            return None  # the file system has failed, and has said so
        return known

    def deadline(self) -> float | None:
        times = [attempt.deadline() for attempt in self._attempts]
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        for attempt in list(self._attempts):
            if not attempt.over:
                attempt.tick(now)
        self._attempts = [attempt for attempt in self._attempts if not attempt.over]

    def lose(self) -> None:
        """Whoever dialled gives up."""

    def reset(self) -> None:
        for attempt in self._attempts:
            attempt.cancel()
        self._attempts.clear()
        self._prepared.clear()
