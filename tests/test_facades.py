"""The asyncio facade, the streams of both, and that the two facades are one."""

from __future__ import annotations

import array
import asyncio
import contextlib
import inspect
import io
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

import fcm360w
from fcm360w import aio, streams
from fcm360w import module as module_py
from fcm360w.aio import AsyncModule
from fcm360w.aio_ble import AsyncBle, AsyncPeripheral
from fcm360w.aio_faces import AsyncSystem, AsyncTcp, AsyncUdp, AsyncWifi
from fcm360w.aio_files import AsyncFiles
from fcm360w.aio_http import AsyncHttp
from fcm360w.aio_mqtt import AsyncMqtt, AsyncMqttClient
from fcm360w.aio_net import AsyncNet
from fcm360w.aio_sockets import AsyncListener, AsyncUdpEnd, AsyncUdpService, AsyncUdpSocket
from fcm360w.aio_streams import AsyncStream
from fcm360w.aio_tls import AsyncTls
from fcm360w.ble import Ble, Peripheral
from fcm360w.chapters import Chapter
from fcm360w.commands import system, tcp, wifi
from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    GivenUp,
    PeerClosed,
    SendTimeout,
    TransportLost,
    UsageError,
)
from fcm360w.events import Lost
from fcm360w.faces import System, Tcp, Udp, Wifi
from fcm360w.files import Files
from fcm360w.flows.recover import Recovery, Rung
from fcm360w.http import Http
from fcm360w.inbox import Chunk
from fcm360w.module import Module
from fcm360w.mqtt import Mqtt, MqttClient
from fcm360w.net import Net
from fcm360w.sockets import Listener, UdpEnd, UdpService, UdpSocket
from fcm360w.states import State
from fcm360w.steps import Pause, Until, Within
from fcm360w.streams import Stream, StreamIO, writable_bytes
from fcm360w.tls import Tls
from scripted import CONNECT, ERROR, NO_CARRIER, OK, PROMPT, answer, line
from wired import HASTY, PATIENCE, QUICK, Peer, Worker, expect_close, expect_open, pair, wired

Scene = Callable[[AsyncModule, Peer], Awaitable[None]]


def play(scene: Scene, descriptor: bool = True, policy: fcm360w.EscapePolicy = QUICK) -> None:
    """Run a scene in an event loop of its own, within bounds."""

    async def main() -> None:
        with pair(descriptor) as (port, peer):
            module = AsyncModule(port, policy)
            try:
                async with asyncio.timeout(PATIENCE):
                    await scene(module, peer)
            finally:
                await asyncio.to_thread(peer.hang_up)
                with contextlib.suppress(OSError):
                    await module.close()

    asyncio.run(main())


def state(module: AsyncModule) -> State:
    return module._link.state


async def heard(peer: Peer, text: bytes) -> None:
    """Wait until the peer has heard this much."""
    await asyncio.to_thread(peer.until, lambda: text in peer.lines or text in peer.got)


# ---- commands


@pytest.mark.parametrize("descriptor", [True, False])
def test_run(descriptor: bool) -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
        assert (await module.run(system.GetVersion())).version == "FCM360W"
        assert (module.url, module.baud) == ("pair://", None)
        peer.on("AT+QISEND=3,0", ERROR)
        with pytest.raises(CommandError):
            await module.run(tcp.GetSent(3))
        with pytest.raises(UsageError):
            await module.run(tcp.GetSent(12))

    play(scene, descriptor)


def test_wake() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        for text in ("AT", "ATE0", "AT+QECHO=0", "AT+QISTATE", "AT+QSSLSTATE", "AT+QFOPEN?"):
            peer.on(text, OK)
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
        peer.on("AT+QSETBAND?", answer("+QSETBAND: 115200"))
        assert await module.wake() == module.found
        assert module.baud == 115200

    play(scene)


def test_time_passes_without_any_bytes() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        with pytest.raises(CommandTimeout):
            await module.run(Within(system.Attention(), 0.02))
        assert await module.wait(tcp.Closed, 0.02) is None

    play(scene)


def test_tasks_are_served_in_the_order_they_asked() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        for number in range(6):
            peer.on(f"AT+QISEND={number},0", answer(f"+QISEND: {number},0,0"))
        replies = await asyncio.gather(*(module.run(tcp.GetSent(number)) for number in range(6)))
        assert [reply.total_send_length for reply in replies] == list(range(6))
        assert peer.lines == b"".join(b"AT+QISEND=%d,0\r\n" % number for number in range(6))

    play(scene)


def test_a_flow_that_only_waits_hands_over() -> None:
    def pauses() -> Any:
        yield Pause(0.001)

    async def scene(module: AsyncModule, peer: Peer) -> None:
        async def run() -> None:
            for _ in range(30):
                await module.run(pauses())

        await asyncio.gather(*(run() for _ in range(3)))

    play(scene)


def test_wait_hears_what_comes_and_what_came() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        waiting = asyncio.create_task(module.wait(tcp.Closed, PATIENCE))
        await asyncio.sleep(0)
        peer.say(line('+QIURC: "closed",3') + line('+QSTASTAT: "GOT_IP"'))
        assert await waiting == tcp.Closed(3)
        assert await module.wait(wifi.StationEvent, PATIENCE) == wifi.StationEvent(wifi.StationChange.GOT_IP)

    play(scene)


def test_events_come_while_nobody_asks_for_anything() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        events = module.events()
        for number in range(3):
            peer.say(line(f'+QIURC: "closed",{number}'))
            assert (await anext(events)).row == tcp.Closed(number)
        await events.aclose()  # type: ignore[attr-defined]

    play(scene)


def test_a_wait_lets_other_tasks_commands_pass() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        waiting = [asyncio.create_task(module.wait(tcp.Closed, PATIENCE)) for _ in range(2)]
        await asyncio.sleep(0)
        peer.on("AT", OK)
        await module.run(system.Attention())
        assert not any(task.done() for task in waiting)
        peer.say(line('+QIURC: "closed",3') + line('+QIURC: "closed",4'))
        assert set(await asyncio.gather(*waiting)) == {tcp.Closed(3), tcp.Closed(4)}

    play(scene)


# ---- cancellation


def test_a_cancelled_command_leaves_the_link_usable() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        task = asyncio.create_task(module.run(tcp.GetSent(3)))
        await heard(peer, b"AT+QISEND=3,0\r\n")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert state(module) is State.UNSURE
        peer.say(answer("+QISEND: 1,1,0"))
        peer.on("AT", OK)
        peer.on("AT+QISEND=4,0", answer("+QISEND: 7,7,0"))
        assert await module.run(tcp.GetSent(4)) == tcp.Sent(7, 7, 0)
        assert state(module) is State.COMMAND

    play(scene)


def test_a_cancelled_wait_costs_nothing() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(module.wait(tcp.Closed, PATIENCE), 0.01)
        peer.on("AT", OK)
        await module.run(system.Attention())
        assert peer.lines == b"AT\r\n"

    play(scene)


def test_a_task_cancelled_in_the_queue_makes_way() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        first = asyncio.create_task(module.run(iter(Until(tcp.Closed, PATIENCE))))
        second = asyncio.create_task(module.run(iter(Until(tcp.Closed, PATIENCE))))
        third = asyncio.create_task(module.run(system.Attention()))
        await asyncio.sleep(0)
        peer.on("AT", OK)
        second.cancel()
        first.cancel()
        await third
        assert peer.lines == b"AT\r\n"

    play(scene)


def test_a_payload_that_is_due_is_sent_before_the_task_is_cancelled() -> None:
    """Else the module would take the next command for the payload."""

    async def scene(module: AsyncModule, peer: Peer) -> None:
        task = asyncio.create_task(module.run(tcp.Send(3, b"hello")))
        await heard(peer, b"AT+QISEND=3,5\r\n")
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        peer.on(b"hello", line("SEND OK"))
        peer.say(PROMPT)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert peer.lines == b"AT+QISEND=3,5\r\nhello"
        assert state(module) is State.COMMAND

    play(scene)


def test_a_cancelled_send_in_pieces_stops_between_two() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 1)
        stream = await module.stream("h", 80, "push")
        task = asyncio.create_task(stream.sendall(bytes(14600)))
        await heard(peer, b"AT+QISEND=0,1460\r\n")
        task.cancel()
        await asyncio.sleep(0)
        peer.on(bytes(1460), line("SEND OK"), always=True)
        peer.say(PROMPT)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.sent == 1460
        expect_close(peer, 1460)
        assert (await stream.close()).acknowledged == 1460

    play(scene)


def test_a_cancelled_receive_loses_nothing() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        for mode in (1, 2):
            expect_open(peer, mode)
            stream = await module.stream("h", 80, "push" if mode == 1 else "transparent")
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(stream.recv(9), 0.005)
            peer.say(b'\r\n+QIURC: "recv",0,5\r\nhello\r\n' if mode == 1 else b"hello")
            assert await stream.recv(9) == b"hello"
            expect_close(peer, 0)
            await stream.close()

    play(scene)


def test_a_false_alarm_is_seen_through_though_its_task_is_cancelled() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        peer.on("ATO", b"\r\nCONNECT\r\nmore")
        peer.say(NO_CARRIER)
        task = asyncio.create_task(stream.recv(99))
        await asyncio.to_thread(peer.until, lambda: not peer.raw)  # the escape has been heard
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        got = b""
        while len(got) < len(NO_CARRIER) + 4:
            got += await stream.recv(99)
        assert got == NO_CARRIER + b"more"
        await stream.sendall(b"on")
        await heard(peer, b"on")
        expect_close(peer, 2)
        assert (await stream.close()).sent == 2

    play(scene)


def test_a_cancelled_receive_in_buffer_mode_loses_nothing() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 0)
        stream = await module.stream("h", 80, "buffer")
        peer.say(b'\r\n+QIURC: "recv",0\r\n')
        task = asyncio.create_task(stream.recv(9))
        await heard(peer, b"AT+QIRD=0,1500\r\n")
        task.cancel()
        peer.say(b"\r\n+QIRD: 5\r\nhello\r\n" + OK)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await stream.recv(9) == b"hello"
        assert state(module) is State.COMMAND

    play(scene)


@pytest.mark.parametrize("mode", ["push", "transparent"])
def test_a_cancelled_opening_frees_the_id(mode: Any) -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        peer.on("AT+QISTATE", OK)
        task = asyncio.create_task(module.stream("h", 80, mode))
        await heard(peer, b"AT+QIOPEN")
        peer.on("AT", OK, always=True)
        peer.on("AT+QICLOSE=0,1", OK)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await heard(peer, b"AT+QICLOSE=0,1\r\n")
        assert state(module) is State.COMMAND
        assert not module._sockets

    play(scene, policy=HASTY)


def test_a_cancelled_close_can_be_done_again() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        task = asyncio.create_task(stream.close())
        await asyncio.to_thread(peer.until, lambda: not peer.raw)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert module._sockets == [stream]
        peer.on("AT", OK, always=True)
        expect_close(peer, 0)
        assert (await stream.close()).acknowledged == 0
        assert not module._sockets

    play(scene)


def test_a_close_that_fails_is_done_again_by_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    with wired() as (module, peer):
        stream = opened(peer, module, "push")

        def fail(seconds: float) -> Any:
            raise CommandTimeout("AT+QICLOSE=0,10", 11.0)

        with monkeypatch.context() as patch, pytest.raises(CommandTimeout):
            patch.setattr(stream._channel, "close", fail)
            stream.close()
        assert module._sockets == [stream]
        expect_close(peer, 0)
        module.close()
        assert stream.report
        assert not module._sockets


def test_a_module_closes_what_is_open_in_whatever_order_it_was_opened() -> None:
    with wired(policy=HASTY) as (module, peer):
        pushed = opened(peer, module, "push")
        peer.on("AT+QISTATE", answer('+QISTATE: 0,"TCP","10.0.0.9",8009,49152,2,0,1,"uart1"'))
        peer.on('AT+QIOPEN=1,"TCP","h",80,0,2', CONNECT)
        through = module.stream("h", 80)
        peer.on("+++", OK)
        expect_close(peer, 0)
        expect_close(peer, 0, connect_id=1)
        module.close()
        assert pushed.report
        assert through.report


@pytest.mark.parametrize(
    "command", [tcp.Open(0, tcp.Service.TCP, "h", 80, 0, tcp.Access.TRANSPARENT), tcp.Resume()], ids=repr
)
def test_a_command_that_begins_data_mode_is_refused(command: Any) -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        with pytest.raises(UsageError, match=r"begins data mode: use stream\(\)"):
            await module.run(command)

    play(scene)
    with wired() as (module, peer):
        with pytest.raises(UsageError, match=r"begins data mode: use stream\(\)"):
            module.run(command)
        assert not peer.lines


def test_closing_leaves_a_data_mode_that_a_flow_began() -> None:
    def flow() -> Any:
        yield tcp.Resume()

    with wired(policy=HASTY) as (module, peer):
        peer.on("ATO", CONNECT)
        module.run(flow())
        assert state(module) is State.DATA
        module.close()
        assert not peer.raw


def jump_at_write(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """The first write takes longer than any command may."""
    clock, write, port = module.clock, module._port.raw.write, module._port.raw

    def slow(data: Any, timeout: float | None) -> int:
        monkeypatch.setattr(module, "clock", lambda: clock() + 1000.0)
        count: int = write(data, timeout)
        return count

    monkeypatch.setattr(port, "write", slow)


def test_a_command_whose_time_runs_out_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is to come then, and nobody may wait for it."""
    with wired() as (module, _):
        jump_at_write(monkeypatch, module)
        with pytest.raises(CommandTimeout):
            Worker(lambda: module.run(system.Attention())).result()

    async def scene(module: AsyncModule, peer: Peer) -> None:
        jump_at_write(monkeypatch, module)
        with pytest.raises(CommandTimeout):
            await module.run(system.Attention())

    play(scene)


# ---- loss


def test_loss_reaches_everyone_once_and_ends_the_events() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        tasks = [asyncio.create_task(module.run(tcp.GetSent(number))) for number in range(3)]
        listeners = [asyncio.create_task(listen(module)) for _ in range(2)]
        await heard(peer, b"AT+QISEND=0,0\r\n")
        peer.hang_up()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [TransportLost] * 3
        assert [result.in_flight for result in results if isinstance(result, TransportLost)] == [
            "AT+QISEND=0,0",
            None,
            None,
        ]
        rows = [row for listener in listeners for row in await listener]
        assert [type(row) for row in rows] == [Lost]
        with pytest.raises(TransportLost):
            await module.run(system.Attention())
        assert await listen(module) == []

    async def listen(module: AsyncModule) -> list[object]:
        return [event.row async for event in module.events()]

    play(scene)


def test_close_ends_what_waits() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        async def listen() -> list[object]:
            return [event.row async for event in module.events()]

        waiting = asyncio.create_task(module.wait(tcp.Closed, PATIENCE))
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0)
        await module.close()
        with pytest.raises(TransportLost, match="closed"):
            await waiting
        assert [type(row) for row in await listening] == [Lost]
        await module.close()

    play(scene)


def test_loss_reaches_sender_and_receiver() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        receiving = asyncio.create_task(stream.recv(9))
        sending = asyncio.create_task(stream.sendall(bytes(64 << 20)))
        await asyncio.to_thread(peer.until, lambda: bool(peer.got))
        peer.hang_up()
        results = await asyncio.gather(receiving, sending, return_exceptions=True)
        assert [type(result) for result in results] == [TransportLost] * 2

    play(scene)


# ---- streams


@pytest.mark.parametrize("descriptor", [True, False])
def test_one_task_sends_while_another_receives(descriptor: bool) -> None:
    data = bytes(range(256)) * (8192 if descriptor else 64)

    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)

        async def receive() -> bytes:
            out = bytearray()
            while len(out) < len(data):
                out += await stream.recv(65536)
            return bytes(out)

        pouring = asyncio.create_task(asyncio.to_thread(peer.say, data))
        got, _, _ = await asyncio.gather(receive(), stream.sendall(data), pouring)
        assert got == data
        await asyncio.to_thread(peer.until, lambda: len(peer.got) == len(data))
        assert peer.got == data
        expect_close(peer, len(data))
        report = await stream.close()
        assert (report.sent, report.acknowledged, report.received) == (len(data), len(data), len(data))
        assert stream.report == report

    play(scene, descriptor)


def test_a_blocked_sender_is_not_forgotten_by_a_receiver() -> None:
    """The receiver needs no room to write; the sender does."""

    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        with peer._changed:  # the peer hears nothing now
            sending = asyncio.create_task(stream.sendall(bytes(8 << 20)))
            receiving = asyncio.create_task(stream.recv(9))
            await asyncio.sleep(0.01)
            assert not sending.done()
            peer.say(b"hello")
            assert await receiving == b"hello"
            again = asyncio.create_task(stream.recv(9))
            await asyncio.sleep(0.01)
        await sending
        again.cancel()
        await asyncio.to_thread(peer.until, lambda: len(peer.got) == 8 << 20)

    play(scene)


def test_timeouts_of_an_async_stream() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        stream.settimeout(0.01)
        with pytest.raises(TimeoutError):
            await stream.recv(9)
        stream.settimeout(None)
        peer.say(b"hello")
        assert await stream.recv(9) == b"hello"

    play(scene)


def test_an_async_stream_as_a_context() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        for acknowledged in (5, 3):
            expect_open(peer, 1)
            expect_close(peer, 5, acknowledged)
            for text, reply in (("AT+QISEND=0,5", PROMPT), (b"hello", line("SEND OK"))):
                peer.on(text, reply)
            with pytest.raises(PeerClosed) if acknowledged == 3 else contextlib.nullcontext():
                async with await module.stream("h", 80, "push") as stream:
                    stream.settimeout(None)
                    await stream.sendall(b"hello")
                    assert (stream.connect_id, stream.sent, stream.received, stream.report) == (0, 5, 0, None)
                    if acknowledged == 3:
                        await stream.close(0.0)
            peer.script.expected.clear()

    play(scene, policy=HASTY)


def test_an_error_inside_a_context_is_the_error() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 1)
        stream = await module.stream("h", 80, "push")
        with pytest.raises(KeyError) as caught:
            async with module, stream:
                peer.hang_up()
                raise KeyError
        assert caught.value.__notes__[0].startswith("closing the stream failed too: ")

    play(scene)


# ---- streams for threads


def opened(peer: Peer, module: Module, mode: Any = "transparent") -> Stream:
    expect_open(peer, {"transparent": 2, "push": 1, "buffer": 0}[mode])
    stream = module.stream("h", 80, mode)
    assert (stream.connect_id, stream.sent, stream.received, stream.report) == (0, 0, 0, None)
    return stream


@pytest.mark.parametrize(
    "buffer",
    [
        bytearray(8),
        memoryview(bytearray(8)),
        array.array("H", [0] * 4),
        np.zeros(8, np.uint8),
        np.zeros((2, 2), np.uint16),
        np.zeros(2, np.float32),
    ],
    ids=lambda value: type(value).__name__,
)
def test_recv_into_any_buffer(buffer: Any) -> None:
    with wired() as (module, peer):
        stream = opened(peer, module)
        peer.say(b"abcd")
        got = 0
        while got < 4:
            got += stream.recv_into(memoryview(buffer).cast("B")[got:])
        peer.say(b"efgh")
        assert stream.recv_into(buffer, 2) == 2
        assert bytes(memoryview(buffer).cast("B"))[:4] == b"efcd"
        assert stream.recv(1) == b"g"


@pytest.mark.parametrize(
    "buffer",
    [
        b"readonly",
        memoryview(bytearray(8))[::2],
        np.zeros((4, 4))[:, :2],
        np.zeros((4, 4), order="F"),
        np.zeros(3, "M8[s]"),
    ],
)
def test_buffers_that_cannot_be_received_into(buffer: Any) -> None:
    with pytest.raises(UsageError):
        writable_bytes(buffer)


def test_nothing_to_receive_into_or_to_send() -> None:
    with wired() as (module, peer):
        stream = opened(peer, module)
        assert stream.recv_into(bytearray()) == 0
        assert stream.recv(0) == b""
        stream.sendall(b"")
        assert stream.sent == 0


def test_send_any_buffer() -> None:
    with wired() as (module, peer):
        stream = opened(peer, module)
        buffers: list[Any] = [
            b"ab",
            bytearray(b"cd"),
            memoryview(b"ef"),
            np.frombuffer(b"gh", np.uint16),
            array.array("B", b"ij"),
        ]
        for data in buffers:
            stream.sendall(data)
        peer.until(lambda: len(peer.got) == 10)
        assert peer.got == b"abcdefghij"


@pytest.mark.parametrize("data", [np.zeros((4, 4))[:, :2], np.zeros((0, 4)), np.zeros(3, "M8[s]")])
def test_buffers_that_cannot_be_sent(data: Any) -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        with pytest.raises(UsageError, match="empty, not contiguous"):
            await (await module.stream("h", 80)).sendall(data)

    play(scene)
    with wired() as (module, peer), pytest.raises(UsageError, match="empty, not contiguous"):
        opened(peer, module).sendall(data)


def test_a_negative_size() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        with pytest.raises(UsageError, match="not -1"):
            await (await module.stream("h", 80)).recv(-1)

    play(scene)
    with wired() as (module, peer):
        stream = opened(peer, module)
        with pytest.raises(UsageError, match="not -1"):
            stream.recv(-1)
        with pytest.raises(UsageError, match="not -1"):
            stream.recv_into(bytearray(4), -1)


def test_timeouts_of_a_stream() -> None:
    with wired() as (module, peer):
        stream = opened(peer, module)
        for seconds in (0.0, 0.01):
            stream.settimeout(seconds)
            with pytest.raises(TimeoutError):
                stream.recv(9)
        stream.settimeout(None)
        peer.say(b"hello")
        assert stream.recv(9) == b"hello"


def test_a_stream_as_files() -> None:
    with wired(policy=HASTY) as (module, peer):
        stream = opened(peer, module)
        text = stream.makefile("r", encoding="utf-8", newline="\n")
        out = stream.makefile("wb")
        both = stream.makefile("rwb", buffering=0)
        peer.say("één\nzwei\ndrei".encode())
        assert [text.readline(), text.readline()] == ["één\n", "zwei\n"]
        out.write(b"abc")
        out.flush()
        both.write(b"def")
        peer.until(lambda: peer.got == b"abcdef")
        peer.raw = False
        peer.on("", ERROR)
        expect_close(peer, 6)
        peer.say(NO_CARRIER)
        assert text.readline() == "drei"
        assert text.read() == ""
        assert both.readable()
        assert both.writable()
        assert both.read(5) == b""


class Slow:
    """A stream whose time is up again and again: each call moves four bytes, or none."""

    def __init__(self, *moves: int) -> None:
        self.moves = list(moves)
        self.got = b""

    def sendall(self, data: Any) -> None:
        size = self.moves.pop(0)
        self.got += bytes(data[:size])
        if size < len(data):
            raise SendTimeout(size)

    def recv_into(self, buffer: Any) -> int:
        size = self.moves.pop(0)
        if not size:
            raise TimeoutError
        buffer[:size] = b"x" * size
        return size


def test_a_file_sends_nothing_twice_when_time_is_up() -> None:
    slow: Any = Slow(4, 0, 4, 2)
    file = io.BufferedWriter(StreamIO(slow, False, True), 64)
    file.write(b"0123456789")
    with pytest.raises(SendTimeout):
        file.flush()
    file.flush()
    assert slow.got == b"0123456789"


def test_a_file_does_not_go_on_reading_after_a_gap() -> None:
    slow: Any = Slow(4, 0, 4)
    file = io.BufferedReader(StreamIO(slow, True, False), 8)
    with pytest.raises(TimeoutError):
        file.read(8)
    with pytest.raises(OSError, match="after a time-out"):
        file.read(8)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("rb", io.BufferedReader),
        ("wb", io.BufferedWriter),
        ("rwb", io.BufferedRWPair),
        ("r", io.TextIOWrapper),
        ("w", io.TextIOWrapper),
    ],
)
def test_kinds_of_files(mode: str, kind: type[Any]) -> None:
    with wired() as (module, peer):
        assert isinstance(opened(peer, module).makefile(mode, 512), kind)


@pytest.mark.parametrize("mode", ["", "a", "b", "r+", "x"])
def test_files_that_cannot_be(mode: str) -> None:
    with wired() as (module, peer), pytest.raises(UsageError, match="mode"):
        opened(peer, module).makefile(mode)


def test_a_mode_that_is_none() -> None:
    with wired() as (module, _), pytest.raises(UsageError, match="transparent, push, buffer"):
        module.stream("h", 80, "turbo")  # type: ignore[arg-type]


def test_a_stream_as_a_context() -> None:
    with wired() as (module, peer):
        expect_close(peer, 0)
        with opened(peer, module) as stream:
            pass
        assert stream.report
        expect_close(peer, 5, 3)
        peer.script.expected.clear()
        peer.on("AT+QISEND=0,5", PROMPT)
        peer.on(b"hello", line("SEND OK"))
        stream = opened(peer, module, "push")
        stream.sendall(b"hello")
        expect_close(peer, 5, 3)
        with pytest.raises(PeerClosed) as caught, stream:
            stream.close(0.0)
        assert caught.value.uncertain == 2


def test_an_error_inside_a_context_of_threads_is_the_error() -> None:
    with wired() as (module, peer):
        stream = opened(peer, module, "push")
        with pytest.raises(KeyError) as caught, module, stream:
            peer.hang_up()
            raise KeyError
        assert caught.value.__notes__[0].startswith("closing the stream failed too: ")


@pytest.mark.parametrize("outer", [False, True])
def test_a_module_that_refuses_to_close_a_stream_does_not_hide_the_error(outer: bool) -> None:
    with wired(policy=HASTY) as (module, peer):
        stream = opened(peer, module, "push")
        peer.on("AT+QISEND=0,0", OK)  # no count: a ProtocolError
        context: Any = module if outer else stream
        with pytest.raises(KeyError) as caught, context:
            raise KeyError
        assert "without +QISEND" in caught.value.__notes__[0]


@pytest.mark.parametrize("outer", [False, True])
def test_a_module_that_refuses_does_not_hide_the_error_of_a_task(outer: bool) -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 1)
        stream = await module.stream("h", 80, "push")
        peer.on("AT+QISEND=0,0", OK)
        context: Any = module if outer else stream
        with pytest.raises(KeyError) as caught:
            async with context:
                raise KeyError
        assert "without +QISEND" in caught.value.__notes__[0]

    play(scene)


# ---- suspended, verified, recovered, counted


def expect_return(peer: Peer) -> None:
    peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"), always=True)
    peer.on("AT+QISEND=0,0", answer("+QISEND: 5,4,1"))
    peer.on("ATO", CONNECT, always=True)


def test_a_suspended_stream_goes_on() -> None:
    with wired() as (module, peer):
        stream = opened(peer, module)
        expect_return(peer)
        with pytest.raises(UsageError):
            module.run(system.GetVersion())
        with stream.suspended():
            assert module.run(system.GetVersion()).version == "FCM360W"
        stream.sendall(b"hello")
        peer.until(lambda: peer.got == b"hello")
        assert stream.verify() == tcp.Sent(5, 4, 1)
        peer.say(b"more")
        assert stream.recv(4) == b"more"


def test_a_suspended_stream_of_a_task_goes_on() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        expect_return(peer)
        with pytest.raises(UsageError):
            await module.run(system.GetVersion())
        sending = asyncio.create_task(stream.sendall(bytes(5)))
        async with stream.suspended():
            other = asyncio.create_task(module.run(system.GetVersion()))
            assert (await other).version == "FCM360W"
        await sending
        await asyncio.to_thread(peer.until, lambda: peer.got == bytes(5))
        assert await stream.verify() == tcp.Sent(5, 4, 1)
        peer.say(b"more")
        assert await stream.recv(4) == b"more"

    play(scene)


def test_whoever_has_suspended_a_stream_must_not_wait_for_it() -> None:
    acts: list[Callable[[Any], Any]] = [
        lambda stream: stream.recv(1),
        lambda stream: stream.recv_into(bytearray(1)),
        lambda stream: stream.recv_chunk(1),
        lambda stream: stream.sendall(b"x"),
    ]

    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 1)
        stream = await module.stream("h", 80, "push")
        async with stream.suspended():
            for act in acts:
                with pytest.raises(UsageError, match="suspended here"):
                    await act(stream)

    play(scene)
    with wired() as (module, peer):
        stream = opened(peer, module, "push")
        with stream.suspended(), stream.suspended():
            for act in acts:
                with pytest.raises(UsageError, match="suspended here"):
                    act(stream)
        peer.say(b'\r\n+QIURC: "recv",0,1\r\nx\r\n')
        assert stream.recv(1) == b"x"


def test_an_error_while_a_stream_is_suspended_leaves_it_usable() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        expect_return(peer)
        with pytest.raises(KeyError):
            async with stream.suspended():
                raise KeyError
        await stream.sendall(b"hello")
        await heard(peer, b"hello")

    play(scene)
    with wired() as (module, peer):
        stream = opened(peer, module)
        expect_return(peer)
        with pytest.raises(KeyError), stream.suspended():
            raise KeyError
        stream.sendall(b"hello")
        peer.until(lambda: peer.got == b"hello")


def test_a_stream_that_does_not_go_on_does_not_hide_the_error() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        with pytest.raises(KeyError) as caught:
            async with stream.suspended():
                await asyncio.to_thread(peer.hang_up)
                raise KeyError
        assert caught.value.__notes__[0].startswith("the stream does not go on: ")

    play(scene)
    with wired() as (module, peer):
        stream = opened(peer, module)
        with pytest.raises(KeyError) as caught, stream.suspended():
            peer.hang_up()
            raise KeyError
        assert caught.value.__notes__[0].startswith("the stream does not go on: ")


def test_a_task_that_is_cancelled_while_a_stream_is_suspended_leaves_it_usable() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        expect_return(peer)
        inside = asyncio.Event()

        async def hold() -> None:
            async with stream.suspended():
                inside.set()
                await asyncio.sleep(PATIENCE)

        task = asyncio.create_task(hold())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stream.sendall(b"hello")
        await heard(peer, b"hello")

    play(scene)


def test_chunks_have_the_time_of_the_modules_clock() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        expect_open(peer, 2)
        stream = await module.stream("h", 80)
        before = module.clock()
        peer.say(b"hello")
        chunk = await stream.recv_chunk(99)
        assert chunk.data == b"hello"
        assert before <= chunk.at <= module.clock()
        assert (await stream.recv_chunk(0)).data == b""

    play(scene)
    with wired() as (module, peer):
        stream = opened(peer, module)
        before = module.clock()
        peer.say(b"hello")
        chunk = stream.recv_chunk(99)
        assert chunk == Chunk(chunk.at, b"hello")
        assert before <= chunk.at <= module.clock()
        assert stream.recv_chunk(0).data == b""
        with pytest.raises(UsageError, match="not -1"):
            stream.recv_chunk(-1)
        stream.settimeout(0.01)
        with pytest.raises(TimeoutError):
            stream.recv_chunk(9)


def test_recover_and_stats() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        peer.on("AT", OK)
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
        assert await module.recover() == Recovery((Rung.ASKED,))
        assert (module.stats().commands, module.stats().latency.samples) == (2, 2)

    play(scene)
    with wired() as (module, peer):
        peer.on("AT", OK)
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
        assert module.recover() == Recovery((Rung.ASKED,))
        assert (module.stats().commands, module.stats().latency.samples) == (2, 2)
        assert module.stats().written == len(b"AT\r\nAT+QVERSION\r\n")


def test_recover_takes_the_link_from_another_task() -> None:
    async def scene(module: AsyncModule, peer: Peer) -> None:
        stuck = asyncio.create_task(module.run(iter(Until(tcp.Closed, 3600.0))))
        behind = asyncio.create_task(module.run(system.GetVersion()))
        await asyncio.sleep(0)
        peer.on("AT", OK)
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"), always=True)
        assert (await module.recover()).rungs == (Rung.ASKED,)
        assert (await behind).version == "FCM360W"
        with pytest.raises(GivenUp):
            await stuck

    play(scene)


# ---- wifi


def test_wifi() -> None:
    addresses = answer('+QGETIP: "10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"')

    def prepare(peer: Peer) -> None:
        peer.on("AT+QGETWIFISTATE", ERROR)
        peer.on('AT+QSTAAPINFO="hall","opensesame"', OK + line('+QSTASTAT: "GOT_IP"'))
        peer.on('AT+QGETIP="station"', addresses, always=True)
        peer.on("AT+QGETWIFISTATE", answer("+QGETWIFISTATE: ssid=hall,bssid=b,rssi=-52"))
        peer.on("AT+QSTASTOP", OK)

    with wired() as (module, peer):
        prepare(peer)
        assert module.wifi.join("hall", "opensesame").ip == "10.0.0.7"
        assert module.wifi.addresses().gate == "10.0.0.1"
        assert module.wifi.hotspot().rssi == -52
        module.wifi.leave()

    async def scene(module: AsyncModule, peer: Peer) -> None:
        prepare(peer)
        assert (await module.wifi.join("hall", "opensesame")).ip == "10.0.0.7"
        assert (await module.wifi.addresses()).gate == "10.0.0.1"
        assert (await module.wifi.hotspot()).rssi == -52
        await module.wifi.leave()

    play(scene)


# ---- the two are one


PAIRS: list[tuple[Any, Any]] = [
    (Module, AsyncModule),
    (Stream, AsyncStream),
    (Wifi, AsyncWifi),
    (Net, AsyncNet),
    (Tcp, AsyncTcp),
    (Udp, AsyncUdp),
    (System, AsyncSystem),
    (Tls, AsyncTls),
    (Files, AsyncFiles),
    (Mqtt, AsyncMqtt),
    (MqttClient, AsyncMqttClient),
    (Http, AsyncHttp),
    (Listener, AsyncListener),
    (UdpEnd, AsyncUdpEnd),
    (UdpSocket, AsyncUdpSocket),
    (UdpService, AsyncUdpService),
    (Ble, AsyncBle),
    (Peripheral, AsyncPeripheral),
]
# A file blocks; asyncio has nothing alike.  Each world has its own manners of sockets.
SYNC_ONLY = {"makefile", "create_connection", "descriptors"}
ASYNC_ONLY = {"open_connection", "start_server"}


def public(kind: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_") and name not in ASYNC_ONLY}


@pytest.mark.parametrize(("sync", "both"), PAIRS)
def test_same_names(sync: type[Any], both: type[Any]) -> None:
    assert set(public(sync)) - SYNC_ONLY == set(public(both))


def plain(annotation: str) -> str:
    return annotation.replace("Async", "").replace("AsyncIterator[Event]", "list[Event]")


@pytest.mark.parametrize(("sync", "both"), PAIRS)
def test_same_parameters(sync: type[Any], both: type[Any]) -> None:
    for name, value in public(both).items():
        if not callable(value):
            continue
        other = inspect.signature(vars(sync)[name])
        mine = inspect.signature(value)
        assert [str(p.replace(annotation=plain(str(p.annotation)))) for p in mine.parameters.values()] == [
            str(p.replace(annotation=plain(str(p.annotation)))) for p in other.parameters.values()
        ], name
        if name != "events":
            assert plain(str(mine.return_annotation)) == str(other.return_annotation), name


@pytest.mark.parametrize(("sync", "both"), PAIRS)
def test_the_async_one_points_at_the_other(sync: type[Any], both: type[Any]) -> None:
    for name, value in public(both).items():
        if not inspect.iscoroutinefunction(value):
            continue
        text, other = inspect.getdoc(value) or "", inspect.getdoc(vars(sync)[name]) or ""
        assert re.search(rf"[Aa]s {sync.__name__}\.{name}\b", text) or text == other, name


@pytest.mark.parametrize(("sync", "both"), PAIRS)
def test_what_waits_is_a_coroutine(sync: type[Any], both: type[Any]) -> None:
    waits = {
        name
        for name, value in public(both).items()
        if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
    }
    faces = {name for name, value in public(both).items() if isinstance(value, Chapter)}
    quick = set(public(both)) - waits - faces
    values = {"url", "baud", "connect_id", "transparent", "sent", "received", "report", "peer"}
    values |= {"dropped", "full", "over", "waiting"}
    values |= {"characteristics", "client_idx", "connected", "mtu", "published"}
    assert quick <= values | {"adopt", "forget", "set_hex_units", "settimeout", "stats", "stream_over", "suspended"}


def test_both_are_contexts() -> None:
    sync: list[type[Any]] = [Module, Stream, Listener, UdpEnd, Peripheral, MqttClient]
    both: list[type[Any]] = [AsyncModule, AsyncStream, AsyncListener, AsyncUdpEnd, AsyncPeripheral, AsyncMqttClient]
    for kind in sync:
        assert {"__enter__", "__exit__"} <= set(dir(kind))
    for kind in both:
        assert {"__aenter__", "__aexit__"} <= set(dir(kind))


def test_open_and_open_async_are_alike() -> None:
    assert inspect.signature(fcm360w.open).parameters == inspect.signature(fcm360w.open_async).parameters
    assert fcm360w.open_async is aio.open_async
    assert streams.CLOSE_WAIT > 0


def test_a_port_that_is_far_does_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled meanwhile, it is closed when it comes."""
    asked, go_on = threading.Event(), threading.Event()

    async def main(port: Any) -> None:
        def slow(url: str) -> Any:
            asked.set()
            assert go_on.wait(PATIENCE)
            return port

        monkeypatch.setattr(aio, "open_port", slow)
        opening = asyncio.ensure_future(aio.open_async("far://"))
        while not asked.is_set():
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        go_on.set()
        while port.fileno() >= 0:
            await asyncio.sleep(0)

    with pair() as (port, _):
        asyncio.run(asyncio.wait_for(main(port), PATIENCE))


def test_a_failing_open_closes_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    class Broken:
        url, baud, slack, capabilities = "broken://", None, 0.01, frozenset[str]()

        def readinto(self, buffer: memoryview, timeout: float | None) -> int:
            raise ConnectionResetError(104, "gone")

        def write(self, data: Any, timeout: float | None) -> int:
            return len(data)

        def fileno(self) -> int:
            return -1

        def close(self) -> None:
            closed.append("closed")

    from fcm360w.ports import OpenPort

    for place in (module_py, aio):
        monkeypatch.setattr(place, "open_port", lambda url: OpenPort(Broken()))
    with pytest.raises(TransportLost):
        fcm360w.open("broken://")
    with pytest.raises(TransportLost):
        asyncio.run(fcm360w.open_async("broken://"))
    assert len(closed) == 2


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        _ = fcm360w.nonesuch
    assert all(getattr(fcm360w, name) is not None for name in fcm360w.__all__)
