"""The protocol machine between a module and whoever moves the bytes.

It does no I/O and knows no clock: it is given bytes and the time, and holds what is to be sent (`out`), what happened
(`events`), and until when it can wait (`deadline`).  It performs one step at a time (pending.py); flows run one after
the other, in the order of `queue`.  `now` is the time it was told last.  It names no command: what a command expects is
in its row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from fcm360w import commands
from fcm360w.datamode import DataMode
from fcm360w.errors import TransportLost, UsageError
from fcm360w.events import Event, EventQueue, Lost, Overlong, Stray, Unparsed
from fcm360w.framer import NO_RULE, Framer, Kind
from fcm360w.inbox import INBOX, LEAVING_INBOX, Buffer, marks
from fcm360w.parameters import ParseError, decode
from fcm360w.pending import Exchange, Pending
from fcm360w.states import IDLE, STREAMING, TABLE, Cause, State
from fcm360w.stats import Histogram, Mark
from fcm360w.steps import EscapePolicy
from fcm360w.waits import pending
from fcm360w.wire import Command, Flow, Reply

MAX_LINE = 2048
BITS_PER_BYTE = 10

# The most that a driver and an adapter hold between a write and the wire: what was written earlier has left.
DRIVER_QUEUE = 64 * 1024

# An echo may be late: so many lines that were sent last are known again.
ECHOES = 32
Sink = Callable[[Event], bool]

_RULES = list(commands.RULES.values())
_RULE_BIT = {name: 1 << index for index, name in enumerate(commands.RULES)}
_CONNECT = list(commands.RULES).index("connect")
_UNASKED = (1 << commands.UNSOLICITED) - 1
_HEXED = sum(_RULE_BIT[name] for name in commands.HEXED)


def untunable(rate: int | None) -> int | None:
    """Nobody has said how the port's rate is changed."""
    raise UsageError("this port cannot change its baud rate")


class Ticket:
    """A place in the queue of those who want to run a flow.  One that is `firm` is not taken from its owner."""

    __slots__ = ("firm",)

    def __init__(self, firm: bool = False) -> None:
        self.firm = firm


class Link:
    """The state of one module as its host sees it.

    Whoever moves the bytes may listen: `stuck` asks whether bytes that were written are still on this side, `moved`
    says that the next in `queue` may go on, `trace` is told each line and its direction, secrets masked.  `news` is set
    when a step is done: there may be nothing more to wait for.  `owing` is the command that has asked for a payload
    which was not sent, so that a module may wait for it; `adrift`: data mode may have begun, or not ended, unnoticed.
    `foreign` counts what no module says, `restarts` how often it has started anew; `resumes` is whose data mode ATO
    returns to.  `retune` changes the port's bit rate, or with None only looks whether it can, and returns the one it
    has then; `start_rate` is the module's after a restart, if it is another than now.  `doubled`, `doubled_sent`: each
    byte of counted payload that is received, or sent, is two hex digits; `hex_sent_bytes`, `hex_received_digits`:
    lengths beside it count unlike the manual's.
    """

    def __init__(self, now: float, policy: EscapePolicy | None = None, baud: int | None = None) -> None:
        self.policy = policy or EscapePolicy()
        self.state = State.COMMAND
        self.out = bytearray()
        self.events = EventQueue()
        self.sinks: list[Sink] = []
        self.data: DataMode | None = None
        self.pour: Any = None  # closing.Pour: what comes is payload, until it says otherwise
        self.pending: Pending | None = None
        self.error: TransportLost | None = None
        self.trace: Callable[[str, str], None] | None = None
        self.stuck: Callable[[], bool] = lambda: False
        self.moved: Callable[[], None] = lambda: None
        self.retune: Callable[[int | None], int | None] = untunable
        self.start_rate: int | None = None
        self.doubled = self.doubled_sent = False
        self._digits = 0
        self.hex_sent_bytes = self.hex_received_digits = False
        self.now = self.idle_at = self.heard_at = now
        self.queue: deque[Ticket] = deque()
        self.news = False
        self.received = self.written = 0
        self.commands = self.refusals = self.timeouts = self.unparsed = self.overlong = 0
        self.latency = Histogram()
        self.marks = marks()
        self.owing: Command[Any] | None = None
        self.adrift = False
        self.resumes: object = None
        self.foreign = 0
        self.unclosed: set[int] = set()  # sockets whose opening was interrupted, and nobody owns
        self.secure: set[int] = set()  # ids of TLS connections, of which AT+QISTATE does not tell
        self.restarts = 0
        self.vain = 0  # how often the first of `undone` was tried and not answered
        self.undone: deque[Callable[[], Flow[Any]]] = deque()  # what flows that failed have left to be done
        self._said: deque[str] = deque(maxlen=ECHOES)
        self._secrets: deque[tuple[str, str]] = deque(maxlen=ECHOES)
        self.pace(baud)
        self._framer = Framer(_RULES, max_line=MAX_LINE)
        self._framer.armed = _UNASKED
        self._header: tuple[str, float] | None = None
        self._payload = bytearray()
        self._dropped = 0

    def pace(self, baud: int | None) -> None:
        """The rate of the wire, in bit/s; 0 if there is none, None if nobody knows."""
        self.baud = baud
        self._byte_time = BITS_PER_BYTE / baud if baud else 0.0

    def mark(self, name: str, limit: int) -> Mark:
        """Where the figures of a kind of buffer are kept, one of which may hold so much."""
        return self.marks.setdefault(name, Mark(limit))

    # ---- what goes out

    def begin(self, step: Any) -> Pending:
        """Start a step.  UsageError if the state forbids it, or a parameter is out of bounds: then nothing was sent."""
        self.check()
        self.pending = None
        fresh = pending(step)
        fresh.begun = self.now
        fresh.begin(self)
        self.pending = fresh
        self.tick(self.now)
        return fresh

    def check(self) -> None:
        """Raise TransportLost if the transport is gone."""
        if self.error:
            raise TransportLost(self.error.message, self.error.cause)

    def arm(self, rules: Iterable[str], connect: bool, prompt: bool) -> None:
        """Expect what the command about to be sent can bring: named payloads, data mode, a prompt."""
        wanted = sum(_RULE_BIT[name] for name in rules)
        self._framer.armed = _UNASKED | wanted | (1 << _CONNECT if connect else 0)
        self._framer.want_prompt = prompt

    def double(self, row: Reply | Command[Any]) -> None:
        """Each byte of counted payload is two hex digits from now on, or is itself, if the row concerns that."""
        received, sent = row.doubles(), row.doubles_sent()
        if received is not None:
            self.doubled = received
        if isinstance(row, Reply) and row.restarts:
            self._digits = 0
        for name, digits in row.digits().items():
            self._digits = self._digits & ~_RULE_BIT[name] | (_RULE_BIT[name] if digits else 0)
        self._count_digits()
        if sent is not None:
            self.doubled_sent = sent

    def count_hex(self, sent_bytes: bool, received_digits: bool) -> None:
        """What the lengths beside digits count, from now on."""
        self.hex_sent_bytes, self.hex_received_digits = sent_bytes, received_digits
        self._count_digits()

    def _count_digits(self) -> None:
        doubled = self._digits | (_HEXED if self.doubled else 0)
        self._framer.doubled = 0 if self.hex_received_digits else doubled

    def take_prompt(self) -> bool:
        """Whether a prompt was expected; it is no longer."""
        wanted, self._framer.want_prompt = self._framer.want_prompt, False
        return wanted

    def remember(self, text: str, masked: str) -> None:
        """A line is about to be sent, which may come back."""
        if text not in self._said:
            self._said.append(text)
        if text != masked and (text, masked) not in self._secrets:
            self._secrets.append((text, masked))

    def wire_time(self, count: int) -> float:
        """Seconds that a command of `count` bytes and an answer spend on the wire at most."""
        return (count + MAX_LINE) * self._byte_time

    def tune(self, rate: int | None, saved: bool) -> int | None:
        """Follow the module to a bit rate; the result is the one before.  UsageError if the port cannot."""
        told = self.retune(None)
        before = told if self.baud is None else self.baud
        if rate is not None:
            self.retune(rate)
            start = rate if saved else self.start_rate or before
            self.start_rate = None if start == rate else start
            self.pace(self.retune(None))
        return before

    def say(self, direction: str, text: str) -> None:
        """Tell the trace."""
        if self.trace:
            self.trace(direction, text)

    def wrote(self, count: int, now: float) -> None:
        """The first bytes of `out` are on their way."""
        self._on_wire(count, now)
        if self.data and self.state is State.LEAVING:
            self.data.guard.sent(self.out[:count], now, self.idle_at)
        del self.out[:count]
        self.tick(now)

    def _on_wire(self, count: int, now: float) -> None:
        self.now = now
        self.idle_at = min(max(now, self.idle_at) + count * self._byte_time, now + DRIVER_QUEUE * self._byte_time)
        self.written += count

    def may_send(self, data: memoryview) -> int:
        """How many leading bytes of payload may be written now; 0 while NO CARRIER is suspected."""
        if self.state is not State.DATA or self.data is None or self.data.held:
            return 0
        return self.data.guard.allow(data, self.now)

    def data_sent(self, data: memoryview, now: float) -> None:
        """Payload was written."""
        self._on_wire(len(data), now)
        if self.data:
            self.data.guard.sent(data, now, self.idle_at)
            self.data.sent += len(data)

    # ---- what comes in

    def receive(self, data: Buffer, now: float) -> None:
        """Bytes came off the wire."""
        self.now = self.heard_at = now
        self.received += len(data)
        if self.state in STREAMING:
            self._data(data, now)
        else:
            self.lines(data, now)

    @property
    def in_place(self) -> bool:
        """Whether payload may be read straight into its reader's buffer: nothing older waits to go before it."""
        data = self.data
        return self.state is State.DATA and data is not None and not (data.inbox or data.withheld or data.gap)

    @property
    def has_room(self) -> bool:
        """Whether the port should be read; false while nobody takes the payload that is here already.

        There is more room while something has to be found out, since the answer comes behind the payload.
        """
        if self.pour:
            return bool(self.pour.has_room)
        limit = INBOX if self.state is State.DATA else LEAVING_INBOX
        return self.data is None or len(self.data.inbox) < limit

    def receive_in_place(self, data: memoryview, now: float) -> int:
        """As receive, for bytes that lie in the reader's buffer: how many are payload.  Only if `in_place` says so."""
        assert self.data is not None
        self.now = self.heard_at = now
        self.received += len(data)
        passed = self.data.receive_in_place(data, now)
        self._judge()
        return passed

    def _data(self, data: Buffer, now: float) -> None:
        assert self.data is not None
        self.data.receive(data, now)
        self._judge()

    def _judge(self) -> None:
        """Follow the watch's verdict."""
        assert self.data is not None
        if self.state is State.DATA and self.data.suspected:
            self.move(Cause.SUSPECTED)
        elif self.state is State.SUSPECT and not self.data.suspected:
            self.move(Cause.CLEARED)

    def connected(self) -> None:
        """CONNECT has come: from here on bytes are payload."""
        self.move(Cause.CONNECTED)
        self.data = self._data_mode(self.idle_at)

    def begin_listening(self) -> None:
        """Take what comes for payload, also the rest of a line or of a payload that has begun."""
        self.data = self._data_mode(self.now)
        self.data.receive(self._framer.take_tail(), self.now)
        self._framer.reset()
        self._header = None

    def _data_mode(self, now: float) -> DataMode:
        data = DataMode(self.policy, _RULES, _UNASKED, now, self.marks)
        data.watch.doubled = self._framer.doubled
        return data

    def end_data(self, stray: bool) -> None:
        """Bytes are lines again.  `stray`: what came belongs to nobody here."""
        self._framer.raw = False
        data, self.data = self.data, None
        if stray and data and data.inbox:
            self.emit(Stray(bytes(data.inbox)), self.now)

    def lines(self, data: Buffer, now: float) -> None:
        """Bytes that are lines, until one of them says that the rest is payload."""
        turning = self.pending is not None and not self.pending.done and self.pending.turns()
        for piece in bytes(data).splitlines(keepends=True) if turning else (data,):
            self._lines(piece, now)

    def _lines(self, data: Buffer, now: float) -> None:
        for kind, chunk, rule in self._framer.feed(data):
            if kind == Kind.LINE:
                self._on_line(chunk, rule, now)
            elif kind == Kind.PROMPT:
                self._on_prompt()
            elif kind == Kind.OVERLONG:
                self._on_overlong(now)
            elif self.state in STREAMING:
                self._data(chunk, now)
            elif rule == NO_RULE and self.pour:
                self.pour.receive(self, chunk, now)
            elif rule == NO_RULE:  # after a CONNECT that nobody waited for any more
                self._framer.raw = False
                self.lines(chunk, now)
            else:
                self._on_payload(chunk, kind == Kind.DATA_END)

    def end_pour(self, lines: bytes) -> None:
        """What was poured out has ended, and these lines came behind it."""
        self._framer.raw = False
        self.pour = None
        self.lines(lines, self.now)

    def _on_line(self, chunk: bytes, rule: int, now: float) -> None:
        text = decode(chunk)
        echo = text in self._said
        for said, masked in self._secrets:
            text = text.replace(said, masked)
        if not echo and self.trace:
            name = text.partition(":")[0]
            self.say("<", f"{name}: ***" if self.pending and self.pending.hides(name) else text)
        if rule not in (NO_RULE, _CONNECT):
            self._header = (text, now)
            self._payload.clear()
        elif not echo:
            self._dispatch(text, None, now)

    def _on_payload(self, chunk: bytes, last: bool) -> None:
        self._payload += chunk
        if last and self._header:
            (text, at), self._header = self._header, None
            self._dispatch(text, bytes(self._payload), at)

    def _on_overlong(self, now: float) -> None:
        dropped, self._dropped = self._framer.dropped - self._dropped, self._framer.dropped
        self.overlong += 1
        self.emit(Overlong(dropped), now)

    def _on_prompt(self) -> None:
        if isinstance(self.pending, Exchange) and not self.pending.done:
            self.pending.prompted(self)

    def _dispatch(self, text: str, data: bytes | None, now: float) -> None:
        """A line goes to the step in progress, or becomes an event."""
        if self.state in (State.PENDING, State.LATE) and self.pending and self.pending.hear(self, text, data):
            return
        name, _, rest = text.partition(":")
        row = commands.urc(name, rest.partition(",")[0].strip(' "'))
        try:
            reply = row.read(rest.strip(" "), data).saying(text) if row else None
        except ParseError:
            reply = None
        if reply is None:
            self.unparsed += 1
        else:
            self.double(reply)
        self.emit(reply or Unparsed(text), now)

    def tell(self, event: Event) -> bool:
        """Let every sink hear of an event; whether one takes it.  A sink may add and remove sinks."""
        self.restarts += event.row.restarts
        taken = [sink(event) for sink in tuple(self.sinks)]
        return any(taken)

    def emit(self, row: Reply, now: float) -> None:
        """An event that no sink takes, nor the step in progress, is queued."""
        event = Event(now, row)
        self.foreign += isinstance(row, Unparsed | Overlong | Stray)
        if not self.tell(event) and not (self.pending and not self.pending.done and self.pending.notice(self, row)):
            self.events.put(event)

    # ---- time

    def deadline(self) -> float | None:
        """Call tick by then; None if only bytes can change anything."""
        times = [self.pending.deadline if self.pending and not self.pending.done else None]
        if self.data and self.state in STREAMING:
            times.append(self.data.watch.deadline)
        if self.pour:
            times.append(self.pour.deadline)
        known = [time for time in times if time is not None]
        return min(known, default=None)

    def tick(self, now: float) -> None:
        """Let time pass."""
        self.now = now
        if self.data and self.state in STREAMING:
            self.data.tick(now)
            self._judge()
        if self.pour:
            self.pour.tick(self, now)
        if self.pending and not self.pending.done:
            self.pending.tick(self, now)

    # ---- ends

    def lost(self, error: TransportLost, now: float) -> None:
        """The transport is gone: fail what is pending, tell the event stream, refuse all that follows."""
        if self.error:
            return
        waiting = self.pending if self.pending and not self.pending.done else None
        if waiting and (in_flight := waiting.describe()):
            error = TransportLost(error.message, error.cause, in_flight)
        self.error = error
        if self.data and not self.data.suspected:
            self.data.release()
        self.state = State.DEAD
        if waiting:
            waiting.fail(self, error)
        self.emit(Lost(error), now)

    def give_up(self) -> None:
        """Take the step in progress from whoever waits for it, who is told that its time has run out."""
        if self.pending and not self.pending.done:
            self.pending.abandon(self)
            self.pending.give_up(self)

    def move(self, cause: Cause) -> None:
        """Follow the table of states."""
        self.state = TABLE[self.state, cause]
        if self.state in IDLE:
            self._framer.armed = _UNASKED
            self._framer.want_prompt = False
