"""A payload whose length nobody tells: where it ends, told byte by byte and in every cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fcm360w.closing import HOLD, PROBE, Intake, poured
from fcm360w.commands.http import ReadOutcome, ReadResponse, SendPost
from fcm360w.commands.system import Attention, Booted
from fcm360w.commands.tcp import Closed, Received
from fcm360w.errors import CommandError, CommandTimeout, Restarted
from fcm360w.inbox import INBOX
from fcm360w.states import State
from fcm360w.stats import Mark
from fcm360w.steps import Drained, Steps
from fcm360w.turns import perform
from scripted import CONNECT, ERROR, LATENCY, OK, World, cut_at, each_byte, line

READ = "AT+QHTTPREAD=60"
END = OK + line("+QHTTPREAD: 0")
TRAPS = (
    b"",
    b"hello",
    b"\r\nOK\r\n",
    b"a\r\nOK\r\n",
    b"a" + END,
    END + END,
    b'a\r\nOK\r\n\r\n+QIURC: "closed",3\r\n',
    b"a\r\nOK\r",
    b"\r\nready\r\n",
    b"\r\nNO CARRIER\r\n",
    b"\r\n\r\nOK\r\n\r\n",
    b"+++\x1a\x00\xff" + END + b"\r\n",
)


def intake(length: int | None = None) -> Intake:
    return Intake(Mark(INBOX), lambda begun: length)


def read(world: World, into: Intake, body: bytes, tail: bytes = END) -> bytes:
    """What is read of a body that comes in one burst with what follows it."""
    world.on(READ, CONNECT + body + tail)
    world.on(PROBE, ERROR, always=True)
    world.run(poured(ReadResponse(60), into))
    return bytes(into.pieces)


@pytest.mark.parametrize("body", TRAPS)
@pytest.mark.parametrize("cut", [None, each_byte])
def test_an_announced_length_is_read_to_the_byte(body: bytes, cut: Any) -> None:
    world = World()
    world.cut = cut or world.cut
    into = intake(len(body))
    assert read(world, into, body) == body
    assert not into.inferred
    assert world.sent == f"{READ}\r\n".encode()
    assert world.events() == []


@pytest.mark.parametrize("body", TRAPS)
@pytest.mark.parametrize("cut", [None, each_byte])
@pytest.mark.parametrize("wrong", [None, 1, 7, 1000])
def test_an_end_that_was_not_announced_or_elsewhere_is_found_out(body: bytes, cut: Any, wrong: int | None) -> None:
    world = World()
    world.cut = cut or world.cut
    into = intake(None if wrong is None else len(body) + wrong)
    assert read(world, into, body) == body
    assert into.inferred
    assert world.sent.endswith(f"{PROBE}\r\n".encode())
    assert world.events() == []


@pytest.mark.parametrize("length", [None, 9])
def test_every_cut(length: int | None) -> None:
    body = b"a\r\nOK\r\nbc"
    for offset in range(1, len(CONNECT + body + END)):
        world = World()
        world.cut = cut_at(offset)
        into = intake(length)
        assert read(world, into, body) == body
        assert into.inferred is (length is None)


def test_nothing_is_ended_before_its_announced_length() -> None:
    """Not even by the module's own lines, silence, and an answer to whatever is asked."""
    world = World()
    body = b"a" + END + ERROR + END + b"the end"
    into = intake(len(body))
    world.on(READ, CONNECT + body[:-7], (100 * LATENCY, body[-7:] + END))
    world.run(poured(ReadResponse(60), into))
    assert bytes(into.pieces) == body
    assert not into.inferred


def test_a_pause_behind_what_looks_like_the_end_ends_nothing() -> None:
    world = World()
    into = intake()
    world.on(READ, CONNECT + b"a" + END, (HOLD + 2.0, b"b" + END))
    world.on(PROBE)
    world.on(PROBE, ERROR + ERROR)  # the first was waiting in the module
    world.run(poured(ReadResponse(60), into))
    assert bytes(into.pieces) == b"a" + END + b"b"
    assert into.inferred


def test_an_answer_to_an_earlier_probe_is_not_the_commands() -> None:
    """The module reads what it was asked in the midst of a payload once it listens again."""
    world = World()
    into = intake()
    world.on(READ, CONNECT + b"a" + END, (HOLD + 2.0, b"b" + END + ERROR))
    world.on(PROBE)
    world.on(PROBE, ERROR)
    assert world.run(poured(ReadResponse(60), into)) == ReadOutcome(0)
    assert bytes(into.pieces) == b"a" + END + b"b"
    assert world.events() == []
    assert world.link.state is State.COMMAND


def test_payload_that_looks_like_the_answer_to_a_probe() -> None:
    world = World()
    into = intake()
    world.on(READ, CONNECT + b"a" + END, (HOLD + 2.0, ERROR + b"b" + END))
    world.on(PROBE)
    world.on(PROBE, ERROR, always=True)
    world.run(poured(ReadResponse(60), into))
    assert bytes(into.pieces) == b"a" + END + ERROR + b"b"


def test_lines_that_nobody_asked_for_come_between_the_final_result_and_the_late_line() -> None:
    for length in (None, 5):
        world = World()
        into = intake(length)
        told = line('+QIURC: "closed",3') + b'\r\n+QIURC: "recv",2,5\r\n\r\nOK\r\r\n'
        assert read(world, into, b"hello", OK + told + line("+QHTTPREAD: 0")) == b"hello"
        assert world.events() == [Closed(3), Received(2, b"\r\nOK\r")]


def test_lines_that_come_while_the_probe_is_out() -> None:
    world = World()
    into = intake()
    world.on(READ, CONNECT + b"hello" + END)
    world.on(PROBE, line('+QIURC: "closed",3') + ERROR + line('+QIURC: "closed",4'))
    world.run(poured(ReadResponse(60), into))
    assert bytes(into.pieces) == b"hello"
    assert world.events() == [Closed(3), Closed(4)]


def test_an_echo_of_the_probe() -> None:
    world = World()
    into = intake()
    world.on(READ, f"{READ}\r".encode() + CONNECT + b"hello" + END)
    world.on(PROBE, f"{PROBE}\r\n".encode() + ERROR)
    world.run(poured(ReadResponse(60), into))
    assert bytes(into.pieces) == b"hello"
    assert world.events() == []


@pytest.mark.parametrize("length", [None, 9])
def test_a_reading_that_fails_says_why(length: int | None) -> None:
    world = World()
    into = intake(length)
    world.on(PROBE, ERROR, always=True)
    world.on(READ, CONNECT + b"hel" + OK + line("+QHTTPREAD: 718"))
    with pytest.raises(CommandError, match="718, reading timed out") as caught:
        world.run(poured(ReadResponse(60), into))
    assert caught.value.code == 718
    assert bytes(into.pieces) == b"hel"


def test_nothing_to_read() -> None:
    world = World()
    world.on(READ, line("+CME ERROR: 705"))
    with pytest.raises(CommandError, match="no request to act on"):
        world.run(poured(ReadResponse(60), intake()))
    assert world.link.state is State.COMMAND


def test_time_runs_from_the_last_byte() -> None:
    world = World()
    into = intake(3)
    world.on("AT+QHTTPREAD=2", CONNECT, (2.5, b"a"), (5.0, b"b"), (7.5, b"c" + END))
    world.run(poured(ReadResponse(2), into))
    assert bytes(into.pieces) == b"abc"


def silent(world: World) -> None:
    """Reading breaks off in the midst of the body."""
    world.on("AT+QHTTPREAD=2", CONNECT + b"\x00garbage")
    with pytest.raises(CommandTimeout, match="no answer within"):
        world.run(poured(ReadResponse(2), intake(100)))


def test_what_comes_after_a_time_out_is_nobodys() -> None:
    world = World()
    silent(world)
    assert not world.link.adrift
    world.say(b'\r\n+QIURC: "closed",3\r\n more' + b"x" * 90 + END, 1.0)
    world.on("AT", OK, always=True)
    world.run(Attention())
    assert world.link.pour is None
    assert not [event for event in world.events() if isinstance(event, Closed)]


def test_what_never_ends_is_not_waited_for_for_ever() -> None:
    world = World()
    silent(world)
    begin = world.now
    world.on("AT", OK, always=True)
    world.run(Attention())
    assert world.now < begin + 10.0
    assert world.link.pour is None


def test_a_restart_in_the_midst() -> None:
    world = World()
    world.on(READ, CONNECT + b"hel", (1.0, b"\r\nready\r\n"))
    world.on(PROBE, ERROR)
    begin = world.now
    with pytest.raises(Restarted):
        world.run(poured(ReadResponse(60), intake(100)))
    assert world.now < begin + 20.0
    assert world.events() == [Booted()]


def test_who_is_interrupted_leaves_the_rest_to_be_poured_out() -> None:
    world = World()
    into = intake(9)
    world.on(READ, CONNECT + b"hel", (3.0, b"lo\r\nOK" + END))
    driver = world.start(perform(world.link, poured(ReadResponse(60), into)))
    world.step()
    world.wait(1.0)
    world.cancel(driver, KeyboardInterrupt())
    world.on("AT", OK, always=True)
    world.run(Attention())
    assert world.link.state is State.COMMAND
    assert bytes(into.pieces) == b"hel"


def test_the_port_is_not_read_while_nobody_takes_what_has_come() -> None:
    world = World()
    into = intake()
    world.on(READ, CONNECT, (0.1, bytes(INBOX)), (0.2, b"more"))
    world.start(perform(world.link, poured(ReadResponse(60), into)))
    world.step()
    world.wait(0.15)
    assert not world.link.has_room
    into.pieces.clear()
    assert world.link.has_room


def test_draining_takes_no_time_if_there_is_nothing() -> None:
    world = World()
    begin = world.now

    def flow() -> Steps[None]:
        yield Drained(60.0)

    world.run(flow())
    assert world.now == begin


# ---- bodies of requests


def test_a_body_is_invited_by_connect() -> None:
    world = World()
    world.on("AT+QHTTPPOST=5,60,60", CONNECT)
    world.on(b"hello", OK, (1.0, line("+QHTTPPOST: 0,201,7")))
    found = world.run(SendPost(b"hello"))
    assert (found.err, found.http_rsp_code, found.content_length) == (0, 201, 7)


def test_a_body_that_comes_too_late_is_told_without_a_final_result() -> None:
    world = World()
    world.write_limit = 40
    world.on("AT+QHTTPPOST=100,1,60", CONNECT, (2.0, line("+QHTTPPOST: 720")))
    world.on("AT", OK, always=True)

    def stuck() -> None:
        world.blocked = b"x" in world.sent

    original: Callable[[bytes], None] = world._hear

    def hear(data: bytes) -> None:
        original(data)
        stuck()

    world._hear = hear  # type: ignore[method-assign]
    with pytest.raises(CommandError, match="720, input timed out"):
        world.run(SendPost(b"x" * 100, 1))
    assert not world.link.out
    assert world.link.state is State.COMMAND


def test_who_waits_for_the_response_can_be_interrupted() -> None:
    world = World()
    world.on("AT+QHTTPPOST=5,60,60", CONNECT)
    world.on(b"hello", OK)
    driver = world.start(perform(world.link, SendPost(b"hello")))
    while world.link.state is not State.LATE:
        world.step()
    begin = world.now
    world.cancel(driver, KeyboardInterrupt())
    assert driver.done
    assert world.now == begin


def test_who_owes_a_body_sends_it_first() -> None:
    world = World()
    world.on("AT+QHTTPPOST=5,60,60", (5.0, CONNECT))
    world.on(b"hello", OK, (1.0, line("+QHTTPPOST: 0,200")))
    driver = world.start(perform(world.link, SendPost(b"hello")))
    world.step()
    world.wait(1.0)
    world.cancel(driver, KeyboardInterrupt())
    assert world.sent.endswith(b"hello")
