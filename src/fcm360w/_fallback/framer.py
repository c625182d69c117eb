"""The twin of csrc/fcm_frame.c."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._contract import MAX_COUNT, NO_RULE, Columns, Event, Kind, Rule, Start, octets
from .rules import RuleBook, Split, inside_span

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MOST = 2**32 - 1


class FramerEngine:
    """Steps over the data; each moves on and is true, or needs more bytes and is false."""

    def __init__(self, rules: Sequence[Rule], eol: int, max_line: int) -> None:
        self._rules = RuleBook(rules)
        self._inside = sum(1 << i for i, rule in enumerate(rules) if rule.start is Start.INSIDE)
        self._eol = bytes([eol])
        self._max_line = min(max_line, MAX_COUNT)
        self.armed = self._rules.all
        self.doubled = 0
        self.want_prompt = self.raw = self.skip_lf = False
        self.dropped = 0
        self._counted: int | None = None  # bytes to come of a payload after its line
        self._quoted: int | None = None  # bytes of a payload inside its line, all still to come
        self._lost: int | None = None  # bytes of an over-long line, so far
        self._rule = NO_RULE
        self._after_prompt = self._closing = False
        self._seen = 0
        self._data = b""
        self._pos = 0
        self._events: list[Event] = []

    @property
    def state(self) -> FramerEngine:
        return self

    def scan(self, data: ReadableBuffer, cap: int) -> tuple[Columns, int]:
        self._data = octets(data)
        self._pos = 0
        self._events = []
        while len(self._events) < cap and self._step():
            pass
        self._data = b""
        kinds, offs, lens, rules = zip(*self._events, strict=True) if self._events else ((), (), (), ())
        return (list(kinds), list(offs), list(lens), list(rules)), self._pos

    def expect(self, count: int) -> None:
        self.restart(keep_prompt=True)
        self._counted = min(count, MAX_COUNT)
        self._rule = NO_RULE

    def restart(self, keep_prompt: bool = False) -> None:
        self._start_line()
        self._after_prompt = self._after_prompt and keep_prompt

    def _start_line(self) -> None:
        self._counted = self._quoted = self._lost = None
        self._seen = 0
        self._closing = False

    def _emit(self, kind: Kind, off: int, length: int, rule: int = NO_RULE) -> None:
        self._events.append(Event(int(kind), off, length, rule))

    def _wire_count(self, rule: int, count: int) -> int:
        return 2 * count if self.doubled >> rule & 1 else count

    def _step(self) -> bool:
        if self._pos < len(self._data) and self._swallow():
            return True
        if self._counted is not None:
            return self._take_counted(self._counted)
        if self._quoted is not None:
            return self._take_inside(self._quoted)
        if self.raw:
            return self._take_raw()
        if self._lost is not None:
            return self._take_overlong(self._lost)
        return self._pos < len(self._data) and self._take_from_line()

    def _swallow(self) -> bool:
        byte = self._data[self._pos]
        swallow = (self.skip_lf and byte == 10) or (self._after_prompt and byte == 32)
        self.skip_lf = self._after_prompt = False
        if swallow:
            self._seen = 0
            self._pos += 1
        return swallow

    def _take_counted(self, left: int) -> bool:
        here = min(len(self._data) - self._pos, left)
        if here == 0 < left:
            return False
        self._emit(Kind.DATA_END if here == left else Kind.DATA, self._pos, here, self._rule)
        self._pos += here
        self._counted = left - here
        if here == left:
            self._start_line()
        return True

    def _take_inside(self, count: int) -> bool:
        span = inside_span(self._data, self._pos, count)
        if span is None:
            return False
        self._emit(Kind.DATA_END, self._pos + span[0], count, self._rule)
        self._pos += span[1]
        self._start_line()
        self._closing = True
        return True

    def _take_raw(self) -> bool:
        self._start_line()
        rest = len(self._data) - self._pos
        if rest:
            self._emit(Kind.DATA, self._pos, rest)
            self._pos += rest
        return rest > 0

    def _end_line(self) -> None:
        self._start_line()
        self.skip_lf = self._eol == b"\r"

    def _take_overlong(self, lost: int) -> bool:
        end = self._data.find(self._eol, self._pos)
        stop = end if end >= 0 else len(self._data)
        self.dropped += stop - self._pos
        self._lost = lost + stop - self._pos
        self._pos = stop
        if end < 0:
            return False
        self._emit(Kind.OVERLONG, stop, min(self._lost, _MOST))
        self._pos += 1
        self._end_line()
        return True

    def _take_from_line(self) -> bool:
        room = min(len(self._data), self._pos + self._max_line + 1)
        end = self._data.find(self._eol, self._pos + self._seen, room)
        if self.want_prompt and not self._closing and self._data[self._pos] == ord(">"):
            self._take_prompt()
        elif split := self._find_split(end if end >= 0 else room):
            self._take_header(split)
        elif end >= 0:
            self._take_line(end)
        elif room - self._pos > self._max_line:
            self._lost = 0
        else:
            self._seen = room - self._pos
            return False
        return True

    def _take_prompt(self) -> None:
        self._emit(Kind.PROMPT, self._pos, 1)
        self._pos += 1
        self._start_line()
        self.want_prompt = False
        self._after_prompt = True

    def _find_split(self, end: int) -> Split | None:
        armed = self.armed & self._inside
        if not armed or self._closing or self._data.find(b",", self._pos + self._seen, end) < 0:
            return None
        return self._rules.split(armed, self._data[self._pos : end])

    def _take_header(self, split: Split) -> None:
        self._emit(Kind.LINE, self._pos, split.header, split.rule)
        self._pos += split.payload
        self._start_line()
        self._quoted = self._wire_count(split.rule, split.size)
        self._rule = split.rule

    def _take_line(self, end: int) -> None:
        off, line = self._pos, self._data[self._pos : end].rstrip(b"\r")
        armed = 0 if self._closing else self.armed
        self._pos = end + 1
        self._end_line()
        if not line:
            return
        match = self._rules.of_line(armed, line)
        self._emit(Kind.LINE, off, len(line), match[0] if match else NO_RULE)
        if match is None:
            return
        rule, count = match
        if self._rules.start(rule) is Start.RAW:
            self.raw = True
        else:
            self._counted = self._wire_count(rule, count)
            self._rule = rule
