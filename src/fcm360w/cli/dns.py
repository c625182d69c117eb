"""`fcm360w dns`."""

from __future__ import annotations

import json

import rich_click as click

from fcm360w.cli.options import output_options, port_option


@click.command(epilog="Example: fcm360w dns logger.example -p /dev/ttyUSB0 --server 10.0.0.53")
@click.argument("name")
@port_option
@click.option("--server", metavar="ADDRESS", help="Have the module ask this server, from now on until it restarts.")
@output_options
def dns(name: str, url: str, server: str | None, as_json: bool) -> None:
    """Look NAME up through the module.  Exit code 1 if it has no address."""
    import fcm360w

    with fcm360w.open(url) as module:
        if server:
            module.wifi.set_dns(server)
        found = module.net.resolve(name)
    if as_json:
        click.echo(json.dumps({"name": name, "addresses": found.addresses, "ttl": found.ttl}))
        return
    for address in found.addresses:
        click.echo(address)
