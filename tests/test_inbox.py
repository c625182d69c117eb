"""Bytes that wait, and when they came."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from fcm360w.inbox import ARRIVALS, Inbox, marks
from fcm360w.stats import Mark


def inbox() -> Inbox:
    return Inbox(Mark(100))


def chunks(box: Inbox, size: int = 1 << 20) -> Iterator[tuple[float, bytes]]:
    buffer = memoryview(bytearray(size))
    while box:
        at, count = box.take_chunk_into(buffer)
        assert count
        yield at, bytes(buffer[:count])


def test_bytes_come_out_with_the_time_they_came() -> None:
    box = inbox()
    for at, data in ((1.0, b"one"), (2.0, b"two"), (2.0, b"2"), (3.0, b""), (4.0, b"three")):
        box.put(data, at)
    assert list(chunks(box)) == [(1.0, b"one"), (2.0, b"two2"), (4.0, b"three")]
    assert not box


def test_a_chunk_that_does_not_fit_comes_in_pieces() -> None:
    box = inbox()
    box.put(b"abcdef", 1.0)
    box.put(b"ghi", 2.0)
    assert list(chunks(box, 4)) == [(1.0, b"abcd"), (1.0, b"ef"), (2.0, b"ghi")]


def test_whoever_does_not_ask_for_times_may_take_some() -> None:
    box = inbox()
    for at in range(5):
        box.put(b"%d%d" % (at, at), float(at))
    assert box.take_into(memoryview(bytearray(5))) == 5
    assert list(chunks(box)) == [(2.0, b"2"), (3.0, b"33"), (4.0, b"44")]
    assert box.take_into(memoryview(bytearray(5))) == 0


def test_of_too_many_arrivals_the_oldest_count_as_one() -> None:
    box = inbox()
    for at in range(ARRIVALS + 10):
        box.put(b"x", float(at))
    found = list(chunks(box))
    assert found[0] == (10.0, b"x" * 11)
    assert found[1:] == [(float(at), b"x") for at in range(11, ARRIVALS + 10)]


def test_bytes_thrown_away_take_their_times_along() -> None:
    box = inbox()
    box.put(b"one", 1.0)
    box.clear()
    box.put(b"two", 2.0)
    assert list(chunks(box)) == [(2.0, b"two")]


def test_what_another_holds_is_taken_over_with_its_times() -> None:
    box, other = inbox(), inbox()
    box.put(b"one", 1.0)
    other.put(b"xx", 0.5)
    other.take_into(memoryview(bytearray(1)))
    other.put(b"two", 2.0)
    box.absorb(other)
    assert not other
    assert list(chunks(box)) == [(1.0, b"one"), (0.5, b"x"), (2.0, b"two")]


@given(st.lists(st.tuples(st.binary(max_size=5), st.integers(0, 7), st.booleans())))
def test_no_byte_is_lost_or_gets_anothers_time(acts: list[tuple[bytes, int, bool]]) -> None:
    box, wanted, found = inbox(), list[tuple[int, int]](), list[tuple[int, int]]()
    buffer = memoryview(bytearray(8))
    for now, (data, size, timed) in enumerate(acts):
        box.put(data, float(now))
        wanted += [(byte, now) for byte in data]
        if timed and box and size:
            at, count = box.take_chunk_into(buffer[:size])
            found += [(byte, int(at)) for byte in buffer[:count]]
        else:
            count = box.take_into(buffer[:size])
            found += [(byte, wanted[len(found) + i][1]) for i, byte in enumerate(buffer[:count])]
    assert found == wanted[: len(found)]
    assert len(box) == len(wanted) - len(found)


def test_the_mark_shows_the_fullest() -> None:
    box = inbox()
    box.put(b"12345", 1.0)
    box.clear()
    box.put(b"123", 1.0)
    assert box.mark.high_water == 5


def test_every_kind_of_buffer_has_a_bound() -> None:
    assert set(marks()) == {"transparent_inbox", "commanded_inbox", "withheld"}
    assert all(mark.limit > 0 and not mark.high_water and not mark.dropped for mark in marks().values())
