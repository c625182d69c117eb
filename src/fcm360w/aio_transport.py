"""Connections of the module as asyncio's own transports, readers and writers, and servers.

Errors are OSErrors, as those of asyncio over the system's sockets: see socket_errors.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fcm360w.aio_sockets import AsyncListener
from fcm360w.commanded import Commanded
from fcm360w.commands.tcp import MAX_SEND
from fcm360w.contexts import Context
from fcm360w.errors import FCM360WError, UsageError
from fcm360w.link import Link
from fcm360w.listener import Listening, ListenMode, open_listener
from fcm360w.opening import open_channel
from fcm360w.sharing import Whereabouts, any_port, parted, received, whereabouts
from fcm360w.socket_errors import failure, told, translated
from fcm360w.streams import CLOSE_WAIT
from fcm360w.turns import perform

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]
ANY = "0.0.0.0"
TRIES = 16  # at ports that may be taken
HIGH_WATER, LOW_WATER = 1 << 16, 1 << 14
MAX_PENDING = 16 << 20  # bytes that may wait to be sent, of a writer that does not drain
READ_SIZE = 1 << 16


class ModuleTransport(asyncio.Transport):
    """One connection.  A task reads it as its protocol allows, another sends what was written.

    `close` sends first what was written; `abort` does not.  There is no closing of one direction.  Once the peer has
    closed nothing can be sent: the module ends a connection as a whole.
    """

    def __init__(
        self, module: AsyncModule, channel: Commanded, protocol: asyncio.BaseProtocol, extra: dict[str, object]
    ) -> None:
        super().__init__()
        self._known = {"peername": channel.peer, "connect_id": channel.connect_id, **extra}
        self._module, self._channel = module, channel
        self._stream = module.stream_over(channel)
        self._protocol = protocol
        self._pending = bytearray()
        self._mark = channel.link.mark("transports", MAX_PENDING)
        self._may_read, self._wake = asyncio.Event(), asyncio.Event()
        self._may_read.set()
        self._closing = self._aborted = self._full = False
        self._error: Exception | None = None
        self._low, self._high = LOW_WATER, HIGH_WATER
        self._loop = asyncio.get_running_loop()
        self._reader = self._loop.create_task(self._read())
        self._writer = self._loop.create_task(self._live())
        protocol.connection_made(self)

    def place(self, found: Whereabouts) -> None:
        """What the module says of both ends, for `get_extra_info`."""
        self._known["sockname"] = found.ip, found.port
        if found.remote_ip:
            self._known["peername"] = found.remote_ip, found.remote_port

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername`, `sockname`, `connect_id`, and `tls`, the context."""
        return self._known.get(name, default)

    # ---- what a protocol asks of it

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """UsageError beyond 16 MiB that wait: whoever writes must drain."""
        if self._closing:
            return
        if len(self._pending) + memoryview(data).nbytes > MAX_PENDING:
            raise UsageError(f"{len(self._pending)} bytes wait to be sent: await drain() between writes")
        self._pending += data
        self._mark.rise(len(self._pending))
        self._wake.set()
        if len(self._pending) > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        raise NotImplementedError("the module cannot close one direction of a connection")

    def close(self) -> None:
        self._closing = True
        self._may_read.set()
        self._wake.set()

    def abort(self) -> None:
        if not self._aborted:
            self._closing = self._aborted = True
            self._pending.clear()
            self._writer.cancel()

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._may_read.is_set() and not self._closing

    def pause_reading(self) -> None:
        """What comes stays in the module, and its peer must wait."""
        if not self._closing:
            self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    def get_write_buffer_size(self) -> int:
        return len(self._pending)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As asyncio's: one that is not given is derived from the other."""
        high = (4 * low if low is not None else HIGH_WATER) if high is None else high
        low = high // 4 if low is None else low
        if not 0 <= low <= high:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._low, self._high = low, high

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    # ---- its tasks

    async def _read(self) -> None:
        view = memoryview(bytearray(READ_SIZE))
        try:
            while not self._closing:
                await self._may_read.wait()
                count = await self._module.drive(received(self._channel, view, None))
                await self._may_read.wait()
                if not self._deliver(bytes(view[:count])):
                    return
        except Exception as error:
            self._note(error)
            self.abort()

    def _deliver(self, data: bytes) -> bool:
        """Whether more may come."""
        protocol = self._protocol
        assert isinstance(protocol, asyncio.Protocol)
        if data and not self._closing:
            protocol.data_received(data)
        elif not data and not self._closing and not protocol.eof_received():
            self.close()
        return bool(data)

    async def _live(self) -> None:
        """Send until it is closed, then end it, whatever became of the sending."""
        try:
            await self._send()
        except asyncio.CancelledError:
            if not self._aborted:
                self._closing = True
                self._protocol.connection_lost(None)
                raise
        except Exception as error:
            self._note(error)
        await self._part()

    async def _send(self) -> None:
        while self._pending or not self._closing:
            self._wake.clear()
            while self._pending:
                piece = bytes(self._pending[:MAX_SEND])
                await self._module.drive(self._channel.send(memoryview(piece), None))
                del self._pending[: len(piece)]
                self._ease()
            if not self._closing:
                await self._wake.wait()

    def _ease(self) -> None:
        if self._full and len(self._pending) <= self._low:
            self._full = False
            self._protocol.resume_writing()

    async def _part(self) -> None:
        self._closing = True
        self._reader.cancel()
        await asyncio.wait([self._reader])
        try:
            await self._module.drive(parted(self._channel, 0.0 if self._aborted else CLOSE_WAIT))
        except (OSError, FCM360WError) as error:
            self._note(error)
        finally:
            self._module.forget(self._stream)
            self._protocol.connection_lost(self._error)

    def _note(self, error: Exception) -> None:
        """Why the connection cannot go on; what is no failure of a connection is told to the loop, too."""
        closed = isinstance(error, UsageError) and self._channel.report
        self._error = self._error or (failure(errno.ECONNABORTED, error) if closed else translated(error))
        if not isinstance(self._error, OSError):
            report = {"message": "a connection of the module failed", "exception": error, "transport": self}
            self._loop.call_exception_handler(report)


class Place(NamedTuple):
    """What a server's `sockets` are asked for."""

    port: int

    def getsockname(self) -> tuple[str, int]:
        return ANY, self.port


class ModuleServer(asyncio.AbstractServer):
    """Clients of a port of the module, each met by a callback, as by what asyncio.start_server returns."""

    def __init__(self, module: AsyncModule, listening: Listening, port: int, met: Connected, limit: int) -> None:
        self.sockets = (Place(port),)
        self._module, self._listening = module, listening
        self._listener = module.adopt(AsyncListener(module, listening))
        self._met, self._limit = met, limit
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = [self._loop.create_task(self._accept())]

    async def _accept(self) -> None:
        while True:
            try:
                channel = await self._module.drive(self._listening.accept(None))
            except UsageError:
                if self._listening.closed:
                    return  # with the module
                raise
            reader = asyncio.StreamReader(self._limit, self._loop)
            protocol = asyncio.StreamReaderProtocol(reader, self._met, loop=self._loop)
            ModuleTransport(self._module, channel, protocol, {"sockname": self.sockets[0].getsockname()})

    def close(self) -> None:
        """Let nobody in any more; connections that were met go on.  `wait_closed` waits until the port is free."""
        if len(self._tasks) == 1:
            self._tasks[0].cancel()
            self._tasks.append(self._loop.create_task(self._listener.close()))

    async def wait_closed(self) -> None:
        """Until it is closed; the OSError that ended it, if one did."""
        await asyncio.wait(self._tasks)
        await asyncio.wait(self._tasks)  # and what closing has added
        for task in self._tasks:
            if not task.cancelled():
                with told():
                    task.result()

    def is_serving(self) -> bool:
        return not self._tasks[0].done() and len(self._tasks) == 1

    async def start_serving(self) -> None:
        """It does so from the beginning."""

    async def serve_forever(self) -> None:
        """Until it is closed or the task is cancelled, which closes it."""
        try:
            await self.wait_closed()
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop


async def open_connection(
    module: AsyncModule, link: Link, host: str, port: int, limit: int, tls: Context | None, mode: ListenMode
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """See AsyncModule.open_connection."""
    with told():
        channel = await module.drive(open_channel(link, host, port, mode, tls))
    assert isinstance(channel, Commanded)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport = ModuleTransport(module, channel, protocol, {"tls": tls})
    try:
        with told():
            transport.place(await module.drive(perform(link, whereabouts(channel.connect_id, tls is not None))))
    except BaseException:
        transport.abort()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def start_server(
    module: AsyncModule, link: Link, met: Connected, host: str | None, port: int, limit: int, mode: ListenMode
) -> ModuleServer:
    """See AsyncModule.start_server."""
    if host not in (None, "", ANY):
        raise failure(errno.EADDRNOTAVAIL, f"{host}: the module listens at all of its addresses")
    for last in reversed(range(TRIES)):
        chosen = port or any_port()
        try:
            with told():
                listening = await module.drive(open_listener(link, chosen, mode, False))
            return ModuleServer(module, listening, chosen, met, limit)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port or not last:
                raise
    raise AssertionError("the last attempt succeeds or fails")
