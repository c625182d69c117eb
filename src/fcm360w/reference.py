"""The command table as a reference: every command, option, line and code, found by walking the rows.

What `fcm360w explain` lists, as data for programs and as pieces of text for people.  Nothing here knows a command.
"""

from __future__ import annotations

import enum
import functools
import re
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

from fcm360w import commands
from fcm360w.commands.codes import TABLES
from fcm360w.lines import every_row, replies, title
from fcm360w.parameters import Field, Length, Payload, Range
from fcm360w.settings import Setting
from fcm360w.wire import Command, Reply, Row

Described = dict[str, Any]
FORMS = ("test", "read", "write", "exec")


# ---- parameters -----------------------------------------------------------------------------------------------------


def parameters(row: type[Row]) -> tuple[Field, ...]:
    """What stands in a row's line.  A default that only saves a program's typing makes nothing optional there."""
    fields = row.printed_fields()
    needed = row.index if issubclass(row, Setting) else 1
    first = (field._replace(optional=False) for field in fields[:needed])
    return (*first, *(field._replace(optional=field.optional and not field.literal) for field in fields[needed:]))


def meaning(member: enum.Enum) -> str:
    """What a value stands for; empty where the value says it."""
    words = member.name.lower().replace("_", " ")
    return "" if words == str(member.value).lower().replace("_", " ") else words


def choices(field: Field) -> list[tuple[str, str]]:
    """The values of an enumerated parameter as they are printed, and what each stands for."""
    return [(field.format(member), meaning(member)) for member in field.members]


def allowed(field: Field) -> str:
    """What a parameter may be, its values with what they stand for."""
    return ", ".join(f"{value} {meaning}".rstrip() for value, meaning in choices(field)) or field.limits()


def default(field: Field) -> str:
    """The default as it is printed; empty if there is none."""
    return "" if field.default is None else field.format(field.default)


def omission(field: Field) -> str:
    """What it means to leave a parameter out; empty if that is not allowed."""
    return (f"default {default(field)}" if default(field) else "optional") if field.optional else ""


def described(field: Field) -> Described:
    """A parameter as data, under each of the names that the manual has for it."""
    kind, bounds = field.type, field.bounds
    base = "string" if issubclass(kind, str) else "int"
    found: Described = {"type": "enum" if field.members else base, "optional": field.optional}
    if field.members:
        found |= {"base": base, "about": kind.__doc__}
        found["values"] = [{"v": member.value, "meaning": meaning(member)} for member in field.members]
    if isinstance(bounds, (Range, Payload)):
        found["range"] = [bounds.low, bounds.high]
    elif isinstance(bounds, Length):
        found["length"] = [bounds.low, bounds.high]
    elif bounds and not field.members:
        found["shape"] = str(bounds)
    plain = field.default.value if isinstance(field.default, enum.Enum) else field.default
    unit = bounds.unit if isinstance(bounds, Range) else None
    more = {"default": plain, "unit": unit or None, "note": field.note, "codes": field.codes}
    marks = {"secret": field.secret or None, "unquoted": field.bare or None}
    return found | {name: value for name, value in (more | marks).items() if value is not None}


def _described(fields: tuple[Field, ...]) -> list[Described]:
    return [{"name": name} | described(field) for field in fields for name in field.names]


# ---- commands -------------------------------------------------------------------------------------------------------


def template(row: type[Row], whole: bool = False) -> str:
    """How a row looks on the wire, its parameters as ``<name>``.  `whole`: none is left out."""
    if "line" in row.__dict__ and issubclass(row, Reply) and not issubclass(row, Setting):
        return row(*(f"<{field.names[0]}>" for field in row.fields())).line()
    shown = "".join(_placeholders(row))
    shown = re.sub(r"[][]", "", shown) if whole else shown
    if not issubclass(row, Command):
        return f"{row.at}: {shown}" if shown else row.at
    sign = {"read": "?", "exec": ""}.get(row.form, "=" if row.at.startswith("+") else "")
    return row.at if row.at == "+++" else f"AT{row.at}{sign}{shown}"


def _placeholders(row: type[Row]) -> Iterator[str]:
    comma = ""
    if row.key is not None:
        yield f'"{row.key}"'
        comma = ","
    fields = parameters(row)
    silent = next((place for place, field in enumerate(row.fields()) if field not in row.printed_fields()), len(fields))
    for place, field in enumerate(fields):
        comma += "," if place == silent else ""
        name = default(field) if field.literal else "/".join(f"<{name}>" for name in field.names)
        yield f"[{comma}{name}" if field.optional else f"{comma}{name}"
        comma = ","
    yield "]" * sum(field.optional for field in fields)


def about(row: type[Row]) -> str:
    """What a row says of itself, in one line."""
    return " ".join((row.__dict__["__doc__"] or "").split())


class Usage(NamedTuple):
    """One row of a command: one way to use it."""

    row: type[Command[Any]]

    @property
    def form(self) -> str:
        return self.row.form

    @property
    def text(self) -> str:
        return template(self.row)

    @property
    def answer(self) -> str:
        """The line that answers it, and whether it comes late or several times; empty if there is none."""
        reply = self.row.reply
        if reply is None:
            return ""
        several = ", any number of times" if typing.get_origin(self.row.result) is tuple else ""
        return template(reply) + (", after OK" if self.row.late else several)

    @property
    def final(self) -> tuple[str, ...]:
        connects = self.row.connects is not Command.connects
        return (*self.row.final, "CONNECT") if connects else self.row.final

    @property
    def about(self) -> str:
        return about(self.row)

    @property
    def outcome(self) -> Iterator[str]:
        """What answers it, for people."""
        if self.answer:
            yield self.answer
        yield f"{' or '.join(self.final)} within {self.row.wait:g} s"


class Entry(NamedTuple):
    """A command: what the manual has in one section under one name."""

    at: str
    section: str
    usages: tuple[Usage, ...]
    options: tuple[type[Setting], ...]

    @property
    def name(self) -> str:
        return self.at if self.at == "+++" else f"AT{self.at}"

    @property
    def test(self) -> tuple[str, ...] | None:
        """The lines that answer the test command, without the name; None if there is no such command."""
        own = next((usage.row.test for usage in self.usages if usage.row.test is not None), None)
        if self.options:
            return (*(_tested(option) for option in self.options if option.test != ""), *(own or ()))
        return own

    @property
    def tests(self) -> tuple[str, ...]:
        """As `test`, as the module prints them."""
        return tuple(f"{self.at}: {text}" for text in self.test or ())

    @property
    def forms(self) -> tuple[str, ...]:
        found = {usage.form for usage in self.usages} | ({"write"} if self.options else set())
        return tuple(form for form in FORMS if form in found or (form == "test" and self.test is not None))

    @property
    def fields(self) -> tuple[Field, ...]:
        """The parameters of all usages, each once."""
        found = (field for usage in self.usages for field in parameters(usage.row))
        return tuple({(field.names, field.type, field.bounds, field.bare): field for field in found}.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """The decisions behind it, by number, in the order of the text."""
        rows = [*(usage.row for usage in self.usages), *self.options]
        text = " ".join(f"({field.note})" for row in rows for field in row.fields() if field.note)
        text += " ".join(map(about, rows))
        return tuple(dict.fromkeys(re.findall(r"\(([A-Z]\d+)\)", text)))

    @property
    def urcs(self) -> tuple[type[Reply], ...]:
        """Lines that come unasked which the rows speak of, or which carry the command's name."""
        words = set(re.findall(r"\w+", " ".join(usage.about for usage in self.usages)))
        return tuple(row for row in unsolicited() if row.__name__ in words or (self.at and row.at == self.at))

    def data(self) -> Described:
        """For programs."""
        return {
            "at": self.at,
            "section": self.section,
            "forms": list(self.forms),
            "parameters": _described(self.fields),
            "options": [{"key": row.key, "about": about(row), "parameters": _described(parameters(row))}
                        for row in (*self.options, *(each.row for each in self.usages if each.row.key))],
            "usages": [{"form": each.form, "text": each.text, "about": each.about, "answer": each.answer,
                        "final": list(each.final), "seconds": each.row.wait} for each in self.usages],
            "test": None if self.test is None else list(self.test),
            "urcs": [template(row) for row in self.urcs],
            "notes": list(self.notes),
        }  # fmt: skip


def _tested(option: type[Setting]) -> str:
    if option.test:
        return option.test
    ranges = (field.bounds for field in option.fields())
    lists = (",".join(value for value, _ in choices(field)) for field in option.fields())
    shown = (f"{r.low}-{r.high}" if isinstance(r, Range) else values for r, values in zip(ranges, lists, strict=True))
    return ",".join([f'"{option.key}"', *(f"({values})" for values in shown)])


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every command of the table, in the order of the manual."""
    usages: dict[tuple[str, str], list[Usage]] = {}
    options: dict[tuple[str, str], list[type[Setting]]] = {}
    for row in every_row():
        where = (row.at, row.ref)
        if issubclass(row, Command):
            usages.setdefault(where, []).append(Usage(row))
        elif issubclass(row, Setting):
            options.setdefault(where, []).append(row)
    places = sorted({*usages, *options}, key=lambda place: ([int(part) for part in place[1].split(".")], place[0]))
    return tuple(Entry(*place, tuple(usages.get(place, ())), tuple(options.get(place, ()))) for place in places)


# ---- lines and codes ------------------------------------------------------------------------------------------------


@functools.cache
def unsolicited() -> tuple[type[Reply], ...]:
    """The rows of lines that come unasked."""
    found = (commands.urc(name, key) for name, key in commands.URCS)
    return tuple(dict.fromkeys(row for row in found if row))


def line(row: type[Reply], name: str = "") -> Described:
    """A line of the module's, for programs, under the name that some firmware gives it."""
    found = {"prefix": name or row.at, "key": row.key and row.key.lower(), "section": row.ref, "about": about(row)}
    return found | {"parameters": _described(parameters(row))}


def _urcs() -> Iterator[Described]:
    for name, key in commands.URCS:
        if row := commands.urc(name, key):
            yield line(row, name)


def said(name: str) -> list[type[Reply]]:
    """The lines of a name that a module says."""
    wanted = name.strip(" ").upper()
    return replies().get(wanted, []) or replies().get(f"+{wanted}", [])


class Code(NamedTuple):
    """A result code: the manual's text, and the lines that carry it."""

    table: str
    number: int
    name: str
    text: str
    section: str
    carriers: tuple[str, ...]


@functools.cache
def codes() -> tuple[Code, ...]:
    """Every code of chapter 5."""
    return tuple(
        Code(name, int(code), code.name, text, table.ref, _carriers(name))
        for name, table in TABLES.items()
        for code, text in table.texts.items()
    )


def _carriers(table: str) -> tuple[str, ...]:
    rows = (row for rows in replies().values() for row in rows)
    coded = (f"{row.at} <{title(field)}>" for row in rows for field in row.fields() if field.codes == table)
    return tuple(dict.fromkeys(coded))


def data() -> Described:
    """The whole table, for programs."""
    return {
        "commands": [entry.data() for entry in entries()],
        "urcs": list(_urcs()),
        "codes": [{"table": each.table, "code": each.number, "name": each.name, "text": each.text} for each in codes()],
    }


def find(name: str) -> list[Entry]:
    """The commands of a name, with or without its AT or +, in either case."""
    wanted = name.strip(" ").upper()
    short = {wanted, wanted.removeprefix("AT"), f"+{wanted}"}
    return [entry for entry in entries() if entry.at.upper() in short]
