"""Reader and writer pairs and servers of asyncio over the module, in a virtual world and against this machine."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import fcm360w
import spoken
from fcm360w import AsyncModule, UsageError
from fcm360w.sim import Twin, World
from fcm360w.sim.pipes import MemoryPeer

pytestmark = pytest.mark.driver

LIMIT = 20.0
LOCAL = "127.0.0.1"
HERE, PORT, OWN_PORT = "10.0.0.9", 8009, 7000
SAID = bytes(range(256)) * 60
Scene = Callable[[AsyncModule], Awaitable[None]]


def echo(peer: MemoryPeer) -> None:
    peer.on_data = peer.send


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(9999):
        writer.write(data)
        await writer.drain()
    writer.close()


def play(world: World, scene: Scene) -> None:
    async def main() -> None:
        async with asyncio.timeout(600.0), await world.async_module() as module:
            await module.wifi.join("hall", "open sesame")
            await scene(module)

    world.run(main())


def perform(scene: Scene) -> None:
    """The same with the sockets of this machine."""

    async def main() -> None:
        with Twin(dialect=spoken.dialect(), name="transports", baud=None):
            async with asyncio.timeout(LIMIT * 3), await fcm360w.open_async("sim://transports") as module:
                await module.wifi.join("hall", "open sesame")
                await scene(module)

    asyncio.run(main())


# ---- connections


@pytest.mark.parametrize("mode", ["buffer", "push"])
def test_bytes_there_and_back(mode: str) -> None:
    world = World(baud=None)
    server = world.network.serve(HERE, PORT, echo)

    async def scene(module: AsyncModule) -> None:
        reader, writer = await module.open_connection(HERE, PORT, mode=mode)  # type: ignore[arg-type]
        writer.write(SAID)
        await writer.drain()
        assert await reader.readexactly(len(SAID)) == SAID
        writer.writelines([b"one\n", b"two\n"])
        assert await reader.readline() == b"one\n"
        assert writer.get_extra_info("peername") == (HERE, PORT)
        assert writer.get_extra_info("sockname") == (world.network.address, (await module.tcp.sockets())[0].local_port)
        assert writer.get_extra_info("nothing", 7) == 7
        assert not writer.can_write_eof()
        with pytest.raises(NotImplementedError):
            writer.write_eof()
        writer.write(b"last words")
        writer.close()
        assert writer.is_closing()
        await writer.wait_closed()
        assert await module.tcp.sockets() == ()

    play(world, scene)
    assert bytes(server.peers[0].received) == SAID + b"one\ntwo\nlast words"


def test_the_peer_closes() -> None:
    world = World(baud=None)
    server = world.network.serve(HERE, PORT)

    async def scene(module: AsyncModule) -> None:
        reader, writer = await module.open_connection(HERE, PORT)
        server.peers[0].send(SAID)
        server.peers[0].close()
        assert await reader.read() == SAID
        assert reader.at_eof()
        writer.write(b"too late")
        with pytest.raises(BrokenPipeError):
            await writer.wait_closed()
        with pytest.raises(OSError):
            await writer.drain()

    play(world, scene)


def test_what_nobody_reads_stays_with_the_peer() -> None:
    world = World(baud=None)
    server = world.network.serve(HERE, PORT)

    async def scene(module: AsyncModule) -> None:
        reader, writer = await module.open_connection(HERE, PORT, limit=4096)
        peer = server.peers[0]
        peer.send(bytes(1 << 20))
        await asyncio.sleep(5.0)
        assert peer.out.waiting
        here = module.stats().buffers["commanded_inbox"].high_water
        assert here <= 2000
        assert len(await reader.readexactly(1 << 20)) == 1 << 20
        writer.close()

    play(world, scene)


def test_a_writer_waits_for_a_peer_that_does_not_read() -> None:
    world = World(baud=None)
    server = world.network.serve(HERE, PORT)

    async def scene(module: AsyncModule) -> None:
        _, writer = await module.open_connection(HERE, PORT)
        peer = server.peers[0]
        peer.reading = False
        writer.write(bytes(1 << 20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 5.0)
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        assert transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
        peer.reading = True
        await writer.drain()
        assert transport.get_write_buffer_size() <= transport.get_write_buffer_limits()[0]
        writer.close()
        await writer.wait_closed()
        assert len(peer.received) == 1 << 20

    play(world, scene)


def test_who_does_not_drain_is_told() -> None:
    world = World(baud=None)
    server = world.network.serve(HERE, PORT)

    async def scene(module: AsyncModule) -> None:
        _, writer = await module.open_connection(HERE, PORT)
        server.peers[0].reading = False
        with pytest.raises(UsageError, match="drain"):
            for _ in range(20):
                writer.write(bytes(1 << 20))
        transport = writer.transport
        transport.abort()
        await asyncio.sleep(5.0)
        assert await module.tcp.sockets() == ()
        assert module.stats().buffers["transports"].high_water == 16 << 20

    play(world, scene)


def test_limits_of_a_transport() -> None:
    world = World(baud=None)
    world.network.serve(HERE, PORT)

    async def scene(module: AsyncModule) -> None:
        _, writer = await module.open_connection(HERE, PORT)
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        for given, then in (({"high": 400}, (100, 400)), ({"low": 100}, (100, 400)), ({"high": 9, "low": 3}, (3, 9))):
            transport.set_write_buffer_limits(**given)
            assert transport.get_write_buffer_limits() == then
        with pytest.raises(ValueError, match="low"):
            transport.set_write_buffer_limits(high=1, low=2)
        transport.pause_reading()
        assert not transport.is_reading()
        transport.resume_reading()
        assert transport.is_reading()
        writer.close()

    play(world, scene)


def test_who_cannot_be_reached() -> None:
    world = World(baud=None)
    world.network.cut("10.0.0.66")

    async def scene(module: AsyncModule) -> None:
        with pytest.raises(ConnectionRefusedError):
            await module.open_connection(HERE, 1)
        with pytest.raises(socket.gaierror):
            await module.open_connection("nobody.example", 80)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await module.open_connection("10.0.0.66", 80)
        assert await module.tcp.sockets() == ()

    play(world, scene)


def test_the_module_restarts() -> None:
    world = World(baud=None, dialect=spoken.announced())
    world.network.serve(HERE, PORT)

    async def scene(module: AsyncModule) -> None:
        reader, writer = await module.open_connection(HERE, PORT)
        world.power_cycle()
        with pytest.raises(ConnectionResetError):
            await reader.read(9)
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()

    play(world, scene)


def test_a_module_closes_what_is_open() -> None:
    world = World(baud=None)
    server = world.network.serve(HERE, PORT)
    kept: list[object] = []

    async def scene(module: AsyncModule) -> None:
        kept.append(await module.open_connection(HERE, PORT))

    play(world, scene)
    assert server.peers[0].ended


# ---- nobody starves


def test_ten_exchange_while_two_are_stuck() -> None:
    world = World(baud=None)
    server = world.network.serve(HERE, PORT, echo)

    async def exchange(module: AsyncModule) -> float:
        reader, writer = await module.open_connection(HERE, PORT)
        begun = world.now
        writer.write(SAID)
        assert await reader.readexactly(len(SAID)) == SAID
        writer.close()
        await writer.wait_closed()
        return world.now - begun

    async def scene(module: AsyncModule) -> None:
        _, stuck = await module.open_connection(HERE, PORT)
        unread, other = await module.open_connection(HERE, PORT, limit=4096)
        server.peers[0].reading = False
        stuck.write(bytes(1 << 20))
        server.peers[1].send(bytes(1 << 20))
        await asyncio.sleep(5.0)
        took = await asyncio.gather(*(exchange(module) for _ in range(10)))
        assert max(took) < (50.0 if spoken.dialect().response_delay else 5.0)
        assert max(took) < 3 * min(took) + 1.0
        assert len(await unread.readexactly(1 << 20)) == 1 << 20
        other.close()
        stuck.transport.abort()

    play(world, scene)


def test_twelve_at_once() -> None:
    async def scene(module: AsyncModule) -> None:
        server = await asyncio.start_server(echoed, LOCAL, 0)
        port = server.sockets[0].getsockname()[1]

        async def exchange(number: int) -> bool:
            said = bytes([number]) * 20_000
            reader, writer = await module.open_connection(LOCAL, port)
            writer.write(said)
            same = await reader.readexactly(len(said)) == said
            writer.close()
            await writer.wait_closed()
            return same

        assert await asyncio.gather(*(exchange(number) for number in range(12))) == [True] * 12
        assert await module.tcp.sockets() == ()
        server.close()

    perform(scene)


def test_under_tls(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="platform: no cryptography")
    import certificates

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.server(LOCAL).save(tmp_path, "server"))

    async def scene(module: AsyncModule) -> None:
        server = await asyncio.start_server(echoed, LOCAL, 0, ssl=context)
        mine = await module.tls.context(certificates.authority().pem)
        reader, writer = await module.open_connection(LOCAL, server.sockets[0].getsockname()[1], tls=mine)
        writer.write(SAID)
        assert await reader.readexactly(len(SAID)) == SAID
        assert writer.get_extra_info("tls") is mine
        assert writer.get_extra_info("peername")[0] == LOCAL
        writer.close()
        await writer.wait_closed()
        assert await module.tls.connections() == ()
        server.close()

    perform(scene)


# ---- servers


def test_a_server() -> None:
    world = World(baud=None)

    async def scene(module: AsyncModule) -> None:
        server = await module.start_server(echoed, port=OWN_PORT)
        assert server.is_serving()
        assert server.sockets[0].getsockname() == ("0.0.0.0", OWN_PORT)
        peers = [world.network.dial(OWN_PORT) for _ in range(3)]
        for peer in peers:
            peer.send(SAID)
        while not all(bytes(peer.received) == SAID for peer in peers):
            await asyncio.sleep(0.1)
        server.close()
        server.close()
        await server.wait_closed()
        assert not server.is_serving()
        peers[0].send(b"more")
        while not bytes(peers[0].received).endswith(b"more"):
            await asyncio.sleep(0.1)
        for peer in peers:
            peer.close()
        await asyncio.sleep(1.0)
        assert await module.tcp.sockets() == ()

    play(world, scene)


def test_a_server_that_is_served_for_ever() -> None:
    async def scene(module: AsyncModule) -> None:
        async with await module.start_server(echoed, "") as server:
            await server.start_serving()
            forever = asyncio.create_task(server.serve_forever())
            reader, writer = await asyncio.open_connection(LOCAL, server.sockets[0].getsockname()[1])
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await writer.wait_closed()
            forever.cancel()
            with pytest.raises(asyncio.CancelledError):
                await forever
            assert not server.is_serving()
            assert server.get_loop() is asyncio.get_running_loop()

    perform(scene)


def test_a_server_that_cannot_be() -> None:
    async def scene(module: AsyncModule) -> None:
        await module.start_server(echoed, port=OWN_PORT)
        for host, number in ((None, errno.EADDRINUSE), ("10.9.9.9", errno.EADDRNOTAVAIL)):
            with pytest.raises(OSError) as caught:
                await module.start_server(echoed, host, OWN_PORT)
            assert caught.value.errno == number

    play(World(baud=None), scene)


def test_a_server_of_a_module_that_restarts() -> None:
    world = World(baud=None, dialect=spoken.announced())

    async def scene(module: AsyncModule) -> None:
        server = await module.start_server(echoed, port=OWN_PORT)
        world.power_cycle()
        with pytest.raises(ConnectionResetError):
            await server.wait_closed()
        assert not server.is_serving()

    play(world, scene)
