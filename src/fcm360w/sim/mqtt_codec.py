"""The packets of MQTT 3.1 and 3.1.1, as a client writes and reads them: bytes in, packets out, no I/O and no time.

Every packet of the client is made by a function; what the server says comes out of a Decoder as a Packet.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
from collections.abc import Iterator, Sequence

from fcm360w.parameters import decode, encode

__all__ = [
    "DISCONNECT",
    "MAX_PAYLOAD",
    "PINGREQ",
    "Answer",
    "Decoder",
    "Kind",
    "LastWill",
    "Login",
    "Malformed",
    "Message",
    "Packet",
    "acknowledge",
    "connect",
    "publish",
    "subscribe",
    "unsubscribe",
]

MAX_PAYLOAD = 10240
LONGEST_STRING = 65535
KEPT = 2 + LONGEST_STRING + 2 + MAX_PAYLOAD  # of a packet's body; a longer one is a message that nobody takes
LONGEST_HEAD = 5
EXACTLY_ONCE = 2
NAMES = {3: b"MQIsdp", 4: b"MQTT"}
ACKNOWLEDGES = 0b0010  # the flags of what asks for an answer, and is no message


class Malformed(ValueError):
    """The server says what no server may."""


class Kind(enum.IntEnum):
    """Types of packets."""

    CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
    SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = range(8, 15)


# ---- what a client says ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class LastWill:
    """The message that the server publishes if the client is lost."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclasses.dataclass(frozen=True)
class Login:
    """Who a client is.  `version` is 3 (MQTT 3.1) or 4 (3.1.1), `keepalive` in seconds, 0 for none."""

    version: int
    client_id: str
    keepalive: int = 0
    clean: bool = True
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    will: LastWill | None = None


def connect(login: Login) -> bytes:
    """CONNECT."""
    will = login.will
    flags = login.clean << 1
    body = [_string(login.client_id)]
    if will:
        flags |= 1 << 2 | will.qos << 3 | will.retain << 5
        body += [_string(will.topic), _field(will.payload)]
    if login.username is not None:
        flags |= 1 << 7
        body.append(_string(login.username))
    if login.password is not None:
        flags |= 1 << 6
        body.append(_string(login.password))
    head = _field(NAMES[login.version]) + struct.pack("!BBH", login.version, flags, login.keepalive)
    return _packet(Kind.CONNECT, 0, head + b"".join(body))


def publish(topic: str, payload: bytes, qos: int, retain: bool, packet_id: int, *, again: bool = False) -> bytes:
    """PUBLISH; `again` if it was sent before.  At QoS 0 it has no id."""
    name = struct.pack("!H", packet_id) if qos else b""
    return _packet(Kind.PUBLISH, again << 3 | qos << 1 | retain, _string(topic) + name + payload)


def subscribe(packet_id: int, topics: Sequence[tuple[str, int]]) -> bytes:
    """SUBSCRIBE to topics, each with the QoS that is asked for."""
    body = b"".join(_string(topic) + bytes([qos]) for topic, qos in topics)
    return _packet(Kind.SUBSCRIBE, ACKNOWLEDGES, struct.pack("!H", packet_id) + body)


def unsubscribe(packet_id: int, topics: Sequence[str]) -> bytes:
    """UNSUBSCRIBE."""
    return _packet(Kind.UNSUBSCRIBE, ACKNOWLEDGES, struct.pack("!H", packet_id) + b"".join(map(_string, topics)))


def acknowledge(kind: Kind, packet_id: int) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return _packet(kind, ACKNOWLEDGES if kind is Kind.PUBREL else 0, struct.pack("!H", packet_id))


def _packet(kind: Kind, flags: int, body: bytes) -> bytes:
    return bytes([kind << 4 | flags]) + _length(len(body)) + body


def _length(count: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    digits = bytearray()
    while count > 127:
        digits.append(count & 127 | 128)
        count >>= 7
    digits.append(count)
    return bytes(digits)


def _string(text: str) -> bytes:
    return _field(encode(text))


def _field(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


PINGREQ = _packet(Kind.PINGREQ, 0, b"")
DISCONNECT = _packet(Kind.DISCONNECT, 0, b"")


# ---- what a server says ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Message:
    """PUBLISH.  `packet_id` is 0 at QoS 0; `payload` is None if it is longer than MAX_PAYLOAD."""

    topic: str
    payload: bytes | None
    qos: int = 0
    retain: bool = False
    again: bool = False
    packet_id: int = 0


@dataclasses.dataclass(frozen=True)
class Answer:
    """Any other packet.

    `codes`: the one of CONNACK, or what SUBACK grants for each topic.  `present`: the server of a CONNACK knows the
    session.
    """

    kind: Kind
    packet_id: int = 0
    codes: tuple[int, ...] = ()
    present: bool = False


Packet = Message | Answer
SIMPLE = (Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP, Kind.UNSUBACK)


class Decoder:
    """Puts the server's bytes together, however they are cut.  It keeps at most 76 KiB of a packet."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[int, int] | None = None  # the first byte, and the length of the body
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are complete with these bytes.  Raises Malformed, after those that are before."""
        start = 0
        while start < len(data):
            start += self._take(data, start)
            if self._head is None:
                self._read_head()
            if self._head and not self._skip and len(self._buffer) >= min(self._head[1], KEPT):
                yield self._finish(*self._head)

    def _take(self, data: bytes, start: int) -> int:
        """Keep what belongs to the packet and is wanted; how much that was."""
        if self._head is None:
            self._buffer.append(data[start])
            return 1
        wanted = min(self._head[1], KEPT) - len(self._buffer)
        piece = data[start : start + (wanted or self._skip)]
        if wanted:
            self._buffer += piece
        else:
            self._skip -= len(piece)
        return len(piece)

    def _read_head(self) -> None:
        """The type and the length, once both are there."""
        digits = self._buffer[1:]
        if not digits or digits[-1] > 127:
            if len(self._buffer) >= LONGEST_HEAD:
                raise Malformed("the length of a packet has more than four digits")
            return
        length = sum((digit & 127) << 7 * place for place, digit in enumerate(digits))
        self._head, self._skip = (self._buffer[0], length), max(0, length - KEPT)
        self._buffer.clear()

    def _finish(self, first: int, length: int) -> Packet:
        body = bytes(self._buffer)
        self._buffer.clear()
        self._head = None
        kind, flags = first >> 4, first & 15
        if kind == Kind.PUBLISH:
            return _message(flags, body, length)
        if kind not in ANSWERS or flags & 7 != (ACKNOWLEDGES if kind == Kind.PUBREL else 0):
            raise Malformed(f"packet {first:#04x}")
        return ANSWERS[Kind(kind)](Kind(kind), body)


def _message(flags: int, body: bytes, length: int) -> Message:
    qos = flags >> 1 & 3
    size = struct.unpack_from("!H", body)[0] if len(body) > 1 else length
    after = 2 + size + (2 if qos else 0)
    packet_id = int.from_bytes(body[2 + size : after])
    if qos > EXACTLY_ONCE or after > length or (qos and not packet_id):
        raise Malformed(f"message of {length} bytes with flags {flags:04b}")
    payload = body[after:] if length - after <= MAX_PAYLOAD else None
    return Message(decode(body[2 : 2 + size]), payload, qos, bool(flags & 1), bool(flags & 8), packet_id)


def _accepted(kind: Kind, body: bytes) -> Answer:
    if len(body) != 2 or body[0] > 1:
        raise Malformed(f"CONNACK {body.hex()}")
    return Answer(kind, codes=(body[1],), present=bool(body[0]))


def _granted(kind: Kind, body: bytes) -> Answer:
    if len(body) < 3 or any(code not in (0, 1, 2, 128) for code in body[2:]):
        raise Malformed(f"SUBACK {body[:16].hex()}")
    return Answer(kind, int.from_bytes(body[:2]), tuple(body[2:]))


def _simple(kind: Kind, body: bytes) -> Answer:
    if len(body) != 2:
        raise Malformed(f"{kind.name} {body[:16].hex()}")
    return Answer(kind, int.from_bytes(body))


def _empty(kind: Kind, body: bytes) -> Answer:
    if body:
        raise Malformed(f"{kind.name} with {len(body)} bytes")
    return Answer(kind)


ANSWERS = {Kind.CONNACK: _accepted, Kind.SUBACK: _granted, Kind.PINGRESP: _empty} | dict.fromkeys(SIMPLE, _simple)
