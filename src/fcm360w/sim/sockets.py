"""The module's twelve socket ids: what each holds, and how received bytes wait for the host."""

from __future__ import annotations

from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tcp import Access, Closed, Open, Received, SocketInfo, SocketState
from fcm360w.sim.network import Attempt, Connection, Network
from fcm360w.sim.steps import Refused
from fcm360w.wire import Reply

__all__ = ["RECEIVE_BUFFER", "Packer", "Socket", "Sockets"]

RECEIVE_BUFFER = 32 * 1024


class Socket:
    """One id in use.  `ended`: the peer has closed and nothing more will come.  `closing`: the host has."""

    def __init__(self, command: Open) -> None:
        self.id = command.connect_id
        self.service = command.service_type
        self.remote_port = command.remote_port
        self.access = command.access_mode
        self.state = SocketState.OPENING
        self.connection: Connection | None = None
        self.attempt: Attempt | None = None
        self.failure = SocketCode.SUCCESS
        self.inbox = bytearray()
        self.received = 0
        self.ended = False
        self.announced = False
        self.end_told = False
        self.closing = False
        self.close_until: float | None = None
        self.settle: Callable[[Connection | SocketCode], None] = lambda result: None
        self._sent = (0, 0)

    @property
    def connected(self) -> bool:
        return self.state is SocketState.CONNECTED

    def info(self) -> SocketInfo:
        link = self.connection
        peer, port = (link.peer, link.local_port) if link else ("0.0.0.0", 0)
        return SocketInfo(self.id, self.service, peer, self.remote_port, port, self.state, self.id, self.access)

    def sent(self) -> tuple[int, int]:
        """Bytes sent in all, and of them those not acknowledged."""
        link = self.connection
        return (link.accepted, link.outstanding()) if link else self._sent

    def take(self, limit: int) -> bytes:
        """Remove received bytes for the host, the oldest first."""
        if not self.inbox:
            return self._receive(limit)
        data = bytes(self.inbox[:limit])
        del self.inbox[:limit]
        self.announced = self.announced and bool(self.inbox)
        return data

    def waiting(self) -> bool:
        """Whether there may be bytes to take."""
        return bool(self.inbox) or (self.connection is not None and self.connection.readable and not self.ended)

    def fill(self) -> None:
        """Fetch what the network has, as far as there is room."""
        while data := self._receive(RECEIVE_BUFFER - len(self.inbox)):
            self.inbox += data

    def _receive(self, limit: int) -> bytes:
        link = self.connection
        if link is None or self.ended or not link.readable or limit <= 0:
            return b""
        data = link.receive(limit)
        if data is None:
            self.ended = True
            self.state = SocketState.CLOSING
            return b""
        self.received += len(data)
        return data

    def release(self) -> None:
        """Let go of the network; the counts remain."""
        self._sent = self.sent()
        if self.attempt:
            self.attempt.cancel()
        if self.connection:
            self.connection.close()
        self.attempt = self.connection = None


class Packer:
    """Gathers the bytes of transparent mode into packets of `size`; a smaller one goes after `wait` s of silence."""

    def __init__(self, size: int, wait: float) -> None:
        self._size = size
        self._wait = wait
        self._pending = b""
        self.deadline: float | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, data: bytes, now: float) -> bytes:
        """Add bytes; returns the packets that are full, as one piece."""
        gathered = self._pending + data if self._pending else data
        whole = len(gathered) if not self._wait else len(gathered) - len(gathered) % self._size
        self._pending = gathered[whole:]
        self.deadline = now + self._wait if self._pending else None
        return gathered[:whole]

    def flush(self) -> bytes:
        data, self._pending, self.deadline = self._pending, b"", None
        return data


class Sockets:
    """All ids.  `notify` is given the lines that report what happened.

    `frees_itself` tells whether the end of a connection frees its id.
    """

    def __init__(
        self, network: Network, notify: Callable[[Reply], None], frees_itself: Callable[[], bool] = lambda: False
    ) -> None:
        self._network = network
        self._notify = notify
        self._frees_itself = frees_itself
        self._used: dict[int, Socket] = {}
        self.last_transparent: int | None = None
        self.receive_high_water = 0
        self.send_high_water = 0

    def every(self) -> list[Socket]:
        """The ids in use, ascending."""
        return [self._used[number] for number in sorted(self._used)]

    def find(self, number: int) -> Socket | None:
        return self._used.get(number)

    def get(self, number: int) -> Socket:
        """The socket of an id; Refused if the id is not in use."""
        if number not in self._used:
            raise Refused(SocketCode.CLOSED)
        return self._used[number]

    def client(self, number: int) -> Socket:
        """A socket that can send; Refused otherwise."""
        socket = self.get(number)
        if not socket.connected:
            raise Refused(SocketCode.CLOSED)
        return socket

    def open(self, command: Open, done: Callable[[Socket], None]) -> Socket:
        """Occupy the id and start to connect; `done` is told when that has come to an end."""
        socket = Socket(command)

        def finished(result: Connection | SocketCode) -> None:
            socket.attempt = None
            if isinstance(result, SocketCode):
                socket.failure = result
                self.free(socket)
            else:
                socket.connection = result
                socket.state = SocketState.CONNECTED
            done(socket)

        socket.settle = finished
        self._used[socket.id] = socket
        socket.attempt = self._network.connect(command.host, command.remote_port, command.local_port, finished)
        return socket

    def free(self, socket: Socket) -> None:
        """Give the id back."""
        socket.state = SocketState.INITIAL
        if socket.connection:
            self.send_high_water = max(self.send_high_water, socket.connection.high_water)
        socket.release()
        if self._used.get(socket.id) is socket:
            del self._used[socket.id]
        if self.last_transparent == socket.id:
            self.last_transparent = None

    def shut(self, socket: Socket) -> Callable[[], bool]:
        """Begin an orderly end; the result tells whether it is complete."""
        socket.state = SocketState.CLOSING
        socket.closing = True
        if socket.attempt:
            socket.attempt.cancel()
            socket.attempt = None
        link = socket.connection
        if link is None:
            return lambda: True
        link.finish()
        return link.finished

    def reset(self) -> None:
        """Drop everything, silently."""
        for socket in self.every():
            self.free(socket)
        self.last_transparent = None

    def lose(self) -> None:
        """The Wi-Fi is gone, and every connection with it."""
        for socket in self.every():
            if socket.attempt:
                socket.attempt.cancel()
                socket.settle(SocketCode.CONNECT_FAILED)
                continue
            socket.ended = True
            socket.state = SocketState.CLOSING
            socket.release()

    def tick(self, now: float) -> None:
        """Complete closings that no command waits for."""
        for socket in self.every():
            link = socket.connection
            if socket.close_until is None:
                continue
            if link is None or link.finished() or now >= socket.close_until:
                self.free(socket)
                self._notify(Closed(socket.id))

    def deadline(self, now: float) -> float | None:
        """The kernel does not tell when the peer has confirmed; it must be asked."""
        return now + 0.005 if any(socket.close_until is not None for socket in self._used.values()) else None

    def poll(self, busy: Socket | None) -> None:
        """Fetch what came in for every socket but `busy`, which has the serial port to itself, and report it."""
        for socket in self.every():
            if socket is busy or socket.closing:
                continue
            socket.fill()
            self.receive_high_water = max(self.receive_high_water, len(socket.inbox))
            if socket.access is Access.BUFFER and socket.inbox and not socket.announced:
                socket.announced = True
                self._notify(Received(socket.id))
            if socket.ended and (socket.access is Access.BUFFER or not socket.inbox):
                self.report_end(socket)

    def report_end(self, socket: Socket, *, silent: bool = False) -> None:
        """Say once, unless silent, that the peer has closed; the id is free again if so configured."""
        if socket.end_told:
            return
        socket.end_told = True
        if not silent:
            self._notify(Closed(socket.id))
        if self._frees_itself():
            self.free(socket)
