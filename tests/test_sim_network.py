"""The twin's sockets are the kernel's: all access modes against plain servers of this machine."""

from __future__ import annotations

import random
import select
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Iterator

import pytest

from fcm360w.commands.codes import SocketCode
from fcm360w.sim import Dialect, Twin
from fcm360w.sim.kernel import KernelNetwork
from sim_host import CONNECT, OK, Host, Server, received, received_to_end

EVERYTHING = bytes(range(256))
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux tells this")


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin() as twin:
        yield twin
    assert not any(thread.name == "fcm360w-sim" for thread in threading.enumerate())


@pytest.fixture
def host(twin: Twin) -> Iterator[Host]:
    end = twin.attach()
    host = Host(end)
    host.join()
    yield host
    end.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def narrow() -> Iterator[Server]:
    """A server that takes little from those it does not read from."""
    server = Server(4096)
    yield server
    server.close()


def test_buffer_mode(host: Host, server: Server) -> None:
    host.open(3, server.port)
    link = server.accept()
    host.ask(b"AT+QISEND=3,256", b"\r\n>")
    host.send(EVERYTHING)
    host.expect(b"\r\nSEND OK\r\n")
    assert received(link, 256) == EVERYTHING
    link.sendall(EVERYTHING)
    host.expect(b'\r\n+QIURC: "recv",3\r\n')
    host.ask(b"AT+QIRD=3,1500", b"\r\n+QIRD: 256\r\n" + EVERYTHING + b"\r\n" + OK)
    host.ask(b"AT+QIRD=3,1500", b"\r\n+QIRD: 0\r\n" + OK)
    link.close()
    host.expect(b'\r\n+QIURC: "closed",3\r\n')
    host.ask(b"AT+QICLOSE=3", OK)


def test_push_mode_passes_everything_in_order(host: Host, server: Server) -> None:
    data = random.Random(7).randbytes(300_000)
    host.open(3, server.port, 1)
    link = server.accept()

    def send() -> None:
        link.sendall(data)
        link.close()

    sender = threading.Thread(target=send)
    sender.start()
    got = bytearray()
    while (line := host.line()) != b'+QIURC: "closed",3':
        head, _, size = line.rpartition(b",")
        assert head == b'+QIURC: "recv",3'
        assert 1 <= int(size) <= 1460
        got += host.read(int(size))
        host.expect(b"\r\n")
    sender.join()
    assert got == data


def test_transparent_mode_both_ways_at_once(host: Host, server: Server, twin: Twin) -> None:
    up, down = random.Random(1).randbytes(1_000_000), random.Random(2).randbytes(1_000_000)
    host.open(0, server.port, 2)
    link = server.accept()
    got: list[bytes] = []
    workers = [
        threading.Thread(target=lambda: got.append(received(link, len(up)))),
        threading.Thread(target=link.sendall, args=(down,)),
        threading.Thread(target=host.send, args=(up,)),
    ]
    for worker in workers:
        worker.start()
    assert host.read(len(down)) == down
    for worker in workers:
        worker.join()
    assert got == [up]
    assert twin.stamps.to_network.count == len(up)
    assert twin.stamps.to_host.count == len(down)
    link.close()
    host.expect(b'\r\nNO CARRIER\r\n\r\n+QIURC: "closed",0\r\n')


def test_half_closing_peer_gets_the_rest(host: Host, server: Server) -> None:
    """The end of one direction ends data mode, but not what was sent before it."""
    host.open(0, server.port, 2)
    link = server.accept()
    host.send(b"x" * 100)
    link.sendall(b"bye")
    link.shutdown(socket.SHUT_WR)
    host.expect(b'bye\r\nNO CARRIER\r\n\r\n+QIURC: "closed",0\r\n')
    host.ask(b"AT+QICLOSE=0", OK)
    assert received_to_end(link) == b"x" * 100


def test_close_delivers_what_was_sent(host: Host, server: Server) -> None:
    data = random.Random(3).randbytes(200_000)
    host.open(0, server.port, 2)
    link = server.accept()
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(received_to_end(link)))
    reader.start()
    host.send(data)
    host.leave_data_mode()
    link.sendall(b"never read by the host")
    host.expect(b'\r\n+QIURC: "recv",0\r\n')
    host.ask(b"AT+QICLOSE=0", OK)
    reader.join()
    assert got == [data]
    host.ask(b"AT+QISTATE", OK)


def fill(host: Host, number: int) -> int:
    """Send on a socket whose peer does not read until nothing more is taken; returns how much was."""
    total = 0
    while True:
        host.ask(b"AT+QISEND=%d,1460" % number, b"\r\n>")
        host.send(b"x" * 1460)
        final = host.line()
        if final == b"SEND FAIL":
            return total
        assert final == b"SEND OK"
        total += 1460


def counts(host: Host, number: int) -> list[int]:
    line = host.query(b"AT+QISEND=%d,0" % number)
    assert line.startswith(b"+QISEND: ")
    return [int(count) for count in line[9:].split(b",")]


@LINUX
def test_acknowledged_bytes_are_counted_by_the_kernel(host: Host, narrow: Server) -> None:
    host.open(3, narrow.port)
    link = narrow.accept()
    total = fill(host, 3)
    told, acknowledged, unacknowledged = counts(host, 3)
    assert told == total == acknowledged + unacknowledged
    assert unacknowledged >= 64 * 1024 - 1460, "at least the twin's own buffer waits"
    assert acknowledged > 0
    assert len(received(link, total)) == total
    while (now := counts(host, 3)) != [total, total, 0]:
        assert now[0] == total
        assert now[1] >= acknowledged


@LINUX
def test_the_end_mark_is_not_counted(host: Host, server: Server) -> None:
    """The kernel keeps our FIN in its send queue until it is acknowledged; it is no byte of the host's."""
    host.open(3, server.port)
    link = server.accept()
    host.ask(b'AT+QICFG="close/mode",1', OK)
    host.ask(b"AT+QISEND=3,5", b"\r\n>")
    host.send(b"hello")
    host.expect(b"\r\nSEND OK\r\n")
    while counts(host, 3) != [5, 5, 0]:
        pass
    host.send(b"AT+QICLOSE=3\rAT+QISEND=3,0\r")
    host.expect(OK + b"\r\n+QISEND: 5,5,0\r\n" + OK + b'\r\n+QIURC: "closed",3\r\n')
    assert received_to_end(link) == b"hello"


@LINUX
def test_what_a_reset_destroyed_is_not_acknowledged(host: Host, narrow: Server) -> None:
    host.open(3, narrow.port)
    link = narrow.accept()
    total = fill(host, 3)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()
    host.expect(b'\r\n+QIURC: "closed",3\r\n')
    told, acknowledged, unacknowledged = counts(host, 3)
    assert told == total == acknowledged + unacknowledged
    assert unacknowledged >= 64 * 1024 - 1460
    host.ask(b"AT+QICLOSE=3", OK)


def test_close_gives_up_on_a_peer_that_does_not_read(host: Host, narrow: Server) -> None:
    """After the time-out the id is free, and the peer is not left to believe that it has everything."""
    host.open(3, narrow.port)
    link = narrow.accept()
    total = fill(host, 3)
    host.ask(b"AT+QICLOSE=3,1", OK)
    host.ask(b"AT+QISTATE", OK)
    with pytest.raises(ConnectionResetError):
        assert len(received_to_end(link)) < total


def test_a_connection_refused(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    host.ask(b'AT+QIOPEN=3,"TCP","127.0.0.1",%d' % port, OK + b"\r\n+QIOPEN: 3,564\r\n")
    host.ask(b'AT+QIOPEN=3,"TCP","127.0.0.1",%d,0,2' % port, b"\r\nERROR\r\n")
    host.ask(b"AT+QIGETERROR", b'\r\n+QIGETERROR: 564,"Socket connect failed"\r\n' + OK)


def test_names(host: Host, server: Server) -> None:
    host.ask(b'AT+QIOPEN=3,"TCP","localhost",%d' % server.port, OK + b"\r\n+QIOPEN: 3,0\r\n")
    assert host.query(b"AT+QISTATE=3").startswith(b'+QISTATE: 3,"TCP","127.0.0.1",%d,' % server.port)
    host.ask(b'AT+QIOPEN=4,"TCP","no-such-name.invalid",80', OK + b"\r\n+QIOPEN: 4,563\r\n")
    host.ask(b'AT+QIOPEN=4,"TCP","%b",80' % (b"x" * 300), OK + b"\r\n+QIOPEN: 4,563\r\n")


def test_local_port(host: Host, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host.ask(b'AT+QIOPEN=3,"TCP","127.0.0.1",%d,%d' % (server.port, port), OK + b"\r\n+QIOPEN: 3,570\r\n")
    for _ in range(2):
        host.ask(b'AT+QIOPEN=3,"TCP","127.0.0.1",%d,%d' % (server.port, port), OK + b"\r\n+QIOPEN: 3,0\r\n")
        link = server.accept()
        assert link.getpeername()[1] == port
        host.send(b"AT+QICLOSE=3\r")
        assert received_to_end(link) == b""
        link.close()
        host.expect(OK)


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


def test_twelve_at_once_and_again(host: Host, server: Server) -> None:
    for round_ in range(3):
        links = []
        for number in range(12):
            host.open(number, server.port, number % 2)
            links.append(server.accept())
        host.ask(b'AT+QIOPEN=5,"TCP","127.0.0.1",%d' % server.port, b"\r\nERROR\r\n")
        for number, link in enumerate(links):
            link.close()
            host.expect(b'\r\n+QIURC: "closed",%d\r\n' % number)
        for number in range(12):
            host.ask(b"AT+QICLOSE=%d" % number, OK)
        host.ask(b"AT+QISTATE", OK)
        assert round_ < 3


def test_restart_closes_the_connections(host: Host, server: Server) -> None:
    host.open(3, server.port)
    link = server.accept()
    host.ask(b"AT+QRST", OK + b"\r\nready\r\n")
    assert received_to_end(link) == b""
    host.ask(b"AT+QISTATE", OK)


def test_stop_closes_everything(server: Server) -> None:
    twin = Twin().start()
    end = twin.attach()
    host = Host(end)
    host.join()
    host.open(0, server.port, 2)
    link = server.accept()
    twin.stop()
    twin.stop()
    assert received_to_end(link) == b""
    end.setblocking(True)
    end.settimeout(20)
    assert end.recv(1) == b""
    end.close()
    with pytest.raises(OSError):
        twin.attach()
    with pytest.raises(OSError):
        Twin().attach()


def test_paced_line_is_full_in_both_directions(server: Server) -> None:
    """By the twin's own stamps; the server and the host are just fast enough."""
    size, baud = 40_000, 2_000_000
    with Twin(baud=baud) as twin:
        end = twin.attach()
        host = Host(end)
        host.join()
        host.open(0, server.port, 2)
        link = server.accept()
        link.sendall(EVERYTHING * (size // 256))
        assert host.read(size // 256 * 256) == EVERYTHING * (size // 256)
        host.send(EVERYTHING * (size // 256))
        assert received(link, size // 256 * 256) == EVERYTHING * (size // 256)
        for passage in (twin.stamps.to_host, twin.stamps.to_network):
            assert passage.count == size // 256 * 256
            assert 0.5 < passage.utilisation(baud) <= 1.0 + 1e-9
        end.close()


def test_the_server_waits_for_a_host_that_does_not_read(host: Host, server: Server, twin: Twin) -> None:
    data = random.Random(4).randbytes(20_000_000)
    host.open(0, server.port, 2)
    link = server.accept()
    link.setblocking(False)
    sent = 0
    while select.select([], [link], [], 0.5)[1]:
        sent += link.send(data[sent:])
    assert sent < len(data)
    link.close()
    assert host.read(sent) == data[:sent]
    host.expect(b'\r\nNO CARRIER\r\n\r\n+QIURC: "closed",0\r\n')
    assert twin.stats()["to_host_high_water"] <= 64 * 1024
    assert twin.stats()["host_high_water"] <= 64 * 1024


def test_the_rate_of_the_line_changes_after_the_answer() -> None:
    with Twin(baud=9600) as twin:
        end = twin.attach()
        host = Host(end)
        host.ask(b"AT+QSETBAND=115200,0", OK)
        host.ask(b"AT+QSETBAND?", b"\r\n+QSETBAND: 115200\r\n" + OK)
        assert twin.stats()["baud"] == 115200
        host.ask(b"AT+QRST", OK + b"\r\nready\r\n")
        assert twin.stats()["baud"] == 9600
        end.close()


def test_commands_in_one_piece(host: Host) -> None:
    """More than any buffer holds, all at once: the host is made to wait, nothing is lost."""
    sender = threading.Thread(target=host.send, args=(b"AT\r" * 25_000,))
    sender.start()
    assert host.read(25_000 * len(OK)) == OK * 25_000
    sender.join()


def test_a_loop_that_was_late_observed_no_silence(server: Server) -> None:
    """The escape arrives while the twin is kept from listening: nobody knows when, so it is data."""
    with Twin(dialect=Dialect(guard=0.3)) as twin:
        end = twin.attach()
        host = Host(end)
        host.join()
        host.open(0, server.port, 2)
        link = server.accept()
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            release.wait(20.0)

        threading.Event().wait(0.4)
        assert twin._machine is not None
        twin._machine.loop.post(hold)
        assert held.wait(20.0)
        host.send(b"+++")
        threading.Event().wait(0.1)
        release.set()
        assert received(link, 3) == b"+++"
        end.close()


def test_peer_that_closes_at_once(host: Host, server: Server) -> None:
    host.send(b'AT+QIOPEN=0,"TCP","127.0.0.1",%d,0,2\r' % server.port)
    host.expect(CONNECT)
    server.accept().close()
    host.expect(b'\r\nNO CARRIER\r\n\r\n+QIURC: "closed",0\r\n')
    host.ask(b"AT", OK)
