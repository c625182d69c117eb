"""What every kind of stream does."""

from __future__ import annotations

import pytest

from fcm360w import inbox
from fcm360w.channel import Channel
from fcm360w.errors import PeerClosed
from scripted import CONNECT, NO_CARRIER, OK, World, transparent
from streaming import CLOSED, GUARD, POLICY, commanded, counts, qird, receive_exactly, recv_urc


def test_the_face_of_a_channel_is_abstract() -> None:
    link = World().link
    bare = Channel(link, 0, inbox.Inbox(link.marks["commanded_inbox"]), False, ("", 0))
    with pytest.raises(TypeError):
        bare.send(memoryview(b""), None)


# ---- chunks


def chunk(world: World, stream: Channel, size: int = 4096) -> tuple[float, bytes]:
    buffer = bytearray(size)
    at, count = world.drive(stream.receive_chunk_into(memoryview(buffer), None))
    return at, bytes(buffer[:count])


KINDS = ("push", "transparent")


def opened(world: World, kind: str) -> Channel:
    return commanded(world, "push") if kind == "push" else transparent(world)


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_has_the_time_of_the_read_that_brought_it(kind: str) -> None:
    world = World()
    stream = opened(world, kind)
    begin = world.now
    for number in range(3):
        piece = b"%d" % number * 10
        world.say(recv_urc(piece) if kind == "push" else piece, 1.0 + number)
    world.wait(10.0)
    assert [chunk(world, stream) for _ in range(3)] == [(begin + 1.0 + n, b"%d" % n * 10) for n in range(3)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_that_is_waited_for_has_the_time_at_which_it_came(kind: str) -> None:
    world = World()
    stream = opened(world, kind)
    begin = world.now
    world.say(recv_urc(b"hello") if kind == "push" else b"hello", 2.5)
    assert chunk(world, stream) == (begin + 2.5, b"hello")
    assert world.now == begin + 2.5


def test_a_chunk_read_by_command_has_the_time_of_the_answer() -> None:
    world = World()
    stream = commanded(world, "buffer")
    begin = world.now
    world.say(recv_urc(), 1.0)
    world.on("AT+QIRD=0,1500", (2.0, qird(b"one")))
    assert chunk(world, stream) == (begin + 3.0, b"one")


def test_a_chunk_larger_than_asked_for_comes_in_pieces_of_one_time() -> None:
    world = World()
    stream = transparent(world)
    world.say(b"abcdef", 1.0)
    world.say(b"ghi", 2.0)
    world.wait(5.0)
    begin = world.now - 5.0
    assert [chunk(world, stream, 4) for _ in range(3)] == [
        (begin + 1.0, b"abcd"),
        (begin + 1.0, b"ef"),
        (begin + 2.0, b"ghi"),
    ]


def test_bytes_that_were_withheld_have_the_time_at_which_they_came() -> None:
    """A line end may be the beginning of NO CARRIER."""
    world = World()
    stream = transparent(world)
    begin = world.now
    world.say(b"abc\r\n", 1.0)
    world.say(b"def", 1.0 + POLICY.hold / 2)
    world.say(b"ghi\r\n", 2.0)
    world.wait(5.0)
    assert [chunk(world, stream) for _ in range(3)] == [
        (begin + 1.0, b"abc\r\n"),
        (begin + 1.0 + POLICY.hold / 2, b"def"),
        (begin + 2.0, b"ghi\r\n"),
    ]


def test_a_false_alarm_has_the_time_at_which_it_came() -> None:
    world = World()
    stream = transparent(world)
    begin = world.now
    world.say(NO_CARRIER, 1.0)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("ATO", CONNECT)
    world.say(b"more", 9.0)
    assert chunk(world, stream) == (begin + 1.0, NO_CARRIER)
    assert chunk(world, stream) == (begin + 9.0, b"more")


def test_chunks_and_plain_reads_share_a_stream() -> None:
    world = World()
    stream = transparent(world)
    begin = world.now
    for number in range(4):
        world.say(b"%d" % number * 4, float(number))
    world.wait(9.0)
    assert receive_exactly(world, stream, 6) == b"000011"
    assert chunk(world, stream) == (begin + 1.0, b"11")
    assert receive_exactly(world, stream, 4) == b"2222"
    assert chunk(world, stream) == (begin + 3.0, b"3333")


def test_the_end_comes_after_the_last_chunk() -> None:
    world = World()
    stream = commanded(world, "push")
    world.say(recv_urc(b"last") + CLOSED)
    counts(world, 0, seconds="1")
    assert chunk(world, stream)[1] == b"last"
    with pytest.raises(PeerClosed):
        chunk(world, stream)
