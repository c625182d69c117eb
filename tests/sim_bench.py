"""A twin without its loop: the link under an artificial clock, and a network in memory."""

from __future__ import annotations

from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.link import SimLink
from fcm360w.sim.module import Module
from fcm360w.sim.network import Connection

JOIN = b'AT+QSTAAPINFO="hall","open sesame"\r'
OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
CONNECT = b"\r\nCONNECT\r\n"


class MemoryConnection:
    """A connection whose peer is the test."""

    peer = "10.0.0.9"
    peer_port = 8009
    local_port = 49152

    def __init__(self) -> None:
        self.readable = False
        self.accepted = 0
        self.high_water = 0
        self.sent: list[bytes] = []
        self.capacity = 65536
        self.unacknowledged = 0
        self.confirmed = True
        self.closed = False
        self.finishing = False
        self._incoming = bytearray()
        self._ended = False

    def arrive(self, data: bytes) -> None:
        self._incoming += data
        self.readable = True

    def end(self) -> None:
        self._ended = self.readable = True

    def room(self) -> int:
        return self.capacity

    def send(self, data: bytes) -> None:  # type: ignore[override]
        self.sent.append(bytes(data))
        self.accepted += len(data)

    def receive(self, limit: int) -> bytes | None:
        data = bytes(self._incoming[:limit])
        del self._incoming[:limit]
        self.readable = bool(self._incoming) or (self._ended and bool(data))
        return None if self._ended and not data else data

    def outstanding(self) -> int:
        return self.unacknowledged

    def finish(self) -> None:
        self.finishing = True

    def finished(self) -> bool:
        return self.confirmed

    def close(self) -> None:
        self.closed = True


class MemoryAttempt:
    def __init__(self, done: Callable[[Connection | SocketCode], None]) -> None:
        self.done: Callable[[Connection | SocketCode], None] | None = done

    def cancel(self) -> None:
        self.done = None


class MemoryNetwork:
    """Connections succeed at the next tick, or end in `outcome`; None leaves them pending."""

    def __init__(self) -> None:
        self.outcome: SocketCode | None = SocketCode.SUCCESS
        self.connections: list[MemoryConnection] = []
        self.asked: list[tuple[str, int, int]] = []
        self._attempts: list[MemoryAttempt] = []

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> MemoryAttempt:
        self.asked.append((host, port, local_port))
        self._attempts.append(MemoryAttempt(done))
        return self._attempts[-1]

    def settle(self) -> None:
        while self._attempts and self.outcome is not None:
            done = self._attempts.pop(0).done
            if done and self.outcome:
                done(self.outcome)
            elif done:
                self.connections.append(MemoryConnection())
                done(self.connections[-1])


class Bench:
    """A module with a host and a network that the test plays.  `now` starts at 1000 s."""

    def __init__(self, dialect: Dialect = MANUAL, *, joined: bool = True, baud: int | None = None) -> None:
        self.now = 1000.0
        self.network = MemoryNetwork()
        self.module = Module(self.network, dialect, baud=baud)
        self.link = SimLink(self.module, self.now)
        if joined:
            self.host(JOIN)
            self.wait(1.0)

    def host(self, data: bytes) -> bytes:
        """The host sends, all at this instant; returns what the module says to it."""
        self.link.receive(data, self.now)
        return self.tick()

    def tick(self) -> bytes:
        self.network.settle()
        self.link.tick(self.now)
        return b"".join(data for data, _ in self.link.data_to_send())

    def wait(self, seconds: float) -> bytes:
        """Let time pass, stopping at each deadline as the real loop does."""
        end, said = self.now + seconds, b""
        while (due := self.link.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            said += self.tick()
        self.now = end
        return said + self.tick()

    def open(self, number: int = 3, access: int = 0) -> MemoryConnection:
        """Open a socket and throw away what the module says about it."""
        self.host(b'AT+QIOPEN=%d,"TCP","10.0.0.9",8009,0,%d\r' % (number, access))
        self.tick()
        return self.network.connections[-1]
