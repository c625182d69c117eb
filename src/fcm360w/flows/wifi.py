"""Join a hotspot and leave it, give the station addresses, open a hotspot of the module's own, tell how it stands."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from fcm360w.commands.system import Switch
from fcm360w.commands.wifi import (
    Addresses,
    ApChange,
    ApEvent,
    ApPower,
    GetAddresses,
    GetApState,
    GetDhcp,
    GetHotspot,
    GetMacAddress,
    GetStationState,
    Hotspot,
    Join,
    JoinAndSave,
    Leave,
    SetDhcp,
    SetStationAddresses,
    SetStationAddressesApart,
    StartAp,
    StationChange,
    StationEvent,
    StationPower,
)
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.steps import Pause, Steps, Until, forget

AP_STARTS = 10.0
_ENDS = {StationChange.GOT_IP, StationChange.NO_AP, StationChange.DISCONNECTED}
_REASONS = {StationChange.NO_AP: "no such hotspot", StationChange.DISCONNECTED: "refused: is the password right?"}


class WifiStatus(NamedTuple):
    """Both roles of the module: whether each is enabled, the hotspot the station is joined to, and its addresses."""

    station: bool
    hotspot: Hotspot | None
    addresses: Addresses
    ap: bool


# ---- station --------------------------------------------------------------------------------------------------------


def join(ssid: str, password: str | None, seconds: float, save: bool = False) -> Steps[Addresses]:
    """Join and wait for an address.  CommandError if the hotspot is absent or refuses; CommandTimeout if nothing comes.

    An empty password is none: the hotspot is open.  After a time-out the station is switched off, lest it join later.
    """
    command = (JoinAndSave if save else Join)(ssid, password or None)
    line = command.line(mask=True)
    if (yield from joined()):
        yield from _leave()
    yield from forget(StationEvent)
    yield from command
    event = yield from Until(StationEvent, seconds, lambda event: event.event in _ENDS)
    if event is None:
        with contextlib.suppress(CommandError, CommandTimeout):
            yield from Leave()
        raise CommandTimeout(line, seconds, StationEvent.ref)
    if event.event is not StationChange.GOT_IP:
        raise CommandError(line, event.line(), None, _REASONS[event.event], StationEvent.ref)
    return (yield from GetAddresses())


def joined() -> Steps[Hotspot | None]:
    """The hotspot, if there is one: a module that is not joined answers ERROR, or OK without a hotspot (W13)."""
    try:
        return (yield from GetHotspot())
    except (CommandError, ProtocolError):
        return None


def hotspot() -> Steps[Hotspot]:
    """The hotspot.  CommandError if the station is not joined, however the module says so."""
    found = yield from joined()
    if found is None:
        raise CommandError(GetHotspot().line(), reason="the station is not joined", section=GetHotspot.ref)
    return found


def _leave() -> Steps[None]:
    """A module that is joined says that it left."""
    yield from forget(StationEvent)
    with contextlib.suppress(CommandError):
        yield from Leave()
    yield from Until(StationEvent, 1.0, lambda event: event.event is StationChange.DISCONNECTED)


def leave() -> Steps[None]:
    """Leave the hotspot."""
    yield from Leave()
    yield Pause(0.0)


def fix_addresses(ip: str, mask: str, gate: str, dns: str) -> Steps[None]:
    """Give the station fixed addresses: by the name that sibling modules have for it, else by the manual's (W1).

    DHCP is switched off first (W2), and on again if the module refuses.
    """
    apart = SetStationAddressesApart(ip, mask, gate, dns)
    apart.line()
    before = yield from GetDhcp()
    yield from SetDhcp(Switch.OFF)
    try:
        yield from apart
    except CommandError:
        try:
            yield from SetStationAddresses(ip, mask, gate, dns)
        except CommandError:
            yield from SetDhcp(before.enable)
            raise


def mac() -> Steps[str]:
    """The hardware address."""
    return (yield from GetMacAddress()).mac


# ---- the module's own hotspot ---------------------------------------------------------------------------------------


def start_ap(ssid: str, password: str | None) -> Steps[None]:
    """Open a hotspot, and wait until it is on the air.  Without a password, or with an empty one, it is open (W12)."""
    command = StartAp(ssid, password or None)
    line = command.line(mask=True)
    yield from forget(ApEvent)
    yield from command
    up = yield from Until(ApEvent, AP_STARTS, lambda event: event.event is ApChange.UP)
    if up is None and not (yield from _ap_is_enabled()):
        raise CommandTimeout(line, AP_STARTS, ApEvent.ref)


def _ap_is_enabled() -> Steps[bool]:
    return (yield from GetApState()).state is ApPower.UP


# ---- both -----------------------------------------------------------------------------------------------------------


def status() -> Steps[WifiStatus]:
    """How it stands."""
    station = yield from GetStationState()
    found = yield from joined()
    addresses = yield from GetAddresses()
    ap = yield from _ap_is_enabled()
    return WifiStatus(station.state is StationPower.UP, found, addresses, ap)
