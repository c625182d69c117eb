"""TCP connections in memory, with both of their ends; time is whatever the network says.

A connection is two pipes.  Bytes wait with their sender until the receiver's window has room, travel, and wait with the
receiver's system until they are read; that system acknowledges what has arrived, whoever reads it or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from fcm360w.sim.agenda import Action

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Cables", "End", "MemoryConnection", "MemoryPeer", "Pipe", "Way"]

SEND_BUFFER = WINDOW = 64 * 1024


class Cables(Protocol):
    """What lies between hosts."""

    now: float
    ack_delay: float

    def plan(self, at: float, action: Action) -> None: ...

    def delay(self) -> float:
        """Seconds that the next packet takes."""
        ...

    def holds(self, way: Way) -> bool:
        """Whether nothing arrives on a way now; then it is released some day."""
        ...


class Way:
    """From one host to another: what sets out arrives later, in order; while the way is cut it is kept."""

    def __init__(self, cables: Cables, host: str) -> None:
        self.host = host
        self._cables = cables
        self._kept: deque[Action] = deque()
        self._last = 0.0

    def carry(self, action: Action, lag: float = 0.0) -> None:
        """Let something happen at the other end."""
        self._last = max(self._last, self._cables.now + self._cables.delay() + lag)
        self._cables.plan(self._last, lambda: self._arrive(action))

    def _arrive(self, action: Action) -> None:
        if self._kept or self._cables.holds(self):
            self._kept.append(action)
        else:
            action()

    def release(self) -> None:
        """Let what was kept arrive."""
        while self._kept:
            self._kept.popleft()()


class Pipe:
    """One direction of a connection.

    `waiting` is still with the sender, `arrived` with the receiver's system; `ended` says that no more will arrive,
    `end_confirmed` that the sender knows it.
    """

    def __init__(self, cables: Cables, host: str) -> None:
        self.sender: End
        self.receiver: End
        self.waiting = bytearray()
        self.arrived = bytearray()
        self.window = WINDOW
        self.acknowledged = 0
        self.ended = self.end_confirmed = False
        self._cables = cables
        self._there, self._back, self._receipts = (Way(cables, host) for _ in range(3))
        self._under_way = 0
        self._ending = self._end_sent = False

    def put(self, data: Buffer) -> None:
        self.waiting += data
        self.pump()

    def end(self) -> None:
        """Nothing follows what has been put."""
        self._ending = True
        self.pump()

    def announce(self, action: Action) -> None:
        """Let something happen at the receiver, after all that was sent."""
        self._there.carry(action)

    def pump(self) -> None:
        """Send what the window has room for."""
        if self.sender.broken:
            return
        room = self.window - len(self.arrived) - self._under_way
        if self.waiting and room > 0:
            piece = bytes(self.waiting[:room])
            del self.waiting[:room]
            self._under_way += len(piece)
            self.announce(lambda: self._arrive(piece))
        if self._ending and not self.waiting and not self._end_sent:
            self._end_sent = True
            self.announce(self._end)

    def _arrive(self, piece: bytes) -> None:
        self._under_way -= len(piece)
        if self.receiver.broken or self.receiver.deaf:
            self._back.carry(self.sender.shatter)
            return
        self.arrived += piece
        self._receipts.carry(lambda: self._acknowledge(len(piece)), self._cables.ack_delay)
        self.receiver.fed()

    def _acknowledge(self, count: int) -> None:
        self.acknowledged += count

    def _end(self) -> None:
        if self.receiver.broken:
            self._back.carry(self.sender.shatter)
            return
        self.ended = True
        self._receipts.carry(self._confirm, self._cables.ack_delay)
        self.receiver.fed()

    def _confirm(self) -> None:
        self.end_confirmed = True

    def take(self, limit: int) -> bytes:
        """Read what has arrived, which makes room."""
        data = bytes(self.arrived[:limit])
        del self.arrived[:limit]
        if data and self.waiting:
            self._back.carry(self.pump)
        return data


class End:
    """One end of a connection.

    `broken`: it was reset, by whichever side; `deaf`: nobody is here, and what comes is answered by a reset.
    """

    def __init__(self, out: Pipe, into: Pipe) -> None:
        self.out, self.into = out, into
        out.sender = into.receiver = self
        self.broken = self.deaf = False

    def fed(self) -> None:
        """Something has come."""

    def shatter(self) -> None:
        """The other end has reset the connection."""
        if not self.broken:
            self.broken = True
            self.fed()

    def reset(self) -> None:
        """End the connection at once; what is under way is lost."""
        if not self.broken:
            self.broken = True
            self.out.announce(self.out.receiver.shatter)


class MemoryConnection(End):
    """The module's end; sim.network.Connection is its contract."""

    def __init__(self, out: Pipe, into: Pipe, peer: tuple[str, int], local_port: int, freed: Action) -> None:
        super().__init__(out, into)
        self.readable = False
        self.accepted = 0
        self.high_water = 0
        self.peer, self.peer_port = peer
        self.local_port = local_port
        self._finishing = False
        self._freed = freed

    def fed(self) -> None:
        self.readable = True
        if self._finishing:
            self._discard()

    def room(self) -> int:
        return SEND_BUFFER - len(self.out.waiting)

    def send(self, data: Buffer) -> None:
        self.accepted += memoryview(data).nbytes
        self.out.put(data)
        self.high_water = max(self.high_water, len(self.out.waiting))

    def receive(self, limit: int) -> bytes | None:
        data = self.into.take(limit)
        over = self.into.ended or self.broken
        self.readable = bool(self.into.arrived) or (over and bool(data))
        return None if over and not data else data

    def outstanding(self) -> int:
        return self.accepted - self.out.acknowledged

    def finish(self) -> None:
        self._finishing = True
        self.out.end()
        self._discard()

    def _discard(self) -> None:
        while self.receive(WINDOW):
            pass

    def finished(self) -> bool:
        return self.broken or self.out.end_confirmed

    def close(self) -> None:
        if self.deaf:
            return
        if self.outstanding() or self.into.arrived:
            self.reset()
        else:
            self.out.end()
        self.deaf = True
        self._freed()


class MemoryPeer(End):
    """The far end of a connection of the module, for a test to play.

    It reads what comes at once, into `received`, unless `reading` is false: then its system takes `window` bytes in and
    acknowledges them, and no more.  `on_data` is given each piece that is read, `on_end` is called once the module has
    closed its direction, or the connection was reset (`broken`).  `address` and `port` are the module's.
    """

    def __init__(self, out: Pipe, into: Pipe, address: str, port: int) -> None:
        super().__init__(out, into)
        self.address, self.port = address, port
        self.received = bytearray()
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_end: Action = lambda: None
        self._reading = True
        self._told = False

    @property
    def reading(self) -> bool:
        return self._reading

    @reading.setter
    def reading(self, wanted: bool) -> None:
        self._reading = wanted
        self.fed()

    @property
    def window(self) -> int:
        return self.into.window

    @window.setter
    def window(self, size: int) -> None:
        self.into.window = size

    @property
    def unread(self) -> int:
        """Bytes that have arrived here and were not read."""
        return len(self.into.arrived)

    @property
    def unsent(self) -> int:
        """Bytes that the module's side has had no room for."""
        return len(self.out.waiting)

    @property
    def ended(self) -> bool:
        """Whether the module sends no more."""
        return self.into.ended or self.broken

    @property
    def closed(self) -> bool:
        """Whether there is nothing left of the connection at this end."""
        return self.deaf or self.broken

    def send(self, data: bytes) -> None:
        """Send bytes; after the end they go nowhere."""
        if not self.closed:
            self.out.put(data)

    def finish(self) -> None:
        """End this direction; what comes is still read."""
        self.out.end()

    def close(self) -> None:
        """End both directions: what the module sends from now on is answered by a reset, and so is what is unread."""
        if self.into.arrived:
            self.reset()
        self.deaf = True
        self.out.end()

    def fed(self) -> None:
        if self._reading and not self.deaf and (data := self.into.take(WINDOW)):
            self.received += data
            self.on_data(data)
        if self.ended and not self._told:
            self._told = True
            self.on_end()
