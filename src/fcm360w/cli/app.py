"""The command group: which subcommands there are, and what becomes of their errors."""

from __future__ import annotations

from importlib import import_module

import rich_click as click
from click.exceptions import Exit

from fcm360w.cli import failures
from fcm360w.cli.options import verbosity

# Each is a module of this package that holds a command of the same name.  The summary stands here too, lest a list of
# the commands import them all.
SUMMARIES = {
    "demo": "Show the product at work, without hardware.",
    "sim": "Run the digital twin of the module until interrupted.",
    "at": "Type AT commands and see the raw answers.",
    "explain": "Say what a line, a command or a result code means.",
    "send": "Send a file through the module to a TCP server.",
    "recv": "Receive a file through the module from a TCP server.",
    "wifi": "Look for hotspots, join one, open one.",
    "mqtt": "Publish and receive messages through the module.",
    "files": "List the module's files, put some there, get them back.",
    "ota": "Let the module fetch new firmware and install it.",
    "ping": "Ask a host through the module whether it is there.",
    "dns": "Look a name up through the module.",
    "ble": "Offer a Bluetooth service through the module.",
    "http": "Send HTTP requests through the module.",
    "info": "Tell what the module says of itself.",
    "ports": "List serial ports and the kinds of URL.",
}


class Group(click.RichGroup):
    """Commands that are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known, rest = super().resolve_command(ctx, args)
        return name, known and load(known.name or ""), rest

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, Exit, click.Abort):
            raise
        except (KeyboardInterrupt, Exception) as error:
            ctx.exit(failures.report(error, verbosity(ctx) > 1))


def load(name: str) -> click.Command:
    """Import a subcommand."""
    command: click.Command = vars(import_module(f"fcm360w.cli.{name}"))[name]
    return command


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from fcm360w import __version__

        click.echo(f"fcm360w {__version__}")
        ctx.exit()


@click.group(
    cls=Group,
    commands={name: click.Command(name, short_help=summary) for name, summary in SUMMARIES.items()},
    context_settings={
        "help_option_names": ["-h", "--help"],
        "rich_help_config": {"max_width": 100},
    },
    epilog="Exit codes: 0 done, 1 refused by the module or not acknowledged, 2 usage, 3 transport, 4 time-out.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def app() -> None:
    """Host side of the Quectel FCM360W Wi-Fi/BLE module, and its digital twin.

    Without hardware, `fcm360w demo` shows it at work and `-p sim://` stands for a module.
    """
