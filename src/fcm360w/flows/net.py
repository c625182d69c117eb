"""Ping a host, look a name up."""

from __future__ import annotations

from typing import NamedTuple

from fcm360w.commands.codes import SocketCode, describe
from fcm360w.commands.net import HostAddress, Ping, Pinged, PingSummary, Resolve, Resolved
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.steps import Steps, Until, forget
from fcm360w.wire import Reply

NAME_WAIT = 60.0  # for a name, as the manual has it for AT+QIDNSGIP
MARGIN = 2.0
ADDRESS_WAIT = 2.0
NOWHERE = (SocketCode.DNS_FAILED, SocketCode.DNS_BUSY, SocketCode.CONNECT_FAILED)  # before anything was sent


class PingResult(NamedTuple):
    """What became of echo requests, in the order of sending; times in ms, None if there was no reply."""

    replies: tuple[Pinged, ...]
    sent: int
    received: int
    lost: int
    minimum: int | None
    maximum: int | None
    average: int | None


class HostAddresses(NamedTuple):
    """The addresses of a name, dotted, and for how many seconds they hold."""

    addresses: tuple[str, ...]
    ttl: int


def ping(host: str, count: int = 4, timeout: int = 4) -> Steps[PingResult]:
    """Send echo requests, each with `timeout` s to be answered.  A host that answers none is no error.

    CommandError if there is no such name, or no network; CommandTimeout if the module says nothing more.
    """
    command = Ping(host, timeout, count)
    line = command.line()
    yield from forget(Pinged)
    yield from forget(PingSummary)
    yield from command
    replies: list[Pinged] = []
    wait = NAME_WAIT
    while len(replies) <= count:
        said = yield from Until(Reply, wait + timeout + MARGIN, _is_of_a_ping)
        if isinstance(said, PingSummary):
            return PingResult(tuple(replies), said.sent, said.rcvd, said.lost, *_times(said))
        if not isinstance(said, Pinged):
            break
        if not replies and said.ping_result in NOWHERE:
            raise CommandError(line, said.line(), *describe(said.ping_result), Ping.ref)
        replies.append(said)
        wait = 0.0
    if len(replies) < count:
        raise CommandTimeout(line, wait + timeout + MARGIN, Ping.ref)
    return PingResult(tuple(replies[:count]), count, 0, count, None, None, None)


def _is_of_a_ping(row: Reply) -> bool:
    return isinstance(row, (Pinged, PingSummary))


def _times(summary: PingSummary) -> tuple[int, int, int]:
    return summary.minimum, summary.maximum, summary.average


def resolve(name: str) -> Steps[HostAddresses]:
    """Look a name up.  CommandError if there is none; CommandTimeout if the module does not say."""
    command = Resolve(name)
    line = command.line()
    yield from forget(Resolved)
    yield from forget(HostAddress)
    yield from command
    result = yield from Until(Resolved, NAME_WAIT + MARGIN)
    if result is None:
        raise CommandTimeout(line, NAME_WAIT + MARGIN, Resolve.ref)
    if fault := result.fault():
        raise CommandError(line, result.line(), *fault, Resolve.ref)
    found: list[str] = []
    for _ in range(result.ip_count):
        address = yield from Until(HostAddress, ADDRESS_WAIT)
        if address is None:
            raise ProtocolError(
                f"{line}: {result.ip_count} addresses announced, {len(found)} said (manual {Resolve.ref})"
            )
        found.append(address.host_ip_addr)
    return HostAddresses(tuple(found), result.dns_ttl)
