"""What waits for the host, and a UDP socket that is made to look like a connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fcm360w.sim.inbox import MAX_DATAGRAM, RECEIVE_BUFFER, DatagramInbox, Piece, StreamInbox
from fcm360w.sim.udp import SEND_BUFFER, UdpConnection
from sim_bench import MemoryDatagrams, MemoryNetwork


@given(st.lists(st.one_of(st.binary(max_size=100), st.integers(0, 150))))
def test_a_stream_is_a_queue_of_bytes(steps: list[bytes | int]) -> None:
    inbox, expected, put = StreamInbox(), b"", 0
    for step in steps:
        if isinstance(step, bytes):
            inbox.put(step)
            expected, put = expected + step, max(put, len(expected) + len(step))
        else:
            assert inbox.take(step) == Piece(expected[:step])
            expected = expected[step:]
        assert (len(inbox), inbox.room()) == (len(expected), RECEIVE_BUFFER - len(expected))
    assert inbox.high_water <= put
    assert inbox.dropped == 0


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=9), st.integers(0, 12))))
def test_datagrams_are_never_joined(steps: list[bytes | int]) -> None:
    inbox, expected = DatagramInbox(whole=False), list[bytes]()
    for step in steps:
        if isinstance(step, bytes):
            inbox.put(step)
            expected.append(step)
        elif expected:
            assert inbox.take(step) == Piece(expected[0][:step])
            expected[0] = expected[0][step:]
            expected = expected if expected[0] else expected[1:]
        else:
            assert inbox.take(step) == Piece(b"")
        assert len(inbox) == sum(map(len, expected))


def test_whole_datagrams_come_with_their_sender() -> None:
    inbox = DatagramInbox(whole=True)
    inbox.put(b"hello", "10.0.0.9", 5000)
    inbox.put(b"again", "10.0.0.8", 5001)
    assert inbox.take(1) == Piece(b"hello", "10.0.0.9", 5000)
    assert inbox.take(1500) == Piece(b"again", "10.0.0.8", 5001)
    assert inbox.take(1500) == Piece(b"")


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    inbox = DatagramInbox(whole=True)
    for data in (b"", b"x" * (MAX_DATAGRAM + 1), b"x" * MAX_DATAGRAM):
        inbox.put(data)
    assert (len(inbox), inbox.dropped) == (MAX_DATAGRAM, 2)
    for _ in range(RECEIVE_BUFFER // MAX_DATAGRAM):
        inbox.put(b"x" * MAX_DATAGRAM)
    assert inbox.dropped == 3
    assert inbox.high_water == len(inbox) <= RECEIVE_BUFFER


def connection() -> tuple[UdpConnection, MemoryDatagrams]:
    network = MemoryNetwork()
    network.datagrams(4000)
    return UdpConnection(network.udp[4000], "10.0.0.9", 5000), network.udp[4000]


def test_a_socket_with_one_peer() -> None:
    link, inner = connection()
    assert (link.peer, link.peer_port, link.local_port, link.room()) == ("10.0.0.9", 5000, 4000, SEND_BUFFER)
    link.send(b"hello")
    link.send(b"")
    assert inner.sent == [(b"hello", "10.0.0.9", 5000), (b"", "10.0.0.9", 5000)]
    assert (link.accepted, link.outstanding(), link.high_water) == (5, 0, 0)
    inner.arrive(b"stranger", "10.0.0.8")
    assert link.readable
    assert link.receive(100) == b""
    inner.arrive(b"hello")
    assert link.receive(2) == b"hello", "whole, however little is asked for"
    link.close()
    assert inner._network.udp == {}


def test_a_full_system_is_waited_for() -> None:
    link, inner = connection()
    inner.full = True
    link.send(b"one")
    link.send(b"two")
    assert (link.outstanding(), link.room(), link.high_water) == (6, SEND_BUFFER - 6, 6)
    assert inner.sent == []
    inner.full = False
    assert link.room() == SEND_BUFFER
    assert [data for data, *_ in inner.sent] == [b"one", b"two"]
    assert link.finished()


def test_many_strangers_do_not_hold_up_the_module() -> None:
    link, inner = connection()
    for _ in range(1000):
        inner.arrive(b"stranger", "10.0.0.8")
    inner.arrive(b"hello")
    calls = 0
    while not (data := link.receive(100)):
        calls += 1
    assert (data, calls) == (b"hello", 3)
