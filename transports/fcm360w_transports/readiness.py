"""Waiting for a descriptor."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable

__all__ = ["Deadline", "Waiter", "transfer", "unsent"]


class Waiter:
    """Waits until a descriptor can be read, or written; a second one that becomes readable ends the wait too.

    For one thread at a time. Windows has no poll(), and its select() takes sockets only; the poll() of macOS refuses
    devices.
    """

    def __init__(self, descriptor: int, *, write: bool = False, wake: int | None = None) -> None:
        self._descriptor = descriptor
        self._write = write
        self._wake = [] if wake is None else [wake]
        self._poll = select.poll() if hasattr(select, "poll") and sys.platform != "darwin" else None
        if self._poll is not None:
            self._poll.register(descriptor, select.POLLOUT if write else select.POLLIN)
            for other in self._wake:
                self._poll.register(other, select.POLLIN)

    def wait(self, seconds: float | None) -> bool:
        """Tell whether anything happened; an error or a hang-up is something. None waits for ever."""
        if self._poll is None:
            return self._select(seconds)
        return bool(self._poll.poll(None if seconds is None else seconds * 1000))

    def _select(self, seconds: float | None) -> bool:
        readers = [*self._wake] if self._write else [self._descriptor, *self._wake]
        writers = [self._descriptor] if self._write else []
        return any(select.select(readers, writers, [self._descriptor], seconds))


def unsent(descriptor: int) -> int:
    """Bytes written to a socket that are not at the other end yet, at least; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    import fcntl
    import termios

    answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


class Deadline:
    """A time-out as a point in time, so that waking for nothing does not prolong it."""

    def __init__(self, timeout: float | None) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds still to go, never negative; None is for ever."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())


def transfer(attempt: Callable[[], int], waiter: Waiter, timeout: float | None) -> int:
    """Run a non-blocking transfer as soon as it can move a byte; 0 when the time is up first."""
    deadline: Deadline | None = None
    while True:
        try:
            return attempt()
        except BlockingIOError:
            deadline = deadline or Deadline(timeout)
        left = deadline.left()
        if left == 0.0 or not waiter.wait(left):
            return 0
