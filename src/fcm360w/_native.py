"""The C core as engines: each owns a C struct and all memory that the struct points to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import _core
from ._contract import MAX_RULES, Columns, Core, EscapeOut, Rule
from ._core import ffi, lib

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from ._core import Bytes, CData, Encode, Escape, Framer, Guard, Into, Watch

_EMPTY: Columns = ([], [], [], [])


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
    """One instruction set's codec: built-in functions, since a call through cffi costs more than a short input."""

    def __init__(self, name: str, encode: Encode, decode: Encode, encode_into: Into, decode_into: Into) -> None:
        self.name = name
        self.encode = encode
        self.decode = decode
        self.encode_into = encode_into
        self.decode_into = decode_into


def codecs() -> list[HexCodec]:
    lib.fcm_hex_install()
    return [HexCodec(*functions) for functions in _core.hex_codecs]


core = Core(FramerEngine, EscapeEngine, GuardEngine, WatchEngine, codecs())
