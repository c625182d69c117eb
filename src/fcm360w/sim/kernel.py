"""The kernel as the module's network: real connections, listeners and datagrams of this machine."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.kernel_echo import KernelEcho
from fcm360w.sim.kernel_sockets import KERNEL_BUFFER, KernelConnection, KernelDatagrams, KernelListening
from fcm360w.sim.network import Attempt, Connection, Datagrams, Echo, Listening, is_address
from fcm360w.sim.watch import WRITE, Watch

__all__ = ["LOOPBACK", "KernelNetwork"]

log = logging.getLogger("fcm360w.sim")

CONNECT_PATIENCE = 150.0
LOOKUPS = 16
CLIENTS = 12
LOOPBACK = "127.0.0.1"

Done = Callable[[Connection | SocketCode], None]


class KernelLookup:
    """A name being resolved, in a thread of its own, since no system call does it without blocking."""

    def __init__(self, network: KernelNetwork, host: str, done: Callable[[str], None]) -> None:
        self._network = network
        self._host = host
        self._done: Callable[[str], None] | None = done
        threading.Thread(target=self._look_up, name="fcm360w-sim-resolver", daemon=True).start()

    def _look_up(self) -> None:
        try:
            address = str(socket.getaddrinfo(self._host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
        except (OSError, UnicodeError):
            address = ""
        self._network.post(lambda: self._found(address))

    def _found(self, address: str) -> None:
        self._network.lookups.discard(self)
        if self._done:
            self._done(address)

    def cancel(self) -> None:
        """The thread goes on until the system gives up; nobody is told."""
        self._done = None


class KernelAttempt:
    """Resolves, then connects.  `until` is when it is given up."""

    def __init__(self, network: KernelNetwork, until: float, done: Done) -> None:
        self.until = until
        self._network = network
        self._done: Done | None = done
        self._lookup: Attempt | None = None
        self._link: socket.socket | None = None
        self._watch: Watch | None = None

    def start(self, host: str, port: int, local_port: int) -> None:
        if is_address(host):
            self._connect(host, port, local_port)
        elif len(self._network.lookups) >= LOOKUPS:
            self._fail(SocketCode.DNS_BUSY)
        else:
            self._lookup = self._network.resolve(host, lambda address: self._resolved(address, port, local_port))

    def _resolved(self, address: str, port: int, local_port: int) -> None:
        if address:
            self._connect(address, port, local_port)
        else:
            self._end(SocketCode.DNS_FAILED)

    def _connect(self, address: str, port: int, local_port: int) -> None:
        link = _bound(socket.SOCK_STREAM, "", local_port, reuse=bool(local_port))
        if isinstance(link, SocketCode):
            self._fail(link)
            return
        self._link = link
        try:
            result = link.connect_ex((address, port))
        except OSError:
            result = errno.EINVAL
        if result not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            log.info("connect to %s:%d: %s", address, port, os.strerror(result))
            self._fail(SocketCode.CONNECT_FAILED)
            return
        self._watch = Watch(self._network.selector, link, lambda _: self._ready((address, port)))
        self._watch.want(WRITE)

    def _ready(self, peer: tuple[str, int]) -> None:
        assert self._link is not None
        assert self._watch is not None
        error = self._link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._watch.want(0)
        if error:
            log.info("connect to %s:%d: %s", *peer, os.strerror(error))
            self._end(SocketCode.CONNECT_FAILED)
            return
        link, self._link = self._link, None
        self._end(KernelConnection(link, peer, self._network.selector))

    def _fail(self, code: SocketCode) -> None:
        """Later, as every outcome."""
        self._network.post(lambda: self._end(code))

    def expire(self) -> None:
        self._end(SocketCode.CONNECT_FAILED)

    def cancel(self) -> None:
        self._done = None
        self._end(SocketCode.CLOSED)

    def _end(self, result: Connection | SocketCode) -> None:
        if self._lookup:
            self._lookup.cancel()
        if self._watch:
            self._watch.want(0)
        if self._link:
            self._link.close()
            self._link = None
        self._network.attempts.discard(self)
        done, self._done = self._done, None
        if done:
            done(result)


def _bound(kind: socket.SocketKind, address: str, port: int, *, reuse: bool = False) -> socket.socket | SocketCode:
    """A non-blocking socket at a port of this machine, 0 for any; or why there is none."""
    try:
        link = socket.socket(socket.AF_INET, kind)
    except OSError as error:
        log.warning("no socket: %s", error)
        return SocketCode.CREATE_FAILED
    link.setblocking(False)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
    try:
        if kind is socket.SOCK_STREAM:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if reuse and os.name == "posix":  # elsewhere it would let two listeners share a port
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port or address or kind is socket.SOCK_DGRAM:
            link.bind((address, port))
    except OSError as error:
        log.info("port %d: %s", port, error)
        link.close()
        return SocketCode.PORT_BUSY if error.errno == errno.EADDRINUSE else SocketCode.BIND_FAILED
    return link


class KernelNetwork:
    """This machine's network.  `post` runs a callable in the loop's thread, from any thread.

    Listeners and services are bound to the address `bind`, so by default nobody else's machine can reach them.
    """

    def __init__(
        self, selector: selectors.BaseSelector, post: Callable[[Callable[[], None]], None], bind: str = LOOPBACK
    ) -> None:
        self.selector = selector
        self.post = post
        self.attempts: set[KernelAttempt] = set()
        self.lookups: set[KernelLookup] = set()
        self._bind = bind
        self._listening: set[KernelListening] = set()
        self._now = 0.0

    def connect(self, host: str, port: int, local_port: int, done: Done) -> Attempt:
        attempt = KernelAttempt(self, self._now + CONNECT_PATIENCE, done)
        self.attempts.add(attempt)
        attempt.start(host, port, local_port)
        return attempt

    def listen(self, local_port: int, arrived: Callable[[Connection], None]) -> Listening | SocketCode:
        link = _bound(socket.SOCK_STREAM, self._bind, local_port, reuse=True)
        if isinstance(link, SocketCode):
            return link
        try:
            link.listen(CLIENTS)
        except OSError as error:
            log.info("port %d: %s", local_port, error)
            link.close()
            return SocketCode.PORT_BUSY if error.errno == errno.EADDRINUSE else SocketCode.LISTEN_FAILED
        listening = KernelListening(link, self.selector, arrived, self._listening.discard)
        self._listening.add(listening)
        return listening

    def datagrams(self, local_port: int, *, client: bool = False) -> Datagrams | SocketCode:
        link = _bound(socket.SOCK_DGRAM, "" if client else self._bind, local_port)
        return link if isinstance(link, SocketCode) else KernelDatagrams(link, self.selector)

    def resolve(self, host: str, done: Callable[[str], None]) -> Attempt:
        lookup = KernelLookup(self, host, done)
        self.lookups.add(lookup)
        return lookup

    def ping(self, host: str, size: int, done: Callable[[Echo | SocketCode], None]) -> Attempt:
        request = KernelEcho(self.selector, self.post, done)
        request.start(host, size)
        return request

    def deadline(self) -> float | None:
        return min((attempt.until for attempt in self.attempts), default=None)

    def tick(self, now: float) -> None:
        self._now = now
        for listening in self._listening:
            listening.again()
        for attempt in [each for each in self.attempts if each.until <= now]:
            attempt.expire()

    def close(self) -> None:
        for attempt in list(self.attempts):
            attempt.cancel()
