"""`sim://`: a fresh twin in a thread of its own; `sim://name`: a host's place at a twin that runs in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from types import MappingProxyType

from fcm360w.sim.dialect import DIALECTS, QUIRKS, find_dialect
from fcm360w.sim.hotspots import DEFAULT_AP, parse_access_points, split_access_points
from fcm360w.sim.routes import parse_routes
from fcm360w.sim.twin import FLOWS, Flow, Twin, find
from fcm360w_transports import options as option
from fcm360w_transports.sockets import SocketPort

__all__ = ["SimPort", "open_sim"]


class SimPort(SocketPort):
    """The host's end of the line to a twin of this process.  Closing it stops the twin if it was made for it."""

    capabilities = frozenset({"fileno", "out_waiting", "baud"})
    slack = 0.05

    def __init__(self, url: str, twin: Twin, owned: bool) -> None:
        self.url = url
        self.twin = twin
        self.baud = twin.rate or 0
        self._owned = owned
        super().__init__(twin.attach())

    def set_baud(self, rate: int) -> None:
        """Take note; the line runs at the module's rate, whatever the host's is."""
        self.baud = self.baud and rate

    def close(self) -> None:
        super().close()
        if self._owned:
            self.twin.stop()


class SimTransport:
    """Opens `sim://` and `sim://name`.  Options shape a fresh twin; one that runs already has its shape."""

    options: Mapping[str, str] = MappingProxyType(
        {
            "ap": "SSID[:PASSWORD][,rssi=DBM][,channel=N][,security=NAME][,hidden], several joined by commas",
            "baud": "bit/s of the serial line, default unpaced",
            "dialect": f"{' or '.join(DIALECTS)}",
            "echo": "1: echo on from the start",
            "flow": f"{' or '.join(FLOWS)}: whether a host can overrun a busy module on a paced line",
            "fs": "folder that keeps what the module saves",
            "map": "HOST:PORT=HOST:PORT, what is meant for the first goes to the second; several joined by commas",
            "quirk": f"departures from the manual, joined by commas: {', '.join(QUIRKS)}",
            "seed": "whole number that makes signals vary, for each number in a way of its own",
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
        aps = parse_access_points(split_access_points(options["ap"])) if "ap" in options else (DEFAULT_AP,)
        quirks = [*options.get("quirk", "").split(",")] if options.get("quirk") else []
        if option.flag(options, "echo"):
            quirks.append("echo_on")
        baud = option.positive(options, "baud", None)
        if baud is not None and not 1200 <= baud <= 2_000_000:
            raise ValueError(f"baud={baud}: must be 1200 to 2000000")
        dialect = find_dialect(options.get("dialect", "manual"), quirks)
        seed = option.positive(options, "seed", None)
        routes = parse_routes(options["map"].split(",")) if "map" in options else {}
        fs, flow = options.get("fs"), _flow(options, baud)
        twin = Twin(aps, baud=baud, dialect=dialect, fs=fs, seed=seed, flow=flow, routes=routes).start()
        try:
            return SimPort(url, twin, owned=True)
        except BaseException:
            twin.stop()
            raise


def _flow(options: Mapping[str, str], baud: int | None) -> Flow:
    text = options.get("flow", FLOWS[0])
    for flow in FLOWS:
        if flow == text:
            break
    else:
        raise ValueError(f"flow={text}: must be {' or '.join(FLOWS)}")
    if flow == "none" and baud is None:
        raise ValueError("flow=none: an unpaced line cannot be overrun; give a baud rate too")
    return flow


open_sim = SimTransport()
