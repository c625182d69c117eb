"""A UDP client's socket, which knows one peer, made to look like a connection."""

from __future__ import annotations

from collections import deque

from fcm360w.sim.network import Datagrams

__all__ = ["UdpConnection"]

SEND_BUFFER = 64 * 1024
BURST = 256


class UdpConnection:
    """Each send() is a datagram, each receive() returns one.  Nothing is acknowledged, and there is no end to wait for.

    What others than the peer send is ignored.
    """

    def __init__(self, datagrams: Datagrams, peer: str, port: int) -> None:
        self.accepted = 0
        self.high_water = 0
        self.peer = peer
        self.peer_port = port
        self.local_port = datagrams.local_port
        self._datagrams = datagrams
        self._backlog: deque[bytes] = deque()
        self._waiting = 0

    @property
    def readable(self) -> bool:
        return self._datagrams.readable

    def room(self) -> int:
        self._drain()
        return max(0, SEND_BUFFER - self._waiting)

    def send(self, data: bytes) -> None:
        self.accepted += len(data)
        self._backlog.append(data)
        self._waiting += len(data)
        self._drain()
        self.high_water = max(self.high_water, self._waiting)

    def _drain(self) -> None:
        while self._backlog and self._datagrams.send(self._backlog[0], self.peer, self.peer_port):
            self._waiting -= len(self._backlog.popleft())

    def receive(self, limit: int) -> bytes:
        """One datagram, however long; empty if none has come."""
        self._drain()
        for _ in range(BURST):
            found = self._datagrams.receive()
            if found is None:
                break
            data, host, port = found
            if data and (host, port) == (self.peer, self.peer_port):
                return data
        return b""

    def outstanding(self) -> int:
        return self._waiting

    def finish(self) -> None:
        self._drain()

    def finished(self) -> bool:
        return True

    def close(self) -> None:
        self._datagrams.close()
