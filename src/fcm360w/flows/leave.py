"""Leave transparent mode by the guarded escape, and find out whether NO CARRIER was said or only sent."""

from __future__ import annotations

from fcm360w.commands.system import Attention
from fcm360w.commands.tcp import Resume
from fcm360w.errors import CommandError, CommandTimeout
from fcm360w.escape import Marker
from fcm360w.steps import EscapePolicy, Guarded, Silence, Steps, Within
from fcm360w.wire import Command


class EndLine(Command[None], ref="1.2", form="exec"):
    """Nothing but the line end, for half a line that may be in the module: it answers ERROR, or nothing if none was."""

    def line(self, mask: bool = False) -> str:
        return ""


def escape(policy: EscapePolicy) -> Steps[bool]:
    """One guarded escape from an unknown state.  True if the module confirms that it left data mode."""
    yield Silence(policy.before, policy.patience)
    marker: Marker = yield Guarded(policy)
    if marker is not Marker.OK:
        yield from _end_line(policy)
    return marker is Marker.OK


def leave(policy: EscapePolicy) -> Steps[bool]:
    """Leave data mode.  True if the connection lives on, False if the peer had closed it.

    CommandTimeout if bytes are stuck on the way, or no escape is confirmed: each one that is not has gone to the peer
    as three bytes of payload.  After the last one a command is tried: the end may have come unnoticed.
    """
    for attempt in range(1, policy.attempts + 1):
        while not (yield Silence(policy.before, policy.patience)):
            continue
        marker: Marker = yield Guarded(policy, last=attempt == policy.attempts)
        if marker is Marker.OK:
            return True
        if marker is Marker.NO_CARRIER:
            yield from _end_line(policy)
            return False
    yield from _end_line(policy)
    try:
        yield from Within(Attention(), policy.answer)
    except (CommandError, CommandTimeout) as error:
        raise CommandTimeout("+++", policy.after + policy.answer, "2.3.11") from error
    return False


def confirm(policy: EscapePolicy) -> Steps[bool]:
    """Whether a suspected NO CARRIER is the module's.  If not, the stream goes on.

    The probe is the escape itself, since a command would be payload if the module still is in data mode: an OK says
    that it was, and ATO returns to it.
    """
    if not (yield Silence(policy.before, policy.patience)):
        return False
    marker: Marker = yield Guarded(policy)
    if marker is Marker.OK:
        return not (yield from _resumed())
    if marker is Marker.NO_CARRIER:
        yield from _end_line(policy)
    return marker is Marker.NO_CARRIER


def _resumed() -> Steps[bool]:
    try:
        yield from Resume()
    except CommandError:
        return False
    return True


def _end_line(policy: EscapePolicy) -> Steps[None]:
    """The ``+++`` that nobody took is the beginning of a command line by now."""
    try:
        yield from Within(EndLine(), policy.answer)
    except (CommandError, CommandTimeout):
        return
