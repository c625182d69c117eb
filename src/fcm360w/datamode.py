"""Transparent mode without I/O: payload out under the guard, payload in under the watch.

Out: the guard says how much may be written now without ever showing the module a lone ``+++``.  In: the watch withholds
what may be the module's NO CARRIER, or its OK after an escape; all else is payload.  The inbox holds payload that came
while nobody was reading; whoever fills it stops reading the port while it is full, so it is bounded without loss.
While the stream is being closed what does not fit is dropped, and counted, lest the module's OK stay behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fcm360w.escape import Guard, Marker, Verdict, Watch
from fcm360w.framer import Rule
from fcm360w.steps import EscapePolicy

INBOX = 1 << 20

# Bytes that are under way when the peer closes run as commands in the module, and every line end among them brings an
# ERROR.  However many of the module's lines follow NO CARRIER, the suspicion stays; all but the last are set aside.
ASIDE = 1024
Buffer = bytes | bytearray | memoryview


class DataMode:
    """One stay in data mode."""

    def __init__(self, policy: EscapePolicy, rules: Sequence[Rule], armed: int, now: float) -> None:
        self.guard = Guard(max(policy.guard_before, policy.guard_after), policy.slack, now)
        self.watch = Watch(Marker.NO_CARRIER, rules, policy.hold, now)
        self.watch.armed = armed
        self.inbox = bytearray()
        self.withheld = bytearray()
        self.aside = bytearray()
        self.sent = 0
        self.received = 0
        self.inbox_high_water = 0
        self.closing = False
        self.dropped = 0

    @property
    def suspected(self) -> bool:
        return self.watch.verdict >= Verdict.SUSPECT

    def receive(self, data: Buffer, now: float) -> None:
        """Take bytes off the wire into the inbox."""
        if self.withheld:
            data = self.withheld + data
        marker = self.watch.marker_len
        passed = self.watch.step(data, now)
        if passed and self.aside:
            data, passed = self._bring_back(data, marker, passed)
        self._keep(data, passed, now)
        kept = max(0, min(passed, INBOX - len(self.inbox))) if self.closing else passed
        self.inbox += memoryview(data)[:kept]
        self.dropped += passed - kept
        self.received += passed
        self.inbox_high_water = max(self.inbox_high_water, len(self.inbox))

    def receive_in_place(self, data: memoryview, now: float) -> int:
        """As receive, for bytes that lie in the reader's own buffer already: how many of them are payload.

        Only while inbox and withheld are empty, since their bytes come first.
        """
        passed = self.watch.step(data, now)
        self._keep(data, passed, now)
        self.received += passed
        return passed

    def _keep(self, data: Buffer, passed: int, now: float) -> None:
        self.withheld = bytearray(memoryview(data)[passed:])
        if self.suspected and len(self.withheld) > ASIDE:
            self._set_aside(now)

    def _set_aside(self, now: float) -> None:
        """Keep of what is withheld the marker and the last line; the watch is content with that."""
        marker, end = self.watch.marker_len, self.watch.last_line
        if end <= marker or len(self.aside) > INBOX:
            return
        self.aside += self.withheld[marker:end]
        del self.withheld[marker:end]
        self.watch.step(self.withheld, now)

    def _bring_back(self, data: Buffer, marker: int, passed: int) -> tuple[Buffer, int]:
        """The suspicion was wrong: what was set aside belongs behind its marker."""
        whole = bytes(data[:marker]) + self.aside + bytes(data[marker:])
        passed += len(self.aside)
        self.aside = bytearray()
        return whole, passed

    def tick(self, now: float) -> None:
        deadline = self.watch.deadline
        if deadline is not None and now >= deadline:
            self.receive(b"", now)

    def release(self) -> None:
        """The suspicion was wrong: what is withheld is payload."""
        marker = self.watch.marker_len
        self.watch.release()
        data, count = self._bring_back(self.withheld, marker, len(self.withheld))
        self.inbox += data
        self.received += count
        self.withheld.clear()

    def after_marker(self) -> bytes:
        """The module's lines that followed the marker.  Forgets what was withheld."""
        lines = bytes(self.aside + self.withheld[self.watch.marker_len :])
        self.aside.clear()
        self.withheld.clear()
        self.watch.release()
        return lines

    def take_into(self, buffer: memoryview) -> int:
        """Move payload from the inbox into a buffer; how many bytes."""
        count = min(len(buffer), len(self.inbox))
        if count:
            with memoryview(self.inbox) as inbox:
                buffer[:count] = inbox[:count]
            del self.inbox[:count]
        return count

    def adopt(self, earlier: DataMode) -> None:
        """Go on where an earlier stay of the same socket ended."""
        self.inbox[:0] = earlier.inbox
        self.sent += earlier.sent
        self.received += earlier.received
        self.dropped += earlier.dropped
        self.inbox_high_water = max(self.inbox_high_water, earlier.inbox_high_water)
