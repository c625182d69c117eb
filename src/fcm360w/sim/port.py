"""`sim://`: a fresh twin in a thread of its own; `sim://name`: a host's place at a twin that runs in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from types import MappingProxyType

from fcm360w.sim.dialect import MANUAL, QUIRKS
from fcm360w.sim.radio import DEFAULT_AP, parse_access_points
from fcm360w.sim.twin import Twin, find
from fcm360w_transports import options as option
from fcm360w_transports.sockets import SocketPort

__all__ = ["SimPort", "open_sim"]


class SimPort(SocketPort):
    """The host's end of the line to a twin of this process.  Closing it stops the twin if it was made for it."""

    capabilities = frozenset({"fileno", "out_waiting"})
    slack = 0.05

    def __init__(self, url: str, twin: Twin, owned: bool) -> None:
        self.url = url
        self.twin = twin
        self.baud = twin.baud or 0
        self._owned = owned
        super().__init__(twin.attach())

    def close(self) -> None:
        super().close()
        if self._owned:
            self.twin.stop()


class SimTransport:
    """Opens `sim://` and `sim://name`.  Options shape a fresh twin; one that runs already has its shape."""

    options: Mapping[str, str] = MappingProxyType(
        {
            "ap": "SSID[:PASSWORD] of an access point, several joined by commas",
            "baud": "bit/s of the serial line, default unpaced",
            "echo": "1: echo on from the start",
            "quirk": f"departures from the manual, joined by commas: {', '.join(QUIRKS)}",
        }
    )

    def __call__(self, address: str, options: Mapping[str, str], /) -> SimPort:
        url = f"sim://{address}"
        if not address:
            return self._fresh(url, options)
        if options:
            raise ValueError(f"{address} runs already: it takes no {', '.join(options)}")
        twin = find(address)
        if twin is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return SimPort(url, twin, owned=False)

    def _fresh(self, url: str, options: Mapping[str, str]) -> SimPort:
        aps = parse_access_points(options["ap"].split(",")) if "ap" in options else (DEFAULT_AP,)
        quirks = [*options.get("quirk", "").split(",")] if options.get("quirk") else []
        if option.flag(options, "echo"):
            quirks.append("echo_on")
        baud = option.positive(options, "baud", None)
        if baud is not None and not 1200 <= baud <= 2_000_000:
            raise ValueError(f"baud={baud}: must be 1200 to 2000000")
        twin = Twin(aps, baud=baud, dialect=MANUAL.with_quirks(quirks)).start()
        try:
            return SimPort(url, twin, owned=True)
        except BaseException:
            twin.stop()
            raise


open_sim = SimTransport()
