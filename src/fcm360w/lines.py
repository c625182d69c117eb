"""Command lines as people type them: which rows of the table they may be, and what is wrong with them.

A line holds pieces, with semicolons between.  A piece has a name, a form and parameters; each row of that name and form
is laid beside it, parameter by parameter, as strictly as a module reads.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from fcm360w import commands
from fcm360w.errors import UsageError
from fcm360w.parameters import Field, ParseError, split
from fcm360w.settings import Get, Set, Setting
from fcm360w.wire import Command, Reply, Row

Form = Literal["exec", "write", "read", "test"]
Sign = Literal["", "=", "?", "=?"]
FORMS: dict[Sign, Form] = {"": "exec", "=": "write", "?": "read", "=?": "test"}

PIECES = re.compile(r'(?:[^;"]|"[^"]*"?)+')
PIECE = re.compile(r"(?P<name>[^=?]*)(?P<sign>=\?(?= *$)|[=?]?)(?P<parameters>.*)", re.DOTALL)
NAME = re.compile(r" *(\+[A-Z]+|&?[A-Z]|) *", re.IGNORECASE)
PLAIN = re.compile(r'"[^"]*"|[^"]*')
LEADING = re.compile(r" *(\+[A-Z]*)?", re.IGNORECASE)
BASIC = re.compile(r"(?P<name> *[A-Za-z])(?P<parameters>[0-9].*)", re.DOTALL)
HIDDEN = '"***"'


# ---- the table by name ----------------------------------------------------------------------------------------------


@functools.cache
def every_row() -> tuple[type[Any], ...]:
    """The whole table, in the order of the manual."""
    return tuple(row for chapter in commands.CHAPTERS for row in commands.rows(chapter))


@functools.cache
def table() -> dict[str, list[type[Any]]]:
    """The rows that a host may type, by name."""
    return _by_name(row for row in every_row() if issubclass(row, (Command, Setting)))


@functools.cache
def replies() -> dict[str, list[type[Reply]]]:
    """The rows that a module may say, by name; firmware has more names for some lines than the manual."""
    found = _by_name(row for row in every_row() if issubclass(row, Reply))
    for name, key in commands.URCS:
        row = commands.urc(name, key)
        if row and row not in found.setdefault(name.upper(), []):
            found[name.upper()].append(row)
    return found


def _by_name(rows: Iterable[type[Any]]) -> dict[str, list[type[Any]]]:
    found: dict[str, list[type[Any]]] = {}
    for row in rows:
        found.setdefault(row.at.upper(), []).append(row)
    return found


# ---- a row beside parameters ----------------------------------------------------------------------------------------


class Argument(NamedTuple):
    """One parameter of a row beside what a line has for it: "" if nothing, and then `value` is the default."""

    field: Field
    text: str
    value: Any
    fault: str | None

    @property
    def shown(self) -> str:
        return HIDDEN if self.field.secret and self.text else self.text


class Fit(NamedTuple):
    """A row laid beside the parameters of a line.  `misshapen` says what is wrong with their number."""

    row: type[Row]
    arguments: tuple[Argument, ...]
    misshapen: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        """All that is wrong: which parameter breaks which bound, and the manual's section."""
        values = (f"{title(each.field)} {each.fault}" for each in self.arguments if each.fault)
        return [f"{fault} (manual {self.row.ref})" for fault in (*self.misshapen, *values)]

    @property
    def left_out(self) -> int:
        return sum(not each.text for each in self.arguments)

    @property
    def asks(self) -> bool:
        """Whether the line asks for an option: nothing stands in it but whose."""
        return issubclass(self.row, Setting) and not any(each.text for each in self.arguments[self.row.index :])

    @property
    def distance(self) -> tuple[int, int]:
        """How far the line is from being this row: first by its shape, where a lack is less than a surplus, then by its
        values."""
        wrong = [each for each in self.arguments if each.fault]
        shapeless = [each for each in wrong if not each.text or each.field.literal]
        return 2 * len(self.misshapen) + len(shapeless), len(wrong) - len(shapeless)

    def command(self) -> Command[Any] | None:
        """The command, if nothing is wrong."""
        if self.faults:
            return None
        values = {each.field.name: each.value for each in self.arguments}
        if issubclass(self.row, Setting):
            whose = tuple(values.values())[: self.row.index]
            return Get(self.row, whose) if self.asks else Set(self.row(**values))
        uncounted = {field.name: b"" for field in self.row.fields() if field.name not in values}
        command: Command[Any] = self.row(**values, **uncounted)  # type: ignore[assignment]
        return command


def title(field: Field) -> str:
    """The manual's name of a parameter; several where it prints alternatives."""
    return "/".join(field.names)


def lay(row: type[Row], parts: Sequence[str], *, strict: bool = True, whole: bool = True) -> Fit | None:
    """Lay a row beside parameters; None if it is an option and they name another.

    Strict, as a module reads: quotes as declared.  Not `whole`: more is to follow.
    """
    given = list(parts)
    if row.key is not None and not (given and _names(given.pop(0), row.key, strict)):
        return None
    fields = row.printed_fields()
    misshapen = tuple(_misshapen(given, len(fields), whole))
    given += [""] * (len(fields) - len(given))
    needed = (row.index if issubclass(row, Setting) else len(fields)) if whole else 0
    pairs = enumerate(zip(fields, given, strict=False))
    judged = (_argument(field, text, strict, place < needed) for place, (field, text) in pairs)
    return Fit(row, tuple(judged), misshapen)


def _misshapen(given: Sequence[str], most: int, whole: bool) -> Iterator[str]:
    if whole and given and not given[-1]:
        yield "nothing follows the last comma" if len(given) > 1 else "there is no parameter"
    elif len(given) > most:
        yield f"too many parameters: {len(given)}, at most {most}"


def _reread(fit: Fit, text: str, strict: bool) -> Fit:
    """Some rows read more than their parameters one by one allow."""
    if "parse" not in fit.row.__dict__:
        return fit
    try:
        row = fit.row.parse(text, strict)
    except (ParseError, UsageError):
        return fit
    values = ((each, getattr(row, each.field.name)) for each in fit.arguments)
    judged = (each._replace(value=value, fault=each.field.fault(value)) for each, value in values)
    return Fit(fit.row, tuple(judged), ())


def _names(text: str, key: str, strict: bool) -> bool:
    return text == f'"{key}"' if strict else text.strip('"').lower() == key.lower()


def _argument(field: Field, text: str, strict: bool, needed: bool) -> Argument:
    if not text:
        missing = needed and (field.literal or not field.optional)
        return Argument(field, text, field.default, f"is missing: {field.limits()}" if missing else None)
    try:
        value = field.parse(text)
    except ParseError:
        return Argument(field, text, None, _unreadable(field, text))
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if strict and quoted != field.quoted:
        return Argument(field, text, value, "must stand in quotes" if field.quoted else "must not stand in quotes")
    return Argument(field, text, value, field.fault(value) or (_misspelt(field, text, value) if strict else None))


def _misspelt(field: Field, text: str, value: Any) -> str | None:
    spelt = field.format(value)
    same = text.upper() == spelt if field.bare and field.members else text == spelt
    return None if same else f"is written {spelt}, not {text}"


def _unreadable(field: Field, text: str) -> str:
    if field.members:
        return f"{text} is none of {field.limits()}"
    digits = text.isascii() and text.removeprefix("-").isdigit()
    return f"{text} is outside {field.bounds}" if digits else f"{text} is no number: {field.limits()}"


# ---- lines ----------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """One command of a line; several may share it, with semicolons between."""

    name: str
    sign: Sign
    parameters: str

    @property
    def form(self) -> Form:
        return "write" if not self.sign and self.parameters else FORMS[self.sign]

    @property
    def rows(self) -> list[type[Any]]:
        return table().get(self.name.strip(" ").upper(), [])

    def fits(self, strict: bool = True) -> list[Fit]:
        """The rows that it may be: of those that it is without a fault the closest, or else the least far ones."""
        laid = list(self._laid(strict))
        good = [fit for fit in laid if not fit.faults]
        if good:
            fewest = min(fit.left_out for fit in good)
            return [fit for fit in good if fit.left_out == fewest]
        nearest = min((fit.distance for fit in laid), default=None)
        return [fit for fit in laid if fit.distance == nearest]

    def _laid(self, strict: bool) -> Iterator[Fit]:
        try:
            parts = split(self.parameters) if self.parameters or self.sign == "=" else []
        except ParseError:
            return
        for row in self.rows:
            form = row.form if issubclass(row, Command) else "write"
            if form == self.form and (fit := lay(row, parts, strict=strict)):
                yield _reread(fit, self.parameters, strict) if fit.faults else fit

    def commands(self) -> list[Command[Any]]:
        """What the table makes of it, however it is quoted: some firmware is less strict than the manual."""
        return [command for fit in self.fits(strict=False) if (command := fit.command())]

    def masked(self) -> str:
        """As text, without what may be secret: all that is no command's name, nor a parameter that the table knows."""
        named = NAME.fullmatch(self.name)
        if named and self.sign == "=":
            return self.name + self.sign + self._masked_parameters()
        if named and (not self.parameters.strip() or (not self.sign and self.parameters.isdigit())):
            return self.name + self.sign + self.parameters.strip()
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
        return ",".join(part if place < first else HIDDEN for place, part in enumerate(parts))


def _secret_places(row: type[Row]) -> list[int]:
    shift = 1 if row.key else 0
    return [place + shift for place, field in enumerate(row.printed_fields()) if field.secret]


def piece(text: str) -> Piece:
    """One command, without the AT of its line."""
    if basic := BASIC.fullmatch(text):
        return Piece(basic["name"], "", basic["parameters"])
    match = PIECE.fullmatch(text)
    assert match
    return Piece(match["name"], match["sign"], match["parameters"])  # type: ignore[arg-type]


def pieces(text: str) -> list[Piece]:
    """The commands of a line."""
    return [piece(part) for part in PIECES.findall(text[2:])]


def restarts(text: str) -> bool:
    """Whether a line makes the module restart, which answers nothing until it has."""
    return any(piece.name.strip().upper() == "+QRST" and not piece.sign for piece in pieces(text))


def masked(text: str) -> str:
    """A line without its secrets."""
    return text[:2] + ";".join(piece.masked() for piece in pieces(text))
