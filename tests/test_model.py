"""Driver and twin against a small model of the twelve sockets, by plays that nobody has thought of.

The model is what a user may rely on: bytes come once, in order, and whole; whatever is missing was reported; an id is
in use as long as its stream is, and the module goes on whatever happened.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from typing import Any

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from fcm360w.channel import Mode
from fcm360w.commands import system, tcp
from fcm360w.commands.wifi import StationChange, StationEvent
from fcm360w.errors import CommandError, CommandTimeout, PeerClosed, SocketLost, TransportLost, UsageError
from fcm360w.sim import World
from fcm360w.sim.pipes import MemoryPeer
from fcm360w.sim.steps import Printed
from fcm360w.streams import Stream
from fcm360w.wire import Reply
from scripted import TOKENS

PLACES = {"here": 0, "refuses.example": 564, "unknown.example": 563, "10.0.0.66": 564}
MODES: tuple[Mode, ...] = ("transparent", "push", "buffer")
IDS = 12
PATIENCE = 20.0
OPENING, CLOSING, BOOTING = 151.0, 11.0, 1.0
UNASKED: tuple[Reply, ...] = (
    StationEvent(StationChange.CONNECTED),
    tcp.IncomingFull(),
    Printed("+QNEWS: 1"),
)

DATA = st.lists(
    st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=20) | st.integers(1000, 4000).map(bytes),
    min_size=1,
    max_size=3,
).map(b"".join)


@dataclasses.dataclass
class Played:
    """One stream and its peer.  `sent` was handed to the stream, `told` to the peer, `got` was received."""

    stream: Stream
    mode: Mode
    peer: MemoryPeer
    sent: bytearray = dataclasses.field(default_factory=bytearray)
    told: bytearray = dataclasses.field(default_factory=bytearray)
    got: bytearray = dataclasses.field(default_factory=bytearray)
    ended: bool = False  # the peer has closed, after all that it was told
    broken: bool = False  # something else has come between: what is missing must be reported
    closing: bool = False  # a close was interrupted
    reported: bool = False  # an error said that the connection is no more

    @property
    def alive(self) -> bool:
        return self.stream.report is None

    @property
    def over(self) -> bool:
        return self.ended or self.broken

    @property
    def arrived(self) -> bytes:
        return bytes(self.peer.received + self.peer.into.arrived)

    def check(self) -> None:
        """What has arrived is what was sent, as far as it goes, on either side."""
        assert self.sent.startswith(self.arrived)
        assert self.told.startswith(self.got)

    def check_report(self) -> None:
        """What the report says is true, and what it does not say has not happened."""
        report = self.stream.report
        assert report
        assert report.sent == self.stream.sent <= len(self.sent)
        assert report.acknowledged is None or report.acknowledged <= len(self.arrived)
        assert report.uncertain or self.reported or len(self.arrived) == report.sent


class Sockets(RuleBasedStateMachine):
    """A play."""

    streams: Bundle[Played] = Bundle("streams")

    def __init__(self) -> None:
        super().__init__()
        self.peers: list[MemoryPeer] = []
        self.played: list[Played] = []
        self.busy = False

    @initialize(baud=st.sampled_from([None, 115200]), seed=st.integers(0, 99), jitter=st.sampled_from([0.0, 0.02]))
    def begin(self, baud: int | None, seed: int, jitter: float) -> None:
        self.world = World(baud=baud, seed=seed)
        self.world.network.jitter = jitter
        self.world.network.serve("here", 8009, self.peers.append)
        self.world.network.names["refuses.example"] = "10.0.0.55"
        self.world.network.cut("10.0.0.66")
        self.module = self.world.module()
        self.join()

    # ---- what the model knows

    @property
    def transparent(self) -> Played | None:
        """The stream that has the link to itself."""
        return next((each for each in self.played if each.mode == "transparent" and each.alive), None)

    @contextlib.contextmanager
    def interruptible(self) -> Any:
        """An interrupt that is planned comes in the middle of what is done, or not any more.

        What the module was told to do it may go on with, and serves nobody meanwhile.
        """
        self.busy = True
        try:
            yield
        except KeyboardInterrupt:
            self.busy = False
            self.world.sleep(CLOSING)
        finally:
            self.busy = False

    def interrupt(self) -> None:
        if self.busy:
            raise KeyboardInterrupt

    def free_link(self) -> bool:
        return self.transparent is None

    def may_use(self, played: Played) -> bool:
        return played in self.played and played.alive and self.transparent in (None, played)

    @property
    def joined(self) -> bool:
        return self.world.twin.radio.up

    @property
    def used(self) -> set[int]:
        """Ids that are somebody's."""
        return {each.stream.connect_id for each in self.played if each.alive and not each.closing}

    @contextlib.contextmanager
    def ending(self, played: Played) -> Any:
        """What is done may find that the stream has ended, if it may have ended."""
        try:
            yield
        except (PeerClosed, SocketLost):
            assert played.over or played.closing, "nobody has closed it"
            played.reported = True
            played.check_report()

    # ---- what a user does

    @precondition(free_link)
    @rule()
    def join(self) -> None:
        self.world.restore_ap()
        with self.interruptible():
            self.module.wifi.join("hall", "open sesame")
        self.lose_connections()

    @precondition(free_link)
    @rule(target=streams, mode=st.sampled_from(MODES), place=st.sampled_from([*["here"] * 5, *PLACES]))
    def open(self, mode: Mode, place: str) -> Any:
        opened = self.opened(mode, place)
        return opened or multiple()

    def opened(self, mode: Mode, place: str) -> Played | None:
        used, stream, joined = self.used, None, self.joined
        try:
            with self.interruptible():
                stream = self.module.stream(place, 8009, mode)
        except UsageError:
            assert len({each.stream.connect_id for each in self.played if each.alive}) == IDS
        except CommandError as refusal:
            self.check_refusal(refusal, place, joined)
        if stream is None:
            self.world.sleep(OPENING if PLACES[place] else 0.0)  # until then an opening that was interrupted may go on
            return None
        assert PLACES[place] == 0
        assert self.joined
        assert stream.connect_id not in used
        stream.settimeout(PATIENCE)
        self.played.append(Played(stream, mode, self.peers[-1]))
        return self.played[-1]

    def check_refusal(self, refusal: CommandError, place: str, joined: bool) -> None:
        without_wifi = 564 if place == "10.0.0.66" else 563
        assert refusal.code == (PLACES[place] if joined else without_wifi)

    @rule(played=streams, data=DATA)
    def send(self, played: Played, data: bytes) -> None:
        assume(self.may_use(played))
        begun = played.stream.sent
        with self.ending(played), self.interruptible():
            try:
                played.stream.sendall(data)
            except TimeoutError:
                assert not played.peer.reading
            finally:
                played.sent += data[: played.stream.sent - begun]

    @rule(played=streams)
    def receive(self, played: Played) -> None:
        assume(self.may_use(played))
        with self.ending(played):
            with self.interruptible():
                self.receive_some(played)
            return
        assert played.broken or played.told == played.got

    def receive_some(self, played: Played) -> None:
        try:
            got = played.stream.recv(5000)
        except TimeoutError:
            assert played.told == played.got
            assert not played.over
        else:
            assert got
            played.got += got

    @rule(played=streams)
    def close(self, played: Played) -> None:
        assume(self.may_use(played))
        played.closing = True
        with self.interruptible(), self.ending(played):
            played.stream.close()
            played.check_report()

    @precondition(free_link)
    @rule(target=streams, count=st.integers(4, IDS))
    def fill(self, count: int) -> Any:
        """Many at once."""
        return multiple(*filter(None, [self.opened("push", "here") for _ in range(count)]))

    @precondition(free_link)
    @rule()
    def run(self) -> None:
        used = self.used
        with self.interruptible():
            assert self.module.run(system.GetVersion()).version
            found = {info.connect_id for info in self.module.run(tcp.ListSockets())}
            assert found <= used | {each.stream.connect_id for each in self.played if each.closing}

    # ---- what others do

    @rule(played=streams, data=DATA)
    def tell(self, played: Played, data: bytes) -> None:
        if not played.peer.closed and not played.over:
            played.peer.send(data)
            played.told += data

    @rule(played=streams, reset=st.booleans())
    def peer_ends(self, played: Played, reset: bool) -> None:
        if played.over:
            return
        if reset:
            played.peer.reset()
        else:
            played.peer.close()
        played.ended, played.broken = not reset, reset

    @rule(played=streams, reading=st.booleans())
    def peer_reads(self, played: Played, reading: bool) -> None:
        played.peer.reading = reading

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.5, 5.0]))
    def acknowledge_later(self, seconds: float) -> None:
        self.world.network.ack_delay = seconds

    @rule(seconds=st.sampled_from([0.001, 0.02, 1.1, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.sleep(seconds)

    @rule(seconds=st.sampled_from([0.0, 0.0005, 0.002, 0.01, 0.1, 1.5]))
    def interrupt_soon(self, seconds: float) -> None:
        self.world.after(seconds, self.interrupt)

    @rule(line=st.sampled_from(UNASKED))
    def say_unasked(self, line: Reply) -> None:
        self.world.twin.notify(line)

    # ---- what befalls them

    def lose_connections(self) -> None:
        """Find out which, from the twin itself."""
        for each in self.played:
            socket = self.world.twin.sockets.find(each.stream.connect_id)
            each.broken = each.broken or (each.alive and not (socket and socket.connected))

    @rule()
    def lose_ap(self) -> None:
        self.world.lose_ap()
        self.lose_connections()

    @rule()
    def reboot(self) -> None:
        self.world.power_cycle()
        self.lose_connections()
        self.world.sleep(BOOTING)

    @rule(played=streams)
    def suspend(self, played: Played) -> None:
        """Commands in the middle of a stream."""
        assume(self.may_use(played))
        with self.ending(played), self.interruptible(), played.stream.suspended():
            assert self.module.run(system.GetVersion()).version

    @rule(played=streams)
    def verify(self, played: Played) -> None:
        assume(self.may_use(played))
        with self.ending(played), self.interruptible():
            sent = played.stream.verify()
            assert sent.total_send_length == played.stream.sent
            assert sent.ackedbytes <= len(played.arrived)

    @precondition(free_link)
    @rule()
    def recover(self) -> None:
        with self.interruptible():
            assert not self.module.recover().closed

    @precondition(free_link)
    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0]))
    def freeze(self, seconds: float) -> None:
        """The module stands still for a while, in the middle of a command."""
        self.world.frozen = True
        self.world.after(seconds, self.thaw)
        with contextlib.suppress(CommandTimeout), self.interruptible():
            assert self.module.run(system.GetVersion()).version
        self.world.sleep(seconds)

    def thaw(self) -> None:
        self.world.frozen = False

    @rule()
    def replug(self) -> None:
        """The port dies, and is opened anew."""
        self.world.unplug()
        self.module.events()
        with pytest.raises(TransportLost):
            self.module.run(system.GetVersion())
        self.module.close()
        used = [socket.id for socket in self.world.twin.sockets.every()]
        self.module = self.world.module()
        assert list(self.module.found.sockets) == used
        self.forget()

    def forget(self) -> None:
        """The streams of a module that is gone are dead."""
        for each in self.played:
            with pytest.raises((TransportLost, PeerClosed, UsageError)):
                each.stream.sendall(b"to whom?")
        self.played.clear()

    # ---- what holds always

    @invariant()
    def bytes_are_whole(self) -> None:
        for each in self.played:
            each.check()

    def teardown(self) -> None:
        if sys.exc_info()[0] or not hasattr(self, "module"):
            return
        self.world.network.ack_delay = 0.0
        self.thaw()
        self.world.sleep(2.0)
        for each in sorted(self.played, key=lambda each: each.mode != "transparent"):
            each.peer.reading = True
            with self.ending(each):
                each.stream.close()
            each.check_report()
        self.join()
        assert self.module.run(tcp.ListSockets()) == ()
        with self.module.stream("here", 8009, "push") as stream:
            stream.settimeout(PATIENCE)
            self.peers[-1].on_data = self.peers[-1].send
            stream.sendall(b"still alive")
            assert stream.recv(99) == b"still alive"
        self.module.close()
        self.world.sleep(60.0)
        self.bytes_are_whole()


TestSockets = pytest.mark.timeout(600)(Sockets.TestCase)
TestSockets.settings = settings(
    settings(),
    stateful_step_count=25,
    max_examples=settings().max_examples,
    report_multiple_bugs=False,
)
