"""`fcm360w files` and `fcm360w ota`, in this process, on twins of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import fcm360w
import spoken
from fcm360w.cli import screen
from fcm360w.cli.app import app
from fcm360w.cli.failures import Code
from fcm360w.flows.system import UpgradeStage
from fcm360w.sim import MANUAL, Twin, firmware_image
from procedures_files import NEW, served

pytestmark = pytest.mark.driver

URL = "sim://cli-files"
HALL = ("--ssid", "hall", "--password", "open sesame")
OLD = "FCM360WAAR01A01"


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(name="cli-files", dialect=spoken.dialect(qfdel=False)) as twin:
        yield twin


def invoke(*args: str, text: bytes | None = None) -> Result:
    cleared = dict.fromkeys(("FCM360W_PORT", "FCM360W_PASSWORD"))
    return CliRunner().invoke(app, [*args, "-p", URL], input=text, env=cleared, prog_name="fcm360w")


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(bytes(range(256)) * 20)
    return path


@pytest.mark.usefixtures("twin")
def test_put_list_get(local: Path, tmp_path: Path) -> None:
    put = invoke("files", "put", str(local))
    assert (put.exit_code, put.stdout) == (0, "")
    assert "wrote ca.pem, 5,120 bytes, checked" in put.stderr
    assert invoke("files", "put", "-", "note", text=b"hello").exit_code == 0
    assert [line.split() for line in invoke("files", "ls").stdout.splitlines()] == [
        ["Name", "Bytes"],
        ["ca.pem", "5120"],
        ["note", "5"],
    ]
    assert invoke("files", "get", "note").stdout_bytes == b"hello"
    out = tmp_path / "out"
    assert invoke("files", "get", "ca.pem", "-o", str(out)).exit_code == 0
    assert out.read_bytes() == local.read_bytes()


@pytest.mark.usefixtures("twin")
def test_as_json(local: Path, tmp_path: Path) -> None:
    entry = {"filename": "ca.pem", "file_size": 5120}
    assert json.loads(invoke("files", "put", str(local), "--json").stdout) == entry
    assert json.loads(invoke("files", "ls", "--json").stdout) == {"files": [entry]}
    out = str(tmp_path / "out")
    assert json.loads(invoke("files", "get", "ca.pem", "-o", out, "--json").stdout) == entry


@pytest.mark.usefixtures("twin")
def test_what_is_refused(local: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    absent = invoke("files", "get", "none", "-o", str(out))
    assert absent.exit_code == Code.REFUSED
    assert "there is no file 'none'" in absent.stderr
    assert not out.exists()
    local.write_bytes(bytes(MANUAL.flash + 1))
    assert invoke("files", "put", str(local)).exit_code == Code.REFUSED
    assert "cannot delete" in invoke("files", "rm", "ca.pem").stderr


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        (("files", "put", "-"), "stdin has no name"),
        (("files", "put", "/none/such"), "does not exist"),
        (("files", "get", "a", "--json"), "pass -o FILE"),
        (("files", "get", "a", "-o", "/none/such/file"), "there is no folder"),
    ],
)
def test_usage(args: tuple[str, ...], fault: str) -> None:
    result = invoke(*args, text=b"")
    assert result.exit_code == Code.USAGE
    assert fault in result.stderr


def test_a_name_that_is_too_long(twin: Twin, local: Path) -> None:
    result = invoke("files", "put", str(local), "x" * 81)
    assert result.exit_code == Code.USAGE
    assert "outside 1..80" in result.stderr


def test_delete(local: Path) -> None:
    with Twin(name="cli-files", dialect=MANUAL.with_quirks(["qfdel"])):
        invoke("files", "put", str(local))
        assert invoke("files", "rm", "ca.pem").exit_code == 0
        invoke("files", "put", str(local))
        assert json.loads(invoke("files", "rm", "ca.pem", "--json").stdout) == {"filename": "ca.pem"}
        assert json.loads(invoke("files", "ls", "--json").stdout) == {"files": []}


@pytest.mark.usefixtures("twin")
def test_an_upgrade() -> None:
    with served(firmware_image(NEW, bytes(5000))) as port:
        result = invoke("ota", f"http://127.0.0.1:{port}/new", *HALL)
    assert result.exit_code == 0, result.stderr
    assert [line.split() for line in result.stdout.splitlines()] == [["Before", OLD], ["Now", NEW]]
    assert [line for line in result.stderr.splitlines() if line in set(UpgradeStage)] == list(UpgradeStage)
    with served(firmware_image(OLD)) as port:
        again = invoke("ota", f"http://127.0.0.1:{port}/old", *HALL, "--json")
    assert json.loads(again.stdout) == {"before": NEW, "after": OLD}


@pytest.mark.usefixtures("twin")
def test_an_upgrade_that_fails() -> None:
    with served(b"no image") as port:
        result = invoke("ota", f"http://127.0.0.1:{port}/new", *HALL)
    assert result.exit_code == Code.REFUSED
    assert "cannot be downloaded" in result.stderr
    with fcm360w.open(URL) as module:
        assert module.system.version() == OLD


def test_the_stages_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    console = Console(force_terminal=True, file=said, width=80)
    monkeypatch.setattr(screen, "stderr", lambda: console)
    with import_module("fcm360w.cli.ota")._stages() as show:
        for stage in UpgradeStage:
            show(stage)
    assert "running" in said.getvalue()
