"""The ways out of data mode: the escape `+++`, and the module's own NO CARRIER.

`Escape` is what a module does, `Guard` keeps a host's payload from ever being an escape, `Watch` looks for the
in-band end.  Times are seconds of any monotonic clock; only differences matter.  csrc/fcm.h is the whole contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ._contract import WATCH_TAIL, Core, EscapeOut, Marker, Rule, Verdict, moment, ticks
from ._select import CORE, core, cores

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "CORE",
    "ENDS",
    "RESTARTED",
    "WATCH_TAIL",
    "Escape",
    "EscapeOut",
    "Guard",
    "Marker",
    "Verdict",
    "Watch",
    "implementations",
]

RESTARTED = Marker.READY | Marker.RDY
ENDS = Marker.NO_CARRIER | RESTARTED  # what the module says unasked when data mode is over


class Escape:
    """The module's guard-time machine: three '+' alone between silences of at least `guard` seconds."""

    _core: ClassVar[Core] = core

    def __init__(self, guard: float, now: float) -> None:
        self._engine = self._core.escape(ticks(guard), ticks(now))

    @property
    def deadline(self) -> float | None:
        """When to call `step` with no data; None while nothing is withheld."""
        return moment(self._engine.deadline)

    @property
    def held(self) -> int:
        """'+' signs withheld, 0 to 3."""
        return self._engine.held

    def step(self, data: ReadableBuffer, now: float) -> EscapeOut:
        """Account for `data` arriving at `now`; no data only lets time pass."""
        return self._engine.step(data, ticks(now))

    def touch(self, now: float) -> None:
        """The receiver was not listening until `now`, so it has seen no silence."""
        self._engine.touch(ticks(now))


class Guard:
    """The host's side: how much of a payload may be written without the risk of a lone `+++`.

    `slack` is what the path may add to or take from a pause, one byte's time at least and less than `guard`.
    """

    _core: ClassVar[Core] = core

    def __init__(self, guard: float, slack: float, now: float) -> None:
        self._engine = self._core.guard(ticks(guard), ticks(slack), ticks(now))

    @property
    def deadline(self) -> float | None:
        """When to ask again, after `allow` said less than asked; else None."""
        return moment(self._engine.deadline)

    def allow(self, data: ReadableBuffer, now: float) -> int:
        """How many leading bytes may be written at `now` even if nothing follows them."""
        return self._engine.allow(data, ticks(now))

    def sent(self, data: ReadableBuffer, now: float, idle: float) -> None:
        """`data` was written at `now` and will have left the wire at `idle`."""
        self._engine.sent(data, ticks(now), ticks(idle))


class Watch:
    """Looks in payload for the end of data mode, and withholds what may be it.

    `markers` says what to look for, `rules` which of the module's lines carry payloads, `hold` is the silence in
    seconds that settles the matter.  Never withholds more than WATCH_TAIL bytes.
    """

    _core: ClassVar[Core] = core

    def __init__(self, markers: Marker, rules: Sequence[Rule], hold: float, now: float) -> None:
        self._engine = self._core.watch(markers, rules, ticks(hold), ticks(now))
        self._state = self._engine.state

    @property
    def markers(self) -> Marker:
        return Marker(self._state.markers)

    @markers.setter
    def markers(self, markers: Marker) -> None:
        self._state.markers = int(markers)

    @property
    def armed(self) -> int:
        """Bit i set: rule i applies.  Arm unsolicited rules only."""
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
    def deadline(self) -> float | None:
        """When to call `step` with only what is withheld; None if silence changes nothing."""
        return moment(self._state.deadline)

    @property
    def verdict(self) -> Verdict:
        return Verdict(self._state.verdict)

    @property
    def marker(self) -> Marker:
        """Which marker is suspected; empty if none is."""
        return Marker(self._state.marker)

    @property
    def marker_len(self) -> int:
        """Bytes of the marker that the withheld bytes begin with; 0 if none is suspected."""
        return self._engine.marker_len

    @property
    def last_line(self) -> int:
        """Where the last of the module's lines starts in the withheld bytes; 0 if no marker is suspected.

        A watch that is shown the marker, that line and all after it says the same of them and of what follows.
        """
        return self._engine.last_line

    def step(self, data: ReadableBuffer, now: float) -> int:
        """How many leading bytes of `data` are payload; the rest is withheld.

        `data` is what the latest step withheld, then what arrived since.
        """
        return self._engine.step(data, ticks(now))

    def release(self) -> None:
        """The suspicion was wrong: all that is withheld is payload."""
        self._engine.release()


def implementations() -> dict[str, tuple[type[Escape], type[Guard], type[Watch]]]:
    """Every core's three classes by the core's name, for tests and benches."""

    def on(chosen: Core) -> tuple[type[Escape], type[Guard], type[Watch]]:
        class EscapeVariant(Escape):
            _core = chosen

        class GuardVariant(Guard):
            _core = chosen

        class WatchVariant(Watch):
            _core = chosen

        return EscapeVariant, GuardVariant, WatchVariant

    return {name: on(chosen) for name, chosen in cores().items()}
