"""HTTP requests as turns, without I/O of their own: what sync and asyncio share.

The response is taken from the link as it comes, turn by turn, into memory or a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from fcm360w.closing import Intake
from fcm360w.commands.http import MAX_TIME
from fcm360w.errors import Overrun, ProtocolError, UsageError
from fcm360w.flows import http
from fcm360w.flows.http import Framed, Method, Outcome, Request
from fcm360w.forms import Files, encoded
from fcm360w.inbox import INBOX
from fcm360w.link import Link
from fcm360w.turns import Turns, perform

if TYPE_CHECKING:
    from fcm360w.contexts import Context

# What is kept in memory of a response that goes into no file.
MAX_KEPT = 16 << 20

# Of a link whose rate nobody knows.
SLOW = 9600 // 10

# Seconds that a server may let the body wait, in all.
STALL = 10

# Headers that the module sends by itself.
FRAMING = {"content-length", "transfer-encoding"}

Fields = Mapping[str, str]
R = TypeVar("R")


class Sink(Protocol):
    """Where a body goes: a binary file, or anything that is written to like one."""

    def write(self, data: bytes, /) -> object: ...


class Progress(NamedTuple):
    """How far a request is, in bytes; `total` of a response is None if it was not announced."""

    sent: int
    to_send: int
    received: int
    total: int | None


class Headers(Mapping[str, str]):
    """Headers of a response by name, in whatever case; lines of one name are joined by commas.  `lines` has each."""

    def __init__(self, lines: tuple[tuple[str, str], ...] = ()) -> None:
        self.lines = lines
        self._found: dict[str, str] = {}
        for name, value in lines:
            key = name.lower()
            self._found[key] = f"{self._found[key]}, {value}" if key in self._found else value

    def __getitem__(self, name: str) -> str:
        return self._found[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"Headers({self.lines!r})"


class Response(NamedTuple):
    """What a server answered.

    `body` is empty if it went into a file; `size` is its length either way.  `inferred_end`: where it ends was found
    out, for the length was not announced, or not truly; a connection that broke off is then not told from an end.
    """

    status: int
    headers: Headers
    body: bytes
    size: int
    inferred_end: bool

    @property
    def ok(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status < 300

    def text(self, encoding: str = "utf-8") -> str:
        """The body as text; what is none becomes U+FFFD."""
        return self.body.decode(encoding, "replace")


class Gathering:
    """Takes a response from its intake: the head aside, the body to where it belongs."""

    def __init__(self, link: Link, request: Request, into: Sink | None, progress: Callable[[Progress], object] | None):
        self.framed = Framed()
        self.intake = Intake(link.mark("http_inbox", INBOX), self.framed)
        self.body = bytearray()
        self.received = 0
        self._link = link
        self._request = request
        self._into = into
        self._tell = progress
        self._told: Progress | None = None
        self._head = 0
        self._owed = False

    def take(self) -> None:
        """Take what has come; also tell how far it is."""
        while self.intake.pieces and self.intake.measured:
            data = bytes(self.intake.pieces)
            self.intake.pieces.clear()
            skipped = min(self.framed.size - self._head, len(data))
            self._head += skipped
            self._keep(data[skipped:])
        if self._tell:
            self._report(self._tell)

    def _keep(self, data: bytes) -> None:
        self.received += len(data)
        if self._into is not None:
            if data:
                self._into.write(data)
        elif self.received > MAX_KEPT:
            raise Overrun(f"the response is longer than {MAX_KEPT} bytes: have it written into a file")
        else:
            self.body += data

    def _report(self, tell: Callable[[Progress], object]) -> None:
        length = self.intake.length
        total = None if length is None else length - self.framed.size
        now = Progress(self._sent(), len(self._request.body), self.received, total)
        if now != self._told:
            self._told = now
            tell(now)

    def _sent(self) -> int:
        """Bytes of the body that have gone: those that were asked for, and are not waiting to go."""
        size = len(self._request.body)
        if self._link.pour or self.received:
            return size
        if self._link.owing is not None:
            self._owed = True
        elif self._owed:
            return size - min(size, len(self._link.out))
        return 0

    def response(self, outcome: Outcome) -> Response:
        """The whole, once all has come."""
        first, *lines = self.framed.head.decode("latin-1").split("\r\n")
        status = outcome.http_rsp_code
        if status is None:
            parts = first.split(" ")
            status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None
        if status is None:
            raise ProtocolError("the module told no status of the response (manual 2.6.2)")
        pairs = ((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        return Response(status, Headers(tuple(pairs)), bytes(self.body), self.received, self.intake.inferred)


def fetched(
    link: Link,
    request: Request,
    into: Sink | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Turns[Response]:
    """Perform a request.  What a file or `progress` raises ends it; it is stopped before the next flow."""
    request = request._replace(input_time=input_time(link, len(request.body)))
    request.check()
    if request.context:
        request.context.check(link)
    gathering = Gathering(link, request, into, progress)

    flow = http.fetch(request, gathering.intake, gathering.framed)
    outcome = yield from after_each(perform(link, flow), gathering.take)
    gathering.take()
    return gathering.response(outcome)


def after_each(turns: Turns[R], act: Callable[[], object]) -> Turns[R]:
    """The same turns, with something to do after each; what that raises, the turns are told when they may be."""
    failure: BaseException | None = None
    try:
        turn = next(turns)
        while True:
            try:
                turned = yield turn
            except BaseException as error:
                turn = turns.throw(error)
                continue
            failure = failure or _raised(act)
            turn = turns.throw(failure) if failure and not turn.shielded else turns.send(turned)
    except StopIteration as stop:
        if failure:
            raise failure from None
        result: R = stop.value
        return result
    finally:
        turns.close()


def _raised(act: Callable[[], object]) -> BaseException | None:
    try:
        act()
    except BaseException as error:
        return error
    return None


def input_time(link: Link, size: int) -> int:
    """Seconds that the module is to wait for a body: what the wire needs, twice, and some for the server.

    Not more: if this side dies meanwhile, the module hears nobody until they have passed.
    """
    needed = size / SLOW if link.baud is None else 2 * link.wire_time(size)
    return min(MAX_TIME, STALL + math.ceil(needed))


def requested(
    method: Method,
    url: str,
    headers: Fields | None = None,
    data: bytes | str | Fields | None = None,
    files: Files | None = None,
    auth: tuple[str, str] | None = None,
    tls: Context | None = None,
    timeout: float = 60.0,
) -> Request:
    """A request as the faces take it.  UsageError for what cannot be sent."""
    if not 0 < timeout <= MAX_TIME:
        raise UsageError(f"timeout {timeout:g} is outside 1..{MAX_TIME} (manual 2.6.2)")
    body, kind = encoded(data, files)
    lines = dict(headers or {})
    for name in lines:
        if name.lower() in FRAMING:
            raise UsageError(f"leave {name} out: the module says itself how long the body is (manual 2.6.1)")
    if kind and not any(name.lower() == "content-type" for name in lines):
        lines["Content-Type"] = kind
    if method != "GET" and not body:
        raise UsageError(f"a {method} needs a body: the module sends none that is empty (manual 2.6.3)")
    return Request(method, url, tuple(lines.items()), body, auth, tls, response_time=math.ceil(timeout))
