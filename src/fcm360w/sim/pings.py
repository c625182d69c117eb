"""Echo requests of the module's, one after the other, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.net import Ping, Pinged, PingSummary
from fcm360w.sim.names import Answer, Lookup, Names
from fcm360w.sim.network import Attempt, Echo, Network
from fcm360w.sim.steps import Refused
from fcm360w.wire import Reply

__all__ = ["Pings"]

SIZE = 32  # of a request's payload, bytes
EVERY = 1.0  # seconds from a request to the next


class Run:
    """One AT+QPING.  `ms` has the time of each reply."""

    def __init__(self, command: Ping) -> None:
        self.command = command
        self.address = ""
        self.sent = 0
        self.ms: list[int] = []
        self.failure = SocketCode.SUCCESS

    @property
    def lost(self) -> int:
        return self.sent - len(self.ms)

    def summary(self) -> Reply:
        """The last line."""
        if not self.ms:
            return Pinged(self.failure)
        mean = round(sum(self.ms) / len(self.ms))
        return PingSummary(0, self.sent, len(self.ms), self.lost, min(self.ms), max(self.ms), mean)


class Pings:
    """At most one run at a time.  `online` says whether there is a network."""

    def __init__(
        self, network: Network, names: Names, tell: Callable[[Reply], object], online: Callable[[], bool]
    ) -> None:
        self._network = network
        self._names = names
        self._tell = tell
        self._online = online
        self._run: Run | None = None
        self._lookup: Lookup | None = None
        self._attempt: Attempt | None = None
        self._echo: Echo | SocketCode | None = None
        self._began = 0.0
        self._at: float | None = None  # when the next request is due
        self._until: float | None = None  # how long the answer to the last has

    def start(self, command: Ping, now: float) -> None:
        """Begin.  Refused if another run is not over."""
        if self._run:
            raise Refused(SocketCode.BUSY)
        self._run = Run(command)
        self._lookup = self._names.look_up(command.host, now, self._found)

    def _found(self, result: Answer | SocketCode) -> None:
        self._lookup = None
        if self._run is None:
            return
        if isinstance(result, SocketCode):
            self._tell(Pinged(result))
            self._run = None
            return
        self._run.address, self._at = result.addresses[0], 0.0

    def deadline(self) -> float | None:
        times = (0.0 if self._echo is not None else None, self._at, self._until)
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        run = self._run
        if run is None:
            return
        if self._until is not None and (self._echo is not None or now >= self._until):
            self._answered(run, now)
        if self._at is not None and now >= self._at:
            self._request(run, now)

    def _request(self, run: Run, now: float) -> None:
        run.sent += 1
        self._at, self._began, self._until = None, now, now + run.command.seconds
        if self._online():
            self._attempt = self._network.ping(run.address, SIZE, self._take)
        else:
            self._echo = SocketCode.CONNECT_FAILED

    def _take(self, result: Echo | SocketCode) -> None:
        self._echo = result

    def _answered(self, run: Run, now: float) -> None:
        """The answer is here, or will not come."""
        echo = SocketCode.TIMED_OUT if self._echo is None else self._echo
        self._drop()
        if isinstance(echo, SocketCode):
            run.failure = echo
            self._tell(Pinged(echo))
        else:
            run.ms.append(round((now - self._began) * 1000))
            self._tell(Pinged(0, echo.address, echo.size, run.ms[-1], echo.ttl))
        if run.sent < run.command.pingnum:
            self._at = max(now, self._began + EVERY)
        else:
            self._run = None
            self._tell(run.summary())

    def _drop(self) -> None:
        if self._attempt:
            self._attempt.cancel()
        self._attempt = self._echo = self._until = None

    def lose(self) -> None:
        """Whatever is under way will not be answered, and what is still to be sent will not be sent."""
        if self._run and self._until is not None and self._echo is None:
            self._echo = SocketCode.CONNECT_FAILED

    def reset(self) -> None:
        if self._lookup:
            self._lookup.cancel()
        self._drop()
        self._run = self._lookup = self._at = None
