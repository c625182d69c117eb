"""Opening a stream: all of it, or nothing is left behind."""

from __future__ import annotations

import pytest

from fcm360w.channel import ACCESS
from fcm360w.commands import tcp
from fcm360w.errors import CommandError
from fcm360w.opening import open_channel
from fcm360w.states import State
from fcm360w.transparent import Transparent
from scripted import CONNECT, ERROR, OK, World, answer, line
from streaming import CLOSED, Interrupt, commanded, receive, recv_urc, state


def test_what_comes_in_one_burst_with_the_opening_belongs_to_the_stream() -> None:
    world = World()
    stream = commanded(world, "push", recv_urc(b"220 hello"))
    assert receive(world, stream) == b"220 hello"
    assert not world.events()


def test_what_an_earlier_stream_left_behind_does_not() -> None:
    world = World()
    world.say(CLOSED + recv_urc(b"old"))
    world.wait(1.0)
    stream = commanded(world, "push")
    with pytest.raises(TimeoutError):
        receive(world, stream, 9, 1.0)
    assert world.events() == [tcp.Closed(0), tcp.Received(0, b"old")]


def test_a_stream_that_cannot_be_opened_leaves_nothing_behind() -> None:
    world = World()
    for mode in ACCESS:
        world.on("AT+QISTATE", OK)
        world.on(f'AT+QIOPEN=0,"TCP","h",80,0,{int(ACCESS[mode])}', ERROR)
        world.on("AT+QIGETERROR", answer('+QIGETERROR: 564,"Socket connect failed"'))
        with pytest.raises(CommandError):
            world.drive(open_channel(world.link, "h", 80, mode))
    assert not world.link.sinks


@pytest.mark.parametrize("said", [b"", OK, OK + line("+QIOPEN: 0,0")])
def test_an_interrupted_opening_frees_the_id(said: bytes) -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"TCP","h",80,0,1', (0.0, said))
    driver = world.start(open_channel(world.link, "h", 80, "push"))
    while b"AT+QIOPEN" not in world.sent:
        world.step()
    world.link.receive(said, world.now)
    world.on("AT", OK, always=True)
    world.on("AT+QICLOSE=0,1", OK)
    driver.resume(lambda: driver.turns.throw(Interrupt()))
    assert driver.turn
    assert driver.turn.shielded
    with pytest.raises(Interrupt):
        world.finish(driver)
    assert world.script.spent
    assert state(world) is State.COMMAND
    assert not world.link.sinks


@pytest.mark.parametrize("early", [True, False])
def test_an_interrupted_opening_of_a_transparent_stream_leaves_data_mode(early: bool) -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"TCP","h",80,0,2', *([] if early else [(0.5, CONNECT)]))
    driver = world.start(open_channel(world.link, "h", 80, "transparent"))
    while b"AT+QIOPEN" not in world.sent:
        world.step()
    if early:
        world.link.receive(CONNECT, world.now)
    world.on(b"+++", (1.05, OK))
    world.on("AT+QICLOSE=0,1", OK)
    driver.resume(lambda: driver.turns.throw(Interrupt()))
    while b"+++" not in world.sent:
        world.step()
    world.on("AT", OK, always=True)
    with pytest.raises(Interrupt):
        world.finish(driver)
    assert b"AT+QICLOSE=0,1" in world.sent
    assert state(world) is State.COMMAND


def test_an_id_that_cannot_be_freed_at_once_is_freed_before_the_next_command() -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    driver = world.start(open_channel(world.link, "h", 80, "transparent"))
    while b"AT+QIOPEN" not in world.sent:
        world.step()
    driver.resume(lambda: driver.turns.throw(Interrupt()))
    with pytest.raises(Interrupt):  # the module says nothing: it is still opening
        world.finish(driver)
    assert b"AT+QICLOSE" not in world.sent
    assert state(world) is State.UNSURE
    for command in ("AT", "AT+QICLOSE=0,1", "AT+QISTATE"):
        world.on(command, OK)
    assert world.run(tcp.ListSockets()) == ()
    assert world.script.spent
    assert not world.link.unclosed


def test_open_channel_of_a_transparent_stream() -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on('AT+QIOPEN=0,"TCP","h",80,0,2', CONNECT + b"hello")
    stream = world.drive(open_channel(world.link, "h", 80, "transparent"))
    assert isinstance(stream, Transparent)
    assert receive(world, stream) == b"hello"
