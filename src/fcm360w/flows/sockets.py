"""Open and close a socket, let clients in, and ask how much of what was sent has arrived."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection
from typing import TypeVar

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.system import Switch
from fcm360w.commands.tcp import (
    Access,
    AutoAccept,
    Close,
    GetLastError,
    GetSent,
    ListSockets,
    Open,
    Sent,
    Service,
)
from fcm360w.commands.tls import ListConnections
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError, TransportLost, UsageError
from fcm360w.settings import Set
from fcm360w.steps import Pause, Steps
from fcm360w.wire import Flow

R = TypeVar("R")
IDS = range(12)

# What the manual lets a server say where a client names its peer.
ANYWHERE = "127.0.0.1"


class AllInUse(UsageError):
    """The module has no socket left."""


def explained(command: Flow[R]) -> Steps[R]:
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


def first_free(used: Collection[int]) -> int:
    """The lowest id that is not in use.  AllInUse if there is none."""
    for number in IDS:
        if number not in used:
            return number
    raise AllInUse("all twelve sockets of the module are in use: close one first (manual 2.3.2)")


def free_id(connect_id: int) -> Steps[None]:
    """Close a socket whose opening was given up, as far as the module answers."""
    with contextlib.suppress(CommandError, CommandTimeout):
        yield from Close(connect_id)


def connect(
    host: str,
    port: int,
    access: Access,
    service: Service = Service.TCP,
    claim: Callable[[int], object] = lambda _: None,
    undo: Callable[[int], Steps[None]] = free_id,
    taken: Collection[int] = (),
) -> Steps[int]:
    """Open a client's socket.  UsageError unless the port is 1 to 65535."""
    if not 1 <= port <= 65535:
        raise UsageError(f"Open: remote_port {port} is outside 1..65535 (manual {Open.ref})")
    return open_socket(Open(0, service, host, port, 0, access), claim, undo, taken)


def serve(
    port: int,
    access: Access,
    service: Service,
    claim: Callable[[int], object] = lambda _: None,
    undo: Callable[[int], Steps[None]] = free_id,
    taken: Collection[int] = (),
) -> Steps[int]:
    """Open a socket that waits for others at a local port.  UsageError unless that is 1 to 65535."""
    if not 1 <= port <= 65535:
        raise UsageError(f"Open: local_port {port} is outside 1..65535 (manual {Open.ref})")
    return open_socket(Open(0, service, ANYWHERE, 0, port, access), claim, undo, taken)


def listen(
    port: int,
    access: Access,
    manual: bool,
    claim: Callable[[int], object] = lambda _: None,
    undo: Callable[[int], Steps[None]] = free_id,
    taken: Collection[int] = (),
) -> Steps[int]:
    """Open a listener, whose clients are let in by the module, or by Accept if `manual`."""
    opening = serve(port, access, Service.LISTENER, claim, undo, taken)
    with contextlib.nullcontext() if manual else contextlib.suppress(CommandError):
        yield from Set(AutoAccept(Switch.OFF if manual else Switch.ON))
    return (yield from opening)


def open_socket(
    command: Open,
    claim: Callable[[int], object] = lambda _: None,
    undo: Callable[[int], Steps[None]] = free_id,
    taken: Collection[int] = (),
) -> Steps[int]:
    """Open a socket under the lowest free id, which is returned, and is told to `claim` before the opening.

    `taken` are ids in use that the module does not list: of TLS connections.
    CommandError with the socket code if it fails; CommandTimeout if nothing comes in 150 s.  Then, and whenever else
    it ends without an answer, `undo` frees the id first.
    """
    command.line()
    used = {info.connect_id for info in (yield from ListSockets())}.union(taken)
    try:
        return (yield from _opened(command.replace(connect_id=first_free(used)), claim, undo))
    except CommandError as error:
        secure = (yield from _hidden()) if error.code == SocketCode.ID_IN_USE else set()
        if secure <= used:
            raise
    return (yield from _opened(command.replace(connect_id=first_free(used | secure)), claim, undo))


def _hidden() -> Steps[set[int]]:
    """The ids of TLS connections that were opened by a command, which nobody here has."""
    try:
        return {info.connect_id for info in (yield from ListConnections())}
    except CommandError:
        return set()


def _opened(command: Open, claim: Callable[[int], object], undo: Callable[[int], Steps[None]]) -> Steps[int]:
    free = command.connect_id
    claim(free)
    try:
        yield from explained(command)
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
