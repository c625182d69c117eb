"""What a host said and a module answered: printed as it comes, or at the end as JSON, and kept in a file if wanted."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

import rich_click as click

from fcm360w.cli.screen import say
from fcm360w.errors import CommandError, UsageError
from fcm360w.events import Lost, Overlong, Stray, Unparsed
from fcm360w.parameters import encode
from fcm360w.wire import Reply

if TYPE_CHECKING:
    from fcm360w.cli.typed import Typed


def stamp() -> str:
    """The time of day, to the millisecond."""
    now = time.time()
    return f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now % 1 * 1000):03d}"


def printable(data: bytes) -> str:
    """Text whose control characters do not steer a terminal; line ends stay."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def said(row: Reply) -> list[bytes]:
    """A line that nobody asked for, and its payload, as they are printed; nothing for what is no line."""
    if isinstance(row, Unparsed):
        return [encode(row.text)]
    if isinstance(row, Overlong):
        return [b"(a line of %d bytes)" % row.dropped]
    if isinstance(row, Stray):
        return [row.data]
    if isinstance(row, Lost):
        return []
    field = row.payload_field()
    data = getattr(row, field.name) if field else None
    try:
        return [encode(row.said or row.line()), *filter(None, [data])]
    except UsageError:  # a value that the manual does not allow: the module said it all the same
        return [repr(row).encode()]


def _appended(path: str) -> IO[str]:
    try:
        return Path(path).open("a", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


class Transcript:
    """A conversation as raw bytes on stdout, or as one JSON object when it ends."""

    def __init__(self, as_json: bool = False) -> None:
        self._as_json = as_json
        self._answers: list[dict[str, object]] = []
        self._lines: list[str] = []
        self._unasked: list[str] = []
        self._log: IO[str] | None = None
        self._files = ExitStack()
        self._running = threading.Lock()
        self._writing = threading.RLock()
        self._fresh = True  # at the start of a line

    # ---- what happens, in order

    def _command(self, line: str) -> None:
        """A line goes out, secrets masked."""
        self._lines = []
        if self._as_json:
            self._answers.append({"command": line, "lines": self._lines, "result": None})
        self._keep(">", encode(line))

    def answer(self, data: bytes) -> None:
        """A line of its answer has come, or its payload."""
        self._remember(self._lines, data)
        self._show(data + b"\n")

    def _result(self, text: str) -> None:
        """Its final result has come."""
        if self._as_json:
            self._answers[-1]["result"] = text
        self._show(encode(text) + b"\n")

    def unasked(self, row: Reply) -> None:
        """A line that nobody asked for has come; it may be known before the result that came before it is shown."""
        with self._running:
            for data in said(row):
                self._remember(self._unasked, data)
                self._show(data + b"\n")

    def payload(self, data: bytes) -> None:
        """Payload of data mode has come."""
        self._remember(self._unasked, data)
        self._show(data)

    def left(self, result: str) -> None:
        """Data mode has ended, and how."""
        self._remember(self._unasked, encode(result))
        self._show((b"" if self._fresh else b"\n") + encode(result) + b"\n")

    def sent(self, count: int) -> None:
        """Payload has gone out."""
        self._keep(">", b"(%d bytes of payload)" % count)

    def note(self, text: str) -> None:
        """Something that is nobody's data."""
        say(text)

    def run(self, line: Typed, act: Callable[[], str]) -> None:
        """Take down a line, what `act` makes of it, and its final result.  CommandError if it is refused."""
        with self._running:
            self._command(line.line(mask=True))
            if line.payload is not None:
                self.sent(len(line.payload))
            try:
                result = act()
            except CommandError as error:
                self._result(error.result)
                raise
            self._result(result)

    # ---- where it goes

    def log(self, path: str | None) -> None:
        """Keep a copy in a file, which is appended to, from here on; None: no longer.  UsageError if it cannot be."""
        with self._writing:
            self._files.close()
            self._log = None
            if path:
                self._log = self._files.enter_context(_appended(path))

    def _remember(self, where: list[str], data: bytes) -> None:
        if self._as_json:
            where.append(data.decode("utf-8", "backslashreplace"))

    def _show(self, data: bytes) -> None:
        with self._writing:
            self._keep("<", data)
            self._fresh = data.endswith(b"\n")
            if not self._as_json:
                self._print(data)

    def _print(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def _keep(self, direction: str, data: bytes) -> None:
        with self._writing:
            if self._log:
                self._log.writelines(f"{stamp()} {direction} {line}\n" for line in printable(data).splitlines())
                self._log.flush()

    def __enter__(self) -> Transcript:
        return self

    def __exit__(self, *_: object) -> None:
        self.log(None)
        if self._as_json and self._answers:
            click.echo(json.dumps({"answers": self._answers, "unasked": self._unasked}))


class Screen(Transcript):
    """A conversation for people: nothing steers their terminal, and each line has its time if they want it."""

    def __init__(self, stamped: bool) -> None:
        super().__init__()
        self._stamp: Callable[[], str] = (lambda: f"{stamp()} ") if stamped else lambda: ""
        self._cut = False  # the last piece ended within a line, which was ended for it

    def _print(self, data: bytes) -> None:
        whole = data.endswith(b"\n")
        lines = printable(data.removesuffix(b"\r")).splitlines()
        if self._cut and lines and not lines[0]:
            del lines[0]
        self._cut = not whole
        sys.stdout.write("".join(f"{self._stamp()}{line}\n" for line in lines))
        sys.stdout.flush()

    def note(self, text: str) -> None:
        sys.stdout.write(f"-- {text}\n")
        sys.stdout.flush()
