"""What the module remembers without power, and a folder of this machine that keeps it beyond the twin's own life."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Credentials", "FileStore", "MemoryStore", "Saved", "Store"]

NAME = "settings.json"
RATES = range(1200, 2_000_001)


@dataclasses.dataclass(frozen=True)
class Credentials:
    """A saved hotspot; an empty password means open."""

    ssid: str
    password: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True)
class Saved:
    """The settings that survive a restart.  None is as delivered."""

    echo: bool | None = None
    baud: int | None = None
    hotspot: Credentials | None = None
    web_setup: bool = False
    version: str | None = None


class Store(Protocol):
    """Where they are kept."""

    def load(self) -> Saved: ...

    def save(self, saved: Saved) -> None:
        """OSError if that cannot be done."""
        ...


class MemoryStore:
    """Keeps them as long as the twin lives."""

    def __init__(self) -> None:
        self._saved = Saved()

    def load(self) -> Saved:
        return self._saved

    def save(self, saved: Saved) -> None:
        self._saved = saved


class FileStore:
    """Keeps them in a folder, which is made if it is not there, in a file that only its owner can read.

    The file is replaced as a whole, so that it is never half written.  OSError if the folder cannot be made or read,
    ValueError if the file is not such a one.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / NAME

    def load(self) -> Saved:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Saved()
        except UnicodeDecodeError as error:
            raise self._foreign() from error
        try:
            return _read(json.loads(text))
        except (ValueError, TypeError) as error:
            raise self._foreign() from error

    def _foreign(self) -> ValueError:
        return ValueError(f"{self._path} was not written by a twin: remove it to start as delivered")

    def save(self, saved: Saved) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(dataclasses.asdict(saved), file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


def _read(found: Any) -> Saved:
    """TypeError or ValueError for anything but what save() writes."""
    if not isinstance(found, dict):
        raise TypeError(found)
    values: dict[str, Any] = found
    hotspot = values.get("hotspot")
    if hotspot is not None:
        values["hotspot"] = Credentials(**hotspot)
        _check(all(isinstance(text, str) for text in hotspot.values()))
    baud = values.get("baud")
    _check(baud is None or (type(baud) is int and baud in RATES))
    _check(isinstance(values.get("echo"), bool | None))
    _check(isinstance(values.get("version"), str | None))
    _check(isinstance(values.get("web_setup", False), bool))
    return Saved(**values)


def _check(good: bool) -> None:
    if not good:
        raise ValueError("a value that no twin writes")
