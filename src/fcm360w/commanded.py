"""Push and buffer mode: each piece is a command with a counted payload; other commands and sockets go on beside it."""

from __future__ import annotations

from fcm360w.channel import Channel
from fcm360w.commands.tcp import MAX_SEND
from fcm360w.errors import CommandError, SendTimeout
from fcm360w.inbox import Inbox
from fcm360w.link import Link
from fcm360w.steps import idle
from fcm360w.turns import QueueTimeout, Turns, perform


class Commanded(Channel):
    """A socket whose data come as unsolicited lines (`push`), or are read by command."""

    def __init__(self, link: Link, connect_id: int, push: bool, peer: tuple[str, int] = ("", 0)) -> None:
        super().__init__(link, connect_id, Inbox(link.marks["commanded_inbox"]), not push, peer)

    @property
    def push(self) -> bool:
        return not self.buffered

    @push.setter
    def push(self, push: bool) -> None:
        self.buffered = not push

    def send(self, data: memoryview, deadline: float | None) -> Turns[None]:
        pause, size = 0.02, len(data)
        while data:
            yield from self._alive()
            piece = bytes(data[: MAX_SEND // 2 if self.link.doubled_sent else MAX_SEND])
            try:
                if (yield from self._send_piece(piece, deadline)):
                    data, pause = data[len(piece) :], 0.02
                    self.sent += len(piece)
                else:
                    yield from perform(self.link, idle(pause), deadline=deadline)
                    pause = min(pause * 2, 0.5)
            except QueueTimeout as error:
                raise SendTimeout(size - len(data)) from error
            if data and not self.ended and self.expired(deadline):
                raise SendTimeout(size - len(data))

    def _send_piece(self, piece: bytes, deadline: float | None) -> Turns[bool]:
        command = self.explained(self.sending(piece))
        try:
            return (yield from perform(self.link, command, deadline=deadline))
        except CommandError as error:
            self._refused(error)
            return False
