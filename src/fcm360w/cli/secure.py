"""Options that say how a connection is secured, for all commands that can do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import rich_click as click

from fcm360w.cli.options import F

if TYPE_CHECKING:
    from fcm360w.contexts import Context
    from fcm360w.module import Module

UNSAID = "whose certificate is to be trusted? pass --ca FILE, or --insecure to trust any"


class Security(NamedTuple):
    """Whom to trust, and what to show: PEM files.  Without `ca` anybody is trusted."""

    ca: str | None
    cert: str | None
    key: str | None


@contextmanager
def secured(security: Security | None, module: Module) -> Iterator[Context | None]:
    """One of the module's TLS contexts, if one is wanted."""
    if security is None:
        yield None
        return
    with module.tls.context(security.ca, security.cert, security.key) as context:
        yield context


FILE = click.Path(exists=True, dir_okay=False)


def _pem(name: str, meaning: str) -> Any:
    return click.option(name, type=FILE, metavar="FILE", help=meaning)


trust_options = (
    click.option("--insecure", is_flag=True, help="Trust any server."),
    _pem("--key", "The private key to --cert, PEM."),
    _pem("--cert", "The client's own certificate, PEM."),
    _pem("--ca", "The authority that the server's certificate must come from, PEM."),
)
tls_option = click.option("--tls", "tls", is_flag=True, help="Secure the connection; --ca and --insecure do so, too.")


def trust(command: F) -> F:
    """``--ca``, ``--cert``, ``--key``, ``--insecure``: for a command whose URL says whether there is TLS."""
    for option in trust_options:
        command = option(command)
    return command


def tls_options(command: F) -> F:
    """``--tls`` and as `trust`."""
    return tls_option(trust(command))


def take(options: dict[str, Any], secure: bool | None = None) -> Security | None:
    """Take these options out of all of a command's; None if the connection is not to be secured.

    `secure` is what a URL says.  UsageError for what does not go together.
    """
    ca, cert, key = options.pop("ca"), options.pop("cert"), options.pop("key")
    insecure, wanted = options.pop("insecure"), options.pop("tls", False)
    given = [f"--{name}" for name, value in (("ca", ca), ("cert", cert), ("key", key), ("insecure", insecure)) if value]
    if secure is False and given:
        raise click.UsageError(f"{given[0]}: only an https URL is secured")
    if not (given or wanted or secure):
        return None
    _check(ca, cert, key, insecure)
    return Security(ca, cert, key)


def _check(ca: str | None, cert: str | None, key: str | None, insecure: bool) -> None:
    if bool(cert) != bool(key):
        raise click.UsageError("--cert and --key go together")
    if ca and insecure:
        raise click.UsageError("--ca and --insecure exclude each other")
    if cert and not ca:
        raise click.UsageError("--cert without --ca: the module shows a certificate only if it checks the server's")
    if not (ca or insecure):
        raise click.UsageError(UNSAID)
