"""The only loop: runs a board by the real clock."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from fcm360w.sim.board import Board
from fcm360w.sim.watch import READ, Watch

__all__ = ["Runner"]

# Seconds.  Of bytes found after a turn that took longer than LATE nobody knows when they came.  A selector rounds what
# is shorter than a millisecond up to one.
LATE = 0.05
MILLISECOND = 0.001


class Loop:
    """A selector, callables posted from other threads, and the descriptor that wakes it for them.

    `awake` is when the selector last returned.
    """

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.awake = time.monotonic()
        self._posted: deque[Callable[[], None]] = deque()
        self._wake_end, self._own_end = socket.socketpair()
        self._wake_end.setblocking(False)
        self._own_end.setblocking(False)
        self._watch = Watch(self.selector, self._own_end, self._woken)
        self._watch.want(READ)

    def post(self, action: Callable[[], None]) -> None:
        """Have `action` run in the loop's thread.  From any thread; nothing happens once the loop is closed."""
        self._posted.append(action)
        with contextlib.suppress(OSError):  # awake already, or closed
            self._wake_end.send(b"\0")

    @contextlib.contextmanager
    def waking_for_signals(self) -> Iterator[None]:
        """Meanwhile a signal ends a turn's wait, also one that comes just before it.  Main thread only: else nothing.

        Python's handlers run between two of its instructions.  Of a signal behind the last one before the selector
        waits, the system call knows nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.set_wakeup_fd(self._wake_end.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def _woken(self, mask: int) -> None:
        self._own_end.recv(4096)

    def turn(self, timeout: float | None) -> None:
        """Wait for something to happen and act on it."""
        if self._posted:
            timeout = 0.0
        elif timeout is not None and 0.0 < timeout < MILLISECOND:
            time.sleep(timeout)
            timeout = 0.0
        ready = self.selector.select(timeout)
        self.awake = time.monotonic()
        for key, mask in ready:
            key.data(mask)
        while self._posted:
            self._posted.popleft()()

    def close(self) -> None:
        self._watch.want(0)
        self._wake_end.close()
        self._own_end.close()
        self.selector.close()


class Runner:
    """Runs one board until stop()."""

    def __init__(self, loop: Loop, board: Board) -> None:
        self._loop = loop
        self._board = board
        self._stopping = False

    def stop(self) -> None:
        """From any thread."""

        def stop() -> None:
            self._stopping = True

        self._loop.post(stop)

    def run(self) -> None:
        with self._loop.waking_for_signals():
            self._run()

    def _run(self) -> None:
        self._board.turn(time.monotonic())
        while not self._stopping:
            late = time.monotonic() - self._loop.awake > LATE
            now = time.monotonic()
            due = self._board.deadline(now)
            self._loop.turn(None if due is None else max(0.0, due - now))
            self._board.turn(time.monotonic(), late)
