"""Host software for the Quectel FCM360W Wi-Fi/BLE module.

with fcm360w.open("serial:///dev/ttyUSB0?baud=2000000") as module:
    module.wifi.join("hall", "open sesame")
    with module.stream("10.0.0.9", 8009) as stream:
        stream.sendall(data)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    FCM360WError,
    GivenUp,
    NoAnswer,
    Overrun,
    PeerClosed,
    ProtocolError,
    Restarted,
    SendTimeout,
    SessionLost,
    SocketLost,
    TransportError,
    TransportLost,
    TransportUnavailable,
    UsageError,
)
from fcm360w.steps import EscapePolicy, Until

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule, open_async
    from fcm360w.aio_ble import AsyncPeripheral
    from fcm360w.aio_files import AsyncFile, AsyncFiles
    from fcm360w.aio_mqtt import AsyncMqttClient
    from fcm360w.aio_sockets import AsyncListener, AsyncUdpService, AsyncUdpSocket
    from fcm360w.aio_streams import AsyncStream
    from fcm360w.ble import Peripheral, Write
    from fcm360w.commands.files import FileInfo
    from fcm360w.contexts import Context
    from fcm360w.datagrams import Datagram
    from fcm360w.fetching import Progress, Response
    from fcm360w.files import Files
    from fcm360w.flows.mqtt import LastWill
    from fcm360w.flows.net import HostAddresses, PingResult
    from fcm360w.flows.recover import Recovery, Rung
    from fcm360w.flows.system import UpgradeStage
    from fcm360w.flows.wifi import WifiStatus
    from fcm360w.inbox import Chunk
    from fcm360w.messaging import Message
    from fcm360w.module import Module, open
    from fcm360w.mqtt import MqttClient
    from fcm360w.socketlike import Socket
    from fcm360w.sockets import Listener, UdpService, UdpSocket
    from fcm360w.stats import Stats
    from fcm360w.streams import Stream

__version__ = "0.1.0"

__all__ = [
    "AsyncFile",
    "AsyncFiles",
    "AsyncListener",
    "AsyncModule",
    "AsyncMqttClient",
    "AsyncPeripheral",
    "AsyncStream",
    "AsyncUdpService",
    "AsyncUdpSocket",
    "Chunk",
    "CommandError",
    "CommandTimeout",
    "Context",
    "Datagram",
    "EscapePolicy",
    "FCM360WError",
    "FileInfo",
    "Files",
    "GivenUp",
    "HostAddresses",
    "LastWill",
    "Listener",
    "Message",
    "Module",
    "MqttClient",
    "NoAnswer",
    "Overrun",
    "PeerClosed",
    "Peripheral",
    "PingResult",
    "Progress",
    "ProtocolError",
    "Recovery",
    "Response",
    "Restarted",
    "Rung",
    "SendTimeout",
    "SessionLost",
    "Socket",
    "SocketLost",
    "Stats",
    "Stream",
    "TransportError",
    "TransportLost",
    "TransportUnavailable",
    "UdpService",
    "UdpSocket",
    "Until",
    "UpgradeStage",
    "UsageError",
    "WifiStatus",
    "Write",
    "open",
    "open_async",
]

_WHERE = {
    "HostAddresses": "flows.net",
    "AsyncFile": "aio_files",
    "AsyncFiles": "aio_files",
    "AsyncListener": "aio_sockets",
    "AsyncModule": "aio",
    "AsyncPeripheral": "aio_ble",
    "AsyncMqttClient": "aio_mqtt",
    "AsyncStream": "aio_streams",
    "AsyncUdpService": "aio_sockets",
    "AsyncUdpSocket": "aio_sockets",
    "Chunk": "inbox",
    "Context": "contexts",
    "Datagram": "datagrams",
    "LastWill": "flows.mqtt",
    "FileInfo": "commands.files",
    "Files": "files",
    "Listener": "sockets",
    "Message": "messaging",
    "Module": "module",
    "MqttClient": "mqtt",
    "PingResult": "flows.net",
    "Peripheral": "ble",
    "Progress": "fetching",
    "Recovery": "flows.recover",
    "Response": "fetching",
    "Rung": "flows.recover",
    "Socket": "socketlike",
    "Stats": "stats",
    "Stream": "streams",
    "UdpService": "sockets",
    "UdpSocket": "sockets",
    "UpgradeStage": "flows.system",
    "WifiStatus": "flows.wifi",
    "Write": "ble",
    "open": "module",
    "open_async": "aio",
}


def __getattr__(name: str) -> Any:
    """What needs a core or asyncio is imported when it is first named: it takes its time, and a core may be missing."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = vars(import_module(f"{__name__}.{_WHERE[name]}"))[name]
    return value
