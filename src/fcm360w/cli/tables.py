"""Tables on stdout: drawn for people at a terminal, plain columns for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.screen import printable

if TYPE_CHECKING:
    from fcm360w.wire import Row

GAP = "  "


def show(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their titles; numbers stand to the right."""
    found = [tuple(row) for row in rows]
    right = [bool(found) and isinstance(found[0][place], int) for place in range(len(titles))]
    cells = [[printable(str(cell)) for cell in row] for row in found]
    if sys.stdout.isatty():
        _draw(titles, cells, right)
    else:
        _columns([list(titles), *cells], right)


def show_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values."""
    cells = [[name, printable(str(value))] for name, value in pairs]
    if sys.stdout.isatty():
        _draw(None, cells, [False, False])
    else:
        _columns(cells, [False, False])


def _draw(titles: Sequence[str] | None, cells: list[list[str]], right: list[bool]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_header=titles is not None)
    for title, to_right in zip(titles or [""] * len(right), right, strict=True):
        table.add_column(title, justify="right" if to_right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    with console.capture() as shown:  # rich would end the program itself if nobody reads it
        console.print(table)
    click.echo(shown.get(), nl=False)


def _columns(cells: list[list[str]], right: list[bool]) -> None:
    widths = [max(map(len, column), default=0) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        click.echo(GAP.join(padded).rstrip())


def figures(row: Row) -> dict[str, object]:
    """A row of the command table for JSON, by its parameters' names."""
    return {field.name: getattr(row, field.name) for field in row.fields()}
