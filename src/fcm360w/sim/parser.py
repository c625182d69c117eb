"""From the text of a command line to a row of the table, strictly, as a module reads."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from fcm360w.commands import CHAPTERS, rows
from fcm360w.commands.codes import HttpCode, SocketCode
from fcm360w.commands.tcp import Escape
from fcm360w.parameters import Field, ParseError, split
from fcm360w.settings import Get, Set, Setting
from fcm360w.sim import foreign
from fcm360w.sim.steps import Refused
from fcm360w.wire import Ask, Command

__all__ = ["Reader", "Unknown", "after_at", "concerns_sockets", "options_of", "segments"]

INVALID_HTTP = HttpCode.INVALID_PARAMETERS
NAME = re.compile(r"(\+[A-Z]+|[A-Z]?)(.*)", re.IGNORECASE | re.DOTALL)

Current = Callable[..., Setting]


class Unknown(Refused):
    """No row of the table has this shape.  `sockets` tells whether AT+QIGETERROR speaks of such."""

    def __init__(self, sockets: bool, cme: int | None = None) -> None:
        super().__init__(SocketCode.INVALID_PARAMETERS, cme)
        self.sockets = sockets


@functools.cache
def _commands() -> dict[str, list[type[Command[Any]]]]:
    found: dict[str, list[type[Command[Any]]]] = {}
    for row in (*_table(), *foreign.ROWS):
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
    """Whether AT+QIGETERROR speaks of this section's commands: all of manual 2.3 and 2.4 but itself."""
    return ref.startswith(("2.3.", "2.4.")) and ref != "2.3.9"


def _has_codes(row: type[Any]) -> bool:
    """Whether what is wrong with its parameters is told: of all commands only those of HTTP do that (G-10)."""
    return row.ref.startswith("2.6.") and (issubclass(row, Setting) or row.form == "write")


def concerns_sockets(command: Command[Any]) -> bool:
    """Whether AT+QIGETERROR speaks of this command."""
    about: Any = command
    if isinstance(command, (Get, Set)):
        about = command.setting
    elif isinstance(command, Ask):
        about = command.row
    return _is_told_of(about.ref)


def after_at(line: bytes) -> str:
    """The text of a command line after its AT, without the blanks before the CR.  Refused if it is no such line."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Refused from None
    if text[:2].upper() != "AT":
        raise Refused
    return text[2:].rstrip(" ")


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


def options_of(name: str) -> tuple[type[Setting], ...]:
    """The options of a configuration command, in the order of the manual."""
    return tuple(_settings().get(name.upper(), ()))


class Reader(NamedTuple):
    """Reads commands.  `current` tells the value of an option, for parameters left out; `bare` lets quotes lack."""

    current: Current
    bare: bool = False

    def parse(self, segment: str) -> Command[Any]:
        """Build the command.  Raises Unknown."""
        match = NAME.fullmatch(segment)
        name, rest = (match[1].upper(), match[2]) if match else ("", segment)
        command = self._write(name, rest[1:]) if rest[:1] == "=" else self._short(name, rest)
        if command is None:
            candidates: list[Any] = [*_commands().get(name, []), *_settings().get(name, [])]
            coded = rest[:1] == "=" and any(map(_has_codes, candidates))
            raise Unknown(any(_is_told_of(row.ref) for row in candidates), INVALID_HTTP if coded else None)
        return command

    def _short(self, name: str, rest: str) -> Command[Any] | None:
        """``+NAME``, ``+NAME?``, or a letter and its number."""
        form = {"": "exec", "?": "read"}.get(rest, "write" if len(name) == 1 and " " not in rest else "none")
        candidates = [row for row in _commands().get(name, []) if row.form == form]
        return self._best(candidates, [rest] if form == "write" else [])

    def _write(self, name: str, text: str) -> Command[Any] | None:
        if not name.startswith("+") or not text.strip(" ") or text.rstrip(" ").endswith(","):
            return None
        if text == "?":
            row = next((row for row in _commands().get(name, []) if row.test is not None), None)
            setting = next(iter(_settings().get(name, [])), None)
            asked: Any = row or setting
            return Ask(asked) if asked else None
        try:
            parts = split(text)
        except ParseError:
            return None
        if any(" " in part and not part.startswith('"') for part in parts):
            return None
        candidates = [row for row in _commands().get(name, []) if row.form == "write"]
        return self._best(candidates, parts) or self._option(name, parts)

    def _best(self, candidates: list[type[Command[Any]]], parts: list[str]) -> Command[Any] | None:
        """Of the rows that accept the parameters the one that leaves the fewest of its own to their defaults."""
        found: list[tuple[int, Command[Any]]] = []
        for row in candidates:
            fields = row.printed_fields()
            try:
                command = row.parse(self._joined(parts, fields), strict=True)
            except ValueError:
                continue
            found.append((len(fields) - len(parts), command))
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def _joined(self, parts: list[str], fields: tuple[Field, ...]) -> str:
        """The parameters as a row reads them; strings that came bare are given their quotes, if they may."""
        if not self.bare:
            return ",".join(parts)
        named = zip(parts, fields, strict=False)
        quoted = [f'"{part}"' if field.quoted and part and part[0] != '"' else part for part, field in named]
        return ",".join([*quoted, *parts[len(fields) :]])

    def _option(self, name: str, parts: list[str]) -> Command[Any] | None:
        """``"key"``, and whose it is, asks; with more it sets, and a parameter left out keeps its value."""
        key = f'"{parts[0]}"' if self.bare and parts[0][:1] != '"' else parts[0]
        for row in _settings().get(name, []):
            if key == f'"{row.key}"' and len(parts) > row.index:
                try:
                    return self._asked(row, parts[1:]) or Set(self._merged(row, key, parts[1:]))
                except ParseError:
                    return None
        return None

    def _asked(self, row: type[Setting], given: list[str]) -> Command[Any] | None:
        if len(given) != row.index:
            return None
        return Get(row, tuple(field.parse(part, strict=True) for field, part in zip(row.fields(), given, strict=False)))

    def _merged(self, row: type[Setting], key: str, given: list[str]) -> Setting:
        whose = (field.parse(part, strict=True) for field, part in zip(row.fields()[: row.index], given, strict=False))
        before = self.current(row, *whose)
        kept = [field.name for i, field in enumerate(row.fields()) if i >= len(given) or not given[i]]
        value = row.parse(",".join([key, self._joined(given, row.fields())]), strict=True)
        return dataclasses.replace(value, **{name: getattr(before, name) for name in kept})
