"""The twin of csrc/fcm_watch.c."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._contract import NEVER, WATCH_TAIL, Marker, Rule, Start, Verdict, octets
from .rules import RuleBook, inside_span

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MARKERS = {
    Marker.NO_CARRIER: b"\r\nNO CARRIER\r\n",
    Marker.OK: b"\r\nOK\r\n",
    Marker.READY: b"\r\nready\r\n",
    Marker.RDY: b"\r\nRDY\r\n",
}
_WORDS = (b"OK", b"ERROR", b"SEND OK", b"SEND FAIL", b"CONNECT", b"NO CARRIER", b"ready", b"RDY")
_BROKEN = -1


class WatchEngine:
    def __init__(self, markers: int, rules: Sequence[Rule], hold: int, now: int) -> None:
        self._rules = RuleBook(rules)
        self._hold = hold
        self._last = now
        self._held = self._line = 0
        self._lines, self._last_line = _BROKEN, 0  # from where on there are only lines, as is known, and the last
        self.markers = markers
        self.armed = self._rules.all
        self.doubled = 0
        self.deadline = NEVER
        self.verdict = int(Verdict.CLEAR)
        self.marker = 0

    @property
    def state(self) -> WatchEngine:
        return self

    @property
    def marker_len(self) -> int:
        return len(_MARKERS[Marker(self.marker)]) if self.marker else 0

    @property
    def last_line(self) -> int:
        return self._line if self.marker else 0

    def step(self, data: ReadableBuffer, now: int) -> int:
        text = octets(data)
        if len(text) == self._held:
            return self._let_pass(now)
        self._held = self._judge(text[-WATCH_TAIL:])
        self._last = now
        self.deadline = now + self._hold if self._held else NEVER
        return len(text) - self._held

    def release(self) -> None:
        self._held = 0
        self.verdict = int(Verdict.CLEAR)
        self.marker = 0
        self.deadline = NEVER

    def _let_pass(self, now: int) -> int:
        if self.deadline == NEVER or now - self._last < self._hold:
            return 0
        if self.verdict == Verdict.SUSPECT:
            self.verdict = int(Verdict.SILENT)
            self.deadline = NEVER
            return 0
        held = self._held
        self.release()
        return held

    def _judge(self, text: bytes) -> int:
        """How many bytes at the end to withhold, and why."""
        found = self._find_marker(text)
        if found:
            self.verdict, self.marker = int(Verdict.SUSPECT), int(found[1])
            return len(text) - found[0]
        self.marker = 0
        begun = self._begun(text)
        self.verdict = int(Verdict.HELD if begun else Verdict.CLEAR)
        return begun

    def _wanted(self) -> list[Marker]:
        return [marker for marker in _MARKERS if marker & self.markers]

    def _find_marker(self, text: bytes) -> tuple[int, Marker] | None:
        """The last marker with nothing but lines of the module after it.

        A banner ends data mode only if nothing has ended it before.
        """
        tried: set[int] = set()
        wanted = self._wanted()
        at, line, found, self._lines = len(text), 0, None, _BROKEN
        while (at := text.rfind(b"\r", 0, at)) >= 0:
            for marker in wanted:
                if text.startswith(_MARKERS[marker], at) and self._only_lines(text, at + len(_MARKERS[marker]), tried):
                    found, line = (at, marker), self._line - at
                    self._lines, self._last_line = at, self._line if len(text) - self._line > 2 else at
            if found and found[1] < Marker.READY:
                break
        self._line = line
        return found

    def _begun(self, text: bytes) -> int:
        lengths = [
            n
            for marker in self._wanted()
            for n in range(1, len(_MARKERS[marker]))
            if text.endswith(_MARKERS[marker][:n])
        ]
        return max(lengths, default=0)

    def _only_lines(self, text: bytes, at: int, tried: set[int]) -> bool:
        """`tried` are places where the chain of lines is known to break later."""
        self._line = at
        while at < len(text):
            if at == self._lines:
                self._line = self._last_line
                return True
            if len(text) - at > 2:  # else it may be the line end that closes a payload
                self._line = at
            if at in tried:
                return False
            tried.add(at)
            at = self._after_line(text, at)
            if at == _BROKEN:
                return False
        return True

    def _after_line(self, text: bytes, at: int) -> int:
        """Where the line after the one at `at` starts, the text's length if it ends early, or _BROKEN."""
        at = _after_line_end(text, at)
        if at in (_BROKEN, len(text)):
            return at
        end = text.find(b"\r", at)
        line = text[at:] if end < 0 else text[at:end]
        if line.startswith(b"+"):
            return self._after_report(text, at, line)
        if end < 0:
            return len(text) if any(word.startswith(line) for word in _WORDS) else _BROKEN
        return _after_line_end(text, end) if line in _WORDS else _BROKEN

    def _after_report(self, text: bytes, at: int, line: bytes) -> int:
        line = line.partition(b"\n")[0]
        split = self._rules.split(self.armed, line)
        if split:
            return _after_inside(text, at + split.payload, self._wire_count(split.rule, split.size))
        end = at + len(line)
        following = len(text) if end == len(text) else _after_line_end(text, end)
        if following in (_BROKEN, len(text)):
            return following
        match = self._rules.of_line(self.armed, line)
        if match is None or self._rules.start(match[0]) is not Start.AFTER_LINE:
            return following
        return _after_payload(text, following + self._wire_count(*match))

    def _wire_count(self, rule: int, count: int) -> int:
        return 2 * count if self.doubled >> rule & 1 else count


def _after_line_end(text: bytes, at: int) -> int:
    if not b"\r\n".startswith(text[at : at + 2]):
        return _BROKEN
    return min(at + 2, len(text))


def _after_payload(text: bytes, at: int) -> int:
    """The payload may be closed by a line end of its own; then two follow."""
    if at >= len(text):
        return len(text)
    return at + 2 if text.startswith(b"\r\n\r", at) else at


def _after_inside(text: bytes, at: int, count: int) -> int:
    span = inside_span(text, at, count)
    return len(text) if span is None else _after_line_end(text, at + span[1])
