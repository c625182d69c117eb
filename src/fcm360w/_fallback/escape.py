"""The twin of csrc/fcm_escape.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._contract import NEVER, EscapeOut, octets

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class EscapeEngine:
    def __init__(self, guard: int, now: int) -> None:
        self._guard = guard
        self._last = now
        self.held = 0

    @property
    def deadline(self) -> int:
        return self._last + self._guard if self.held else NEVER

    def step(self, data: ReadableBuffer, now: int) -> EscapeOut:
        text = octets(data)
        quiet = max(now - self._last, 0) >= self._guard
        plus, seen = 0, False
        if quiet:  # decides: an escape, or just plus signs
            seen = self.held == 3
            plus = 0 if seen else self.held
            self.held = 0
        if not text:
            return EscapeOut(plus, seen, 0)
        self._last = now
        if seen:
            return EscapeOut(0, True, 0)
        run = self.held + len(text)
        if (self.held or quiet) and run <= 3 and text == b"+" * len(text):
            self.held = run
            return EscapeOut(plus, False, 0)
        plus += self.held
        self.held = 0
        return EscapeOut(plus, False, len(text))

    def touch(self, now: int) -> None:
        self._last = now


LONG = 4


def _size_and_start(data: ReadableBuffer) -> tuple[int, bytes]:
    """How many bytes there are, and the first of them: enough to see that there are more than three."""
    with memoryview(data) as view:
        flat = view.cast("B")
        return len(flat), bytes(flat[:LONG])


class GuardEngine:
    """The C keeps the set of possible runs as bits; here it is a set, where None is a run of no danger."""

    def __init__(self, guard: int, slack: int, now: int) -> None:
        self._guard = guard
        self._slack = slack
        self._last = now
        self._runs: frozenset[int | None] = frozenset({0, None})
        self.deadline = NEVER

    def allow(self, data: ReadableBuffer, now: int) -> int:
        size, text = _size_and_start(data)
        if size > len(text):  # longer than any run of danger
            self.deadline = NEVER
            return size
        runs = self._runs_at(now)
        n = size
        while n and 3 in self._runs_after(runs, text[:n]):
            n -= 1
        self.deadline = NEVER if n == size else self._silence_after(max(now, self._last) if n else self._last)
        return n

    def sent(self, data: ReadableBuffer, now: int, idle: int) -> None:
        _, text = _size_and_start(data)
        if not text:
            return
        self._runs = self._runs_after(self._runs_at(now), text)
        self._last = max(idle, now)
        if self.deadline != NEVER:
            self.deadline = self._silence_after(self._last)

    def _silence_after(self, idle: int) -> int:
        return idle + self._guard + self._slack

    def _runs_at(self, now: int) -> frozenset[int | None]:
        gap = max(now - self._last, 0)
        if gap >= self._guard + self._slack:
            return frozenset({0})
        return self._runs | {0} if gap + self._slack >= self._guard else self._runs

    @staticmethod
    def _runs_after(runs: frozenset[int | None], text: bytes) -> frozenset[int | None]:
        if len(text) > 3 or text != b"+" * len(text):
            return frozenset({None})
        return frozenset(None if run is None or run + len(text) > 3 else run + len(text) for run in runs)
