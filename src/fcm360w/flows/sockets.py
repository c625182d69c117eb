"""Open and close a socket, and ask how much of what was sent has arrived."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import TypeVar

from fcm360w.commands.tcp import Access, Close, GetLastError, GetSent, ListSockets, Open, Sent, Service
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError, TransportLost, UsageError
from fcm360w.steps import Pause, Steps
from fcm360w.wire import Command

R = TypeVar("R")
IDS = range(12)


def explained(command: Command[R]) -> Steps[R]:
    """Run a socket command; if it is refused without a code, ask the module for it."""
    try:
        return (yield from command)
    except CommandError as error:
        if error.code is not None or error.result != "ERROR":
            raise
        try:
            last = yield from GetLastError()
        except (CommandError, ProtocolError):
            raise error from None
        raise CommandError(error.command, error.result, last.err, last.errcode_description, error.section) from error


def free_id(connect_id: int) -> Steps[None]:
    """Close a socket whose opening was given up, as far as the module answers."""
    with contextlib.suppress(CommandError, CommandTimeout):
        yield from Close(connect_id)


def connect(
    host: str,
    port: int,
    access: Access,
    service: Service = Service.TCP,
    claim: Callable[[int], None] = lambda _: None,
    undo: Callable[[int], Steps[None]] = free_id,
) -> Steps[int]:
    """Open a client socket under the lowest free id, which is returned, and is told to `claim` before the opening.

    CommandError with the socket code if it fails; CommandTimeout if nothing comes in 150 s.  Then, and whenever else
    it ends without an answer, `undo` frees the id first.
    """
    Open(0, service, host, port, 0, access).line()
    used = {info.connect_id for info in (yield from ListSockets())}
    free = next((number for number in IDS if number not in used), None)
    if free is None:
        raise UsageError("all twelve sockets of the module are in use: close one first (manual 2.3.2)")
    claim(free)
    try:
        yield from explained(Open(free, service, host, port, 0, access))
    except (CommandError, TransportLost, GeneratorExit):
        raise
    except BaseException:
        yield from undo(free)
        raise
    return free


def close(connect_id: int, seconds: float) -> Steps[None]:
    """Close a socket; one that is closed already is no error.  The peer has `seconds`, 1 to 120, to close its side."""
    with contextlib.suppress(CommandError):
        yield from Close(connect_id, max(1, min(120, math.ceil(seconds))))


def settle(connect_id: int, seconds: float, stall: float | None = None) -> Steps[Sent | None]:
    """Wait until the peer has acknowledged all that was sent, at most `seconds`; the last count, None if unknown.

    Not longer than `stall` s without any progress: a peer that has closed may have gone for good.
    """
    waited, pause, stalled, last = 0.0, 0.01, 0.0, None
    while True:
        try:
            count = yield from GetSent(connect_id)
        except CommandError:
            return None
        stalled = stalled + pause if count == last else 0.0
        if not count.unackedbytes or waited >= seconds or (stall is not None and stalled >= stall):
            return count
        yield Pause(pause)
        waited, pause, last = waited + pause, min(pause * 2, 0.2), count
