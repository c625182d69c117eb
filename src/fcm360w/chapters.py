"""The chapters of a module's manual that are imported when a program first asks for one."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Generic, Self, TypeVar, overload

F = TypeVar("F")


class Chapter(Generic[F]):
    """A face of a module, the same for all threads.  To make one must have no effect, since two may be made at once."""

    def __init__(self, where: str, name: str, doc: str) -> None:
        self.where, self.name = where, name
        self.__doc__ = doc
        self._attribute = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    @overload
    def __get__(self, module: None, owner: type) -> Self: ...
    @overload
    def __get__(self, module: object, owner: type) -> F: ...
    def __get__(self, module: Any, owner: type) -> Self | F:
        if module is None:
            return self
        face = vars(import_module(f"fcm360w.{self.where}"))[self.name]
        kept: F = vars(module).setdefault(self._attribute, face(module, module._link))
        return kept
