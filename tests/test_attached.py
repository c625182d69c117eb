"""The data mode of a command of the caller's own, as a stream of threads and of tasks."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from fcm360w.aio import AsyncModule
from fcm360w.commands import system, tcp
from fcm360w.errors import CommandError, PeerClosed, ProtocolError, UsageError
from scripted import CONNECT, NO_CARRIER, OK
from wired import HASTY, PATIENCE, QUICK, Peer, pair, wired

SWITCH = tcp.SwitchMode(3, tcp.Access.TRANSPARENT)


def expect(peer: Peer) -> None:
    peer.on("AT+QISWTMD=3,2", CONNECT)
    peer.on("AT", OK, always=True)


def test_a_stream_begins_with_the_command_and_ends_with_data_mode() -> None:
    with wired() as (module, peer):
        expect(peer)
        stream = module.attach(SWITCH)
        stream.sendall(b"hello")
        peer.until(lambda: peer.got == b"hello")
        peer.say(b"world")
        assert stream.recv(100) == b"world"
        assert stream.close().sent == 5
        assert not peer.raw
        module.run(system.Attention())
        assert b"QICLOSE" not in peer.lines
        assert b"QISEND" not in peer.lines


def test_the_same_for_tasks() -> None:
    async def scene() -> None:
        with pair() as (port, peer):
            expect(peer)
            module = AsyncModule(port, QUICK)
            try:
                async with asyncio.timeout(PATIENCE):
                    stream = await module.attach(SWITCH)
                    await stream.sendall(b"hello")
                    await stream.close()
                    await module.run(system.Attention())
                assert (bytes(peer.got), peer.raw) == (b"hello", False)
            finally:
                await asyncio.to_thread(peer.hang_up)
                with contextlib.suppress(OSError):
                    await module.close()

    asyncio.run(scene())


def test_data_mode_can_be_entered_again() -> None:
    with wired() as (module, peer):
        expect(peer)
        module.attach(SWITCH).close()
        peer.on("ATO", CONNECT)
        with module.attach(tcp.Resume()) as stream:
            stream.sendall(b"again")
        assert peer.got == b"again"


def test_the_end_of_the_connection_ends_it_and_nothing_is_asked() -> None:
    with wired(policy=HASTY) as (module, peer):
        expect(peer)
        stream = module.attach(SWITCH)
        peer.raw = False
        peer.say(b"last" + NO_CARRIER)
        assert stream.recv(100) == b"last"
        with pytest.raises(PeerClosed) as caught:
            stream.recv(100)
        assert caught.value.acknowledged is None
        stream.close()
        assert b"QISEND" not in peer.lines


def test_closing_the_module_leaves_data_mode() -> None:
    with wired() as (module, peer):
        expect(peer)
        module.attach(SWITCH)
        module.close()
        assert not peer.raw


def test_a_refusal_is_the_modules() -> None:
    with wired() as (module, peer):
        peer.on("ATO", NO_CARRIER)
        with pytest.raises(CommandError, match="ATO: NO CARRIER"):
            module.attach(tcp.Resume())
        peer.on("AT", OK)
        module.run(system.Attention())


def test_a_command_that_begins_no_data_mode_is_not_sent() -> None:
    with wired() as (module, peer):
        with pytest.raises(UsageError, match=r"^AT\+QVERSION does not begin data mode: use run"):
            module.attach(system.GetVersion())
        assert not peer.lines


def test_a_command_that_ends_without_connect_is_told() -> None:
    """Firmware may say OK, and then the line of an opening that is not transparent after all."""
    with wired() as (module, peer):
        peer.on('AT+QIOPEN=3,"TCP","h",80,0,2', OK + b"\r\n+QIOPEN: 3,0\r\n")
        with pytest.raises(ProtocolError, match="OK without CONNECT"):
            module.attach(tcp.Open(3, tcp.Service.TCP, "h", 80, 0, tcp.Access.TRANSPARENT))
