"""What sync and asyncio share: procedures over the link as generators of turns.

A turn is one wait: write what is to be written, read what is there, or let the time come.  A facade performs turns,
with its own way of waiting and its own clock, and does nothing else; all that is to be decided is decided here, once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

from fcm360w.errors import CommandError, CommandTimeout, ProtocolError, TransportLost
from fcm360w.events import Event, FilesClosed, Reassigned
from fcm360w.flows import recover
from fcm360w.flows.leave import leave
from fcm360w.flows.recover import Recovery, resync
from fcm360w.flows.sockets import close
from fcm360w.flows.start import Found, wake
from fcm360w.flows.tls import close_secure
from fcm360w.link import Link, Ticket
from fcm360w.states import STREAMING, State
from fcm360w.steps import Drained, Later, Steps, Unbroken, Within
from fcm360w.wire import Command, Flow, Reply

R = TypeVar("R")
E = TypeVar("E", bound=Reply)
FILLED = "it was closed, for bytes that nobody sent may have gone to its peer"
WOKEN = "it was closed when the module was woken"

# Seconds of silence after which nothing more of a payload is waited for: in doubt, and when the module is closed, in
# all; the module itself may pause longer.
PATIENCE = 5.0
GLIMPSE = 2.0
CLOSING = 20.0

MAX_VAIN = 3


class Turn(NamedTuple):
    """One wait.  Ends when something was written or received, when another turn changed the link, or at `deadline`.

    `write` is payload to write after what the link itself has to say; `read` a buffer that payload may be read into
    directly, which is allowed to be ignored.  `deadline` is a time of the link's clock; the link's own deadline, as it
    is once all has been written, holds besides.  `shielded`: a task that is cancelled goes on until a turn that is not.
    """

    write: memoryview | None = None
    read: memoryview | None = None
    deadline: float | None = None
    shielded: bool = False


class Turned(NamedTuple):
    """What a turn did: payload bytes written, and payload bytes read into the turn's own buffer."""

    wrote: int = 0
    read: int = 0


Turns = Generator[Turn, Turned, R]


class QueueTimeout(TimeoutError):
    """The caller's time was up before its turn came: nothing was sent."""


def earlier(*times: float | None) -> float | None:
    """The earliest of some times, None standing for never."""
    return min((time for time in times if time is not None), default=None)


def exchange(link: Link, step: Any, ticket: Ticket) -> Turns[Any]:
    """Perform one step of a flow.

    A command that is to be followed by its payload is not interrupted: the module would take the next command for it.
    What is to be done later is noted at once, whoever has the link.
    """
    if isinstance(step, Later):
        return link.begin(step).outcome()
    command = step.command if isinstance(step, (Within, Unbroken)) else step
    prompted = isinstance(command, Command) and command.body() is not None
    whole = prompted or isinstance(step, Unbroken)
    if whole and not (isinstance(step, Unbroken) and step.urgent):
        yield Turn(deadline=link.now)
    yield from _served(link, ticket)
    if isinstance(step, Unbroken):
        step.begun()
    pending = link.begin(step)
    try:
        while not pending.done:
            sent = prompted and command.late and link.state is State.LATE
            yield Turn(shielded=whole and not sent)
    except TransportLost:
        if not pending.done:
            raise
    except BaseException:
        if not pending.done:
            pending.abandon(link)
        raise
    return pending.outcome()


def _served(link: Link, ticket: Ticket, deadline: float | None = None) -> Turns[None]:
    """Wait until it is the ticket's turn, in its place in the queue, or at the end if it has none, or none any more."""
    while True:
        if ticket not in link.queue:
            link.queue.append(ticket)
        if link.queue[0] is ticket:
            return
        if deadline is not None and link.now >= deadline:
            raise QueueTimeout("waiting for other commands timed out")
        yield Turn(deadline=deadline)


def _make_way(link: Link, ticket: Ticket) -> None:
    if ticket in link.queue:
        link.queue.remove(ticket)
    link.moved()


def perform(link: Link, flow: Flow[R], trusting: bool = False, deadline: float | None = None) -> Turns[R]:
    """Perform a flow to its result, after the flows that were there before.

    Unless `trusting`, the answer to a command that timed out earlier is waited for first, lest it be taken for
    another's.  QueueTimeout if its turn has not come by `deadline`: then nothing was sent.
    """
    ticket = Ticket()
    try:
        yield from _served(link, ticket, deadline)
        if link.state is State.UNSURE and not trusting:
            yield from _steps(link, certain(link), ticket)
        if (link.unclosed or link.undone) and not trusting:
            yield from _steps(link, freed(link), ticket)
        return (yield from _steps(link, flow, ticket))
    finally:
        _make_way(link, ticket)


def recovered(link: Link) -> Turns[Recovery]:
    """Bring the module to command mode from wherever it is, before all flows that wait for their turn.

    The flow that has its turn, however stuck, loses it: its step ends in GivenUp; if it goes on, it goes to the end of
    the queue.
    """
    ticket = Ticket(firm=True)
    if link.queue and not link.queue[0].firm:
        link.queue.popleft()
        link.give_up()
    link.queue.insert(sum(other.firm for other in link.queue), ticket)
    try:
        yield from _served(link, ticket)
        escapes = link.policy.attempts if link.state in STREAMING else int(link.adrift)
        yield from _steps(link, drained(link, GLIMPSE), ticket)
        ladder = recover.recover(link.policy, escapes, link.owing, link.unclosed.update)
        found = yield from _steps(link, ladder, ticket)
        _note(link, found)
        yield from _steps(link, freed(link), ticket)
        return found
    finally:
        _make_way(link, ticket)


def woken(link: Link) -> Turns[Found]:
    """Bring the module to command mode, echo off, no socket and no file open; their holders hear of it."""
    try:
        found = yield from perform(link, wake(link.policy), trusting=True)
    finally:
        link.tell(Event(link.now, FilesClosed()))  # it may have come so far
    for connect_id in found.sockets:
        _freed(link, connect_id, WOKEN)
    return found


def certain(link: Link) -> Steps[None]:
    """After a time-out: make sure that no answer to the old command is still to come."""
    yield from drained(link, PATIENCE)
    _note(link, (yield from resync(link.policy, link.owing, link.adrift, link.unclosed.update)))


def _note(link: Link, found: Recovery) -> None:
    """Nothing is in doubt any more; whoever has a socket that was closed is told."""
    link.owing, link.adrift = None, False
    for connect_id in found.closed:
        _freed(link, connect_id)


def _freed(link: Link, connect_id: int, why: str = FILLED) -> None:
    """A socket was closed behind its holder's back."""
    link.unclosed.discard(connect_id)
    link.secure.discard(connect_id)
    link.tell(Event(link.now, Reassigned(connect_id, why)))


def drained(link: Link, silence: float, limit: float = 600.0) -> Steps[None]:
    """Let a payload that nobody waits for any more come to its end, or to a silence of some seconds."""
    if link.pour:
        yield Drained(silence, limit)


def left(link: Link) -> Steps[None]:
    """Leave data mode, if that is where the module is; of what it pours out not more than some seconds are awaited."""
    yield from drained(link, 1.0, CLOSING)
    if link.state in STREAMING:
        yield from leave(link.policy)


def freed(link: Link) -> Steps[None]:
    """Close the sockets whose opening was interrupted, wherever that left the module, and do what flows left undone.

    CommandTimeout if it does not answer; those that are not closed by then are remembered, and what is undone is tried
    MAX_VAIN times.
    """
    yield from left(link)
    if link.state is State.UNSURE:
        yield from certain(link)
    for connect_id in sorted(link.unclosed):
        yield from (close_secure if connect_id in link.secure else close)(connect_id, 1)
        _freed(link, connect_id)
    while link.undone:
        undone = link.undone[0]
        try:
            with contextlib.suppress(CommandError, ProtocolError):
                yield from undone()
        except CommandTimeout:
            link.vain += undone in link.undone
            if link.vain == MAX_VAIN:
                _forget(link, undone)
            raise
        _forget(link, undone)


def _forget(link: Link, undone: Callable[[], Flow[Any]]) -> None:
    link.vain = 0
    if undone in link.undone:  # else the module was recovered meanwhile, by another
        link.undone.remove(undone)


def wait(link: Link, kind: type[E], seconds: float) -> Turns[E | None]:
    """Wait for an unsolicited line beside whatever runs; one that nobody has taken yet counts.  None: it did not come.

    TransportLost if the transport is gone and no such line is left.
    """
    deadline = link.now + seconds
    while True:
        if event := link.events.take(kind):
            assert isinstance(event.row, kind)
            return event.row
        link.check()
        if link.now >= deadline:
            return None
        yield from patiently(Turn(deadline=deadline))


def events(link: Link) -> Turns[list[Event]]:
    """All that has come, also what nobody has read off the port yet."""
    if not link.error:
        yield from patiently(Turn(deadline=link.now))
    taken = []
    while event := link.events.take():
        taken.append(event)
    return taken


def patiently(turn: Turn) -> Turns[Turned]:
    """A turn after which what came before the transport was lost is still looked at; then ask `Link.check`."""
    try:
        return (yield turn)
    except TransportLost:
        return Turned()


def paused(link: Link, seconds: float, deadline: float | None = None) -> Turns[None]:
    """Let time pass, at most until `deadline`, and others use the link meanwhile."""
    end = earlier(link.now + seconds, deadline) or 0.0
    while link.now < end and link.error is None:
        yield Turn(deadline=end)


def limited(link: Link, turns: Turns[R], deadline: float | None) -> Turns[R]:
    """The same turns; at a deadline they are cut short as those of a task that is cancelled, and end in TimeoutError.

    What they undo then takes its time.
    """
    over = deadline is None
    try:
        turn = next(turns)
        while True:
            if not (over or turn.shielded) and deadline is not None and link.now >= deadline:
                over = True
                turn = turns.throw(TimeoutError("timed out"))
                continue
            try:
                turned = yield turn if over else turn._replace(deadline=earlier(turn.deadline, deadline))
            except BaseException as error:
                turn = turns.throw(error)
            else:
                turn = turns.send(turned)
    except StopIteration as stop:
        result: R = stop.value
        return result


def shielded(turns: Turns[R], when: Callable[[], bool] = lambda: True) -> Turns[R]:
    """The same turns, none of which is to be interrupted while `when` says so."""
    try:
        turn = next(turns)
        while True:
            try:
                turned = yield turn._replace(shielded=turn.shielded or when())
            except BaseException as error:
                turn = turns.throw(error)
            else:
                turn = turns.send(turned)
    except StopIteration as stop:
        result: R = stop.value
        return result


def _steps(link: Link, flow: Flow[R], ticket: Ticket) -> Turns[R]:
    steps = iter(flow)
    try:
        step = next(steps)
        while True:
            try:
                value = yield from exchange(link, step, ticket)
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        result: R = stop.value
        return result
