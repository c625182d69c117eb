"""`fcm360w recv`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import rich_click as click
from click import open_file

from fcm360w.cli.options import Endpoint, endpoint_option, output_options, port_option, stream_options, writable
from fcm360w.cli.secure import take, tls_options

if TYPE_CHECKING:
    from fcm360w.channel import Mode
    from fcm360w.cli.connection import Tally
    from fcm360w.streams import Stream

BUFFER = 1 << 16


@click.command(epilog="Example: fcm360w recv -p /dev/ttyUSB0 --from tcp://10.0.0.9:8009 --out data.bin --ssid hall")
@port_option
@endpoint_option("--from")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    callback=writable,
    required=True,
    metavar="FILE",
    help="Where to; - is stdout.",
)
@click.option("--bytes", "limit", type=click.IntRange(1), metavar="N", help="Stop after N bytes.")
@stream_options
@tls_options
@output_options
def recv(
    url: str,
    endpoint: Endpoint,
    out: str,
    limit: int | None,
    mode: Mode,
    ssid: str | None,
    password: str | None,
    timeout: float | None,
    as_json: bool,
    **security: Any,
) -> None:
    """Receive through the module from a TCP server, until it closes or N bytes have come.

    FILE is written once the connection stands.  Exit code 1 if the server closes before N bytes have come.
    """
    from fcm360w.cli.connection import Tally, Target, connected
    from fcm360w.cli.screen import progress

    if as_json and out == "-":
        raise click.UsageError("--json and --out - both want stdout")
    target = Target(url, endpoint, mode, ssid, password, timeout, take(security))
    with connected(target) as (_, stream):
        tally = Tally()
        with open_file(out, "wb") as file, progress("receiving", limit) as show:
            _pump(stream, file, tally, limit, show)
        stream.close()
    if as_json:
        click.echo(json.dumps({**tally.figures(), "mode": mode}))
    _conclude(tally, limit)


def _pump(stream: Stream, file: IO[bytes], tally: Tally, limit: int | None, show: Callable[[int], None]) -> None:
    from fcm360w.errors import PeerClosed

    buffer = memoryview(bytearray(BUFFER))
    while limit is None or tally.count < limit:
        room = BUFFER if limit is None else min(BUFFER, limit - tally.count)
        try:
            data = buffer[: stream.recv_into(buffer, room)]
        except PeerClosed:
            return
        tally.add(data)
        file.write(data)
        file.flush()
        show(tally.count)


def _conclude(tally: Tally, limit: int | None) -> None:
    from fcm360w.cli.failures import Incomplete
    from fcm360w.cli.screen import amount

    tally.summary("received")
    if limit is not None and tally.count < limit:
        raise Incomplete(f"the server closed after {tally.count:,} of {amount(limit)}")
