"""Streams under TLS against a module of few words: full buffers, lost answers, interrupted reads, NO CARRIER."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fcm360w.channel import ACCESS, Mode, Report
from fcm360w.commands.system import GetVersion
from fcm360w.contexts import Context, Pool, Terms
from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    Overrun,
    PeerClosed,
    SendTimeout,
    SocketLost,
    TransportLost,
    UsageError,
)
from fcm360w.opening import open_channel
from fcm360w.secured import Secured, SecureTransparent
from fcm360w.states import State
from scripted import CONNECT, ERROR, NO_CARRIER, OK, PROMPT, TOKENS, World, answer, each_byte, line
from streaming import GUARD, NASTY, Interrupt, gone, receive, receive_exactly, send, state

CLOSED = line('+QSSLURC: "closed",0')
GONE = answer('+QIGETERROR: 565,"Socket has been closed"')
FAILED = answer('+QIGETERROR: 564,"Socket connect failed"')


def context(world: World) -> Context:
    """Context 3, which is set up already."""
    return Context(world.link, Pool(), 3, Terms())


def secured(world: World, mode: Mode, first: bytes = b"", connect_id: int = 0) -> Secured:
    """A stream; `first` comes in one burst with the answer to its opening."""
    used = [f'+QSSLSTATE: {n},"SSLClient","10.0.0.9",8009,49152,2,{n},1,"uart1",3' for n in range(connect_id)]
    world.on("AT+QISTATE", answer())
    world.on("AT+QSSLSTATE", answer(*used))
    told = CONNECT if mode == "transparent" else OK + line(f"+QSSLOPEN: {connect_id},0")
    world.on(f'AT+QSSLOPEN=3,{connect_id},"h",443,{int(ACCESS[mode])}', told + first)
    opened = world.drive(open_channel(world.link, "h", 443, mode, context(world)))
    assert isinstance(opened, Secured)
    world.forget()
    return opened


def arrival(data: bytes | None = None) -> bytes:
    if data is None:
        return line('+QSSLURC: "recv",0')
    return b'\r\n+QSSLURC: "recv",0,%d\r\n' % len(data) + data + b"\r\n"


def read(data: bytes) -> bytes:
    return b"\r\n+QSSLRECV: %d\r\n" % len(data) + (data + b"\r\n" if data else b"") + OK


def sends(world: World, *pieces: bytes, reply: bytes = line("SEND OK")) -> None:
    for piece in pieces:
        world.on(f"AT+QSSLSEND=0,{len(piece)}", PROMPT)
        world.on(piece, reply)


def check_idle(world: World) -> None:
    """The next command is served, and nobody has an id."""
    world.on("AT+QVERSION", answer("+QVERSION: X"))
    world.run(GetVersion())
    assert not world.link.sinks
    assert not world.link.secure
    assert world.script.spent


# ---- out


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_what_is_sent_goes_in_pieces(mode: Mode) -> None:
    world = World()
    stream = secured(world, mode)
    data = b"".join(b"%d" % number + token for number in range(40) for token in TOKENS)
    sends(world, *(data[i : i + 1460] for i in range(0, len(data), 1460)))
    send(world, stream, data)
    assert stream.sent == len(data)
    world.on("AT+QSSLCLOSE=0,10", OK)
    assert world.drive(stream.close(10.0)) == Report(len(data), None, 0)
    assert stream.passed_over() is None
    check_idle(world)


def test_a_full_send_buffer_is_tried_again_later_and_later() -> None:
    world = World()
    stream = secured(world, "push")
    for _ in range(6):
        sends(world, b"hello", reply=line("SEND FAIL"))
    sends(world, b"hello")
    send(world, stream, b"hello")
    assert stream.sent == 5
    times = [at for at, data in world.writes if data.startswith(b"AT+QSSLSEND")]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert len(pauses) == 6
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.1 < pauses[-1] < 0.6


def test_a_full_send_buffer_runs_out_of_time() -> None:
    world = World()
    stream = secured(world, "buffer")
    world.on("AT+QSSLSEND=0,5", PROMPT, always=True)
    world.on(b"hello", line("SEND FAIL"), always=True)
    with pytest.raises(SendTimeout) as caught:
        send(world, stream, b"hello", 2.0)
    assert caught.value.sent == stream.sent == 0


def test_a_send_whose_answer_is_lost_leaves_the_link_usable() -> None:
    world = World()
    stream = secured(world, "push")
    sends(world, b"hello", reply=b"")
    with pytest.raises(CommandTimeout):
        send(world, stream, b"hello")
    assert stream.sent == 0
    world.on("AT", OK)
    sends(world, b"again")
    send(world, stream, b"again")
    assert stream.sent == 5


def test_a_prompt_that_is_lost() -> None:
    """Nobody knows whether the module waits for the payload: it is brought back, and nothing is taken for sent."""
    world = World()
    stream = secured(world, "push")
    world.on("AT+QSSLSEND=0,5", b"")
    with pytest.raises(CommandTimeout):
        send(world, stream, b"hello")
    world.on("AT", OK, always=True)
    world.on(b"\x1b", OK, always=True)
    sends(world, b"again")
    send(world, stream, b"again")
    assert stream.sent == 5


@pytest.mark.parametrize("reason", [GONE, ERROR])
def test_a_send_that_is_refused_because_the_connection_is_closed(reason: bytes) -> None:
    """The manual has no code for it: the module is asked for the state, if it knows no reason."""
    world = World()
    stream = secured(world, "push")
    world.on("AT+QSSLSEND=0,3", ERROR)
    world.on("AT+QIGETERROR", reason)
    if reason is ERROR:
        world.on("AT+QSSLSTATE=1,0", answer())
    world.on("AT+QSSLCLOSE=0,1", OK)
    with pytest.raises(PeerClosed) as caught:
        send(world, stream, b"abc")
    assert (caught.value.sent, caught.value.acknowledged) == (0, None)
    check_idle(world)


def test_another_refusal_is_told_as_it_is() -> None:
    world = World()
    stream = secured(world, "push")
    world.on("AT+QSSLSEND=0,3", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 569,"Operation not allowed"'))
    with pytest.raises(CommandError) as caught:
        send(world, stream, b"abc")
    assert caught.value.code == 569
    assert not stream.ended


# ---- in


def test_pushed_bytes() -> None:
    for cut in (lambda data: [data], each_byte):
        world = World(cut=cut)
        stream = secured(world, "push", arrival(b"first"))
        for piece in NASTY:
            world.say(arrival(piece))
        wanted = b"first" + b"".join(NASTY)
        assert receive_exactly(world, stream, len(wanted), 7) == wanted
        assert world.sent == b""
        assert not world.events()


@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_buffered_bytes_are_read_until_none_are_left(cut: Any) -> None:
    world = World(cut=cut)
    stream = secured(world, "buffer", arrival())
    pieces = [piece for piece in NASTY if len(piece) < 1500]
    for piece in (*pieces, b""):
        world.on("AT+QSSLRECV=0,1500", read(piece))
    wanted = b"".join(pieces)
    assert receive_exactly(world, stream, len(wanted), 1500) == wanted
    with pytest.raises(TimeoutError):
        receive(world, stream, 1500, 1.0)
    assert world.script.spent


def test_an_interrupted_read_is_a_gap_of_unknown_size() -> None:
    """No command tells what the module has handed out: it is not asked, and the gap is told where it is."""
    world = World()
    stream = secured(world, "buffer", arrival())
    driver = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    while b"AT+QSSLRECV" not in world.sent:
        world.step()
    driver.cancel(Interrupt())
    assert isinstance(driver.error, Interrupt)
    world.on("AT", OK)
    with pytest.raises(Overrun, match="up to 1500 bytes are missing"):
        receive(world, stream, 9, 5.0)
    world.on("AT+QSSLRECV=0,1500", read(b"rest"))
    assert receive(world, stream, 9, 5.0) == b"rest"


def test_a_read_whose_answer_is_lost_is_a_gap_too() -> None:
    world = World()
    stream = secured(world, "buffer", arrival())
    world.on("AT+QSSLRECV=0,1500", b"\r\n+QSSLRECV: 5\r\nhel")
    with pytest.raises(CommandTimeout):
        receive(world, stream, 9)
    world.on("AT", OK, always=True)
    with pytest.raises(Overrun, match="up to 1500 bytes are missing"):
        receive(world, stream, 9, 30.0)
    world.on("AT+QSSLRECV=0,1500", read(b"rest"))
    assert receive(world, stream, 9, 30.0) == b"rest"


def test_a_cancelled_receive_keeps_what_was_read() -> None:
    world = World()
    stream = secured(world, "buffer")
    world.on("AT+QSSLRECV=0,1500", (0.02, read(b"one")))
    world.say(arrival(), 0.0)
    driver = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    while b"AT+QSSLRECV" not in world.sent:
        world.step()
    world.cancel(driver, Interrupt())
    assert isinstance(driver.error, Interrupt)
    assert receive(world, stream, 9, 5.0) == b"one"
    assert state(world) is State.COMMAND


# ---- the end


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_the_peer_closes_with_bytes_still_to_be_read(mode: Mode) -> None:
    world = World()
    stream = secured(world, mode)
    if mode == "push":
        world.say(arrival(b"one") + arrival(b"two") + CLOSED)
    else:
        world.say(CLOSED)
        for piece in (b"one", b"two", b""):
            world.on("AT+QSSLRECV=0,1500", read(piece))
    world.on("AT+QSSLCLOSE=0,1", OK)
    assert receive_exactly(world, stream, 6, 1500) == b"onetwo"
    with pytest.raises(PeerClosed):
        receive(world, stream, 1500)
    assert world.drive(stream.close(10.0)) == Report(0, None, 6)
    check_idle(world)


def test_a_close_whose_answer_is_lost_can_be_done_again() -> None:
    world = World()
    stream = secured(world, "push")
    world.on("AT+QSSLCLOSE=0,10", b"")
    with pytest.raises(CommandTimeout):
        world.drive(stream.close(10.0))
    assert world.link.secure == {0}
    world.on("AT", OK)
    world.on("AT+QSSLCLOSE=0,10", ERROR)
    assert world.drive(stream.close(10.0)) == Report(0, None, 0)
    check_idle(world)


def test_the_module_restarts() -> None:
    world = World()
    stream = secured(world, "push")
    sends(world, b"hello")
    send(world, stream, b"hello")
    world.say(line("ready"))
    world.wait(1.0)
    with pytest.raises(SocketLost, match="restarted"):
        receive(world, stream)
    assert world.link.secure == set()


def test_loss_of_the_transport_gives_what_was_pushed_first() -> None:
    world = World()
    stream = secured(world, "push")
    world.say(arrival(b"last"), 0.1)
    world.say(gone(), 0.2)
    world.wait(1.0)
    assert receive(world, stream) == b"last"
    with pytest.raises(TransportLost):
        receive(world, stream)


def test_nobody_counts_what_is_acknowledged() -> None:
    world = World()
    stream = secured(world, "push")
    with pytest.raises(UsageError, match=r"manual 2\.4"):
        world.drive(stream.verify())
    assert world.sent == b""


# ---- transparent


@pytest.mark.parametrize("rest", [b"", CLOSED])
def test_no_carrier(rest: bytes) -> None:
    world = World()
    stream = secured(world, "transparent")
    send(world, stream, b"12345678")
    world.on("", ERROR)
    world.on("AT+QSSLCLOSE=0,1", OK)
    world.say(b"last" + NO_CARRIER + rest)
    assert receive(world, stream) == b"last"
    for _ in range(2):
        with pytest.raises(PeerClosed) as caught:
            receive(world, stream)
        assert (caught.value.sent, caught.value.acknowledged, caught.value.uncertain) == (8, None, 8)
    assert stream.report == Report(8, None, 4)
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert world.drive(stream.close(10.0)) == stream.report
    assert state(world) is State.COMMAND
    check_idle(world)


def test_no_carrier_that_was_payload_goes_on_by_ato() -> None:
    """AT+QISWTMD knows no TLS connections."""
    world = World()
    stream = secured(world, "transparent")
    world.say(b"one" + NO_CARRIER)
    world.on(b"+++", (0.1, b"two"), (GUARD + 0.02, OK))
    world.on("ATO", CONNECT + b"three")
    wanted = b"one" + NO_CARRIER + b"twothree"
    assert receive_exactly(world, stream, len(wanted)) == wanted
    assert state(world) is State.DATA
    assert world.sent == b"+++ATO\r\n"


@pytest.mark.parametrize("there", [True, False])
def test_beside_others_it_is_asked_first_whether_ato_leads_back(there: bool) -> None:
    world = World()
    other = secured(world, "push")
    stream = secured(world, "transparent", connect_id=1)
    assert isinstance(stream, SecureTransparent)
    info = '+QSSLSTATE: 1,"SSLClient","10.0.0.9",443,49153,2,1,2,"uart1",3'
    world.on(b"+++", (GUARD + 0.02, OK))
    world.drive(stream.suspend())
    world.on("AT+QSSLSTATE=1,1", answer(info) if there else answer())
    world.on("ATO", CONNECT)
    world.drive(stream.resume())
    assert stream.ended is not there
    assert (b"ATO" in world.sent) is there
    assert not other.ended


def test_a_transparent_stream_is_closed() -> None:
    world = World()
    stream = secured(world, "transparent", b"first")
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT+QSSLCLOSE=0,10", OK)
    assert world.drive(stream.close(10.0)) == Report(0, None, 5)
    assert receive(world, stream) == b"first"
    check_idle(world)


def test_a_close_that_loses_its_ok_is_done_again() -> None:
    """Out of data mode already, it does not escape a second time."""
    world = World()
    stream = secured(world, "transparent")
    world.on(b"+++", (GUARD + 0.02, OK))
    world.on("AT+QSSLCLOSE=0,10", b"")
    with pytest.raises(CommandTimeout):
        world.drive(stream.close(10.0))
    world.forget()
    world.on("AT", OK)
    world.on("AT+QSSLCLOSE=0,10", OK)
    world.drive(stream.close(10.0))
    assert b"+++" not in world.sent
    check_idle(world)


# ---- opening


@pytest.mark.parametrize("mode", ["push", "transparent"])
def test_a_connection_that_cannot_be_opened(mode: Mode) -> None:
    world = World()
    world.on("AT+QISTATE", answer())
    world.on("AT+QSSLSTATE", answer())
    refused = ERROR if mode == "transparent" else OK + line("+QSSLOPEN: 0,564")
    world.on(f'AT+QSSLOPEN=3,0,"h",443,{int(ACCESS[mode])}', refused)
    if mode == "transparent":
        world.on("AT+QIGETERROR", FAILED)
    with pytest.raises(CommandError) as caught:
        world.drive(open_channel(world.link, "h", 443, mode, context(world)))
    assert caught.value.code == 564
    check_idle(world)


def test_a_connection_of_which_nothing_is_heard_is_closed_again() -> None:
    """After the manual's 150 s and the handshake's 300."""
    world = World()
    begin = world.now
    world.on("AT+QISTATE", answer())
    world.on("AT+QSSLSTATE", answer())
    world.on('AT+QSSLOPEN=3,0,"h",443,1', OK)
    world.on("AT", OK, always=True)
    world.on("AT+QSSLCLOSE=0,1", OK)
    with pytest.raises(CommandTimeout):
        world.drive(open_channel(world.link, "h", 443, "push", context(world)))
    assert 450.0 <= world.now - begin < 460.0
    check_idle(world)
