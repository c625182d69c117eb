"""Open a connection as a byte stream."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fcm360w.channel import ACCESS, Channel, Mode
from fcm360w.commanded import Commanded
from fcm360w.commands.tcp import Access, Service
from fcm360w.contexts import Context
from fcm360w.flows.sockets import connect
from fcm360w.flows.tls import connect_secure
from fcm360w.holder import Holder, opened
from fcm360w.link import Link
from fcm360w.secured import SecureCommanded, SecureHolder, SecureTransparent
from fcm360w.steps import Steps
from fcm360w.transparent import Transparent
from fcm360w.turns import Turns


def open_channel(link: Link, host: str, port: int, mode: Mode, tls: Context | None = None) -> Turns[Channel]:
    """Open a stream, under TLS if there is a context.  What comes in one burst with the opening is the stream's."""
    if tls:
        tls.check(link)
        return _open_secure(link, host, port, mode, tls)
    return _open_plain(link, host, port, mode)


def _open_plain(link: Link, host: str, port: int, mode: Mode) -> Turns[Channel]:
    peer = host, port
    opening = partial(connect, host, port, ACCESS[mode], Service.TCP, taken=link.secure)
    if mode == "transparent":
        place = yield from opened(link, opening, lambda connect_id: Holder(link, connect_id))
        place.detach()
        return Transparent(link, place.connect_id, peer)
    return (yield from opened(link, opening, lambda connect_id: Commanded(link, connect_id, mode == "push", peer)))


def _open_secure(link: Link, host: str, port: int, mode: Mode, tls: Context) -> Turns[Channel]:
    peer, push = (host, port), mode == "push"
    opening = partial(_connect_secure, link, tls, host, port, ACCESS[mode])
    if mode == "transparent":
        place = yield from opened(link, opening, lambda connect_id: SecureHolder(link, connect_id))
        place.detach()
        return SecureTransparent(link, place.connect_id, peer)
    return (yield from opened(link, opening, lambda connect_id: SecureCommanded(link, connect_id, push, peer)))


def _connect_secure(
    link: Link,
    tls: Context,
    host: str,
    port: int,
    access: Access,
    claim: Callable[[int], object],
    undo: Callable[[int], Steps[None]],
) -> Steps[int]:
    number = yield from tls.ready()
    return (yield from connect_secure(number, host, port, access, tls.handshake, claim, undo, link.secure))
