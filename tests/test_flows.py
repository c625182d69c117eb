"""Procedures: waking a module, leaving data mode, telling a true NO CARRIER from a false one, joining, opening."""

from __future__ import annotations

from typing import Any

import pytest

from fcm360w.commands import tcp, wifi
from fcm360w.commands.tcp import Access, Sent
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError, UsageError
from fcm360w.events import Stray, Unparsed
from fcm360w.flows import recover, sockets, start
from fcm360w.flows import wifi as joining
from fcm360w.flows.leave import confirm, leave, resume
from fcm360w.flows.recover import Recovery, escaped
from fcm360w.states import State
from fcm360w.steps import EscapePolicy
from fcm360w.turns import perform
from scripted import CONNECT, ERROR, NO_CARRIER, OK, World, answer, cut_at, each_byte, line, transparent

POLICY = EscapePolicy()
GUARD = POLICY.guard_after
SOCKET = '+QISTATE: {},"TCP","10.0.0.9",8009,49152,2,{},0,"uart1"'
VERSION = answer("+QVERSION: FCM360W")
CLOSED = line('+QIURC: "closed",0')


def escapes(world: World) -> list[float]:
    """When `+++` was written; each must have been alone between silences."""
    found = []
    for i, (at, data) in enumerate(world.writes):
        if data == b"+++":
            assert i == 0 or at - world.writes[i - 1][0] >= POLICY.guard_before
            assert i + 1 == len(world.writes) or world.writes[i + 1][0] - at >= POLICY.guard_after
            found.append(at)
    return found


# ---- wake


def quiet(world: World, *lines: str) -> None:
    """The second half of a wake-up, without incident."""
    world.on("AT+QVERSION", VERSION)
    world.on("ATE0", OK)
    world.on("AT+QECHO=0", OK)
    world.on("AT+QISTATE", answer(*lines))
    world.on("AT+QSSLSTATE", OK, always=True)
    world.on("AT+QFOPEN?", OK, always=True)


def wake(world: World) -> start.Found:
    found = world.run(start.wake(POLICY), trusting=True)
    assert world.link.state is State.COMMAND
    assert world.script.spent
    return found


def test_wake_of_a_module_that_answers() -> None:
    world = World()
    begin = world.now
    world.on("AT", OK)
    quiet(world)
    assert wake(world) == start.Found(False, ())
    assert world.sent == b"AT\r\nAT+QVERSION\r\nATE0\r\nAT+QECHO=0\r\nAT+QISTATE\r\nAT+QSSLSTATE\r\nAT+QFOPEN?\r\n"
    assert world.now < begin + 0.1


def test_wake_strips_the_echo() -> None:
    world = World()
    world.on("AT", b"AT\r" + OK)
    world.on("AT+QVERSION", VERSION)
    world.on("ATE0", b"ATE0\r" + ERROR)
    world.on("AT+QECHO=0", b"AT+QECHO=0\r" + OK)
    world.on("AT+QISTATE", OK)
    world.on("AT+QSSLSTATE", OK)
    world.on("AT+QFOPEN?", OK)
    assert wake(world) == start.Found()
    assert not world.events()


@pytest.mark.parametrize("first", [OK, ERROR])
@pytest.mark.parametrize("second", [OK, ERROR])
def test_neither_way_to_switch_the_echo_must_succeed(first: bytes, second: bytes) -> None:
    world = World()
    world.on("AT", OK)
    world.on("AT+QVERSION", VERSION)
    world.on("ATE0", first)
    world.on("AT+QECHO=0", second)
    world.on("AT+QISTATE", OK)
    world.on("AT+QSSLSTATE", OK)
    world.on("AT+QFOPEN?", OK)
    wake(world)


def test_wake_frees_the_sockets_of_an_earlier_owner() -> None:
    world = World()
    world.on("AT", OK)
    quiet(world, SOCKET.format(2, 2), SOCKET.format(7, 7))
    world.on("AT+QICLOSE=2,1", OK)
    world.on("AT+QICLOSE=7,1", ERROR)
    assert wake(world) == start.Found(False, (2, 7))


def test_wake_closes_the_files_of_an_earlier_owner() -> None:
    world = World()
    world.on("AT", OK)
    world.on("AT+QFOPEN?", answer('+QFOPEN: "UFS:log",1,0', '+QFOPEN: "ca.pem",4,2'))
    quiet(world)
    world.on("AT+QFCLOSE=1", OK)
    world.on("AT+QFCLOSE=4", ERROR)
    assert wake(world) == start.Found(files=("log", "ca.pem"))


def test_wake_of_a_module_that_cannot_list_sockets() -> None:
    world = World()
    world.on("AT", OK)
    world.on("AT+QVERSION", VERSION)
    world.on("ATE0", OK)
    world.on("AT+QECHO=0", OK)
    world.on("AT+QISTATE", ERROR)
    world.on("AT+QSSLSTATE", ERROR)
    world.on("AT+QFOPEN?", ERROR)
    assert wake(world) == start.Found()


def test_half_a_line_of_an_earlier_owner_is_ended() -> None:
    world = World()
    world.on("AT", ERROR)
    world.on("AT", OK)
    quiet(world)
    assert wake(world) == start.Found()


@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_wake_of_a_module_in_data_mode(cut: Any) -> None:
    world = World(cut=cut)
    world.on("AT")
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT", OK)
    quiet(world, SOCKET.format(0, 0))
    world.on("AT+QICLOSE=0,1", OK)
    assert wake(world) == start.Found(True, (0,))
    assert len(escapes(world)) == 1


def test_what_the_peer_sent_to_an_earlier_owner_is_stray() -> None:
    world = World()
    world.on("AT", (0.01, b"chatter"))
    world.on(b"+++", (0.2, b" and lines\r\nOK\r\nmore"), (GUARD + 0.02, b"!" + OK))
    world.on("AT", OK)
    quiet(world)
    assert wake(world).data_mode
    stray = b"".join(event.data for event in world.events() if isinstance(event, Stray))
    assert stray == b"chatter and lines\r\nOK\r\nmore!"


def test_wake_of_a_module_that_is_starting() -> None:
    world = World()
    world.say(line("ready"), 3.0)
    world.on("AT")
    world.on(b"+++\r\n", ERROR)
    world.on("AT", OK)
    quiet(world)
    assert wake(world) == start.Found()


def test_a_payload_begun_before_the_wake_does_not_swallow_what_follows() -> None:
    world = World()
    world.on("AT", b'\r\n+QIURC: "recv",3,1000\r\nbegun')
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT", OK)
    quiet(world)
    assert wake(world).data_mode


def test_a_module_that_never_answers() -> None:
    world = World()
    begin = world.now
    with pytest.raises(ProtocolError, match="does not answer AT"):
        world.run(start.wake(POLICY), trusting=True)
    assert recover.INPUT_LIMIT < world.now - begin < 3 * recover.INPUT_LIMIT
    assert len(escapes(world)) >= 2


@pytest.mark.parametrize("offset", range(1, 60))
def test_wake_cut_anywhere(offset: int) -> None:
    world = World(cut=cut_at(offset))
    world.on("AT", b"x")
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT", OK)
    quiet(world, SOCKET.format(3, 3))
    world.on("AT+QICLOSE=3,1", OK)
    assert wake(world) == start.Found(True, (3,))


@pytest.mark.parametrize("version", [OK, ERROR, b"", line("chatter") + VERSION, b"\r\n+QVERSION FCM\r\n" + OK])
def test_an_ok_that_a_peer_may_have_sent_is_not_believed(version: bytes) -> None:
    world = World()
    world.on("AT", OK)
    world.on("AT+QVERSION", version)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT", OK)
    quiet(world, SOCKET.format(0, 0))
    world.on("AT+QICLOSE=0,1", OK)
    assert wake(world) == start.Found(True, (0,))


@pytest.mark.parametrize("known", [line("ready"), line('+QSTASTAT: "GOT_IP"'), line('+QIURC: "recv",5,5') + b"hello"])
def test_what_a_module_says_of_itself_casts_no_doubt(known: bytes) -> None:
    world = World()
    world.on("AT", known + OK)
    quiet(world)
    assert wake(world) == start.Found()


def test_a_second_escape_if_the_first_ok_was_payload_too() -> None:
    world = World()
    world.on("AT", OK)
    world.on("AT+QVERSION", OK)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT", line("chatter") + OK)
    world.on("AT+QVERSION", OK)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT", OK)
    quiet(world)
    assert wake(world) == start.Found(True)
    assert len(escapes(world)) == 2


def test_a_text_that_is_typed_is_ended() -> None:
    world = World()
    for _ in range(4):
        world.on("AT")
    world.on(b"\x1b", ERROR)
    world.on("AT", OK)
    quiet(world)
    assert wake(world) == start.Found()
    silence = [later[0] - at for (at, _), later in zip(world.writes, world.writes[1:], strict=False)]
    assert max(silence) >= recover.INPUT_LIMIT


def test_a_payload_that_is_waited_for_without_limit_is_made_up() -> None:
    world = World()
    for _ in range(5):
        world.on("AT")
    world.on(b"\r\n" * 700, line("SEND OK"))
    world.on("AT", OK)
    quiet(world, SOCKET.format(0, 0))
    world.on("AT+QICLOSE=0,1", OK)
    assert wake(world) == start.Found(False, (0,), filled=True)


def test_escape_from_a_state_nobody_knows() -> None:
    world = World()
    world.on(b"+++")
    world.on("", ERROR)
    assert world.run(escaped(POLICY), trusting=True) == Recovery()
    assert world.link.state is State.COMMAND
    world.on(b"+++", (GUARD + 0.02, OK))
    assert world.run(escaped(POLICY), trusting=True) == Recovery(data_mode=True)


class Interrupt(BaseException):
    """Somebody has no more interest."""


def test_a_wake_that_is_interrupted_can_be_done_again() -> None:
    for after in (0.1, 1.0, 1.4, 2.0, 2.6):
        world = World()
        driver = world.start(perform(world.link, start.wake(POLICY), trusting=True))
        world.wait(after)
        world.cancel(driver, Interrupt())
        world.wait(1.0)
        assert world.link.state in (State.UNSURE, State.COMMAND)
        world.on("AT", OK)
        quiet(world)
        assert wake(world) == start.Found()


def test_the_silence_before_an_escape_begins_when_all_is_written() -> None:
    world = World()
    world.blocked = True
    driver = world.start(perform(world.link, tcp.GetSent(3)))
    world.cancel(driver, Interrupt())
    again = world.start(perform(world.link, escaped(POLICY), trusting=True))
    world.wait(5.0)
    assert not world.writes
    world.blocked = False
    world.on("AT+QISEND=3,0")
    world.on(b"+++", (GUARD + 0.02, OK))
    assert world.finish(again).data_mode
    assert len(escapes(world)) == 1


# ---- leave


def payload(world: World, stream: Any) -> bytes:
    found = bytes(stream.data.inbox)
    stream.data.inbox.clear()
    return found


def test_leave() -> None:
    world = World()
    transparent(world)
    world.on(b"+++", (GUARD + 0.02, OK))
    assert world.run(leave(POLICY)) is True
    assert world.link.state is State.COMMAND
    assert len(escapes(world)) == 1


@pytest.mark.parametrize("early", [0.0, 0.3, GUARD - 0.01, POLICY.after, POLICY.after + POLICY.answer - 0.03])
def test_the_answer_to_the_escape_may_come_early_or_late(early: float) -> None:
    world = World()
    transparent(world)
    world.on(b"+++", (early, OK))
    assert world.run(leave(POLICY)) is True


def test_payload_that_comes_while_leaving_is_kept() -> None:
    world = World()
    stream = transparent(world)
    world.on(
        b"+++", (0.1, b"abc"), (0.5, OK), (0.7, OK + b"def"), (0.9, NO_CARRIER), (GUARD, b"ghi"), (GUARD + 0.02, OK)
    )
    assert world.run(leave(POLICY)) is True
    assert payload(world, stream) == b"abc" + OK + OK + b"def" + NO_CARRIER + b"ghi"


@pytest.mark.parametrize(
    "tail", [b"\r", b"\r\n", b"\r\nO", b"\r\nOK", b"\r\nOK\r", b"\r\nNO CARRIER\r", OK, NO_CARRIER]
)
def test_payload_that_ends_like_a_marker_before_the_answer(tail: bytes) -> None:
    for then, later in ((GUARD, GUARD), (GUARD, GUARD + 0.001), (0.5, POLICY.after + POLICY.answer - 0.03)):
        world = World()
        stream = transparent(world)
        world.on(b"+++", (then, b"abc" + tail), (later, OK))
        assert world.run(leave(POLICY)) is True
        assert payload(world, stream) == b"abc" + tail


def test_the_answer_may_be_a_long_way_behind_the_payload() -> None:
    """A slow wire, and a module that holds seconds of payload; its OK is the last in the line."""
    world = World()
    stream = transparent(world)
    pieces = [(0.1 * number, b"x" * 100) for number in range(60)]
    world.on(b"+++", *pieces, (6.0, OK))
    assert world.run(leave(POLICY)) is True
    assert len(escapes(world)) == 1
    assert payload(world, stream) == b"x" * 6000


def test_a_payload_without_end_does_not_put_off_the_verdict_for_ever() -> None:
    world = World()
    transparent(world)
    for number in range(1000):
        world.say(b"x", 0.1 * number)
    begin = world.now
    with pytest.raises(CommandTimeout):
        world.run(leave(POLICY))
    assert world.now - begin < POLICY.attempts * (POLICY.before + POLICY.after + POLICY.patience + 1.0)


def test_lines_after_the_answer_are_lines() -> None:
    world = World()
    transparent(world)
    world.on(b"+++", (GUARD + 0.02, OK + line('+QIURC: "recv",5,5')))
    world.say(b"hello\r\n" + line('+QIURC: "closed",7'), 3.0)
    assert world.run(leave(POLICY)) is True
    world.wait(3.0)
    assert world.events() == [tcp.Received(5, b"hello"), tcp.Closed(7)]


def test_no_carrier_while_leaving() -> None:
    world = World()
    transparent(world)
    world.on(b"+++", (0.3, b"last" + NO_CARRIER + CLOSED))
    world.on("", ERROR)
    stream = world.link.data
    assert world.run(leave(POLICY)) is False
    assert world.link.state is State.COMMAND
    assert stream
    assert stream.inbox == b"last"
    assert not world.events()
    assert world.sent.endswith(b"+++\r\n")


def test_no_carrier_before_the_escape() -> None:
    world = World()
    transparent(world)
    world.say(NO_CARRIER, 0.5)
    world.on(b"+++")
    world.on("")
    assert world.run(leave(POLICY)) is False


def test_leaving_is_tried_again() -> None:
    world = World()
    transparent(world)
    world.on(b"+++")
    world.on(b"+++", (GUARD + 0.02, OK))
    assert world.run(leave(POLICY)) is True
    assert len(escapes(world)) == 2


def test_leaving_fails() -> None:
    world = World()
    stream = transparent(world)
    world.say(b"still here", 2.0)
    with pytest.raises(CommandTimeout) as caught:
        world.run(leave(POLICY))
    assert (caught.value.command, caught.value.section) == ("+++", "2.3.11")
    assert len(escapes(world)) == POLICY.attempts
    assert payload(world, stream) == b"still here"
    assert world.link.state is State.UNSURE


def test_a_module_that_had_left_data_mode_unnoticed() -> None:
    world = World()
    transparent(world)
    for _ in range(POLICY.attempts):
        world.on(b"+++")
    world.on("", ERROR)
    world.on("AT", OK)
    assert world.run(leave(POLICY)) is False
    assert world.link.state is State.COMMAND


def test_bytes_stuck_on_the_way_put_off_the_escape() -> None:
    world = World()
    transparent(world)
    world.stuck = True
    begin = world.now
    driver = world.start(perform(world.link, leave(POLICY)))
    world.wait(5.0)
    assert not escapes(world)
    world.stuck = False
    world.on(b"+++", (GUARD + 0.02, OK))
    assert world.finish(driver) is True
    assert escapes(world)[0] >= begin + 5.0 + POLICY.guard_before


def test_bytes_stuck_for_ever_are_told() -> None:
    world = World()
    transparent(world)
    world.stuck = True
    with pytest.raises(CommandTimeout):
        world.run(leave(POLICY))
    assert not escapes(world)
    assert world.link.state is State.DATA


# ---- confirm


def back() -> Any:
    return resume(0)


def suspicious(world: World, data: bytes = NO_CARRIER) -> Any:
    """In data mode, with what may be NO CARRIER withheld and a silence after it."""
    stream = transparent(world)
    world.say(data)
    world.wait(0.5)
    assert world.link.state is State.SUSPECT
    world.forget()
    return stream


@pytest.mark.parametrize("echo", [ERROR, b""])
@pytest.mark.parametrize("rest", [b"", CLOSED, line('+QIURC: "recv",5,3') + b"abc\r\n" + CLOSED])
def test_a_true_no_carrier(echo: bytes, rest: bytes) -> None:
    world = World()
    stream = suspicious(world, b"last" + NO_CARRIER + rest)
    world.on("", echo)
    assert world.run(confirm(POLICY, back)) is True
    assert payload(world, stream) == b"last"
    assert not escapes(world)[1:]
    assert world.events() == ([tcp.Received(5, b"abc")] if b"recv" in rest else [])
    assert stream.ended == bool(rest)


def test_a_false_no_carrier() -> None:
    world = World()
    stream = suspicious(world, b"last" + NO_CARRIER)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("ATO", CONNECT + b"more")
    assert world.run(confirm(POLICY, back)) is False
    assert world.link.state is State.DATA
    assert world.link.data is not stream.data
    assert payload(world, stream) == b"last" + NO_CARRIER
    assert world.link.data
    assert world.link.data.inbox == b"more"


def test_a_false_no_carrier_with_lines_after_it() -> None:
    world = World()
    stream = suspicious(world, NO_CARRIER + CLOSED)
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("ATO", CONNECT)
    assert world.run(confirm(POLICY, back)) is False
    assert payload(world, stream) == NO_CARRIER + CLOSED
    assert not world.events()


def test_a_suspicion_that_dissolves_while_silence_is_kept() -> None:
    world = World()
    stream = suspicious(world)
    world.say(b"more", 0.2)
    assert world.run(confirm(POLICY, back)) is False
    assert world.link.state is State.DATA
    assert payload(world, stream) == NO_CARRIER + b"more"
    assert world.sent == b""


def test_a_suspicion_that_dissolves_while_the_escape_is_out() -> None:
    world = World()
    stream = suspicious(world)
    world.on(b"+++", (0.2, b"more"), (GUARD + 0.02, OK))
    world.on("ATO", CONNECT)
    assert world.run(confirm(POLICY, back)) is False
    assert payload(world, stream) == NO_CARRIER + b"more"


def test_the_peer_closes_while_a_false_suspicion_is_examined() -> None:
    world = World()
    stream = suspicious(world)
    world.on(b"+++", (GUARD + 0.02, OK + CLOSED))
    world.on("ATO", NO_CARRIER)
    assert world.run(confirm(POLICY, back)) is True
    assert payload(world, stream) == NO_CARRIER
    assert not world.events()
    assert stream.ended


def test_no_carrier_twice_and_only_the_second_is_true() -> None:
    world = World()
    stream = suspicious(world, NO_CARRIER + NO_CARRIER)
    world.on("", ERROR)
    assert world.run(confirm(POLICY, back)) is True
    assert payload(world, stream) == NO_CARRIER


def test_a_true_no_carrier_comes_while_a_false_one_is_examined() -> None:
    world = World()
    stream = suspicious(world)
    world.on(b"+++", (0.2, NO_CARRIER + CLOSED))
    world.on("", ERROR)
    assert world.run(confirm(POLICY, back)) is True
    assert payload(world, stream) == NO_CARRIER


# ---- join


ADDRESSES = wifi.Addresses("10.0.0.7", "10.0.0.1", "255.255.255.0", "10.0.0.1")
JOIN = 'AT+QSTAAPINFO="hall","opensesame"'
HOTSPOT = "+QGETWIFISTATE: ssid=hall,bssid=b,rssi=-52"


def change(name: str) -> bytes:
    return line(f'+QSTASTAT: "{name}"')


def join(world: World, password: str | None = "opensesame", seconds: float = 30.0) -> wifi.Addresses:
    return world.run(joining.join("hall", password, seconds))


def joins(world: World, *after: Any, first: bytes = ERROR) -> None:
    world.on("AT+QGETWIFISTATE", first)
    world.on(JOIN, OK, *after)
    world.on('AT+QGETIP="station"', answer('+QGETIP: "10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"'))


@pytest.mark.parametrize("first", [ERROR, OK, answer("+QGETWIFISTATE: DISCONNECT")], ids=["error", "ok", "text"])
def test_join(first: bytes) -> None:
    world = World()
    joins(world, (1.0, change("WLAN_CONNECTED")), (3.0, change("GOT_IP")), first=first)
    assert join(world) == ADDRESSES
    assert world.script.spent
    assert [row for row in world.events() if not isinstance(row, Unparsed)] == [
        wifi.StationEvent(wifi.StationChange.CONNECTED)
    ]


def test_join_in_one_burst() -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", ERROR)
    world.on(JOIN, OK + change("WLAN_CONNECTED") + change("GOT_IP"))
    world.on('AT+QGETIP="station"', answer('+QGETIP: "10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"'))
    assert join(world) == ADDRESSES


@pytest.mark.parametrize("password", [None, ""])
def test_join_an_open_hotspot(password: str | None) -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", ERROR)
    world.on('AT+QSTAAPINFO="hall"', OK, (1.0, change("GOT_IP")))
    world.on('AT+QGETIP="station"', answer('+QGETIP: "10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"'))
    assert join(world, password) == ADDRESSES


@pytest.mark.parametrize("parting", [change("WLAN DISCONNECTED"), change("WLAN_DISCONNECTED"), b""])
def test_join_elsewhere_leaves_first(parting: bytes) -> None:
    world = World()
    world.on("AT+QSTASTOP", OK + parting)
    joins(world, (1.0, change("GOT_IP")), first=answer(HOTSPOT))
    assert join(world) == ADDRESSES
    assert world.script.spent


@pytest.mark.parametrize(
    ("name", "reason"),
    [("SCAN_NO_AP", "no such hotspot"), ("WLAN DISCONNECTED", "password"), ("WLAN_DISCONNECTED", "password")],
)
def test_join_fails(name: str, reason: str) -> None:
    world = World()
    joins(world, (1.0, change(name)))
    with pytest.raises(CommandError, match=reason) as caught:
        join(world)
    assert caught.value.command == 'AT+QSTAAPINFO="hall","***"'
    assert caught.value.section == "3.1.1"
    assert "opensesame" not in str(caught.value)


def test_join_refused() -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", ERROR)
    world.on(JOIN, ERROR)
    with pytest.raises(CommandError) as caught:
        join(world)
    assert caught.value.command == 'AT+QSTAAPINFO="hall","***"'


def test_join_without_an_end() -> None:
    world = World()
    joins(world, (1.0, change("WLAN_CONNECTED")))
    world.on("AT+QSTASTOP", OK)
    begin = world.now
    with pytest.raises(CommandTimeout) as caught:
        join(world, seconds=12.0)
    assert world.now == pytest.approx(begin + 12.0, abs=0.2)
    assert "opensesame" not in str(caught.value)


@pytest.mark.parametrize("stale", ["WLAN DISCONNECTED", "SCAN_NO_AP", "GOT_IP"])
@pytest.mark.parametrize("first", [ERROR, answer(HOTSPOT)])
def test_what_became_of_an_earlier_join_is_not_taken_for_this_ones_fate(stale: str, first: bytes) -> None:
    world = World()
    world.say(change(stale))
    world.wait(100.0)
    if first != ERROR:
        world.on("AT+QSTASTOP", OK, (0.05, change("WLAN DISCONNECTED")))
    joins(world, (1.0, change("SCAN_NO_AP")), (2.0, change("GOT_IP")), first=first)
    with pytest.raises(CommandError, match="no such hotspot"):
        join(world)


def test_join_checks_before_anything_is_sent() -> None:
    world = World()
    with pytest.raises(UsageError, match="pwd"):
        join(world, "short")
    assert world.sent == b""


def test_leave_the_hotspot() -> None:
    world = World()
    world.on("AT+QSTASTOP", OK)
    world.run(joining.leave())
    assert world.script.spent


# ---- sockets


def open_line(number: int, access: Access = Access.BUFFER) -> str:
    return f'AT+QIOPEN={number},"TCP","h",80,0,{int(access)}'


def test_connect_takes_the_lowest_free_id() -> None:
    for used, free in (((), 0), ((0,), 1), ((1, 2), 0), ((0, 1, 3), 2), (tuple(range(11)), 11)):
        world = World()
        world.on("AT+QISTATE", answer(*(SOCKET.format(number, number) for number in used)))
        world.on(open_line(free), OK, line(f"+QIOPEN: {free},0"))
        assert world.run(sockets.connect("h", 80, Access.BUFFER)) == free


def test_connect_with_no_id_left() -> None:
    world = World()
    world.on("AT+QISTATE", answer(*(SOCKET.format(number, number) for number in range(12))))
    with pytest.raises(UsageError, match="twelve"):
        world.run(sockets.connect("h", 80, Access.BUFFER))


def test_connect_checks_before_anything_is_sent() -> None:
    world = World()
    with pytest.raises(UsageError, match="remote_port"):
        world.run(sockets.connect("h", 65536, Access.BUFFER))
    with pytest.raises(UsageError, match="ip_address"):
        world.run(sockets.connect('"', 80, Access.BUFFER))
    assert world.sent == b""


@pytest.mark.parametrize("access", list(Access))
def test_connect_refused_without_a_code_asks_for_it(access: Access) -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on(open_line(0, access), ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 564,"Socket connect failed"'))
    with pytest.raises(CommandError) as caught:
        world.run(sockets.connect("h", 80, access))
    error = caught.value
    assert (error.code, error.reason, error.section) == (564, "Socket connect failed", "2.3.2")
    assert error.command == open_line(0, access)


def test_connect_refused_with_a_code_does_not_ask() -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on(open_line(0), OK, line("+QIOPEN: 0,563"))
    with pytest.raises(CommandError) as caught:
        world.run(sockets.connect("h", 80, Access.BUFFER))
    assert (caught.value.code, caught.value.reason) == (563, "Dns failed")
    assert b"QIGETERROR" not in world.sent


@pytest.mark.parametrize("reply", [ERROR, OK])
def test_a_module_that_cannot_explain(reply: bytes) -> None:
    world = World()
    world.on("AT+QISTATE", OK)
    world.on(open_line(0), ERROR)
    world.on("AT+QIGETERROR", reply)
    with pytest.raises(CommandError) as caught:
        world.run(sockets.connect("h", 80, Access.BUFFER))
    assert (caught.value.command, caught.value.code) == (open_line(0), None)


@pytest.mark.parametrize("reply", [OK, ERROR, b""])
def test_connect_that_times_out_frees_the_id(reply: bytes) -> None:
    world = World()
    begin = world.now
    world.on("AT+QISTATE", OK)
    world.on(open_line(0), OK)
    world.on("AT+QICLOSE=0,10", reply)
    with pytest.raises(CommandTimeout, match=r"QIOPEN=0.* \(manual 2\.3\.2\)"):
        world.run(sockets.connect("h", 80, Access.BUFFER))
    assert world.now >= begin + 150.0
    assert world.script.spent


@pytest.mark.parametrize("reply", [OK, ERROR])
def test_close_of_what_is_closed_is_no_error(reply: bytes) -> None:
    world = World()
    world.on("AT+QICLOSE=3,10", reply)
    world.run(sockets.close(3, 10.0))


@pytest.mark.parametrize(("seconds", "printed"), [(0.0, 1), (0.5, 1), (1.0, 1), (2.5, 3), (120.0, 120), (999.0, 120)])
def test_the_time_of_a_close_is_whole_seconds_within_the_manuals_bounds(seconds: float, printed: int) -> None:
    world = World()
    world.on(f"AT+QICLOSE=3,{printed}", OK)
    world.run(sockets.close(3, seconds))
    assert world.script.spent


def test_settle_waits_for_the_peer() -> None:
    world = World()
    for unacked in (700, 10, 0):
        world.on("AT+QISEND=3,0", answer(f"+QISEND: 1000,{1000 - unacked},{unacked}"))
    assert world.run(sockets.settle(3, 10.0)) == tcp.Sent(1000, 1000, 0)
    assert world.script.spent


def test_settle_gives_up() -> None:
    world = World()
    begin = world.now
    world.on("AT+QISEND=3,0", answer("+QISEND: 1000,300,700"), always=True)
    assert world.run(sockets.settle(3, 2.0)) == tcp.Sent(1000, 300, 700)
    assert begin + 2.0 <= world.now < begin + 4.0
    world.forget()
    assert world.run(sockets.settle(3, 0.0)) == tcp.Sent(1000, 300, 700)
    assert world.sent.count(b"QISEND") == 1


def test_settle_gives_up_early_on_a_peer_that_makes_no_progress() -> None:
    world = World()
    world.on("AT+QISEND=3,0", answer("+QISEND: 9,1,8"))
    world.on("AT+QISEND=3,0", answer("+QISEND: 9,4,5"), always=True)
    begin = world.now
    assert world.run(sockets.settle(3, 60.0, 1.0)) == Sent(9, 4, 5)
    assert 1.0 <= world.now - begin < 3.0


def test_settle_of_a_socket_that_is_gone() -> None:
    world = World()
    world.on("AT+QISEND=3,0", ERROR)
    assert world.run(sockets.settle(3, 2.0)) is None
