"""Bluetooth Low Energy (manual 2.2, 3.2): one service of at most five characteristics, offered to one central.

The order is: Init, what is advertised, the service, its characteristics, ServiceDone, Advertise.  What a central writes
comes as Written; what it is to be told goes by Notify.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Self

from fcm360w.commands.system import Switch
from fcm360w.parameters import Hexadecimal, Length, Named, Note, ParseError, Payload, Range, split
from fcm360w.wire import Command, Reply

MAX_CHARACTERISTICS = 5
MAX_ADVERTISED = 31
MAX_STRUCTURE = 0x1B
MAX_NAME = 29
FIRST_MTU = 23
MAX_MTU = 512
MAX_VALUE = MAX_MTU - 3

# The handles of the characteristics, in the order they were added.
HANDLES = ("10", "13", "16", "19", "22")


class Structures(Hexadecimal):
    """Advertising structures as hexadecimal digits: each a length, and so many bytes: a type, and data."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"advertising structures, {super().__str__()}"

    def check(self, value: str) -> str | None:
        return super().check(value) or fault_of(bytes.fromhex(value))


def fault_of(advertised: bytes) -> str | None:
    """What is wrong with bytes that are to be advertised, or None: lengths of 1 to 0x1b that add up to 31 at most."""
    at = 0
    while at < len(advertised):
        if not 1 <= advertised[at] <= MAX_STRUCTURE:
            return f"has a structure of length {advertised[at]} at byte {at}, outside 1..{MAX_STRUCTURE}"
        at += 1 + advertised[at]
    return None if at == len(advertised) else f"has lengths that add up to {at}, not to {len(advertised)}"


Uuid = Annotated[str, Hexadecimal(2, 16), Note("B7")]
Interval = Annotated[int, Range(0x20, 0x4000, "0.625 ms"), Note("B4")]


class BleRole(IntEnum):
    """What the module is to a peer.  The manual lost the list; only a peripheral is described."""

    OFF, CENTRAL, PERIPHERAL = 0, 1, 2


class LinkChange(StrEnum):
    """What became of the link."""

    CONNECTED, DISCONNECTED = "CONNECTED", "DISCONNECTED"


class Peer(IntEnum):
    """What the other side of the link is; not numbered as BleRole is."""

    HOST, PERIPHERAL = 0, 1


# ---- the stack, 2.2.1 to 2.2.3 --------------------------------------------------------------------------------------


class Init(Command[None], at="+QBLEINIT", ref="2.2.1"):
    """Start Bluetooth in a role, or end it.  With `auto_adv` the module advertises again after a link has ended."""

    role: Annotated[BleRole, Note("B1")] = BleRole.PERIPHERAL
    auto_adv: Annotated[Switch, Note("B2")] = Switch.OFF


class RoleInfo(Reply, at="+QBLEINIT", ref="2.2.1"):
    """The role that Bluetooth was started in."""

    role: BleRole


class GetRole(Command[RoleInfo], at="+QBLEINIT", ref="2.2.1", form="read"):
    """Report the role."""


class BleAddress(Reply, at="+QBLEADDR", ref="2.2.2"):
    """Six hex pairs joined by colons."""

    ble_addr: str


class GetBleAddress(Command[BleAddress], at="+QBLEADDR", ref="2.2.2", form="read"):
    """Report the module's Bluetooth address."""


class BleName(Reply, at="+QBLENAME", ref="2.2.3"):
    """The name that centrals see."""

    ble_name: str


class GetBleName(Command[BleName], at="+QBLENAME", ref="2.2.3", form="read"):
    """Report the name."""


class SetBleName(Command[None], at="+QBLENAME", ref="2.2.3"):
    """Set the name.  The manual gives no limit; 29 bytes are what an advertisement can hold."""

    ble_name: Annotated[str, Length(1, MAX_NAME)]


# ---- advertising, 2.2.4, 2.2.5, 2.2.9, 2.2.10 -----------------------------------------------------------------------


class SetInterval(Command[None], at="+QBLEADVPARAM", ref="2.2.4"):
    """Set the shortest and the longest time between advertisements, before Advertise."""

    adv_int_min: Interval
    adv_int_max: Interval

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Self:
        """The manual prints the bounds as 0x0020; so may a host."""
        return super().parse(",".join(map(_decimal, split(text))), strict)


def _decimal(text: str) -> str:
    if text[:2].lower() != "0x":
        return text
    digits = text[2:]
    if not digits or not set(digits.lower()) <= set("0123456789abcdef"):
        raise ParseError(f"{text!r} is no number")
    return str(int(digits, 16))


class SetAdvertised(Command[None], at="+QBLEADVDATA", ref="2.2.5"):
    """Set what is advertised, instead of flags and name."""

    adv_data: Annotated[str, Structures(*range(1, MAX_ADVERTISED + 1)), Note("B5")]


class Advertise(Command[None], at="+QBLEADVSTART", ref="2.2.9", form="exec", wait=1.0):
    """Let centrals see the module, and connect."""


class StopAdvertising(Command[None], at="+QBLEADVSTOP", ref="2.2.10", form="exec"):
    """Be seen no longer; a link that is there goes on."""


# ---- the service, 2.2.6 to 2.2.8 ------------------------------------------------------------------------------------


class SetService(Command[None], at="+QBLEGATTSSRV", ref="2.2.6"):
    """Begin a service; there is one at a time."""

    srv_uuid: Uuid


class AddCharacteristic(Command[None], at="+QBLEGATTSCHAR", ref="2.2.7"):
    """Add a characteristic to the service, which has five at most."""

    char_uuid: Uuid


class ServiceDone(Command[None], at="+QBLEGATTSSRVDONE", ref="2.2.8", form="exec"):
    """Register the service."""


# ---- data, 2.2.11, 3.2 ----------------------------------------------------------------------------------------------


class Notify(Command[None], at="+QBLEGATTSNTFY", ref="2.2.11"):
    """Send text to the central, as it is typed; at most its MTU less 3 bytes."""

    uuid: Uuid
    data: Annotated[str, Length(1, MAX_VALUE)]

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Self:
        """The length, which stands in the middle, may be left empty."""
        parts = split(text)
        return super().parse(",".join([parts[0], parts[2]]) if len(parts) == 3 and not parts[1] else text, strict)


class NotifyBytes(Command[None], at="+QBLEGATTSNTFY", ref="2.2.11"):
    """Send bytes to the central: `hex_length` of them, of which `data` has two digits each."""

    uuid: Uuid
    hex_length: Annotated[int, Range(1, MAX_VALUE, "byte"), Note("B10")]
    data: Annotated[str, Hexadecimal(*range(1, MAX_VALUE + 1))]


class LinkEvent(Reply, at="+QBLESTAT", ref="3.2.1"):
    """A central has connected, or is gone."""

    event: LinkChange


class MtuChanged(Reply, at="+QBLEMTU", ref="3.2.2"):
    """The central and the module agreed on an MTU; a value may have 3 bytes less."""

    mtu_value: Annotated[int, Range(FIRST_MTU, MAX_MTU, "byte")]


class Written(Reply, at="+QBLERECV", ref="3.2.3"):
    """The central has written to a characteristic, of which `uuid` is the handle, or with other firmware the UUID."""

    peer_role: Annotated[Peer, Note("B13")]
    uuid: Annotated[str, Note("B12")]
    data: Annotated[bytes, Payload(0, MAX_MTU), Named("length")]


class PeerRole(Reply, at="+QBLEPEERROLE", ref="3.2.4"):
    """What the other side of a new link is."""

    peer_role: Annotated[Peer, Note("B13")]
