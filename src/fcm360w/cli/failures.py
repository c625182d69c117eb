"""The one place where an error becomes an exit code and a line on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from enum import IntEnum

import rich_click as click

from fcm360w.errors import (
    CommandTimeout,
    FCM360WError,
    NoAnswer,
    TransportError,
    TransportUnavailable,
    UsageError,
)


class Code(IntEnum):
    """What the program exits with; click's own errors of usage are USAGE as well."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    TRANSPORT = 3
    TIMEOUT = 4
    BUG = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143


# The first that fits.  The hint follows the message, if the error brings none of its own.
KINDS: tuple[tuple[type[BaseException], Code, str], ...] = (
    (UsageError, Code.USAGE, ""),
    (CommandTimeout, Code.TIMEOUT, "is it powered, the baud rate right?  -v shows the wire"),
    (NoAnswer, Code.TIMEOUT, ""),
    (TransportUnavailable, Code.TRANSPORT, ""),
    (TransportError, Code.TRANSPORT, "is the device still plugged in, the twin or the bridge still running?"),
    (FCM360WError, Code.REFUSED, ""),
    (TimeoutError, Code.TIMEOUT, "--timeout allows more"),
    (OSError, Code.REFUSED, ""),
    (KeyboardInterrupt, Code.INTERRUPTED, ""),
)


class Incomplete(FCM360WError):
    """A transfer ended, but not all of it is known to have arrived; or what arrived is not what was sent."""


def report(error: BaseException, trace: bool) -> Code:
    """Say what went wrong and tell the exit code.  A reader of stdout that has left is told nothing."""
    if sys.stdout is None:
        _tell("there is no standard output to print to", "", error)
        return Code.REFUSED
    if isinstance(error, BrokenPipeError) and not isinstance(error, FCM360WError):
        _silence_stdout()
        return Code.CLOSED_PIPE
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()
    if trace:
        traceback.print_exception(error)
    for kind, code, hint in KINDS:
        if isinstance(error, kind):
            _tell(_message(error), hint, error)
            return code
    _tell(f"internal error: {type(error).__name__}: {error}", "" if trace else "-vv shows where", error)
    return Code.BUG


def _message(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and not isinstance(error, FCM360WError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error).replace("\n", "; ")


def _tell(message: str, hint: str, error: BaseException) -> None:
    parts = [message, *getattr(error, "__notes__", ()), *filter(None, [hint])]
    click.echo(f"fcm360w: {'; '.join(parts)}", err=True)


def _silence_stdout() -> None:
    """What is still buffered must not fail again when the interpreter flushes it at exit."""
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
