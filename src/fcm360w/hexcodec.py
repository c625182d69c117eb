"""Hex digits: upper case out, either case in, and not one character more.

A buffer is `bytes`, `bytearray`, `memoryview`, a numpy array or anything else whose bytes lie side by side, of any
shape and item; BufferError if they do not, or if an output cannot be written to.  Sizes are in bytes, without a bound.

FCM360W_HEX in the environment, read once at import, names the one of LEVELS that does the work.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ._contract import Codec
from ._select import CORE, core, cores
from .errors import CoreUnavailable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["CORE", "LEVELS", "decode", "decode_into", "encode", "encode_into", "implementations", "in_use", "use"]

VARIABLE = "FCM360W_HEX"

LEVELS: Final[tuple[str, ...]] = tuple(codec.name for codec in core.codecs)
"""The implementations this machine can run, fastest first."""

_codec: Codec


def use(level: str) -> None:
    """Have one of LEVELS do the work from now on, in the whole process.  CoreUnavailable for another name."""
    global _codec
    if level not in LEVELS:
        raise CoreUnavailable(f"no hex codec {level!r} ({VARIABLE}): this core and machine have {', '.join(LEVELS)}")
    _codec = core.codecs[LEVELS.index(level)]


def in_use() -> str:
    """Which of LEVELS does the work."""
    return _codec.name


def encode(data: ReadableBuffer) -> bytes:
    """Two upper-case digits for each byte."""
    return _codec.encode(data)


def decode(text: ReadableBuffer) -> bytes:
    """The bytes that digits of either case stand for.

    Raises ValueError that names the index of the first bad digit, or of the last one if their number is odd.
    """
    return _codec.decode(text)


def encode_into(data: ReadableBuffer, out: WriteableBuffer) -> int:
    """Encode to the start of `out`, twice the size of `data` or more; returns how many digits were written.

    The two may overlap, at the price of a copy of `data`.  Raises ValueError if `out` is too small, before anything is
    written.
    """
    return _codec.encode_into(data, out)


def decode_into(text: ReadableBuffer, out: WriteableBuffer) -> int:
    """Decode to the start of `out`, half the size of `text` or more; returns how many bytes were written.

    The two may overlap, at the price of a copy of `text`.  Raises ValueError if `out` is too small, before anything is
    written, and as `decode`, after which `out` holds nothing of use.
    """
    return _codec.decode_into(text, out)


def implementations() -> dict[str, Codec]:
    """Every codec by name, of every core that is here, for tests and benches."""
    return {codec.name: codec for chosen in cores().values() for codec in chosen.codecs}


use(os.environ.get(VARIABLE) or LEVELS[0])
