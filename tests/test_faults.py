"""A fault at every step of everything that can be done: one clear error or success, no hang, and usable afterwards.

What can be done is what the faces offer, and every flow must have been part of it.  Each deed is done once to count its
moments, all that happens in its world, and then again for each moment and each fault.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType

import pytest

from deeds import (
    DEEDS,
    FACES,
    HERE,
    HOTSPOT,
    MODES,
    OPENING,
    OWN_PORT,
    PORT,
    SAID,
    USUAL,
    Act,
    Deed,
    Scene,
    deed,
    simple,
)
from effort import stride
from fcm360w import faces, flows, module, sockets, streams
from fcm360w.channel import Mode
from fcm360w.commands import system, tcp
from fcm360w.errors import FCM360WError, ProtocolError, TransportLost
from fcm360w.flows.sockets import connect
from fcm360w.module import Module
from fcm360w.steps import Within

for chapter in Path(__file__).parent.glob("deeds_*.py"):
    import_module(chapter.stem)

# Seconds.  What is done has the time that is stated of it, or less if the module says that it restarted; to find out
# where the module is takes some more.
RESTARTED = 60.0
RECOVERY = 10.0

# Each fault begins at another moment, so that together they come at all of them.
STRIDE = stride(8, 40)


def fixed(module: Module) -> object:
    return module.wifi.static("10.0.0.8", "255.255.255.0", "10.0.0.1", "10.0.0.1")


def free(module: Module) -> object:
    return module.run(tcp.Close(3))


simple("Module.run", lambda module: module.run(system.GetVersion()))
simple("Module.wake", Module.wake)
simple("Module.recover", Module.recover)
simple("Module.wait", lambda module: module.wait(tcp.Closed, 5.0))
simple("Module.events", Module.events)
simple("Wifi.join", lambda module: module.wifi.join(*HOTSPOT))
simple("Wifi.join and save", lambda module: module.wifi.join(*HOTSPOT, save=True))
simple("Wifi.leave", lambda module: module.wifi.leave())
simple("Wifi.forget", lambda module: module.wifi.forget())
simple("Wifi.scan", lambda module: module.wifi.scan())
simple("Wifi.hotspot", lambda module: module.wifi.hotspot())
simple("Wifi.status", lambda module: module.wifi.status())
simple("Wifi.addresses", lambda module: module.wifi.addresses())
simple("Wifi.dhcp", lambda module: module.wifi.dhcp())
simple("Wifi.static", fixed, undo=lambda module: module.wifi.dhcp())
simple("Wifi.mac", lambda module: module.wifi.mac())
simple("Wifi.dns", lambda module: module.wifi.dns())
simple("Wifi.set_dns", lambda module: module.wifi.set_dns("10.0.0.1"))
simple("Wifi.start_ap", lambda module: module.wifi.start_ap("own", "open sesame"))
simple("Wifi.stop_ap", lambda module: module.wifi.stop_ap())
simple("Wifi.ap_static", lambda module: module.wifi.ap_static("10.0.5.1", "255.255.255.0", "10.0.5.1", "10.0.5.1"))
simple("Wifi.web_setup", lambda module: module.wifi.web_setup(True))
simple("Tcp.sockets", lambda module: module.tcp.sockets())
simple("Tcp.get", lambda module: module.tcp.get(tcp.PacketSize))
simple("Tcp.set", lambda module: module.tcp.set(tcp.PacketSize(512)))
simple("System.version", lambda module: module.system.version())
simple("System.reboot", lambda module: module.system.reboot())
simple("System.echo", lambda module: module.system.echo(True))
simple("System.baud", lambda module: module.system.baud())
simple("System.last_error", lambda module: module.system.last_error())
simple("System.upgrade", lambda module: module.system.upgrade("http://firmware.example/new", 60.0), 240.0)


@deed("System.set_baud", baud=115200)
def set_baud(scene: Scene) -> Act:
    yield
    scene.module.system.set_baud(921600)


@deed("Module.attach", OPENING, undo=free)
def attach(scene: Scene) -> Act:
    yield
    scene.keep(scene.module.attach(tcp.Open(3, tcp.Service.TCP, HERE, PORT, 0, tcp.Access.TRANSPARENT)))


@deed("Module.close")
def close_module(scene: Scene) -> Act:
    scene.module.stream(HERE, PORT, "push").sendall(b"so far")
    scene.module.stream(HERE, PORT).sendall(b"so far")
    yield
    scene.module.close()


@deed("Module.wake in data mode")
def wake_in_data_mode(scene: Scene) -> Act:
    """As a program that was started anew."""
    scene.module.run(tcp.Open(3, tcp.Service.TCP, HERE, PORT, 0, tcp.Access.PUSH))
    scene.stream("transparent")
    scene.module.close()
    yield
    scene.module = scene.world.module()


@deed("Module.recover in data mode")
def recover_in_data_mode(scene: Scene) -> Act:
    scene.stream("transparent").sendall(b"so far")
    yield
    scene.module.recover()


@deed("Module.recover at a prompt")
def recover_at_a_prompt(scene: Scene) -> Act:
    """A payload is owed that nobody will send."""
    scene.stream("push")
    scene.module.tcp.set(tcp.SendTimeout(0))
    scene.module._port.write(b"AT+QISEND=0,1000\r\n", 0)
    yield
    scene.module.recover()


@deed("Module.recover of a module that is away for long")
def recover_late(scene: Scene) -> Act:
    """Longer than all that is tried before a restart."""
    yield
    scene.world.unwired = True
    scene.world.after(14.0, lambda: setattr(scene.world, "unwired", False))
    scene.module.recover()


@deed("Module.run of an opening that is interrupted", undo=lambda module: module.run(tcp.Close(0)))
def connect_interrupted(scene: Scene) -> Act:
    scene.world.network.cut("10.0.0.66")
    yield
    busy = [True]

    def interrupt() -> None:
        if busy.pop():
            raise KeyboardInterrupt

    scene.world.after(1.0, interrupt)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            scene.module.run(connect("10.0.0.66", PORT, tcp.Access.PUSH))
    finally:
        busy[:] = [False]


@deed("Module.run after a time-out")
def run_after_a_time_out(scene: Scene) -> Act:
    scene.world.frozen = True
    with contextlib.suppress(FCM360WError):
        scene.module.run(Within(system.GetVersion(), 0.5))
    scene.world.frozen = False
    yield
    scene.module.run(system.GetVersion())


@deed("Udp.connect", OPENING)
def udp_connect(scene: Scene) -> Act:
    yield
    scene.keep(scene.module.udp.connect(HERE, PORT))


@deed("Udp.bind", OPENING)
def udp_bind(scene: Scene) -> Act:
    yield
    scene.keep(scene.module.udp.bind(OWN_PORT))


@deed("UdpSocket.send")
def udp_send(scene: Scene) -> Act:
    socket = scene.keep(scene.module.udp.connect(HERE, PORT))
    yield
    socket.send(b"datagram")


@deed("UdpSocket.recv")
def udp_recv(scene: Scene) -> Act:
    socket = scene.keep(scene.module.udp.connect(HERE, PORT))
    socket.send(b"datagram")
    yield
    assert socket.recv() == b"datagram"


@deed("UdpSocket.close")
def udp_close(scene: Scene) -> Act:
    socket = scene.keep(scene.module.udp.connect(HERE, PORT))
    yield
    socket.close()


@deed("UdpService.sendto")
def udp_sendto(scene: Scene) -> Act:
    service = scene.keep(scene.module.udp.bind(OWN_PORT))
    yield
    service.sendto(b"datagram", (HERE, PORT))


@deed("UdpService.recvfrom")
def udp_recvfrom(scene: Scene) -> Act:
    service = scene.keep(scene.module.udp.bind(OWN_PORT))
    service.sendto(b"datagram", (HERE, PORT))
    yield
    assert service.recvfrom()[:3] == (b"datagram", HERE, PORT)


@deed("UdpService.close")
def udp_service_close(scene: Scene) -> Act:
    service = scene.keep(scene.module.udp.bind(OWN_PORT))
    yield
    service.close()


@deed("Tcp.listen", OPENING)
def listen(scene: Scene) -> Act:
    yield
    scene.listener()


@deed("Listener.accept")
def accept(scene: Scene) -> Act:
    listener = scene.listener()
    scene.echo(scene.world.network.dial(OWN_PORT))
    yield
    scene.keep(listener.accept(USUAL))


@deed("Listener.accept by hand")
def accept_by_hand(scene: Scene) -> Act:
    listener = scene.listener(manual=True)
    scene.echo(scene.world.network.dial(OWN_PORT))
    yield
    scene.keep(listener.accept(USUAL))


@deed("Listener.reject")
def reject(scene: Scene) -> Act:
    listener = scene.listener(manual=True)
    scene.echo(scene.world.network.dial(OWN_PORT))
    scene.world.sleep(1.0)
    yield
    listener.reject()


@deed("Listener.close")
def listener_close(scene: Scene) -> Act:
    listener = scene.listener()
    scene.echo(scene.world.network.dial(OWN_PORT))
    scene.world.sleep(1.0)
    yield
    listener.close()


def on_a_stream(name: str, mode: Mode, act: Callable[[Scene, streams.Stream], object], told: bytes = b"") -> None:
    """A deed on a stream that is open, whose peer has sent something."""

    def perform(scene: Scene) -> Act:
        stream = scene.stream(mode)
        scene.peers[0].send(told)
        yield
        act(scene, stream)

    DEEDS[f"{name}, {mode}"] = Deed(perform)


def suspend(scene: Scene, stream: streams.Stream) -> None:
    with stream.suspended():
        scene.module.run(system.GetVersion())


def exchange(scene: Scene, stream: streams.Stream) -> None:
    """There and back."""
    with stream.makefile("rwb") as file:
        file.write(SAID)
        file.flush()
        assert SAID.startswith(file.read(len(SAID)))


def received_to_the_end(scene: Scene, stream: streams.Stream) -> None:
    scene.peers[0].close()
    got = b""
    with pytest.raises(FCM360WError):
        while True:
            got += stream.recv(99)
    # A NO CARRIER that is followed by a restart, and so by no answer to the escape, may have been the peer's.
    assert b"last words".startswith(got.partition(b"\r\nNO CARRIER\r\n")[0])


for mode in MODES:

    def connected(scene: Scene, mode: Mode = mode) -> Act:
        yield
        scene.keep(scene.module.tcp.connect(HERE, PORT, mode))

    def refused(scene: Scene, mode: Mode = mode) -> Act:
        yield
        with contextlib.suppress(FCM360WError):
            scene.module.stream(HERE, 1, mode)

    DEEDS[f"Tcp.connect, {mode}"] = DEEDS[f"Module.stream, {mode}"] = Deed(connected, OPENING)
    DEEDS[f"Module.stream refused, {mode}"] = Deed(refused, OPENING)
    on_a_stream("Stream.sendall", mode, lambda _, stream: stream.sendall(SAID))
    on_a_stream("Stream.sendall of an escape", mode, lambda _, stream: stream.sendall(b"+++"))
    on_a_stream("Stream.recv", mode, lambda _, stream: stream.recv(9999), b"hello")
    on_a_stream("Stream.recv of what ends it", mode, lambda _, stream: stream.recv(9999), b"\r\nNO CARRIER\r\n")
    on_a_stream("Stream.recv to the end", mode, received_to_the_end, b"last words")
    on_a_stream("Stream.recv_into", mode, lambda _, stream: stream.recv_into(bytearray(99)), b"hello")
    on_a_stream("Stream.recv_chunk", mode, lambda _, stream: stream.recv_chunk(99), b"hello")
    on_a_stream("Stream.makefile", mode, exchange)
    on_a_stream("Stream.suspended", mode, suspend, b"hello")
    on_a_stream("Stream.verify", mode, lambda _, stream: stream.verify())
    on_a_stream("Stream.close", mode, lambda _, stream: stream.close())


# ---- what can befall it


def standstill(scene: Scene) -> None:
    """The module is busy with itself for a while, longer than most commands may take."""
    scene.world.frozen = True
    scene.world.after(3.0, lambda: setattr(scene.world, "frozen", False))


def closed_by_peers(scene: Scene) -> None:
    for peer in scene.peers:
        peer.close()


FAULTS: dict[str, Callable[[Scene], None]] = {
    "reboot": lambda scene: scene.world.power_cycle(),
    "hotspot lost": lambda scene: scene.world.lose_ap(),
    "closed by the peer": closed_by_peers,
    "port dead": lambda scene: scene.world.unplug(),
    "silence": lambda scene: setattr(scene.world, "unwired", True),
    "standstill": standstill,
}


# ---- the demand


def begin(name: str) -> tuple[Scene, Act]:
    """What is to be done, prepared."""
    scene = Scene(DEEDS[name].baud)
    act = DEEDS[name].perform(scene)
    next(act)
    scene.world.moments = 0
    return scene, act


@contextlib.contextmanager
def in_time(scene: Scene, seconds: float) -> Iterator[None]:
    """It ends in its time, well or with an error that says whose fault it is."""
    begun = scene.world.now
    with contextlib.suppress(FCM360WError, TimeoutError):
        yield
    assert scene.world.now - begun <= seconds


def mend(scene: Scene) -> None:
    """The fault is over."""
    scene.world.sleep(5.0)
    scene.world.unwired = False
    scene.world.restore_ap()


def close(scene: Scene) -> None:
    """What the deed has opened; if that fails, it can be done again."""
    for thing in scene.open:
        with in_time(scene, USUAL + RECOVERY):
            thing.close()


def regain(scene: Scene) -> None:
    """Bring the module back to command mode; through another port, if this one is dead or has the wrong rate."""
    try:
        scene.module.recover()
    except (TransportLost, ProtocolError):
        with contextlib.suppress(TransportLost):
            scene.module.close()
        scene.module = scene.world.module()


def use(scene: Scene) -> None:
    """All that is usual."""
    scene.module.wifi.join(*HOTSPOT)
    with scene.module.stream(HERE, PORT, "push") as stream:
        stream.settimeout(USUAL)
        stream.sendall(b"echo")
        assert stream.recv(99) == b"echo"
    # Of a client nobody knows if the line that announced it was lost on the wire; to wake the module frees its id.
    assert {info.service_type for info in scene.module.tcp.sockets()} <= {tcp.Service.INCOMING}
    scene.module.wake()
    assert scene.module.tcp.sockets() == ()
    scene.module.close()


@cache
def moments_of(name: str) -> int:
    """How many moments it has if nothing goes wrong."""
    scene, act = begin(name)
    for _ in act:
        raise AssertionError("an act yields once")
    return scene.world.moments


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", DEEDS)
def test_a_fault_at_every_moment(name: str, fault: str) -> None:
    for moment in range(1 + len(name + fault) % STRIDE, moments_of(name) + 1, STRIDE):
        scene, act = begin(name)
        scene.world.faults[moment] = partial(FAULTS[fault], scene)
        stated = min(DEEDS[name].seconds, RESTARTED) if fault == "reboot" else DEEDS[name].seconds
        with in_time(scene, stated + RECOVERY):
            next(act, None)
        close(scene)
        mend(scene)
        regain(scene)
        close(scene)
        DEEDS[name].undo(scene.module)
        use(scene)


# ---- nothing is left out

FACES += (
    module.Module,
    faces.Wifi,
    faces.Tcp,
    faces.Udp,
    faces.System,
    streams.Stream,
    sockets.Listener,
    sockets.UdpSocket,
    sockets.UdpService,
)

# What says nothing to a module.
SILENT = {
    "Tcp.set_hex_units",
    *("Module.stats", "Module.drive", "Module.adopt", "Module.forget", "Module.stream_over"),
    *("Stream.settimeout", "UdpSocket.settimeout", "UdpService.settimeout"),
    *(f"Socket.{name}" for name in ("settimeout", "gettimeout", "setblocking", "getblocking", "fileno")),
    *("Socket.setsockopt", "Socket.getsockopt"),
}


def offered() -> set[str]:
    """The methods of all faces."""
    return {
        f"{face.__name__}.{name}"
        for face in FACES
        for name, member in inspect.getmembers(face, inspect.isfunction)
        if not name.startswith("_")
    }


def test_all_that_the_faces_offer_is_done() -> None:
    assert {name.partition(",")[0].partition(" ")[0] for name in DEEDS} == offered() - SILENT


def every_flow() -> dict[CodeType, str]:
    """The generators that flows are."""
    found = {}
    for path in Path(flows.__file__).parent.glob("*.py"):
        place = import_module(f"fcm360w.flows.{path.stem}")
        for name, member in inspect.getmembers(place, inspect.isgeneratorfunction):
            if member.__module__ == place.__name__:
                found[member.__code__] = f"{path.stem}.{name}"
    return found


@contextlib.contextmanager
def noted(begun: set[CodeType]) -> Iterator[None]:
    """Note which functions are called."""

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            begun.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def test_every_flow_has_part_in_it() -> None:
    begun: set[CodeType] = set()
    with noted(begun):
        for name in DEEDS:
            moments_of.__wrapped__(name)
    assert [name for code, name in every_flow().items() if code not in begun] == []
