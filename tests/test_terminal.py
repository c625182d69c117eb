"""The interactive terminal: keys into prompt_toolkit in this process, and into a real program at a pseudo-terminal."""

from __future__ import annotations

import importlib
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from fcm360w.cli.failures import Code
from fcm360w.cli.history import KEPT, MaskedHistory, state_file, stored
from fcm360w.cli.terminal import Terminal
from fcm360w.errors import UsageError
from fcm360w.module import Module
from peers import Peer
from test_cli import ENVIRONMENT, start
from test_conversation import Recorded, module, opening, server

__all__ = ["module", "server"]

SECRET = "open sesame"
PATIENCE = 30.0
JOIN = f'AT+QSTAAPINFO="hall","{SECRET}"\r'
CTRL_C, CTRL_D, LEAVE, TAB, UP = "\x03", "\x04", "\x1d", "\t", "\x1b[A"


@pytest.fixture(autouse=True)
def _state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))


# ---- keys, in this process ------------------------------------------------------------------------------------------


def type_keys(module: Module, *keys: str) -> Recorded:
    """All keys at once, and Ctrl-D; what was shown."""
    transcript = Recorded()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("".join(keys) + CTRL_D)
        Terminal(module, transcript, None).run()
    return transcript


def test_lines_are_typed_until_ctrl_d(module: Module) -> None:
    assert type_keys(module, "AT\r", "\r", "AT+QVERSIOM\x7fN\r").shown == b"OK\n+QVERSION: FCM360WAAR01A01\nOK\n"


def test_ctrl_c_begins_the_line_anew(module: Module) -> None:
    transcript = type_keys(module, "AT+QNO", CTRL_C, "AT\r")
    assert transcript.shown == b"OK\n"
    assert transcript.notes == []


def test_ctrl_c_gives_a_payload_and_its_command_up(module: Module) -> None:
    transcript = type_keys(module, "AT+QISEND=3,5\r", "hell", CTRL_C, "AT\r")
    assert transcript.shown == b"OK\n"
    assert transcript.notes == ["interrupted"]


def test_a_payload_is_typed_at_a_prompt_of_its_own(module: Module) -> None:
    assert type_keys(module, "AT+QISEND=3,5\r", "hell\r", "hello\r").shown == b"ERROR\n"


def test_ctrl_bracket_leaves_data_mode_and_is_nothing_elsewhere(module: Module, server: Peer) -> None:
    transcript = type_keys(module, f"{opening(server, access=2)}\r", "hello\r", f"lost{LEAVE}", f"AT{LEAVE}\r")
    assert transcript.shown == b"CONNECT\nOK\nOK\n"
    assert transcript.notes == ["leaving data mode"]
    assert server.next().wait_for(7) == b"hello\r\n"


# ---- history


def test_secrets_are_kept_in_no_file(module: Module) -> None:
    type_keys(module, JOIN, "AT+QVERSION\r", ".help\r", "open sesame\r")
    assert state_file().read_text().splitlines() == ['AT+QSTAAPINFO="hall","***"', "AT+QVERSION", ".help"]
    if sys.platform != "win32":
        assert state_file().stat().st_mode & 0o777 == 0o600
        assert state_file().parent.stat().st_mode & 0o777 == 0o700


def test_payload_is_in_no_history(module: Module, server: Peer) -> None:
    type_keys(module, "AT+QISEND=3,5\r", "hello\r", f"{opening(server, access=2)}\r", "payload\r", LEAVE)
    assert state_file().read_text().splitlines() == ["AT+QISEND=3,5", opening(server, access=2)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (".log x", ".log x"),
        ('at+qstaapinfo="hall","open sesame"', 'at+qstaapinfo="hall","***"'),
        ('AT+QNEWS="open sesame"', "AT+QNEWS=***"),
        ("open sesame", None),
        ("AT\x1bopen", None),
    ],
)
def test_what_is_kept_of_a_line(text: str, kept: str | None) -> None:
    assert stored(text) == kept


def test_the_history_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "at_history"
    path.write_text("".join(f"AT+X{i}\n" for i in range(KEPT + 7)))
    newest = [f"AT+X{i}" for i in reversed(range(7, KEPT + 7))]
    assert list(MaskedHistory(path).load_history_strings()) == newest
    assert path.read_text().splitlines() == newest[::-1]


def test_a_history_that_cannot_be_kept_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    history = MaskedHistory(tmp_path / "file" / "at_history")
    assert list(history.load_history_strings()) == []
    history.append_string("AT")
    history.append_string("AT")
    assert capsys.readouterr().err.count("the history is not kept") == 1
    assert history.get_strings() == ["AT", "AT"]


# ---- without prompt_toolkit


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    at = importlib.import_module("fcm360w.cli.at")
    for name in ("fcm360w.cli.terminal", "fcm360w.cli.history"):
        monkeypatch.delitem(sys.modules, name)
    missing: dict[str, ModuleType | None] = {name: None for name in sys.modules if name.startswith("prompt_toolkit")}
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"needs prompt_toolkit: pip install 'fcm360w\[terminal\]'"):
        vars(at)["_typed"]("sim://", None, 0)


# ---- a program at a pseudo-terminal ---------------------------------------------------------------------------------


# Makes the terminal at stdin that of its session, so that Ctrl-C is a signal where no key is awaited.
ENTRANCE = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "fcm360w", *sys.argv[1:]])
"""


class Program:
    """`fcm360w` as a child at a pseudo-terminal: types keys, waits for what it shows."""

    def __init__(self, *args: str, state: Path) -> None:
        import fcntl
        import struct
        import termios

        self.shown = bytearray()
        self._mark = 0
        self._end, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = {**ENVIRONMENT, "TERM": "xterm", "XDG_STATE_HOME": str(state)}
        command = [sys.executable, "-c", ENTRANCE, *args]
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def expect(self, text: str) -> str:
        """Wait until something is shown that was not when this was called last; all that was until then."""
        end = time.monotonic() + PATIENCE
        pattern = re.compile(text.encode())
        while not (found := pattern.search(self.shown, self._mark)):
            left = end - time.monotonic()
            assert left > 0, f"{text!r} is not in {bytes(self.shown[self._mark :])[-2000:]!r}"
            if select.select([self._end], [], [], left)[0]:
                assert self._read(), f"it ended before {text!r}: {bytes(self.shown[self._mark :])[-2000:]!r}"
        before, self._mark = self._mark, found.end()
        return self.shown[before : found.end()].decode(errors="replace")

    def ready(self) -> None:
        """Wait for the next prompt: what is typed before it goes through the system's line editor."""
        self.expect("OK")
        self.expect("at>")

    def _read(self) -> bool:
        try:
            data = os.read(self._end, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += data
        if b"\x1b[6n" in data:  # where is the cursor?  A terminal answers
            os.write(self._end, b"\x1b[1;1R")
        return bool(data)

    def exit_code(self) -> int:
        end = time.monotonic() + PATIENCE
        while select.select([self._end], [], [], max(0.0, end - time.monotonic()))[0] and self._read():
            continue
        return self._process.wait(PATIENCE)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._end)


@pytest.fixture
def twin(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    """`fcm360w sim` as a program of its own, and its URL."""
    if sys.platform == "win32":
        pytest.skip("platform: no pseudo-terminals")
    more = getattr(request, "param", [])
    with start("sim", "--tcp", "127.0.0.1:0", "--ap", f"hall:{SECRET}", "--unpaced", *more) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().decode().strip(), process
        finally:
            process.kill()


def test_a_session(twin: tuple[str, Any], server: Peer, tmp_path: Path) -> None:
    with Program("at", "-p", twin[0], state=tmp_path) as program:
        program.expect("at>")
        program.expect("Tab completes")
        program.type(JOIN)
        program.expect("GOT_IP")

        program.type(UP)
        program.expect(re.escape(SECRET))  # in this run it is had as it was typed
        program.type(CTRL_C + "AT+QVERS")
        program.expect("Report the firmware version")
        program.type(TAB)
        program.expect("ION")
        program.type("\r")
        program.expect(r"\+QVERSION: FCM360WAAR01A01")
        program.ready()

        program.type("AT+QIOPEN=12")
        program.expect(r"\x1b\[[0-9;]*31[0-9;]*m✗ connect_id 12 is outside 0..11 \(manual 2.3.2\)")
        program.expect("connect_id: 0..11")
        program.type(CTRL_C + f"{opening(server, access=1)}\r")
        program.expect(r"\+QIOPEN: 3,0")
        client = server.next()

        program.type("AT+QVER")
        program.expect("AT\\+QVER")
        client.close()
        program.expect(r'\+QIURC: "closed",3\r\n')
        program.expect("AT\\+QVER")  # the line is there again
        program.type("SION\r")
        program.expect(r"\+QVERSION: FCM360WAAR01A01")
        program.ready()
        program.type(CTRL_D)
        assert program.exit_code() == 0
    assert SECRET not in (tmp_path / "fcm360w" / "at_history").read_text()


def test_data_mode_and_payload_in_a_session(twin: tuple[str, Any], server: Peer, tmp_path: Path) -> None:
    with Program("at", "-p", twin[0], state=tmp_path) as program:
        program.expect("at>")
        program.type(JOIN)
        program.expect("GOT_IP")
        program.type(f"{opening(server, access=2)}\r")
        program.expect("CONNECT")
        program.expect("data>")
        program.expect("lines are payload")
        client = server.next()
        program.type("hello\r")
        assert client.wait_for(7) == b"hello\r\n"
        program.type("wor")
        program.expect("wor")
        client.send(b"\x1b[2Jnews\r\n")
        program.expect(r"\\x1b\[2Jnews")
        program.expect("wor")
        program.type("ld\r")
        assert client.wait_for(14) == b"hello\r\nworld\r\n"
        program.type(LEAVE)
        program.ready()

        program.type("AT+QISEND=3,5\r")
        program.expect("payload>")
        program.type("123456")
        program.expect("1 bytes too many")
        program.type("\x7f\r")
        program.expect("SEND ")
        program.ready()
        assert client.wait_for(19)[14:] == b"12345"

        program.type("ATO\r")
        program.expect("data>")
        client.close()
        program.expect("NO CARRIER")
        program.expect("at>")
        program.type(CTRL_D)
        assert program.exit_code() == 0


def test_times_are_shown_on_demand(twin: tuple[str, Any], tmp_path: Path) -> None:
    with Program("at", "-v", "-p", twin[0], state=tmp_path) as program:
        program.expect("at>")
        program.type("AT+QVERSION\r")
        program.expect(r"\d\d:\d\d:\d\d\.\d{3} \+QVERSION: FCM360WAAR01A01")
        program.ready()
        program.type(".quit\r")
        assert program.exit_code() == 0


def test_a_module_that_is_lost_ends_the_session(twin: tuple[str, Any], tmp_path: Path) -> None:
    with Program("at", "-p", twin[0], state=tmp_path) as program:
        program.expect("at>")
        twin[1].kill()
        program.expect("fcm360w: ")
        assert program.exit_code() == Code.TRANSPORT


@pytest.mark.parametrize("twin", [["--quirk", "slow_wifi", "-vv"]], indirect=True)
def test_ctrl_c_cancels_what_is_waited_for(twin: tuple[str, Any], tmp_path: Path) -> None:
    with Program("at", "-p", twin[0], state=tmp_path) as program:
        program.expect("at>")
        program.type("AT+QWSCAN\r")
        while b"AT+QWSCAN" not in twin[1].stderr.readline():
            continue
        program.type(CTRL_C)
        program.expect("-- interrupted")
        program.expect(r"\+QWSCAN: ")  # the answer that nobody waits for any more
        program.ready()
        program.type("AT+QVERSION\r")
        program.expect(r"\+QVERSION: FCM360WAAR01A01")
        program.ready()
        program.type(CTRL_D)
        assert program.exit_code() == 0


def test_json_is_for_programs(twin: tuple[str, Any], tmp_path: Path) -> None:
    with Program("at", "-p", twin[0], "--json", state=tmp_path) as program:
        program.expect("--json")
        assert program.exit_code() == Code.USAGE
