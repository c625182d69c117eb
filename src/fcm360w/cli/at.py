"""`fcm360w at`."""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.options import output_options, port_option, verbosity

if TYPE_CHECKING:
    from fcm360w.cli.conversation import Wanted
    from fcm360w.cli.transcript import Transcript
    from fcm360w.cli.typed import Typed
    from fcm360w.module import Module
    from fcm360w.wire import Reply

BOOT = 10.0


@click.command(epilog="Example: fcm360w at -p sim:// AT+QVERSION 'AT+QGETIP=\"station\"'")
@click.argument("commands", nargs=-1, metavar="[COMMAND...]")
@port_option
@click.option("--wait", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Then print what comes unasked.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Limit for each answer instead of the manual's.",
)
@output_options
@click.pass_context
def at(
    ctx: click.Context, commands: tuple[str, ...], url: str, wait: float, timeout: float | None, as_json: bool
) -> None:
    """Type AT commands and see the raw answers.

    They go out as typed, in order, until one is refused.  Without a COMMAND they are typed at a terminal, with
    completion and history (-v: with times), or come line by line from stdin; then a payload is taken from the line
    after its command, and after CONNECT lines are payload until +++.  The module is first brought to command mode, and
    sockets that an earlier program left open are closed.
    """
    if commands:
        _batch(commands, url, wait, timeout, as_json)
    elif not sys.stdin.isatty():
        _piped(url, wait, timeout, as_json)
    elif as_json:
        raise click.UsageError("--json wants commands, or lines from a pipe")
    else:
        _typed(url, timeout, verbosity(ctx))


def _batch(commands: tuple[str, ...], url: str, wait: float, timeout: float | None, as_json: bool) -> None:
    import fcm360w
    from fcm360w.cli.transcript import Transcript
    from fcm360w.cli.typed import check, typed
    from fcm360w.commands.system import Booted
    from fcm360w.lines import restarts

    for text in commands:
        check(text)
    transcript = Transcript(as_json)
    with fcm360w.open(url) as module, transcript:
        module.events()
        for text in commands:
            line = typed(text, timeout, transcript.answer)
            transcript.run(line, functools.partial(module.run, line))
            _await_end(module, transcript, line)
            if restarts(text):
                _hear_until(module, transcript, Booted, BOOT)
        _hear(module, transcript, wait)


def _await_end(module: Module, transcript: Transcript, line: Typed) -> None:
    """Wait for the line that really ends a command.  CommandError, CommandTimeout."""
    from fcm360w.steps import Until

    command = line.unfinished
    if command and command.reply:
        late = module.run(Until(command.reply, line.seconds, command.belongs))
        if late:
            transcript.unasked(late)
        line.ended(late)


def _hear_until(module: Module, transcript: Transcript, kind: type[Reply], seconds: float) -> None:
    """Wait for a line of a kind, at most so long; a module that says nothing when it has started is there by then."""
    if row := module.wait(kind, seconds):
        transcript.unasked(row)


def _hear(module: Module, transcript: Transcript, seconds: float) -> None:
    """Print lines that come unasked within a time."""
    from fcm360w.wire import Reply

    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if row := module.wait(Reply, left):
            transcript.unasked(row)


def _piped(url: str, wait: float, timeout: float | None, as_json: bool) -> None:
    import fcm360w
    from fcm360w.cli.conversation import Conversation
    from fcm360w.cli.transcript import Transcript

    with fcm360w.open(url) as module, Transcript(as_json) as transcript:
        Conversation(module, transcript, _next_line, timeout).run(wait)


def _next_line(wanted: Wanted) -> str:
    from fcm360w.parameters import decode

    line = sys.stdin.buffer.readline()
    if not line:
        raise EOFError
    return decode(line).rstrip("\r\n")


def _typed(url: str, timeout: float | None, level: int) -> None:
    import fcm360w
    from fcm360w.cli.screen import log_to_stderr
    from fcm360w.cli.transcript import Screen
    from fcm360w.errors import UsageError

    try:
        from fcm360w.cli.terminal import Terminal
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("prompt_toolkit", "wcwidth"):
            raise
        raise UsageError("the terminal needs prompt_toolkit: pip install 'fcm360w[terminal]'") from error
    log_to_stderr(max(0, level - 1))
    with fcm360w.open(url) as module, Screen(stamped=level > 0) as transcript:
        Terminal(module, transcript, timeout).run()
