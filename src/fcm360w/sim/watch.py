"""A descriptor in a selector, registered only while something is awaited of it."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable

__all__ = ["READ", "WRITE", "Watch"]

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Watch:
    """`ready` is called with what may be done without blocking, as long as it is wanted."""

    def __init__(
        self, selector: selectors.BaseSelector, target: int | socket.socket, ready: Callable[[int], None]
    ) -> None:
        self._selector = selector
        self._target = target
        self._ready = ready
        self._mask = 0

    def want(self, mask: int) -> None:
        """Say what is awaited from now on; 0 for nothing."""
        if mask == self._mask:
            return
        if not self._mask:
            self._selector.register(self._target, mask, self._ready)
        elif mask:
            self._selector.modify(self._target, mask, self._ready)
        else:
            self._selector.unregister(self._target)
        self._mask = mask

    def add(self, mask: int) -> None:
        self.want(self._mask | mask)

    def drop(self, mask: int) -> None:
        self.want(self._mask & ~mask)
