"""Find out where an earlier owner left the module, and bring it to command mode."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from fcm360w.commands.system import GetBaudRate
from fcm360w.errors import CommandError, NoAnswer, ProtocolError
from fcm360w.flows.files import release_all
from fcm360w.flows.probe import certain, quiet_echo
from fcm360w.flows.recover import Act, Rung, asked, cancelled, climb, close_all, escaped, filled, waited
from fcm360w.steps import EscapePolicy, Heard, Steps


class Found(NamedTuple):
    """What an opened module had to be brought out of.

    `filled`: a payload that an earlier owner owed was made up, with line ends, and may have gone to the peer.  `files`:
    the names of those that were open.
    """

    data_mode: bool = False
    sockets: tuple[int, ...] = ()
    filled: bool = False
    files: tuple[str, ...] = ()


def wake(policy: EscapePolicy) -> Steps[Found]:
    """Bring a module of unknown state to command mode, echo off, no socket and no file open.

    A probe may reach the peer of a transparent socket that an earlier owner left open: that stream ended with its
    owner.  ProtocolError if the module neither answers nor leaves data mode within the time it needs to boot; NoAnswer
    if not one byte came.
    """
    before = yield Heard()
    escapes: Act = Rung.ESCAPED, partial(escaped, policy)
    rungs: list[Act] = [(Rung.ASKED, asked), escapes, (Rung.WAITED, waited), escapes]
    rungs += [(Rung.CANCELLED, cancelled), (Rung.FILLED, filled)]
    found = yield from climb(rungs, certain, policy.attempts)
    if found is None:
        kind = NoAnswer if (yield Heard()) == before else ProtocolError
        raise kind("the module does not answer AT: check wiring, baud rate and power")
    yield from quiet_echo()
    sockets = yield from close_all()
    return Found(found.data_mode, sockets, bool(found.filled), (yield from release_all()))


def rate() -> Steps[int | None]:
    """The bit rate of the module's serial line; None if it does not tell."""
    try:
        told = yield from GetBaudRate()
    except (CommandError, ProtocolError):
        return None
    return told.baud_rate
