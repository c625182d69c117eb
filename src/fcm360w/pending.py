"""The step a link is busy with: how it begins, what ends it, and what its time means; and the commands among them.

One class a kind of step (see steps.py); those that are no commands are in waits.py.  A pending step reads and moves the
link it was begun on; the link hands it lines and time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fcm360w.errors import CommandError, CommandTimeout, FCM360WError, GivenUp, ProtocolError, Restarted, UsageError
from fcm360w.parameters import ParseError, encode
from fcm360w.settings import Get, Set
from fcm360w.states import STREAMING, Cause, State
from fcm360w.steps import Unbroken, Within
from fcm360w.wire import Command, Reply

if TYPE_CHECKING:
    from fcm360w.link import Link

# The module takes one LF after the CR for part of the command, even where the command opens a prompt or data mode; so
# the LF must be there, or a payload that begins with one would lose it.
LINE_END = b"\r\n"
MAX_COMMAND = 1024

# Seconds beyond the manual's time: a busy host, or the way to the module, may be late by so much.
MARGIN = 2.0

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
