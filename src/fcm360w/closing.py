"""Payload whose length nobody tells: after CONNECT the module pours it out, and its own lines close it.

Where the payload ends is known if its length was announced: there, and nowhere before, stands the OK.  If it was not,
or the announcement was wrong, an end is suspected behind the last OK after which nothing came but the module's lines,
the command's own among them.  If silence follows, the module is asked whether it listens: in the midst of a payload it
would not answer.  Such an end is `inferred`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from fcm360w import commands
from fcm360w.escape import RESTARTED, WATCH_TAIL, Marker, Verdict, Watch
from fcm360w.framer import Framer, Kind
from fcm360w.inbox import INBOX, Buffer, Inbox
from fcm360w.parameters import decode
from fcm360w.pending import MARGIN, Exchange, Pending
from fcm360w.states import Cause
from fcm360w.stats import Mark
from fcm360w.steps import Drained, Steps
from fcm360w.waits import KINDS
from fcm360w.wire import Command

if TYPE_CHECKING:
    from fcm360w.link import Link

R = TypeVar("R")
OK = b"\r\nOK\r\n"

# No command: its answer is no OK, and so cannot be taken for the one that closes a payload.
PROBE = "AT+Q"
ANSWER = re.compile(rb"\r\n(?:OK|ERROR|\+CME ERROR: *\d+ *)\r\n")

# The silence, in seconds, after which what looks like the end is put to the test.
HOLD = 0.25

_RULES = list(commands.RULES.values())
_UNASKED = (1 << commands.UNSOLICITED) - 1


class Intake:
    """What is poured out and nobody has taken yet; `measure` tells from its beginning how long it is, if that can be.

    `measure` is given all that has come, until it returns a number or None for unknown; ``...`` asks for more.
    `inferred`: the end was not where it was announced, or it was not announced.
    """

    def __init__(self, mark: Mark, measure: Callable[[bytes], Any] = lambda _: None) -> None:
        self.pieces = Inbox(mark)
        self.length: int | None = None
        self.inferred = self.closed = False
        self._measure: Callable[[bytes], Any] | None = measure
        self._begun = bytearray()

    @property
    def measured(self) -> bool:
        """Whether it is known how long it is, or that this cannot be known."""
        return self.closed or self._measure is None

    def learn(self, passed: int, data: Buffer) -> None:
        """Look at the bytes that follow the first `passed`."""
        if self._measure is None:
            return
        self._begun[passed:] = data
        found = self._measure(bytes(self._begun))
        if found is not ...:
            self.length, self._measure = found, None
            self._begun.clear()


class Poured(NamedTuple):
    """A step: run a command that pours payload out, to its end."""

    command: Command[Any]
    intake: Intake


def poured(command: Command[R], intake: Intake) -> Steps[R]:
    """Run a command that pours payload out, to its end."""
    result: R = yield Poured(command, intake)
    return result


class Pour:
    """The payload of one command, while it comes.  `wanted`: somebody takes it."""

    def __init__(self, link: Link, owner: Pouring, intake: Intake) -> None:
        self._owner = owner
        self._intake = intake
        self._watch = Watch(Marker.OK | RESTARTED, _RULES, HOLD, link.now)
        self._watch.armed = _UNASKED
        names = b"|".join(re.escape(name.encode()) for name in owner.command.replies())
        self._closes = re.compile(rb"\r\n(?:%s): *\d+ *\r\n" % names)
        self._withheld = b""
        self._passed = 0
        self._suspected = 0  # withheld bytes that are the end, if the probe behind them is answered
        self._probes = 0
        self._settled: float | None = None  # when it is the end, unless earlier probes are answered until then

    @property
    def wanted(self) -> bool:
        return not self._owner.done

    @property
    def has_room(self) -> bool:
        return not self.wanted or len(self._intake.pieces) < INBOX

    @property
    def deadline(self) -> float | None:
        if self._suspected:
            return self._settled
        return self._watch.deadline if self._watch.verdict is Verdict.SUSPECT else None

    def receive(self, link: Link, data: Buffer, now: float) -> None:
        """Bytes came."""
        self._owner.extend(link)
        whole = self._withheld + bytes(data)
        self._intake.learn(self._passed, whole)
        if self._ends_as_announced(link, whole, now):
            return
        if self._suspected:
            answers = self._answers(whole[self._suspected :])
            if answers is not None:
                self._withheld = whole
                self._settled = now + HOLD if answers else None
                if answers >= self._probes:
                    self._settle(link, now)
                return
            self._suspected = 0
        count = self._watch.step(whole, now)
        self._pass(whole[:count], now)
        self._withheld = whole[count:]

    def tick(self, link: Link, now: float) -> None:
        deadline = self.deadline
        if deadline is None or now < deadline:
            return
        if self._suspected:
            self._settle(link, now)
            return
        self._watch.step(self._withheld, now)
        restarted = bool(self._watch.marker & RESTARTED)
        if self._watch.verdict is Verdict.SILENT and (restarted or self._closes.search(self._withheld)):
            self._suspected = len(self._withheld)
            self._settled = None
            self._probes += 1
            link.remember(PROBE, PROBE)
            link.out += PROBE.encode() + b"\r\n"
            link.say(">", PROBE)

    def _settle(self, link: Link, now: float) -> None:
        """It was the end."""
        self._intake.inferred = True
        marker, lines = self._withheld[: self._watch.marker_len], self._withheld[self._watch.marker_len :]
        self._end(link, b"", marker + without_answers(lines), now)

    def _answers(self, extra: bytes) -> int | None:
        """How many probes are answered by what follows the suspected end; None if it is payload."""
        lines = without_answers(extra)
        if len(extra) > WATCH_TAIL or not said_by_module(lines, whole=False):
            return None
        return sum(1 for _ in ANSWER.finditer(extra)) - sum(1 for _ in ANSWER.finditer(lines))

    def _pass(self, data: bytes, now: float) -> None:
        self._passed += len(data)
        if self.wanted:
            self._intake.pieces.put(data, now)

    def _ends_as_announced(self, link: Link, whole: bytes, now: float) -> bool:
        length = self._intake.length
        if length is None or length < self._passed:
            return False
        end = length - self._passed
        if not whole.startswith(OK, end):
            return False
        self._end(link, whole[:end], whole[end:], now)
        return True

    def _end(self, link: Link, payload: bytes, lines: bytes, now: float) -> None:
        self._pass(payload, now)
        if self.wanted:
            self._intake.closed = True
        link.end_pour(lines if self.wanted else lines.removeprefix(OK))


def said_by_module(data: bytes, whole: bool) -> bool:
    """Whether bytes are lines that a module says unasked, or an echo of the probe; unless `whole`, the last may lack
    its end."""
    framer = Framer(_RULES, max_line=1024)
    framer.armed = _UNASKED
    for kind, chunk, _ in framer.feed(data):
        if kind == Kind.LINE and not _known(decode(chunk)):
            return False
        if kind in (Kind.PROMPT, Kind.OVERLONG):
            return False
    return not (whole and framer.tail)


def _known(text: str) -> bool:
    name, _, rest = text.partition(":")
    return text == PROBE or commands.urc(name, rest.partition(",")[0].strip(' "')) is not None


def without_answers(lines: bytes) -> bytes:
    """Lines of the module without the answers to probes among them."""
    at = 0
    while answer := ANSWER.search(lines, at):
        if said_by_module(lines[: answer.start()], whole=True):
            lines, at = lines[: answer.start()] + lines[answer.end() :], answer.start()
        else:
            at = answer.start() + 2
    return lines


class Pouring(Exchange):
    """Poured.  Its time runs from the last byte."""

    def __init__(self, step: Poured) -> None:
        super().__init__(step.command)
        self._intake = step.intake

    def hear(self, link: Link, text: str, data: bytes | None) -> bool:
        if text == "CONNECT" and link.pour is None:
            self.extend(link)
            link.pour = Pour(link, self, self._intake)
            return True
        return super().hear(link, text, data)

    def extend(self, link: Link) -> None:
        """There is a sign of life."""
        if not self.done:
            self.deadline = link.now + self.command.timeout() + MARGIN

    def _lose_track(self, link: Link) -> None:
        """What is still to come is no data mode that an escape could end."""
        link.move(Cause.TIMED_OUT)


class Draining(Pending):
    """Drained.  What does not end by itself is lines from then on."""

    def begin(self, link: Link) -> None:
        self._limit = link.now + self.step.limit

    def tick(self, link: Link, now: float) -> None:
        self.deadline = end = min(link.heard_at + self.step.silence, self._limit)
        if link.pour is None:
            self.finish(link, None)
        elif now >= end:
            link.end_pour(b"")
            self.finish(link, None)


KINDS[Poured] = Pouring
KINDS[Drained] = Draining
