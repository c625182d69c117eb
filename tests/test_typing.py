"""The types that users rely on, as type checkers see them: right calls are inferred, wrong ones are errors."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CALLS = HERE / "typing" / "calls.py"
ROOT = HERE.parent


def expected() -> dict[int, str]:
    """By line, the error's code."""
    lines = enumerate(CALLS.read_text(encoding="utf-8").splitlines(), 1)
    return {number: match[1] for number, line in lines if (match := re.search(r"# \[([a-z-]+)\]", line))}


def checked(tool: str, *options: str) -> str:
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"platform: {tool} is not installed")
    done = subprocess.run([sys.executable, "-m", tool, *options, str(CALLS)], cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_mypy() -> None:
    out = checked("mypy", "--strict", "--no-error-summary", "--show-error-codes", "--no-color-output", "--no-pretty")
    found = re.findall(r"calls\.py:(\d+): error: .*\[([a-z-]+)\]$", out, re.MULTILINE)
    assert {int(number): code for number, code in found} == expected(), out


def test_pyright() -> None:
    """Its codes are its own; the lines must be the same."""
    out = checked("pyright", "--level", "error")
    found = re.findall(r"calls\.py:(\d+):\d+ - error", out)
    assert {int(number) for number in found} == set(expected()), out


def test_there_is_something_to_expect() -> None:
    assert len(expected()) >= 15
