"""The framer, on every core."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import (
    CUTS,
    OK,
    PROMPT,
    QIRD,
    QMTRECV,
    RULES,
    STREAMS,
    TALKS,
    Span,
    Talk,
    line,
    payload,
    pieces,
    without_cuts,
)
from fcm360w.framer import CORE, NO_RULE, Event, Framer, Kind, Rule, Start, implementations

KINDS = implementations()
on_every_core = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
for_every_talk = pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)


def fed(framer: Framer, chunks: list[bytes]) -> list[Span]:
    return [span for chunk in chunks for span in framer.feed(chunk)]


def span(event: Event, data: bytes, done: int) -> bytes:
    if event.kind == Kind.OVERLONG:
        return b"%d" % event.len
    return data[done + event.off : done + event.off + event.len]


def scanned(framer: Framer, data: bytes, cap: int, stride: int) -> list[Span]:
    """Scan with the tail kept here, `stride` more bytes at a time."""
    out: list[Span] = []
    done = 0
    for stop in [*range(stride, len(data), stride), len(data)]:
        full = True
        while full:
            events, used = framer.scan(data[done:stop], cap)
            out += [(e.kind, span(e, data, done), e.rule) for e in events]
            done += used
            full = len(events) == cap
    return out


def test_the_core_in_use_is_one_that_is_here() -> None:
    assert CORE in KINDS
    assert isinstance(Framer(), Framer)


@on_every_core
@for_every_talk
def test_a_talk_is_heard_as_it_was_said(kind: type[Framer], talk: Talk) -> None:
    framer = talk.framer(kind)
    assert without_cuts(framer.feed(talk.said)) == talk.heard
    assert framer.tail == 0


@on_every_core
@for_every_talk
def test_every_two_cuts_give_the_same_events(kind: type[Framer], talk: Talk) -> None:
    said = talk.said
    for first in range(len(said) + 1):
        for second in range(first, len(said) + 1, 1 + len(said) // 100):
            framer = talk.framer(kind)
            chunks = [said[:first], said[first:second], said[second:]]
            assert without_cuts(fed(framer, chunks)) == talk.heard, (first, second)


@on_every_core
@for_every_talk
@pytest.mark.parametrize("stride", [1, 2, 3, 1000])
def test_every_batch_size_gives_the_same_events(kind: type[Framer], talk: Talk, stride: int) -> None:
    for cap in range(1, 8):
        assert without_cuts(scanned(talk.framer(kind), talk.said, cap, stride)) == talk.heard


@on_every_core
@given(stream=STREAMS, cuts=CUTS, prompt=st.booleans())
def test_cuts_do_not_matter_for_any_stream(kind: type[Framer], stream: bytes, cuts: list[int], prompt: bool) -> None:
    whole, cut = (kind(RULES, max_line=48) for _ in range(2))
    whole.want_prompt = cut.want_prompt = prompt
    assert without_cuts(whole.feed(stream)) == without_cuts(fed(cut, list(pieces(stream, cuts))))
    assert (whole.tail, whole.dropped, whole.raw) == (cut.tail, cut.dropped, cut.raw)


@on_every_core
@given(stream=STREAMS)
def test_the_tail_is_bounded(kind: type[Framer], stream: bytes) -> None:
    framer = kind(RULES[:2] + RULES[3:], max_line=48)
    for byte in stream:
        framer.feed(bytes([byte]))
        assert framer.tail <= 48


@on_every_core
def test_an_overlong_line_is_counted_at_its_end(kind: type[Framer]) -> None:
    framer = kind(max_line=16)
    assert framer.scan(b"x" * 16) == ([], 0)
    assert framer.scan(b"x" * 17) == ([], 17)
    assert framer.dropped == 17
    assert framer.scan(b"x" * 13 + b"\r\nOK\n") == (
        [Event(Kind.OVERLONG, 14, 31, NO_RULE), Event(Kind.LINE, 15, 2, NO_RULE)],
        18,
    )
    assert framer.dropped == 31


@on_every_core
def test_a_batch_that_is_full_is_taken_up_again(kind: type[Framer]) -> None:
    framer = kind(RULES)
    data = b"+QIRD: 0\nOK\n"
    assert framer.scan(data, 1) == ([Event(Kind.LINE, 0, 8, QIRD)], 9)
    assert framer.scan(data[9:], 1) == ([Event(Kind.DATA_END, 0, 0, QIRD)], 0)
    assert framer.scan(data[9:], 1) == ([Event(Kind.LINE, 0, 2, NO_RULE)], 3)


@on_every_core
def test_a_big_read_takes_many_batches(kind: type[Framer]) -> None:
    assert kind().feed(b"OK\r\n" * 5000 + b"rest") == [OK] * 5000


@on_every_core
def test_the_prompt_is_not_waited_for(kind: type[Framer]) -> None:
    framer = kind()
    framer.want_prompt = True
    assert framer.scan(b"\r\n>") == ([Event(Kind.PROMPT, 2, 1, NO_RULE)], 3)
    assert not framer.want_prompt
    assert fed(framer, [b" ", b"\r", b"\n", b" \r\n"]) == [line(b" ")]


@on_every_core
def test_a_prompt_that_came_before_it_was_wanted(kind: type[Framer]) -> None:
    framer = kind()
    assert framer.feed(b"\r\n>") == []
    framer.want_prompt = True
    assert framer.feed(b"") == [PROMPT]


@on_every_core
@pytest.mark.parametrize("lf", [b"", b"\n"])
def test_the_line_feed_of_a_command_is_no_payload(kind: type[Framer], lf: bytes) -> None:
    framer = kind(eol="\r")
    assert framer.feed(b"AT+QISEND=3,3\r") == [line(b"AT+QISEND=3,3")]
    assert framer.skip_lf
    framer.expect(3)
    assert fed(framer, [lf, b"a", b"\rbAT+QIOPEN\r"])[-2:] == [payload(b"\rb"), line(b"AT+QIOPEN")]
    framer.raw = True
    assert fed(framer, [lf, b"\n+++"]) == [(Kind.DATA, b"\n+++" if lf else b"+++", NO_RULE)]


@on_every_core
def test_expect_nothing(kind: type[Framer]) -> None:
    framer = kind(eol="\r")
    framer.expect(0)
    assert framer.feed(b"AT\r") == [payload(b""), line(b"AT")]


@on_every_core
def test_raw_begins_and_ends_between_two_feeds(kind: type[Framer]) -> None:
    framer = kind()
    framer.feed(b"half a li")
    framer.raw = True
    assert framer.feed(b"ne\r\n") == [(Kind.DATA, b"half a line\r\n", NO_RULE)]
    framer.raw = False
    assert fed(framer, [b"o", b"ne\r\n"]) == [line(b"one")]


@on_every_core
def test_a_tail_that_is_taken_is_forgotten(kind: type[Framer]) -> None:
    framer = kind(RULES)
    framer.feed(b'+QMTRECV: 0,0,t,9,"abc')
    assert framer.take_tail() == b'"abc'
    assert framer.take_tail() == b""
    framer.feed(b"a long half line")
    assert (framer.tail, framer.take_tail(), framer.tail) == (16, b"a long half line", 0)
    assert framer.feed(b"OK\r\n") == [OK]


@on_every_core
def test_reset_keeps_what_the_caller_set(kind: type[Framer]) -> None:
    framer = kind(RULES, max_line=16)
    framer.armed, framer.doubled = 5, 3
    framer.feed(b"x" * 99)
    framer.want_prompt = framer.raw = framer.skip_lf = True
    framer.reset()
    assert (framer.armed, framer.doubled, framer.dropped) == (5, 3, 99)
    assert (framer.want_prompt, framer.raw, framer.skip_lf, framer.tail) == (False, False, False, 0)
    assert framer.feed(b"OK\r\n") == [OK]


@on_every_core
def test_of_several_rules_the_first_armed_one_wins(kind: type[Framer]) -> None:
    rules = [Rule("+X: ", Start.AFTER_LINE, field=1), Rule("+X: ", Start.AFTER_LINE), Rule("+X: ", Start.RAW)]
    framer = kind(rules)
    assert framer.feed(b"+X: 2,1\na+X: 2\nab") == [
        line(b"+X: 2,1", 0),
        payload(b"a", 0),
        line(b"+X: 2", 1),
        payload(b"ab", 1),
    ]
    framer.armed = 0b110
    assert framer.feed(b"+X: 2,1\nab+X:\n>") == [
        line(b"+X: 2,1", 1),
        payload(b"ab", 1),
        line(b"+X:", 2),
        (Kind.DATA, b">", NO_RULE),
    ]


@on_every_core
def test_of_two_rules_inside_the_line_the_earlier_count_wins(kind: type[Framer]) -> None:
    framer = kind([Rule("+X: ", Start.INSIDE, field=2), Rule("+X: ", Start.INSIDE, field=1)])
    assert framer.feed(b"+X: 0,3,1,2\n") == [line(b"+X: 0,3", 1), payload(b"1,2", 1)]


@on_every_core
@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_will_do(kind: type[Framer], form: type[bytes]) -> None:
    framer = kind(RULES)
    assert framer.feed(form(b'+QMTRECV: 0,0,t,2,"')) == [line(b"+QMTRECV: 0,0,t,2", QMTRECV)]
    assert framer.feed(form(b'hi"\r\nO')) == [payload(b"hi", QMTRECV)]
    assert framer.feed(form(b"")) == []
    assert framer.scan(form(b"OK\r\n"))[0] == [Event(Kind.LINE, 0, 2, NO_RULE)]


@on_every_core
def test_what_no_framer_can_do(kind: type[Framer]) -> None:
    with pytest.raises(ValueError, match="eol"):
        kind(eol="\r\n")
    with pytest.raises(ValueError, match="max_line"):
        kind(max_line=15)
    with pytest.raises(ValueError, match="at most 32"):
        kind([Rule("+X", Start.RAW)] * 33)
    assert kind([Rule("+X", Start.RAW)] * 32).armed == 2**32 - 1


def test_what_no_rule_can_say() -> None:
    with pytest.raises(ValueError, match="field"):
        Rule("+X", Start.AFTER_LINE, field=256)
    with pytest.raises(ValueError, match="max"):
        Rule("+X", Start.AFTER_LINE, max=-1)
