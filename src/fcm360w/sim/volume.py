"""Where the module's files are: in memory, or in a folder of this machine that outlives the twin."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

__all__ = ["FolderVolume", "MemoryVolume", "Volume"]

PLAIN = re.compile(rb"[A-Za-z0-9_-]")
ESCAPED = re.compile(r"%([0-9A-F]{2})")
SUFFIX = ".ufs"


class Volume(Protocol):
    """Files by name, in no folders.  OSError if this machine fails."""

    def names(self) -> list[str]:
        """In order."""
        ...

    def size(self, name: str) -> int | None:
        """In bytes; None if there is no such file."""
        ...

    def empty(self, name: str) -> None:
        """Make the file, or throw away what it has."""
        ...

    def read(self, name: str, at: int, count: int) -> bytes:
        """At most so many bytes from a place on."""
        ...

    def write(self, name: str, at: int, data: bytes) -> None:
        """Overwrite, and go beyond the end; zeros fill a gap."""
        ...

    def delete(self, name: str) -> None: ...


class MemoryVolume:
    """Keeps them as long as the twin lives."""

    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}

    def names(self) -> list[str]:
        return sorted(self._files)

    def size(self, name: str) -> int | None:
        return len(self._files[name]) if name in self._files else None

    def empty(self, name: str) -> None:
        self._files[name] = bytearray()

    def read(self, name: str, at: int, count: int) -> bytes:
        return bytes(self._files[name][at : at + count])

    def write(self, name: str, at: int, data: bytes) -> None:
        file = self._files[name]
        file.extend(bytes(max(0, at - len(file))))
        file[at : at + len(data)] = data

    def delete(self, name: str) -> None:
        del self._files[name]


class FolderVolume:
    """Keeps each in a file of a folder, which is made when there is something to keep, and which nothing gets out of.

    What was written is there when the power goes.  A file here has the module's name for it, with ``%XX`` for each byte
    that is no letter, digit, ``_`` or ``-``, and ``.ufs`` behind it.  Others in the folder are passed over.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def _path(self, name: str) -> Path:
        safe = (chr(byte) if PLAIN.fullmatch(bytes([byte])) else f"%{byte:02X}" for byte in name.encode())
        return self._folder / f"{''.join(safe)}{SUFFIX}"

    def names(self) -> list[str]:
        """What is named otherwise was not put here by a twin."""
        found = {self._name(path.name): path for path in self._folder.glob(f"*{SUFFIX}")}
        return sorted(name for name, path in found.items() if name and path == self._path(name) and _is_own(path))

    def _name(self, text: str) -> str:
        raw = ESCAPED.sub(lambda match: chr(int(match[1], 16)), text.removesuffix(SUFFIX))
        try:
            return raw.encode("latin-1").decode()
        except UnicodeError:
            return ""

    def size(self, name: str) -> int | None:
        path = self._path(name)
        return path.stat().st_size if _is_own(path) else None

    def empty(self, name: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | vars(os).get("O_NOFOLLOW", 0)
        os.close(os.open(self._path(name), flags, 0o600))

    def read(self, name: str, at: int, count: int) -> bytes:
        with self._path(name).open("rb") as file:
            file.seek(at)
            return file.read(count)

    def write(self, name: str, at: int, data: bytes) -> None:
        with self._path(name).open("r+b", buffering=0) as file:
            file.seek(at)
            file.write(data)

    def delete(self, name: str) -> None:
        self._path(name).unlink()


def _is_own(path: Path) -> bool:
    """A link may lead out of the folder."""
    return path.is_file() and not path.is_symlink()
