"""The kernel as the twin's network, without a twin: every promise of sim.network against plain sockets."""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fcm360w.commands.codes import SocketCode
from fcm360w.sim import kernel
from fcm360w.sim.kernel import KernelNetwork
from fcm360w.sim.network import Connection, is_address
from fcm360w.sim.runner import Loop
from freeport import free_port
from sim_host import PATIENCE, Server, received, received_to_end

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux tells this")


class Bench:
    """A network and the loop that it needs."""

    def __init__(self, bind: str = kernel.LOOPBACK) -> None:
        self.loop = Loop()
        self.network = KernelNetwork(self.loop.selector, self.loop.post, bind)
        self.network.tick(100.0)

    def until(self, condition: Callable[[], object]) -> None:
        """Turn the loop until something holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            self.loop.turn(0.01)
            self.network.tick(100.0)

    def connect(self, host: str, port: int, local_port: int = 0) -> Connection | SocketCode:
        results: list[Connection | SocketCode] = []
        self.network.connect(host, port, local_port, results.append)
        assert results == [], "later, even if it is known at once"
        self.until(lambda: results)
        return results[0]

    def connected(self, server: Server) -> Connection:
        connection = self.connect("127.0.0.1", server.port)
        assert not isinstance(connection, SocketCode)
        return connection


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.network.close()
    bench.loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def datagrams() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(PATIENCE)
        yield link


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("10.0.0.9", True),
        ("255.255.255.255", True),
        ("0.0.0.0", True),
        ("10.0.0.256", False),
        ("10.0.0", False),
        ("10.0.0.9.1", False),
        ("010.0.0.9", False),
        ("10.0.0.", False),
        ("10.0.0.-1", False),
        ("10.0.0.²", False),
        ("9" * 5000 + ".0.0.1", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_addresses(host: str, good: bool) -> None:
    assert is_address(host) is good


# ---- connections ----------------------------------------------------------------------------------------------------


def test_a_connection_and_both_its_ends(bench: Bench, server: Server) -> None:
    connection = bench.connected(server)
    link = server.accept()
    assert (connection.peer, connection.peer_port) == link.getsockname()
    assert connection.local_port == link.getpeername()[1]
    assert not connection.readable
    connection.send(b"hello")
    assert received(link, 5) == b"hello"
    assert connection.accepted == 5
    link.sendall(b"world")
    bench.until(lambda: connection.readable)
    assert connection.receive(2) == b"wo"
    assert connection.receive(65536) == b"rld"
    assert connection.receive(65536) == b""
    link.close()
    bench.until(lambda: connection.readable)
    assert connection.receive(65536) is None
    assert connection.receive(65536) is None
    connection.close()


@LINUX
def test_what_waits_keeps_the_limits_of_its_packets(bench: Bench) -> None:
    """Packets that the kernel had no room for arrive as segments of their own all the same."""
    server = Server(4096)
    connection = bench.connected(server)
    link = server.accept()
    total = 0
    while connection.room() > 40_000:
        connection.send(b"x" * 1000)
        total += 1000
    assert connection.high_water >= 24_000
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(received(link, total)))
    reader.start()
    bench.until(lambda: not connection.outstanding() and not reader.is_alive())
    assert len(got[0]) == total
    assert segments_in(link) >= total // 1000
    connection.close()
    server.close()


def segments_in(link: socket.socket) -> int:
    """Segments with data that Linux has received on a connection."""
    count: int = struct.unpack_from("I", link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)[0]
    return count


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_connection_that_is_refused(bench: Bench, host: str) -> None:
    port = free_port()
    assert bench.connect(host, port) is SocketCode.CONNECT_FAILED


def test_a_connection_that_cannot_be(bench: Bench, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench.connect("255.255.255.255", 80) is SocketCode.CONNECT_FAILED
    assert bench.connect("127.0.0.1", 80, server.port) is SocketCode.PORT_BUSY
    monkeypatch.setattr(kernel.socket, "socket", no_descriptor)
    assert bench.connect("127.0.0.1", server.port) is SocketCode.CREATE_FAILED
    assert isinstance(bench.network.datagrams(0), SocketCode)
    assert bench.network.listen(0, lambda connection: None) is SocketCode.CREATE_FAILED


def no_descriptor(*_: object) -> None:
    raise OSError(errno.EMFILE, "no descriptor")


def test_a_connection_that_never_comes_about() -> None:
    with selectors.DefaultSelector() as selector:
        network = KernelNetwork(selector, lambda action: None)
        network.tick(100.0)
        results: list[object] = []
        network.connect("a-name-that-nobody-resolves.invalid", 80, 0, results.append)
        assert network.deadline() == 250.0
        network.tick(249.9)
        assert results == []
        network.tick(250.0)
        assert results == [SocketCode.CONNECT_FAILED]
        assert network.deadline() is None


def test_a_connection_that_is_given_up(bench: Bench, server: Server) -> None:
    results: list[object] = []
    for host in ("127.0.0.1", "localhost"):
        bench.network.connect(host, server.port, 0, results.append).cancel()
    assert bench.network.deadline() is None
    bench.until(lambda: not bench.network.lookups)
    assert results == []


# ---- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "address"), [("localhost", "127.0.0.1"), ("no-such-name.invalid", ""), ("10.1.2.3", "10.1.2.3")]
)
def test_names(bench: Bench, host: str, address: str) -> None:
    results: list[str] = []
    bench.network.resolve(host, results.append)
    assert results == []
    bench.until(lambda: results)
    assert results == [address]


def test_lookups_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a thread that nobody can end; a cancelled one counts until it has."""
    answer = threading.Event()

    def slow(*_: object) -> list[object]:
        answer.wait(PATIENCE)
        raise socket.gaierror

    monkeypatch.setattr(kernel.socket, "getaddrinfo", slow)
    results: list[object] = []
    for i in range(kernel.LOOKUPS):
        attempt = bench.network.connect(f"host{i}.invalid", 80, 0, results.append)
        if i % 2:
            attempt.cancel()
    assert bench.connect("one.more.invalid", 80) is SocketCode.DNS_BUSY
    answer.set()
    bench.until(lambda: not bench.network.lookups)
    assert results == [SocketCode.DNS_FAILED] * (kernel.LOOKUPS // 2)
    assert bench.connect("one.more.invalid", 80) is SocketCode.DNS_FAILED


# ---- listeners ------------------------------------------------------------------------------------------------------


def test_a_listener_lets_clients_in(bench: Bench) -> None:
    arrived: list[Connection] = []
    listening = bench.network.listen(0, arrived.append)
    assert not isinstance(listening, SocketCode)
    with socket.create_connection(("127.0.0.1", listening.local_port), PATIENCE) as client:
        bench.until(lambda: arrived)
        assert (arrived[0].peer, arrived[0].peer_port) == client.getsockname()
        assert arrived[0].local_port == listening.local_port
        client.sendall(b"hello")
        bench.until(lambda: arrived[0].readable)
        assert arrived[0].receive(100) == b"hello"
        listening.close()
        arrived[0].send(b"still here")
        assert received(client, 10) == b"still here"
        arrived[0].close()
        assert received_to_end(client) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listening.local_port), PATIENCE)


def test_a_port_that_is_taken(bench: Bench, server: Server, datagrams: socket.socket) -> None:
    assert bench.network.listen(server.port, lambda connection: None) is SocketCode.PORT_BUSY
    assert bench.network.datagrams(datagrams.getsockname()[1]) is SocketCode.PORT_BUSY
    listening = bench.network.listen(0, lambda connection: None)
    assert not isinstance(listening, SocketCode)
    assert bench.network.listen(listening.local_port, lambda connection: None) is SocketCode.PORT_BUSY
    listening.close()
    again = bench.network.listen(listening.local_port, lambda connection: None)
    assert not isinstance(again, SocketCode)
    again.close()


def test_an_address_that_is_not_this_machines() -> None:
    elsewhere = Bench("192.0.2.1")
    assert elsewhere.network.listen(0, lambda connection: None) is SocketCode.BIND_FAILED
    assert elsewhere.network.datagrams(0) is SocketCode.BIND_FAILED
    elsewhere.loop.close()


def test_a_port_that_cannot_be_listened_at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, backlog: int = 0) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(socket.socket, "listen", refuse)
    assert bench.network.listen(0, lambda connection: None) is SocketCode.LISTEN_FAILED


def test_a_client_for_whom_there_is_no_descriptor_comes_in_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived: list[Connection] = []
    listening = bench.network.listen(0, arrived.append)
    assert not isinstance(listening, SocketCode)
    accept, refused = socket.socket.accept, []

    def scarce(self: socket.socket) -> tuple[socket.socket, object]:
        if len(refused) < 3:
            refused.append(self)
            raise OSError(errno.EMFILE, "no descriptor")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", scarce)
    with socket.create_connection(("127.0.0.1", listening.local_port), PATIENCE):
        bench.until(lambda: arrived)
    assert len(refused) == 3
    arrived[0].close()
    listening.close()


def test_only_this_machine_can_reach_a_listener_or_service(bench: Bench) -> None:
    listening, service = bench.network.listen(0, lambda connection: None), bench.network.datagrams(0)
    client = bench.network.datagrams(0, client=True)
    for end, address in ((listening, "127.0.0.1"), (service, "127.0.0.1"), (client, "0.0.0.0")):
        assert not isinstance(end, SocketCode)
        assert end._link.getsockname()[0] == address  # type: ignore[attr-defined]
        end.close()


# ---- datagrams ------------------------------------------------------------------------------------------------------


def test_datagrams_both_ways(bench: Bench, datagrams: socket.socket) -> None:
    mine = bench.network.datagrams(0)
    assert not isinstance(mine, SocketCode)
    assert not mine.readable
    assert mine.receive() is None
    place = datagrams.getsockname()
    for data in (b"one", b"", b"x" * 60_000):
        assert mine.send(data, *place)
        assert datagrams.recvfrom(65536) == (data, ("127.0.0.1", mine.local_port))
    for data in (b"one", b"", b"x" * 60_000):
        datagrams.sendto(data, ("127.0.0.1", mine.local_port))
        bench.until(lambda: mine.readable)
        assert mine.receive() == (data, *place)
    assert mine.receive() is None
    assert not mine.readable
    mine.close()


def test_datagrams_that_the_system_refuses_are_lost(bench: Bench) -> None:
    mine = bench.network.datagrams(0)
    assert not isinstance(mine, SocketCode)
    assert mine.send(b"x" * 65536, "127.0.0.1", 9)
    assert mine.send(b"x", "255.255.255.255", 9)
    mine.close()


def test_datagrams_that_find_no_room_are_not_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = bench.network.datagrams(0)
    assert not isinstance(mine, SocketCode)

    def full(self: socket.socket, *_: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(socket.socket, "sendto", full)
    assert not mine.send(b"x", "127.0.0.1", 9)
    mine.close()
