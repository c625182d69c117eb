"""Payload that waits for its reader, and when it came."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from fcm360w.stats import Mark

# So many reads are told apart; if more wait, the oldest of them count as one, with the time of the last of these.
ARRIVALS = 1024

# Bytes that may wait.  In transparent mode the port is not read while so many do, so that none is lost; pushed ones
# beyond it are dropped.  The answer to an escape comes behind all that is on its way, which over a network is a lot.
INBOX = 1 << 20
LEAVING_INBOX = 16 << 20
PUSH_INBOX = 4 << 20
Buffer = bytes | bytearray | memoryview


def marks() -> dict[str, Mark]:
    """How full the buffers of a link's streams may be, and have been."""
    return {
        "transparent_inbox": Mark(LEAVING_INBOX),
        "commanded_inbox": Mark(PUSH_INBOX),
        "withheld": Mark(2 * INBOX),
    }


class Chunk(NamedTuple):
    """Bytes that one read of the port brought, and its time, in seconds of the module's clock."""

    at: float
    data: bytes


class Inbox(bytearray):
    """Bytes nobody has taken yet.

    When they came is kept as positions in all that ever came, so that whoever takes bytes without asking for the time
    has nothing to do for it.
    """

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self._came = 0
        self._latest: float | None = None
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=ARRIVALS)

    def put(self, data: Buffer, at: float) -> None:
        """Append what came at a time."""
        if not data:
            return
        self += data
        self._came += len(data)
        if self._latest == at:
            self._arrivals.pop()
        self._latest = at
        self._arrivals.append((self._came, at))
        self.mark.rise(len(self))

    def take_into(self, buffer: memoryview) -> int:
        """Move the oldest bytes into a buffer; how many."""
        count = min(len(buffer), len(self))
        if count:
            with memoryview(self) as mine:
                buffer[:count] = mine[:count]
            del self[:count]
        return count

    def take_chunk_into(self, buffer: memoryview) -> tuple[float, int]:
        """As take_into, but only bytes that came together: when, and how many.  Only if there are any."""
        start = self._came - len(self)
        while self._arrivals[0][0] <= start:
            self._arrivals.popleft()
        end, at = self._arrivals[0]
        return at, self.take_into(buffer[: end - start])

    def absorb(self, later: Inbox) -> None:
        """Take over all that another holds, with its times."""
        buffer = memoryview(bytearray(len(later)))
        while later:
            at, count = later.take_chunk_into(buffer)
            self.put(buffer[:count], at)
