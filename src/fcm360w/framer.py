"""Framing: the module's bytes become lines, prompts and payload spans.

Events do not depend on how the stream was cut, but for the cuts of DATA.  Payloads that a line counts are never
looked at.  csrc/fcm.h is the whole contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ._contract import MIN_LINE, NO_RULE, Core, Event, Kind, Rule, Start, octets
from ._select import CORE, core, cores

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["CORE", "NO_RULE", "Event", "Framer", "Kind", "Rule", "Start", "implementations"]

# Events that `feed` takes from one scan; a longer read is scanned again.
_BATCH = 1024
_OVERLONG = int(Kind.OVERLONG)


class Framer:
    """One direction of one link.  `eol` is "\\n" when listening to a module, "\\r" when listening to a host.

    `max_line` bounds a line in bytes; a longer one becomes an OVERLONG event and counts in `dropped`.
    Raises ValueError for a bad `eol`, a `max_line` below 16, or more than 32 rules.
    """

    _core: ClassVar[Core] = core

    def __init__(self, rules: Sequence[Rule] = (), *, eol: str = "\n", max_line: int = 1024) -> None:
        if eol not in ("\n", "\r"):
            raise ValueError(f"eol must be '\\n' or '\\r', not {eol!r}")
        if max_line < MIN_LINE:
            raise ValueError(f"max_line {max_line} is below {MIN_LINE}")
        self._engine = self._core.framer(rules, ord(eol), max_line)
        self._state = self._engine.state
        self._tail = b""

    @property
    def armed(self) -> int:
        """Bit i set: rule i applies.  Arm a solicited rule only while its command is pending."""
        return self._state.armed

    @armed.setter
    def armed(self, mask: int) -> None:
        self._state.armed = mask

    @property
    def doubled(self) -> int:
        """Bit i set: each byte that rule i counts crosses the wire as two hex digits."""
        return self._state.doubled

    @doubled.setter
    def doubled(self, mask: int) -> None:
        self._state.doubled = mask

    @property
    def want_prompt(self) -> bool:
        """A ">" at the start of a line is the prompt; the prompt clears it."""
        return self._state.want_prompt

    @want_prompt.setter
    def want_prompt(self, wanted: bool) -> None:
        self._state.want_prompt = wanted

    @property
    def raw(self) -> bool:
        """Everything is data.  Set by a RAW rule as well; cleared by the caller alone."""
        return self._state.raw

    @raw.setter
    def raw(self, raw: bool) -> None:
        self._state.raw = raw

    @property
    def skip_lf(self) -> bool:
        """One "\\n" that comes next belongs to the line before."""
        return self._state.skip_lf

    @skip_lf.setter
    def skip_lf(self, skip: bool) -> None:
        self._state.skip_lf = skip

    @property
    def dropped(self) -> int:
        """Bytes of over-long lines, so far."""
        return self._state.dropped

    @property
    def tail(self) -> int:
        """Bytes that `feed` keeps of a line or payload in progress."""
        return len(self._tail)

    def scan(self, data: ReadableBuffer, cap: int = 64) -> tuple[list[Event], int]:
        """Frame `data`: at most `cap` (>= 1) events, and how many leading bytes are finished with.

        Present the rest again with what arrives next, and at once if there are `cap` events.
        """
        columns, used = self._engine.scan(data, cap)
        return list(map(Event, *columns)), used

    def feed(self, data: ReadableBuffer) -> list[tuple[int, bytes, int]]:
        """Frame what arrived: (kind, bytes, rule) of each event.  The bytes of an unfinished line are kept.

        Of an OVERLONG line, whose bytes are gone, the bytes are their number in decimal digits.
        """
        text = b"".join((self._tail, data)) if self._tail else octets(data)
        out: list[tuple[int, bytes, int]] = []
        full = True
        while full:
            (kinds, offs, lens, rules), used = self._engine.scan(text, _BATCH)
            for kind, off, length, rule in zip(kinds, offs, lens, rules, strict=True):
                chunk = b"%d" % length if kind == _OVERLONG else text[off : off + length]
                out.append((kind, chunk, rule))
            text = text[used:]
            full = len(kinds) == _BATCH
        self._tail = text
        return out

    def expect(self, count: int) -> None:
        """The next `count` bytes are a counted payload."""
        self._engine.expect(count)

    def take_tail(self) -> bytes:
        """Hand back the bytes that `feed` kept, and forget the line they began."""
        tail, self._tail = self._tail, b""
        if tail:
            self._engine.restart()
        return tail

    def reset(self) -> None:
        """Start again at the start of a line.  Masks and the drop counter stay."""
        self._tail = b""
        self._engine.restart()
        self.want_prompt = self.raw = self.skip_lf = False


def implementations() -> dict[str, type[Framer]]:
    """Every core's framer by the core's name, for tests and benches."""

    def on(chosen: Core) -> type[Framer]:
        class Variant(Framer):
            _core = chosen

        return Variant

    return {name: on(chosen) for name, chosen in cores().items()}
