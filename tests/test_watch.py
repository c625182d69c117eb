"""The watch for the in-band end of data mode, on every core."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import CUTS, JUNK, STREAMS, pieces
from fcm360w.escape import ENDS, WATCH_TAIL, Marker, Verdict, Watch, implementations
from fcm360w.framer import Rule, Start

KINDS = {name: classes[2] for name, classes in implementations().items()}
on_every_core = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

RULES = (
    Rule('+QIURC: "recv",', Start.AFTER_LINE, field=1, max=1500),
    Rule("+QMTRECV: ", Start.INSIDE, field=3, max=4096),
)
HOLD = 0.0625
NONE = Marker(0)
NO_CARRIER, OK = Marker.NO_CARRIER, Marker.OK
NC = b"\r\nNO CARRIER\r\n"
CLOSED = b'\r\n+QIURC: "closed",0\r\n'


def watch(kind: type[Watch], markers: Marker = NO_CARRIER, rules: tuple[Rule, ...] = RULES) -> Watch:
    return kind(markers, rules, HOLD, 0.0)


def passed(found: Watch, chunks: list[bytes], now: float = 1.0) -> tuple[bytes, bytes]:
    """Present chunks as a pump does: what was payload, and what is withheld."""
    payload = withheld = b""
    for chunk in chunks:
        data = withheld + chunk
        n = found.step(data, now)
        payload, withheld = payload + data[:n], data[n:]
        assert len(withheld) <= WATCH_TAIL
        assert (found.deadline is None) == (not withheld)
        assert (found.verdict is Verdict.CLEAR) == (not withheld)
        assert found.marker_len == (
            0 if found.verdict is not Verdict.SUSPECT else 14 if found.marker is NO_CARRIER else 6
        )
    return payload, withheld


ENDINGS = [
    (b"abc", b"", Verdict.CLEAR),
    (b"abc", b"\r", Verdict.HELD),
    (b"abc\r", b"\r\nNO CARRIER\r", Verdict.HELD),
    (b"abc", NC, Verdict.SUSPECT),
    (b"abc", NC + b"\r", Verdict.SUSPECT),
    (b"abc", NC + b"\r\n+QIU", Verdict.SUSPECT),
    (b"abc", NC + CLOSED, Verdict.SUSPECT),
    (b"abc", NC + CLOSED + b"\r\nread", Verdict.SUSPECT),
    (b"abc", NC + b'\r\n+QIURC: "recv",3,9\r\n\r\nabc\r\nde\r\n' + CLOSED, Verdict.SUSPECT),
    (b"abc", NC + b'\r\n+QIURC: "recv",3,3\r\nab\r' + CLOSED, Verdict.SUSPECT),
    (b"abc", NC + b'\r\n+QIURC: "recv",3,3\r\na', Verdict.SUSPECT),
    (b"abc", NC + b'\r\n+QMTRECV: 0,0,"t",3,"\r\n"', Verdict.SUSPECT),
    (b"abc", NC + b'\r\n+QMTRECV: 0,0,"t",3,"\r\n""\r\n' + CLOSED, Verdict.SUSPECT),
    (b"abc" + NC, NC, Verdict.SUSPECT),
    (b"abc" + NC + b"x", b"", Verdict.CLEAR),
    (b"abc" + NC + b"\r\nx", b"\r\nNO", Verdict.HELD),
    (b"abc" + NC + b"\r\n+QIURC\n", b"", Verdict.CLEAR),
    (b"abc" + NC + b"\r\nERRORS", b"\r\n", Verdict.HELD),
    (b"abc" + NC + b'\r\n+QIURC: "recv",3,3\r\nabcd', b"", Verdict.CLEAR),
    (b"abc" + NC + b'\r\n+QMTRECV: 0,0,"t",3,"abc"d', b"", Verdict.CLEAR),
    (b"abc" + NC + b"x", NC + CLOSED, Verdict.SUSPECT),
]


@on_every_core
@pytest.mark.parametrize(("payload", "withheld", "verdict"), ENDINGS)
def test_the_end_of_the_data_decides(kind: type[Watch], payload: bytes, withheld: bytes, verdict: Verdict) -> None:
    data = payload + withheld
    for cut in range(len(data) + 1):
        found = watch(kind)
        assert passed(found, [data[:cut], data[cut:]]) == (payload, withheld), cut
        assert found.verdict is verdict
        assert found.marker == (NO_CARRIER if verdict is Verdict.SUSPECT else NONE)
    assert passed(watch(kind), [data[i : i + 1] for i in range(len(data))]) == (payload, withheld)


@on_every_core
def test_only_the_markers_asked_for_are_found(kind: type[Watch]) -> None:
    found = watch(kind, OK)
    assert passed(found, [b"a" + NC]) == (b"a\r\nNO CARRIER", b"\r\n")
    found = watch(kind, OK)
    assert passed(found, [b"a\r\nOK\r\n" + CLOSED]) == (b"a", b"\r\nOK\r\n" + CLOSED)
    assert found.marker is OK
    found.release()
    found.markers = NO_CARRIER
    assert found.markers is NO_CARRIER
    assert passed(found, [b"a\r\nOK\r\n"]) == (b"a\r\nOK", b"\r\n")
    found = watch(kind, NO_CARRIER | OK)
    assert passed(found, [NC + b"a\r\nOK\r\n"]) == (NC + b"a", b"\r\nOK\r\n")
    found = watch(kind, NONE)
    assert passed(found, [NC]) == (NC, b"")


@on_every_core
@pytest.mark.parametrize(("marker", "text"), [(Marker.READY, b"\r\nready\r\n"), (Marker.RDY, b"\r\nRDY\r\n")])
def test_the_banner_of_a_module_that_has_restarted(kind: type[Watch], marker: Marker, text: bytes) -> None:
    for cut in range(len(text)):
        found = watch(kind, ENDS)
        withheld = b"ab" + text[:cut]
        withheld = withheld[found.step(withheld, 1.0) :]
        assert found.step(withheld + text[cut:] + CLOSED, 1.0) == len(withheld) - cut
        assert (found.verdict, found.marker, found.marker_len) == (Verdict.SUSPECT, marker, len(text))
    found = watch(kind, ENDS)
    assert found.step(text + b"x", 1.0) == len(text) + 1
    found = watch(kind, ENDS)
    assert found.step(text + NC + CLOSED + text, 1.0) == len(text)
    assert (found.marker, found.last_line) == (NO_CARRIER, len(NC + CLOSED))
    found = watch(kind, ENDS)
    assert found.step(b"x" + text + CLOSED + text + b"\r\n", 1.0) == 1
    assert (found.marker, found.last_line) == (marker, len(text + CLOSED))
    found = watch(kind, NO_CARRIER | OK)
    assert found.step(text, 1.0) == len(text) - 2


@on_every_core
def test_silence_releases_a_mere_beginning(kind: type[Watch]) -> None:
    found = watch(kind)
    assert found.step(b"a\r\nNO", 1.0) == 1
    assert found.deadline == 1.0 + HOLD
    assert found.step(b"\r\nNO", 1.0 + HOLD / 2) == 0
    assert found.verdict is Verdict.HELD
    assert found.step(b"\r\nNO", 1.0 + HOLD) == 4
    assert (found.verdict, found.deadline) == (Verdict.CLEAR, None)


@on_every_core
def test_silence_confirms_a_marker(kind: type[Watch]) -> None:
    found = watch(kind)
    assert found.step(NC, 1.0) == 0
    assert found.step(NC, 1.0 + HOLD / 2) == 0
    assert found.verdict is Verdict.SUSPECT
    assert found.step(NC, 1.0 + HOLD) == 0
    assert (found.verdict, found.marker, found.marker_len, found.deadline) == (Verdict.SILENT, NO_CARRIER, 14, None)
    assert found.step(NC + CLOSED, 2.0) == 0
    assert (found.verdict, found.deadline) == (Verdict.SUSPECT, 2.0 + HOLD)
    assert found.step(NC + CLOSED + b"x", 2.0) == len(NC + CLOSED) + 1
    assert found.verdict is Verdict.CLEAR


@on_every_core
def test_new_bytes_speak_before_silence_does(kind: type[Watch]) -> None:
    found = watch(kind)
    found.step(b"\r\nNO CAR", 1.0)
    assert found.step(NC, 9.0) == 0
    assert (found.verdict, found.deadline) == (Verdict.SUSPECT, 9.0 + HOLD)


@on_every_core
def test_release_lets_all_go(kind: type[Watch]) -> None:
    found = watch(kind)
    found.step(NC, 1.0)
    found.release()
    assert (found.verdict, found.marker, found.marker_len, found.deadline) == (Verdict.CLEAR, NONE, 0, None)
    assert passed(found, [b"abc" + NC], 1.0) == (b"abc", NC)


@on_every_core
def test_only_armed_rules_count_payload(kind: type[Watch]) -> None:
    stream = NC + b'\r\n+QIURC: "recv",3,3\r\nabc\r\n'
    found = watch(kind)
    assert found.armed == 0b11
    assert passed(found, [stream]) == (b"", stream)
    found = watch(kind)
    found.armed = 0b10
    assert passed(found, [stream]) == (stream[:-2], b"\r\n")
    found = watch(kind)
    found.doubled = 0b01
    assert found.doubled == 0b01
    assert passed(found, [stream + b"f\r\n"]) == (b"", stream + b"f\r\n")
    assert watch(kind, rules=()).armed == 0


@on_every_core
@pytest.mark.parametrize(
    ("chain", "last"),
    [
        (b"", 14),
        (b"\r", 14),
        (CLOSED, 14),
        (CLOSED + b"\r\nOK\r\n", 14 + len(CLOSED)),
        (CLOSED + CLOSED + b"\r\n+Q", 14 + 2 * len(CLOSED)),
        (CLOSED + b'\r\n+QIURC: "recv",3,9\r\n\r\nOK\r\n', 14 + len(CLOSED)),
    ],
)
def test_the_last_line_stands_for_those_before_it(kind: type[Watch], chain: bytes, last: int) -> None:
    found = watch(kind)
    passed(found, [b"abc" + NC + chain])
    assert found.last_line == last
    assert passed(watch(kind), [NC + chain[last - 14 :]]) == (b"", NC + chain[last - 14 :])


@on_every_core
def test_no_more_than_the_tail_is_withheld(kind: type[Watch]) -> None:
    burst = NC + b"\r\n+" + b"x" * (WATCH_TAIL - len(NC) - 3)
    assert passed(watch(kind), [b"abc" + burst]) == (b"abc", burst)
    assert passed(watch(kind), [b"abc" + burst, b"y"]) == (b"abc" + burst + b"y", b"")


@on_every_core
def test_the_worst_that_can_come_is_judged(kind: type[Watch]) -> None:
    markers = b"\r\nOK\r\n" * 1000
    assert passed(watch(kind, OK), [markers]) == (markers[:-6], b"\r\nOK\r\n")
    assert passed(watch(kind, OK), [markers + b"x"]) == (markers + b"x", b"")


@on_every_core
@given(stream=STREAMS, cuts=CUTS)
def test_nothing_is_lost_or_reordered(kind: type[Watch], stream: bytes, cuts: list[int]) -> None:
    payload, withheld = passed(watch(kind, NO_CARRIER | OK), list(pieces(stream, cuts)))
    assert payload + withheld == stream


WORDS = ["OK", "ERROR", "SEND OK", "SEND FAIL", "CONNECT", "NO CARRIER", "ready", "RDY"]
PREFIXES = [word[:n] for word in WORDS for n in range(1, len(word) + 1)]
SUSPECT = re.compile(
    rb"\r\nNO CARRIER\r\n(\r\n(\+[^\r\n]*|%b)\r\n)*(\r|\r\n|\r\n((\+[^\r\n]*|%b)\r?|%b))?"
    % ("|".join(WORDS).encode(), "|".join(WORDS).encode(), "|".join(PREFIXES).encode())
)
LINES = st.lists(
    st.sampled_from([NC, CLOSED, b"\r\n+X", b"\r\nSEND OK\r\n", b"\r\nERR", b"\r", b"\r\n", b"x", b"+"]) | JUNK,
    max_size=6,
)


@on_every_core
@given(LINES.map(b"".join))
def test_what_is_suspected_is_a_matter_of_grammar(kind: type[Watch], stream: bytes) -> None:
    found = watch(kind, rules=())
    _, withheld = passed(found, [stream])
    starts = [
        at.start() for at in re.finditer(rb"(?=\r\nNO CARRIER\r\n)", stream) if SUSPECT.fullmatch(stream, at.start())
    ]
    assert (found.verdict is Verdict.SUSPECT) == bool(starts)
    if starts:
        assert withheld == stream[starts[-1] :]
    else:
        assert withheld == max((NC[:n] for n in range(14) if stream.endswith(NC[:n])), key=len)


PUSHED = st.binary(max_size=40).map(lambda data: b'\r\n+QIURC: "recv",3,%d\r\n%b\r\n' % (len(data), data))
CHAIN = (
    st.lists(st.sampled_from([CLOSED, b"\r\nOK\r\n", b"\r\nERROR\r\n"]) | PUSHED, max_size=6)
    .map(b"".join)
    .filter(lambda chain: b"NO CARRIER" not in chain)
)


@on_every_core
@given(CHAIN, st.integers(0, 60), CHAIN | LINES.map(b"".join))
def test_what_stands_before_the_last_line_does_not_matter(
    kind: type[Watch], chain: bytes, cut: int, after: bytes
) -> None:
    cut = min(cut, len(chain))
    whole = NC + chain[: len(chain) - cut]
    long, short = watch(kind), watch(kind)
    assert passed(long, [whole]) == (b"", whole)
    kept = NC + whole[long.last_line :]
    assert passed(short, [kept]) == (b"", kept)
    rest = chain[len(chain) - cut :]
    held = long.step(whole + rest + after, 2.0)
    if after or rest:
        dropped = len(whole) - len(kept)
        assert short.step(kept + rest + after, 2.0) in (held, held - dropped)
        assert (short.verdict, short.marker) == (long.verdict, long.marker)


@on_every_core
@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_will_do(kind: type[Watch], form: type[bytes]) -> None:
    assert watch(kind).step(form(b"abcd" + NC), 1.0) == 4
