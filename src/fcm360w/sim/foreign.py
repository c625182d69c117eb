"""Commands that hosts send and the manual does not list; whether the module takes them is the dialect's choice."""

from __future__ import annotations

from typing import Annotated, Any

from fcm360w.commands.ble import SetInterval
from fcm360w.commands.tcp import ConnectId, SocketInfo
from fcm360w.commands.wifi import Password, Ssid
from fcm360w.parameters import Named, Range
from fcm360w.wire import Command

__all__ = ["ROWS", "GetSocketOfType", "ReportPort", "SetIntervalMisprinted", "StartApExtended"]


class StartApExtended(Command[None], at="+QSOFTAP", ref="2.1.12"):
    """The manual's own example has a third argument that its syntax lacks (W11)."""

    ssid: Ssid
    password: Annotated[Password, Named("key")] | None = None
    extra: int = 0


class ReportPort(Command[None], at="+QURCCFG", ref="1.2"):
    """Which port says what nobody asked for: hosts of sibling modules begin with it."""

    kind: str
    port: str | None = None


class GetSocketOfType(Command[tuple[SocketInfo, ...]], at="+QISTATE", ref="2.3.4"):
    """Cellular modules ask for one socket in this way (T18)."""

    query_type: Annotated[int, Range(1, 1)]
    connect_id: ConnectId


class SetIntervalMisprinted(SetInterval, at="+QBLEQADVPARAM"):
    """As the manual prints it in one place (B3)."""


ROWS: tuple[type[Command[Any]], ...] = (StartApExtended, ReportPort, GetSocketOfType, SetIntervalMisprinted)
