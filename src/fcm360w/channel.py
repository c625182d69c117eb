"""A socket of the module as a byte stream, without I/O: what streams do, as generators of turns.

Transparent: the serial port is the stream, nothing else can run, and the end is in-band.  Push and buffer: each piece
is a command with a counted payload, other commands and sockets go on beside it.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

from fcm360w.commands.tcp import (
    MAX_READ,
    MAX_SEND,
    Access,
    Closed,
    Data,
    GetReceiveCount,
    Read,
    ReceiveCount,
    Received,
    Send,
    Sent,
    Service,
)
from fcm360w.errors import CommandError, CommandTimeout, Overrun, PeerClosed, SendTimeout, UsageError
from fcm360w.escape import Verdict
from fcm360w.events import Event
from fcm360w.flows.leave import confirm, leave
from fcm360w.flows.sockets import close, connect, explained, settle
from fcm360w.holder import Holder, opened
from fcm360w.link import Link
from fcm360w.states import STREAMING, State
from fcm360w.steps import Steps, idle
from fcm360w.turns import QueueTimeout, Turn, Turns, earlier, patiently, perform, shielded

Mode = Literal["transparent", "push", "buffer"]
ACCESS: dict[Mode, Access] = {
    "transparent": Access.TRANSPARENT,
    "push": Access.PUSH,
    "buffer": Access.BUFFER,
}
CLOSED_CODE = 565
PUSH_INBOX = 4 << 20
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
        return self.sent - self.acknowledged if self.acknowledged is not None else 0


class Channel(Holder):
    """What the two kinds share.  `peer` is the far end as the caller or the module named it."""

    sent = 0
    received = 0
    transparent = False

    def __init__(self, link: Link, connect_id: int, peer: tuple[str, int] = ("", 0)) -> None:
        super().__init__(link, connect_id)
        self.peer = peer
        self.ended = False
        self.report: Report | None = None
        self._confessed = False

    def receive_into(self, buffer: memoryview, deadline: float | None) -> Turns[int]:
        """At least one byte into the buffer.  TimeoutError at the deadline; PeerClosed once all that came is read."""
        raise TypeError

    def send(self, data: memoryview, deadline: float | None) -> Turns[None]:
        """All of the data.  SendTimeout at the deadline says how much of it has gone."""
        raise TypeError

    def close(self, seconds: float) -> Turns[Report]:
        """Wait for the peer's acknowledgement, at most `seconds`, and free the socket."""
        raise TypeError

    def lose(self, why: str) -> None:
        """Without a word to the program if the peer had closed, and all it sent is here."""
        if not self.report:
            if not self._whole:
                super().lose(why)
            self._conclude(None)

    @property
    def _whole(self) -> bool:
        return self.ended

    def check(self) -> None:
        """As Holder.check; UsageError if the stream was closed."""
        self._confessed = self._confessed or bool(self.lost)
        super().check()
        if self.report and not self.ended:
            raise UsageError("the stream is closed")

    def _confess(self) -> None:
        """SocketLost if bytes may have been lost with the socket, and no call has said so."""
        if self.lost and self.sent and not self._confessed:
            self.check()

    def _none_came(self, deadline: float | None) -> None:
        if self.expired(deadline):
            raise TimeoutError("receiving timed out")

    def _conclude(self, count: Sent | None) -> Report:
        self.detach()
        acknowledged = min(count.ackedbytes, self.sent) if count else None
        added = max(0, count.total_send_length - self.sent) if count else 0
        self.report = Report(self.sent, acknowledged, self.received, added)
        return self.report

    def _finish(self, seconds: float) -> Steps[Report]:
        """Last count, close: for a socket in command mode.  Once, whoever asks."""
        if self.report:
            return self.report
        count = yield from settle(self.connect_id, seconds, STALL if self.ended else None)
        yield from close(self.connect_id, seconds)
        return self._conclude(count)

    def _peer_closed(self) -> Turns[PeerClosed]:
        """The error that says so, with figures that are asked for once."""
        if self.report is None:
            yield from perform(self.link, self._finish(0.0))
        report = self.report
        assert report is not None
        return PeerClosed(report.sent, report.acknowledged, report.uncertain)


class Transparent(Channel):
    """The serial port as the stream."""

    transparent = True

    def __init__(self, link: Link, connect_id: int, peer: tuple[str, int] = ("", 0)) -> None:
        super().__init__(link, connect_id, peer)
        assert link.data is not None
        self.data = link.data
        self._settling = 0

    @property
    def sent(self) -> int:  # type: ignore[override]
        return self.data.sent

    @property
    def received(self) -> int:  # type: ignore[override]
        return self.data.received

    def receive_into(self, buffer: memoryview, deadline: float | None) -> Turns[int]:
        link = self.link
        while True:
            if count := self.data.take_into(buffer):
                return count
            yield from self._settle()
            if self.data.inbox:
                continue
            if self.ended:
                raise (yield from self._peer_closed())
            self.check()
            direct = buffer if link.in_place else None
            turned = yield from patiently(Turn(read=direct, deadline=deadline))
            if turned.read:
                return turned.read
            if not (self.data.inbox or link.error):
                self._none_came(deadline)

    def send(self, data: memoryview, deadline: float | None) -> Turns[None]:
        link, size = self.link, len(data)
        while data:
            yield from self._settle()
            if self.ended:
                raise (yield from self._peer_closed())
            self.check()
            allowed = link.may_send(data)
            until = earlier(self.data.guard.deadline, deadline)
            turned = yield Turn(write=data[:allowed] if allowed else None, deadline=until)
            data = data[turned.wrote :]
            if data and self.expired(deadline):
                raise SendTimeout(size - len(data))

    @property
    def _doubtful(self) -> bool:
        """NO CARRIER was seen and silence has followed, or an escape was sent and whoever sent it was interrupted."""
        link = self.link
        silent = link.state is State.SUSPECT and self.data.watch.verdict is Verdict.SILENT
        return not self.ended and (silent or link.state is State.LEAVING)

    def _settle(self) -> Turns[None]:
        """If there is doubt, and nobody else sees to it, find out whether the stream goes on."""
        if not self._doubtful or self._settling:
            return
        self._settling += 1
        try:
            yield from shielded(perform(self.link, self._confirm()))
        finally:
            self._settling -= 1
        if self.link.data and self.link.data is not self.data:
            self.link.data.adopt(self.data)
            self.data = self.link.data
        yield Turn(deadline=self.link.now)

    def _confirm(self) -> Steps[None]:
        if not self._doubtful:
            return
        try:
            self.ended = yield from confirm(self.link.policy)
        except BaseException as error:
            self.ended = self.link.state not in STREAMING
            if not (self.ended and isinstance(error, CommandTimeout)):
                raise

    def close(self, seconds: float) -> Turns[Report]:
        self._settling += 1
        try:
            report = yield from perform(self.link, self._leave(seconds))
        finally:
            self._settling -= 1
        self._confess()
        return report

    def _leave(self, seconds: float) -> Steps[Report]:
        if not self.ended and not self.report and self.link.state in STREAMING:
            self.data.closing = True
            try:
                self.ended = not (yield from leave(self.link.policy))
            finally:
                self.data.closing = False
        return (yield from self._finish(seconds))


class Commanded(Channel):
    """A counted payload a command: push and buffer mode."""

    def __init__(self, link: Link, connect_id: int, push: bool, peer: tuple[str, int] = ("", 0)) -> None:
        super().__init__(link, connect_id, peer)
        self.push = push
        self.inbox = bytearray()
        self.inbox_high_water = 0
        self.dropped = 0
        self._waiting = self._reading = self._interrupted = self._at_most = False

    @property
    def _whole(self) -> bool:
        return self.ended and (self.push or not self._waiting)

    def take(self, event: Event) -> bool:
        row = event.row
        if isinstance(row, Received) and row.connect_id == self.connect_id:
            self._take_data(row)
        elif isinstance(row, Closed) and row.connect_id == self.connect_id:
            self.ended = self._waiting = True
        else:
            return super().take(event)
        return True

    def _take_data(self, row: Received) -> None:
        self._waiting = True
        if row.data is not None:
            self._keep(row.data)

    def _keep(self, data: bytes) -> None:
        """Into the inbox as far as there is room; nothing after what was dropped, lest the gap move."""
        room = 0 if self.dropped else max(0, PUSH_INBOX - len(self.inbox))
        self.dropped += max(0, len(data) - room)
        self.inbox += data[:room]
        self.received += len(data)
        self.inbox_high_water = max(self.inbox_high_water, len(self.inbox))

    def receive_into(self, buffer: memoryview, deadline: float | None) -> Turns[int]:
        while True:
            if self.inbox:
                return self._take_into(buffer)
            if self.dropped:
                raise self._overrun()
            self.check()
            if self._waiting and not self.push:
                yield from self._fetch(deadline)
                continue
            if self.ended:
                error = yield from self._peer_closed()
                if self.inbox or self.dropped:
                    continue
                raise error
            yield from patiently(Turn(deadline=deadline))
            if not (self.inbox or self.ended or self.link.error or (self._waiting and not self.push)):
                self._none_came(deadline)

    def _overrun(self) -> Overrun:
        dropped, self.dropped = self.dropped, 0
        if self.push:
            return Overrun(f"{dropped} bytes of pushed data were dropped: nobody read them; use buffer mode")
        limit, self._at_most = "up to " if self._at_most else "", False
        return Overrun(f"{limit}{dropped} bytes are missing here: a read was interrupted, or more came than is kept")

    def _fetch(self, deadline: float | None) -> Turns[None]:
        """Read what the module holds.  What a task has read is in the inbox before its cancellation ends it."""
        yield from shielded(perform(self.link, self._read(), deadline=deadline), lambda: self._reading)
        yield Turn(deadline=self.link.now)

    def _read(self) -> Steps[None]:
        """One read, unless another made it superfluous.  The module announces data once: read until there are none."""
        if self.report or not self._waiting:
            self._waiting = False
            return
        if self._interrupted:
            yield from self._account()
            if self.dropped:
                return
        self._waiting, self._reading = False, True
        try:
            data: Data = yield from explained(Read(self.connect_id, MAX_READ))
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
            self._keep(data.data)
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

    def _peer_closed(self) -> Turns[PeerClosed]:
        yield from shielded(perform(self.link, self._last()), lambda: self._reading)
        return (yield from super()._peer_closed())

    def _last(self) -> Steps[Report]:
        """Fetch what a reader may still want before the socket is closed.  What the inbox cannot hold is counted."""
        while self._waiting and not self.push and not self.report:
            yield from self._read()
        return (yield from self._finish(0.0))

    def _take_into(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self.inbox))
        buffer[:count] = self.inbox[:count]
        del self.inbox[:count]
        return count

    def send(self, data: memoryview, deadline: float | None) -> Turns[None]:
        pause, size = 0.02, len(data)
        while data:
            if self.ended:
                raise (yield from self._peer_closed())
            self.check()
            piece = bytes(data[:MAX_SEND])
            try:
                if (yield from self._send_piece(piece, deadline)):
                    data, pause = data[len(piece) :], 0.02
                    self.sent += len(piece)
                else:
                    yield from perform(self.link, idle(pause), deadline=deadline)
                    pause = min(pause * 2, 0.5)
            except QueueTimeout as error:
                raise SendTimeout(size - len(data)) from error
            if data and not self.ended and self.expired(deadline):
                raise SendTimeout(size - len(data))

    def _send_piece(self, piece: bytes, deadline: float | None) -> Turns[bool]:
        command = explained(Send(self.connect_id, piece))
        try:
            return (yield from perform(self.link, command, deadline=deadline))
        except CommandError as error:
            if error.code != CLOSED_CODE and not self.ended:
                raise
            self.ended = self._waiting = True
            return False

    def close(self, seconds: float) -> Turns[Report]:
        report = yield from perform(self.link, self._finish(seconds))
        self._confess()
        return report


def open_channel(link: Link, host: str, port: int, mode: Mode) -> Turns[Channel]:
    """Open a TCP connection as a stream."""
    peer = host, port
    opening = partial(connect, host, port, ACCESS[mode], Service.TCP)
    if mode == "transparent":
        place = yield from opened(link, opening, lambda connect_id: Holder(link, connect_id))
        place.detach()
        return Transparent(link, place.connect_id, peer)
    return (yield from opened(link, opening, lambda connect_id: Commanded(link, connect_id, mode == "push", peer)))
