"""MQTT: manual 2.5.2 to 2.5.9."""

from __future__ import annotations

import binascii

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.mqtt import (
    MAX_PUBLISH,
    Close,
    Connect,
    Disconnect,
    ListServers,
    ListSessions,
    ListStores,
    Open,
    Publish,
    PublishUntil,
    ReadStored,
    Server,
    SessionState,
    Store,
    Subscribe,
    Unsubscribe,
)
from fcm360w.commands.mqttcfg import DataFormat
from fcm360w.commands.system import Switch
from fcm360w.commands.tcp import Format
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.mqtt import Client
from fcm360w.sim.steps import Answer, Prompt, Refused, Steps
from fcm360w.sim.uart import QUANTUM

TYPING = 15.0  # seconds without a byte after which the module gives a payload up
PAUSE = 30.0  # bits of silence on the line that end what comes after a payload, beside the line's own grain


@handles(Open)
def open_network(module: Module, command: Open) -> Answer:
    module.mqtt.clients[command.client_idx].open(command.host_name, command.port)
    return ()


@handles(ListServers)
def list_servers(module: Module, command: ListServers) -> Answer:
    return tuple(Server(client.number, client.host, client.port) for client in module.mqtt.open())


@handles(Close)
def close(module: Module, command: Close) -> Answer:
    module.mqtt.clients[command.client_idx].close()
    return ()


@handles(Connect)
def connect(module: Module, command: Connect) -> Answer:
    module.mqtt.clients[command.client_idx].connect(command)
    return ()


@handles(ListSessions)
def list_sessions(module: Module, command: ListSessions) -> Answer:
    return tuple(SessionState(client.number, client.state) for client in module.mqtt.open() if client.state)


@handles(Disconnect)
def disconnect(module: Module, command: Disconnect) -> Answer:
    module.mqtt.clients[command.client_idx].disconnect()
    return ()


@handles(Subscribe)
def subscribe(module: Module, command: Subscribe) -> Answer:
    module.mqtt.clients[command.client_idx].subscribe(command)
    return ()


@handles(Unsubscribe)
def unsubscribe(module: Module, command: Unsubscribe) -> Answer:
    module.mqtt.clients[command.client_idx].unsubscribe(command)
    return ()


# ---- messages -------------------------------------------------------------------------------------------------------


@handles(Publish)
def publish(module: Module, command: Publish) -> Steps:
    return (yield from _publish(module, command, len(command.data)))


@handles(PublishUntil)
def publish_until(module: Module, command: PublishUntil) -> Steps:
    return (yield from _publish(module, command, None))


def _publish(module: Module, command: Publish | PublishUntil, count: int | None) -> Steps:
    client = module.mqtt.clients[command.client_idx]
    client.admit(command.qos, command.msg_id)
    hexed = module.setting(DataFormat, client.number).send_mode is Format.HEX
    width = 2 if hexed and module.dialect.hex_send_bytes else 1
    counted = None if count is None else count * width
    typed: bytes = yield Prompt(counted, MAX_PUBLISH * width, TYPING, quiet=QUANTUM + PAUSE / module.baud)
    data = _decoded(typed) if hexed else typed
    client.publish(command.msg_id, command.qos, bool(command.retain), command.topic, data)
    return None


def _decoded(digits: bytes) -> bytes:
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        raise Refused(SocketCode.INVALID_PARAMETERS) from None


@handles(ListStores)
def list_stores(module: Module, command: ListStores) -> Answer:
    return tuple(map(_store, module.mqtt.open()))


def _store(client: Client) -> Store:
    return Store(client.number, *(Switch(message is not None) for message in client.places))


@handles(ReadStored)
def read_stored(module: Module, command: ReadStored) -> Answer:
    return module.mqtt.clients[command.client_idx].take(command.receive_id)
