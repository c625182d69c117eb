"""UDP sockets: boundaries, bounds, gaps, and what becomes of a socket that the module drops."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.commands import tcp
from fcm360w.datagrams import MAX_WAITING, Datagram, DatagramInbox, Datagrams, open_client, open_service
from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    Overrun,
    SendTimeout,
    SocketLost,
    TransportLost,
    UsageError,
)
from fcm360w.settings import Set
from fcm360w.states import State
from fcm360w.stats import Mark
from fcm360w.turns import perform
from scripted import ERROR, OK, PROMPT, TOKENS, World, answer, cut_at, each_byte, line

CLOSED = line('+QIURC: "closed",0')
PEER = ("10.0.0.9", 5000)


def client(world: World, first: bytes = b"") -> Datagrams:
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"UDP","10.0.0.9",5000,0,1', OK + line("+QIOPEN: 0,0") + first)
    return world.drive(open_client(world.link, *PEER))


def service(world: World, first: bytes = b"") -> Datagrams:
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"UDP SERVICE","127.0.0.1",0,7000,1', OK + line("+QIOPEN: 0,0") + first)
    return world.drive(open_service(world.link, 7000))


def push(data: bytes, sender: tuple[str, int] | None = None, connect_id: int = 0) -> bytes:
    """W28."""
    source = f',"{sender[0]}",{sender[1]}' if sender else ""
    return f'\r\n+QIURC: "recv",{connect_id},{len(data)}{source}\r\n'.encode() + data + b"\r\n"


def receive(world: World, socket: Datagrams, seconds: float | None = None) -> Datagram:
    return world.drive(socket.receive(None if seconds is None else world.now + seconds))


def send(world: World, socket: Datagrams, data: bytes, seconds: float | None = None) -> None:
    world.drive(socket.send(data, None if seconds is None else world.now + seconds))


# ---- a client's


@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
@pytest.mark.parametrize("data", [b"hello", b"", bytes(range(256)), b"".join(TOKENS), b"+++", b"\r\n"], ids=repr)
def test_a_datagram_is_what_it_was(cut: Any, data: bytes) -> None:
    world = World(cut=cut)
    socket = client(world)
    world.say(push(data))
    assert receive(world, socket)[:3] == (data, *PEER)


def test_boundaries_are_kept_in_one_burst() -> None:
    world = World()
    socket = client(world, push(b"first"))
    world.say(push(b"se") + push(b"") + push(b"cond"))
    assert [receive(world, socket).data for _ in range(4)] == [b"first", b"se", b"", b"cond"]
    assert (socket.received, socket.inbox.dropped) == (4, 0)


@pytest.mark.parametrize("offset", range(1, 80))
def test_datagrams_cut_anywhere(offset: int) -> None:
    world = World()
    socket = client(world)
    world.cut = cut_at(offset)
    world.say(push(b"\r\nOK\r\n") + push(b'\r\n+QIURC: "closed",0\r\n') + push(b"end"))
    assert [receive(world, socket).data for _ in range(3)] == [b"\r\nOK\r\n", b'\r\n+QIURC: "closed",0\r\n', b"end"]


def test_a_datagram_is_sent_whole() -> None:
    world = World()
    socket = client(world)
    for data in (b"hello", bytes(1460)):
        world.on(f"AT+QISEND=0,{len(data)}", PROMPT)
        world.on(data, line("SEND OK"))
        send(world, socket, data)
    assert socket.sent == 2


@pytest.mark.parametrize("data", [b"", bytes(1461)])
def test_datagrams_that_cannot_be_sent(data: bytes) -> None:
    world = World()
    socket = client(world)
    world.forget()
    with pytest.raises(UsageError, match=r"send_length .* outside 1\.\.1460 \(manual 2\.3\.5\)"):
        send(world, socket, data)
    assert world.sent == b""


def test_a_module_without_room_is_asked_again() -> None:
    world = World()
    socket = client(world)
    for reply in (*[line("SEND FAIL")] * 8, line("SEND OK")):
        world.on("AT+QISEND=0,5", PROMPT)
        world.on(b"hello", reply)
    send(world, socket, b"hello")
    asked = [at for at, data in world.writes if data.startswith(b"AT+QISEND")]
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert 0.02 < pauses[0] < 0.1
    assert 0.5 < pauses[-1] < 0.6
    assert socket.sent == 1


def test_a_module_without_room_until_the_deadline() -> None:
    world = World()
    socket = client(world)
    world.on("AT+QISEND=0,5", PROMPT, always=True)
    world.on(b"hello", line("SEND FAIL"), always=True)
    begin = world.now
    with pytest.raises(SendTimeout) as caught:
        send(world, socket, b"hello", 1.0)
    assert caught.value.sent == 0
    assert world.now < begin + 2.0
    assert socket.sent == 0


def test_a_send_that_does_not_get_its_turn() -> None:
    world = World()
    socket = client(world)
    world.on("AT+QISEND=3,0")
    busy = world.start(perform(world.link, tcp.GetSent(3)))
    with pytest.raises(SendTimeout):
        send(world, socket, b"hello", 0.1)
    assert not busy.done
    assert b"AT+QISEND=0,5" not in world.sent


def test_a_send_that_is_refused_says_why() -> None:
    world = World()
    socket = client(world)
    world.on("AT+QISEND=0,5", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 566,"Operation busy"'))
    with pytest.raises(CommandError) as caught:
        send(world, socket, b"hello")
    assert (caught.value.code, caught.value.reason) == (566, "Operation busy")


def test_a_deadline_of_a_receive() -> None:
    world = World()
    socket = client(world)
    begin = world.now
    with pytest.raises(TimeoutError, match="receiving"):
        receive(world, socket, 2.0)
    assert world.now == pytest.approx(begin + 2.0)
    world.say(push(b"late"), 1.0)
    assert receive(world, socket, 2.0).data == b"late"
    with pytest.raises(TimeoutError):
        receive(world, socket, 0.0)


# ---- a service's


def test_a_service_says_from_whom() -> None:
    world = World()
    socket = service(world)
    world.say(push(b"one", ("10.0.0.9", 5000)) + push(b"two", ("10.0.0.10", 6000)))
    assert receive(world, socket)[:3] == (b"one", "10.0.0.9", 5000)
    assert receive(world, socket)[:3] == (b"two", "10.0.0.10", 6000)


def test_a_service_sends_to_anybody() -> None:
    world = World()
    socket = service(world)
    world.on('AT+QISEND=0,5,"10.0.0.10",6000', PROMPT)
    world.on(b"hello", line("SEND OK"))
    world.drive(socket.send_to(b"hello", "10.0.0.10", 6000, None))
    assert socket.sent == 1


@pytest.mark.parametrize(("ip", "port", "name"), [("a.name", 6000, "remote_ip"), ("10.0.0.10", 0, "remote_port")])
def test_a_service_sends_to_dotted_addresses_only(ip: str, port: int, name: str) -> None:
    world = World()
    socket = service(world)
    world.forget()
    with pytest.raises(UsageError, match=name):
        world.drive(socket.send_to(b"hello", ip, port, None))
    assert world.sent == b""


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_service_needs_a_port(port: int) -> None:
    world = World()
    with pytest.raises(UsageError, match=r"local_port .* outside 1\.\.65535 \(manual 2\.3\.2\)"):
        world.drive(open_service(world.link, port))
    assert world.sent == b""
    assert not world.link.sinks


# ---- hexadecimal payload (W30)


def test_datagrams_of_digits() -> None:
    world = World()
    socket = service(world)
    world.on('AT+QICFG="dataformat",1,1', OK)
    world.run(Set(tcp.DataFormat(tcp.Format.HEX, tcp.Format.HEX)))
    world.on('AT+QISEND=0,4,"10.0.0.10",6000', PROMPT)
    world.on(b"4F4B", line("SEND OK"))
    world.drive(socket.send_to(b"OK", "10.0.0.10", 6000, None))
    for digits in (b"4F4B", b"4F4x", b"4f4b"):
        world.say(b'\r\n+QIURC: "recv",0,2,"10.0.0.9",5000\r\n' + digits + b"\r\n")
    assert receive(world, socket)[:3] == (b"OK", "10.0.0.9", 5000)
    with pytest.raises(Overrun, match="1 datagrams, 2 bytes"):
        receive(world, socket)
    assert receive(world, socket).data == b"OK"
    with pytest.raises(UsageError, match=r"outside 1\.\.730 while data are hexadecimal"):
        world.drive(socket.send_to(bytes(731), "10.0.0.10", 6000, None))


# ---- bounds


def test_what_there_is_no_room_for_is_told_where_it_is_missing() -> None:
    count = Mark(2)
    inbox = DatagramInbox(count, Mark(100))
    datagrams = [Datagram(bytes([number]), "", 0) for number in range(8)]
    for datagram in datagrams[:5]:
        inbox.put(datagram)
    assert inbox.take() == datagrams[0]
    inbox.put(datagrams[5])
    inbox.put(datagrams[6])
    assert inbox.take() == datagrams[1]
    with pytest.raises(Overrun, match="3 datagrams, 3 bytes, are missing here"):
        inbox.take()
    inbox.put(datagrams[7])
    assert inbox.take() == datagrams[5]
    with pytest.raises(Overrun, match="1 datagrams, 1 bytes"):
        inbox.take()
    assert inbox.take() == datagrams[7]
    assert not inbox
    assert (inbox.dropped, count.dropped, count.high_water) == (4, 4, 2)


def test_bytes_are_bounded_too() -> None:
    total = Mark(10)
    inbox = DatagramInbox(Mark(100), total)
    for size in (6, 4, 1, 0):
        inbox.put(Datagram(bytes(size), "", 0))
    assert (inbox.dropped, total.dropped, total.high_water) == (1, 1, 10)
    assert [len(inbox.take().data) for _ in range(2)] == [6, 4]
    with pytest.raises(Overrun):
        inbox.take()
    assert inbox.take().data == b""


@given(st.lists(st.none() | st.integers(0, 5), max_size=60))
def test_nothing_vanishes_from_an_inbox(acts: list[int | None]) -> None:
    """Numbers go in, or one thing comes out: in order, and each gap as wide as what is missing there."""
    count, total = Mark(3), Mark(8)
    inbox, put, got = DatagramInbox(count, total), 0, 0
    for size in [*acts, *([None] * 60)]:
        if size is not None:
            inbox.put(Datagram(bytes(size), "", put))
            put += 1
            continue
        if not inbox:
            continue
        try:
            assert inbox.take().port == got
            got += 1
        except Overrun as gap:
            got += int(str(gap).split()[0])
    assert got == put
    assert count.high_water <= 3
    assert total.high_water <= 8


def test_a_socket_goes_on_after_a_gap() -> None:
    world = World()
    socket = client(world)
    for number in range(MAX_WAITING + 3):
        world.link.receive(push(b"%d" % number), world.now)
    for number in range(MAX_WAITING):
        assert receive(world, socket).data == b"%d" % number
    with pytest.raises(Overrun, match="3 datagrams, 12 bytes"):
        receive(world, socket)
    world.say(push(b"on"))
    assert receive(world, socket).data == b"on"
    assert (socket.received, socket.inbox.dropped) == (MAX_WAITING + 4, 3)


# ---- others, and the end


def test_lines_of_other_sockets_are_not_this_ones() -> None:
    world = World()
    socket = client(world)
    world.say(push(b"other", connect_id=4) + line('+QIURC: "closed",4') + push(b"mine"))
    assert receive(world, socket).data == b"mine"
    assert [type(row) for row in world.events()] == [tcp.Received, tcp.Closed]


def test_a_socket_is_closed_once() -> None:
    world = World()
    socket = client(world, push(b"unread"))
    world.on("AT+QICLOSE=0,1", OK)
    world.drive(socket.close())
    world.drive(socket.close())
    assert world.script.spent
    assert not world.link.sinks
    for call in (socket.receive(None), socket.send(b"x", None)):
        with pytest.raises(UsageError, match="closed"):
            world.drive(call)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "why", "freed"),
    [(CLOSED, "module closed the socket", b"AT+QICLOSE=0,1\r\n"), (line("ready"), "restarted", b"")],
)
def test_a_socket_that_the_module_drops(said: bytes, why: str, freed: bytes) -> None:
    """After its end the id stays in use until it is closed; after a restart it is nobody's."""
    world = World()
    socket = client(world)
    world.say(push(b"before") + said)
    assert receive(world, socket).data == b"before"
    for _ in range(2):
        with pytest.raises(SocketLost, match=why):
            receive(world, socket)
    world.forget()
    with pytest.raises(SocketLost, match=why):
        send(world, socket, b"x")
    world.on("AT+QICLOSE=0,1", OK)
    world.drive(socket.close())
    assert world.sent == freed
    assert not world.link.sinks


def test_whoever_waits_hears_of_the_loss() -> None:
    world = World()
    socket = client(world)
    waiting = world.start(socket.receive(None))
    world.say(CLOSED)
    with pytest.raises(SocketLost):
        world.finish(waiting)


def test_a_transport_that_is_lost() -> None:
    world = World()
    socket = client(world)
    world.say(push(b"before"))
    world.say(TransportLost("gone"))
    assert receive(world, socket).data == b"before"
    for _ in range(2):
        with pytest.raises(TransportLost):
            receive(world, socket)


def test_an_opening_that_fails_leaves_nothing() -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"UDP SERVICE","127.0.0.1",0,7000,1', OK, line("+QIOPEN: 0,556"))
    with pytest.raises(CommandError) as caught:
        world.drive(open_service(world.link, 7000))
    assert (caught.value.code, caught.value.reason) == (556, "Socket bind failed")
    assert not world.link.sinks


class Interrupt(BaseException):
    """Somebody has no more interest."""


def test_an_opening_that_is_interrupted_frees_the_id() -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"UDP SERVICE","127.0.0.1",0,7000,1')
    opening = world.start(open_service(world.link, 7000))
    while b"QIOPEN" not in world.sent:
        world.step()
    world.on("AT", OK, always=True)
    world.on("AT+QICLOSE=0,1", OK)
    opening.resume(lambda: opening.turns.throw(Interrupt()))
    with pytest.raises(Interrupt):
        world.finish(opening)
    assert world.script.spent
    assert not world.link.sinks
    assert not world.link.unclosed
    assert world.link.state is State.COMMAND


def test_a_close_that_times_out_can_be_done_again() -> None:
    world = World()
    socket = client(world)
    world.on("AT+QICLOSE=0,1")
    with pytest.raises(CommandTimeout):
        world.drive(socket.close())
    world.on("AT", OK)
    world.on("AT+QICLOSE=0,1", OK)
    world.drive(socket.close())
    assert socket.closed
