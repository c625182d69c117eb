"""Gathering the bytes of transparent mode into packets."""

from __future__ import annotations

__all__ = ["Packer"]


class Packer:
    """Packets of `size`; a smaller one goes after `wait` seconds of silence, at once if that is 0."""

    def __init__(self, size: int, wait: float) -> None:
        self._size = size
        self._wait = wait
        self._pending = b""
        self.deadline: float | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, data: bytes, now: float) -> list[bytes]:
        """Add bytes; returns the packets that are to go."""
        gathered = self._pending + data if self._pending else data
        end = len(gathered) - len(gathered) % self._size if self._wait else len(gathered)
        self._pending = gathered[end:]
        self.deadline = now + self._wait if self._pending else None
        return [gathered[i : min(i + self._size, end)] for i in range(0, end, self._size)]

    def flush(self) -> list[bytes]:
        """What is left, as the last packet."""
        data, self._pending, self.deadline = self._pending, b"", None
        return [data] if data else []
