"""Bluetooth Low Energy: manual 2.2."""

from __future__ import annotations

from fcm360w.commands.ble import (
    AddCharacteristic,
    Advertise,
    BleAddress,
    BleName,
    BleRole,
    GetBleAddress,
    GetBleName,
    GetRole,
    Init,
    Notify,
    NotifyBytes,
    RoleInfo,
    ServiceDone,
    SetAdvertised,
    SetBleName,
    SetInterval,
    SetService,
    StopAdvertising,
)
from fcm360w.commands.system import Switch
from fcm360w.parameters import encode
from fcm360w.sim.foreign import SetIntervalMisprinted
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.steps import Answer, Refused


@handles(Init)
def init(module: Module, command: Init) -> Answer:
    if command.role is BleRole.CENTRAL and not module.dialect.ble_central:
        raise Refused
    module.bluetooth.start(command.role, command.auto_adv is Switch.ON)
    return ()


@handles(GetRole)
def role(module: Module, command: GetRole) -> Answer:
    return (RoleInfo(module.bluetooth.role),)


@handles(GetBleAddress)
def address(module: Module, command: GetBleAddress) -> Answer:
    return (BleAddress(module.bluetooth.address),)


@handles(GetBleName)
def name(module: Module, command: GetBleName) -> Answer:
    return (BleName(module.bluetooth.name),)


@handles(SetBleName)
def set_name(module: Module, command: SetBleName) -> Answer:
    module.bluetooth.rename(command.ble_name)
    return ()


@handles(SetInterval)
def set_interval(module: Module, command: SetInterval) -> Answer:
    module.bluetooth.set_interval(command.adv_int_min, command.adv_int_max)
    return ()


@handles(SetIntervalMisprinted)
def set_interval_misprinted(module: Module, command: SetIntervalMisprinted) -> Answer:
    if not module.dialect.qbleqadvparam:
        raise Refused
    module.bluetooth.set_interval(command.adv_int_min, command.adv_int_max)
    return ()


@handles(SetAdvertised)
def set_advertised(module: Module, command: SetAdvertised) -> Answer:
    module.bluetooth.set_advertised(bytes.fromhex(command.adv_data))
    return ()


@handles(SetService)
def set_service(module: Module, command: SetService) -> Answer:
    module.bluetooth.begin_service(command.srv_uuid)
    return ()


@handles(AddCharacteristic)
def add_characteristic(module: Module, command: AddCharacteristic) -> Answer:
    module.bluetooth.add_characteristic(command.char_uuid)
    return ()


@handles(ServiceDone)
def service_done(module: Module, command: ServiceDone) -> Answer:
    module.bluetooth.end_service()
    return ()


@handles(Advertise)
def advertise(module: Module, command: Advertise) -> Answer:
    module.bluetooth.advertise()
    return ()


@handles(StopAdvertising)
def stop_advertising(module: Module, command: StopAdvertising) -> Answer:
    module.bluetooth.hide()
    return ()


@handles(Notify)
def notify(module: Module, command: Notify) -> Answer:
    module.bluetooth.notify(command.uuid, encode(command.data))
    return ()


@handles(NotifyBytes)
def notify_bytes(module: Module, command: NotifyBytes) -> Answer:
    if len(command.data) != 2 * command.hex_length:
        raise Refused
    module.bluetooth.notify(command.uuid, bytes.fromhex(command.data))
    return ()
