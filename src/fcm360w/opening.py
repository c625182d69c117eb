"""Open a TCP connection as a byte stream."""

from __future__ import annotations

from functools import partial

from fcm360w.channel import ACCESS, Channel, Mode
from fcm360w.commanded import Commanded
from fcm360w.commands.tcp import Service
from fcm360w.flows.sockets import connect
from fcm360w.holder import Holder, opened
from fcm360w.link import Link
from fcm360w.transparent import Transparent
from fcm360w.turns import Turns


def open_channel(link: Link, host: str, port: int, mode: Mode) -> Turns[Channel]:
    """Open a stream.  What comes in one burst with the opening is the stream's already."""
    peer = host, port
    opening = partial(connect, host, port, ACCESS[mode], Service.TCP)
    if mode == "transparent":
        place = yield from opened(link, opening, lambda connect_id: Holder(link, connect_id))
        place.detach()
        return Transparent(link, place.connect_id, peer)
    return (yield from opened(link, opening, lambda connect_id: Commanded(link, connect_id, mode == "push", peer)))
