"""The world of one thread and one virtual clock: time that jumps, and what may befall a module in it."""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
import time
from typing import Any

import pytest

import fcm360w
from fcm360w.channel import Mode
from fcm360w.commands import system, tcp, wifi
from fcm360w.errors import CommandError, CommandTimeout, PeerClosed, TransportLost, TransportUnavailable, UsageError
from fcm360w.pending import MARGIN
from fcm360w.sim import World
from fcm360w.sim.memory import MemoryServer
from fcm360w.sim.pipes import MemoryPeer
from fcm360w.sim.world import Stalled
from fcm360w.sim.worldloop import running_loop

OK = b"\r\nOK\r\n"
HOST = "10.0.0.9"
MODES: tuple[Mode, ...] = ("transparent", "push", "buffer")


def joined(world: World) -> fcm360w.Module:
    module = world.module()
    module.wifi.join("hall", "open sesame")
    return module


def echo(peer: MemoryPeer) -> None:
    peer.on_data = peer.send


# ---- time


def examples() -> dict[str, str]:
    """The functions in the docstring of World."""
    text = inspect.getdoc(World) or ""
    code = textwrap.dedent(text.partition("::\n")[2].partition("\n`module()`")[0])
    tree = ast.parse(code)
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", examples())
def test_the_examples_of_the_documentation(name: str) -> None:
    names: dict[str, Any] = {"fcm360w": fcm360w, "pytest": pytest}
    exec(examples()[name], names)
    names[name]()


def test_there_are_examples() -> None:
    assert len(examples()) == 2


def test_a_time_out_of_150_seconds() -> None:
    """Its virtual time is right to the second, and far more passes than in reality."""
    world, begun = World(), time.monotonic()
    world.network.cut(HOST)
    with joined(world) as module:
        before = world.now
        with pytest.raises(CommandError) as caught:
            module.stream(HOST, 8009, "push")
        assert caught.value.code == 564
        assert 150 < world.now - before < 151
    assert time.monotonic() - begun < world.now - world.start


def test_a_module_that_answers_nothing_is_given_up_in_the_time_its_row_grants() -> None:
    world = World()
    with world.module() as module:
        world.unwired = True
        before = world.now
        with pytest.raises(CommandTimeout):
            module.run(system.GetVersion())
        assert before < world.now <= before + system.GetVersion().timeout() + MARGIN + 1
        world.unwired = False


def test_time_is_the_same_in_every_run() -> None:
    def run() -> tuple[float, bytes]:
        world = World(seed=7)
        world.network.jitter = 0.05
        server = world.network.serve(HOST, 8009, echo)
        with joined(world) as module, module.stream(HOST, 8009) as stream:
            stream.sendall(bytes(5000))
            stream.recv(100)
        return world.now, bytes(server.peers[0].received)

    assert run() == run()


@pytest.mark.parametrize(("seed", "varies"), [(0, True), (None, False)])
def test_signals_vary_if_there_is_a_seed(seed: int | None, varies: bool) -> None:
    world = World(seed=seed)
    with joined(world) as module:
        levels = {module.wifi.hotspot().rssi for _ in range(20)}
    assert (levels != {-52}) is varies


def test_what_is_planned_happens_while_somebody_waits() -> None:
    world, seen = World(), []
    world.after(7.0, lambda: seen.append(world.now))
    world.after(3.0, lambda: seen.append(world.now))
    world.sleep(5.0)
    assert seen == [world.start + 3.0]
    assert world.now == world.start + 5.0
    world.sleep(5.0)
    assert seen == [world.start + 3.0, world.start + 7.0]


def test_what_is_planned_for_one_moment_happens_although_some_of_it_fails() -> None:
    world, seen = World(), []

    def fail() -> None:
        raise KeyboardInterrupt

    world.after(1.0, fail)
    world.after(1.0, lambda: seen.append(world.now))
    with pytest.raises(KeyboardInterrupt):
        world.sleep(2.0)
    world.sleep(2.0)
    assert seen == [world.start + 1.0]


def test_who_waits_for_what_will_never_happen_is_told() -> None:
    world = World()
    world.network.serve(HOST, 8009)
    with joined(world) as module, module.stream(HOST, 8009, "push") as stream:
        with pytest.raises(Stalled):
            stream.recv(1)
        stream.sendall(b"and it goes on")


def test_time_that_stands_still_is_told() -> None:
    world = World()

    def again() -> None:
        world.after(0.0, again)

    again()
    with pytest.raises(Stalled, match="still"):
        world.sleep(1.0)


def test_what_is_called_back_must_not_wait() -> None:
    world = World()
    with joined(world) as module:
        for act in (lambda: world.sleep(1.0), lambda: module.run(system.Attention())):
            world.after(0.5, act)
            with pytest.raises(UsageError, match="must not"):
                world.sleep(1.0)
        world.after(0.0, lambda: module.run(system.Attention()))
        with pytest.raises(UsageError, match="one thread"):
            module.wait(tcp.Closed, 1.0)
        module.run(system.Attention())


# ---- the driver in it


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("baud", [None, 9600, 2_000_000])
def test_bytes_there_and_back(mode: Mode, baud: int | None) -> None:
    world = World(baud=baud)
    server = world.network.serve("echo.example", 8009, echo)
    data = bytes(range(256)) * 20
    with joined(world) as module, module.stream("echo.example", 8009, mode) as stream:
        stream.sendall(data)
        got = b""
        while len(got) < len(data):
            got += stream.recv(9999)
    assert got == bytes(server.peers[0].received) == data
    assert stream.report
    assert stream.report[:3] == (len(data), len(data), len(data))


def test_the_line_is_paced_by_the_same_clock() -> None:
    world = World(baud=115200)
    server = world.network.serve(HOST, 8009)
    with joined(world) as module, module.stream(HOST, 8009) as stream:
        begun = world.now
        stream.sendall(bytes(115200))
        world.wait_until(lambda: len(server.peers[0].received) == 115200)
        assert 10.0 <= world.now - begun < 10.5
        assert 0.99 < world.stamps.to_network.utilisation(115200) < 1.001


def test_a_peer_that_does_not_read_stops_the_writer() -> None:
    """64 KB with the peer, 64 KB in the module, and what is on the way."""
    world = World(baud=None)

    def idle(peer: MemoryPeer) -> None:
        peer.reading = False

    server = world.network.serve(HOST, 8009, idle)
    with joined(world) as module, module.stream(HOST, 8009) as stream:
        stream.settimeout(5.0)
        with pytest.raises(TimeoutError):
            stream.sendall(bytes(1 << 20))
        assert 128 << 10 <= stream.sent < 512 << 10
        server.peers[0].reading = True
        world.sleep(1.0)
        assert len(server.peers[0].received) == stream.sent


def test_the_close_of_the_peer() -> None:
    world = World()
    server = world.network.serve(HOST, 8009)
    with joined(world) as module:
        stream = module.stream(HOST, 8009)
        stream.sendall(b"four")
        world.sleep(1.0)
        server.peers[0].send(b"last words")
        server.peers[0].close()
        assert stream.recv(99) == b"last words"
        with pytest.raises(PeerClosed) as caught:
            stream.recv(99)
        assert caught.value.uncertain == 0


def test_one_host_at_a_time() -> None:
    world = World()
    module = world.module()
    with pytest.raises(TransportUnavailable):
        world.module()
    with pytest.raises(TransportUnavailable):
        world.host.send(b"AT\r")
    module.close()
    assert world.host.ask(b"AT\r") == OK
    with pytest.raises(TransportUnavailable):
        world.module()
    world.host.close()
    world.module().close()


# ---- bytes without the driver


def test_the_host_without_the_driver() -> None:
    world = World()
    assert world.host.ask(b"AT\r") == OK
    assert world.host.ask(b'AT+QSTAAPINFO="hall","open sesame"\r', b'"GOT_IP"\r\n').startswith(OK)
    world.host.send(b"AT\r")
    assert world.host.read() == b""
    assert world.host.read(1.0) == OK
    with pytest.raises(TimeoutError, match="ERROR"):
        world.host.ask(b"AT+QNO\r", seconds=2.0)


def test_wrong_rate_is_noise_in_both_directions() -> None:
    world = World(baud=115200)
    port = world.port()
    port.set_baud(9600)
    port.write(b"AT\r", 0)
    world.sleep(1.0)
    buffer = bytearray(100)
    assert OK not in buffer[: port.readinto(memoryview(buffer), 0)]
    port.set_baud(115200)
    port.write(b"\rAT\r", 0)
    world.sleep(1.0)
    assert buffer[: port.readinto(memoryview(buffer), 0)].endswith(OK)


def test_the_module_changes_its_rate() -> None:
    world = World(baud=115200)
    with world.module() as module:
        module.run(system.SetBaudRate(921600, system.Switch.OFF))
        with pytest.raises(CommandTimeout):
            module.run(system.Attention())
        module._port.set_baud(921600)  # type: ignore[attr-defined]
        module.run(system.Attention())


# ---- what may befall it


def test_the_port_dies_and_the_twin_lives() -> None:
    world = World()
    world.network.serve(HOST, 8009)
    module = joined(world)
    stream = module.stream(HOST, 8009, "push")
    world.after(1.0, world.unplug)
    with pytest.raises(TransportLost):
        stream.recv(1)
    module.close()
    with world.module() as module:
        assert module.found.sockets == (0,)
        assert module.run(wifi.GetHotspot()).ssid == "hall"


def test_the_wire_is_cut_for_a_while() -> None:
    world = World()
    with world.module() as module:
        world.unwired = True
        world.after(5.0, lambda: setattr(world, "unwired", False))
        with pytest.raises(CommandTimeout):
            module.run(system.Attention())
        world.sleep(10.0)
        module.run(system.Attention())


def test_the_module_stands_still_for_a_while() -> None:
    """What it was told meanwhile it does later; its late answers are nobody else's."""
    world = World()
    with world.module() as module:
        world.frozen = True
        with pytest.raises(CommandTimeout):
            module.run(system.GetBaudRate())
        world.frozen = False
        assert module.run(system.GetVersion()).version.startswith("FCM360W")


# ---- asyncio


def test_tasks_by_the_same_clock() -> None:
    world = World()
    server = world.network.serve(HOST, 8009, echo)

    async def main() -> bytes:
        async with await world.async_module() as module:
            await module.wifi.join("hall", "open sesame")
            async with await module.stream(HOST, 8009, "push") as stream:
                reading = asyncio.create_task(stream.recv(99))
                await asyncio.sleep(3600.0)
                await stream.sendall(b"after an hour")
                return await reading

    assert world.run(main()) == b"after an hour" == bytes(server.peers[0].received)
    assert 3600 < world.now - world.start < 3610


def test_a_task_has_its_time_out() -> None:
    world = World()
    world.network.cut(HOST)

    async def main() -> None:
        async with await world.async_module() as module:
            await module.wifi.join("hall", "open sesame")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(20.0):
                    await module.stream(HOST, 8009, "push")
            await module.run(system.Attention())

    world.run(main())


def test_tasks_that_wait_for_ever_are_told() -> None:
    async def main() -> None:
        await asyncio.Future()

    with pytest.raises(Stalled):
        World().run(main())


def test_the_loop_must_be_the_world_s() -> None:
    async def main() -> None:
        with pytest.raises(UsageError):
            running_loop()
        with pytest.raises(UsageError):
            await World().async_module()

    asyncio.run(main())


def test_the_port_dies_under_asyncio() -> None:
    world = World()

    async def main() -> None:
        async with await world.async_module() as module:
            world.after(1.0, world.unplug)
            with pytest.raises(TransportLost):
                await module.wait(tcp.Closed, 5.0)

    world.run(main())
    world.module().close()


def test_servers_come_and_go() -> None:
    world = World()
    server: MemoryServer = world.network.serve(HOST, 8009)
    with joined(world) as module:
        server.close()
        with pytest.raises(CommandError) as caught:
            module.stream(HOST, 8009, "push")
        assert caught.value.code == 564
        world.network.serve(HOST, 8009)
        module.stream(HOST, 8009, "push").close()


def test_closing_a_module_takes_no_longer_for_many_sockets_whose_peers_are_gone() -> None:
    world = World()
    world.network.serve("10.0.0.9", 80)
    module = world.module()
    module.wifi.join("hall", "open sesame")
    streams = [module.stream("10.0.0.9", 80, "push") for _ in range(12)]
    world.network.cut("10.0.0.9")
    for stream in streams:
        stream.sendall(b"nobody confirms")
    begin = world.now
    module.close()
    assert world.now - begin < 35.0
    assert all(stream.report and stream.report.uncertain == 15 for stream in streams)


def test_closing_a_module_that_has_fallen_silent_gives_up_after_the_first() -> None:
    world = World()
    world.network.serve("10.0.0.9", 80)
    module = world.module()
    module.wifi.join("hall", "open sesame")
    for _ in range(12):
        module.stream("10.0.0.9", 80, "push")
    world.unwired = True
    begin = world.now
    with pytest.raises(CommandTimeout):
        module.close()
    assert world.now - begin < 20.0


def test_streams_that_have_ended_are_not_kept() -> None:
    world = World()
    server = world.network.serve("10.0.0.9", 80)
    with world.module() as module:
        module.wifi.join("hall", "open sesame")
        for _ in range(30):
            stream = module.stream("10.0.0.9", 80, "push")
            server.peers[-1].close()
            with pytest.raises(PeerClosed):
                stream.recv(1)
        assert len(module._sockets) == 1
