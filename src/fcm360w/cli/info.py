"""`fcm360w info`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import rich_click as click

from fcm360w.cli.options import output_options, port_option

if TYPE_CHECKING:
    from fcm360w.commands.tcp import SocketInfo
    from fcm360w.commands.wifi import DnsServers
    from fcm360w.flows.start import Found
    from fcm360w.flows.wifi import WifiStatus
    from fcm360w.steps import Steps
    from fcm360w.wire import Flow

R = TypeVar("R")
UNKNOWN = "not told"


class Told(NamedTuple):
    """What a module says of itself; None where it refuses to."""

    version: str | None
    baud: int | None
    mac: str | None
    wifi: WifiStatus | None
    dns: DnsServers | None
    sockets: tuple[SocketInfo, ...]


@click.command(epilog="Example: fcm360w info -p sim://")
@port_option
@output_options
def info(url: str, as_json: bool) -> None:
    """Tell what the module says of itself.

    The module is first brought to command mode, and sockets that an earlier program left open are closed; they are
    told, too.
    """
    import fcm360w

    with fcm360w.open(url) as module:
        told, found = module.run(ask()), module.found
    port = {"port": module.url, "driver": fcm360w.__version__}
    if as_json:
        click.echo(json.dumps({**port, **_figures(told, found)}))
        return
    _show(port, told, found)


def ask() -> Steps[Told]:
    """All questions in one go; one that is refused does not stop the others."""
    from fcm360w.commands.tcp import ListSockets
    from fcm360w.commands.wifi import GetDnsServers
    from fcm360w.flows import system, wifi

    return Told(
        (yield from _unless_refused(system.version())),
        (yield from _unless_refused(system.baud())),
        (yield from _unless_refused(wifi.mac())),
        (yield from _unless_refused(wifi.status())),
        (yield from _unless_refused(GetDnsServers())),
        (yield from _unless_refused(ListSockets())) or (),
    )


def _unless_refused(flow: Flow[R]) -> Steps[R | None]:
    from fcm360w.errors import CommandError, ProtocolError

    try:
        return (yield from flow)
    except (CommandError, ProtocolError):
        return None


def _figures(told: Told, found: Found) -> dict[str, object]:
    from fcm360w.cli.tables import figures
    from fcm360w.cli.wifi import status_figures

    return {
        "version": told.version,
        "baud": told.baud,
        "mac": told.mac,
        "wifi": status_figures(told.wifi) if told.wifi else None,
        "dns": figures(told.dns) if told.dns else None,
        "sockets": [figures(socket) for socket in told.sockets],
        "found": {"data_mode": found.data_mode, "sockets": found.sockets},
    }


def _show(port: dict[str, str], told: Told, found: Found) -> None:
    from fcm360w.cli.tables import show_pairs
    from fcm360w.cli.wifi import status_pairs

    servers = [told.dns.pridnsaddr, told.dns.secdnsaddr] if told.dns else [UNKNOWN]
    show_pairs(
        [
            ("Port", port["port"]),
            ("Driver", port["driver"]),
            ("Firmware", told.version or UNKNOWN),
            ("Serial line", f"{told.baud} bit/s" if told.baud else UNKNOWN),
            ("MAC address", told.mac or UNKNOWN),
            *(status_pairs(told.wifi) if told.wifi else [("Station", UNKNOWN)]),
            ("DNS servers", ", ".join(server for server in servers if server != "0.0.0.0") or "none"),
            ("Sockets", "; ".join(map(_described, told.sockets)) or "none"),
            ("Found", _found(found)),
        ]
    )


def _described(socket: SocketInfo) -> str:
    return f"{socket.connect_id} {socket.service_type.value} {socket.ip_address}:{socket.remote_port}"


def _found(found: Found) -> str:
    """What an earlier program had left behind."""
    left = ["data mode"] if found.data_mode else []
    left += [f"socket {number}" for number in found.sockets]
    left += [f"file {name}" for name in found.files]
    return f"left open by an earlier program, closed now: {', '.join(left)}" if left else "in order"
