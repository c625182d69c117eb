"""What the module does for each command: one small function a row, beside its chapter."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from fcm360w.commands import CHAPTERS
from fcm360w.sim.module import Module
from fcm360w.sim.steps import Answer
from fcm360w.wire import Command

__all__ = ["HANDLERS", "Handler", "handles", "load"]

C = TypeVar("C", bound=Command[Any])
Handler = Callable[[Module, C], Answer]
HANDLERS: dict[type[Command[Any]], Handler[Any]] = {}


def handles(row: type[C]) -> Callable[[Handler[C]], Handler[C]]:
    """Register the handler of a row."""

    def register(handler: Handler[C]) -> Handler[C]:
        HANDLERS[row] = handler
        return handler

    return register


def load() -> None:
    """Import every chapter's handlers."""
    for name in ("options", *CHAPTERS):
        importlib.import_module(f"fcm360w.sim.handlers.{name}")
