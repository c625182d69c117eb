"""The serial port while it belongs to a socket: the escape's silences on one side, packets on the other."""

from __future__ import annotations

from collections.abc import Iterable

from fcm360w.escape import Escape
from fcm360w.sim.endpoints import Client
from fcm360w.sim.packer import Packer
from fcm360w.sim.uart import Passage

__all__ = ["DataMode"]


class DataMode:
    """Passes the host's bytes on to the network until it escapes.  `passage` is told of every payload byte."""

    def __init__(self, socket: Client, packer: Packer, guard: float, passage: Passage, now: float) -> None:
        self.socket = socket
        self._packer = packer
        self._escape = Escape(guard, now)
        self._passage = passage
        self._heard = now
        self._deaf = False

    def room(self) -> int:
        """Bytes of the host that can be taken now."""
        link = self.socket.connection
        return max(0, link.room() - len(self._packer)) if link else 0

    def touch(self, now: float) -> None:
        """Nobody listened to the host until now, so no silence was observed."""
        self._escape.touch(now)

    def receive(self, data: bytes, now: float, byte_time: float) -> bool:
        """Take bytes, the last of which came at `now`.  True: they are not taken, an escape was complete before."""
        self._listen(now)
        out = self._escape.step(data, now)
        self._forward(b"+" * out.plus, self._heard, self._heard)
        self._forward(data[: out.forward], now - (len(data) - 1) * byte_time, now)
        self._heard = now
        return out.seen

    def tick(self, now: float) -> bool:
        """Let time pass.  True: an escape is complete."""
        if not self.room():
            self._deaf = True
        self._listen(now)
        seen = False
        if not self._deaf and self._escape.deadline is not None and now >= self._escape.deadline:
            out = self._escape.step(b"", now)
            self._forward(b"+" * out.plus, self._heard, self._heard)
            seen = out.seen
        if self._packer.deadline is not None and now >= self._packer.deadline:
            self._send(self._packer.flush())
        return seen

    def _listen(self, now: float) -> None:
        """Back-pressure kept the host from sending; what follows it follows no silence."""
        if self._deaf and self.room():
            self._deaf = False
            self._escape.touch(now)

    def deadline(self) -> float | None:
        times = (None if self._deaf else self._escape.deadline, self._packer.deadline)
        return min((at for at in times if at is not None), default=None)

    def finish(self) -> None:
        """The mode ends: whatever was held back goes out.  After an escape that is no plus sign."""
        self._forward(b"+" * self._escape.held, self._heard, self._heard)
        self._send(self._packer.flush())

    def _forward(self, data: bytes, first: float, last: float) -> None:
        if data:
            self._passage.add(len(data), first, last)
            self._send(self._packer.put(data, last))

    def _send(self, packets: Iterable[bytes]) -> None:
        for packet in packets:
            if self.socket.connection:
                self.socket.connection.send(packet)
