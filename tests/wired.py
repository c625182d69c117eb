"""A module's port over a socket pair, and a thread at its other end that answers as a script says."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fcm360w.module import Module
from fcm360w.ports import OpenPort
from fcm360w.steps import EscapePolicy
from scripted import CONNECT, OK, Script

if TYPE_CHECKING:
    from typing_extensions import Buffer

PATIENCE = 20.0  # seconds; what takes longer has hung
# Pauses are real here, so they are short; but an answer is waited for however long it takes on a busy machine.
QUICK = EscapePolicy(guard_before=0.02, guard_after=0.02, slack=0.02, hold=0.005, answer=PATIENCE)
HASTY = QUICK._replace(answer=0.1)


class SocketPort:
    """One end of a socket pair."""

    url = "pair://"
    baud: int | None = None
    slack = 0.01
    capabilities = frozenset({"fileno"})

    def __init__(self, end: socket.socket, descriptor: bool = True) -> None:
        self._end = end
        self._descriptor = descriptor
        end.setblocking(False)

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        try:
            count = self._end.recv_into(buffer)
        except BlockingIOError:
            return 0
        if not count:
            raise ConnectionResetError(errno.ECONNRESET, "the other end is closed")
        return count

    def write(self, data: Buffer, timeout: float | None) -> int:
        try:
            return self._end.send(data)
        except BlockingIOError:
            return 0

    def fileno(self) -> int:
        return self._end.fileno() if self._descriptor else -1

    def close(self) -> None:
        self._end.close()


class Peer(threading.Thread):
    """The module's end: lines are answered by the script; after CONNECT bytes are kept, until a lone `+++`."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__(daemon=True)
        self.script = Script()
        self.on = self.script.on
        self.got = bytearray()
        self.lines = bytearray()
        self.raw = False
        self._end = end
        self._changed = threading.Condition()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._end.recv(65536):
                with self._changed:
                    replies = self._take(data)
                    self._changed.notify_all()
                for reply in replies:
                    self._end.sendall(reply)

    def _take(self, data: bytes) -> list[bytes]:
        if self.raw and data == b"+++":
            self.raw = False
            return [OK]
        if self.raw:
            self.got += data
            return []
        self.lines += data
        replies = [said for said in self.script.hear(data) if isinstance(said, bytes)]
        self.raw = any(CONNECT in reply for reply in replies)
        return replies

    def say(self, data: bytes) -> None:
        self._end.sendall(data)

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until what has been heard makes something true."""
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE)

    def hang_up(self) -> None:
        """Close the pair; this thread ends."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        if self.is_alive():
            self.join(PATIENCE)
        self._end.close()


@contextlib.contextmanager
def pair(descriptor: bool = True) -> Iterator[tuple[OpenPort, Peer]]:
    """A port and its peer."""
    ours, theirs = socket.socketpair()
    peer = Peer(theirs)
    peer.start()
    try:
        yield OpenPort(SocketPort(ours, descriptor)), peer
    finally:
        peer.hang_up()
        ours.close()


@contextlib.contextmanager
def wired(descriptor: bool = True, policy: EscapePolicy = QUICK) -> Iterator[tuple[Module, Peer]]:
    """A module in command mode and its peer."""
    with pair(descriptor) as (port, peer):
        module = Module(port, policy)
        try:
            yield module, peer
        finally:
            peer.hang_up()
            with contextlib.suppress(OSError):
                module.close()


def expect_open(peer: Peer, mode: int, connect_id: int = 0) -> None:
    """What a module says when a stream is opened."""
    peer.on("AT+QISTATE", OK)
    opened = CONNECT if mode == 2 else OK + b"\r\n+QIOPEN: %d,0\r\n" % connect_id
    peer.on(f'AT+QIOPEN={connect_id},"TCP","h",80,0,{mode}', opened)


def expect_close(peer: Peer, sent: int, acknowledged: int | None = None, connect_id: int = 0) -> None:
    """What a module says when a stream is closed."""
    acked = sent if acknowledged is None else acknowledged
    count = b"\r\n+QISEND: %d,%d,%d\r\n" % (sent, acked, sent - acked) + OK
    peer.on(f"AT+QISEND={connect_id},0", count, always=True)
    peer.on("AT", OK, always=True)  # in case an answer came too late on a busy machine
    for seconds in (1, 10):
        peer.on(f"AT+QICLOSE={connect_id},{seconds}", OK, always=True)


class Worker(threading.Thread):
    """Calls something in a thread; `result` joins it, within bounds, and returns or raises."""

    def __init__(self, act: Callable[[], object], start: bool = True) -> None:
        super().__init__(daemon=True)
        self._act = act
        self._value: object = None
        self._error: BaseException | None = None
        if start:
            self.start()

    def run(self) -> None:
        try:
            self._value = self._act()
        except BaseException as error:
            self._error = error

    def result(self) -> object:
        self.join(PATIENCE)
        assert not self.is_alive(), "it hangs"
        if self._error:
            raise self._error
        return self._value
