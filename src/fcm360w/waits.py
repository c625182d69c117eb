"""The steps that are no commands: waits for a line, a time or a silence, the escape, and what takes no time.

Each is a pending step (see pending.py); KINDS has the pending form of every kind of step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fcm360w.errors import CommandTimeout
from fcm360w.escape import ENDS, RESTARTED, Marker, Verdict
from fcm360w.events import Event
from fcm360w.pending import Exchange, Pending
from fcm360w.states import STREAMING, Cause, State
from fcm360w.steps import (
    EscapePolicy,
    Foreign,
    Guarded,
    Heard,
    Later,
    Now,
    Pause,
    Rate,
    Silence,
    StartRate,
    Tell,
    Until,
)
from fcm360w.wire import Reply

if TYPE_CHECKING:
    from fcm360w.datamode import DataMode
    from fcm360w.link import Link

GLANCE = 0.02


class Waiting(Pending):
    """Until: an unsolicited line, which may have come before."""

    def begin(self, link: Link) -> None:
        self.deadline = link.now + self.step.seconds
        for event in link.events if not self.step.fresh else ():
            if self.notice(link, event.row):
                link.events.remove(event)
                return

    def notice(self, link: Link, row: Reply) -> bool:
        wanted = isinstance(row, self.step.kind) and self.step.match(row)
        if wanted:
            self.finish(link, row)
        return wanted

    def tick(self, link: Link, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self.finish(link, None)


class Pausing(Pending):
    """Pause."""

    def begin(self, link: Link) -> None:
        self.deadline = link.now + self.step.seconds

    def tick(self, link: Link, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self.finish(link, None)


class Counted(Pending):
    """Foreign, Heard and Now: take no time."""

    def begin(self, link: Link) -> None:
        found = {Heard: link.received, Now: link.now, Foreign: link.foreign}
        self.finish(link, found[type(self.step)])


class Tuning(Pending):
    """Rate: takes no time."""

    def begin(self, link: Link) -> None:
        self.finish(link, link.tune(self.step.rate, self.step.saved))


class TuningBack(Pending):
    """StartRate: takes no time."""

    def begin(self, link: Link) -> None:
        if link.start_rate is not None:
            link.tune(link.start_rate, saved=True)
        self.finish(link, None)


class Telling(Pending):
    """Tell: takes no time."""

    def begin(self, link: Link) -> None:
        link.double(self.step.row)
        link.tell(Event(link.now, self.step.row))
        self.finish(link, None)


class Owing(Pending):
    """Later: takes no time."""

    def begin(self, link: Link) -> None:
        if self.step.flow not in link.undone:
            link.undone.append(self.step.flow)
        self.finish(link, None)


class Quiet(Pending):
    """Silence: nothing on its way to the module for a time."""

    def begin(self, link: Link) -> None:
        self._suspected = link.state is State.SUSPECT
        self._give_up = max(link.now, link.idle_at) + self.step.patience

    def tick(self, link: Link, now: float) -> None:
        stuck = bool(link.out) or link.stuck()
        if stuck:
            link.idle_at = max(link.idle_at, now)
        end = self.deadline = now + GLANCE if stuck else link.idle_at + self.step.seconds
        if self._suspected and link.state is State.DATA:
            self.finish(link, False)
        elif stuck and now >= self._give_up:
            self.fail(link, CommandTimeout("draining what was sent to the module", self.step.patience, "2.3.11"))
        elif now >= end:
            self.finish(link, True)


class Escaping(Pending):
    """Guarded: ``+++``, the silence after it, and what the module makes of it."""

    def begin(self, link: Link) -> None:
        self._streaming = link.state in STREAMING
        self._since = 0.0
        if link.state is State.LEAVING:  # whoever sent the escape did not wait for the answer
            self._since = link.now
            return
        if not self._streaming:
            link.begin_listening()
        assert link.data is not None
        link.data.watch.markers = ENDS | Marker.OK
        link.out += b"+++"
        link.move(Cause.ESCAPED)
        link.say(">", "+++")

    def tick(self, link: Link, now: float) -> None:
        data = link.data
        if link.out or data is None:
            return
        policy: EscapePolicy = self.step.policy
        settled = max(link.idle_at + policy.after, self._since)
        # The answer comes behind the payload that the module holds: while bytes come it is still due.
        due = min(max(settled, link.heard_at) + policy.answer, settled + policy.patience)
        self.deadline = settled if now < settled else due
        if now >= settled:
            self._judge(link, data, now)

    def _judge(self, link: Link, data: DataMode, now: float) -> None:
        """An OK that came too early may be payload: then the module's own is still to come."""
        policy, watch = self.step.policy, data.watch
        late = self.deadline is not None and now >= self.deadline
        in_time = late or link.heard_at >= link.idle_at + policy.guard_after - policy.slack
        confirmed = in_time and watch.verdict is Verdict.SILENT and watch.marker is Marker.OK
        lost = late and watch.verdict >= Verdict.SUSPECT and bool(watch.marker & ENDS)
        if confirmed or lost:
            self._left(link, data, now)
        elif late:
            self._stayed(link, data, now)

    def _left(self, link: Link, data: DataMode, now: float) -> None:
        marker, lines = Marker(data.watch.marker), data.after_marker()
        data.end = marker
        link.move(Cause.LEFT)
        if not marker & RESTARTED:
            link.say("<", "NO CARRIER" if marker is Marker.NO_CARRIER else "OK")
        link.end_data(stray=not self._streaming)
        self.finish(link, marker)
        link.lines(lines, now)

    def _stayed(self, link: Link, data: DataMode, now: float) -> None:
        """An answer that could not be read for want of room may have come all the same."""
        data.watch.markers = ENDS
        staying = self._streaming and not self.step.last and link.has_room
        link.move(Cause.STAYED if staying else Cause.UNANSWERED)
        if not staying:
            data.release()
            link.adrift = link.adrift or self._streaming
            link.end_data(stray=not self._streaming)
        self.finish(link, Marker(0))

    def abandon(self, link: Link) -> None:
        if link.state is State.LEAVING and link.data and not self._streaming:
            self._stayed(link, link.data, link.now)
        self.done = True


KINDS: dict[type, type[Pending]] = {
    Until: Waiting,
    Pause: Pausing,
    Foreign: Counted,
    Heard: Counted,
    Now: Counted,
    Rate: Tuning,
    StartRate: TuningBack,
    Tell: Telling,
    Later: Owing,
    Silence: Quiet,
    Guarded: Escaping,
}


def pending(step: Any) -> Pending:
    """The pending form of a step; anything that is no step must be a command.  UsageError if it is neither."""
    return KINDS.get(type(step), Exchange)(step)
