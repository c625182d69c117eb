"""A twin's Bluetooth device on the air, made of bumble: one service, one central at a time.

What is asked of it is done one after the other, in the loop of the air.  What happens to it is told to its listener,
there too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from bumble import gatt
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.hci import Address, OwnAddressType
from bumble.host import Host

from fcm360w.commands.ble import MAX_MTU
from fcm360w.sim.air import Air, make_controller

__all__ = ["Listener", "Peripheral"]

log = logging.getLogger("fcm360w.sim")

UNIT = 0.625  # milliseconds
MAX_ADVERTISED_NAME = 26
PROPERTIES = (
    gatt.Characteristic.Properties.READ
    | gatt.Characteristic.Properties.WRITE
    | gatt.Characteristic.Properties.WRITE_WITHOUT_RESPONSE
    | gatt.Characteristic.Properties.NOTIFY
)
BOTH = gatt.Characteristic.READABLE | gatt.Characteristic.WRITEABLE
PREFERRED = bytes.fromhex("0600060000000a00")  # intervals, latency, time-out: what any peripheral prefers


class Listener(Protocol):
    """What is told of a peripheral."""

    def connected(self) -> None: ...
    def agreed(self, mtu: int) -> None: ...
    def subscribed(self, index: int, wanted: bool) -> None: ...
    def written(self, index: int, data: bytes) -> None: ...
    def disconnected(self) -> None: ...


class Peripheral:
    """To be made in the loop of the air; calls come from any thread, and return at once.

    `gone` is done when it has left the air.
    """

    def __init__(self, air: Air, address: str, name: str, listener: Listener) -> None:
        self._air = air
        self._address = address
        self._name = name
        self._listener = listener
        self._characteristics: list[gatt.Characteristic[bytes]] = []
        self._connection: Connection | None = None
        self._todo: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._controller = make_controller(air.link, address)
        self._device = self._make_device(name)
        self._worker = asyncio.get_running_loop().create_task(self._work())

    def _make_device(self, name: str) -> Device:
        host = Host(self._controller, self._controller)
        own = Address(self._address)
        config = DeviceConfiguration(
            name=name, address=own, irk=bytes(16), gap_service_enabled=False, gatt_service_enabled=False
        )
        device = Device(host=host, config=config)
        device.gatt_server.max_mtu = MAX_MTU
        device.gatt_server.add_service(self._access_service())
        device.on(device.EVENT_CONNECTION, self._on_connection)
        return device

    def _access_service(self) -> gatt.Service:
        """Seven attributes, so that the handles of the characteristics are those of the manual's example."""
        values = (
            (gatt.GATT_DEVICE_NAME_CHARACTERISTIC, gatt.CharacteristicValue(read=lambda _: self._name.encode())),
            (gatt.GATT_APPEARANCE_CHARACTERISTIC, bytes(2)),
            (gatt.GATT_PERIPHERAL_PREFERRED_CONNECTION_PARAMETERS_CHARACTERISTIC, PREFERRED),
        )
        readable = gatt.Characteristic.Properties.READ, gatt.Characteristic.READABLE
        return gatt.Service(
            gatt.GATT_GENERIC_ACCESS_SERVICE, [gatt.Characteristic(uuid, *readable, value) for uuid, value in values]
        )

    async def _work(self) -> None:
        act: Callable[[], Awaitable[None]] | None = self._device.power_on
        while act:
            try:
                await act()
            except Exception:
                log.exception("Bluetooth failed")
            act = await self._todo.get()
        self._air.link.remove_controller(self._controller)
        self.gone.set_result(None)

    def _do(self, act: Callable[[], Awaitable[None]]) -> None:
        self._air.post(lambda: self._todo.put_nowait(act))

    # ---- what is asked of it

    def rename(self, name: str) -> None:
        """What a central that connects can read."""
        self._name = name

    def offer(self, service: str, characteristics: Sequence[str]) -> None:
        """Have a service."""

        async def act() -> None:
            self._characteristics = [self._characteristic(*each) for each in enumerate(characteristics)]
            self._device.gatt_server.add_service(gatt.Service(UUID(service), self._characteristics))

        self._do(act)

    def advertise(self, data: bytes | None, shortest: int, longest: int) -> None:
        """Be seen, every `shortest` to `longest` units of 0.625 ms; without data as flags and a name."""

        async def act() -> None:
            await self._device.start_advertising(
                own_address_type=OwnAddressType.RANDOM,
                advertising_data=self._usual() if data is None else data,
                scan_response_data=b"",
                advertising_interval_min=shortest * UNIT,
                advertising_interval_max=longest * UNIT,
            )

        self._do(act)

    def hide(self) -> None:
        """Be seen no longer."""

        async def act() -> None:
            await self._device.stop_advertising()

        self._do(act)

    def notify(self, index: int, data: bytes) -> None:
        """Tell the central that a characteristic has this value; it is silently not told if it is gone."""

        async def act() -> None:
            characteristic = self._characteristics[index]
            characteristic.value = gatt.CharacteristicValue(
                read=lambda _: data, write=lambda _, value: self._on_write(index, value)
            )
            if self._connection:
                await self._device.notify_subscriber(self._connection, characteristic, data)

        self._do(act)

    def close(self) -> None:
        """Leave the air."""

        async def act() -> None:
            self._todo.put_nowait(None)
            if self._connection:
                await self._connection.disconnect()
            await self._device.stop_advertising()
            await self._device.power_off()

        self._do(act)

    # ---- what happens to it

    def _usual(self) -> bytes:
        name = self._name.encode()
        kind = AdvertisingData.COMPLETE_LOCAL_NAME
        if len(name) > MAX_ADVERTISED_NAME:
            name, kind = name[:MAX_ADVERTISED_NAME], AdvertisingData.SHORTENED_LOCAL_NAME
        return bytes(AdvertisingData([(AdvertisingData.FLAGS, b"\x06"), (kind, name)]))

    def _characteristic(self, index: int, uuid: str) -> gatt.Characteristic[bytes]:
        value = gatt.CharacteristicValue(read=lambda _: b"", write=lambda _, data: self._on_write(index, data))
        made: gatt.Characteristic[bytes] = gatt.Characteristic(UUID(uuid), PROPERTIES, BOTH, value)
        made.on(made.EVENT_SUBSCRIPTION, lambda _, notified, indicated: self._listener.subscribed(index, notified))
        return made

    def _on_write(self, index: int, data: bytes) -> None:
        self._listener.written(index, bytes(data))

    def _on_connection(self, connection: Connection) -> None:
        self._connection = connection
        connection.on(connection.EVENT_CONNECTION_ATT_MTU_UPDATE, lambda: self._listener.agreed(connection.att_mtu))
        connection.on(connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._listener.connected()

    def _on_disconnection(self, reason: int) -> None:
        self._connection = None
        self._listener.disconnected()
