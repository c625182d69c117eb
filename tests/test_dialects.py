"""The driver through everything, with each quirk and each dialect of the module's on its own."""

from __future__ import annotations

from typing import Any

import pytest

from conformance import HOTSPOTS, Surroundings, converse
from effort import AGAIN
from fcm360w.commands import tcp
from fcm360w.errors import UsageError
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


@pytest.mark.parametrize("baud", [None] if AGAIN else [None, 115200])
@pytest.mark.parametrize("dialect", [pytest.param(dialect, id=name) for name, dialect in SPOKEN.items()])
def test_the_driver_understands(dialect: Dialect, baud: int | None) -> None:
    world = World(HOTSPOTS, dialect=dialect, baud=baud)
    world.network.serve(HOST, PORT, echo)
    twin = world.twin
    around = Surroundings(HOST, PORT, twin.lose_ap, lambda ssid: twin.restore_ap(ssid, world.now), twin.ap_client)
    with world.module() as module:
        converse(module, around)


@pytest.mark.parametrize("mode", ["push", "buffer"])
@pytest.mark.parametrize(
    ("quirk", "units"), [("hex_send_bytes", {"sent": "bytes"}), ("hex_recv_digits", {"received": "digits"})]
)
def test_the_driver_is_told_what_lengths_count_beside_digits(quirk: str, units: Any, mode: Any) -> None:
    world = World(dialect=find_dialect("manual", [quirk]))
    world.network.serve("logger.example", 8009, lambda peer: setattr(peer, "on_data", peer.send))
    said = bytes(range(256)) * 8
    with world.module() as module:
        module.wifi.join("hall", "open sesame")
        module.tcp.set(tcp.DataFormat(tcp.Format.HEX, tcp.Format.HEX))
        module.tcp.set_hex_units(**units)
        with module.stream("logger.example", 8009, mode) as stream, stream.makefile("rwb") as file:
            file.write(said)
            file.flush()
            assert file.read(len(said)) == said


def test_other_units_are_refused() -> None:
    with World().module() as module, pytest.raises(UsageError, match="sent='nibbles' is not one of digits, bytes"):
        module.tcp.set_hex_units(sent="nibbles")  # type: ignore[arg-type]
