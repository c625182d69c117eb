"""Transparent mode without I/O: payload out under the guard, payload in under the watch.

Out: the guard says how much may be written now without ever showing the module a lone ``+++``.  In: the watch withholds
what may be the module's NO CARRIER, its banner after a restart, or its OK after an escape; all else is payload.  The
inbox holds payload that came while nobody was reading; whoever fills it stops reading the port while it is full, so it
is bounded without loss.  While the stream is being closed what does not fit is dropped, and counted, lest the module's
OK stay behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fcm360w.escape import ENDS, RESTARTED, Guard, Marker, Verdict, Watch
from fcm360w.framer import Rule
from fcm360w.inbox import INBOX, Buffer, Inbox
from fcm360w.stats import Mark
from fcm360w.steps import EscapePolicy

# Bytes that are under way when the peer closes run as commands in the module, and every line end among them brings an
# ERROR.  However many of the module's lines follow NO CARRIER, the suspicion stays; all but the last are set aside.
ASIDE = 1024


class DataMode:
    """One stay in data mode.

    `held`: it is about to be left, and nobody may send.  `closing`: what the inbox cannot hold is dropped, and all that
    comes after it until `gap`, the bytes that are missing behind the inbox, has been told.  `end` is how it was left:
    with OK the module keeps what comes for the socket; none if it goes on, or nobody knows.
    """

    def __init__(
        self, policy: EscapePolicy, rules: Sequence[Rule], armed: int, now: float, marks: Mapping[str, Mark]
    ) -> None:
        self.guard = Guard(max(policy.guard_before, policy.guard_after), policy.slack, now)
        self.watch = Watch(ENDS, rules, policy.hold, now)
        self.watch.armed = armed
        self.inbox = Inbox(marks["transparent_inbox"])
        self.withheld = bytearray()
        self.aside = bytearray()
        self.sent = 0
        self.received = 0
        self.held = self.closing = False
        self.gap = 0
        self.end = Marker(0)
        self._mark = marks["withheld"]
        self._withheld_at = now

    @property
    def suspected(self) -> bool:
        return self.watch.verdict >= Verdict.SUSPECT

    def receive(self, data: Buffer, now: float) -> None:
        """Take bytes off the wire into the inbox."""
        earlier, at = len(self.withheld), self._withheld_at
        if self.withheld:
            data = self.withheld + data
        marker = self.watch.marker_len
        passed = self.watch.step(data, now)
        if passed and self.aside:
            earlier += len(self.aside)
            data, passed = self._bring_back(data, marker, passed)
        self._keep(data, passed, now)
        self._withheld_at = now if passed >= earlier else at
        self.received += passed
        payload = memoryview(data)[:passed]
        if self.closing or self.gap:
            payload = payload[: passed - self._drop(passed)]
        if earlier:
            self.inbox.put(payload[:earlier], at)
            payload = payload[earlier:]
        self.inbox.put(payload, now)

    def _drop(self, count: int) -> int:
        """How many of the bytes that came there is no room for."""
        room = count
        if self.gap:
            room = 0
        elif self.closing:
            room = max(0, INBOX - len(self.inbox))
        dropped = max(0, count - room)
        self.gap += dropped
        self.inbox.mark.dropped += dropped
        return dropped

    def receive_in_place(self, data: memoryview, now: float) -> int:
        """As receive, for bytes that lie in the reader's own buffer already: how many of them are payload.

        Only while inbox and withheld are empty, since their bytes come first.
        """
        passed = self.watch.step(data, now)
        self._keep(data, passed, now)
        self._withheld_at = now
        self.received += passed
        return passed

    def _keep(self, data: Buffer, passed: int, now: float) -> None:
        self.withheld = bytearray(memoryview(data)[passed:])
        if self.withheld:
            self._mark.rise(len(self.withheld) + len(self.aside))
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
        self.inbox.put(memoryview(data)[: count - self._drop(count)], self._withheld_at)
        self.received += count
        self.withheld.clear()

    def after_marker(self) -> bytes:
        """The module's lines that followed the marker, and the marker if others must hear of it.

        Forgets what was withheld.
        """
        end = self.watch.marker_len
        start = 0 if self.watch.marker & RESTARTED else end
        lines = bytes(self.withheld[start:end] + self.aside + self.withheld[end:])
        self.aside.clear()
        self.withheld.clear()
        self.watch.release()
        return lines

    def adopt(self, earlier: DataMode) -> None:
        """Go on where an earlier stay of the same socket ended."""
        if earlier.gap:
            self.gap += earlier.gap
            self._drop(len(self.inbox))
            self.inbox.clear()
        earlier.inbox.absorb(self.inbox)
        self.inbox = earlier.inbox
        self.sent += earlier.sent
        self.received += earlier.received
