"""Places that are elsewhere: for connections, for datagrams, for names; in memory, and with real sockets."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

import fcm360w
from fcm360w.commands.codes import SocketCode
from fcm360w.sim import Twin, parse_routes
from fcm360w.sim.network import Connection, Datagrams
from fcm360w.sim.routes import Place, RoutedNetwork
from freeport import free_port
from sim_bench import MemoryDatagrams, MemoryNetwork
from sim_host import CONNECT, OK, Host, Server, received


def test_reading_routes() -> None:
    assert parse_routes(["10.0.0.9:8009=127.0.0.1:9000", "Example.org:80=localhost:9001"]) == {
        ("10.0.0.9", 8009): ("127.0.0.1", 9000),
        ("example.org", 80): ("localhost", 9001),
    }
    assert parse_routes([]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.9:8009",
        "10.0.0.9=127.0.0.1",
        "10.0.0.9:8009=127.0.0.1",
        "10.0.0.9:0=127.0.0.1:9000",
        "10.0.0.9:8009=127.0.0.1:65536",
        "10.0.0.9:x=127.0.0.1:9000",
        ":80=127.0.0.1:9000",
        "a:80=b:81=c:82",
        "::1:80=127.0.0.1:9000",
        "10.0.0.9:+1=127.0.0.1:9000",
    ],
)
def test_what_is_no_route(text: str) -> None:
    with pytest.raises(ValueError, match=r"map=.*HOST:PORT=HOST:PORT"):
        parse_routes([text])


def test_two_routes_for_a_place() -> None:
    with pytest.raises(ValueError, match=r"A:80 goes to b:81 already"):
        parse_routes(["a:80=b:81", "A:80=c:82"])


# ---- in memory ------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, routes: dict[Place, Place]) -> None:
        self.inner = MemoryNetwork()
        self.network = RoutedNetwork(self.inner, routes)

    def connect(self, host: str, port: int) -> Connection:
        results: list[Connection | SocketCode] = []
        self.network.connect(host, port, 0, results.append)
        self.inner.settle()
        assert not isinstance(results[0], SocketCode)
        return results[0]

    def resolve(self, host: str) -> str:
        results: list[str] = []
        self.network.resolve(host, results.append)
        assert results == []
        self.inner.settle()
        return results[0]

    def datagrams(self) -> tuple[Datagrams, MemoryDatagrams]:
        link = self.network.datagrams(4000)
        assert not isinstance(link, SocketCode)
        return link, self.inner.udp[4000]


def test_connections() -> None:
    bench = Bench({("10.0.0.9", 8009): ("127.0.0.1", 9000), ("example.org", 80): ("somewhere", 9001)})
    for host, port in (("10.0.0.9", 8009), ("Example.ORG", 80), ("10.0.0.9", 8010), ("example.org", 81)):
        bench.connect(host, port)
    assert [asked[:2] for asked in bench.inner.asked] == [
        ("127.0.0.1", 9000),
        ("somewhere", 9001),
        ("10.0.0.9", 8010),
        ("example.org", 81),
    ]


def test_a_connection_shows_the_place_that_was_meant() -> None:
    bench = Bench({("10.0.0.9", 8009): ("127.0.0.1", 9000), ("example.org", 80): ("127.0.0.1", 9000)})
    link = bench.connect("10.0.0.9", 8009)
    assert (link.peer, link.peer_port) == ("10.0.0.9", 8009)
    link = bench.connect("example.org", 80)
    assert (link.peer, link.peer_port) == ("198.18.0.1", 80)


def test_a_name_that_has_a_route_is_not_looked_up() -> None:
    bench = Bench({("nowhere.invalid", 80): ("127.0.0.1", 9000), ("a.invalid", 80): ("127.0.0.1", 9001)})
    assert bench.resolve("Nowhere.invalid") == "198.18.0.2"
    assert bench.resolve("a.invalid") == "198.18.0.1"
    assert bench.resolve("example.org") == "10.0.0.9"
    bench.connect("198.18.0.2", 80)
    bench.connect("198.18.0.2", 81)
    assert [asked[:2] for asked in bench.inner.asked] == [("127.0.0.1", 9000), ("nowhere.invalid", 81)]


def test_a_connection_that_fails() -> None:
    bench = Bench({("10.0.0.9", 8009): ("127.0.0.1", 9000)})
    bench.inner.outcome = SocketCode.CONNECT_FAILED
    results: list[Connection | SocketCode] = []
    bench.network.connect("10.0.0.9", 8009, 0, results.append)
    bench.inner.settle()
    assert results == [SocketCode.CONNECT_FAILED]


def test_datagrams_and_their_answers() -> None:
    bench = Bench({("10.0.0.9", 53): ("127.0.0.1", 9000), ("10.0.0.8", 53): ("127.0.0.1", 9000)})
    link, inner = bench.datagrams()
    assert link.local_port == 4000
    inner.arrive(b"unasked", "127.0.0.1", 9000)
    assert link.receive() == (b"unasked", "10.0.0.9", 53), "the first place that it stands for"
    assert link.send(b"question", "10.0.0.8", 53)
    assert inner.sent == [(b"question", "127.0.0.1", 9000)]
    inner.arrive(b"answer", "127.0.0.1", 9000)
    assert link.readable
    assert link.receive() == (b"answer", "10.0.0.8", 53), "the place that was asked"
    assert not link.readable
    assert link.send(b"direct", "127.0.0.1", 9000)
    inner.arrive(b"answer", "127.0.0.1", 9000)
    assert link.receive() == (b"answer", "127.0.0.1", 9000)
    assert link.send(b"no route", "10.0.0.9", 54)
    inner.arrive(b"no route", "10.0.0.9", 54)
    assert link.receive() == (b"no route", "10.0.0.9", 54)
    assert link.receive() is None
    link.close()
    assert bench.inner.udp == {}


def test_datagrams_for_a_name() -> None:
    bench = Bench({("time.invalid", 123): ("example.org", 9000)})
    link, inner = bench.datagrams()
    address = "198.18.0.1"
    assert not link.send(b"question", address, 123), "example.org is still being looked up"
    assert bench.resolve("time.invalid") == address
    assert link.send(b"question", address, 123)
    assert link.send(b"lost", address, 124)
    assert inner.sent == [(b"question", "10.0.0.9", 9000)]
    inner.arrive(b"answer", "10.0.0.9", 9000)
    assert link.receive() == (b"answer", address, 123)


def test_datagrams_for_a_place_that_is_nowhere() -> None:
    bench = Bench({("10.0.0.9", 53): ("nowhere.invalid", 9000)})
    link, inner = bench.datagrams()
    bench.inner.settle()
    assert link.send(b"question", "10.0.0.9", 53)
    assert inner.sent == []


def test_a_port_that_cannot_be_had() -> None:
    bench = Bench({("10.0.0.9", 53): ("127.0.0.1", 9000)})
    bench.inner.local = SocketCode.PORT_BUSY
    assert bench.network.datagrams(4000) is SocketCode.PORT_BUSY
    assert bench.network.listen(4000, lambda connection: None) is SocketCode.PORT_BUSY


def test_listeners_are_where_they_are() -> None:
    bench = Bench({("10.0.0.9", 53): ("127.0.0.1", 9000)})
    arrived: list[Connection] = []
    assert not isinstance(bench.network.listen(7000, arrived.append), SocketCode)
    assert bench.inner.dial(7000) is arrived[0]


# ---- through a twin, with real sockets ------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_a_twin_with_routes_for_connections(server: Server) -> None:
    routes = {("203.0.113.9", 8009): ("localhost", server.port), ("broker.invalid", 1883): ("127.0.0.1", server.port)}
    with Twin(routes=routes) as twin:
        end = twin.attach()
        host = Host(end)
        host.join()
        host.ask(b'AT+QIOPEN=3,"TCP","203.0.113.9",8009', OK + b"\r\n+QIOPEN: 3,0\r\n")
        assert host.query(b"AT+QISTATE=3").startswith(b'+QISTATE: 3,"TCP","203.0.113.9",8009,')
        server.accept()
        host.ask(b'AT+QIOPEN=0,"TCP","broker.invalid",1883,0,2', CONNECT)
        host.send(b"hello")
        assert received(server.accept(), 5) == b"hello"
        end.close()


def test_routes_in_a_url(server: Server) -> None:
    with fcm360w.open(f"sim://?map=203.0.113.9:8009=127.0.0.1:{server.port},a.invalid:1=b.invalid:2") as module:
        module.wifi.join("hall", "open sesame")
        with module.stream("203.0.113.9", 8009) as stream:
            stream.sendall(b"hello")
            assert received(server.accept(), 5) == b"hello"
    with pytest.raises(fcm360w.UsageError, match=r"map=nonsense: not HOST:PORT=HOST:PORT"):
        fcm360w.open("sim://?map=nonsense")


@pytest.mark.parametrize("mapped", ["203.0.113.9", "time.invalid"])
def test_a_twin_with_routes_for_datagrams(mapped: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(20)
        with Twin(routes={(mapped, 123): link.getsockname()}) as twin:
            end = twin.attach()
            host = Host(end)
            host.join()
            host.ask(b'AT+QIOPEN=3,"UDP","%b",123,0,1' % mapped.encode(), OK + b"\r\n+QIOPEN: 3,0\r\n")
            host.ask(b"AT+QISEND=3,5", b"\r\n>")
            host.send(b"hello")
            host.expect(b"\r\nSEND OK\r\n")
            data, place = link.recvfrom(100)
            assert data == b"hello"
            link.sendto(b"world", ("127.0.0.1", place[1]))
            host.expect(b'\r\n+QIURC: "recv",3,5\r\nworld\r\n')
            end.close()


def test_a_service_is_answered_under_the_address_that_was_meant() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(20)
        with Twin(routes={("203.0.113.9", 123): link.getsockname()}) as twin:
            end = twin.attach()
            host = Host(end)
            host.join()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            host.ask(b'AT+QIOPEN=4,"UDP SERVICE","127.0.0.1",0,%d,1' % port, OK + b"\r\n+QIOPEN: 4,0\r\n")
            host.ask(b'AT+QISEND=4,5,"203.0.113.9",123', b"\r\n>")
            host.send(b"hello")
            host.expect(b"\r\nSEND OK\r\n")
            assert link.recvfrom(100) == (b"hello", ("127.0.0.1", port))
            link.sendto(b"world", ("127.0.0.1", port))
            host.expect(b'\r\n+QIURC: "recv",4,5,"203.0.113.9",123\r\nworld\r\n')
            end.close()


@pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux has all of 127.0.0.0/8")
def test_a_twin_that_others_can_reach() -> None:
    with Twin(bind="0.0.0.0") as twin:
        end = twin.attach()
        host = Host(end)
        host.join()
        port = free_port()
        host.ask(b'AT+QIOPEN=1,"TCP LISTENER","127.0.0.1",0,%d' % port, OK + b"\r\n+QIOPEN: 1,0\r\n")
        with socket.create_connection(("127.0.0.2", port), 20) as client:
            mine = client.getsockname()
            host.expect(b'\r\n+QIURC: "incoming",11,1,"%b",%d\r\n' % (mine[0].encode(), mine[1]))
        end.close()
