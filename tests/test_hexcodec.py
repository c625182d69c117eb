"""The hex codec, on every instruction set that is here."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w import hexcodec
from fcm360w.errors import CoreUnavailable

CODECS = hexcodec.implementations()
on_every_level = pytest.mark.parametrize("level", CODECS)

OCTETS = bytes(i * 167 + 13 & 255 for i in range(400))


def test_the_levels_are_those_of_the_core_in_use() -> None:
    assert hexcodec.LEVELS
    assert set(hexcodec.LEVELS) <= set(CODECS)
    assert (hexcodec.LEVELS == ("python",)) == (hexcodec.CORE == "python")


@on_every_level
@pytest.mark.parametrize("offset", [0, 1, 7, 15, 16, 31, 33])
def test_all_lengths_at_all_alignments(level: str, offset: int) -> None:
    codec = CODECS[level]
    for length in range(301):
        data = memoryview(OCTETS)[offset : offset + length]
        text = codec.encode(data)
        assert text == data.hex().upper().encode()
        assert codec.decode(text) == codec.decode(text.lower()) == data


@on_every_level
@pytest.mark.parametrize("bad", [b"/", b":", b"@", b"G", b"`", b"g", b"\x10", b"\xb0", b"\0", b" "])
def test_the_first_bad_digit_is_named(level: str, bad: bytes) -> None:
    text = OCTETS[:70].hex().encode()
    for index in range(len(text)):
        wrong = text[:index] + bad + text[index + 1 : -1] + b"?"
        with pytest.raises(ValueError, match=rf"index {index}:"):
            CODECS[level].decode(wrong[: len(text)])


@on_every_level
def test_an_odd_digit_stands_alone(level: str) -> None:
    with pytest.raises(ValueError, match=r"3 hex digits .* index 2"):
        CODECS[level].decode(b"00f")
    with pytest.raises(ValueError, match="index 1"):
        CODECS[level].decode(b"0x0")


@on_every_level
@given(st.binary(max_size=600))
def test_round_trip(level: str, data: bytes) -> None:
    codec = CODECS[level]
    assert codec.decode(codec.encode(data)) == hexcodec.decode(hexcodec.encode(data)) == data
    assert codec.encode(data) == hexcodec.encode(data)


def outcome(act: Callable[[], object]) -> object:
    try:
        return act()
    except (ValueError, BufferError) as error:
        return type(error), str(error)


NEAR_HEX = st.lists(st.sampled_from(list("0123456789abcdefABCDEF") * 3 + list("/:@G`gx \xb0")), max_size=600)


@given(st.binary(max_size=600) | NEAR_HEX.map(lambda text: "".join(text).encode("latin-1")))
def test_all_levels_agree_on_what_is_no_hex(text: bytes) -> None:
    assert len({outcome(lambda codec=codec: codec.decode(text)) for codec in CODECS.values()}) == 1


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 700), st.booleans())
def test_all_levels_agree_on_overlapping_buffers(data: bytes, begin: int, at: int, room: int, encode: bool) -> None:
    def shared(level: str) -> tuple[object, bytes]:
        memory = bytearray(data.hex().encode() + bytes(200))
        codec, view = CODECS[level], memoryview(memory)
        source, out = view[begin : begin + len(data)], view[at : at + room]
        result = outcome(lambda: codec.encode_into(source, out) if encode else codec.decode_into(source, out))
        return result, bytes(memory) if isinstance(result, int) else b""

    assert len({shared(level) for level in CODECS}) == 1


@on_every_level
@pytest.mark.parametrize("length", [0, 1, 16, 40, 200])
def test_into_a_buffer_of_the_caller(level: str, length: int) -> None:
    codec, data = CODECS[level], OCTETS[:length]
    out = bytearray(b"!" * (2 * length + 3))
    assert codec.encode_into(data, out) == 2 * length
    assert out == data.hex().upper().encode() + b"!!!"
    back = np.full(length + 3, 33, np.uint8)
    assert codec.decode_into(memoryview(out)[: 2 * length], back) == length
    assert back.tobytes() == data + b"!!!"


@on_every_level
def test_a_buffer_too_small_is_left_alone(level: str) -> None:
    out = bytearray(b"!" * 7)
    with pytest.raises(ValueError, match="holds 7 bytes, 8 are needed"):
        CODECS[level].encode_into(b"abcd", out)
    with pytest.raises(ValueError, match="holds 7 bytes, 8 are needed"):
        CODECS[level].decode_into(b"0" * 16, out)
    assert out == b"!" * 7


@on_every_level
def test_any_buffer_will_do(level: str) -> None:
    codec = CODECS[level]
    numbers = array("H", range(9))
    assert codec.encode(numbers) == codec.encode(numbers.tobytes()) == codec.encode(np.arange(9, dtype=np.uint16))
    assert codec.decode(np.frombuffer(b"0aF0", np.uint8)) == codec.decode(bytearray(b"0AF0")) == b"\x0a\xf0"
    assert codec.encode(np.zeros(0, np.uint8)) == b""


@on_every_level
def test_overlapping_buffers_are_read_before_they_are_written(level: str) -> None:
    memory = bytearray(OCTETS[:70] + bytes(70))
    assert CODECS[level].encode_into(memoryview(memory)[:70], memory) == 140
    assert memory == OCTETS[:70].hex().upper().encode()
    assert CODECS[level].decode_into(memory, memoryview(memory)[3:]) == 70
    assert memory[3:73] == OCTETS[:70]


@on_every_level
def test_a_bad_digit_of_an_overlapping_buffer(level: str) -> None:
    memory = bytearray(b"0" * 69 + b"x")
    with pytest.raises(ValueError, match="index 69: b'x'"):
        CODECS[level].decode_into(memory, memory)


@on_every_level
@pytest.mark.parametrize("gaps", [memoryview(bytearray(16))[::2], np.zeros(16, np.uint8)[::2]])
def test_a_buffer_with_gaps_is_refused(level: str, gaps: memoryview) -> None:
    codec = CODECS[level]
    for act in (codec.encode, codec.decode):
        with pytest.raises(BufferError, match="not contiguous: pass a copy"):
            act(gaps)
    for into in (codec.encode_into, codec.decode_into):
        with pytest.raises(BufferError, match="not contiguous"):
            into(gaps, bytearray(32))
        with pytest.raises(BufferError, match="not contiguous"):
            into(b"00", gaps)


@on_every_level
def test_long_inputs(level: str) -> None:
    codec, data = CODECS[level], OCTETS * 5300  # more than 2 MiB: the GIL is given up
    text = codec.encode(data)
    assert text == data.hex().upper().encode()
    assert codec.decode(text) == data
    out = bytearray(len(text))
    assert codec.encode_into(data, out) == len(text)
    assert (out == text, codec.decode_into(out, out), out.startswith(data)) == (True, len(data), True)
    with pytest.raises(ValueError, match=f"index {len(text)}: b'x'"):
        codec.decode(text + b"x0")


@on_every_level
def test_nothing_is_kept(level: str) -> None:
    codec, data, out = CODECS[level], bytearray(OCTETS), bytearray(1000)
    for act in (
        lambda: codec.encode_into(data, out),
        lambda: codec.encode_into(data, bytearray(7)),
        lambda: codec.encode_into(data, b"!" * 1000),  # type: ignore[arg-type]
        lambda: codec.encode_into(memoryview(out)[:300], out),
        lambda: codec.decode_into(data, out),
        lambda: codec.decode_into(out, data),
        lambda: codec.encode(data),
        lambda: codec.decode(data),
    ):
        outcome(act)
        data.append(0)  # BufferError while anything looks at it
        out.append(0)


READ_ONLY = [b"!" * 8, memoryview(b"!" * 8), np.frombuffer(b"!" * 8, np.uint8)]


@on_every_level
@pytest.mark.parametrize("out", READ_ONLY)
def test_a_read_only_output_is_refused(level: str, out: bytearray) -> None:
    for into in (CODECS[level].encode_into, CODECS[level].decode_into):
        with pytest.raises(BufferError, match="the output buffer is read-only"):
            into(b"00", out)


@on_every_level
def test_text_is_no_buffer(level: str) -> None:
    for act in (CODECS[level].encode, CODECS[level].decode):
        with pytest.raises(TypeError):
            act("00")  # type: ignore[arg-type]


@on_every_level
def test_results_are_objects_of_their_own(level: str) -> None:
    codec = CODECS[level]
    one, zero = codec.decode(b"41"), codec.decode(b"00")
    assert (one, zero, b"\0" * len(one), bytes(1)) == (b"A", b"\0", b"\0", b"\0")
    first, second = codec.encode(b"\1"), codec.encode(b"\2")
    assert (first, second, codec.encode(b""), b"\0" * len(first)) == (b"01", b"02", b"", b"\0\0")


@pytest.fixture
def level_restored() -> Iterator[None]:
    before = hexcodec.in_use()
    yield
    hexcodec.use(before)


@pytest.mark.usefixtures("level_restored")
@pytest.mark.parametrize("level", hexcodec.LEVELS)
def test_a_level_can_be_forced(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hexcodec.use(level)
    assert hexcodec.in_use() == level
    chosen = CODECS[level]
    for name in ("encode", "decode", "encode_into", "decode_into"):
        monkeypatch.setattr(chosen, name, lambda *_: level)
    data, text = OCTETS * 4, OCTETS.hex().encode() * 4
    assert [hexcodec.encode(data), hexcodec.decode(text)] == [level] * 2
    assert [hexcodec.encode_into(data, text), hexcodec.decode_into(text, data)] == [level] * 2


def test_a_level_that_is_not_here() -> None:
    before = hexcodec.in_use()
    with pytest.raises(CoreUnavailable, match=rf"no hex codec 'mmx' \(FCM360W_HEX\): .* have .*{hexcodec.LEVELS[-1]}"):
        hexcodec.use("mmx")
    assert hexcodec.in_use() == before


def level_of_a_child(level: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"FCM360W_HEX": level, "FCM360W_CORE": hexcodec.CORE}
    code = "from fcm360w import hexcodec; print(hexcodec.in_use())"
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("level", ["", *hexcodec.LEVELS])
def test_the_environment_picks_the_level(level: str) -> None:
    assert level_of_a_child(level).stdout.strip() == (level or hexcodec.LEVELS[0])


def test_the_environment_asks_for_a_level_that_is_not_here() -> None:
    done = level_of_a_child("AVX2")
    assert done.returncode != 0
    assert "no hex codec 'AVX2' (FCM360W_HEX)" in done.stderr


@pytest.mark.parametrize("length", [0, 3, 159, 160, 161, 575, 576, 577, 2000])
def test_the_module_s_own_functions(length: int) -> None:
    data = (OCTETS * 5)[:length]
    text = hexcodec.encode(data)
    assert text == data.hex().upper().encode() == hexcodec.encode(bytearray(data))
    assert hexcodec.decode(text) == hexcodec.decode(memoryview(text)) == data
    out = bytearray(2 * length)
    assert hexcodec.encode_into(data, out) == 2 * length
    back = bytearray(length)
    assert hexcodec.decode_into(out, back) == length
    assert back == data


@pytest.mark.parametrize("length", [2, 1150, 1152, 3000])
def test_the_module_s_own_error(length: int) -> None:
    with pytest.raises(ValueError, match="index 1: b'z'"):
        hexcodec.decode(b"0z" * (length // 2))
