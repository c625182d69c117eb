"""The module for asyncio: the same flows and channels as module.py, with the event loop's way of waiting."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fcm360w.aio_faces import AsyncSystem, AsyncTcp, AsyncUdp, AsyncWifi
from fcm360w.aio_streams import AsyncStream
from fcm360w.attached import attach
from fcm360w.channel import Channel, Mode
from fcm360w.chapters import Chapter
from fcm360w.closings import AsyncClosing
from fcm360w.errors import CommandTimeout, FCM360WError, TransportLost
from fcm360w.events import Event
from fcm360w.flows import start
from fcm360w.flows.recover import Recovery
from fcm360w.module import READ_SIZE, check_flow, check_mode, new_link
from fcm360w.opening import open_channel
from fcm360w.ports import OpenPort, Port, open_port
from fcm360w.stats import Stats, snapshot
from fcm360w.steps import EscapePolicy
from fcm360w.streams import CLOSE_WAIT
from fcm360w.threads import IDLE_SLICE
from fcm360w.turns import Turn, Turned, Turns, earlier, left, perform, recovered, wait, woken
from fcm360w.wire import Command, Flow, Reply

if TYPE_CHECKING:
    from fcm360w.aio_ble import AsyncBle
    from fcm360w.aio_files import AsyncFiles
    from fcm360w.aio_http import AsyncHttp
    from fcm360w.aio_mqtt import AsyncMqtt
    from fcm360w.aio_net import AsyncNet
    from fcm360w.aio_tls import AsyncTls
    from fcm360w.aio_transport import Connected, ModuleServer
    from fcm360w.contexts import Context
    from fcm360w.listener import ListenMode

R = TypeVar("R")
E = TypeVar("E", bound=Reply)
C = TypeVar("C", bound="AsyncClosable")


class AsyncClosable(Protocol):
    """As Closable, for asyncio."""

    @property
    def transparent(self) -> bool: ...
    @property
    def over(self) -> bool: ...
    async def close(self) -> object: ...


async def open_async(url: str, escape: EscapePolicy | None = None) -> AsyncModule:
    """As fcm360w.open, for asyncio.  The port itself is opened in a thread, lest a far one hold up the loop."""
    opening = asyncio.ensure_future(asyncio.to_thread(open_port, url))
    try:
        port = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise
    return await awake(AsyncModule(port, escape))


async def awake(module: AsyncModule) -> AsyncModule:
    """As module.awake."""
    try:
        await module.wake()
    except BaseException:
        with contextlib.suppress(OSError):
            await module.close()
        raise
    return module


def closing(socket: AsyncClosable, left: float) -> Callable[[], Awaitable[object]]:
    """As module.closing."""
    return partial(socket.close, max(0.0, left)) if isinstance(socket, AsyncStream) else socket.close


def _close_late(opening: asyncio.Future[OpenPort]) -> None:
    """A port that was opened after all, when nobody wanted it any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class AsyncModule(AsyncClosing):
    """A module behind a port, in one event loop.  Tasks' commands are served in the order they were asked for.

    `clock` is what the loop waits by, in seconds.
    """

    _called = "module"

    ble: Chapter[AsyncBle] = Chapter("aio_ble", "AsyncBle", "As Module.ble.")
    tls: Chapter[AsyncTls] = Chapter("aio_tls", "AsyncTls", "As Module.tls.")
    mqtt: Chapter[AsyncMqtt] = Chapter("aio_mqtt", "AsyncMqtt", "As Module.mqtt.")
    http: Chapter[AsyncHttp] = Chapter("aio_http", "AsyncHttp", "As Module.http.")
    net: Chapter[AsyncNet] = Chapter("aio_net", "AsyncNet", "As Module.net.")
    files: Chapter[AsyncFiles] = Chapter("aio_files", "AsyncFiles", "As Module.files.")

    def __init__(
        self, port: Port, escape: EscapePolicy | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._port = port
        self.clock = clock
        self._link = new_link(port, escape, clock())
        self._link.moved = self._notify
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._scratch = memoryview(bytearray(READ_SIZE))
        self._sockets: list[AsyncClosable] = []
        self._fd = port.fileno()
        self._reading = self._writing = False
        self.found = start.Found()
        self.wifi, self.system = AsyncWifi(self), AsyncSystem(self)
        self.tcp, self.udp = AsyncTcp(self, self._link), AsyncUdp(self, self._link)
        self._watch_reads()

    @property
    def url(self) -> str:
        return self._port.url

    @property
    def baud(self) -> int | None:
        """As Module.baud."""
        return self._link.baud or None

    async def run(self, flow: Flow[R]) -> R:
        """As Module.run.  A task that is cancelled leaves the link usable."""
        check_flow(flow)
        return await self.drive(perform(self._link, flow))

    async def wake(self) -> start.Found:
        """As Module.wake."""
        self.found = await self.drive(woken(self._link))
        if self._link.baud is None:
            self._link.pace(await self.drive(perform(self._link, start.rate(), trusting=True)))
        return self.found

    async def recover(self) -> Recovery:
        """As Module.recover."""
        return await self.drive(recovered(self._link))

    def stats(self) -> Stats:
        """As Module.stats."""
        return snapshot(self._link)

    async def wait(self, kind: type[E], timeout: float) -> E | None:
        """As Module.wait."""
        return await self.drive(wait(self._link, kind, timeout))

    async def events(self) -> AsyncIterator[Event]:
        """Unsolicited lines and incidents as they come, until the port is lost or closed."""
        while True:
            while event := self._link.events.take():
                yield event
            if self._link.error:
                return
            await self._changed(None)

    async def stream(self, host: str, port: int, mode: Mode = "transparent", tls: Context | None = None) -> AsyncStream:
        """As Module.stream."""
        check_mode(mode)
        return self.stream_over(await self.drive(open_channel(self._link, host, port, mode, tls)))

    async def open_connection(
        self, host: str, port: int, *, limit: int = 1 << 16, tls: Context | None = None, mode: ListenMode = "buffer"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As asyncio.open_connection, under TLS if there is a context; errors as those of a socket: see socket_errors.

        Up to twelve share the link.  In buffer mode what nobody reads stays in the module, and its peer must wait.
        """
        from fcm360w.aio_transport import open_connection

        return await open_connection(self, self._link, host, port, limit, tls, mode)

    async def start_server(
        self,
        client_connected_cb: Connected,
        host: str | None = None,
        port: int = 0,
        *,
        limit: int = 1 << 16,
        mode: ListenMode = "buffer",
    ) -> ModuleServer:
        """As asyncio.start_server, at a port of the module's own; 0 is any: see the server's `sockets`."""
        from fcm360w.aio_transport import start_server

        return await start_server(self, self._link, client_connected_cb, host, port, limit, mode)

    async def attach(self, command: Command[Any]) -> AsyncStream:
        """As Module.attach."""
        return self.stream_over(await self.drive(attach(self._link, command)))

    def stream_over(self, channel: Channel) -> AsyncStream:
        """A channel of this module's link as a stream, which is closed with the module."""
        return self.adopt(AsyncStream(self, channel))

    def adopt(self, socket: C) -> C:
        """As Module.adopt."""
        self._sockets = [each for each in self._sockets if not each.over and each is not socket]
        self._sockets.append(socket)
        return socket

    def forget(self, socket: AsyncClosable) -> None:
        """A socket was closed."""
        if socket in self._sockets:
            self._sockets.remove(socket)

    async def close(self) -> None:
        """As Module.close."""
        failed: list[Exception] = []
        end = self.clock() + CLOSE_WAIT
        try:
            for socket in sorted(self._sockets, key=lambda socket: not socket.transparent):
                await self._part(closing(socket, end - self.clock()), failed)
            await self._part(self._leave, failed)
        finally:
            self._lost(TransportLost(f"{self.url} was closed"))
            self._port.close()
        if failed:
            raise failed[0]

    async def _part(self, act: Callable[[], Awaitable[object]], failed: list[Exception]) -> None:
        """As Module._part."""
        if self._link.error is None and not any(isinstance(error, CommandTimeout) for error in failed):
            try:
                await act()
            except (OSError, FCM360WError) as error:
                failed.append(error)

    async def _leave(self) -> None:
        await self.drive(perform(self._link, left(self._link), trusting=True))

    # ---- turns

    async def drive(self, turns: Turns[R]) -> R:
        """As Module.drive, in this task.  If it is cancelled, as far as the next turn that is not shielded."""
        cancelled: asyncio.CancelledError | None = None
        self._link.tick(self.clock())
        try:
            turn = next(turns)
            while True:
                try:
                    if cancelled and not turn.shielded:
                        raise cancelled
                    turned = await self._turn(turn)
                except asyncio.CancelledError as error:
                    cancelled = error
                    turn = turns.send(Turned()) if turn.shielded else turns.throw(error)
                except BaseException as error:
                    turn = turns.throw(error)
                else:
                    turn = turns.send(turned)
        except StopIteration as stop:
            if cancelled:
                raise cancelled from None
            result: R = stop.value
            return result
        except Exception as error:
            if cancelled:
                raise cancelled from error
            raise
        finally:
            turns.close()
            self._notify()

    async def _turn(self, turn: Turn) -> Turned:
        link = self._link
        link.check()
        wrote = self._write(turn.write)
        if link.news:
            link.news = False
            self._notify()
            await asyncio.sleep(0)
        elif wrote:
            await asyncio.sleep(0)
        else:
            self._watch_reads()
            if link.out or turn.write is not None:
                self._watch_writes(True)
            await self._changed(earlier(turn.deadline, link.deadline()))
        link.check()
        link.tick(self.clock())
        return Turned(wrote)

    async def _changed(self, deadline: float | None) -> None:
        """Wait until bytes have moved, another task changed the link, or it is time."""
        future = self._loop.create_future()
        self._waiting.add(future)
        seconds = None if deadline is None else max(0.0, deadline - self.clock())
        if not self._reading and self._fd < 0:
            seconds = IDLE_SLICE if seconds is None else min(seconds, IDLE_SLICE)
        timer = None if seconds is None else self._loop.call_later(seconds, _settle, future)
        try:
            await future
        finally:
            self._waiting.discard(future)
            if timer:
                timer.cancel()
        if self._fd < 0:
            self._on_readable()

    def _notify(self) -> None:
        for future in tuple(self._waiting):
            _settle(future)

    def _write(self, payload: memoryview | None) -> int:
        """Write what the link has to say, then payload as far as the guard allows; how much payload went."""
        link, count = self._link, 0
        try:
            if link.out:
                link.wrote(self._port.write(link.out, 0), self.clock())
            allowed = link.may_send(payload) if payload is not None and not link.out else 0
            if allowed and payload is not None:
                count = self._port.write(payload[:allowed], 0)
                link.data_sent(payload[:count], self.clock())
        except TransportLost as error:
            self._lost(error)
            link.check()
        return count

    def _on_readable(self) -> None:
        link = self._link
        if not link.has_room:
            self._unwatch_reads()
            return
        try:
            count = self._port.readinto(self._scratch, 0)
        except TransportLost as error:
            self._lost(error)
            return
        if count:
            link.receive(self._scratch[:count], self.clock())
            self._notify()

    def _on_writable(self) -> None:
        self._watch_writes(False)
        self._notify()

    def _lost(self, error: TransportLost) -> None:
        self._unwatch()
        self._link.lost(error, self.clock())
        self._notify()

    def _watch_reads(self) -> None:
        if not self._reading and self._fd >= 0 and self._link.error is None and self._link.has_room:
            self._loop.add_reader(self._fd, self._on_readable)
            self._reading = True

    def _unwatch_reads(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._fd)
            self._reading = False

    def _watch_writes(self, wanted: bool) -> None:
        if wanted == self._writing or self._fd < 0:
            return
        if wanted:
            self._loop.add_writer(self._fd, self._on_writable)
        else:
            self._loop.remove_writer(self._fd)
        self._writing = wanted

    def _unwatch(self) -> None:
        self._unwatch_reads()
        self._watch_writes(False)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
