"""MQTT for asyncio: as mqtt.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from fcm360w.closings import AsyncClosing
from fcm360w.commands.mqttcfg import Protocol as Version
from fcm360w.flows.mqtt import LastWill, Options
from fcm360w.link import Link
from fcm360w.messaging import Client, Message
from fcm360w.mqtt import PORT, SECURE_PORT, Topics, bare, encoded, named

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule
    from fcm360w.contexts import Context


class AsyncMqtt:
    """As Mqtt, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link
        self._mine: set[int] = set()

    async def __call__(
        self,
        host: str,
        port: int | None = None,
        *,
        client_id: str = "",
        username: str | None = None,
        password: str | None = None,
        keepalive: int = 120,
        clean: bool = True,
        will: LastWill | None = None,
        tls: Context | None = None,
        version: Version = Version.V3_1_1,
        timeout: int = 5,
        retries: int = 3,
        stored: bool = False,
        hexadecimal: bool = False,
        max_payload: int = 1500,
    ) -> AsyncMqttClient:
        """As Mqtt.__call__."""
        where = (SECURE_PORT if tls else PORT) if port is None else port
        options = Options(
            host, where, client_id, username, password, keepalive, clean, will, tls, version, timeout, retries,
            stored, hexadecimal, max_payload,
        )  # fmt: skip
        client = Client(self._link, options, self._mine)
        await self._module.drive(client.connect())
        return self._module.adopt(AsyncMqttClient(self._module, client))


class AsyncMqttClient(AsyncClosing):
    """As MqttClient, for asyncio."""

    _called = "MQTT client"
    transparent = False

    def __init__(self, module: AsyncModule, client: Client) -> None:
        self._module = module
        self._client = client

    @property
    def over(self) -> bool:
        """As MqttClient.over."""
        return not self._client.connected

    @property
    def connected(self) -> bool:
        """As MqttClient.connected."""
        return self._client.connected

    @property
    def client_idx(self) -> int:
        """As MqttClient.client_idx."""
        return self._client.client_idx

    @property
    def published(self) -> int:
        """As MqttClient.published."""
        return self._client.published

    @property
    def received(self) -> int:
        """As MqttClient.received."""
        return self._client.received

    @property
    def dropped(self) -> int:
        """As MqttClient.dropped."""
        return self._client.dropped

    async def subscribe(self, topic: Topics, qos: int = 0) -> tuple[int, ...]:
        """As MqttClient.subscribe."""
        return await self._module.drive(self._client.subscribe(named(topic, qos)))

    async def unsubscribe(self, topic: str | Sequence[str]) -> None:
        """As MqttClient.unsubscribe."""
        await self._module.drive(self._client.unsubscribe(bare(topic)))

    async def publish(
        self, topic: str, payload: bytes | bytearray | str, qos: int = 0, retain: bool = False, wait: bool = True
    ) -> None:
        """As MqttClient.publish."""
        await self._module.drive(self._client.publish(topic, encoded(payload), qos, retain, wait))

    async def flush(self) -> None:
        """As MqttClient.flush."""
        await self._module.drive(self._client.flush())

    async def recv(self, timeout: float | None = None) -> Message:
        """As MqttClient.recv."""
        deadline = None if timeout is None else self._module.clock() + timeout
        return await self._module.drive(self._client.receive(deadline))

    async def __aiter__(self) -> AsyncIterator[Message]:
        """As MqttClient.__iter__."""
        while (message := await self._module.drive(self._client.next())) is not None:
            yield message

    async def reconnect(self) -> None:
        """As MqttClient.reconnect."""
        await self._module.drive(self._client.reconnect())
        self._module.adopt(self)
        await self._module.drive(self._client.resubscribe())

    async def disconnect(self) -> None:
        """As MqttClient.disconnect."""
        await self._module.drive(self._client.close())
        self._module.forget(self)

    async def close(self) -> None:
        """As MqttClient.close."""
        await self.disconnect()
