"""Push and buffer mode: counted payloads, one command each."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from fcm360w import channel, inbox
from fcm360w.channel import Mode, Report
from fcm360w.commands import tcp
from fcm360w.commands.system import GetVersion
from fcm360w.errors import CommandError, CommandTimeout, Overrun, PeerClosed, SendTimeout, TransportLost, UsageError
from fcm360w.settings import Get, Set
from fcm360w.states import State
from fcm360w.turns import perform
from scripted import ERROR, OK, PROMPT, TOKENS, World, answer, each_byte, line
from streaming import (
    CLOSED,
    NASTY,
    Interrupt,
    commanded,
    counts,
    gone,
    qird,
    receive,
    receive_exactly,
    recv_urc,
    send,
    sends,
    state,
)

# ---- push and buffer: out


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_send_in_pieces(mode: Mode) -> None:
    world = World()
    stream = commanded(world, mode)
    data = b"".join(b"%d" % number + token for number in range(40) for token in TOKENS)
    pieces = [data[i : i + 1460] for i in range(0, len(data), 1460)]
    sends(world, *pieces)
    send(world, stream, data)
    assert stream.sent == len(data)
    assert world.script.spent


def test_a_full_send_buffer_is_tried_again_later_and_later() -> None:
    world = World()
    stream = commanded(world, "push")
    for _ in range(8):
        sends(world, b"hello", reply=line("SEND FAIL"))
    sends(world, b"hello")
    begin = world.now
    send(world, stream, b"hello")
    assert stream.sent == 5
    gaps = [at for at, data in world.writes if data.startswith(b"AT+QISEND")]
    pauses = [after - before for before, after in itertools.pairwise(gaps)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.1
    assert pauses[-1] < 0.6
    assert world.now - begin > 1.0


def test_a_full_send_buffer_runs_out_of_time() -> None:
    world = World()
    stream = commanded(world, "push")
    world.on("AT+QISEND=0,5", PROMPT, always=True)
    world.on(b"hello", line("SEND FAIL"), always=True)
    begin = world.now
    with pytest.raises(SendTimeout) as caught:
        send(world, stream, b"hello", 2.0)
    assert begin + 2.0 <= world.now < begin + 3.0
    assert caught.value.sent == stream.sent == 0


def test_the_time_for_a_send_may_be_up_in_the_queue() -> None:
    world = World()
    stream = commanded(world, "push")
    world.on("AT+QVERSION", (0.9, answer("+QVERSION: X")))
    other = world.start(perform(world.link, GetVersion()))
    with pytest.raises(SendTimeout) as caught:
        send(world, stream, b"hello", 0.5)
    assert caught.value.sent == 0
    world.finish(other)


def test_send_without_patience_sends_what_it_can() -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, b"hello")
    send(world, stream, b"hello", 0.0)
    assert stream.sent == 5


@pytest.mark.parametrize("urc", [CLOSED, b""])
def test_the_module_says_that_the_socket_is_closed(urc: bytes) -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, b"hello")
    send(world, stream, b"hello")
    world.on("AT+QISEND=0,3", PROMPT)
    world.on(b"abc", ERROR + urc)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 565,"Socket has been closed"'))
    counts(world, 5, 4, seconds="1")
    with pytest.raises(PeerClosed) as caught:
        send(world, stream, b"abc")
    assert (caught.value.sent, caught.value.acknowledged, caught.value.uncertain) == (5, 4, 1)
    assert not world.link.sinks


def test_another_refusal_is_told_as_it_is() -> None:
    world = World()
    stream = commanded(world, "push")
    world.on("AT+QISEND=0,3", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 569,"Operation not allowed"'))
    with pytest.raises(CommandError) as caught:
        send(world, stream, b"abc")
    assert caught.value.code == 569


def test_others_run_between_the_pieces() -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, bytes(1460), b"x" * 40)
    writer = world.start(stream.send(memoryview(bytes(1460) + b"x" * 40), None))
    world.on("AT+QVERSION", answer("+QVERSION: 1"))
    other = world.start(perform(world.link, tcp.GetSent(3)))
    world.on("AT+QISEND=3,0", answer("+QISEND: 7,7,0"))
    world.finish(other)
    assert not writer.done
    world.finish(writer)


# ---- push and buffer: in


def test_pushed_bytes() -> None:
    world = World()
    stream = commanded(world, "push")
    for piece in NASTY:
        world.say(recv_urc(piece))
    wanted = b"".join(NASTY)
    assert receive_exactly(world, stream, len(wanted), 7) == wanted
    assert stream.received == len(wanted)
    assert world.sent == b""
    assert not world.events()


def test_pushed_bytes_of_another_socket_are_events() -> None:
    world = World()
    stream = commanded(world, "push")
    world.say(recv_urc(b"other", 5) + recv_urc(b"mine"))
    assert receive(world, stream) == b"mine"
    assert world.events() == [tcp.Received(5, b"other")]


def test_receive_in_push_mode_without_patience() -> None:
    world = World()
    stream = commanded(world, "push")
    world.say(recv_urc(b"hello"), 0.0)
    assert receive(world, stream, 9, 0.0) == b"hello"
    with pytest.raises(TimeoutError):
        receive(world, stream, 9, 0.0)


@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
def test_buffered_bytes_are_read_until_none_are_left(cut: Any) -> None:
    world = World(cut=cut)
    stream = commanded(world, "buffer")
    world.say(recv_urc())
    pieces = [piece for piece in NASTY if len(piece) < 1500]
    for piece in (*pieces, b""):
        world.on("AT+QIRD=0,1500", qird(piece))
    wanted = b"".join(pieces)
    assert receive_exactly(world, stream, len(wanted), 1500) == wanted
    with pytest.raises(TimeoutError):
        receive(world, stream, 1500, 1.0)
    assert world.script.spent


def test_buffered_bytes_are_not_asked_for_before_they_are_announced() -> None:
    world = World()
    stream = commanded(world, "buffer")
    with pytest.raises(TimeoutError):
        receive(world, stream, 9, 1.0)
    assert world.sent == b""


def test_bytes_that_are_announced_while_the_last_are_read() -> None:
    """The announcement comes once: in the very burst that says there are none, it must not be missed."""
    for order in (qird(b"") + recv_urc(), recv_urc() + qird(b"")):
        world = World()
        stream = commanded(world, "buffer")
        world.say(recv_urc())
        world.on("AT+QIRD=0,1500", order)
        world.on("AT+QIRD=0,1500", qird(b"more"))
        assert receive(world, stream, 1500, 5.0) == b"more"


def test_bytes_are_still_asked_for_after_a_read_that_failed() -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.say(recv_urc())
    with pytest.raises(CommandTimeout):
        receive(world, stream, 1500)
    world.on("AT", OK)
    world.on("AT+QIRD=0,0", answer("+QIRD: 4,0,4"))
    world.on("AT+QIRD=0,1500", qird(b"more"))
    assert receive(world, stream, 1500, 5.0) == b"more"


@pytest.mark.parametrize("told", [True, False])
def test_bytes_that_an_interrupted_read_took_along_are_told(told: bool) -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.say(recv_urc())
    driver = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    while b"AT+QIRD" not in world.sent:
        world.step()
    driver.cancel(Interrupt())
    assert isinstance(driver.error, Interrupt)
    world.on("AT", OK)
    world.on("AT+QIRD=0,0", answer("+QIRD: 9,5,4") if told else ERROR)
    world.on("AT+QIGETERROR", answer("+QIGETERROR: 565"), always=True)
    with pytest.raises(Overrun, match="5 bytes are missing" if told else "up to 1500 bytes"):
        while True:
            world.on("AT+QIRD=0,1500", qird(b"rest"))
            world.on("AT+QIRD=0,1500", qird(b""))
            assert receive(world, stream, 9, 5.0) == b"never"
    assert receive(world, stream, 9, 5.0) == b"rest"


@pytest.mark.parametrize("after", [0.005, 0.015])
def test_a_cancelled_receive_keeps_what_was_read(after: float) -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.on("AT+QIRD=0,1500", (0.02, qird(b"one")))
    world.say(recv_urc(), 0.0)
    driver = world.start(stream.receive_into(memoryview(bytearray(9)), None))
    while b"AT+QIRD" not in world.sent:
        world.step()
    world.cancel(driver, Interrupt())
    assert isinstance(driver.error, Interrupt)
    assert receive(world, stream, 9, 5.0) == b"one"
    assert state(world) is State.COMMAND


def test_a_writer_that_hears_of_the_end_waits_for_the_read_in_progress() -> None:
    world = World()
    stream = commanded(world, "buffer")
    for piece in (b"one", b"two", b""):
        world.on("AT+QIRD=0,1500", (0.05, qird(piece)))
    world.say(recv_urc(), 0.0)
    got = bytearray(9)
    reader = world.start(stream.receive_into(memoryview(got), None))
    while b"AT+QIRD" not in world.sent:
        world.step()
    stream.ended = True
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert bytes(got[: world.finish(reader)]) + receive(world, stream, 9) == b"onetwo"
    with pytest.raises(PeerClosed):
        receive(world, stream, 9)


@pytest.mark.parametrize("urc", [CLOSED, b""])
def test_a_read_that_is_refused_after_the_end_is_the_end(urc: bytes) -> None:
    world = World()
    stream = commanded(world, "buffer")
    world.say(recv_urc() + urc)
    world.on("AT+QIRD=0,1500", ERROR)
    world.on("AT+QIGETERROR", answer('+QIGETERROR: 565,"Socket has been closed"'))
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        receive(world, stream, 9, 5.0)


def test_what_the_inbox_cannot_hold_before_the_close_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PUSH_INBOX", 4)
    world = World()
    stream = commanded(world, "buffer")
    world.say(CLOSED)
    world.wait(0.1)
    for piece in (b"one", b"two", b"three", b""):
        world.on("AT+QIRD=0,1500", qird(piece))
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert receive(world, stream, 9) == b"onet"
    with pytest.raises(Overrun, match="7 bytes are missing"):
        receive(world, stream, 9)
    with pytest.raises(PeerClosed):
        receive(world, stream, 9)


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_peer_closed_with_bytes_still_to_be_read(mode: Mode) -> None:
    world = World()
    stream = commanded(world, mode)
    if mode == "push":
        world.say(recv_urc(b"one") + recv_urc(b"two") + CLOSED)
    else:
        world.say(CLOSED)
        for piece in (b"one", b"two", b""):
            world.on("AT+QIRD=0,1500", qird(piece))
    counts(world, 0, seconds="1")
    assert receive_exactly(world, stream, 6, 1500) == b"onetwo"
    with pytest.raises(PeerClosed):
        receive(world, stream, 1500)
    assert stream.report == Report(0, 0, 6)
    assert not world.link.sinks
    assert world.drive(stream.close(10.0)) == stream.report
    assert world.sent.count(b"AT+QICLOSE") == 1


@pytest.mark.parametrize("urc", [CLOSED, b""])
def test_a_writer_that_hears_of_the_end_loses_no_byte_of_the_reader(urc: bytes) -> None:
    world = World()
    stream = commanded(world, "buffer")
    if urc:
        world.say(recv_urc() + urc)
        world.wait(0.1)
    else:
        world.on("AT+QISEND=0,1", ERROR)
        world.on("AT+QIGETERROR", answer('+QIGETERROR: 565,"Socket has been closed"'))
    for piece in (b"one", b"two", b""):
        world.on("AT+QIRD=0,1500", qird(piece))
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        send(world, stream, b"x")
    assert receive_exactly(world, stream, 6, 1500) == b"onetwo"
    with pytest.raises(PeerClosed):
        receive(world, stream, 1500)


def test_two_who_hear_of_the_end_get_the_same_figures() -> None:
    world = World()
    stream = commanded(world, "push")
    sends(world, b"hello")
    send(world, stream, b"hello")
    world.on("AT+QISEND=0,0", answer("+QISEND: 5,3,2"))
    world.on("AT+QISEND=0,0", ERROR, always=True)
    world.on("AT+QICLOSE=0,1", OK)
    drivers = [world.start(stream.receive_into(memoryview(bytearray(9)), None)) for _ in range(2)]
    world.say(CLOSED)
    for driver in drivers:
        with pytest.raises(PeerClosed) as caught:
            world.finish(driver)
        assert (caught.value.acknowledged, caught.value.uncertain) == (3, 2)


def test_pushed_bytes_nobody_takes_are_dropped_and_told() -> None:
    world = World()
    stream = commanded(world, "push")
    piece = bytes(1500)
    fits = inbox.PUSH_INBOX // len(piece)
    world.say(recv_urc(piece) * (fits + 10))
    world.wait(1.0)
    world.say(recv_urc(b"after"))
    world.wait(1.0)
    assert stream.inbox.mark.high_water == inbox.PUSH_INBOX
    got = receive_exactly(world, stream, inbox.PUSH_INBOX, 1 << 20)
    assert got == bytes(inbox.PUSH_INBOX)
    lost = (fits + 10) * 1500 + 5 - inbox.PUSH_INBOX
    with pytest.raises(Overrun, match=f"^{lost} bytes"):
        receive(world, stream)
    world.say(recv_urc(b"again"))
    assert receive(world, stream) == b"again"


# ---- push and buffer: closing


@pytest.mark.parametrize("mode", ["push", "buffer"])
def test_close_of_a_commanded_stream(mode: Mode) -> None:
    world = World()
    stream = commanded(world, mode)
    sends(world, b"hello")
    send(world, stream, b"hello")
    counts(world, 5)
    assert world.drive(stream.close(10.0)) == Report(5, 5, 0)
    assert world.drive(stream.close(10.0)) == Report(5, 5, 0)
    assert not world.link.sinks
    for act in (lambda: send(world, stream, b"x"), lambda: receive(world, stream)):
        with pytest.raises(UsageError, match="closed"):
            act()
    world.say(CLOSED)
    world.wait(1.0)
    assert world.events() == [tcp.Closed(0)]


def test_a_close_that_fails_can_be_done_again() -> None:
    world = World()
    stream = commanded(world, "push")
    with pytest.raises(CommandTimeout):
        world.drive(stream.close(10.0))
    world.on("AT", OK)
    counts(world, 0)
    assert world.drive(stream.close(10.0)) == Report(0, 0, 0)


def test_an_id_used_again_has_one_owner() -> None:
    world = World()
    old = commanded(world, "push")
    world.say(CLOSED)
    counts(world, 0, seconds="1")
    with pytest.raises(PeerClosed):
        receive(world, old)
    new = commanded(world, "push")
    world.say(recv_urc(b"new"))
    assert receive(world, new) == b"new"
    assert not old.inbox


def test_loss_of_the_transport_gives_what_was_pushed_first() -> None:
    world = World()
    stream = commanded(world, "push")
    world.say(recv_urc(b"last"), 0.1)
    world.say(gone(), 0.2)
    world.wait(1.0)
    assert receive(world, stream) == b"last"
    for act in (
        lambda: receive(world, stream),
        lambda: send(world, stream, b"x"),
        lambda: world.drive(stream.close(1.0)),
    ):
        with pytest.raises(TransportLost):
            act()


# ---- hexadecimal payload (W30)


def hexed(world: World, sent: int = 1, received: int = 1) -> None:
    world.on(f'AT+QICFG="dataformat",{sent},{received}', OK)
    world.run(Set(tcp.DataFormat(tcp.Format(sent), tcp.Format(received))))


@pytest.mark.parametrize("data", [b"O\x4b", bytes(range(256)), b"".join(TOKENS)], ids=repr)
def test_bytes_are_sent_as_digits(data: bytes) -> None:
    world = World()
    stream = commanded(world, "push")
    hexed(world)
    sends(world, data.hex().upper().encode())
    send(world, stream, data)
    assert stream.sent == len(data)


def test_half_as_much_fits_a_payload_of_digits() -> None:
    world = World()
    stream = commanded(world, "push")
    hexed(world)
    data = random.Random(1).randbytes(1000)
    sends(world, *(data[i : i + 730].hex().upper().encode() for i in (0, 730)))
    send(world, stream, data)
    assert stream.sent == 1000
    counts(world, 1000)
    assert world.drive(stream.close(10.0)) == Report(1000, 1000, 0)


@pytest.mark.parametrize("cut", [lambda data: [data], each_byte])
@pytest.mark.parametrize("data", [b"OK", bytes(range(256)), b"".join(TOKENS)], ids=repr)
def test_digits_are_received_as_bytes(cut: Any, data: bytes) -> None:
    world = World(cut=cut)
    stream = commanded(world, "push")
    hexed(world, sent=0)
    digits = data.hex().encode()
    world.say(b'\r\n+QIURC: "recv",0,%d\r\n%b\r\n' % (len(data), digits) + recv_urc(b""))
    assert receive_exactly(world, stream, len(data)) == data
    assert stream.received == len(data)


def test_digits_are_read_as_bytes() -> None:
    world = World()
    stream = commanded(world, "buffer")
    hexed(world)
    world.say(line('+QIURC: "recv",0'))
    world.on("AT+QIRD=0,1500", b"\r\n+QIRD: 2\r\n4f4B\r\n" + OK)
    assert receive(world, stream) == b"OK"


def test_what_should_be_digits_and_is_not_is_missed() -> None:
    world = World()
    stream = commanded(world, "push")
    hexed(world)
    world.say(b'\r\n+QIURC: "recv",0,2\r\n4F4B\r\n\r\n+QIURC: "recv",0,3\r\n4F4x4B\r\n')
    assert receive(world, stream) == b"OK"
    with pytest.raises(Overrun, match="3 bytes"):
        receive(world, stream)
    assert stream.received == 5


@pytest.mark.parametrize("how", ["set", "asked", "restarted"])
def test_the_format_is_followed_however_it_becomes_known(how: str) -> None:
    world = World()
    stream = commanded(world, "push")
    hexed(world)
    if how == "set":
        hexed(world, 0, 0)
    elif how == "asked":
        world.on('AT+QICFG="dataformat"', answer('+QICFG: "dataformat",0,0'))
        world.run(Get(tcp.DataFormat))
    else:
        world.say(line("ready"))
        world.wait(1.0)
        stream = commanded(world, "push")
    world.say(recv_urc(b"text"))
    assert receive(world, stream) == b"text"
    sends(world, b"text")
    send(world, stream, b"text")
