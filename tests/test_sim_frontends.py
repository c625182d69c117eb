"""Where hosts plug into the twin: a pty, a TCP port, this process; by hand, by other people's tools, after a kill."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fcm360w.sim import Twin, frontends, serve
from fcm360w.sim.port import open_sim
from sim_host import CONNECT, OK, PATIENCE, Host, Server, received, received_to_end

EVERYTHING = bytes(range(256))
PTY = pytest.mark.skipif(not hasattr(os, "openpty"), reason="platform: no pseudo-terminals")
SOCAT = pytest.mark.skipif(shutil.which("socat") is None, reason="platform: socat is not installed")
NC = pytest.mark.skipif(shutil.which("nc") is None, reason="platform: nc is not installed")

# A host that opens a socket in transparent mode, says so, and never stops sending.
HOG = """
import os, sys, socket
kind, place, port = sys.argv[1:]
if kind == "pty":
    wire = os.open(place, os.O_RDWR | os.O_NOCTTY)
else:
    link = socket.create_connection(("127.0.0.1", int(place)))
    wire = link.fileno()
os.write(wire, b'AT+QIOPEN=0,"TCP","127.0.0.1",%s,0,2\\r' % port.encode())
seen = b""
while not seen.endswith(b"CONNECT\\r\\n"):
    seen += os.read(wire, 1)
print("connected", flush=True)
while True:
    os.write(wire, b"payload." * 512)
"""


class Descriptor:
    """The slave side of a pty, opened like any device."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        os.close(self._descriptor)


def plug_into_pty(twin: Twin) -> Host:
    return Host(Descriptor(twin.urls[0].removeprefix("serial://").partition("?")[0]))


def tcp_port(twin: Twin) -> int:
    return int(twin.urls[0].partition("?")[0].rpartition(":")[2])


def plug_into_tcp(twin: Twin) -> Host:
    return Host(socket.create_connection(("127.0.0.1", tcp_port(twin)), timeout=PATIENCE))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(params=[pytest.param("pty", marks=PTY), "tcp"])
def twin(request: pytest.FixtureRequest) -> Iterator[Twin]:
    with Twin(pty=request.param == "pty", tcp=("127.0.0.1", 0) if request.param == "tcp" else None) as twin:
        yield twin


def plug_into(twin: Twin) -> Host:
    return plug_into_pty(twin) if twin.urls[0].startswith("serial:") else plug_into_tcp(twin)


# ---- any front end --------------------------------------------------------------------------------------------------


def test_by_hand(twin: Twin, server: Server) -> None:
    host = plug_into(twin)
    host.ask(b"AT", OK)
    host.ask(b"AT+QVERSION", b"\r\n+QVERSION: FCM360WAAR01A01\r\n" + OK)
    host.ask(b"ATE1", OK)
    host.ask(b"AT+QWLMAC", b'AT+QWLMAC\r\r\n+QWLMAC: "88:00:33:77:69:cc"\r\n' + OK)
    host.ask(b"ATE0", b"ATE0\r" + OK)
    host.join()
    host.open(0, server.port, 2)
    link = server.accept()
    host.send(EVERYTHING)
    assert received(link, 256) == EVERYTHING
    link.sendall(EVERYTHING)
    assert host.read(256) == EVERYTHING
    host.leave_data_mode()
    host.ask(b"AT+QISEND=0,0", b"\r\n+QISEND: 256,256,0\r\n" + OK)
    host.ask(b"ATO", CONNECT)
    link.close()
    host.expect(b'\r\nNO CARRIER\r\n\r\n+QIURC: "closed",0\r\n')
    host.close()


def test_much_in_both_directions(twin: Twin, server: Server) -> None:
    data = os.urandom(4_000_000)
    host = plug_into(twin)
    host.join()
    host.open(0, server.port, 2)
    link = server.accept()
    workers = [threading.Thread(target=host.send, args=(data,)), threading.Thread(target=link.sendall, args=(data,))]
    for worker in workers:
        worker.start()
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(received(link, len(data))))
    reader.start()
    assert host.read(len(data)) == data
    for worker in (*workers, reader):
        worker.join()
    assert got == [data]
    host.close()


def test_the_module_outlives_its_host(twin: Twin) -> None:
    host = plug_into(twin)
    host.join()
    host.ask(b"ATE1", OK)
    host.close()
    host = plug_into(twin)
    host.ask(b"ATE0", b"ATE0\r" + OK)
    assert host.query(b"AT+QGETWIFISTATE") == b"+QGETWIFISTATE: ssid=hall,bssid=02:00:5e:10:00:01,rssi=-52"
    host.close()


def test_a_host_is_killed_in_data_mode(twin: Twin, server: Server) -> None:
    """Whoever comes next finds the module in data mode, with the connection alive, and gets it out."""
    host = plug_into(twin)
    host.join()
    host.close()
    pty = twin.urls[0].startswith("serial:")
    place = twin.urls[0].removeprefix("serial://") if pty else str(tcp_port(twin))
    command = [sys.executable, "-c", HOG, "pty" if pty else "tcp", place, str(server.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as hog:
        assert hog.stdout is not None
        assert hog.stdout.readline() == b"connected\n"
        link = server.accept()
        assert received(link, 100_000).startswith(b"payload.")
        hog.send_signal(signal.SIGKILL)
    host = plug_into(twin)
    host.send(b"AT\r")
    tail = b""
    while not tail.endswith(b"AT\r"):
        tail = tail[-3:] + link.recv(65536)
    link.sendall(b"still here")
    host.expect(b"still here")
    host.leave_data_mode()
    assert host.query(b"AT+QISTATE=0").startswith(b'+QISTATE: 0,"TCP","127.0.0.1"')
    host.ask(b"AT+QICLOSE=0", OK)
    assert received_to_end(link) == b""
    host.close()


# ---- pty ------------------------------------------------------------------------------------------------------------


@PTY
def test_pty_link(tmp_path: Path) -> None:
    link = tmp_path / "module"
    with Twin(pty=str(link), baud=115200) as twin:
        assert twin.urls == [f"serial://{link}?baud=115200"]
        host = plug_into_pty(twin)
        host.ask(b"AT", OK)
        host.close()
    assert not link.is_symlink()


@PTY
def test_pty_link_replaces_a_dead_one_and_nothing_else(tmp_path: Path) -> None:
    link = tmp_path / "module"
    link.symlink_to(tmp_path / "gone")
    with Twin(pty=str(link)):
        assert os.readlink(link).startswith("/dev/")
    link.write_text("precious")
    with pytest.raises(FileExistsError):
        Twin(pty=str(link)).start()
    assert link.read_text() == "precious"


@PTY
def test_pty_is_raw() -> None:
    """The twin's terminal begins in raw mode, which mangles nothing."""
    import termios

    with Twin(pty=True) as twin:
        path = twin.urls[0].removeprefix("serial://")
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        settings = termios.tcgetattr(descriptor)
        os.close(descriptor)
        assert not settings[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
        assert not settings[1] & termios.OPOST
        assert not settings[0] & (termios.ICRNL | termios.IXON)


# ---- TCP ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tcp() -> Iterator[Twin]:
    with Twin(tcp=("127.0.0.1", 0)) as twin:
        yield twin


def test_tcp_url_and_address() -> None:
    with Twin(tcp=("127.0.0.1", 0), baud=2_000_000) as twin:
        (url,) = twin.urls
        assert url == f"tcp://127.0.0.1:{tcp_port(twin)}?baud=2000000"


def test_a_second_host_is_refused(tcp: Twin, caplog: pytest.LogCaptureFixture) -> None:
    first = plug_into_tcp(tcp)
    first.ask(b"AT", OK)
    with socket.create_connection(("127.0.0.1", tcp_port(tcp)), timeout=PATIENCE) as second:
        assert second.recv(1) == b""
    assert "refused 127.0.0.1" in caplog.text
    first.ask(b"AT", OK)
    first.close()
    third = plug_into_tcp(tcp)
    third.ask(b"AT", OK)
    third.close()


def test_a_host_may_end_its_half(tcp: Twin) -> None:
    """As ``printf 'AT\\r' | nc -N`` does: the answer comes, then the twin hangs up."""
    with socket.create_connection(("127.0.0.1", tcp_port(tcp)), timeout=PATIENCE) as link:
        link.sendall(b"AT+QVERSION\r")
        link.shutdown(socket.SHUT_WR)
        assert received_to_end(link) == b"\r\n+QVERSION: FCM360WAAR01A01\r\n" + OK


def test_a_slow_line_has_time_to_answer() -> None:
    with (
        Twin(tcp=("127.0.0.1", 0), baud=19200) as twin,
        socket.create_connection(("127.0.0.1", tcp_port(twin)), timeout=PATIENCE) as link,
    ):
        link.sendall(b"AT+QICFG=?\r" * 6 + b"AT+QRST\r")
        link.shutdown(socket.SHUT_WR)
        got = received_to_end(link)
    assert got.count(OK) == 7
    assert got.endswith(OK + b"\r\nready\r\n")


def test_a_host_that_hung_up_gives_way_even_if_its_last_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontends, "HANDOVER", 0.3)
    with Twin(tcp=("127.0.0.1", 0), baud=1200) as twin, told("host 127.0.0.1") as arrivals:
        with socket.create_connection(("127.0.0.1", tcp_port(twin)), timeout=PATIENCE) as first:
            assert arrivals.acquire(timeout=PATIENCE)
            first.sendall(b"x" * 6000)
        with socket.create_connection(("127.0.0.1", tcp_port(twin)), timeout=PATIENCE):
            assert arrivals.acquire(timeout=PATIENCE)


@contextlib.contextmanager
def told(text: str) -> Iterator[threading.Semaphore]:
    """Count log messages of the twin."""
    count = threading.Semaphore(0)

    class Counter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                count.release()

    logger, handler = logging.getLogger("fcm360w.sim"), Counter()
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield count
    logger.removeHandler(handler)
    logger.setLevel(before)


@contextlib.contextmanager
def no_thread_left() -> Iterator[None]:
    """Those of earlier tests may end meanwhile: threads are told apart, not counted."""
    before = set(threading.enumerate())
    yield
    assert not set(threading.enumerate()) - before


def test_port_in_use(tcp: Twin) -> None:
    with no_thread_left(), pytest.raises(OSError):
        Twin(tcp=("127.0.0.1", tcp_port(tcp)), name="second").start()
    with Twin(name="second"):
        pass


@SOCAT
def test_socat(twin: Twin) -> None:
    pty = twin.urls[0].startswith("serial:")
    place = f"{twin.urls[0].removeprefix('serial://')},raw,echo=0" if pty else f"TCP:127.0.0.1:{tcp_port(twin)}"
    talk(["socat", "-t", "5", "-", place])


@NC
def test_nc(tcp: Twin) -> None:
    talk(["nc", "127.0.0.1", str(tcp_port(tcp))])


def talk(command: list[str]) -> None:
    """Type at somebody else's program, which must not be at its end before the answer."""
    answer = b"\r\n+QVERSION: FCM360WAAR01A01\r\n" + OK
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tool:
        assert tool.stdin is not None
        assert tool.stdout is not None
        tool.stdin.write(b"AT+QVERSION\r\n")
        tool.stdin.flush()
        assert tool.stdout.read(len(answer)) == answer
        tool.kill()


# ---- in process -----------------------------------------------------------------------------------------------------


def ask(port: object, line: bytes, answer: bytes) -> None:
    """Over the port's own calls."""
    write: Callable[[bytes, float], int] = port.write  # type: ignore[attr-defined]
    readinto: Callable[[memoryview, float], int] = port.readinto  # type: ignore[attr-defined]
    assert write(line + b"\r", PATIENCE) == len(line) + 1
    got, buffer = b"", bytearray(4096)
    while len(got) < len(answer):
        count = readinto(memoryview(buffer), PATIENCE)
        assert count, got
        got += buffer[:count]
    assert got == answer


def test_a_fresh_twin_for_each_port() -> None:
    with no_thread_left(), closing(open_sim("", {})) as one, closing(open_sim("", {})) as two:
        ask(one, b"ATE1", OK)
        ask(two, b"AT", OK)
        ask(one, b"AT", b"AT\r" + OK)
        assert one.baud == 0
        assert one.slack == 0.05
        assert "fileno" in one.capabilities
        assert one.readinto(memoryview(bytearray(10)), 0.0) == 0


def test_a_named_twin_takes_one_host_at_a_time() -> None:
    with pytest.raises(FileNotFoundError):
        open_sim("hall", {})
    with Twin(name="hall", baud=115200) as twin:
        assert twin.urls == ["sim://hall"]
        with pytest.raises(OSError):
            Twin(name="hall").start()
        with closing(open_sim("hall", {})) as port:
            assert port.baud == 115200
            ask(port, b"ATE1", OK)
            with pytest.raises(OSError):
                open_sim("hall", {})
        with closing(open_sim("hall", {})) as port:
            ask(port, b"AT", b"AT\r" + OK)
        with pytest.raises(ValueError, match="baud"):
            open_sim("hall", {"baud": "9600"})
    with pytest.raises(FileNotFoundError):
        open_sim("hall", {})


def test_options(tmp_path: Path) -> None:
    options = {
        "ap": "yard:correct horse,rssi=-70,open,hidden",
        "baud": "921600",
        "dialect": "fc41d",
        "echo": "1",
        "flow": "none",
        "fs": str(tmp_path / "module"),
        "map": "10.0.0.9:80=127.0.0.1:8080,a.example:1=b.example:2",
        "quirk": "underscore,banner_rdy",
        "seed": "7",
    }
    assert set(options) == set(open_sim.options)
    with closing(open_sim("", options)) as port:
        assert port.baud == 921600
        assert [ap.ssid for ap in port.twin.aps] == ["yard", "open"]
        assert [ap.password for ap in port.twin.aps] == ["correct horse", ""]
        assert [(ap.rssi, ap.hidden) for ap in port.twin.aps] == [(-70, False), (-52, True)]
        assert (port.twin.flow, port.twin.seed) == ("none", 7)
        assert port.twin.routes == {("10.0.0.9", 80): ("127.0.0.1", 8080), ("a.example", 1): ("b.example", 2)}
        ask(port, b"AT", b"AT\r" + OK)
        ask(port, b"AT+QSTAST", b"AT+QSTAST\r\r\n+QSTAST:STATION_DOWN\r\n" + OK)
        ask(port, b"AT+QSETBAND=115200,1", b"AT+QSETBAND=115200,1\r" + OK)
        ask(port, b"AT+QRST", b"AT+QRST\r" + OK + b"\r\nRDY\r\n")
    with closing(open_sim("", options)) as port:
        assert port.baud == 115200, "what is saved goes before what is given"
        port.set_baud(9600)
        assert port.baud == 9600
        ask(port, b"AT", b"AT\r" + OK)


def test_a_folder_that_no_twin_has_written(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("[]")
    for _ in range(2):
        with no_thread_left(), pytest.raises(ValueError, match="was not written by a twin"):
            open_sim("", {"fs": str(tmp_path)})
    with no_thread_left(), pytest.raises(OSError):
        open_sim("", {"fs": str(tmp_path / "settings.json")})


@pytest.mark.parametrize(
    "options",
    [
        {"baud": "fast"},
        {"baud": "300"},
        {"dialect": "latin"},
        {"quirk": "nonsense"},
        {"ap": ""},
        {"ap": "hall:short"},
        {"ap": "hall,rssi=0"},
        {"echo": "maybe"},
        {"flow": "xonxoff", "baud": "9600"},
        {"flow": "none"},
        {"seed": "x"},
    ],
)
def test_bad_options(options: dict[str, str]) -> None:
    with no_thread_left(), pytest.raises(ValueError):
        open_sim("", options)


def test_in_flight_bytes_are_bounded_on_a_paced_line() -> None:
    """What a host has written is soon on the wire, as far as its system can see to it."""
    with closing(open_sim("", {"baud": "1200"})) as port:
        taken = 0
        while count := port.write(b"x" * 4096, 0.05):
            taken += count
        assert taken < 64 * 1024


def test_a_stopped_twin_is_an_oserror() -> None:
    port = open_sim("", {})
    port.twin.stop()
    with pytest.raises(OSError):
        port.readinto(memoryview(bytearray(10)), PATIENCE)
    port.close()
    port.close()


# ---- running in the foreground --------------------------------------------------------------------------------------


def test_serve() -> None:
    twin, urls, told = Twin(tcp=("127.0.0.1", 0), name="foreground"), [], threading.Event()

    def announce(url: str) -> None:
        urls.append(url)
        if url.startswith("sim:"):
            told.set()

    thread = threading.Thread(target=serve, args=(twin, announce))
    thread.start()
    assert told.wait(PATIENCE)
    host = plug_into_tcp(twin)
    host.ask(b"AT", OK)
    host.close()
    assert urls == twin.urls
    twin.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_serve_ends_quietly_when_interrupted() -> None:
    script = (
        "from fcm360w.sim import Twin, serve\n"
        "serve(Twin(tcp=('127.0.0.1', 0)), lambda url: print(url, flush=True))\n"
        "print('done', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().decode().strip()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=PATIENCE) as link:
            link.sendall(b"AT\r")
            assert received(link, len(OK)) == OK
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == b"done\n"
            assert process.stderr.read() == b""
