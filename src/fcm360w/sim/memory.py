"""The world beyond the module in memory, by an artificial clock: every host is one that a test has made.

Nothing blocks and nothing is real.  What happens depends on the calls and on `seed` alone.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.agenda import Action, Agenda
from fcm360w.sim.network import Attempt, Connection, Echo, is_address
from fcm360w.sim.pipes import MemoryConnection, MemoryPeer, Pipe, Way

__all__ = ["MemoryNetwork", "MemoryServer", "MemoryUdp"]

Greeting = Callable[[MemoryPeer], None]
CONNECT_PATIENCE = 150.0
FIRST_FREE_PORT = 49152
FIRST_DIALLED = 51000
PORTS = 65536
TTL = 64
DATAGRAMS = 64  # that wait to be read; what comes beyond is dropped


class MemoryServer:
    """Takes the module's connections to one address and port, until it is closed; `peers` has all that ever came."""

    def __init__(self, greet: Greeting, closed: Action) -> None:
        self.peers: list[MemoryPeer] = []
        self.closed = False
        self._greet = greet
        self._forget = closed

    def admit(self, peer: MemoryPeer) -> None:
        self.peers.append(peer)
        self._greet(peer)

    def close(self) -> None:
        """Refuse whoever comes from now on; the connections that are there go on."""
        self.closed = True
        self._forget()


class MemoryUdp:
    """A host with a UDP port.  `received` has each datagram and the port of the module it came from."""

    def __init__(self, carry: Callable[[bytes, int], None]) -> None:
        self.received: list[tuple[bytes, int]] = []
        self.on_data: Callable[[bytes, int], None] = lambda data, port: None
        self._carry = carry

    def send(self, data: bytes, to_port: int) -> None:
        """Send a datagram to a port of the module."""
        self._carry(data, to_port)

    def take(self, data: bytes, port: int) -> None:
        self.received.append((data, port))
        self.on_data(data, port)


class MemoryDatagrams:
    """A UDP socket of the module; sim.network.Datagrams is its contract."""

    def __init__(self, network: MemoryNetwork, local_port: int) -> None:
        self.local_port = local_port
        self.readable = False
        self.dropped = 0
        self._network = network
        self._arrived: deque[tuple[bytes, str, int]] = deque()

    def send(self, data: bytes, host: str, port: int) -> bool:
        self._network.deliver(data, self.local_port, (host, port))
        return True

    def take(self, data: bytes, host: str, port: int) -> None:
        """A datagram has come."""
        if len(self._arrived) >= DATAGRAMS:
            self.dropped += 1
            return
        self._arrived.append((data, host, port))
        self.readable = True

    def receive(self) -> tuple[bytes, str, int] | None:
        found = self._arrived.popleft() if self._arrived else None
        self.readable = bool(self._arrived)
        return found

    def close(self) -> None:
        self._network.unbind(self.local_port)


class MemoryListening:
    """A port of the module that takes connections; sim.network.Listening is its contract."""

    def __init__(self, local_port: int, arrived: Callable[[Connection], None], closed: Action) -> None:
        self.local_port = local_port
        self.arrived = arrived
        self._forget = closed

    def close(self) -> None:
        self._forget()


class MemoryAttempt:
    """Something of which the outcome is still to come; `undo` if nobody waits for it any more."""

    def __init__(self, done: Callable[..., None], undo: Action = lambda: None) -> None:
        self.over = False
        self._done = done
        self._undo = undo

    def settle(self, result: object) -> None:
        """Tell the outcome, if it was not told and somebody waits."""
        if not self.over:
            self.over = True
            self._done(result)

    def cancel(self) -> None:
        if not self.over:
            self.over = True
            self._undo()


class MemoryNetwork:
    """Hosts in memory.

    A packet takes `latency` to `latency + jitter` seconds; acknowledgements come `ack_delay` later than they could.
    Of datagrams the share `loss` is lost.  `names` has the address of every name that is known.
    """

    def __init__(self, *, latency: float = 0.001, jitter: float = 0.0, seed: int = 0, now: float = 0.0) -> None:
        self.latency, self.jitter = latency, jitter
        self.ack_delay = 0.0
        self.loss = 0.0
        self.address = "10.0.0.7"
        self.names: dict[str, str] = {}
        self.now = now
        self._agenda = Agenda()
        self._random = random.Random(seed)
        self._servers: dict[tuple[str, int], MemoryServer] = {}
        self._listening: dict[int, MemoryListening] = {}
        self._bound: dict[int, MemoryDatagrams] = {}
        self._udp: dict[tuple[str, int], MemoryUdp] = {}
        self._taken: set[int] = set()
        self._cut: set[str] = set()
        self._kept: dict[Way, None] = {}
        self._dialling = itertools.count(FIRST_DIALLED)

    # ---- what a test does

    def serve(self, host: str, port: int, handler: Greeting = lambda peer: None) -> MemoryServer:
        """Take the module's connections to a host, by address or name; `handler` is called with each."""
        place = (self._named(host), port)
        server = MemoryServer(handler, lambda: self._closed(place, server))
        self._servers[place] = server
        return server

    def _named(self, host: str) -> str:
        """The address of a host that is to be found by its name from now on, if it has one."""
        return self._address(host) or self.names.setdefault(host, f"10.0.1.{len(self.names) + 1}")

    def _closed(self, place: tuple[str, int], server: MemoryServer) -> None:
        if self._servers.get(place) is server:
            del self._servers[place]

    def dial(self, local_port: int, host: str = "10.0.0.9") -> MemoryPeer:
        """Connect to a port of the module; the peer is `broken` soon if nobody listens there."""
        connection, peer = self._connection((host, next(self._dialling)), local_port)

        def arrive() -> None:
            if listening := self._listening.get(local_port):
                listening.arrived(connection)
            else:
                connection.reset()

        connection.into.announce(arrive)
        return peer

    def udp(self, host: str, port: int) -> MemoryUdp:
        """A host that takes and sends datagrams."""
        place = (self._named(host), port)

        def carry(data: bytes, to_port: int) -> None:
            self._datagram(place[0], lambda: self._take(data, place, to_port))

        self._udp[place] = made = MemoryUdp(carry)
        return made

    def cut(self, host: str) -> None:
        """Let nothing pass to or from an address, until it is mended.  Whoever connects there hears nothing."""
        self._cut.add(host)

    def mend(self, host: str) -> None:
        """Undo a cut; what was under way arrives."""
        self._cut.discard(host)
        for way in [way for way in self._kept if way.host == host]:
            del self._kept[way]
            self._later(self.latency, way.release)

    # ---- what the module does: sim.network.Network

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        address = self._address(host)
        if address and local_port not in self._taken:
            return self._knock((address, port), local_port or self._free_port(self._taken), done)
        attempt = MemoryAttempt(done)
        code = SocketCode.PORT_BUSY if address else SocketCode.DNS_FAILED
        self._later(self.delay(), lambda: attempt.settle(code))
        return attempt

    def _knock(self, place: tuple[str, int], local_port: int, done: Callable[..., None]) -> Attempt:
        self._taken.add(local_port)
        connection, peer = self._connection(place, local_port, lambda: self._taken.discard(local_port))
        attempt = MemoryAttempt(done, connection.close)

        def arrive() -> None:
            if attempt.over:
                return
            server = self._servers.get(place)
            connection.into.announce(answered if server else refused)
            if server:
                server.admit(peer)

        def answered() -> None:
            attempt.settle(connection)

        def refused() -> None:
            connection.close()
            attempt.settle(SocketCode.CONNECT_FAILED)

        connection.out.announce(arrive)
        self._later(CONNECT_PATIENCE, lambda: None if attempt.over else refused())
        return attempt

    def listen(self, local_port: int, arrived: Callable[[Connection], None]) -> MemoryListening | SocketCode:
        if local_port in self._taken:
            return SocketCode.PORT_BUSY
        port = local_port or self._free_port(self._taken)

        def closed() -> None:
            self._listening.pop(port, None)
            self._taken.discard(port)

        self._taken.add(port)
        self._listening[port] = made = MemoryListening(port, arrived, closed)
        return made

    def datagrams(self, local_port: int, *, client: bool = False) -> MemoryDatagrams | SocketCode:
        if local_port in self._bound:
            return SocketCode.PORT_BUSY
        port = local_port or self._free_port(self._bound)
        self._bound[port] = made = MemoryDatagrams(self, port)
        return made

    def resolve(self, host: str, done: Callable[[str], None]) -> Attempt:
        attempt = MemoryAttempt(done)
        self._later(self.delay(), lambda: attempt.settle(self._address(host)))
        return attempt

    def ping(self, host: str, size: int, done: Callable[[Echo | SocketCode], None]) -> Attempt:
        """Whoever serves anything answers."""
        attempt = MemoryAttempt(done)
        known = any(host == place[0] for place in (*self._servers, *self._udp)) or host in self.names.values()

        def back() -> None:
            self._datagram(host, lambda: attempt.settle(Echo(host, size, TTL)))

        if known:
            self._datagram(host, back)
        return attempt

    # ---- what its sockets need

    def delay(self) -> float:
        """Seconds that the next packet takes."""
        return self.latency + self.jitter * self._random.random()

    def plan(self, at: float, action: Action) -> None:
        """Let something happen at a time."""
        self._agenda.plan(at, action)

    def _later(self, seconds: float, action: Action) -> None:
        self.plan(self.now + seconds, action)

    def holds(self, way: Way) -> bool:
        """Whether nothing arrives on a way now; then it is released when it is mended."""
        if way.host not in self._cut:
            return False
        self._kept[way] = None
        return True

    def deliver(self, data: bytes, local_port: int, place: tuple[str, int]) -> None:
        """Send a datagram of the module's."""

        def arrive() -> None:
            if host := self._udp.get(place):
                host.take(data, local_port)

        self._datagram(place[0], arrive)

    def unbind(self, local_port: int) -> None:
        self._bound.pop(local_port, None)

    def _datagram(self, host: str, arrive: Action) -> None:
        if host not in self._cut and self._random.random() >= self.loss:
            self._later(self.delay(), arrive)

    def _take(self, data: bytes, place: tuple[str, int], local_port: int) -> None:
        if bound := self._bound.get(local_port):
            bound.take(data, *place)

    def _connection(
        self, place: tuple[str, int], local_port: int, freed: Action = lambda: None
    ) -> tuple[MemoryConnection, MemoryPeer]:
        out, into = Pipe(self, place[0]), Pipe(self, place[0])
        connection = MemoryConnection(out, into, place, local_port, freed)
        return connection, MemoryPeer(into, out, self.address, local_port)

    def _address(self, host: str) -> str:
        return host if is_address(host) else self.names.get(host, "")

    def _free_port(self, taken: set[int] | dict[int, MemoryDatagrams]) -> int:
        return next(port for port in range(FIRST_FREE_PORT, PORTS) if port not in taken)

    # ---- time

    def deadline(self) -> float | None:
        """When something happens next."""
        return self._agenda.deadline()

    def tick(self, now: float) -> None:
        """Let time pass, and happen what was to happen until now."""
        self.now = max(self.now, now)
        self._agenda.run(now)
