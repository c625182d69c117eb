"""Write files to the module and read them back: whole, by handle, and what there is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from fcm360w.commands.files import (
    CloseFile,
    DeleteFile,
    FileInfo,
    FileMode,
    FileWritten,
    ListFiles,
    ListOpened,
    OpenFile,
    ReadFile,
    WriteFile,
)
from fcm360w.errors import CommandError, CommandTimeout, FCM360WError, ProtocolError, TransportLost
from fcm360w.steps import Later, Steps, Unbroken

R = TypeVar("R")
Told = Callable[[int, int], object]

PIECE = 2048
PREFIX = "UFS:"

# Some firmware ends a file like this (F7).
END_OF_FILE = ("+CME ERROR: 402", "ERROR")


def silent(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


def bare(name: str) -> str:
    """A file's name without the prefix of the module's storage."""
    return name.removeprefix(PREFIX)


# ---- one handle -----------------------------------------------------------------------------------------------------


def open_file(name: str, mode: FileMode) -> Steps[int]:
    """Open a file; its handle.  If no answer comes, what was opened nevertheless is closed before anything else."""
    command = OpenFile(bare(name), mode)
    command.line()
    before = {opened.filehandle for opened in (yield from ListOpened())}
    try:
        return (yield from Unbroken(command)).filehandle
    except CommandTimeout:
        yield Later(partial(_abandoned, command, before))
        raise


def _abandoned(command: OpenFile, before: Collection[int]) -> Steps[None]:
    """Close what was opened for whoever did not wait; those who had the file open before go on."""
    for opened in (yield from ListOpened()):
        mine = (bare(opened.filename), opened.mode) == (command.filename, command.mode)
        if mine and opened.filehandle not in before:
            yield from release(opened.filehandle)


def close_file(handle: int) -> Steps[None]:
    """Close a handle; one that the module has closed already is no error."""
    try:
        yield from release(handle)
    except CommandTimeout:
        yield Later(partial(release, handle))
        raise


def release(handle: int) -> Steps[None]:
    """As close_file, for whoever remembers it when no answer comes."""
    with contextlib.suppress(CommandError):
        yield from Unbroken(CloseFile(handle), urgent=True)


def release_all() -> Steps[tuple[str, ...]]:
    """Close every handle, whoever had it; the names of their files.  None where the module knows no files."""
    try:
        opened = yield from ListOpened()
    except CommandError:
        return ()
    for each in opened:
        yield from release(each.filehandle)
    return tuple(bare(each.filename) for each in opened)


def read_piece(handle: int, size: int) -> Steps[bytes]:
    """At most so many bytes at the pointer; none at the end of the file, however the module says so."""
    try:
        return (yield from Unbroken(ReadFile(handle, size))).data
    except CommandError as error:
        opened = yield from ListOpened()
        if error.result not in END_OF_FILE or handle not in {file.filehandle for file in opened}:
            raise
        return b""


def write_piece(handle: int, data: bytes) -> Steps[FileWritten]:
    """Write all of it at the pointer.  CommandError if the module has taken less: it is full, or the line lost some."""
    command = WriteFile(handle, data)
    written = yield from Unbroken(command)
    if written.written_length != len(data):
        raise CommandError(command.line(), written.line(), None, "the module has not taken all of it", command.ref)
    return written


def _guarded(handle: int, steps: Steps[R]) -> Steps[R]:
    """Close the handle if this fails: at once, or as soon as the module answers again."""
    try:
        return (yield from steps)
    except (GeneratorExit, TransportLost):
        raise
    except CommandTimeout:
        yield Later(partial(release, handle))
        raise
    except BaseException:
        with contextlib.suppress(FCM360WError):
            yield from close_file(handle)
        raise


def _held(name: str, mode: FileMode, use: Callable[[int], Steps[R]]) -> Steps[R]:
    """Do something with a handle, which is closed whatever happens."""
    handle = yield from open_file(name, mode)
    result = yield from _guarded(handle, use(handle))
    yield from close_file(handle)
    return result


def append_to(name: str) -> Steps[int]:
    """Open a file with its pointer at the end, which is reached by reading; its handle."""
    handle = yield from open_file(name, FileMode.KEEP)
    yield from _guarded(handle, _read(handle))
    return handle


# ---- whole files ----------------------------------------------------------------------------------------------------


def write_whole(name: str, data: bytes, told: Told = silent) -> Steps[None]:
    """Write a file in place of whatever was there, and see that it is what the module has.

    CommandError if it does not fit, or the module refuses; ProtocolError if it reads back otherwise.  Either way, and
    after a time-out, the file is not what it was.  `told` hears bytes done, of all; a byte is done when it is checked.
    """
    yield from _held(name, FileMode.EMPTY, lambda handle: _written(handle, data, told))
    checked = yield from _held(name, FileMode.READ, lambda handle: _checked(handle, data))
    if not checked:
        raise ProtocolError(f"{bare(name)} does not read back as the {len(data)} bytes written (manual 2.9.3)")
    told(len(data), len(data))


def _written(handle: int, data: bytes, told: Told) -> Steps[None]:
    for start in range(0, len(data), PIECE):
        told(start, len(data))
        yield from write_piece(handle, data[start : start + PIECE])


def _checked(handle: int, data: bytes) -> Steps[bool]:
    return (yield from _read(handle, len(data) + 1)) == data


def read_whole(name: str, told: Told = silent) -> Steps[bytes]:
    """All of a file.  CommandError if there is none, ProtocolError if the module says less of it, or more, than it has.

    `told` hears bytes done, of all.
    """
    size = yield from file_size(name)
    data = yield from _held(name, FileMode.READ, lambda handle: _read(handle, told=lambda done: told(done, size)))
    if len(data) != size:
        raise ProtocolError(f"{bare(name)} ends after {len(data)} bytes, of {size} that are listed (manual 2.9.2)")
    return data


def _read(handle: int, limit: int | None = None, told: Callable[[int], object] = lambda done: None) -> Steps[bytes]:
    """From the pointer to the end, or until there are so many bytes."""
    found = bytearray()
    while limit is None or len(found) < limit:
        data = yield from read_piece(handle, PIECE)
        if not data:
            break
        found += data
        told(len(found))
    return bytes(found)


# ---- what there is --------------------------------------------------------------------------------------------------


def listed() -> Steps[tuple[FileInfo, ...]]:
    """Every file."""
    return (yield from ListFiles())


def file_size(name: str) -> Steps[int]:
    """Bytes of a file.  CommandError if there is none."""
    for info in (yield from listed()):
        if bare(info.filename) == bare(name):
            return info.file_size
    raise CommandError(ListFiles().line(), reason=f"there is no file {bare(name)!r}", section=ListFiles.ref)


def exists(name: str) -> Steps[bool]:
    """Whether there is such a file."""
    return any(bare(info.filename) == bare(name) for info in (yield from listed()))


def delete(name: str) -> Steps[None]:
    """Delete a file.  CommandError if there is none, or the firmware has no such command; the manual lists none."""
    command = DeleteFile(bare(name))
    try:
        yield from command
    except CommandError as error:
        there = yield from exists(name)
        reason = "this firmware cannot delete: write b'' to empty it (F10)" if there else f"there is no file {name!r}"
        raise CommandError(error.command, error.result, error.code, reason, ListFiles.ref) from error
