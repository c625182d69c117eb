"""The hex codec, on every instruction set that is here."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w import hexcodec

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


@given(st.binary(max_size=600))
def test_all_levels_agree_on_what_is_no_hex(text: bytes) -> None:
    def outcome(level: str) -> bytes | str:
        try:
            return CODECS[level].decode(text)
        except ValueError as error:
            return str(error)

    assert len({outcome(level) for level in CODECS}) == 1


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
    with pytest.raises((BufferError, TypeError)):
        CODECS[level].encode_into(b"ab", b"!!!!")


@on_every_level
def test_any_buffer_will_do(level: str) -> None:
    codec = CODECS[level]
    numbers = array("H", range(9))
    assert codec.encode(numbers) == codec.encode(numbers.tobytes()) == codec.encode(np.arange(9, dtype=np.uint16))
    assert codec.decode(np.frombuffer(b"0aF0", np.uint8)) == codec.decode(bytearray(b"0AF0")) == b"\x0a\xf0"
    assert codec.encode(np.zeros(0, np.uint8)) == b""


@pytest.mark.parametrize("length", [0, 3, 255, 256, 511, 512, 2000])
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


@pytest.mark.parametrize("length", [2, 600])
def test_the_module_s_own_error(length: int) -> None:
    with pytest.raises(ValueError, match="index 1: b'z'"):
        hexcodec.decode(b"0z" * (length // 2))
