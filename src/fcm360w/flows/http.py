"""One HTTP request: set the options, send it, read the response."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fcm360w.closing import Intake, poured
from fcm360w.commands.codes import HttpCode
from fcm360w.commands.http import (
    AddHeaderApart,
    Auth,
    GetOutcome,
    Header,
    PostOutcome,
    PutOutcome,
    ReadResponse,
    ResetOptions,
    ResponseHeader,
    SendGet,
    SendPost,
    SendPut,
    SslContext,
    Stop,
    Url,
)
from fcm360w.commands.system import Switch
from fcm360w.errors import CommandError, TransportLost, UsageError
from fcm360w.parameters import encode
from fcm360w.pending import MAX_COMMAND
from fcm360w.settings import Set
from fcm360w.steps import Later, Steps
from fcm360w.wire import Command

if TYPE_CHECKING:
    from fcm360w.contexts import Context

Method = Literal["GET", "POST", "PUT"]
UNSAID = "whom does an https URL trust?  tls.context(ca=...) checks the server, tls.context() trusts any"
Outcome = GetOutcome | PostOutcome | PutOutcome


class Request(NamedTuple):
    """What is asked of a server.  Times in whole seconds, 1 to 65535; `body` is empty for a GET alone."""

    method: Method
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    auth: tuple[str, str] | None = None
    context: Context | None = None
    input_time: int = 60
    response_time: int = 60

    def __repr__(self) -> str:
        return f"Request({self.method}, {len(self.body)} bytes)"

    def sending(self) -> Command[Any]:
        """The command that sends it."""
        if self.method == "GET":
            return SendGet(self.response_time)
        row = SendPost if self.method == "POST" else SendPut
        return row(self.body, self.input_time, self.response_time)

    def options(self) -> Iterator[Command[Any]]:
        """The options that are the same on every module."""
        yield Set(Url(self.url))
        if self.auth is not None:
            yield Set(Auth(":".join(self.auth)))
        if self.context is not None:
            yield Set(SslContext(self.context.context_id))

    def check(self) -> None:
        """UsageError if a parameter is out of bounds."""
        if self.url[:6].lower() == "https:" and self.context is None:
            raise UsageError(f"tls is missing: {UNSAID} (manual 2.4.1, 2.6.1)")
        if self.method == "GET" and self.body:
            raise UsageError("a GET has no body (manual 2.6.2)")
        if self.auth and ":" in self.auth[0]:
            raise UsageError("Auth: a user's name must not contain a colon (manual 2.6.1)")
        for name, _ in self.headers:
            if not name or ":" in name or name != name.strip():
                raise UsageError(f"Header: {name!r} is no name of a header (manual 2.6.1)")
        headers = (Set(Header(f"{name}: {value}")) for name, value in self.headers)
        for command in (*self.options(), *headers, ReadResponse(self.response_time), self.sending()):
            if len(encode(command.line())) > MAX_COMMAND:
                line = f"{command.line(mask=True)[:40]}…"
                raise UsageError(f"{line} is longer than the {MAX_COMMAND} bytes that the module takes (manual 1.2)")
            command.body()


class Framed:
    """Where a response ends, from its own head and from what the module said: called with its beginning.

    Unless it is `headed`, all of it is body. The head is a status line and headers up to an empty line; one that only
    goes before another is passed over. The number of head bytes is `size`; 0 if the module puts none out.
    """

    LIMIT = 65536

    def __init__(self) -> None:
        self.headed = True
        self.announced: int | None = None
        self.size = 0
        self.head = b""

    def __call__(self, begun: bytes) -> Any:
        """The length of all, None if unknown; ``...`` if more must be seen."""
        if not self.headed:
            return self.announced
        at = 0
        while True:
            start = begun[at:]
            if not (start.startswith(b"HTTP/") or b"HTTP/".startswith(start)) or len(begun) > self.LIMIT:
                return self.announced
            end = begun.find(b"\r\n\r\n", at)
            if end < 0:
                return ...
            if start[:16].split(b" ")[1:2] != [b"100"]:
                break
            at = end + 4
        self.size = end + 4
        self.head = begun[at:end]
        return self._whole()

    def _whole(self) -> int | None:
        body = self.announced
        lines = self.head.split(b"\r\n")
        if body is None and lines[0].split(b" ")[1:2] in ([b"204"], [b"304"]):
            body = 0
        for line in lines[1:] if body is None else ():
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                body = int(value)
        return None if body is None else self.size + body


def fetch(request: Request, intake: Intake, framed: Framed) -> Steps[Outcome]:
    """Send a request, and read the response into the intake; how the request ended.

    CommandError with the HTTP code if it fails.  Whatever else ends it, the request is stopped before the next flow.
    """
    framed.headed = yield from configure(request)
    try:
        return (yield from _exchanged(request, intake, framed))
    except (CommandError, TransportLost, UsageError, GeneratorExit):
        raise
    except BaseException:
        yield Later(stop)
        raise


def _exchanged(request: Request, intake: Intake, framed: Framed) -> Steps[Outcome]:
    try:
        outcome: Outcome = yield from request.sending()
    except CommandError as error:
        if error.code != HttpCode.BUSY:
            raise
        yield from stop()
        outcome = yield from request.sending()
    framed.announced = outcome.content_length
    yield from poured(ReadResponse(request.response_time), intake)
    return outcome


def configure(request: Request) -> Steps[bool]:
    """Set the options of a request, and no others.  Whether it puts response headers out: not every firmware does."""
    if request.context:
        yield from request.context.ready()
    yield from ResetOptions()
    for command in request.options():
        yield from command
    for name, value in request.headers:
        yield from add_header(name, value)
    try:
        yield from Set(ResponseHeader(Switch.ON))
    except CommandError:
        return False
    return True


def add_header(name: str, value: str) -> Steps[None]:
    """Add a header line; some firmware wants name and value apart."""
    try:
        yield from Set(Header(f"{name}: {value}"))
    except CommandError as error:
        try:
            yield from AddHeaderApart(name, value)
        except CommandError:
            raise error from None


def stop() -> Steps[None]:
    """End the request and its session, if there is one."""
    with contextlib.suppress(CommandError):
        yield from Stop()
