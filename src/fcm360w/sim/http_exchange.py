"""One HTTP request over a connection and its response, of which the body waits, bounded, until the host reads it."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from fcm360w.commands.codes import HttpCode
from fcm360w.sim.network import Connection
from fcm360w.sim.steps import Refused
from fcm360w.sim.urls import Place

if TYPE_CHECKING:
    import h11

__all__ = ["BODY_BUFFER", "Exchange", "Request"]

log = logging.getLogger("fcm360w.sim")

BODY_BUFFER = 32 * 1024
MAX_HEAD = 16 * 1024
READ = 16 * 1024


class Request(NamedTuple):
    """What is asked for.  `headers` are whole lines, `auth` is ``user:password`` or empty; `length` is the body's."""

    method: str
    place: Place
    headers: tuple[str, ...] = ()
    auth: str = ""
    length: int | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.place.authority})"

    def fields(self) -> list[tuple[str, str]]:
        """The header, the host's own lines last; none of ours beside one of theirs of the same name."""
        theirs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in self.headers)]
        named = {name.lower() for name, _ in theirs}
        return [pair for pair in self._ours() if pair[0].lower() not in named] + theirs

    def _ours(self) -> Iterable[tuple[str, str]]:
        yield "Host", self.place.authority
        yield "User-Agent", "FCM360W"
        yield "Accept", "*/*"
        yield "Connection", "close"
        if self.auth:
            yield "Authorization", "Basic " + base64.b64encode(self.auth.encode()).decode()
        if self.length is not None:
            yield "Content-Length", str(self.length)


def _machine() -> h11.Connection:
    """Refused, and the log says why, without the library."""
    try:
        import h11
    except ImportError as error:
        log.error("HTTP needs h11: pip install 'fcm360w[sim]'")
        raise Refused(cme=HttpCode.UNKNOWN) from error
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)


class Exchange:
    """From the connection to the end of the response.

    `fault`: it has failed, and nothing more will come.  `status` and `head`, the header's bytes, are there once the
    header of the response is; `length` is the number of bytes of its body, None if it is not announced.  `complete`:
    all of the response has come from the network.  `body_high_water` is the most of the body that ever waited.  Refused
    if h11 is not installed.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.fault: HttpCode | None = None
        self.status = 0
        self.head = b""
        self.length: int | None = None
        self.complete = False
        self.link: Connection | None = None
        self.body_high_water = 0
        self._machine = _machine()
        self._body = bytearray()
        self._left = request.length or 0

    @property
    def settled(self) -> bool:
        """Whether the header of the response is there, or never will be."""
        return bool(self.status or self.fault)

    @property
    def finished(self) -> bool:
        """Whether nothing more will come from the network."""
        return self.complete or self.fault is not None

    # ---- to the server

    def begin(self, link: Connection) -> None:
        """The connection is there: send the header."""
        self.link = link
        self._say(self._head_of_request, *([] if self._left else [self._end_of_request]))

    def room(self) -> int:
        """Bytes of the request's body that write() may be given now; what nobody takes any more has room always."""
        return READ if self.link is None or self.finished else self.link.room()

    def write(self, data: bytes) -> None:
        """Send some of the request's body.  After a failure, or an early response, it is thrown away."""
        from h11 import Data

        self._left -= len(data)
        if self.link and not self.finished:
            self._say(lambda: Data(data=data), *([] if self._left else [self._end_of_request]))

    def _head_of_request(self) -> h11.Event:
        from h11 import Request

        fields = [(name.encode(), value.encode()) for name, value in self.request.fields()]
        target = self.request.place.target
        return Request(method=self.request.method.encode(), target=target.encode(), headers=fields)

    def _end_of_request(self) -> h11.Event:
        from h11 import EndOfMessage

        return EndOfMessage()

    def _say(self, *events: Callable[[], h11.Event]) -> None:
        """Send what they make; the host's own header lines may promise a body of another length."""
        from h11 import LocalProtocolError

        try:
            data = b"".join(self._machine.send(make()) or b"" for make in events)
        except (LocalProtocolError, UnicodeEncodeError) as error:
            log.info("the request cannot be said: %s", error)
            self.fail(HttpCode.ENCODE_FAILED)
        else:
            if data and self.link:
                self.link.send(data)

    # ---- from the server

    @property
    def readable(self) -> bool:
        """Whether pump() has something to do."""
        return self.link is not None and self.link.readable and not self.finished and self._room() > 0

    def _room(self) -> int:
        return BODY_BUFFER - len(self._body)

    def pump(self) -> bool:
        """Take what the network has and the buffer has room for.  Whether anything came."""
        came = False
        while self.readable and self.link:
            data = self.link.receive(min(READ, self._room()))
            if data == b"":
                break
            came = True
            self._take(data)
        return came

    def _take(self, data: bytes | None) -> None:
        """Bytes of the server, or None: it has closed."""
        import h11

        self._machine.receive_data(data or b"")
        try:
            while not self.finished and self._digest(self._machine.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            log.info("the server's answer: %s", error)
            self.fail(self._reason(data is None, error.error_status_hint))
        if data is None and not self.finished:
            self.fail(self._reason(True, 0))

    def _reason(self, closed: bool, hint: int) -> HttpCode:
        if closed:
            return HttpCode.WRITE_FAILED if self._left else HttpCode.CLOSED
        return HttpCode.RESPONSE_FAILED if hint == 431 else HttpCode.DECODE_FAILED

    def _digest(self, event: object) -> bool:
        """One event of the response.  False: it takes more bytes until the next."""
        import h11

        if event is h11.NEED_DATA or event is h11.PAUSED:
            return False
        if isinstance(event, h11.Response):
            self._begin_response(event)
        elif isinstance(event, h11.Data):
            self._body += event.data
            self.body_high_water = max(self.body_high_water, len(self._body))
        elif isinstance(event, h11.EndOfMessage):
            self.complete = True
        return not isinstance(event, h11.ConnectionClosed)

    def _begin_response(self, response: h11.Response) -> None:
        self.status = response.status_code
        first = b"HTTP/%b %d %b" % (response.http_version, response.status_code, response.reason)
        lines = [first.rstrip(), *(b"%b: %b" % (name, value) for name, value in response.headers.raw_items())]
        self.head = b"\r\n".join([*lines, b"", b""])
        found = {name.lower(): value for name, value in response.headers}
        if b"content-length" in found and b"transfer-encoding" not in found:
            bodiless = self.status in (204, 304)
            self.length = 0 if bodiless else int(found[b"content-length"])

    # ---- to the host

    def take(self, limit: int) -> bytes:
        """Remove the oldest bytes of the body."""
        data = bytes(self._body[:limit])
        del self._body[:limit]
        return data

    @property
    def waiting(self) -> int:
        """Bytes of the body that can be taken now."""
        return len(self._body)

    # ---- the end

    def fail(self, code: HttpCode) -> None:
        """It is over, unless it was over before."""
        if not self.finished:
            self.fault = code

    def close(self) -> None:
        """Let the connection go; what has come of the response stays."""
        if self.link:
            self.link.close()
            self.link = None
