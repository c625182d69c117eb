"""`fcm360w ping`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.options import output_options, port_option

if TYPE_CHECKING:
    from fcm360w.commands.net import Pinged


@click.command(epilog="Example: fcm360w ping 10.0.0.9 -p /dev/ttyUSB0 -c 10")
@click.argument("host")
@port_option
@click.option("-c", "--count", type=click.IntRange(1, 10), default=4, show_default=True, help="Requests to send.")
@click.option(
    "--timeout", type=click.IntRange(1, 255), default=4, show_default=True, metavar="SECONDS", help="For each answer."
)
@output_options
def ping(host: str, url: str, count: int, timeout: int, as_json: bool) -> None:
    """Ask HOST through the module whether it is there.  Exit code 1 if it does not answer."""
    import fcm360w
    from fcm360w.cli.failures import Incomplete

    with fcm360w.open(url) as module:
        found = module.net.ping(host, count, timeout)
    if as_json:
        named = {name: value for name, value in found._asdict().items() if name != "replies"}
        click.echo(json.dumps({"host": host, "replies": [_figures(each) for each in found.replies]} | named))
    else:
        for number, each in enumerate(found.replies, 1):
            click.echo(f"{number:3}  {_told(each)}")
        times = f", {found.minimum}/{found.average}/{found.maximum} ms" if found.received else ""
        click.echo(f"{found.sent} sent, {found.received} received, {found.lost} lost{times}")
    if not found.received:
        raise Incomplete(f"{host} does not answer")


def _figures(reply: Pinged) -> dict[str, object]:
    from fcm360w.cli.tables import figures

    return figures(reply)


def _told(reply: Pinged) -> str:
    from fcm360w.commands.codes import describe

    if reply.ping_result:
        return f"no answer: {describe(reply.ping_result)[1] or reply.ping_result}"
    return f"{reply.size} bytes from {reply.ip_address}, ttl {reply.ttl}, {reply.time} ms"
