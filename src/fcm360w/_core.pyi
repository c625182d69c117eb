from collections.abc import Callable
from typing import Any

from _typeshed import ReadableBuffer, WriteableBuffer

class CData:
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...

class CType: ...

class Framer(CData):
    armed: int
    doubled: int
    want_prompt: bool
    raw: bool
    skip_lf: bool
    dropped: int

class Escape(CData):
    deadline: int
    _held: int

class EscapeOut(CData):
    plus: int
    seen: bool
    forward: int

class Guard(CData):
    deadline: int

class Watch(CData):
    armed: int
    doubled: int
    markers: int
    deadline: int
    verdict: int
    marker: int

# Buffers are passed as they are where the C function takes `const uint8_t *` and they are `bytes`.
Bytes = bytes | CData

class Lib:
    FCM_NEVER: int
    FCM_NO_RULE: int
    FCM_MAX_RULES: int
    FCM_MAX_COUNT: int
    FCM_WATCH_TAIL: int
    FCM_LINE: int
    FCM_PROMPT: int
    FCM_DATA: int
    FCM_DATA_END: int
    FCM_OVERLONG: int
    FCM_AFTER_LINE: int
    FCM_INSIDE: int
    FCM_RAW: int
    FCM_NO_CARRIER: int
    FCM_OK: int
    FCM_CLEAR: int
    FCM_HELD: int
    FCM_SUSPECT: int
    FCM_SILENT: int

    def fcm_framer_init(self, f: Framer, eol: int, rules: CData, rule_count: int, max_line: int, /) -> None: ...
    def fcm_framer_scan(self, f: Framer, data: Bytes, size: int, events: CData, cap: int, used: CData, /) -> int: ...
    def fcm_framer_expect(self, f: Framer, count: int, /) -> None: ...
    def fcm_framer_restart(self, f: Framer, /) -> None: ...
    def fcm_escape_init(self, e: Escape, guard: int, now: int, /) -> None: ...
    def fcm_escape_step(self, e: Escape, data: Bytes, size: int, now: int, /) -> EscapeOut: ...
    def fcm_escape_touch(self, e: Escape, now: int, /) -> None: ...
    def fcm_guard_init(self, g: Guard, guard: int, slack: int, now: int, /) -> None: ...
    def fcm_guard_allow(self, g: Guard, data: Bytes, size: int, now: int, /) -> int: ...
    def fcm_guard_sent(self, g: Guard, data: Bytes, size: int, now: int, idle: int, /) -> None: ...
    def fcm_watch_init(self, w: Watch, markers: int, rules: CData, rule_count: int, hold: int, now: int, /) -> None: ...
    def fcm_watch_step(self, w: Watch, data: Bytes, size: int, now: int, /) -> int: ...
    def fcm_watch_marker_len(self, w: Watch, /) -> int: ...
    def fcm_watch_last_line(self, w: Watch, /) -> int: ...
    def fcm_watch_release(self, w: Watch, /) -> None: ...
    def fcm_hex_install(self) -> None: ...

class FFI:
    def new(self, cdecl: str, init: Any = ..., /) -> Any: ...
    def from_buffer(self, cdecl: str, buffer: ReadableBuffer, /) -> CData: ...
    def unpack(self, cdata: CData, length: int, /) -> list[int]: ...

ffi: FFI
lib: Lib

Encode = Callable[[ReadableBuffer], bytes]
Into = Callable[[ReadableBuffer, WriteableBuffer], int]

# Of fcm_hex_install: name, encode, decode, encode_into, decode_into; fastest first.
hex_codecs: list[tuple[str, Encode, Encode, Into, Into]]
