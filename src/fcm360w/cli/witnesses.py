"""Which transcripts and tests show a row of the table: found in what is said there, and in what is named there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fcm360w.commands import CHAPTERS, chapter
from fcm360w.lines import pieces
from fcm360w.wire import Command, Row

SAID = re.compile(r'<<? (?:\\r\\n)?(?P<name>\+?[A-Za-z][A-Za-z ]*)(?:: ?"(?P<key>[^"]*)")?')
WRITTEN = re.compile(r"(\+Q[A-Z]+)(?=[:=?;\\']|$)")


class Witnesses:
    """The transcripts and tests of a folder.  Rows without a witness have none of either."""

    def __init__(self, folder: Path) -> None:
        papers = sorted(path for path in (folder / "transcripts").glob("*.md") if path.name != "README.md")
        self._spoken = {path.name: set(_spoken(path.read_text(encoding="utf-8"))) for path in papers}
        programs = sorted(folder.glob("test_*.py"))
        self._named = {path.name: set(_named(ast.parse(path.read_text(encoding="utf-8")))) for path in programs}

    def transcripts(self, row: type[Row]) -> list[str]:
        """The documents in which somebody says a row's line; of options, any of their command's."""
        wanted = (">", row.at.upper(), "") if issubclass(row, Command) else ("<", row.at.upper(), row.key or "")
        return [name for name, spoken in self._spoken.items() if wanted in spoken]

    def tests(self, row: type[Row]) -> list[str]:
        """The programs in which a row is named, or text has its line."""
        return [name for name, found in self._named.items() if row in found or row.at.upper() in found]


def _spoken(text: str) -> Iterator[tuple[str, str, str]]:
    """Who says what in the blocks of a document: the name of a command; a line's name, with its key and without."""
    for block in re.findall(r"^```wire.*?$(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line in (">> +++", "> +++"):
                yield ">", "+++", ""
            elif line[:4].upper() == "> AT":
                yield from ((">", each.name.strip(" ").upper(), "") for each in pieces(line[2:]))
                yield from [(">", "", "")] * (len(line) == len("> AT"))
            elif match := SAID.match(line):
                yield "<", match["name"].upper(), ""
                yield "<", match["name"].upper(), (match["key"] or "").lower()


def _named(tree: ast.Module) -> Iterator[Any]:
    """The rows that a program names, by their chapter or by themselves; and the names of lines in its text."""
    chapters: dict[str, Any] = {}
    rows: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fcm360w.commands"):
            source = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                if alias.name in CHAPTERS:
                    chapters[alias.asname or alias.name] = vars(chapter(alias.name))
                elif source in CHAPTERS:
                    rows[alias.asname or alias.name] = vars(chapter(source)).get(alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield from WRITTEN.findall(str(node.value))
        elif isinstance(node, ast.Name):
            yield rows.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield chapters.get(node.value.id, {}).get(node.attr)
