"""The command line.  Data goes to stdout, all else to stderr; failures.py has the exit codes.

Each subcommand is a module that is imported when it is run, so that help and errors of usage come at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit."""
    from fcm360w.cli.app import app

    app.main(prog_name="fcm360w")
