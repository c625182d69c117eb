"""Transcripts on the twin: the host's bytes in, the module's compared, the world beyond it played as they say."""

from __future__ import annotations

import functools
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from broker import Broker, packet, word
from fcm360w.sim.dialect import find_dialect
from fcm360w.sim.hotspots import AccessPoint
from fcm360w.sim.mqtt_codec import Kind
from fcm360w.sim.pipes import MemoryPeer
from fcm360w.sim.world import World
from secure_peer import SecurePeer, server_context
from transcript import MOMENT, Act, Block, Host, Said, Step, decoded
from transcript_air import AIR_ACTS, AIR_CHECKS

BAUD = 115200
HOTSPOTS = (
    AccessPoint("hall", "open sesame"),
    AccessPoint("attic", rssi=-80, channel=11, bssid="02:00:5e:10:00:02", hidden=True),
)
SERVER, NAMED_SERVER, PORTS = "10.0.0.9", "logger.example", (8009, 8010)
SECURE_PORT = 8443
SILENT_HOST = "10.0.0.8"
UDP_PORTS = (5000, 5001)
Happening = tuple[re.Pattern[str], Callable[..., None]]


@functools.cache
def _server() -> ssl.SSLContext:
    """Whom the module meets at the port for TLS."""
    pytest.importorskip("cryptography", reason="platform: no cryptography")
    import certificates

    return server_context(certificates.server(NAMED_SERVER))


class Stage:
    """A twin in a world of its own."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.world = self._world()
        self.port = self.world.port()
        self.peers: list[MemoryPeer | SecurePeer] = []
        self.phone: Any = None
        self.packets: list[list[bytes]] = []
        network = self.world.network
        self.udp = {port: network.udp(SERVER, port) for port in UDP_PORTS}
        for port in PORTS:
            network.serve(SERVER, port, self._meet)
            network.serve(NAMED_SERVER, port, self._meet)
        network.serve(SERVER, SECURE_PORT, lambda peer: self._meet(SecurePeer(peer, _server())))
        self.broker = Broker(network, SERVER)
        network.cut(SILENT_HOST)

    def _world(self) -> World:
        options = dict(self.block.settings)
        quirks = [value for key, value in self.block.settings if key == "quirk"]
        try:
            dialect = find_dialect(options.get("dialect", "manual"), quirks)
            return World(HOTSPOTS, baud=int(options.get("baud", BAUD)), dialect=dialect, seed=None)
        except ValueError as error:
            raise self.block.wrong(self.block.line, str(error)) from error

    def _meet(self, peer: MemoryPeer | SecurePeer) -> None:
        self.peers.append(peer)
        self.packets.append([])
        peer.on_data = self.packets[-1].append

    # ---- playing

    def play(self) -> None:
        """The whole block.  TranscriptError if the module or a peer of it says anything else."""
        if self.block.before:
            self._prepare(self.block.before)
        for step, expected in exchanges(self.block.steps):
            said = self._do(step)
            if said != expected:
                raise self.block.wrong(step.line, f"after this the module says {said!r}, not {expected!r}")
        everybody = {f"peer {number}": got for number, got in enumerate(self.packets, 1)}
        everybody |= {f"udp {port}": host.received for port, host in self.udp.items()}
        for who, got in everybody.items():
            if got:
                raise self.block.wrong(self.block.line, f"{who} got {got}, of which nothing is said")

    def _prepare(self, setup: Block) -> None:
        """Play what was before, which is a block of its own and needs no comparison here."""
        for step, _ in exchanges(setup.steps):
            self._do(step)

    def go_through(self, steps: Iterable[Host | Act]) -> bytes:
        """Do all of that; what the module says to the last of it."""
        said = b""
        for step in steps:
            said = self._do(step)
        return said

    def _do(self, step: Host | Act) -> bytes:
        seconds = MOMENT
        if isinstance(step, Host):
            self._send(step.data)
        elif step.seconds is not None:
            seconds = step.seconds
        elif self._done(CHECKS, step):
            seconds = 0.0
        elif not self._done(ACTS, step):
            raise self.block.wrong(step.line, f"{step.words!r} is nothing that can happen")
        self.world.sleep(seconds)
        return self._read()

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.port.write(view, None) :]

    def _read(self) -> bytes:
        buffer, said = bytearray(1 << 16), b""
        while count := self.port.readinto(memoryview(buffer), 0):
            said += buffer[:count]
        return said

    # ---- what happens beside the serial line

    def _done(self, what: Sequence[Happening], step: Act) -> bool:
        """Whether this is one of these things; if so it is done."""
        for pattern, act in what:
            if match := pattern.fullmatch(step.words):
                act(self, step, *match.groups())
                return True
        return False

    def _peer(self, step: Act, number: str | None) -> int:
        index = int(number or len(self.peers)) - 1
        if not 0 <= index < len(self.peers):
            raise self.block.wrong(step.line, f"there is no peer {number or ''}")
        return index

    def peer_sends(self, step: Act, number: str | None, text: str) -> None:
        self.peers[self._peer(step, number)].send(decoded(text))

    def peer_closes(self, step: Act, number: str | None) -> None:
        self.peers[self._peer(step, number)].close()

    def peer_resets(self, step: Act, number: str | None) -> None:
        self.peers[self._peer(step, number)].reset()

    def peer_stops(self, step: Act, number: str | None) -> None:
        peer = self.peers[self._peer(step, number)]
        peer.reading, peer.window = False, 0

    def peer_got(self, step: Act, number: str | None, texts: str) -> None:
        self._compare(step, self.packets[self._peer(step, number)], [decoded(text) for text in QUOTED.findall(texts)])

    def peer_sees_end(self, step: Act, number: str | None) -> None:
        if not self.peers[self._peer(step, number)].ended:
            raise self.block.wrong(step.line, "the module has not closed")

    def _compare(self, step: Act, got: list[Any], wanted: list[Any]) -> None:
        if got != wanted:
            raise self.block.wrong(step.line, f"it got {got}")
        got.clear()

    def server_is_silent(self, step: Act) -> None:
        self.world.network.cut(SERVER)

    def server_is_back(self, step: Act) -> None:
        self.world.network.mend(SERVER)

    def client_calls(self, step: Act, port: str) -> None:
        self._meet(self.world.network.dial(int(port), SERVER))

    def udp_sends(self, step: Act, port: str, text: str, to: str) -> None:
        self.udp[int(port)].send(decoded(text), int(to))

    def udp_got(self, step: Act, port: str, text: str, origin: str) -> None:
        self._compare(step, self.udp[int(port)].received, [(decoded(text), int(origin))])

    def broker_sends(self, step: Act, topic: str, payload: str, qos: str | None) -> None:
        self.broker.send(decoded(topic), decoded(payload), int(qos or 0))

    def broker_closes(self, step: Act) -> None:
        self.broker.peers[-1].close()

    def broker_refuses(self, step: Act, code: str) -> None:
        self.broker.refusal = int(code)

    def broker_ignores(self, step: Act, kind: str) -> None:
        self.broker.deaf.add(Kind[kind])

    def broker_acknowledges(self, step: Act, number: str) -> None:
        self.broker.peers[-1].send(packet(Kind.PUBACK, word(int(number))))

    def broker_got(self, step: Act, topic: str, payload: str) -> None:
        got = [(post.topic, post.payload) for post in self.broker.posts]
        self._compare(step, got, [(decoded(topic), decoded(payload))])
        self.broker.posts.clear()

    def ap_lost(self, step: Act) -> None:
        for hotspot in HOTSPOTS:
            self.world.twin.lose_ap(hotspot.ssid)

    def ap_back(self, step: Act) -> None:
        for hotspot in HOTSPOTS:
            self.world.twin.restore_ap(hotspot.ssid, self.world.now)

    def guest_joins(self, step: Act) -> None:
        self.world.twin.ap_client(joins=True)

    def guest_leaves(self, step: Act) -> None:
        self.world.twin.ap_client(joins=False)

    def power_fails(self, step: Act) -> None:
        self.world.power_cycle()

    def host_baud(self, step: Act, rate: str) -> None:
        self.port.set_baud(int(rate))


QUOTED = re.compile(r'"([^"]*)"')


def _table(acts: dict[str, Callable[..., None]]) -> list[Happening]:
    return [(re.compile(pattern), act) for pattern, act in acts.items()]


ACTS = _table(
    {
        r'peer (?:(\d+) )?sends "([^"]*)"': Stage.peer_sends,
        r"peer (?:(\d+) )?closes": Stage.peer_closes,
        r"peer (?:(\d+) )?resets": Stage.peer_resets,
        r"peer (?:(\d+) )?stops reading": Stage.peer_stops,
        r"server is silent": Stage.server_is_silent,
        r"server is back": Stage.server_is_back,
        r"client calls (\d+)": Stage.client_calls,
        r'udp (\d+) sends "([^"]*)" to (\d+)': Stage.udp_sends,
        r'broker sends "([^"]*)" "([^"]*)"(?: at (\d))?': Stage.broker_sends,
        r"broker closes": Stage.broker_closes,
        r"broker refuses (\d)": Stage.broker_refuses,
        r"broker ignores (\w+)": Stage.broker_ignores,
        r"broker acknowledges (\d+)": Stage.broker_acknowledges,
        r"ap lost": Stage.ap_lost,
        r"ap back": Stage.ap_back,
        r"guest joins": Stage.guest_joins,
        r"guest leaves": Stage.guest_leaves,
        r"power fails": Stage.power_fails,
        r"host baud (\d+)": Stage.host_baud,
    }
    | AIR_ACTS
)
CHECKS = _table(
    {
        r'broker got "([^"]*)" "([^"]*)"': Stage.broker_got,
        r'peer (?:(\d+) )?got (nothing|"[^"]*"(?:, "[^"]*")*)': Stage.peer_got,
        r"peer (?:(\d+) )?sees the end": Stage.peer_sees_end,
        r'udp (\d+) got "([^"]*)" from (\d+)': Stage.udp_got,
    }
    | AIR_CHECKS
)


def exchanges(steps: Sequence[Step]) -> Iterator[tuple[Host | Act, bytes]]:
    """Whatever happens to the module, and what it says until the next thing happens."""
    cause: Host | Act | None = None
    said = b""
    for step in steps:
        if isinstance(step, Said):
            cause, said = cause or Act(step.line, f"wait {MOMENT}"), said + step.data
        elif isinstance(step, Host | Act):
            if cause:
                yield cause, said
            cause, said = step, b""
    if cause:
        yield cause, said
