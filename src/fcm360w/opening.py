"""Open a socket as a byte stream, or leave nothing behind."""

from __future__ import annotations

import contextlib

from fcm360w.channel import ACCESS, Channel, Mode
from fcm360w.commanded import Commanded
from fcm360w.errors import CommandError, CommandTimeout
from fcm360w.flows.sockets import connect
from fcm360w.link import Link
from fcm360w.steps import Steps
from fcm360w.transparent import Transparent
from fcm360w.turns import Turns, freed, perform, shielded


def open_channel(link: Link, host: str, port: int, mode: Mode) -> Turns[Channel]:
    """Open a socket as a stream.  What comes in one burst with the opening is the stream's already.

    If it is interrupted, the id is freed before that is told, which takes seconds if the module must be asked where
    it is; one that does not say is asked again before the next command.
    """
    made: list[Commanded] = []
    undoing: list[int] = []

    def claim(connect_id: int) -> None:
        if mode != "transparent":
            made.append(Commanded(link, connect_id, mode == "push"))

    def undo(connect_id: int) -> Steps[None]:
        undoing.append(connect_id)
        link.unclosed.add(connect_id)
        with contextlib.suppress(CommandError, CommandTimeout):
            yield from freed(link)

    try:
        opening = connect(host, port, ACCESS[mode], claim=claim, undo=undo)
        connect_id = yield from shielded(perform(link, opening), lambda: bool(undoing))
    except BaseException:
        for channel in made:
            channel.detach()
        raise
    return made[0] if made else Transparent(link, connect_id)
