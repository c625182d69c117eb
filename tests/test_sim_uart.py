"""Pacing, queues and stamps of the twin's serial line, under an artificial clock."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.sim import MANUAL, World
from fcm360w.sim.link import INPUT
from fcm360w.sim.uart import READ_AHEAD, Lane, Passage, Uart

PLENTY = 1 << 20


def taken(lane: Lane, now: float, room: int = PLENTY) -> bytes:
    return b"".join(chunk.data for chunk in lane.take(now, room))


def test_bytes_pass_at_exact_times() -> None:
    lane = Lane(10_000, 4096)  # a byte takes a millisecond
    lane.put(b"abc", 100.0)
    assert taken(lane, 100.000999) == b""
    assert taken(lane, 100.001) == b"a"
    assert taken(lane, 100.0029) == b"b"
    assert taken(lane, 100.003) == b"c"
    assert len(lane) == 0


def test_the_line_goes_on_where_it_was() -> None:
    """What is put while the line is busy follows at once; what is put after a pause starts then."""
    lane = Lane(10_000, 4096)
    lane.put(b"ab", 100.0)
    lane.put(b"c", 100.0015)
    (chunk,) = lane.take(100.5, PLENTY)
    assert chunk.data == b"abc"
    assert chunk.first == pytest.approx(100.001, abs=1e-9)
    assert chunk.last == pytest.approx(100.003, abs=1e-9)
    lane.put(b"d", 200.0)
    assert taken(lane, 200.0009) == b""
    (chunk,) = lane.take(200.001, PLENTY)
    assert (chunk.first, chunk.last) == (chunk.last, pytest.approx(200.001, abs=1e-9))


def test_who_empties_late_delays_nothing() -> None:
    punctual, late = Lane(9600, 4096), Lane(9600, 4096)
    for lane in (punctual, late):
        lane.put(bytes(100), 5.0)
    for step in range(1, 101):
        punctual.take(5.0 + step * 10 / 9600 + 1e-7, PLENTY)
    stamps = late.take(9.0, PLENTY)
    assert stamps[0].first == pytest.approx(5.0 + 10 / 9600)
    assert stamps[0].last == pytest.approx(5.0 + 100 * 10 / 9600)
    punctual.put(b"x", 9.0)
    late.put(b"x", 9.0)
    assert punctual.take(9.5, PLENTY) == late.take(9.5, PLENTY)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3000)), max_size=60),
    st.sampled_from([1200, 9600, 2_000_000]),
)
def test_never_early_and_never_lost(plan: list[tuple[int, int]], baud: int) -> None:
    """Whatever is put and taken when, no byte passes before its time by the definition, and all pass in order."""
    lane, now, sent, got = Lane(baud, 4096), 50.0, bytearray(), bytearray()
    due: list[float] = []
    for size, pause in plan:
        now += pause * 1e-5
        for chunk in lane.take(now, PLENTY):
            assert chunk.last <= now
            got += chunk.data
        assert sum(at <= now - 1e-9 for at in due) <= len(got) <= sum(at <= now + 1e-9 for at in due)
        piece = random.Random(now).randbytes(size)
        lane.put(piece, now)
        sent += piece
        for _ in piece:
            due.append(max(now, due[-1] if due else 0.0) + 10 / baud)
    got += taken(lane, now + 10_000.0)
    assert got == sent


def test_bytes_left_behind_are_late_but_never_early() -> None:
    """Who puts without taking first finds the old bytes delayed, and the new ones in their place."""
    lane = Lane(10_000, 4096)
    lane.put(b"old", 1.0)
    lane.put(b"new", 5.0)
    assert taken(lane, 5.0029) == b"ol"
    assert taken(lane, 5.0059) == b"dne"
    assert taken(lane, 5.006) == b"w"


def test_a_full_receiver_stops_the_line() -> None:
    lane = Lane(10_000, 4096)
    lane.put(b"abcd", 100.0)
    assert taken(lane, 100.002, room=1) == b"a"
    assert lane.stalled
    assert lane.due() is None
    assert taken(lane, 150.0, room=0) == b""
    assert taken(lane, 200.0) == b"", "the clock starts again when there is room"
    assert taken(lane, 200.0011) == b"b"
    assert taken(lane, 200.0031) == b"cd"


def test_due_is_when_it_is_worth_coming_back() -> None:
    lane = Lane(2_000_000, 4096)
    assert lane.due() is None
    lane.put(b"AT\r", 1.0)
    assert lane.due() == pytest.approx(1.000015)
    lane.put(bytes(4000), 1.0)
    assert lane.due() == pytest.approx(1.002)
    slow = Lane(1200, 4096)
    slow.put(b"AT\r", 1.0)
    assert slow.due() == pytest.approx(1.0 + 10 / 1200)


def test_unpaced_bytes_pass_at_once() -> None:
    lane = Lane(None, 65536)
    lane.put(b"abc", 7.0)
    assert lane.due() is not None
    assert lane.due() <= 7.0  # type: ignore[operator]
    assert taken(lane, 7.0, room=2) == b"ab"
    assert lane.due() is None
    assert taken(lane, 8.0) == b"c"


def test_room_and_high_water() -> None:
    lane = Lane(9600, READ_AHEAD)
    assert lane.room == 4096
    lane.put(bytes(4000), 1.0)
    lane.put(bytes(200), 1.0)
    assert lane.room == 0
    assert lane.high_water == 4200
    lane.take(100.0, PLENTY)
    assert (lane.room, lane.high_water) == (4096, 4200)


@pytest.mark.parametrize("baud", [9600, 115_200, 921_600, 2_000_000])
def test_utilisation_is_full_when_the_source_is_never_empty(baud: int) -> None:
    """Read-ahead hides a loop that comes back only every few milliseconds."""
    lane, passage, now = Lane(baud, READ_AHEAD), Passage(), 10.0
    lateness = random.Random(1)
    total = 20_000
    left = total
    while left or len(lane):
        for chunk in lane.take(now, PLENTY):
            passage.add(len(chunk.data), chunk.first, chunk.last)
        piece = min(left, lane.room)
        lane.put(bytes(piece), now, passage)
        left -= piece
        now = max(now, lane.due() or now) + lateness.uniform(0.0, 0.015)
    assert passage.count == total
    assert passage.utilisation(baud) == pytest.approx(1.0, abs=1e-9)


def test_utilisation_counts_pauses() -> None:
    lane, passage = Lane(10_000, READ_AHEAD), Passage()
    for start in (1.0, 1.2):
        lane.put(bytes(100), start, passage)
        for chunk in lane.take(start + 0.1, PLENTY):
            passage.add(len(chunk.data), chunk.first, chunk.last)
    assert passage.utilisation(10_000) == pytest.approx(199 / (0.3 - 0.001) / 1000)
    assert Passage().utilisation(9600) == 0.0


def test_payload_is_told_from_lines() -> None:
    lane, passage = Lane(10_000, 4096), Passage()
    lane.put(b"\r\nCONNECT\r\n", 1.0)
    lane.put(b"data", 1.0, passage)
    lane.put(b"more", 1.0, passage)
    lane.put(b"\r\nOK\r\n", 1.0)
    chunks = lane.take(2.0, PLENTY)
    assert [(chunk.data, chunk.passage is passage) for chunk in chunks] == [
        (b"\r\nCONNECT\r\n", False),
        (b"datamore", True),
        (b"\r\nOK\r\n", False),
    ]
    assert chunks[1].first == pytest.approx(1.012)
    assert chunks[1].last == pytest.approx(1.019)


def test_the_rate_changes_when_the_answer_has_left() -> None:
    uart = Uart(10_000)
    uart.to_host.put(b"\r\nOK\r\n", 1.0)
    uart.switch(100_000)
    assert uart.baud == 10_000
    assert taken(uart.to_host, 1.006) == b"\r\nOK\r\n"
    uart.settle()
    assert uart.baud == 100_000
    for lane in (uart.to_host, uart.from_host):
        lane.put(b"x", 2.0)
        assert taken(lane, 2.00009) == b""
        assert taken(lane, 2.0001) == b"x"


def test_an_unpaced_line_stays_unpaced() -> None:
    uart = Uart(None)
    uart.switch(9600)
    assert uart.baud is None
    uart.to_host.put(b"x", 1.0)
    assert taken(uart.to_host, 1.0) == b"x"


# ---- without flow control


def test_a_lossy_lane_goes_on_and_counts() -> None:
    lane = Lane(10_000, 4096, lossy=True)
    lane.put(b"abcdef", 100.0)
    assert taken(lane, 100.003, room=1) == b"a"
    assert not lane.stalled
    lane.drop(100.003)
    assert (lane.dropped, len(lane)) == (2, 3)
    assert taken(lane, 100.0041) == b"d", "those that come later are on time"
    lane.drop(100.0041)
    assert lane.dropped == 2
    assert taken(lane, 200.0) == b"ef"


def test_what_is_dropped_counts_for_no_payload() -> None:
    lane, passage = Lane(10_000, 4096, lossy=True), Passage()
    lane.put(b"abcdef", 100.0, passage)
    lane.drop(100.003)
    for chunk in lane.take(200.0, PLENTY):
        assert chunk.passage is passage
        passage.add(len(chunk.data), chunk.first, chunk.last)
    assert passage.count == 3
    assert passage.first == pytest.approx(100.004)


def test_only_a_paced_line_loses_and_only_towards_the_module() -> None:
    assert Uart(9600, flow_control=False).from_host.lossy
    for uart in (Uart(9600), Uart(None, flow_control=False)):
        assert not uart.from_host.lossy
    assert not Uart(9600, flow_control=False).to_host.lossy


def test_power_takes_what_is_on_the_line() -> None:
    uart = Uart(10_000)
    for lane in (uart.from_host, uart.to_host):
        lane.put(b"abc", 100.0)
        assert taken(lane, 100.001, room=0) == b""
    uart.switch(20_000)
    uart.power_cycle(5_000, 100.5)
    assert uart.baud == 5_000, "at once, since nothing is left to be sent"
    assert not uart.from_host.stalled
    assert uart.due() is None
    uart.from_host.put(b"x", 101.0)
    assert taken(uart.from_host, 101.0019) == b""
    assert taken(uart.from_host, 101.002) == b"x"
    unpaced = Uart(None)
    unpaced.power_cycle(9600, 1.0)
    assert unpaced.baud is None


# ---- a host that sends while the module scans

COMMANDS = 8000
BUSY = dataclasses.replace(MANUAL, scan_delay=1.0)


def overrun(world: World) -> bytes:
    """What is said to a host that sends on regardless, three seconds of bytes."""
    world.host.send(b"AT+QWSCAN\r" + b"AT\r" * COMMANDS)
    said = world.host.read(10.0)
    assert b"+QWSCAN" in said
    assert world.host.ask(b"\rAT\r").endswith(b"\r\nOK\r\n"), "it goes on"
    return said


def test_with_flow_control_nothing_is_lost() -> None:
    world = World(dialect=BUSY, baud=115200)
    assert overrun(world).count(b"\r\nOK\r\n") == COMMANDS + 1
    assert world.uart.from_host.dropped == 0
    assert world.link.input_high_water <= INPUT


def test_without_flow_control_a_busy_module_loses_what_does_not_fit() -> None:
    world = World(dialect=BUSY, baud=115200)
    world.uart.from_host.lossy = True
    said = overrun(world)
    expected = 11520 - INPUT  # a second's bytes, less those that had room
    assert world.link.input_high_water == INPUT
    quantum = 24
    assert world.uart.from_host.dropped in range(expected - quantum, expected + quantum)
    whole = (3 * COMMANDS - world.uart.from_host.dropped) // 3
    assert said.count(b"\r\nOK\r\n") + said.count(b"\r\nERROR\r\n") in range(whole, whole + 3)


def test_an_unpaced_line_loses_nothing() -> None:
    world = World(dialect=BUSY, baud=None)
    world.host.send(b"AT+QWSCAN\r" + b"AT\r" * COMMANDS)
    assert world.host.read(10.0).count(b"\r\nOK\r\n") == COMMANDS + 1
    assert world.uart.from_host.dropped == 0
