"""Threads that wait for one descriptor together.

Whoever of them finds the descriptor ready does the reading for all, so each must hear of what another has read.
"""

from __future__ import annotations

import math
import select
import sys
import threading
import time
from contextlib import AbstractContextManager
from typing import Protocol

IDLE_SLICE = 0.02


# The poll() of macOS refuses devices; Windows has none.
HAS_POLL = hasattr(select, "poll") and sys.platform != "darwin"
POLLIN, POLLOUT = (select.POLLIN, select.POLLOUT) if HAS_POLL else (1, 4)


def writable(fd: int) -> bool:
    """Whether a descriptor takes bytes now."""
    if not HAS_POLL:
        return bool(select.select([], [fd], [], 0)[1])
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


class Waiting(Protocol):
    """How a module waits for its port, and by which clock.

    Whoever uses the module holds `lock`; `wait` gives it up meanwhile.  Times are seconds of `clock`.
    """

    @property
    def lock(self) -> AbstractContextManager[object]: ...

    def clock(self) -> float: ...

    def wait(self, reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
        """Which of the two are ready; both false if time ran out or something changed."""
        ...

    def notify(self) -> None:
        """Something changed that others may wait for."""
        ...

    def close(self) -> None: ...


class _Bell:
    """Something a select() hears, beside the descriptor."""

    def __init__(self, fd: int) -> None:
        import socket  # not before a module is opened

        self.hear, self.ring_end = socket.socketpair()
        self.hear.setblocking(False)
        self.ring_end.setblocking(False)
        self.rang = True
        self._fd, self._mask = fd, 0
        self._poll = select.poll() if HAS_POLL and fd >= 0 else None
        if self._poll:
            self._poll.register(self.hear, select.POLLIN)
            self._poll.register(fd, 0)

    def poll(self, mask: int, seconds: float | None) -> int | None:
        """What of the descriptor is ready, 0 if nothing is; None where there is no poll."""
        if self._poll is None:
            return None
        if mask != self._mask:
            self._poll.modify(self._fd, mask)
            self._mask = mask
        found = dict(self._poll.poll(None if seconds is None else math.ceil(seconds * 1000)))
        ready = found.pop(self._fd, 0)
        self.rang = bool(found)
        return ready

    def ring(self) -> None:
        try:
            self.ring_end.send(b"\0")
        except (BlockingIOError, OSError):
            return

    def silence(self) -> None:
        """Forget what was heard; what nobody has looked for is heard next time."""
        if not self.rang:
            return
        try:
            while self.hear.recv(4096):
                pass
        except OSError:
            return

    def close(self) -> None:
        self.hear.close()
        self.ring_end.close()


class Waiters:
    """Waits on a descriptor, with a lock released meanwhile, until it is ready or another thread changed something."""

    clock = staticmethod(time.monotonic)

    def __init__(self, fd: int, lock: threading.Lock) -> None:
        self._fd = fd
        self.lock = lock
        self._waiting: set[_Bell] = set()
        self._spare: list[_Bell] = []
        self._closed = False

    def wait(self, reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
        """Which of the two are ready; both false if time ran out or something changed."""
        bell = self._spare.pop() if self._spare else _Bell(self._fd)
        self._waiting.add(bell)
        self.lock.release()
        try:
            return self._poll(bell, reading, writing, seconds)
        finally:
            self.lock.acquire()
            self._waiting.discard(bell)
            bell.silence()
            self._retire(bell)

    def _poll(self, bell: _Bell, reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
        got = bell.poll((POLLIN if reading else 0) | (POLLOUT if writing else 0), seconds)
        if got is None:
            return self._select(bell, reading, writing, seconds)
        gone = bool(got & ~(POLLIN | POLLOUT))
        return bool(got & POLLIN) or gone, bool(got & POLLOUT) or (gone and writing)

    def _select(self, bell: _Bell, reading: bool, writing: bool, seconds: float | None) -> tuple[bool, bool]:
        """Without poll; a port without a descriptor is tried again after a moment."""
        if self._fd < 0:
            limit = IDLE_SLICE if seconds is None else min(seconds, IDLE_SLICE)
            select.select([bell.hear], [], [], limit)
            return reading, writing
        heard = bell.hear.fileno()
        ready, can_write, _ = select.select(
            [heard, self._fd] if reading else [heard], [self._fd][:writing], [], seconds
        )
        return self._fd in ready, bool(can_write)

    def notify(self) -> None:
        """Something changed that others may wait for."""
        for bell in self._waiting:
            bell.ring()

    def _retire(self, bell: _Bell) -> None:
        if self._closed:
            bell.close()
        else:
            self._spare.append(bell)

    def close(self) -> None:
        self._closed = True
        self.notify()
        while self._spare:
            self._spare.pop().close()
