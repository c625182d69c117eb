"""What is to happen when, by an artificial clock."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

__all__ = ["Agenda"]

Action = Callable[[], None]


class Agenda:
    """Actions and their times; those of one time are carried out in the order they were planned."""

    def __init__(self) -> None:
        self._planned: list[tuple[float, int, Action]] = []
        self._order = itertools.count()

    def plan(self, at: float, action: Action) -> None:
        heapq.heappush(self._planned, (at, next(self._order), action))

    def deadline(self) -> float | None:
        """The time of the next action."""
        return self._planned[0][0] if self._planned else None

    def run(self, now: float) -> None:
        """Carry out the actions whose time has come.

        What they plan is for the next call, even if it is for now; so are the others if one of them raises.
        """
        last = next(self._order)
        while self._planned and self._planned[0][0] <= now and self._planned[0][1] < last:
            heapq.heappop(self._planned)[2]()
