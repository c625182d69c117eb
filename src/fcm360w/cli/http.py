"""`fcm360w http get|post|put`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import rich_click as click
from click import open_file

from fcm360w.cli.options import F, output_options, password_option, port_option, writable
from fcm360w.cli.secure import Security, secured, take, trust

if TYPE_CHECKING:
    from fcm360w.fetching import Progress, Response
    from fcm360w.module import Module


@click.group()
def http() -> None:
    """Send HTTP requests through the module."""


class Job(NamedTuple):
    """What was asked for on the command line, beside the request itself."""

    url: str
    out: str
    as_json: bool
    ssid: str | None
    password: str | None
    security: Security | None

    def __repr__(self) -> str:
        return f"Job({self.url!r}, {self.out!r})"


def _headers(ctx: click.Context, param: click.Parameter, lines: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{line!r} is not NAME: VALUE", ctx, param)
        found[name.strip()] = value.strip()
    return found


def _auth(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not colon:
        raise click.BadParameter("it has no colon: USER:PASSWORD", ctx, param)
    return user, password


def _data(ctx: click.Context, param: click.Parameter, text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    if text == "@-":
        data: bytes = open_file("-", "rb").read()
        return data
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{text[1:]}: {error.strerror}", ctx, param) from error


def request_options(command: F) -> F:
    """What requests of all methods have."""
    command = trust(command)
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(0, 65535, min_open=True),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="Give up when so long no part of the response has come.",
        ),
        password_option("The hotspot's password."),
        click.option("--ssid", help="Join this hotspot first.  Without it the module must be joined."),
        click.option(
            "--user",
            "auth",
            callback=_auth,
            envvar="FCM360W_HTTP_USER",
            show_envvar=True,
            metavar="USER:PASSWORD",
            help="Basic authentication.",
        ),
        click.option(
            "-H", "--header", "headers", multiple=True, callback=_headers, metavar="'NAME: VALUE'", help="A header."
        ),
        click.option(
            "-o",
            "--out",
            type=click.Path(dir_okay=False, writable=True, allow_dash=True),
            callback=writable,
            default="-",
            metavar="FILE",
            help="Where the response's body goes; stdout by default.",
        ),
    ):
        command = option(command)
    return output_options(port_option(command))


data_option = click.option(
    "-d", "--data", required=True, callback=_data, metavar="TEXT", help="The body; @FILE sends a file, @- stdin."
)


@http.command(epilog="Example: fcm360w http get http://10.0.0.9/data.bin -o data.bin -p /dev/ttyUSB0 --ssid hall")
@click.argument("target", metavar="URL")
@request_options
def get(target: str, **options: Any) -> None:
    """GET a URL.

    FILE is written once the response begins.  Exit code 1 if there is none, or its status is not 200 to 299.
    """
    job, request = _sorted(target, options)
    _perform(job, lambda module, more: module.http.get(target, **request, **more))


@http.command(epilog="Example: fcm360w http post http://10.0.0.9/up -d @data.bin -p /dev/ttyUSB0 --ssid hall")
@click.argument("target", metavar="URL")
@data_option
@request_options
def post(target: str, **options: Any) -> None:
    """POST 1 to 1,024,000 bytes to a URL; otherwise as get."""
    job, request = _sorted(target, options)
    _perform(job, lambda module, more: module.http.post(target, **request, **more))


@http.command(epilog="Example: fcm360w http put http://10.0.0.9/file -d @data.bin -p /dev/ttyUSB0 --ssid hall")
@click.argument("target", metavar="URL")
@data_option
@request_options
def put(target: str, **options: Any) -> None:
    """PUT 1 to 1,024,000 bytes to a URL; otherwise as get."""
    job, request = _sorted(target, options)
    _perform(job, lambda module, more: module.http.put(target, **request, **more))


def _sorted(target: str, options: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """What concerns the command line, and what the request."""
    options["security"] = take(options, secure=target[:6].lower() == "https:")
    job = Job(*(options.pop(name) for name in Job._fields))
    if job.as_json and job.out == "-":
        raise click.UsageError("--json and the body both want stdout: pass -o FILE")
    return job, options


class Late:
    """A file that is opened when the first byte comes, so that a request that fails leaves the old one alone."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        self.open().write(data)

    def open(self) -> IO[bytes]:
        if self._file is None:
            self._file = open_file(self._path, "wb")
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.flush()
            if self._path != "-":
                self._file.close()


def _perform(job: Job, call: Callable[[Module, dict[str, Any]], Response]) -> None:
    import fcm360w

    with fcm360w.open(job.url) as module, contextlib.closing(Late(job.out)) as file, _bars() as show:
        if job.ssid:
            module.wifi.join(job.ssid, job.password)
        with secured(job.security, module) as context:
            response = call(module, {"into": file, "progress": show, "tls": context})
        file.open()
    _conclude(job, response)


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[Progress], None]]:
    """A bar for what is sent, and after it one for what is received."""
    from fcm360w.cli.screen import progress

    with contextlib.ExitStack() as stack:
        bars: dict[str, Callable[[int], None]] = {}

        def show(now: Progress) -> None:
            receiving = bool(now.received or not now.to_send)
            name, total, done = (
                ("receiving", now.total, now.received) if receiving else ("sending", now.to_send, now.sent)
            )
            if name not in bars:
                stack.close()
                bars[name] = stack.enter_context(progress(name, total))
            bars[name](done)

        yield show


def _conclude(job: Job, response: Response) -> None:
    from fcm360w.cli.failures import Incomplete
    from fcm360w.cli.screen import amount, say

    if job.as_json:
        click.echo(json.dumps(_figures(response)))
    else:
        doubt = "; its end was inferred, for no length was announced" if response.inferred_end else ""
        say(f"status {response.status}, {amount(response.size)}{doubt}")
    if not response.ok:
        raise Incomplete(f"the server answered with status {response.status}")


def _figures(response: Response) -> dict[str, object]:
    """For JSON."""
    return {
        "status": response.status,
        "headers": [list(line) for line in response.headers.lines],
        "bytes": response.size,
        "inferred_end": response.inferred_end,
    }
