"""What the faces of MQTT offer, as deeds."""

from __future__ import annotations

from broker import Broker
from deeds import FACES, HERE, OPENING, Act, Scene, deed
from fcm360w import mqtt

SERVER = 1883
OPEN_AND_LOG_IN = OPENING + 60.0

FACES += (mqtt.MqttClient,)


def client(scene: Scene, **more: bool) -> mqtt.MqttClient:
    Broker(scene.world.network, HERE, SERVER)
    opened: mqtt.MqttClient = scene.keep(scene.module.mqtt(HERE, SERVER, client_id="logger", **more))
    return opened


@deed("MqttClient.close, opened", OPEN_AND_LOG_IN)
def open_and_close(scene: Scene) -> Act:
    Broker(scene.world.network, HERE, SERVER)
    yield
    scene.keep(scene.module.mqtt(HERE, SERVER)).close()


@deed("MqttClient.subscribe", OPEN_AND_LOG_IN)
def subscribe(scene: Scene) -> Act:
    opened = client(scene)
    yield
    assert opened.subscribe([("a", 1), "b/#"]) == (1, 0)


@deed("MqttClient.unsubscribe", OPEN_AND_LOG_IN)
def unsubscribe(scene: Scene) -> Act:
    opened = client(scene)
    opened.subscribe("a")
    yield
    opened.unsubscribe("a")


@deed("MqttClient.publish", OPEN_AND_LOG_IN)
def publish(scene: Scene) -> Act:
    opened = client(scene)
    yield
    opened.publish("a", b"hello", 2)


@deed("MqttClient.flush", OPEN_AND_LOG_IN)
def flush(scene: Scene) -> Act:
    opened = client(scene)
    yield
    for number in range(7):
        opened.publish("a", b"%d" % number, 1, wait=False)
    opened.flush()


@deed("MqttClient.recv", OPEN_AND_LOG_IN)
def receive(scene: Scene) -> Act:
    opened = client(scene)
    opened.subscribe("a", 1)
    yield
    opened.publish("a", b"hello", 1)
    assert opened.recv(20.0).payload == b"hello"


@deed("MqttClient.recv, stored", OPEN_AND_LOG_IN)
def take(scene: Scene) -> Act:
    opened = client(scene, stored=True)
    opened.subscribe("a", 1)
    yield
    opened.publish("a", b"hello", 1)
    assert opened.recv(20.0).payload == b"hello"


@deed("MqttClient.reconnect", OPEN_AND_LOG_IN)
def reconnect(scene: Scene) -> Act:
    opened = client(scene)
    opened.subscribe("a", 1)
    yield
    opened.reconnect()


@deed("MqttClient.disconnect", OPEN_AND_LOG_IN)
def disconnect(scene: Scene) -> Act:
    opened = client(scene)
    yield
    opened.disconnect()
