"""What can be done with Bluetooth, for test_faults."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any

from deeds import DEEDS, FACES, USUAL, Act, Deed, Scene, simple
from fcm360w.ble import Ble, Peripheral

SLOW = 16384, 16384  # each advertisement is a moment


def offered(scene: Scene) -> Peripheral:
    peripheral: Peripheral = scene.keep(scene.module.ble.peripheral("fff0", ["fff1"], interval=SLOW))
    return peripheral


def met(scene: Scene) -> tuple[Peripheral, Any]:
    """With a phone, which has subscribed."""
    from central import Central

    peripheral = offered(scene)
    peripheral.advertise()

    async def come() -> Central:
        phone = Central(scene.world.air.controller())
        await phone.connect(address=scene.world.twin.bluetooth.address)
        await phone.subscribe("fff1")
        return phone

    task = scene.world.air.spawn(come())
    peripheral.wait_connected(USUAL)
    assert scene.world.wait_until(task.done, USUAL)
    return peripheral, task.result()


def later(scene: Scene, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The phone does something after a while."""
    scene.world.after(0.5, lambda: scene.world.air.spawn(act()))


def on_a_peripheral(name: str, act: Callable[[Peripheral], object]) -> None:
    def perform(scene: Scene) -> Act:
        peripheral = offered(scene)
        yield
        act(peripheral)

    DEEDS[name] = Deed(perform)


def with_a_phone(name: str, act: Callable[[Scene, Peripheral, Any], object]) -> None:
    def perform(scene: Scene) -> Act:
        peripheral, phone = met(scene)
        yield
        act(scene, peripheral, phone)

    DEEDS[name] = Deed(perform)


def receive(scene: Scene, peripheral: Peripheral, phone: Any) -> None:
    later(scene, lambda: phone.write("fff1", b"\r\nOK\r\n"))
    assert peripheral.receive(USUAL).data == b"\r\nOK\r\n"


def part(scene: Scene, peripheral: Peripheral, phone: Any) -> None:
    later(scene, phone.disconnect)
    peripheral.wait_disconnected(USUAL)


def meet(scene: Scene) -> Act:
    yield
    met(scene)


def offer(scene: Scene) -> Act:
    yield
    offered(scene)


if find_spec("bumble"):
    FACES.extend((Ble, Peripheral))
    simple("Ble.address", lambda module: module.ble.address())
    DEEDS["Ble.peripheral"] = Deed(offer)
    on_a_peripheral("Peripheral.advertise", lambda peripheral: peripheral.advertise())
    on_a_peripheral("Peripheral.stop", lambda peripheral: peripheral.stop())
    on_a_peripheral("Peripheral.close", lambda peripheral: peripheral.close())
    DEEDS["Peripheral.wait_connected"] = Deed(meet)
    with_a_phone("Peripheral.wait_disconnected", part)
    with_a_phone("Peripheral.notify", lambda scene, peripheral, phone: peripheral.notify("fff1", "hello"))
    with_a_phone("Peripheral.receive", receive)
    with_a_phone("Peripheral.close of a link", lambda scene, peripheral, phone: peripheral.close())
