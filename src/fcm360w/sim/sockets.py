"""The module's twelve socket ids: which are in use, and what is told of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol, TypeVar

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tcp import (
    Access,
    AutoAccept,
    Incoming,
    IncomingFull,
    Open,
    PassiveClosed,
    Service,
    SocketState,
)
from fcm360w.settings import Setting
from fcm360w.sim.dialect import Dialect
from fcm360w.sim.endpoints import Client, Listener, Socket, UdpClient, UdpService
from fcm360w.sim.network import Connection, Network
from fcm360w.sim.steps import Refused
from fcm360w.wire import Reply

__all__ = ["IDS", "Owner", "Sockets"]

S = TypeVar("S", bound=Setting)

IDS = range(12)
MAX_PENDING = 12


class Owner(Protocol):
    """Whose sockets they are."""

    dialect: Dialect

    def setting(self, row: type[S]) -> S:
        """The value of an option."""
        ...

    def notify(self, line: Reply) -> bool:
        """Queue a line that nobody asked for.  False: there is no room, it will not be said."""
        ...

    def holds(self, length: int) -> int:
        """Bytes that received data of this length on the wire stand for."""
        ...


@dataclasses.dataclass
class Counts:
    """Of sockets: bytes at most, clients at most, and what was lost."""

    send_high_water: int = 0
    receive_high_water: int = 0
    clients_waiting_high_water: int = 0
    clients_turned_away: int = 0
    datagrams_dropped: int = 0

    def add(self, socket: Socket) -> None:
        self.send_high_water = max(self.send_high_water, socket.send_high_water)
        self.receive_high_water = max(self.receive_high_water, socket.inbox.high_water)
        self.datagrams_dropped += socket.inbox.dropped


class Sockets:
    """All ids.  TLS connections share them with the others, but not the commands, and are asked for as `secure`."""

    def __init__(self, network: Network, owner: Owner) -> None:
        self._network = network
        self._owner = owner
        self._used: dict[int, Socket] = {}
        self.last_transparent: Socket | None = None
        self._counts = Counts()

    # ---- looking up ----

    def every(self) -> list[Socket]:
        """The ids in use, ascending."""
        return [self._used[number] for number in sorted(self._used)] if self._used else []

    def _place(self, number: int, secure: bool) -> int:
        return number + len(IDS) if secure and self._owner.dialect.separate_ids else number

    def holder(self, number: int, *, secure: bool = False) -> Socket | None:
        """Whoever has an id that a new socket of this sort would need."""
        return self._used.get(self._place(number, secure))

    def find(self, number: int, *, secure: bool = False) -> Socket | None:
        socket = self.holder(number, secure=secure)
        return socket if socket and socket.secure is secure else None

    def get(self, number: int, *, secure: bool = False) -> Socket:
        """The socket of an id.  Refused if the id is not in use, or by one of the other sort."""
        socket = self.holder(number, secure=secure)
        if socket is None:
            raise Refused(SocketCode.CLOSED)
        if socket.secure is not secure:
            raise Refused(SocketCode.NOT_ALLOWED)
        return socket

    def carrier(self, number: int, *, secure: bool = False) -> Socket:
        """A socket that data come from and go to.  Refused if it is a listener, or not open yet."""
        socket = self.get(number, secure=secure)
        if isinstance(socket, Listener):
            raise Refused(SocketCode.NOT_ALLOWED)
        if socket.state is SocketState.OPENING:
            raise Refused(SocketCode.BUSY)
        return socket

    def client(self, number: int, *, secure: bool = False) -> Client:
        """A socket that is connected to one peer.  Refused if it is of another kind, or not connected."""
        socket = self.carrier(number, secure=secure)
        if not isinstance(socket, Client):
            raise Refused(SocketCode.NOT_ALLOWED)
        if not socket.connected:
            raise Refused(SocketCode.CLOSED)
        return socket

    def service(self, number: int) -> UdpService:
        """A service that works.  Refused if it is something else, or has lost its network."""
        socket = self.carrier(number)
        if not isinstance(socket, UdpService):
            raise Refused(SocketCode.NOT_ALLOWED)
        if not socket.connected:
            raise Refused(SocketCode.CLOSED)
        return socket

    def listener(self, number: int) -> Listener:
        """A port where clients come in.  Refused if it is something else."""
        socket = self.get(number)
        if not isinstance(socket, Listener):
            raise Refused(SocketCode.NOT_ALLOWED)
        return socket

    def free_id(self) -> int | None:
        """The id that the next client gets; None if all are in use."""
        order = IDS if self._owner.dialect.incoming_low else reversed(IDS)
        return next((number for number in order if number not in self._used), None)

    # ---- beginning and end ----

    def open(self, command: Open, done: Callable[[Socket], None]) -> Socket:
        """Occupy the id and begin; `done` is told when that has come to an end, perhaps before this returns."""
        return self.begin(self._made(command), command, done)

    def begin(self, socket: Socket, command: Open, done: Callable[[Socket], None]) -> Socket:
        """As open, for a socket that is made already."""

        def settled(code: SocketCode) -> None:
            socket.failure = code
            if code:
                self.free(socket)
            done(socket)

        self._used[self._place(socket.id, socket.secure)] = socket
        socket.begin(self._network, command, settled)
        return socket

    def _made(self, command: Open) -> Socket:
        number, service, access = command.connect_id, command.service_type, command.access_mode
        if service is Service.LISTENER:
            return Listener(number, access, self._arrived)
        if service is Service.UDP_SERVICE:
            return UdpService(number, access)
        return UdpClient(number, access) if service is Service.UDP else Client(number, access)

    def free(self, socket: Socket) -> None:
        """Give the id back."""
        socket.release()
        socket.state = SocketState.INITIAL
        if self.holder(socket.id, secure=socket.secure) is socket:
            self._counts.add(socket)
            del self._used[self._place(socket.id, socket.secure)]
            self.last_transparent = None if self.last_transparent is socket else self.last_transparent

    def reset(self) -> None:
        """Drop everything, silently."""
        for socket in self.every():
            self.free(socket)
        self.last_transparent = None

    def lose(self, *, servers: bool = True) -> None:
        """The Wi-Fi is gone, and every connection; listeners and services too, unless the module has another role."""
        for socket in self.every():
            if (servers or isinstance(socket, Client)) and not socket.abandon():
                socket.lose()

    # ---- clients that come in ----

    def _arrived(self, listener: Listener, connection: Connection) -> None:
        if len(listener.pending) == MAX_PENDING:
            self._turn_away(connection)
            return
        listener.pending.append(connection)
        self._counts.clients_waiting_high_water = max(self._counts.clients_waiting_high_water, len(listener.pending))
        self._let_in(listener)

    def _let_in(self, listener: Listener) -> None:
        """Accept everybody who waits, if the host need not be asked."""
        while listener.pending and self._owner.setting(AutoAccept).state:
            number = self.free_id()
            if number is None:
                self._turn_away(listener.pending.popleft())
            else:
                self._admit(listener, number)

    def _turn_away(self, connection: Connection) -> None:
        connection.close()
        self._counts.clients_turned_away += 1
        self._owner.notify(IncomingFull())

    def _admit(self, listener: Listener, number: int) -> Client | None:
        """Give the client that has waited longest an id.  One of whom the host cannot be told is turned away."""
        connection = listener.pending.popleft()
        if not self._owner.notify(Incoming(number, listener.id, connection.peer, connection.peer_port)):
            connection.close()
            self._counts.clients_turned_away += 1
            return None
        access = Access.BUFFER if self._owner.dialect.incoming_buffer else listener.access
        client = self._used[number] = Client.incoming(number, access, connection, listener.id)
        return client

    def accept(self, listener: Listener, number: int | None) -> Client:
        """Let the client in that has waited longest, under this id, or under one of our choice.  Refused if none is."""
        if number in self._used:
            raise Refused(SocketCode.ID_IN_USE)
        chosen = self.free_id() if number is None else number
        client = None if chosen is None else self._admit(listener, chosen)
        if client is None:
            raise Refused(SocketCode.ACCEPT_FAILED)
        return client

    # ---- as time passes ----

    def tick(self, now: float) -> None:
        """Complete closings that no command waits for."""
        for socket in self.every():
            if socket.close_until is not None and (socket.gone() or now >= socket.close_until):
                self.free(socket)
                self._owner.notify(socket.closed())

    def deadline(self, now: float) -> float | None:
        """The network does not tell when the peer has confirmed; it must be asked."""
        return now + 0.005 if any(socket.close_until is not None for socket in self._used.values()) else None

    def poll(self, busy: Socket | None) -> None:
        """Fetch what came in for every socket but `busy`, which has the serial port to itself, and report it."""
        for socket in self.every():
            if socket is busy or socket.closing:
                continue
            socket.fill()
            if isinstance(socket, Listener):
                self._let_in(socket)
            self._announce(socket)
            if socket.ended and (socket.access is Access.BUFFER or not len(socket.inbox)):
                self.report_end(socket)

    def _announce(self, socket: Socket) -> None:
        told = socket.queued or (socket.announced and socket.access is Access.BUFFER)
        if len(socket.inbox) and not told and socket.access is not Access.TRANSPARENT:
            socket.queued = True
            self._owner.notify(socket.received())

    def report_end(self, socket: Socket, *, silent: bool = False) -> None:
        """Say once, unless silent, that the peer has closed.  The id is free again if so configured and all is read."""
        if not socket.end_told:
            socket.end_told = True
            if not silent:
                self._owner.notify(socket.closed())
        if self._owner.setting(PassiveClosed).closed and not socket.secure and not len(socket.inbox):
            self.free(socket)

    def deliver(self, socket: Socket, room: Callable[[], bool], say: Callable[[Reply], None]) -> bool:
        """Push what a socket has received, or announce it.  False: the line has no room for all of it."""
        if socket.access is Access.PUSH:
            limit = socket.packet if socket.secure else self._owner.holds(socket.packet)
            while len(socket.inbox):
                if not room():
                    return False
                say(socket.received(socket.take(limit)))
        elif len(socket.inbox):
            socket.announced = True
            say(socket.received())
        socket.queued = False
        return True

    def stats(self) -> dict[str, int]:
        """High-water marks and losses of all sockets that were."""
        counts = dataclasses.replace(self._counts)
        for socket in list(self._used.values()):
            counts.add(socket)
        return dataclasses.asdict(counts)
