"""Sockets with the manners of socket.socket: what they do, and the programs that know no other."""

from __future__ import annotations

import contextlib
import errno
import http.client
import http.server
import io
import select
import selectors
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import fcm360w
import spoken
from fcm360w import Module, UsageError
from fcm360w.listener import ListenMode
from fcm360w.sim import Twin, World
from fcm360w.sim.memory import MemoryServer
from fcm360w.sim.pipes import MemoryPeer
from fcm360w.sockets import Socket
from freeport import free_port
from peers import LIMIT, Peer
from wired import Worker

pytestmark = pytest.mark.driver

LOCAL = "127.0.0.1"
COUNT = 2_000 if spoken.dialect().response_delay else 20_000
HERE, PORT, OWN_PORT = "10.0.0.9", 8009, 7000
SAID = bytes(range(256)) * 60
SLOWNESS = 10 if spoken.dialect().response_delay else 1  # of what takes a command each
MODES: tuple[ListenMode, ...] = ("buffer", "push")


def echo(peer: MemoryPeer) -> None:
    peer.on_data = peer.send


def joined(world: World) -> Module:
    module = world.module()
    module.wifi.join("hall", "open sesame")
    return module


@pytest.fixture
def world() -> World:
    return World(baud=None)


@pytest.fixture
def server(world: World) -> MemoryServer:
    return world.network.serve(HERE, PORT, echo)


@pytest.fixture
def far(world: World, server: MemoryServer) -> Iterator[Module]:
    """A module in a world of one thread."""
    with joined(world) as module:
        yield module


@pytest.fixture
def near() -> Iterator[Module]:
    """A module of which several threads may make use."""
    with Twin(dialect=spoken.dialect(), name="sockets", baud=None), fcm360w.open("sim://sockets") as module:
        module.wifi.join("hall", "open sesame")
        yield module


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def exactly(link: Socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = link.recv(count - len(got))
        assert piece, "it ended"
        got += piece
    return got


def fails(number: int, act: Callable[[], object], kind: type[BaseException] = OSError) -> None:
    with pytest.raises(kind) as caught:
        act()
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == number


# ---- streams


@pytest.mark.parametrize("mode", MODES)
def test_bytes_there_and_back(far: Module, server: MemoryServer, mode: ListenMode) -> None:
    with Socket(far, mode=mode) as link:
        link.connect((HERE, PORT))
        link.sendall(SAID)
        assert exactly(link, len(SAID)) == SAID
        assert link.send(bytes(5000)) == 1460
        assert exactly(link, 1460) == bytes(1460)
        assert link.sendmsg([b"ab", b"cd"]) == 4
        buffer = bytearray(8)
        assert link.recv_into(buffer, 2) == 2
        assert link.recvfrom(9) == (b"cd", None)
        assert bytes(buffer) == b"ab" + bytes(6)
        assert link.send(b"") == 0
        assert link.recv(0) == b""
    assert bytes(server.peers[0].received) == SAID + bytes(1460) + b"abcd"
    assert far.tcp.sockets() == ()
    fails(errno.EBADF, lambda: link.recv(1))
    assert link.fileno() == -1


def test_the_peer_closes(far: Module, server: MemoryServer) -> None:
    link = far.create_connection((HERE, PORT))
    server.peers[0].send(SAID)
    server.peers[0].close()
    assert exactly(link, len(SAID)) == SAID
    assert link.recv(9) == b""
    fails(errno.EPIPE, lambda: link.sendall(b"more"), BrokenPipeError)
    link.close()
    assert far.tcp.sockets() == ()


def test_time_outs(world: World, far: Module, server: MemoryServer) -> None:
    link = far.create_connection((HERE, PORT), timeout=3.0)
    assert link.gettimeout() == link.timeout == 3.0
    begun = world.now
    with pytest.raises(TimeoutError, match="timed out"):
        link.recv(9)
    assert begun + 3.0 <= world.now < begun + 3.1
    link.settimeout(0.0)
    assert not link.getblocking()
    fails(errno.EAGAIN, lambda: link.recv(9), BlockingIOError)
    link.setblocking(True)
    assert link.gettimeout() is None
    fails(errno.EAGAIN, lambda: link.recv(9, socket.MSG_DONTWAIT), BlockingIOError)
    with pytest.raises(ValueError, match="out of range"):
        link.settimeout(-1)


def test_a_peer_that_does_not_read(world: World, far: Module, server: MemoryServer) -> None:
    link = far.create_connection((HERE, PORT), timeout=2.0)
    server.peers[0].reading = False
    begun = world.now
    with pytest.raises(TimeoutError, match="timed out"):
        link.sendall(bytes(1 << 20))
    assert begun + 2.0 <= world.now < begun + 2.5 + 0.5 * SLOWNESS
    link.settimeout(0)
    fails(errno.EAGAIN, lambda: link.send(bytes(1460)), BlockingIOError)
    server.peers[0].reading = True
    world.sleep(0.5)
    assert link.send(b"more") == 4


def test_connecting_in_time(world: World, far: Module) -> None:
    """The module itself tries for 150 s; what it has begun is undone."""
    world.network.cut("10.0.0.66")
    begun = world.now
    with pytest.raises(TimeoutError, match="timed out"):
        far.create_connection(("10.0.0.66", PORT), timeout=4.0)
    assert begun + 4.0 <= world.now < begun + 8.0
    assert far.tcp.sockets() == ()
    with far.create_connection((HERE, PORT)) as link:
        assert link.connect_id == 0


def test_who_cannot_be_reached(far: Module) -> None:
    fails(errno.ECONNREFUSED, lambda: far.create_connection((HERE, 1)), ConnectionRefusedError)
    with pytest.raises(socket.gaierror) as caught:
        far.create_connection(("nobody.example", 80))
    assert caught.value.errno == socket.EAI_NONAME
    assert isinstance(caught.value.__cause__, fcm360w.CommandError)
    assert Socket(far).connect_ex((HERE, 1)) == errno.ECONNREFUSED
    fails(errno.EAFNOSUPPORT, lambda: far.create_connection(("::1", 80)))
    for wrong, kind in (((HERE, 65536), OverflowError), ((HERE, "80"), TypeError), ("host", TypeError)):
        with pytest.raises(kind):
            Socket(far).connect(wrong)  # type: ignore[arg-type]
    assert far.tcp.sockets() == ()


def test_what_is_not_connected(far: Module) -> None:
    link = Socket(far)
    for act in (lambda: link.recv(1), lambda: link.send(b"x"), link.getpeername, link.accept):
        fails(errno.ENOTCONN, act)
    assert link.getsockname() == ("0.0.0.0", 0)
    link.connect((HERE, PORT))
    fails(errno.EISCONN, lambda: link.connect((HERE, PORT)))
    fails(errno.EISCONN, link.listen)
    fails(errno.EINVAL, link.accept)
    fails(errno.EOPNOTSUPP, lambda: link.recv(1, socket.MSG_PEEK))
    link.close()
    link.close()
    fails(errno.EPROTONOSUPPORT, lambda: Socket(far, socket.SOCK_RAW))
    with pytest.raises(UsageError, match="mode"):
        Socket(far, mode="transparent")  # type: ignore[arg-type]


def test_ends_and_names(far: Module, world: World) -> None:
    world.network.serve("logger.example", 80)
    with far.create_connection(("logger.example", 80)) as link:
        assert link.getpeername() == (world.network.names["logger.example"], 80)
        host, port = link.getsockname()
        assert host == world.network.address == far.wifi.addresses().ip
        assert port == far.tcp.sockets()[0].local_port
        assert "logger.example" in repr(link)
    assert "closed" in repr(link)


def test_options_are_remembered(far: Module) -> None:
    with far.create_connection((HERE, PORT)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM == link.type
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        assert link.family == socket.AF_INET


def test_shutting_down(far: Module, world: World, server: MemoryServer) -> None:
    link = far.create_connection((HERE, PORT))
    fails(errno.EOPNOTSUPP, lambda: link.shutdown(socket.SHUT_WR))
    link.sendall(b"last words")
    link.shutdown(socket.SHUT_RDWR)
    world.wait_until(lambda: server.peers[0].ended, LIMIT)
    assert bytes(server.peers[0].received) == b"last words"
    assert link.recv(9) == b""
    fails(errno.EPIPE, lambda: link.send(b"x"), BrokenPipeError)


def test_a_file_keeps_a_closed_socket_open(far: Module, server: MemoryServer) -> None:
    link = far.create_connection((HERE, PORT), timeout=5.0)
    file = link.makefile("rwb")
    link.close()
    file.write(b"one\ntwo\n")
    file.flush()
    assert [file.readline(), file.readline()] == [b"one\n", b"two\n"]
    with pytest.raises(TimeoutError):
        file.readline()
    assert len(far.tcp.sockets()) == 1
    file.close()
    assert far.tcp.sockets() == ()
    with far.create_connection((HERE, PORT)) as other, other.makefile("rw", encoding="latin-1") as text:
        text.write("hé\n")
        text.flush()
        assert text.readline() == "hé\n"


def test_the_module_restarts() -> None:
    world = World(baud=None, dialect=spoken.announced())
    world.network.serve(HERE, PORT, echo)
    link = joined(world).create_connection((HERE, PORT))
    world.power_cycle()
    fails(errno.ECONNRESET, lambda: link.recv(9), ConnectionResetError)
    link.close()


def test_the_port_is_lost(world: World) -> None:
    world.network.serve(HERE, PORT, echo)
    link = joined(world).create_connection((HERE, PORT))
    world.unplug()
    for act in (lambda: link.recv(9), lambda: link.send(b"x")):
        fails(errno.ECONNABORTED, act, ConnectionAbortedError)
    link.close()


def test_the_module_says_nothing(world: World, far: Module) -> None:
    link = far.create_connection((HERE, PORT))
    world.unwired = True
    fails(errno.ETIMEDOUT, lambda: link.send(b"x"), TimeoutError)
    world.unwired = False


def test_a_module_closes_what_is_open(world: World, server: MemoryServer) -> None:
    with joined(world) as module:
        links = [module.create_connection((HERE, PORT)) for _ in range(3)]
        links[0].makefile("rb")
        links[0].close()
    assert all(peer.ended for peer in server.peers)
    for link in links:
        link.close()


def test_all_twelve_are_in_use(far: Module) -> None:
    links = [far.create_connection((HERE, PORT)) for _ in range(12)]
    assert sorted(link.connect_id for link in links) == list(range(12))
    fails(errno.EMFILE, lambda: far.create_connection((HERE, PORT)))
    links[5].close()
    with far.create_connection((HERE, PORT)) as link:
        assert link.connect_id == 5


# ---- listeners and datagrams


def test_a_listener(world: World, far: Module) -> None:
    listener = Socket(far)
    listener.bind(("", OWN_PORT))
    fails(errno.EINVAL, lambda: listener.bind(("", OWN_PORT)))
    listener.listen(5)
    listener.listen()
    assert listener.getsockname() == ("0.0.0.0", OWN_PORT)
    listener.settimeout(1.0)
    with pytest.raises(TimeoutError, match="timed out"):
        listener.accept()
    peer = world.network.dial(OWN_PORT)
    echo(peer)
    client, address = listener.accept()
    assert address == client.getpeername() == (HERE, 51000)
    assert client.getsockname() == (world.network.address, OWN_PORT)
    assert client.gettimeout() is None
    client.sendall(SAID)
    assert exactly(client, len(SAID)) == SAID
    listener.close()
    client.sendall(b"it goes on")
    assert exactly(client, 10) == b"it goes on"
    fails(errno.EBADF, listener.accept)


def test_a_listener_at_a_port_that_is_taken(far: Module) -> None:
    first, second = Socket(far), Socket(far)
    for link in (first, second):
        link.bind((far.wifi.addresses().ip, OWN_PORT))
    first.listen()
    fails(errno.EADDRINUSE, second.listen)
    fails(errno.EADDRNOTAVAIL, lambda: Socket(far).bind(("10.9.9.9", 1)))
    fails(errno.EOPNOTSUPP, lambda: second.connect((HERE, PORT)))
    anywhere = Socket(far)
    anywhere.listen()
    assert 61000 <= anywhere.getsockname()[1] <= 65535


def test_datagrams(world: World, far: Module) -> None:
    host = world.network.udp(HERE, PORT)
    host.on_data = host.send
    with Socket(far, socket.SOCK_DGRAM) as link:
        assert link.sendto(b"first", (HERE, PORT)) == 5
        assert link.recvfrom(99) == (b"first", (HERE, PORT))
        link.sendto(b"second", 0, (HERE, PORT))
        assert link.recv(3) == b"sec"
        fails(errno.EDESTADDRREQ, lambda: link.send(b"x"))
        fails(errno.EMSGSIZE, lambda: link.sendto(bytes(1461), (HERE, PORT)))
        with pytest.raises(socket.gaierror):
            link.sendto(b"x", ("logger.example", PORT))
        link.settimeout(0)
        fails(errno.EAGAIN, lambda: link.recv(9), BlockingIOError)
    with Socket(far, socket.SOCK_DGRAM) as link:
        link.connect((HERE, PORT))
        assert link.send(b"third") == 5
        assert link.recvfrom(99) == (b"third", (HERE, PORT))
        link.sendall(b"fourth")
        assert link.recv(99) == b"fourth"
        fails(errno.EISCONN, lambda: link.sendto(b"x", (HERE, PORT)))
        fails(errno.EOPNOTSUPP, link.listen)
    with Socket(far, socket.SOCK_DGRAM) as link:
        link.bind(("", OWN_PORT))
        host.send(b"hello", OWN_PORT)
        assert link.recvfrom(99) == (b"hello", (HERE, PORT))
    assert far.tcp.sockets() == ()


# ---- nobody starves


def full(link: Socket) -> bool:
    """Whether the module has no room for more."""
    try:
        link.send(bytes(1460))
    except BlockingIOError:
        return True
    return False


def test_ten_exchange_while_two_are_stuck(world: World, far: Module, server: MemoryServer) -> None:
    """One does not read what comes, another's peer does not; the wire is all that the others share with them."""
    stuck = far.create_connection((HERE, PORT))
    stuck.settimeout(0)
    unread = far.create_connection((HERE, PORT))
    links = [far.create_connection((HERE, PORT)) for _ in range(10)]
    server.peers[0].reading = False
    server.peers[1].send(bytes(1 << 20))
    while not (full(stuck) and (world.sleep(1.0) or full(stuck))):
        continue
    begun = world.now
    for link in links:
        link.settimeout(5.0 * SLOWNESS)
        link.sendall(SAID)
        fails(errno.EAGAIN, lambda: stuck.send(bytes(1460)), BlockingIOError)
    for link in links:
        assert exactly(link, len(SAID)) == SAID
    assert world.now - begun < 5.0 * SLOWNESS
    assert far.stats().buffers["commanded_inbox"].dropped == 0
    assert server.peers[1].unsent > 0
    assert exactly(unread, 1 << 20) == bytes(1 << 20)


def test_who_waits_for_room_does_not_hold_the_link(near: Module) -> None:
    deaf = socket.create_server((LOCAL, 0))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with deaf, Peer() as peer:
        stuck = near.create_connection(deaf.getsockname()[:2])
        accepted, _ = deaf.accept()
        sender = Worker(lambda: stuck.sendall(bytes(4 << 20)))
        with near.create_connection((LOCAL, peer.port), timeout=LIMIT) as link:
            far = peer.next()
            for number in range(50):
                link.sendall(b"%02d" % number)
                far.wait_for(2 * number + 2)
                far.send(b"ok")
                assert exactly(link, 2) == b"ok"
        assert sender.is_alive()
        accepted.close()
        with pytest.raises(OSError, match="pipe"):
            sender.result()
        stuck.close()


def test_twelve_threads_at_once(near: Module, peer: Peer) -> None:
    def exchange(number: int) -> bytes:
        said = bytes([number]) * COUNT
        with near.create_connection((LOCAL, peer.port), timeout=LIMIT) as link:
            link.sendall(b"%c" % number)
            writer = Worker(lambda: link.sendall(said[1:]))
            got = exactly(link, len(said))
            writer.result()
            return got

    def serve() -> None:
        far = peer.next()
        number = far.wait_for(1)[0]
        far.send(bytes([255 - number]) * COUNT)
        far.wait_for(COUNT)

    servers = [Worker(serve) for _ in range(12)]
    clients = [Worker(partial(exchange, number)) for number in range(12)]
    assert [client.result() for client in clients] == [bytes([255 - number]) * COUNT for number in range(12)]
    for each in servers:
        each.result()
    assert near.tcp.sockets() == ()


# ---- descriptors


def readable(link: Socket, seconds: float = 0.0) -> bool:
    return bool(select.select([link], [], [], seconds)[0])


def writable(link: Socket, seconds: float = 0.0) -> bool:
    return bool(select.select([], [link], [], seconds)[1])


@pytest.mark.parametrize("mode", MODES)
def test_a_descriptor_is_readable_while_there_is_something(near: Module, peer: Peer, mode: ListenMode) -> None:
    link = Socket(near, mode=mode)
    link.connect((LOCAL, peer.port))
    other = near.create_connection((LOCAL, peer.port))
    far, further = peer.next(), peer.next()
    link.setblocking(False)
    assert not readable(link)
    assert writable(link)
    for said in (b"hello", bytes(3000)):
        far.send(said)
        got = b""
        while len(got) < len(said):
            assert readable(link, LIMIT)
            got += link.recv(1000)
        assert got == said
        assert not readable(link)
    further.send(b"for another")
    assert readable(other, LIMIT)
    assert not readable(link)
    far.close()
    assert readable(link, LIMIT)
    assert link.recv(9) == b""
    assert readable(link)
    link.close()
    other.close()


def test_a_descriptor_of_a_full_socket_is_not_writable(near: Module) -> None:
    with socket.create_server((LOCAL, 0)) as deaf:
        link = near.create_connection(deaf.getsockname()[:2])
        far, _ = deaf.accept()
        link.fileno()
        link.setblocking(False)
        while writable(link):
            with contextlib.suppress(BlockingIOError):
                link.send(bytes(1460))
        assert writable(link, LIMIT), "never again"
        Worker(lambda: [None for _ in iter(lambda: far.recv(65536), b"")])
        sent = 0
        while not sent:
            assert writable(link, LIMIT)
            with contextlib.suppress(BlockingIOError):
                sent = link.send(b"more")
        link.close()
        far.close()


def test_connecting_without_waiting(near: Module, peer: Peer) -> None:
    link = Socket(near)
    link.setblocking(False)
    link.fileno()
    fails(errno.EINPROGRESS, lambda: link.connect((LOCAL, peer.port)), BlockingIOError)
    assert writable(link, LIMIT)
    assert link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert link.send(b"hello") == 5
    assert peer.next().wait_for(5) == b"hello"
    link.close()
    unused = free_port()
    link = Socket(near)
    link.setblocking(False)
    assert link.connect_ex((LOCAL, unused)) == errno.EINPROGRESS
    assert writable(link, LIMIT)
    assert link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    assert link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    link.close()


def test_a_selector_waits_for_several(near: Module) -> None:
    """A listener, its clients and datagrams, in a loop as servers have it."""
    listener = Socket(near)
    listener.bind(("", 0))
    listener.listen()
    datagrams = Socket(near, socket.SOCK_DGRAM)
    datagrams.bind(("", 0))
    selector = selectors.DefaultSelector()
    for link in (listener, datagrams):
        link.setblocking(False)
        selector.register(link, selectors.EVENT_READ)
    clients = [socket.create_connection((LOCAL, listener.getsockname()[1])) for _ in range(3)]
    outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outside.sendto(b"datagram", (LOCAL, datagrams.getsockname()[1]))
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    seen: set[bytes] = set()
    while len(seen) < 4:
        ready = selector.select(LIMIT)
        assert ready, f"nothing after {seen}"
        for key, _ in ready:
            link = key.fileobj
            assert isinstance(link, Socket)
            if link is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
            else:
                seen.add(link.recv(99))
    assert seen == {b"0", b"1", b"2", b"datagram"}
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    selector.close()
    for client in (*clients, outside):
        client.close()
    assert near.tcp.sockets() == ()


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fcm360w-descriptors"]


def test_the_thread_of_descriptors_ends_with_the_last(near: Module, peer: Peer) -> None:
    for _ in range(3):
        links = [near.create_connection((LOCAL, peer.port)) for _ in range(2)]
        assert not watchers()
        for link in links:
            link.fileno()
        (thread,) = watchers()
        for link in links:
            link.close()
        thread.join(LIMIT)
        assert not watchers()


def test_a_module_that_is_closed_wakes_who_selects(peer: Peer) -> None:
    with Twin(dialect=spoken.dialect(), name="closed", baud=None):
        module = fcm360w.open("sim://closed")
        module.wifi.join("hall", "open sesame")
        link = module.create_connection((LOCAL, peer.port))
        link.fileno()
        waiting = Worker(lambda: readable(link, LIMIT))
        module.close()
        assert waiting.result()
        fails(errno.ECONNABORTED, lambda: link.recv(9), ConnectionAbortedError)
        link.close()


def test_a_world_of_one_thread_has_no_descriptors(far: Module) -> None:
    with far.create_connection((HERE, PORT)) as link, pytest.raises(io.UnsupportedOperation):
        link.fileno()


# ---- programs that know no other


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives what it was given."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nobody is interested."""


class Web(http.server.ThreadingHTTPServer):
    """Ends when all of its clients have."""

    daemon_threads = False


@pytest.fixture
def web() -> Iterator[http.server.HTTPServer]:
    server = Web((LOCAL, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def over(module: Module, port: int, **more: Any) -> http.client.HTTPConnection:
    connection: Any = http.client.HTTPConnection(LOCAL, port, timeout=LIMIT)
    connection._create_connection = partial(module.create_connection, **more)
    result: http.client.HTTPConnection = connection
    return result


def test_http_client(near: Module, web: http.server.HTTPServer) -> None:
    connection = over(near, web.server_port)
    for size in (0, 1, 100_000):
        connection.request("POST", "/", bytes(size))
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, bytes(size))
    connection.request("GET", "/to-the-end")
    assert connection.getresponse().read() == b"/to-the-end"
    assert near.tcp.sockets() == ()
    connection.close()


def test_http_client_without_a_time_out_of_its_own(near: Module, web: http.server.HTTPServer) -> None:
    connection: Any = http.client.HTTPConnection(LOCAL, web.server_port)
    connection._create_connection = near.create_connection
    connection.request("GET", "/here")
    assert connection.sock.gettimeout() is None
    assert connection.getresponse().read() == b"/here"
    connection.close()


def test_http_client_under_tls(near: Module, web: http.server.HTTPServer, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="platform: no cryptography")
    import certificates

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.server(LOCAL).save(tmp_path, "server"))
    secure = Web((LOCAL, 0), Handler)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    with near.tls.context(certificates.authority().pem) as mine:
        connection = over(near, secure.server_port, tls=mine)
        connection.request("POST", "/", SAID)
        assert connection.getresponse().read() == SAID
        link: Any = connection.sock
        assert link.getpeername() == (LOCAL, secure.server_port)
        assert link.getsockname()[0] == near.wifi.addresses().ip
        connection.close()
        assert near.tls.connections() == ()
        with pytest.raises(ConnectionRefusedError):
            near.create_connection((LOCAL, web.server_port), LIMIT, tls=mine)
    secure.shutdown()
    secure.server_close()


def test_http_server(near: Module) -> None:
    """The module serves; the client is this machine's."""
    server = Web((LOCAL, 0), Handler, bind_and_activate=False)
    server.socket.close()
    listener: Any = Socket(near)
    listener.bind(("", 0))
    listener.listen()
    server.socket = listener
    serving = Worker(lambda: server.serve_forever(0.05))
    url = f"http://{LOCAL}:{listener.getsockname()[1]}/"
    with urllib.request.urlopen(url + "hello", timeout=LIMIT) as response:
        assert response.read() == b"/hello"
    with urllib.request.urlopen(url, bytes(30_000), timeout=LIMIT) as response:
        assert response.read() == bytes(30_000)
    server.shutdown()
    serving.result()
    server.server_close()


def test_paho_mqtt(near: Module, tmp_path: Path) -> None:
    """With a loop of its own in a thread, which selects; forty messages there and back."""
    mqtt = pytest.importorskip("paho.mqtt.client", reason="platform: no paho-mqtt")
    from tls_servers import running, tool

    class Client(mqtt.Client):  # type: ignore[misc, name-defined]
        def _create_socket_connection(self) -> Any:
            return near.create_connection((self._host, self._port), timeout=self._connect_timeout)

    port = free_port()
    (tmp_path / "mosquitto.conf").write_text(f"listener {port} {LOCAL}\nallow_anonymous true\n")
    got: list[bytes] = []
    all_there = threading.Event()
    subscribed = threading.Event()

    def on_message(client: Any, data: Any, message: Any) -> None:
        got.append(message.payload)
        if len(got) == 40:
            all_there.set()

    with running([tool("mosquitto"), "-c", str(tmp_path / "mosquitto.conf")], tmp_path, port):
        client = Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = on_message
        client.on_connect = lambda *_: client.subscribe("hall/#", qos=1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect(LOCAL, port)
        client.loop_start()
        assert subscribed.wait(LIMIT)
        said = [b"%d" % number * number * 20 for number in range(40)]
        for message in said:
            client.publish("hall/temperature", message, qos=1)
        assert all_there.wait(LIMIT)
        assert sorted(got) == sorted(said)
        client.disconnect()
        client.loop_stop()
    assert near.tcp.sockets() == ()
