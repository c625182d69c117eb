"""`fcm360w at`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.options import output_options, port_option

if TYPE_CHECKING:
    from fcm360w.cli.typed import Typed
    from fcm360w.module import Module


@click.command(epilog="Example: fcm360w at -p sim:// AT+QVERSION 'AT+QGETIP=\"station\"'")
@click.argument("commands", nargs=-1, required=True, metavar="COMMAND...")
@port_option
@click.option("--wait", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Then print what comes unasked.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Limit for each answer instead of the manual's.",
)
@output_options
def at(commands: tuple[str, ...], url: str, wait: float, timeout: float | None, as_json: bool) -> None:
    """Type AT commands and see the raw answers.

    They go out as typed, in order, until one is refused.  The module is first brought to command mode, and sockets that
    an earlier program left open are closed.
    """
    import fcm360w
    from fcm360w.cli.typed import typed

    lines = [typed(text, timeout, []) for text in commands]
    transcript = Transcript(as_json)
    with fcm360w.open(url) as module, transcript:
        module.events()
        for line in lines:
            transcript.run(module, line)
        for text in unasked(module, wait):
            transcript.hear(text)


def unasked(module: Module, seconds: float) -> Iterator[bytes]:
    """Lines that come unasked within a time."""
    from fcm360w.steps import Until
    from fcm360w.wire import Reply

    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        row = module.run(Until(Reply, left))
        if row is not None:
            yield row.line().encode("utf-8", "surrogateescape")
            field = row.payload_field()
            if field and (data := getattr(row, field.name)):
                yield data


class Transcript:
    """What was answered, printed as it comes, or at the end as JSON."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._answers: list[dict[str, object]] = []
        self._unasked: list[str] = []

    def run(self, module: Module, line: Typed) -> None:
        """Run a line.  CommandError if it is refused, when its answer has been taken down."""
        from fcm360w.errors import CommandError

        result = ""
        try:
            module.run(line)
            result = "OK"
        except CommandError as error:
            result = error.result
            raise
        finally:
            lines = [text.decode("utf-8", "backslashreplace") for text in line.heard]
            self._answers.append({"command": line.line(mask=True), "lines": lines, "result": result or None})
            self._print([*line.heard, *filter(None, [result.encode()])])

    def hear(self, text: bytes) -> None:
        """Take down a line that nobody asked for."""
        self._unasked.append(text.decode("utf-8", "backslashreplace"))
        self._print([text])

    def _print(self, lines: list[bytes]) -> None:
        if self._as_json:
            return
        out = sys.stdout.buffer
        out.write(b"".join(line + b"\n" for line in lines))
        out.flush()

    def __enter__(self) -> Transcript:
        return self

    def __exit__(self, *_: object) -> None:
        if self._as_json and self._answers:
            click.echo(json.dumps({"answers": self._answers, "unasked": self._unasked}))
