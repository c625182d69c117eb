"""MQTT end to end: a program, the module's twin, and a real server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import certificates
import fcm360w
import spoken
from fcm360w.flows.mqtt import LastWill
from mosquitto import Mosquitto

pytestmark = pytest.mark.driver

PAYLOADS = (b"hello", b'she said "no", twice', b"one\r\ntwo\r\nOK\r\n", b"\x00\x1a\x1b+++\x00", bytes(range(256)) * 5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, "persistence false") as running:
        yield running


@pytest.fixture
def module() -> Iterator[fcm360w.Module]:
    with fcm360w.open(spoken.url()) as opened:
        opened.wifi.join("hall", "open sesame")
        opened.tcp.set_hex_units(**spoken.units())
        yield opened


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("more", [{}, {"stored": True}, {"hexadecimal": True}], ids=["whole", "stored", "hex"])
def test_payloads_come_back_as_they_went(
    server: Mosquitto, module: fcm360w.Module, qos: int, more: dict[str, bool]
) -> None:
    hexadecimal = more.get("hexadecimal")
    payloads = [payload[:700] if hexadecimal else spoken.lengthless(payload) for payload in PAYLOADS]
    with module.mqtt("127.0.0.1", server.port, client_id="logger", **more) as client:
        assert client.subscribe("logger/#", qos) == (qos,)
        for payload in payloads:
            client.publish("logger/a,b", payload, qos)
            message = client.recv(10.0)
            assert (message.topic, message.payload) == ("logger/a,b", payload)
            assert message.reliable is not spoken.dialect().no_len
            assert bool(message.msg_id) == bool(qos)
        assert (client.published, client.received, client.dropped) == (len(payloads), len(payloads), 0)


def test_a_burst_keeps_the_window(server: Mosquitto, module: fcm360w.Module) -> None:
    with module.mqtt("127.0.0.1", server.port) as client:
        client.subscribe([("burst", 1), "other"])
        for number in range(60):
            client.publish("burst", b"%d" % number, 1, wait=False)
        client.flush()
        assert client.published == 60
        assert [client.recv(10.0).payload for _ in range(60)] == [b"%d" % number for number in range(60)]


def test_a_wrong_password_is_told(tmp_path: Path, module: fcm360w.Module) -> None:
    with Mosquitto(tmp_path, users={"eve": "right"}) as server:
        with pytest.raises(fcm360w.CommandError, match="refused") as caught:
            module.mqtt("127.0.0.1", server.port, username="eve", password="wrong")
        assert caught.value.code in (4, 5)
        assert "wrong" not in f"{caught.value} {caught.value!r}"
        with module.mqtt("127.0.0.1", server.port, username="eve", password="right") as client:
            assert client.connected


def test_a_retained_message_waits_for_who_subscribes(server: Mosquitto, module: fcm360w.Module) -> None:
    with module.mqtt("127.0.0.1", server.port) as first, module.mqtt("127.0.0.1", server.port) as second:
        assert first.client_idx != second.client_idx
        first.publish("state", b"on", 1, retain=True)
        second.subscribe("state", 1)
        assert second.recv(10.0).payload == b"on"
        first.unsubscribe("never")


def test_a_kept_session_has_what_came_meanwhile(server: Mosquitto, module: fcm360w.Module) -> None:
    with module.mqtt("127.0.0.1", server.port, client_id="kept", clean=False) as client:
        client.subscribe("mail", 1)
    with module.mqtt("127.0.0.1", server.port) as other:
        other.publish("mail", b"later", 1)
    with module.mqtt("127.0.0.1", server.port, client_id="kept", clean=False) as client:
        assert client.recv(10.0).payload == b"later"


def test_a_server_that_dies_ends_the_session_and_reconnect_makes_a_new_one(
    server: Mosquitto, module: fcm360w.Module
) -> None:
    with module.mqtt("127.0.0.1", server.port, client_id="again") as client:
        client.subscribe("news", 1)
        server.kill()
        with pytest.raises(fcm360w.SessionLost, match="Table 2") as caught:
            client.recv(20.0)
        assert caught.value.code in (1, 7)
        with pytest.raises(fcm360w.SessionLost):
            client.publish("news", b"lost")
        server.start()
        client.reconnect()
        client.publish("news", b"back", 1)
        assert client.recv(10.0).payload == b"back"


TWIN = """
import sys, fcm360w
from fcm360w.flows.mqtt import LastWill
module = fcm360w.open("sim://")
module.wifi.join("hall", "open sesame")
client = module.mqtt("127.0.0.1", int(sys.argv[1]), client_id="mortal", will=LastWill("will", "gone", 1))
print("connected", flush=True)
client.recv()
"""


def test_the_will_is_published_when_the_module_loses_its_power(server: Mosquitto, module: fcm360w.Module) -> None:
    with module.mqtt("127.0.0.1", server.port) as client:
        client.subscribe("will", 1)
        mortal = subprocess.Popen([sys.executable, "-c", TWIN, str(server.port)], stdout=subprocess.PIPE)
        assert mortal.stdout
        assert mortal.stdout.readline() == b"connected\n"
        mortal.kill()
        mortal.communicate()
        message = client.recv(20.0)
        assert (message.topic, message.payload) == ("will", b"gone")


def test_asyncio(server: Mosquitto) -> None:
    async def act() -> list[bytes]:
        async with await fcm360w.open_async(spoken.url()) as module:
            await module.wifi.join("hall", "open sesame")
            async with await module.mqtt("127.0.0.1", server.port, will=LastWill("w")) as client:
                await client.subscribe("a", 2)
                await asyncio.gather(*(client.publish("a", b"%d" % number, 2) for number in range(12)))
                found = [message.payload async for message in _first(client, 12)]
                await client.flush()
                await client.unsubscribe("a")
                return found

    assert sorted(asyncio.run(act()), key=int) == [b"%d" % number for number in range(12)]


async def _first(client: fcm360w.AsyncMqttClient, count: int):  # type: ignore[no-untyped-def]
    async for message in client:
        yield message
        count -= 1
        if not count:
            return


def secure(folder: Path, *more: str) -> Mosquitto:
    """A server that TLS is spoken to."""
    cert, key = certificates.server("127.0.0.1").save(folder, "server")
    ca = folder / "ca.pem"
    ca.write_bytes(certificates.authority().pem)
    return Mosquitto(folder, f"cafile {ca}", f"certfile {cert}", f"keyfile {key}", *more)


def test_tls(tmp_path: Path, module: fcm360w.Module) -> None:
    with secure(tmp_path) as server:
        context = module.tls.context(certificates.authority().pem)
        with module.mqtt("127.0.0.1", server.port, tls=context) as client:
            client.subscribe("a", 1)
            client.publish("a", b"secret", 1)
            assert client.recv(10.0).payload == b"secret"


def test_both_sides_show_a_certificate(tmp_path: Path, module: fcm360w.Module) -> None:
    mine = certificates.client()
    with secure(tmp_path, "require_certificate true") as server:
        context = module.tls.context(certificates.authority().pem, mine.cert, mine.key)
        with module.mqtt("127.0.0.1", server.port, tls=context) as client:
            client.publish("a", b"secret", 2)


def test_a_server_of_a_strange_authority_is_refused(tmp_path: Path, module: fcm360w.Module) -> None:
    with secure(tmp_path) as server:
        context = module.tls.context(certificates.stranger().pem)
        with pytest.raises(fcm360w.CommandError, match="QMTOPEN"):
            module.mqtt("127.0.0.1", server.port, tls=context)


# ---- the command line


def fcm360w_mqtt(server: Mosquitto, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    where = ["-p", spoken.url(), "--ssid", "hall", "--host", "127.0.0.1", "--server-port", str(server.port)]
    command = [sys.executable, "-m", "fcm360w", "mqtt", words[0], *where, *words[1:]]
    environment = os.environ | {"FCM360W_PASSWORD": "open sesame"}
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, env=environment)


def test_the_command_line_publishes_and_receives(server: Mosquitto) -> None:
    done = fcm360w_mqtt(server, "pub", "-t", "lab/t", "-r", "-q", "1", "--json", "21.5")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"topic": "lab/t", "published": 1})
    payload = spoken.lengthless(b'"a"\r\n')
    assert fcm360w_mqtt(server, "pub", "-t", "lab/u", "-r", stdin=payload).returncode == 0
    done = fcm360w_mqtt(server, "sub", "-t", "lab/#", "-n", "2", "--json", "--timeout", "20")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert sorted((each["topic"], bytes.fromhex(each["hex"])) for each in told) == [
        ("lab/t", b"21.5"),
        ("lab/u", payload),
    ]
    done = fcm360w_mqtt(server, "sub", "-t", "nothing", "-n", "1", "--timeout", "0.1")
    assert done.returncode == 4


def test_the_command_line_tells_what_is_wrong(server: Mosquitto) -> None:
    assert fcm360w_mqtt(server, "pub", "-t", "t", "--keep", "x").returncode == 2
    assert fcm360w_mqtt(server, "pub", "-t", "t", "--lines", "x").returncode == 2
    assert fcm360w_mqtt(server, "pub", "-t", "t", stdin=b"").returncode == 2
    server.kill()
    assert fcm360w_mqtt(server, "pub", "-t", "t", "x").returncode == 1
