"""Find out where the module is, and bring it to command mode."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from fcm360w.commands.system import Attention, BasicEcho, Booted, Echo, Switch
from fcm360w.commands.tcp import Close, ListSockets
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.flows.leave import escape
from fcm360w.steps import EscapePolicy, Pause, Steps, Until, Within

PROBE = 0.3
INPUT_LIMIT = 5.5


class Found(NamedTuple):
    """What an opened module had to be brought out of."""

    data_mode: bool = False
    sockets: tuple[int, ...] = ()


def probe(seconds: float = PROBE) -> Steps[bool]:
    """Whether the module answers in command mode.  ERROR is an answer too: an earlier owner had left half a line."""
    for _ in range(2):
        try:
            yield from Within(Attention(), seconds)
        except CommandTimeout:
            return False
        except CommandError:
            continue
        return True
    return False


def wake(policy: EscapePolicy) -> Steps[Found]:
    """Bring a module of unknown state to command mode, echo off, no socket open.

    A probe may reach the peer of a transparent socket that an earlier owner left open: that stream ended with its
    owner.  ProtocolError if the module neither answers nor leaves data mode within the time it needs to boot.
    """
    left = False
    if not (yield from probe()):
        left = yield from escape(policy)
        if not (yield from probe()):
            left = (yield from _outwait(policy)) or left
    yield from _quiet_echo()
    sockets = yield from _close_all()
    return Found(left, sockets)


def _outwait(policy: EscapePolicy) -> Steps[bool]:
    """A module that is starting says so; one that waits for a payload gives up after five seconds without a byte.

    Whether it was in data mode after all.
    """
    yield from Until(Booted, INPUT_LIMIT)
    if (yield from probe()):
        return False
    left = yield from escape(policy)
    if not (yield from probe()):
        raise ProtocolError("the module does not answer AT: check wiring, baud rate and power")
    return left


def _quiet_echo() -> Steps[None]:
    """Some firmware refuses the first ATE0 after power-up, so both ways are tried and neither must succeed."""
    for command in (BasicEcho(Switch.OFF), Echo(Switch.OFF)):
        with contextlib.suppress(CommandError):
            yield from command


def _close_all() -> Steps[tuple[int, ...]]:
    try:
        sockets = yield from ListSockets()
    except CommandError:
        return ()
    for info in sockets:
        with contextlib.suppress(CommandError):
            yield from Close(info.connect_id)
    return tuple(info.connect_id for info in sockets)


def resync(policy: EscapePolicy) -> Steps[None]:
    """After a time-out: make sure that no answer to the old command is still to come, and that it was no CONNECT."""
    if not (yield from probe(1.0)):
        yield from escape(policy)
        if not (yield from probe(1.0)):
            raise CommandTimeout("AT", 1.0, Attention.ref)
    yield Pause(0.1)
