"""Descriptors of sockets that have none, turn by turn; test_socketlike has them in threads."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fcm360w.errors import CommandError, TransportLost
from fcm360w.readiness import Descriptors, Signal
from fcm360w.turns import Turn, Turns


class Clock:
    """What the watch needs of a link."""

    now = 1000.0
    error: TransportLost | None = None


class Idle:
    """A module whose thread is the test."""

    def drive(self, turns: Turns[Any]) -> None:
        for _ in turns:
            raise AssertionError("it does not wait")


class Source:
    """A socket as its signal sees it: each look takes `turns`."""

    def __init__(self, turns: int = 0, then: bool = False) -> None:
        self.ready, self.turns, self.then, self.looks = False, turns, then, 0

    def prefetch(self) -> Turns[bool]:
        self.looks += 1
        waits, self.turns = self.turns, 0
        for _ in range(waits):
            yield Turn(deadline=1.0)
        self.ready = self.ready or (bool(waits) and self.then)
        return bool(waits)

    def signal(self) -> Signal:
        return Signal(lambda: self.ready, self.prefetch)


def readable(signal: Signal) -> bool:
    return bool(select.select([signal], [], [], 0)[0])


def writable(signal: Signal) -> bool:
    return bool(select.select([], [signal], [], 0)[1])


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Descriptors]:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: None)
    made = Descriptors(Idle(), Clock())  # type: ignore[arg-type]
    yield made
    for signal in made._signals:
        signal.close()


def rests(turn: Turn) -> bool:
    """Whether the watch waits for something to change."""
    return turn.deadline is None


def test_what_changes_while_another_is_seen_to_is_seen(descriptors: Descriptors) -> None:
    """No event follows it: whoever overlooks it waits for ever."""
    slow, quick, late = Source(turns=1), Source(), Source()
    signals = [quick.signal(), slow.signal()]
    for signal in signals:
        descriptors.add(signal)
    watch = descriptors._watch()
    assert not rests(next(watch))
    quick.ready = late.ready = True
    descriptors.add(last := late.signal())
    assert rests(next(watch))
    assert [readable(signal) for signal in (*signals, last)] == [True, False, True]
    watch.close()


def test_it_shows_what_is_so(descriptors: Descriptors) -> None:
    source = Source(turns=1, then=True)
    descriptors.add(signal := source.signal())
    watch = descriptors._watch()
    next(watch)
    assert rests(next(watch))
    assert readable(signal)
    source.ready = False
    signal.show()
    assert not readable(signal)
    signal.show()
    assert writable(signal)
    watch.close()


def test_held_back_for_longer_each_time(descriptors: Descriptors) -> None:
    source = Source()
    descriptors.add(signal := source.signal())
    watch, link = descriptors._watch(), descriptors.link
    pauses = []
    turn = next(watch)
    for _ in range(8):
        signal.hold_back(link.now)
        assert not writable(signal)
        turn = next(watch)
        assert turn.deadline is not None
        pauses.append(turn.deadline - link.now)
        link.now = turn.deadline
        assert rests(next(watch))
        assert writable(signal)
    assert pauses == sorted(pauses)
    assert 0.01 < pauses[0] < 0.1 < pauses[-1] < 1.0
    signal.flows()
    signal.hold_back(link.now)
    assert next(watch).deadline == pytest.approx(link.now + pauses[0])
    watch.close()


def test_looking_that_fails_is_for_the_receiver_to_hear(descriptors: Descriptors) -> None:
    def refuse() -> Turns[bool]:
        raise CommandError("AT+QIRD=0,1500")
        yield

    descriptors.add(signal := Signal(lambda: False, refuse))
    watch = descriptors._watch()
    assert rests(next(watch))
    assert signal.failed
    assert readable(signal)
    watch.close()


def test_whatever_ends_the_watch_wakes_all(descriptors: Descriptors) -> None:
    sources = [Source(), Source()]
    signals = [source.signal() for source in sources]
    for signal in signals:
        descriptors.add(signal)
    watch = descriptors._watch()
    next(watch)
    signals[1].hold_until(None)
    descriptors.link.error = TransportLost("unplugged")
    with pytest.raises(StopIteration):
        next(watch)
    assert all(readable(signal) and writable(signal) for signal in signals)


def test_one_that_is_removed_is_closed(descriptors: Descriptors) -> None:
    descriptors.add(signal := Source().signal())
    watch = descriptors._watch()
    next(watch)
    descriptors.remove(signal)
    descriptors.remove(signal)
    assert signal.fileno() == -1
    with pytest.raises(StopIteration):
        next(watch)
    signal.show()
    signal.hold_back(1.0)
    signal.resume()
