"""What fails in a part of the twin ends that part's work, and nothing else; and what is never lost, however full."""

from __future__ import annotations

from typing import Any

import pytest

from fcm360w.commands import mqtt, net, tcp, tls
from fcm360w.commands.ble import LinkChange, LinkEvent, MtuChanged, Peer, PeerRole, Written
from fcm360w.commands.codes import MqttLossCode, PacketCode
from fcm360w.commands.system import UpgradeChange, UpgradeEvent
from fcm360w.commands.wifi import ApChange, ApEvent, StationChange, StationEvent
from fcm360w.sim.module import MAX_WAITING
from fcm360w.sim.mqtt import Client
from fcm360w.wire import Reply
from sim_bench import OK, Bench

PARTS = ["radio", "sockets", "upgrade", "files", "dialler", "names", "pings", "bluetooth", "mqtt", "http"]


def fail(*values: Any) -> None:
    raise ZeroDivisionError("a mistake")


# ---- parts


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_fails_begins_anew(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    part = vars(bench.module)[name]
    begun: list[str] = []
    monkeypatch.setattr(part, "tick", fail)
    monkeypatch.setattr(part, "reset", lambda: begun.append(name))
    assert bench.host(b"AT\r") == OK
    assert begun
    assert "a mistake" in caplog.text


def test_one_that_cannot_even_begin_anew_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    monkeypatch.setattr(bench.module.http, "tick", fail)
    monkeypatch.setattr(bench.module.http, "reset", fail)
    assert bench.host(b"AT\r") == OK
    bench.host(b"AT+QRST\r")
    assert bench.wait(5.0).endswith(b"ready\r\n")
    assert "cannot begin anew" in caplog.text


def test_so_does_one_that_fails_when_the_network_calls(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    with monkeypatch.context() as patch:
        patch.setattr(Client, "_dialled", fail)
        assert bench.host(b'AT+QMTOPEN=0,"10.0.0.9",1883\r') == OK
        bench.tick()
    assert "Mqtt failed" in caplog.text
    assert bench.host(b'AT+QMTOPEN=0,"10.0.0.9",1883\r') == OK + b"\r\n+QMTOPEN: 0,0\r\n"


@pytest.mark.parametrize(
    ("part", "call"),
    [
        ("pings", lambda network: network.ping("10.0.0.9", 32, fail)),
        ("names", lambda network: network.resolve("example.org", fail)),
        ("sockets", lambda network: network.connect("10.0.0.9", 8009, 0, fail)),
        ("dialler", lambda network: network.connect("10.0.0.9", 8009, 0, fail)),
        ("sockets", lambda network: network.listen(7000, fail)),
    ],
)
def test_every_callback_is_guarded(part: str, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    begun: list[str] = []
    callbacks: list[Any] = []
    for name in ("ping", "resolve", "connect", "listen"):
        monkeypatch.setattr(bench.network, name, lambda *asked: callbacks.append(asked[-1]), raising=False)
    monkeypatch.setattr(vars(bench.module)[part], "reset", lambda: begun.append(part))
    call(vars(bench.module)[part]._network)
    callbacks[0](None)
    assert begun == [part]


# ---- lines that wait


def full(line: Reply) -> Bench:
    """As many lines wait as there is room for."""
    bench = Bench()
    bench.open(0, 2)
    while bench.module.notify(line):
        assert len(bench.module.waiting) <= MAX_WAITING
    return bench


WRITTEN = Written(Peer.HOST, "10", b"data")


@pytest.mark.parametrize(
    "line",
    [
        LinkEvent(LinkChange.DISCONNECTED),
        PeerRole(Peer.HOST),
        MtuChanged(247),
        StationEvent(StationChange.DISCONNECTED),
        ApEvent(ApChange.DOWN),
        UpgradeEvent(UpgradeChange.FAILED),
        mqtt.Lost(0, MqttLossCode.SERVER_CLOSED),
        mqtt.Opened(0, 0),
        mqtt.Connected(0, PacketCode.NOT_SENT),
        mqtt.Published(0, 1, PacketCode.ANSWERED),
        mqtt.Received(0, 3),
        net.Pinged(565),
        net.Resolved(563),
        tcp.Closed(3),
        tls.Closed(3),
    ],
    ids=lambda line: type(line).__qualname__,
)
def test_what_is_owed_is_never_dropped(line: Reply) -> None:
    bench = full(WRITTEN)
    assert bench.module.notify(line)
    assert bench.module.waiting[-1] is line


@pytest.mark.parametrize("line", [WRITTEN, mqtt.Received(0, 0, "a", b"x"), tcp.IncomingFull()])
def test_what_more_comes_of_is_dropped_and_counted(line: Reply) -> None:
    bench = full(WRITTEN)
    dropped = bench.module.waiting_dropped
    assert not bench.module.notify(line)
    assert bench.module.waiting_dropped == dropped + 1
    assert len(bench.module.waiting) == MAX_WAITING


def test_of_changes_without_end_the_latest_are_told() -> None:
    bench = full(WRITTEN)
    for _ in range(1000):
        assert bench.module.notify(LinkEvent(LinkChange.CONNECTED))
        assert bench.module.notify(LinkEvent(LinkChange.DISCONNECTED))
    assert len(bench.module.waiting) <= MAX_WAITING + 2
    assert bench.module.waiting[-1] == LinkEvent(LinkChange.DISCONNECTED)
