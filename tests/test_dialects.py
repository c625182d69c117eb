"""The driver through everything, with each quirk and each dialect of the module's on its own."""

from __future__ import annotations

import pytest

from conformance import HOTSPOTS, Surroundings, converse
from fcm360w.sim import DIALECTS, QUIRKS, Dialect, World, find_dialect
from fcm360w.sim.pipes import MemoryPeer

HOST, PORT = "10.0.0.9", 8009
SPOKEN = {name: find_dialect(name) for name in DIALECTS} | {name: find_dialect("manual", [name]) for name in QUIRKS}


def echo(peer: MemoryPeer) -> None:
    def answer(data: bytes) -> None:
        peer.send(data)
        if peer.received.endswith(b"bye"):
            peer.close()

    peer.on_data = answer


@pytest.mark.parametrize("baud", [None, 115200])
@pytest.mark.parametrize("dialect", [pytest.param(dialect, id=name) for name, dialect in SPOKEN.items()])
def test_the_driver_understands(dialect: Dialect, baud: int | None) -> None:
    world = World(HOTSPOTS, dialect=dialect, baud=baud)
    world.network.serve(HOST, PORT, echo)
    twin = world.twin
    around = Surroundings(HOST, PORT, twin.lose_ap, lambda ssid: twin.restore_ap(ssid, world.now), twin.ap_client)
    with world.module() as module:
        converse(module, around)
