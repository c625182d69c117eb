"""The figures of a link: what is counted, and that they can be kept and printed."""

from __future__ import annotations

import json

import pytest

from fcm360w import inbox
from fcm360w.commands import system, tcp
from fcm360w.errors import CommandError, CommandTimeout, UsageError
from fcm360w.link import MAX_LINE
from fcm360w.stats import BUCKETS, Histogram, Latency, Level, Mark, Stats, snapshot
from fcm360w.steps import Within
from fcm360w.turns import perform, recovered
from scripted import CONNECT, ERROR, LATENCY, NO_CARRIER, OK, PROMPT, World, answer, line, transparent
from streaming import Interrupt, commanded, recv_urc, send


def figures(world: World) -> Stats:
    return snapshot(world.link)


def latency(*microseconds: int) -> Latency:
    histogram = Histogram()
    for each in microseconds:
        histogram.add(each / 1e6)
    return Latency(sum(histogram.counts), histogram.longest, tuple(histogram.counts))


# ---- latency


def test_buckets_are_powers_of_two() -> None:
    for power in range(1, BUCKETS - 1):
        below, bound = latency((1 << power) - 1), latency(1 << power)
        assert [n for n, count in enumerate(below.buckets) if count] == [power]
        assert [n for n, count in enumerate(bound.buckets) if count] == [power + 1]


def test_the_ends_of_the_histogram() -> None:
    assert latency(0).buckets[0] == 1
    assert latency(10**15).buckets[-1] == 1
    assert len(latency().buckets) == BUCKETS


def test_percentiles_are_bounds_of_buckets_and_never_beyond_the_longest() -> None:
    found = latency(*range(100, 200), 5000, 90_000)
    assert found.samples == 102
    assert found.percentile(0) == found.percentile(25) == 128e-6
    assert found.percentile(50) == found.percentile(98) == 256e-6
    assert found.percentile(99) == 8192e-6
    assert found.percentile(100) == found.longest == 0.09


def test_a_percentile_of_nothing() -> None:
    assert latency().percentile(50) == 0.0


def test_what_is_longer_than_all_buckets() -> None:
    assert latency(10**15).percentile(50) == 1e9


@pytest.mark.parametrize("share", [-1, 100.1])
def test_a_percentile_that_is_none(share: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 100"):
        latency(1).percentile(share)


# ---- what is counted


def test_commands_refusals_and_time_outs() -> None:
    world = World()
    world.on("AT", (0.1, OK))
    world.on("AT+QISEND=3,0", (0.2, ERROR))
    world.on('AT+QIOPEN=3,"TCP","h",80,0,0', OK, (0.4, line("+QIOPEN: 3,564")))
    world.on("AT+QISEND=3,5", PROMPT)
    world.on(b"hello", (0.8, line("SEND FAIL")))
    world.run(system.Attention())
    with pytest.raises(CommandError):
        world.run(tcp.GetSent(3))
    with pytest.raises(CommandError):
        world.run(tcp.Open(3, tcp.Service.TCP, "h", 80))
    assert world.run(tcp.Send(3, b"hello")) is False
    with pytest.raises(CommandTimeout):
        world.run(Within(system.GetVersion(), 1.0))
    found = figures(world)
    assert (found.commands, found.refusals, found.timeouts) == (5, 2, 1)
    assert found.latency.samples == 4
    assert [n for n, count in enumerate(found.latency.buckets) if count] == [17, 18, 19, 20]
    assert found.latency.longest == pytest.approx(0.8 + LATENCY)


def test_a_refusal_sent_by_nobody_counts_nothing() -> None:
    world = World()
    with pytest.raises(UsageError):
        world.run(tcp.GetSent(12))
    assert figures(world).commands == 0


def test_the_opening_of_a_stream_is_a_command_like_others() -> None:
    world = World()
    transparent(world)
    assert figures(world).latency.samples == 2


def test_an_interrupted_command_has_no_latency() -> None:
    world = World()
    driver = world.start(perform(world.link, system.Attention()))
    world.wait(0.5)
    world.cancel(driver, Interrupt())
    found = figures(world)
    assert (found.commands, found.timeouts, found.latency.samples) == (1, 0, 0)


def test_bytes_each_way() -> None:
    world = World()
    stream = transparent(world)
    before = figures(world)
    send(world, stream, b"12345678")
    world.say(b"123")
    world.wait(1.0)
    after = figures(world)
    assert (after.written - before.written, after.received - before.received) == (8, 3)
    assert before.received == len(OK + CONNECT)


def test_lines_that_make_no_sense() -> None:
    world = World()
    world.say(line("+QNO: 1") + line("hello") + b"x" * (MAX_LINE + 1) + b"\r\n" + line('+QIURC: "closed",3'))
    world.wait(1.0)
    found = figures(world)
    assert (found.unparsed, found.overlong) == (2, 1)


def test_the_event_queue() -> None:
    world = World()
    world.link.events.limit = 3
    world.say(line('+QIURC: "closed",3') * 5)
    world.wait(1.0)
    assert figures(world).buffers["events"] == Level(3, 3, 2)


def test_inboxes_and_what_they_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for connect_id in (0, 1):
        commanded(world, "push", connect_id=connect_id)
    world.say(recv_urc(b"12345") + recv_urc(b"123", 1))
    world.wait(1.0)
    assert figures(world).buffers["commanded_inbox"] == Level(5, inbox.PUSH_INBOX, 0)
    monkeypatch.setattr("fcm360w.channel.PUSH_INBOX", 6)
    world.say(recv_urc(b"67890"))
    world.wait(1.0)
    assert figures(world).buffers["commanded_inbox"][::2] == (6, 4)


def test_transparent_buffers() -> None:
    world = World()
    stream = transparent(world)
    world.say(b"hello" + NO_CARRIER)
    world.wait(0.1)
    levels = figures(world).buffers
    assert levels["transparent_inbox"].high_water == 5
    assert levels["withheld"].high_water == len(NO_CARRIER)
    for _ in range(40):
        world.say(bytes(65536), 0.0)
    world.wait(0.2)
    driver = world.start(stream.close(1.0))
    for _ in range(100):
        world.say(bytes(65536), 0.5)
    world.wait(1.3)
    dropped = figures(world).buffers["transparent_inbox"].dropped
    assert dropped >= 100 * 65536
    assert figures(world).buffers["transparent_inbox"].high_water <= levels["transparent_inbox"].limit
    driver.turns.close()


def test_a_recovery_is_counted_as_the_commands_it_is() -> None:
    world = World()
    world.on("AT", OK)
    world.on("AT+QVERSION", answer("+QVERSION: 1"))
    world.drive(recovered(world.link))
    assert figures(world).commands == 2


# ---- what is made of it


def test_stats_do_not_change_afterwards() -> None:
    world = World()
    before = figures(world)
    world.on("AT", OK)
    world.run(system.Attention())
    assert (before.commands, before.latency.samples, sum(before.latency.buckets)) == (0, 0, 0)
    assert figures(world) != before
    with pytest.raises(AttributeError):
        before.commands = 1  # type: ignore[misc]


def test_as_dict_is_json() -> None:
    world = World()
    world.on("AT", OK)
    world.run(system.Attention())
    found = json.loads(json.dumps(figures(world).as_dict()))
    assert set(found) == set(Stats._fields)
    assert found["latency"] == {"samples": 1, "longest": pytest.approx(LATENCY), "buckets": {"16384": 1}}
    assert found["buffers"]["events"] == {"high_water": 0, "limit": 4096, "dropped": 0}


def test_a_mark_only_rises() -> None:
    mark = Mark(10)
    for level in (3, 7, 2):
        mark.rise(level)
    assert (mark.high_water, mark.limit, mark.dropped) == (7, 10, 0)
