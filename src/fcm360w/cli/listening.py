"""What a module says unasked while its user types: a thread that shows it, and knows the line that is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from fcm360w.cli.transcript import Transcript
from fcm360w.errors import TransportLost
from fcm360w.module import Module
from fcm360w.wire import Command, Reply

LONG = 3600.0


class Listener(threading.Thread):
    """Shows lines as they come, until it is stopped or the transport is lost: then `lost` is set, and is told.

    A module has one: of several each line would reach only one.
    """

    def __init__(self, module: Module, transcript: Transcript, tell: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.lost: TransportLost | None = None
        self._module = module
        self._transcript = transcript
        self._tell = tell
        self._stopped = False
        self._awaited: Command[Any] | None = None
        self._end: Reply | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            while True:
                row = self._module.wait(Reply, LONG)
                if row and not self._stopped:
                    self._transcript.unasked(row)
                    self._judge(row)
        except TransportLost as error:
            if not self._stopped:
                self.lost = error
                self._ended.set()
                self._tell()

    def stop(self) -> None:
        """Show nothing more.  The thread ends when the module is closed."""
        self._stopped = True

    def expect(self, command: Command[Any] | None) -> None:
        """Look out, from here on, for the line that really ends a command."""
        self._ended.clear()
        self._awaited, self._end = command, None

    def end(self, seconds: float) -> Reply | None:
        """That line; None if it does not come.  TransportLost."""
        self._ended.wait(seconds)
        if self.lost:
            raise self.lost
        return self._end

    def _judge(self, row: Reply) -> None:
        command = self._awaited
        if command and command.reply and isinstance(row, command.reply) and command.belongs(row):
            self._end = row
            self._ended.set()
