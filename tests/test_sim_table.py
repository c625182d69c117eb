"""The twin against the command table: nothing is left out, nothing hangs on a name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fcm360w.sim
from fcm360w.commands import CHAPTERS, rows
from fcm360w.settings import Get, Set
from fcm360w.sim import foreign
from fcm360w.sim.dialect import DIALECTS, MANUAL, QUIRKS
from fcm360w.sim.handlers import HANDLERS, load
from fcm360w.wire import Ask, Command

load()
COMMANDS: list[type[Command[Any]]] = [row for chapter in CHAPTERS for row in rows(chapter) if issubclass(row, Command)]
SANS_IO = (
    *(
        "agenda",
        "board",
        "cable",
        "datamode",
        "dialect",
        "encoder",
        "endpoints",
        "entry",
        "files",
        "foreign",
        "hotspots",
        "inbox",
        "link",
    ),
    *("memory", "module", "network", "packer", "parser", "pipes", "radio", "routes", "sockets", "steps", "uart", "udp"),
    *("upgrade", "world"),
)


@pytest.mark.parametrize("row", [*COMMANDS, *foreign.ROWS, Ask, Get, Set], ids=lambda row: row.__name__)
def test_every_row_has_a_handler(row: type[Command[Any]]) -> None:
    assert row in HANDLERS


def test_every_handler_has_a_row() -> None:
    assert set(HANDLERS) == {*COMMANDS, *foreign.ROWS, Ask, Get, Set}


@pytest.mark.parametrize("name", QUIRKS)
def test_every_quirk_changes_something(name: str) -> None:
    assert MANUAL.with_quirks([name]) != MANUAL
    assert QUIRKS[name].says


def test_dialects_differ() -> None:
    assert len(set(DIALECTS.values())) == len(DIALECTS)


@pytest.mark.parametrize("name", SANS_IO)
def test_no_clock_and_no_io_below_the_loop(name: str) -> None:
    source = (Path(fcm360w.sim.__file__).parent / f"{name}.py").read_text()
    for module in ("time", "socket", "selectors", "threading", "asyncio", "os"):
        assert f"import {module}\n" not in source


def test_the_import_is_light() -> None:
    heavy = "{'asyncio', 'http.client', 'urllib.request', 'email', 'concurrent.futures', 'numpy', 'tty'}"
    script = f"import sys, fcm360w.sim.port; print(*sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.split() == []
