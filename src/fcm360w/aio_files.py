"""Files in the module, for asyncio: as files.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fcm360w.commands.files import FileInfo
from fcm360w.files import Progress
from fcm360w.filing import Held, opened
from fcm360w.flows import files
from fcm360w.link import Link

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fcm360w.aio import AsyncModule


class AsyncFiles:
    """As Files, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link

    async def __aiter__(self) -> AsyncIterator[FileInfo]:
        for entry in await self.entries():
            yield entry

    async def entries(self) -> tuple[FileInfo, ...]:
        """As Files.entries."""
        return await self._module.run(files.listed())

    async def exists(self, name: str) -> bool:
        """As Files.exists."""
        return await self._module.run(files.exists(name))

    async def size(self, name: str) -> int:
        """As Files.size."""
        return await self._module.run(files.file_size(name))

    async def write_bytes(self, name: str, data: Buffer, progress: Progress | None = None) -> None:
        """As Files.write_bytes."""
        await self._module.run(files.write_whole(name, bytes(data), progress or files.silent))

    async def read_bytes(self, name: str, progress: Progress | None = None) -> bytes:
        """As Files.read_bytes."""
        return await self._module.run(files.read_whole(name, progress or files.silent))

    async def open(self, name: str, mode: str = "rb") -> AsyncFile:
        """As Files.open, without a buffer of its own."""
        return self._module.adopt(AsyncFile(self._module, await self._module.drive(opened(self._link, name, mode))))

    async def delete(self, name: str) -> None:
        """As Files.delete."""
        await self._module.run(files.delete(name))


class AsyncFile:
    """A file of the module that is open.  ValueError if it is closed, UsageError for the other direction."""

    transparent = False

    def __init__(self, module: AsyncModule, held: Held) -> None:
        self.name = held.name
        self._module = module
        self._held = held

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self._held.closed or self._held.lost

    async def read(self, size: int = -1) -> bytes:
        """Exactly so many bytes, or all there are if that is less; a negative size is all."""
        found = bytearray()
        while size < 0 or len(found) < size:
            data = await self._module.drive(self._held.read(files.PIECE if size < 0 else size - len(found)))
            if not data:
                break
            found += data
        return bytes(found)

    async def write(self, data: Buffer) -> int:
        """Write all of it."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += await self._module.drive(self._held.write(view[done:]))
        return done

    async def close(self) -> None:
        """Give the handle back.  As often as you like."""
        try:
            await self._module.drive(self._held.close())
        finally:
            self._module.forget(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()
