"""The module as a Bluetooth peripheral, without I/O: who is connected, and what was written.

What a central writes waits here, bounded, until it is read; the latest is dropped beyond that, and told where it is
missing.  The end of a link has its place among what was written before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from fcm360w.commands.ble import FIRST_MTU, HANDLES, LinkChange, LinkEvent, MtuChanged, PeerRole, Written
from fcm360w.commands.system import Booted
from fcm360w.errors import Overrun, PeerClosed, SocketLost, UsageError
from fcm360w.events import Event
from fcm360w.flows.ble import Service, advertise, end, notification, notify, offer, sizes, stop, uuid_of
from fcm360w.link import Link
from fcm360w.steps import Steps
from fcm360w.turns import Turn, Turns, patiently, perform
from fcm360w.wire import Reply

# What may wait for its reader, in writes and ends of links; each has at most 512 bytes.
MAX_WAITING = 1024


class Write(NamedTuple):
    """What a central wrote to a characteristic, and when: `at` is in seconds of the module's clock."""

    characteristic: str
    data: bytes
    at: float = 0.0


class Gap(NamedTuple):
    """Writes that were dropped here."""

    writes: int


class End(NamedTuple):
    """Here the link ended."""


class Superseded(Reply):
    """Another peripheral is begun on the same module.  Only those before it hear of it."""


class Offering:
    """One service.  `lost` says why the module has nothing of it any more, if that was not its doing."""

    def __init__(self, link: Link, service: Service) -> None:
        self.link = link
        self.service = service
        self.connected = self._unmet = False
        self.mtu = FIRST_MTU
        self.dropped = 0
        self.closed = False
        self.lost = ""
        self._queue: deque[Write | Gap | End] = deque()
        self._mark = link.mark("writes", MAX_WAITING)
        link.sinks.append(self.take)

    # ---- what the module says

    def take(self, event: Event) -> bool:
        """Whether a line is of this peripheral; if so it is dealt with."""
        row = event.row
        if isinstance(row, Written):
            self._keep(Write(self._named(row.uuid), row.data, event.at))
        elif isinstance(row, LinkEvent):
            self._changed(row.event is LinkChange.CONNECTED)
        elif isinstance(row, MtuChanged):
            self.mtu = row.mtu_value
        elif isinstance(row, Booted | Superseded):
            what = "the module restarted" if isinstance(row, Booted) else "another peripheral was begun"
            self._lose(f"{what}, this peripheral is gone")
            return False
        return isinstance(row, Written | LinkEvent | MtuChanged | PeerRole)

    def _named(self, field: str) -> str:
        """The characteristic that a line means, by its handle or its UUID (B12); the field itself if it is neither."""
        uuids = self.service.characteristics
        if field in HANDLES[: len(uuids)]:
            return uuids[HANDLES.index(field)]
        return uuid_of(field) if uuid_of(field) in uuids else field

    def _changed(self, connected: bool) -> None:
        """Of a link that ended unheard the next one tells."""
        if self.connected:
            self._put(End())
        self.connected, self.mtu = connected, FIRST_MTU
        self._unmet = self._unmet or connected

    def _lose(self, why: str) -> None:
        self._changed(False)
        self.lost = self.lost or why
        self.detach()

    def detach(self) -> None:
        """Take no more lines."""
        if self.take in self.link.sinks:
            self.link.sinks.remove(self.take)

    def _keep(self, write: Write) -> None:
        if len(self._queue) < MAX_WAITING:
            self._put(write)
            return
        self.dropped += 1
        self._mark.dropped += 1
        last = self._queue[-1]
        if isinstance(last, Gap):
            self._queue[-1] = Gap(last.writes + 1)
        else:
            self._queue.append(Gap(1))

    def _put(self, item: Write | End) -> None:
        """Ends are few: of two without a write between them the second says nothing."""
        if isinstance(item, End) and self._queue and isinstance(self._queue[-1], End):
            return
        self._queue.append(item)
        self._mark.rise(min(len(self._queue), MAX_WAITING))

    # ---- what a program asks

    def check(self) -> None:
        """TransportLost, SocketLost or UsageError if there is nothing to wait for."""
        self.link.check()
        if self.closed:
            raise UsageError("the peripheral is closed")
        if self.lost:
            raise SocketLost(self.lost)

    def visited(self, deadline: float | None) -> Turns[None]:
        """Wait until a central is there, or came and went since this was asked last.  TimeoutError at the deadline."""
        yield from self._until(lambda: self.connected or self._unmet, deadline, "waiting for a central timed out")
        self._unmet = False

    def left(self, deadline: float | None) -> Turns[None]:
        """Wait until no central is there.  TimeoutError at the deadline."""
        yield from self._until(lambda: not self.connected, deadline, "the central is still there")

    def _until(self, true: Callable[[], bool], deadline: float | None, what: str) -> Turns[None]:
        while not true():
            self.check()
            yield from patiently(Turn(deadline=deadline))
            if not true() and not self.lost and not self.link.error and self._expired(deadline):
                raise TimeoutError(what)

    def _look(self) -> Turns[None]:
        """Hear what has come."""
        self.check()
        if not self.connected:
            yield from patiently(Turn(deadline=self.link.now))
            self.check()

    def receive(self, deadline: float | None) -> Turns[Write]:
        """What was written next.  PeerClosed where the central went, or if none is there; TimeoutError at the deadline.

        Overrun where some is missing.
        """
        if not self._queue:
            yield from self._look()
        if not self._queue and not self.connected:
            raise PeerClosed
        yield from self._until(lambda: bool(self._queue), deadline, "receiving timed out")
        return self._take()

    def _take(self) -> Write:
        item = self._queue.popleft()
        if isinstance(item, Write):
            return item
        if isinstance(item, Gap):
            raise Overrun(f"{item.writes} writes are missing here: nobody took them in time")
        raise PeerClosed

    def _expired(self, deadline: float | None) -> bool:
        return deadline is not None and self.link.now >= deadline

    def advertise(self) -> Turns[None]:
        """Be seen."""
        self.check()
        yield from perform(self.link, advertise())

    def stop(self) -> Turns[None]:
        """Be seen no longer."""
        self.check()
        yield from perform(self.link, stop())

    def notify(self, characteristic: object, data: bytes | str) -> Turns[None]:
        """Tell the central that a characteristic has a new value.

        UsageError before anything is sent if it is none of the service's, or the value does not fit the MTU; PeerClosed
        if no central is there.
        """
        uuid = uuid_of(characteristic)
        if uuid not in self.service.characteristics:
            raise UsageError(f"characteristic {uuid!r} is none of {', '.join(self.service.characteristics)}")
        yield from self._look()
        if not self.connected:
            raise PeerClosed
        if not 1 <= (size := sizes(data)) <= self.mtu - 3:
            raise UsageError(f"Notify: data {size} bytes, outside 1..{self.mtu - 3}, the MTU less 3 (manual 2.2.11)")
        yield from perform(self.link, notify(notification(uuid, data)))

    def close(self) -> Turns[None]:
        """End Bluetooth; what waits is dropped."""
        if not self.closed and not self.lost:
            yield from perform(self.link, end())
        self.closed, self.connected = True, False
        self._queue.clear()
        self.detach()


def open_offering(link: Link, service: Service) -> Turns[Offering]:
    """Begin as a peripheral; an earlier one of this link is of no use from then on."""
    made: list[Offering] = []

    def begin() -> Steps[Offering]:
        offering = offer(service)
        link.tell(Event(link.now, Superseded()))
        made.append(Offering(link, service))
        yield from offering
        return made[0]

    try:
        return (yield from perform(link, begin()))
    except BaseException:
        for offering in made:
            offering.detach()
        raise
