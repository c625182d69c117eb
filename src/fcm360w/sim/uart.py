"""The serial line: pacing, queues and stamps, without I/O; time is an argument.

Each direction is a lane.  On a paced lane byte i has passed at max(time it was put, passage of byte i-1) + 10/baud
(8N1 is ten bits a byte).  These times are absolute, so whoever empties a lane late neither delays nor bunches what
follows, and no byte is ever early.  A lane is emptied in quanta: waking for each byte would cost more than it tells.

A receiver that has no room stops the lane if there is flow control (RTS/CTS); without, a paced lane goes on, and bytes
whose time has come are lost.  The lane knows nothing of its host's rate: bytes of a host that runs at another one than
the module arrive as they were sent, unless the front end knows better (sim.cable does).
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from typing import NamedTuple

__all__ = ["BITS_PER_BYTE", "QUANTUM", "READ_AHEAD", "Chunk", "Lane", "Passage", "PayloadStamps", "Uart"]

BITS_PER_BYTE = 10
QUANTUM = 0.002
READ_AHEAD = 4096
PACED_TRANSMIT = 16 * 1024
UNPACED = 64 * 1024


class Passage:
    """Payload bytes of one direction in data mode: how many, and when the first and the last had passed."""

    def __init__(self) -> None:
        self.count = 0
        self.first: float | None = None
        self.last: float | None = None

    def add(self, count: int, first: float, last: float) -> None:
        if count:
            self.count += count
            self.first = first if self.first is None else self.first
            self.last = last

    def utilisation(self, baud: int) -> float:
        """Share of the line's payload ceiling that was used between the two stamps; 0 for fewer than two bytes."""
        if self.first is None or self.last is None or self.last <= self.first:
            return 0.0
        return (self.count - 1) / (self.last - self.first) / (baud / BITS_PER_BYTE)


class Chunk(NamedTuple):
    """Consecutive bytes of a lane and when the first and the last of them had passed."""

    data: bytes
    first: float
    last: float
    passage: Passage | None


@dataclasses.dataclass
class _Run:
    """Neighbours in a queue that belong together."""

    left: int
    passage: Passage | None


class Lane:
    """One direction: a queue of at most `limit` bytes (more is taken, but `room` is 0 then).

    `stalled`: bytes have had their time, but the receiver has no room; their clock starts again when it has.  A lane
    that is `lossy` never stalls: then whoever empties it drops what the receiver has no room for.
    """

    def __init__(self, baud: int | None, limit: int, lossy: bool = False) -> None:
        self.limit = limit
        self.lossy = lossy
        self.high_water = 0
        self.dropped = 0
        self._queue = bytearray()
        self._runs: deque[_Run] = deque()
        self._byte = 0.0
        self._epoch = -math.inf
        self._index = 0
        self.stalled = False
        self.set_baud(baud)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def room(self) -> int:
        return max(0, self.limit - len(self._queue))

    def set_baud(self, baud: int | None) -> None:
        """Change the rate; bytes still queued move at the new one from the last passage on."""
        last = self._passes(0)
        self._byte = BITS_PER_BYTE / baud if baud else 0.0
        self._epoch, self._index = last, 0

    def put(self, data: bytes, now: float, passage: Passage | None = None) -> None:
        """Queue bytes; payload of data mode comes with the passage it belongs to."""
        if not data:
            return
        last = self._passes(len(self._queue))
        if now > last:
            # The line has been idle.  Bytes still here should have been taken before; they are late, never early.
            self._epoch, self._index = now, 0
        self._queue += data
        self.high_water = max(self.high_water, len(self._queue))
        if self._runs and self._runs[-1].passage is passage:
            self._runs[-1].left += len(data)
        else:
            self._runs.append(_Run(len(data), passage))

    def take(self, now: float, room: int) -> list[Chunk]:
        """Remove what has passed by `now`, at most `room` bytes.  The line stands still while the receiver is full."""
        if self.stalled and room > 0:
            self.stalled = False
            self._epoch, self._index = now, 0
        count = self._passed(now)
        if count > room:
            self.stalled = not self.lossy
            count = room
        return self._removed(count, now)

    def drop(self, now: float) -> None:
        """Lose what has passed by `now` and nobody has taken; it is counted."""
        self.dropped += sum(len(chunk.data) for chunk in self._removed(self._passed(now), now))

    def clear(self, now: float) -> None:
        """Forget what is queued."""
        self._removed(len(self._queue), now)
        self._epoch, self._index, self.stalled = now, 0, False

    def _removed(self, count: int, now: float) -> list[Chunk]:
        chunks = []
        while count > 0:
            size = min(count, self._runs[0].left)
            chunks.append(self._remove(size, now))
            count -= size
        return chunks

    def due(self) -> float | None:
        """When it is worth coming back; None if the lane is empty or stands still."""
        if not self._queue or self.stalled:
            return None
        if not self._byte:
            return self._epoch
        return self._passes(min(len(self._queue), max(1, int(QUANTUM / self._byte))))

    def _passes(self, count: int) -> float:
        """When the next `count` bytes will have passed."""
        return self._epoch + (self._index + count) * self._byte

    def _passed(self, now: float) -> int:
        if not self._queue or not self._byte:
            return len(self._queue)
        count = min(len(self._queue), max(0, int((now - self._epoch) / self._byte) - self._index + 1))
        while count and self._passes(count) > now:
            count -= 1
        return count

    def _remove(self, size: int, now: float) -> Chunk:
        data = bytes(self._queue[:size])
        del self._queue[:size]
        run = self._runs[0]
        run.left -= size
        if not run.left:
            self._runs.popleft()
        first, last = (self._passes(1), self._passes(size)) if self._byte else (now, now)
        self._index += size
        return Chunk(data, first, last, run.passage)


class PayloadStamps:
    """Passages since the latest CONNECT."""

    def __init__(self) -> None:
        self.to_network = Passage()
        self.to_host = Passage()

    def reset(self) -> None:
        self.to_network = Passage()
        self.to_host = Passage()


class Uart:
    """Both lanes.  `baud` None is unpaced: bytes pass at once, and none is lost, with flow control or without."""

    def __init__(self, baud: int | None, flow_control: bool = True) -> None:
        self.baud = baud
        self.from_host = Lane(baud, READ_AHEAD if baud else UNPACED, lossy=baud is not None and not flow_control)
        self.to_host = Lane(baud, PACED_TRANSMIT if baud else UNPACED)
        self._next: int | None = None

    @property
    def byte_time(self) -> float:
        return BITS_PER_BYTE / self.baud if self.baud else 0.0

    def switch(self, baud: int) -> None:
        """Change the rate as soon as what is queued for the host has left.  Nothing to do if unpaced."""
        if self.baud is not None:
            self._next = baud
            self.settle()

    def settle(self) -> None:
        """Carry out a change of rate that waits, if it may."""
        if self._next is not None and not len(self.to_host):
            self.baud, self._next = self._next, None
            self.from_host.set_baud(self.baud)
            self.to_host.set_baud(self.baud)

    def power_cycle(self, baud: int | None, now: float) -> None:
        """What was on its way is gone, and the module starts at its own rate."""
        self.from_host.clear(now)
        self.to_host.clear(now)
        if baud is not None:
            self.switch(baud)

    def due(self) -> float | None:
        times = [at for at in (self.from_host.due(), self.to_host.due()) if at is not None]
        return min(times, default=None)
