"""Byte streams over a module for asyncio: as streams.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fcm360w.channel import Channel, Report
from fcm360w.commands.tcp import Sent
from fcm360w.errors import FCM360WError
from fcm360w.inbox import Chunk
from fcm360w.streams import CLOSE_WAIT, Holders, flat, sized, writable_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fcm360w.aio import AsyncModule


class AsyncStream:
    """As Stream, for asyncio.  One task may send while another receives."""

    def __init__(self, module: AsyncModule, channel: Channel) -> None:
        self._module = module
        self._channel = channel
        self._timeout: float | None = None
        self._holders = Holders()

    @property
    def connect_id(self) -> int:
        """The module's socket id, 0 to 11."""
        return self._channel.connect_id

    @property
    def peer(self) -> tuple[str, int]:
        """As Stream.peer."""
        return self._channel.peer

    @property
    def transparent(self) -> bool:
        """Whether the serial port is the stream, so that nothing else can be done with the module."""
        return self._channel.transparent

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more: what is left is what was received."""
        return self._channel.report is not None

    @property
    def sent(self) -> int:
        return self._channel.sent

    @property
    def received(self) -> int:
        return self._channel.received

    @property
    def report(self) -> Report | None:
        return self._channel.report

    def settimeout(self, seconds: float | None) -> None:
        """As Stream.settimeout."""
        self._timeout = seconds

    async def sendall(self, data: Buffer) -> None:
        """As Stream.sendall."""
        self._holders.check(asyncio.current_task())
        await self._module.drive(self._channel.send(flat(data), self._deadline()))

    async def recv_into(self, buffer: Buffer, nbytes: int = 0) -> int:
        """As Stream.recv_into."""
        self._holders.check(asyncio.current_task())
        view = writable_bytes(buffer, nbytes)
        return await self._module.drive(self._channel.receive_into(view, self._deadline())) if view else 0

    async def recv(self, size: int) -> bytes:
        """As Stream.recv."""
        buffer = sized(size)
        count = await self.recv_into(buffer)
        return bytes(memoryview(buffer)[:count])

    async def recv_chunk(self, size: int) -> Chunk:
        """As Stream.recv_chunk."""
        self._holders.check(asyncio.current_task())
        buffer = sized(size)
        if not buffer:
            return Chunk(self._module.clock(), b"")
        at, count = await self._module.drive(self._channel.receive_chunk_into(memoryview(buffer), self._deadline()))
        return Chunk(at, bytes(memoryview(buffer)[:count]))

    @contextlib.asynccontextmanager
    async def suspended(self) -> AsyncIterator[None]:
        """As Stream.suspended; it is the task that neither sends nor receives."""
        module, channel = self._module, self._channel
        await module.drive(channel.suspend())
        try:
            with self._holders.hold(asyncio.current_task()):
                yield
        except BaseException as error:
            try:
                await module.drive(channel.resume())
            except (OSError, FCM360WError) as second:
                error.add_note(f"the stream does not go on: {second}")
            raise
        await module.drive(channel.resume())

    async def verify(self) -> Sent:
        """As Stream.verify."""
        return await self._module.drive(self._channel.verify())

    async def close(self, wait: float = CLOSE_WAIT) -> Report:
        """As Stream.close."""
        try:
            return await self._module.drive(self._channel.close(wait))
        finally:
            if self._channel.report:
                self._module.forget(self)

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._module.clock() + self._timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """As Stream.__exit__."""
        if error is None:
            await self.close()
            if missed := self._channel.passed_over():
                raise missed
            return
        try:
            await self.close()
        except (OSError, FCM360WError) as second:
            error.add_note(f"closing the stream failed too: {second}")
