"""Collecting the payload after a prompt: counted, or typed up to CTRL+Z."""

from __future__ import annotations

import re

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.steps import Prompt, Refused

__all__ = ["CTRL_Z", "ESC", "Entry"]

CTRL_Z, ESC = b"\x1a", b"\x1b"
END = re.compile(rb"[\x1a\x1b]")


class Entry:
    """A payload being entered.  `done` once it is complete."""

    def __init__(self, prompt: Prompt, now: float) -> None:
        self._prompt = prompt
        self._data = bytearray()
        self._heard = now
        self.done = False

    @property
    def counted(self) -> bool:
        return self._prompt.count is not None

    @property
    def _complete(self) -> bool:
        return len(self._data) == self._prompt.count

    def deadline(self) -> float | None:
        """When the host's silence, or its time, ends the entry."""
        if self._complete:
            return self._heard + self._prompt.quiet
        return self._heard + self._prompt.patience if self._prompt.patience else None

    def feed(self, data: bytes, now: float) -> int:
        """Take bytes; returns how many, the others come after the payload.  Refused when the host gave up."""
        self._heard = self._heard if self._prompt.whole else now
        if self._prompt.count is not None:
            used = self._prompt.count - len(self._data)
            self._data += data[:used]
            self.done = self._complete and not self._prompt.quiet
            return len(data) if self._complete and self._prompt.quiet else min(used, len(data))
        end = END.search(data)
        stop = end.start() if end else len(data)
        # What is too long is refused at its end; until then one byte over the limit is all that need be kept.
        self._data += data[: min(stop, self._prompt.limit + 1 - len(self._data))]
        self.done = end is not None
        return end.end() if end else len(data)

    def expire(self) -> bytes:
        """What was entered when the time is over.  Refused if that is not enough."""
        if not self._prompt.connect and not self._complete:
            raise Refused(SocketCode.TIMED_OUT)
        return bytes(self._data)

    def payload(self, cancelled: bool) -> bytes:
        """What was entered.  Refused if it was cancelled or is too long."""
        if cancelled:
            raise Refused(SocketCode.CANCELLED)
        if not self._prompt.connect and len(self._data) > self._prompt.limit:
            raise Refused(SocketCode.INVALID_PARAMETERS)
        return bytes(self._data)
