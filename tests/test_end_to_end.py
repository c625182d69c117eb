"""Driver, serial line and twin together, against plain socket servers: what a user would see."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fcm360w
import spoken
from fcm360w.channel import Mode
from fcm360w.commands.system import GetVersion
from fcm360w.commands.tcp import GetSent, ListSockets, SendTimeout
from fcm360w.commands.wifi import StationChange, StationEvent
from fcm360w.events import Lost
from fcm360w.flows.recover import Rung
from fcm360w.link import Link
from fcm360w.settings import Set
from fcm360w.sim import Twin
from fcm360w.turns import Turn, Turns
from peers import Peer

pytestmark = pytest.mark.driver

GUARD = 0.3
ANSWER = 3.0  # of a twin on a loaded machine
POLICY = fcm360w.EscapePolicy(guard_before=GUARD, guard_after=GUARD, slack=0.1, answer=ANSWER)
DIALECT = spoken.dialect(guard=GUARD)
SLOWNESS = 1000 if DIALECT.response_delay else 1  # by which what takes a command each is cut
MODES: tuple[Mode, ...] = ("transparent", "push", "buffer")
TOKENS = b'\r\nOK\r\n\r\nNO CARRIER\r\n+QIURC: "closed",0\r\n\r\n+QIURC: "closed",0\r\n> \r\n>AT\r+++ATO\r\n\x1a\x1b\n'


@pytest.fixture(params=["sim", "pty", "tcp"])
def twin_url(request: pytest.FixtureRequest) -> Iterator[tuple[Twin, str]]:
    if request.param == "pty" and not hasattr(os, "openpty"):
        pytest.skip("platform: no pty")
    name = f"end-to-end-{request.param}"
    tcp = ("127.0.0.1", 0) if request.param == "tcp" else None
    with Twin(dialect=DIALECT, name=name, tcp=tcp, pty=request.param == "pty") as twin:
        yield twin, next(url for url in twin.urls if request.param in ("sim",) or not url.startswith("sim"))


@pytest.fixture
def module(twin_url: tuple[Twin, str]) -> Iterator[fcm360w.Module]:
    with fcm360w.open(twin_url[1], escape=POLICY) as module:
        module.wifi.join("hall", "open sesame")
        yield module


@pytest.fixture
def quick() -> Iterator[fcm360w.Module]:
    """One module over the shortest path, for what does not depend on it."""
    with (
        Twin(dialect=DIALECT, name="end-to-end-quick"),
        fcm360w.open("sim://end-to-end-quick", escape=POLICY) as module,
    ):
        module.wifi.join("hall", "open sesame")
        yield module


@pytest.fixture
def quick_url() -> Iterator[str]:
    with Twin(dialect=DIALECT, name="end-to-end-url"):
        yield "sim://end-to-end-url"


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def receive(stream: fcm360w.Stream, count: int) -> bytes:
    data = bytearray(count)
    view, done = memoryview(data), 0
    while done < count:
        done += stream.recv_into(view[done:])
    return bytes(data)


# ---- every byte, both ways


@pytest.mark.parametrize("mode", MODES)
def test_bulk_data_arrive_unchanged_both_ways(module: fcm360w.Module, peer: Peer, mode: Mode) -> None:
    data = os.urandom(300_000)
    with module.stream("127.0.0.1", peer.port, mode) as stream:
        stream.settimeout(20)
        client = peer.next()
        stream.sendall(data)
        assert client.wait_for(len(data)) == data
        client.send(data)
        assert receive(stream, len(data)) == data
    assert stream.report is not None
    assert (stream.report.sent, stream.report.acknowledged, stream.report.received) == (300_000, 300_000, 300_000)
    assert client.wait_for_end() == data


PAYLOADS = [
    bytes(range(256)) * 3,
    TOKENS,
    *(b"+" * count for count in (1, 2, 3, 4, 5, 6, 7, 4097)),
    b"\n", b"\r", b"\r\n", b"\x1a", b"\x00", b"\r\nNO CARRIER\r\n", b"\r\nOK\r\n",
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_awkward_payloads_are_sent_unchanged(quick: fcm360w.Module, peer: Peer, mode: Mode) -> None:
    for first in (b"\n", b"+++", TOKENS):
        with quick.stream("127.0.0.1", peer.port, mode) as stream:
            stream.sendall(first)
            for payload in PAYLOADS:
                stream.sendall(payload)
        assert peer.next().wait_for_end() == first + b"".join(PAYLOADS)


@pytest.mark.parametrize("mode", MODES)
def test_tokens_are_sent_unchanged_wherever_they_are_cut(quick: fcm360w.Module, peer: Peer, mode: Mode) -> None:
    with quick.stream("127.0.0.1", peer.port, mode) as stream:
        for cut in range(1, len(TOKENS)):
            stream.sendall(TOKENS[:cut])
            stream.sendall(TOKENS[cut:])
    assert peer.next().wait_for_end() == TOKENS * (len(TOKENS) - 1)


@pytest.mark.parametrize("mode", MODES)
def test_awkward_payloads_are_received_unchanged(quick: fcm360w.Module, peer: Peer, mode: Mode) -> None:
    """In one burst, and cut at every offset with the host's answer between the pieces."""
    with quick.stream("127.0.0.1", peer.port, mode) as stream:
        stream.settimeout(20)
        client = peer.next()
        burst = b"".join(PAYLOADS) + b"."
        client.send(burst)
        assert receive(stream, len(burst)) == burst
        for cut in range(1, len(TOKENS)):
            if TOKENS[:cut].endswith((b"\r\nNO CARRIER\r\n", b'\r\n+QIURC: "closed",0\r\n')):
                continue
            client.send(TOKENS[:cut])
            assert receive(stream, cut) == TOKENS[:cut]
            client.send(TOKENS[cut:])
            assert receive(stream, len(TOKENS) - cut) == TOKENS[cut:]


def test_plus_signs_between_pauses_longer_than_the_guard(quick: fcm360w.Module, peer: Peer) -> None:
    with quick.stream("127.0.0.1", peer.port) as stream:
        for run in (b"+++", b"+", b"++", b"+++", b"++++"):
            stream.settimeout(20)
            stream.sendall(run)
            stream.settimeout(2 * GUARD)
            with pytest.raises(TimeoutError):
                stream.recv(1)
        stream.settimeout(None)
    assert peer.next().wait_for_end() == b"+++++++++++++"


@pytest.mark.parametrize("ending", [b"\r\nNO CARRIER\r\n", b'\r\nNO CARRIER\r\n\r\n+QIURC: "closed",0\r\n'])
def test_no_carrier_that_is_payload_is_delivered_and_the_stream_goes_on(
    quick: fcm360w.Module, peer: Peer, ending: bytes
) -> None:
    with quick.stream("127.0.0.1", peer.port) as stream:
        stream.settimeout(20)
        client = peer.next()
        for payload in (b"before" + ending, ending, ending + ending):
            client.send(payload)
            assert receive(stream, len(payload)) == payload
            stream.sendall(b"seen")
        client.wait_for(12)
        client.send(b"after")
        assert receive(stream, 5) == b"after"
    assert client.wait_for_end() == b"seenseenseen"


def test_no_carrier_that_is_payload_does_not_stop_a_writer_for_good(quick: fcm360w.Module, peer: Peer) -> None:
    with quick.stream("127.0.0.1", peer.port) as stream:
        stream.settimeout(20)
        client = peer.next()
        client.send(b"\r\nNO CARRIER\r\n")
        data = os.urandom(200_000)
        for start in range(0, len(data), 1000):
            stream.sendall(data[start : start + 1000])
        assert receive(stream, 14) == b"\r\nNO CARRIER\r\n"
    assert client.wait_for_end() == data


def test_both_directions_at_once_from_two_threads(module: fcm360w.Module, peer: Peer) -> None:
    up, down = os.urandom(2_000_000), os.urandom(2_000_000)
    with module.stream("127.0.0.1", peer.port) as stream:
        stream.settimeout(60)
        client = peer.next()
        feeder = threading.Thread(target=client.send, args=(down,))
        sender = threading.Thread(target=stream.sendall, args=(up,))
        feeder.start()
        sender.start()
        assert receive(stream, len(down)) == down
        sender.join(60)
        assert client.wait_for(len(up)) == up
        feeder.join(60)


def test_receiving_into_an_array_and_reading_a_file(quick: fcm360w.Module, peer: Peer) -> None:
    with quick.stream("127.0.0.1", peer.port) as stream:
        client = peer.next()
        numbers = np.arange(1000, dtype="<u4")
        client.send(numbers.tobytes())
        array = np.zeros(1000, dtype="<u4")
        view = memoryview(array).cast("B")
        done = 0
        while done < array.nbytes:
            done += stream.recv_into(view[done:])
        assert (array == numbers).all()
        with stream.makefile("w", encoding="utf-8", newline="\n") as file:
            file.write("värld\n")
        assert client.wait_for(7) == "värld\n".encode()
        client.send(b"one\ntwo\nrest")
        client.close()
        with stream.makefile("rb") as lines:
            assert list(lines) == [b"one\n", b"two\n", b"rest"]


# ---- ends


@pytest.mark.parametrize("mode", MODES)
def test_the_server_closes_in_mid_stream(module: fcm360w.Module, peer: Peer, mode: Mode) -> None:
    data = os.urandom(50_000)
    stream = module.stream("127.0.0.1", peer.port, mode)
    stream.settimeout(20)
    client = peer.next()
    stream.sendall(b"hello")
    client.wait_for(5)
    client.send(data)
    client.close()
    assert receive(stream, len(data)) == data
    with pytest.raises(fcm360w.PeerClosed) as caught:
        stream.recv(1)
    assert (caught.value.sent, caught.value.uncertain) == (5, 0)
    with pytest.raises(fcm360w.PeerClosed):
        stream.sendall(b"more")
    assert module.run(GetVersion()).version.startswith("FCM360W")
    assert module.run(ListSockets()) == ()
    with module.stream("127.0.0.1", peer.port, mode) as again:
        again.sendall(b"again")
    assert peer.next().wait_for_end() == b"again"


@pytest.mark.parametrize("mode", MODES)
def test_the_server_closes_while_the_host_sends(module: fcm360w.Module, peer: Peer, mode: Mode) -> None:
    stream = module.stream("127.0.0.1", peer.port, mode)
    stream.settimeout(30)
    client = peer.next()
    stream.sendall(bytes(1000))
    client.wait_for(1000)
    client.close()
    with pytest.raises(fcm360w.PeerClosed) as caught:
        while True:
            stream.sendall(bytes(1000))
    assert caught.value.sent >= 1000
    assert module.run(GetVersion()).version.startswith("FCM360W")
    with module.stream("127.0.0.1", peer.port, mode) as again:
        again.sendall(b"again")
    assert peer.next().wait_for_end() == b"again"


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_a_writer_that_hears_of_the_end_leaves_the_reader_its_bytes(
    quick: fcm360w.Module, peer: Peer, mode: Mode
) -> None:
    data = os.urandom(50_000)
    for _ in range(5):
        stream = quick.stream("127.0.0.1", peer.port, mode)
        stream.settimeout(30)
        client = peer.next()
        ended: list[BaseException] = []

        def write(stream: fcm360w.Stream = stream, ended: list[BaseException] = ended) -> None:
            try:
                while True:
                    stream.sendall(bytes(1000))
            except fcm360w.PeerClosed as error:
                ended.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        client.wait_for(3000)
        client.send(data)
        client.link.shutdown(socket.SHUT_WR)
        assert receive(stream, len(data)) == data
        with pytest.raises(fcm360w.PeerClosed):
            stream.recv(1)
        writer.join(30)
        assert len(ended) == 1


@pytest.mark.parametrize("line", [b"21.53,40.2\r\n", b"ab\r", b"\r"])
def test_lines_under_way_when_the_server_closes_run_as_commands_and_are_not_taken_for_payload(
    twin_url: tuple[Twin, str], peer: Peer, line: bytes
) -> None:
    """Each brings an ERROR; together more than any buffer for suspicions could hold."""
    with fcm360w.open(twin_url[1], escape=POLICY) as module:
        module.wifi.join("hall", "open sesame")
        stream = module.stream("127.0.0.1", peer.port)
        stream.settimeout(30)
        client = peer.next()
        client.send(b"hello")
        stream.sendall(b"ready")
        client.wait_for(5)
        client.close()
        with contextlib.suppress(fcm360w.PeerClosed):
            for _ in range(1000 // SLOWNESS):
                stream.sendall(line * (20_000 // SLOWNESS))
        assert receive(stream, 5) == b"hello"
        with pytest.raises(fcm360w.PeerClosed):
            stream.recv(1)
        assert module.run(GetVersion()).version.startswith("FCM360W")


def test_a_server_that_does_not_read_cannot_be_left_but_nothing_is_added_to_its_data(
    quick: fcm360w.Module,
) -> None:
    """Bytes stuck on the way: an escape behind them would be payload, so none is sent; later the stream can be left."""
    quick._link.policy = POLICY._replace(patience=1.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream = quick.stream("127.0.0.1", listener.getsockname()[1])
        client, _ = listener.accept()
        stream.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                stream.sendall(bytes(65536))
        with pytest.raises(fcm360w.CommandTimeout, match="draining"):
            stream.close()
        with client, client.makefile("rb") as file:
            closer = threading.Thread(target=stream.close)
            closer.start()
            received = file.read()
            closer.join(20)
        assert received == bytes(stream.sent)
        assert stream.sent > 65536


CHILD = """
import sys, fcm360w
policy = fcm360w.EscapePolicy(guard_before={guard}, guard_after={guard}, slack=0.1)
module = fcm360w.open(sys.argv[1], escape=policy)
module.wifi.join("hall", "open sesame")
stream = module.stream("127.0.0.1", int(sys.argv[2]))
while True:
    stream.sendall(bytes(range(256)) * 16)
"""


def test_a_killed_host_leaves_data_mode_and_the_next_one_gets_the_module_out(
    twin_url: tuple[Twin, str], peer: Peer
) -> None:
    url = twin_url[1]
    if url.startswith("sim"):
        url = twin_url[0].urls[0]
        if url.startswith("sim"):
            with Twin(dialect=DIALECT, tcp=("127.0.0.1", 0)) as twin:
                _kill_and_reopen(twin.urls[0], peer)
            return
    _kill_and_reopen(url, peer)


def _kill_and_reopen(url: str, peer: Peer) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD.format(guard=GUARD), url, str(peer.port)])
    try:
        client = peer.next()
        client.wait_for(100_000)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    with fcm360w.open(url, escape=POLICY) as module:
        assert module.found.data_mode
        assert module.found.sockets == (0,)
        client.wait_for_end()
        assert module.run(GetVersion()).version.startswith("FCM360W")
        with module.stream("127.0.0.1", peer.port) as stream:
            stream.sendall(b"again")
        assert peer.next().wait_for_end() == b"again"


def test_a_host_that_died_at_the_prompt_leaves_a_module_that_can_be_woken(peer: Peer) -> None:
    with Twin(dialect=DIALECT, tcp=("127.0.0.1", 0)) as twin:
        host, port = twin.urls[0].removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as dying, dying.makefile("rb") as answers:
            dying.sendall(b'AT+QSTAAPINFO="hall","open sesame"\r\n')
            while b"GOT_IP" not in answers.readline():
                pass
            dying.sendall(b'AT+QICFG="qisend/timeout",1\r\nAT+QIOPEN=5,"TCP","127.0.0.1",%d,0,0\r\n' % peer.port)
            while b"+QIOPEN" not in answers.readline():
                pass
            dying.sendall(b"AT+QISEND=5,1460\r\n")
            said = b""
            while not said.endswith(b"\r\n" + DIALECT.prompt.strip()):
                said += answers.read(1)
        with fcm360w.open(twin.urls[0], escape=POLICY) as module:
            assert module.found == (False, (5,), False, ())
            assert module.run(GetVersion()).version.startswith("FCM360W")


def deaf_server() -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose queue is full, so that a further connection gets no answer."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    filling = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        filling.append(client)
    return listener, filling


def test_the_twin_dies_in_mid_command() -> None:
    listener, filling = deaf_server()
    twin = Twin(name="end-to-end-dies").start()
    module = fcm360w.open("sim://end-to-end-dies")
    module.wifi.join("hall", "open sesame")
    failures: list[fcm360w.TransportLost] = []

    def ask() -> None:
        try:
            module.stream("127.0.0.1", listener.getsockname()[1], "push")
        except fcm360w.TransportLost as error:
            failures.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    while not twin.stats()["sockets_open"]:
        assert asker.is_alive()
    twin.stop()
    asker.join(20)
    assert len(failures) == 1
    assert "AT+QIOPEN" in str(failures[0])
    lost = [event.row for event in module.events() if isinstance(event.row, Lost)]
    assert len(lost) == 1
    with pytest.raises(fcm360w.TransportLost):
        module.run(GetVersion())
    module.close()
    for link in (listener, *filling):
        link.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="platform: descriptors cannot be counted")
def test_a_thousand_cycles_leak_nothing(quick: fcm360w.Module, peer: Peer) -> None:
    def cycle(number: int) -> None:
        with quick.stream("127.0.0.1", peer.port, MODES[1 + number % 2]) as stream:
            stream.sendall(b"%d" % number)
        connection = peer.next()
        assert connection.wait_for_end() == b"%d" % number
        connection.close()

    for number in range(10):
        cycle(number)
    before = descriptors(), threading.active_count()
    for number in range(1000 // SLOWNESS):
        cycle(number)
    assert quick.run(ListSockets()) == ()
    assert descriptors() <= before[0] + 2
    assert threading.active_count() <= before[1] + 2


# ---- suspended, verified, recovered, counted


@pytest.mark.parametrize("mode", MODES)
def test_commands_run_while_a_stream_is_suspended_and_no_byte_is_lost(
    module: fcm360w.Module, peer: Peer, mode: Mode
) -> None:
    outgoing, incoming = os.urandom(200_000), os.urandom(200_000)
    with module.stream("127.0.0.1", peer.port, mode) as stream:
        stream.settimeout(20)
        client = peer.next()
        acts = [
            threading.Thread(target=stream.sendall, args=(outgoing,)),
            threading.Thread(target=client.send, args=(incoming,)),
        ]
        received: list[bytes] = []
        acts.append(threading.Thread(target=lambda: received.append(receive(stream, len(incoming)))))
        for act in acts:
            act.start()
        for _ in range(2):
            with stream.suspended():
                assert module.run(GetVersion()).version.startswith("FCM360W")
        for act in acts:
            act.join(30)
        assert received == [incoming]
        assert client.wait_for(len(outgoing)) == outgoing
        count = stream.verify()
        assert count.total_send_length == count.ackedbytes + count.unackedbytes == len(outgoing)


@pytest.mark.parametrize("mode", MODES)
def test_the_server_closes_while_the_stream_is_suspended(module: fcm360w.Module, peer: Peer, mode: Mode) -> None:
    data = os.urandom(20_000)
    stream = module.stream("127.0.0.1", peer.port, mode)
    stream.settimeout(20)
    client = peer.next()
    stream.sendall(b"hello")
    with stream.suspended():
        client.wait_for(5)
        client.send(data)
        client.close()
        assert module.run(GetVersion()).version.startswith("FCM360W")
    assert receive(stream, len(data)) == data
    with pytest.raises(fcm360w.PeerClosed) as caught:
        stream.recv(1)
    assert (caught.value.sent, caught.value.uncertain) == (5, 0)
    assert [event.row for event in module.events()] == [CONNECTED]
    assert module.run(ListSockets()) == ()


CONNECTED = StationEvent(StationChange.CONNECTED)


def test_chunks_come_with_the_time_they_came(quick: fcm360w.Module, peer: Peer) -> None:
    with quick.stream("127.0.0.1", peer.port) as stream:
        stream.settimeout(20)
        client = peer.next()
        last = quick.clock()
        for number in range(5):
            client.send(b"%d" % number * 100)
            got = b""
            while len(got) < 100:
                chunk = stream.recv_chunk(1000)
                assert last <= chunk.at <= quick.clock()
                last, got = chunk.at, got + chunk.data
            assert got == b"%d" % number * 100


def test_a_payload_that_a_dead_host_owed_is_made_up_and_its_socket_closed(quick: fcm360w.Module, peer: Peer) -> None:
    """The prompt has no limit, and whoever would have sent the payload was interrupted before it came."""
    quick.run(Set(SendTimeout(0)))
    with quick.stream("127.0.0.1", peer.port, "push") as other:
        other_client = peer.next()
        stream = quick.stream("127.0.0.1", peer.port, "push")
        client = peer.next()
        # Nothing but the line: as a host that dies at the prompt.
        quick.drive(typed(quick._link, b"AT+QISEND=%d,100\r\n" % stream.connect_id))
        found = quick.recover()
        assert found.rungs[-1] is Rung.FILLED
        assert found.filled
        assert set(found.closed) == {stream.connect_id, other.connect_id}
        assert len(client.wait_for_end()) == 100
        for each in (stream, other):
            with pytest.raises(fcm360w.SocketLost, match="bytes that nobody sent may have gone to its peer"):
                each.sendall(b"x")
    assert other_client.wait_for_end() == b""
    assert quick.run(ListSockets()) == ()


def typed(link: Link, data: bytes) -> Turns[None]:
    """Bytes of nobody's."""
    link.out += data
    while link.out:
        yield Turn()


def test_figures_of_a_long_transfer(quick: fcm360w.Module, peer: Peer) -> None:
    data = bytes(range(256)) * 4000
    before = quick.stats()
    with quick.stream("127.0.0.1", peer.port) as stream:
        peer.next().send(data)
        assert receive(stream, len(data)) == data
        stream.sendall(data)
    found = quick.stats()
    assert found.received - before.received > len(data)
    assert found.written - before.written > len(data)
    assert found.latency.samples == found.commands - found.timeouts
    assert 0 < found.latency.percentile(50) <= found.latency.percentile(100) == found.latency.longest
    assert found.buffers["transparent_inbox"].dropped == 0
    assert json.loads(json.dumps(found.as_dict()))["commands"] == found.commands


def test_asyncio_suspends_verifies_and_recovers(quick_url: str, peer: Peer) -> None:
    async def main() -> None:
        async with await fcm360w.open_async(quick_url, escape=POLICY) as module:
            await module.wifi.join("hall", "open sesame")
            async with await module.stream("127.0.0.1", peer.port) as stream:
                client = peer.next()
                sending = asyncio.create_task(stream.sendall(bytes(100_000)))
                async with stream.suspended():
                    assert (await module.run(GetVersion())).version.startswith("FCM360W")
                    client.send(b"meanwhile")
                await sending
                assert await stream.recv(99) == b"meanwhile"
                assert (await stream.verify()).total_send_length == 100_000
                assert (await module.recover()).data_mode
                assert (await module.run(GetVersion())).version.startswith("FCM360W")
                await stream.sendall(b"end")
            assert client.wait_for_end() == bytes(100_000) + b"end"
            assert module.stats().timeouts == 0

    asyncio.run(asyncio.wait_for(main(), 60))


# ---- asyncio


@pytest.mark.parametrize("mode", MODES)
def test_asyncio_moves_the_same_bytes(twin_url: tuple[Twin, str], peer: Peer, mode: Mode) -> None:
    data = os.urandom(200_000)

    async def main() -> None:
        async with await fcm360w.open_async(twin_url[1], escape=POLICY) as module:
            await module.wifi.join("hall", "open sesame")
            async with await module.stream("127.0.0.1", peer.port, mode) as stream:
                client = peer.next()
                loop = asyncio.get_running_loop()
                sending = asyncio.create_task(stream.sendall(data))
                feeding = loop.run_in_executor(None, client.send, data)
                digest, count = hashlib.sha256(), 0
                while count < len(data):
                    piece = await stream.recv(65536)
                    digest.update(piece)
                    count += len(piece)
                await asyncio.gather(sending, feeding)
                assert digest.digest() == hashlib.sha256(data).digest()
            assert client.wait_for_end() == data
            assert (await module.run(GetVersion())).version.startswith("FCM360W")

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("mode", MODES)
def test_asyncio_hears_of_the_end(twin_url: tuple[Twin, str], peer: Peer, mode: Mode) -> None:
    async def main() -> None:
        async with await fcm360w.open_async(twin_url[1], escape=POLICY) as module:
            await module.wifi.join("hall", "open sesame")
            stream = await module.stream("127.0.0.1", peer.port, mode)
            client = peer.next()
            client.send(b"last words")
            client.close()
            got = b""
            with pytest.raises(fcm360w.PeerClosed):
                while True:
                    got += await stream.recv(100)
            assert got == b"last words"
            assert await module.run(ListSockets()) == ()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_commands_are_refused_while_a_transparent_stream_is_open(quick: fcm360w.Module, peer: Peer) -> None:
    with quick.stream("127.0.0.1", peer.port) as stream:
        with pytest.raises(fcm360w.UsageError, match="transparent stream"):
            quick.run(GetVersion())
        stream.sendall(b"still here")
    assert peer.next().wait_for_end() == b"still here"


def test_refusals_carry_the_code_and_its_text(quick: fcm360w.Module) -> None:
    with pytest.raises(fcm360w.CommandError) as caught:
        quick.stream("127.0.0.1", 1, "push")
    assert (caught.value.code, caught.value.section) == (564, "2.3.2")
    with pytest.raises(fcm360w.CommandError) as transparent:
        quick.stream("127.0.0.1", 1)
    assert transparent.value.code == 564
    with pytest.raises(fcm360w.CommandError, match="no such hotspot"):
        quick.wifi.join("nowhere", "12345678")
    with pytest.raises(fcm360w.CommandError, match="password"):
        quick.wifi.join("hall", "wrong password")


def test_streams_in_push_mode_share_the_link(quick: fcm360w.Module, peer: Peer) -> None:
    streams = [quick.stream("127.0.0.1", peer.port, "push") for _ in range(12)]
    with pytest.raises(fcm360w.UsageError, match="twelve"):
        quick.stream("127.0.0.1", peer.port, "push")
    clients: list[Any] = [peer.next() for _ in streams]
    for number, stream in enumerate(streams):
        stream.sendall(b"%02d" % number)
    order = [int(client.wait_for(2)) for client in clients]
    assert sorted(order) == list(range(12))
    for client, number in zip(clients, order, strict=True):
        client.send(b"to %02d" % number)
    for number, stream in reversed(list(enumerate(streams))):
        assert receive(stream, 5) == b"to %02d" % number
        assert quick.run(GetSent(stream.connect_id)).total_send_length == 2
        stream.close()


def test_a_peer_that_talks_like_a_module_is_not_taken_for_it() -> None:
    with Twin(dialect=DIALECT, tcp=("127.0.0.1", 0)) as twin, socket.create_server(("127.0.0.1", 0)) as server:
        host, port = twin.urls[0].removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as dying, dying.makefile("rb") as answers:
            dying.sendall(b'AT+QSTAAPINFO="hall","open sesame"\r\n')
            while b"GOT_IP" not in answers.readline():
                pass
            dying.sendall(b'AT+QIOPEN=5,"TCP","127.0.0.1",%d,0,2\r\n' % server.getsockname()[1])
            while b"CONNECT" not in answers.readline():
                pass
        talker, _ = server.accept()
        with talker:
            threading.Thread(target=_talk, args=(talker,), daemon=True).start()
            with fcm360w.open(twin.urls[0], escape=POLICY) as module:
                assert module.found == (True, (5,), False, ())
                assert module.run(GetVersion()).version.startswith("FCM360W")


def _talk(talker: socket.socket) -> None:
    """Answer whatever is said with OK."""
    with contextlib.suppress(OSError):
        while talker.recv(100):
            talker.sendall(b"\r\nOK\r\n")
