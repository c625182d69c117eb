"""What a flow may yield besides a command, and the policy that guards data mode.

A flow is a generator of steps.  It knows nothing of threads, tasks or clocks: whoever runs it performs each step on the
link and sends the result back in, so that every procedure is written once for threads and for asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, NamedTuple, TypeVar

from fcm360w.errors import CommandTimeout
from fcm360w.wire import Command, Flow, Reply

E = TypeVar("E", bound=Reply)
R = TypeVar("R")
Steps = Generator[Any, Any, R]


class EscapePolicy(NamedTuple):
    """How data mode is entered and left safely; times in seconds.

    `guard_before` and `guard_after` are the module's silences around ``+++``; `slack` is the jitter that the path may
    add to a pause.  Within it no payload can form an escape; beyond it no host can promise that: use push mode there.
    `hold` is the silence after which what looks like NO CARRIER is examined; `answer` how long an answer may take
    beyond the guard; `patience` how much longer than the wire needs bytes may be on the way before leaving fails.
    """

    guard_before: float = 1.0
    guard_after: float = 1.0
    slack: float = 0.05
    hold: float = 0.02
    answer: float = 0.3
    attempts: int = 3
    patience: float = 10.0

    @property
    def before(self) -> float:
        return self.guard_before + self.slack

    @property
    def after(self) -> float:
        return self.guard_after + self.slack


class Within(Generic[R]):
    """A command with a time limit of the caller's, in seconds, instead of the manual's."""

    def __init__(self, command: Command[R], seconds: float) -> None:
        self.command = command
        self.seconds = seconds

    def __iter__(self) -> Steps[R]:
        result: R = yield self
        return result


class Unbroken(Generic[R]):
    """A command that is not interrupted once it is begun, so that its answer is not taken for another's.

    An interrupt that has come before goes first, unless the command is `urgent`: it undoes what was interrupted.
    `begun` is called when the command is sent; it is never if the interrupt went first.
    """

    def __init__(self, command: Command[R], urgent: bool = False, begun: Callable[[], object] = lambda: None) -> None:
        self.command = command
        self.urgent = urgent
        self.begun = begun

    def __iter__(self) -> Steps[R]:
        result: R = yield self
        return result


class Until(Generic[E]):
    """Wait for an unsolicited line of a kind; None if it does not come in `seconds`.

    One that came earlier and nobody has taken counts, unless it must be `fresh`.
    """

    def __init__(
        self, kind: type[E], seconds: float, match: Callable[[E], bool] = lambda _: True, fresh: bool = False
    ) -> None:
        self.kind = kind
        self.seconds = seconds
        self.match = match
        self.fresh = fresh

    def __iter__(self) -> Steps[E | None]:
        result: E | None = yield self
        return result


class Pause(NamedTuple):
    """Let time pass; lines that arrive are handled."""

    seconds: float


class Now(NamedTuple):
    """The time, in seconds of the clock the link is run by."""


class Heard(NamedTuple):
    """How many bytes have come from the module so far."""


class Foreign(NamedTuple):
    """How much has come that no module says: lines that belong to nothing, payload that belongs to nobody."""


class Silence(NamedTuple):
    """Wait until nothing has been on its way to the module for `seconds`.

    In data mode False, early, if a suspicion dissolves.  CommandTimeout if bytes are still stuck on the way after
    `patience`: an escape behind them would be payload.
    """

    seconds: float
    patience: float = 10.0


class Guarded(NamedTuple):
    """Send ``+++`` and wait out the silence after it.  The result is a Marker: OK, NO_CARRIER, or none for no answer.

    Silence before it is the flow's affair.  With `last`, no answer means that nobody knows where the module is.
    """

    policy: EscapePolicy
    last: bool = False


class Rate(NamedTuple):
    """This side's bit rate: change it to `rate`, or only tell it.  The result is the one before.

    `saved`: the module starts with it from now on.  UsageError if the port cannot change its rate, also if only asked.
    """

    rate: int | None = None
    saved: bool = False


class StartRate(NamedTuple):
    """Change this side's bit rate to the one that the module starts with, if it runs at one that was not saved."""


class Later(NamedTuple):
    """Have a flow run before the next one, once the module answers again; what it is refused is forgotten.

    It begins anew when it was interrupted, or got no answer.
    """

    flow: Callable[[], Flow[Any]]


class Drained(NamedTuple):
    """Wait until what nobody reads any more has been poured out; given up after `silence` s without a byte."""

    silence: float
    limit: float = 600.0


class Tell(NamedTuple):
    """Let every channel hear of a line that the module owes: it has been found out without it."""

    row: Reply


def until(kind: type[E], seconds: float, match: Callable[[E], bool] = lambda _: True) -> Steps[E]:
    """As Until; CommandTimeout if the line does not come."""
    event = yield from Until(kind, seconds, match)
    if event is None:
        raise CommandTimeout(f"waiting for {kind.__name__}", seconds, kind.ref)
    return event


def forget(kind: type[Reply]) -> Steps[None]:
    """Drop the lines of a kind that have come already, lest they be taken for the answer to what is asked next."""
    while (yield from Until(kind, 0.0)):
        continue
