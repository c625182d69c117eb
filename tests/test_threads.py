"""Threads that share a descriptor, and a module that threads share."""

from __future__ import annotations

import os
import random
import select
import socket
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcm360w import threads
from fcm360w.commands import system, tcp, wifi
from fcm360w.errors import CommandError, CommandTimeout, GivenUp, PeerClosed, TransportLost
from fcm360w.events import Lost
from fcm360w.flows.recover import Rung
from fcm360w.link import Ticket
from fcm360w.module import Module
from fcm360w.pending import Exchange
from fcm360w.steps import Pause, Until, Within
from fcm360w.threads import Waiters
from scripted import CONNECT, ERROR, OK, PROMPT, answer, line
from wired import HASTY, PATIENCE, QUICK, Peer, Worker, expect_close, expect_open, pair, wired


@pytest.fixture(params=["poll", "select"])
def waiters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Waiters, Any, Any]]:
    """Waiters on one end of a socket pair, their lock, and the other end."""
    if request.param == "select":
        monkeypatch.setattr(threads, "HAS_POLL", False)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    lock = threading.Lock()
    made = Waiters(ours.fileno(), lock)
    with ours, theirs:
        yield made, ours, theirs
        with lock:
            made.close()


def lock_of(made: Waiters) -> Any:
    return made.lock


# ---- waiters


def test_wait_tells_what_is_ready(waiters: Any) -> None:
    made, ours, theirs = waiters
    with lock_of(made):
        assert made.wait(True, False, 0.0) == (False, False)
        assert made.wait(True, True, None) == (False, True)
        theirs.send(b"x")
        assert made.wait(True, False, None) == (True, False)
        assert made.wait(False, False, 0.0) == (False, False)
        assert made.wait(True, True, None)[0]
        assert ours.recv(9) == b"x"


def test_a_hang_up_is_something_to_read(waiters: Any) -> None:
    made, _, theirs = waiters
    theirs.close()
    with lock_of(made):
        assert made.wait(True, False, None)[0]


def test_a_full_descriptor_is_not_writable(waiters: Any) -> None:
    made, ours, theirs = waiters
    with pytest.raises(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    with lock_of(made):
        assert made.wait(False, True, 0.0) == (False, False)
    assert not threads.writable(ours.fileno())
    while select.select([theirs], [], [], 0)[0]:
        theirs.recv(1 << 20)
    assert threads.writable(ours.fileno())


def test_the_lock_is_free_meanwhile(waiters: Any) -> None:
    made, _, _ = waiters
    lock = lock_of(made)
    waiting = threading.Event()

    def wait() -> object:
        with lock:
            waiting.set()
            return made.wait(True, False, None)

    worker = Worker(wait)
    assert waiting.wait(PATIENCE)
    with lock:
        made.notify()
    assert worker.result() == (False, False)


def test_nobody_starves(waiters: Any) -> None:
    """Each waits for a byte of its own, which any of them may be the one to read."""
    made, ours, theirs = waiters
    lock = lock_of(made)
    seen: set[int] = set()

    def wait_for(token: int) -> None:
        with lock:
            while token not in seen:
                readable, _ = made.wait(True, False, None)
                if readable:
                    try:
                        seen.update(ours.recv(3))
                    except BlockingIOError:
                        continue
                    made.notify()

    tokens = list(range(12))
    workers = [Worker(lambda token=token: wait_for(token)) for token in tokens]  # type: ignore[misc]
    random.Random(1).shuffle(tokens)
    for token in tokens:
        theirs.send(bytes([token]))
    for worker in workers:
        worker.result()


def test_an_old_ring_wakes_nobody(waiters: Any) -> None:
    made, _, theirs = waiters
    lock = lock_of(made)
    waiting = threading.Event()

    def wait() -> object:
        with lock:
            waiting.set()
            return made.wait(True, False, None)

    for _ in range(3):
        waiting.clear()
        worker = Worker(wait)
        assert waiting.wait(PATIENCE)
        with lock:
            made.notify()
            made.notify()
        assert worker.result() == (False, False)
    with lock:
        assert made.wait(True, False, 0.0) == (False, False)
        made.notify()
    worker = Worker(wait)
    worker.join(0.05)
    assert worker.is_alive()
    theirs.send(b"x")
    assert worker.result() == (True, False)


def test_close_wakes_those_who_wait_and_keeps_no_descriptor() -> None:
    listing = Path("/proc/self/fd")
    if not listing.exists():
        pytest.skip("platform: open descriptors cannot be listed")
    before = len(os.listdir(listing))
    ours, theirs = socket.socketpair()
    lock = threading.Lock()
    made = Waiters(ours.fileno(), lock)
    ready = threading.Barrier(4)

    def wait() -> object:
        with lock:
            made.wait(True, False, 0.0)
        ready.wait(PATIENCE)
        with lock:
            return made.wait(True, False, None)

    workers = [Worker(wait) for _ in range(3)]
    ready.wait(PATIENCE)
    with lock:
        made.close()
        made.notify()
    theirs.send(b"x")
    for worker in workers:
        worker.result()
    ours.close()
    theirs.close()
    assert len(os.listdir(listing)) == before


def test_a_port_without_a_descriptor_is_tried_again_and_again() -> None:
    lock = threading.Lock()
    made = Waiters(-1, lock)
    with lock:
        assert made.wait(True, True, None) == (True, True)
        assert made.wait(True, False, 0.0) == (True, False)
        made.close()


def test_a_bell_that_nobody_hears_does_not_block() -> None:
    lock = threading.Lock()
    made = Waiters(-1, lock)
    bell = threads._Bell(-1)
    made._waiting.add(bell)
    for _ in range(100_000):
        made.notify()
    bell.silence()
    bell.close()
    made.close()


# ---- a module in one thread


def test_run() -> None:
    for descriptor in (True, False):
        with wired(descriptor) as (module, peer):
            peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
            assert module.run(system.GetVersion()).version == "FCM360W"
            assert (module.url, module.baud) == ("pair://", None)


def test_wake() -> None:
    with wired() as (module, peer):
        for text in ("AT", "ATE0", "AT+QECHO=0", "AT+QISTATE", "AT+QSSLSTATE", "AT+QFOPEN?"):
            peer.on(text, OK)
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
        peer.on("AT+QSETBAND?", answer("+QSETBAND: 115200"))
        assert module.wake() == module.found
        assert module.baud == 115200
        assert not module.found.data_mode


def test_time_passes_without_any_bytes() -> None:
    with wired() as (module, _):
        with pytest.raises(CommandTimeout):
            module.run(Within(system.Attention(), 0.02))
        assert module.wait(tcp.Closed, 0.02) is None


def test_wait_and_events() -> None:
    with wired() as (module, peer):
        peer.on("AT", line('+QIURC: "closed",1') + line('+QSTASTAT: "GOT_IP"') + line('+QIURC: "closed",2') + OK)
        module.run(system.Attention())
        assert module.wait(tcp.Closed, 0.0) == tcp.Closed(1)
        assert module.wait(wifi.StationEvent, 0.0) == wifi.StationEvent(wifi.StationChange.GOT_IP)
        assert [event.row for event in module.events()] == [tcp.Closed(2)]
        assert module.events() == []


def test_a_line_ends_a_wait() -> None:
    with wired() as (module, peer):
        worker = Worker(lambda: module.wait(tcp.Closed, PATIENCE))
        peer.say(line('+QIURC: "closed",3'))
        assert worker.result() == tcp.Closed(3)


def test_an_error_in_a_flow_leaves_the_module_usable() -> None:
    with wired() as (module, peer):
        peer.on("AT+QISEND=3,0", ERROR)
        with pytest.raises(CommandError):
            module.run(tcp.GetSent(3))
        peer.on("AT", OK)
        module.run(system.Attention())


# ---- a module shared


class Watched(deque[Ticket]):
    """A queue that tells when somebody has joined it."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = threading.Semaphore(0)

    def append(self, ticket: Ticket) -> None:
        super().append(ticket)
        self.joined.release()


def test_threads_are_served_in_the_order_they_asked() -> None:
    with wired() as (module, peer):
        queue = module._link.queue = Watched()
        workers = []
        for number in range(6):
            workers.append(Worker(lambda number=number: module.run(tcp.GetSent(number))))  # type: ignore[misc]
            assert queue.joined.acquire(timeout=PATIENCE)
        for number in range(1, 6):
            peer.on(f"AT+QISEND={number},0", answer(f"+QISEND: {number},0,0"))
        peer.until(lambda: peer.lines == b"AT+QISEND=0,0\r\n")
        peer.say(answer("+QISEND: 0,0,0"))
        for number, worker in enumerate(workers):
            assert worker.result() == tcp.Sent(number, 0, 0)
        assert peer.lines == b"".join(b"AT+QISEND=%d,0\r\n" % number for number in range(6))


def test_many_threads_and_many_commands() -> None:
    with wired() as (module, peer):
        for number in range(4):
            peer.on(f"AT+QISEND={number},0", answer(f"+QISEND: {number},0,0"), always=True)

        def ask(number: int) -> int:
            return sum(module.run(tcp.GetSent(number)).total_send_length for _ in range(50))

        workers = [Worker(lambda number=number: ask(number)) for number in range(4)]  # type: ignore[misc]
        assert [worker.result() for worker in workers] == [50 * number for number in range(4)]


def test_a_flow_that_only_waits_hands_over() -> None:
    """No byte moves when a pause ends; who comes next must hear of it all the same."""

    def pauses() -> Iterator[Any]:
        yield Pause(0.001)

    with wired() as (module, _):

        def run() -> None:
            for _ in range(30):
                module.run(pauses())  # type: ignore[arg-type]

        for worker in [Worker(run) for _ in range(3)]:
            worker.result()


def test_a_sender_that_must_try_again_lets_others_through() -> None:
    with wired() as (module, peer):
        expect_open(peer, 1)
        stream = module.stream("h", 80, "push")
        for reply in ("SEND FAIL", "SEND FAIL", "SEND OK"):
            peer.on("AT+QISEND=0,5", PROMPT)
            peer.on(b"hello", line(reply))
        peer.on("AT+QISEND=3,0", answer("+QISEND: 3,0,0"), always=True)
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                module.run(tcp.GetSent(3))

        others = [Worker(ask) for _ in range(2)]
        Worker(lambda: stream.sendall(b"hello")).result()
        stop.set()
        for other in others:
            other.result()
        expect_close(peer, 5)
        assert stream.close().acknowledged == 5


def test_one_sends_while_another_receives() -> None:
    data = bytes(range(256)) * 8192
    with wired() as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)

        def receive() -> bytes:
            out = bytearray()
            while len(out) < len(data):
                out += stream.recv(65536)
            return bytes(out)

        pouring = Worker(lambda: peer.say(data))
        receiving = Worker(receive)
        sending = Worker(lambda: stream.sendall(data))
        assert receiving.result() == data
        sending.result()
        pouring.result()
        peer.until(lambda: len(peer.got) == len(data))
        assert peer.got == data
        expect_close(peer, len(data))
        report = stream.close()
        assert (report.sent, report.acknowledged, report.received) == (len(data), len(data), len(data))


def test_one_sends_while_another_receives_in_push_mode() -> None:
    piece = b"0123456789" * 146
    with wired() as (module, peer):
        expect_open(peer, 1)
        stream = module.stream("h", 80, "push")
        push = b'\r\n+QIURC: "recv",0,%d\r\n' % len(piece) + piece + b"\r\n"
        peer.on("AT+QISEND=0,1460", PROMPT, always=True)
        peer.on(piece, push + line("SEND OK") + push, always=True)

        def receive() -> int:
            count = 0
            while count < 2 * 20 * len(piece):
                count += len(stream.recv(1000))
            return count

        receiving = Worker(receive)
        Worker(lambda: stream.sendall(piece * 20)).result()
        assert receiving.result() == 2 * 20 * len(piece)
        expect_close(peer, 20 * len(piece))
        stream.close()


def test_a_writer_blocked_by_a_slow_peer_does_not_keep_others_from_reading() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = Peer(theirs)
        from fcm360w.ports import OpenPort
        from wired import SocketPort

        module = Module(OpenPort(SocketPort(ours)), QUICK)
        expect_open(peer, 2)
        opening = Worker(lambda: module.stream("h", 80))
        for _ in range(2):
            for reply in peer._take(theirs.recv(65536)):
                theirs.sendall(reply)
        stream: Any = opening.result()
        sending = Worker(lambda: stream.sendall(bytes(4 << 20)))
        while not select.select([theirs], [], [], PATIENCE)[0]:
            raise AssertionError("nothing is sent")
        theirs.sendall(b"hello")
        assert Worker(lambda: stream.recv(5)).result() == b"hello"
        assert sending.is_alive()
        left = 4 << 20
        while left:
            left -= len(theirs.recv(1 << 20))
        sending.result()
        theirs.close()
        with pytest.raises(TransportLost):
            module.close()


def test_whoever_reads_tells_whom_it_concerns() -> None:
    """One is about to wait when another reads what it waits for: it must not wait in vain."""
    with wired() as (module, peer):
        expect_open(peer, 1)
        stream = module.stream("h", 80, "push")
        real, has_read, late = module._waiters._poll, threading.Event(), threading.Event()

        def poll(*args: Any) -> tuple[bool, bool]:
            if threading.current_thread() is receiving and args[-1] is None and not late.is_set():
                late.set()
                assert has_read.wait(PATIENCE)
            return real(*args)

        module._waiters._poll = poll  # type: ignore[method-assign, assignment]
        receiving = Worker(lambda: stream.recv(9), start=False)
        receiving.start()
        assert late.wait(PATIENCE)
        reading = Worker(lambda: module.wait(tcp.Closed, PATIENCE))
        stream._channel.link.sinks.append(lambda _: bool(has_read.set()))  # type: ignore[func-returns-value]
        peer.say(b'\r\n+QIURC: "recv",0,5\r\nhello\r\n')
        assert receiving.result() == b"hello"
        peer.say(line('+QIURC: "closed",7'))
        reading.result()


def test_a_suspended_stream_lets_the_commands_of_all_threads_run_and_its_sender_wait() -> None:
    with wired() as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)
        for number in range(3):
            peer.on(f"AT+QISEND={number},0", answer(f"+QISEND: {number},0,0"), always=True)
        peer.on("ATO", CONNECT)
        receiving = Worker(lambda: stream.recv(99))
        with stream.suspended():
            sending = Worker(lambda: stream.sendall(b"x" * 100))
            asking = [Worker(lambda number=number: module.run(tcp.GetSent(number))) for number in range(3)]  # type: ignore[misc]
            assert [worker.result() for worker in asking] == [tcp.Sent(number, 0, 0) for number in range(3)]
            assert sending.is_alive()
            assert not peer.got
        sending.result()
        peer.until(lambda: peer.got == b"x" * 100)
        peer.say(b"hello")
        assert receiving.result() == b"hello"


def test_two_threads_may_suspend_a_stream_at_once() -> None:
    with wired() as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)
        peer.on("AT", OK, always=True)
        peer.on("ATO", CONNECT, always=True)

        def ask() -> None:
            for _ in range(3):
                with stream.suspended():
                    module.run(system.Attention())

        for worker in [Worker(ask) for _ in range(3)]:
            worker.result()
        stream.sendall(b"hello")
        peer.until(lambda: peer.got == b"hello")


def test_recover_takes_the_link_from_another_thread() -> None:
    with wired() as (module, peer):
        queue = module._link.queue = Watched()
        stuck = Worker(lambda: module.run(Until(tcp.Closed, 3600.0)))  # type: ignore[arg-type]
        assert queue.joined.acquire(timeout=PATIENCE)
        behind = Worker(lambda: module.run(system.GetVersion()))
        assert queue.joined.acquire(timeout=PATIENCE)
        peer.on("AT", OK)
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"), always=True)
        assert module.recover().rungs == (Rung.ASKED,)
        assert behind.result() == system.Version("FCM360W")
        with pytest.raises(GivenUp):
            stuck.result()


def test_payload_of_one_stream_is_never_read_or_written_for_another() -> None:
    """A thread that waits with a buffer wakes when the port belongs to another stream already."""
    with wired() as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)
        wait, buffer, switched = module._waiters.wait, bytearray(9), threading.Event()

        def late(reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
            if threading.current_thread() is receiving and not switched.is_set():
                module._lock.release()
                assert switched.wait(PATIENCE)
                module._lock.acquire()
                return True, False
            return wait(reading, writing, seconds)

        receiving = Worker(lambda: stream.recv_into(buffer), start=False)
        module._waiters.wait = late  # type: ignore[method-assign]
        receiving.start()
        with stream.suspended():
            peer.on("AT+QISTATE", answer('+QISTATE: 0,"TCP","10.0.0.9",8009,49152,2,0,0,"uart1"'))
            peer.on('AT+QIOPEN=1,"TCP","h",80,0,2', CONNECT)
            other = module.stream("h", 80)
            peer.say(b"to other")
            peer.until(lambda: peer.raw)
            switched.set()
            assert other.recv(99) == b"to other"
            expect_close(peer, 0, connect_id=1)
            other.close()
            peer.on("AT+QISWTMD=0,2", CONNECT)
        peer.say(b"mine")
        assert receiving.result() == 4
        assert buffer[:4] == b"mine"


# ---- loss


def test_loss_reaches_everyone_once() -> None:
    with wired() as (module, peer):
        queue = module._link.queue = Watched()
        flows: list[Any] = [tcp.GetSent(3), Until(tcp.Closed, PATIENCE), system.GetVersion()]
        workers = []
        for flow in flows:
            workers.append(Worker(lambda flow=flow: module.run(flow)))  # type: ignore[misc]
            assert queue.joined.acquire(timeout=PATIENCE)
        peer.until(lambda: bool(peer.lines))
        peer.hang_up()
        errors = []
        for worker in workers:
            with pytest.raises(TransportLost) as caught:
                worker.result()
            errors.append(caught.value)
        assert [error.in_flight for error in errors] == ["AT+QISEND=3,0", None, None]
        assert all(isinstance(error.cause, OSError) for error in errors)
        assert [type(event.row) for event in module.events()] == [Lost]
        with pytest.raises(TransportLost):
            module.run(system.Attention())


def test_loss_reaches_sender_and_receiver() -> None:
    with wired() as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)
        receiving = Worker(lambda: stream.recv(9))
        peer.until(lambda: peer.raw)
        peer.hang_up()
        with pytest.raises(TransportLost):
            receiving.result()
        with pytest.raises(TransportLost):
            while True:
                stream.sendall(bytes(65536))
        assert [type(event.row) for event in module.events()] == [Lost]


def watched_waits(module: Module) -> threading.Semaphore:
    """Released when a thread begins to wait; of a port without a descriptor, more than once."""
    begun, wait, seen = threading.Semaphore(0), module._waiters.wait, set[int]()

    def watched(reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            begun.release()
        return wait(reading, writing, seconds)

    module._waiters.wait = watched  # type: ignore[method-assign]
    return begun


def test_a_wait_lets_the_commands_of_others_pass() -> None:
    with wired() as (module, peer):
        waiting = watched_waits(module)
        workers = [Worker(lambda: module.wait(tcp.Closed, PATIENCE)) for _ in range(2)]
        for _ in workers:
            assert waiting.acquire(timeout=PATIENCE)
        peer.on("AT", OK)
        module.run(system.Attention())
        assert all(worker.is_alive() for worker in workers)
        peer.say(line('+QIURC: "closed",3') + line('+QIURC: "closed",4'))
        assert {worker.result() for worker in workers} == {tcp.Closed(3), tcp.Closed(4)}


def test_events_reads_what_has_come() -> None:
    with wired() as (module, peer):
        peer.say(line('+QIURC: "closed",3'))
        assert [event.row for event in module.events()] == [tcp.Closed(3)]
        assert module.events() == []


def test_events_beside_a_transparent_stream_leave_it_its_payload() -> None:
    with wired() as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)
        peer.say(b"hello")
        assert module.events() == []
        assert stream.recv(9) == b"hello"
        peer.hang_up()
        assert [type(event.row) for event in module.events()] == [Lost]
        assert module.events() == []


class Interrupt(BaseException):
    """As Ctrl-C is raised in whatever waits."""


def test_an_interrupt_waits_until_the_payload_that_is_due_is_sent() -> None:
    with wired() as (module, peer):
        wait, asked = module._waiters.wait, bytearray()

        def interrupted(reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
            if not module._link.out and peer.lines == b"AT+QISEND=3,5\r\n" and not asked:
                asked.append(1)
                peer.say(PROMPT)
                raise Interrupt
            return wait(reading, writing, seconds)

        module._waiters.wait = interrupted  # type: ignore[method-assign]
        peer.on(b"AT+QISEND=3,5\r\n", b"\r\n")
        peer.on(b"hello", line("SEND OK"))
        with pytest.raises(Interrupt):
            module.run(tcp.Send(3, b"hello"))
        assert peer.lines == b"AT+QISEND=3,5\r\nhello"
        assert asked
        peer.on("AT", OK)
        module.run(system.Attention())


def test_an_interrupt_outlives_the_error_of_the_command_it_waited_for() -> None:
    with wired() as (module, _):
        wait, asked = module._waiters.wait, bytearray()

        def interrupted(reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
            if not module._link.out and isinstance(module._link.pending, Exchange) and not asked:
                asked.append(1)
                raise Interrupt
            return wait(reading, writing, seconds)

        module._waiters.wait = interrupted  # type: ignore[method-assign]
        with pytest.raises(Interrupt):
            module.run(Within(tcp.Send(3, b"hello"), 0.05))
        assert asked


@pytest.mark.parametrize("descriptor", [True, False])
def test_close_wakes_those_who_wait(descriptor: bool) -> None:
    with wired(descriptor) as (module, _):
        waiting = watched_waits(module)
        workers = [Worker(lambda: module.wait(tcp.Closed, PATIENCE)) for _ in range(2)]
        for _ in workers:
            assert waiting.acquire(timeout=PATIENCE)
        module.close()
        for worker in workers:
            with pytest.raises(TransportLost, match="closed"):
                worker.result()
        module.close()
        with pytest.raises(TransportLost, match="closed"):
            module.run(system.Attention())


def test_the_peer_closes() -> None:
    with wired(policy=HASTY) as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)
        stream.sendall(b"hello")
        peer.until(lambda: peer.got == b"hello")
        receiving = Worker(lambda: stream.recv(99))
        peer.raw = False
        peer.on("", ERROR)
        expect_close(peer, 5, 3)
        peer.say(b"last" + line("NO CARRIER") + line('+QIURC: "closed",0'))
        assert receiving.result() == b"last"
        for act in (lambda: stream.recv(9), lambda: stream.sendall(b"x")):
            with pytest.raises(PeerClosed) as caught:
                Worker(act).result()
            assert (caught.value.sent, caught.value.uncertain) == (5, 2)


def test_closing_the_module_closes_its_streams() -> None:
    with wired() as (module, peer):
        expect_open(peer, 2)
        stream = module.stream("h", 80)
        expect_close(peer, 0)
        module.close()
        assert stream.report is not None
        assert not peer.raw


def test_an_interrupt_leaves_the_module_usable() -> None:
    """As Ctrl-C does: it comes while the thread waits."""
    with pair() as (port, peer):
        module = Module(port, QUICK)
        real = module._waiters.wait

        def interrupted(*args: Any) -> Any:
            module._waiters.wait = real  # type: ignore[method-assign]
            raise KeyboardInterrupt

        module._waiters.wait = interrupted  # type: ignore[method-assign, assignment]
        with pytest.raises(KeyboardInterrupt):
            module.run(tcp.GetSent(3))
        peer.on("AT", OK)
        peer.on("AT+QISEND=4,0", answer("+QISEND: 4,0,0"))
        assert module.run(tcp.GetSent(4)) == tcp.Sent(4, 0, 0)
        module.close()


def test_a_line_whose_writing_is_interrupted_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with wired() as (module, peer):
        peer.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
        peer.on("AT", OK, always=True)
        write = module._port.raw.write

        def interrupted(data: Any, timeout: float | None) -> int:
            monkeypatch.setattr(module._port.raw, "write", write)
            write(data, timeout)
            raise KeyboardInterrupt

        monkeypatch.setattr(module._port.raw, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            module.run(system.GetVersion())
        module.run(system.Attention())
        assert peer.lines.count(b"AT+QVERSION") == 1
