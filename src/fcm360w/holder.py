"""Who has a socket of the module: what all kinds of channel share, without I/O.

A holder hears every line that nobody asked for.  It lets go of its id when the module does: at a restart, or when the
id turns out to be another's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol, TypeVar

from fcm360w import hexcodec
from fcm360w.commands.system import Booted
from fcm360w.commands.tcp import Send, SendTo
from fcm360w.errors import CommandError, CommandTimeout, SocketLost
from fcm360w.events import Event, Reassigned
from fcm360w.flows.digits import SendCounted, SendToCounted
from fcm360w.link import Link
from fcm360w.steps import Steps
from fcm360w.turns import Turns, freed, perform, shielded
from fcm360w.wire import Command

H = TypeVar("H", bound="Holder")


class Opening(Protocol):
    """A flow that opens a socket; see flows.sockets.open_socket."""

    def __call__(self, claim: Callable[[int], object], undo: Callable[[int], Steps[None]]) -> Steps[int]: ...


class Holder:
    """Whoever has one of the module's twelve ids.

    `lost` says why it is of no use any more, if that was not its doing; `freed`: the id may be another's by now.
    """

    def __init__(self, link: Link, connect_id: int) -> None:
        self.link = link
        self.connect_id = connect_id
        self.lost = ""
        self.freed = False
        link.sinks.append(self.take)

    def take(self, event: Event) -> bool:
        """Whether a line is this socket's alone; if so it is dealt with."""
        row = event.row
        if isinstance(row, Booted):
            self.lose("the module restarted, its sockets are gone")
        elif isinstance(row, Reassigned) and row.connect_id == self.connect_id:
            self.lose(row.why)
        return False

    def fail(self, why: str) -> None:
        """The module has no more use for the socket, but keeps its id until it is closed."""
        self.lost = self.lost or why

    def lose(self, why: str) -> None:
        """The module has dropped the socket."""
        self.fail(why)
        self.freed = True
        self.detach()

    def detach(self) -> None:
        """Take no more lines: the id may be another's by now."""
        if self.take in self.link.sinks:
            self.link.sinks.remove(self.take)

    def check(self) -> None:
        """TransportLost or SocketLost if there is nothing to wait for."""
        self.link.check()
        if self.lost:
            raise SocketLost(self.lost)

    def sending(self, data: bytes) -> Command[bool]:
        """The command that sends payload as the module wants it now."""
        if self.link.doubled_sent and self.link.hex_sent_bytes:
            return SendCounted(self.connect_id, data)
        return Send(self.connect_id, hexcodec.encode(data) if self.link.doubled_sent else data)

    def sending_to(self, data: bytes, ip: str, port: int) -> SendTo:
        """As sending, to somebody."""
        if self.link.doubled_sent and self.link.hex_sent_bytes:
            return SendToCounted(self.connect_id, data, ip, port)
        return SendTo(self.connect_id, hexcodec.encode(data) if self.link.doubled_sent else data, ip, port)

    def decoded(self, data: bytes) -> bytes | None:
        """What payload that has come stands for; None if it should be digits and is not."""
        try:
            return hexcodec.decode(data) if self.link.doubled else data
        except ValueError:
            return None

    def expired(self, deadline: float | None) -> bool:
        return deadline is not None and self.link.now >= deadline


def opened(link: Link, opening: Opening, make: Callable[[int], H]) -> Turns[H]:
    """Open a socket, as what `make` makes of its id: made before, so that it hears what comes in one burst with it.

    If it is interrupted, the id is freed before that is told, which takes seconds if the module must be asked where
    it is; one that does not say is asked again before the next command.
    """
    made: list[H] = []
    undoing: list[int] = []

    def claim(connect_id: int) -> None:
        link.tell(Event(link.now, Reassigned(connect_id)))
        made.append(make(connect_id))

    def undo(connect_id: int) -> Steps[None]:
        undoing.append(connect_id)
        link.unclosed.add(connect_id)
        with contextlib.suppress(CommandError, CommandTimeout):
            yield from freed(link)

    try:
        yield from shielded(perform(link, opening(claim=claim, undo=undo)), lambda: bool(undoing))
    except BaseException:
        for holder in made:
            holder.detach()
        raise
    return made[0]
