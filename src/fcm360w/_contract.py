"""The words of csrc/fcm.h: what the C core, its pure-Python twin and their faces agree on.

A *core* makes the engines below; `_native` and `_fallback` have one each.  Engines count time in integer nanoseconds
and let state be read and written by the names of the C structs; the faces add seconds and convenience.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

NO_RULE = 0xFFFF
NEVER = 2**64 - 1
MAX_RULES = 32
MAX_COUNT = 0x40000000
MIN_LINE = 16
WATCH_TAIL = 67584


class Kind(IntEnum):
    """What a stretch of the stream is."""

    LINE = 1  # a line without its end; of an INSIDE rule, the line up to its count
    PROMPT = 2
    DATA = 3  # payload, more of it to come; or raw bytes
    DATA_END = 4  # the last bytes of a counted payload, perhaps none
    OVERLONG = 5  # a line too long to keep came to its end; its bytes are gone


class Start(IntEnum):
    """Where the payload of a line starts."""

    AFTER_LINE = 1  # after the line's end, as many bytes as the line counts
    INSIDE = 2  # after the count's comma, quoted or bare
    RAW = 3  # the line is exactly the prefix; all that follows is data


class _Rule(NamedTuple):
    prefix: str
    start: Start
    field: int = 0
    max: int = 65536


class Rule(_Rule):
    """What a line says about the bytes after it.

    A blank in `prefix` matches any number of blanks, a quote an optional quote.  `field`, from 0, is the comma
    field after the prefix that holds the count; a count above `max` is not believed.
    """

    __slots__ = ()

    def __new__(cls, prefix: str, start: Start, field: int = 0, max: int = 65536) -> Self:
        if not 0 <= field <= 255:
            raise ValueError(f"field {field} is outside 0..255")
        if not 0 <= max <= MAX_COUNT:
            raise ValueError(f"max {max} is outside 0..{MAX_COUNT}")
        return super().__new__(cls, prefix, start, field, max)


class Event(NamedTuple):
    """A span of the scanned bytes; `rule` is the index of the rule that matched, or NO_RULE."""

    kind: Kind | int
    off: int
    len: int
    rule: int


class EscapeOut(NamedTuple):
    """What becomes of the bytes of one step: first `plus` withheld '+' signs, then the first `forward` bytes.

    With `seen`, the escape is complete and all bytes of the step came after it; `forward` is 0 then.
    """

    plus: int
    seen: bool
    forward: int


class Marker(IntFlag):
    """What the end of data mode looks like."""

    NO_CARRIER = 1
    OK = 2
    READY = 4
    RDY = 8


class Verdict(IntEnum):
    """What the end of the data may be."""

    CLEAR = 0  # nothing is withheld
    HELD = 1  # perhaps the beginning of a marker
    SUSPECT = 2  # a whole marker, with nothing but the module's own lines after it
    SILENT = 3  # SUSPECT, and silence since


def ticks(seconds: float) -> int:
    return int(seconds * 1e9)


def moment(deadline: int) -> float | None:
    """Seconds for a deadline in ticks; never so early that the tick is not reached by then."""
    if deadline == NEVER:
        return None
    seconds = deadline / 1e9
    while ticks(seconds) < deadline:
        seconds = math.nextafter(seconds, math.inf)
    return seconds


Columns = tuple[list[int], list[int], list[int], list[int]]  # kind, off, len, rule


class FramerState(Protocol):
    armed: int
    doubled: int
    want_prompt: bool
    raw: bool
    skip_lf: bool

    @property
    def dropped(self) -> int: ...


class FramerEngine(Protocol):
    @property
    def state(self) -> FramerState: ...
    def scan(self, data: ReadableBuffer, cap: int) -> tuple[Columns, int]: ...
    def expect(self, count: int) -> None: ...
    def restart(self) -> None: ...


class EscapeEngine(Protocol):
    @property
    def deadline(self) -> int: ...
    @property
    def held(self) -> int: ...
    def step(self, data: ReadableBuffer, now: int) -> EscapeOut: ...
    def touch(self, now: int) -> None: ...


class GuardEngine(Protocol):
    @property
    def deadline(self) -> int: ...
    def allow(self, data: ReadableBuffer, now: int) -> int: ...
    def sent(self, data: ReadableBuffer, now: int, idle: int) -> None: ...


class WatchState(Protocol):
    armed: int
    doubled: int
    markers: int

    @property
    def deadline(self) -> int: ...
    @property
    def verdict(self) -> int: ...
    @property
    def marker(self) -> int: ...


class WatchEngine(Protocol):
    @property
    def state(self) -> WatchState: ...
    @property
    def marker_len(self) -> int: ...
    @property
    def last_line(self) -> int: ...
    def step(self, data: ReadableBuffer, now: int) -> int: ...
    def release(self) -> None: ...


class Codec(Protocol):
    """A hex codec, of one core and instruction set.  `hexcodec` has the contract of each method."""

    @property
    def name(self) -> str: ...
    def encode(self, data: ReadableBuffer, /) -> bytes: ...
    def decode(self, text: ReadableBuffer, /) -> bytes: ...
    def encode_into(self, data: ReadableBuffer, out: WriteableBuffer, /) -> int: ...
    def decode_into(self, text: ReadableBuffer, out: WriteableBuffer, /) -> int: ...


class Core(NamedTuple):
    """Makers of engines, and the hex codecs this machine can run, fastest first."""

    framer: Callable[[Sequence[Rule], int, int], FramerEngine]  # rules, eol, max_line
    escape: Callable[[int, int], EscapeEngine]  # guard, now
    guard: Callable[[int, int, int], GuardEngine]  # guard, slack, now
    watch: Callable[[int, Sequence[Rule], int, int], WatchEngine]  # markers, rules, hold, now
    codecs: Sequence[Codec]


def octets(data: ReadableBuffer) -> bytes:
    return data if type(data) is bytes else bytes(memoryview(data))


def contiguous(data: ReadableBuffer) -> ReadableBuffer:
    """The buffer itself.  BufferError if its bytes do not lie side by side."""
    if not memoryview(data).c_contiguous:
        raise BufferError("the buffer is not contiguous: pass a copy, such as bytes(buffer)")
    return data


def writable(out: WriteableBuffer) -> memoryview:
    """A view of it.  BufferError if it cannot be written to as one piece."""
    view = memoryview(contiguous(out))
    if view.readonly:
        raise BufferError("the output buffer is read-only")
    return view


def bad_digit(text: bytes, index: int) -> ValueError:
    return ValueError(f"not a hex digit at index {index}: {text[index : index + 1]!r}")


def odd_length(length: int) -> ValueError:
    return ValueError(f"{length} hex digits do not make whole bytes: the digit at index {length - 1} stands alone")


def too_small(room: int, need: int) -> ValueError:
    return ValueError(f"the output buffer holds {room} bytes, {need} are needed")
