"""A conversation with a module: lines are run as they are typed, payload is taken where the module wants it, and what
the module says meanwhile is shown when it comes."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from fcm360w.cli.listening import Listener
from fcm360w.cli.transcript import Transcript
from fcm360w.cli.typed import Typed, opener, typed
from fcm360w.errors import (
    CommandError,
    FCM360WError,
    PeerClosed,
    SocketLost,
    TransportError,
    TransportLost,
    UsageError,
)
from fcm360w.module import Module
from fcm360w.parameters import encode
from fcm360w.streams import Stream
from fcm360w.wire import Command

ESCAPE = "+++"
SCRATCH = 65536

DOTS = {
    ".help": "what can be typed here",
    ".log": "FILE: append all that is said to a file; without a file, stop",
    ".quit": "leave, as Ctrl-D does",
}
HELP = """\
AT commands are sent as they are typed; Tab completes them, `fcm360w explain` tells more.
A command that asks for payload takes it from the next line, before it is sent.
After CONNECT every line is payload, sent with CR LF; +++ alone, or Ctrl-], returns to commands."""


class Input(enum.Enum):
    """What the next line is taken for."""

    COMMAND, PAYLOAD, DATA = "command", "payload", "data"


class Wanted(NamedTuple):
    """What is asked for: of a payload `size` bytes, or as many as there are."""

    kind: Input
    size: int | None = None


class Conversation:
    """Runs what `ask` returns, until it raises EOFError.

    `forgiving`: an error is told, and the next line asked for; else it ends the conversation.  `changed` is called, by
    any thread, when data mode has ended without having been left, or the transport is lost.
    """

    def __init__(
        self,
        module: Module,
        transcript: Transcript,
        ask: Callable[[Wanted], str],
        timeout: float | None = None,
        forgiving: bool = False,
    ) -> None:
        self.stream: Stream | None = None
        self.changed: Callable[[], None] = lambda: None
        self._module = module
        self._transcript = transcript
        self._ask = ask
        self._timeout = timeout
        self._forgiving = forgiving
        self._closed: FCM360WError | None = None
        self._receiver: threading.Thread | None = None
        self._listener = Listener(module, transcript, lambda: self.changed())

    @property
    def lost(self) -> TransportLost | None:
        return self._listener.lost

    def run(self, wait: float = 0.0) -> None:
        """To the end of the input, and `wait` seconds longer.  Leaves data mode."""
        self._module.events()
        self._listener.start()
        try:
            with suppress(EOFError):
                while True:
                    self._step()
            time.sleep(wait)
            self._leave()
        finally:
            self._listener.stop()

    def _step(self) -> None:
        wanted = Wanted(Input.DATA if self.stream else Input.COMMAND)
        try:
            self._take(wanted.kind, self._ask(wanted))
        except KeyboardInterrupt:
            if not self._forgiving:
                raise
            self._transcript.note("interrupted")
        except FCM360WError as error:
            if not self._forgiving or isinstance(error, TransportError):
                raise
            if not isinstance(error, CommandError):  # its result has been shown
                self._transcript.note(str(error))

    def _take(self, kind: Input, text: str) -> None:
        if self._closed and not self._forgiving:
            raise self._closed
        if kind is Input.DATA:
            self._payload_line(text)
        elif text.startswith("."):
            self._dot(*text.split(maxsplit=1))
        elif text.strip():
            self._command(text)

    # ---- commands

    def _command(self, text: str) -> None:
        opening = opener(text)
        body = self._body(opening) if opening and opening.body() is not None else None
        line = typed(text, self._timeout, self._transcript.answer, body)
        if line.connects():
            self._enter(line)
        else:
            self._run(line, None if self._forgiving else line.unfinished)

    def _run(self, line: Typed, unfinished: Command[Any] | None) -> None:
        self._listener.expect(unfinished)
        self._transcript.run(line, partial(self._module.run, line))
        if unfinished:
            line.ended(self._listener.end(line.seconds))

    def _body(self, command: Command[Any]) -> bytes | None:
        """What the prompt of a command is to be answered with."""
        field = command.payload_field()
        assert field
        assert field.payload
        size = len(getattr(command, field.name)) if field.payload.counted else None
        while True:
            data = encode(self._ask(Wanted(Input.PAYLOAD, size)))
            short = f"{size} bytes are wanted, not {len(data)}" if size not in (None, len(data)) else None
            fault = short or field.fault(data)
            if not fault:
                return command.replace(**{field.name: data}).body()
            if not self._forgiving:
                raise UsageError(f"{fault}; nothing was sent")
            self._transcript.note(f"{fault}; Ctrl-C cancels")

    def _dot(self, name: str, argument: str = "") -> None:
        if name == ".quit":
            raise EOFError
        if name == ".log":
            self._transcript.log(argument.strip() or None)
        elif name == ".help":
            for line in (*HELP.splitlines(), *(f"{dot}  {meaning}" for dot, meaning in DOTS.items())):
                self._transcript.note(line)
        else:
            raise UsageError(f"{name} is none of {', '.join(DOTS)}")

    # ---- data mode

    def _enter(self, line: Typed) -> None:
        self._transcript.run(line, partial(self._attach, line))
        self._receiver = threading.Thread(target=self._receive, args=[self.stream], daemon=True)
        self._receiver.start()

    def _attach(self, line: Typed) -> str:
        self.stream, self._closed = self._module.attach(line), None
        return "CONNECT"

    def _payload_line(self, text: str) -> None:
        if text.strip() == ESCAPE:
            self._leave()
        elif self.stream:
            data = encode(text) + b"\r\n"
            self._transcript.sent(len(data))
            self._send(self.stream, data)
        elif text:
            raise UsageError("data mode has ended; the line was not sent")

    def _send(self, stream: Stream, data: bytes) -> None:
        try:
            stream.sendall(data)
        except (PeerClosed, SocketLost):
            if self._receiver:
                self._receiver.join()  # it shows what came before the end
            raise

    def _leave(self) -> None:
        """Out of data mode by the guarded escape; the socket stays open."""
        stream, receiver = self.stream, self._receiver
        if stream:
            self._transcript.note("leaving data mode")
            stream.close()
        if receiver:
            receiver.join()

    def _receive(self, stream: Stream) -> None:
        """Show what the peer sends, until data mode ends; then, how it did."""
        buffer = bytearray(SCRATCH)
        result = "OK"
        try:
            while True:
                count = stream.recv_into(buffer)
                self._transcript.payload(bytes(memoryview(buffer)[:count]))
        except PeerClosed as closed:
            self._closed, result = closed, "NO CARRIER"
        except UsageError:  # it was left
            pass
        except FCM360WError as error:
            self._closed, result = error, f"({error})"
        self._transcript.left(result)
        with suppress(FCM360WError):
            stream.close()
        self.stream = None
        self.changed()
