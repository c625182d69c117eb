"""A network in which some places are elsewhere: what is meant for one address or name and port goes to another."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.network import Attempt, Connection, Datagrams, Echo, Listening, Network, is_address

__all__ = ["Place", "RoutedNetwork", "parse_routes"]

log = logging.getLogger("fcm360w.sim")

Place = tuple[str, int]


def parse_routes(texts: Iterable[str]) -> dict[Place, Place]:
    """Read ``HOST:PORT=HOST:PORT``, one route a text.  ValueError if it is none, or the second for a place."""
    routes: dict[Place, Place] = {}
    for text in texts:
        left, _, right = text.partition("=")
        try:
            meant, actual = _place(left), _place(right)
        except ValueError:
            raise ValueError(f"map={text}: not HOST:PORT=HOST:PORT with ports of 1 to 65535") from None
        if meant in routes:
            raise ValueError(f"map={text}: {left} goes to {':'.join(map(str, routes[meant]))} already")
        routes[meant] = actual
    return routes


def _place(text: str) -> Place:
    host, _, port = text.rpartition(":")
    if not host or ":" in host or not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= 65535:
        raise ValueError(text)
    return host.lower(), int(port)


def _made_up(number: int) -> str:
    """An address that nothing on the Internet has (RFC 2544)."""
    return f"198.18.{number >> 8}.{number & 255}"


class RoutedNetwork:
    """A network as the module sees it.  Names that have a route are never looked up.

    Such a name has an address made up for it, which leads where the name does; at ports without a route it leads
    nowhere for datagrams.  What a place's substitute sends is shown as the place's.
    """

    def __init__(self, network: Network, routes: Mapping[Place, Place]) -> None:
        self._network = network
        self._routes = {(host.lower(), port): actual for (host, port), actual in routes.items()}
        names = sorted({host for host, _ in self._routes if not is_address(host)})
        self._made_up = {name: _made_up(number) for number, name in enumerate(names, 1)}
        self._named = {address: name for name, address in self._made_up.items()}
        self._found: dict[str, str] = {}
        for name in sorted({host for host, _ in self._routes.values() if not is_address(host)}):
            network.resolve(name, functools.partial(self._resolved, name))

    def _resolved(self, name: str, address: str) -> None:
        self._found[name] = address
        if not address:
            log.warning("%s, to which datagrams are to go, has no address", name)

    def seen(self, host: str) -> str:
        """The address under which a host is shown."""
        return self._made_up.get(host.lower(), host)

    def actual(self, host: str, port: int) -> Place | None:
        """Where a place really is, if it has a route."""
        return self._routes.get((self._named.get(host, host.lower()), port))

    def meant(self, place: Place) -> Place | None:
        """The place that is shown for a real one, if it is anybody's substitute."""
        return next(((self.seen(host), port) for host, port in self._routes if self.dotted(host, port) == place), None)

    def dotted(self, host: str, port: int) -> Place | None:
        """Where a datagram for a place goes; None while that is being looked up, an empty host if it is nowhere."""
        place = self.actual(host, port)
        if place is None:
            return ("", port) if host in self._named else (host, port)
        if is_address(place[0]):
            return place
        return (self._found[place[0]], place[1]) if place[0] in self._found else None

    # ---- as every network ----

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        place = self.actual(host, port)
        if place is None:
            return self._network.connect(self._named.get(host, host), port, local_port, done)

        def connected(result: Connection | SocketCode) -> None:
            if not isinstance(result, SocketCode):
                result.peer, result.peer_port = self.seen(host), port
            done(result)

        return self._network.connect(*place, local_port, connected)

    def listen(self, local_port: int, arrived: Callable[[Connection], None]) -> Listening | SocketCode:
        return self._network.listen(local_port, arrived)

    def datagrams(self, local_port: int, *, client: bool = False) -> Datagrams | SocketCode:
        found = self._network.datagrams(local_port, client=client)
        return found if isinstance(found, SocketCode) else RoutedDatagrams(found, self)

    def resolve(self, host: str, done: Callable[[str], None]) -> Attempt:
        return self._network.resolve(self.seen(host), done)

    def ping(self, host: str, size: int, done: Callable[[Echo | SocketCode], None]) -> Attempt:
        """An address with a route stands for the substitute of its lowest port."""
        ports = [port for name, port in self._routes if name == self._named.get(host, host.lower())]
        place = self.dotted(host, min(ports)) if ports else None

        def answered(result: Echo | SocketCode) -> None:
            done(result if isinstance(result, SocketCode) else result._replace(address=host))

        return self._network.ping(place[0] if place and place[0] else host, size, answered)


class RoutedDatagrams:
    """A UDP socket of such a network.  An answer is shown as coming from where the question was meant to go."""

    def __init__(self, datagrams: Datagrams, network: RoutedNetwork) -> None:
        self.local_port = datagrams.local_port
        self._datagrams = datagrams
        self._network = network
        self._meant: dict[Place, Place] = {}

    @property
    def readable(self) -> bool:
        return self._datagrams.readable

    def send(self, data: bytes, host: str, port: int) -> bool:
        place = self._network.dotted(host, port)
        if place is None:
            return False
        if not place[0]:
            return True
        if self._network.meant(place):
            self._meant[place] = host, port
        return self._datagrams.send(data, *place)

    def receive(self) -> tuple[bytes, str, int] | None:
        found = self._datagrams.receive()
        if found is None:
            return None
        data, host, port = found
        place = host, port
        return (data, *(self._meant.get(place) or self._network.meant(place) or place))

    def close(self) -> None:
        self._datagrams.close()
