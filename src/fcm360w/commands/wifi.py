"""Wi-Fi station (manual 2.1.4 to 2.1.18, 3.1.1): join, leave, state and address."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from fcm360w.parameters import BARE, SECRET, Length, ParseError
from fcm360w.wire import Command, Reply

Ssid = Annotated[str, Length(1, 32)]
Password = Annotated[str, Length(8, 63), SECRET]


class Mode(StrEnum):
    """Which of the module's two Wi-Fi roles."""

    STATION, AP = "station", "ap"


class Addresses(Reply, at="+QGETIP", ref="2.1.4"):
    """IPv4 addresses, dotted; all 0.0.0.0 while the role is down.  Mind the order."""

    ip: str
    gate: str
    mask: str
    dns: str


class GetAddresses(Command[Addresses], at="+QGETIP", ref="2.1.4"):
    """Report the addresses of one role."""

    mode: Mode = Mode.STATION


class MacAddress(Reply, at="+QWLMAC", ref="2.1.7"):
    """The station's hardware address, six hex pairs joined by colons."""

    mac: str = "88:00:33:77:69:cc"


class GetMacAddress(Command[MacAddress], at="+QWLMAC", ref="2.1.7", form="exec"):
    """Report the Wi-Fi hardware address."""


class StationPower(StrEnum):
    """Whether the station role is enabled."""

    DOWN, UP = "STATION_DOWN", "STATION_UP"


class StationState(Reply, at="+QSTAST", ref="2.1.8"):
    """Whether the station role is enabled; says nothing of a link."""

    state: StationPower


class GetStationState(Command[StationState], at="+QSTAST", ref="2.1.8", form="exec"):
    """Report whether the station role is enabled."""


class Leave(Command[None], at="+QSTASTOP", ref="2.1.11", form="exec"):
    """Leave the hotspot and disable the station role."""


class Join(Command[None], at="+QSTAAPINFO", ref="2.1.16", wait=5.0):
    """Join a hotspot; OK says only that the module will try.  StationEvent tells the rest.  Not saved."""

    ssid: Ssid
    pwd: Password | None = None


class Hotspot(Reply, at="+QGETWIFISTATE", ref="2.1.18"):
    """The hotspot the station is joined to; `rssi` in dBm."""

    ssid: Annotated[str, BARE]
    bssid: Annotated[str, BARE]
    rssi: int

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        """``ssid=…,bssid=…,rssi=…``: split from the right, since nothing protects a comma in the name."""
        head, found, rssi = text.rpartition(",rssi=")
        ssid, also, bssid = head.rpartition(",bssid=")
        level = rssi.partition(",")[0].strip(" ")
        digits = level.removeprefix("-")
        if not (found and also and ssid.startswith("ssid=") and digits.isascii() and digits.isdigit()):
            raise ParseError(f"not a hotspot: {text!r}")
        return cls(ssid.removeprefix("ssid="), bssid, int(level))

    def line(self) -> str:
        return f"{self.at}: ssid={self.ssid},bssid={self.bssid},rssi={self.rssi}"


class GetHotspot(Command[Hotspot], at="+QGETWIFISTATE", ref="2.1.18", form="exec"):
    """Report the hotspot.  The module answers ERROR while it is not joined."""


class StationChange(StrEnum):
    """What happened to the station.  The blank in the first is the manual's; firmware differs."""

    DISCONNECTED = "WLAN DISCONNECTED"
    CONNECTED = "WLAN_CONNECTED"
    GOT_IP = "GOT_IP"
    NO_AP = "SCAN_NO_AP"

    @classmethod
    def _missing_(cls, value: object) -> StationChange | None:
        return cls.DISCONNECTED if value == "WLAN_DISCONNECTED" else None


class StationEvent(Reply, at="+QSTASTAT", ref="3.1.1"):
    """The state of the station changed."""

    event: StationChange
