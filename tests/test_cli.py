"""The command line: usage errors and parts in this process, the jobs as programs of their own with a running twin."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import spoken
from fcm360w import errors
from fcm360w.channel import Report
from fcm360w.cli import failures, screen, typed
from fcm360w.cli.app import SUMMARIES, app, load
from fcm360w.cli.connection import Tally, piece_size
from fcm360w.cli.failures import Code, Incomplete
from fcm360w.link import Link
from fcm360w.sim import QUIRKS, Twin
from freeport import free_port

PATIENCE = 30.0
SECRET = "open sesame"
PAYLOAD = random.Random(2).randbytes(2_500_000)
OURS = ("FCM360W_PORT", "FCM360W_PASSWORD", "FORCE_COLOR", "PYTHONUNBUFFERED")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OURS}


# ---- far ends and programs ------------------------------------------------------------------------------------------


@contextmanager
def far_end(serve: Callable[[socket.socket], object]) -> Iterator[str]:
    """A plain TCP server that serves one client; its URL.  Waits until the client has been served."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE)

    def run() -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            client.settimeout(PATIENCE)
            serve(client)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(PATIENCE)
        assert not thread.is_alive()
    finally:
        listener.close()


class Echo:
    """Sends everything back, and remembers it."""

    def __init__(self) -> None:
        self.received = bytearray()

    def __call__(self, client: socket.socket) -> None:
        while data := client.recv(65536):
            self.received += data
            client.sendall(data)


def silent(client: socket.socket) -> None:
    while client.recv(4096):
        continue


def source(data: bytes) -> Callable[[socket.socket], None]:
    def serve(client: socket.socket) -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        silent(client)

    return serve


def half_deaf_module(client: socket.socket) -> None:
    """Says who it is, and OK to all but AT+QSETBAND?."""
    pending = b""
    while data := client.recv(4096):
        *lines, pending = (pending + data).replace(b"\n", b"").split(b"\r")
        for line in lines:
            if line == b"AT+QVERSION":
                client.sendall(b"\r\n+QVERSION: FCM360W\r\n")
            if line != b"AT+QSETBAND?":
                client.sendall(b"\r\nOK\r\n")


def start(*args: str, **more: Any) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "fcm360w", *args], **{"env": ENVIRONMENT, **pipes, **more})


def run(*args: str, data: bytes | None = None) -> tuple[int, bytes, str]:
    """Run the program; its exit code, stdout and stderr."""
    with start(*args, stdin=subprocess.DEVNULL if data is None else subprocess.PIPE) as process:
        out, err = process.communicate(data, PATIENCE)
    return process.returncode, out, err.decode()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`fcm360w sim` as a program of its own: the URL of each front end, by its scheme."""
    if sys.platform == "win32":
        pytest.skip("platform: no pseudo-terminals")
    link = tmp_path_factory.mktemp("twin") / "module"
    arguments = ["--tcp", "127.0.0.1:0", "--pty", str(link), "--ap", f"hall:{SECRET}", "--unpaced"]
    arguments += spoken.arguments()
    with start("sim", *arguments) as process:
        assert process.stdout
        urls = [process.stdout.readline().decode().strip() for _ in range(2)]
        try:
            yield {url.partition(":")[0]: url for url in urls}
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert not link.is_symlink()


@pytest.fixture(scope="module")
def joined(twin: dict[str, str]) -> dict[str, str]:
    """The twin, joined to its hotspot."""
    patience = str(0.2 + 2 * spoken.dialect().join_delay)
    code, _, err = run("at", "-p", twin["tcp"], f'AT+QSTAAPINFO="hall","{SECRET}"', "--wait", patience)
    assert code == 0, err
    return twin


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("fcm360w", screen.WIRE)]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


def invoke(*args: str, **env: str) -> Result:
    """Run the program in this process."""
    cleared = dict.fromkeys(("FCM360W_PORT", "FCM360W_PASSWORD"))
    return CliRunner().invoke(app, args, env={**cleared, **env}, prog_name="fcm360w")


def text(result: Result) -> str:
    """What was printed, without the frames that rich draws."""
    return " ".join(result.output.replace("│", " ").split())


# ---- usage ----------------------------------------------------------------------------------------------------------


def test_the_library_loads_no_click_and_help_loads_no_subcommand() -> None:
    script = """
import sys, fcm360w
assert "click" not in sys.modules
from fcm360w.cli.app import app
app(["--help"], standalone_mode=False)
loaded = [name for name in sys.modules if name.startswith("fcm360w.cli.")]
assert sorted(loaded) == ["fcm360w.cli.app", "fcm360w.cli.failures", "fcm360w.cli.options"], loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=PATIENCE)


def test_help_lists_every_command() -> None:
    shown = text(invoke("--help"))
    assert all(f"{name} {summary}" in shown for name, summary in SUMMARIES.items())


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_command_has_help(name: str) -> None:
    result = invoke(name, "-h")
    assert result.exit_code == 0
    assert load(name).name == name
    assert f"Usage: fcm360w {name}" in text(result)


def test_version() -> None:
    import fcm360w

    assert invoke("--version").output == f"fcm360w {fcm360w.__version__}\n"


def test_a_missing_port_is_explained() -> None:
    result = invoke("at", "AT")
    assert result.exit_code == Code.USAGE
    assert "pass -p URL or set FCM360W_PORT" in text(result)
    assert "sim:// is the embedded twin" in text(result)


def test_the_port_may_come_from_the_environment() -> None:
    assert invoke("at", "AT", FCM360W_PORT="sim://").output == "OK\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["frobnicate"], "No such command"),
        (["at", "-p", "carrier://pigeon", "AT"], "no transport is called carrier://"),
        (["at", "-p", "sim://?colour=red", "AT"], "sim:// has no option colour; it has ap"),
        (["at", "-p", "sim://", "AT\r\nAT"], "is not a command line"),
        (["at", "-p", "sim://", "+++"], "is not a command line"),
        (["send", "/nonexistent", "-p", "sim://", "--to", "tcp://h:1"], "No such file"),
        (["send", "-", "-p", "sim://", "--to", "127.0.0.1:80"], "is not tcp://HOST:PORT"),
        (["send", "-", "-p", "sim://", "--to", "tcp://h:0"], "is not tcp://HOST:PORT"),
        (["send", "-", "-p", "sim://", "--to", "tcp://h:65536"], "is not tcp://HOST:PORT"),
        (["send", "-", "-p", "sim://", "--to", "tcp://h:1", "--mode", "fast"], "'transparent', 'push', 'buffer'"),
        (["send", "-", "-p", "sim://", "--to", "tcp://h:1", "--password", "x"], "--password without --ssid"),
        (["recv", "-p", "sim://", "--from", "tcp://h:1", "--out", "-", "--json"], "both want stdout"),
        (["recv", "-p", "sim://", "--from", "tcp://h:1", "--out", "/nonexistent/file"], "there is no folder"),
        (["recv", "-p", "sim://", "--from", "tcp://h:1", "--out", "-", "--bytes", "0"], "x>=1"),
        (["sim", "--tcp", "0.0.0.0:0"], "on this machine only"),
        (["sim", "--tcp", "localhost"], "is not HOST:PORT"),
        (["sim", "--baud", "9600", "--unpaced"], "exclude each other"),
        (["sim", "--baud", "2000001"], "1200<=x<=2000000"),
        (["sim", "--ap", "hall:short"], "a password has 8 to 63 bytes"),
        (["sim", "--map", "10.0.0.9:80"], "not HOST:PORT=HOST:PORT"),
    ],
)
def test_errors_of_usage(arguments: list[str], expected: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == Code.USAGE
    assert expected in text(result)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.CommandError("AT+X"), 1),
        (errors.ProtocolError("x"), 1),
        (errors.PeerClosed(3, 2, 1), 1),
        (errors.Overrun("x"), 1),
        (Incomplete("x"), 1),
        (errors.TransportLost("x"), 3),
        (errors.TransportUnavailable("x", "hint"), 3),
        (errors.CommandTimeout("AT", 0.3), 4),
        (TimeoutError("x"), 4),
        (FileNotFoundError(2, "No such file", "name"), 1),
        (KeyboardInterrupt(), 130),
        (KeyError("x"), 70),
    ],
)
def test_each_error_has_its_exit_code_and_one_line(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failures.report(error, trace=False) == code
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("fcm360w: ")
    assert err.count("\n") == 1


def test_a_traceback_is_shown_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    failures.report(errors.ProtocolError("x"), trace=True)
    assert "ProtocolError" in capsys.readouterr().err
    assert "Traceback" not in invoke("at", "-p", "carrier://pigeon", "AT", "-v").output


def test_progress_is_silent_where_nobody_sees_it(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress("sending", 10) as show:
        show(5)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("baud", "size"), [(None, 23360), (9600, 1460), (115200, 1460), (2_000_000, 18980)])
def test_pieces_are_full_packets_of_a_tenth_of_a_second(baud: int | None, size: int) -> None:
    assert piece_size(baud) == size


# ---- typed commands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "AT+QISEND=3,5",
        "at+qisend=3",
        'AT+QISEND=3,5,"10.0.0.9",5000',
        'AT+QIOPEN=0,"TCP","h",80,0,2',
        "AT+QIOPEN=0,TCP,h,80,0,2",
        "AT+QISWTMD=3,2",
        "ATO",
        'AT+QMTPUB=0,0,0,0,"t",5',
        'AT+QVERSION;+QISEND=3,5;+QISTATE="a;b"',
    ],
)
def test_what_opens_a_prompt_or_data_mode_is_refused_before_anything_is_sent(line: str) -> None:
    result = invoke("at", "-p", "tcp://127.0.0.1:1", "AT", line)
    assert result.exit_code == Code.USAGE
    assert "opens a prompt or data mode" in text(result)


@pytest.mark.parametrize(
    "line",
    [
        "AT",
        "ATE0",
        "AT+QISEND=3,0",
        "AT+QISEND=?",
        "AT+QISWTMD=3,1",
        'AT+QIOPEN=0,"TCP","h",80,0,0',
        'AT+QIOPEN=0,"TCP",";+QISEND=3,5",80,0,1',
        "AT+QMTPUB=?",
    ],
)
def test_other_commands_pass(line: str) -> None:
    typed.check(line)


def test_a_typed_line_has_the_time_that_the_manual_grants() -> None:
    assert typed.typed("AT+QVERSION;+QIRD=0", None, print).seconds == 5.0
    assert typed.typed("AT+QNEWS=1", None, print).seconds == typed.PATIENCE
    assert typed.typed("AT+QIRD=0", 0.5, print).seconds == 0.5


def test_the_answer_of_a_typed_line_is_kept_byte_for_byte() -> None:
    heard: list[bytes] = []
    link = Link(0.0)
    pending = link.begin(typed.typed("AT+QIRD=0,1500", None, heard.append))
    link.receive(b"\r\n+QIRD: 9\r\n\r\nOK\r\n\xff\0!\r\n\r\n+QNEWS:x  y \xfe\r\n\r\nOK\r\n", 0.1)
    assert pending.done
    assert heard == [b"+QIRD: 9", b"\r\nOK\r\n\xff\0!", b"+QNEWS:x  y \xfe"]


def test_raw_answers() -> None:
    result = invoke("at", "-p", "sim://?quirk=no_space", "AT+QISEND=?", "AT", 'AT+QGETIP="station"')
    assert result.exit_code == 0
    zeros = ",".join(['"0.0.0.0"'] * 4)
    assert result.output == f"+QISEND: (0-11),(0-1460),<remoteIP>,(1-65535)\nOK\nOK\n+QGETIP:{zeros}\nOK\n"


def test_the_first_refusal_ends_the_run_with_all_that_was_answered() -> None:
    result = invoke("at", "-p", "sim://", "AT+QVERSION;+QNO", "AT")
    assert result.exit_code == Code.REFUSED
    assert result.output == "+QVERSION: FCM360WAAR01A01\nERROR\nfcm360w: AT+QVERSION;+QNO: ERROR\n"


def test_lines_that_come_unasked_are_printed_while_it_waits() -> None:
    result = invoke("at", "-p", "sim://", f'AT+QSTAAPINFO="hall","{SECRET}"', "--wait", "0.4")
    assert result.output == 'OK\n+QSTASTAT: "WLAN_CONNECTED"\n+QSTASTAT: "GOT_IP"\n'


def test_answers_as_json() -> None:
    result = invoke("at", "-p", "sim://", "--json", f'AT+QSTAAPINFO="hall","{SECRET}"', "AT+QVERSION", "AT+QNO")
    assert result.exit_code == Code.REFUSED
    assert json.loads(result.output.splitlines()[0]) == {
        "answers": [
            {"command": 'AT+QSTAAPINFO="hall","***"', "lines": [], "result": "OK"},
            {"command": "AT+QVERSION", "lines": ["+QVERSION: FCM360WAAR01A01"], "result": "OK"},
            {"command": "AT+QNO", "lines": [], "result": "ERROR"},
        ],
        "unasked": [],
    }


def test_the_log_of_the_wire_masks_secrets_and_steers_no_terminal() -> None:
    result = invoke("at", "-v", "-p", "sim://?echo=1", f'AT+QSTAAPINFO="hall","{SECRET}"', "AT+QVERSION")
    assert '> AT+QSTAAPINFO="hall","***"' in result.output
    assert "< +QVERSION: FCM360WAAR01A01" in result.output
    assert SECRET not in result.output
    record = logging.LogRecord("fcm360w.wire", logging.DEBUG, "", 0, "%s %s", ("<", "\x1b[2J\x07"), None)
    handler = logging.getLogger("fcm360w").handlers[0]
    with CliRunner().isolation() as (_, err, *_rest):
        handler.emit(record)
        assert err.getvalue().endswith(b"< \\x1b[2J\\x07\n")


# ---- jobs -----------------------------------------------------------------------------------------------------------


def test_ports_as_text_and_json() -> None:
    assert "sim:// is the embedded twin" in text(invoke("ports")) or "Ports found" in text(invoke("ports"))
    told = json.loads(invoke("ports", "--json").output)
    schemes = {scheme["name"]: scheme for scheme in told["schemes"]}
    assert {"serial", "sim", "tcp"} <= schemes.keys()
    assert "baud" in schemes["serial"]["options"]
    assert all(set(port) == {"url", "description"} for port in told["ports"])


def test_demo_moves_data_both_ways_and_checks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("fcm360w.cli.demo")
    monkeypatch.setattr(module, "PACED", 20_000)
    monkeypatch.setattr(module, "UNPACED", 300_000)
    monkeypatch.setattr(module, "ENOUGH", 0.0)
    result = invoke("demo", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(next(line for line in result.output.splitlines() if line.startswith("{")))
    assert told["problems"] == []
    assert [(each["baud"], each["direction"], each["bytes"]) for each in told["runs"]] == [
        (2_000_000, "to network", 20_000),
        (2_000_000, "to host", 20_000),
        (None, "to network", 300_000),
        (None, "to host", 300_000),
    ]
    assert all(each["intact"] and each["rate"] > 0 for each in told["runs"])
    assert all(each["ceiling"] == 200_000 and 0 < each["utilisation"] <= 1.000001 for each in told["runs"][:2])
    assert told["runs"][2]["ceiling"] is told["runs"][2]["utilisation"] is None


def test_demo_fails_for_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("fcm360w.cli.demo")
    good = module.Run(2_000_000, "to host", 9, 1.0, 9.0, 200_000.0, 0.99, 0.1, 0.1, "", True)
    slow = module.Run(2_000_000, "to network", 9, 1.0, 9.0, 200_000.0, 0.96, 0.1, 0.1, "", True)
    torn = module.Run(None, "to host", 9, 1.0, 9.0, None, None, 0.1, 0.1, "", False)
    monkeypatch.setattr(module, "perform", lambda baud, count: [good, slow] if baud else [torn])
    result = invoke("demo")
    assert result.exit_code == Code.REFUSED
    assert "paced to network: only 96.0% of the wire used, 97% wanted" in text(result)
    assert "unpaced to host: SHA-256 differs" in text(result)
    assert "2,000,000 bit/s / 10 = 200,000 B/s" in text(result)
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.driver
def test_send_in_transparent_mode_over_the_pty(twin: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(PAYLOAD)
    echo = Echo()
    with far_end(echo) as server:
        hotspot = ["--ssid", "hall", "--password", SECRET]
        port = f"{twin['serial']}?baud=2000000"
        code, out, err = run("send", str(file), "-p", port, "--to", server, *hotspot, "-v", "--json")
    assert code == 0, err
    digest = hashlib.sha256(PAYLOAD).hexdigest()
    assert hashlib.sha256(echo.received).hexdigest() == digest
    told = json.loads(out)
    assert told.keys() == {"bytes", "seconds", "rate", "sha256", "acknowledged", "added", "mode"}
    assert told["bytes"] == told["acknowledged"] == len(PAYLOAD)
    assert (told["sha256"], told["mode"]) == (digest, "transparent")
    assert "all acknowledged" in err
    assert "bytes came from the server and were dropped" in err
    assert "> AT+QIOPEN=" in err
    assert SECRET not in err
    assert "\x1b" not in err
    assert "━" not in err


@pytest.mark.parametrize("place", [0, 1])
def test_a_slow_line_whose_rate_nobody_names(tmp_path: Path, place: int) -> None:
    """The module itself tells its rate, so that the escape waits for the last byte to leave the wire."""
    file = tmp_path / "data"
    file.write_bytes(PAYLOAD[:20_000])
    echo = Echo()
    with Twin(baud=115200, tcp=("127.0.0.1", 0), pty=True) as twin, far_end(echo) as server:
        url, _, _ = twin.urls[place].partition("?")
        hotspot = ["--ssid", "hall", "--password", "open sesame"]
        code, out, err = run("send", str(file), "-p", url, "--to", server, *hotspot, "--json")
    assert code == 0, err
    assert echo.received == PAYLOAD[:20_000]
    assert json.loads(out)["added"] == 0


def test_bytes_that_an_unheard_escape_added_are_told() -> None:
    conclude = vars(importlib.import_module("fcm360w.cli.send"))["_conclude"]
    tally = Tally()
    tally.add(bytes(5))
    with pytest.raises(Incomplete, match="3 bytes more than was sent"):
        conclude(tally, Report(5, 5, 0, 3), 0, secured=False)


@pytest.mark.driver
def test_recv_in_transparent_mode_over_tcp(joined: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "data"
    with far_end(source(PAYLOAD)) as server:
        code, out, err = run("recv", "-p", joined["tcp"], "--from", server, "--out", str(file), "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told.keys() == {"bytes", "seconds", "rate", "sha256", "mode"}
    assert told["sha256"] == hashlib.sha256(PAYLOAD).hexdigest() == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.driver
def test_recv_of_too_little_keeps_what_came(joined: dict[str, str]) -> None:
    with far_end(source(b"hello")) as server:
        arguments = ["--out", "-", "--mode", "push", "--bytes", "10"]
        code, out, err = run("recv", "-p", joined["tcp"], "--from", server, *arguments)
    assert (code, out) == (Code.REFUSED, b"hello")
    assert "the server closed after 5 of 10 bytes" in err


@pytest.mark.driver
def test_send_from_a_pipe_in_push_mode(joined: dict[str, str]) -> None:
    echo = Echo()
    with far_end(echo) as server:
        code, out, err = run("send", "-", "-p", joined["tcp"], "--to", server, "--mode", "push", data=PAYLOAD[:5000])
    assert (code, out) == (0, b""), err
    assert echo.received == PAYLOAD[:5000]
    assert "sent 5,000 bytes in" in err


def test_a_twin_that_leads_one_place_to_another() -> None:
    echo = Echo()
    with far_end(echo) as server:
        route = f"203.0.113.9:80={server.removeprefix('tcp://')}"
        with start("sim", "--tcp", "127.0.0.1:0", "--unpaced", "--map", route) as process:
            assert process.stdout
            url = process.stdout.readline().decode().strip()
            hotspot = ["--ssid", "hall", "--password", "open sesame"]
            code, _, err = run("send", "-", "-p", url, "--to", "tcp://203.0.113.9:80", *hotspot, data=PAYLOAD[:5000])
            process.send_signal(signal.SIGTERM)
    assert code == 0, err
    assert echo.received == PAYLOAD[:5000]


@pytest.mark.driver
def test_a_server_that_closes_too_early_is_told(joined: dict[str, str]) -> None:
    with far_end(lambda client: None) as server:
        code, _, err = run("send", "-", "-p", joined["tcp"], "--to", server, "--mode", "buffer", data=PAYLOAD)
    assert code == Code.REFUSED
    assert "the peer closed the connection" in err


def test_sending_without_a_network_says_what_to_do() -> None:
    result = invoke("send", __file__, "-p", "sim://", "--to", "tcp://127.0.0.1:9", "--mode", "push")
    assert result.exit_code == Code.REFUSED
    assert "joined to no hotspot: pass --ssid and --password" in result.output


def test_a_wrong_password_is_the_modules_refusal() -> None:
    arguments = ["--to", "tcp://127.0.0.1:9", "--ssid", "hall"]
    result = invoke("send", __file__, "-p", "sim://", *arguments, FCM360W_PASSWORD="not sesame")
    assert result.exit_code == Code.REFUSED
    assert "is the password right?" in result.output
    assert "not sesame" not in result.output


def test_a_port_that_cannot_be_opened() -> None:
    port = free_port()
    code, out, err = run("at", "-p", f"tcp://127.0.0.1:{port}", "AT")
    assert (code, out) == (Code.TRANSPORT, b"")
    assert "Connection refused" in err
    assert err.count("\n") == 1


def test_a_twin_that_cannot_be_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = run("sim", "--tcp", f"127.0.0.1:{taken.getsockname()[1]}")
    assert (code, out) == (Code.TRANSPORT, b"")
    assert err.startswith("fcm360w: cannot serve: ")


def test_a_module_that_does_not_answer() -> None:
    with far_end(half_deaf_module) as url:
        code, out, err = run("at", "-p", f"{url}?baud=115200", "AT", "AT+QSETBAND?", "AT")
    assert (code, out) == (Code.TIMEOUT, b"OK\n")
    assert "AT+QSETBAND?: no answer within" in err


@pytest.mark.driver
def test_a_module_that_says_nothing_at_all() -> None:
    with far_end(silent) as url:
        code, out, err = run("at", "-p", f"{url}?baud=115200", "AT")
    assert (code, out) == (Code.TIMEOUT, b"")
    assert err == "fcm360w: the module does not answer AT: check wiring, baud rate and power\n"


def test_a_line_that_restarts_the_module_is_followed_by_its_banner() -> None:
    result = invoke("at", "-p", "sim://", "AT+QRST", "AT+QVERSION")
    assert result.exit_code == 0
    assert result.output == "OK\nready\n+QVERSION: FCM360WAAR01A01\nOK\n"


def test_the_twin_logs_the_wire_with_secrets_masked() -> None:
    with start("sim", "-v", "--unpaced", "--tcp", "127.0.0.1:0") as process:
        assert process.stdout
        assert process.stderr
        url = process.stdout.readline().decode().strip()
        code, _, _ = run("at", "-p", url, "ATE1", 'AT+QSTAAPINFO="hall","open sesame"')
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert code == 0
    assert b'twin < AT+QSTAAPINFO="hall","***"' in err
    assert b"twin > OK" in err
    assert b"open sesame" not in err


def test_a_server_that_says_nothing(joined: dict[str, str], tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "data"), "--mode", "push", "--timeout", "0.1"]
    with far_end(silent) as server:
        code, _, err = run("recv", "-p", joined["tcp"], "--from", server, *arguments)
    assert code == Code.TIMEOUT
    assert "receiving timed out" in err


@pytest.mark.driver
def test_an_interrupt_leaves_the_module_in_command_mode(joined: dict[str, str], tmp_path: Path) -> None:
    with far_end(silent) as server:
        arguments = ["-p", joined["tcp"], "--from", server, "--out", str(tmp_path / "data")]
        with start("recv", *arguments) as process:
            assert process.stderr
            assert process.stderr.readline().startswith(b"connected to")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (Code.INTERRUPTED, b"")
    assert err.endswith(b"fcm360w: interrupted\n")
    host, _, port = joined["tcp"].removeprefix("tcp://").partition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as module:
        module.sendall(b"AT+QISTATE\r")
        assert module.recv(100) == b"\r\nOK\r\n"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="platform: there are no hang-ups")
@pytest.mark.driver
def test_a_terminal_that_is_closed_leaves_the_module_in_command_mode(joined: dict[str, str], tmp_path: Path) -> None:
    with far_end(silent) as server:
        arguments = ["-p", joined["tcp"], "--from", server, "--out", str(tmp_path / "data")]
        with start("recv", *arguments) as process:
            assert process.stderr
            assert process.stderr.readline().startswith(b"connected to")
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=PATIENCE)
    assert process.returncode == Code.HUNG_UP
    host, _, port = joined["tcp"].removeprefix("tcp://").partition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as module:
        module.sendall(b"AT+QISTATE\r")
        assert module.recv(100) == b"\r\nOK\r\n"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="platform: there are no hang-ups")
def test_a_twin_whose_terminal_is_closed_takes_its_link_along(tmp_path: Path) -> None:
    link = tmp_path / "module"
    with start("sim", "--pty", str(link)) as process:
        assert process.stdout
        assert process.stdout.readline()
        assert link.is_symlink()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not link.is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="platform: there is no full device")
@pytest.mark.parametrize("arguments", [["--help"], ["ports"], ["at", "-p", "sim://", "AT"]])
def test_an_output_that_takes_nothing_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full, start(*arguments, stdout=full, stderr=subprocess.PIPE) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == Code.REFUSED
    assert err == b"fcm360w: No space left on device\n"


def test_no_output_at_all_is_one_line() -> None:
    command = '"$0" -m fcm360w at -p sim:// AT+QVERSION >&-'
    found = subprocess.run(
        ["sh", "-c", command, sys.executable], env=ENVIRONMENT, capture_output=True, timeout=PATIENCE
    )
    assert found.returncode == Code.REFUSED
    assert found.stderr == b"fcm360w: there is no standard output to print to\n"


def test_a_reader_that_has_left_is_told_nothing() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with start("at", "-p", "sim://", "AT", "AT", stdout=write_end) as process:
        os.close(write_end)
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (Code.CLOSED_PIPE, b"")


def test_sim_help_lists_dialects_and_quirks() -> None:
    shown = text(invoke("sim", "--help"))
    assert "manual|fc41d" in shown
    for name, quirk in QUIRKS.items():
        assert f"{name} {quirk.says}" in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--dialect", "latin"], "'latin' is not one of 'manual', 'fc41d'"),
        (["--quirk", "nonsense"], "'nonsense' is not one of 'info_compact'"),
        (["--seed", "-1"], "--seed"),
        (["--flow", "none", "--unpaced"], "an unpaced one cannot be overrun"),
        (["--ap", "hall,rsi=-60"], "no option 'rsi'"),
        (["--ap", "hall,security=WPA3_SAE"], "needs a password"),
    ],
)
def test_options_of_sim_that_make_no_sense(arguments: list[str], expected: str) -> None:
    result = invoke("sim", *arguments)
    assert result.exit_code == Code.USAGE
    assert expected in text(result)


def test_sim_with_a_folder_that_no_twin_has_written(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    result = invoke("sim", "--tcp", "127.0.0.1:0", "--fs", str(tmp_path))
    assert result.exit_code == Code.USAGE
    assert "was not written by a twin: remove it to start as delivered" in text(result)


def test_sim_speaks_as_it_is_told_and_remembers(tmp_path: Path) -> None:
    options = ["--fs", str(tmp_path), "--seed", "3", "--ap", "hall", "--dialect", "fc41d", "--quirk", "prompt_space"]
    with sim(*options, "--baud", "921600") as url:
        assert url.endswith("?baud=921600")
        code, out, err = run("at", "-p", url, "AT+QSTAST", "AT+QSETBAND=460800,1")
        assert (code, out) == (0, b"+QSTAST:STATION_DOWN\nOK\nOK\n"), err
    with sim(*options, "--baud", "921600") as url:
        assert url.endswith("?baud=460800")


@contextmanager
def sim(*options: str) -> Iterator[str]:
    """`fcm360w sim` at a TCP port; its URL."""
    with start("sim", "--tcp", "127.0.0.1:0", *options) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


def test_the_twin_starts_at_115200_as_the_module_does() -> None:
    with start("sim", "--tcp", "127.0.0.1:0") as process:
        assert process.stdout
        url = process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert url.startswith("tcp://127.0.0.1:")
    assert url.endswith("?baud=115200\n")
    assert (process.returncode, out, err) == (0, b"", b"")


def test_a_core_that_does_not_exist_is_an_error_of_usage() -> None:
    with start("at", "-p", "sim://", "AT", env=ENVIRONMENT | {"FCM360W_CORE": "bogus"}) as process:
        _, err = process.communicate(None, PATIENCE)
    assert process.returncode == Code.USAGE
    assert err.decode() == "fcm360w: FCM360W_CORE is 'bogus': it must be 'c' or 'python'\n"
