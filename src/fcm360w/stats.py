"""What a link has done so far, in figures that cost nothing per byte.

`Mark` and `Histogram` are written to while the link works; `snapshot` makes of them what can be kept, compared and
printed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fcm360w.errors import UsageError

if TYPE_CHECKING:
    from fcm360w.link import Link

# 2**31 microseconds are 36 minutes; what takes longer counts with them.
BUCKETS = 32


class Mark:
    """How full the buffers of a kind have been at most, and what they had to drop; in bytes, or in events."""

    __slots__ = ("dropped", "high_water", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.high_water = self.dropped = 0

    def rise(self, level: int) -> None:
        """A buffer is filled so far."""
        if level > self.high_water:
            self.high_water = level


class Histogram:
    """Times by power of two: bucket n counts those of less than 2**n microseconds that are in none before it."""

    __slots__ = ("counts", "longest")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        self.counts[min(int(seconds * 1e6).bit_length(), BUCKETS - 1)] += 1
        self.longest = max(self.longest, seconds)


class Level(NamedTuple):
    """A kind of buffer: the fullest that one has been, its limit, and what was dropped; in bytes, or in events."""

    high_water: int
    limit: int
    dropped: int


class Latency(NamedTuple):
    """How long commands took, from the call to the read that brought the final result; `longest` in seconds.

    `buckets[n]` counts those of less than 2**n microseconds that are in no bucket before it; the last has no bound.
    """

    samples: int
    longest: float
    buckets: tuple[int, ...]

    def percentile(self, share: float) -> float:
        """Seconds that `share` percent of the commands did not exceed, rounded up to a bucket's bound; 0 if none ran.

        UsageError if `share` is not from 0 to 100.
        """
        if not 0 <= share <= 100:
            raise UsageError(f"a percentile is from 0 to 100, not {share:g}")
        wanted = max(1, math.ceil(self.samples * share / 100))
        seen = 0
        for power, count in enumerate(self.buckets[:-1]):
            seen += count
            if seen >= wanted:
                return min((1 << power) / 1e6, self.longest)
        return self.longest

    def as_dict(self) -> dict[str, Any]:
        """For JSON: `buckets` by their bound in microseconds, empty ones left out."""
        filled = {str(1 << power): count for power, count in enumerate(self.buckets) if count}
        return {"samples": self.samples, "longest": self.longest, "buckets": filled}


class Stats(NamedTuple):
    """A link's figures since it was opened.

    `written` and `received` are bytes on the wire; `refusals` and `timeouts` commands that failed; `unparsed` and
    `overlong` lines that made no sense.  `buffers` are the event queue (in events), the inboxes of streams, and what
    is withheld while the end of data mode is in doubt; once there were any, datagrams and clients that wait.
    """

    written: int
    received: int
    commands: int
    refusals: int
    timeouts: int
    unparsed: int
    overlong: int
    latency: Latency
    buffers: Mapping[str, Level]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: nothing but dicts, text and numbers."""
        plain = self._asdict()
        levels = {name: level._asdict() for name, level in self.buffers.items()}
        return plain | {"latency": self.latency.as_dict(), "buffers": levels}


def snapshot(link: Link) -> Stats:
    """The figures of a link as they are now."""
    events, times = link.events, link.latency
    levels = {"events": Level(events.high_water, events.limit, events.dropped)}
    levels |= {name: Level(mark.high_water, mark.limit, mark.dropped) for name, mark in link.marks.items()}
    return Stats(
        written=link.written,
        received=link.received,
        commands=link.commands,
        refusals=link.refusals,
        timeouts=link.timeouts,
        unparsed=link.unparsed,
        overlong=link.overlong,
        latency=Latency(sum(times.counts), times.longest, tuple(times.counts)),
        buffers=levels,
    )
