"""The command line.  Data goes to stdout, all else to stderr; failures.py has the exit codes.

Each subcommand is a module that is imported when it is run, so that help and errors of usage come at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit."""
    import signal
    import sys

    from fcm360w.cli.app import app
    from fcm360w.cli.failures import Code

    # Whoever ends the program by SIGTERM wants the module left in command mode too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Code.TERMINATED))
    app.main(prog_name="fcm360w")
