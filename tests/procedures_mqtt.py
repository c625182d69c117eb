"""What takes several steps of MQTT."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from fcm360w import Module
from mosquitto import Mosquitto
from procedures import HOTSPOT, PROCEDURES, Bench


def messages(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    with (
        TemporaryDirectory() as folder,
        Mosquitto(Path(folder)) as server,
        module.mqtt("127.0.0.1", server.port, client_id="logger") as client,
    ):
        client.subscribe("a", 1)
        client.publish("a", b"hello", 1)
        assert client.recv(20.0).payload == b"hello"


PROCEDURES["MQTT"] = messages
