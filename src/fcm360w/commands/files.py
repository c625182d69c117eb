"""Files in the module (manual 2.9): open, read, write, close, list.

A file is read and written through a handle at its pointer, which begins at 0 and moves on; there is no way to set it.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Self

from fcm360w.parameters import BARE, Length, Named, Note, ParseError, Payload, Range, split
from fcm360w.wire import Command, Reply

# The manual bounds neither pieces nor files; beyond this a length is taken for a fault of the wire.
MAX_PIECE = 1 << 20
UNSTATED = 10240

Filename = Annotated[str, Length(1, 80)]
Handle = Annotated[int, Range(0, 0xFFFFFFFF)]
Patience = Annotated[int, Range(1, 65535, "s"), Named("timeout")]


class FileMode(IntEnum):
    """How a file is opened.  KEEP and EMPTY make it if it is missing; EMPTY throws away what it has."""

    KEEP, EMPTY, READ = 0, 1, 2


class DeleteFile(Command[None], at="+QFDEL", ref="2.9", wait=5.0):
    """Delete a file.  The manual has no such command, some firmware does (F10)."""

    filename: Filename


# ---- open, 2.9.1 ----------------------------------------------------------------------------------------------------


class FileOpened(Reply, at="+QFOPEN", ref="2.9.1"):
    """The handle of a file that was opened."""

    filehandle: Handle


class OpenFile(Command[FileOpened], at="+QFOPEN", ref="2.9.1", test=("<filename>,(0-2)",)):
    """Open a file, its pointer at 0."""

    filename: Filename
    mode: Annotated[FileMode, Note("F4")] = FileMode.KEEP


class OpenedFile(Reply, at="+QFOPEN", ref="2.9.1"):
    """One file that is open."""

    filename: str
    filehandle: Handle
    mode: FileMode


class ListOpened(Command[tuple[OpenedFile, ...]], at="+QFOPEN", ref="2.9.1", form="read"):
    """Report every handle in use."""


# ---- read, 2.9.2 ----------------------------------------------------------------------------------------------------


class FileData(Reply, at="CONNECT", ref="2.9.2"):
    """Bytes of a file.  None: its pointer is at the end."""

    data: Annotated[bytes, Payload(0, MAX_PIECE), Named("read_length"), BARE]

    def line(self) -> str:
        return f"{self.at} {self.fields()[0].format(self.data)}"


class ReadFile(Command[FileData], at="+QFREAD", ref="2.9.2", wait=5.0, arms=("file",), test=("<filehandle>,<length>",)):
    """Read at the pointer, at most `length` bytes; without one all that is left."""

    filehandle: Handle
    length: Annotated[int, Range(1, MAX_PIECE, "byte"), Note("F7")] | None = None

    def answer(self, text: str, data: bytes | None = None) -> Reply | None:
        name, _, count = text.partition(" ")
        return FileData.read(count, data) if name == FileData.at and count else None


# ---- write, 2.9.3 ---------------------------------------------------------------------------------------------------


class FileWritten(Reply, at="+QFWRITE", ref="2.9.3"):
    """Bytes that were written, and how long the file is now."""

    written_length: int
    total_length: int


class WriteFile(Command[FileWritten], at="+QFWRITE", ref="2.9.3", wait=5.0, test=("<filehandle>,<length>,<timeout>",)):
    """Write at the pointer.  A host that is silent for `timeout` s ends it before its time; what came is written."""

    filehandle: Handle
    data: Annotated[bytes, Payload(1, MAX_PIECE), Named("length"), Note("F9")]
    timeout_s: Patience = 5

    def timeout(self) -> float:
        return self.wait + self.timeout_s

    def prompt(self) -> str:
        return "CONNECT"


class WriteSome(Command[FileWritten], at="+QFWRITE", ref="2.9.3", wait=5.0):
    """Write without telling how much: up to 10240 bytes, ended by silence (F9)."""

    filehandle: Handle
    data: Annotated[bytes, Payload(0, UNSTATED, counted=False)]
    timeout_s: Patience = 5

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Self:
        """The slot of the length stays empty."""
        parts = split(text)
        if any(parts[1:2]):
            raise ParseError(f"WriteSome: a length in {text!r}")
        return super().parse(",".join([*parts[:1], *parts[2:]]), strict)

    def body(self) -> bytes:
        self._check(self.fields()[1], self.data)
        return self.data

    def timeout(self) -> float:
        return self.wait + self.timeout_s

    def prompt(self) -> str:
        return "CONNECT"


# ---- close and list, 2.9.4, 2.9.5 -----------------------------------------------------------------------------------


class CloseFile(Command[None], at="+QFCLOSE", ref="2.9.4", test=("<filehandle>",)):
    """Close a file; its handle may be another's from now on."""

    filehandle: Handle


class Pattern(StrEnum):
    """What is listed: all that the module stores."""

    UFS = "UFS:"


class FileInfo(Reply, at="+QFLST", ref="2.9.5"):
    """One file, and its size in bytes."""

    filename: str
    file_size: int


class ListFiles(Command[tuple[FileInfo, ...]], at="+QFLST", ref="2.9.5", form="exec", test=()):
    """Report every file."""


class ListFilesIn(Command[tuple[FileInfo, ...]], at="+QFLST", ref="2.9.5"):
    """Report the files of a pattern; the manual has but one."""

    name_pattern: Annotated[Pattern, Note("F11")]
