"""`fcm360w wifi` and `fcm360w info`, in this process, on twins of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

import fcm360w
from fcm360w.cli import info as info_command
from fcm360w.cli import tables
from fcm360w.cli import wifi as wifi_command
from fcm360w.cli.app import app
from fcm360w.cli.failures import Code
from fcm360w.commands.wifi import Hotspot
from fcm360w.flows.start import Found
from fcm360w.sim import AccessPoint, Twin

PATIENCE = 20.0
SECRET = "open sesame"
APS = (AccessPoint("cellar", "", rssi=-80, channel=11), AccessPoint("hall", SECRET, rssi=-52))
URL = "sim://cli-wifi"


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(APS, name="cli-wifi") as twin:
        yield twin


def invoke(*args: str, **env: str) -> Result:
    cleared = dict.fromkeys(("FCM360W_PORT", "FCM360W_PASSWORD"))
    return CliRunner().invoke(app, args, env={**cleared, **env}, prog_name="fcm360w")


def told(*args: str, **env: str) -> dict[str, Any]:
    """What is said as JSON."""
    result = invoke(*args, "-p", URL, "--json", **env)
    assert result.exit_code == 0, result.stderr
    value: dict[str, Any] = json.loads(result.stdout)
    return value


# ---- scan


@pytest.mark.usefixtures("twin")
def test_a_scan_lists_the_strongest_first() -> None:
    result = invoke("wifi", "scan", "-p", URL)
    assert result.exit_code == 0
    title, *lines = result.stdout.splitlines()
    assert title.split() == ["Name", "dBm", "Channel", "Security", "Address"]
    assert [line.split()[:4] for line in lines] == [
        ["hall", "-52", "6", "WPA2_AES_PSK"],
        ["cellar", "-80", "11", "OPEN"],
    ]
    assert [seen["ssid"] for seen in told("wifi", "scan")["hotspots"]] == ["hall", "cellar"]
    assert told("wifi", "scan")["hotspots"][1]["channel"] == 11


def test_a_name_cannot_steer_the_terminal() -> None:
    with Twin([AccessPoint("\x1b[2Jevil"), AccessPoint("x", hidden=True)], name="evil"):
        result = invoke("wifi", "scan", "-p", "sim://evil")
    assert r"\x1b[2Jevil" in result.stdout
    assert "\x1b" not in result.stdout
    assert "(hidden)" in result.stdout


def test_nothing_in_reach() -> None:
    with Twin([], name="nothing"):
        assert invoke("wifi", "scan", "-p", "sim://nothing").stdout.split() == [
            "Name", "dBm", "Channel", "Security", "Address",
        ]  # fmt: skip


# ---- join, status


@pytest.mark.usefixtures("twin")
def test_join_tells_the_addresses() -> None:
    result = invoke("wifi", "join", "hall", "-p", URL, FCM360W_PASSWORD=SECRET)
    assert result.exit_code == 0, result.stderr
    assert "10.0.0." in result.stdout
    assert told("wifi", "join", "cellar")["addresses"]["mask"] == "255.255.255.0"
    status = told("wifi", "status")
    assert (status["station"], status["hotspot"]["ssid"], status["ap"]) == (True, "cellar", False)


def test_a_hotspot_is_saved_only_if_that_is_wanted(twin: Twin) -> None:
    for save in ((), ("--save",)):
        assert told("wifi", "join", "hall", "--password", SECRET, *save)["saved"] is bool(save)
        with fcm360w.open(URL) as module:
            module.system.reboot()
            assert module.wifi.status().station is bool(save)


@pytest.mark.usefixtures("twin")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["hall", "--password", "close sesame"], Code.REFUSED, "is the password right"),
        (["attic"], Code.REFUSED, "no such hotspot"),
        (["hall", "--password", "short"], Code.USAGE, "8..63"),
        (["hall", "--password", SECRET, "--timeout", "0.001"], Code.TIMEOUT, "no answer within"),
        ([], Code.USAGE, "Missing argument"),
    ],
)
def test_a_join_that_fails(arguments: list[str], code: Code, said: str) -> None:
    result = invoke("wifi", "join", *arguments, "-p", URL)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert "sesame" not in result.output


@pytest.mark.usefixtures("twin")
def test_status_for_people() -> None:
    assert "off" in invoke("wifi", "status", "-p", URL).stdout
    invoke("wifi", "join", "cellar", "-p", URL)
    assert "joined to cellar" in invoke("wifi", "status", "-p", URL).stdout


def test_a_station_that_is_on_and_not_joined() -> None:
    assert wifi_command._station(True, None) == "on, not joined"
    assert wifi_command._station(True, Hotspot("hall", "02:00:5e:10:00:01", -52)).endswith("-52 dBm")


# ---- ap


class Clients(threading.Thread):
    """Clients that come and go once the hotspot is there; then, if wanted, somebody presses Ctrl-C."""

    def __init__(self, twin: Twin, monkeypatch: pytest.MonkeyPatch, interrupt: bool, down: bool = False) -> None:
        super().__init__(daemon=True)
        self.twin, self.interrupt, self.down = twin, interrupt, down
        self.seen = threading.Semaphore(0)
        tell = wifi_command.Watch._tell

        def told(watch: wifi_command.Watch, joined: bool) -> None:
            tell(watch, joined)
            self.seen.release()

        monkeypatch.setattr(wifi_command.Watch, "_tell", told)

    def run(self) -> None:
        while self.twin.ap_client(True) is None:
            continue
        self.twin.ap_client(False)
        for _ in range(2):
            assert self.seen.acquire(timeout=PATIENCE)
        if self.interrupt:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if self.down:
            self.twin._running().call(lambda: self.twin._running().module.radio.own.stop())


@pytest.mark.skipif(os.name == "nt", reason="platform: no signals")
@pytest.mark.parametrize("as_json", [False, True])
def test_clients_come_and_go_until_interrupted(twin: Twin, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    clients = Clients(twin, monkeypatch, interrupt=True)
    clients.start()
    result = invoke("wifi", "ap", "bench", "--password", "12345678", "-p", URL, *["--json"][:as_json])
    clients.join(PATIENCE)
    assert result.exit_code == 0, result.stderr
    if as_json:
        assert [(one["event"], one["clients"]) for one in json.loads(result.stdout)["clients"]] == [
            ("joined", 1),
            ("left", 0),
        ]
    else:
        assert [line.split("  ")[-1] for line in result.stdout.splitlines()] == [
            "a client joined, 1 there",
            "a client left, 0 there",
        ]
    with fcm360w.open(URL) as module:
        assert not module.wifi.status().ap


def test_a_hotspot_for_some_time(twin: Twin) -> None:
    assert told("wifi", "ap", "bench", "--for", "0") == {"ssid": "bench", "clients": []}
    with fcm360w.open(URL) as module:
        assert not module.wifi.status().ap


def test_a_hotspot_that_goes_down_by_itself(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients(twin, monkeypatch, interrupt=False, down=True)
    clients.start()
    result = invoke("wifi", "ap", "bench", "-p", URL)
    clients.join(PATIENCE)
    assert result.exit_code == Code.REFUSED
    assert "went down by itself" in result.stderr


# ---- info


@pytest.mark.usefixtures("twin")
def test_info() -> None:
    found = told("info")
    assert found["port"] == URL
    assert found["driver"] == fcm360w.__version__
    assert found["version"].startswith("FCM360W")
    assert found["wifi"]["station"] is False
    assert found["sockets"] == []
    assert found["found"] == {"data_mode": False, "sockets": []}
    shown = invoke("info", "-p", URL).stdout
    assert found["version"] in shown
    assert found["mac"] in shown
    assert "in order" in shown


def test_what_an_earlier_program_left_behind_is_told(twin: Twin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with fcm360w.open(URL) as module:
            module.wifi.join("cellar")
            module.run(fcm360w.commands.tcp.Open(4, fcm360w.commands.tcp.Service.TCP, *server.getsockname()))
            module._sockets.clear()
        assert told("info")["found"] == {"data_mode": False, "sockets": [4]}
    assert info_command._found(Found(True, (4,), files=("log",))).endswith("data mode, socket 4, file log")


def test_a_module_that_refuses_to_tell() -> None:
    """What it says of the rest is told all the same."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        known = {
            b"AT+QVERSION": b"\r\n+QVERSION: FCM360W\r\n",
            b"AT+QISTATE": b'\r\n+QISTATE: 3,"TCP","10.0.0.9",8009,49152,2,3,1,"uart1"\r\n',
        }
        with client:
            pending = b""
            while data := client.recv(4096):
                *lines, pending = (pending + data).replace(b"\n", b"").split(b"\r")
                for line in lines:
                    refused = line.startswith((b"AT+QWL", b"AT+QSTAST", b"AT+QIDNS", b"AT+QSETBAND"))
                    client.sendall(known.get(line, b"") + (b"\r\nERROR\r\n" if refused else b"\r\nOK\r\n"))

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        result = invoke("info", "-p", f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("not told") == 4
    assert "3 TCP 10.0.0.9:8009" in result.stdout
    assert "socket 3" in result.stdout


# ---- tables


def test_tables_at_a_terminal_are_drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    tables.show(("Name", "Number"), [("a", 1), ("long name", 23)])
    tables.show_pairs([("Key", "value")])
    shown = capsys.readouterr().out
    assert "─" in shown
    assert "long name" in shown
    assert "Key" in shown


def test_tables_for_programs_are_columns(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show(("Name", "Number"), [("a", 1), ("bcdefg", 23)])
    tables.show(("None", "at all"), [])
    tables.show_pairs([("Key", "value"), ("K", "")])
    assert capsys.readouterr().out == ("Name    Number\na            1\nbcdefg      23\nNone  at all\nKey  value\nK\n")
