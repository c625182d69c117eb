"""What type checkers must see. Checked, never run: a line with a code in brackets must be that error, no other one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, assert_type

from fcm360w import AsyncModule, AsyncStream, Module, Stream, Until
from fcm360w.channel import Report
from fcm360w.commands import system, tcp, wifi
from fcm360w.events import Event
from fcm360w.flows.start import Found
from fcm360w.steps import Steps, Within, until
from fcm360w.wire import Ask, Get, Set, Support


def right(module: Module, stream: Stream) -> None:
    assert_type(module.run(tcp.Open(3, tcp.Service.TCP, "h", 80)), tcp.Opened)
    assert_type(module.run(tcp.ListSockets()), tuple[tcp.SocketInfo, ...])
    assert_type(module.run(tcp.Send(3, b"x")), bool)
    assert_type(module.run(tcp.Read(3)), tcp.Data)
    assert_type(module.run(tcp.Read(3)).data, bytes)
    assert_type(module.run(system.GetVersion()).version, str)
    assert_type(module.run(Within(tcp.GetSent(3), 1.0)), tcp.Sent)
    assert_type(module.run(Until(tcp.Closed, 1.0)), tcp.Closed | None)
    assert_type(module.run(until(tcp.Closed, 1.0)), tcp.Closed)
    assert_type(module.run(Ask(tcp.Open)), tuple[Support, ...])
    assert_type(module.run(Get(tcp.PacketSize)), tcp.PacketSize)
    assert_type(module.run(joined()), wifi.Addresses)
    assert_type(module.wait(tcp.Received, 1.0), tcp.Received | None)
    assert_type(module.events(), list[Event])
    assert_type(module.wake(), Found)
    assert_type(module.wifi.join("hall"), wifi.Addresses)
    assert_type(module.stream("h", 80, "push"), Stream)
    assert_type(stream.recv(9), bytes)
    assert_type(stream.recv_into(bytearray(9)), int)
    assert_type(stream.close(), Report)
    module.run(Set(tcp.PacketSize(5)))
    module.run(wifi.Join("hall"))
    module.run(wifi.Join(ssid="hall", pwd="opensesame"))


async def right_async(module: AsyncModule, stream: AsyncStream) -> None:
    assert_type(await module.run(tcp.Open(3, tcp.Service.TCP, "h", 80)), tcp.Opened)
    assert_type(await module.run(joined()), wifi.Addresses)
    assert_type(await module.wait(tcp.Received, 1.0), tcp.Received | None)
    assert_type(await module.wake(), Found)
    assert_type(await module.wifi.join("hall"), wifi.Addresses)
    assert_type(await module.stream("h", 80), AsyncStream)
    assert_type(await stream.recv(9), bytes)
    assert_type(await stream.close(), Report)
    async for event in module.events():
        assert_type(event, Event)


def joined() -> Steps[wifi.Addresses]:
    hotspot = yield from wifi.GetHotspot()
    assert_type(hotspot, wifi.Hotspot)
    opened = yield from tcp.Open(3, tcp.Service.TCP, "h", 80)
    assert_type(opened, tcp.Opened)
    event = yield from Until(wifi.StationEvent, 1.0)
    assert_type(event, wifi.StationEvent | None)
    return (yield from wifi.GetAddresses())


def wrong(module: Module, opened: tcp.Opened) -> None:
    tcp.Open(3, "TCP", "h", 80)  # [arg-type]
    tcp.Open(3, tcp.Service.TCP, "h")  # [call-arg]
    tcp.Open(3, tcp.Service.TCP, "h", "80")  # [arg-type]
    tcp.Open(3, tcp.Service.TCP, "h", 80, acces_mode=tcp.Access.PUSH)  # [call-arg]
    tcp.SwitchMode(3, 1)  # [arg-type]
    tcp.Send(3, "text")  # [arg-type]
    opened.err = 1  # [misc]
    opened.error  # [attr-defined]  # noqa: B018
    module.run(tcp.Opened(3, 0))  # [arg-type]
    module.run(tcp.Open)  # [arg-type]
    module.run("AT+QVERSION")  # [arg-type]
    module.run(tcp.Send(3, b"x")).err  # [attr-defined]  # noqa: B018
    module.wait(tcp.Open, 1.0)  # [type-var]
    module.stream("h", 80, "turbo")  # [arg-type]
    Get(tcp.Opened)  # [type-var]
    Set(tcp.PacketSize)  # [type-var]


def wrong_flow() -> Generator[Any, Any, tcp.Data]:
    return (yield from tcp.GetSent(3))  # [return-value]
