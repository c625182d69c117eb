"""Every state of the link to a module, and every way from one to another.

A module answers one command at a time, so the link has one state:

    COMMAND   nothing is asked; unsolicited lines may come
    PENDING   a command is on its way; its final result has not come
    LATE      the final result has come, the line that really ends the command has not
    DATA      the serial port is the byte stream of a socket
    SUSPECT   as DATA, but what may be NO CARRIER is withheld and nothing may be sent
    LEAVING   the escape is on the wire; payload may still come before its OK
    UNSURE    a command timed out: its answer may yet come and must not be taken for another's
    DEAD      the transport is gone; there is no way back

What is not in the table is a fault in this library, except that a transport may be lost anywhere.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where the link is."""

    COMMAND = auto()
    PENDING = auto()
    LATE = auto()
    DATA = auto()
    SUSPECT = auto()
    LEAVING = auto()
    UNSURE = auto()
    DEAD = auto()


class Cause(Enum):
    """What moves it."""

    SENT = auto()  # a command line was queued
    FINAL = auto()  # a final result, or the late line, completed it
    ACCEPTED = auto()  # OK, but a late line is to follow
    CONNECTED = auto()  # CONNECT
    TIMED_OUT = auto()
    SUSPECTED = auto()  # NO CARRIER may have come
    CLEARED = auto()  # it was payload
    ESCAPED = auto()  # +++ was queued
    LEFT = auto()  # the module is in command mode
    STAYED = auto()  # the escape had no answer, and the module is known to be in data mode
    UNANSWERED = auto()  # the escape had no answer, and where the module is was not known before


TABLE: dict[tuple[State, Cause], State] = {
    (State.COMMAND, Cause.SENT): State.PENDING,
    (State.UNSURE, Cause.SENT): State.PENDING,
    (State.PENDING, Cause.FINAL): State.COMMAND,
    (State.PENDING, Cause.ACCEPTED): State.LATE,
    (State.PENDING, Cause.CONNECTED): State.DATA,
    (State.PENDING, Cause.TIMED_OUT): State.UNSURE,
    (State.LATE, Cause.FINAL): State.COMMAND,
    (State.LATE, Cause.CONNECTED): State.DATA,
    (State.LATE, Cause.TIMED_OUT): State.UNSURE,
    (State.DATA, Cause.SUSPECTED): State.SUSPECT,
    (State.SUSPECT, Cause.CLEARED): State.DATA,
    (State.DATA, Cause.ESCAPED): State.LEAVING,
    (State.SUSPECT, Cause.ESCAPED): State.LEAVING,
    (State.COMMAND, Cause.ESCAPED): State.LEAVING,
    (State.UNSURE, Cause.ESCAPED): State.LEAVING,
    (State.LEAVING, Cause.LEFT): State.COMMAND,
    (State.LEAVING, Cause.STAYED): State.DATA,
    (State.LEAVING, Cause.UNANSWERED): State.UNSURE,
}

STREAMING = frozenset({State.DATA, State.SUSPECT, State.LEAVING})
IDLE = frozenset({State.COMMAND, State.UNSURE})
