"""The step a link is busy with: how each kind begins, what ends it, and what its time means.

One class a kind of step (see steps.py).  A pending step reads and moves the link it was begun on; the link hands it
lines and time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fcm360w.errors import CommandError, CommandTimeout, FCM360WError, GivenUp, ProtocolError, Restarted, UsageError
from fcm360w.escape import ENDS, RESTARTED, Marker, Verdict
from fcm360w.events import Event
from fcm360w.parameters import ParseError, encode
from fcm360w.states import STREAMING, Cause, State
from fcm360w.steps import (
    EscapePolicy,
    Foreign,
    Guarded,
    Heard,
    Later,
    Now,
    Pause,
    Rate,
    Silence,
    StartRate,
    Tell,
    Unbroken,
    Until,
    Within,
)
from fcm360w.wire import Command, Get, Reply, Set

if TYPE_CHECKING:
    from fcm360w.datamode import DataMode
    from fcm360w.link import Link

# The module takes one LF after the CR for part of the command, even where the command opens a prompt or data mode; so
# the LF must be there, or a payload that begins with one would lose it.
LINE_END = b"\r\n"
MAX_COMMAND = 1024
MARGIN = 1.0
GLANCE = 0.02

# A command that crossed with the banner of a module which had just started is answered all the same.
CROSSING = 5.0


class Pending:
    """A step in progress, or done with a value or an error."""

    def __init__(self, step: Any) -> None:
        self.step = step
        self.begun = 0.0
        self.deadline: float | None = None
        self.done = False
        self.value: Any = None
        self.error: FCM360WError | None = None

    def begin(self, link: Link) -> None:
        """Queue what is to be sent.  UsageError if it cannot be done, and then nothing was queued."""

    def tick(self, link: Link, now: float) -> None:
        """Let time pass."""

    def hear(self, link: Link, text: str, data: bytes | None) -> bool:
        """Whether a line belongs to the step; if so it is dealt with."""
        return False

    def notice(self, link: Link, row: Reply) -> bool:
        """Whether an unsolicited line is what the step waits for."""
        return False

    def abandon(self, link: Link) -> None:
        """Whoever waited has gone.  The answer to a command, or to an escape, may still come."""
        self.done = True

    def give_up(self, link: Link) -> None:
        """Whoever waits is told that it was abandoned."""
        self.fail(link, GivenUp(type(self.step).__name__, link.now - self.begun))

    def finish(self, link: Link, value: Any) -> None:
        self.value = value
        self.done = link.news = True

    def fail(self, link: Link, error: FCM360WError) -> None:
        self.error = error
        self.done = link.news = True

    def outcome(self) -> Any:
        if self.error:
            raise self.error
        return self.value

    def describe(self) -> str | None:
        """What was on its way when the transport was lost."""
        return None

    def hides(self, name: str) -> bool:
        """Whether a line of that name tells a secret."""
        return False

    def turns(self) -> bool:
        """Whether a line may change how the payload of those behind it is counted."""
        return False


class Exchange(Pending):
    """A command: its line, perhaps a payload at the prompt, its answer."""

    def __init__(self, step: Any) -> None:
        super().__init__(step)
        command = step.command if isinstance(step, (Within, Unbroken)) else step
        if not isinstance(command, Command):
            raise UsageError(f"a flow yielded {step!r}, which is neither a command nor a step")
        self.command: Command[Any] = command
        self.text = ""
        self.seconds = 0.0
        self.replies: list[Reply] = []
        self._restarted = False

    def begin(self, link: Link) -> None:
        command = self.command
        if link.state in STREAMING:
            raise UsageError("a transparent stream is open: suspend or close it before other commands are run")
        self.text, body = command.line(), command.body()
        line = encode(self.text) + LINE_END
        if len(line) - len(LINE_END) > MAX_COMMAND:
            raise UsageError(f"the command line is longer than the {MAX_COMMAND} bytes that the module takes")
        self.seconds = self.step.seconds if isinstance(self.step, Within) else command.timeout() + MARGIN
        self.deadline = link.now + self.seconds + link.wire_time(len(line) + len(body or b""))
        link.arm(command.arms, command.connects(), prompt=body is not None)
        if link.state is not State.UNSURE:
            link.owing, link.adrift = None, False
        if body is not None:
            link.owing = command
        link.remember(self.text, command.line(mask=True))
        link.out += line
        link.commands += 1
        link.move(Cause.SENT)
        link.say(">", command.line(mask=True))

    def tick(self, link: Link, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self._lose_track(link)
            if link.out and self.command.body() is not None:
                link.owing = self.command
            link.out.clear()
            link.timeouts += 1
            line, section = self.command.line(mask=True), self.command.section()
            waited = link.now - self.begun
            restarted = Restarted(line, waited, section) if self._restarted else None
            self.fail(link, restarted or CommandTimeout(line, self.seconds, section))

    def notice(self, link: Link, row: Reply) -> bool:
        if row.restarts and self.deadline is not None:
            self._restarted = True
            self.deadline = min(self.deadline, link.now + (0.0 if link.state is State.LATE else CROSSING))
        return False

    def prompted(self, link: Link) -> None:
        """The module invites the payload."""
        body = self.command.body()
        if body is not None:
            link.out += body
            link.owing = None
            link.say(">", f"({len(body)} bytes of payload)")

    def hear(self, link: Link, text: str, data: bytes | None) -> bool:
        command = self.command
        if link.state is State.PENDING and text in command.final:
            self._accepted(link, text)
        elif self._refuses(link, text):
            self._refused(link, text)
        elif text == "CONNECT" and command.connects():
            link.connected()
            self._time(link)
            self.finish(link, command.finish(self.replies, text))
        elif text == "CONNECT" and link.take_prompt():
            self.prompted(link)
        else:
            return self._answered(link, text, data)
        return True

    def _refuses(self, link: Link, text: str) -> bool:
        """After OK only CONNECT can still be refused; a final result is then some earlier command's."""
        if text == "NO CARRIER":
            return self.command.connects()
        if link.state is State.LATE and not self.command.connects():
            return False
        failed = text in ("ERROR", "SEND FAIL") or text.startswith("+CME ERROR")
        return failed or (text == "OK" and link.state is State.PENDING)

    def _refused(self, link: Link, text: str) -> None:
        number = text.partition(":")[2].strip()
        link.move(Cause.FINAL)
        self._time(link)
        if self.command.body() is not None:
            link.owing = None
        code = int(number) if number.isdigit() else None
        about: Any = self.command.setting if isinstance(self.command, (Get, Set)) else self.command
        reason = about.reason(code) or None if code is not None else None
        self._refuse(link, CommandError(self.command.line(mask=True), text, code, reason, self.command.section()))

    def _refuse(self, link: Link, error: CommandError) -> None:
        link.refusals += 1
        self.fail(link, error)

    def _time(self, link: Link) -> None:
        link.latency.add(link.now - self.begun)

    def _accepted(self, link: Link, text: str) -> None:
        if (self.command.late or self.command.connects()) and not self.replies:
            link.move(Cause.ACCEPTED)
        else:
            self._complete(link, text)

    def _answered(self, link: Link, text: str, data: bytes | None) -> bool:
        try:
            reply = self.command.answer(text, data)
        except ParseError:
            return False
        if reply is None or not self.command.belongs(reply):
            return False
        self.replies.append(reply)
        if self.command.ends(reply):
            link.out.clear()  # what has not left of a payload that was waited for in vain
            self._complete(link, "OK")
        elif link.state is State.LATE:
            self._complete(link, "OK")
        return True

    def _complete(self, link: Link, final: str) -> None:
        command, replies = self.command, self.replies
        link.move(Cause.FINAL)
        self._time(link)
        link.double(command)
        for reply in replies:
            link.double(reply)
        fault = replies[-1].fault() if command.late and replies else None
        if fault:
            result = replies[-1].line()
            self._refuse(link, CommandError(command.line(mask=True), result, *fault, command.section()))
            return
        try:
            self.finish(link, command.finish(replies, final))
        except ParseError as error:
            self.fail(link, ProtocolError(str(error)))

    def _lose_track(self, link: Link) -> None:
        link.move(Cause.TIMED_OUT)
        link.adrift = link.adrift or self.command.connects()

    def abandon(self, link: Link) -> None:
        if link.state in (State.PENDING, State.LATE):
            self._lose_track(link)
        self.done = True

    def give_up(self, link: Link) -> None:
        seconds = link.now - self.begun
        self.fail(link, GivenUp(self.command.line(mask=True), seconds, self.command.section()))

    def describe(self) -> str | None:
        return self.command.line(mask=True)

    def hides(self, name: str) -> bool:
        row = self.command.replies().get(name)
        return row is not None and any(field.secret for field in row.fields())

    def turns(self) -> bool:
        return self.command.doubles() is not None or bool(self.command.digits())


class Waiting(Pending):
    """Until: an unsolicited line, which may have come before."""

    def begin(self, link: Link) -> None:
        self.deadline = link.now + self.step.seconds
        for event in link.events if not self.step.fresh else ():
            if self.notice(link, event.row):
                link.events.remove(event)
                return

    def notice(self, link: Link, row: Reply) -> bool:
        wanted = isinstance(row, self.step.kind) and self.step.match(row)
        if wanted:
            self.finish(link, row)
        return wanted

    def tick(self, link: Link, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self.finish(link, None)


class Pausing(Pending):
    """Pause."""

    def begin(self, link: Link) -> None:
        self.deadline = link.now + self.step.seconds

    def tick(self, link: Link, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self.finish(link, None)


class Counted(Pending):
    """Foreign, Heard and Now: take no time."""

    def begin(self, link: Link) -> None:
        found = {Heard: link.received, Now: link.now, Foreign: link.foreign}
        self.finish(link, found[type(self.step)])


class Tuning(Pending):
    """Rate: takes no time."""

    def begin(self, link: Link) -> None:
        self.finish(link, link.tune(self.step.rate, self.step.saved))


class TuningBack(Pending):
    """StartRate: takes no time."""

    def begin(self, link: Link) -> None:
        if link.start_rate is not None:
            link.tune(link.start_rate, saved=True)
        self.finish(link, None)


class Telling(Pending):
    """Tell: takes no time."""

    def begin(self, link: Link) -> None:
        link.double(self.step.row)
        link.tell(Event(link.now, self.step.row))
        self.finish(link, None)


class Owing(Pending):
    """Later: takes no time."""

    def begin(self, link: Link) -> None:
        link.undone.append(self.step.flow)
        self.finish(link, None)


class Quiet(Pending):
    """Silence: nothing on its way to the module for a time."""

    def begin(self, link: Link) -> None:
        self._suspected = link.state is State.SUSPECT
        self._give_up = max(link.now, link.idle_at) + self.step.patience

    def tick(self, link: Link, now: float) -> None:
        stuck = bool(link.out) or link.stuck()
        if stuck:
            link.idle_at = max(link.idle_at, now)
        end = self.deadline = now + GLANCE if stuck else link.idle_at + self.step.seconds
        if self._suspected and link.state is State.DATA:
            self.finish(link, False)
        elif stuck and now >= self._give_up:
            self.fail(link, CommandTimeout("draining what was sent to the module", self.step.patience, "2.3.11"))
        elif now >= end:
            self.finish(link, True)


class Escaping(Pending):
    """Guarded: ``+++``, the silence after it, and what the module makes of it."""

    def begin(self, link: Link) -> None:
        self._streaming = link.state in STREAMING
        self._since = 0.0
        if link.state is State.LEAVING:  # whoever sent the escape did not wait for the answer
            self._since = link.now
            return
        if not self._streaming:
            link.begin_listening()
        assert link.data is not None
        link.data.watch.markers = ENDS | Marker.OK
        link.out += b"+++"
        link.move(Cause.ESCAPED)
        link.say(">", "+++")

    def tick(self, link: Link, now: float) -> None:
        data = link.data
        if link.out or data is None:
            return
        policy: EscapePolicy = self.step.policy
        settled = max(link.idle_at + policy.after, self._since)
        # The answer comes behind the payload that the module holds: while bytes come it is still due.
        due = min(max(settled, link.heard_at) + policy.answer, settled + policy.patience)
        self.deadline = settled if now < settled else due
        if now >= settled:
            self._judge(link, data, now)

    def _judge(self, link: Link, data: DataMode, now: float) -> None:
        """An OK that came too early may be payload: then the module's own is still to come."""
        policy, watch = self.step.policy, data.watch
        late = self.deadline is not None and now >= self.deadline
        in_time = late or link.heard_at >= link.idle_at + policy.guard_after - policy.slack
        confirmed = in_time and watch.verdict is Verdict.SILENT and watch.marker is Marker.OK
        lost = late and watch.verdict >= Verdict.SUSPECT and bool(watch.marker & ENDS)
        if confirmed or lost:
            self._left(link, data, now)
        elif late:
            self._stayed(link, data, now)

    def _left(self, link: Link, data: DataMode, now: float) -> None:
        marker, lines = Marker(data.watch.marker), data.after_marker()
        data.end = marker
        link.move(Cause.LEFT)
        if not marker & RESTARTED:
            link.say("<", "NO CARRIER" if marker is Marker.NO_CARRIER else "OK")
        link.end_data(stray=not self._streaming)
        self.finish(link, marker)
        link.lines(lines, now)

    def _stayed(self, link: Link, data: DataMode, now: float) -> None:
        """An answer that could not be read for want of room may have come all the same."""
        data.watch.markers = ENDS
        staying = self._streaming and not self.step.last and link.has_room
        link.move(Cause.STAYED if staying else Cause.UNANSWERED)
        if not staying:
            data.release()
            link.adrift = link.adrift or self._streaming
            link.end_data(stray=not self._streaming)
        self.finish(link, Marker(0))

    def abandon(self, link: Link) -> None:
        if link.state is State.LEAVING and link.data and not self._streaming:
            self._stayed(link, link.data, link.now)
        self.done = True


KINDS: dict[type, type[Pending]] = {
    Until: Waiting,
    Pause: Pausing,
    Foreign: Counted,
    Heard: Counted,
    Now: Counted,
    Rate: Tuning,
    StartRate: TuningBack,
    Tell: Telling,
    Later: Owing,
    Silence: Quiet,
    Guarded: Escaping,
}


def pending(step: Any) -> Pending:
    """The pending form of a step; anything that is no step must be a command.  UsageError if it is neither."""
    return KINDS.get(type(step), Exchange)(step)
