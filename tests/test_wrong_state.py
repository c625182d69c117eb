"""Each command where it cannot be performed: what the twin answers, and what the driver makes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fcm360w.commands import ble, files, http, mqtt, mqttcfg, net, system, tcp, tls, wifi
from fcm360w.commands.codes import describe
from fcm360w.commands.system import Switch
from fcm360w.errors import CommandError
from fcm360w.flows.net import ping, resolve
from fcm360w.flows.sockets import explained
from fcm360w.flows.system import upgrade
from fcm360w.states import State
from fcm360w.wire import Command, Flow
from scripted import ERROR, World, answer, line
from test_wire import TABLE
from transcript import Act, Block, Host
from transcript_twin import Stage

# What has happened before.
JOINED = ('AT+QSTAAPINFO="hall","open sesame"',)
OPENED = (*JOINED, 'AT+QIOPEN=3,"TCP","10.0.0.9",8009')
PUSHED = (*JOINED, 'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,1')
LISTENING = (*JOINED, 'AT+QIOPEN=1,"TCP LISTENER","127.0.0.1",0,7000')
GONE = (*OPENED, "peer closes")
SECURED = (*JOINED, 'AT+QSSLOPEN=0,4,"10.0.0.9",8443,1')
SECURED_GONE = (*SECURED, "peer closes")
NETWORK = (*JOINED, 'AT+QMTOPEN=0,"10.0.0.9",1883')
SESSION = (*NETWORK, 'AT+QMTCONN=0,"me"')
TARGET = (*JOINED, 'AT+QHTTPCFG="url","http://10.0.0.9:8009/"')
REQUESTED = (*TARGET, "AT+QHTTPGET")
READING = ('AT+QFOPEN="a",0', "AT+QFCLOSE=1", 'AT+QFOPEN="a",2')
ADVERTISER = ("AT+QBLEINIT=2,0",)
SERVICE = (*ADVERTISER, 'AT+QBLEGATTSSRV="fff0"')
FULL = (*SERVICE, *(f'AT+QBLEGATTSCHAR="fff{number}"' for number in range(1, 6)))
SERVED = (*SERVICE, 'AT+QBLEGATTSCHAR="fff1"', "AT+QBLEGATTSSRVDONE")


class Wrong(NamedTuple):
    """A command after what has happened: the module's lines, the error's result and its code."""

    before: tuple[str, ...]
    command: Command[Any]
    lines: tuple[str, ...]
    code: int | None = None

    @property
    def said(self) -> bytes:
        return b"".join(map(line, self.lines))

    @property
    def coded(self) -> bool:
        """Whether the code is only told when the module is asked for it."""
        return self.code is not None and self.lines == ("ERROR",)


REFUSED = ("ERROR",)
TCP, LISTENER = tcp.Service.TCP, tcp.Service.LISTENER
PUSH, TRANSPARENT = tcp.Access.PUSH, tcp.Access.TRANSPARENT
QOS = mqttcfg.Qos.AT_MOST_ONCE
OFF = Switch.OFF
BLUETOOTH = tuple(row for row in TABLE if row.ref.startswith("2.2") and issubclass(row, Command))
TABLES_OF = {"2.1": "socket", "2.3": "socket", "2.4": "socket", "2.5": "mqtt_open", "2.6": "http"}

WRONG = [
    # Not joined.
    Wrong((), wifi.GetHotspot(), REFUSED),
    Wrong((), tcp.Open(3, TCP, "10.0.0.9", 8009), ("OK", "+QIOPEN: 3,564"), 564),
    Wrong((), tcp.Open(3, TCP, "logger.example", 8009), ("OK", "+QIOPEN: 3,563"), 563),
    Wrong((), tcp.Open(3, TCP, "10.0.0.9", 8009, 0, TRANSPARENT), REFUSED, 564),
    Wrong((), tcp.Open(3, TCP, "logger.example", 8009, 0, TRANSPARENT), REFUSED, 563),
    Wrong((), tls.Open(0, 4, "10.0.0.9", 8443), ("OK", "+QSSLOPEN: 4,564"), 564),
    Wrong((), tls.Open(0, 4, "logger.example", 8443), ("OK", "+QSSLOPEN: 4,563"), 563),
    Wrong((), tls.Open(0, 4, "10.0.0.9", 8443, TRANSPARENT), REFUSED, 564),
    Wrong((), mqtt.Open(0, "10.0.0.9", 1883), ("OK", "+QMTOPEN: 0,3"), 3),
    Wrong(TARGET[1:], http.SendGet(80), ("OK", "+QHTTPGET: 706"), 706),
    Wrong(TARGET[1:], http.SendGetUsual(), ("OK", "+QHTTPGET: 706"), 706),
    Wrong(TARGET[1:], http.SendPost(b"hello", 80, 80), ("+CME ERROR: 706",), 706),
    Wrong(TARGET[1:], http.SendPut(b"hello", 80, 80), ("+CME ERROR: 706",), 706),
    # No socket of that number.
    Wrong((), tcp.Send(3, b"hello"), REFUSED, 565),
    Wrong((), tcp.SendUntil(3, b"hello"), REFUSED, 565),
    Wrong((), tcp.SendTo(3, b"hello", "10.0.0.9", 5000), REFUSED, 565),
    Wrong((), tcp.GetSent(3), REFUSED, 565),
    Wrong((), tcp.Read(3), REFUSED, 565),
    Wrong((), tcp.GetReceiveCount(3), REFUSED, 565),
    Wrong((), tcp.Accept(1, tcp.Choice.ACCEPT), REFUSED, 565),
    Wrong((), tcp.SwitchMode(3, PUSH), REFUSED, 565),
    Wrong((), tcp.Resume(), ("NO CARRIER",)),
    Wrong((), tls.Send(4, b"hello"), REFUSED, 565),
    Wrong((), tls.SendUntil(4, b"hello"), REFUSED, 565),
    Wrong((), tls.Read(4, 1500), REFUSED, 565),
    # Open already, or the port is.
    Wrong(OPENED, tcp.Open(3, TCP, "10.0.0.9", 8009), REFUSED, 561),
    Wrong(OPENED, tls.Open(0, 3, "10.0.0.9", 8443), REFUSED, 561),
    Wrong(SECURED, tls.Open(0, 4, "10.0.0.9", 8443), REFUSED, 561),
    Wrong(SECURED, tcp.Open(4, TCP, "10.0.0.9", 8009), REFUSED, 561),
    Wrong(LISTENING, tcp.Open(2, LISTENER, "127.0.0.1", 0, 7000), ("OK", "+QIOPEN: 2,570"), 570),
    # The peer has gone.
    Wrong(GONE, tcp.Send(3, b"hello"), REFUSED, 565),
    Wrong(GONE, tcp.SendUntil(3, b"hello"), REFUSED, 565),
    Wrong(GONE, tcp.SwitchMode(3, TRANSPARENT), REFUSED, 565),
    Wrong(GONE, tcp.Resume(), ("NO CARRIER",)),
    Wrong(SECURED_GONE, tls.Send(4, b"hello"), REFUSED, 565),
    Wrong(SECURED_GONE, tls.SendUntil(4, b"hello"), REFUSED, 565),
    # A socket of another kind.
    Wrong(OPENED, tcp.Accept(3, tcp.Choice.ACCEPT), REFUSED, 569),
    Wrong(OPENED, tcp.SendTo(3, b"hello", "10.0.0.9", 5000), REFUSED, 569),
    Wrong(PUSHED, tcp.Read(3), REFUSED, 569),
    Wrong(LISTENING, tcp.Send(1, b"hello"), REFUSED, 569),
    Wrong(LISTENING, tcp.SendUntil(1, b"hello"), REFUSED, 569),
    Wrong(LISTENING, tcp.GetSent(1), REFUSED, 569),
    Wrong(LISTENING, tcp.Read(1), REFUSED, 569),
    Wrong(SECURED, tls.Read(4, 1500), REFUSED, 569),
    Wrong(SECURED, tcp.Send(4, b"hello"), REFUSED, 569),
    Wrong(SECURED, tcp.Close(4), REFUSED, 569),
    Wrong(OPENED, tls.Send(3, b"hello"), REFUSED, 569),
    Wrong(OPENED, tls.Close(3), REFUSED, 569),
    # No network of that client, no session, or both already.
    Wrong((), mqtt.Close(0), REFUSED),
    Wrong((), mqtt.Connect(0, "me"), REFUSED),
    Wrong((), mqtt.Disconnect(0), REFUSED),
    Wrong((), mqtt.Subscribe(0, 1, "t", QOS), REFUSED),
    Wrong((), mqtt.Unsubscribe(0, 1, "t"), REFUSED),
    Wrong((), mqtt.Publish(0, 0, QOS, OFF, "t", b"hello"), REFUSED),
    Wrong((), mqtt.PublishUntil(0, 0, QOS, OFF, "t", b"hello"), REFUSED),
    Wrong((), mqtt.ReadStored(0), REFUSED),
    Wrong(NETWORK, mqtt.Open(0, "10.0.0.9", 1883), ("OK", "+QMTOPEN: 0,2"), 2),
    Wrong(NETWORK, mqtt.Disconnect(0), REFUSED),
    Wrong(NETWORK, mqtt.Subscribe(0, 1, "t", QOS), REFUSED),
    Wrong(NETWORK, mqtt.Unsubscribe(0, 1, "t"), REFUSED),
    Wrong(NETWORK, mqtt.Publish(0, 0, QOS, OFF, "t", b"hello"), REFUSED),
    Wrong(NETWORK, mqtt.PublishUntil(0, 0, QOS, OFF, "t", b"hello"), REFUSED),
    Wrong(SESSION, mqtt.Connect(0, "me"), REFUSED),
    # No URL, nothing to read, or a request is under way.
    Wrong((), http.SendGet(80), ("+CME ERROR: 708",), 708),
    Wrong((), http.SendGetUsual(), ("+CME ERROR: 708",), 708),
    Wrong((), http.SendPost(b"hello", 80, 80), ("+CME ERROR: 708",), 708),
    Wrong((), http.SendPut(b"hello", 80, 80), ("+CME ERROR: 708",), 708),
    Wrong((), http.ReadResponse(80), ("+CME ERROR: 705",), 705),
    Wrong(TARGET, http.ReadResponseUsual(), ("+CME ERROR: 705",), 705),
    Wrong(REQUESTED, http.SendGet(80), ("+CME ERROR: 703",), 703),
    Wrong(REQUESTED, http.SendGetUsual(), ("+CME ERROR: 703",), 703),
    Wrong(REQUESTED, http.SendPost(b"hello", 80, 80), ("+CME ERROR: 703",), 703),
    Wrong(REQUESTED, http.SendPut(b"hello", 80, 80), ("+CME ERROR: 703",), 703),
    Wrong(REQUESTED, http.ReadResponseUsual(), ("+CME ERROR: 703",), 703),
    # No such file, no such handle, or one that only reads.
    Wrong((), files.OpenFile("a", files.FileMode.READ), REFUSED),
    Wrong((), files.ReadFile(1, 5), REFUSED),
    Wrong((), files.WriteFile(1, b"hello"), REFUSED),
    Wrong((), files.WriteSome(1, b"hello"), REFUSED),
    Wrong((), files.CloseFile(1), REFUSED),
    Wrong((), files.DeleteFile("a"), REFUSED),
    Wrong(READING, files.WriteFile(1, b"hello"), REFUSED),
    Wrong(READING, files.WriteSome(1, b"hello"), REFUSED),
    # Bluetooth is off; or its service lacks something, is complete, or has nobody to tell.
    Wrong((), ble.SetInterval(150, 150), REFUSED),
    Wrong((), ble.SetAdvertised("020106"), REFUSED),
    Wrong((), ble.SetService("fff0"), REFUSED),
    Wrong((), ble.AddCharacteristic("fff1"), REFUSED),
    Wrong((), ble.ServiceDone(), REFUSED),
    Wrong((), ble.Advertise(), REFUSED),
    Wrong((), ble.StopAdvertising(), REFUSED),
    Wrong((), ble.Notify("fff1", "a"), REFUSED),
    Wrong((), ble.NotifyBytes("fff1", 1, "61"), REFUSED),
    Wrong(ADVERTISER, ble.AddCharacteristic("fff1"), REFUSED),
    Wrong(ADVERTISER, ble.ServiceDone(), REFUSED),
    Wrong(SERVICE, ble.SetService("fff0"), REFUSED),
    Wrong(FULL, ble.AddCharacteristic("fff6"), REFUSED),
    Wrong(SERVED, ble.SetService("fff0"), REFUSED),
    Wrong(SERVED, ble.AddCharacteristic("fff2"), REFUSED),
    Wrong(SERVED, ble.ServiceDone(), REFUSED),
    Wrong(SERVED, ble.Notify("fff1", "a"), REFUSED),
    Wrong(SERVED, ble.NotifyBytes("fff1", 1, "61"), REFUSED),
]

# The rest has no state to be wrong in: the module answers, and its answer or a later line tells the state.
ALWAYS = {
    *(system.Attention, system.BasicEcho, system.Echo, system.GetVersion, system.Restart),
    *(system.GetBaudRate, system.SetBaudRate),
    *(wifi.GetAddresses, wifi.GetMacAddress, wifi.GetStationState, wifi.GetApState, wifi.Scan),
    *(wifi.GetDhcp, wifi.SetDhcp, wifi.SetStationAddresses, wifi.SetStationAddressesApart, wifi.SetApAddresses),
    *(wifi.Join, wifi.JoinAndSave, wifi.Leave, wifi.Forget, wifi.StartAp, wifi.StopAp),
    *(wifi.GetDnsServers, wifi.SetDnsServers, wifi.SetWebSetup),
    *(ble.Init, ble.GetRole, ble.GetBleAddress, ble.GetBleName, ble.SetBleName),
    *(tcp.ListSockets, tcp.ReadSockets, tcp.GetSocket, tcp.GetLastError, tcp.Escape),
    *(tls.ListConnections, tls.ReadConnections, tls.GetConnections, tls.GetConnection),
    *(mqtt.ListServers, mqtt.ListSessions, mqtt.ListStores),
    *(http.GetHeaders, http.AddHeaderApart, http.GetFormFields, http.ResetOptions, http.Stop),
    *(files.ListOpened, files.ListFiles, files.ListFilesIn),
}


class Late(NamedTuple):
    """A command of whose failure a line tells that nobody asked for: its flow makes an error of that line."""

    command: Command[Any]
    flow: Callable[[], Flow[Any]]
    lines: tuple[str, ...]
    code: int | None
    section: str


NAME, FIRMWARE = "logger.example", "http://10.0.0.9/fw"
UPGRADE = ("OK", '+QOTASTAT: "START_DOWNLOAD"', '+QOTASTAT: "DOWNLOAD_FAILED"')
LATE = [
    Late(net.Ping("10.0.0.9"), lambda: ping("10.0.0.9"), ("OK", "+QPING: 564"), 564, "2.7.1"),
    Late(net.Ping(NAME), lambda: ping(NAME), ("OK", "+QPING: 563"), 563, "2.7.1"),
    Late(net.Resolve(NAME), lambda: resolve(NAME), ("OK", '+QIURC: "dnsgip",563,0,0'), 563, "2.8.1"),
    Late(system.Upgrade(FIRMWARE), lambda: upgrade(FIRMWARE, 60.0), UPGRADE, None, "3.1.3"),
    Late(system.UpgradeBare(FIRMWARE), lambda: upgrade(FIRMWARE, 60.0), UPGRADE, None, "3.1.3"),
]


def after(*before: str) -> Stage:
    """A twin to which this has happened."""
    steps = tuple(Host(0, f"{text}\r\n".encode()) if text.startswith("AT") else Act(0, text) for text in before)
    stage = Stage(Block(Path(__file__), 0, (), (), ()))
    stage.go_through(steps)
    return stage


def name(wrong: Wrong) -> str:
    return f"{wrong.before[-1] if wrong.before else 'nothing'}, {wrong.command.line()}"


def test_every_command_is_here() -> None:
    here = {type(wrong.command) for wrong in (*WRONG, *LATE)}
    commands = {row for row in TABLE if issubclass(row, Command)}
    assert commands - here == ALWAYS
    assert not here & ALWAYS


@pytest.mark.parametrize("wrong", WRONG, ids=name)
def test_the_twin_answers_the_manuals_error(wrong: Wrong) -> None:
    if isinstance(wrong.command, BLUETOOTH):
        pytest.importorskip("bumble", reason="platform: no bumble")
    stage = after(*wrong.before)
    assert stage.go_through([Host(0, f"{wrong.command.line()}\r\n".encode())]) == wrong.said
    if wrong.coded:
        code, text = describe(wrong.code or 0)
        told = stage.go_through([Host(0, b"AT+QIGETERROR\r\n")])
        assert told == answer(f'+QIGETERROR: {code},"{text}"')


@pytest.mark.parametrize("wrong", WRONG, ids=name)
def test_the_driver_makes_an_error_of_it(wrong: Wrong) -> None:
    world = World()
    world.on(wrong.command.line(), wrong.said)
    flow: Flow[Any] = wrong.command
    if wrong.coded:
        code, text = describe(wrong.code or 0)
        world.on("AT+QIGETERROR", answer(f'+QIGETERROR: {code},"{text}"'))
        flow = explained(wrong.command)
    with pytest.raises(CommandError) as caught:
        world.run(flow)
    assert (caught.value.result, caught.value.code) == (wrong.lines[-1], wrong.code)
    assert caught.value.section == wrong.command.ref
    assert (caught.value.reason or "") == (
        describe(wrong.code, TABLES_OF[wrong.command.ref[:3]])[1] if wrong.code else ""
    )
    assert world.link.state is State.COMMAND
    assert world.script.spent


@pytest.mark.parametrize("late", LATE, ids=lambda late: late.command.line())
def test_failures_that_come_later(late: Late) -> None:
    said = b"".join(map(line, late.lines))
    assert after().go_through([Host(0, f"{late.command.line()}\r\n".encode())]) == said
    world = World()
    if isinstance(late.command, system.UpgradeBare):
        world.on(system.Upgrade(FIRMWARE).line(), ERROR)
    world.on(late.command.line(), said)
    with pytest.raises(CommandError) as caught:
        world.run(late.flow())
    assert (caught.value.result, caught.value.code) == (late.lines[-1], late.code)
    assert caught.value.section == late.section
    assert world.script.spent
