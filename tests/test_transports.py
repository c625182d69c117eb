"""The built-in transports against real sockets and real ptys, with no line of fcm360w in between."""

from __future__ import annotations

import errno
import os
import queue
import select
import socket
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from fcm360w_transports import options as option
from fcm360w_transports.readiness import Waiter, transfer
from fcm360w_transports.tcp import TcpPort
from fcm360w_transports.uart import PortableUart, PosixUart

PATIENCE = 20.0
AnyPort = TcpPort | PosixUart | PortableUart


@dataclass
class Line:
    """A port and the module's end of it, which blocks."""

    port: AnyPort
    descriptor: int
    hang_up: Callable[[], None]

    def say(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.descriptor, data) :]

    def hear(self, count: int) -> bytes:
        heard = b""
        while len(heard) < count:
            heard += os.read(self.descriptor, count - len(heard))
        return heard


@pytest.fixture
def tcp_line() -> Iterator[Line]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = TcpPort(f"127.0.0.1:{server.getsockname()[1]}", {})
        far, _ = server.accept()
        with far:
            yield Line(port, far.fileno(), lambda: far.shutdown(socket.SHUT_RDWR))
            port.close()


def pty_line(kind: type[PosixUart] | type[PortableUart]) -> Iterator[Line]:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = kind(os.ttyname(slave), {"baud": "2000000"})
    os.close(slave)
    open_ends = [master]
    yield Line(port, master, lambda: os.close(open_ends.pop()))
    port.close()
    for end in open_ends:
        os.close(end)


@pytest.fixture
def uart_line() -> Iterator[Line]:
    yield from pty_line(PosixUart)


@pytest.fixture
def portable_line() -> Iterator[Line]:
    yield from pty_line(PortableUart)


@pytest.fixture(params=["tcp_line", "uart_line", "portable_line"])
def line(request: pytest.FixtureRequest) -> Line:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Line)
    return found


@pytest.fixture(params=["tcp_line", "uart_line"])
def selectable(request: pytest.FixtureRequest) -> Line:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Line)
    return found


def read_all(port: AnyPort, count: int) -> bytes:
    heard, buffer = b"", memoryview(bytearray(4096))
    while len(heard) < count:
        got = port.readinto(buffer, PATIENCE)
        assert got > 0
        heard += buffer[:got]
    return heard


def write_all(port: AnyPort, data: bytes) -> None:
    while data:
        done = port.write(data, PATIENCE)
        assert done > 0
        data = data[done:]


def test_every_byte_value_passes_both_ways(line: Line) -> None:
    data = bytes(range(256)) * 4
    line.say(data)
    assert read_all(line.port, len(data)) == data
    write_all(line.port, data)
    assert line.hear(len(data)) == data


def test_read_gives_what_is_there_without_waiting_for_more(line: Line) -> None:
    line.say(b"abc")
    buffer = memoryview(bytearray(100))
    count = line.port.readinto(buffer, None)
    assert buffer[:count] == b"abc"[:count] != b""


def test_read_fills_no_more_than_the_buffer(line: Line) -> None:
    line.say(b"abcdef")
    buffer = bytearray(b"....")
    assert line.port.readinto(memoryview(buffer)[1:3], PATIENCE) == 2
    assert buffer == b".ab."
    assert read_all(line.port, 4) == b"cdef"


@pytest.mark.parametrize("timeout", [0.0, 0.001])
def test_read_of_silence_is_nothing(line: Line, timeout: float) -> None:
    assert line.port.readinto(memoryview(bytearray(10)), timeout) == 0


def test_big_transfer_survives_partial_writes(selectable: Line) -> None:
    data = os.urandom(400_000)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(selectable.hear, len(data))
        write_all(selectable.port, data)
        assert heard.result(PATIENCE) == data


def test_write_without_room_is_partial_then_nothing(selectable: Line) -> None:
    data, sent = bytes(1 << 20), 0
    while done := selectable.port.write(data, 0.05):
        assert done < len(data)
        sent += done
    assert selectable.hear(sent) == bytes(sent)
    assert selectable.port.write(b"x", PATIENCE) == 1


def test_read_waits_for_what_is_late(line: Line) -> None:
    threading.Timer(0.1, line.say, [b"late"]).start()
    assert line.port.readinto(memoryview(bytearray(1)), PATIENCE) == 1


def test_peer_gone_while_reading(line: Line) -> None:
    buffer = memoryview(bytearray(10))
    threading.Timer(0.02, line.hang_up).start()
    with pytest.raises(OSError) as caught:
        line.port.readinto(buffer, PATIENCE)
    assert caught.value.errno in (errno.ECONNRESET, errno.EIO)


def test_what_came_before_the_hang_up_is_read_first(tcp_line: Line) -> None:
    tcp_line.say(b"last words")
    tcp_line.hang_up()
    assert read_all(tcp_line.port, 10) == b"last words"
    with pytest.raises(ConnectionResetError):
        tcp_line.port.readinto(memoryview(bytearray(10)), PATIENCE)


def test_peer_gone_while_writing(selectable: Line) -> None:
    while selectable.port.write(bytes(1 << 16), 0.05):
        pass
    threading.Timer(0.02, selectable.hang_up).start()
    with pytest.raises(OSError) as caught:
        while selectable.port.write(bytes(1 << 16), PATIENCE):
            pass
    assert caught.value.errno in (errno.ECONNRESET, errno.EPIPE, errno.EIO)


def test_closing_wakes_a_reader(selectable: Line) -> None:
    outcome: queue.Queue[OSError | int] = queue.Queue()

    def read() -> None:
        try:
            outcome.put(selectable.port.readinto(memoryview(bytearray(10)), None))
        except OSError as error:
            outcome.put(error)

    threading.Thread(target=read, daemon=True).start()
    selectable.port.close()
    assert isinstance(outcome.get(timeout=PATIENCE), OSError)


def test_closing_twice_is_closing_once(line: Line) -> None:
    line.port.close()
    line.port.close()
    with pytest.raises(OSError):
        line.port.readinto(memoryview(bytearray(1)), 0.0)
    with pytest.raises(OSError):
        line.port.write(b"x", 0.0)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="platform: no /proc to count descriptors in")
@pytest.mark.parametrize("kind", [TcpPort, PosixUart, PortableUart])
def test_closing_gives_every_descriptor_back(kind: type[TcpPort] | type[PosixUart] | type[PortableUart]) -> None:
    master, slave = os.openpty()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}" if kind is TcpPort else os.ttyname(slave)
        before = os.listdir("/proc/self/fd")
        port = kind(address, {})
        assert len(os.listdir("/proc/self/fd")) > len(before)
        port.close()
        assert os.listdir("/proc/self/fd") == before
    os.close(master)
    os.close(slave)


def test_descriptor_is_for_select_and_never_blocks(selectable: Line) -> None:
    descriptor = selectable.port.fileno()
    assert not os.get_blocking(descriptor)
    assert select.select([descriptor], [], [], 0)[0] == []
    selectable.say(b"x")
    assert select.select([descriptor], [], [], PATIENCE)[0] == [descriptor]


def test_an_idle_descriptor_does_not_look_like_an_end_of_file(selectable: Line) -> None:
    with pytest.raises(BlockingIOError):
        os.read(selectable.port.fileno(), 1)


def test_capabilities_are_what_the_port_has(line: Line) -> None:
    port = line.port
    assert ("fileno" in port.capabilities) == (port.fileno() >= 0)
    assert ("baud" in port.capabilities) == hasattr(port, "set_baud")
    assert ("out_waiting" in port.capabilities) == hasattr(port, "out_waiting")


@pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux tells what a socket still holds")
def test_tcp_counts_what_is_not_at_the_other_end(tcp_line: Line) -> None:
    assert isinstance(tcp_line.port, TcpPort)
    assert tcp_line.port.out_waiting() == 0
    while tcp_line.port.write(bytes(1 << 16), 0.05):
        pass
    assert tcp_line.port.out_waiting() > 0


def test_tcp_keeps_little_under_way(tcp_line: Line) -> None:
    with socket.socket(fileno=os.dup(tcp_line.port.fileno())) as twin:
        assert twin.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 64 * 1024
        assert twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert twin.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_tcp_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        TcpPort(f"127.0.0.1:{number}", {})


def test_tcp_over_ipv6() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("platform: no IPv6 on the loopback")
    with server:
        port = TcpPort(f"[::1]:{server.getsockname()[1]}", {"baud": "2000000", "slack": "0.25"})
        assert (port.baud, port.slack) == (2_000_000, 0.25)
        port.close()


def test_tcp_that_never_answers_times_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = f"127.0.0.1:{full.getsockname()[1]}"
        waiting: list[TcpPort] = []
        with pytest.raises(TimeoutError) as caught:
            while len(waiting) < 10:
                waiting.append(TcpPort(address, {"connect_timeout": "0.05"}))
        for port in waiting:
            port.close()
    assert caught.value.errno == errno.ETIMEDOUT


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:0", "host:65536", "host:-1", "host:http"])
def test_tcp_address_must_be_host_and_port(address: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        TcpPort(address, {})


def test_uart_rate_reaches_the_driver(uart_line: Line) -> None:
    assert isinstance(uart_line.port, PosixUart)
    assert termios.tcgetattr(uart_line.descriptor)[4] == termios.B2000000
    uart_line.port.set_baud(115_200)
    assert termios.tcgetattr(uart_line.descriptor)[4] == termios.B115200
    assert uart_line.port.baud == 115_200
    test_an_idle_descriptor_does_not_look_like_an_end_of_file(uart_line)


def test_uart_refuses_an_impossible_rate(uart_line: Line) -> None:
    assert isinstance(uart_line.port, PosixUart)
    with pytest.raises(OSError, match="-5") as caught:
        uart_line.port.set_baud(-5)
    assert caught.value.errno == errno.EINVAL


def test_uart_is_for_one_program(uart_line: Line) -> None:
    with pytest.raises(BlockingIOError):
        PosixUart(uart_line.port.url.removeprefix("serial://"), {})


def test_uart_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        PosixUart("/dev/no-such-device", {})


def test_uart_that_is_no_uart(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "plain file")
    open(path, "wb").close()
    with pytest.raises(OSError) as caught:
        PosixUart(path, {})
    assert caught.value.errno == errno.ENOTTY


def test_uart_without_its_lines_says_so_when_they_are_wanted() -> None:
    master, slave = os.openpty()
    name = os.ttyname(slave)
    with pytest.raises(OSError, match="RTS/CTS") as caught:
        PosixUart(name, {"rtscts": "1"})
    assert caught.value.errno == errno.ENOTTY
    PosixUart(name, {"rtscts": "0"}).close()
    os.close(master)
    os.close(slave)


def test_uart_counts_what_the_driver_holds(uart_line: Line) -> None:
    assert isinstance(uart_line.port, PosixUart)
    assert uart_line.port.out_waiting() == 0


def test_uart_needs_a_device() -> None:
    with pytest.raises(ValueError, match="no device"):
        PosixUart("", {})


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "fast", "٣"])
def test_positive_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="baud="):
        option.positive({"baud": text}, "baud", None)


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "soon"])
def test_seconds_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="slack="):
        option.seconds({"slack": text}, "slack", 1.0)


def test_options_read_what_they_should() -> None:
    assert option.positive({"baud": "9600"}, "baud", None) == 9600
    assert option.positive({}, "baud", 7) == 7
    assert option.seconds({"slack": "0"}, "slack", 1.0) == 0.0
    assert [option.flag({"x": text}, "x") for text in ("1", "on", "TRUE", "0", "no")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not option.flag({}, "x")
    with pytest.raises(ValueError, match="rtscts=maybe"):
        option.flag({"rtscts": "maybe"}, "rtscts")


def test_waking_for_nothing_does_not_prolong_the_wait() -> None:
    left, right = socket.socketpair()
    with left, right:
        right.send(b"x")
        attempts = []

        def attempt() -> int:
            attempts.append(1)
            raise BlockingIOError

        assert transfer(attempt, Waiter(left.fileno()), 0.2) == 0
        assert attempts


@pytest.mark.parametrize("poll", [True, False])
def test_waiter_sees_data_room_and_the_wake(monkeypatch: pytest.MonkeyPatch, poll: bool) -> None:
    if not poll:
        monkeypatch.delattr(select, "poll")
    (left, right), (wake, waker) = socket.socketpair(), socket.socketpair()
    with left, right, wake, waker:
        readable, writable = Waiter(left.fileno(), wake=wake.fileno()), Waiter(left.fileno(), write=True)
        assert (readable.wait(0), writable.wait(0)) == (False, True)
        right.send(b"x")
        assert readable.wait(None)
        left.recv(1)
        waker.send(b"x")
        assert readable.wait(None)


def test_transports_import_nothing_of_fcm360w() -> None:
    code = (
        "import sys, fcm360w_transports.tcp, fcm360w_transports.uart\n"
        "sys.exit(any(name.partition('.')[0] == 'fcm360w' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
