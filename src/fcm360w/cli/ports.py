"""`fcm360w ports`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.options import output_options

if TYPE_CHECKING:
    from fcm360w.ports import Scheme


@click.command()
@output_options
def ports(as_json: bool) -> None:
    """List serial ports and the kinds of URL that -p takes, with their options."""
    from fcm360w.ports import list_ports

    schemes = list_ports()
    if as_json:
        click.echo(json.dumps({"ports": _found(schemes), "schemes": [_described(scheme) for scheme in schemes]}))
        return
    found = _found(schemes)
    click.echo("Ports found" if found else "No port found; sim:// is the embedded twin")
    _columns([(port["url"], port["description"]) for port in found])
    click.echo("\nKinds of URL")
    for scheme in schemes:
        click.echo(f"  {scheme.name}://" + (f"  (not usable: {_one_line(scheme.missing)})" if scheme.missing else ""))
        _columns([(f"  ?{name}=", text) for name, text in scheme.options.items()])


def _found(schemes: list[Scheme]) -> list[dict[str, str]]:
    return [{"url": url, "description": text} for scheme in schemes for url, text in scheme.found]


def _described(scheme: Scheme) -> dict[str, object]:
    return {"name": scheme.name, "options": dict(scheme.options), "missing": scheme.missing or None}


def _columns(rows: list[tuple[str, str]]) -> None:
    width = max((len(left) for left, _ in rows), default=0)
    for left, right in rows:
        click.echo(f"  {left:<{width}}  {right}".rstrip())


def _one_line(text: str) -> str:
    return text.replace("\n", "; ")
