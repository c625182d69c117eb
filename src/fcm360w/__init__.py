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
    Overrun,
    PeerClosed,
    ProtocolError,
    SendTimeout,
    TransportError,
    TransportLost,
    TransportUnavailable,
    UsageError,
)
from fcm360w.steps import EscapePolicy, Until

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule, AsyncStream, open_async
    from fcm360w.module import Module, open
    from fcm360w.streams import Stream

__version__ = "0.1.0"

__all__ = [
    "AsyncModule",
    "AsyncStream",
    "CommandError",
    "CommandTimeout",
    "EscapePolicy",
    "FCM360WError",
    "Module",
    "Overrun",
    "PeerClosed",
    "ProtocolError",
    "SendTimeout",
    "Stream",
    "TransportError",
    "TransportLost",
    "TransportUnavailable",
    "Until",
    "UsageError",
    "open",
    "open_async",
]

_WHERE = {
    "AsyncModule": "aio",
    "AsyncStream": "aio",
    "open_async": "aio",
    "Module": "module",
    "open": "module",
    "Stream": "streams",
}


def __getattr__(name: str) -> Any:
    """What needs a core or asyncio is imported when it is first named: it takes its time, and a core may be missing."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = vars(import_module(f"{__name__}.{_WHERE[name]}"))[name]
    return value
