"""The C core and its Python twin do the same, call by call, and stand on the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from operator import attrgetter, methodcaller
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fcm360w._contract as contract
from conversations import JUNK, RULES, STREAMS, counted
from fcm360w import escape, framer, hexcodec
from fcm360w._select import choose, cores, load

T = TypeVar("T")
Call = Callable[[object], object]
RELEASE: Call = methodcaller("release")

with_both_cores = pytest.mark.skipif(len(cores()) < 2, reason="platform: the C core is not built")


def both(make: Callable[[str], T]) -> tuple[T, T]:
    return make("c"), make("python")


def call(names: list[str], *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    return st.builds(methodcaller, st.sampled_from(names), *arguments)


def change(names: list[str], values: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    return st.builds(methodcaller, st.just("__setattr__"), st.sampled_from(names), values)


FRAMER_CALLS = st.lists(
    call(["feed"], STREAMS)
    | call(["scan"], STREAMS, st.integers(1, 9))
    | change(["armed", "doubled"], st.integers(0, 2 ** len(RULES) - 1))
    | change(["want_prompt", "raw", "skip_lf"], st.booleans())
    | call(["expect"], st.integers(0, 20))
    | call(["take_tail", "reset"]),
    max_size=8,
)
framer_state = attrgetter("armed", "doubled", "want_prompt", "raw", "skip_lf", "dropped", "tail")


@with_both_cores
@given(calls=FRAMER_CALLS, eol=st.sampled_from("\n\r"), max_line=st.sampled_from([16, 40, 1024]))
def test_framers_agree(calls: list[Call], eol: str, max_line: int) -> None:
    ours, twin = both(lambda name: framer.implementations()[name](RULES, eol=eol, max_line=max_line))
    for act in calls:
        assert act(ours) == act(twin)
        assert framer_state(ours) == framer_state(twin)


STRIDE = st.sampled_from([1, 2, 3, 7, 1000])


@with_both_cores
@given(stream=st.lists(counted(), min_size=1, max_size=3).map(b"".join), stride=STRIDE)
def test_framers_agree_on_payloads(stream: bytes, stride: int) -> None:
    ours, twin = both(lambda name: framer.implementations()[name](RULES, max_line=48))
    for at in range(0, len(stream), stride):
        assert ours.feed(stream[at : at + stride]) == twin.feed(stream[at : at + stride])
        assert framer_state(ours) == framer_state(twin)


PREFIX = st.text('+Q "5', min_size=0, max_size=6)
ANY_RULES = st.lists(
    st.builds(framer.Rule, PREFIX, st.sampled_from(framer.Start), field=st.integers(0, 3), max=st.integers(0, 60)),
    max_size=4,
)
NEAR_RULES = st.lists(st.sampled_from(list('+Q ",\r\n5019>x')), max_size=60).map("".join)


@with_both_cores
@given(rules=ANY_RULES, stream=NEAR_RULES, stride=STRIDE)
def test_framers_agree_on_any_rules(rules: list[framer.Rule], stream: str, stride: int) -> None:
    ours, twin = both(lambda name: framer.implementations()[name](rules, max_line=32))
    for at in range(0, len(stream), stride):
        chunk = stream[at : at + stride].encode()
        assert ours.feed(chunk) == twin.feed(chunk)
        assert ours.tail == twin.tail


@with_both_cores
@given(st.binary(max_size=300))
def test_framers_agree_on_noise(noise: bytes) -> None:
    ours, twin = both(lambda name: framer.implementations()[name](RULES, max_line=20))
    assert ours.feed(noise) == twin.feed(noise)


PLUSES = st.sampled_from([b"", b"+", b"++", b"+++", b"++++", b"a", b"+a", b"a+++"]) | st.binary(max_size=4)
STEPS = st.lists(st.tuples(PLUSES, st.integers(0, 24).map(lambda eighths: eighths / 8)), max_size=20)


@with_both_cores
@given(STEPS, st.sets(st.integers(0, 20)))
def test_escapes_agree(steps: list[tuple[bytes, float]], touched: set[int]) -> None:
    ours, twin = both(lambda name: escape.implementations()[name][0](1.0, 0.0))
    now = 0.0
    for i, (data, pause) in enumerate(steps):
        now += pause
        assert ours.step(data, now) == twin.step(data, now)
        if i in touched:
            ours.touch(now + 0.5)
            twin.touch(now + 0.5)
        assert (ours.deadline, ours.held) == (twin.deadline, twin.held)


@with_both_cores
@given(STEPS, st.sampled_from([0.0, 0.125, 0.5, 2.0]), st.booleans())
def test_guards_agree(steps: list[tuple[bytes, float]], slack: float, obedient: bool) -> None:
    ours, twin = both(lambda name: escape.implementations()[name][1](1.0, slack, 0.0))
    now = 0.0
    for data, pause in steps:
        now += pause
        n = ours.allow(data, now)
        assert (n, ours.deadline) == (twin.allow(data, now), twin.deadline)
        sent = data[:n] if obedient else data
        for guard in (ours, twin):
            guard.sent(sent, now, now + 0.25)
        assert ours.deadline == twin.deadline


MARKERS = st.sampled_from([b"\r\nNO CARRIER\r\n", b"\r\nOK\r\n"])
AFTER = st.sampled_from([b"", b"\r", b"\r\n", b"\r\n+", b'\r\n+QIURC: "closed",0\r\n', b"\r\nready\r\n", b"x"]) | JUNK
WATCHED = st.tuples(JUNK, MARKERS, st.just(b"") | counted(), AFTER).map(b"".join)
WATCH_CALLS = st.lists(
    st.tuples(
        st.none() | change(["armed", "doubled", "markers"], st.integers(0, 3)) | st.just(RELEASE),
        st.just(b"") | WATCHED | STREAMS,
        st.sampled_from([0.0, 0.5, 1.0, 1.5]),
    ),
    max_size=8,
)
watch_state = attrgetter("armed", "doubled", "markers", "deadline", "verdict", "marker", "marker_len", "last_line")


@with_both_cores
@given(WATCHED, STRIDE)
def test_watches_agree_after_a_marker(stream: bytes, stride: int) -> None:
    markers = escape.ENDS | escape.Marker.OK
    ours, twin = both(lambda name: escape.implementations()[name][2](markers, RULES[:3], 1.0, 0.0))
    withheld = b""
    for at in range(0, len(stream), stride):
        data = withheld + stream[at : at + stride]
        n = ours.step(data, 0.0)
        assert n == twin.step(data, 0.0)
        assert watch_state(ours) == watch_state(twin)
        withheld = data[n:]


@with_both_cores
@given(WATCH_CALLS)
def test_watches_agree(calls: list[tuple[Call | None, bytes, float]]) -> None:
    markers = escape.ENDS | escape.Marker.OK
    ours, twin = both(lambda name: escape.implementations()[name][2](markers, RULES[:3], 1.0, 0.0))
    now, withheld = 0.0, b""
    for act, new, pause in calls:
        if act:
            act(ours)
            act(twin)
        data = new if act is RELEASE else withheld + new
        now += pause
        n = ours.step(data, now)
        assert n == twin.step(data, now)
        assert watch_state(ours) == watch_state(twin)
        withheld = data[n:]


@with_both_cores
@given(
    st.lists(
        st.sampled_from([b"\r\n", b"\r\nOK\r\n", b"\r\n+X\r\n", b"+", b"x", b"\r\n+QIRD: 900\r\n", b"y" * 300]),
        max_size=60,
    )
)
def test_watches_agree_beyond_the_tail(parts: list[bytes]) -> None:
    ours, twin = both(lambda name: escape.implementations()[name][2](escape.Marker.OK, RULES[:3], 1.0, 0.0))
    data = b""
    for part in [b"\r\nOK\r\n", *parts]:
        data += part
        n = ours.step(data, 0.0)
        assert (n, ours.verdict) == (twin.step(data, 0.0), twin.verdict)
        data = data[n:]


@with_both_cores
def test_the_numbers_of_the_header_are_those_of_the_twin() -> None:
    from fcm360w._core import lib

    names = {f"FCM_{name}": value for name, value in vars(contract).items() if type(value) is int}
    for enum in (contract.Kind, contract.Start, contract.Marker, contract.Verdict):
        names |= {f"FCM_{member.name}": member.value for member in enum}
    del names["FCM_MIN_LINE"]
    assert {name: getattr(lib, name) for name in names} == names


@with_both_cores
@pytest.mark.parametrize("name", ["c", "python"])
def test_the_environment_picks_the_core(name: str) -> None:
    code = "from fcm360w import framer, escape, hexcodec; print(framer.CORE, escape.CORE, hexcodec.CORE)"
    env = os.environ | {"FCM360W_CORE": name}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [name] * 3


def test_the_python_core_needs_no_c() -> None:
    code = "import sys; from fcm360w import framer, escape, hexcodec; print('fcm360w._core' in sys.modules)"
    env = os.environ | {"FCM360W_CORE": "python"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_best_core_is_the_default() -> None:
    name, core = choose(None)
    assert core is load(name)
    assert (name == "c") == (find_spec("fcm360w._core") is not None)


def test_a_core_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match="FCM360W_CORE is 'rust': it must be 'c' or 'python'"):
        choose("rust")
    monkeypatch.setitem(sys.modules, "fcm360w._core", None)
    monkeypatch.delitem(sys.modules, "fcm360w._native", raising=False)
    with pytest.raises(ImportError, match=r"FCM360W_CORE=c, but .*fcm360w\._core is not installed"):
        choose("c")
    assert choose(None)[0] == "python"
    assert list(cores()) == ["python"]


def test_codecs_have_names_of_their_own() -> None:
    names = [codec.name for core in cores().values() for codec in core.codecs]
    assert len(names) == len(set(names)) == len(hexcodec.implementations())
