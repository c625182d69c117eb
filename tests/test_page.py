"""The reference page: it is what the table says today, and something shows every section of the manual."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcm360w.cli.app import app
from fcm360w.cli.page import CHAPTERS, page, sections
from fcm360w.cli.witnesses import Witnesses
from fcm360w.commands import codes, files, http, mqtt, system, tcp
from fcm360w.lines import every_row
from fcm360w.wire import Row
from test_wire import TABLE

TESTS = Path(__file__).parent
COMMITTED = TESTS.parent / "docs" / "reference.md"


@pytest.fixture(scope="module")
def witnesses() -> Witnesses:
    return Witnesses(TESTS)


def test_the_committed_page_is_a_fresh_one() -> None:
    """Otherwise: fcm360w explain --all --markdown --tests tests > docs/reference.md."""
    result = CliRunner().invoke(app, ["explain", "--all", "--markdown", "--tests", str(TESTS)])
    assert result.output == COMMITTED.read_text(encoding="utf-8")


def test_every_section_and_row_is_on_the_page() -> None:
    text = COMMITTED.read_text(encoding="utf-8")
    found = re.findall(r"^### (\d(?:\.\d+)+) ", text, re.MULTILINE)
    assert found == sections()
    assert set(found) == {row.ref for row in TABLE}
    assert re.findall(r"^### Codes: (\w+)", text, re.MULTILINE) == list(codes.TABLES)
    assert {name for name in CHAPTERS if f"## {name} " in text} == set(CHAPTERS)


@pytest.mark.parametrize("section", sections())
def test_every_section_has_a_transcript(section: str, witnesses: Witnesses) -> None:
    assert any(witnesses.transcripts(row) for row in every_row() if row.ref == section)


def test_the_twin_performs_every_section() -> None:
    assert set(re.findall(r"^Twin: .*", COMMITTED.read_text(encoding="utf-8"), re.MULTILINE)) == {"Twin: yes."}


def test_without_tests_nothing_is_named() -> None:
    text = "\n".join(page())
    assert "### 2.3.2 `AT+QIOPEN`" in text
    assert "Shown in" not in text
    assert "test_" not in text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (system.GetVersion, "from fcm360w.commands import system as s\ns.GetVersion()"),
        (tcp.Close, "from fcm360w.commands.tcp import Close as Shut\nShut(3)"),
        (mqtt.Close, 'link.send("AT+QMTCLOSE=3")'),
        (http.GetOutcome, "b'\\r\\n+QHTTPGET: 0,200'"),
    ],
)
def test_a_program_names_a_row(row: type[Row], text: str, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(text)
    (tmp_path / "test_other.py").write_text("from fcm360w.commands import tls\ntls.Close(3)\nClose = 'AT+QMTCLOSEX'")
    assert Witnesses(tmp_path).tests(row) == ["test_one.py"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (system.Attention, "> AT"),
        (tcp.Resume, "> ATO"),
        (tcp.Escape, ">> +++"),
        (tcp.Close, "> AT+QVERSION;+QICLOSE=3"),
        (tcp.Closed, '< +QIURC: "closed",3'),
        (files.ReadFile, "> AT+QFREAD=1,5"),
    ],
)
def test_a_transcript_shows_a_row(row: type[Row], text: str, tmp_path: Path) -> None:
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "one.md").write_text(f"```wire\n{text}\n```\n")
    (tmp_path / "transcripts" / "other.md").write_text(f'{text}\n```wire\n> AT+QNO\n< +QIURC: "recv",3\n```\n')
    assert Witnesses(tmp_path).transcripts(row) == ["one.md"]


@pytest.mark.parametrize(
    "options", [["--markdown"], ["AT", "--markdown"], ["--all", "--markdown", "--json"], ["--all", "--tests", "."]]
)
def test_errors_of_usage(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["explain", *options]).exit_code == 2
