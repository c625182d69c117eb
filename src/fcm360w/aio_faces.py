"""What a module can do, by chapter of the manual, for asyncio: as faces.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from fcm360w.aio_sockets import AsyncListener, AsyncUdpService, AsyncUdpSocket
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

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule
    from fcm360w.aio_streams import AsyncStream
    from fcm360w.contexts import Context

S = TypeVar("S", bound=Setting)


class AsyncWifi:
    """As Wifi, for asyncio."""

    def __init__(self, module: AsyncModule) -> None:
        self._module = module

    async def join(
        self, ssid: str, password: str | None = None, timeout: float = 30.0, save: bool = False
    ) -> Addresses:
        """As Wifi.join."""
        return await self._module.run(wifi.join(ssid, password, timeout, save))

    async def leave(self) -> None:
        """As Wifi.leave."""
        await self._module.run(wifi.leave())

    async def forget(self) -> None:
        """As Wifi.forget."""
        await self._module.run(Forget())

    async def scan(self) -> tuple[Seen, ...]:
        """As Wifi.scan."""
        return await self._module.run(Scan())

    async def hotspot(self) -> Hotspot:
        """As Wifi.hotspot."""
        return await self._module.run(wifi.hotspot())

    async def status(self) -> WifiStatus:
        """As Wifi.status."""
        return await self._module.run(wifi.status())

    async def addresses(self, mode: Role = Role.STATION) -> Addresses:
        """As Wifi.addresses."""
        return await self._module.run(GetAddresses(mode))

    async def dhcp(self) -> None:
        """As Wifi.dhcp."""
        await self._module.run(SetDhcp(Switch.ON))

    async def static(self, ip: str, mask: str, gate: str, dns: str) -> None:
        """As Wifi.static."""
        await self._module.run(wifi.fix_addresses(ip, mask, gate, dns))

    async def mac(self) -> str:
        """As Wifi.mac."""
        return await self._module.run(wifi.mac())

    async def dns(self) -> DnsServers:
        """As Wifi.dns."""
        return await self._module.run(GetDnsServers())

    async def set_dns(self, first: str, second: str | None = None) -> None:
        """As Wifi.set_dns."""
        await self._module.run(SetDnsServers(first, second))

    async def start_ap(self, ssid: str, password: str | None = None) -> None:
        """As Wifi.start_ap."""
        await self._module.run(wifi.start_ap(ssid, password))

    async def stop_ap(self) -> None:
        """As Wifi.stop_ap."""
        await self._module.run(StopAp())

    async def ap_static(self, ip: str, mask: str, gate: str, dns: str) -> None:
        """As Wifi.ap_static."""
        await self._module.run(SetApAddresses(ip, mask, gate, dns))

    async def web_setup(self, on: bool) -> None:
        """As Wifi.web_setup."""
        await self._module.run(SetWebSetup(Switch(on)))


class AsyncTcp:
    """As Tcp, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link

    async def connect(
        self, host: str, port: int, mode: Mode = "transparent", tls: Context | None = None
    ) -> AsyncStream:
        """As Tcp.connect."""
        return await self._module.stream(host, port, mode, tls)

    async def listen(self, port: int, mode: ListenMode = "push", manual: bool = False) -> AsyncListener:
        """As Tcp.listen."""
        opening = open_listener(self._link, port, mode, manual)
        return self._module.adopt(AsyncListener(self._module, await self._module.drive(opening)))

    async def sockets(self) -> tuple[SocketInfo, ...]:
        """As Tcp.sockets."""
        return await self._module.run(ListSockets())

    async def get(self, setting: type[S]) -> S:
        """As Tcp.get."""
        return await self._module.run(Get(setting))

    async def set(self, setting: Setting) -> None:
        """As Tcp.set."""
        await self._module.run(Set(setting))

    def set_hex_units(self, sent: Unit = "digits", received: Unit = "bytes") -> None:
        """As Tcp.set_hex_units."""
        digits.count(self._link, sent, received)


class AsyncUdp:
    """As Udp, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link

    async def connect(self, host: str, port: int) -> AsyncUdpSocket:
        """As Udp.connect."""
        opening = open_client(self._link, host, port)
        return self._module.adopt(AsyncUdpSocket(self._module, await self._module.drive(opening)))

    async def bind(self, port: int) -> AsyncUdpService:
        """As Udp.bind."""
        opening = open_service(self._link, port)
        return self._module.adopt(AsyncUdpService(self._module, await self._module.drive(opening)))


class AsyncSystem:
    """As System, for asyncio."""

    def __init__(self, module: AsyncModule) -> None:
        self._module = module

    async def version(self) -> str:
        """As System.version."""
        return await self._module.run(system.version())

    async def reboot(self, timeout: float = 10.0) -> None:
        """As System.reboot."""
        await self._module.run(system.restart(timeout))

    async def echo(self, on: bool) -> None:
        """As System.echo."""
        await self._module.run(Echo(Switch(on)))

    async def baud(self) -> int:
        """As System.baud."""
        return await self._module.run(system.baud())

    async def set_baud(self, rate: int, save: bool = False) -> None:
        """As System.set_baud."""
        await self._module.run(system.set_baud(rate, save))

    async def last_error(self) -> LastError:
        """As System.last_error."""
        return await self._module.run(GetLastError())

    async def upgrade(
        self, url: str, timeout: float = 300.0, progress: Callable[[UpgradeStage], object] | None = None
    ) -> str:
        """As System.upgrade."""
        return await self._module.run(system.upgrade(url, timeout, progress or system.untold))
