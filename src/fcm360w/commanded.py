"""Push and buffer mode: each piece is a command with a counted payload; other commands and sockets go on beside it."""

from __future__ import annotations

from fcm360w.channel import Channel
from fcm360w.commands.tcp import MAX_SEND
from fcm360w.errors import CommandError, SendTimeout
from fcm360w.inbox import Inbox
from fcm360w.link import Link
from fcm360w.turns import QueueTimeout, Turns, paused, perform

FIRST_PAUSE, LAST_PAUSE = 0.02, 0.5  # seconds between attempts to send to a module that has no room


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

    @property
    def ready(self) -> bool:
        """Whether a receiver would not wait: bytes are here, or the end, or an error."""
        over = self._shut or (self.ended and not self._readable)
        return bool(self.inbox or self.dropped or self.lost or over or self.link.error)

    def prefetch(self) -> Turns[bool]:
        """One read of what the module has announced, so that it is known whether there is anything; if it took any."""
        if not self._readable or self.ready:
            return False
        yield from self._fetch(None)
        return True

    def send(self, data: memoryview, deadline: float | None) -> Turns[None]:
        size = len(data)
        while data:
            try:
                data = data[(yield from self.send_some(data, deadline, deadline)) :]
            except (QueueTimeout, SendTimeout) as error:
                raise SendTimeout(size - len(data)) from error
            if data and not self.ended and self.expired(deadline):
                raise SendTimeout(size - len(data))

    def send_some(self, data: memoryview, deadline: float | None, turn_by: float | None) -> Turns[int]:
        """As many bytes as one command carries; how many.

        Until the module has room for them, which is SendTimeout at the deadline.  QueueTimeout if other commands take
        until `turn_by`.  Others use the link between two attempts.
        """
        pause = FIRST_PAUSE
        while True:
            yield from self._alive()
            piece = bytes(data[: MAX_SEND // 2 if self.link.doubled_sent else MAX_SEND])
            if (yield from self._send_piece(piece, turn_by)):
                self.sent += len(piece)
                return len(piece)
            if not self.ended:
                if self.expired(deadline):
                    raise SendTimeout(0)
                yield from paused(self.link, pause, deadline)
                pause = min(pause * 2, LAST_PAUSE)

    def _send_piece(self, piece: bytes, deadline: float | None) -> Turns[bool]:
        command = self.explained(self.sending(piece))
        try:
            return (yield from perform(self.link, command, deadline=deadline))
        except CommandError as error:
            self._refused(error)
            return False
