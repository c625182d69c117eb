"""`fcm360w explain`."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

if TYPE_CHECKING:
    from fcm360w.explain import Part, Reading
    from fcm360w.parameters import Field
    from fcm360w.reference import Entry
    from fcm360w.wire import Reply

WIDEST = 100
MOST = 48  # characters of a left column; a longer cell pushes its row's right column out


@click.command(epilog='Example: fcm360w explain \'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,2\'')
@click.argument("line", required=False, metavar="LINE|NAME|CODE")
@click.option("--all", "everything", is_flag=True, help="List the whole table.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--markdown", is_flag=True, help="With --all: print a page, section by section.")
@click.option(
    "--tests",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="With --markdown: name the transcripts and tests of this folder that show each section.",
)
def explain(line: str | None, everything: bool, as_json: bool, markdown: bool, tests: Path | None) -> None:
    """Say what a line, a command or a result code means.

    LINE is a line of the host's or the module's, with its parameters: each is told by its meaning and bounds, and what
    is wrong with it.  NAME is a command, such as QIOPEN: all of its forms.  CODE is a result code of the manual's
    chapter 5.  Needs no port.  Exit code 1 if the line is not one that the manual allows.
    """
    if everything == (line is not None):
        raise click.UsageError("give a line, a command or a code, or --all")
    if (markdown and (as_json or not everything)) or (tests and not markdown):
        raise click.UsageError("--markdown goes with --all alone, and --tests with --markdown")
    if line is None:
        lines, good = (_markdown(tests) if markdown else _all(as_json)), True
    else:
        lines, good = _one(line, as_json)
    click.echo("\n".join(lines))
    if not good:
        raise Exit(1)


def _one(text: str, as_json: bool) -> tuple[Iterable[str], bool]:
    from fcm360w import reference
    from fcm360w.errors import UsageError
    from fcm360w.explain import explain as readings_of

    line = text[:2].upper() == "AT"
    entries, said = ([], []) if line else (reference.find(text), reference.said(text))
    if entries or said:
        found = {"commands": [entry.data() for entry in entries], "lines": [reference.line(row) for row in said]}
        return ([json.dumps(found)] if as_json else _page(entries, said)), True
    readings = readings_of(text)
    if not readings:
        raise UsageError("the table holds no such line, command or code; --all lists it")
    good = any(not reading.faults for reading in readings)
    if as_json:
        return [json.dumps({"readings": [reading.data() for reading in readings]})], good
    return _readings(readings), good


def _all(as_json: bool) -> Iterable[str]:
    from fcm360w import reference

    return [json.dumps(reference.data())] if as_json else _listing()


def _markdown(tests: Path | None) -> Iterable[str]:
    from fcm360w.cli.page import page

    return page(tests)


# ---- text -----------------------------------------------------------------------------------------------------------


def _wrapped(text: str, indent: str = "") -> list[str]:
    width = min(WIDEST, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        text.replace("``", ""), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _columns(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> Iterator[str]:
    """Columns, the last one wrapped in its place."""
    widths = [min(MOST, max(map(len, cells))) for cells in list(zip(*rows, strict=True))[:-1]]
    hanging = indent + " " * sum(width + 2 for width in widths)
    for *cells, text in rows:
        first, *rest = _wrapped(text, hanging) or [hanging]
        padded = "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=True))
        yield f"{indent}{padded}{first[len(hanging) :]}".rstrip()
        yield from rest


def _readings(readings: list[Reading]) -> Iterator[str]:
    for place, reading in enumerate(readings):
        yield from [""][:place]
        yield f"{reading.line}  {reading.kind}, manual {reading.section}".lstrip()
        yield from _wrapped(reading.about, "  ")
        yield from _columns([(part.name, part.text, _told(part)) for part in reading.parts])
        yield from (f"  wrong: {fault}" for fault in reading.faults)
        yield from (f"  then   {text}" for text in reading.follows)


def _told(part: Part) -> str:
    note = f"decision {part.note}" if part.note else ""
    return "; ".join(filter(None, [part.meaning, part.limits, note]))


def _page(entries: list[Entry], said: list[type[Reply]]) -> Iterator[str]:
    from fcm360w import reference

    for place, entry in enumerate(entries):
        yield from [""][:place]
        yield from _command(entry)
    for row in said if not entries else ():
        yield f"{reference.template(row)}  manual {row.ref}"
        yield from _wrapped(reference.about(row), "  ")
        yield from _columns(_parameters(reference.parameters(row)))


def _command(entry: Entry) -> Iterator[str]:
    from fcm360w import reference

    yield f"{entry.name}  manual {entry.section}"
    if entry.test is not None:
        yield from ["", f"  test   {entry.name}=?", *(f"         {text}" for text in (*entry.tests, "OK"))]
    for usage in entry.usages:
        yield from ["", f"  {usage.form:<5}  {usage.text}", *_wrapped(usage.about, " " * 9)]
        yield from (f"         {text}" for text in usage.outcome)
    for option in entry.options:
        written = reference.template(option).replace(": ", "=", 1)
        yield from ["", f"  write  AT{written}", *_wrapped(reference.about(option), " " * 9)]
        yield from _columns(_parameters(option.fields()), " " * 9)
    if entry.fields:
        yield from ["", "  parameters"]
        yield from _columns(_parameters(entry.fields), "    ")
    if entry.urcs:
        yield from ["", "  lines that come unasked"]
        rows = [(reference.template(row), f"{reference.about(row)} Manual {row.ref}.") for row in entry.urcs]
        yield from _columns(rows, "    ")
    if entry.notes:
        yield from ["", f"  decisions  {', '.join(entry.notes)}"]


def _parameters(fields: Iterable[Field]) -> list[tuple[str, str]]:
    from fcm360w.lines import title

    return [(title(field), _parameter(field)) for field in fields]


def _parameter(field: Field) -> str:
    from fcm360w import reference

    note = f"decision {field.note}" if field.note else ""
    marks = ["never shown"] * field.secret + ["without quotes"] * field.bare
    return "; ".join(filter(None, [reference.allowed(field), reference.omission(field), *marks, note]))


def _listing() -> Iterator[str]:
    from fcm360w import reference

    commands = [(each.section, each.name, ", ".join(each.forms)) for each in reference.entries()]
    yield from ["Commands", *_columns(commands)]
    lines = [(row.ref, reference.template(row)) for row in reference.unsolicited()]
    yield from ["", "Lines that come unasked", *_columns(lines)]
    codes = [(str(code.number), code.text, f"{code.table} {code.name}") for code in reference.codes()]
    yield from ["", "Result codes", *_columns(codes)]
