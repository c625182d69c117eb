"""The C core as engines: each owns a C struct and all memory that the struct points to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ._contract import (
    MAX_RULES,
    Columns,
    Core,
    EscapeOut,
    Rule,
    bad_digit,
    contiguous,
    odd_length,
    too_small,
    writable,
)
from ._core import ffi, lib

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from ._core import Bytes, CData, CType, Escape, Framer, Guard, Hex, Watch

if sys.implementation.name != "cpython":  # elsewhere cffi lends C a copy of `bytes`, which it cannot fill
    raise ModuleNotFoundError("the C core needs CPython", name="fcm360w._core")

_EMPTY: Columns = ([], [], [], [])
_OCTETS, _DIGITS = ffi.typeof("uint8_t[]"), ffi.typeof("char[]")
_from_buffer = ffi.from_buffer
_encode, _decode = lib.fcm_hex_encode, lib.fcm_hex_decode
_TOO_SMALL, _OVERLAP = lib.FCM_HEX_TOO_SMALL, lib.FCM_HEX_OVERLAP
_ZERO = b"\0"


def pointer(data: ReadableBuffer) -> Bytes:
    """What cffi takes for `const uint8_t *`; of `bytes` it takes the address without an object between."""
    return data if type(data) is bytes else ffi.from_buffer("uint8_t[]", data)


class RuleArray:
    """`struct fcm_rule[]` and the prefixes it points to."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        if len(rules) > MAX_RULES:
            raise ValueError(f"{len(rules)} rules: at most {MAX_RULES} fit")
        self._prefixes = [ffi.new("char[]", rule.prefix.encode("latin-1")) for rule in rules]
        fields = [
            (prefix, len(rule.prefix), rule.field, rule.start, rule.max)
            for rule, prefix in zip(rules, self._prefixes, strict=True)
        ]
        self.array: CData = ffi.new("struct fcm_rule[]", fields)
        self.count = len(rules)


class FramerEngine:
    def __init__(self, rules: Sequence[Rule], eol: int, max_line: int) -> None:
        self._rules = RuleArray(rules)
        self.state: Framer = ffi.new("struct fcm_framer *")
        lib.fcm_framer_init(self.state, eol, self._rules.array, self._rules.count, max_line)
        self._used = ffi.new("size_t *")
        self._allot(64)

    def _allot(self, cap: int) -> None:
        self._cap = cap
        self._columns: tuple[CData, ...] = (
            ffi.new("uint8_t[]", cap),
            ffi.new("uint32_t[]", cap),
            ffi.new("uint32_t[]", cap),
            ffi.new("uint16_t[]", cap),
        )
        self._events = ffi.new("struct fcm_events *", self._columns)

    def scan(self, data: ReadableBuffer, cap: int) -> tuple[Columns, int]:
        if cap > self._cap:
            self._allot(cap)
        src = pointer(data)
        n = lib.fcm_framer_scan(self.state, src, len(src), self._events, cap, self._used)
        used: int = self._used[0]
        if n == 0:
            return _EMPTY, used
        kind, off, length, rule = self._columns
        unpack = ffi.unpack
        return (unpack(kind, n), unpack(off, n), unpack(length, n), unpack(rule, n)), used

    def expect(self, count: int) -> None:
        lib.fcm_framer_expect(self.state, count)

    def restart(self) -> None:
        lib.fcm_framer_restart(self.state)


class EscapeEngine:
    def __init__(self, guard: int, now: int) -> None:
        self._state: Escape = ffi.new("struct fcm_escape *")
        lib.fcm_escape_init(self._state, guard, now)

    @property
    def deadline(self) -> int:
        return self._state.deadline

    @property
    def held(self) -> int:
        return self._state._held

    def step(self, data: ReadableBuffer, now: int) -> EscapeOut:
        src = pointer(data)
        out = lib.fcm_escape_step(self._state, src, len(src), now)
        return EscapeOut(out.plus, out.seen, out.forward)

    def touch(self, now: int) -> None:
        lib.fcm_escape_touch(self._state, now)


class GuardEngine:
    def __init__(self, guard: int, slack: int, now: int) -> None:
        self._state: Guard = ffi.new("struct fcm_guard *")
        lib.fcm_guard_init(self._state, guard, slack, now)

    @property
    def deadline(self) -> int:
        return self._state.deadline

    def allow(self, data: ReadableBuffer, now: int) -> int:
        src = pointer(data)
        return lib.fcm_guard_allow(self._state, src, len(src), now)

    def sent(self, data: ReadableBuffer, now: int, idle: int) -> None:
        src = pointer(data)
        lib.fcm_guard_sent(self._state, src, len(src), now, idle)


class WatchEngine:
    def __init__(self, markers: int, rules: Sequence[Rule], hold: int, now: int) -> None:
        self._rules = RuleArray(rules)
        self.state: Watch = ffi.new("struct fcm_watch *")
        lib.fcm_watch_init(self.state, markers, self._rules.array, self._rules.count, hold, now)

    @property
    def marker_len(self) -> int:
        return lib.fcm_watch_marker_len(self.state)

    @property
    def last_line(self) -> int:
        return lib.fcm_watch_last_line(self.state)

    def step(self, data: ReadableBuffer, now: int) -> int:
        src = pointer(data)
        return lib.fcm_watch_step(self.state, src, len(src), now)

    def release(self) -> None:
        lib.fcm_watch_release(self.state)


class HexCodec:
    """One instruction set's codec.

    A new result is a `bytes` object of zeros that C fills before anyone else has it, as CPython's own modules do.
    """

    def __init__(self, hex_: Hex) -> None:
        self._hex = hex_
        self.name = ffi.string(hex_.name).decode()

    def encode(self, data: ReadableBuffer) -> bytes:
        src = data if type(data) is bytes else readable(_OCTETS, data)
        size = len(src)
        out = _ZERO * (2 * size)
        _encode(self._hex, out, 2 * size, src, size)
        return out

    def decode(self, text: ReadableBuffer) -> bytes:
        src = text if type(text) is bytes else readable(_DIGITS, text)
        size = len(src) // 2
        out = _ZERO * size if size != 1 else bytes(1)  # times one, it would be the very object that all others share
        count = _decode(self._hex, out, size, src, len(src))
        if count < 0:
            raise fault(src, -1 - count)
        return out

    def encode_into(self, data: ReadableBuffer, out: WriteableBuffer) -> int:
        try:
            src = data if type(data) is bytes else _from_buffer(_OCTETS, data)
            dst = _from_buffer(_DIGITS, out, True)
        except (BufferError, ValueError):
            refuse(data, out)
            raise
        count = _encode(self._hex, dst, len(dst), src, len(src))
        if count >= 0:
            return count
        if count == _TOO_SMALL:
            raise too_small(len(dst), 2 * len(src))
        return self.encode_into(plain(src), out)

    def decode_into(self, text: ReadableBuffer, out: WriteableBuffer) -> int:
        try:
            src = text if type(text) is bytes else _from_buffer(_DIGITS, text)
            dst = _from_buffer(_OCTETS, out, True)
        except (BufferError, ValueError):
            refuse(text, out)
            raise
        count = _decode(self._hex, dst, len(dst), src, len(src))
        if count >= 0:
            return count
        if count == _TOO_SMALL:
            raise too_small(len(dst), len(src) // 2)
        if count == _OVERLAP:
            return self.decode_into(plain(src), out)
        raise fault(src, -1 - count)


def readable(kind: CType, data: ReadableBuffer) -> CData:
    try:
        return _from_buffer(kind, data)
    except (BufferError, ValueError):
        contiguous(data)
        raise


def refuse(data: ReadableBuffer, out: WriteableBuffer) -> None:
    """Say of the buffer at fault why it will not do."""
    contiguous(data)
    writable(out)


def plain(src: Bytes) -> bytes:
    return src if isinstance(src, bytes) else bytes(ffi.buffer(src))


def fault(src: Bytes, index: int) -> ValueError:
    return bad_digit(plain(src), index) if index < len(src) else odd_length(index)


def codecs() -> list[HexCodec]:
    found = lib.fcm_hex_list()
    out: list[HexCodec] = []
    while cast(object, found[len(out)]) != ffi.NULL:
        out.append(HexCodec(found[len(out)]))
    return out


core = Core(FramerEngine, EscapeEngine, GuardEngine, WatchEngine, codecs())
