"""Command lines as people type them: what the table knows of them, and how they are run."""

from __future__ import annotations

import functools
import re
from typing import Any, Literal, NamedTuple

from fcm360w import commands
from fcm360w.errors import UsageError
from fcm360w.events import Unparsed
from fcm360w.parameters import ParseError, split
from fcm360w.wire import Command, Reply, Row, Setting

PATIENCE = 10.0
FORMS = {"": "exec", "=": "write", "?": "read"}
NAME = re.compile(r" *(\+[A-Z]+|&?[A-Z][0-9]*|) *", re.IGNORECASE)
PLAIN = re.compile(r'"[^"]*"|[^"]*')
LEADING = re.compile(r" *(\+[A-Z]*)?", re.IGNORECASE)
PIECES = re.compile(r'(?:[^;"]|"[^"]*"?)+')
PIECE = re.compile(r"(?P<name>[^=?]*)(?P<sign>=\?|[=?]?)(?P<parameters>.*)", re.DOTALL)

# Commands of chapters that the table does not hold which ask for payload or hand the serial port over, if they are
# given parameters.
OPENING = frozenset(
    ("+QSSLOPEN", "+QSSLSEND", "+QMTPUB", "+QHTTPPOST", "+QHTTPPUT", "+QHTTPREAD", "+QFREAD", "+QFWRITE")
)


class Piece(NamedTuple):
    """One command of a line; several may share it, with semicolons between."""

    name: str
    sign: Literal["", "=", "?", "=?"]
    parameters: str

    @property
    def rows(self) -> list[type[Any]]:
        return table().get(self.name.strip().upper(), [])

    def commands(self) -> list[Command[Any]]:
        """What the table makes of it: every row that it may be, however it is quoted."""
        form = FORMS.get(self.sign)
        rows = (row for row in self.rows if issubclass(row, Command) and row.form == form)
        return [command for row in rows if (command := self._as(row))]

    def _as(self, row: type[Command[Any]]) -> Command[Any] | None:
        try:
            command = row.parse(self.parameters)
        except (ParseError, TypeError):
            return None
        values = ((field, getattr(command, field.name)) for field in row.fields())
        return None if any(field.fault(value) for field, value in values if value is not None) else command

    def opens(self) -> bool:
        """Whether it makes the module ask for payload, or begins data mode."""
        if self.sign == "=" and self.name.strip().upper() in OPENING - table().keys():
            return True
        return any(command.body() is not None or command.connects() for command in self.commands())

    def masked(self) -> str:
        """As text, without what may be secret: all that is no command's name, nor a parameter that the table knows."""
        name = NAME.fullmatch(self.name)
        if self.sign == "=" and name:
            return self.name + self.sign + self._masked_parameters()
        if name and not self.parameters.strip():
            return self.name + self.sign
        return LEADING.match(self.name)[0] + "***"  # type: ignore[index]

    def _masked_parameters(self) -> str:
        if not self.rows:
            return "***"
        first = min((place for row in self.rows for place in _secret_places(row)), default=None)
        if first is None:
            return self.parameters
        try:
            parts = split(self.parameters)
        except ParseError:
            return "***"
        if not all(PLAIN.fullmatch(part) for part in parts):
            return "***"
        return ",".join(part if place < first else '"***"' for place, part in enumerate(parts))


def _secret_places(row: type[Row]) -> list[int]:
    shift = 1 if row.key else 0
    return [place + shift for place, field in enumerate(row.fields()) if field.secret]


@functools.cache
def table() -> dict[str, list[type[Any]]]:
    """The rows that a host may type, by name."""
    found: dict[str, list[type[Any]]] = {}
    for chapter in commands.CHAPTERS:
        for row in commands.rows(chapter):
            if row.at and issubclass(row, (Command, Setting)):
                found.setdefault(row.at.upper(), []).append(row)
    return found


def pieces(text: str) -> list[Piece]:
    """The commands of a line, without its AT."""
    found = (PIECE.fullmatch(piece) for piece in PIECES.findall(text[2:]))
    return [Piece(match["name"], match["sign"], match["parameters"]) for match in found if match]  # type: ignore[arg-type]


def masked(text: str) -> str:
    """A line without its secrets."""
    return text[:2] + ";".join(piece.masked() for piece in pieces(text))


def patience(text: str) -> float:
    """Seconds a line may take by the manual; a round number for a command that the table does not hold."""
    return max((command.timeout() for piece in pieces(text) for command in piece.commands()), default=PATIENCE)


def check(text: str) -> None:
    """UsageError for what is no command line, or opens what this program could not close."""
    if not text.strip() or not text.isprintable() or text.strip() == "+++":
        raise UsageError(f"{text!r} is not a command line: printable, and not empty")
    if any(piece.opens() for piece in pieces(text)):
        raise UsageError(
            f"{masked(text)} opens a prompt or data mode: use `fcm360w send` or `fcm360w recv` for payload"
        )


class Typed(Command[None], form="exec"):
    """A line as it was typed.  `heard` gets the lines of its answer as they come, the final result excepted."""

    text: str
    seconds: float
    heard: list[bytes]

    def __post_init__(self) -> None:
        arms = {name for piece in pieces(self.text) for command in piece.commands() for name in command.arms}
        object.__setattr__(self, "arms", tuple(arms))

    def line(self, mask: bool = False) -> str:
        return masked(self.text) if mask else self.text

    def timeout(self) -> float:
        return self.seconds

    def answer(self, text: str, data: bytes | None = None) -> Reply:
        """Any line is an answer."""
        self.heard.append(text.encode("utf-8", "surrogateescape"))
        if data is not None:
            self.heard.append(data)
        return Unparsed(text)


def typed(text: str, seconds: float | None, heard: list[bytes]) -> Typed:
    """A command for a line.  UsageError if it cannot be one."""
    check(text)
    return Typed(text, patience(text) if seconds is None else seconds, heard)
