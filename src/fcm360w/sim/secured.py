"""TLS over a connection of the network, by the standard library.  No I/O of its own, and it waits for nothing.

The handshake goes on whenever `step` is called; afterwards the connection is one like any other.
"""

from __future__ import annotations

import logging
import ssl
from collections import deque

from fcm360w.sim.network import Connection

__all__ = ["Handshake", "SecureConnection"]

log = logging.getLogger("fcm360w.sim")

READ = 16 * 1024
RECORD = 16 * 1024
OVERHEAD = 128  # of a record, with padding, for every suite there is
MARKS = 64  # records after which those that are acknowledged are forgotten, if nobody asks


class Wire:
    """A TLS machine between its connection below and whoever uses it."""

    def __init__(
        self, link: Connection, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None
    ) -> None:
        self.link = link
        self._into, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._into, self._out, server_hostname=name, session=session)

    def feed(self) -> bool:
        """Give the machine what has come.  False: nothing has."""
        if not self.link.readable:
            return False
        data = self.link.receive(READ)
        if data is None:
            self._into.write_eof()
        else:
            self._into.write(data)
        return data != b""

    def flush(self) -> None:
        """Send what the machine has to say."""
        if self._out.pending:
            self.link.send(self._out.read())


class Handshake:
    """The beginning.  Call `step` whenever something may have come, until it gives a connection.

    ssl.SSLError if the two cannot agree; the peer is told why by then.
    """

    def __init__(
        self, link: Connection, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None = None
    ) -> None:
        self._wire = Wire(link, context, name, session)

    @property
    def readable(self) -> bool:
        """Whether step() may get further."""
        return self._wire.link.readable

    def step(self) -> SecureConnection | None:
        """Say and hear what there is to say and hear now."""
        try:
            while True:
                try:
                    self._wire.tls.do_handshake()
                    return SecureConnection(self._wire)
                except ssl.SSLWantReadError:
                    self._wire.flush()
                    if not self._wire.feed():
                        return None
        finally:
            self._wire.flush()

    def close(self) -> None:
        self._wire.link.close()


class SecureConnection:
    """A TLS connection; sim.network.Connection is its contract.

    Each send() is a record of its own, and a packet; room() leaves some for what a record adds.  What is acknowledged
    is known by whole records.  `session` may be resumed with the same context, and was if it is `resumed`.  finish()
    says goodbye in TLS, which close() does not.
    """

    def __init__(self, wire: Wire) -> None:
        link = wire.link
        self.accepted = 0
        self.high_water = link.high_water
        self.peer, self.peer_port, self.local_port = link.peer, link.peer_port, link.local_port
        self._wire = wire
        self._more = True
        self._ended = self._finished = False
        self._marks: deque[tuple[int, int]] = deque()
        self._acknowledged = 0

    @property
    def session(self) -> ssl.SSLSession | None:
        return self._wire.tls.session

    @property
    def resumed(self) -> bool:
        return bool(self._wire.tls.session_reused)

    @property
    def agreed(self) -> tuple[str, str]:
        """Version and suite."""
        cipher = self._wire.tls.cipher()
        return self._wire.tls.version() or "", cipher[0] if cipher else ""

    @property
    def readable(self) -> bool:
        return not self._ended and (self._more or self._wire.link.readable)

    def room(self) -> int:
        room = self._wire.link.room()
        return max(0, room - OVERHEAD * (1 + room // RECORD))

    def send(self, data: bytes) -> None:
        self.accepted += len(data)
        view = memoryview(data)
        try:
            while view:
                view = view[self._wire.tls.write(view) :]
        except ssl.SSLError as error:
            self._fail(error)
        self._flush()
        self._marks.append((self._wire.link.accepted, self.accepted))
        if len(self._marks) % MARKS == 0:
            self.outstanding()

    def _flush(self) -> None:
        self._wire.flush()
        self.high_water = max(self.high_water, self._wire.link.high_water)

    def receive(self, limit: int) -> bytes | None:
        while not self._ended:
            try:
                data = self._wire.tls.read(limit)
            except ssl.SSLWantReadError:
                self._more = False
                if not self._wire.feed():
                    return b""
            except ssl.SSLError as error:
                self._fail(error)
            else:
                self._more = True
                self._ended = not data
                if data:
                    return data
            finally:
                self._flush()
        return None

    def _fail(self, error: ssl.SSLError) -> None:
        log.info("TLS with %s: %s", self.peer, error)
        self._ended = True

    def outstanding(self) -> int:
        link = self._wire.link
        arrived = link.accepted - link.outstanding()
        while self._marks and self._marks[0][0] <= arrived:
            self._acknowledged = self._marks.popleft()[1]
        return self.accepted - self._acknowledged

    def finish(self) -> None:
        if not self._finished:
            self._finished = self._ended = True
            try:
                self._wire.tls.unwrap()
            except (ssl.SSLError, ValueError) as error:  # the peer's goodbye is still to come, or never will
                log.debug("TLS with %s: %s", self.peer, error)
            self._flush()
        self._wire.link.finish()

    def finished(self) -> bool:
        return self._wire.link.finished()

    def close(self) -> None:
        self._wire.link.close()
