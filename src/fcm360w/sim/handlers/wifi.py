"""Station, the module's own hotspot, scan and DNS servers: manual 2.1.4, 2.1.7 to 2.1.22."""

from __future__ import annotations

from fcm360w.commands.system import Switch
from fcm360w.commands.wifi import (
    Addresses,
    ApPower,
    ApState,
    Dhcp,
    Forget,
    GetAddresses,
    GetApState,
    GetDhcp,
    GetDnsServers,
    GetHotspot,
    GetMacAddress,
    GetStationState,
    Hotspot,
    Join,
    JoinAndSave,
    Leave,
    MacAddress,
    Mode,
    NoHotspot,
    Scan,
    SetApAddresses,
    SetDhcp,
    SetDnsServers,
    SetStationAddresses,
    SetStationAddressesApart,
    SetWebSetup,
    StartAp,
    StationPower,
    StationState,
    StopAp,
)
from fcm360w.sim.foreign import StartApExtended
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.steps import Answer, Refused, Steps, Wait
from fcm360w.sim.store import Credentials

# ---- station ----


@handles(Join)
def join(module: Module, command: Join) -> Answer:
    module.radio.join(command.ssid, command.pwd or "", module.now)
    return ()


@handles(JoinAndSave)
def join_and_save(module: Module, command: JoinAndSave) -> Answer:
    module.save(hotspot=Credentials(command.ssid, command.pwd or ""))
    module.radio.join(command.ssid, command.pwd or "", module.now)
    return ()


@handles(Forget)
def forget(module: Module, command: Forget) -> Answer:
    """Only what is saved; what is joined stays joined (W-19)."""
    module.save(hotspot=None)
    return ()


@handles(Leave)
def leave(module: Module, command: Leave) -> Answer:
    module.radio.leave()
    return ()


@handles(GetStationState)
def station_state(module: Module, command: GetStationState) -> Answer:
    return (StationState(StationPower.UP if module.radio.station.enabled else StationPower.DOWN),)


@handles(GetHotspot)
def hotspot(module: Module, command: GetHotspot) -> Answer:
    ap = module.radio.joined
    if ap is not None:
        return (Hotspot(ap.ssid, ap.bssid, module.radio.level(ap)),)
    if module.dialect.disconnect_text:
        return (NoHotspot(),)
    raise Refused


@handles(Scan)
def scan(module: Module, command: Scan) -> Steps:
    yield Wait(lambda: False, module.dialect.scan_delay)
    yield from module.radio.scan()
    return None


# ---- addresses ----


@handles(GetAddresses)
def addresses(module: Module, command: GetAddresses) -> Answer:
    return (module.radio.addresses if command.mode is Mode.STATION else module.radio.own.addresses,)


@handles(GetMacAddress)
def mac_address(module: Module, command: GetMacAddress) -> Answer:
    return (MacAddress(),)


@handles(GetDhcp)
def dhcp(module: Module, command: GetDhcp) -> Answer:
    return (Dhcp(Switch.ON if module.radio.station.dhcp else Switch.OFF),)


@handles(SetDhcp)
def set_dhcp(module: Module, command: SetDhcp) -> Answer:
    module.radio.station.use_dhcp(command.enable is Switch.ON, module.now)
    return ()


@handles(SetStationAddresses)
def set_addresses(module: Module, command: SetStationAddresses) -> Answer:
    """The line does not tell which role is meant (W1)."""
    module.radio.fix(_given(command))
    return ()


@handles(SetApAddresses)
def set_ap_addresses(module: Module, command: SetApAddresses) -> Answer:
    module.radio.fix(_given(command))
    return ()


@handles(SetStationAddressesApart)
def set_station_addresses(module: Module, command: SetStationAddressesApart) -> Answer:
    if not module.dialect.qstastatic:
        raise Refused
    module.radio.station.fix(_given(command))
    return ()


def _given(command: SetStationAddresses | SetStationAddressesApart | SetApAddresses) -> Addresses:
    return Addresses(command.ip, command.gate, command.mask, command.dns)


@handles(GetDnsServers)
def dns_servers(module: Module, command: GetDnsServers) -> Answer:
    return (module.radio.servers,)


@handles(SetDnsServers)
def set_dns_servers(module: Module, command: SetDnsServers) -> Answer:
    module.radio.set_servers(command.pridnsaddr, command.secdnsaddr)
    return ()


# ---- the module's own hotspot ----


@handles(StartAp)
def start_ap(module: Module, command: StartAp) -> Answer:
    module.radio.own.start(module.now)
    return ()


@handles(StartApExtended)
def start_ap_extended(module: Module, command: StartApExtended) -> Answer:
    if module.dialect.softap_reject:
        raise Refused
    module.radio.own.start(module.now)
    return ()


@handles(StopAp)
def stop_ap(module: Module, command: StopAp) -> Answer:
    module.radio.own.stop()
    return ()


@handles(GetApState)
def ap_state(module: Module, command: GetApState) -> Answer:
    return (ApState(ApPower.UP if module.radio.own.enabled else ApPower.DOWN),)


@handles(SetWebSetup)
def set_web_setup(module: Module, command: SetWebSetup) -> Answer:
    module.save(web_setup=command.enable is Switch.ON)
    return ()
