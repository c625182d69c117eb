"""The twin's sockets are the kernel's: all access modes against plain servers of this machine."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator

import pytest

from fcm360w.sim import Dialect, Twin
from freeport import free_port
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
    port = free_port()
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


# ---- listeners and datagrams ----------------------------------------------------------------------------------------


def datagram_socket() -> socket.socket:
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("127.0.0.1", 0))
    link.settimeout(20)
    return link


def listen(host: Host, number: int, port: int, access: int = 0, kind: bytes = b"TCP LISTENER") -> None:
    line = b'AT+QIOPEN=%d,"%b","127.0.0.1",0,%d,%d' % (number, kind, port, access)
    host.ask(line, OK + b"\r\n+QIOPEN: %d,0\r\n" % number)


def test_clients_come_in(host: Host, twin: Twin) -> None:
    port = free_port()
    listen(host, 1, port, 1)
    with socket.create_connection(("127.0.0.1", port), 20) as first:
        mine = first.getsockname()[1]
        host.expect(b'\r\n+QIURC: "incoming",11,1,"127.0.0.1",%d\r\n' % mine)
        first.sendall(EVERYTHING)
        host.expect(b'\r\n+QIURC: "recv",11,256\r\n' + EVERYTHING + b"\r\n")
        state = host.query(b"AT+QISTATE=11")
        assert state == b'+QISTATE: 11,"TCP INCOMING","127.0.0.1",%d,%d,2,1,1,"uart1"' % (mine, port)
        host.ask(b"AT+QISEND=11,256", b"\r\n>")
        host.send(EVERYTHING)
        host.expect(b"\r\nSEND OK\r\n")
        assert received(first, 256) == EVERYTHING
    host.expect(b'\r\n+QIURC: "closed",11\r\n')
    host.ask(b"AT+QICLOSE=11", OK)
    host.ask(b"AT+QICLOSE=1", OK)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 20)
    assert twin.stats()["clients_waiting_high_water"] == 1


def test_more_clients_than_ids(host: Host, twin: Twin) -> None:
    port = free_port()
    listen(host, 1, port)
    clients = []
    for number in (11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 0):
        clients.append(socket.create_connection(("127.0.0.1", port), 20))
        mine = clients[-1].getsockname()[1]
        host.expect(b'\r\n+QIURC: "incoming",%d,1,"127.0.0.1",%d\r\n' % (number, mine))
    with socket.create_connection(("127.0.0.1", port), 20) as late:
        host.expect(b'\r\n+QIURC: "incoming full"\r\n')
        assert received_to_end(late) == b""
    assert twin.stats()["clients_turned_away"] == 1
    for client in clients:
        client.close()


def test_clients_that_wait_to_be_let_in(host: Host) -> None:
    port = free_port()
    host.ask(b'AT+QICFG="tcp/accept",0', OK)
    listen(host, 1, port)
    with (
        socket.create_connection(("127.0.0.1", port), 20) as first,
        socket.create_connection(("127.0.0.1", port), 20) as second,
    ):
        mine = first.getsockname()[1]
        first.sendall(b"hello")
        host.send(b"AT+QIACCEPT=1,1\r")
        while (answer := host.line()) == b"OK":
            host.send(b"AT+QIACCEPT=1,1\r")
        assert answer == b'+QIACCEPT: 11,"127.0.0.1",%d' % mine
        host.expect(OK + b'\r\n+QIURC: "incoming",11,1,"127.0.0.1",%d\r\n' % mine)
        host.expect(b'\r\n+QIURC: "recv",11\r\n')
        second.settimeout(0.01)
        while True:
            host.ask(b"AT+QIACCEPT=1,0", OK)
            with contextlib.suppress(TimeoutError):
                assert second.recv(1) == b""
                break


def test_ports_that_cannot_be_had(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host.ask(b'AT+QIOPEN=1,"TCP LISTENER","127.0.0.1",0,%d' % port, OK + b"\r\n+QIOPEN: 1,570\r\n")
    with datagram_socket() as link:
        port = link.getsockname()[1]
        host.ask(b'AT+QIOPEN=1,"UDP SERVICE","127.0.0.1",0,%d' % port, OK + b"\r\n+QIOPEN: 1,570\r\n")


def test_udp_service(host: Host) -> None:
    port = free_port(socket.SOCK_DGRAM)
    listen(host, 4, port, 0, b"UDP SERVICE")
    with datagram_socket() as link:
        mine = link.getsockname()[1]
        link.sendto(EVERYTHING, ("127.0.0.1", port))
        host.expect(b'\r\n+QIURC: "recv",4\r\n')
        host.ask(b"AT+QIRD=4", b'\r\n+QIRD: 256,"127.0.0.1",%d\r\n' % mine + EVERYTHING + b"\r\n" + OK)
        link.sendto(b"second", ("127.0.0.1", port))
        host.expect(b'\r\n+QIURC: "recv",4\r\n')
        host.ask(b"AT+QIRD=4,0", b"\r\n+QIRD: 262,256,6\r\n" + OK)
        host.ask(b'AT+QISEND=4,256,"127.0.0.1",%d' % mine, b"\r\n>")
        host.send(EVERYTHING)
        host.expect(b"\r\nSEND OK\r\n")
        assert link.recvfrom(2000) == (EVERYTHING, ("127.0.0.1", port))


def test_udp_client(host: Host) -> None:
    with datagram_socket() as link, datagram_socket() as stranger:
        port = link.getsockname()[1]
        host.ask(b'AT+QIOPEN=3,"UDP","localhost",%d,0,1' % port, OK + b"\r\n+QIOPEN: 3,0\r\n")
        for data in (b"one", b"two"):
            host.ask(b"AT+QISEND=3,3", b"\r\n>")
            host.send(data)
            host.expect(b"\r\nSEND OK\r\n")
        data, place = link.recvfrom(2000)
        assert (data, link.recv(2000)) == (b"one", b"two")
        stranger.sendto(b"ignored", ("127.0.0.1", place[1]))
        link.sendto(EVERYTHING, ("127.0.0.1", place[1]))
        host.expect(b'\r\n+QIURC: "recv",3,256\r\n' + EVERYTHING + b"\r\n")
        host.ask(b"AT+QICLOSE=3", OK)


def test_udp_client_in_transparent_mode(host: Host) -> None:
    host.ask(b'AT+QICFG="transpktsize",100', OK)
    with datagram_socket() as link:
        host.ask(b'AT+QIOPEN=3,"UDP","127.0.0.1",%d,0,2' % link.getsockname()[1], CONNECT)
        host.send(b"x" * 250)
        assert [len(link.recv(2000)) for _ in range(3)] == [100, 100, 50]


# ---- packets --------------------------------------------------------------------------------------------------------


def segments_in(link: socket.socket) -> int:
    """Segments with data that Linux has received on a connection."""
    count: int = struct.unpack_from("I", link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)[0]
    return count


@LINUX
@pytest.mark.parametrize("size", [100, 1024, 1460])
def test_packets_of_transparent_mode_are_the_segments_that_arrive(host: Host, server: Server, size: int) -> None:
    """By the count of the server's own system; on a busy machine it may be sent one of them twice."""
    host.ask(b'AT+QICFG="transpktsize",%d' % size, OK)
    host.ask(b'AT+QICFG="transwaittm",20', OK)
    host.open(0, server.port, 2)
    link = server.accept()
    for _ in range(size * 2):
        host.send(b"x" * 10)
    assert len(received(link, size * 20)) == size * 20
    assert 20 <= segments_in(link) < 30


@LINUX
def test_without_a_wait_bytes_go_as_they_come(host: Host, server: Server) -> None:
    host.ask(b'AT+QICFG="transwaittm",0', OK)
    host.open(0, server.port, 2)
    link = server.accept()
    for count in range(1, 21):
        host.send(b"x")
        assert received(link, 1) == b"x"
        assert count <= segments_in(link) < count + 10
