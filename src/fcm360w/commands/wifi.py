"""Wi-Fi (manual 2.1.4 to 2.1.22, 3.1): station and access point, their state and addresses, scan, DNS servers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Self

from fcm360w.commands.system import Switch
from fcm360w.parameters import BARE, SECRET, Address, Length, Named, Note, ParseError, Range
from fcm360w.wire import Command, Reply

Ssid = Annotated[str, Length(1, 32)]
Password = Annotated[str, Length(8, 63), SECRET]


class Mode(StrEnum):
    """Which of the module's two Wi-Fi roles."""

    STATION, AP = "station", "ap"


class Addresses(Reply, at="+QGETIP", ref="2.1.4"):
    """IPv4 addresses, dotted; all 0.0.0.0 while the role is down.  Mind the order."""

    ip: Address
    gate: Address
    mask: Address
    dns: Address

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        """Some firmware labels each address, ``ip:10.0.0.7,gateway:10.0.0.1,...``: then the labels count (W3)."""
        if not text.startswith("ip:"):
            return super().read(text, data)
        parted = (part.strip(" ").partition(":") for part in text.split(","))
        labelled = {name: address for name, _, address in parted}
        try:
            return cls(*(labelled[name] for name in ("ip", "gateway", "mask", "dns")))
        except KeyError as missing:
            raise ParseError(f"{cls.at}: no {missing} in {text!r}") from None


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


class Dhcp(Reply, at="+QSTADHCP", ref="2.1.9"):
    """Whether the station asks a DHCP server for its addresses."""

    enable: Switch


class GetDhcp(Command[Dhcp], at="+QSTADHCP", ref="2.1.9", form="read"):
    """Report whether the station uses DHCP."""


class SetDhcp(Command[None], at="+QSTADHCP", ref="2.1.9"):
    """Switch the station's DHCP.  Not saved."""

    enable: Switch = Switch.ON


class SetStationAddresses(Command[None], at="+QAPSTATIC", ref="2.1.10"):
    """Give the station fixed addresses, dotted; mind the order.  The manual prints the access point's command (W1)."""

    ip: Address
    mask: Address
    gate: Address
    dns: Address


class SetStationAddressesApart(Command[None], at="+QSTASTATIC", ref="2.1.10"):
    """As SetStationAddresses, under the name that sibling modules give it; others answer ERROR."""

    ip: Annotated[Address, Note("W1")]
    mask: Annotated[Address, Note("W1")]
    gate: Annotated[Address, Note("W1")]
    dns: Annotated[Address, Note("W1")]


class Leave(Command[None], at="+QSTASTOP", ref="2.1.11", form="exec"):
    """Leave the hotspot and disable the station role."""


class StartAp(Command[None], at="+QSOFTAP", ref="2.1.12", wait=5.0):
    """Open a hotspot of the module's own; ApEvent tells when it is up.  Without a key it is open.  Not saved."""

    ssid: Ssid
    password: Annotated[Password, Named("key")] | None = None


class ApPower(StrEnum):
    """Whether the access point role is enabled."""

    DOWN, UP = "SOFTAP_DOWN", "SOFTAP_UP"


class ApState(Reply, at="+QAPSTATE", ref="2.1.13"):
    """Whether the access point role is enabled."""

    state: ApPower


class GetApState(Command[ApState], at="+QAPSTATE", ref="2.1.13", form="exec"):
    """Report whether the access point role is enabled."""


class SetApAddresses(Command[None], at="+QAPSTATIC", ref="2.1.14"):
    """Give the access point fixed addresses, dotted; mind the order."""

    ip: Address
    mask: Address
    gate: Address
    dns: Address


class StopAp(Command[None], at="+QSOFTAPSTOP", ref="2.1.15", form="exec"):
    """Close the module's own hotspot."""


class Join(Command[None], at="+QSTAAPINFO", ref="2.1.16", wait=5.0):
    """Join a hotspot; OK says only that the module will try.  StationEvent tells the rest.  Not saved."""

    ssid: Ssid
    pwd: Password | None = None


class JoinAndSave(Command[None], at="+QSTAAPINFODEF", ref="2.1.17", wait=5.0):
    """As Join, and save the hotspot: the module joins it by itself when it starts (W21)."""

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


class NoHotspot(Reply, at="+QGETWIFISTATE", ref="2.1.18"):
    """What some firmware says while the station is not joined (W13)."""

    state: Annotated[str, BARE, Note("W13")] = "DISCONNECT"


class GetHotspot(Command[Hotspot], at="+QGETWIFISTATE", ref="2.1.18", form="exec"):
    """Report the hotspot.  The module answers ERROR while it is not joined; some firmware DISCONNECT and OK (W13)."""

    def answer(self, text: str, data: bytes | None = None) -> Reply | None:
        name, _, rest = text.partition(":")
        nothing = name == self.at and rest.strip(" ") == NoHotspot().state
        return NoHotspot() if nothing else super().answer(text, data)

    def finish(self, replies: Sequence[Reply], final: str) -> Hotspot:
        return super().finish([reply for reply in replies if isinstance(reply, Hotspot)], final)


class Security(StrEnum):
    """Kinds of encryption that a scan reports, as far as they are known."""

    OPEN, WEP = "OPEN", "WEP_SHARED"
    WPA_TKIP, WPA_AES = "WPA_TKIP_PSK", "WPA_AES_PSK"
    WPA2_TKIP, WPA2_AES, WPA2_MIXED = "WPA2_TKIP_PSK", "WPA2_AES_PSK", "WPA2_MIXED_PSK"
    WPA3, WPA3_WPA2 = "WPA3_SAE", "WPA3_WPA2_MIXED"


class Seen(Reply, at="+QWSCAN", ref="2.1.19"):
    """One hotspot in reach; a hidden one has no name.  `psk_type` is a Security unless firmware knows more."""

    ssid: str
    psk_type: str
    rssi: Annotated[int, Range(-127, 0, "dBm")]
    bssid: str
    channel: int

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        """Nothing protects a quote in the name; some firmware adds 100 to the dBm (W14)."""
        try:
            seen = cls.parse(text)
        except ParseError:
            name, *rest = text.rsplit(",", 4)
            seen = cls.parse(",".join(['""', *rest])).replace(ssid=name.strip(" ").removeprefix('"').removesuffix('"'))
        return seen.replace(rssi=seen.rssi - 100) if seen.rssi > 0 else seen


class Scan(Command[tuple[Seen, ...]], at="+QWSCAN", ref="2.1.19", form="exec", wait=20.0):
    """List the hotspots in reach."""


class DnsServers(Reply, at="+QIDNSCFG", ref="2.1.20"):
    """The servers that names are asked of, dotted; 0.0.0.0 is none."""

    pridnsaddr: Address
    secdnsaddr: Address = "0.0.0.0"


class GetDnsServers(Command[DnsServers], at="+QIDNSCFG", ref="2.1.20", form="read"):
    """Report the DNS servers."""


class SetDnsServers(Command[None], at="+QIDNSCFG", ref="2.1.20", test=("<pridnsaddr>,<secdnsaddr>",)):
    """Set the DNS servers.  The test command answers like the read command (W16)."""

    pridnsaddr: Address
    secdnsaddr: Address | None = None


class SetWebSetup(Command[None], at="+QWEBCFG", ref="2.1.21"):
    """Allow that the Wi-Fi is set up through a web page of the module's.  Saved."""

    enable: Switch


class Forget(Command[None], at="+QSTAAPINFORMV", ref="2.1.22", form="exec"):
    """Forget the saved hotspot."""


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


class ApChange(StrEnum):
    """What happened to the module's own hotspot: it, or a client of it, came or went."""

    UP, DOWN = "AP_UP", "AP_DOWN"
    CLIENT_JOINED, CLIENT_LEFT = "AP_CONNECT", "AP_DISCONNECT"


class ApEvent(Reply, at="+QAPSTAT", ref="3.1.2"):
    """The state of the module's own hotspot changed."""

    event: ApChange
