"""The station: manual 2.1.4 to 2.1.18."""

from __future__ import annotations

from fcm360w.commands.wifi import (
    GetAddresses,
    GetHotspot,
    GetMacAddress,
    GetStationState,
    Hotspot,
    Join,
    Leave,
    MacAddress,
    Mode,
    StationPower,
    StationState,
)
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.radio import DOWN
from fcm360w.sim.steps import Answer, Printed, Refused


@handles(GetAddresses)
def addresses(module: Module, command: GetAddresses) -> Answer:
    return (module.radio.addresses if command.mode is Mode.STATION else DOWN,)


@handles(GetMacAddress)
def mac_address(module: Module, command: GetMacAddress) -> Answer:
    return (MacAddress(),)


@handles(GetStationState)
def station_state(module: Module, command: GetStationState) -> Answer:
    return (StationState(StationPower.UP if module.radio.enabled else StationPower.DOWN),)


@handles(Join)
def join(module: Module, command: Join) -> Answer:
    module.radio.join(command.ssid, command.pwd or "", module.now)
    return ()


@handles(Leave)
def leave(module: Module, command: Leave) -> Answer:
    module.radio.leave()
    return ()


@handles(GetHotspot)
def hotspot(module: Module, command: GetHotspot) -> Answer:
    ap = module.radio.joined
    if ap is not None:
        return (Hotspot(ap.ssid, ap.bssid, ap.rssi),)
    if module.dialect.disconnect_text:
        return (Printed(f"{Hotspot.at}: DISCONNECT"),)
    raise Refused
