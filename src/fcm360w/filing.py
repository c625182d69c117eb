"""Who has a file of the module open: what the facades share, without I/O."""

from __future__ import annotations

import contextlib
from functools import partial

from fcm360w.commands.files import FileMode
from fcm360w.commands.system import Booted
from fcm360w.errors import FCM360WError, SocketLost, TransportLost, UsageError
from fcm360w.events import Event, FilesClosed
from fcm360w.flows import files
from fcm360w.link import Link
from fcm360w.turns import Turn, Turns, perform, shielded

MODES = {"rb": FileMode.READ, "wb": FileMode.EMPTY, "ab": FileMode.KEEP}


class Held:
    """A handle.  `lost`: the module restarted or was woken, and the handle may be another file's.

    A write that fails may have been done in part, so that nothing can be written after it, lest bytes go twice.
    """

    def __init__(self, link: Link, name: str, mode: FileMode, handle: int) -> None:
        self.name = name
        self.reads = mode is FileMode.READ
        self.lost = self.closed = False
        self._link = link
        self._handle = handle
        self._failure: Exception | None = None
        link.sinks.append(self._hear)

    def _hear(self, event: Event) -> bool:
        if isinstance(event.row, (Booted, FilesClosed)):
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
            raise SocketLost(f"the module restarted or was woken: {self.name} is no longer open")

    def read(self, size: int) -> Turns[bytes]:
        """At most so many bytes, and not more than a piece; none at the end."""
        self._check(reads=True)
        return (yield from perform(self._link, files.read_piece(self._handle, min(size, files.PIECE))))

    def write(self, data: memoryview) -> Turns[int]:
        """Write a piece of it; the bytes written.  After an error the same error, SocketLost if it was broken off."""
        self._check(reads=False)
        if self._failure:
            raise self._failure
        piece = bytes(data[: files.PIECE])
        if piece:
            self._failure = SocketLost(f"a write to {self.name} was broken off: nobody knows how much of it was done")
            try:
                yield from perform(self._link, files.write_piece(self._handle, piece))
                yield Turn(deadline=self._link.now)  # for an interrupt that came meanwhile: nobody would hear the count
            except Exception as error:
                self._failure = error
                raise
            self._failure = None
        return len(piece)

    def close(self) -> Turns[None]:
        """Give the handle back, before the next flow if that fails.  As often as you like."""
        if self.closed or self.lost:
            self.closed = True
            return
        self.closed = True
        self._detach()
        releasing = partial(files.release, self._handle)
        try:
            yield from perform(self._link, releasing())
        except (GeneratorExit, TransportLost):
            raise
        except BaseException:
            self._link.undone.append(releasing)
            raise


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
