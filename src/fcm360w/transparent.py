"""Transparent mode: the serial port is the stream, nothing else can run on the link, and the end is in-band."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fcm360w.channel import Channel, Report
from fcm360w.commands.tcp import Sent
from fcm360w.errors import CommandTimeout, GivenUp, SendTimeout, TransportLost, UsageError
from fcm360w.escape import Marker, Verdict
from fcm360w.flows.leave import confirm, leave, resume, step_out
from fcm360w.link import Link
from fcm360w.states import STREAMING, State
from fcm360w.steps import EscapePolicy, Steps
from fcm360w.turns import QueueTimeout, Turn, Turns, earlier, perform, shielded

R = TypeVar("R")


class Transparent(Channel):
    """The serial port as a stream.

    While it is suspended the module keeps what arrives, and pours it out when data mode goes on.  If the peer closes
    meanwhile, what is left is read as in buffer mode.
    """

    transparent = True

    def __init__(self, link: Link, connect_id: int, peer: tuple[str, int] = ("", 0)) -> None:
        assert link.data is not None
        self.data = link.data
        super().__init__(link, connect_id, link.data.inbox, False, peer)
        self._settling = self._holds = 0
        self._returning = False
        link.resumes = self

    @property
    def sent(self) -> int:  # type: ignore[override]
        return self.data.sent

    @property
    def received(self) -> int:
        return self.data.received

    @received.setter
    def received(self, count: int) -> None:
        self.data.received = count

    @property
    def dropped(self) -> int:
        return self.data.gap

    @dropped.setter
    def dropped(self, count: int) -> None:
        self.data.gap = count

    @property
    def _here(self) -> bool:
        """Whether the link's data mode is this stream's."""
        return self.link.data is self.data

    def _end(self, waiting: bool) -> None:
        """After NO CARRIER, or where nobody knows how data mode ended, there is nothing more to read in the module."""
        kept = self.data.end is Marker.OK
        super()._end(waiting and kept)
        self.buffered = kept

    def _direct(self, buffer: memoryview) -> memoryview | None:
        return buffer if self._here and self.link.in_place else None

    def send(self, data: memoryview, deadline: float | None) -> Turns[None]:
        size = len(data)
        while data:
            try:
                if self._doubtful:
                    yield from self._settle(deadline)
            except QueueTimeout as error:
                raise SendTimeout(size - len(data)) from error
            yield from self._alive()
            allowed, again = self._allowed(data)
            turned = yield Turn(write=data[:allowed] if allowed else None, deadline=earlier(again, deadline))
            data = data[turned.wrote :]
            if data and self.expired(deadline):
                raise SendTimeout(size - len(data))

    def _allowed(self, data: memoryview) -> tuple[int, float | None]:
        """How many bytes may be written now, and when to ask for more if the guard holds some back."""
        if not self._here or self.data.held or self.link.state is not State.DATA:
            return 0, None
        return self.link.may_send(data), self.data.guard.deadline

    # ---- whether the stream goes on

    @property
    def _doubtful(self) -> bool:
        """NO CARRIER was seen and silence has followed, or data mode was left and whoever did so was interrupted."""
        here, state = self._here, self.link.state
        if (here and state is State.DATA) or self.ended or self._shut or self._holds or self.link.error:
            return False
        silent = state is State.SUSPECT and self.data.watch.verdict is Verdict.SILENT
        return silent or state is State.LEAVING or not here

    def _settle(self, deadline: float | None) -> Turns[None]:
        """Find it out, unless somebody else sees to it."""
        if self._settling:
            return
        try:
            yield from self._undisturbed(self._confirm(), deadline)
        except CommandTimeout as error:
            if not (self.ended or isinstance(error, GivenUp)):
                raise
        yield Turn(deadline=self.link.now)

    def _undisturbed(self, flow: Steps[R], deadline: float | None = None) -> Turns[R]:
        """Perform a flow that moves the stream; nobody else tries to meanwhile."""
        self._settling += 1
        try:
            return (yield from shielded(perform(self.link, flow, deadline=deadline), lambda: self._returning))
        finally:
            self._settling -= 1

    def _confirm(self) -> Steps[None]:
        """Once it is this flow's turn, it is not interrupted."""
        if not self._doubtful:
            return
        self._returning = True
        try:
            if not self._here:
                yield from self._back()
            elif (yield from confirm(self.link.policy, self._back)):
                self._end(waiting=True)
        finally:
            self._returning = False

    def _back(self) -> Steps[bool]:
        """Return to data mode.  False: the stream has ended."""
        if self.data.end is Marker.OK and not self.ended and (yield from self._resumed()):
            assert self.link.data is not None
            self.link.data.adopt(self.data)
            self.data = self.link.data
            self.link.resumes = self
            self.ended = self.buffered = self._waiting = False  # whatever was said meanwhile, the end is in-band again
            return True
        self._end(waiting=True)
        return False

    @property
    def _alone(self) -> bool:
        """Whether ATO can lead to no other socket."""
        return self.link.resumes is self and self.link.sinks == [self.take]

    def _resumed(self) -> Steps[bool]:
        """Whether data mode goes on.  If there is no answer nobody knows, and the stream has ended."""
        try:
            return (yield from self._returned())
        except (UsageError, TransportLost):
            raise
        except BaseException:
            self._end(waiting=False)
            raise

    def _returned(self) -> Steps[bool]:
        return resume(self.connect_id, self._alone)

    # ---- leaving, for a while or for good

    def verify(self) -> Turns[Sent]:
        yield from self.suspend()
        try:
            sent = yield from super().verify()
        except GeneratorExit:
            self._holds -= 1
            raise
        except BaseException:
            yield from self.resume()
            raise
        yield from self.resume()
        return sent

    def suspend(self) -> Turns[None]:
        """Leave data mode until `resume` has been called as often.

        CommandTimeout if no escape is confirmed: then the stream goes on.
        """
        yield from self._undisturbed(self._stepped_out())

    def _stepped_out(self) -> Steps[None]:
        if not self.ended:
            self.check()
            if self._here:
                yield from self._left(step_out)
            elif self.data.end is not Marker.OK:
                self._end(waiting=False)
        self._holds += 1

    def _left(self, leaving: Callable[[EscapePolicy], Steps[bool]]) -> Steps[None]:
        """Leave data mode; nobody sends meanwhile, lest there be no silence."""
        data = self.data
        data.held = True
        try:
            left = yield from leaving(self.link.policy)
            if not left or data.end is not Marker.OK:
                self._end(waiting=False)
        finally:
            data.held = False

    def resume(self) -> Turns[None]:
        """Return to data mode, if nobody else keeps the stream suspended and the connection is still there.

        If there is no answer, which is CommandTimeout, the stream has ended.
        """
        self._holds -= 1
        yield from self._undisturbed(self._confirm())
        if not self.ended:
            self.link.check()

    def close(self, seconds: float) -> Turns[Report]:
        return (yield from self._undisturbed(self._closed(seconds)))

    def _closed(self, seconds: float) -> Steps[Report]:
        if self._here and not self.ended and self.link.state in STREAMING:
            self.data.closing = True
            try:
                yield from self._left(leave)
            finally:
                self.data.closing = False
        return (yield from self._finish(seconds))
