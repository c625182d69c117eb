"""The twin of csrc/fcm_hex.c, on the standard library."""

from __future__ import annotations

import re
from binascii import Error, a2b_hex, b2a_hex
from typing import TYPE_CHECKING

from .._contract import bad_digit, contiguous, octets, odd_length, too_small, writable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_BAD = re.compile(rb"[^0-9A-Fa-f]")


class HexCodec:
    name = "python"

    def encode(self, data: ReadableBuffer) -> bytes:
        return b2a_hex(contiguous(data)).upper()

    def decode(self, text: ReadableBuffer) -> bytes:
        digits = octets(contiguous(text))
        try:
            return a2b_hex(digits)
        except Error:
            raise self._fault(digits) from None

    def encode_into(self, data: ReadableBuffer, out: WriteableBuffer) -> int:
        view = self._room(out, 2 * memoryview(data).nbytes)
        return self._put(self.encode(data), view)

    def decode_into(self, text: ReadableBuffer, out: WriteableBuffer) -> int:
        view = self._room(out, memoryview(text).nbytes // 2)
        return self._put(self.decode(text), view)

    @staticmethod
    def _room(out: WriteableBuffer, need: int) -> memoryview:
        view = writable(out)
        if view.nbytes < need:
            raise too_small(view.nbytes, need)
        return view

    @staticmethod
    def _put(result: bytes, view: memoryview) -> int:
        if result:  # an empty view has no other form
            view.cast("B")[: len(result)] = result
        return len(result)

    @staticmethod
    def _fault(digits: bytes) -> ValueError:
        bad = _BAD.search(digits, 0, len(digits) // 2 * 2)
        return bad_digit(digits, bad.start()) if bad else odd_length(len(digits))
