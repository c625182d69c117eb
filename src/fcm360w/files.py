"""Files in the module, for programs with threads."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from fcm360w.commands.files import FileInfo
from fcm360w.errors import FCM360WError
from fcm360w.filing import Held, opened
from fcm360w.flows import files
from fcm360w.link import Link

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fcm360w.module import Module

Progress = Callable[[int, int], object]


class Files:
    """Files in the module (manual 2.9), by name: text of 1 to 80 bytes, with or without the prefix ``UFS:``.

    Iteration yields entries with `filename` and `file_size`, and ``name in module.files`` asks for one.  `progress` is
    called with the bytes done and of all, in the thread that calls, and must not use the module.
    """

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link

    def __iter__(self) -> Iterator[FileInfo]:
        return iter(self.entries())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.exists(name)

    def entries(self) -> tuple[FileInfo, ...]:
        """Every file (manual 2.9.5)."""
        return self._module.run(files.listed())

    def exists(self, name: str) -> bool:
        """Whether there is such a file (manual 2.9.5)."""
        return self._module.run(files.exists(name))

    def size(self, name: str) -> int:
        """Bytes of a file.  CommandError if there is none (manual 2.9.5)."""
        return self._module.run(files.file_size(name))

    def write_bytes(self, name: str, data: Buffer, progress: Progress | None = None) -> None:
        """Write a file in place of whatever was there, and read it back to see that it is right.

        CommandError if it does not fit; ProtocolError if it reads back otherwise (manual 2.9.1 to 2.9.4).
        """
        self._module.run(files.write_whole(name, bytes(data), progress or files.silent))

    def read_bytes(self, name: str, progress: Progress | None = None) -> bytes:
        """All of a file.  CommandError if there is none (manual 2.9.1 to 2.9.5)."""
        return self._module.run(files.read_whole(name, progress or files.silent))

    def open(self, name: str, mode: str = "rb") -> File:
        """A file object: ``rb`` reads, ``wb`` begins anew, ``ab`` goes on at the end, which is reached by reading.

        It cannot seek, since the module cannot.  What is written is there after close(), or flush(); nothing is read
        back.  After a write that failed nothing more is written; close() says so if something is left.  After a restart
        of the module it raises SocketLost (manual 2.9.1).
        """
        held = self._module.drive(opened(self._link, name, mode))
        raw = RawFile(self._module, held)
        return self._module.adopt(FileReader(raw) if held.reads else FileWriter(raw))

    def delete(self, name: str) -> None:
        """Delete a file.  CommandError if there is none, or this firmware cannot: the manual has no such command."""
        self._module.run(files.delete(name))


class RawFile(io.RawIOBase):
    """A handle of the module as io knows it."""

    def __init__(self, module: Module, held: Held) -> None:
        super().__init__()
        self.name = held.name
        self.module = module
        self.held = held

    def readable(self) -> bool:
        return self.held.reads

    def writable(self) -> bool:
        return not self.held.reads

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self.module.drive(self.held.read(len(view))) if len(view) else b""
        view[: len(data)] = data
        return len(data)

    def write(self, data: Buffer) -> int:
        return self.module.drive(self.held.write(memoryview(data).cast("B")))

    def close(self) -> None:
        """Give the handle back, whatever becomes of the module's answer."""
        if not self.closed:
            try:
                self.module.drive(self.held.close())
            finally:
                super().close()


class FileReader(io.BufferedReader):
    """A file of the module that is read."""

    transparent = False

    def __init__(self, raw: RawFile) -> None:
        super().__init__(raw, files.PIECE)
        self._file = raw

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self.closed or self._file.held.lost

    def close(self) -> None:
        """As every file object; the module forgets it."""
        module = self._file.module
        try:
            super().close()
        finally:
            module.forget(self)


class FileWriter(io.BufferedWriter):
    """A file of the module that is written."""

    transparent = False

    def __init__(self, raw: RawFile) -> None:
        super().__init__(raw, files.PIECE)
        self._file = raw

    @property
    def over(self) -> bool:
        """As FileReader.over."""
        return self.closed or self._file.held.lost

    def close(self) -> None:
        """As FileReader.close.  What cannot be written any more is lost, with the error that says why."""
        module = self._file.module
        try:
            super().close()
        finally:
            module.forget(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except (OSError, FCM360WError) as second:
            error.add_note(f"closing the file failed too: {second}")


File = FileReader | FileWriter
