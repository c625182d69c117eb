"""The twin's MQTT packets.  What it writes is read by a second reader, in broker; what it reads is written there."""

from __future__ import annotations

import contextlib
import itertools
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import broker
from broker import packet, text, word
from fcm360w.sim.mqtt_codec import (
    DISCONNECT,
    KEPT,
    MAX_PAYLOAD,
    PINGREQ,
    Answer,
    Decoder,
    Kind,
    LastWill,
    Login,
    Malformed,
    Message,
    Packet,
    acknowledge,
    connect,
    publish,
    subscribe,
    unsubscribe,
)

IDS = st.integers(1, 65535)
QOS = st.integers(0, 2)
TOPICS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
BODIES = st.one_of(st.binary(max_size=300), st.integers(0, MAX_PAYLOAD).map(bytes))


def only(data: bytes) -> broker.Seen:
    """The one packet that this is."""
    found, rest = broker.split(data)
    assert (len(found), rest) == (1, b"")
    return found[0]


def read(pieces: Iterable[bytes]) -> list[Packet]:
    decoder = Decoder()
    return list(itertools.chain.from_iterable(decoder.feed(piece) for piece in pieces))


# ---- what is written


def test_the_examples_of_the_standard() -> None:
    assert connect(Login(4, "a", 60)) == b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"
    assert connect(Login(3, "a", 60)) == b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a"
    assert publish("a/b", b"hi", 1, False, 10) == b"\x32\x09\x00\x03a/b\x00\x0ahi"
    assert publish("a/b", b"hi", 1, True, 10, again=True) == b"\x3b\x09\x00\x03a/b\x00\x0ahi"
    assert publish("a/b", b"", 0, False, 10) == b"\x30\x05\x00\x03a/b"
    assert subscribe(10, [("a/b", 1), ("c/d", 2)]) == b"\x82\x0e\x00\x0a\x00\x03a/b\x01\x00\x03c/d\x02"
    assert unsubscribe(10, ["a/b", "c/d"]) == b"\xa2\x0c\x00\x0a\x00\x03a/b\x00\x03c/d"
    assert acknowledge(Kind.PUBACK, 10) == b"\x40\x02\x00\x0a"
    assert acknowledge(Kind.PUBREL, 10) == b"\x62\x02\x00\x0a"
    assert (PINGREQ, DISCONNECT) == (b"\xc0\x00", b"\xe0\x00")


@given(
    st.sampled_from([3, 4]),
    TOPICS,
    st.integers(0, 65535),
    st.booleans(),
    st.none() | st.tuples(TOPICS, st.binary(max_size=300), QOS, st.booleans()),
    st.none() | st.tuples(TOPICS, TOPICS),
)
def test_connect(
    version: int,
    client_id: str,
    keepalive: int,
    clean: bool,
    will: tuple[str, bytes, int, bool] | None,
    user: tuple[str, str] | None,
) -> None:
    name, word = user or (None, None)
    said = connect(Login(version, client_id, keepalive, clean, name, word, LastWill(*will) if will else None))
    seen = only(said)
    assert (seen.kind, seen.flags) == (broker.CONNECT, 0)
    last = broker.Post(will[0].encode(), *will[1:]) if will else None
    named = (name.encode(), word.encode()) if name is not None and word is not None else (None, None)
    assert broker.login(seen.body) == broker.Connect(version, client_id.encode(), keepalive, clean, last, *named)


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(Login(4, "a", username="b", password="hush"))


@given(TOPICS, BODIES, QOS, st.booleans(), st.booleans(), IDS)
def test_publish(topic: str, payload: bytes, qos: int, retain: bool, again: bool, number: int) -> None:
    said = publish(topic, payload, qos, retain, number, again=again)
    assert said == broker.message(topic.encode(), payload, qos, number, retain=retain, dup=again)


@given(IDS, st.lists(st.tuples(TOPICS, QOS), min_size=1, max_size=5))
def test_subscribe_and_unsubscribe(number: int, topics: list[tuple[str, int]]) -> None:
    body = word(number) + b"".join(text(topic.encode()) + bytes([qos]) for topic, qos in topics)
    assert subscribe(number, topics) == packet(broker.SUBSCRIBE, body, 2)
    names = [topic for topic, _ in topics]
    body = word(number) + b"".join(text(name.encode()) for name in names)
    assert unsubscribe(number, names) == packet(broker.UNSUBSCRIBE, body, 2)


# ---- what is read

ACKS = [Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP, Kind.UNSUBACK]
MESSAGES = st.builds(
    lambda topic, payload, qos, retain, again, number: Message(
        topic, payload, qos, retain, again, number if qos else 0
    ),
    TOPICS,
    BODIES,
    QOS,
    st.booleans(),
    st.booleans(),
    IDS,
)
ANSWERS = st.one_of(
    st.builds(lambda code, present: Answer(Kind.CONNACK, 0, (code,), present), st.integers(0, 255), st.booleans()),
    st.builds(Answer, st.sampled_from(ACKS), st.integers(0, 65535)),
    st.builds(
        lambda number, codes: Answer(Kind.SUBACK, number, tuple(codes)),
        IDS,
        st.lists(st.sampled_from([0, 1, 2, 128]), min_size=1, max_size=9),
    ),
    st.just(Answer(Kind.PINGRESP)),
)


def written(said: Packet) -> bytes:
    if isinstance(said, Message):
        assert said.payload is not None
        name = said.packet_id
        return broker.message(said.topic.encode(), said.payload, said.qos, name, retain=said.retain, dup=said.again)
    if said.kind is Kind.CONNACK:
        return packet(said.kind, bytes([said.present, *said.codes]))
    if said.kind is Kind.PINGRESP:
        return packet(said.kind, b"")
    return packet(said.kind, word(said.packet_id) + bytes(said.codes), 2 if said.kind is Kind.PUBREL else 0)


@given(st.lists(MESSAGES | ANSWERS, max_size=5), st.lists(st.integers(0, 2000), max_size=8))
def test_packets_are_the_same_however_they_are_cut(packets: list[Packet], cuts: list[int]) -> None:
    stream = b"".join(map(written, packets))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert read(stream[a:b] for a, b in itertools.pairwise(edges)) == packets


@given(st.lists(MESSAGES | ANSWERS, max_size=3))
def test_byte_by_byte(packets: list[Packet]) -> None:
    stream = b"".join(map(written, packets))
    assert read(stream[i : i + 1] for i in range(len(stream))) == packets


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_that_is_too_long_is_still_told_of(qos: int) -> None:
    longest = "t" * 65535
    for size in (MAX_PAYLOAD, MAX_PAYLOAD + 1, KEPT, 3_000_000):
        stream = broker.message(longest.encode(), bytes(size), qos, 7) + packet(broker.PINGRESP, b"")
        payload = bytes(size) if size == MAX_PAYLOAD else None
        expected = [Message(longest, payload, qos, packet_id=7 if qos else 0), Answer(Kind.PINGRESP)]
        assert read([stream]) == expected
        assert read(stream[i : i + 65537] for i in range(0, len(stream), 65537)) == expected


def test_a_packet_takes_no_more_memory_than_it_says() -> None:
    decoder = Decoder()
    head = bytes([broker.PUBLISH << 4]) + b"\xff\xff\xff\x7f"
    piece = text(b"t") + bytes(65536)
    tracemalloc.start()
    try:
        for data in (head, *[piece] * 200):
            assert list(decoder.feed(data)) == []
        assert tracemalloc.get_traced_memory()[1] < 4 * KEPT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x00",  # no such kind
        b"\xf0\x00",
        b"\x10\x00",  # a client's
        b"\x82\x05\x00\x01\x00\x00\x00",
        b"\x21\x02\x00\x00",  # flags
        b"\x60\x02\x00\x01",
        b"\x20\x03\x00\x00\x00",  # lengths
        b"\x20\x02\x02\x00",
        b"\x90\x02\x00\x01",
        b"\x90\x03\x00\x01\x03",
        b"\x40\x03\x00\x01\x00",
        b"\xd0\x01\x00",
        b"\x30\x00",  # a message without a topic
        b"\x30\x03\x00\x05a",
        b"\x32\x03\x00\x01a",  # and one without an id
        b"\x32\x05\x00\x01a\x00\x00",
        b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
        b"\x30\xff\xff\xff\xff",  # a length of five digits
    ],
)
def test_what_no_server_may_say(said: bytes) -> None:
    decoder = Decoder()
    found: list[Packet] = []
    with pytest.raises(Malformed):
        found.extend(decoder.feed(packet(broker.PINGRESP, b"") + said))
    assert found == [Answer(Kind.PINGRESP)]
    decoder = Decoder()
    with pytest.raises(Malformed):
        for i in range(len(said)):
            found.extend(decoder.feed(said[i : i + 1]))


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_noise_is_packets_or_malformed(pieces: list[bytes]) -> None:
    with contextlib.suppress(Malformed):
        read(pieces)
