"""Lines held against rules: the twin of csrc/fcm_rule.c."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .._contract import MAX_COUNT, MAX_RULES, Rule, Start

_TOLERANT = {" ": b" *", '"': b'"?'}
_SEPARATOR = re.compile(rb'[",]')
_COUNT = re.compile(rb" *(0*([0-9]{1,10})) *", re.DOTALL)


class Split(NamedTuple):
    """Where a line is split whose payload starts inside it."""

    header: int  # bytes up to the count's last digit
    payload: int  # where the payload starts, its quote included
    rule: int
    size: int


class Pattern:
    """A rule, ready to be matched."""

    def __init__(self, rule: Rule) -> None:
        self.start = rule.start
        self.field = rule.field
        self.max = min(rule.max, MAX_COUNT)
        parts = (_TOLERANT.get(char) or re.escape(char.encode("latin-1")) for char in rule.prefix)
        self._prefix = re.compile(b"".join(parts))

    def count(self, line: bytes) -> int | None:
        """The count that a whole line gives, 0 for a RAW line; None if it does not fit."""
        prefix = self._prefix.match(line)
        if prefix is None or self.start is Start.INSIDE:
            return None
        if self.start is Start.RAW:
            return 0 if prefix.end() == len(line) else None
        field = self._find_field(line, prefix.end())
        counted = field and self._read_count(line, *field)
        return counted[0] if counted else None

    def split(self, line: bytes, index: int) -> Split | None:
        """The split of the beginning of a line; None if it does not fit, or not yet."""
        prefix = self._prefix.match(line)
        if prefix is None or self.start is not Start.INSIDE:
            return None
        field = self._find_field(line, prefix.end())
        if field is None or field[1] == len(line):
            return None
        counted = self._read_count(line, *field)
        return Split(counted[1], field[1] + 1, index, counted[0]) if counted else None

    def _find_field(self, line: bytes, start: int) -> tuple[int, int] | None:
        quoted = False
        left = self.field
        for separator in _SEPARATOR.finditer(line, start):
            if separator[0] == b'"':
                quoted = not quoted
            elif not quoted and left == 0:
                return start, separator.start()
            elif not quoted:
                left -= 1
                start = separator.end()
        return (start, len(line)) if left == 0 else None

    def _read_count(self, line: bytes, start: int, stop: int) -> tuple[int, int] | None:
        """The count, and where its digits end."""
        digits = _COUNT.fullmatch(line, start, stop)
        if digits is None or int(digits[2]) > self.max:
            return None
        return int(digits[2]), digits.end(1)


class RuleBook:
    """All rules of a framer or a watch."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        if len(rules) > MAX_RULES:
            raise ValueError(f"{len(rules)} rules: at most {MAX_RULES} fit")
        self._patterns = [Pattern(rule) for rule in rules]
        self.all = (1 << len(rules)) - 1

    def start(self, index: int) -> Start:
        return self._patterns[index].start

    def of_line(self, armed: int, line: bytes) -> tuple[int, int] | None:
        """The first rule that a whole line fits, and its count."""
        for index, pattern in self._armed(armed):
            count = pattern.count(line)
            if count is not None:
                return index, count
        return None

    def split(self, armed: int, line: bytes) -> Split | None:
        """The split that ends first."""
        found = [split for index, pattern in self._armed(armed) if (split := pattern.split(line, index))]
        return min(found, key=lambda split: split.payload, default=None)

    def _armed(self, armed: int) -> Iterator[tuple[int, Pattern]]:
        return ((index, pattern) for index, pattern in enumerate(self._patterns) if armed >> index & 1)


def inside_span(data: bytes, at: int, n: int) -> tuple[int, int] | None:
    """How `n` payload bytes lie in data[at:]: after how many bytes, in how many with their quotes; None: not yet."""
    have = len(data) - at
    quote = data[at : at + 1] == b'"'
    if have < max(1, n + 2 if quote else n):
        return None
    closed = quote and data[at + n + 1] == ord('"')
    if quote and not closed:
        quote = data[at + n] not in b"\r\n"
    return int(quote), quote + n + closed
