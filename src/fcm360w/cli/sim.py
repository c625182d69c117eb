"""`fcm360w sim`."""

from __future__ import annotations

import ipaddress
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import rich_click as click

from fcm360w.cli.options import parse_host_port, verbose_option
from fcm360w.sim.dialect import DIALECTS, MANUAL, QUIRKS, find_dialect

if TYPE_CHECKING:
    from fcm360w.sim import Twin
    from fcm360w.sim.twin import Flow

POWER_UP = 115_200
HOTSPOT = "A hotspot in reach: SSID[:PASSWORD][,rssi=DBM][,channel=N][,security=NAME][,hidden]; may be repeated."


class SimCommand(click.RichCommand):
    """Lists the quirks below its options."""

    def format_help(self, ctx: click.RichContext, formatter: click.RichHelpFormatter) -> None:  # type: ignore[override]
        super().format_help(ctx, formatter)
        width = max(map(len, QUIRKS))
        formatter.write(
            "\n Quirks\n" + "".join(f"   {name:<{width}}  {QUIRKS[name].says}\n" for name in sorted(QUIRKS))
        )


def _local(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, int] | None:
    address = parse_host_port(ctx, param, value)
    try:
        if address is None or ipaddress.ip_address(address[0]).is_loopback:
            return address
    except ValueError:
        if address and address[0] == "localhost":
            return "127.0.0.1", address[1]
    raise click.BadParameter("the twin listens on this machine only: 127.0.0.1:PORT", ctx, param)


@click.command(
    cls=SimCommand, epilog="Example: fcm360w sim --tcp 127.0.0.1:7000 --ap 'hall:open sesame' --baud 2000000"
)
@click.option("--tcp", callback=_local, metavar="HOST:PORT", help="Serve a TCP port; port 0 picks a free one.")
@click.option(
    "--pty",
    is_flag=False,
    flag_value="",
    metavar="[LINK]",
    help="Serve a pseudo-terminal; LINK is a symbolic link to it.  The default.",
)
@click.option("--ap", "aps", multiple=True, metavar="HOTSPOT", help=HOTSPOT)
@click.option(
    "--map",
    "routes",
    multiple=True,
    metavar="HOST:PORT=HOST:PORT",
    help="What the module means to send to the first goes to the second; may be repeated.",
)
@click.option("--baud", type=click.IntRange(1200, 2_000_000), metavar="N", help=f"Bit rate, {POWER_UP} by default.")
@click.option("--unpaced", is_flag=True, help="As fast as this machine can.")
@click.option(
    "--flow",
    type=click.Choice(["rtscts", "none"]),
    default="rtscts",
    help="None: a busy module loses what does not fit its input, and counts it.",
)
@click.option("--dialect", type=click.Choice(list(DIALECTS)), default="manual", help="How the module speaks.")
@click.option(
    "--quirk",
    "quirks",
    type=click.Choice(list(QUIRKS)),
    metavar="NAME",
    multiple=True,
    help="One departure from the dialect, listed below; may be repeated.",
)
@click.option(
    "--fs",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Keep there what the module saves, and its files, for the next twin.",
)
@click.option(
    "--flash",
    type=click.IntRange(0, 16 << 20),
    metavar="BYTES",
    help=f"Room for all files of the module, {MANUAL.flash} by default.",
)
@click.option(
    "--seed", type=click.IntRange(min=1), metavar="N", help="Let signals vary, for each N in a way of its own."
)
@verbose_option("Log the wire, secrets masked; twice, all that the twin does.")
def sim(
    tcp: tuple[str, int] | None,
    pty: str | None,
    aps: tuple[str, ...],
    routes: tuple[str, ...],
    baud: int | None,
    unpaced: bool,
    flow: Flow,
    dialect: str,
    quirks: tuple[str, ...],
    fs: str | None,
    flash: int | None,
    seed: int | None,
) -> None:
    """Run the digital twin of the module until interrupted.

    Prints the URL of each place to plug in, one a line.  Any program may open them, by hand or by code; sockets that
    the twin opens are real.  Without --ap there is one hotspot, `hall`, with the password `open sesame`.

    A listener or UDP service that the module opens at port 7000 is reached at 127.0.0.1:7000 of this machine.
    """
    from fcm360w.errors import UsageError
    from fcm360w.sim import DEFAULT_AP, Twin, parse_access_points, parse_routes

    if baud and unpaced:
        raise click.UsageError("--baud and --unpaced exclude each other")
    if unpaced and flow == "none":
        raise click.UsageError("--flow none needs a paced line: an unpaced one cannot be overrun")
    try:
        reach = parse_access_points(aps) if aps else (DEFAULT_AP,)
        places = parse_routes(routes)
    except ValueError as error:
        raise UsageError(str(error)) from error
    rate = None if unpaced else baud or POWER_UP
    place = pty or True if pty is not None or tcp is None else None
    spoken = find_dialect(dialect, quirks)
    spoken = spoken if flash is None else replace(spoken, flash=flash)
    _serve(Twin(reach, baud=rate, dialect=spoken, tcp=tcp, pty=place, fs=fs, seed=seed, flow=flow, routes=places))


def _serve(twin: Twin) -> None:
    """Run until somebody ends it: by hand, as a service, or by closing the terminal."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := vars(signal).get(name):
            signal.signal(number, _interrupt)
    try:
        _bind(twin)
        for url in twin.urls:
            click.echo(url)
        twin.serve()
    except KeyboardInterrupt:
        return
    finally:
        twin.stop()
    raise RuntimeError("the twin ended by itself")


def _bind(twin: Twin) -> None:
    from fcm360w.errors import TransportUnavailable, UsageError

    try:
        twin.bind()
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        where = f" {error.filename2 or error.filename or ''}".rstrip()
        raise TransportUnavailable(f"cannot serve{where}: {error.strerror or error}") from error


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
