"""The running twin: what may be done to it from outside, and what it keeps, in real time and with real sockets."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import fcm360w
from conformance import HOTSPOTS, LEASE, Surroundings, converse, event
from fcm360w.commands import system, wifi
from fcm360w.sim import MANUAL, Twin, find_dialect, firmware_image
from fcm360w.sim.runner import Loop
from peers import Peer
from sim_host import OK, Host

GUARD = 0.2
POLICY = fcm360w.EscapePolicy(guard_before=GUARD, guard_after=GUARD, slack=0.1)
PATIENCE = 20.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets, and closes once it has got `bye`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            link, _ = listener.accept()
            threading.Thread(target=_answer, args=(link,), daemon=True).start()


def _answer(link: socket.socket) -> None:
    with link, contextlib.suppress(OSError):
        got = b""
        while not got.endswith(b"bye") and (data := link.recv(65536)):
            link.sendall(data)
            got = got[-3:] + data


def host_of(twin: Twin) -> Host:
    return Host(twin.attach())


@pytest.mark.parametrize("name", ["manual", "fc41d"])
def test_the_driver_understands_it(name: str, echo: int) -> None:
    """As test_dialects, but for the clock and the network."""
    dialect = dataclasses.replace(find_dialect(name), guard=GUARD)
    with Twin(HOTSPOTS, dialect=dialect, name=f"conformance-{name}") as twin:
        around = Surroundings("127.0.0.1", echo, twin.lose_ap, twin.restore_ap, twin.ap_client)
        with fcm360w.open(f"sim://conformance-{name}", POLICY) as module:
            converse(module, around)


def test_power_cycle_from_another_thread() -> None:
    with Twin(name="power") as twin, fcm360w.open("sim://power", POLICY) as module, Peer() as peer:
        module.wifi.join("hall", "open sesame")
        stream = module.stream("127.0.0.1", peer.port, "push")
        client = peer.next()
        stream.sendall(b"hello")
        assert client.wait_for(5) == b"hello"
        twin.power_cycle()
        assert module.wait(system.Booted, PATIENCE)
        assert client.wait_for_end() == b"hello"
        module.wake()
        assert module.run(wifi.GetStationState()).state is wifi.StationPower.DOWN
        with pytest.raises(fcm360w.SocketLost):
            stream.recv(1)
        stream.close()


def test_what_happens_to_the_radio_from_another_thread() -> None:
    with Twin(name="radio") as twin, fcm360w.open("sim://radio", POLICY) as module:
        assert module.wifi.join("hall", "open sesame") == LEASE
        assert twin.ap_client(joins=True) is None
        module.events()
        twin.lose_ap("hall")
        assert event(module, wifi.StationEvent).event is wifi.StationChange.DISCONNECTED
        twin.restore_ap("hall")
        assert module.wifi.join("hall", "open sesame") == LEASE
        module.run(wifi.StartAp("mine"))
        assert event(module, wifi.ApEvent).event is wifi.ApChange.UP
        mac = twin.ap_client(joins=True)
        assert mac
        assert event(module, wifi.ApEvent).event is wifi.ApChange.CLIENT_JOINED
        assert twin.ap_client(joins=False) == mac


def test_a_twin_that_has_ended_says_so() -> None:
    twin = Twin()
    for act in (twin.power_cycle, lambda: twin.lose_ap("hall"), lambda: twin.ap_client(True), lambda: twin.rate):
        with pytest.raises(OSError):
            act()
    with twin:
        twin.lose_ap("hall")
    for act in (twin.power_cycle, lambda: twin.lose_ap("hall"), lambda: twin.ap_client(True)):
        with pytest.raises(OSError):
            act()


def test_what_is_kept_for_the_next_twin(tmp_path: Path) -> None:
    with Twin(fs=str(tmp_path / "module"), baud=921600) as twin:
        host = host_of(twin)
        host.ask(b"AT+QECHO=1", OK)
        host.ask(b"AT+QSETBAND=460800,1", b"AT+QSETBAND=460800,1\r" + OK)
        host.ask(b"AT", b"AT\r" + OK)
        assert twin.rate == 460800
        assert twin.stats()["baud"] == 460800
        host.close()
    with Twin(fs=str(tmp_path / "module"), baud=921600) as twin:
        assert twin.rate == 460800
        host = host_of(twin)
        host.ask(b"AT", b"AT\r" + OK)
        host.close()
    with Twin(fs=str(tmp_path / "module")) as twin:
        assert twin.rate is None, "an unpaced line has no rate"
        host = host_of(twin)
        host.ask(b"AT+QSETBAND?", b"AT+QSETBAND?\r\r\n+QSETBAND: 460800\r\n" + OK)
        host.close()


def test_upgrade_from_a_real_server() -> None:
    with Twin(name="upgrade"), fcm360w.open("sim://upgrade", POLICY) as module, Peer() as peer:
        module.wifi.join("hall", "open sesame")
        module.run(system.Upgrade(f"http://127.0.0.1:{peer.port}/fw.rbl"))
        assert event(module, system.UpgradeEvent).event is system.UpgradeChange.STARTED
        client = peer.next()
        assert client.wait_for(20).startswith(b"GET /fw.rbl HTTP/1.0")
        firmware = firmware_image("FCM360WAAR09A09", bytes(300_000))
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(firmware) + firmware)
        assert event(module, system.UpgradeEvent).event is system.UpgradeChange.FETCHED
        assert event(module, system.UpgradeEvent).event is system.UpgradeChange.INSTALLING
        assert module.wait(system.Booted, PATIENCE)
        module.run(system.Upgrade("http://127.0.0.1:1/fw.rbl"))
        assert event(module, system.UpgradeEvent).event is system.UpgradeChange.STARTED
        assert event(module, system.UpgradeEvent).event is system.UpgradeChange.FAILED


def test_overrun_is_counted() -> None:
    with Twin(baud=2_000_000, flow="none", dialect=dataclasses.replace(MANUAL, scan_delay=0.5)) as twin:
        host = host_of(twin)
        host.send(b"AT+QWSCAN\r" + b"\r" * 100_000)
        while host.line() != b"OK":
            pass
        host.ask(b"\rAT", OK)
        assert twin.stats()["overrun_bytes"] > 0
        assert twin.stats()["input_high_water"] == 4096
        host.close()


@pytest.mark.timeout(20)
def test_a_signal_that_comes_before_the_wait_ends_it() -> None:
    loop = Loop()
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        with loop.waking_for_signals():
            signal.raise_signal(signal.SIGTERM)  # its handler has run when this returns
            loop.turn(None)
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGTERM, before)
        loop.close()
