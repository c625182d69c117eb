"""Hex digits: upper case out, either case in, and not one character more."""

from __future__ import annotations

from binascii import Error, a2b_hex, b2a_hex
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ._contract import Codec
from ._select import CORE, core, cores

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["CORE", "LEVELS", "decode", "decode_into", "encode", "encode_into", "implementations"]

_codec = core.codecs[0]

LEVELS: Final[tuple[str, ...]] = tuple(codec.name for codec in core.codecs)
"""The implementations this machine can run, the one in use first."""

# Below this the standard library is quicker than the way into the core.
_SMALL = 256


def encode(data: ReadableBuffer) -> bytes:
    """Two upper-case digits for each byte."""
    if isinstance(data, bytes) and len(data) < _SMALL:
        return b2a_hex(data).upper()
    return _codec.encode(data)


def decode(text: ReadableBuffer) -> bytes:
    """The bytes that digits of either case stand for.  Raises ValueError naming the index of the first bad one."""
    if isinstance(text, bytes) and len(text) < 2 * _SMALL:
        with suppress(Error):  # the codec below says where
            return a2b_hex(text)
    return _codec.decode(text)


def encode_into(data: ReadableBuffer, out: WriteableBuffer) -> int:
    """Encode to the start of `out`, which must not overlap `data`; returns how many digits were written.

    Raises ValueError if `out` is too small.
    """
    return _codec.encode_into(data, out)


def decode_into(text: ReadableBuffer, out: WriteableBuffer) -> int:
    """Decode to the start of `out`, which must not overlap `text`; returns how many bytes were written.

    Raises ValueError as `decode`, and if `out` is too small.  After an error `out` holds nothing of use.
    """
    return _codec.decode_into(text, out)


def implementations() -> dict[str, Codec]:
    """Every codec by name, of every core that is here, for tests and benches."""
    return {codec.name: codec for chosen in cores().values() for codec in chosen.codecs}
