"""What sync and asyncio share: procedures over the link as generators of turns.

A turn is one wait: write what is to be written, read what is there, or let the time come.  A facade performs turns,
with its own way of waiting and its own clock, and does nothing else; all that is to be decided is decided here, once.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, TypeVar

from fcm360w.errors import TransportLost
from fcm360w.flows.start import resync
from fcm360w.link import Link
from fcm360w.states import State
from fcm360w.steps import Within
from fcm360w.wire import Command, Flow

R = TypeVar("R")


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


def earlier(*times: float | None) -> float | None:
    """The earliest of some times, None standing for never."""
    return min((time for time in times if time is not None), default=None)


def exchange(link: Link, step: Any) -> Turns[Any]:
    """Perform one step of a flow.

    A command that is to be followed by its payload is not interrupted: the module would take the next command for it.
    """
    command = step.command if isinstance(step, Within) else step
    prompted = isinstance(command, Command) and command.body() is not None
    if prompted:
        yield Turn(deadline=link.now)
    pending = link.begin(step)
    try:
        while not pending.done:
            yield Turn(shielded=prompted)
    except TransportLost:
        if not pending.done:
            raise
    except BaseException:
        link.abandon()
        raise
    return pending.outcome()


def perform(link: Link, flow: Flow[R], trusting: bool = False) -> Turns[R]:
    """Perform a flow to its result, after the flows that were there before.

    Unless `trusting`, the answer to a command that timed out earlier is waited for first, lest it be taken for
    another's.
    """
    ticket = object()
    link.queue.append(ticket)
    try:
        while link.queue[0] is not ticket:
            yield Turn()
        if link.state is State.UNSURE and not trusting:
            yield from _steps(link, resync(link.policy))
        return (yield from _steps(link, flow))
    finally:
        link.queue.remove(ticket)
        link.moved()


def shielded(turns: Turns[R]) -> Turns[R]:
    """The same turns, of which none is to be interrupted."""
    try:
        turn = next(turns)
        while True:
            try:
                turned = yield turn._replace(shielded=True)
            except BaseException as error:
                turn = turns.throw(error)
            else:
                turn = turns.send(turned)
    except StopIteration as stop:
        result: R = stop.value
        return result


def _steps(link: Link, flow: Flow[R]) -> Turns[R]:
    steps = iter(flow)
    try:
        step = next(steps)
        while True:
            try:
                value = yield from exchange(link, step)
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
