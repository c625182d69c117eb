"""Lines and codes explained: which rows of the table a line may be, what each of its parameters means, what is wrong.

A line may have several readings, since the manual gives some names twice; then all of them are told.  Of secrets only
mask and length are.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fcm360w import reference
from fcm360w.commands.codes import TABLES
from fcm360w.lines import Argument, Fit, Piece, lay, piece, pieces, replies, title
from fcm360w.parameters import Field, ParseError, Payload, encode, split
from fcm360w.pending import MAX_COMMAND
from fcm360w.settings import Setting
from fcm360w.wire import Command, Reply, Row

COMMAND = re.compile(r"AT(?![A-Z]{2})", re.IGNORECASE)
SAID = re.compile(r"(?P<name>\+?[A-Za-z][A-Za-z ]*?)(?:: ?(?P<rest>.*))?", re.DOTALL)
COUNTING = re.compile(r"(?P<name>CONNECT) (?P<rest>[0-9]+)")
GROUPED = re.compile(r"(?:\([^)]*\)|[^,(])+")

FINAL = {
    "OK": "The command was performed.",
    "ERROR": "The command was refused.  After one of sockets AT+QIGETERROR tells why.",
    "CONNECT": "Data mode begins: what follows is payload, both ways.",
    ">": "The module asks for the payload of the command.",
}


class Part(NamedTuple):
    """One parameter of a line.  `text` as it stands there, secrets masked; empty if it was left out."""

    name: str
    text: str
    meaning: str
    limits: str
    note: str | None = None
    fault: str | None = None


class Reading(NamedTuple):
    """One way to read a line.  No `faults`: it is as the manual wants it.  `follows` tells what comes next."""

    kind: str
    line: str
    about: str
    section: str
    parts: tuple[Part, ...] = ()
    faults: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """For programs."""
        lists = {"parts": [part._asdict() for part in self.parts], "faults": list(self.faults)}
        return self._asdict() | lists | {"follows": list(self.follows)}


def explain(text: str) -> list[Reading]:
    """Every reading of a line, without its line ends, or of a code of chapter 5; none if it is nothing known here."""
    text = text.strip("\r\n").rstrip(" ")
    if len(encode(text)) > MAX_COMMAND:
        fault = f"longer than the {MAX_COMMAND} bytes that the module takes (manual 1.2)"
        return [Reading("over-long line", "", "", "1.2", faults=(fault,))]
    if text.isascii() and text.removeprefix("-").isdigit():
        return [_code(code) for code in reference.codes() if code.number == int(text)]
    if COMMAND.match(text):
        return [reading for each in pieces(text) or [Piece("", "", "")] for reading in _command(each)]
    if text == "+++" or (text.startswith("+") and ":" not in text.partition('"')[0] and re.search("[=?]", text)):
        return _command(piece(text))
    return _final(text) or list(_said(text))


def _code(code: reference.Code) -> Reading:
    about = f"{code.text}.  Carried by {', '.join(code.carriers)}."
    return Reading(f"{code.table} code {code.name}", str(code.number), about, code.section)


# ---- what a host says -----------------------------------------------------------------------------------------------


def _command(each: Piece) -> list[Reading]:
    line = each.masked() if each.name == "+++" else f"AT{each.masked().strip(' ')}"
    if fault := _malformed(each):
        return [Reading("no command", line, "", "1.2", faults=(f"{fault} (manual 1.2)",))]
    readings = _asking(each, line) if each.form == "test" else [_fitted(fit, line) for fit in each.fits()]
    return readings or [_formless(each, line)]


def _malformed(each: Piece) -> str | None:
    """What makes a command unreadable, whatever row it is meant for."""
    if not each.rows:
        return f"the table holds no such command: {each.masked().strip(' ')}"
    if each.sign and each.name.endswith(" "):
        return "a blank stands in the name of the command"
    return "a quote is not closed" if each.parameters.count('"') % 2 else None


def _formless(each: Piece, line: str) -> Reading:
    """A command in a form, or with an option, that it does not have."""
    entries = reference.find(each.name)
    keys = ", ".join(str(option.key) for entry in entries for option in entry.options)
    forms = ", ".join(dict.fromkeys(form for entry in entries for form in entry.forms))
    lacks = f"there is no such option, only {keys}" if keys and each.form == "write" else ""
    fault = lacks or f"there is no {each.form} form, only {forms}"
    section = entries[0].section
    return Reading(f"{each.form} command", line, "", section, faults=(f"{fault} (manual {section})",))


def _asking(each: Piece, line: str) -> list[Reading]:
    about = "Ask which values the command takes."
    return [
        Reading("test command", line, about, entry.section, follows=(*entry.tests, "OK"))
        for entry in reference.find(each.name)
        if entry.test is not None
    ]


def _fitted(fit: Fit, line: str) -> Reading:
    row = fit.row
    form = row.form if issubclass(row, Command) else "write"
    shown = fit.arguments[: row.index] if issubclass(row, Setting) and fit.asks else fit.arguments
    parts = tuple(_part(argument, row) for argument in shown)
    about = f"Ask for an option.  {reference.about(row)}" if fit.asks else reference.about(row)
    return Reading(f"{form} command", line, about, row.ref, parts, tuple(fit.faults), tuple(_follows(fit)))


def _follows(fit: Fit) -> Iterator[str]:
    command = fit.command()
    if command is None:
        return
    field = command.payload_field()
    if field and field.payload:
        yield f"{command.prompt()} then {_invited(command, field.payload)}"
    for reply in () if command.connects() else command.replies().values():
        yield reference.template(reply, whole=True) + (" after OK" if command.late else "")
    yield f"{'CONNECT' if command.connects() else ' or '.join(command.final)} within {command.timeout():g} s"


def _invited(command: Command[Any], payload: Payload) -> str:
    if payload.counted:
        return f"{len(command.body() or b'')} bytes"
    if command.prompt() == "CONNECT":
        return f"at most {payload.high} bytes; silence ends them"
    return "text; CTRL+Z sends it, ESC cancels it"


# ---- what a module says ---------------------------------------------------------------------------------------------


def _final(text: str) -> list[Reading]:
    name, _, rest = text.partition(":")
    number = rest.strip(" ")
    if name == "+CME ERROR" and number.isdigit():
        known = [code.text for code in reference.codes() if code.number == int(number)]
        about = f"The command was refused: {known[0] if known else 'a code that the table does not hold'}."
        return [Reading("final result", text, about, "1.2")]
    if text in FINAL:
        return [Reading("final result", text, FINAL[text], "1.2")]
    ended = [entry for entry in reference.entries() if any(text in usage.final for usage in entry.usages)]
    return [Reading("final result", text, f"Ends {entry.name}.", entry.section) for entry in ended]


def _said(text: str) -> list[Reading]:
    match = COUNTING.fullmatch(text) or SAID.fullmatch(text)
    if not match:
        return []
    name, rest = match["name"].upper(), (match["rest"] or "").strip(" ")
    return list(_tested(name, text, rest)) or [_heard(fit, text) for fit in _nearest(replies().get(name, []), rest)]


def _nearest(rows: list[type[Reply]], rest: str) -> list[Fit]:
    """The rows that a line is, as the manual prints it; or else as some firmware does; or else the least far ones."""
    strict = [fit for row in rows if (fit := _laid(row, rest, strict=True))]
    lenient = [fit for row in rows if (fit := _laid(row, rest, strict=False))]
    for fits in (strict, lenient):
        if good := {fit.row: fit for fit in fits if not fit.faults}:
            return list(good.values())
    nearest = min((fit.distance for fit in lenient), default=None)
    return [fit for fit in lenient if fit.distance == nearest]


def _laid(row: type[Reply], rest: str, strict: bool) -> Fit | None:
    try:
        if "read" not in row.__dict__:
            return _beside(row, split(rest) if rest else [], strict)
        reply = row.read(rest)
    except ParseError:
        return _with_payload(row, rest, strict)
    return Fit(type(reply), tuple(_read(field, getattr(reply, field.name)) for field in reply.printed_fields()), ())


def _beside(row: type[Reply], parts: list[str], strict: bool) -> Fit | None:
    if not (issubclass(row, Setting) and row.anonymous):
        return lay(row, parts, strict=strict)
    parts[1:1] = (field.format(field.default) for field in row.fields()[: row.index])
    fit = lay(row, parts, strict=strict)
    return fit and fit._replace(arguments=fit.arguments[row.index :])


def _with_payload(row: type[Reply], rest: str, strict: bool) -> Fit | None:
    """A line that ends with the length of a payload, or goes on with the payload."""
    if row.payload_field() is None:
        return None
    try:
        return lay(row, split(rest)[: len(row.printed_fields())], strict=strict)
    except ParseError:
        return None


def _read(field: Field, value: Any) -> Argument:
    """A value that a row has read."""
    if value is None:
        return Argument(field, "", None, None)
    return Argument(field, field.format(value), value, field.bounds.check(value) if field.bounds else None)


def _heard(fit: Fit, text: str) -> Reading:
    row = fit.row
    unasked = "unsolicited line" if row in reference.unsolicited() else "answer"
    parts = tuple(_part(argument, row) for argument in fit.arguments)
    follows = tuple(_announced(fit))
    for argument in fit.arguments:
        if argument.field.secret and argument.text:
            text = text.replace(argument.text, argument.shown)
    return Reading(unasked, text, reference.about(row), row.ref, parts, tuple(fit.faults), follows)


def _announced(fit: Fit) -> Iterator[str]:
    for argument in fit.arguments:
        if argument.field.payload and argument.text and argument.value:
            yield f"{len(argument.value)} bytes of payload, then CR LF"


def _tested(name: str, text: str, rest: str) -> Iterator[Reading]:
    """The answer to a test command: each range beside its parameter."""
    for entry in reference.find(name):
        if any(rest.replace(" ", "") == answer.replace(" ", "") for answer in entry.test or ()):
            option = next((option for option in entry.options if rest.startswith(f'"{option.key}"')), None)
            asked = option or next(usage.row for usage in entry.usages if usage.row.test)
            ranges = [text.strip(" ") for text in GROUPED.findall(rest)][1 if option else 0 :]
            pairs = zip(asked.printed_fields(), ranges, strict=False)
            parts = tuple(Part(title(field), values, "", field.limits(), field.note) for field, values in pairs)
            yield Reading("answer to the test command", text, "", entry.section, parts)


# ---- parameters -----------------------------------------------------------------------------------------------------


def _part(argument: Argument, row: type[Row]) -> Part:
    field = argument.field
    return Part(title(field), argument.shown, _meaning(argument, row), field.limits(), field.note, argument.fault)


def _meaning(argument: Argument, row: type[Row]) -> str:
    field, value = argument.field, argument.value
    if not argument.text:
        kept = "left out: it keeps its value" if issubclass(row, Setting) else "left out"
        return kept if value is None or issubclass(row, Setting) else f"left out: {field.format(value)}"
    if isinstance(value, enum.Enum):
        return ": ".join(filter(None, [_first_sentence(field), reference.meaning(value)]))
    if field.codes and isinstance(value, int):
        return {int(code): text for code, text in TABLES[field.codes].texts.items()}.get(value, "no code of the manual")
    return ""


def _first_sentence(field: Field) -> str:
    return " ".join((field.type.__doc__ or "").split()).partition(".")[0]
