"""`fcm360w ble serve`, in this process, with a phone on the air that its twins share."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("bumble", reason="platform: bumble is not installed")

import fcm360w
from central import Central
from fcm360w.cli.app import app
from fcm360w.cli.failures import Code
from fcm360w.sim import Twin
from fcm360w.sim.air import shared

URL = "sim://cli-ble"
LIMIT = 20.0
SERVE = ("serve", "--service", "fff0", "-c", "fff1", "-c", "fff2", "--name", "bench")


@pytest.fixture
def address() -> Iterator[str]:
    """The twin's."""
    with Twin(name="cli-ble"):
        with fcm360w.open(URL) as module:
            found = module.ble.address()
        yield found


def invoke(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ("ble", *args), env={"FCM360W_PORT": URL}, input=stdin, prog_name="fcm360w")


async def visit(address: str, *values: bytes, told: int = 0) -> list[tuple[str, bytes]]:
    """Connect, subscribe, hear so many values, write some, and go."""
    phone = Central(shared().controller())
    await phone.connect(address=address)
    await phone.subscribe("fff2")
    while len(phone.notified) < told:
        await asyncio.sleep(0.01)
    for value in values:
        await phone.write("fff1", value)
    await phone.disconnect()
    return phone.notified


def test_what_a_central_writes_is_printed(address: str) -> None:
    phoning = shared().spawn(visit(address, b"hello", b"\xff\x1b[2J"))
    result = invoke(*SERVE, "-n", "2")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "fff1 hello\nfff1 \\xff\\x1b[2J\n"
    assert address in result.stderr
    phoning.result(LIMIT)


def test_json_and_one_central_after_the_other(address: str) -> None:
    async def both() -> None:
        await visit(address, b"one")
        await visit(address, b"\x00two")

    phoning = shared().spawn(both())
    result = invoke(*SERVE, "-n", "2", "--json")
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"characteristic": "fff1", "value": "one", "hex": b"one".hex()},
        {"characteristic": "fff1", "value": "\0two", "hex": b"\0two".hex()},
    ]
    assert result.stderr.count("a central is there") == 2
    phoning.result(LIMIT)


def test_lines_of_stdin_wait_for_who_subscribes(address: str) -> None:
    phoning = shared().spawn(visit(address, b"thanks", told=2))
    too_long = "x" * 600
    result = invoke(*SERVE, "--notify", "FFF2", "-n", "1", stdin=f"21.5\r\n{too_long}\n22.0\n")
    assert result.exit_code == 0, result.stderr
    assert phoning.result(LIMIT) == [("fff2", b"21.5"), ("fff2", b"22.0")]
    assert result.stdout == "fff1 thanks\n"
    assert "not told" in result.stderr


def test_it_stops_when_the_time_is_up(address: str) -> None:
    result = invoke(*SERVE, "--for", "0.01")
    assert (result.exit_code, result.stdout) == (0, "")
    with fcm360w.open(URL) as module:
        assert module.ble.address() == address


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("serve", "--service", "fff0"), "Missing option"),
        ((*SERVE, "--notify", "fff9"), "--notify fff9 is none of the characteristics"),
        (("serve", "--service", "xyz", "-c", "fff1"), "not all hexadecimal digits"),
        ((*SERVE, "-n", "0"), "x>=1"),
    ],
)
@pytest.mark.usefixtures("address")
def test_usage(args: tuple[str, ...], said: str) -> None:
    result = invoke(*args)
    assert result.exit_code == Code.USAGE
    assert said in result.stderr


def test_an_interrupt_ends_it_while_stdin_is_open() -> None:
    command = [sys.executable, "-m", "fcm360w", "ble", *SERVE, "--notify", "fff2", "-p", "sim://"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FCM360W_P")}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as program:
        assert program.stderr
        assert b"advertising as" in program.stderr.readline()
        program.send_signal(signal.SIGINT)
        assert program.wait(LIMIT) == 0
        assert program.stderr.read().endswith(b"ending Bluetooth\n")
