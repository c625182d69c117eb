"""Command lines as they were typed, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fcm360w.errors import CommandError, CommandTimeout, UsageError
from fcm360w.events import Unparsed
from fcm360w.lines import masked, pieces
from fcm360w.parameters import encode
from fcm360w.wire import Command, Reply

PATIENCE = 10.0
OPENS = "opens a prompt or data mode"


class Typed(Command[str], form="exec"):
    """A line as it was typed, and what it is sent at a prompt.  `heard` is told each line of its answer as it comes.

    The result is the final result, or CONNECT.
    """

    text: str
    commands: Sequence[Command[Any]]
    seconds: float
    heard: Callable[[bytes], object]
    payload: bytes | None = None

    def __post_init__(self) -> None:
        arms = {name for command in self.commands for name in command.arms}
        final = {name: None for command in self.commands for name in command.final}
        object.__setattr__(self, "arms", tuple(arms))
        object.__setattr__(self, "final", tuple(final | {"OK": None}))

    def line(self, mask: bool = False) -> str:
        return masked(self.text) if mask else self.text

    def body(self) -> bytes | None:
        return self.payload

    def connects(self) -> bool:
        return any(command.connects() for command in self.commands)

    @property
    def unfinished(self) -> Command[Any] | None:
        """The command whose real end is a line that comes after the final result."""
        return next((command for command in self.commands if command.late and not command.connects()), None)

    def ended(self, late: Reply | None) -> None:
        """That line has come, or has not in time.  CommandError, CommandTimeout if it is not what was hoped for."""
        fault = late.fault() if late else None
        if late is None:
            raise CommandTimeout(self.line(mask=True), self.seconds, self.section())
        if fault:
            raise CommandError(self.line(mask=True), late.line(), *fault, self.section())

    def section(self) -> str:
        return self.commands[0].section() if len(pieces(self.text)) == len(self.commands) == 1 else ""

    def timeout(self) -> float:
        return self.seconds

    def answer(self, text: str, data: bytes | None = None) -> Reply:
        """Any line is an answer."""
        self.heard(encode(text))
        if data is not None:
            self.heard(data)
        return Unparsed(text)

    def doubles(self) -> bool | None:
        return next((held for command in self.commands if (held := command.doubles()) is not None), None)

    def doubles_sent(self) -> bool | None:
        return next((held for command in self.commands if (held := command.doubles_sent()) is not None), None)

    def finish(self, replies: Sequence[Reply], final: str) -> str:
        return final


def typed(text: str, seconds: float | None, heard: Callable[[bytes], object], payload: bytes | None = None) -> Typed:
    """A command for a line.  Without a time limit it has the manual's, or a round number for an unknown command."""
    found = [command for piece in pieces(text) for command in piece.commands()]
    return Typed(text, found, _patience(found) if seconds is None else seconds, heard, payload)


def _patience(found: Sequence[Command[Any]]) -> float:
    return max((command.timeout() for command in found), default=PATIENCE)


def check(text: str) -> None:
    """UsageError for what is no command line, or opens what a program without further input could not close."""
    if opener(text):
        raise UsageError(
            f"{masked(text)} {OPENS}: use `fcm360w send`, `fcm360w recv`, or `fcm360w at` without a command"
        )


def opener(text: str) -> Command[Any] | None:
    """The command of a line that makes the module ask for payload, or begins data mode.

    UsageError for what is no command line, and for an opening command among others.
    """
    if not text.strip() or not text.isprintable() or text.strip() == "+++":
        raise UsageError(f"{text!r} is not a command line: printable, and not empty")
    found = pieces(text)
    opening = [command for piece in found for command in piece.commands() if _opens(command)]
    if opening and len(found) > 1:
        raise UsageError(f"{masked(text)} {OPENS}: such a command must stand alone in its line")
    return opening[0] if opening else None


def _opens(command: Command[Any]) -> bool:
    return command.body() is not None or command.connects()
