"""`fcm360w send`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from io import BufferedReader
from typing import TYPE_CHECKING, Any

import rich_click as click

from fcm360w.cli.options import Endpoint, endpoint_option, output_options, port_option, stream_options
from fcm360w.cli.secure import take, tls_options

if TYPE_CHECKING:
    from fcm360w.channel import Mode, Report
    from fcm360w.cli.connection import Tally
    from fcm360w.streams import Stream

SCRATCH = 1 << 16


@click.command(epilog="Example: fcm360w send data.bin -p /dev/ttyUSB0 --to tcp://10.0.0.9:8009 --ssid hall")
@click.argument("file", type=click.File("rb"))
@port_option
@endpoint_option("--to")
@stream_options
@tls_options
@output_options
def send(
    file: BufferedReader,
    url: str,
    endpoint: Endpoint,
    mode: Mode,
    ssid: str | None,
    password: str | None,
    timeout: float | None,
    as_json: bool,
    **security: Any,
) -> None:
    """Send FILE (- is stdin) through the module to a TCP server.

    Waits until the server's system has acknowledged every byte; exit code 1 if it does not.  Under TLS the module does
    not count that, and nobody waits for it.  What the server sends meanwhile is dropped.
    """
    from fcm360w.cli.connection import Tally, Target, connected, piece_size
    from fcm360w.cli.screen import progress

    target = Target(url, endpoint, mode, ssid, password, timeout, take(security))
    with connected(target) as (module, stream):
        tally = Tally()
        with progress("sending", _size(file)) as show:
            dropped = _pump(file, stream, tally, piece_size(module.baud), timeout, show)
        report = stream.close()
    if as_json:
        figures = {"acknowledged": report.acknowledged, "added": report.added, "mode": mode}
        click.echo(json.dumps({**tally.figures(), **figures}))
    _conclude(tally, report, dropped, secured=target.security is not None)


def _size(file: BufferedReader) -> int | None:
    """Bytes to come; None if nobody knows."""
    try:
        return os.fstat(file.fileno()).st_size if file.seekable() else None
    except OSError:
        return None


def _pump(
    file: BufferedReader, stream: Stream, tally: Tally, size: int, timeout: float | None, show: Callable[[int], None]
) -> int:
    """Send all of a file, a pipe's bytes as they come; the number of bytes that came back and were dropped.

    A server that closes once it has had all has done no wrong.
    """
    from fcm360w.errors import PeerClosed

    scratch, dropped = bytearray(SCRATCH), 0
    while data := file.read1(size):
        _push(stream, memoryview(data))
        tally.add(data)
        show(tally.count)
        stream.settimeout(0.0)
        try:
            dropped += _drain(stream, scratch)
        except PeerClosed as closed:
            if closed.uncertain or file.read1(1):
                raise
            break
        stream.settimeout(timeout)
    return dropped


def _push(stream: Stream, data: memoryview) -> None:
    """Send all; TimeoutError only if not one byte moved in the stream's time."""
    while data:
        before = stream.sent
        try:
            stream.sendall(data)
            return
        except TimeoutError:
            if stream.sent == before:
                raise
            data = data[stream.sent - before :]


def _drain(stream: Stream, scratch: bytearray) -> int:
    """Take what has come, lest it fill the buffers until the module's own answers no longer get through."""
    try:
        return stream.recv_into(scratch)
    except TimeoutError:
        return 0


def _conclude(tally: Tally, report: Report, dropped: int, *, secured: bool) -> None:
    from fcm360w.cli.failures import Incomplete
    from fcm360w.cli.screen import amount, say

    tally.summary("sent")
    if dropped:
        say(f"{amount(dropped)} came from the server and were dropped")
    if report.added:
        raise Incomplete(
            f"the server got {amount(report.added)} more than was sent: the line is slower than ?baud= in the URL says"
        )
    if secured:
        say("all sent; under TLS the module does not say how much the server has acknowledged")
        return
    if report.acknowledged is None and tally.count:
        raise Incomplete("the module did not say how much the server has acknowledged")
    if report.acknowledged is not None and report.acknowledged < tally.count:
        missing = amount(tally.count - report.acknowledged)
        raise Incomplete(f"the server has acknowledged {amount(report.acknowledged)}; {missing} may be lost")
    say("all acknowledged")
