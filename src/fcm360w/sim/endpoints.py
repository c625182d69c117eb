"""What a socket id can hold: a client, a listener, a service for datagrams."""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tcp import MAX_READ, Access, Closed, Open, Received, Service, SocketInfo, SocketState
from fcm360w.sim.inbox import DatagramInbox, Inbox, Piece, StreamInbox
from fcm360w.sim.network import Attempt, Connection, Datagrams, Listening, Network, is_address
from fcm360w.sim.udp import UdpConnection
from fcm360w.wire import Reply

__all__ = ["Client", "Listener", "Socket", "UdpClient", "UdpService"]

MAX_PUSH = 1460
BURST = 256

Settled = Callable[[SocketCode], None]


class Socket(abc.ABC):
    """One id in use.

    `packet` is how many bytes are pushed in one line at most; `taken` counts those that the host has got.  `queued`: a
    line about what was received waits to be said; `announced`: it was said, and the host has not emptied the inbox
    since.  `ended`: nothing more will come from the network, which `end_told` the host.  `closing`: the host has closed
    it.  `failure` tells why it could not be opened.  `secure` ones belong to the commands of manual 2.4.
    """

    secure = False

    def __init__(self, number: int, service: Service, access: Access, inbox: Inbox) -> None:
        self.id = number
        self.service = service
        self.access = access
        self.inbox = inbox
        self.packet = MAX_PUSH
        self.local_port = 0
        self.state = SocketState.OPENING
        self.failure = SocketCode.SUCCESS
        self.taken = 0
        self.ended = False
        self.queued = False
        self.announced = False
        self.end_told = False
        self.closing = False
        self.close_until: float | None = None

    @property
    def connected(self) -> bool:
        return self.state is SocketState.CONNECTED

    @property
    def send_high_water(self) -> int:
        """The most bytes that ever waited to be sent."""
        return 0

    @abc.abstractmethod
    def begin(self, network: Network, command: Open, settled: Settled) -> None:
        """Open; `settled` is told how it ended, perhaps at once."""

    def info(self, own: str) -> SocketInfo:
        """What is reported of it; `own` is the module's address."""
        return SocketInfo(self.id, self.service, own, 0, self.local_port, self.state, self.id, self.access)

    def received(self, piece: Piece | None = None) -> Reply:
        """The line that says that something has come, or brings it."""
        return Received(self.id, piece.data, piece.remote_ip, piece.remote_port) if piece else Received(self.id)

    def closed(self) -> Reply:
        """The line that says that the connection is gone."""
        return Closed(self.id)

    def sent(self) -> tuple[int, int]:
        """Bytes sent in all, and of them those not acknowledged."""
        return 0, 0

    def waiting(self) -> bool:
        """Whether there may be bytes to take."""
        return len(self.inbox) > 0

    def take(self, limit: int) -> Piece:
        """Remove received bytes for the host, the oldest first."""
        piece = self.inbox.take(limit)
        self.taken += len(piece.data)
        self.announced = self.announced and len(self.inbox) > 0
        return piece

    @abc.abstractmethod
    def fill(self) -> None:
        """Fetch what the network has, as far as there is room."""

    def abandon(self) -> bool:
        """Give up what is in the making, and tell whoever waits for it.  False: nothing is."""
        return False

    def lose(self) -> None:
        """The network is gone."""
        self.ended = True
        self.state = SocketState.CLOSING
        self.release()

    def shut(self) -> None:
        """Begin an orderly end, which is complete once gone() says so."""
        self.state = SocketState.CLOSING
        self.closing = True

    def gone(self) -> bool:
        """Whether nothing is left of what was shut."""
        return True

    @abc.abstractmethod
    def release(self) -> None:
        """Let go of the network; the counts remain."""


class Client(Socket):
    """A connection: the host's own, or one that a listener let in, which is then its `server_id`."""

    def __init__(self, number: int, access: Access, service: Service = Service.TCP, inbox: Inbox | None = None) -> None:
        super().__init__(number, service, access, StreamInbox() if inbox is None else inbox)
        self.server_id = number
        self.connection: Connection | None = None
        self._attempt: Attempt | None = None
        self._settled: Settled | None = None
        self._peer = ("0.0.0.0", 0)
        self._last = (0, 0)
        self._last_high_water = 0

    @classmethod
    def incoming(cls, number: int, access: Access, connection: Connection, server_id: int) -> Client:
        """A client that came in."""
        client = cls(number, access, Service.INCOMING)
        client.server_id = server_id
        client._finish(connection)
        return client

    def begin(self, network: Network, command: Open, settled: Settled) -> None:
        self._settled = settled
        self._peer = ("0.0.0.0", command.remote_port)
        self._attempt = self._reach(network, command)

    def _reach(self, network: Network, command: Open) -> Attempt | None:
        return network.connect(command.host, command.remote_port, command.local_port, self._finish)

    def _finish(self, result: Connection | SocketCode) -> None:
        self._attempt = None
        if not isinstance(result, SocketCode):
            self.connection = result
            self._peer = result.peer, result.peer_port
            self.local_port = result.local_port
            self.state = SocketState.CONNECTED
        settled, self._settled = self._settled, None
        if settled:
            settled(result if isinstance(result, SocketCode) else SocketCode.SUCCESS)

    def info(self, own: str) -> SocketInfo:
        port, state = self.local_port, self.state
        return SocketInfo(self.id, self.service, *self._peer, port, state, self.server_id, self.access)

    @property
    def send_high_water(self) -> int:
        return self.connection.high_water if self.connection else self._last_high_water

    def sent(self) -> tuple[int, int]:
        link = self.connection
        return (link.accepted, link.outstanding()) if link else self._last

    def send(self, data: bytes, buffer: int) -> bool:
        """Send, if together with what is not acknowledged it fits into a buffer of that size."""
        link = self.connection
        if link is None or len(data) > min(link.room(), buffer - link.outstanding()):
            return False
        link.send(data)
        return True

    def waiting(self) -> bool:
        return super().waiting() or (self.connection is not None and self.connection.readable and not self.ended)

    def take(self, limit: int) -> Piece:
        if len(self.inbox):
            return super().take(limit)
        data = self._receive(limit)
        self.taken += len(data)
        return Piece(data)

    def fill(self) -> None:
        for _ in range(BURST):
            if not (data := self._receive(self.inbox.room())):
                break
            self.inbox.put(data)

    def _receive(self, limit: int) -> bytes:
        link = self.connection
        if link is None or self.ended or not link.readable or limit <= 0:
            return b""
        data = link.receive(limit)
        if data is None:
            self.ended = True
            self.state = SocketState.CLOSING
        return data or b""

    def abandon(self) -> bool:
        if self._attempt is None:
            return False
        self._attempt.cancel()
        self._finish(SocketCode.CONNECT_FAILED)
        return True

    def shut(self) -> None:
        super().shut()
        if self._attempt:
            self._attempt.cancel()
            self._attempt = None
        if self.connection:
            self.connection.finish()

    def gone(self) -> bool:
        return self.connection is None or self.connection.finished()

    def release(self) -> None:
        self._last, self._last_high_water = self.sent(), self.send_high_water
        if self._attempt:
            self._attempt.cancel()
        if self.connection:
            self.connection.close()
        self._attempt = self.connection = None


class UdpClient(Client):
    """A UDP socket with one peer.  Each datagram is pushed, or read, by itself."""

    def __init__(self, number: int, access: Access) -> None:
        super().__init__(number, access, Service.UDP, DatagramInbox(whole=False))
        self.packet = MAX_READ

    def _reach(self, network: Network, command: Open) -> Attempt | None:
        def bind(address: str) -> None:
            if not address:
                self._finish(SocketCode.DNS_FAILED)
                return
            found = network.datagrams(command.local_port, client=True)
            link = found if isinstance(found, SocketCode) else UdpConnection(found, address, command.remote_port)
            self._finish(link)

        if not is_address(command.host):
            return network.resolve(command.host, bind)
        bind(command.host)
        return None

    def take(self, limit: int) -> Piece:
        self.fill()
        return super().take(limit) if len(self.inbox) else Piece(b"")


class Listener(Socket):
    """A TCP port where clients come in; `pending` are those that nobody has let in yet."""

    def __init__(self, number: int, access: Access, arrived: Callable[[Listener, Connection], None]) -> None:
        super().__init__(number, Service.LISTENER, access, StreamInbox())
        self.pending: deque[Connection] = deque()
        self._arrived = arrived
        self._listening: Listening | None = None

    def begin(self, network: Network, command: Open, settled: Settled) -> None:
        self.local_port = command.local_port
        result = network.listen(self.local_port, lambda connection: self._arrived(self, connection))
        if isinstance(result, SocketCode):
            settled(result)
            return
        self._listening = result
        self.state = SocketState.LISTENING
        settled(SocketCode.SUCCESS)

    def fill(self) -> None:
        """Clients come by themselves."""

    def shut(self) -> None:
        super().shut()
        self.release()

    def release(self) -> None:
        if self._listening:
            self._listening.close()
        self._listening = None
        while self.pending:
            self.pending.popleft().close()


class UdpService(Socket):
    """A UDP port that talks to everybody."""

    def __init__(self, number: int, access: Access) -> None:
        self._letters = DatagramInbox(whole=True)
        super().__init__(number, Service.UDP_SERVICE, access, self._letters)
        self._datagrams: Datagrams | None = None
        self._sent = 0

    def begin(self, network: Network, command: Open, settled: Settled) -> None:
        self.local_port = command.local_port
        result = network.datagrams(self.local_port)
        if isinstance(result, SocketCode):
            settled(result)
            return
        self._datagrams = result
        self.state = SocketState.CONNECTED
        settled(SocketCode.SUCCESS)

    def send(self, data: bytes, host: str, port: int) -> bool:
        """Send one datagram to a dotted address.  False: there is no room."""
        taken = self._datagrams is not None and self._datagrams.send(data, host, port)
        self._sent += len(data) if taken else 0
        return taken

    def sent(self) -> tuple[int, int]:
        return self._sent, 0

    def fill(self) -> None:
        for _ in range(BURST):
            if self._datagrams is None or (letter := self._datagrams.receive()) is None:
                break
            self._letters.put(*letter)

    def release(self) -> None:
        if self._datagrams:
            self._datagrams.close()
        self._datagrams = None
