"""What has come from the network and waits for the host: a stream of bytes, or datagrams one by one.  Bounded."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

__all__ = ["RECEIVE_BUFFER", "DatagramInbox", "Inbox", "Piece", "StreamInbox"]

RECEIVE_BUFFER = 32 * 1024
RECEIVE_QUEUE = 256
MAX_DATAGRAM = 1472


class Piece(NamedTuple):
    """Bytes for the host, with their sender if it is told."""

    data: bytes
    remote_ip: str | None = None
    remote_port: int | None = None


class Inbox(Protocol):
    """Its length is in bytes.  `high_water` is the most it ever held; `dropped` counts what did not fit."""

    high_water: int
    dropped: int

    def __len__(self) -> int: ...

    def room(self) -> int:
        """Bytes that may be put in now; more than it holds means that what does not fit is dropped."""
        ...

    def put(self, data: bytes) -> None: ...

    def take(self, limit: int) -> Piece:
        """Remove the oldest bytes; none are left if none are given."""
        ...


class StreamInbox:
    """Bytes without boundaries.  What it has no room for must stay in the network."""

    def __init__(self) -> None:
        self.high_water = 0
        self.dropped = 0
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def room(self) -> int:
        return RECEIVE_BUFFER - len(self._data)

    def put(self, data: bytes) -> None:
        self._data += data
        self.high_water = max(self.high_water, len(self._data))

    def take(self, limit: int) -> Piece:
        data = bytes(self._data[:limit])
        del self._data[:limit]
        return Piece(data)


class DatagramInbox:
    """Datagrams, of which one is given at a time.

    `whole`: with its sender, and in one piece however little is asked for; else without, and what was not asked for
    comes next.  The network holds no datagrams back: those that find no room are lost.  So are those that do not fit
    into one frame, for the module puts no fragments together, and empty ones, which look like nothing to the host.
    """

    def __init__(self, *, whole: bool) -> None:
        self.high_water = 0
        self.dropped = 0
        self._whole = whole
        self._queue: deque[Piece] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def room(self) -> int:
        return RECEIVE_BUFFER

    def put(self, data: bytes, remote_ip: str | None = None, remote_port: int | None = None) -> None:
        full = self._size + len(data) > RECEIVE_BUFFER or len(self._queue) == RECEIVE_QUEUE
        if full or not 1 <= len(data) <= MAX_DATAGRAM:
            self.dropped += 1
            return
        self._queue.append(Piece(data, remote_ip, remote_port))
        self._size += len(data)
        self.high_water = max(self.high_water, self._size)

    def take(self, limit: int) -> Piece:
        if not self._queue:
            return Piece(b"")
        piece = self._queue.popleft()
        if not self._whole and limit < len(piece.data):
            self._queue.appendleft(Piece(piece.data[limit:]))
            piece = Piece(piece.data[:limit])
        self._size -= len(piece.data)
        return piece
