"""Listening sockets: clients that come, wait, send, leave and are accepted, by the module or by the program."""

from __future__ import annotations

from typing import Any

import pytest

from fcm360w.commanded import Commanded
from fcm360w.commands import tcp
from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    PeerClosed,
    SocketLost,
    TransportLost,
    UsageError,
)
from fcm360w.listener import MAX_WAITING, POLL, Listening, ListenMode, open_listener
from fcm360w.opening import open_channel
from fcm360w.states import State
from scripted import CONNECT, ERROR, OK, PROMPT, Driver, World, answer, cut_at, each_byte, line

INCOMING = '+QISTATE: {id},"TCP INCOMING","10.0.0.9",51000,7000,2,1,{access},"uart1"'
FULL = line('+QIURC: "incoming full"')
OPEN = 'AT+QIOPEN=0,"TCP LISTENER","127.0.0.1",0,7000,{access}'


class Interrupt(BaseException):
    """Somebody has no more interest."""


def listen(world: World, mode: ListenMode = "push", manual: bool = False, first: bytes = b"") -> Listening:
    world.on(f'AT+QICFG="tcp/accept",{0 if manual else 1}', OK)
    world.on("AT+QISTATE", OK)
    world.on(OPEN.format(access=1 if mode == "push" else 0), OK + line("+QIOPEN: 0,0") + first)
    return world.drive(open_listener(world.link, 7000, mode, manual))


def incoming(connect_id: int, server_id: int = 0, port: int = 51000) -> bytes:
    """W31."""
    return line(f'+QIURC: "incoming",{connect_id},{server_id},"10.0.0.9",{port}')


def closed(connect_id: int) -> bytes:
    return line(f'+QIURC: "closed",{connect_id}')


def push(connect_id: int, data: bytes) -> bytes:
    return b'\r\n+QIURC: "recv",%d,%d\r\n%b\r\n' % (connect_id, len(data), data)


def inherits(world: World, connect_id: int, access: int = 1) -> None:
    world.on(f"AT+QISTATE={connect_id}", answer(INCOMING.format(id=connect_id, access=access)))


def accept(world: World, listener: Listening, seconds: float | None = None) -> Commanded:
    return world.drive(listener.accept(None if seconds is None else world.now + seconds))


def receive(world: World, stream: Commanded, size: int = 99) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: world.drive(stream.receive_into(memoryview(buffer), world.now + 5.0))])


# ---- opening


@pytest.mark.parametrize("reply", [OK, ERROR])
def test_an_option_that_the_firmware_does_not_know_matters_only_if_it_is_to_be_off(reply: bytes) -> None:
    world = World()
    world.on('AT+QICFG="tcp/accept",1', reply)
    world.on("AT+QISTATE", OK)
    world.on(OPEN.format(access=1), OK, line("+QIOPEN: 0,0"))
    assert world.drive(open_listener(world.link, 7000, "push", False)).connect_id == 0
    world.on('AT+QICFG="tcp/accept",0', ERROR)
    with pytest.raises(CommandError, match="tcp/accept"):
        world.drive(open_listener(world.link, 7000, "push", True))


@pytest.mark.parametrize("port", [0, 65536])
@pytest.mark.parametrize("manual", [False, True])
def test_a_port_out_of_range_is_told_before_anything_is_sent(port: int, manual: bool) -> None:
    world = World()
    with pytest.raises(UsageError, match=r"local_port .* \(manual 2\.3\.2\)"):
        world.drive(open_listener(world.link, port, "push", manual))
    assert world.sent == b""


def test_a_listener_is_not_transparent() -> None:
    world = World()
    with pytest.raises(UsageError, match="push, buffer"):
        world.drive(open_listener(world.link, 7000, "transparent", False))  # type: ignore[arg-type]
    assert world.sent == b""


@pytest.mark.parametrize("code", [556, 557, 570])
def test_a_port_that_is_taken(code: int) -> None:
    world = World()
    world.on('AT+QICFG="tcp/accept",1', OK)
    world.on("AT+QISTATE", OK)
    world.on(OPEN.format(access=1), OK, line(f"+QIOPEN: 0,{code}"))
    with pytest.raises(CommandError) as caught:
        world.drive(open_listener(world.link, 7000, "push", False))
    assert caught.value.code == code
    assert not world.link.sinks


# ---- clients


@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_a_client_that_sends_and_leaves_before_it_is_accepted(cut: Any) -> None:
    """All in one burst with the opening."""
    world = World(cut=cut)
    listener = listen(world, first=incoming(11) + push(11, b"hel") + push(11, b"lo") + closed(11))
    world.wait(1.0)
    assert listener.waiting == 1
    inherits(world, 11)
    stream = accept(world, listener)
    assert (stream.connect_id, stream.peer, listener.waiting) == (11, ("10.0.0.9", 51000), 0)
    assert receive(world, stream) == b"hello"
    world.on("AT+QISEND=11,0", answer("+QISEND: 0,0,0"))
    world.on("AT+QICLOSE=11,1", OK)
    with pytest.raises(PeerClosed):
        receive(world, stream)
    assert world.events() == []


@pytest.mark.parametrize("offset", range(1, 140, 3))
def test_clients_cut_anywhere(offset: int) -> None:
    world = World()
    listener = listen(world)
    world.cut = cut_at(offset)
    world.say(incoming(11) + push(11, b"one") + incoming(10, port=51001) + push(10, b"two") + push(11, b"!"))
    world.wait(1.0)
    world.cut = lambda data: [data]
    for connect_id, data in ((11, b"one!"), (10, b"two")):
        inherits(world, connect_id)
        assert receive(world, accept(world, listener)) == data


def test_clients_are_accepted_in_the_order_they_came() -> None:
    world = World()
    listener = listen(world)
    for connect_id in (3, 11, 10):  # which ids are given is nobody's business
        world.say(incoming(connect_id))
    world.wait(1.0)
    for connect_id in (3, 11, 10):
        inherits(world, connect_id)
    assert [accept(world, listener).connect_id for _ in range(3)] == [3, 11, 10]


def test_whoever_waits_gets_the_next_client() -> None:
    world = World()
    listener = listen(world)
    waiting = [world.start(listener.accept(None)) for _ in range(2)]
    inherits(world, 11)
    world.say(incoming(11), 1.0)
    while not any(driver.done for driver in waiting):
        world.step()
    assert [driver.done for driver in waiting].count(True) == 1
    inherits(world, 10)
    world.say(incoming(10), 1.0)
    while not all(driver.done for driver in waiting):
        world.step()
    assert {driver.result().connect_id for driver in waiting} == {10, 11}


def test_clients_of_another_listener_are_not_this_ones() -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(11, server_id=4))
    with pytest.raises(TimeoutError, match="accepting"):
        accept(world, listener, 2.0)
    assert world.events() == [tcp.Incoming(11, 4, "10.0.0.9", 51000)]


def test_a_deadline() -> None:
    world = World()
    listener = listen(world)
    begin = world.now
    with pytest.raises(TimeoutError):
        accept(world, listener, 3.0)
    assert world.now == pytest.approx(begin + 3.0)
    with pytest.raises(TimeoutError):
        accept(world, listener, 0.0)


def test_clients_that_were_turned_away_are_counted_and_told() -> None:
    world = World()
    listener = listen(world)
    world.say(FULL + FULL)
    world.wait(1.0)
    assert listener.full == 2
    assert world.events() == [tcp.IncomingFull(), tcp.IncomingFull()]


# ---- T10: the access mode of a client


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_a_client_in_buffer_mode_is_read(mode: ListenMode) -> None:
    world = World()
    listener = listen(world, mode)
    world.say(incoming(11) + line('+QIURC: "recv",11'))
    inherits(world, 11, access=0)
    stream = accept(world, listener)
    world.on("AT+QIRD=11,1500", b"\r\n+QIRD: 5\r\nhello\r\n" + OK)
    assert receive(world, stream) == b"hello"


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_a_client_in_push_mode_is_heard(mode: ListenMode) -> None:
    world = World()
    listener = listen(world, mode)
    world.say(incoming(11) + push(11, b"hello"))
    inherits(world, 11, access=1)
    assert receive(world, accept(world, listener)) == b"hello"
    assert b"QIRD" not in world.sent


@pytest.mark.parametrize("reply", [OK, ERROR])
def test_a_client_that_the_module_does_not_know_any_more_has_the_listeners_mode(reply: bytes) -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(11) + push(11, b"hello"))
    world.on("AT+QISTATE=11", reply)
    assert receive(world, accept(world, listener)) == b"hello"


def test_a_client_is_a_stream_both_ways() -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(11))
    inherits(world, 11)
    stream = accept(world, listener)
    world.on("AT+QISEND=11,5", PROMPT)
    world.on(b"hello", line("SEND OK"))
    world.drive(stream.send(memoryview(b"hello"), None))
    world.on("AT+QISEND=11,0", answer("+QISEND: 5,5,0"))
    world.on("AT+QICLOSE=11,10", OK)
    report = world.drive(stream.close(10.0))
    assert (report.sent, report.acknowledged) == (5, 5)


# ---- ids that are given again


def test_an_id_that_is_anothers_by_now_is_not_closed() -> None:
    """With passiveclosed the module frees an id by itself, and gives it to the next client."""
    world = World()
    listener = listen(world)
    world.say(incoming(11) + push(11, b"old") + closed(11) + incoming(11, port=51001) + push(11, b"new"))
    world.wait(1.0)
    inherits(world, 11)
    old, new = accept(world, listener), accept(world, listener)
    assert (old.peer[1], new.peer[1]) == (51000, 51001)
    assert [receive(world, stream) for stream in (old, new)] == [b"old", b"new"]
    world.forget()
    with pytest.raises(PeerClosed):
        receive(world, old)
    assert world.drive(old.close(10.0)).acknowledged is None
    assert world.sent == b""
    assert not new.ended


def test_what_was_left_in_the_module_when_its_id_was_freed_is_missed() -> None:
    world = World()
    listener = listen(world, "buffer")
    world.say(incoming(11) + line('+QIURC: "recv",11') + closed(11) + incoming(11, port=51001))
    world.wait(1.0)
    inherits(world, 11, access=0)
    old = accept(world, listener)
    with pytest.raises(SocketLost, match="freed"):
        receive(world, old)


def test_an_id_that_is_opened_anew_is_not_closed_by_its_earlier_owner() -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(1) + closed(1))
    inherits(world, 1)
    old = accept(world, listener)
    world.wait(0.1)
    used = answer('+QISTATE: 0,"TCP LISTENER","10.0.0.7",0,7000,3,0,1,"uart1"')
    world.on("AT+QISTATE", used)
    world.on('AT+QIOPEN=1,"TCP","h",80,0,2', CONNECT)
    stream = world.drive(open_channel(world.link, "h", 80, "transparent"))
    world.forget()
    with pytest.raises(PeerClosed):
        receive(world, old)
    assert world.sent == b""
    assert stream.connect_id == 1


def test_clients_that_nobody_wants_are_bounded() -> None:
    world = World()
    listener = listen(world)
    for port in range(MAX_WAITING + 5):
        world.link.receive(incoming(11, port=50000 + port) + push(11, b"x") + closed(11), world.now)
    assert (listener.waiting, listener.dropped) == (MAX_WAITING, 5)
    assert accept(world, listener).peer[1] == 50005
    assert len(world.link.sinks) == 2


# ---- manual


def test_the_module_is_asked_for_clients() -> None:
    """W32: no line tells of a client that waits."""
    world = World()
    listener = listen(world, manual=True)
    world.on("AT+QIACCEPT=0,1", OK)
    world.on("AT+QIACCEPT=0,1", OK)
    world.on("AT+QIACCEPT=0,1", answer('+QIACCEPT: 11,"10.0.0.9",51000') + incoming(11) + push(11, b"hello"))
    inherits(world, 11)
    begin = world.now
    stream = accept(world, listener)
    assert world.now >= begin + 2 * POLL
    assert stream.peer == ("10.0.0.9", 51000)
    assert receive(world, stream) == b"hello"
    assert listener.waiting == 0


@pytest.mark.parametrize("after", [None, 0.005, 0.05])
def test_the_line_that_follows_an_accept_may_come_late_or_not_at_all(after: float | None) -> None:
    world = World()
    listener = listen(world, manual=True)
    late = [] if after is None else [(after, incoming(11))]
    world.on("AT+QIACCEPT=0,1", answer('+QIACCEPT: 11,"10.0.0.9",51000'), *late, (0.1, push(11, b"hello")))
    inherits(world, 11)
    stream = accept(world, listener)
    assert receive(world, stream) == b"hello"
    world.wait(1.0)
    assert listener.waiting == 0
    world.on("AT+QIACCEPT=0,1", answer('+QIACCEPT: 11,"10.0.0.9",51001') + incoming(11, port=51001))
    inherits(world, 11)
    assert accept(world, listener).peer[1] == 51001
    world.wait(1.0)
    assert listener.waiting == 0


def test_the_line_that_follows_an_accept_may_come_behind_the_next_question() -> None:
    world = World()
    listener = listen(world, manual=True)
    world.on("AT+QIACCEPT=0,1", answer('+QIACCEPT: 11,"10.0.0.9",51000'))
    inherits(world, 11)
    stream = accept(world, listener)
    world.on("AT+QIACCEPT=0,1", OK + incoming(11) + push(11, b"hello"))
    world.on("AT+QIACCEPT=0,1", OK, always=True)
    with pytest.raises(TimeoutError):
        accept(world, listener, 1.0)
    assert receive(world, stream) == b"hello"


def test_a_line_that_never_followed_an_accept_is_not_waited_for_for_ever() -> None:
    """The next client of that id is announced by a line alone: somebody has switched tcp/accept on again."""
    world = World()
    listener = listen(world, manual=True)
    world.on("AT+QIACCEPT=0,1", answer('+QIACCEPT: 11,"10.0.0.9",51000'))
    inherits(world, 11)
    accept(world, listener)
    world.on("AT+QIACCEPT=0,1", OK, (0.05, incoming(11, port=51001)))
    inherits(world, 11)
    assert accept(world, listener).peer[1] == 51001


def test_a_deadline_of_a_manual_listener() -> None:
    world = World()
    listener = listen(world, manual=True)
    world.on("AT+QIACCEPT=0,1", OK, always=True)
    begin = world.now
    with pytest.raises(TimeoutError, match="accepting"):
        accept(world, listener, 1.0)
    assert world.now == pytest.approx(begin + 1.0, abs=0.05)
    world.forget()
    with pytest.raises(TimeoutError):
        accept(world, listener, 0.0)
    assert world.sent == b"AT+QIACCEPT=0,1\r\n"


def test_an_accept_that_the_module_refuses_says_why() -> None:
    world = World()
    listener = listen(world, manual=True)
    world.on("AT+QIACCEPT=0,1", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 560,"Socket accept failed"'))
    with pytest.raises(CommandError) as caught:
        accept(world, listener)
    assert caught.value.code == 560


def test_a_client_is_rejected() -> None:
    world = World()
    listener = listen(world, manual=True)
    world.on("AT+QIACCEPT=0,0", OK)
    world.drive(listener.reject())
    assert world.script.spent


def test_only_a_manual_listener_rejects() -> None:
    world = World()
    listener = listen(world)
    world.forget()
    with pytest.raises(UsageError, match="manual=True"):
        world.drive(listener.reject())
    assert world.sent == b""


# ---- interrupts


def test_a_client_whose_acceptance_is_interrupted_is_still_there() -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(11) + incoming(10))
    world.wait(0.1)
    world.on("AT+QISTATE=11")
    driver = world.start(listener.accept(None))
    world.wait(0.01)
    assert b"AT+QISTATE=11" in world.sent
    interrupt(world, driver)
    world.on("AT", OK, always=True)
    inherits(world, 11)
    assert accept(world, listener).connect_id == 11
    assert listener.waiting == 1


def test_a_client_let_in_for_somebody_who_has_gone_is_kept() -> None:
    world = World()
    listener = listen(world, manual=True)
    world.on("AT+QIACCEPT=0,1", (0.05, answer('+QIACCEPT: 11,"10.0.0.9",51000') + incoming(11)))
    driver = world.start(listener.accept(None))
    while b"AT+QIACCEPT" not in world.sent:
        world.step()
    interrupt(world, driver)
    world.wait(1.0)
    world.on("AT", OK, always=True)
    inherits(world, 11)
    assert accept(world, listener).connect_id == 11


def interrupt(world: World, driver: Driver[Any]) -> None:
    world.cancel(driver, Interrupt())
    assert isinstance(driver.error, Interrupt)


# ---- the end


def test_closing_ends_what_nobody_accepted_and_nothing_else() -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(11) + incoming(10) + incoming(9))
    inherits(world, 11)
    accepted = accept(world, listener)
    world.wait(0.1)
    for connect_id in (0, 10, 9):
        world.on(f"AT+QICLOSE={connect_id},1", OK)
    world.drive(listener.close())
    assert world.script.spent
    world.forget()
    world.drive(listener.close())
    assert world.sent == b""
    world.say(push(11, b"on"))
    assert receive(world, accepted) == b"on"
    for call in (listener.accept(None), listener.reject()):
        with pytest.raises(UsageError, match="closed"):
            world.drive(call)  # type: ignore[arg-type]


def test_a_client_that_comes_while_the_listener_is_closed_is_closed_too() -> None:
    world = World()
    listener = listen(world)
    world.on("AT+QICLOSE=0,1", incoming(11) + OK)
    world.on("AT+QICLOSE=11,1", OK)
    world.drive(listener.close())
    assert world.script.spent
    assert not world.link.sinks


def test_a_close_that_times_out_can_be_done_again() -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(11))
    world.wait(0.1)
    world.on("AT+QICLOSE=0,1", OK)
    world.on("AT+QICLOSE=11,1")
    with pytest.raises(CommandTimeout):
        world.drive(listener.close())
    world.on("AT", OK)
    world.on("AT+QICLOSE=11,1", OK)
    world.drive(listener.close())
    assert not world.link.sinks


@pytest.mark.parametrize(
    ("said", "why", "freed"),
    [(closed(0), "closed the listener", b"AT+QICLOSE=0,1\r\n"), (line("ready"), "restarted", b"")],
)
def test_a_listener_that_the_module_drops(said: bytes, why: str, freed: bytes) -> None:
    world = World()
    listener = listen(world)
    waiting = world.start(listener.accept(None))
    world.say(said)
    with pytest.raises(SocketLost, match=why):
        world.finish(waiting)
    world.forget()
    world.on("AT+QICLOSE=0,1", OK)
    world.drive(listener.close())
    assert world.sent == freed
    assert not world.link.sinks


def test_a_client_that_waited_when_the_module_restarted_brings_what_it_had_sent() -> None:
    world = World()
    listener = listen(world)
    world.say(incoming(11) + push(11, b"before") + line("ready"))
    world.wait(1.0)
    stream = accept(world, listener)
    assert receive(world, stream) == b"before"
    with pytest.raises(SocketLost, match="restarted"):
        receive(world, stream)
    with pytest.raises(SocketLost, match="restarted"):
        accept(world, listener)


def test_a_transport_that_is_lost() -> None:
    world = World()
    listener = listen(world)
    waiting = world.start(listener.accept(None))
    world.say(TransportLost("gone"))
    with pytest.raises(TransportLost):
        world.finish(waiting)


def test_an_opening_that_is_interrupted_frees_the_id() -> None:
    world = World()
    world.on('AT+QICFG="tcp/accept",1', OK)
    world.on("AT+QISTATE", OK)
    world.on(OPEN.format(access=1))
    opening = world.start(open_listener(world.link, 7000, "push", False))
    while b"QIOPEN" not in world.sent:
        world.step()
    world.on("AT", OK, always=True)
    world.on("AT+QICLOSE=0,1", OK)
    opening.resume(lambda: opening.turns.throw(Interrupt()))
    with pytest.raises(Interrupt):
        world.finish(opening)
    assert world.script.spent
    assert not world.link.sinks
    assert world.link.state is State.COMMAND
