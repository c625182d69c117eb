"""URLs, the registry, and the one place where OSError becomes TransportError."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from fcm360w import ports
from fcm360w.errors import TransportLost, TransportUnavailable, UsageError
from fcm360w.port_hints import hint_for
from fcm360w.ports import OpenPort, Port, SetsBaud, Transport, list_ports, open_port, parse_url

if TYPE_CHECKING:
    from typing_extensions import Buffer

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
PATIENCE = 20.0


class Loop:
    """A transport that gives back what it is given, and fails as told."""

    options: ClassVar[Mapping[str, str]] = {
        "fail": "errno of calls",
        "refuse": "errno of opening",
        "bad": "a bad value",
    }
    opened = 0

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        type(self).opened += 1
        if "refuse" in options:
            raise OSError(int(options["refuse"]), os.strerror(int(options["refuse"])))
        if "bad" in options:
            raise ValueError("bad: must be good")
        self.url, self.slack = f"loop://{address}", 0.0
        self.baud: int | None = None
        self.capabilities = frozenset({"fileno"})
        self.failure = int(options.get("fail", "0"))
        self.held = b""

    def check(self) -> None:
        if self.failure:
            raise OSError(self.failure, os.strerror(self.failure))

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        self.check()
        count = min(len(buffer), len(self.held))
        buffer[:count] = self.held[:count]
        return count

    def write(self, data: Buffer, timeout: float | None) -> int:
        self.check()
        self.held += bytes(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        self.check()

    def fileno(self) -> int:
        self.check()
        return -1

    @staticmethod
    def discover() -> Iterator[tuple[str, str]]:
        yield "loop://1", "the first loop"


class Retunable(Loop):
    def set_baud(self, rate: int) -> None:
        self.check()
        self.rate = rate

    def out_waiting(self) -> int:
        self.check()
        return 3


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = [
        importlib.metadata.EntryPoint("loop", f"{__name__}:Loop", ports.GROUP),
        importlib.metadata.EntryPoint("tuned", f"{__name__}:Retunable", ports.GROUP),
        importlib.metadata.EntryPoint("partial", "fcm360w.no_such_part:Thing", ports.GROUP),
        importlib.metadata.EntryPoint("broken", "no_such_module_here.at_all:Thing", ports.GROUP),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: extra if group == ports.GROUP else [])
    monkeypatch.setattr(Loop, "opened", 0)


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("serial:///dev/ttyUSB0?baud=2000000&rtscts=1", ("serial", "/dev/ttyUSB0", {"baud": "2000000", "rtscts": "1"})),
        ("serial://COM3?baud=9600", ("serial", "COM3", {"baud": "9600"})),
        ("serial:///dev/with%20blank", ("serial", "/dev/with blank", {})),
        ("/dev/ttyUSB0", ("serial", "/dev/ttyUSB0", {})),
        ("/dev/ttyUSB0?baud=9600", ("serial", "/dev/ttyUSB0", {"baud": "9600"})),
        ("/dev/odd%20#name", ("serial", "/dev/odd%20#name", {})),
        ("serial:///dev/odd#name", ("serial", "/dev/odd#name", {})),
        ("COM3", ("serial", "COM3", {})),
        ("\\\\.\\COM12", ("serial", "\\\\.\\COM12", {})),
        ("ttys/3", ("serial", "ttys/3", {})),
        ("tcp://[::1]:7000", ("tcp", "[::1]:7000", {})),
        ("TCP://Host:7000?slack=0", ("tcp", "Host:7000", {"slack": "0"})),
        ("sim://", ("sim", "", {})),
        ("sim://hall?ap=hall%3Asecret%26more", ("sim", "hall", {"ap": "hall:secret&more"})),
        ("usb://2c7c:7000/serial", ("usb", "2c7c:7000/serial", {})),
        ("loop://x?empty=", ("loop", "x", {"empty": ""})),
    ],
)
def test_urls(url: str, parsed: tuple[str, str, dict[str, str]]) -> None:
    assert parse_url(url) == parsed


@pytest.mark.parametrize("url", ["loop://x?fail", "loop://x?fail=1&fail=2", "tcp://[::1?slack=1"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError):
        parse_url(url)


def test_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"carrier://.*broken://, loop://, partial://, serial://, sim://, tcp://"):
        open_port("carrier://pigeon")


def test_unknown_option_lists_the_known_ones_and_opens_nothing() -> None:
    with pytest.raises(UsageError, match=r"loop:// has no option lose; it has bad, fail, refuse"):
        open_port("loop://x?lose=1&fail=5")
    assert Loop.opened == 0


def test_serial_has_no_software_flow_control() -> None:
    with pytest.raises(UsageError, match=r"no option xonxoff; it has baud, rtscts, slack"):
        open_port("/dev/ttyUSB0?xonxoff=1")


def test_bad_value_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"loop://x: bad: must be good") as caught:
        open_port("loop://x?bad=1")
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_port_passes_everything_on() -> None:
    port: Port = open_port("loop://here")
    buffer = bytearray(3)
    assert (port.url, port.baud, port.slack, port.capabilities) == ("loop://here", None, 0.0, frozenset({"fileno"}))
    assert port.write(b"abc", None) == 3
    assert port.readinto(memoryview(buffer), None) == 3
    assert (bytes(buffer), port.fileno()) == (b"abc", -1)
    port.close()


def test_what_a_port_cannot_do_is_said() -> None:
    port = open_port("loop://here")
    assert port.out_waiting() is None
    with pytest.raises(UsageError, match=r"loop://here cannot change its baud rate"):
        port.set_baud(9600)


def test_what_a_port_can_do_more() -> None:
    port = open_port("tuned://here")
    assert port.out_waiting() == 3
    port.set_baud(9600)
    assert isinstance(port.raw, Retunable)
    assert port.raw.rate == 9600


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.readinto(memoryview(bytearray(1)), None),
        lambda port: port.write(b"x", None),
        lambda port: port.fileno(),
        lambda port: port.close(),
        lambda port: port.set_baud(1),
        lambda port: port.out_waiting(),
    ],
)
def test_every_failure_in_use_is_transport_lost(call: Callable[[OpenPort], object]) -> None:
    port = open_port(f"tuned://here?fail={errno.ENODEV}")
    with pytest.raises(TransportLost, match=r"lost loop://here: No such device") as caught:
        call(port)
    assert caught.value.errno == errno.ENODEV
    assert caught.value.cause is caught.value.__cause__


def test_failure_to_open_is_unavailable_with_a_hint() -> None:
    with pytest.raises(TransportUnavailable, match=r"cannot open loop://x: Connection refused") as caught:
        open_port(f"loop://x?refuse={errno.ECONNREFUSED}")
    assert "is the twin or the bridge running" in caught.value.hint
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize(("scheme", "package"), [("broken", "no_such_module_here"), ("partial", "fcm360w")])
def test_missing_package_names_the_command(scheme: str, package: str) -> None:
    with pytest.raises(TransportUnavailable) as caught:
        open_port(f"{scheme}://x")
    assert caught.value.hint == f"pip install {package}"
    assert isinstance(caught.value.__cause__, ImportError)


def test_missing_pyserial_is_called_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    monkeypatch.delitem(sys.modules, "fcm360w_transports.uart", raising=False)
    with pytest.raises(TransportUnavailable) as caught:
        open_port("/dev/ttyUSB0")
    assert caught.value.hint == "pip install pyserial"


def test_no_such_device() -> None:
    with pytest.raises(TransportUnavailable, match=r"/dev/no-such-device: No such file or directory\n") as caught:
        open_port("/dev/no-such-device")
    assert "fcm360w ports" in caught.value.hint


def test_busy_device_names_who_has_it() -> None:
    master, slave = os.openpty()
    with closing(open_port(os.ttyname(slave))), pytest.raises(TransportUnavailable) as caught:
        open_port(os.ttyname(slave))
    os.close(master)
    os.close(slave)
    assert f"process {os.getpid()}" in caught.value.hint or sys.platform != "linux"


def test_permission_names_the_group(tmp_path: Path) -> None:
    grp = pytest.importorskip("grp", reason="platform: no groups")
    device = tmp_path / "device"
    device.touch()
    group = grp.getgrgid(device.stat().st_gid).gr_name
    hint = hint_for(PermissionError(errno.EACCES, "no"), str(device))
    assert hint == "this user may not open it" if group == "root" else f"group {group}" in hint


def test_permission_of_a_dialout_device(monkeypatch: pytest.MonkeyPatch) -> None:
    grp = pytest.importorskip("grp", reason="platform: no groups")
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("dialout", "x", gid, [])))
    assert "usermod -aG dialout $USER" in hint_for(PermissionError(errno.EACCES, "no"), "/dev/null")


def test_unknown_trouble_has_no_hint() -> None:
    assert hint_for(OSError(errno.EDOM, "odd"), "/dev/x") == ""
    assert hint_for(OSError("no errno"), "/dev/x") == ""


def test_real_serial_port_end_to_end() -> None:
    master, slave = os.openpty()
    port = open_port(f"serial://{os.ttyname(slave)}?baud=2000000")
    assert port.write(b"AT\r", PATIENCE) == 3
    assert os.read(master, 10) == b"AT\r"
    assert port.baud == 2_000_000
    os.close(slave)
    os.close(master)
    with pytest.raises(TransportLost):
        port.readinto(memoryview(bytearray(1)), PATIENCE)
    port.close()


def test_real_tcp_port_end_to_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        far, _ = server.accept()
        far.close()
    with pytest.raises(TransportLost, match=r"the other side closed the connection"):
        port.readinto(memoryview(bytearray(1)), PATIENCE)
    port.close()


def test_listing_tells_options_devices_and_what_is_missing() -> None:
    listed = {scheme.name: scheme for scheme in list_ports()}
    assert listed["loop"].found == (("loop://1", "the first loop"),)
    assert listed["loop"].options == Loop.options
    assert "no_such_module_here" in listed["broken"].missing
    assert "rtscts" in listed["serial"].options


def test_serial_ports_are_listed_with_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    from serial.tools import list_ports as pyserial_ports
    from serial.tools.list_ports_common import ListPortInfo

    plain, usb = ListPortInfo("/dev/ttyS0"), ListPortInfo("/dev/ttyUSB0")
    usb.vid, usb.pid, usb.description = 0x2C7C, 0x7000, "Quectel"
    monkeypatch.setattr(pyserial_ports, "comports", lambda: [plain, usb])
    found = {scheme.name: scheme for scheme in list_ports()}["serial"].found
    assert found == (("serial:///dev/ttyS0", "n/a"), ("serial:///dev/ttyUSB0", "2c7c:7000 Quectel"))


def test_built_in_places_are_the_entry_points() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    assert project["entry-points"][ports.GROUP] == dict(ports.BUILT_IN)


def test_group_and_extra_agree() -> None:
    project = tomllib.loads(PYPROJECT.read_text())
    assert project["dependency-groups"]["test"] == project["project"]["optional-dependencies"]["test"]


def test_opening_one_scheme_imports_no_other() -> None:
    code = (
        "import sys, fcm360w.ports\n"
        "try: fcm360w.ports.open_port('tcp://127.0.0.1:1')\n"
        "except fcm360w.errors.TransportUnavailable: pass\n"
        "sys.exit('serial' in sys.modules or 'fcm360w_transports.tcp' not in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_protocols_fit_what_is_there() -> None:
    from fcm360w_transports.tcp import TcpPort
    from fcm360w_transports.uart import PlatformUart, PosixUart

    transports: list[Transport] = [TcpPort, PlatformUart, Loop]
    assert all(transport.options for transport in transports)
    assert issubclass(PosixUart, SetsBaud)
