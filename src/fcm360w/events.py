"""What a link reports besides the rows of the table.

An event is the time it was seen, in seconds of the clock the link is run by, and a row: an unsolicited line (a Reply)
or one of the rows below.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from fcm360w.wire import Reply


class Unparsed(Reply):
    """A line that belongs to nothing known here; never lost, never fatal."""

    text: str


class Overlong(Reply):
    """A line longer than any the module writes; its `dropped` bytes are gone."""

    dropped: int


class Stray(Reply):
    """Payload that came while the link was finding out where the module is; it belongs to an earlier owner's socket."""

    data: bytes


class Reassigned(Reply):
    """A socket id is no longer its holder's, who has not heard of it.  Only channels hear of it.

    Without another reason it is about to be another connection's.
    """

    connect_id: int
    why: str = "the module had freed the socket already"


class FilesClosed(Reply):
    """Every file of the module was closed: what handles there were are nobody's.  Only their holders hear of it."""


class Lost(Reply):
    """The transport is gone."""

    error: Exception


class Event(NamedTuple):
    """A row and the time it was seen."""

    at: float
    row: Reply


class EventQueue:
    """Events nobody has taken yet: at most `limit`; beyond it the oldest go, and are counted."""

    def __init__(self, limit: int = 4096) -> None:
        self._events: deque[Event] = deque()
        self.limit = limit
        self.dropped = 0
        self.high_water = 0

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        if len(self._events) >= self.limit:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self.high_water = max(self.high_water, len(self._events))

    def take(self, kind: type[Reply] = Reply) -> Event | None:
        """The oldest event of a kind, or None."""
        for index, event in enumerate(self._events):
            if isinstance(event.row, kind):
                del self._events[index]
                return event
        return None

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._events))

    def remove(self, event: Event) -> None:
        self._events.remove(event)
