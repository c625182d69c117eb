"""What people see on stderr: messages, progress, the log of the wire."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIRE = "fcm360w.wire"


@functools.cache
def stderr() -> Console:
    """The one console that messages, log and progress share, so that they do not tear each other."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a message, as it is."""
    stderr().print(text, markup=False, soft_wrap=True)


def printable(text: str) -> str:
    """Text in one line that cannot steer the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class _ScreenHandler(logging.Handler):
    """Prints records, control characters escaped: what comes over the wire must not steer the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        say("\n".join(map(printable, self.format(record).split("\n"))))


def log_to_stderr(level: int) -> None:
    """0: warnings; 1: also the wire as a host sees it; 2: all there is."""
    handler = _ScreenHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("fcm360w")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if level > 1 else logging.WARNING)
    logging.getLogger(WIRE).setLevel(logging.DEBUG if level else logging.WARNING)


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar, if somebody can see it; yields what to call with the bytes done so far."""
    console = stderr()
    if not console.is_terminal:
        yield lambda done: None
        return
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console, transient=True) as live:
        task = live.add_task(title, total=total)
        yield lambda done: live.update(task, completed=done)


def amount(count: float) -> str:
    """Bytes, for people."""
    return f"{count:,.0f} bytes" if count != 1 else "1 byte"


def speed(rate: float) -> str:
    """Bytes per second, for people."""
    for unit, size in (("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)):
        if rate >= size:
            return f"{rate / size:.1f} {unit}"
    return f"{rate:.0f} B/s"
