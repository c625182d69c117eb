"""HTTP and HTTPS requests (manual 2.6): options, GET, POST, PUT, reading the response, stopping.

There is one session.  Its URL, headers and credentials are options; a request reports status and length in a late line,
and the response is read afterwards, as bytes whose number nobody tells on the wire.
"""

from __future__ import annotations

from typing import Annotated, Self

from fcm360w.commands.codes import describe
from fcm360w.commands.system import Switch
from fcm360w.parameters import SECRET, Coded, Named, Note, ParseError, Payload, Range, split
from fcm360w.settings import Setting
from fcm360w.wire import Command, Reply

MAX_BODY = 1_024_000
MAX_TIME = 65_535
Err = Annotated[int, Coded("http")]
Body = Annotated[bytes, Payload(1, MAX_BODY), Named("data_length"), Note("H22")]
Seconds = Annotated[int, Range(1, MAX_TIME, "s")]

# CONNECT comes, or does not, within 125 s: the server is connected and has the headers by then (H8).
CONNECTING = 130.0


class Table4:
    """A row whose refusals carry a code of HTTP (manual 5, Table 4)."""

    @staticmethod
    def reason(code: int) -> str:
        return describe(code, "http")[1]


class Ended:
    """A late line that tells how a request or a reading ended: `err` is 0 or an HTTP code."""

    err: Err

    def fault(self) -> tuple[int, str] | None:
        return describe(self.err, "http") if self.err else None


class Uploads:
    """A request with a body."""

    input_time: Seconds
    rsptime: Seconds

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Self:
        """Of the two times a host gives both or none."""
        if strict and len(split(text)) == 2:
            raise ParseError(f"{cls.__name__}: rsptime is missing in {text!r}")
        return super().parse(text, strict)  # type: ignore[misc,no-any-return]

    def timeout(self) -> float:
        return CONNECTING + self.input_time + self.rsptime

    def prompt(self) -> str:
        return "CONNECT"

    def ends(self, reply: Reply) -> bool:
        """The line of a body that did not come in time has no OK before it (H7)."""
        return reply.fault() is not None


# ---- options, 2.6.1 -------------------------------------------------------------------------------------------------


class Url(Table4, Setting, at="+QHTTPCFG", key="url", ref="2.6.1", test='"url",<url_string>'):
    """URL of the requests to come.  It may hold a password or a token, so it is secret."""

    url_string: Annotated[str, SECRET] = ""


class Header(Table4, Setting, at="+QHTTPCFG", key="header", ref="2.6.1", test='"header",<header_value>'):
    """A header line of the requests to come.  Setting it adds a line (H4); GetHeaders asks for all of them."""

    header_value: Annotated[str, SECRET, Note("H4")] = ""


class Auth(Table4, Setting, at="+QHTTPCFG", key="auth", ref="2.6.1", test='"auth",<username_password>'):
    """User name and password for Basic authentication, a colon between them (H18)."""

    username_password: Annotated[str, SECRET, Note("H18")] = ""


class SslContext(Table4, Setting, at="+QHTTPCFG", key="sslctxid", ref="2.6.1"):
    """The TLS context of https URLs, set up by AT+QSSLCFG."""

    ssl_ctx_id: Annotated[int, Range(0, 5), Named("sslctxID"), Note("H21")] = 1


class ResponseHeader(Table4, Setting, at="+QHTTPCFG", key="rsp/header", ref="2.6.1"):
    """Put the response's status line and headers out before its body."""

    response_header: Switch = Switch.OFF


class AutoOutput(Table4, Setting, at="+QHTTPCFG", key="rspout/auto", ref="2.6.1"):
    """Put the response out before the late line, unasked; it cannot be read then (H16)."""

    auto_outrsp: Switch = Switch.OFF


class ClosedNotice(Table4, Setting, at="+QHTTPCFG", key="closed/ind", ref="2.6.1"):
    """Say when the session ends: SessionClosed."""

    closedind: Switch = Switch.OFF


class FormField(
    Table4,
    Setting,
    at="+QHTTPCFG",
    key="form/option",
    ref="2.6.1",
    test='"form/option",<name>,<file_name>,<content_type>',
):
    """A field of a multipart form.  Setting it adds one (H17); GetFormFields asks for all of them."""

    name: str = ""
    file_name: str = ""
    content_type: str = ""


SETTINGS = (Url, Header, Auth, SslContext, ResponseHeader, AutoOutput, ClosedNotice, FormField)


class GetHeaders(Table4, Command[tuple[Header, ...]], at="+QHTTPCFG", key="header", ref="2.6.1"):
    """Report the header lines that were added, in their order; nothing if there are none."""


class AddHeaderApart(Table4, Command[None], at="+QHTTPCFG", key="header", ref="2.6.1"):
    """Add a header whose name and value are told apart, as some firmware wants it (H4)."""

    header_name: str
    header_text: Annotated[str, SECRET]


class GetFormFields(Table4, Command[tuple[FormField, ...]], at="+QHTTPCFG", key="form/option", ref="2.6.1"):
    """Report the form fields that were added, in their order; nothing if there are none."""


class ResetOptions(Table4, Command[None], at="+QHTTPCFG", key="reset", ref="2.6.1", test=('"reset"',)):
    """Put every option of HTTP back, headers and form fields too."""


class SessionClosed(Reply, at="+QHTTPURC", key="closed", ref="2.6.1"):
    """The session with the server has ended; said if ClosedNotice is on (H6)."""


# ---- requests, 2.6.2 to 2.6.4 ---------------------------------------------------------------------------------------


class GetOutcome(Ended, Reply, at="+QHTTPGET", ref="2.6.2"):
    """A GET has ended.  Status and announced length are told if `err` is 0, and the response has one."""

    err: Err
    http_rsp_code: Annotated[int, Named("httprspcode")] | None = None
    content_length: int | None = None


class SendGet(Table4, Command[GetOutcome], at="+QHTTPGET", ref="2.6.2", wait=60.0, late=True, test=("(1-65535)",)):
    """Send a GET request to Url.  Completes with the GetOutcome line, at most `rsptime` s after OK."""

    rsptime: Annotated[Seconds, Note("H1")] = 60

    def timeout(self) -> float:
        return float(self.rsptime)


class SendGetUsual(Table4, Command[GetOutcome], at="+QHTTPGET", ref="2.6.2", form="exec", wait=60.0, late=True):
    """As SendGet, with the usual time."""


class PostOutcome(Ended, Reply, at="+QHTTPPOST", ref="2.6.3"):
    """A POST has ended.  Status and announced length are told if `err` is 0, and the response has one."""

    err: Err
    http_rsp_code: Annotated[int, Named("httprspcode")] | None = None
    content_length: int | None = None


class SendPost(
    Uploads,
    Table4,
    Command[PostOutcome],
    at="+QHTTPPOST",
    ref="2.6.3",
    wait=CONNECTING + 120.0,
    late=True,
    test=("(1-1024000),(1-65535),(1-65535)",),
):
    """Send a POST request to Url, its body after CONNECT.  Completes with PostOutcome, at most `rsptime` s after OK.

    The whole body must come within `input_time` s of CONNECT; if not, the late line is the final result (H7).
    """

    data: Body
    input_time: Seconds = 60
    rsptime: Seconds = 60


class PutOutcome(Ended, Reply, at="+QHTTPPUT", ref="2.6.4"):
    """A PUT has ended.  Status and announced length are told if `err` is 0, and the response has one."""

    err: Err
    http_rsp_code: Annotated[int, Named("httprspcode")] | None = None
    content_length: int | None = None


class SendPut(
    Uploads,
    Table4,
    Command[PutOutcome],
    at="+QHTTPPUT",
    ref="2.6.4",
    wait=CONNECTING + 120.0,
    late=True,
    test=("(1-1024000),(1-65535),(1-65535)",),
):
    """Send a PUT request to Url, its body after CONNECT.  Completes with PutOutcome, at most `rsptime` s after OK.

    The whole body must come within `input_time` s of CONNECT; if not, the late line is the final result (H7).
    """

    data: Body
    input_time: Seconds = 60
    rsptime: Seconds = 60


# ---- the response, 2.6.5, 2.6.6 -------------------------------------------------------------------------------------


class ReadOutcome(Ended, Reply, at="+QHTTPREAD", ref="2.6.5"):
    """The response is out, or reading it failed: `err` is 0 or an HTTP code (manual 5, Table 4)."""

    err: Err


class ReadResponse(
    Table4, Command[ReadOutcome], at="+QHTTPREAD", ref="2.6.5", wait=60.0, late=True, test=("(1-65535)",)
):
    """Read the response, which follows CONNECT and ends in OK and the ReadOutcome line (H9).

    `wait_time` is the longest pause within it, in seconds; if it is longer, the outcome says so after OK (H10).
    """

    wait_time: Seconds = 60

    def timeout(self) -> float:
        return float(self.wait_time)

    def connects(self) -> bool:
        return True


class ReadResponseUsual(Table4, Command[ReadOutcome], at="+QHTTPREAD", ref="2.6.5", form="exec", wait=60.0, late=True):
    """As ReadResponse, with the usual time."""

    def connects(self) -> bool:
        return True


class Stop(Table4, Command[None], at="+QHTTPSTOP", ref="2.6.6", form="exec", wait=10.0, test=()):
    """End the request and the session (H20)."""
