"""Find out where the module is, and bring it to command mode."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from fcm360w.commands.system import Attention, BasicEcho, Booted, Echo, GetBaudRate, GetVersion, Switch
from fcm360w.commands.tcp import MAX_SEND, Close, ListSockets
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.flows.leave import escape
from fcm360w.steps import EscapePolicy, Foreign, Pause, Steps, Until, Within
from fcm360w.wire import Command

PROBE = 0.3
GLANCE = 0.001
INPUT_LIMIT = 5.5


class Cancel(Command[None], ref="2.3.5", form="exec"):
    """ESC: ends a text that is typed at a prompt.  In command mode it is half a line, which is refused."""

    def line(self, mask: bool = False) -> str:
        return "\x1b"


class Fill(Command[None], ref="2.3.5", form="exec", final=("SEND OK", "SEND FAIL")):
    """Half the longest payload.  It is made of empty lines: what a prompt does not take gets no answer."""

    def line(self, mask: bool = False) -> str:
        return "\r\n" * (MAX_SEND // 4)


class Found(NamedTuple):
    """What an opened module had to be brought out of.

    `filled`: a payload that an earlier owner owed was made up, with line ends, and may have gone to the peer.
    """

    data_mode: bool = False
    sockets: tuple[int, ...] = ()
    filled: bool = False


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


def _certain() -> Steps[bool]:
    """As probe, but an OK alone may be a peer's payload: the version must follow, and nothing that is no module's."""
    before = yield Foreign()
    if not (yield from probe()):
        return False
    try:
        yield from Within(GetVersion(), PROBE)
    except (CommandError, CommandTimeout, ProtocolError):
        return False
    after = yield Foreign()
    return bool(before == after)


def wake(policy: EscapePolicy) -> Steps[Found]:
    """Bring a module of unknown state to command mode, echo off, no socket open.

    A probe may reach the peer of a transparent socket that an earlier owner left open: that stream ended with its
    owner.  ProtocolError if the module neither answers nor leaves data mode within the time it needs to boot.
    """
    left = filled = False
    if not (yield from _certain()):
        found, left = yield from _escaped(policy)
        if not found:
            again, filled = yield from _outwait(policy)
            left = left or again
    yield from quiet_echo()
    sockets = yield from _close_all()
    return Found(left, sockets, filled)


def _escaped(policy: EscapePolicy) -> Steps[tuple[bool, bool]]:
    """Whether an escape brings the module back, and whether it was in data mode: what seemed its OK may be payload."""
    left = False
    for _ in range(policy.attempts):
        confirmed = yield from escape(policy)
        left = left or confirmed
        if (yield from _certain()):
            return True, left
        if not confirmed:
            break
    return False, left


def _outwait(policy: EscapePolicy) -> Steps[tuple[bool, bool]]:
    """A module that is starting says so; one that waits for a payload gives up after five seconds without a byte.

    One whose limit is longer, or none, is given what it waits for.  Whether it was in data mode after all, and whether
    a payload was made up.
    """
    yield from Until(Booted, INPUT_LIMIT)
    if (yield from _certain()):
        return False, False
    found, left = yield from _escaped(policy)
    if found:
        return left, False
    yield from _heeded(Cancel())
    if (yield from _certain()):
        return left, False
    filled = yield from _fill()
    if not (yield from _certain()):
        raise ProtocolError("the module does not answer AT: check wiring, baud rate and power")
    return left, filled


def _heeded(command: Command[None]) -> Steps[bool]:
    """Whether there is an answer, of whatever kind."""
    try:
        yield from Within(command, PROBE)
    except CommandTimeout:
        return False
    except CommandError:
        return True
    return True


def _fill() -> Steps[bool]:
    for _ in range(2):
        if (yield from _heeded(Fill())):
            break
    return True


def rate() -> Steps[int | None]:
    """The bit rate of the module's serial line; None if it does not tell."""
    try:
        told = yield from GetBaudRate()
    except (CommandError, ProtocolError):
        return None
    return told.baud_rate


def quiet_echo() -> Steps[None]:
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


def resync(policy: EscapePolicy, owing: bool = False) -> Steps[None]:
    """After a time-out: make sure that no answer to the old command is still to come, and that it was no CONNECT.

    `owing`: the module may wait for a payload; a probe would be taken for it, so silence comes first.  An answer that
    has come since, and was not read, must not be taken for the probe's.
    """
    yield Pause(INPUT_LIMIT if owing else GLANCE)
    if not (yield from probe(1.0)):
        yield from escape(policy)
        if not (yield from probe(1.0)):
            yield from _regain(owing)
    yield Pause(0.1)


def _regain(owing: bool) -> Steps[None]:
    """The limit of a prompt may have been set longer, or off."""
    if owing:
        yield from _heeded(Cancel())
        if not (yield from probe(1.0)):
            yield from _fill()
    if not (owing and (yield from probe(1.0))):
        raise CommandTimeout("AT", 1.0, Attention.ref)
