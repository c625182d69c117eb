"""Sockets of the module that are no byte streams, for asyncio: as sockets.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcm360w.closings import AsyncClosing
from fcm360w.datagrams import Datagram, Datagrams
from fcm360w.listener import Listening
from fcm360w.streams import flat

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fcm360w.aio import AsyncModule
    from fcm360w.aio_streams import AsyncStream


class AsyncListener(AsyncClosing):
    """As Listener, for asyncio."""

    _called = "listener"
    transparent = False

    def __init__(self, module: AsyncModule, channel: Listening) -> None:
        self._module = module
        self._channel = channel

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self._channel.closed or bool(self._channel.lost)

    @property
    def connect_id(self) -> int:
        """The module's socket id, 0 to 11."""
        return self._channel.connect_id

    @property
    def waiting(self) -> int:
        """Clients that came in, and nobody has accepted yet."""
        return self._channel.waiting

    @property
    def full(self) -> int:
        """Clients that the module turned away since this was opened, by any listener: no id was free."""
        return self._channel.full

    @property
    def dropped(self) -> int:
        """Clients that had left long before anybody accepted them, and were forgotten."""
        return self._channel.dropped

    async def accept(self, timeout: float | None = None) -> AsyncStream:
        """As Listener.accept."""
        deadline = None if timeout is None else self._module.clock() + timeout
        return self._module.stream_over(await self._module.drive(self._channel.accept(deadline)))

    async def reject(self) -> None:
        """As Listener.reject."""
        await self._module.drive(self._channel.reject())

    async def close(self) -> None:
        """As Listener.close."""
        await self._module.drive(self._channel.close())
        self._module.forget(self)


class AsyncUdpEnd(AsyncClosing):
    """As UdpEnd, for asyncio."""

    _called = "socket"
    transparent = False

    def __init__(self, module: AsyncModule, channel: Datagrams) -> None:
        self._module = module
        self._channel = channel
        self._timeout: float | None = None

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self._channel.closed or bool(self._channel.lost)

    @property
    def connect_id(self) -> int:
        """The module's socket id, 0 to 11."""
        return self._channel.connect_id

    @property
    def sent(self) -> int:
        """Datagrams that the module took; whether they arrived nobody knows."""
        return self._channel.sent

    @property
    def received(self) -> int:
        """Datagrams that came, those that were dropped included."""
        return self._channel.received

    @property
    def dropped(self) -> int:
        """Datagrams that were dropped because nobody took them in time."""
        return self._channel.inbox.dropped

    def settimeout(self, seconds: float | None) -> None:
        """As Stream.settimeout."""
        self._timeout = seconds

    async def close(self) -> None:
        """As UdpEnd.close."""
        await self._module.drive(self._channel.close())
        self._module.forget(self)

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._module.clock() + self._timeout


class AsyncUdpSocket(AsyncUdpEnd):
    """As UdpSocket, for asyncio."""

    async def send(self, data: Buffer) -> None:
        """As UdpSocket.send."""
        await self._module.drive(self._channel.send(bytes(flat(data)), self._deadline()))

    async def recv(self) -> bytes:
        """As UdpSocket.recv."""
        return (await self._module.drive(self._channel.receive(self._deadline()))).data


class AsyncUdpService(AsyncUdpEnd):
    """As UdpService, for asyncio."""

    async def sendto(self, data: Buffer, address: tuple[str, int]) -> None:
        """As UdpService.sendto."""
        await self._module.drive(self._channel.send_to(bytes(flat(data)), *address, self._deadline()))

    async def recvfrom(self) -> Datagram:
        """As UdpService.recvfrom."""
        return await self._module.drive(self._channel.receive(self._deadline()))
