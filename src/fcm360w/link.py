"""The protocol machine between a module and whoever moves the bytes.

It does no I/O and knows no clock: it is given bytes and the time, and holds what is to be sent (`out`), what happened
(`events`), and until when it can wait (`deadline`).  It performs one step at a time (see steps.py); flows run one after
the other, in the order of `queue`.  `now` is the time it was told last.  It names no command: what a command expects is
in its row.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

from fcm360w import commands
from fcm360w.datamode import INBOX, Buffer, DataMode
from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    FCM360WError,
    ProtocolError,
    TransportLost,
    UsageError,
)
from fcm360w.escape import Marker, Verdict
from fcm360w.events import Event, EventQueue, Lost, Overlong, Stray, Unparsed
from fcm360w.framer import NO_RULE, Framer, Kind
from fcm360w.states import IDLE, STREAMING, TABLE, Cause, State
from fcm360w.steps import EscapePolicy, Guarded, Pause, Silence, Until, Within
from fcm360w.wire import Command, ParseError, Reply, decode, encode

MAX_LINE = 2048
GLANCE = 0.02
MAX_COMMAND = 1024

# The module takes one LF after the CR for part of the command, even where the command opens a prompt or data mode; so the
# LF must be there, or a payload that begins with one would lose it.
LINE_END = b"\r\n"
MARGIN = 1.0
BITS_PER_BYTE = 10

# The most that a driver and an adapter hold between a write and the wire: what was written earlier has left.
DRIVER_QUEUE = 64 * 1024
Sink = Callable[[Event], bool]

_RULES = list(commands.RULES.values())
_RULE_BIT = {name: 1 << index for index, name in enumerate(commands.RULES)}
_UNASKED = (1 << commands.UNSOLICITED) - 1


@dataclasses.dataclass
class Pending:
    """The step in progress."""

    step: Any
    deadline: float | None = None
    command: Command[Any] | None = None
    text: str = ""
    seconds: float = 0.0
    give_up: float = 0.0
    since: float = 0.0
    suspected: bool = False
    streaming: bool = False
    replies: list[Reply] = dataclasses.field(default_factory=list)
    done: bool = False
    value: Any = None
    error: FCM360WError | None = None

    def outcome(self) -> Any:
        if self.error:
            raise self.error
        return self.value


class Link:
    """The state of one module as its host sees it.

    Whoever moves the bytes may listen: `stuck` asks whether bytes that were written are still on this side, `moved` says
    that the next in `queue` may go on, `trace` is told each line and its direction, secrets masked.
    """

    def __init__(self, now: float, policy: EscapePolicy | None = None, baud: int | None = None) -> None:
        self.policy = policy or EscapePolicy()
        self.state = State.COMMAND
        self.out = bytearray()
        self.events = EventQueue()
        self.sinks: list[Sink] = []
        self.data: DataMode | None = None
        self.pending: Pending | None = None
        self.error: TransportLost | None = None
        self.trace: Callable[[str, str], None] | None = None
        self.stuck: Callable[[], bool] = lambda: False
        self.moved: Callable[[], None] = lambda: None
        self.now = self.idle_at = self.heard_at = now
        self.queue: deque[object] = deque()
        self.news = False
        self.received = self.written = self.commands = self.unparsed = 0
        self._byte_time = BITS_PER_BYTE / baud if baud else 0.0
        self._framer = Framer(_RULES, max_line=MAX_LINE)
        self._framer.armed = _UNASKED
        self._header: tuple[str, float] | None = None
        self._payload = bytearray()
        self._dropped = 0

    # ---- what goes out

    def begin(self, step: Any) -> Pending:
        """Start a step.  UsageError if the state forbids it, or a parameter is out of bounds: then nothing was sent."""
        self.check()
        pending = self.pending = Pending(step)
        try:
            _BEGIN.get(type(step), Link._begin_command)(self, step)
        except BaseException:
            self.pending = None
            raise
        self.tick(self.now)
        return pending

    def check(self) -> None:
        """Raise TransportLost if the transport is gone."""
        if self.error:
            raise TransportLost(self.error.message, self.error.cause)

    def _begin_command(self, step: Any) -> None:
        command = step.command if isinstance(step, Within) else step
        if not isinstance(command, Command):
            raise UsageError(f"a flow yielded {step!r}, which is neither a command nor a step")
        if self.state in STREAMING:
            raise UsageError("a transparent stream is open: close it before other commands are run")
        text, body = command.line(), command.body()
        line = encode(text) + LINE_END
        if len(line) - len(LINE_END) > MAX_COMMAND:
            raise UsageError(f"the command line is longer than the {MAX_COMMAND} bytes that the module takes")
        seconds = step.seconds if isinstance(step, Within) else command.timeout() + MARGIN
        pending = self._pending()
        pending.command, pending.text, pending.seconds = command, text, seconds
        pending.deadline = self.now + seconds + (len(line) + len(body or b"") + MAX_LINE) * self._byte_time
        self._arm(command)
        self._framer.want_prompt = body is not None
        self.out += line
        self.commands += 1
        self._move(Cause.SENT)
        if self.trace:
            self.trace(">", command.line(mask=True))

    def _arm(self, command: Command[Any]) -> None:
        wanted = sum(_RULE_BIT[name] for name in command.arms)
        self._framer.armed = _UNASKED | wanted | (_RULE_BIT["connect"] if command.connects() else 0)

    def _begin_until(self, step: Until[Any]) -> None:
        pending = self._pending()
        pending.deadline = self.now + step.seconds
        for event in self.events:
            if isinstance(event.row, step.kind) and step.match(event.row):
                self.events.remove(event)
                self._finish(event.row)
                return

    def _begin_pause(self, step: Pause) -> None:
        self._pending().deadline = self.now + step.seconds

    def _begin_silence(self, step: Silence) -> None:
        pending = self._pending()
        pending.suspected = self.state is State.SUSPECT
        pending.give_up = self.now + step.patience

    def _begin_guarded(self, step: Guarded) -> None:
        pending = self._pending()
        pending.streaming = self.state in STREAMING
        if self.state is State.LEAVING:  # whoever sent the escape did not wait for the answer
            pending.since = self.now
            return
        if not pending.streaming:
            self._begin_listening()
        assert self.data is not None
        self.data.watch.markers = Marker.NO_CARRIER | Marker.OK
        self.out += b"+++"
        self._move(Cause.ESCAPED)
        if self.trace:
            self.trace(">", "+++")

    def _begin_listening(self) -> None:
        """Take what comes for payload, also the rest of a line or of a payload that has begun."""
        self.data = DataMode(self.policy, _RULES, _UNASKED, self.now)
        self.data.receive(self._framer.take_tail(), self.now)
        self._framer.reset()
        self._header = None

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
        if self.state is not State.DATA or self.data is None:
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
            self._lines(data, now)

    @property
    def in_place(self) -> bool:
        """Whether payload may be read straight into its reader's buffer: nothing older waits to go before it."""
        return self.state is State.DATA and self.data is not None and not self.data.inbox and not self.data.withheld

    @property
    def has_room(self) -> bool:
        """Whether the port should be read; false while nobody takes the payload that is here already.

        There is more room while something has to be found out, since the answer comes behind the payload.
        """
        limit = INBOX if self.state is State.DATA else 2 * INBOX
        return self.data is None or self.data.closing or len(self.data.inbox) < limit

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
            self._move(Cause.SUSPECTED)
        elif self.state is State.SUSPECT and not self.data.suspected:
            self._move(Cause.CLEARED)

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
            elif rule == NO_RULE:  # after a CONNECT that nobody waited for any more
                self._framer.raw = False
                self._lines(chunk, now)
            else:
                self._on_payload(chunk, kind == Kind.DATA_END)

    def _on_line(self, chunk: bytes, rule: int, now: float) -> None:
        text = decode(chunk)
        echo = self.pending is not None and text == self.pending.text
        if self.trace and not echo:
            self.trace("<", text)
        if rule != NO_RULE and rule != _CONNECT:
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
        self._emit(Overlong(dropped), now)

    def _on_prompt(self) -> None:
        pending = self.pending
        body = pending.command.body() if pending and pending.command and not pending.done else None
        if body is not None:
            self.out += body
            if self.trace:
                self.trace(">", f"({len(body)} bytes of payload)")

    def _dispatch(self, text: str, data: bytes | None, now: float) -> None:
        if self.state in (State.PENDING, State.LATE) and self._answers(text, data):
            return
        name, _, rest = text.partition(":")
        key = rest.partition(",")[0].strip(' "')
        row = commands.urc(name, key)
        try:
            reply = row.read(rest.strip(" "), data) if row else None
        except ParseError:
            reply = None
        if reply is None:
            self.unparsed += 1
        self._emit(reply or Unparsed(text), now)

    def _emit(self, row: Reply, now: float) -> None:
        event = Event(now, row)
        if any([sink(event) for sink in self.sinks]):
            return
        step = self.pending.step if self.pending and not self.pending.done else None
        if isinstance(step, Until) and isinstance(row, step.kind) and step.match(row):
            self._finish(row)
        else:
            self.events.put(event)

    # ---- the pending command

    def _answers(self, text: str, data: bytes | None) -> bool:
        """Whether a line belongs to the pending command; if so it is dealt with."""
        command = self._pending().command
        assert command is not None
        if self.state is State.PENDING and text in command.final:
            self._accept(command, text)
        elif self._refuses(command, text):
            self._refused(command, text)
        elif text == "CONNECT" and command.connects():
            self._connected(command)
        elif text == "CONNECT" and self._framer.want_prompt:
            self._framer.want_prompt = False
            self._on_prompt()
        else:
            return self._reply(command, text, data)
        return True

    def _refuses(self, command: Command[Any], text: str) -> bool:
        """After OK only CONNECT can still be refused; a final result is then some earlier command's."""
        if text == "NO CARRIER":
            return command.connects()
        if self.state is State.LATE and not command.connects():
            return False
        failed = text in ("ERROR", "SEND FAIL") or text.startswith("+CME ERROR")
        return failed or (text == "OK" and self.state is State.PENDING)

    def _accept(self, command: Command[Any], text: str) -> None:
        if (command.late or command.connects()) and not self._pending().replies:
            self._move(Cause.ACCEPTED)
        else:
            self._complete(command, text)

    def _reply(self, command: Command[Any], text: str, data: bytes | None) -> bool:
        try:
            reply = command.answer(text, data)
        except ParseError:
            return False
        if reply is None or not command.belongs(reply):
            return False
        self._pending().replies.append(reply)
        if self.state is State.LATE:
            self._complete(command, "OK")
        return True

    def _complete(self, command: Command[Any], final: str) -> None:
        replies = self._pending().replies
        self._move(Cause.FINAL)
        fault = replies[-1].fault() if command.late and replies else None
        try:
            if fault:
                self._fail(CommandError(command.line(mask=True), replies[-1].line(), *fault, command.section()))
            else:
                self._finish(command.finish(replies, final))
        except ParseError as error:
            self._fail(ProtocolError(str(error)))

    def _refused(self, command: Command[Any], text: str) -> None:
        number = text.partition(":")[2].strip()
        self._move(Cause.FINAL)
        code = int(number) if number.isdigit() else None
        self._fail(CommandError(command.line(mask=True), text, code, None, command.section()))

    def _connected(self, command: Command[Any]) -> None:
        self._move(Cause.CONNECTED)
        self.data = DataMode(self.policy, _RULES, _UNASKED, self.idle_at)
        self._finish(command.finish(self._pending().replies, "CONNECT"))

    # ---- time

    def deadline(self) -> float | None:
        """Call tick by then; None if only bytes can change anything."""
        times = [self.pending.deadline if self.pending and not self.pending.done else None]
        if self.data and self.state in STREAMING:
            times.append(self.data.watch.deadline)
        known = [time for time in times if time is not None]
        return min(known, default=None)

    def tick(self, now: float) -> None:
        """Let time pass."""
        self.now = now
        if self.data and self.state in STREAMING:
            self.data.tick(now)
            self._judge()
        if self.pending and not self.pending.done:
            _TICK.get(type(self.pending.step), Link._tick_command)(self, self.pending, now)

    def _tick_command(self, pending: Pending, now: float) -> None:
        if pending.deadline is not None and now >= pending.deadline:
            assert pending.command is not None
            self._move(Cause.TIMED_OUT)
            self.out.clear()
            self._fail(CommandTimeout(pending.command.line(mask=True), pending.seconds, pending.command.section()))

    def _tick_wait(self, pending: Pending, now: float) -> None:
        if pending.deadline is not None and now >= pending.deadline:
            self._finish(None)

    def _tick_silence(self, pending: Pending, now: float) -> None:
        stuck = self.stuck()
        if stuck:
            self.idle_at = max(self.idle_at, now)
        pending.deadline = now + GLANCE if stuck else self.idle_at + pending.step.seconds
        if pending.suspected and self.state is State.DATA:
            self._finish(False)
        elif stuck and now >= pending.give_up:
            self._fail(CommandTimeout("draining what was sent to the module", pending.step.patience, "2.3.11"))
        elif now >= pending.deadline and not self.out:
            self._finish(True)

    def _tick_guarded(self, pending: Pending, now: float) -> None:
        assert self.data is not None
        policy: EscapePolicy = pending.step.policy
        if self.out:
            return
        watch, settled = self.data.watch, max(self.idle_at + policy.after, pending.since)
        # The answer comes behind the payload that the module holds: while bytes come it is still due.
        due = min(max(settled, self.heard_at) + policy.answer, settled + policy.patience)
        pending.deadline = settled if now < settled else due
        if now < settled:
            return
        # An OK that came too early may be payload: then the module's own is still to come.
        in_time = self.heard_at >= self.idle_at + policy.guard_after - policy.slack or now >= pending.deadline
        if in_time and watch.verdict is Verdict.SILENT and watch.marker is Marker.OK:
            self._left(pending, self.data, now)
        elif now >= pending.deadline:
            lost = watch.verdict >= Verdict.SUSPECT and watch.marker is Marker.NO_CARRIER
            if lost:
                self._left(pending, self.data, now)
            else:
                self._stayed(pending, self.data, now)

    def _left(self, pending: Pending, data: DataMode, now: float) -> None:
        marker, lines = Marker(data.watch.marker), data.after_marker()
        self._move(Cause.LEFT)
        if self.trace:
            self.trace("<", "NO CARRIER" if marker is Marker.NO_CARRIER else "OK")
        self._back_to_lines(pending, data, now)
        self._finish(marker)
        self._lines(lines, now)

    def _stayed(self, pending: Pending, data: DataMode, now: float) -> None:
        data.watch.markers = Marker.NO_CARRIER
        self._move(Cause.STAYED if pending.streaming else Cause.UNANSWERED)
        if not pending.streaming:
            data.release()
            self._back_to_lines(pending, data, now)
        self._finish(Marker(0))

    def _back_to_lines(self, pending: Pending, data: DataMode, now: float) -> None:
        self._framer.raw = False
        self.data = None
        if not pending.streaming and data.inbox:
            self._emit(Stray(bytes(data.inbox)), now)

    # ---- ends

    def lost(self, error: TransportLost, now: float) -> None:
        """The transport is gone: fail what is pending, tell the event stream, refuse all that follows."""
        if self.error:
            return
        pending = self.pending if self.pending and not self.pending.done else None
        if pending and pending.command:
            error = TransportLost(error.message, error.cause, pending.command.line(mask=True))
        self.error = error
        if self.data and not self.data.suspected:
            self.data.release()
        self.state = State.DEAD
        if pending:
            self._fail(error)
        self._emit(Lost(error), now)

    def abandon(self) -> None:
        """Whoever waited for the step has gone.  The answer to a command, or to an escape, may still come."""
        pending = self.pending
        if pending is None or pending.done:
            return
        if self.state in (State.PENDING, State.LATE):
            self._move(Cause.TIMED_OUT)
        elif self.state is State.LEAVING and self.data and not pending.streaming:
            self._stayed(pending, self.data, self.now)
        pending.done = True

    def _pending(self) -> Pending:
        assert self.pending is not None
        return self.pending

    def _finish(self, value: Any) -> None:
        pending = self._pending()
        pending.value = value
        pending.done = self.news = True

    def _fail(self, error: FCM360WError) -> None:
        pending = self._pending()
        pending.error = error
        pending.done = self.news = True

    def _move(self, cause: Cause) -> None:
        self.state = TABLE[self.state, cause]
        if self.state in IDLE:
            self._framer.armed = _UNASKED
            self._framer.want_prompt = False


_CONNECT = list(commands.RULES).index("connect")
_BEGIN: dict[type, Callable[[Link, Any], None]] = {
    Until: Link._begin_until,
    Pause: Link._begin_pause,
    Silence: Link._begin_silence,
    Guarded: Link._begin_guarded,
}
_TICK: dict[type, Callable[[Link, Pending, float], None]] = {
    Until: Link._tick_wait,
    Pause: Link._tick_wait,
    Silence: Link._tick_silence,
    Guarded: Link._tick_guarded,
}
