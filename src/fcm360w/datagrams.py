"""A UDP socket of the module, without I/O: each datagram is a command, or a line with a payload, of its own.

Boundaries are kept.  What nobody takes in time is dropped whole, the latest first, and told where it is missing.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import NamedTuple

from fcm360w.commands.tcp import MAX_SEND, Access, Closed, Received, Send, Service
from fcm360w.errors import Overrun, SendTimeout, UsageError
from fcm360w.events import Event
from fcm360w.flows.sockets import close, connect, explained, serve
from fcm360w.holder import Holder, opened
from fcm360w.link import Link
from fcm360w.stats import Mark
from fcm360w.turns import QueueTimeout, Turn, Turns, patiently, paused, perform
from fcm360w.wire import Command

# What may wait for its reader, in datagrams and in bytes.
MAX_WAITING = 4096
MAX_BYTES = 4 << 20
FIRST_PAUSE, LAST_PAUSE = 0.02, 0.5


class Datagram(NamedTuple):
    """What came in one piece, from whom, and when: `at` is in seconds of the module's clock."""

    data: bytes
    ip: str
    port: int
    at: float = 0.0


class Gap(NamedTuple):
    """Datagrams that were dropped here, and how many bytes were in them."""

    datagrams: int
    size: int


class DatagramInbox:
    """Datagrams nobody has taken yet, with the gaps between them; `count` and `size` are their bounds."""

    def __init__(self, count: Mark, size: Mark) -> None:
        self.dropped = 0
        self._count_mark, self._size_mark = count, size
        self._queue: deque[Datagram | Gap] = deque()
        self._count = self._size = 0

    def __bool__(self) -> bool:
        return bool(self._queue)

    def put(self, datagram: Datagram) -> None:
        """Keep it if there is room."""
        size = len(datagram.data)
        if self._count >= self._count_mark.limit or self._size + size > self._size_mark.limit:
            self.miss(size)
            return
        self._queue.append(datagram)
        self._count, self._size = self._count + 1, self._size + size
        self._count_mark.rise(self._count)
        self._size_mark.rise(self._size)

    def miss(self, size: int) -> None:
        """Make a gap where a datagram is missing, or make it wider."""
        self.dropped += 1
        self._count_mark.dropped += 1
        self._size_mark.dropped += size
        last = self._queue[-1] if self._queue else None
        if isinstance(last, Gap):
            self._queue[-1] = Gap(last.datagrams + 1, last.size + size)
        else:
            self._queue.append(Gap(1, size))

    def take(self) -> Datagram:
        """The oldest.  Overrun if some are missing before the next, once.  Only if there is anything."""
        item = self._queue.popleft()
        if isinstance(item, Gap):
            raise Overrun(f"{item.datagrams} datagrams, {item.size} bytes, are missing here: nobody took them in time")
        self._count, self._size = self._count - 1, self._size - len(item.data)
        return item


class Datagrams(Holder):
    """A client's socket, which has one peer, or a service's, which has none.  Counts are of datagrams."""

    def __init__(self, link: Link, connect_id: int, peer: tuple[str, int] | None = None) -> None:
        super().__init__(link, connect_id)
        self.peer = peer
        self.inbox = DatagramInbox(link.mark("datagrams", MAX_WAITING), link.mark("datagram_bytes", MAX_BYTES))
        self.sent = self.received = 0
        self.closed = False

    def take(self, event: Event) -> bool:
        row = event.row
        if isinstance(row, Received) and row.connect_id == self.connect_id and row.data is not None:
            self._keep(row, row.data, event.at)
        elif isinstance(row, Closed) and row.connect_id == self.connect_id:
            self.fail("the module closed the socket")
        else:
            return super().take(event)
        return True

    def _keep(self, row: Received, data: bytes, at: float) -> None:
        self.received += 1
        plain = self.decoded(data)
        if plain is None:
            self.inbox.miss(len(data) // 2)
            return
        ip, port = self.peer or ("", 0)
        self.inbox.put(Datagram(plain, row.remote_ip or ip, row.remote_port or port, at))

    def check(self) -> None:
        """As Holder.check; UsageError if the socket was closed."""
        if self.closed:
            raise UsageError("the socket is closed")
        super().check()

    @property
    def ready(self) -> bool:
        """Whether a receiver would not wait."""
        return bool(self.inbox or self.lost or self.closed or self.link.error)

    def receive(self, deadline: float | None) -> Turns[Datagram]:
        """One datagram.  Overrun where some were dropped; TimeoutError at the deadline."""
        while self.closed or not self.inbox:
            self.check()
            yield from patiently(Turn(deadline=deadline))
            if not (self.inbox or self.lost or self.link.error) and self.expired(deadline):
                raise TimeoutError("receiving timed out")
        return self.inbox.take()

    def send(self, data: bytes, deadline: float | None) -> Turns[None]:
        """One datagram to the peer.  UsageError if it has not 1 to 1460 bytes, 730 while data are hexadecimal."""
        self._fit(data)
        yield from self._send(self.sending(data), deadline)

    def send_to(self, data: bytes, ip: str, port: int, deadline: float | None) -> Turns[None]:
        """One datagram to anybody; as send."""
        self._fit(data)
        yield from self._send(self.sending_to(data, ip, port), deadline)

    def _fit(self, data: bytes) -> None:
        most, why = (MAX_SEND // 2, " while data are hexadecimal") if self.link.doubled_sent else (MAX_SEND, "")
        if not 1 <= len(data) <= most:
            raise UsageError(f"Send: send_length {len(data)} bytes, outside 1..{most}{why} (manual {Send.ref})")

    def _send(self, command: Command[bool], deadline: float | None) -> Turns[None]:
        """Until the module has room for it.  SendTimeout at the deadline: it has not gone."""
        pause = FIRST_PAUSE
        while True:
            self.check()
            try:
                if (yield from perform(self.link, explained(command), deadline=deadline)):
                    self.sent += 1
                    return
            except QueueTimeout as error:
                raise SendTimeout(0) from error
            yield from paused(self.link, pause, deadline)
            if self.expired(deadline):
                raise SendTimeout(0)
            pause = min(pause * 2, LAST_PAUSE)

    def close(self) -> Turns[None]:
        """Free the socket; what waits is dropped."""
        if not self.closed and not self.freed:
            yield from perform(self.link, close(self.connect_id, 1))
        self.closed = True
        self.detach()


def open_client(link: Link, host: str, port: int) -> Turns[Datagrams]:
    """A socket that exchanges datagrams with one peer."""
    opening = partial(connect, host, port, Access.PUSH, Service.UDP, taken=link.secure)
    return opened(link, opening, lambda connect_id: Datagrams(link, connect_id, (host, port)))


def open_service(link: Link, port: int) -> Turns[Datagrams]:
    """A socket that exchanges datagrams with everybody who knows its port."""
    opening = partial(serve, port, Access.PUSH, Service.UDP_SERVICE, taken=link.secure)
    return opened(link, opening, lambda connect_id: Datagrams(link, connect_id))
