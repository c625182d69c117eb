"""`fcm360w ota`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.options import output_options, password_option, port_option

if TYPE_CHECKING:
    from fcm360w.flows.system import UpgradeStage


@click.command(epilog="Example: fcm360w ota http://10.0.0.9/new.rbl -p /dev/ttyUSB0 --ssid hall")
@click.argument("firmware", metavar="URL")
@port_option
@click.option("--ssid", help="Join this hotspot first.  Without it the module must be joined.")
@password_option()
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when the module has not begun to install it by then.",
)
@output_options
def ota(firmware: str, url: str, ssid: str | None, password: str | None, timeout: float, as_json: bool) -> None:
    """Let the module fetch new firmware from URL and install it, and tell the version that runs then.

    Exit code 1 if it cannot be downloaded; the old firmware runs on.  Do not take the power away meanwhile.
    """
    import fcm360w
    from fcm360w.cli.tables import show_pairs

    with fcm360w.open(url) as module:
        if ssid:
            module.wifi.join(ssid, password)
        before = module.system.version()
        with _stages() as show:
            after = module.system.upgrade(firmware, timeout, show)
    if as_json:
        click.echo(json.dumps({"before": before, "after": after}))
        return
    show_pairs([("Before", before), ("Now", after)])


@contextmanager
def _stages() -> Iterator[Callable[[UpgradeStage], None]]:
    """A bar of four parts, if somebody can see it; else one line a stage."""
    from fcm360w.cli.screen import say, stderr

    console = stderr()
    if not console.is_terminal:
        yield lambda stage: say(stage.value)
        return
    from rich import progress as bars

    from fcm360w.flows.system import UpgradeStage

    columns = (bars.SpinnerColumn(), bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TimeElapsedColumn())
    with bars.Progress(*columns, console=console, transient=True) as live:
        task = live.add_task("asking", total=len(UpgradeStage))
        yield lambda stage: live.update(task, description=stage.value, completed=list(UpgradeStage).index(stage) + 1)
