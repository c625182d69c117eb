"""The module itself (manual 1.2, 2.1.1 to 2.1.6, 3.1.3): is it there, what is it, echo, restart, speed, upgrade."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Self

from fcm360w.parameters import BARE, SECRET, Length, Note, Range
from fcm360w.wire import Command, Reply


class Switch(IntEnum):
    """Off or on."""

    OFF, ON = 0, 1


class Attention(Command[None], ref="1.2", form="exec"):
    """Bare ``AT``: answered with OK by a module in command mode."""


class BasicEcho(Command[None], at="E", ref="1.2"):
    """``ATE0`` or ``ATE1``, the basic form of Echo.  A module may answer ERROR to the first one after power-up."""

    enable: Switch


class Restart(Command[None], at="+QRST", ref="2.1.1", form="exec"):
    """Restart the module.  Booted follows; nothing else is answered before it."""


class Booted(Reply, at="ready", ref="2.1.1"):
    """The module has started, with options as delivered.  The manual prints no such line; some firmware says RDY."""

    restarts = True

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        return cls()

    def doubles(self) -> bool:
        return False

    def doubles_sent(self) -> bool:
        return False


class Version(Reply, at="+QVERSION", ref="2.1.2"):
    """Firmware version; the one string that carries no quotes."""

    version: Annotated[str, BARE]

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        return cls(text)


class GetVersion(Command[Version], at="+QVERSION", ref="2.1.2", form="exec"):
    """Report the firmware version."""


class Echo(Command[None], at="+QECHO", ref="2.1.3"):
    """Switch the echo of command lines.  Saved in the module."""

    enable: Switch = Switch.OFF


class BaudRate(Reply, at="+QSETBAND", ref="2.1.5"):
    """The speed of the serial port, in bit/s."""

    baud_rate: Annotated[int, Range(1200, 2_000_000, "bit/s")]


class GetBaudRate(Command[BaudRate], at="+QSETBAND", ref="2.1.5", form="read"):
    """Report the speed of the serial port."""


class SetBaudRate(Command[None], at="+QSETBAND", ref="2.1.5"):
    """Change the speed of the serial port.  OK still comes at the old one."""

    baud_rate: Annotated[int, Range(1200, 2_000_000, "bit/s")]
    save: Annotated[Switch, Note("W5")] = Switch.OFF


class Upgrade(Command[None], at="+QWLANOTA", ref="2.1.6"):
    """Fetch firmware from a URL and install it.  UpgradeEvent tells how it goes, Booted that it is done.

    The URL may hold a password or a token, so it is secret.
    """

    url: Annotated[str, Length(1, 512), SECRET]


class UpgradeBare(Command[None], at="+QWLANOTA", ref="2.1.6"):
    """As Upgrade, without quotes: some firmware takes it only so (W20)."""

    url: Annotated[str, Length(1, 512), BARE, SECRET, Note("W20")]


class UpgradeChange(StrEnum):
    """How far an upgrade has come.  After the last the module restarts."""

    STARTED, FETCHED, FAILED = "START_DOWNLOAD", "DOWNLOAD_SUCCEED", "DOWNLOAD_FAILED"
    INSTALLING = "START_UPGRADE"


class UpgradeEvent(Reply, at="+QOTASTAT", ref="3.1.3"):
    """A firmware upgrade moved on."""

    event: UpgradeChange
