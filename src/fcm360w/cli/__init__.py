"""The command line.  Data goes to stdout, all else to stderr; failures.py has the exit codes.

Each subcommand is a module that is imported when it is run, so that help and errors of usage come at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit."""
    import signal
    import sys

    from fcm360w.cli.app import app
    from fcm360w.cli.failures import Code, report

    # Whoever ends the program so, or closes its terminal, wants the module left in command mode too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Code.TERMINATED))
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(Code.HUNG_UP))
    try:
        try:
            app.main(prog_name="fcm360w")
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except OSError as error:  # what click itself printed
        sys.exit(report(error, trace=False))
