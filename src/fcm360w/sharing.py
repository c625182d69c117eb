"""Sockets that share one link, without I/O: nobody holds it while it waits for a peer, so that none starves another."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from typing import Any, NamedTuple

from fcm360w.channel import Report
from fcm360w.commanded import FIRST_PAUSE, LAST_PAUSE, Commanded
from fcm360w.commands import tcp, tls
from fcm360w.commands.wifi import GetAddresses
from fcm360w.datagrams import Datagram, Datagrams
from fcm360w.errors import CommandError, Overrun, PeerClosed, UsageError
from fcm360w.listener import Listening
from fcm360w.steps import Steps
from fcm360w.turns import Turns, paused, perform

EPHEMERAL = 61000, 65535
End = Commanded | Listening | Datagrams


class Whereabouts(NamedTuple):
    """Both ends of a socket, as the module tells them; what it does not tell is empty or 0."""

    ip: str
    port: int
    remote_ip: str
    remote_port: int


def any_port() -> int:
    """Some port that most systems do not give to those that connect."""
    return random.randint(*EPHEMERAL)


def dotted(host: str) -> bool:
    """Whether a host is an IPv4 address, not a name."""
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


def received(channel: Commanded, buffer: memoryview, deadline: float | None) -> Turns[int]:
    """As receive_into; 0 once the connection has ended, whichever side ended it."""
    try:
        return (yield from channel.receive_into(buffer, deadline))
    except PeerClosed:
        return 0
    except UsageError:
        if channel.report:
            return 0
        raise


def sent(
    channel: Commanded, data: memoryview, deadline: float | None, turn_by: Callable[[], float | None]
) -> Turns[None]:
    """All of the data, a command each time; the time to wait for other commands is asked for each anew."""
    while data:
        data = data[(yield from channel.send_some(data, deadline, turn_by())) :]


def datagram(end: Datagrams, deadline: float | None) -> Turns[Datagram]:
    """The next datagram.  Those that were dropped are counted in the figures of the link, as by any system."""
    while True:
        with contextlib.suppress(Overrun):
            return (yield from end.receive(deadline))


def prefetch(end: End | None) -> Turns[bool]:
    """Have the truth about whether there is anything to receive; whether that took any time."""
    return (yield from end.prefetch()) if isinstance(end, Commanded) else False


def whereabouts(connect_id: int, secure: bool) -> Steps[Whereabouts]:
    """Where a socket is, and where its peer."""
    listing: Any = tls.ListConnections() if secure else tcp.ListSockets()
    found = [info for info in (yield from listing) if info.connect_id == connect_id]
    try:
        ip = (yield from GetAddresses()).ip
    except CommandError:
        ip = "0.0.0.0"
    if not found:
        return Whereabouts(ip, 0, "", 0)
    return Whereabouts(ip, found[0].local_port, found[0].ip_address, found[0].remote_port)


def parted(channel: Commanded, seconds: float) -> Turns[Report]:
    """Close, once the peer has acknowledged or after `seconds`.  Others use the link meanwhile."""
    link, pause, end, last = channel.link, FIRST_PAUSE, channel.link.now + seconds, 0.0
    while not (channel.report or channel.ended or channel.lost):
        count = yield from perform(link, channel.settled(0.0))
        if count is None:
            last = seconds  # only the module itself can wait
        if count is None or not count.unackedbytes or link.now >= end:
            break
        yield from paused(link, pause, end)
        pause = min(pause * 2, LAST_PAUSE)
    return (yield from channel.close(last))


def ended(end: End, seconds: float) -> Turns[None]:
    """Close whatever it is."""
    if isinstance(end, Commanded):
        yield from parted(end, seconds)
    else:
        yield from end.close()
