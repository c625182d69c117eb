"""Running the commands of a line, one after the other."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.handlers import HANDLERS, load
from fcm360w.sim.module import Module
from fcm360w.sim.parser import Reader, Unknown, after_at, concerns_sockets, segments
from fcm360w.sim.steps import Ending, Refused, Steps, Wait
from fcm360w.wire import Command

__all__ = ["Performer"]


class Performer:
    """Reads commands, and has their handlers serve them."""

    def __init__(self, module: Module) -> None:
        load()
        self._module = module
        self._reader = Reader(module.setting, module.dialect.bare_strings)

    def perform(self, line: bytes) -> Steps:
        """Run the commands of a line up to the first that fails."""
        if self._module.dialect.response_delay:
            yield Wait(lambda: False, self._module.dialect.response_delay)
        parts = segments(after_at(line))
        ending: Ending = None
        for part in parts:
            command = self._parse(part)
            if concerns_sockets(command):
                self._module.last_error = SocketCode.SUCCESS
            try:
                if len(parts) > 1 and (command.connects() or command.body() is not None):
                    raise Refused(SocketCode.NOT_ALLOWED)
                ending = yield from self.handle(command)
            except Refused as refusal:
                if concerns_sockets(command):
                    self._module.last_error = refusal.code
                raise
        return ending

    def _parse(self, part: str) -> Command[Any]:
        try:
            return self._reader.parse(part)
        except Unknown as unknown:
            if unknown.sockets:
                self._module.last_error = unknown.code
            raise

    def handle(self, command: Command[Any]) -> Steps:
        answer = HANDLERS[type(command)](self._module, command)
        if isinstance(answer, Generator):
            return (yield from answer)
        if isinstance(answer, tuple):
            yield from answer
            return None
        return answer
