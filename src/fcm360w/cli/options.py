"""Options that several subcommands share, and the types of their values."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import rich_click as click
from click.core import ParameterSource

F = TypeVar("F", bound=Callable[..., Any])
VERBOSITY = "fcm360w.cli.verbosity"
NO_PORT = "no port is given: pass -p URL or set FCM360W_PORT (`fcm360w ports` lists them; sim:// is the embedded twin)"


class Endpoint(NamedTuple):
    """The TCP server at the far end."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"


def _parse_endpoint(ctx: click.Context, param: click.Parameter, value: str) -> Endpoint:
    with contextlib.suppress(ValueError):
        parts = urlsplit(value)
        if parts.scheme == "tcp" and parts.hostname and parts.port and not (parts.path or parts.query):
            return Endpoint(parts.hostname, parts.port)
    raise click.BadParameter(f"{value!r} is not tcp://HOST:PORT", ctx, param)


def endpoint_option(name: str) -> Callable[[F], F]:
    """The server at the far end."""
    return click.option(
        name, "endpoint", required=True, callback=_parse_endpoint, metavar="tcp://HOST:PORT", help="The server."
    )


def writable(ctx: click.Context, param: click.Parameter, path: str) -> str:
    """A file that is written later; its folder must be there now."""
    if path != "-" and not Path(path).parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(Path(path).parent)!r}", ctx, param)
    return path


def need_port(ctx: click.Context, _: click.Parameter, url: str | None) -> str | None:
    if not url and not ctx.resilient_parsing:
        raise click.UsageError(NO_PORT, ctx)
    return url


def parse_host_port(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """``HOST:PORT``, port 0 for any."""
    if value is None:
        return None
    match = re.fullmatch(r"\[?([^\[\]]+)\]?:(\d{1,5})", value)
    if not match or int(match[2]) > 65535:
        raise click.BadParameter(f"{value!r} is not HOST:PORT", ctx, param)
    return match[1], int(match[2])


def verbosity(ctx: click.Context) -> int:
    """How often -v was given."""
    level: int = ctx.meta.get(VERBOSITY, 0)
    return level


def _set_verbosity(ctx: click.Context, _: click.Parameter, level: int) -> None:
    from fcm360w.cli.screen import log_to_stderr

    ctx.meta[VERBOSITY] = level
    log_to_stderr(level)


def _need_ssid(ctx: click.Context, param: click.Parameter, password: str | None) -> str | None:
    source = ctx.get_parameter_source(param.name or "")
    if password is not None and source is ParameterSource.COMMANDLINE and not ctx.params.get("ssid"):
        raise click.UsageError("--password without --ssid: which hotspot is it for?", ctx)
    return password


def port_option(command: F) -> F:
    """``-p``: the module's port."""
    return click.option(
        "-p",
        "--port",
        "url",
        metavar="URL",
        envvar="FCM360W_PORT",
        show_envvar=True,
        callback=need_port,
        help="Port of the module, such as serial:///dev/ttyUSB0?baud=2000000, tcp://host:port or sim://.",
    )(command)


def verbose_option(meaning: str) -> Callable[[F], F]:
    """``-v``."""
    return click.option(
        "-v",
        "--verbose",
        count=True,
        metavar="",
        expose_value=False,
        is_eager=True,
        callback=_set_verbosity,
        help=meaning,
    )


def output_options(command: F) -> F:
    """``--json`` and ``-v``."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
    verbose = verbose_option("Log the wire, secrets masked; twice, also the twin, and where errors come from.")
    return as_json(verbose(command))


def password_option(
    meaning: str = "Its password.", callback: Callable[..., str | None] | None = None
) -> Callable[[F], F]:
    """``--password``, of a hotspot."""
    return click.option(
        "--password",
        envvar="FCM360W_PASSWORD",
        show_envvar=True,
        callback=callback,
        help=f"{meaning}  The environment keeps it out of the list of processes.",
    )


def stream_options(command: F) -> F:
    """How a stream to the far end is opened."""
    for option in (
        click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help=TIMEOUT_HELP),
        password_option(callback=_need_ssid),
        click.option("--ssid", is_eager=True, help="Join this hotspot first.  Without it the module must be joined."),
        click.option(
            "--mode",
            type=click.Choice(["transparent", "push", "buffer"]),
            default="transparent",
            show_default=True,
            help="Transparent is the fastest; the others need no silence to leave.",
        ),
    ):
        command = option(command)
    return command


TIMEOUT_HELP = "Give up when no byte has moved for so long."
