"""A twin without its loop: the link under an artificial clock, and a network in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.link import SimLink
from fcm360w.sim.module import Module
from fcm360w.sim.network import Connection, is_address

JOIN = b'AT+QSTAAPINFO="hall","open sesame"\r'
OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
CONNECT = b"\r\nCONNECT\r\n"


class MemoryConnection:
    """A connection whose peer is the test."""

    def __init__(self, peer: str = "10.0.0.9", peer_port: int = 8009, local_port: int = 49152) -> None:
        self.peer = peer
        self.peer_port = peer_port
        self.local_port = local_port
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

    def send(self, data: bytes) -> None:
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


class MemoryDatagrams:
    """A UDP socket of the module; the test is everybody else."""

    def __init__(self, network: MemoryNetwork, local_port: int) -> None:
        self.local_port = local_port
        self.sent: list[tuple[bytes, str, int]] = []
        self.full = False
        self._network = network
        self._incoming: deque[tuple[bytes, str, int]] = deque()

    @property
    def readable(self) -> bool:
        return bool(self._incoming)

    def arrive(self, data: bytes, host: str = "10.0.0.9", port: int = 5000) -> None:
        self._incoming.append((data, host, port))

    def send(self, data: bytes, host: str, port: int) -> bool:
        if not self.full:
            self.sent.append((data, host, port))
        return not self.full

    def receive(self) -> tuple[bytes, str, int] | None:
        return self._incoming.popleft() if self._incoming else None

    def close(self) -> None:
        self._network.udp.pop(self.local_port, None)


class MemoryListening:
    """A port of the module where clients come in."""

    def __init__(self, network: MemoryNetwork, local_port: int, arrived: Callable[[Connection], None]) -> None:
        self.local_port = local_port
        self.arrived = arrived
        self._network = network

    def close(self) -> None:
        self._network.listening.pop(self.local_port, None)


class MemoryAttempt:
    def __init__(self, done: Callable[[Any], None], result: Callable[[], object]) -> None:
        self.done: Callable[[Any], None] | None = done
        self.result = result

    def cancel(self) -> None:
        self.done = None


class MemoryNetwork:
    """Connections and names succeed at the next tick, or end in `outcome`; None leaves them pending.

    `local` is what becomes of ports that are asked for; one that is taken is busy.
    """

    def __init__(self) -> None:
        self.outcome: SocketCode | None = SocketCode.SUCCESS
        self.local = SocketCode.SUCCESS
        self.connections: list[MemoryConnection] = []
        self.asked: list[tuple[str, int, int]] = []
        self.listening: dict[int, MemoryListening] = {}
        self.udp: dict[int, MemoryDatagrams] = {}
        self.names = {"example.org": "10.0.0.9"}
        self._attempts: list[MemoryAttempt] = []

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> MemoryAttempt:
        def result() -> MemoryConnection | SocketCode:
            if self.outcome:
                return self.outcome
            self.connections.append(MemoryConnection(self.names.get(host, host), port))
            return self.connections[-1]

        self.asked.append((host, port, local_port))
        return self._attempt(done, result)

    def resolve(self, host: str, done: Callable[[str], None]) -> MemoryAttempt:
        return self._attempt(done, lambda: host if is_address(host) else self.names.get(host, ""))

    def _attempt(self, done: Callable[[Any], None], result: Callable[[], object]) -> MemoryAttempt:
        self._attempts.append(MemoryAttempt(done, result))
        return self._attempts[-1]

    def listen(self, local_port: int, arrived: Callable[[Connection], None]) -> MemoryListening | SocketCode:
        if self.local or local_port in self.listening:
            return self.local or SocketCode.PORT_BUSY
        self.listening[local_port] = MemoryListening(self, local_port, arrived)
        return self.listening[local_port]

    def datagrams(self, local_port: int, *, client: bool = False) -> MemoryDatagrams | SocketCode:
        if self.local or local_port in self.udp:
            return self.local or SocketCode.PORT_BUSY
        port = local_port or next(port for port in range(49152, 65536) if port not in self.udp)
        self.udp[port] = MemoryDatagrams(self, port)
        return self.udp[port]

    def dial(self, local_port: int, peer_port: int = 51000) -> MemoryConnection:
        """A client comes in."""
        connection = MemoryConnection("10.0.0.9", peer_port, local_port)
        self.listening[local_port].arrived(connection)
        return connection

    def settle(self) -> None:
        while self._attempts and self.outcome is not None:
            attempt = self._attempts.pop(0)
            if attempt.done:
                attempt.done(attempt.result())


class Bench:
    """A module with a host and a network that the test plays.  `now` starts at 1000 s."""

    def __init__(self, dialect: Dialect = MANUAL, *, joined: bool = True, **more: Any) -> None:
        self.now = 1000.0
        self.network = MemoryNetwork()
        self.module = Module(self.network, dialect, **more)
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

    def secure(self, number: int = 4, access: int = 0, context: int = 0) -> MemoryConnection:
        """Open a TLS connection that is not secured, so that its peer is the test as well."""
        self.module.dialler.dial = (  # type: ignore[method-assign]
            lambda host, port, context, done: self.network.connect(host, port, 0, done)
        )
        self.host(b'AT+QSSLOPEN=%d,%d,"10.0.0.9",8010,%d\r' % (context, number, access))
        self.tick()
        return self.network.connections[-1]

    def udp(self, number: int = 3, access: int = 0) -> MemoryDatagrams:
        """Open a UDP client at port 4000 of the module."""
        self.host(b'AT+QIOPEN=%d,"UDP","10.0.0.9",5000,4000,%d\r' % (number, access))
        self.tick()
        return self.network.udp[4000]

    def service(self, number: int = 4, access: int = 0) -> MemoryDatagrams:
        """Open a UDP service at port 6000."""
        self.host(b'AT+QIOPEN=%d,"UDP SERVICE","127.0.0.1",0,6000,%d\r' % (number, access))
        return self.network.udp[6000]

    def listener(self, number: int = 1, access: int = 0) -> None:
        """Open a listener at port 7000."""
        self.host(b'AT+QIOPEN=%d,"TCP LISTENER","127.0.0.1",0,7000,%d\r' % (number, access))

    def dial(self, port: int = 51000) -> MemoryConnection:
        """A client comes in at port 7000; what the module says about it is for the next tick."""
        return self.network.dial(7000, port)
