"""From the text of a command line to a row of the table, strictly, as a module reads."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

from fcm360w.commands import CHAPTERS, rows
from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tcp import Escape
from fcm360w.parameters import ParseError, split
from fcm360w.sim.steps import Refused
from fcm360w.wire import Ask, Command, Get, Set, Setting

__all__ = ["Unknown", "concerns_sockets", "options_of", "parse", "segments"]

NAME = re.compile(r"(\+[A-Z]+|[A-Z]?)(.*)", re.IGNORECASE | re.DOTALL)

Current = Callable[[type[Setting]], Setting]


class Unknown(Refused):
    """No row of the table has this shape.  `sockets` tells whether one of that name belongs to manual 2.3."""

    def __init__(self, sockets: bool) -> None:
        super().__init__(SocketCode.INVALID_PARAMETERS)
        self.sockets = sockets


@functools.cache
def _commands() -> dict[str, list[type[Command[Any]]]]:
    found: dict[str, list[type[Command[Any]]]] = {}
    for row in _table():
        if issubclass(row, Command) and row is not Escape:
            found.setdefault(row.at.upper(), []).append(row)
    return found


@functools.cache
def _settings() -> dict[str, list[type[Setting]]]:
    found: dict[str, list[type[Setting]]] = {}
    for row in _table():
        if issubclass(row, Setting):
            found.setdefault(row.at.upper(), []).append(row)
    return found


@functools.cache
def _table() -> tuple[type[Any], ...]:
    return tuple(row for name in CHAPTERS for row in rows(name))


def _is_told_of(ref: str) -> bool:
    """Whether AT+QIGETERROR speaks of this section's commands: all of manual 2.3 but itself."""
    return ref.startswith("2.3.") and ref != "2.3.9"


def concerns_sockets(command: Command[Any]) -> bool:
    """Whether AT+QIGETERROR speaks of this command."""
    about: Any = command
    if isinstance(command, (Get, Set)):
        about = command.setting
    elif isinstance(command, Ask):
        about = command.row
    return _is_told_of(about.ref)


def segments(line: str) -> list[str]:
    """Split a line, without its AT, at semicolons outside quotes; blanks around them do not count."""
    parts, start, quoted = [], 0, False
    for i, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        elif char == ";" and not quoted:
            parts.append(line[start:i])
            start = i + 1
    parts.append(line[start:])
    return [parts[0].rstrip(" "), *(part.strip(" ") for part in parts[1:])]


def parse(segment: str, current: Current) -> Command[Any]:
    """Build the command.  `current` tells the value of an option, for parameters left out.  Raises Unknown."""
    match = NAME.fullmatch(segment)
    name, rest = (match[1].upper(), match[2]) if match else ("", segment)
    command = _write(name, rest[1:], current) if rest[:1] == "=" else _short(name, rest)
    if command is None:
        candidates: list[Any] = [*_commands().get(name, []), *_settings().get(name, [])]
        raise Unknown(any(_is_told_of(row.ref) for row in candidates))
    return command


def _short(name: str, rest: str) -> Command[Any] | None:
    """``+NAME``, ``+NAME?``, or a letter and its number."""
    form = {"": "exec", "?": "read"}.get(rest, "write" if len(name) == 1 else "none")
    candidates = [row for row in _commands().get(name, []) if row.form == form]
    return _best(candidates, rest if form == "write" else "")


def _write(name: str, text: str, current: Current) -> Command[Any] | None:
    if not name.startswith("+") or not text.strip(" ") or text.rstrip(" ").endswith(","):
        return None
    if text == "?":
        row = next((row for row in _commands().get(name, []) if row.test is not None), None)
        setting = next(iter(_settings().get(name, [])), None)
        asked: Any = row or setting
        return Ask(asked) if asked else None
    candidates = [row for row in _commands().get(name, []) if row.form == "write"]
    return _best(candidates, text) or _option(name, text, current)


def _best(candidates: list[type[Command[Any]]], text: str) -> Command[Any] | None:
    """Of the rows that accept the text the one that leaves the fewest parameters to their defaults."""
    count = len(split(text)) if text.count('"') % 2 == 0 and text else 0
    found: list[tuple[int, Command[Any]]] = []
    for row in candidates:
        try:
            command = row.parse(text, strict=True)
        except ValueError:
            continue
        on_line = [field for field in row.fields() if not field.payload or field.payload.counted]
        found.append((len(on_line) - count, command))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _option(name: str, text: str, current: Current) -> Command[Any] | None:
    """``"key"`` asks, ``"key",...`` sets; a parameter left out keeps its value."""
    for row in _settings().get(name, []):
        try:
            parts = split(text)
            if parts[0] == f'"{row.key}"':
                return Get(row) if len(parts) == 1 else Set(_merged(row, text, parts[1:], current(row)))
        except ParseError:
            return None
    return None


def _merged(row: type[Setting], text: str, given: list[str], before: Setting) -> Setting:
    kept = [field.name for i, field in enumerate(row.fields()) if i >= len(given) or not given[i]]
    return dataclasses.replace(row.parse(text, strict=True), **{name: getattr(before, name) for name in kept})


def options_of(name: str) -> tuple[type[Setting], ...]:
    """The options of a configuration command, in the order of the manual."""
    return tuple(_settings().get(name.upper(), ()))
