"""The rungs that lead from a state nobody knows back to command mode, and the ladders that are made of them.

Each rung is tried only if the module did not answer after the one before.  `wake` (start.py) climbs from an earlier
owner's leavings, `resync` from a command of ours that timed out, `recover` from anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from fcm360w.commands import tls
from fcm360w.commands.system import Attention, Booted
from fcm360w.commands.tcp import MAX_SEND, Close, ListSockets, Send, SendTo, SendUntil, SocketInfo
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.escape import Marker
from fcm360w.flows.leave import end_line, escape
from fcm360w.flows.probe import PROBE, patiently_certain, probe
from fcm360w.flows.system import restart
from fcm360w.steps import EscapePolicy, Pause, Steps, Until, Within
from fcm360w.wire import Command

INPUT_LIMIT = 5.5
BOOT_LIMIT = 10.0
GLANCE = 0.001
SECURE = tls.Send | tls.SendUntil


class Cancel(Command[None], ref="2.3.5", form="exec"):
    """ESC: ends a text that is typed at a prompt.  In command mode it is half a line, which is refused."""

    def line(self, mask: bool = False) -> str:
        return "\x1b"


class Fill(Command[None], ref="2.3.5", form="exec", final=("SEND OK", "SEND FAIL")):
    """Half the longest payload.  It is made of empty lines: what a prompt does not take gets no answer."""

    def line(self, mask: bool = False) -> str:
        return "\r\n" * (MAX_SEND // 4)


class Rung(StrEnum):
    """What can be done to a module that does not answer, from the mildest on."""

    ASKED = "asked it"
    WAITED = "waited until it gives up an input"
    CANCELLED = "sent ESC"
    ESCAPED = "sent the guarded +++"
    FILLED = "filled up a payload"
    RESTARTED = "restarted it"


class Recovery(NamedTuple):
    """What was done until the module answered, in this order.

    `data_mode`: it was in data mode.  `filled`: at most so many bytes were made up, line ends all of them, and may have
    gone to the peer of a socket; `closed` names the sockets that were closed for it.  Rung.RESTARTED: nothing is left
    of joins, sockets and unsaved settings.
    """

    rungs: tuple[Rung, ...] = ()
    data_mode: bool = False
    filled: int = 0
    closed: tuple[int, ...] = ()

    def __str__(self) -> str:
        said = [str(rung) for rung in self.rungs]
        said += ["it was in data mode"] if self.data_mode else []
        said += [f"{self.filled} bytes were made up"] if self.filled else []
        said += [f"socket {number} was closed" for number in self.closed]
        return "; ".join(said)


Filling = Callable[[Iterable[int]], None]
Act = tuple[Rung, Callable[[], Steps[Recovery]]]


# ---- the rungs


def asked() -> Steps[Recovery]:
    """Nothing but the question that follows every rung, once what has come and was not read is known."""
    yield Pause(GLANCE)
    return Recovery()


def waited() -> Steps[Recovery]:
    """A module that is starting says so; one that waits for a payload gives up after five seconds without a byte."""
    yield from Until(Booted, INPUT_LIMIT, fresh=True)
    return Recovery()


def cancelled() -> Steps[Recovery]:
    """ESC ends a text."""
    yield from _heeded(Cancel())
    return Recovery()


def escaped(policy: EscapePolicy, attempts: int = 1) -> Steps[Recovery]:
    """The guarded escape; `attempts` if it is known that the module was in data mode."""
    marker: Marker = yield from escape(policy, attempts)
    if marker is not Marker.OK:
        yield from end_line(policy)
    return Recovery(data_mode=marker is Marker.OK)


def filled(owed: Command[Any] | None = None, filling: Filling = lambda _: None) -> Steps[Recovery]:
    """Give a prompt of longer patience what it waits for.  `filling` is told the socket before, if it is known."""
    filling(_socket_of(owed))
    count = 0
    for _ in range(2):
        count += len(Fill().line()) + 2
        if (yield from _heeded(Fill())):
            break
    return Recovery(filled=count)


def restarted() -> Steps[Recovery]:
    """Restart the module; its sockets are gone."""
    with contextlib.suppress(CommandError, CommandTimeout):
        yield from restart(BOOT_LIMIT)
    return Recovery()


def _heeded(command: Command[None]) -> Steps[bool]:
    """Whether there is an answer, of whatever kind."""
    try:
        yield from Within(command, PROBE)
    except CommandTimeout:
        return False
    except CommandError:
        return True
    return True


def _socket_of(owed: Command[Any] | None) -> tuple[int, ...]:
    return (owed.connect_id,) if isinstance(owed, Send | SendTo | SendUntil | SECURE) else ()


# ---- the ladders


def climb(rungs: Iterable[Act], answered: Callable[[], Steps[bool]], attempts: int) -> Steps[Recovery | None]:
    """One rung after the other until the module answers; None if it does not even then.

    An escape that was confirmed is tried again, `attempts` times in all: what seemed its OK may have been payload.
    """
    found = Recovery()
    for rung, act in rungs:
        for _ in range(attempts):
            done = yield from act()
            found = Recovery((*found.rungs, rung), found.data_mode or done.data_mode, found.filled + done.filled)
            if (yield from answered()):
                return found
            if not done.data_mode:
                break
    return None


def resync(
    policy: EscapePolicy,
    owed: Command[Any] | None = None,
    adrift: bool = False,
    filling: Filling = lambda _: None,
) -> Steps[Recovery]:
    """After a time-out: make sure that no answer to the old command is still to come, and that it was no CONNECT.

    `owed`: the module may wait for a payload; a probe would be taken for it, so silence comes first.  `adrift`: it may
    be in data mode; a probe would go to the peer.  CommandTimeout if it does not answer.
    """
    rungs: list[Act] = []
    if owed:
        rungs.append((Rung.WAITED, waited))
    elif not adrift:
        rungs.append((Rung.ASKED, asked))
    rungs.append((Rung.ESCAPED, partial(escaped, policy)))
    if owed:
        rungs += [(Rung.CANCELLED, cancelled), (Rung.FILLED, partial(filled, owed, filling))]
    found = yield from climb(rungs, partial(probe, 1.0), policy.attempts)
    if found is None:
        raise CommandTimeout("AT", 1.0, Attention.ref)
    yield Pause(0.1)
    return (yield from _closing(found, owed))


def recover(policy: EscapePolicy, escapes: int, owed: Command[Any] | None, filling: Filling) -> Steps[Recovery]:
    """To command mode from wherever the module is.  ProtocolError if nothing helps.

    `escapes` are tried before it is asked, if it is, or may be, in data mode; `owed`: it may wait for a payload.
    CommandTimeout if bytes are stuck on the way to it: then nothing can be said to it at all.
    """
    rungs: list[Act] = []
    if escapes:
        rungs.append((Rung.ESCAPED, partial(escaped, policy, escapes)))
    elif not owed:
        rungs.append((Rung.ASKED, asked))
    rungs += [(Rung.WAITED, waited), (Rung.CANCELLED, cancelled), (Rung.ESCAPED, partial(escaped, policy))]
    rungs += [(Rung.FILLED, partial(filled, owed, filling)), (Rung.RESTARTED, restarted)]
    found = yield from climb(rungs, patiently_certain, policy.attempts)
    if found is None:
        raise ProtocolError("the module does not answer, whatever was tried: check wiring, baud rate and power")
    if Rung.RESTARTED in found.rungs:
        return found
    return (yield from _closing(found, owed))


def _closing(found: Recovery, owed: Command[Any] | None) -> Steps[Recovery]:
    """Close the socket whose payload was made up; every one, if nobody knows which it was."""
    if not found.filled:
        return found
    known = _socket_of(owed)
    if not known:
        return found._replace(closed=(yield from close_all()))
    yield from _close_each(known, tls.Close if isinstance(owed, SECURE) else Close)
    return found._replace(closed=known)


def close_all() -> Steps[tuple[int, ...]]:
    """Close every open socket and TLS connection; which were open.  A peer that does not confirm has a second."""
    plain = yield from _listed(ListSockets())
    yield from _close_each(plain, Close)
    secure = yield from _listed(tls.ListConnections())
    yield from _close_each(secure, tls.Close)
    return tuple(sorted({*plain, *secure}))


def _listed(command: Command[tuple[SocketInfo, ...]] | Command[tuple[tls.ConnectionInfo, ...]]) -> Steps[list[int]]:
    """The ids that the module lists; none if it does not know the command."""
    try:
        return [info.connect_id for info in (yield from command)]
    except CommandError:
        return []


def _close_each(numbers: Iterable[int], closing: Callable[[int, int], Command[None]]) -> Steps[None]:
    for connect_id in numbers:
        with contextlib.suppress(CommandError):
            yield from closing(connect_id, 1)
