"""What type checkers must see. Checked, never run: a line with a code in brackets must be that error, no other one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, assert_type

from fcm360w import (
    AsyncListener,
    AsyncModule,
    AsyncStream,
    AsyncUdpService,
    AsyncUdpSocket,
    Chunk,
    Datagram,
    Listener,
    Module,
    Recovery,
    Stats,
    Stream,
    UdpService,
    UdpSocket,
    Until,
    WifiStatus,
)
from fcm360w.channel import Report
from fcm360w.commands import system, tcp, wifi
from fcm360w.events import Event
from fcm360w.flows.start import Found
from fcm360w.settings import Get, Set
from fcm360w.steps import Steps, Within, until
from fcm360w.wire import Ask, Support


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
    assert_type(module.wifi.scan(), tuple[wifi.Seen, ...])
    assert_type(module.wifi.status(), WifiStatus)
    assert_type(module.wifi.addresses(wifi.Mode.AP), wifi.Addresses)
    assert_type(module.wifi.dns(), wifi.DnsServers)
    assert_type(module.stream("h", 80, "push"), Stream)
    assert_type(module.tcp.connect("h", 80), Stream)
    assert_type(module.tcp.listen(80), Listener)
    assert_type(module.tcp.listen(80, "buffer", manual=True).accept(1.0), Stream)
    assert_type(module.tcp.sockets(), tuple[tcp.SocketInfo, ...])
    assert_type(module.tcp.get(tcp.PacketSize), tcp.PacketSize)
    assert_type(module.udp.connect("h", 80), UdpSocket)
    assert_type(module.udp.connect("h", 80).recv(), bytes)
    assert_type(module.udp.bind(80), UdpService)
    assert_type(module.udp.bind(80).recvfrom(), Datagram)
    assert_type(module.system.version(), str)
    assert_type(module.system.baud(), int)
    assert_type(module.system.last_error(), tcp.LastError)
    module.tcp.set(tcp.PacketSize(5))
    module.udp.bind(80).sendto(b"x", ("10.0.0.9", 80))
    assert_type(stream.recv(9), bytes)
    assert_type(stream.recv_into(bytearray(9)), int)
    assert_type(stream.recv_chunk(9), Chunk)
    assert_type(stream.verify(), tcp.Sent)
    assert_type(module.recover(), Recovery)
    assert_type(module.stats(), Stats)
    with stream.suspended() as nothing:
        assert_type(nothing, None)
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
    assert_type(await module.wifi.status(), WifiStatus)
    assert_type(await module.stream("h", 80), AsyncStream)
    assert_type(await module.tcp.connect("h", 80), AsyncStream)
    assert_type(await module.tcp.listen(80), AsyncListener)
    assert_type(await (await module.tcp.listen(80)).accept(), AsyncStream)
    assert_type(await module.tcp.get(tcp.PacketSize), tcp.PacketSize)
    assert_type(await module.udp.connect("h", 80), AsyncUdpSocket)
    assert_type(await module.udp.bind(80), AsyncUdpService)
    assert_type(await (await module.udp.bind(80)).recvfrom(), Datagram)
    assert_type(await module.system.version(), str)
    assert_type(await stream.recv(9), bytes)
    assert_type(await stream.recv_chunk(9), Chunk)
    assert_type(await stream.verify(), tcp.Sent)
    assert_type(await module.recover(), Recovery)
    assert_type(module.stats(), Stats)
    async with stream.suspended() as nothing:
        assert_type(nothing, None)
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
    module.tcp.listen(80, "transparent")  # [arg-type]
    module.tcp.listen("80")  # [arg-type]
    module.tcp.get(tcp.Opened)  # [type-var]
    module.tcp.set(tcp.PacketSize)  # [arg-type]
    module.udp.bind(80).sendto("text", ("h", 80))  # [arg-type]
    module.udp.connect("h", 80).recvfrom()  # [attr-defined]
    Get(tcp.Opened)  # [type-var]
    Set(tcp.PacketSize)  # [type-var]


def wrong_flow() -> Generator[Any, Any, tcp.Data]:
    return (yield from tcp.GetSent(3))  # [return-value]
