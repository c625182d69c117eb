"""The network in memory: what arrives when, what is acknowledged, and every way to fail."""

from __future__ import annotations

from typing import Any

import pytest

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.memory import CONNECT_PATIENCE, MemoryDatagrams, MemoryListening, MemoryNetwork
from fcm360w.sim.network import Connection, Datagrams, Listening, Network
from fcm360w.sim.pipes import SEND_BUFFER, WINDOW, MemoryConnection, MemoryPeer

LATENCY = 0.1
HOST = "10.0.0.9"


class Bench:
    """A network, and time."""

    def __init__(self, **options: Any) -> None:
        self.network = MemoryNetwork(latency=LATENCY, **options)
        self.results: list[Any] = []
        self.found: list[str] = []

    def wait(self, seconds: float = 10 * LATENCY) -> None:
        """Let time pass, with a stop at each thing that happens."""
        end = self.network.now + seconds
        while (due := self.network.deadline()) is not None and due <= end:
            self.network.tick(max(due, self.network.now))
        self.network.tick(end)

    def connect(self, host: str = HOST, port: int = 8009, local_port: int = 0) -> Any:
        return self.network.connect(host, port, local_port, self.results.append)

    def pair(self) -> tuple[MemoryConnection, MemoryPeer]:
        """A connection and its peer."""
        server = self.network.serve(HOST, 8009)
        self.connect()
        self.wait()
        assert isinstance(self.results[-1], MemoryConnection)
        return self.results[-1], server.peers[-1]


def drained(connection: MemoryConnection) -> bytes:
    """All that has come."""
    data = b""
    while connection.readable and (piece := connection.receive(1000)):
        data += piece
    return data


def test_it_is_a_network() -> None:
    network: Network = MemoryNetwork()
    listening = network.listen(0, lambda connection: None)
    bound = network.datagrams(0)
    assert not isinstance(listening, SocketCode)
    assert not isinstance(bound, SocketCode)
    parts: tuple[Listening, Datagrams] = (listening, bound)
    assert all(part.local_port for part in parts)


# ---- connecting


def test_a_connection_takes_a_round_trip() -> None:
    bench = Bench()
    bench.network.serve(HOST, 8009)
    bench.connect()
    bench.wait(1.9 * LATENCY)
    assert not bench.results
    bench.wait(0.2 * LATENCY)
    connection: Connection = bench.results[0]
    assert (connection.peer, connection.peer_port, connection.local_port) == (HOST, 8009, 49152)


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [(HOST, 1, SocketCode.CONNECT_FAILED), ("nobody.example", 8009, SocketCode.DNS_FAILED)],
)
def test_refused(host: str, port: int, code: SocketCode) -> None:
    bench = Bench()
    bench.network.serve(HOST, 8009)
    bench.connect(host, port)
    assert not bench.results
    bench.wait()
    assert bench.results == [code]


def test_a_host_that_is_cut_off_is_given_up_after_a_time() -> None:
    bench = Bench()
    server = bench.network.serve(HOST, 8009)
    bench.network.cut(HOST)
    bench.connect()
    bench.wait(CONNECT_PATIENCE - 1)
    assert not bench.results
    bench.wait(2)
    assert bench.results == [SocketCode.CONNECT_FAILED]
    bench.network.mend(HOST)
    bench.wait()
    assert not server.peers


def test_an_attempt_is_cancelled() -> None:
    bench = Bench()
    server = bench.network.serve(HOST, 8009)
    bench.connect(local_port=4000).cancel()
    late = bench.connect(local_port=4001)
    bench.wait(1.5 * LATENCY)
    late.cancel()
    bench.wait(200)
    assert not bench.results
    assert [peer.ended for peer in server.peers] == [True]
    bench.connect(local_port=4000)
    bench.connect(local_port=4001)
    bench.wait()
    assert len(bench.results) == 2


def test_a_local_port_serves_once() -> None:
    bench = Bench()
    bench.network.serve(HOST, 8009)
    bench.connect(local_port=4000)
    bench.connect(local_port=4000)
    bench.wait()
    code, connection = sorted(bench.results, key=lambda result: isinstance(result, MemoryConnection))
    assert code is SocketCode.PORT_BUSY
    connection.close()
    bench.connect(local_port=4000)
    bench.wait()
    assert isinstance(bench.results[-1], MemoryConnection)


def test_names() -> None:
    bench = Bench()
    server = bench.network.serve("logger.example", 80)
    bench.network.names["other.example"] = HOST
    for name in ("logger.example", "other.example", "nobody.example", HOST):
        bench.network.resolve(name, bench.found.append)
    bench.network.resolve(HOST, bench.found.append).cancel()
    bench.connect("logger.example", 80)
    bench.wait()
    assert bench.found == ["10.0.1.1", HOST, "", HOST]
    assert len(server.peers) == 1


def test_a_server_that_has_closed_refuses_and_keeps_what_it_has() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    server = bench.network.serve(HOST, 8009)
    server.close()
    bench.connect()
    bench.wait()
    assert bench.results[-1] is SocketCode.CONNECT_FAILED
    peer.send(b"still here")
    bench.wait()
    assert drained(connection) == b"still here"


def test_only_the_latest_server_of_a_place_is_forgotten() -> None:
    bench = Bench()
    first = bench.network.serve(HOST, 8009)
    second = bench.network.serve(HOST, 8009)
    first.close()
    bench.connect()
    bench.wait()
    assert len(second.peers) == 1
    assert first.closed


# ---- bytes


def test_bytes_both_ways() -> None:
    bench = Bench(jitter=LATENCY, seed=3)
    connection, peer = bench.pair()
    pieces: list[bytes] = []
    peer.on_data = pieces.append
    for number in range(50):
        connection.send(b"%d," % number)
        peer.send(b"%d;" % number)
    bench.wait()
    assert bytes(peer.received) == b"".join(pieces) == b"".join(b"%d," % number for number in range(50))
    assert drained(connection) == b"".join(b"%d;" % number for number in range(50))
    assert connection.outstanding() == 0
    assert (peer.address, peer.port) == ("10.0.0.7", connection.local_port)


def test_acknowledgements_can_lag() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    bench.network.ack_delay = 5.0
    connection.send(b"seven b")
    bench.wait(4.0)
    assert peer.received == b"seven b"
    assert connection.outstanding() == connection.accepted == 7
    connection.finish()
    assert not connection.finished()
    bench.wait(10.0)
    assert connection.outstanding() == 0
    assert connection.finished()


def test_a_peer_that_does_not_read_holds_the_module_up() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    peer.reading, peer.window = False, 1000
    connection.send(bytes(1000 + SEND_BUFFER))
    bench.wait()
    assert (peer.unread, len(peer.received), connection.outstanding()) == (1000, 0, SEND_BUFFER)
    assert connection.room() == 0
    assert connection.high_water == 1000 + SEND_BUFFER - 1000
    peer.reading = True
    bench.wait(200 * LATENCY)
    assert len(peer.received) == 1000 + SEND_BUFFER
    assert connection.room() == SEND_BUFFER


def test_a_module_that_does_not_read_holds_the_peer_up() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    peer.send(bytes(WINDOW + 500))
    bench.wait()
    assert peer.unsent == 500
    assert len(drained(connection)) == WINDOW
    bench.wait()
    assert len(drained(connection)) == 500


def test_a_cut_keeps_what_is_under_way() -> None:
    bench = Bench(jitter=LATENCY)
    connection, peer = bench.pair()
    connection.send(b"before ")
    bench.network.cut(HOST)
    connection.send(b"during ")
    bench.wait(60.0)
    assert not peer.received
    assert connection.outstanding() == 14
    bench.network.mend(HOST)
    connection.send(b"after")
    bench.wait()
    assert peer.received == b"before during after"
    assert connection.outstanding() == 0


# ---- ends


def test_the_peer_closes_after_its_last_byte() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    peer.send(b"bye")
    peer.close()
    peer.send(b"too late")
    bench.wait()
    assert connection.readable
    assert connection.receive(2) == b"by"
    assert connection.receive(2) == b"e"
    assert connection.receive(2) is None
    assert not connection.readable
    assert peer.closed
    connection.send(b"for nobody")
    bench.wait()
    assert connection.broken
    assert connection.outstanding() == 10
    assert connection.finished()


def test_half_a_close() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    peer.finish()
    bench.wait()
    assert connection.receive(9) is None
    connection.send(b"I know")
    bench.wait()
    assert peer.received == b"I know"
    assert not peer.ended


def test_a_close_with_bytes_unread_is_a_reset() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    peer.reading = False
    connection.send(b"unread")
    bench.wait()
    peer.close()
    bench.wait()
    assert connection.broken


def test_the_peer_resets() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    peer.send(b"a word")
    peer.reset()
    connection.send(b"lost")
    bench.wait()
    assert connection.receive(99) == b"a word"
    assert connection.receive(99) is None
    assert not peer.received
    assert connection.outstanding() == 4
    connection.close()


def test_the_module_finishes_in_order() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    ends: list[bool] = []
    peer.on_end = lambda: ends.append(peer.broken)
    peer.send(b"nobody reads this")
    connection.send(bytes(2 * WINDOW))
    connection.finish()
    assert not connection.finished()
    bench.wait()
    assert connection.finished()
    assert not connection.into.arrived
    assert (len(peer.received), ends) == (2 * WINDOW, [False])
    connection.close()
    connection.close()


def test_the_module_goes_with_bytes_outstanding() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    connection.send(b"perhaps")
    connection.close()
    bench.wait()
    assert peer.broken
    assert peer.ended
    peer.send(b"nobody")
    bench.wait()


def test_who_writes_to_one_that_has_gone_hears_of_it() -> None:
    bench = Bench()
    connection, peer = bench.pair()
    connection.close()
    bench.wait()
    assert not peer.broken
    assert peer.ended
    peer.send(b"nobody")
    bench.wait()
    assert peer.broken


# ---- listening


def test_clients_come_in() -> None:
    bench = Bench()
    arrived: list[Any] = []
    listening = bench.network.listen(7000, arrived.append)
    assert isinstance(listening, MemoryListening)
    peers = [bench.network.dial(7000), bench.network.dial(7000, "10.0.0.77")]
    peers[0].send(b"hello")
    bench.wait()
    assert [(each.peer, each.peer_port, each.local_port) for each in arrived] == [
        (HOST, 51000, 7000),
        ("10.0.0.77", 51001, 7000),
    ]
    assert drained(arrived[0]) == b"hello"
    arrived[1].send(b"and you")
    bench.wait()
    assert peers[1].received == b"and you"
    listening.close()
    late = bench.network.dial(7000)
    bench.wait()
    assert late.broken
    assert not peers[0].broken


def test_a_listener_s_port_is_its_own() -> None:
    bench = Bench()
    bench.network.serve(HOST, 8009)
    listening = bench.network.listen(7000, lambda connection: connection.close())
    assert isinstance(listening, MemoryListening)
    assert bench.network.listen(7000, bench.results.append) is SocketCode.PORT_BUSY
    peer = bench.network.dial(7000)
    bench.connect(local_port=7000)
    bench.wait()
    assert peer.ended
    assert bench.results == [SocketCode.PORT_BUSY]
    listening.close()
    assert isinstance(bench.network.listen(7000, bench.results.append), MemoryListening)


# ---- datagrams


def test_datagrams_keep_their_bounds() -> None:
    bench = Bench()
    bound = bench.network.datagrams(5000)
    assert isinstance(bound, MemoryDatagrams)
    assert bench.network.datagrams(5000) is SocketCode.PORT_BUSY
    host = bench.network.udp("sensor.example", 6000)
    address = bench.network.names["sensor.example"]
    assert bound.send(b"one", address, 6000)
    assert bound.send(b"two", address, 6000)
    assert bound.send(b"nobody", address, 6001)
    host.send(b"three", 5000)
    host.send(b"four", 5000)
    host.send(b"nobody", 5001)
    bench.wait()
    assert host.received == [(b"one", 5000), (b"two", 5000)]
    assert bound.readable
    assert bound.receive() == (b"three", address, 6000)
    assert bound.receive() == (b"four", address, 6000)
    assert bound.receive() is None
    bound.close()
    assert isinstance(bench.network.datagrams(5000), MemoryDatagrams)


def test_datagrams_nobody_reads_are_dropped_and_counted() -> None:
    bench = Bench()
    bound = bench.network.datagrams(0)
    assert isinstance(bound, MemoryDatagrams)
    host = bench.network.udp(HOST, 6000)
    for number in range(70):
        host.send(b"%d" % number, bound.local_port)
    bench.wait()
    assert bound.dropped == 6


def test_datagrams_get_lost_as_the_seed_says() -> None:
    def lost(seed: int) -> list[bytes]:
        bench = Bench(seed=seed)
        bench.network.loss = 0.5
        host = bench.network.udp(HOST, 6000)
        seen: list[bytes] = []
        host.on_data = lambda data, port: seen.append(data)
        bound = bench.network.datagrams(0)
        assert isinstance(bound, MemoryDatagrams)
        for number in range(100):
            bound.send(b"%d" % number, HOST, 6000)
        bench.wait()
        return seen

    assert 20 < len(lost(1)) < 80
    assert lost(1) == lost(1) != lost(2)


def test_a_cut_loses_datagrams() -> None:
    bench = Bench()
    host = bench.network.udp(HOST, 6000)
    bound = bench.network.datagrams(0)
    assert isinstance(bound, MemoryDatagrams)
    bench.network.cut(HOST)
    bound.send(b"gone", HOST, 6000)
    bench.network.mend(HOST)
    bound.send(b"here", HOST, 6000)
    bench.wait()
    assert host.received == [(b"here", bound.local_port)]
