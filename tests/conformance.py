"""What a driver and a module have to say to each other, whatever the dialect: once through everything, in one go.

It needs a module that is not joined, HOTSPOTS in reach, and a server that sends back what it gets, and closes once it
has got `bye`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import pytest

import fcm360w
from fcm360w.channel import Mode
from fcm360w.commands import system, tcp, wifi
from fcm360w.errors import CommandError, PeerClosed, ProtocolError
from fcm360w.settings import Get, Set
from fcm360w.sim import AccessPoint
from fcm360w.wire import Ask, Reply

E = TypeVar("E", bound=Reply)

HOTSPOTS = (
    AccessPoint("attic, left", rssi=-80, channel=11, bssid="02:00:5e:10:00:02"),
    AccessPoint("hall", "open sesame"),
    AccessPoint("cellar", "down below", rssi=-60, hidden=True, security="WPA3_SAE", bssid="02:00:5e:10:00:03"),
)
SEEN = (
    wifi.Seen("hall", "WPA2_AES_PSK", -52, "02:00:5e:10:00:01", 6),
    wifi.Seen("", "WPA3_SAE", -60, "02:00:5e:10:00:03", 6),
    wifi.Seen("attic, left", "OPEN", -80, "02:00:5e:10:00:02", 11),
)
WOBBLE = 3  # dB that a signal may vary by
LEASE = wifi.Addresses("10.0.0.7", "10.0.0.1", "255.255.255.0", "10.0.0.1")
FIXED = wifi.Addresses("10.0.0.50", "10.0.0.254", "255.255.0.0", "8.8.8.8")
MODES: tuple[Mode, ...] = ("transparent", "push", "buffer")
TOKENS = b'\r\nOK\r\n\r\nERROR\r\n+QIURC: "closed",0\r\n> \r\n>+++ATO\r\n\x1a\x1b\n' + bytes(range(256))


class Surroundings(NamedTuple):
    """What is around the module: a server as above, and what may happen to the radio."""

    host: str
    port: int
    lose: Callable[[str], None]
    restore: Callable[[str], None]
    client: Callable[[bool], object]


def converse(module: fcm360w.Module, around: Surroundings) -> None:
    """All of it."""
    look_around(module)
    join(module)
    set_addresses(module)
    run_hotspot(module, around)
    be_refused(module, around)
    for mode in MODES:
        talk(module, around, mode)
    talk_to_several(module, around)
    restart(module, around)
    lose(module, around)


def event(module: fcm360w.Module, kind: type[E]) -> E:
    found = module.wait(kind, 10.0)
    assert found is not None, f"no {kind.__name__}"
    return found


def look_around(module: fcm360w.Module) -> None:
    assert module.run(system.GetVersion()).version == "FCM360WAAR01A01"
    assert module.run(wifi.GetMacAddress()).mac == "88:00:33:77:69:cc"
    assert module.run(system.GetBaudRate()).baud_rate in range(1200, 2_000_001)
    assert module.run(wifi.GetStationState()).state is wifi.StationPower.DOWN
    assert module.run(wifi.GetAddresses(wifi.Mode.AP)).ip == "0.0.0.0"
    for seen, expected in zip(module.run(wifi.Scan()), SEEN, strict=True):
        assert abs(seen.rssi - expected.rssi) <= WOBBLE
        assert seen.replace(rssi=expected.rssi) == expected
    with pytest.raises((CommandError, ProtocolError)):
        module.wifi.hotspot()


def join(module: fcm360w.Module) -> None:
    for ssid, password in (("hall", "wrong password"), ("hall", None), ("nowhere", "12345678")):
        with pytest.raises(CommandError, match=r"hotspot|password"):
            module.wifi.join(ssid, password)
    assert module.wifi.join("cellar", "down below") == LEASE
    assert module.wifi.join("hall", "open sesame") == LEASE
    joined = module.wifi.hotspot()
    assert (joined.ssid, joined.bssid) == ("hall", "02:00:5e:10:00:01")
    assert abs(joined.rssi + 52) <= WOBBLE
    assert module.run(wifi.GetStationState()).state is wifi.StationPower.UP


def set_addresses(module: fcm360w.Module) -> None:
    module.events()
    module.run(wifi.SetStationAddresses(FIXED.ip, FIXED.mask, FIXED.gate, FIXED.dns))
    assert event(module, wifi.StationEvent).event is wifi.StationChange.GOT_IP
    assert module.wifi.addresses() == FIXED
    assert module.run(wifi.GetDhcp()).enable is system.Switch.OFF
    module.run(wifi.SetDhcp())
    assert event(module, wifi.StationEvent).event is wifi.StationChange.GOT_IP
    assert module.wifi.addresses() == LEASE
    assert module.run(wifi.GetDnsServers()) == wifi.DnsServers("10.0.0.1", "0.0.0.0")
    module.run(wifi.SetDnsServers("8.8.8.8", "1.1.1.1"))
    assert module.run(wifi.GetDnsServers()) == wifi.DnsServers("8.8.8.8", "1.1.1.1")
    assert len(module.run(Ask(wifi.SetDnsServers))) == 1


def run_hotspot(module: fcm360w.Module, around: Surroundings) -> None:
    module.run(wifi.StartAp("mine", "12345678"))
    assert event(module, wifi.ApEvent).event is wifi.ApChange.UP
    for joins, change in ((True, wifi.ApChange.CLIENT_JOINED), (False, wifi.ApChange.CLIENT_LEFT)):
        around.client(joins)
        assert event(module, wifi.ApEvent).event is change
    assert module.run(wifi.GetApState()).state is wifi.ApPower.UP
    assert module.run(wifi.GetAddresses(wifi.Mode.AP)).gate == "0.0.0.0"
    module.run(wifi.StopAp())
    assert event(module, wifi.ApEvent).event is wifi.ApChange.DOWN


def be_refused(module: fcm360w.Module, around: Surroundings) -> None:
    for mode in MODES:
        with pytest.raises(CommandError) as caught:
            module.stream(around.host, 1, mode)
        assert caught.value.code == 564
    last = module.run(tcp.GetLastError())
    assert (last.err, last.errcode_description) == (564, "Socket connect failed")
    with pytest.raises(CommandError):
        module.run(tcp.Send(9, b"x"))
    assert module.run(tcp.GetLastError()).err == 565
    module.run(Set(tcp.PacketWait(1)))
    assert module.run(Get(tcp.PacketWait)) == tcp.PacketWait(1)
    assert module.run(tcp.ListSockets()) == ()


def receive(stream: fcm360w.Stream, count: int) -> bytes:
    stream.settimeout(20.0)
    data = b""
    while len(data) < count:
        data += stream.recv(count - len(data))
    return data


def talk(module: fcm360w.Module, around: Surroundings, mode: Mode) -> None:
    with module.stream(around.host, around.port, mode) as stream:
        for data in (TOKENS, b"+++", bytes(5000)):
            stream.sendall(data)
            assert receive(stream, len(data)) == data
    assert stream.report is not None
    assert stream.report[:3] == (len(TOKENS) + 5003, len(TOKENS) + 5003, len(TOKENS) + 5003)
    stream = module.stream(around.host, around.port, mode)
    stream.sendall(b"goodbye")
    assert receive(stream, 7) == b"goodbye"
    with pytest.raises(PeerClosed):
        stream.recv(1)
    assert module.run(tcp.ListSockets()) == ()


def talk_to_several(module: fcm360w.Module, around: Surroundings) -> None:
    """What one is sent arrives while another is being sent to."""
    streams = [module.stream(around.host, around.port, mode) for mode in ("push", "buffer", "push")]
    for count in range(1, 5):
        for stream in streams:
            stream.sendall(b"%d" % count * 700)
    for stream in reversed(streams):
        assert receive(stream, 2800) == b"".join(b"%d" % count * 700 for count in range(1, 5))
        stream.close()


def restart(module: fcm360w.Module, around: Surroundings) -> None:
    module.events()
    module.run(wifi.JoinAndSave("hall", "open sesame"))
    for change in (wifi.StationChange.DISCONNECTED, wifi.StationChange.CONNECTED, wifi.StationChange.GOT_IP):
        assert event(module, wifi.StationEvent).event is change
    module.run(system.Restart())
    module.wait(system.Booted, 10.0)  # some say nothing
    module.wake()
    for change in (wifi.StationChange.CONNECTED, wifi.StationChange.GOT_IP):
        assert event(module, wifi.StationEvent).event is change
    talk(module, around, "push")


def lose(module: fcm360w.Module, around: Surroundings) -> None:
    for mode in MODES:
        stream = module.stream(around.host, around.port, mode)
        stream.sendall(b"hello")
        assert receive(stream, 5) == b"hello"
        around.lose("hall")
        with pytest.raises(PeerClosed):
            stream.recv(1)
        assert event(module, wifi.StationEvent).event is wifi.StationChange.DISCONNECTED
        around.restore("hall")
        for change in (wifi.StationChange.CONNECTED, wifi.StationChange.GOT_IP):
            assert event(module, wifi.StationEvent).event is change
    module.run(wifi.Forget())
    module.wifi.leave()
    assert module.run(wifi.GetStationState()).state is wifi.StationPower.DOWN
