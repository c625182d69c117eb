"""Descriptors for sockets that have none, so that select(), and all that is built on it, waits for them.

A socket of the module has no descriptor of its own: its bytes come between those of others.  One of a pair of the
system's sockets stands for it, and a thread of the module's, which runs while there are such, keeps it true.
"""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from fcm360w.commanded import FIRST_PAUSE, LAST_PAUSE
from fcm360w.errors import FCM360WError
from fcm360w.link import Link
from fcm360w.turns import Turn, Turns, earlier, patiently

if TYPE_CHECKING:
    from fcm360w.module import Module

FILLING = bytes(4096)


class Signal:
    """A descriptor that is readable while its socket is ready, and writable unless the socket is held back.

    `failed`: looking for what there is to receive went wrong; whoever receives is told why.
    """

    def __init__(self, ready: Callable[[], bool], prefetch: Callable[[], Turns[bool]]) -> None:
        self._theirs, self._ours = socket.socketpair()
        for end in (self._theirs, self._ours):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(FILLING))
        self.failed = False
        self.resumes: float | None = None
        self._ready, self._prefetch = ready, prefetch
        self._shown = False
        self._pause = FIRST_PAUSE

    def fileno(self) -> int:
        return self._theirs.fileno()

    def show(self) -> None:
        """Show what is known now."""
        ready = self.failed or self._ready()
        if ready is self._shown or self.fileno() < 0:
            return
        self._shown = ready
        if ready:
            self._ours.send(b"\0")
        else:
            self._theirs.recv(1)

    def look(self, now: float) -> Turns[bool]:
        """Find out what is to be known, and show it.  Whether that took any time."""
        waited = False
        if self.resumes is not None and now >= self.resumes:
            self.resume()
        if not (self.failed or self._ready()):
            try:
                waited = yield from self._prefetch()
            except (OSError, FCM360WError):
                self.failed = waited = True
        self.show()
        return waited

    def hold_back(self, now: float) -> None:
        """Not writable for a while, which is longer each time: the module had no room."""
        self.hold_until(now + self._pause)
        self._pause = min(self._pause * 2, LAST_PAUSE)

    def hold_until(self, time: float | None) -> None:
        """Not writable until a time; None: until `resume`."""
        self.resumes = time
        try:
            while self.fileno() >= 0:
                self._theirs.send(FILLING)
        except BlockingIOError:
            return

    def flows(self) -> None:
        """The module had room."""
        self._pause = FIRST_PAUSE

    def resume(self) -> None:
        """Writable again."""
        self.resumes = None
        try:
            while self.fileno() >= 0 and self._ours.recv(65536):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        self._theirs.close()
        self._ours.close()


class Descriptors:
    """The descriptors of a module's sockets, and the thread that keeps them true: it is there while they are."""

    def __init__(self, module: Module, link: Link) -> None:
        self.link = link
        self._module = module
        self._signals: list[Signal] = []
        self._runs = False

    def check(self) -> None:
        """io.UnsupportedOperation if there can be none."""
        if not self._module.threaded:
            raise io.UnsupportedOperation("a world of one thread has no descriptors")

    def add(self, signal: Signal) -> None:
        self._module.drive(self._added(signal))

    def _added(self, signal: Signal) -> Turns[None]:
        """Under the module's lock, so that the thread does not end without having seen it."""
        self._signals.append(signal)
        if not self._runs:
            self._runs = True
            threading.Thread(target=self._run, name="fcm360w-descriptors", daemon=True).start()
        yield from ()

    def remove(self, signal: Signal) -> None:
        self._module.drive(self._removed(signal))

    def _removed(self, signal: Signal) -> Turns[None]:
        if signal in self._signals:
            self._signals.remove(signal)
        signal.close()
        yield from ()

    def _run(self) -> None:
        self._module.drive(self._watch())

    def _watch(self) -> Turns[None]:
        """Wait once a look at all of them has found nothing to do: while one is seen to, another may change.

        Whatever ends it, whoever waits is told that there is something to look at.
        """
        try:
            while self._signals and not self.link.error:
                waited = False
                for signal in tuple(self._signals):
                    waited = (yield from signal.look(self.link.now)) or waited
                if not waited:
                    yield from patiently(Turn(deadline=earlier(*(signal.resumes for signal in self._signals))))
        finally:
            for signal in self._signals:
                signal.failed = True
                signal.resume()
                signal.show()
            self._runs = False
