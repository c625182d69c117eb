"""The data mode of a command that the caller runs, as a byte stream; without I/O, as the other channels."""

from __future__ import annotations

from typing import Any

from fcm360w.channel import Report
from fcm360w.commands.tcp import Sent
from fcm360w.errors import ProtocolError, UsageError
from fcm360w.link import Link
from fcm360w.steps import Steps
from fcm360w.transparent import Transparent
from fcm360w.turns import Turns, perform
from fcm360w.wire import Command

NO_ID = -1


class Attached(Transparent):
    """Data mode and no more than that: what becomes of the socket, whose id nobody knows, is the caller's affair."""

    closes = False

    @property
    def _alone(self) -> bool:
        return True

    def _end(self, waiting: bool) -> None:
        super()._end(waiting=False)
        self.buffered = False

    def verify(self) -> Turns[Sent]:
        raise UsageError("the socket of an attached stream is not known")

    def _finish(self, seconds: float) -> Steps[Report]:
        yield from ()
        return self.report or self._conclude()


def attach(link: Link, command: Command[Any]) -> Turns[Attached]:
    """Run a command that begins data mode.  UsageError if it is none; ProtocolError if it ends, and has begun none."""
    if not command.connects():
        raise UsageError(f"{command.line(mask=True)} does not begin data mode: use run()")
    yield from perform(link, command)
    if link.data is None:
        raise ProtocolError(f"{command.line(mask=True)}: OK without CONNECT")
    return Attached(link, NO_ID)
