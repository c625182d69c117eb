"""An MQTT broker in memory, for the virtual world: what it says and reads is written here a second time, on purpose.

It has sessions, wills, retained messages and three qualities of service.  `deaf` are kinds of packets that it takes and
does not answer; `refusal` is its CONNACK, `users` are the passwords it asks for.  Time plays no part.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field

from fcm360w.sim.memory import MemoryNetwork, MemoryServer
from fcm360w.sim.pipes import MemoryPeer

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = range(8, 15)
LEVELS = {3: b"MQIsdp", 4: b"MQTT"}


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A packet as it crosses the wire."""
    length, digits = len(body), b""
    while True:
        digits += bytes([length % 128 + (128 if length >= 128 else 0)])
        length //= 128
        if not length:
            return bytes([kind * 16 + flags]) + digits + body


def word(number: int) -> bytes:
    return struct.pack(">H", number)


def text(data: bytes) -> bytes:
    return word(len(data)) + data


def message(
    topic: bytes, payload: bytes, qos: int = 0, name: int = 0, *, retain: bool = False, dup: bool = False
) -> bytes:
    """PUBLISH."""
    body = text(topic) + (word(name) if qos else b"") + payload
    return packet(PUBLISH, body, dup * 8 + qos * 2 + retain)


@dataclass(frozen=True)
class Seen:
    """A packet of the client's."""

    kind: int
    flags: int
    body: bytes


def split(data: bytes) -> tuple[list[Seen], bytes]:
    """The whole packets at the beginning, and the rest."""
    found: list[Seen] = []
    while len(data) > 1:
        length, shift, at = 0, 0, 1
        while at < len(data):
            length += (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                break
        else:
            break
        if len(data) < at + length:
            break
        found.append(Seen(data[0] >> 4, data[0] & 15, data[at : at + length]))
        data = data[at + length :]
    return found, data


def strings(data: bytes) -> list[bytes]:
    """Strings with their lengths before them, and nothing else."""
    found = []
    while data:
        size = int.from_bytes(data[:2])
        assert len(data) >= 2 + size
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


@dataclass(frozen=True)
class Post:
    """A message on its way."""

    topic: bytes
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass
class Connect:
    """What a CONNECT says."""

    level: int
    client_id: bytes
    keepalive: int
    clean: bool
    will: Post | None
    username: bytes | None
    password: bytes | None


def login(body: bytes) -> Connect:
    """Read a CONNECT, strictly."""
    size = int.from_bytes(body[:2])
    name, level, flags = body[2 : 2 + size], body[2 + size], body[3 + size]
    keepalive, rest = int.from_bytes(body[4 + size : 6 + size]), strings(body[6 + size :])
    assert LEVELS[level] == name
    assert not flags & 1
    client_id = rest.pop(0)
    will = Post(rest.pop(0), rest.pop(0), flags >> 3 & 3, bool(flags & 32)) if flags & 4 else None
    assert will or not flags & 0b111000
    username = rest.pop(0) if flags & 128 else None
    password = rest.pop(0) if flags & 64 else None
    assert not rest
    return Connect(level, client_id, keepalive, bool(flags & 2), will, username, password)


def covers(pattern: bytes, topic: bytes) -> bool:
    """Whether a subscription's topic covers another."""
    wanted, levels = pattern.split(b"/"), topic.split(b"/")
    for place, level in enumerate(wanted):
        if level == b"#":
            return True
        if place >= len(levels) or level not in (b"+", levels[place]):
            return False
    return len(wanted) == len(levels)


@dataclass
class Session:
    """What the broker knows of a client, connected or not."""

    topics: dict[bytes, int] = field(default_factory=dict)
    waiting: deque[Post] = field(default_factory=deque)
    flying: dict[int, Post] = field(default_factory=dict)
    got: set[int] = field(default_factory=set)  # at QoS 2, not yet released
    number: int = 0


class Broker:
    """`seen` has every packet of every client, in order; `logins` every CONNECT."""

    def __init__(self, network: MemoryNetwork, host: str = "10.0.0.9", port: int = 1883) -> None:
        self.refusal = 0
        self.limit = 2  # the highest QoS that is granted; a topic that begins with "no" gets none
        self.users: dict[bytes, bytes] = {}
        self.deaf: set[int] = set()
        self.seen: list[Seen] = []
        self.logins: list[Connect] = []
        self.posts: list[Post] = []
        self.retained: dict[bytes, Post] = {}
        self.sessions: dict[bytes, Session] = {}
        self.clients: dict[bytes, Attached] = {}
        self.server: MemoryServer = network.serve(host, port, lambda peer: self._met(peer))
        self.peers = self.server.peers

    def _met(self, peer: MemoryPeer) -> None:
        Attached(self, peer)

    def post(self, post: Post) -> None:
        """Give a message to whoever has subscribed to it."""
        self.posts.append(post)
        if post.retain:
            self.retained[post.topic] = post
        for name, session in self.sessions.items():
            granted = [qos for topic, qos in session.topics.items() if covers(topic, post.topic)]
            if granted:
                sent = Post(post.topic, post.payload, min(post.qos, max(granted)))
                self.deliver(name, session, sent)

    def deliver(self, name: bytes, session: Session, post: Post) -> None:
        client = self.clients.get(name)
        if client is None:
            if post.qos:
                session.waiting.append(post)
            return
        session.number = session.number % 65535 + 1 if post.qos else session.number
        if post.qos:
            session.flying[session.number] = post
        client.say(message(post.topic, post.payload, post.qos, session.number, retain=post.retain))

    def send(self, topic: bytes, payload: bytes, qos: int = 0, *, retain: bool = False) -> None:
        self.post(Post(topic, payload, qos, retain))

    def kinds(self) -> list[int]:
        return [packet.kind for packet in self.seen]


class Attached:
    """A connection."""

    def __init__(self, broker: Broker, peer: MemoryPeer) -> None:
        self.broker, self.peer = broker, peer
        self.login: Connect | None = None
        self.session = Session()
        self._rest = b""
        peer.on_data = self._read
        peer.on_end = self._lost

    def say(self, data: bytes) -> None:
        self.peer.send(data)

    def _read(self, data: bytes) -> None:
        found, self._rest = split(self._rest + data)
        for seen in found:
            self.broker.seen.append(seen)
            if seen.kind not in self.broker.deaf:
                TAKERS[seen.kind](self, seen)

    def _lost(self) -> None:
        if self.login is None:
            return
        if self.broker.clients.get(self.login.client_id) is self:
            del self.broker.clients[self.login.client_id]
            if self.login.clean:
                self.broker.sessions.pop(self.login.client_id, None)
        if self.login.will:
            self.broker.post(self.login.will)
        self.login = None
        self.peer.close()

    def connect(self, seen: Seen) -> None:
        asked = login(seen.body)
        broker = self.broker
        broker.logins.append(asked)
        code = broker.refusal
        if broker.users and broker.users.get(asked.username or b"") != asked.password:
            code = 4
        if code:
            self.say(packet(CONNACK, bytes([0, code])))
            self.peer.close()
            return
        if old := broker.clients.pop(asked.client_id, None):
            old.peer.close()
        self.login = asked
        known = not asked.clean and asked.client_id in broker.sessions
        self.session = broker.sessions[asked.client_id] if known else Session()
        broker.sessions[asked.client_id] = self.session
        broker.clients[asked.client_id] = self
        self.say(packet(CONNACK, bytes([known, 0])))
        for number, post in self.session.flying.items():
            self.say(message(post.topic, post.payload, post.qos, number, dup=True))
        while self.session.waiting:
            broker.deliver(asked.client_id, self.session, self.session.waiting.popleft())

    def publish(self, seen: Seen) -> None:
        qos, size = seen.flags >> 1 & 3, int.from_bytes(seen.body[:2])
        topic, rest = seen.body[2 : 2 + size], seen.body[2 + size :]
        name = int.from_bytes(rest[:2]) if qos else 0
        post = Post(topic, rest[2:] if qos else rest, qos, bool(seen.flags & 1))
        if qos:
            assert name
            self.say(packet(PUBACK if qos == 1 else PUBREC, word(name)))
        if name not in self.session.got:
            self.broker.post(post)
        if qos == 2:
            self.session.got.add(name)

    def release(self, seen: Seen) -> None:
        assert seen.flags == 2
        self.session.got.discard(int.from_bytes(seen.body))
        self.say(packet(PUBCOMP, seen.body))

    def settled(self, seen: Seen) -> None:
        self.session.flying.pop(int.from_bytes(seen.body), None)

    def received(self, seen: Seen) -> None:
        self.say(packet(PUBREL, seen.body, 2))

    def subscribe(self, seen: Seen) -> None:
        assert seen.flags == 2
        rest, codes = seen.body[2:], b""
        while rest:
            size = int.from_bytes(rest[:2])
            topic, qos = rest[2 : 2 + size], rest[2 + size]
            rest = rest[3 + size :]
            refused = topic.startswith(b"no")
            codes += bytes([128 if refused else min(qos, self.broker.limit)])
            if not refused:
                self.session.topics[topic] = min(qos, self.broker.limit)
        self.say(packet(SUBACK, seen.body[:2] + codes))
        for post in self.broker.retained.values():
            if any(covers(topic, post.topic) for topic in self.session.topics):
                self.say(message(post.topic, post.payload, retain=True))

    def unsubscribe(self, seen: Seen) -> None:
        assert seen.flags == 2
        for topic in strings(seen.body[2:]):
            self.session.topics.pop(topic, None)
        self.say(packet(UNSUBACK, seen.body[:2]))

    def ping(self, seen: Seen) -> None:
        self.say(packet(PINGRESP, b""))

    def leave(self, seen: Seen) -> None:
        if self.login:
            self.login.will = None
        self._lost()


TAKERS = {
    CONNECT: Attached.connect,
    PUBLISH: Attached.publish,
    PUBACK: Attached.settled,
    PUBREC: Attached.received,
    PUBREL: Attached.release,
    PUBCOMP: Attached.settled,
    SUBSCRIBE: Attached.subscribe,
    UNSUBSCRIBE: Attached.unsubscribe,
    PINGREQ: Attached.ping,
    DISCONNECT: Attached.leave,
}
