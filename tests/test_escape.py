"""The escape machine of a module, and the guard that keeps a host's payload clear of it, on every core."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.escape import Escape, EscapeOut, Guard, implementations

KINDS = implementations()
on_every_core = pytest.mark.parametrize("core", KINDS)

# Times in this file are binary fractions, so that seconds and ticks agree to the last bit.
GUARD, SLACK, BYTE = 1.0, 0.125, 1 / 1024


def module(core: str) -> Escape:
    return KINDS[core][0](GUARD, 0.0)


@on_every_core
def test_three_alone_are_an_escape(core: str) -> None:
    escape = module(core)
    assert escape.deadline is None
    assert escape.step(b"+", 1.0) == EscapeOut(0, False, 0)
    assert (escape.held, escape.deadline) == (1, 2.0)
    assert escape.step(b"++", 1.5) == EscapeOut(0, False, 0)
    assert (escape.held, escape.deadline) == (3, 2.5)
    assert escape.step(b"", 2.49) == EscapeOut(0, False, 0)
    assert escape.step(b"", 2.5) == EscapeOut(0, True, 0)
    assert (escape.held, escape.deadline) == (0, None)


@on_every_core
@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ([(b"+++", 0.99)], [EscapeOut(0, False, 3)]),
        ([(b"++++", 2.0)], [EscapeOut(0, False, 4)]),
        ([(b"a+++", 2.0), (b"", 9.0)], [EscapeOut(0, False, 4), EscapeOut(0, False, 0)]),
        ([(b"+++a", 2.0)], [EscapeOut(0, False, 4)]),
        ([(b"+++", 2.0), (b"a", 2.99)], [EscapeOut(0, False, 0), EscapeOut(3, False, 1)]),
        ([(b"+++", 2.0), (b"+", 2.99)], [EscapeOut(0, False, 0), EscapeOut(3, False, 1)]),
        ([(b"++", 2.0), (b"", 3.0)], [EscapeOut(0, False, 0), EscapeOut(2, False, 0)]),
        (
            [(b"++", 2.0), (b"", 3.0), (b"+", 3.0)],
            [EscapeOut(0, False, 0), EscapeOut(2, False, 0), EscapeOut(0, False, 0)],
        ),
        ([(b"++", 2.0), (b"+++", 5.0)], [EscapeOut(0, False, 0), EscapeOut(2, False, 0)]),
        ([(b"+++", 2.0), (b"AT\r", 5.0)], [EscapeOut(0, False, 0), EscapeOut(0, True, 0)]),
        ([(b"+++", 2.0), (b"+++", 5.0)], [EscapeOut(0, False, 0), EscapeOut(0, True, 0)]),
    ],
)
def test_what_is_no_escape_is_forwarded(core: str, steps: list[tuple[bytes, float]], outcome: list[EscapeOut]) -> None:
    escape = module(core)
    assert [escape.step(data, now) for data, now in steps] == outcome


@on_every_core
def test_touch_denies_the_silence(core: str) -> None:
    escape = module(core)
    escape.touch(5.0)
    assert escape.step(b"+++", 5.9) == EscapeOut(0, False, 3)
    escape.step(b"+++", 9.0)
    escape.touch(9.5)
    assert escape.deadline == 10.5
    assert escape.step(b"", 10.0) == EscapeOut(0, False, 0)
    assert escape.step(b"", 10.5) == EscapeOut(0, True, 0)


@on_every_core
@given(st.lists(st.tuples(st.sampled_from([b"", b"+", b"++", b"+++", b"a", b"+a"]), st.integers(0, 3)), max_size=12))
def test_every_byte_is_forwarded_once_and_in_order(core: str, steps: list[tuple[bytes, int]]) -> None:
    escape, now = module(core), 0.0
    came = out = b""
    for data, pause in steps:
        now += pause / 2
        result = escape.step(data, now)
        if result.seen:
            assert came[len(out) :] == b"+++"
            return
        came += data
        out += b"+" * result.plus + data[: result.forward]
        assert came == out + b"+" * escape.held
        assert (escape.deadline is None) == (escape.held == 0)


@on_every_core
@pytest.mark.parametrize("now", [0.1, 12345.6789, 1.7e9 + 0.3])
def test_a_deadline_is_never_too_early(core: str, now: float) -> None:
    escape = module(core)
    escape.step(b"+++", now + 100)
    assert escape.deadline is not None
    assert escape.step(b"", escape.deadline).seen


# ---- guard


def host(core: str) -> Guard:
    return KINDS[core][1](GUARD, SLACK, 0.0)


@on_every_core
def test_a_lone_run_is_split_by_a_silence(core: str) -> None:
    guard = host(core)
    assert guard.allow(b"+++", 5.0) == 2
    assert guard.deadline == 5.0 + GUARD + SLACK
    guard.sent(b"++", 5.0, 5.25)
    assert guard.deadline == 5.25 + GUARD + SLACK
    assert guard.allow(b"+", 6.0) == 0
    assert guard.deadline == 5.25 + GUARD + SLACK
    assert guard.allow(b"+", guard.deadline) == 1
    assert guard.deadline is None


@on_every_core
def test_what_follows_at_once_joins_the_run(core: str) -> None:
    guard = host(core)
    guard.sent(b"++", 5.0, 5.0)
    assert guard.allow(b"+", 5.1) == 0
    assert guard.allow(b"+a", 5.1) == 2
    assert guard.allow(b"++", 5.1) == 2
    assert guard.deadline is None


@on_every_core
def test_a_pause_that_may_be_a_silence_counts_both_ways(core: str) -> None:
    guard = host(core)
    guard.sent(b"++", 5.0, 5.0)
    doubtful = 5.0 + GUARD - SLACK
    assert guard.allow(b"+", doubtful) == 0
    guard.sent(b"a", 4.0, 5.0)
    assert guard.allow(b"+++", doubtful - 0.01) == 3
    assert guard.allow(b"+++", doubtful) == 2
    guard.sent(b"+", doubtful, doubtful)  # no run, or one of 1
    assert guard.allow(b"++", doubtful) == 1
    guard.sent(b"+", doubtful + GUARD, doubtful + GUARD)  # 1 or 2 long
    assert guard.allow(b"++", doubtful + GUARD) == 0


@on_every_core
def test_nothing_else_is_ever_held(core: str) -> None:
    guard = host(core)
    for now, data in enumerate([b"", b"a+++", b"+++a", b"++++", b"\0" * 5000, np.zeros(9, np.int32), b"++"]):
        assert guard.allow(data, 9.0 * now) == memoryview(data).nbytes
        guard.sent(data, 9.0 * now, 9.0 * now)
        assert guard.deadline is None


@dataclass
class Path:
    """A host that obeys the guard, a wire, and a module; each byte is late by its own bit of the slack."""

    guard: Guard
    module: Escape
    jitter: list[float]
    now: float = 0.0
    idle: float = 0.0
    arrived: float = 0.0
    heard: bytes = b""
    escaped: bool = False
    asked: list[float] = field(default_factory=list)

    def deliver(self, data: bytes, at: float) -> None:
        out = self.module.step(data, at)
        self.escaped |= out.seen
        self.heard += b"+" * out.plus + data[: out.forward]

    def write(self, data: bytes) -> None:
        at = max(self.now, self.idle)
        for i in range(len(data)):
            at += BYTE
            late = self.jitter.pop() if self.jitter else 0.0
            self.arrived = max(self.arrived, at + late)
            while self.module.deadline is not None and self.module.deadline <= self.arrived:
                self.deliver(b"", self.module.deadline)
            self.deliver(data[i : i + 1], self.arrived)
        self.guard.sent(data, self.now, at)
        self.idle = at

    def send(self, pieces: list[tuple[bytes, float]]) -> None:
        """Each piece is offered after its pause; what is held back is joined by the next, or waits for the deadline."""
        waiting = b""
        for data, pause in [*pieces, (b"", 100.0)]:
            start = self.now + pause
            while waiting and self.guard.deadline is not None and self.guard.deadline < start:
                self.now = max(self.now, self.guard.deadline)
                waiting = self.offer(waiting)
            self.now = start
            waiting = self.offer(waiting + data)
        self.deliver(b"", self.now + 100.0)
        assert not waiting

    def offer(self, data: bytes) -> bytes:
        n = self.guard.allow(data, self.now)
        assert (n == len(data)) == (self.guard.deadline is None)
        self.write(data[:n])
        return data[n:]


PAUSES = [0.0, GUARD - SLACK - BYTE, GUARD - SLACK, GUARD - BYTE, GUARD, GUARD + SLACK, 3.0]
PIECES = [b"+", b"++", b"+++", b"++++", b"a", b"a+++", b"+++a"]
JITTER = st.floats(0, SLACK - 2 * BYTE) | st.sampled_from([0.0, SLACK - 2 * BYTE])


def check_path(core: str, pieces: list[tuple[bytes, float]], jitter: list[float]) -> None:
    path = Path(host(core), module(core), jitter)
    path.send(pieces)
    assert not path.escaped
    assert path.heard == b"".join(data for data, _ in pieces)


@on_every_core
@given(
    pieces=st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(PAUSES) | st.floats(0, 3)), max_size=12),
    jitter=st.lists(JITTER, max_size=40),
)
def test_a_guarded_host_never_escapes(core: str, pieces: list[tuple[bytes, float]], jitter: list[float]) -> None:
    check_path(core, pieces, jitter)


@on_every_core
def test_a_guarded_host_never_escapes_whatever_the_pauses(core: str) -> None:
    most = SLACK - 2 * BYTE
    early_late, late_early = [0.0, most] * 5, [most, 0.0] * 5
    for pauses in product(PAUSES[1:6], repeat=3):
        for data in product(PIECES[:3], repeat=3):
            pieces = list(zip(data, pauses, strict=True))
            for jitter in (early_late, late_early):
                check_path(core, pieces, jitter.copy())


@on_every_core
def test_an_unguarded_host_does_escape(core: str) -> None:
    path = Path(host(core), module(core), [])
    path.now = 5.0
    path.write(b"+++")
    path.deliver(b"", 10.0)
    assert path.escaped
