"""The module's file system: handles with their pointers, and how much all files may take together."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.files import FileInfo, FileMode, OpenedFile, OpenFile
from fcm360w.sim.steps import Refused
from fcm360w.sim.volume import Volume

__all__ = ["Files"]

log = logging.getLogger("fcm360w.sim")

PREFIX = "UFS:"
MOST = 255


@dataclasses.dataclass
class Opened:
    """What a handle stands for."""

    name: str
    mode: FileMode
    at: int = 0


@contextmanager
def stored() -> Iterator[None]:
    """What this machine cannot do the module cannot either."""
    try:
        yield
    except OSError as error:
        log.warning("the file system fails: %s", error)
        raise Refused(SocketCode.UNKNOWN) from error


class Files:
    """A Service: files stay, handles go when the module restarts.  `limit` is the room for all files, in bytes.

    A file may be open several times.  One that was deleted, or emptied, through another handle reads as it is now.
    """

    def __init__(self, volume: Volume, limit: int) -> None:
        self._volume = volume
        self._limit = limit
        self._handles: dict[int, Opened] = {}

    # ---- as every service ----

    def tick(self, now: float) -> None:
        """Nothing goes on by itself."""

    def deadline(self) -> float | None:
        return None

    def lose(self) -> None:
        """The Wi-Fi does not matter."""

    def reset(self) -> None:
        self._handles.clear()

    # ---- files ----

    def listed(self) -> tuple[FileInfo, ...]:
        """By name; those that no command can name were not put there by one."""
        with stored():
            names = (name for name in self._volume.names() if OpenFile.fields()[0].fault(name) is None)
            return tuple(FileInfo(name, self._volume.size(name) or 0) for name in names)

    def delete(self, name: str) -> None:
        """Refused if there is none, or it is open."""
        name = name.removeprefix(PREFIX)
        with stored():
            if self._volume.size(name) is None or any(opened.name == name for opened in self._handles.values()):
                raise Refused
            self._volume.delete(name)

    def whole(self, name: str) -> bytes | None:
        """What a file holds; None if there is none."""
        name = name.removeprefix(PREFIX)
        with stored():
            size = self._volume.size(name) if name else None
            return None if size is None else self._volume.read(name, 0, size)

    # ---- handles ----

    def open(self, name: str, mode: FileMode) -> int:
        """The smallest free handle from 1 on.  Refused if it is to be there and is not."""
        name = name.removeprefix(PREFIX)
        number = next((number for number in range(1, MOST + 1) if number not in self._handles), None)
        if not name or number is None:
            raise Refused
        with stored():
            missing = self._volume.size(name) is None
            if missing and mode is FileMode.READ:
                raise Refused
            if missing or mode is FileMode.EMPTY:
                self._volume.empty(name)
        self._handles[number] = Opened(name, mode)
        return number

    def close(self, number: int) -> None:
        self._get(number)
        del self._handles[number]

    def opened(self) -> tuple[OpenedFile, ...]:
        return tuple(OpenedFile(each.name, number, each.mode) for number, each in sorted(self._handles.items()))

    def _get(self, number: int) -> Opened:
        if number not in self._handles:
            raise Refused
        return self._handles[number]

    def read(self, number: int, count: int) -> bytes:
        """At the pointer, which moves on; empty at the end."""
        opened = self._get(number)
        with stored():
            data = self._volume.read(opened.name, opened.at, count)
        opened.at += len(data)
        return data

    def room(self, number: int) -> int:
        """Bytes that can be written at the pointer.  Refused if it is not for writing."""
        opened = self._get(number)
        if opened.mode is FileMode.READ:
            raise Refused
        with stored():
            others = sum(info.file_size for info in self.listed() if info.filename != opened.name)
        return max(0, self._limit - others - opened.at)

    def write(self, number: int, data: bytes) -> tuple[int, int]:
        """At the pointer, as far as there is room; the bytes written, and the size of the file then."""
        opened, data = self._get(number), data[: self.room(number)]
        with stored():
            if data:
                self._volume.write(opened.name, opened.at, data)
            opened.at += len(data)
            return len(data), self._volume.size(opened.name) or 0
