"""A phone, made of bumble: scans, connects, agrees on an MTU, discovers, reads, writes, subscribes."""

from __future__ import annotations

import asyncio
from typing import Any

from bumble.device import Device, DeviceConfiguration, Peer
from bumble.hci import Address
from bumble.host import Host


class Central:
    """On a controller, or at both ends of a transport; `notified` has what came of each characteristic, by its UUID."""

    def __init__(self, source: Any, address: str = "F0:F1:F2:F3:F4:F5", sink: Any = None) -> None:
        config = DeviceConfiguration(
            name="phone", address=Address(address), gap_service_enabled=False, gatt_service_enabled=False
        )
        self.device = Device(host=Host(source, sink or source), config=config)
        self.notified: list[tuple[str, bytes]] = []
        self.gone = False
        self.seen: Any = None
        self._peer: Any = None
        self._found: dict[str, Any] = {}

    async def see(self) -> Any:
        """The first advertisement: its `address` and `data`."""
        if not self.device.powered_on:
            await self.device.power_on()
        seen = asyncio.get_running_loop().create_future()
        self.device.on("advertisement", lambda one: seen.done() or seen.set_result(one))
        await self.device.start_scanning()
        self.seen = await seen
        await self.device.stop_scanning()
        return self.seen

    async def connect(self, mtu: int | None = 247, address: str | None = None) -> None:
        """To an address, or the first that is seen."""
        if not self.device.powered_on:
            await self.device.power_on()
        connection = await self.device.connect(address or (await self.see()).address)
        self.gone = False
        connection.on("disconnection", lambda reason: setattr(self, "gone", True))
        self._peer = Peer(connection)
        if mtu:
            await self._peer.request_mtu(mtu)
        await self._peer.discover_services()
        await self._peer.discover_characteristics()
        self._found = {
            str(one.uuid.to_hex_str()).lower(): one
            for service in self._peer.services
            for one in service.characteristics
        }

    @property
    def handles(self) -> dict[str, int]:
        return {uuid: one.handle for uuid, one in self._found.items()}

    async def write(self, uuid: str, data: bytes, response: bool = True) -> None:
        await self._found[uuid].write_value(data, with_response=response)

    async def read(self, uuid: str) -> bytes:
        return bytes(await self._found[uuid].read_value())

    async def subscribe(self, uuid: str) -> None:
        await self._found[uuid].subscribe(lambda data: self.notified.append((uuid, bytes(data))))

    async def disconnect(self) -> None:
        await self._peer.connection.disconnect()
