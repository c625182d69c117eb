"""Leave transparent mode by the guarded escape, return to it, and find out whether NO CARRIER was said or only sent."""

from __future__ import annotations

from collections.abc import Callable

from fcm360w.commands.system import Attention
from fcm360w.commands.tcp import Access, Resume, SwitchMode
from fcm360w.errors import CommandError, CommandTimeout
from fcm360w.escape import Marker
from fcm360w.steps import EscapePolicy, Guarded, Silence, Steps, Within
from fcm360w.wire import Command


class EndLine(Command[None], ref="1.2", form="exec"):
    """Nothing but the line end, for half a line that may be in the module: it answers ERROR, or nothing if none was."""

    def line(self, mask: bool = False) -> str:
        return ""


def escape(policy: EscapePolicy, attempts: int = 1, staying: bool = False) -> Steps[Marker]:
    """Guarded escapes until one is answered.

    NO_CARRIER: the peer has closed; READY, RDY: the module has restarted; none: nothing was answered, and nobody knows
    where the module is, unless `staying`: then a stream goes on.  Each escape that was not answered has gone to its
    peer as three bytes of payload.  CommandTimeout if bytes are stuck on the way.
    """
    for attempt in range(1, attempts + 1):
        while not (yield Silence(policy.before, policy.patience)):
            continue
        marker: Marker = yield Guarded(policy, last=attempt == attempts and not staying)
        if marker:
            return marker
    return Marker(0)


def leave(policy: EscapePolicy) -> Steps[bool]:
    """Leave data mode.  True if the connection lives on, False if the peer had closed it, or the module has restarted.

    CommandTimeout if bytes are stuck on the way, or no escape is confirmed.  After the last one a command is tried:
    the end may have come unnoticed.
    """
    marker = yield from escape(policy, policy.attempts)
    if marker is Marker.OK:
        return True
    yield from end_line(policy)
    if not marker:
        try:
            yield from Within(Attention(), policy.answer)
        except (CommandError, CommandTimeout) as error:
            raise _unanswered(policy) from error
    return False


def step_out(policy: EscapePolicy) -> Steps[bool]:
    """As leave, for a while: if no escape is confirmed, the stream goes on, and CommandTimeout says so."""
    marker = yield from escape(policy, policy.attempts, staying=True)
    if not marker:
        raise _unanswered(policy)
    if marker is not Marker.OK:
        yield from end_line(policy)
    return marker is Marker.OK


def _unanswered(policy: EscapePolicy) -> CommandTimeout:
    return CommandTimeout("+++", policy.after + policy.answer, "2.3.11")


def confirm(policy: EscapePolicy, back: Callable[[], Steps[bool]]) -> Steps[bool]:
    """Whether a suspected NO CARRIER, or banner, is the module's.  If not, the stream goes on.

    The probe is the escape itself, since a command would be payload if the module still is in data mode: an OK says
    that it was, and `back` returns to it, unless the peer has closed meanwhile.
    """
    if not (yield Silence(policy.before, policy.patience)):
        return False
    marker: Marker = yield Guarded(policy)
    if marker is Marker.OK:
        return not (yield from back())
    if marker:
        yield from end_line(policy)
    return bool(marker)


def resume(connect_id: int, alone: bool = True) -> Steps[bool]:
    """Return to data mode.  False if the connection is gone.

    By ATO, which takes some other socket if this one is gone; so, unless it is `alone`, by naming the socket.
    """
    command = Resume() if alone else SwitchMode(connect_id, Access.TRANSPARENT)
    try:
        yield from command
    except CommandError:
        return False
    return True


def end_line(policy: EscapePolicy) -> Steps[None]:
    """The ``+++`` that nobody took is the beginning of a command line by now."""
    try:
        yield from Within(EndLine(), policy.answer)
    except (CommandError, CommandTimeout):
        return
