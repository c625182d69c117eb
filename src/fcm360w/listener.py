"""A listening TCP socket of the module, without I/O: clients that came in, and wait to be accepted.

A client's channel is made of the line that announces it, so that what it sends before it is accepted is kept.  The ids
of clients are the module's choice, and nobody here predicts them.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Literal

from fcm360w.channel import ACCESS
from fcm360w.commanded import Commanded
from fcm360w.commands.tcp import Accept, Access, Choice, Closed, GetSocket, Incoming, IncomingFull
from fcm360w.errors import CommandError, UsageError
from fcm360w.events import Event, Reassigned
from fcm360w.flows.sockets import close, explained, listen
from fcm360w.holder import Holder, opened
from fcm360w.link import Link
from fcm360w.steps import Steps
from fcm360w.turns import Turn, Turns, earlier, patiently, perform

ListenMode = Literal["push", "buffer"]

# Clients that came, perhaps went, and were not accepted.  Twelve at most are alive; each has an inbox of its own.
MAX_WAITING = 64
POLL = 0.2


class Listening(Holder):
    """`full` counts the clients that the module turned away; `dropped` those that had gone and were forgotten here."""

    def __init__(self, link: Link, connect_id: int, mode: ListenMode, manual: bool) -> None:
        super().__init__(link, connect_id)
        self.full = self.dropped = 0
        self.manual = manual
        self.closed = False
        self._push = mode == "push"
        self._waiting: deque[Commanded] = deque()
        self._arrived = 0
        self._announced: dict[int, tuple[str, int]] = {}
        self._mark = link.mark("clients", MAX_WAITING)

    @property
    def waiting(self) -> int:
        """Clients that can be accepted now."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether accept would not wait."""
        return bool(self._waiting or self.lost or self.closed or self.link.error)

    def take(self, event: Event) -> bool:
        row = event.row
        if isinstance(row, Incoming) and row.server_id == self.connect_id:
            self._arrive(row.connect_id, (row.remote_ip, row.remote_port), announced=True)
        elif isinstance(row, Closed) and row.connect_id == self.connect_id:
            self.fail("the module closed the listener")
        else:
            self.full += isinstance(row, IncomingFull)
            return super().take(event)
        return True

    def _arrive(self, connect_id: int, peer: tuple[str, int], announced: bool) -> None:
        """A client that QIACCEPT let in is told of twice: by its answer, and by the line that tells of all."""
        if announced and self._announced.get(connect_id) == peer:
            del self._announced[connect_id]
            return
        self.link.tell(Event(self.link.now, Reassigned(connect_id)))
        self._waiting.append(Commanded(self.link, connect_id, self._push, peer))
        self._arrived += 1
        if not announced:
            self._announced[connect_id] = peer
        if len(self._waiting) > MAX_WAITING:
            self._forget_one()
        self._mark.rise(len(self._waiting))

    def _forget_one(self) -> None:
        """The oldest that is gone, and whose id is another's."""
        gone = next(client for client in self._waiting if client.report)
        self._waiting.remove(gone)
        self.dropped += 1
        self._mark.dropped += 1

    def check(self) -> None:
        """As Holder.check; UsageError if the listener was closed."""
        if self.closed:
            raise UsageError("the listener is closed")
        super().check()

    def accept(self, deadline: float | None) -> Turns[Commanded]:
        """The client that has waited longest, even if it has left by now.  TimeoutError at the deadline."""
        poll = self.link.now
        while True:
            if self._waiting and not self.closed:
                return (yield from self._admit(deadline))
            self.check()
            if self.manual and self.link.now >= poll:
                yield from perform(self.link, self._invite(), deadline=deadline)
                poll = self.link.now + POLL
                continue
            yield from patiently(Turn(deadline=earlier(deadline, poll if self.manual else None)))
            if not (self._waiting or self.lost or self.link.error) and self.expired(deadline):
                raise TimeoutError("accepting timed out")

    def _admit(self, deadline: float | None) -> Turns[Commanded]:
        """Whether it inherited the listener's access mode is the firmware's affair (T10), so the module is asked."""
        client = self._waiting.popleft()
        try:
            if not client.report:
                client.push = yield from perform(self.link, self._pushes(client), deadline=deadline)
        except BaseException:
            self._waiting.appendleft(client)
            raise
        return client

    def _pushes(self, client: Commanded) -> Steps[bool]:
        try:
            found = yield from GetSocket(client.connect_id)
        except CommandError:
            return client.push
        return found[0].access_mode is Access.PUSH if found else client.push

    def _invite(self) -> Steps[None]:
        """Let one client in if one waits: without tcp/accept no line tells of it (T32)."""
        before = self._arrived
        accepted = yield from explained(Accept(self.connect_id, Choice.ACCEPT))
        for row in accepted:
            if self._arrived == before:
                self._arrive(row.incoming_socket_id, (row.remote_addr, row.remote_port), announced=False)

    def reject(self) -> Turns[None]:
        """Turn the client away that has waited longest in the module, if one does."""
        self.check()
        if not self.manual:
            raise UsageError("the module accepts the clients of this listener by itself: open it with manual=True")
        yield from perform(self.link, explained(Accept(self.connect_id, Choice.REJECT)))

    def close(self) -> Turns[None]:
        """Free the socket, and those of clients that nobody accepted; those that were accepted go on."""
        yield from perform(self.link, self._close())

    def _close(self) -> Steps[None]:
        if not self.closed and not self.freed:
            yield from close(self.connect_id, 1)
        self.closed = True
        while self._waiting:
            client = self._waiting[0]
            if not client.report:
                yield from close(client.connect_id, 1)
            client.detach()
            self._waiting.remove(client)
        self.detach()


def open_listener(link: Link, port: int, mode: ListenMode, manual: bool) -> Turns[Listening]:
    """Listen at a port of the module's own.

    Who lets clients in, module or program, is an option of the module's that holds for all its listeners; it is set.
    UsageError if the port is not 1 to 65535, or the mode is for clients only.
    """
    if mode not in ("push", "buffer"):
        raise UsageError(f"mode {mode!r} of a listener is not one of push, buffer")

    opening = partial(listen, port, ACCESS[mode], manual, taken=link.secure)
    return (yield from opened(link, opening, lambda connect_id: Listening(link, connect_id, mode, manual)))
