"""`fcm360w files ls|put|get|rm`."""

from __future__ import annotations

import json
from typing import IO

import rich_click as click

from fcm360w.cli.options import output_options, port_option, writable


@click.group()
def files() -> None:
    """List the module's files, put some there, get them back."""


@files.command(epilog="Example: fcm360w files ls -p /dev/ttyUSB0")
@port_option
@output_options
def ls(url: str, as_json: bool) -> None:
    """List the files in the module, with their sizes in bytes."""
    import fcm360w
    from fcm360w.cli.tables import figures, show

    with fcm360w.open(url) as module:
        found = module.files.entries()
    if as_json:
        click.echo(json.dumps({"files": [figures(entry) for entry in found]}))
        return
    show(("Name", "Bytes"), ((entry.filename, entry.file_size) for entry in found))


@files.command(epilog="Example: fcm360w files put ca.pem -p /dev/ttyUSB0")
@click.argument("file", type=click.File("rb"))
@click.argument("name", required=False)
@port_option
@output_options
def put(file: IO[bytes], name: str | None, url: str, as_json: bool) -> None:
    """Write FILE (- is stdin) to the module, and read it back to see that it is right.

    NAME is what the module calls it; without one it is FILE's own, without its folders.  What was there before is gone.
    """
    import fcm360w
    from fcm360w.cli.screen import amount, progress, say

    called = name or _own_name(file)
    data = file.read()
    with fcm360w.open(url) as module, progress("writing", len(data)) as show:
        module.files.write_bytes(called, data, lambda done, _: show(done))
    if as_json:
        click.echo(json.dumps({"filename": called, "file_size": len(data)}))
        return
    say(f"wrote {called}, {amount(len(data))}, checked")


def _own_name(file: IO[bytes]) -> str:
    from pathlib import Path

    if not isinstance(file.name, str) or file.name in ("-", "<stdin>"):
        raise click.UsageError("stdin has no name: what is the module to call it?")
    return Path(file.name).name


@files.command(epilog="Example: fcm360w files get ca.pem -o ca.pem -p /dev/ttyUSB0")
@click.argument("name")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    callback=writable,
    default="-",
    metavar="FILE",
    help="Where to; stdout by default.",
)
@port_option
@output_options
def get(name: str, out: str, url: str, as_json: bool) -> None:
    """Read the file NAME from the module.

    FILE is written once all of it has come.  Exit code 1 if there is no such file.
    """
    import fcm360w
    from fcm360w.cli.screen import amount, progress, say

    if as_json and out == "-":
        raise click.UsageError("--json and stdout: pass -o FILE")
    with fcm360w.open(url) as module:
        size = module.files.size(name)
        with progress("reading", size) as show:
            data = module.files.read_bytes(name, lambda done, _: show(done))
    with click.open_file(out, "wb") as file:
        file.write(data)
    if as_json:
        click.echo(json.dumps({"filename": name, "file_size": len(data)}))
        return
    say(f"read {name}, {amount(len(data))}")


@files.command(epilog="Example: fcm360w files rm ca.pem -p /dev/ttyUSB0")
@click.argument("name")
@port_option
@output_options
def rm(name: str, url: str, as_json: bool) -> None:
    """Delete the file NAME, if the firmware can: the manual has no such command."""
    import fcm360w
    from fcm360w.cli.screen import say

    with fcm360w.open(url) as module:
        module.files.delete(name)
    if as_json:
        click.echo(json.dumps({"filename": name}))
        return
    say(f"deleted {name}")
