"""What a handler may say and do while it serves a command.

A plain handler returns its information lines, or a final result that is not OK, or Connect.  One that takes time is a
generator: it yields information lines, a Prompt (it is sent the payload), a Wait (it is sent whether it came true), or
Raw bytes, and returns the final result, OK if it returns nothing, or Connect.  Either raises Refused for an ERROR.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Annotated, Any

from fcm360w.commands.codes import SocketCode
from fcm360w.parameters import BARE
from fcm360w.wire import Reply

if TYPE_CHECKING:
    from fcm360w.sim.endpoints import Client

__all__ = ["Answer", "Connect", "Ending", "Printed", "Prompt", "Raw", "Refused", "Speech", "Step", "Steps", "Wait"]


class Refused(Exception):
    """The command ends in ERROR; `code` is what AT+QIGETERROR will tell, if it is a socket command.

    With `cme` it ends in +CME ERROR and that code, whatever the dialect.
    """

    def __init__(self, code: SocketCode = SocketCode.INVALID_PARAMETERS, cme: int | None = None) -> None:
        super().__init__(code, cme)
        self.code = code
        self.cme = cme


class Printed(Reply):
    """A line that no row declares, as it is printed."""

    text: Annotated[str, BARE]

    def line(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True)
class Prompt:
    """Ask the host for bytes: `count` of them, or (None) up to CTRL+Z and at most `limit`.

    `patience` is how many seconds the host may be silent; 0 is for ever.  With `connect` the bytes are invited by
    CONNECT, after which silence ends them: what has come until then is the payload, which `limit` does not bound.
    `whole` counts the patience from the invitation, not from the last byte.  With `quiet` what comes after a counted
    payload is deleted, until nothing has come for so many seconds.
    """

    count: int | None
    limit: int
    patience: float
    connect: bool = False
    whole: bool = False
    quiet: float = 0.0
    more: bool = False


@dataclasses.dataclass(frozen=True)
class Raw:
    """Bytes for the host as they are: the next line brings its own leading line end.

    The handler goes on once the serial line has room for more.
    """

    data: bytes


@dataclasses.dataclass(frozen=True)
class Wait:
    """Serve no other command until `done` holds or `seconds` have passed.

    `every` asks for a look that often; without it only when something happened.
    """

    done: Callable[[], bool]
    seconds: float
    every: float | None = None


@dataclasses.dataclass(frozen=True)
class Connect:
    """CONNECT, and the serial port belongs to the socket."""

    socket: Client


Step = Reply | Prompt | Raw | Wait
Ending = str | Connect | None
Steps = Generator[Step, Any, Ending]
Answer = tuple[Reply, ...] | str | Connect | Steps


@dataclasses.dataclass(frozen=True)
class Speech:
    """More than a line that nobody asked for: it has the serial line to itself until it ends, with a line."""

    steps: Callable[[], Steps]
