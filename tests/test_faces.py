"""The faces end to end: driver and twin, with plain sockets of this machine at the other side, or a virtual clock."""

from __future__ import annotations

import asyncio
import functools
import http.server
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import fcm360w
import spoken
from fcm360w import AsyncModule, EscapePolicy, Module
from fcm360w.commands import tcp
from fcm360w.commands.system import Booted, UpgradeEvent
from fcm360w.commands.wifi import ApChange, ApEvent, Mode, Security, StationEvent
from fcm360w.errors import (
    CommandError,
    Overrun,
    PeerClosed,
    ProtocolError,
    SocketLost,
    UsageError,
)
from fcm360w.sim import AccessPoint, Twin, World, firmware_image
from fcm360w.sim.dialect import FC41D, Dialect
from fcm360w.stats import Mark
from freeport import free_port
from peers import Peer

pytestmark = pytest.mark.driver

LIMIT = 20.0
LOCAL = "127.0.0.1"
QUICK = EscapePolicy(guard_before=0.3, guard_after=0.3, slack=0.1, answer=3.0)
DIALECT = spoken.dialect(guard=0.3)
APS = (
    AccessPoint("hall", "open sesame", rssi=-52, channel=6),
    AccessPoint("cellar", "", rssi=-80, channel=11, security=Security.OPEN),
)


def connected(port: int) -> socket.socket:
    return socket.create_connection((LOCAL, port), LIMIT)


def everything(link: socket.socket) -> bytes:
    got = b""
    while data := link.recv(65536):
        got += data
    return got


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(APS, dialect=DIALECT, name="faces") as twin:
        yield twin


@pytest.fixture
def module(twin: Twin) -> Iterator[Module]:
    with fcm360w.open("sim://faces", escape=QUICK) as module:
        module.wifi.join("hall", "open sesame")
        yield module


def with_asyncio(scene: Callable[[AsyncModule, Twin], Awaitable[None]]) -> None:
    """The same for a task."""

    async def main() -> None:
        with Twin(APS, dialect=DIALECT, name="faces-async") as twin:
            async with asyncio.timeout(LIMIT * 3), await fcm360w.open_async("sim://faces-async", QUICK) as module:
                await module.wifi.join("hall", "open sesame")
                await scene(module, twin)

    asyncio.run(main())


# ---- Wi-Fi


@pytest.mark.parametrize("dialect", [DIALECT, FC41D], ids=["manual", "fc41d"])
def test_a_station(dialect: Dialect) -> None:
    with Twin(APS, dialect=dialect, name="station"), fcm360w.open("sim://station") as module:
        wifi = module.wifi
        assert [(seen.ssid, seen.rssi, seen.channel) for seen in wifi.scan()] == [("hall", -52, 6), ("cellar", -80, 11)]
        assert wifi.status() == fcm360w.WifiStatus(False, None, wifi.addresses(), False)
        with pytest.raises(CommandError, match="not joined"):
            wifi.hotspot()
        with pytest.raises(CommandError, match="no such hotspot"):
            wifi.join("attic")
        with pytest.raises(CommandError, match="password"):
            wifi.join("hall", "close sesame")
        assert wifi.join("cellar").ip == wifi.addresses().ip != "0.0.0.0"
        assert wifi.hotspot().ssid == "cellar"
        wifi.join("hall", "open sesame")
        status = wifi.status()
        assert status.hotspot is not None
        assert (status.station, status.hotspot.ssid, status.ap) == (True, "hall", False)
        assert status.addresses == wifi.addresses()
        assert len(wifi.mac().split(":")) == 6
        wifi.leave()
        assert wifi.addresses().ip == "0.0.0.0"


@pytest.mark.parametrize("dialect", [DIALECT, FC41D], ids=["manual", "fc41d"])
def test_addresses_of_a_station(dialect: Dialect) -> None:
    with Twin(APS, dialect=dialect, name="addresses"), fcm360w.open("sim://addresses") as module:
        given = module.wifi.join("hall", "open sesame")
        module.wifi.static("10.0.0.77", "255.255.255.0", "10.0.0.1", "9.9.9.9")
        fixed = module.wifi.addresses()
        assert (fixed.ip, fixed.mask, fixed.gate, fixed.dns) == ("10.0.0.77", "255.255.255.0", "10.0.0.1", "9.9.9.9")
        module.wifi.set_dns("1.1.1.1", "8.8.8.8")
        assert (module.wifi.dns().pridnsaddr, module.wifi.dns().secdnsaddr) == ("1.1.1.1", "8.8.8.8")
        module.events()
        module.wifi.dhcp()
        module.wait(StationEvent, LIMIT)
        assert module.wifi.addresses().ip == given.ip
        module.wifi.web_setup(True)


def test_the_modules_own_hotspot(module: Module, twin: Twin) -> None:
    module.wifi.start_ap("bench", "12345678")
    assert module.wifi.status().ap
    assert module.wifi.addresses(Mode.AP).ip != "0.0.0.0"
    twin.ap_client(True)
    assert module.wait(ApEvent, LIMIT) == ApEvent(ApChange.CLIENT_JOINED)
    twin.ap_client(False)
    assert module.wait(ApEvent, LIMIT) == ApEvent(ApChange.CLIENT_LEFT)
    module.wifi.ap_static("192.168.4.1", "255.255.255.0", "0.0.0.0", "0.0.0.0")
    assert module.wifi.addresses(Mode.AP).ip == "192.168.4.1"
    module.wifi.stop_ap()
    assert module.wait(ApEvent, LIMIT) == ApEvent(ApChange.DOWN)
    assert not module.wifi.status().ap


def test_a_hotspot_that_is_saved_is_joined_after_a_restart(module: Module) -> None:
    module.wifi.join("hall", "open sesame", save=True)
    module.system.reboot()
    module.wait(StationEvent, LIMIT)
    while module.wifi.addresses().ip == "0.0.0.0":
        module.wait(StationEvent, LIMIT)
    module.wifi.forget()
    module.system.reboot()
    assert not module.wifi.status().station


# ---- TCP


@pytest.mark.parametrize("mode", ["transparent", "push", "buffer"])
def test_a_client_both_ways(module: Module, mode: Any) -> None:
    data = os.urandom(50_000)
    with Peer() as peer, module.tcp.connect(LOCAL, peer.port, mode) as stream:
        assert stream.peer == (LOCAL, peer.port)
        client = peer.next()
        stream.sendall(data)
        assert client.wait_for(len(data)) == data
        client.send(data)
        stream.settimeout(LIMIT)
        with stream.makefile("rb") as file:
            assert file.read(len(data)) == data


def test_options(module: Module) -> None:
    assert module.tcp.get(tcp.PacketSize) == tcp.PacketSize(1024)
    module.tcp.set(tcp.PacketSize(512))
    assert module.tcp.get(tcp.PacketSize).transpktsize == 512
    with pytest.raises(UsageError, match=r"transpktsize .* \(manual 2\.3\.1\)"):
        module.tcp.set(tcp.PacketSize(0))


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_payload_that_crosses_the_wire_as_digits(module: Module, mode: Any) -> None:
    """It is the same payload for whoever sends and receives it."""
    module.tcp.set(tcp.DataFormat(tcp.Format.HEX, tcp.Format.HEX))
    module.tcp.set_hex_units(**spoken.units())
    data = os.urandom(5_000)
    with Peer() as peer, module.tcp.connect(LOCAL, peer.port, mode) as stream:
        client = peer.next()
        stream.sendall(data)
        assert client.wait_for(len(data)) == data
        client.send(data)
        stream.settimeout(LIMIT)
        with stream.makefile("rb") as file:
            assert file.read(len(data)) == data
        assert stream.close().acknowledged == len(data)
    with udp() as far, module.udp.connect(*far.getsockname()) as near:
        near.settimeout(LIMIT)
        near.send(data[:730])
        got, address = far.recvfrom(65536)
        far.sendto(got, address)
        assert got == near.recv() == data[:730]


@pytest.mark.parametrize("quirk", [[], ["incoming_buffer"], ["incoming_low"], ["info_compact"]])
@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_several_clients_of_a_listener(mode: Any, quirk: list[str]) -> None:
    """Whatever access mode and id the firmware gives them (T10, T12)."""
    port, data = free_port(), [os.urandom(5000) for _ in range(4)]
    with (
        Twin(dialect=DIALECT.with_quirks(quirk), name="clients"),
        fcm360w.open("sim://clients", escape=QUICK) as module,
    ):
        module.wifi.join("hall", "open sesame")
        with module.tcp.listen(port, mode) as listener:
            clients = [connected(port) for _ in data]
            for client, payload in zip(clients, data, strict=True):
                client.sendall(payload)  # before anybody accepts
            streams = [listener.accept(LIMIT) for _ in data]
            assert {stream.peer for stream in streams} == {client.getsockname() for client in clients}
            for client, payload in zip(clients, data, strict=True):
                stream = next(stream for stream in streams if stream.peer == client.getsockname())
                stream.settimeout(LIMIT)
                got = b""
                while len(got) < len(payload):
                    got += stream.recv(4096)
                assert got == payload
                stream.sendall(payload[::-1])
                assert stream.close().acknowledged == len(payload)
                assert everything(client) == payload[::-1]
                client.close()
        assert module.tcp.sockets() == ()


def test_a_client_that_came_and_went(module: Module) -> None:
    port = free_port()
    with module.tcp.listen(port) as listener:
        with connected(port) as client:
            client.sendall(b"farewell")
        module.wait(tcp.Closed, 0.2)
        with listener.accept(LIMIT) as stream:
            assert stream.recv(99) == b"farewell"
            with pytest.raises(PeerClosed):
                stream.recv(99)


def test_ids_that_the_module_frees_by_itself_go_round(module: Module) -> None:
    port = free_port()
    module.tcp.set(tcp.PassiveClosed(tcp.Switch.ON))
    with module.tcp.listen(port) as listener:
        for number in range(20):
            with connected(port) as client:
                client.sendall(b"%d" % number)
                stream = listener.accept(LIMIT)
                stream.settimeout(LIMIT)
                assert stream.recv(99) == b"%d" % number
            with pytest.raises(PeerClosed):
                stream.recv(1)
    assert module.tcp.sockets() == ()


def test_clients_that_find_no_id_free_are_counted(module: Module) -> None:
    port = free_port()
    with module.tcp.listen(port) as listener:
        clients = [connected(port) for _ in range(12)]
        module.wait(tcp.IncomingFull, LIMIT)
        assert (listener.full, listener.waiting) == (1, 11)
        for client in clients:
            client.close()
    assert module.tcp.sockets() == ()


def test_closing_a_listener_closes_what_nobody_accepted(module: Module) -> None:
    port = free_port()
    listener = module.tcp.listen(port)
    clients = [connected(port), connected(port)]
    accepted = listener.accept(LIMIT)
    assert listener.waiting or module.wait(tcp.Incoming, 1.0) is None
    listener.close()
    first = next(client for client in clients if client.getsockname() == accepted.peer)
    (second,) = (client for client in clients if client is not first)
    assert second.recv(1) == b""
    accepted.sendall(b"still here")
    assert first.recv(99) == b"still here"
    with pytest.raises(OSError):
        connected(port)
    for client in clients:
        client.close()
    accepted.close()


def test_a_manual_listener_asks_who_waits(module: Module) -> None:
    port = free_port()
    with module.tcp.listen(port, manual=True) as listener:
        with pytest.raises(TimeoutError):
            listener.accept(0.3)
        with connected(port) as client:
            client.sendall(b"early")
            with listener.accept(LIMIT) as stream:
                assert stream.peer == client.getsockname()
                stream.settimeout(LIMIT)
                assert stream.recv(99) == b"early"
                stream.sendall(b"late")
                assert client.recv(99) == b"late"
        with connected(port) as client:
            client.settimeout(0.1)
            while True:  # until the module has seen it
                listener.reject()
                try:
                    assert client.recv(1) == b""
                    break
                except ConnectionResetError:
                    break
                except TimeoutError:
                    continue


def test_a_port_that_is_taken(module: Module) -> None:
    with socket.create_server((LOCAL, 0)) as taken:
        with pytest.raises(CommandError) as caught:
            module.tcp.listen(taken.getsockname()[1])
        assert caught.value.code in (556, 557, 570)
    assert module.system.last_error().err == caught.value.code
    assert module.tcp.sockets() == ()


def test_closing_the_module_closes_all_that_is_open(twin: Twin) -> None:
    port = free_port()
    with fcm360w.open("sim://faces", escape=QUICK) as module:
        module.wifi.join("hall", "open sesame")
        module.tcp.listen(port)
        module.udp.bind(free_port(socket.SOCK_DGRAM))
        client = connected(port)
        module.wait(tcp.Incoming, 0.2)
        assert len(module.tcp.sockets()) == 3
    assert client.recv(1) == b""
    client.close()
    assert twin.stats()["sockets_open"] == 0


# ---- UDP


def udp(port: int = 0) -> socket.socket:
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind((LOCAL, port))
    link.settimeout(LIMIT)
    return link


def test_a_udp_client(module: Module) -> None:
    with udp() as peer, module.udp.connect(*peer.getsockname()) as client:
        client.settimeout(LIMIT)
        sizes = (1, 5, 1460, 700)
        for size in sizes:
            client.send(bytes([size % 251]) * size)
        received = [peer.recvfrom(65536) for _ in sizes]
        assert [len(data) for data, _ in received] == list(sizes)
        for data, address in reversed(received):
            peer.sendto(data, address)
        assert [len(client.recv()) for _ in sizes] == list(reversed(sizes))
        assert (client.sent, client.received, client.dropped) == (4, 4, 0)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv()


def test_a_udp_service(module: Module) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with udp() as one, udp() as two, module.udp.bind(port) as service:
        service.settimeout(LIMIT)
        for number, link in enumerate((one, two, one)):
            link.sendto(b"%d" % number * (number + 1), (LOCAL, port))
            got = service.recvfrom()
            assert got[:3] == (b"%d" % number * (number + 1), *link.getsockname())
            service.sendto(got.data + b"!", (got.ip, got.port))
            assert link.recv(99) == got.data + b"!"


def test_a_udp_service_that_nobody_reads_says_what_is_missing(module: Module) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with udp() as link, module.udp.bind(port) as service:
        service._channel.inbox._count_mark = Mark(3)
        service.settimeout(LIMIT)
        for number in range(10):
            link.sendto(b"%d" % number, (LOCAL, port))
        while service.received < 10:
            module.wait(Booted, 0.05)
        assert [service.recvfrom().data for _ in range(3)] == [b"0", b"1", b"2"]
        with pytest.raises(Overrun, match="7 datagrams"):
            service.recvfrom()
        link.sendto(b"on", (LOCAL, port))
        assert service.recvfrom().data == b"on"
        assert service.dropped == 7


# ---- the module itself


@pytest.mark.parametrize("quirk", [[], ["banner_none"], ["banner_rdy"], ["echo_on", "ate_error"]], ids=str)
def test_a_restart_ends_every_socket_with_one_clear_error(quirk: list[str]) -> None:
    port = free_port()
    with (
        Peer() as peer,
        Twin(APS, dialect=DIALECT.with_quirks(quirk), name="restart"),
        fcm360w.open("sim://restart", escape=QUICK) as module,
    ):
        module.wifi.join("hall", "open sesame")
        listener = module.tcp.listen(port)
        stream = module.tcp.connect(LOCAL, peer.port, "push")
        service = module.udp.bind(free_port(socket.SOCK_DGRAM))
        peer.next().send(b"before")
        stream.sendall(b"sent")
        while not stream.received:
            module.wait(Booted, 0.05)
        module.system.reboot()
        assert stream.recv(99) == b"before"
        calls: list[Callable[[], object]] = [
            lambda: stream.recv(1),
            lambda: stream.sendall(b"x"),
            lambda: listener.accept(1.0),
            service.recvfrom,
            lambda: service.sendto(b"x", (LOCAL, 9)),
        ]
        for call in calls:
            with pytest.raises(SocketLost, match="restarted"):
                call()
        assert stream.close().acknowledged is None
        assert module.tcp.sockets() == ()
        assert module.system.version().startswith("FCM360W")
        assert module.wifi.status().station is False
        module.wifi.join("hall", "open sesame")
        with module.tcp.connect(LOCAL, peer.port) as again:
            again.sendall(b"again")
            assert peer.next().wait_for(5) == b"again"


def test_a_restart_while_a_transparent_stream_is_suspended(module: Module) -> None:
    with Peer() as peer:
        stream = module.tcp.connect(LOCAL, peer.port)
        with pytest.raises(UsageError, match="transparent stream is open"):
            module.system.reboot()
        with stream.suspended():
            module.system.reboot()
            assert module.system.version().startswith("FCM360W")
        with pytest.raises(SocketLost, match="restarted"):
            stream.recv(99)
        with pytest.raises(SocketLost, match="restarted"):
            stream.sendall(b"x")
        stream.close()
        assert module.wifi.scan()


def test_what_was_sent_before_a_restart_is_not_passed_over(module: Module) -> None:
    with Peer() as peer, pytest.raises(SocketLost), module.tcp.connect(LOCAL, peer.port, "push") as stream:
        stream.sendall(b"sent")
        module.system.reboot()


def test_echo(module: Module) -> None:
    module.system.echo(True)
    assert module.system.version().startswith("FCM360W")
    module.system.reboot()
    module.system.echo(False)
    assert module.system.version().startswith("FCM360W")


@pytest.mark.parametrize("save", [False, True])
def test_both_sides_change_their_speed(save: bool) -> None:
    """Time is virtual, and what comes at the wrong rate is noise."""
    world = World(APS, baud=115200)
    with world.module() as module:
        for rate in (9600, 2_000_000, 921600):
            module.system.set_baud(rate, save)
            assert (module.baud, module.system.baud(), world.uart.baud) == (rate, rate, rate)
        module.system.reboot()
        rate = 921600 if save else 115200
        assert (module.baud, module.system.baud(), world.uart.baud) == (rate, rate, rate)


def test_a_module_that_does_not_follow_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(APS, baud=115200)
    with world.module() as module:
        monkeypatch.setattr(world.twin, "set_baud", lambda rate: None)
        with pytest.raises(ProtocolError, match="back at 115200"):
            module.system.set_baud(9600)
        assert module.baud == 115200
        assert module.system.version().startswith("FCM360W")
        assert world.now - world.start < 10.0


def test_the_speed_of_a_paced_twin(tmp_path: Any) -> None:
    with Twin(APS, baud=115200, name="paced") as twin, fcm360w.open("sim://paced") as module:
        module.system.set_baud(2_000_000)
        assert (twin.rate, module.baud) == (2_000_000, 2_000_000)
        module.system.reboot()
        assert (twin.rate, module.baud) == (115200, 115200)


def test_a_port_that_cannot_change_its_speed() -> None:
    with Twin(APS, tcp=(LOCAL, 0), name="bridge") as twin:
        url = next(url for url in twin.urls if url.startswith("tcp"))
        with fcm360w.open(url) as module:
            with pytest.raises(UsageError, match=r"tcp://.* cannot change its baud rate"):
                module.system.set_baud(9600)
            assert module.system.version().startswith("FCM360W")


def test_an_upgrade(module: Module, tmp_path: Any) -> None:
    (tmp_path / "new.rbl").write_bytes(firmware_image("FCM360WAAR09A09", os.urandom(5000)))
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer((LOCAL, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://{LOCAL}:{server.server_port}"
        stages: list[str] = []
        assert module.system.upgrade(f"{host}/new.rbl", 30.0, stages.append) == "FCM360WAAR09A09"
        assert stages == ["downloading", "downloaded", "installing", "running"]
        assert module.system.version() == "FCM360WAAR09A09"
        assert not [event for event in module.events() if isinstance(event.row, UpgradeEvent)]
        module.wifi.join("hall", "open sesame")
        with pytest.raises(CommandError, match="cannot be downloaded"):
            module.system.upgrade(f"{host}/nothing.rbl", 30.0)
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        return


# ---- asyncio


def test_wifi_of_a_task() -> None:
    async def scene(module: AsyncModule, twin: Twin) -> None:
        wifi = module.wifi
        assert [seen.ssid for seen in await wifi.scan()] == ["hall", "cellar"]
        assert (await wifi.status()).station
        assert (await wifi.hotspot()).ssid == "hall"
        assert (await wifi.addresses()).ip != "0.0.0.0"
        await wifi.static("10.0.0.77", "255.255.255.0", "10.0.0.1", "9.9.9.9")
        await wifi.dhcp()
        await wifi.set_dns("1.1.1.1")
        assert (await wifi.dns()).pridnsaddr == "1.1.1.1"
        assert await wifi.mac()
        await wifi.web_setup(False)
        await wifi.start_ap("bench")
        await wifi.ap_static("192.168.4.1", "255.255.255.0", "0.0.0.0", "0.0.0.0")
        await wifi.stop_ap()
        await wifi.forget()
        await wifi.leave()

    with_asyncio(scene)


def test_sockets_of_tasks() -> None:
    port, service_port = free_port(), free_port(socket.SOCK_DGRAM)

    async def scene(module: AsyncModule, twin: Twin) -> None:
        async with await module.tcp.listen(port) as listener:
            waiting = asyncio.create_task(listener.accept())
            client = await asyncio.to_thread(connected, port)
            async with await asyncio.wait_for(waiting, LIMIT) as stream:
                await stream.sendall(b"hello")
                assert await asyncio.to_thread(client.recv, 99) == b"hello"
            client.close()
            with pytest.raises(TimeoutError):
                await listener.accept(0.0)
            with pytest.raises(UsageError):
                await listener.reject()
            assert (listener.full, listener.waiting, listener.dropped) == (0, 0, 0)
        await module.tcp.set(tcp.PacketWait(0))
        assert await module.tcp.get(tcp.PacketWait) == tcp.PacketWait(0)
        with Peer() as peer:
            async with await module.tcp.connect(LOCAL, peer.port, "push") as stream:
                assert (await module.tcp.sockets())[0].connect_id == stream.connect_id
        with udp() as far:
            async with (
                await module.udp.bind(service_port) as service,
                await module.udp.connect(LOCAL, service_port) as near,
            ):
                await near.send(b"ping")
                got = await service.recvfrom()
                await service.sendto(got.data + b"pong", (got.ip, got.port))
                assert await near.recv() == b"pingpong"
                await service.sendto(b"far", far.getsockname())
                assert await asyncio.to_thread(far.recv, 99) == b"far"

    with_asyncio(scene)


def test_the_module_of_a_task() -> None:
    async def scene(module: AsyncModule, twin: Twin) -> None:
        with Peer() as peer:
            stream = await module.tcp.connect(LOCAL, peer.port, "push")
            reading = asyncio.create_task(stream.recv(1))
            await module.system.reboot()
            with pytest.raises(SocketLost):
                await reading
        assert (await module.system.version()).startswith("FCM360W")
        await module.system.echo(False)
        await module.system.set_baud(921600)
        assert await module.system.baud() == 921600
        assert (await module.system.last_error()).err == 0
        with pytest.raises(CommandError):
            await module.system.upgrade("http://127.0.0.1:1/none.rbl", 10.0)

    with_asyncio(scene)
