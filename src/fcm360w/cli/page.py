"""The whole table as a page: section by section, with what the twin does and what shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from fcm360w import reference
from fcm360w.cli.witnesses import Witnesses
from fcm360w.commands.codes import TABLES
from fcm360w.lines import every_row, title
from fcm360w.parameters import Field
from fcm360w.reference import Entry, Usage
from fcm360w.settings import Get, Set, Setting
from fcm360w.wire import Ask, Reply, Row

HEAD = """\
# Reference

Every section of the manual that has a command, a line or a code, as the table of this library has it. The page is
written by `fcm360w explain --all --markdown --tests tests`; a test compares.

`<name>` is a parameter, under the manual's name; `[...]` may be left out. A time is what the manual gives the module,
in seconds; the driver adds a margin. Any command may also end with `ERROR`. Numbers like T22 are decisions where the
manual is silent or contradicts itself. *Twin* says whether `sim://` performs the command."""
CHAPTERS = {
    "1": "Generic commands",
    "2.1": "The module and Wi-Fi",
    "2.2": "Bluetooth Low Energy",
    "2.3": "TCP and UDP",
    "2.4": "TLS",
    "2.5": "MQTT",
    "2.6": "HTTP",
    "2.7": "Ping",
    "2.8": "Names",
    "2.9": "Files",
    "3.1": "Lines that come unasked: Wi-Fi",
    "3.2": "Lines that come unasked: Bluetooth",
    "3.3": "Lines that come unasked: TCP and UDP",
    "3.4": "Lines that come unasked: TLS",
    "3.5": "Lines that come unasked: MQTT",
    "5": "Result codes",
}


def page(folder: Path | None = None) -> Iterator[str]:
    """The lines of the page.  `folder` is the one of the tests, if they are to be named."""
    witnesses = Witnesses(folder) if folder else None
    yield from HEAD.splitlines()
    for chapter, numbers in groupby(sections(), key=_chapter):
        yield from ["", f"## {chapter} {CHAPTERS[chapter]}"]
        for section in numbers:
            yield from _section(section, witnesses)
    yield from ["", f"## 5 {CHAPTERS['5']}", ""]
    yield "Codes have a table each; what carries them is in the table's head. Section 5 has those that are shared."
    for name, table in TABLES.items():
        yield from _codes(name, table.ref)


def sections() -> list[str]:
    """The sections that hold a row, in the manual's order."""
    return sorted({row.ref for row in every_row()}, key=lambda section: [int(part) for part in section.split(".")])


def _chapter(section: str) -> str:
    return "1" if section.startswith("1.") else ".".join(section.split(".")[:2])


def _section(section: str, witnesses: Witnesses | None) -> Iterator[str]:
    entries = [entry for entry in reference.entries() if entry.section == section]
    rows = [row for row in every_row() if row.ref == section]
    lines = [row for row in rows if issubclass(row, Reply) and not issubclass(row, Setting)]
    names = [entry.name for entry in entries] or [reference.template(row) for row in lines]
    yield from ["", f"### {section} {', '.join(f'`{name}`' for name in names)}", ""]
    for entry in entries:
        yield from _entry(entry)
    if lines:
        yield from _table(("line", "what it says", "comes"), map(_line, lines))
        yield from _parameters(field for row in lines for field in reference.parameters(row))
    yield from _coded(field for row in rows for field in row.fields())
    if entries:
        yield f"Twin: {_performed(entries)}."
        yield ""
    yield from _shown(rows, witnesses) if witnesses else ()


def _line(row: type[Reply]) -> tuple[str, str, str]:
    comes = "unasked" if row in reference.unsolicited() else "as an answer"
    return _code(reference.template(row)), reference.about(row), comes


# ---- commands -------------------------------------------------------------------------------------------------------


def _entry(entry: Entry) -> Iterator[str]:
    usages = [_usage(usage) for usage in entry.usages]
    if entry.test is not None:
        answers = "<br>".join(map(_code, entry.tests)) or "nothing"
        usages.insert(0, ("test", _code(f"{entry.name}=?"), "Ask which values it takes.", answers, "`OK`", "0.3"))
    if entry.options:
        usages.append(("write", _code(f'{entry.name}="<option>",...'), "Write an option.", "", "`OK`", "0.3"))
        asked = _code(f'{entry.name}: "<option>",...')
        usages.append(("write", _code(f'{entry.name}="<option>"'), "Ask for an option.", asked, "`OK`", "0.3"))
    yield from _table(("form", "line", "", "answer", "ends with", "s"), usages)
    yield from _parameters(entry.fields)
    for option in entry.options:
        yield from [f"`{reference.template(option).replace(': ', '=', 1)}`: {reference.about(option)}", ""]
        yield from _parameters(option.fields())
    if entry.urcs:
        lines = ", ".join(f"{_code(reference.template(row))} ({row.ref})" for row in entry.urcs)
        yield from [f"Lines that follow from it: {lines}.", ""]
    if entry.notes:
        yield from [f"Decisions: {', '.join(entry.notes)}.", ""]


def _usage(usage: Usage) -> tuple[str, ...]:
    text = _code(usage.answer) if usage.answer else ""
    for more in (", after OK", ", any number of times"):
        if usage.answer.endswith(more):
            text = _code(usage.answer.removesuffix(more)) + more
    ends = [*map(_code, usage.final), *_refusal(usage.row)]
    return usage.form, _code(usage.text), usage.about, text, ", ".join(ends), f"{usage.row.wait:g}"


def _refusal(row: type[Row]) -> list[str]:
    return [] if row.reason is Row.reason else ["`+CME ERROR: <err>`"]


def _performed(entries: Sequence[Entry]) -> str:
    from fcm360w.sim.handlers import HANDLERS, load

    load()
    needed: list[type[Any]] = [usage.row for entry in entries for usage in entry.usages]
    needed += [Get, Set] * any(entry.options for entry in entries)
    needed += [Ask] * any(entry.test is not None for entry in entries)
    lacking = [row.__name__ for row in needed if row not in HANDLERS]
    return f"all but {', '.join(lacking)}" if lacking else "yes"


# ---- parameters and codes -------------------------------------------------------------------------------------------


def _parameters(fields: Iterable[Field]) -> Iterator[str]:
    every = dict.fromkeys((title(field), reference.allowed(field), *_remarks(field)) for field in fields)
    if every:
        yield from _table(("parameter", "values", "if left out", ""), ((_code(name), *rest) for name, *rest in every))


def _remarks(field: Field) -> tuple[str, str]:
    marks = ["secret"] * field.secret + ["without quotes"] * field.bare + [field.note or ""]
    return reference.omission(field), ", ".join(filter(None, marks))


def _coded(fields: Iterable[Field]) -> Iterator[str]:
    for name, table in dict.fromkeys((title(field), field.codes) for field in fields if field.codes):
        yield from [f"`{name}` is a code of the table [{table}](#codes-{table}).", ""]


def _codes(name: str, ref: str) -> Iterator[str]:
    codes = [code for code in reference.codes() if code.table == name]
    yield from ["", f'<a id="codes-{name}"></a>', "", f"### Codes: {name} (manual {ref})", ""]
    yield from [f"Carried by {', '.join(map(_code, codes[0].carriers))}.", ""]
    yield from _table(("code", "text", "name"), ((str(code.number), code.text, code.name) for code in codes))


# ---- what shows it --------------------------------------------------------------------------------------------------


def _shown(rows: Sequence[type[Row]], witnesses: Witnesses) -> Iterator[str]:
    papers = sorted({name for row in rows for name in witnesses.transcripts(row)})
    programs = sorted({name for row in rows for name in witnesses.tests(row)})
    linked = [f"[{name.removesuffix('.md')}](../tests/transcripts/{name})" for name in papers]
    yield f"Shown in {', '.join(linked) or 'no transcript'}."
    if programs:
        yield from ["", f"Tested in {', '.join(name.removesuffix('.py') for name in programs)}."]


# ---- text -----------------------------------------------------------------------------------------------------------


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        cells = (" ".join(cell.replace("``", "`").replace("|", "\\|").split()) for cell in row)
        yield f"| {' | '.join(cells)} |".replace("  ", " ")
    yield ""
