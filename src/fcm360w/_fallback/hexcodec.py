"""The twin of csrc/fcm_hex.c, on the standard library."""

from __future__ import annotations

import re
from binascii import Error, a2b_hex, b2a_hex
from typing import TYPE_CHECKING

from .._contract import bad_digit, octets, odd_length, too_small

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_BAD = re.compile(rb"[^0-9A-Fa-f]")


class HexCodec:
    name = "python"

    def encode(self, data: ReadableBuffer) -> bytes:
        return b2a_hex(data).upper()

    def decode(self, text: ReadableBuffer) -> bytes:
        digits = octets(text)
        try:
            return a2b_hex(digits)
        except Error:
            raise self._fault(digits) from None

    def encode_into(self, data: ReadableBuffer, out: WriteableBuffer) -> int:
        return self._put(self.encode(data), out)

    def decode_into(self, text: ReadableBuffer, out: WriteableBuffer) -> int:
        room, need = memoryview(out).nbytes, memoryview(text).nbytes // 2
        if room < need:
            raise too_small(room, need)
        return self._put(self.decode(text), out)

    @staticmethod
    def _put(result: bytes, out: WriteableBuffer) -> int:
        room = memoryview(out)
        if room.nbytes < len(result):
            raise too_small(room.nbytes, len(result))
        if result:  # an empty view has no other form
            room.cast("B")[: len(result)] = result
        return len(result)

    @staticmethod
    def _fault(digits: bytes) -> ValueError:
        bad = _BAD.search(digits, 0, len(digits) // 2 * 2)
        return bad_digit(digits, bad.start()) if bad else odd_length(len(digits))
