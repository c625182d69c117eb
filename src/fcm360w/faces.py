"""What a module can do, by chapter of the manual, for programs with threads; each method runs a flow or a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from fcm360w.channel import Mode
from fcm360w.commands.system import Echo, Switch
from fcm360w.commands.tcp import GetLastError, LastError, ListSockets, SocketInfo
from fcm360w.commands.wifi import (
    Addresses,
    DnsServers,
    Forget,
    GetAddresses,
    GetDnsServers,
    Hotspot,
    Scan,
    Seen,
    SetApAddresses,
    SetDhcp,
    SetDnsServers,
    SetWebSetup,
    StopAp,
)
from fcm360w.commands.wifi import Mode as Role
from fcm360w.datagrams import open_client, open_service
from fcm360w.flows import digits, system, wifi
from fcm360w.flows.digits import Unit
from fcm360w.flows.system import UpgradeStage
from fcm360w.flows.wifi import WifiStatus
from fcm360w.link import Link
from fcm360w.listener import ListenMode, open_listener
from fcm360w.settings import Get, Set, Setting
from fcm360w.sockets import Listener, UdpService, UdpSocket
from fcm360w.streams import Stream

if TYPE_CHECKING:
    from fcm360w.contexts import Context
    from fcm360w.module import Module

S = TypeVar("S", bound=Setting)


class Wifi:
    """Station and hotspot of the module (manual 2.1.4, 2.1.7 to 2.1.22, 3.1)."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def join(self, ssid: str, password: str | None = None, timeout: float = 30.0, save: bool = False) -> Addresses:
        """Join a hotspot and wait for an address.  `save`: the module joins it by itself when it starts.

        CommandError if it is absent, or refuses; CommandTimeout if no word of it comes in `timeout` seconds, and the
        station is then switched off (manual 2.1.16, 2.1.17).
        """
        return self._module.run(wifi.join(ssid, password, timeout, save))

    def leave(self) -> None:
        """Leave the hotspot, and switch the station off (manual 2.1.11)."""
        self._module.run(wifi.leave())

    def forget(self) -> None:
        """Forget the hotspot that was saved (manual 2.1.22)."""
        self._module.run(Forget())

    def scan(self) -> tuple[Seen, ...]:
        """The hotspots in reach; takes seconds (manual 2.1.19)."""
        return self._module.run(Scan())

    def hotspot(self) -> Hotspot:
        """The hotspot the station is joined to.  CommandError if none (manual 2.1.18)."""
        return self._module.run(wifi.hotspot())

    def status(self) -> WifiStatus:
        """Both roles, the hotspot and the station's addresses (manual 2.1.4, 2.1.8, 2.1.13, 2.1.18)."""
        return self._module.run(wifi.status())

    def addresses(self, mode: Role = Role.STATION) -> Addresses:
        """The addresses of one role; 0.0.0.0 while it has none (manual 2.1.4)."""
        return self._module.run(GetAddresses(mode))

    def dhcp(self) -> None:
        """Let the station's network give it addresses; not saved (manual 2.1.9)."""
        self._module.run(SetDhcp(Switch.ON))

    def static(self, ip: str, mask: str, gate: str, dns: str) -> None:
        """Give the station fixed addresses, dotted, instead of DHCP's (manual 2.1.10)."""
        self._module.run(wifi.fix_addresses(ip, mask, gate, dns))

    def mac(self) -> str:
        """The hardware address, six hex pairs joined by colons (manual 2.1.7)."""
        return self._module.run(wifi.mac())

    def dns(self) -> DnsServers:
        """The servers that names are asked of; 0.0.0.0 is none (manual 2.1.20)."""
        return self._module.run(GetDnsServers())

    def set_dns(self, first: str, second: str | None = None) -> None:
        """Set the servers that names are asked of, dotted (manual 2.1.20)."""
        self._module.run(SetDnsServers(first, second))

    def start_ap(self, ssid: str, password: str | None = None) -> None:
        """Open a hotspot of the module's own, an open one without a password, and wait until it is on the air.

        CommandTimeout if it is not after 10 s (manual 2.1.12).
        """
        self._module.run(wifi.start_ap(ssid, password))

    def stop_ap(self) -> None:
        """Close the module's own hotspot (manual 2.1.15)."""
        self._module.run(StopAp())

    def ap_static(self, ip: str, mask: str, gate: str, dns: str) -> None:
        """Give the module's own hotspot fixed addresses, dotted (manual 2.1.14)."""
        self._module.run(SetApAddresses(ip, mask, gate, dns))

    def web_setup(self, on: bool) -> None:
        """Allow that the Wi-Fi is set up through a web page of the module's; saved (manual 2.1.21)."""
        self._module.run(SetWebSetup(Switch(on)))


class Tcp:
    """TCP sockets and the options of sockets (manual 2.3)."""

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link

    def connect(self, host: str, port: int, mode: Mode = "transparent", tls: Context | None = None) -> Stream:
        """As Module.stream."""
        return self._module.stream(host, port, mode, tls)

    def listen(self, port: int, mode: ListenMode = "push", manual: bool = False) -> Listener:
        """Listen at a port of the module's own, 1 to 65535; what clients send reaches this side as `mode` says.

        `manual`: the module keeps a client waiting until it is accepted or rejected here.  Which of the two it does is
        one option for all its listeners, and this sets it (manual 2.3.1, 2.3.2, 2.3.7).  CommandError with the socket
        code if the port is taken.
        """
        opening = open_listener(self._link, port, mode, manual)
        return self._module.adopt(Listener(self._module, self._module.drive(opening)))

    def sockets(self) -> tuple[SocketInfo, ...]:
        """Every socket of the module that is in use, UDP too, by ascending id (manual 2.3.4)."""
        return self._module.run(ListSockets())

    def get(self, setting: type[S]) -> S:
        """The value of an option, such as `get(tcp.PacketSize)` (manual 2.3.1)."""
        return self._module.run(Get(setting))

    def set(self, setting: Setting) -> None:
        """Set an option, such as `set(tcp.PacketSize(512))` (manual 2.3.1)."""
        self._module.run(Set(setting))

    def set_hex_units(self, sent: Unit = "digits", received: Unit = "bytes") -> None:
        """Tell what this module's lengths count while payload is hexadecimal (tcp.DataFormat): digits, or their bytes.

        `sent`: at the prompt of AT+QISEND and of AT+QMTPUB; `received`: in +QIRD, +QIURC: "recv" and +QMTRECV.  Nothing
        is said to the module; the defaults are the manual's (2.3.1).  UsageError for any other unit.
        """
        digits.count(self._link, sent, received)


class Udp:
    """UDP sockets (manual 2.3)."""

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link

    def connect(self, host: str, port: int) -> UdpSocket:
        """A socket that exchanges datagrams with one peer.  CommandError with the socket code if it cannot be."""
        opening = open_client(self._link, host, port)
        return self._module.adopt(UdpSocket(self._module, self._module.drive(opening)))

    def bind(self, port: int) -> UdpService:
        """A socket at a port of the module's own, 1 to 65535, that exchanges datagrams with everybody."""
        opening = open_service(self._link, port)
        return self._module.adopt(UdpService(self._module, self._module.drive(opening)))


class System:
    """The module itself (manual 2.1.1 to 2.1.6, 2.3.9)."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def version(self) -> str:
        """Firmware version (manual 2.1.2)."""
        return self._module.run(system.version())

    def reboot(self, timeout: float = 10.0) -> None:
        """Restart the module, wait until it answers again, and switch its echo off (manual 2.1.1).

        What was not saved is forgotten; every open socket ends with SocketLost.  CommandTimeout if the module is not
        back after `timeout` seconds.
        """
        self._module.run(system.restart(timeout))

    def echo(self, on: bool) -> None:
        """Switch the echo of command lines; saved.  It is stripped here either way (manual 2.1.3)."""
        self._module.run(Echo(Switch(on)))

    def baud(self) -> int:
        """The speed of the module's serial port in bit/s, as it says (manual 2.1.5)."""
        return self._module.run(system.baud())

    def set_baud(self, rate: int, save: bool = False) -> None:
        """Change the speed of both sides, 1200 to 2,000,000 bit/s, and see that they still hear each other.

        `save`: the module starts with it.  UsageError before anything is sent if the port cannot follow; ProtocolError
        if the module does not answer at the new speed, and this side is back at the old (manual 2.1.5).
        """
        self._module.run(system.set_baud(rate, save))

    def last_error(self) -> LastError:
        """Code and text of the latest fault of a socket command; 0 after a success (manual 2.3.9)."""
        return self._module.run(GetLastError())

    def upgrade(
        self, url: str, timeout: float = 300.0, progress: Callable[[UpgradeStage], object] | None = None
    ) -> str:
        """Fetch firmware from a URL, install it and wait for the restart; the version that runs then.

        `progress` is told each of its four stages as it begins, in this thread.  CommandError if it cannot be
        downloaded; CommandTimeout if that takes more than `timeout` seconds.  How an https URL is secured is up to the
        firmware: the manual has no option for it (manual 2.1.6, 3.1.3).
        """
        return self._module.run(system.upgrade(url, timeout, progress or system.untold))
