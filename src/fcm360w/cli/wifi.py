"""`fcm360w wifi scan|join|status|ap`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.options import output_options, password_option, port_option

if TYPE_CHECKING:
    from fcm360w.commands.wifi import Addresses, Hotspot, Seen
    from fcm360w.flows.wifi import WifiStatus
    from fcm360w.module import Module

# A signal that comes just before a wait does not end it, so no wait is long.
SLICE = 0.5
HIDDEN = "(hidden)"


@click.group()
def wifi() -> None:
    """Look for hotspots, join one, open one."""


@wifi.command(epilog="Example: fcm360w wifi scan -p /dev/ttyUSB0")
@port_option
@output_options
def scan(url: str, as_json: bool) -> None:
    """List the hotspots in reach, the strongest first."""
    import fcm360w
    from fcm360w.cli.tables import figures, show

    with fcm360w.open(url) as module:
        seen = sorted(module.wifi.scan(), key=lambda one: -one.rssi)
    if as_json:
        click.echo(json.dumps({"hotspots": [figures(one) for one in seen]}))
        return
    show(("Name", "dBm", "Channel", "Security", "Address"), map(_cells, seen))


def _cells(seen: Seen) -> tuple[object, ...]:
    return seen.ssid or HIDDEN, seen.rssi, seen.channel, seen.psk_type, seen.bssid


@wifi.command(epilog="Example: fcm360w wifi join hall -p /dev/ttyUSB0 --save")
@click.argument("ssid")
@port_option
@password_option()
@click.option("--save", is_flag=True, help="Let the module join it by itself when it starts.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when the module has no address by then.",
)
@output_options
def join(ssid: str, url: str, password: str | None, save: bool, timeout: float, as_json: bool) -> None:
    """Join the hotspot SSID, and tell the addresses it gives.

    The module stays joined.  Exit code 1 if the hotspot is not there, or the password is wrong.
    """
    import fcm360w
    from fcm360w.cli.tables import figures, show_pairs

    with fcm360w.open(url) as module:
        addresses = module.wifi.join(ssid, password, timeout, save)
    if as_json:
        click.echo(json.dumps({"ssid": ssid, "saved": save, "addresses": figures(addresses)}))
        return
    show_pairs([("Joined", ssid), *address_pairs(addresses)])


@wifi.command(epilog="Example: fcm360w wifi status -p /dev/ttyUSB0 --json")
@port_option
@output_options
def status(url: str, as_json: bool) -> None:
    """Tell what the station is joined to, its addresses, and whether the module's own hotspot is open."""
    import fcm360w
    from fcm360w.cli.tables import show_pairs

    with fcm360w.open(url) as module:
        found = module.wifi.status()
    if as_json:
        click.echo(json.dumps(status_figures(found)))
        return
    show_pairs(status_pairs(found))


def status_figures(found: WifiStatus) -> dict[str, object]:
    """For JSON."""
    from fcm360w.cli.tables import figures

    return {
        "station": found.station,
        "hotspot": figures(found.hotspot) if found.hotspot else None,
        "addresses": figures(found.addresses),
        "ap": found.ap,
    }


def status_pairs(found: WifiStatus) -> list[tuple[str, object]]:
    """For people."""
    return [
        ("Station", _station(found.station, found.hotspot)),
        *address_pairs(found.addresses),
        ("Own hotspot", "open" if found.ap else "closed"),
    ]


def _station(enabled: bool, hotspot: Hotspot | None) -> str:
    if hotspot:
        return f"joined to {hotspot.ssid} ({hotspot.bssid}), {hotspot.rssi} dBm"
    return "on, not joined" if enabled else "off"


def address_pairs(addresses: Addresses) -> list[tuple[str, object]]:
    """For people."""
    return [
        ("Address", addresses.ip),
        ("Gateway", addresses.gate),
        ("Mask", addresses.mask),
        ("DNS", addresses.dns),
    ]


@wifi.command(epilog="Example: fcm360w wifi ap bench -p /dev/ttyUSB0 --for 600")
@click.argument("ssid")
@port_option
@password_option("Of 8 to 63 bytes; without one the hotspot is open to all.")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Close it after so long; else when interrupted.",
)
@output_options
def ap(ssid: str, url: str, password: str | None, seconds: float | None, as_json: bool) -> None:
    """Open a hotspot SSID, and show its clients as they come and go."""
    import fcm360w
    from fcm360w.cli.screen import say

    with fcm360w.open(url) as module:
        module.wifi.start_ap(ssid, password)
        watch = Watch(as_json)
        try:
            say(f"{ssid} is open, address {_own_address(module)}; Ctrl-C closes it")
            watch.run(module, seconds)
        except KeyboardInterrupt:
            say("closing the hotspot")
        finally:
            module.wifi.stop_ap()
    if as_json:
        click.echo(json.dumps({"ssid": ssid, "clients": watch.log}))


def _own_address(module: Module) -> str:
    from fcm360w.commands.wifi import Mode

    return module.wifi.addresses(Mode.AP).ip


class Watch:
    """Clients of the module's own hotspot, told as they come and go, or kept for JSON."""

    def __init__(self, as_json: bool) -> None:
        self.log: list[dict[str, object]] = []
        self._as_json = as_json
        self._count = 0
        self._start = time.monotonic()

    def run(self, module: Module, seconds: float | None) -> None:
        """Until the time is up, for ever if None.  Incomplete if the hotspot goes down meanwhile."""
        from fcm360w.cli.failures import Incomplete
        from fcm360w.commands.wifi import ApChange, ApEvent

        while (left := self._left(seconds)) > 0:
            event = module.wait(ApEvent, min(left, SLICE))
            if event is None:
                continue
            if event.event is ApChange.DOWN:
                raise Incomplete("the hotspot went down by itself")
            if event.event is not ApChange.UP:
                self._tell(event.event is ApChange.CLIENT_JOINED)

    def _left(self, seconds: float | None) -> float:
        return SLICE if seconds is None else self._start + seconds - time.monotonic()

    def _tell(self, joined: bool) -> None:
        self._count = max(0, self._count + (1 if joined else -1))
        at = time.monotonic() - self._start
        self.log.append({"at": round(at, 3), "event": "joined" if joined else "left", "clients": self._count})
        if not self._as_json:
            click.echo(f"{at:8.1f} s  a client {'joined' if joined else 'left'}, {self._count} there")
