"""HTTP and HTTPS requests: manual 2.6."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fcm360w.commands.codes import HttpCode
from fcm360w.commands.http import (
    SETTINGS,
    AddHeaderApart,
    Auth,
    FormField,
    GetFormFields,
    GetHeaders,
    GetOutcome,
    Header,
    PostOutcome,
    PutOutcome,
    ReadOutcome,
    ReadResponse,
    ReadResponseUsual,
    ResetOptions,
    ResponseHeader,
    SendGet,
    SendGetUsual,
    SendPost,
    SendPut,
    Stop,
    Url,
)
from fcm360w.sim.handlers import handles
from fcm360w.sim.handlers.options import SETTING
from fcm360w.sim.http import Report, poured
from fcm360w.sim.http_exchange import Exchange
from fcm360w.sim.module import Module
from fcm360w.sim.steps import Answer, Printed, Prompt, Raw, Refused, Step, Steps, Wait
from fcm360w.sim.urls import place_of

CONNECTING = 125.0
PIECE = 4096
AT_ONCE = 1e-6


# ---- options --------------------------------------------------------------------------------------------------------


def _set_url(module: Module, url: Url) -> None:
    if place_of(url.url_string) is None:
        raise Refused(cme=HttpCode.BAD_URL)
    module.change(url)


def _set_auth(module: Module, auth: Auth) -> None:
    if ":" not in auth.username_password:
        raise Refused(cme=HttpCode.INVALID_PARAMETERS)
    module.change(auth)


def _add_header(module: Module, header: Header) -> None:
    if module.dialect.header_apart:
        raise Refused(cme=HttpCode.INVALID_PARAMETERS)
    module.http.add_header(header.header_value)


def _add_field(module: Module, field: FormField) -> None:
    module.http.add_field(field)


SETTING |= {Url: _set_url, Auth: _set_auth, Header: _add_header, FormField: _add_field}


@handles(AddHeaderApart)
def add_header_apart(module: Module, command: AddHeaderApart) -> Answer:
    if not module.dialect.header_apart:
        raise Refused(cme=HttpCode.INVALID_PARAMETERS)
    module.http.add_header(f"{command.header_name}: {command.header_text}")
    return ()


@handles(GetHeaders)
def get_headers(module: Module, command: GetHeaders) -> Answer:
    return tuple(Header(line) for line in module.http.headers)


@handles(GetFormFields)
def get_form_fields(module: Module, command: GetFormFields) -> Answer:
    return tuple(module.http.fields)


@handles(ResetOptions)
def reset_options(module: Module, command: ResetOptions) -> Answer:
    module.http.forget()
    for row in SETTINGS:
        module.change(row())
    return ()


# ---- requests -------------------------------------------------------------------------------------------------------


@handles(SendGet)
def send_get(module: Module, command: SendGet) -> Answer:
    module.http.request("GET", module.setting(Auth).username_password)
    module.http.expect(GetOutcome, module.now, command.rsptime)
    return ()


@handles(SendGetUsual)
def send_get_usual(module: Module, command: SendGetUsual) -> Answer:
    return send_get(module, SendGet())


@handles(SendPost)
def send_post(module: Module, command: SendPost) -> Steps:
    return (yield from _upload(module, "POST", command, PostOutcome))


@handles(SendPut)
def send_put(module: Module, command: SendPut) -> Steps:
    return (yield from _upload(module, "PUT", command, PutOutcome))


def _upload(module: Module, method: str, command: SendPost | SendPut, report: Report) -> Steps:
    length = len(command.data)
    exchange = module.http.request(method, module.setting(Auth).username_password, length)
    yield Wait(lambda: bool(exchange.link or exchange.fault), CONNECTING)
    if exchange.fault or not exchange.link:
        module.http.end()
        raise Refused(cme=exchange.fault or HttpCode.CONNECT_FAILED)
    if not (yield from _body(module, exchange, length, module.now + command.input_time)):
        module.http.end()
        return report(HttpCode.INPUT_TIMED_OUT).line()
    module.http.expect(report, module.now, command.rsptime)
    return None


def _body(module: Module, exchange: Exchange, length: int, until: float) -> Generator[Step, Any, bool]:
    """Pass the body on from host to server, none faster than the other.  Whether all of it came in time."""
    left = length
    while left:
        asked = min(left, PIECE)
        patience = max(AT_ONCE, until - module.now)
        data = yield Prompt(asked, asked, patience, connect=True, whole=True, more=left < length)
        if len(data) < asked:
            return False
        left -= asked
        exchange.write(data)
        if left and not (yield Wait(lambda: exchange.room() >= PIECE, max(AT_ONCE, until - module.now))):
            return False
    return True


# ---- the response ---------------------------------------------------------------------------------------------------


@handles(ReadResponse)
def read_response(module: Module, command: ReadResponse) -> Answer:
    return _read(module, command.wait_time)


@handles(ReadResponseUsual)
def read_response_usual(module: Module, command: ReadResponseUsual) -> Answer:
    return _read(module, ReadResponse().wait_time)


def _read(module: Module, wait_time: int) -> Steps:
    exchange = module.http.claim()
    yield Printed("CONNECT")
    if module.setting(ResponseHeader).response_header:
        yield Raw(exchange.head)
    code = yield from poured(exchange, wait_time)
    module.http.end()
    module.notify(ReadOutcome(code))
    return None


@handles(Stop)
def stop(module: Module, command: Stop) -> Answer:
    module.http.drop()
    return ()
