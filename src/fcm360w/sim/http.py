"""The module's HTTP client: what is configured for the next request, and the exchange that goes on or waits to be read.

One at a time.  A request is begun by its handler, which may then send a body; from there on the late line is owed,
until the header of the response has come.  Its body stays in the network but for what the buffer holds, until the host
reads it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from fcm360w.commands.codes import HttpCode, SocketCode
from fcm360w.commands.http import AutoOutput, ClosedNotice, FormField, SessionClosed, SslContext, Url
from fcm360w.settings import Setting
from fcm360w.sim.guard import Part
from fcm360w.sim.http_exchange import Exchange, Request
from fcm360w.sim.network import Attempt, Connection, is_address
from fcm360w.sim.steps import Ending, Raw, Refused, Speech, Steps, Wait
from fcm360w.sim.urls import Place, place_of
from fcm360w.wire import Reply

__all__ = ["Http", "Report", "poured"]

S = TypeVar("S", bound=Setting)

MAX_HEADERS = 4096
MAX_FIELDS = 32
PIECE = 4096
Report = Callable[..., Reply]
FAULTS = {
    SocketCode.DNS_FAILED: HttpCode.DNS_FAILED,
    SocketCode.DNS_BUSY: HttpCode.DNS_FAILED,
    SocketCode.CREATE_FAILED: HttpCode.CREATE_FAILED,
    SocketCode.PORT_BUSY: HttpCode.CREATE_FAILED,
    SocketCode.OUT_OF_MEMORY: HttpCode.OUT_OF_MEMORY,
}


class Owner(Protocol):
    """Whose client it is."""

    @property
    def online(self) -> bool:
        """Whether there is a network."""
        ...

    def setting(self, row: type[S]) -> S:
        """The value of an option."""
        ...

    def notify(self, line: Reply | Speech) -> bool:
        """Queue a line that nobody asked for."""
        ...

    def dial(
        self, whose: Part, host: str, port: int, context: int | None, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        """Connect."""
        ...


class Stage(enum.Enum):
    """How far an exchange is: SENDING belongs to a handler, AWAITING owes a late line, ANSWERED may be read once."""

    IDLE, SENDING, AWAITING, ANSWERED, READING = range(5)


class Http:
    """`headers` are the lines that the host has added to requests, `fields` its form fields.

    `body_high_water` is the most of a body that ever waited here.
    """

    def __init__(self, owner: Owner) -> None:
        self.headers: list[str] = []
        self.fields: list[FormField] = []
        self._owner = owner
        self._stage = Stage.IDLE
        self._exchange: Exchange | None = None
        self._attempt: Attempt | None = None
        self._report: Report | None = None
        self._until: float | None = None
        self._patience = 0.0
        self._high_water = 0

    # ---- what is configured

    def add_header(self, line: str) -> None:
        """Refused if it is no line of a header, or there is no room for more."""
        name, colon, _ = line.partition(":")
        if not colon or not name.strip():
            raise Refused(cme=HttpCode.INVALID_PARAMETERS)
        if sum(map(len, self.headers)) + len(line) > MAX_HEADERS:
            raise Refused(cme=HttpCode.OUT_OF_MEMORY)
        self.headers.append(line)

    def add_field(self, field: FormField) -> None:
        """Refused if there is no room for more."""
        if len(self.fields) == MAX_FIELDS:
            raise Refused(cme=HttpCode.OUT_OF_MEMORY)
        self.fields.append(field)

    def forget(self) -> None:
        """Drop header lines and form fields."""
        self.headers.clear()
        self.fields.clear()

    # ---- a request

    def request(self, method: str, auth: str = "", length: int | None = None) -> Exchange:
        """Begin one; whatever was not read of the last response is gone.

        Refused if a late line is owed, or there is no URL.  What else is wrong is the exchange's fault.
        """
        if self._stage is Stage.AWAITING:
            raise Refused(cme=HttpCode.BUSY)
        url = self._owner.setting(Url).url_string
        if not url:
            raise Refused(cme=HttpCode.NO_URL)
        place = place_of(url)
        if place is None:
            raise Refused(cme=HttpCode.BAD_URL)
        self.drop()
        self._exchange = exchange = Exchange(Request(method, place, tuple(self.headers), auth, length))
        self._stage = Stage.SENDING
        if not self._owner.online:
            exchange.fail(HttpCode.NETWORK)
        elif is_wrong(place.host):
            exchange.fail(HttpCode.BAD_ADDRESS)
        else:
            self._dial(place)
        return exchange

    def _dial(self, place: Place) -> None:
        context = self._owner.setting(SslContext).ssl_ctx_id if place.secure else None
        try:
            self._attempt = self._owner.dial(self, place.host, place.port, context, self._connected)
        except Refused as refusal:
            self._connected(refusal.code)

    def _connected(self, result: Connection | SocketCode) -> None:
        self._attempt = None
        if self._exchange is None:
            return
        if isinstance(result, SocketCode):
            self._exchange.fail(FAULTS.get(result, HttpCode.CONNECT_FAILED))
        else:
            self._exchange.begin(result)

    def expect(self, report: Report, now: float, rsptime: float) -> None:
        """The request is out: owe the line that `report` makes of code, status and length, after `rsptime` at most."""
        self._stage, self._report = Stage.AWAITING, report
        self._until, self._patience = now + rsptime, rsptime

    def drop(self) -> None:
        """Whatever goes on is over, silently."""
        if self._attempt:
            self._attempt.cancel()
        if self._exchange:
            self._exchange.close()
            self._high_water = max(self._high_water, self._exchange.body_high_water)
        self._stage = Stage.IDLE
        self._attempt = self._exchange = self._report = self._until = None

    # ---- a response

    def claim(self) -> Exchange:
        """The response that the host may read.  Refused if there is none, or none yet."""
        if self._stage is Stage.AWAITING:
            raise Refused(cme=HttpCode.BUSY)
        if self._stage is not Stage.ANSWERED or self._exchange is None:
            raise Refused(cme=HttpCode.NO_REQUEST)
        self._stage = Stage.READING
        return self._exchange

    def end(self) -> None:
        """Nothing more is wanted of the server."""
        self._end_session()
        self.drop()

    def _tell(self) -> None:
        """Say the late line, behind the response itself if that is to come without being asked for."""
        exchange, report = self._exchange, self._report
        assert exchange is not None
        assert report is not None
        self._stage, self._until, self._report = Stage.ANSWERED, None, None
        if not exchange.status:
            self._owner.notify(report(exchange.fault))
            self._end_session()
            self.drop()
            return
        line = report(HttpCode.SUCCESS, exchange.status, exchange.length)
        if self._owner.setting(AutoOutput).auto_outrsp:
            self._stage = Stage.READING
            self._owner.notify(Speech(lambda: self._output(exchange, report, line)))
        else:
            self._owner.notify(line)

    def _output(self, exchange: Exchange, report: Report, line: Reply) -> Steps:
        """The whole response, and its late line (H16)."""
        yield Raw(exchange.head)
        code = yield from poured(exchange, self._patience)
        ending: Ending = (report(code) if code else line).line()
        if self._exchange is exchange:
            self.end()
        return ending

    def _end_session(self) -> None:
        """The connection is over, as the host is told if it wants to be."""
        exchange = self._exchange
        if exchange and exchange.link:
            exchange.close()
            if self._owner.setting(ClosedNotice).closedind:
                self._owner.notify(SessionClosed())

    # ---- sim.service.Service

    def tick(self, now: float) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        exchange.pump()
        if self._stage is Stage.AWAITING:
            if self._until is not None and now >= self._until:
                exchange.fail(HttpCode.TIMED_OUT)
            if exchange.settled:
                self._tell()
        if exchange.finished and self._stage in (Stage.ANSWERED, Stage.READING):
            self._end_session()

    def deadline(self) -> float | None:
        exchange = self._exchange
        if exchange is None:
            return None
        owed = self._stage is Stage.AWAITING and exchange.settled
        return 0.0 if exchange.readable or owed else self._until

    def lose(self) -> None:
        if self._attempt:
            self._attempt.cancel()
            self._attempt = None
        if self._exchange:
            self._exchange.fail(HttpCode.NETWORK)

    def reset(self) -> None:
        self.drop()
        self.forget()

    def stats(self) -> dict[str, int]:
        """The most bytes of a response that ever waited for the host."""
        current = self._exchange.body_high_water if self._exchange else 0
        return {"http_high_water": max(self._high_water, current)}


def poured(exchange: Exchange, patience: float) -> Any:
    """The body as it comes, until its end or a silence of `patience` seconds; returns the code."""
    began = False
    while True:
        if piece := exchange.take(PIECE):
            began = True
            yield Raw(piece)
        elif exchange.finished:
            return exchange.fault or HttpCode.SUCCESS
        elif not (yield Wait(lambda: bool(exchange.waiting or exchange.finished), patience)):
            return HttpCode.READ_TIMED_OUT if began else HttpCode.WAIT_TIMED_OUT


def is_wrong(host: str) -> bool:
    """Whether this looks like an address, and is none."""
    return host.replace(".", "").isdigit() and not is_address(host)
