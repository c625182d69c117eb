"""What a module closes, when it is closed itself, for somebody who has a socket of its by other means than a stream."""

from __future__ import annotations

from collections.abc import Callable

CLOSE_WAIT = 10.0


class Lease:
    """`over` says whether the module has nothing of it any more, `close` closes it within so many seconds."""

    transparent = False

    def __init__(self, over: Callable[[], bool], close: Callable[[float], object]) -> None:
        self._over = over
        self._close = close

    @property
    def over(self) -> bool:
        return self._over()

    def close(self, wait: float = CLOSE_WAIT) -> None:
        self._close(wait)
