"""Open and close a TLS connection, and set up the context that secures it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from fcm360w.commands.codes import SocketCode, describe
from fcm360w.commands.tcp import Access, ListSockets, SocketState
from fcm360w.commands.tls import Close, GetConnection, ListConnections, Open, Query
from fcm360w.errors import CommandError, CommandTimeout, TransportLost
from fcm360w.flows.files import bare, listed, read_whole, write_whole
from fcm360w.flows.sockets import explained, first_free
from fcm360w.settings import Set, Setting
from fcm360w.steps import Steps, Within
from fcm360w.wire import Flow

R = TypeVar("R")
CONNECTING = 150.0  # seconds that the manual gives the connection, beside the handshake


# ---- connections ----------------------------------------------------------------------------------------------------


def free_secure_id(connect_id: int) -> Steps[None]:
    """Close a connection whose opening was given up, as far as the module answers."""
    with contextlib.suppress(CommandError, CommandTimeout):
        yield from Close(connect_id)


def connect_secure(
    context_id: int,
    host: str,
    port: int,
    access: Access,
    handshake: float = 300.0,
    claim: Callable[[int], object] = lambda _: None,
    undo: Callable[[int], Steps[None]] = free_secure_id,
    taken: Collection[int] = (),
) -> Steps[int]:
    """Open a TLS connection under the lowest free id; `claim`, `undo` and `taken` as in flows.sockets.open_socket.

    CommandError with the socket code if it fails, 564 also for a certificate or a suite that is refused; CommandTimeout
    if nothing comes in 150 s and those of the `handshake`.
    """
    command = Open(context_id, 0, host, port, access)
    command.line()
    plain = {info.connect_id for info in (yield from ListSockets())}
    secure = {info.connect_id for info in (yield from ListConnections())}
    free = first_free({*plain, *secure, *taken})
    claim(free)
    try:
        yield from explained(Within(command.replace(connect_id=free), CONNECTING + handshake))
    except (CommandError, TransportLost, GeneratorExit):
        raise
    except BaseException:
        yield from undo(free)
        raise
    return free


def close_secure(connect_id: int, seconds: float) -> Steps[None]:
    """Close a TLS connection; one that is closed already is no error.  The peer has `seconds` to close its side."""
    with contextlib.suppress(CommandError):
        yield from Close(connect_id, max(1, min(65535, math.ceil(seconds))))


def connected(connect_id: int) -> Steps[bool]:
    """Whether the module says that a connection is there."""
    told = yield from GetConnection(Query.SOCKET, connect_id)
    return any(info.connect_id == connect_id and info.socket_state is SocketState.CONNECTED for info in told)


def explained_secure(command: Flow[R], connect_id: int) -> Steps[R]:
    """As explained; where the module has no code for it, it is asked whether the connection is closed."""
    try:
        return (yield from explained(command))
    except CommandError as error:
        if error.code or error.result != "ERROR" or (yield from connected(connect_id)):
            raise
        closed = describe(SocketCode.CLOSED)
        raise CommandError(error.command, error.result, *closed, error.section) from error


# ---- contexts -------------------------------------------------------------------------------------------------------


def stored(name: str, data: bytes) -> Steps[None]:
    """See that the module has a file of this content; one that it has already is not written again."""
    sizes = {bare(info.filename): info.file_size for info in (yield from listed())}
    if sizes.get(name) != len(data) or (yield from read_whole(name)) != data:
        yield from write_whole(name, data)


def set_each(settings: Iterable[Setting]) -> Steps[None]:
    """Set options, in this order."""
    for setting in settings:
        yield from Set(setting)
