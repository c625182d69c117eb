"""Bluetooth Low Energy, for asyncio: as ble.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from fcm360w.closings import AsyncClosing
from fcm360w.errors import PeerClosed
from fcm360w.flows import ble
from fcm360w.flows.ble import Service, uuid_of
from fcm360w.link import Link
from fcm360w.offering import Offering, Write, open_offering

if TYPE_CHECKING:
    from uuid import UUID

    from fcm360w.aio import AsyncModule

__all__ = ["AsyncBle", "AsyncPeripheral"]


class AsyncPeripheral(AsyncClosing):
    """As Peripheral, for asyncio."""

    _called = "peripheral"
    transparent = False

    def __init__(self, module: AsyncModule, channel: Offering) -> None:
        self._module = module
        self._channel = channel

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self._channel.closed or bool(self._channel.lost)

    @property
    def characteristics(self) -> tuple[str, ...]:
        """As Peripheral.characteristics."""
        return self._channel.service.characteristics

    @property
    def connected(self) -> bool:
        """As Peripheral.connected."""
        return self._channel.connected

    @property
    def mtu(self) -> int:
        """As Peripheral.mtu."""
        return self._channel.mtu

    @property
    def dropped(self) -> int:
        """Writes that were dropped because nobody took them in time."""
        return self._channel.dropped

    async def advertise(self) -> None:
        """As Peripheral.advertise."""
        await self._module.drive(self._channel.advertise())

    async def stop(self) -> None:
        """As Peripheral.stop."""
        await self._module.drive(self._channel.stop())

    async def wait_connected(self, timeout: float | None = None) -> None:
        """As Peripheral.wait_connected."""
        await self._module.drive(self._channel.visited(self._deadline(timeout)))

    async def wait_disconnected(self, timeout: float | None = None) -> None:
        """As Peripheral.wait_disconnected."""
        await self._module.drive(self._channel.left(self._deadline(timeout)))

    async def notify(self, characteristic: str | int | UUID, data: bytes | str) -> None:
        """As Peripheral.notify."""
        await self._module.drive(self._channel.notify(characteristic, data))

    async def receive(self, timeout: float | None = None) -> Write:
        """As Peripheral.receive."""
        return await self._module.drive(self._channel.receive(self._deadline(timeout)))

    async def __aiter__(self) -> AsyncIterator[Write]:
        """As Peripheral.__iter__."""
        while True:
            try:
                yield await self.receive()
            except PeerClosed:
                return

    async def close(self) -> None:
        """As Peripheral.close."""
        await self._module.drive(self._channel.close())
        self._module.forget(self)

    def _deadline(self, timeout: float | None) -> float | None:
        return None if timeout is None else self._module.clock() + timeout


class AsyncBle:
    """As Ble, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link

    async def address(self) -> str:
        """As Ble.address."""
        return await self._module.run(ble.address())

    async def peripheral(
        self,
        service: str | int | UUID,
        characteristics: Sequence[str | int | UUID],
        name: str | None = None,
        auto_advertise: bool = False,
        interval: tuple[int, int] | None = None,
        advertised: bytes | None = None,
    ) -> AsyncPeripheral:
        """As Ble.peripheral."""
        uuids = tuple(map(uuid_of, characteristics))
        offered = Service(uuid_of(service), uuids, name, auto_advertise, interval, advertised)
        opening = open_offering(self._link, offered)
        return self._module.adopt(AsyncPeripheral(self._module, await self._module.drive(opening)))
