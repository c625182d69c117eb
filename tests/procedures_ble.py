"""What takes several steps of Bluetooth, for test_power_cut."""

from __future__ import annotations

from importlib.util import find_spec

from fcm360w import Module
from procedures import PROCEDURES, Bench


def offered(bench: Bench, module: Module) -> None:
    with module.ble.peripheral("fff0", ["fff1", "fff2"], name="thermometer", interval=(150, 150)) as peripheral:
        peripheral.advertise()
        peripheral.stop()


if find_spec("bumble"):
    PROCEDURES["peripheral"] = offered
