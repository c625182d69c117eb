"""A week of logging in a world: a record each minute, and all that a week may bring; every record is accounted for.

What the peer acknowledged has arrived, once and in order; of what has not the logger knows that it may not.
"""

from __future__ import annotations

import contextlib
import random
from functools import partial

import pytest

from effort import AGAIN, CAMPAIGN
from fcm360w.errors import CommandTimeout, FCM360WError, PeerClosed, TransportError
from fcm360w.module import Module
from fcm360w.sim import World
from fcm360w.sim.pipes import MemoryPeer
from fcm360w.streams import Stream

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
WEEK, YEAR = 7 * DAY, 365 * DAY
SPAN = YEAR if CAMPAIGN else WEEK
PLACE = ("logger.example", 8009)
HOTSPOT = ("hall", "open sesame")
SIZE = 16


def record(number: int) -> bytes:
    """Fixed in length, so that a count of bytes is a count of records."""
    return b"%015d\n" % number


class Logger:
    """Sends records, connects anew when it must, and keeps what is known of each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sure: set[int] = set()
        self.doubtful: set[int] = set()
        self.missed: set[int] = set()
        self.openings = 0
        self._module: Module | None = None
        self._stream: Stream | None = None
        self._sent: list[int] = []
        self._known = 0

    def log(self, number: int) -> None:
        """A record is sent, or known to be missed."""
        try:
            stream = self._stream or self._open()
        except (FCM360WError, OSError):
            self._drop()
            self.missed.add(number)
            return
        self._sent.append(number)
        try:
            stream.sendall(record(number))
        except (FCM360WError, OSError) as error:
            self._lost(error)

    def check(self) -> None:
        """Find out what has arrived; a stream that has ended is one that nobody sends to."""
        if self._stream is None:
            return
        try:
            self._confirm(self._stream.verify().ackedbytes)
        except (FCM360WError, OSError) as error:
            self._lost(error)

    def end(self) -> None:
        if self._stream:
            report = self._stream.close()
            self._confirm(report.acknowledged or 0)
        self._settle()
        if self._module:
            self._module.close()

    def _open(self) -> Stream:
        if self._module is None:
            self._module = self.world.module()
        if self._module.wifi.addresses().ip == "0.0.0.0":
            self._module.wifi.join(*HOTSPOT)
        self._stream = self._module.stream(*PLACE, "push")
        self._sent, self._known = [], 0
        self.openings += 1
        return self._stream

    def _confirm(self, acknowledged: int) -> None:
        whole = acknowledged // SIZE
        self.sure.update(self._sent[self._known : whole])
        self._known = max(self._known, whole)

    def _settle(self) -> None:
        """Of what is not confirmed by now nobody will know more."""
        self.doubtful.update(self._sent[self._known :])
        self._sent, self._known = [], 0

    def _lost(self, error: Exception) -> None:
        if isinstance(error, PeerClosed):
            self._confirm(error.acknowledged or 0)
        self._settle()
        self._drop(error)

    def _drop(self, error: Exception | None = None) -> None:
        """Give the socket back; a port that died, or a module that does not answer, is opened anew."""
        stream, self._stream = self._stream, None
        try:
            if stream:
                stream.close(1.0)
        except (FCM360WError, OSError) as second:
            error = second if isinstance(second, (TransportError, CommandTimeout)) else error
        if self._module and isinstance(error, (TransportError, CommandTimeout)):
            with contextlib.suppress(FCM360WError, OSError):
                self._module.close()
            self._module = None


class FarEnd:
    """The server that keeps the records, and is restarted at times."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._peers: list[MemoryPeer] = []
        self._server = world.network.serve(*PLACE, self._peers.append)

    def restart(self, seconds: float) -> None:
        """Close everything, and be back after so many seconds."""
        self._server.close()
        for peer in self._peers:
            peer.close()
        self._world.after(seconds, self._come_back)

    def _come_back(self) -> None:
        if self._server.closed:
            self._server = self._world.network.serve(*PLACE, self._peers.append)

    def records(self) -> list[int]:
        """What has come, in the order it came; a piece of a record at a connection's end is none."""
        whole = (bytes(peer.received)[: len(peer.received) // SIZE * SIZE] for peer in self._peers)
        return [int(line) for data in whole for line in data.split()]


def trouble(world: World, far: FarEnd, kind: str, seconds: float) -> None:
    """One of the things that happen."""
    if kind == "hotspot":
        world.lose_ap()
        world.after(seconds, world.restore_ap)
    elif kind == "server":
        far.restart(seconds)
    elif kind == "power":
        world.power_cycle()
    else:
        world.unplug()


KINDS = ("hotspot", "server", "power", "port")


def plan(world: World, far: FarEnd, seed: int) -> int:
    """Let all kinds of trouble happen, about every four hours; how often."""
    chance = random.Random(seed)
    at, count = 0.0, 0
    while (at := at + chance.expovariate(1 / (4 * HOUR))) < SPAN - HOUR:
        kind = KINDS[count % len(KINDS)]
        world.after(at, partial(trouble, world, far, kind, chance.uniform(1, 600)))
        count += 1
    return count


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1] if AGAIN else [1, 2])
def test_every_record_is_accounted_for(seed: int) -> None:
    world = World(seed=seed)
    far = FarEnd(world)
    logger = Logger(world)
    count = plan(world, far, seed)
    numbers = range(int(SPAN / MINUTE))
    for number in numbers:
        logger.log(number)
        if number % 10 == 9:
            logger.check()
        world.wait_until(lambda: False, max(0.0, world.start + (number + 1) * MINUTE - world.now))
    logger.end()
    world.sleep(MINUTE)
    arrived = far.records()
    assert arrived == sorted(set(arrived)), "twice, or out of order"
    assert logger.sure <= set(arrived), "acknowledged, and has not arrived"
    assert set(arrived) <= logger.sure | logger.doubtful
    assert logger.sure | logger.doubtful | logger.missed == set(numbers), "lost without a word"
    assert not logger.sure & (logger.doubtful | logger.missed)
    assert not logger.doubtful & logger.missed
    assert count > len(KINDS) * 5
    assert logger.openings > count / 2
    assert len(logger.sure) > 0.9 * len(numbers)
    assert world.now - world.start >= SPAN
