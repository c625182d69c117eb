"""A socket of the module as a byte stream, without I/O: what every kind of stream does, as generators of turns.

The kinds are in transparent.py and commanded.py, and opening.py opens them.  What the module keeps of received data
(buffer mode, and a socket that fell to it) is read here.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from fcm360w.commands import tls
from fcm360w.commands.tcp import (
    MAX_READ,
    Access,
    Closed,
    GetReceiveCount,
    GetSent,
    Read,
    ReceiveCount,
    Received,
    Sent,
)
from fcm360w.errors import CommandError, FCM360WError, Overrun, PeerClosed, SocketLost, UsageError
from fcm360w.events import Event
from fcm360w.flows.sockets import close, explained, settle
from fcm360w.holder import Holder
from fcm360w.inbox import PUSH_INBOX, Inbox
from fcm360w.link import Link
from fcm360w.steps import Steps
from fcm360w.turns import Turn, Turns, patiently, perform, shielded
from fcm360w.wire import Command, Flow

R = TypeVar("R")
Mode = Literal["transparent", "push", "buffer"]
ACCESS: dict[Mode, Access] = {
    "transparent": Access.TRANSPARENT,
    "push": Access.PUSH,
    "buffer": Access.BUFFER,
}
CLOSED_CODE = 565
STALL = 1.0


class Report(NamedTuple):
    """What became of a stream's bytes.

    `acknowledged` by the peer's network stack; None if the module did not say.  `added`: bytes that the peer got and
    nobody sent, of escapes that the module took for payload: the wire was slower than its known rate.
    """

    sent: int
    acknowledged: int | None
    received: int
    added: int = 0

    @property
    def uncertain(self) -> int:
        """Bytes of which nobody can say whether they arrived: all that was sent, if the module did not say."""
        return self.sent - (self.acknowledged or 0)


class Channel(Holder):
    """What the kinds share.  `peer` is the far end as the caller or the module named it.

    `ended`: the peer has closed.  `buffered`: what arrives is kept in the module until it is read.  `dropped` bytes are
    missing behind those in the inbox.  `_shut`: the module was told to close the socket, or has dropped it.
    """

    sent = 0
    received = 0
    dropped = 0
    transparent = False
    closes = True  # the socket, with the stream
    received_row: ClassVar[type[Received | tls.Received]] = Received
    closed_row: ClassVar[type[Closed | tls.Closed]] = Closed

    def __init__(self, link: Link, connect_id: int, inbox: Inbox, buffered: bool, peer: tuple[str, int]) -> None:
        super().__init__(link, connect_id)
        self.inbox = inbox
        self.buffered = buffered
        self.peer = peer
        self.ended = False
        self.report: Report | None = None
        self._shut = self._confessed = False
        self._count: Sent | None = None
        self._waiting = self._reading = self._interrupted = self._at_most = False

    # ---- what a stream's user asks for

    def receive_into(self, buffer: memoryview, deadline: float | None) -> Turns[int]:
        """At least one byte into the buffer.  TimeoutError at the deadline; PeerClosed once all that came is read."""
        return (yield from self._arrival(buffer, deadline)) or self.inbox.take_into(buffer)

    def receive_chunk_into(self, buffer: memoryview, deadline: float | None) -> Turns[tuple[float, int]]:
        """As receive_into, but only bytes that came together: when, and how many."""
        if count := (yield from self._arrival(buffer, deadline)):
            return self.link.heard_at, count
        return self.inbox.take_chunk_into(buffer)

    def send(self, data: memoryview, deadline: float | None) -> Turns[None]:
        """All of the data.  SendTimeout at the deadline says how much of it has gone."""
        raise TypeError

    def verify(self) -> Turns[Sent]:
        """What the module says of bytes sent, and acknowledged.  PeerClosed, with the last figures, if it has ended."""
        yield from self._alive()
        try:
            return (yield from perform(self.link, self.explained(GetSent(self.connect_id))))
        except CommandError as error:
            self._refused(error)
        raise (yield from self._peer_closed())

    def _alive(self) -> Turns[None]:
        """PeerClosed, with the last figures, if the peer has ended the stream; else what `check` finds."""
        if self.lost or not self.ended:
            self.check()
        if self.ended:
            raise (yield from self._peer_closed())

    def suspend(self) -> Turns[None]:
        """Let commands run until `resume` has been called as often.  Here they may at any time."""
        yield from ()

    def resume(self) -> Turns[None]:
        """Let the stream go on."""
        yield from ()

    def close(self, seconds: float) -> Turns[Report]:
        """Wait for the peer's acknowledgement, at most `seconds`, and free the socket."""
        return (yield from perform(self.link, self._finish(seconds)))

    def passed_over(self) -> FCM360WError | None:
        """What somebody must be told who never looks at the report: bytes that may not have arrived."""
        if self.lost and self.sent and not self._confessed:
            return SocketLost(self.lost)
        report = self.report
        if report and report.uncertain and self.closes:
            return PeerClosed(report.sent, report.acknowledged, report.uncertain)
        return None

    # ---- what the module says of the socket

    def take(self, event: Event) -> bool:
        row = event.row
        if isinstance(row, self.received_row) and row.connect_id == self.connect_id:
            self._waiting = True
            if row.data is not None:
                self._keep(row.data, event.at)
        elif isinstance(row, self.closed_row) and row.connect_id == self.connect_id:
            self._end(waiting=True)
        else:
            return super().take(event)
        return True

    def lose(self, why: str) -> None:
        """Without a word to the program if the peer had closed, and all it sent is here."""
        if self.report:
            return
        if not self.ended or (self._waiting and self.buffered):
            super().lose(why)
        self._conclude()

    def _end(self, waiting: bool) -> None:
        """Nothing more comes; `waiting`: but for what the module may still hold."""
        self.ended, self._waiting = True, waiting

    def _refused(self, error: CommandError) -> None:
        """A command was refused because the socket is closed; else the error is told."""
        if error.code != CLOSED_CODE and not self.ended:
            raise error
        self._end(waiting=True)

    def _keep(self, data: bytes, at: float) -> None:
        """Into the inbox as far as there is room; nothing after what was dropped, lest the gap move."""
        plain = self.decoded(data)
        size = len(data) // 2 if plain is None else len(plain)
        room = 0 if self.dropped or plain is None else max(0, PUSH_INBOX - len(self.inbox))
        dropped = max(0, size - room)
        self.inbox.put((plain or b"")[:room], at)
        self.received += size
        self.dropped += dropped
        self.inbox.mark.dropped += dropped

    # ---- how the module is told

    def explained(self, command: Flow[R]) -> Steps[R]:
        """Run a command of the socket's; if it is refused, the error says why."""
        return explained(command)

    def reading(self) -> Command[Any]:
        """The command that reads what the module holds."""
        return Read(self.connect_id, MAX_READ)

    def settled(self, seconds: float) -> Steps[Sent | None]:
        """Wait at most so long for the peer's acknowledgement; the last count, None if there is none."""
        return settle(self.connect_id, seconds, STALL if self.ended else None)

    def freeing(self, seconds: float) -> Steps[None]:
        """Close the socket."""
        return close(self.connect_id, seconds)

    # ---- receiving

    def _arrival(self, buffer: memoryview, deadline: float | None) -> Turns[int]:
        """Wait until bytes are in the inbox, which is 0, or so many in the buffer."""
        while not self.inbox:
            if self._doubtful:
                yield from self._settle(deadline)
                if self.inbox:
                    break
            if self.dropped:
                raise self._overrun()
            if self.lost or not self.ended:
                self.check()
            if self._readable:
                yield from self._fetch(deadline)
            elif self.ended:
                yield from self._raise_end()
            else:
                turned = yield from patiently(Turn(read=self._direct(buffer), deadline=deadline))
                if turned.read:
                    return turned.read
                if not self._anything and self.expired(deadline):
                    raise TimeoutError("receiving timed out")
        return 0

    @property
    def _doubtful(self) -> bool:
        """Whether it must be found out first if the stream goes on."""
        return False

    def _settle(self, deadline: float | None) -> Turns[None]:
        """Find it out."""
        yield from ()

    def _direct(self, buffer: memoryview) -> memoryview | None:
        """Where payload may be read to, past the inbox."""
        return None

    @property
    def _anything(self) -> bool:
        """Whether a reader has something to look at."""
        return bool(self.inbox or self.ended or self.lost or self._readable or self.link.error)

    @property
    def _readable(self) -> bool:
        return self._waiting and self.buffered and not self._shut

    def _raise_end(self) -> Turns[None]:
        """PeerClosed, unless its figures cost time enough for more to have come."""
        error = yield from self._peer_closed()
        if not (self.inbox or self.dropped):
            raise error

    def _overrun(self) -> Overrun:
        dropped, self.dropped = self.dropped, 0
        if not self.buffered:
            return Overrun(f"{dropped} bytes were dropped: nobody read them; in buffer mode the module would keep them")
        limit, self._at_most = "up to " if self._at_most else "", False
        return Overrun(f"{limit}{dropped} bytes are missing here: a read was interrupted, or more came than is kept")

    def _fetch(self, deadline: float | None) -> Turns[None]:
        """Read what the module holds.  What a task has read is in the inbox before its cancellation ends it."""
        yield from shielded(perform(self.link, self._read(), deadline=deadline), lambda: self._reading)
        yield Turn(deadline=self.link.now)

    def _read(self) -> Steps[None]:
        """One read, unless another made it superfluous.  The module announces data once: read until there are none."""
        if not self._readable:
            return
        if self._interrupted:
            yield from self._account()
            if self.dropped:
                return
        self._waiting, self._reading = False, True
        try:
            data = yield from self.explained(self.reading())
        except CommandError as error:
            self.ended = self.ended or error.code == CLOSED_CODE
            self._waiting = not self.ended
            if not self.ended:
                raise
        except BaseException:
            self._waiting = self._interrupted = True
            raise
        else:
            self._waiting = self._waiting or bool(data.data)
            self._keep(data.data, self.link.heard_at)
        finally:
            self._reading = False

    def _account(self) -> Steps[None]:
        """Whether a read that was interrupted took bytes along: the module has counted them, this side has not."""
        try:
            count: ReceiveCount = yield from GetReceiveCount(self.connect_id)
            missing = max(0, count.have_read_length - self.received)
            self.received += missing
        except CommandError:
            missing, self._at_most = MAX_READ, True
        self._interrupted = False
        self.dropped += missing

    # ---- ends

    def check(self) -> None:
        """As Holder.check; UsageError if the stream was closed."""
        self._confessed = self._confessed or bool(self.lost)
        super().check()
        if self._shut and not self.ended:
            raise UsageError("the stream is closed")

    def _finish(self, seconds: float) -> Steps[Report]:
        """Last count, close: for a socket in command mode.  Once, whoever asks; again, if it was interrupted."""
        if self.report:
            return self.report
        if not self._shut:
            self._count = yield from self.settled(seconds)
        self._shut = True
        yield from self.freeing(seconds)
        return self._conclude()

    def _conclude(self) -> Report:
        self._shut = True
        self.detach()
        count = self._count
        acknowledged = min(count.ackedbytes, self.sent) if count else None
        added = max(0, count.total_send_length - self.sent) if count else 0
        self.report = Report(self.sent, acknowledged, self.received, added)
        return self.report

    def _last(self) -> Steps[Report]:
        """Fetch what a reader may still want before the socket is closed.  What the inbox cannot hold is counted."""
        while self._readable:
            yield from self._read()
        return (yield from self._finish(0.0))

    def _peer_closed(self) -> Turns[PeerClosed]:
        """The error that says so, with figures that are asked for once."""
        if self.report is None:
            yield from shielded(perform(self.link, self._last()), lambda: self._reading)
        report = self.report
        assert report is not None
        return PeerClosed(report.sent, report.acknowledged, report.uncertain)
