"""Ping and names, for test_power_cut."""

from __future__ import annotations

from fcm360w import Module
from procedures import HOTSPOT, PROCEDURES, Bench


def reached(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    module.net.ping("127.0.0.1", 1)
    module.net.resolve("localhost")


PROCEDURES["ping and resolve"] = reached
