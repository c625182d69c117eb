"""Commands that hosts send and the manual does not list; whether the module takes them is the dialect's choice."""

from __future__ import annotations

from typing import Annotated

from fcm360w.commands.wifi import Password, Ssid
from fcm360w.parameters import Named
from fcm360w.wire import Command

__all__ = ["ROWS", "ReportPort", "StartApExtended"]


class StartApExtended(Command[None], at="+QSOFTAP", ref="2.1.12"):
    """The manual's own example has a third argument that its syntax lacks (W11)."""

    ssid: Ssid
    password: Annotated[Password, Named("key")] | None = None
    extra: int = 0


class ReportPort(Command[None], at="+QURCCFG", ref="1.2"):
    """Which port says what nobody asked for: hosts of sibling modules begin with it."""

    kind: str
    port: str | None = None


ROWS: tuple[type[Command[None]], ...] = (StartApExtended, ReportPort)
