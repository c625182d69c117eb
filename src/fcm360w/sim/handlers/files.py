"""Files: manual 2.9."""

from __future__ import annotations

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.files import (
    MAX_PIECE,
    UNSTATED,
    CloseFile,
    DeleteFile,
    FileData,
    FileOpened,
    FileWritten,
    ListFiles,
    ListFilesIn,
    ListOpened,
    OpenFile,
    ReadFile,
    WriteFile,
    WriteSome,
)
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.steps import Answer, Prompt, Refused, Steps


@handles(OpenFile)
def open_file(module: Module, command: OpenFile) -> Answer:
    return (FileOpened(module.files.open(command.filename, command.mode)),)


@handles(ListOpened)
def list_opened(module: Module, command: ListOpened) -> Answer:
    return module.files.opened()


@handles(ReadFile)
def read_file(module: Module, command: ReadFile) -> Answer:
    return (FileData(module.files.read(command.filehandle, command.length or MAX_PIECE)),)


@handles(WriteFile)
def write_file(module: Module, command: WriteFile) -> Steps:
    return (yield from _write(module, command.filehandle, len(command.data), command.timeout_s))


@handles(WriteSome)
def write_some(module: Module, command: WriteSome) -> Steps:
    return (yield from _write(module, command.filehandle, UNSTATED, command.timeout_s))


def _write(module: Module, number: int, count: int, patience: int) -> Steps:
    """Of more than there is room for the beginning is written."""
    if not module.files.room(number):
        raise Refused(SocketCode.OUT_OF_MEMORY)
    data: bytes = yield Prompt(count, count, float(patience), connect=True)
    yield FileWritten(*module.files.write(number, data))
    return None


@handles(CloseFile)
def close_file(module: Module, command: CloseFile) -> Answer:
    module.files.close(command.filehandle)
    return ()


@handles(ListFiles)
def list_files(module: Module, command: ListFiles) -> Answer:
    return module.files.listed()


@handles(ListFilesIn)
def list_files_in(module: Module, command: ListFilesIn) -> Answer:
    return module.files.listed()


@handles(DeleteFile)
def delete_file(module: Module, command: DeleteFile) -> Answer:
    if not module.dialect.qfdel:
        raise Refused
    module.files.delete(command.filename)
    return ()
