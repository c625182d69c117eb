"""The access points in reach of the simulated module, and how they are written on a command line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from fcm360w.commands.wifi import Addresses, Security

__all__ = ["DEFAULT_AP", "AccessPoint", "parse_access_points", "split_access_points"]

NAMES = ("rssi", "channel", "security", "hidden")
OPTION = re.compile(r"(.*),(?:(rssi|channel|security)=([^,]*)|(hidden))", re.DOTALL)
SLIP = re.compile(r".*,([a-z]+)(=[^,]*)?", re.DOTALL)
RSSI = range(-99, 0)
CHANNELS = range(1, 15)


@dataclasses.dataclass(frozen=True)
class AccessPoint:
    """A hotspot in reach; an empty password means open.  `rssi` in dBm; a hidden one shows no name.

    `security` is a Security, or whatever else a scan is to show; empty is what goes with the password.  `network` is
    the first three numbers of the addresses its DHCP server gives.
    """

    ssid: str
    password: str = dataclasses.field(default="", repr=False)
    rssi: int = -52
    channel: int = 6
    bssid: str = "02:00:5e:10:00:01"
    security: str = ""
    hidden: bool = False
    network: str = "10.0.0"

    @property
    def psk_type(self) -> str:
        return self.security or (Security.WPA2_AES if self.password else Security.OPEN)

    @property
    def lease(self) -> Addresses:
        """What a station is given that asks for an address."""
        gate = f"{self.network}.1"
        return Addresses(f"{self.network}.7", gate, "255.255.255.0", gate)


DEFAULT_AP = AccessPoint("hall", "open sesame")


def parse_access_points(texts: Iterable[str]) -> tuple[AccessPoint, ...]:
    """Read ``SSID[:PASSWORD][,rssi=-60][,channel=6][,security=WPA2_AES_PSK][,hidden]``, one hotspot a text.

    The first colon divides; options are known by their names, so that names and passwords may hold commas.  ValueError
    says what is wrong, without the password.
    """
    return tuple(_parse(text, number) for number, text in enumerate(texts))


def split_access_points(text: str) -> list[str]:
    """The texts of several hotspots joined by commas; an option belongs to the hotspot before it."""
    texts: list[str] = []
    for piece in text.split(","):
        if texts and OPTION.fullmatch(f",{piece}"):
            texts[-1] += f",{piece}"
        else:
            texts.append(piece)
    return texts


def _parse(text: str, number: int) -> AccessPoint:
    rest, options = text, dict[str, str]()
    while match := OPTION.fullmatch(rest):
        rest, name, value, hidden = match.groups()
        if (name or hidden) in options:
            raise ValueError(f"ap={_shown(rest)}: {name or hidden} is given twice")
        options[name or hidden] = value or ""
    ssid, colon, password = rest.partition(":")
    _check(ssid, password if colon else None, rest)
    return AccessPoint(
        ssid,
        password,
        rssi=_number(ssid, "rssi", options, RSSI, -52),
        channel=_number(ssid, "channel", options, CHANNELS, 6),
        bssid=f"02:00:5e:10:{(number + 1) >> 8 & 255:02x}:{(number + 1) & 255:02x}",
        security=_security(ssid, bool(password), options),
        hidden="hidden" in options,
        network=f"10.0.{number & 255}",
    )


def _check(ssid: str, password: str | None, text: str) -> None:
    shown = _shown(text)
    if not 1 <= len(ssid.encode()) <= 32:
        raise ValueError(f"ap={shown}: an SSID has 1 to 32 bytes")
    if password is not None and not 8 <= len(password.encode()) <= 63:
        raise ValueError(f"ap={shown}: a password has 8 to 63 bytes")
    if any(char < " " or char == "\x7f" for char in text):
        raise ValueError(f"ap={shown!r}: neither SSID nor password holds control characters")
    slip = SLIP.fullmatch(text)
    if slip and _resembles(slip[1], 0.75 if slip[2] else 0.85):
        raise ValueError(f"ap={shown}: no option {slip[1]!r}; there are {', '.join(NAMES)}")


def _resembles(word: str, closely: float) -> bool:
    """Whether a word is an option's name with a slip of the pen, rather than part of a password."""
    import difflib

    return bool(difflib.get_close_matches(word, NAMES, n=1, cutoff=closely))


def _shown(text: str) -> str:
    return text.partition(":")[0]


def _number(ssid: str, name: str, options: dict[str, str], bounds: range, default: int) -> int:
    text = options.get(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,3}", text) or int(text) not in bounds:
        raise ValueError(f"ap={ssid}: {name}={text} is not a whole number from {bounds[0]} to {bounds[-1]}")
    return int(text)


def _security(ssid: str, password: bool, options: dict[str, str]) -> str:
    text = options.get("security", "")
    if "security" in options and text not in set(Security):
        raise ValueError(f"ap={ssid}: security={text} is not one of {', '.join(Security)}")
    if text and password != (text != Security.OPEN):
        wanted = "takes no password" if password else "needs a password: SSID:PASSWORD"
        raise ValueError(f"ap={ssid}: security={text} {wanted}")
    return text
