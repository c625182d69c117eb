"""Who has a file of the module open: what the facades share, without I/O."""

from __future__ import annotations

import contextlib

from fcm360w.commands.files import FileMode
from fcm360w.commands.system import Booted
from fcm360w.errors import FCM360WError, SocketLost, UsageError
from fcm360w.events import Event
from fcm360w.flows import files
from fcm360w.link import Link
from fcm360w.turns import Turn, Turns, perform, shielded

MODES = {"rb": FileMode.READ, "wb": FileMode.EMPTY, "ab": FileMode.KEEP}


class Held:
    """A handle.  `lost`: the module restarted, and the handle may be another file's."""

    def __init__(self, link: Link, name: str, mode: FileMode, handle: int) -> None:
        self.name = name
        self.reads = mode is FileMode.READ
        self.lost = self.closed = False
        self._link = link
        self._handle = handle
        link.sinks.append(self._hear)

    def _hear(self, event: Event) -> bool:
        if isinstance(event.row, Booted):
            self.lost = True
            self._detach()
        return False

    def _detach(self) -> None:
        if self._hear in self._link.sinks:
            self._link.sinks.remove(self._hear)

    def _check(self, reads: bool) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self.reads is not reads:
            raise UsageError(f"{self.name} is open for {'reading' if self.reads else 'writing'} (manual 2.9.1)")
        if self.lost:
            raise SocketLost(f"the module restarted: {self.name} is no longer open")

    def read(self, size: int) -> Turns[bytes]:
        """At most so many bytes, and not more than a piece; none at the end."""
        self._check(reads=True)
        return (yield from perform(self._link, files.read_piece(self._handle, min(size, files.PIECE))))

    def write(self, data: memoryview) -> Turns[int]:
        """Write a piece of it; the bytes written."""
        self._check(reads=False)
        piece = bytes(data[: files.PIECE])
        if piece:
            yield from perform(self._link, files.write_piece(self._handle, piece))
        return len(piece)

    def close(self) -> Turns[None]:
        """Give the handle back.  As often as you like."""
        if self.closed or self.lost:
            self.closed = True
            return
        self.closed = True
        self._detach()
        yield from perform(self._link, files.close_file(self._handle))


def opened(link: Link, name: str, mode: str) -> Turns[Held]:
    """Open a file.  UsageError for a mode that is none; CommandError if the module refuses."""
    if mode not in MODES:
        raise UsageError(f"mode {mode!r} is not one of {', '.join(MODES)} (manual 2.9.1)")
    flow = files.append_to(name) if mode == "ab" else files.open_file(name, MODES[mode])
    held = Held(link, files.bare(name), MODES[mode], (yield from perform(link, flow)))
    try:
        yield Turn(deadline=link.now)  # for an interrupt that came while the module was opening it
    except GeneratorExit:
        raise
    except BaseException:
        with contextlib.suppress(FCM360WError):
            yield from shielded(held.close())
        raise
    return held
