"""The protocol machine in command mode: answers, late lines, prompts, payloads, time-outs, loss."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.commands import system, tcp, wifi
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError, Restarted, TransportLost, UsageError
from fcm360w.events import Event, EventQueue, Lost, Overlong, Unparsed
from fcm360w.flows import probe, recover
from fcm360w.link import MAX_LINE
from fcm360w.pending import CROSSING, MARGIN
from fcm360w.settings import Get, Set
from fcm360w.states import State
from fcm360w.steps import Pause, Until, Within, until
from fcm360w.turns import perform
from fcm360w.wire import Ask, Reply
from scripted import (
    CONNECT,
    ERROR,
    NO_CARRIER,
    OK,
    PROMPT,
    TOKENS,
    Driver,
    World,
    answer,
    cut_at,
    each_byte,
    line,
    transparent,
)

CLOSED_3 = line('+QIURC: "closed",3')
GOT_IP = line('+QSTASTAT: "GOT_IP"')
OPEN = tcp.Open(3, tcp.Service.TCP, "h", 80)
OPEN_LINE = 'AT+QIOPEN=3,"TCP","h",80,0,0'
INFO = '+QISTATE: 3,"TCP","10.0.0.9",8009,49152,2,3,1,"uart1"'
SOCKET = tcp.SocketInfo(3, tcp.Service.TCP, "10.0.0.9", 8009, 49152, tcp.SocketState.CONNECTED, 3, tcp.Access.PUSH)


# ---- conversations: a command, what the module says, the result; each is run whole, byte by byte, and cut everywhere

GOOD: dict[str, tuple[Any, list[tuple[str | bytes, bytes]], object]] = {
    "ok": (system.Attention(), [("AT", OK)], None),
    "one line": (
        system.GetVersion(),
        [("AT+QVERSION", answer("+QVERSION: FCM360W A,B"))],
        system.Version("FCM360W A,B"),
    ),
    "echo": (
        system.GetVersion(),
        [("AT+QVERSION", b"AT+QVERSION\r" + answer("+QVERSION: FCM360W"))],
        system.Version("FCM360W"),
    ),
    "no space": (wifi.GetMacAddress(), [("AT+QWLMAC", answer("+QWLMAC:88:00"))], wifi.MacAddress("88:00")),
    "two lines": (tcp.ListSockets(), [("AT+QISTATE", answer(INFO, INFO))], (SOCKET, SOCKET)),
    "no lines": (tcp.ListSockets(), [("AT+QISTATE", OK)], ()),
    "info_compact": (
        tcp.ListSockets(),
        [("AT+QISTATE", f"\r\n{INFO}\r\n{INFO}\r\n".encode() + OK)],
        (SOCKET, SOCKET),
    ),
    "bare lines": (tcp.ListSockets(), [("AT+QISTATE", f"{INFO}\n{INFO}\nOK\n".encode())], (SOCKET, SOCKET)),
    "late line": (OPEN, [(OPEN_LINE, OK + line("+QIOPEN: 3,0"))], tcp.Opened(3, 0)),
    "late line early": (OPEN, [(OPEN_LINE, line("+QIOPEN: 3,0") + OK)], tcp.Opened(3, 0)),
    "late line of another": (
        OPEN,
        [(OPEN_LINE, OK + line("+QIOPEN: 4,564") + line("+QIOPEN: 3,0"))],
        tcp.Opened(3, 0),
    ),
    "prompt": (tcp.Send(3, b"hello"), [("AT+QISEND=3,5", PROMPT), (b"hello", line("SEND OK"))], True),
    "prompt and blank": (tcp.Send(3, b"hello"), [("AT+QISEND=3,5", b"\r\n> "), (b"hello", line("SEND OK"))], True),
    "prompt and line end": (
        tcp.Send(3, b"hello"),
        [("AT+QISEND=3,5", b"\r\n>\r\n"), (b"hello", line("SEND OK"))],
        True,
    ),
    "CONNECT as prompt": (tcp.Send(3, b"hello"), [("AT+QISEND=3,5", CONNECT), (b"hello", line("SEND OK"))], True),
    "echo and prompt": (
        tcp.Send(3, b"hello"),
        [("AT+QISEND=3,5", b"AT+QISEND=3,5\r" + PROMPT), (b"hello", line("SEND OK"))],
        True,
    ),
    "send fail": (tcp.Send(3, b"hello"), [("AT+QISEND=3,5", PROMPT), (b"hello", line("SEND FAIL"))], False),
    "ended by ctrl z": (tcp.SendUntil(3, b"hi"), [("AT+QISEND=3", PROMPT), (b"hi\x1a", line("SEND OK"))], True),
    "counted": (tcp.Read(3), [("AT+QIRD=3,1500", b"\r\n+QIRD: 5\r\nhello\r\n" + OK)], tcp.Data(b"hello")),
    "counted, empty": (tcp.Read(3), [("AT+QIRD=3,1500", b"\r\n+QIRD: 0\r\n" + OK)], tcp.Data(b"")),
    "counted, with sender": (
        tcp.Read(3),
        [("AT+QIRD=3,1500", b'\r\n+QIRD: 5,"10.0.0.9",5000,\r\nhello\r\n' + OK)],
        tcp.Data(b"hello", "10.0.0.9", 5000),
    ),
    "counted tokens": (
        tcp.Read(3),
        [("AT+QIRD=3,1500", b"\r\n+QIRD: %d\r\n" % len(b"".join(TOKENS)) + b"".join(TOKENS) + b"\r\n" + OK)],
        tcp.Data(b"".join(TOKENS)),
    ),
    "three shapes of QIRD": (
        tcp.GetReceiveCount(3),
        [("AT+QIRD=3,0", answer("+QIRD: 25,20,5"))],
        tcp.ReceiveCount(25, 20, 5),
    ),
    "option": (
        Get(tcp.PacketSize),
        [('AT+QICFG="transpktsize"', answer('+QICFG: "transpktsize",5'))],
        tcp.PacketSize(5),
    ),
    "set": (Set(tcp.PacketSize(5)), [('AT+QICFG="transpktsize",5', OK)], None),
    "test": (
        Ask(tcp.Close),
        [("AT+QICLOSE=?", answer("+QICLOSE: (0-11),(1-120)"))],
        "(0-11),(1-120)",
    ),
    "error text": (
        tcp.GetLastError(),
        [("AT+QIGETERROR", answer("+QIGETERROR: 552, Invalid parameters"))],
        tcp.LastError(552, "Invalid parameters"),
    ),
}


def converse(world: World, name: str) -> None:
    command, exchange, wanted = GOOD[name]
    for said, reply in exchange:
        world.on(said, reply)
    found = world.run(command)
    if isinstance(command, Ask):
        found = ",".join(support.text for support in found)
    assert found == wanted
    assert world.script.spent
    assert world.link.state is State.COMMAND


@pytest.mark.parametrize("name", GOOD)
def test_conversation(name: str) -> None:
    world = World()
    converse(world, name)
    expected = [tcp.Opened(4, 564)] if name == "late line of another" else []
    assert world.events() == expected


@pytest.mark.parametrize("name", GOOD)
def test_conversation_byte_by_byte(name: str) -> None:
    converse(World(cut=each_byte), name)


@pytest.mark.parametrize("name", GOOD)
def test_conversation_cut_at_every_offset(name: str) -> None:
    for offset in range(1, sum(len(reply) for _, reply in GOOD[name][1])):
        converse(World(cut=cut_at(offset)), name)


@pytest.mark.parametrize("name", GOOD)
def test_conversation_over_a_wire_that_takes_a_byte_at_a_time(name: str) -> None:
    world = World()
    world.write_limit = 1
    converse(world, name)


@pytest.mark.parametrize("name", [name for name in GOOD if "info_compact" not in name and "bare" not in name])
def test_an_unsolicited_line_may_come_between_any_two_lines(name: str) -> None:
    """Also within an answer, though the module is said to hold it back."""
    command, exchange, _ = GOOD[name]
    for which, (_, reply) in enumerate(exchange):
        for place in [i for i in range(len(reply) + 1) if _between_lines(reply, i)]:
            world = World()
            for i, (said, other) in enumerate(exchange):
                world.on(said, other[:place] + CLOSED_3 + other[place:] if i == which else other)
            found = world.run(command)
            assert found == (GOOD[name][2] if not isinstance(command, Ask) else found)
            world.wait(0.1)
            assert tcp.Closed(3) in world.events()


def _between_lines(reply: bytes, at: int) -> bool:
    """Not inside a line or a payload: where two line ends meet, or at the ends."""
    if b"+QIRD: " in reply and reply != answer("+QIRD: 25,20,5"):
        return at in (0, len(reply) - len(OK), len(reply))
    return at == 0 or (reply[at - 2 : at] == b"\r\n" and reply[at : at + 2] in (b"\r\n", b""))


# ---- refusals

BAD: dict[str, tuple[Any, list[tuple[str | bytes, bytes]], tuple[str, int | None, str | None]]] = {
    "error": (tcp.GetSent(3), [("AT+QISEND=3,0", ERROR)], ("ERROR", None, None)),
    "cme error": (tcp.GetSent(3), [("AT+QISEND=3,0", line("+CME ERROR: 706"))], ("+CME ERROR: 706", 706, None)),
    "cme error without space": (
        tcp.GetSent(3),
        [("AT+QISEND=3,0", line("+CME ERROR:706"))],
        ("+CME ERROR:706", 706, None),
    ),
    "cme error in words": (
        tcp.GetSent(3),
        [("AT+QISEND=3,0", line("+CME ERROR: no network"))],
        ("+CME ERROR: no network", None, None),
    ),
    "error instead of the prompt": (tcp.Send(3, b"hello"), [("AT+QISEND=3,5", ERROR)], ("ERROR", None, None)),
    "error after the payload": (
        tcp.Send(3, b"hello"),
        [("AT+QISEND=3,5", PROMPT), (b"hello", ERROR)],
        ("ERROR", None, None),
    ),
    "OK where SEND OK is due": (tcp.Send(3, b"hello"), [("AT+QISEND=3,5", PROMPT), (b"hello", OK)], ("OK", None, None)),
    "late fault": (
        OPEN,
        [(OPEN_LINE, OK + line("+QIOPEN: 3,564"))],
        ("+QIOPEN: 3,564", 564, "Socket connect failed"),
    ),
    "late fault before OK": (OPEN, [(OPEN_LINE, line("+QIOPEN: 3,563") + OK)], ("+QIOPEN: 3,563", 563, "Dns failed")),
    "late fault of no text": (OPEN, [(OPEN_LINE, OK + line("+QIOPEN: 3,999"))], ("+QIOPEN: 3,999", 999, "")),
    "no carrier": (tcp.Resume(), [("ATO", NO_CARRIER)], ("NO CARRIER", None, None)),
    "error instead of CONNECT": (
        tcp.SwitchMode(3, tcp.Access.TRANSPARENT),
        [("AT+QISWTMD=3,2", ERROR)],
        ("ERROR", None, None),
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_refusal(name: str, cut: Callable[[bytes], Iterator[bytes]]) -> None:
    command, exchange, (result, code, reason) = BAD[name]
    world = World(cut=cut)
    for said, reply in exchange:
        world.on(said, reply)
    with pytest.raises(CommandError) as caught:
        world.run(command)
    error = caught.value
    assert (error.command, error.result, error.code, error.reason) == (command.line(), result, code, reason)
    assert error.section == command.ref
    assert command.ref in str(error)
    assert world.link.state is State.COMMAND
    assert world.script.spent
    assert not world.events()


def test_no_carrier_is_no_answer_to_a_command_that_opens_no_stream() -> None:
    world = World()
    world.on("AT", NO_CARRIER + OK)
    world.run(system.Attention())
    assert world.events() == [tcp.NoCarrier()]


def test_an_answer_that_leaves_out_the_reply() -> None:
    world = World()
    world.on("AT+QISEND=3,0", OK)
    with pytest.raises(ProtocolError, match=r"AT\+QISEND=3,0: OK without \+QISEND"):
        world.run(tcp.GetSent(3))
    assert world.link.state is State.COMMAND


@pytest.mark.parametrize("banner", ["ready", "RDY"])
def test_a_module_that_restarts_owes_no_late_line(banner: str) -> None:
    world = World()
    world.on(OPEN_LINE, OK, (1.0, line(banner)))
    begin = world.now
    with pytest.raises(Restarted, match=r"QIOPEN=3.*: the module restarted \(manual 2.3.2\)"):
        world.run(OPEN)
    assert world.now == pytest.approx(begin + 1.0, abs=0.1)
    assert world.events() == [system.Booted()]


def test_a_module_that_restarts_owes_no_answer() -> None:
    world = World()
    world.on(TRANSPARENT.line(), (1.0, line("ready")))
    begin = world.now
    with pytest.raises(Restarted):
        world.run(TRANSPARENT)
    assert world.now == pytest.approx(begin + 1.0 + CROSSING, abs=0.1)


def test_a_command_that_crosses_the_banner_is_answered() -> None:
    world = World()
    world.on("AT+QWSCAN", (0.1, line("ready")), (4.0, OK))
    assert world.run(wifi.Scan()) == ()


def test_a_prompt_after_the_refusal_gets_nothing() -> None:
    world = World()
    world.on("AT+QISEND=3,5", ERROR + PROMPT)
    with pytest.raises(CommandError):
        world.run(tcp.Send(3, b"hello"))
    world.wait(1.0)
    assert b"hello" not in world.sent


def test_a_greater_sign_nobody_asked_for_is_a_line() -> None:
    world = World()
    world.on("AT", b"\r\n>\r\n" + OK)
    world.run(system.Attention())
    assert world.events() == [Unparsed(">")]


def test_what_comes_twice_is_not_fatal() -> None:
    """A second final result, as of a command that timed out long ago."""
    for twice in (OK + OK, OK + ERROR + line("+QIOPEN: 3,0"), line("SEND OK") + OK):
        world = World()
        world.on(OPEN_LINE, OK + twice + line("+QIOPEN: 3,0"))
        assert world.run(OPEN) == tcp.Opened(3, 0)
        assert world.link.state is State.COMMAND


def test_a_second_final_result_is_told() -> None:
    world = World()
    world.on("AT", OK + OK)
    world.run(system.Attention())
    assert world.events() == [Unparsed("OK")]


TRANSPARENT = tcp.Open(3, tcp.Service.TCP, "h", 80, 0, tcp.Access.TRANSPARENT)


@pytest.mark.parametrize("command", [TRANSPARENT, tcp.SwitchMode(3, tcp.Access.TRANSPARENT), tcp.Resume()])
@pytest.mark.parametrize("first", [b"", OK])
@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_connect_begins_data_mode(command: Any, first: bytes, cut: Any) -> None:
    """A module may say OK before CONNECT, though none is known to."""
    world = World(cut=cut)
    world.on(command.line(), first + CONNECT + b"payload")
    world.run(command)
    assert world.link.state is State.DATA
    world.wait(0.1)
    assert world.link.data
    assert world.link.data.inbox == b"payload"


@pytest.mark.parametrize("command", [TRANSPARENT, tcp.SwitchMode(3, tcp.Access.TRANSPARENT), tcp.Resume()])
@pytest.mark.parametrize("refusal", [ERROR, NO_CARRIER])
def test_ok_and_then_no_connect(command: Any, refusal: bytes) -> None:
    world = World()
    world.on(command.line(), OK, refusal)
    with pytest.raises(CommandError):
        world.run(command)
    assert world.link.state is State.COMMAND


def test_ok_is_no_connect() -> None:
    world = World()
    world.on("ATO", OK)
    with pytest.raises(CommandTimeout):
        world.run(tcp.Resume())


def test_a_connect_after_the_refusal_begins_nothing() -> None:
    for rest in (b"", b"\r\n+QNO: 1\r\n"):
        world = World()
        world.on("ATO", ERROR + CONNECT + rest)
        with pytest.raises(CommandError):
            world.run(tcp.Resume())
        world.on("AT", OK)
        world.run(system.Attention())
        assert world.events() == [Unparsed("CONNECT"), *([Unparsed("+QNO: 1")] if rest else [])]


# ---- what is not sent


def test_a_bad_parameter_sends_nothing() -> None:
    world = World()
    with pytest.raises(UsageError, match="connect_id"):
        world.run(tcp.GetSocket(12))
    assert world.sent == b""
    assert world.link.state is State.COMMAND
    world.on("AT", OK)
    world.run(system.Attention())


def test_a_line_too_long_for_the_module_is_refused() -> None:
    world = World()
    with pytest.raises(UsageError, match="1024"):
        world.run(tcp.Open(0, tcp.Service.TCP, "h" * 1100, 80))
    assert world.sent == b""


def test_what_is_no_step_is_refused() -> None:
    def flow() -> Iterator[object]:
        yield "AT"

    with pytest.raises(UsageError, match="'AT'"):
        World().run(flow())  # type: ignore[arg-type]


def test_commands_are_refused_while_streaming() -> None:
    world = World()
    transparent(world)
    world.forget()
    for flow in (system.Attention(), Within(system.Attention(), 1.0), tcp.Send(3, b"x")):
        with pytest.raises(UsageError, match="stream"):
            world.run(flow)
    assert world.sent == b""
    assert world.link.state is State.DATA


# ---- unsolicited lines

LINES = [
    ('+QSTASTAT: "GOT_IP"', wifi.StationEvent(wifi.StationChange.GOT_IP)),
    ("+QSTASTAT:GOT_IP", wifi.StationEvent(wifi.StationChange.GOT_IP)),
    ('+QSTASTAT: "WLAN DISCONNECTED"', wifi.StationEvent(wifi.StationChange.DISCONNECTED)),
    ("+QSTASTAT:WLAN_DISCONNECTED", wifi.StationEvent(wifi.StationChange.DISCONNECTED)),
    ('+QIURC: "closed",3', tcp.Closed(3)),
    ("+QIURC:closed,3", tcp.Closed(3)),
    ('+QIURC: "recv",3', tcp.Received(3)),
    ('+QIURC: "incoming",11,1,"10.0.0.9",51000', tcp.Incoming(11, 1, "10.0.0.9", 51000)),
    ('+QIURC: "incoming full"', tcp.IncomingFull()),
    ("+QIOPEN: 3,564", tcp.Opened(3, 564)),
    ("ready", system.Booted()),
    ("RDY", system.Booted()),
    ('+QSTASTAT: "FLYING"', Unparsed('+QSTASTAT: "FLYING"')),
    ('+QIURC: "closed"', Unparsed('+QIURC: "closed"')),
    ('+QIURC: "closed",x', Unparsed('+QIURC: "closed",x')),
    ('+QIURC: "unheard of",3', Unparsed('+QIURC: "unheard of",3')),
    ('+QIURC: "recv",3,1501', Unparsed('+QIURC: "recv",3,1501')),
    ("+QNO: 5", Unparsed("+QNO: 5")),
    ("hello", Unparsed("hello")),
    ("OK", Unparsed("OK")),
]


@pytest.mark.parametrize(("text", "row"), [each for each in LINES if not isinstance(each[1], Unparsed)])
def test_an_unsolicited_line_is_kept_as_it_came(text: str, row: Reply) -> None:
    world = World()
    world.say(line(text))
    world.wait(1.0)
    (event,) = world.events()
    assert (event, event.said) == (row, text)
    assert "said" not in repr(event)


@pytest.mark.parametrize(("text", "row"), LINES, ids=[text for text, _ in LINES])
@pytest.mark.parametrize("while_pending", [False, True])
def test_unsolicited(text: str, row: object, while_pending: bool) -> None:
    if while_pending and text == "OK":
        return
    world = World()
    if while_pending:
        world.on("AT", line(text) + OK)
        world.run(system.Attention())
    else:
        world.say(line(text))
        world.wait(1.0)
    assert world.events() == [row]
    assert world.link.unparsed == isinstance(row, Unparsed)
    assert world.link.state is State.COMMAND


def test_an_event_has_the_time_of_its_line() -> None:
    world = World()
    begin = world.now
    world.say(b'\r\n+QIURC: "recv",3,5\r\nhe', 1.0)
    world.say(b"llo\r\n", 2.0)
    world.wait(3.0)
    assert list(world.link.events) == [Event(begin + 1.0, tcp.Received(3, b"hello"))]


@pytest.mark.parametrize("payload", [b"hello", b"".join(TOKENS), b"", b"\r\n", b"\n", bytes(range(256)) * 5])
@pytest.mark.parametrize("trailer", [b"", b"\r\n"])
@pytest.mark.parametrize("sender", ["", ',"10.0.0.9",5000'])
def test_pushed_payload(payload: bytes, trailer: bytes, sender: str) -> None:
    header = f'\r\n+QIURC: "recv",3,{len(payload)}{sender}\r\n'.encode()
    row = tcp.Received(3, payload, *(("10.0.0.9", 5000) if sender else ()))
    for cut in (each_byte, lambda data: [data]):
        world = World(cut=cut)
        world.on("AT", header + payload + trailer + header + payload + trailer + OK)
        world.run(system.Attention())
        assert world.events() == [row, row]


@given(st.binary(max_size=1500), st.integers(0, 1600), st.booleans())
def test_any_pushed_payload_cut_anywhere(payload: bytes, offset: int, trailer: bool) -> None:
    world = World(cut=cut_at(offset))
    world.on("AT", b'\r\n+QIURC: "recv",3,%d\r\n' % len(payload) + payload + b"\r\n" * trailer + CLOSED_3 + OK)
    world.run(system.Attention())
    assert world.events() == [tcp.Received(3, payload), tcp.Closed(3)]


TEXT_RECV, HEX_RECV = (line('+QIURC: "recv",3,2') + data + b"\r\n" for data in (b"OK", b"4F4B"))
HEX = Set(tcp.DataFormat(tcp.Format.TEXT, tcp.Format.HEX))
HEX_LINE, TEXT_LINE = 'AT+QICFG="dataformat",0,1', 'AT+QICFG="dataformat",1,0'


@pytest.mark.parametrize("offset", range(len(TEXT_RECV + OK + HEX_RECV)))
def test_digits_are_counted_from_the_ok_of_the_option_on(offset: int) -> None:
    world = World(cut=cut_at(offset))
    world.on(HEX_LINE, TEXT_RECV + OK + HEX_RECV)
    world.run(HEX)
    world.on(TEXT_LINE, HEX_RECV + OK + TEXT_RECV)
    world.run(Set(tcp.DataFormat(tcp.Format.HEX, tcp.Format.TEXT)))
    assert [row.data for row in world.events() if isinstance(row, tcp.Received)] == [b"OK", b"4F4B", b"4F4B", b"OK"]


def test_digits_are_counted_in_what_is_read() -> None:
    world = World()
    world.on(HEX_LINE, OK)
    world.run(HEX)
    world.on("AT+QIRD=3,1500", line("+QIRD: 2") + b"4F4B\r\n" + OK)
    assert world.run(tcp.Read(3)) == tcp.Data(b"4F4B")


def test_an_option_that_is_refused_changes_nothing() -> None:
    world = World()
    world.on(HEX_LINE, ERROR + TEXT_RECV)
    with pytest.raises(CommandError):
        world.run(HEX)
    assert world.events() == [tcp.Received(3, b"OK")]


def test_a_restart_ends_the_digits() -> None:
    world = World()
    world.on(HEX_LINE, OK)
    world.run(HEX)
    world.say(line("ready"))
    world.wait(0.1)
    world.say(TEXT_RECV)
    world.wait(0.1)
    assert world.events() == [system.Booted(), tcp.Received(3, b"OK")]


def test_pushed_digits_behind_the_end_of_data_mode() -> None:
    """What follows NO CARRIER is the module's own however many lines it has, digits included."""
    world = World()
    world.on(HEX_LINE, OK)
    world.run(HEX)
    stream = transparent(world)
    world.say(NO_CARRIER + line('+QIURC: "recv",3,4') + b"4F4B4F4B\r\n" + CLOSED_3)
    world.wait(0.5)
    assert stream.data.suspected


def test_a_payload_rule_of_one_command_does_not_hold_for_the_next() -> None:
    world = World()
    world.on("AT", line("+QIRD: 5") + b"\r\nhello\r\n" + OK)
    world.run(system.Attention())
    assert world.events() == [Unparsed("+QIRD: 5"), Unparsed("hello")]


def test_a_rule_does_not_outlive_its_command() -> None:
    world = World()
    world.on("AT+QIRD=3,1500", b"\r\n+QIRD: 5\r\nhello\r\n" + OK)
    world.run(tcp.Read(3))
    world.say(line("+QIRD: 5") + line("+QNO: 1"))
    world.wait(0.1)
    assert world.events() == [Unparsed("+QIRD: 5"), Unparsed("+QNO: 1")]


def test_a_prompt_is_not_expected_for_ever() -> None:
    world = World()
    world.on("AT+QISEND=3,5", ERROR)
    with pytest.raises(CommandError):
        world.run(tcp.Send(3, b"hello"))
    world.say(b"\r\n>\r\n")
    world.wait(0.1)
    assert world.events() == [Unparsed(">")]


def test_overlong_line_is_told_and_passed_over() -> None:
    for size in (MAX_LINE + 1, MAX_LINE * 40):
        for cut in (lambda data: [data], cut_at(MAX_LINE + 10), cut_at(MAX_LINE)):
            world = World(cut=cut)
            world.on("AT", b"\r\n" + b"x" * size + b"\r\n" + OK)
            world.run(system.Attention())
            assert world.events() == [Overlong(size + 1)]


def test_two_overlong_lines_lose_no_byte_of_the_count() -> None:
    world = World()
    long = b"\r\n" + b"x" * (MAX_LINE + 1) + b"\r\n"
    world.on("AT", long + long + OK)
    world.run(system.Attention())
    events = world.events()
    assert sum(event.dropped for event in events if isinstance(event, Overlong)) == 2 * (MAX_LINE + 2)


def test_bytes_that_are_no_text_survive() -> None:
    world = World()
    world.say(b"\r\n+QNO: \xff\xfe\r\n")
    world.wait(1.0)
    (event,) = world.events()
    assert isinstance(event, Unparsed)
    assert event.text.encode("utf-8", "surrogateescape") == b"+QNO: \xff\xfe"


def test_a_name_that_is_no_text_can_be_joined() -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", b"\r\n+QGETWIFISTATE: ssid=\xff\xfe,bssid=b,rssi=-5\r\n" + OK)
    hotspot = world.run(wifi.GetHotspot())
    world.on(b'AT+QSTAAPINFO="\xff\xfe"\r\n', OK)
    world.run(wifi.Join(hotspot.ssid))
    assert world.script.spent


@given(st.lists(st.sampled_from([*TOKENS, b"\r", b"\n", b"x", b'"', b"+QIRD: 9\r\n", b"\xff", GOT_IP]), max_size=12))
def test_noise_is_never_fatal_and_never_lost(noise: list[bytes]) -> None:
    data = b"".join(noise)
    world = World()
    world.say(data)
    world.wait(1.0)
    assert world.link.received == len(data)
    assert world.link.state is State.COMMAND


@given(
    st.lists(
        st.sampled_from([*TOKENS, b"\r\n", b"x", line("+QIOPEN: 3,0"), line("+QIOPEN: 3,564"), GOT_IP]), max_size=6
    )
)
@pytest.mark.parametrize(
    "command", [OPEN, tcp.Send(3, b"hello"), tcp.Read(3), tcp.Resume()], ids=lambda c: type(c).__name__
)
def test_noise_in_an_answer_is_never_fatal(command: Any, noise: list[bytes]) -> None:
    world = World()
    world.on(command.line(), b"".join(noise[:3]), *noise[3:])
    with contextlib.suppress(CommandError, CommandTimeout, ProtocolError):
        world.run(command)
    world.wait(10.0)


# ---- the event queue


def test_the_event_queue_is_bounded_and_counts_what_it_drops() -> None:
    queue = EventQueue(limit=3)
    for number in range(5):
        queue.put(Event(float(number), tcp.Closed(number)))
    assert (len(queue), queue.dropped, queue.high_water) == (3, 2, 3)
    assert [event.at for event in queue] == [2.0, 3.0, 4.0]


def test_events_are_taken_by_kind_and_in_order() -> None:
    queue = EventQueue()
    for row in (tcp.Closed(1), tcp.Opened(1, 0), tcp.Closed(2)):
        queue.put(Event(0.0, row))
    assert queue.take(tcp.Opened) == Event(0.0, tcp.Opened(1, 0))
    assert queue.take(tcp.Opened) is None
    assert queue.take() == Event(0.0, tcp.Closed(1))
    queue.remove(Event(0.0, tcp.Closed(2)))
    assert not len(queue)


def test_a_flood_of_lines_is_bounded() -> None:
    world = World()
    world.say(CLOSED_3 * 10_000)
    world.wait(1.0)
    assert len(world.link.events) == world.link.events.limit
    assert world.link.events.dropped == 10_000 - world.link.events.limit


def test_a_sink_takes_what_it_wants() -> None:
    world = World()
    seen: list[Event] = []

    def sink(event: Event) -> bool:
        seen.append(event)
        return isinstance(event.row, tcp.Closed)

    world.link.sinks.append(sink)
    world.say(CLOSED_3 + GOT_IP)
    world.wait(1.0)
    assert len(seen) == 2
    assert world.events() == [wifi.StationEvent(wifi.StationChange.GOT_IP)]


# ---- steps


def test_until_takes_what_came_before_and_what_comes() -> None:
    world = World()
    world.say(CLOSED_3)
    world.wait(1.0)
    assert world.run(Until(tcp.Closed, 0.0)) == tcp.Closed(3)
    world.say(GOT_IP, 1.0)
    world.say(CLOSED_3, 2.0)
    begin = world.now
    assert world.run(Until(tcp.Closed, 5.0)) == tcp.Closed(3)
    assert world.now == pytest.approx(begin + 2.0)
    assert world.events() == [wifi.StationEvent(wifi.StationChange.GOT_IP)]


def test_until_leaves_what_does_not_match() -> None:
    world = World()
    world.say(line('+QIURC: "closed",1') + line('+QIURC: "closed",2'))
    assert world.run(Until(tcp.Closed, 1.0, lambda row: row.connect_id == 2)) == tcp.Closed(2)
    assert world.events() == [tcp.Closed(1)]


def test_until_runs_out_of_time() -> None:
    world = World()
    begin = world.now
    assert world.run(Until(tcp.Closed, 2.5)) is None
    assert world.now == pytest.approx(begin + 2.5)
    with pytest.raises(CommandTimeout, match=r"waiting for Closed: no answer within 2 s \(manual 3\.3\.1\)"):
        world.run(until(tcp.Closed, 2.0))


def test_pause_lets_lines_in() -> None:
    def flow() -> Iterator[Any]:
        yield Pause(2.0)

    world = World()
    world.say(CLOSED_3, 1.0)
    world.run(flow())  # type: ignore[arg-type]
    assert world.events() == [tcp.Closed(3)]


# ---- time


def test_a_command_times_out_in_the_manuals_time_and_a_margin() -> None:
    world = World()
    begin = world.now
    with pytest.raises(CommandTimeout) as caught:
        world.run(tcp.Close(3, 7))
    assert world.now == pytest.approx(begin + 7.0 + MARGIN)
    assert (caught.value.command, caught.value.seconds, caught.value.section) == ("AT+QICLOSE=3,7", 9.0, "2.3.3")
    assert world.link.state is State.UNSURE


def test_within_is_the_callers_time() -> None:
    world = World()
    begin = world.now
    with pytest.raises(CommandTimeout):
        world.run(Within(system.Attention(), 0.25))
    assert world.now == pytest.approx(begin + 0.25)


def test_a_late_line_is_waited_for_as_long_as_the_command() -> None:
    world = World()
    begin = world.now
    world.on(OPEN_LINE, OK)
    with pytest.raises(CommandTimeout) as caught:
        world.run(OPEN)
    assert world.now == pytest.approx(begin + 150.0 + MARGIN)
    assert caught.value.section == "2.3.2"


def test_a_slow_wire_gets_its_time() -> None:
    world = World(baud=1200)
    begin = world.now
    with pytest.raises(CommandTimeout):
        world.run(tcp.Send(3, bytes(1000)))
    assert world.now > begin + 15.0 + MARGIN + 1000 * 10 / 1200


def test_a_timed_out_option_names_its_section() -> None:
    with pytest.raises(CommandTimeout, match=r"manual 2\.3\.1"):
        World().run(Get(tcp.PacketSize))


# ---- after a time-out


def timed_out(command: Any = None) -> World:
    world = World()
    with pytest.raises(CommandTimeout):
        world.run(Within(command or tcp.GetSent(3), 1.0))
    world.forget()
    return world


def test_after_a_time_out_the_module_is_asked_whether_it_is_there() -> None:
    world = timed_out()
    world.on("AT", OK)
    world.on("AT+QISTATE", OK)
    assert world.run(tcp.ListSockets()) == ()
    assert world.sent == b"AT\r\nAT+QISTATE\r\n"
    assert world.link.state is State.COMMAND


def test_a_late_answer_is_not_taken_for_anothers() -> None:
    world = timed_out()
    world.on("AT", answer("+QISEND: 1,1,0"), (0.08, OK))
    world.on("AT+QISEND=4,0", answer("+QISEND: 7,7,0"))
    assert world.run(tcp.GetSent(4)) == tcp.Sent(7, 7, 0)
    assert world.events() == [Unparsed("+QISEND: 1,1,0"), Unparsed("OK")]


def test_a_connect_that_comes_too_late_is_left_again() -> None:
    world = timed_out(TRANSPARENT)
    world.say(CONNECT + b"payload", 1.0)
    world.wait(2.0)
    world.on(b"+++", (1.02, OK))
    world.on("AT", OK)
    world.on("AT+QISEND=4,0", answer("+QISEND: 7,7,0"))
    assert world.run(tcp.GetSent(4)) == tcp.Sent(7, 7, 0)
    assert world.script.spent
    assert world.sent.startswith(b"+++AT")  # a question would have gone to the peer
    assert world.link.state is State.COMMAND


def test_a_late_refusal_is_not_taken_for_anothers() -> None:
    world = timed_out()
    world.on("AT", ERROR + OK)
    world.on("AT", OK)
    world.on("AT+QISEND=4,0", answer("+QISEND: 7,7,0"))
    assert world.run(tcp.GetSent(4)) == tcp.Sent(7, 7, 0)


def test_an_answer_that_comes_before_anybody_asks_again_is_told() -> None:
    world = timed_out()
    world.say(answer("+QISEND: 1,1,0"))
    world.wait(1.0)
    assert world.events() == [Unparsed("+QISEND: 1,1,0"), Unparsed("OK")]
    assert world.link.state is State.UNSURE


def test_a_module_that_stays_silent_is_told_again() -> None:
    world = timed_out()
    for _ in range(2):
        with pytest.raises(CommandTimeout, match=r"^AT: "):
            world.run(tcp.ListSockets())
        assert world.link.state is State.UNSURE
    world.on("AT", OK, always=True)
    world.on("AT+QISTATE", OK)
    world.run(tcp.ListSockets())


def test_the_unsent_rest_of_a_command_that_timed_out_is_not_sent() -> None:
    world = World()
    world.write_limit = 0
    world._flush = lambda: None  # type: ignore[method-assign]
    with pytest.raises(CommandTimeout):
        world.run(tcp.GetSent(3))
    assert not world.link.out


def test_a_trusting_flow_does_not_ask_first() -> None:
    world = timed_out()
    world.on("AT+QISTATE", OK)
    world.run(tcp.ListSockets(), trusting=True)
    assert world.sent == b"AT+QISTATE\r\n"


# ---- interruption


class Interrupt(BaseException):
    """Somebody has no more interest."""


def interrupt(world: World, flow: Any, after: float = 0.005) -> None:
    driver = world.start(perform(world.link, flow))
    world.wait(after)
    world.cancel(driver, Interrupt())
    assert isinstance(driver.error, Interrupt)


@pytest.mark.parametrize("after", [0.0, 0.005])
def test_an_interrupted_command_leaves_the_link_usable(after: float) -> None:
    world = World()
    world.on("AT+QISEND=3,0", answer("+QISEND: 1,1,0"))
    interrupt(world, tcp.GetSent(3), after)
    world.on("AT", OK)
    world.on("AT+QISEND=4,0", answer("+QISEND: 7,7,0"))
    assert world.run(tcp.GetSent(4)) == tcp.Sent(7, 7, 0)
    assert world.link.state is State.COMMAND


def test_an_interrupted_wait_costs_nothing() -> None:
    world = World()
    interrupt(world, Until(tcp.Closed, 5.0))
    world.forget()
    world.on("AT", OK)
    world.run(system.Attention())
    assert world.sent == b"AT\r\n"


def test_interrupted_while_the_late_line_is_due() -> None:
    world = World()
    world.on(OPEN_LINE, (0.001, OK), (5.0, line("+QIOPEN: 3,0")))
    interrupt(world, OPEN)
    world.on("AT", OK, always=True)
    assert world.run(probe.probe())
    world.wait(6.0)
    assert tcp.Opened(3, 0) in world.events()


def test_after_an_interrupt_before_the_prompt_silence_comes_before_any_probe() -> None:
    """A probe would be taken for the payload, and go to the peer."""
    world = World()
    world.on("AT+QISEND=3,5", (0.02, PROMPT), (recover.INPUT_LIMIT - 0.5, ERROR))
    driver = world.start(perform(world.link, tcp.Send(3, b"hello")))
    world.wait(0.005)
    driver.cancel(Interrupt())
    begin = world.now
    world.forget()
    world.on("AT", OK)
    world.on("AT+QISEND=4,0", answer("+QISEND: 7,7,0"))
    assert world.run(tcp.GetSent(4)) == tcp.Sent(7, 7, 0)
    assert world.writes[0][0] >= begin + recover.INPUT_LIMIT
    assert not world.link.owing


def test_an_interrupt_after_the_payload_was_sent_costs_no_silence() -> None:
    world = World()
    world.on("AT+QISEND=3,5", PROMPT)
    world.on(b"hello")
    driver = world.start(perform(world.link, tcp.Send(3, b"hello")))
    world.wait(0.005)
    world.wait(0.1)
    assert world.sent.endswith(b"hello")
    driver.cancel(Interrupt())
    begin = world.now
    world.on("AT", line("SEND OK") + OK)
    world.on("AT+QISTATE", OK)
    world.run(tcp.ListSockets())
    assert world.now < begin + 1.0


@pytest.mark.parametrize("end", [b"\x1b", b"\r\n" * 700])
def test_a_prompt_without_a_limit_is_ended_by_force(end: bytes) -> None:
    world = World()
    driver = world.start(perform(world.link, tcp.Send(3, b"hello")))
    world.wait(0.1)
    driver.cancel(Interrupt())
    world.on(end, ERROR)
    world.on("AT", OK)
    world.on("AT+QISTATE", OK)
    world.run(tcp.ListSockets())
    assert world.link.state is State.COMMAND


# ---- order


def test_a_deadline_holds_in_the_queue_too() -> None:
    def pauses() -> Any:
        yield Pause(5.0)

    world = World()
    first = world.start(perform(world.link, pauses()))
    second = world.start(perform(world.link, system.Attention(), deadline=world.now + 1.0))
    begin = world.now
    with pytest.raises(TimeoutError):
        world.finish(second)
    assert begin + 1.0 <= world.now < begin + 2.0
    world.finish(first)
    assert world.sent == b""


def test_flows_run_in_the_order_they_were_asked_for() -> None:
    world = World()
    drivers = []
    for number in range(5):
        world.on(f"AT+QISEND={number},0", answer(f"+QISEND: {number},0,0"))
        drivers.append(world.start(perform(world.link, tcp.GetSent(number))))
    for number in reversed(range(5)):
        assert world.finish(drivers[number]).total_send_length == number
    assert world.sent == b"".join(b"AT+QISEND=%d,0\r\n" % number for number in range(5))


def test_a_flow_is_not_cut_into_by_another() -> None:
    def two() -> Iterator[Any]:
        yield tcp.GetSent(1)
        yield Pause(1.0)
        yield tcp.GetSent(2)

    world = World()
    for number in (1, 2, 3):
        world.on(f"AT+QISEND={number},0", answer(f"+QISEND: {number},0,0"))
    first: Driver[Any] = world.start(perform(world.link, two()))  # type: ignore[arg-type]
    second = world.start(perform(world.link, tcp.GetSent(3)))
    world.finish(second)
    assert first.done
    assert world.sent == b"AT+QISEND=1,0\r\nAT+QISEND=2,0\r\nAT+QISEND=3,0\r\n"


def test_an_interrupted_flow_makes_way() -> None:
    world = World()
    world.on("AT", OK, always=True)
    world.on("AT+QISEND=3,0", answer("+QISEND: 3,0,0"))
    first = world.start(perform(world.link, Until(tcp.Closed, 60.0)))
    second = world.start(perform(world.link, Until(tcp.Opened, 60.0)))
    third = world.start(perform(world.link, tcp.GetSent(3)))
    world.cancel(second, Interrupt())
    world.cancel(first, Interrupt())
    assert world.finish(third).total_send_length == 3


def test_an_error_in_one_flow_does_not_stop_the_next() -> None:
    world = World()
    world.on("AT+QISEND=1,0", ERROR)
    world.on("AT+QISEND=2,0", answer("+QISEND: 2,0,0"))
    first = world.start(perform(world.link, tcp.GetSent(1)))
    second = world.start(perform(world.link, tcp.GetSent(2)))
    assert world.finish(second).total_send_length == 2
    with pytest.raises(CommandError):
        first.result()


# ---- loss

RESET = ConnectionResetError(104, "Connection reset by peer")


def gone() -> TransportLost:
    return TransportLost("lost sim://", RESET)


def check_dead(world: World) -> None:
    assert world.link.state is State.DEAD
    losses = [row for row in world.events() if isinstance(row, Lost)]
    assert len(losses) == 1
    assert isinstance(losses[0].error, TransportLost)
    world.forget()
    with pytest.raises(TransportLost) as caught:
        world.run(system.Attention())
    assert caught.value.cause is RESET
    assert world.sent == b""
    assert world.link.deadline() is None


@pytest.mark.parametrize(
    ("flow", "script", "in_flight"),
    [
        (tcp.GetSent(3), [], "AT+QISEND=3,0"),
        (wifi.Join("hall", "geheim-4711"), [], 'AT+QSTAAPINFO="hall","***"'),
        (OPEN, [(OPEN_LINE, OK)], OPEN_LINE),
        (tcp.Send(3, b"hello"), [("AT+QISEND=3,5", PROMPT)], "AT+QISEND=3,5"),
        (Until(tcp.Closed, 60.0), [], None),
        (tcp.Read(3), [("AT+QIRD=3,1500", b"\r\n+QIRD: 5\r\nhe")], "AT+QIRD=3,1500"),
    ],
    ids=["pending", "secret", "late", "prompt", "until", "payload"],
)
def test_loss_while_waiting(flow: Any, script: list[tuple[str, bytes]], in_flight: str | None) -> None:
    world = World()
    for said, reply in script:
        world.on(said, reply)
    world.say(gone(), 0.2)
    with pytest.raises(TransportLost) as caught:
        world.run(flow)
    assert caught.value.in_flight == in_flight
    assert caught.value.errno == RESET.errno
    check_dead(world)


def test_loss_while_idle() -> None:
    world = World()
    world.say(gone())
    world.wait(1.0)
    check_dead(world)


def test_loss_while_unsure() -> None:
    world = timed_out()
    world.say(gone(), 0.5)
    with pytest.raises(TransportLost):
        world.run(tcp.ListSockets())
    check_dead(world)


def test_loss_reaches_all_who_wait() -> None:
    world = World()
    drivers = [world.start(perform(world.link, tcp.GetSent(number))) for number in range(3)]
    world.say(gone())
    for driver in drivers:
        with pytest.raises(TransportLost):
            world.finish(driver)
    assert [driver.error.in_flight for driver in drivers if isinstance(driver.error, TransportLost)] == [
        "AT+QISEND=0,0",
        None,
        None,
    ]
    check_dead(world)


def test_a_second_loss_is_not_told() -> None:
    world = World()
    world.link.lost(gone(), world.now)
    world.link.lost(gone(), world.now)
    check_dead(world)


# ---- trace


def traced(world: World) -> list[str]:
    lines: list[str] = []
    world.link.trace = lambda direction, text: lines.append(f"{direction} {text}")
    return lines


def test_the_trace_shows_the_wire_and_no_secret() -> None:
    world = World()
    lines = traced(world)
    secret = 'AT+QSTAAPINFO="hall","geheim-4711"'
    world.on(secret, secret.encode() + b"\r" + OK + GOT_IP)
    world.run(wifi.Join("hall", "geheim-4711"))
    world.on("AT+QISEND=3,5", PROMPT)
    world.on(b"hello", line("SEND OK"))
    world.run(tcp.Send(3, b"hello"))
    assert lines == [
        '> AT+QSTAAPINFO="hall","***"',
        "< OK",
        '< +QSTASTAT: "GOT_IP"',
        "> AT+QISEND=3,5",
        "> (5 bytes of payload)",
        "< SEND OK",
    ]


@pytest.mark.parametrize("before", ["", "half"])
def test_a_late_echo_tells_no_secret(before: str) -> None:
    world = World()
    lines = traced(world)
    secret = 'AT+QSTAAPINFO="hall","geheim-4711"'
    with pytest.raises(CommandTimeout):
        world.run(wifi.Join("hall", "geheim-4711"))
    world.on("AT", f"{before}{secret}\r".encode() + OK)
    world.run(system.Attention(), trusting=True)
    told = world.events()
    assert "geheim" not in f"{lines} {told}"
    assert told == ([Unparsed('halfAT+QSTAAPINFO="hall","***"')] if before else [])


def test_errors_of_a_command_with_a_secret_do_not_tell_it() -> None:
    for reply in (ERROR, line("+CME ERROR: 5"), b""):
        world = World()
        lines = traced(world)
        world.on('AT+QSTAAPINFO="hall","geheim-4711"', reply)
        with pytest.raises((CommandError, CommandTimeout)) as caught:
            world.run(wifi.Join("hall", "geheim-4711"))
        assert "geheim" not in f"{caught.value} {caught.value!r} {vars(caught.value)} {lines}"


def test_counters() -> None:
    world = World()
    world.on("AT", OK)
    world.run(system.Attention())
    assert (world.link.commands, world.link.written, world.link.received) == (1, len(b"AT\r\n"), len(OK))
