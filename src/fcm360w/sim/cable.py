"""The serial cable between a twin and a host of the same thread, without a descriptor."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from os import strerror
from typing import TYPE_CHECKING

from fcm360w.sim.frontends import Host
from fcm360w.sim.watch import Watch

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Cable", "CablePort", "Socket"]

DRIVER_BUFFER = 4096
UNPACED = 64 * 1024
SLACK = 0.05
WaitUntil = Callable[[Callable[[], bool], float | None], bool]


class Cable:
    """Bytes on their way between a host and the twin's line; the twin's side of it is a sim.frontends.Stream.

    `host_baud` is the rate of the host's side; while it is not the line's, what passes is noise.  Nothing passes while
    it is `cut`.
    """

    def __init__(self, line_baud: Callable[[], int | None], noise: random.Random) -> None:
        self.cut = False
        self.host_baud = line_baud()
        self.to_twin = bytearray()
        self.to_host = bytearray()
        self.limit = DRIVER_BUFFER if self.host_baud else UNPACED
        self.host_gone = self.twin_gone = False
        self._line_baud = line_baud
        self._noise = noise

    def read(self, limit: int, /) -> bytes:
        data = self._heard(bytes(self.to_twin[:limit]))
        del self.to_twin[:limit]
        if not data and not self.host_gone:
            raise BlockingIOError
        return data

    def write(self, data: bytearray, /) -> int:
        if self.host_gone:
            raise OSError(errno.EPIPE, strerror(errno.EPIPE))
        passed = data[: UNPACED - len(self.to_host)]
        if not passed:
            raise BlockingIOError
        self.to_host += self._heard(bytes(passed))
        return len(passed)

    def _heard(self, data: bytes) -> bytes:
        """What the other side makes of bytes."""
        if self.cut:
            return b""
        return data if self._line_baud() in (None, self.host_baud) else self._noise.randbytes(len(data))

    def close(self) -> None:
        self.twin_gone = True


class Interest(Watch):
    """Notes what is awaited; whoever runs the twin asks for it every turn, since no selector knows."""

    def __init__(self, ready: Callable[[int], None]) -> None:
        self._mask = 0
        self._ready = ready

    def want(self, mask: int) -> None:
        self._mask = mask

    def look(self) -> None:
        if self._mask:
            self._ready(self._mask)


class Socket:
    """A front end for one host of this thread."""

    url = ""

    def __init__(self) -> None:
        self.host: Host | None = None
        self._interest: Interest | None = None

    def plug(self, stream: Cable) -> None:
        self.host = Host(stream, self._watch)

    def _watch(self, ready: Callable[[int], None]) -> Interest:
        self._interest = Interest(ready)
        return self._interest

    def look(self) -> None:
        """Find out what the host has done."""
        if self._interest and self.host:
            self._interest.look()

    def tick(self, now: float) -> None:
        """Nothing depends on time here."""

    def deadline(self) -> float | None:
        return None

    def close(self) -> None:
        if self.host:
            self.host.close()
        self.host = None


class CablePort:
    """The host's end of a cable: a port that waits by the world's clock."""

    url = "world://"
    slack = SLACK
    capabilities = frozenset({"baud", "out_waiting"})

    def __init__(self, cable: Cable, wait_until: WaitUntil) -> None:
        self._cable = cable
        self._wait_until = wait_until
        self._closed = False
        self.broken = False  # the system reports an error from now on

    @property
    def baud(self) -> int | None:
        return self._cable.host_baud

    @property
    def readable(self) -> bool:
        return bool(self._cable.to_host) or self._dead

    @property
    def writable(self) -> bool:
        return self._room() > 0 or self._dead

    @property
    def in_use(self) -> bool:
        """Whether a host holds it."""
        return not self._closed

    @property
    def _dead(self) -> bool:
        return self.broken or self._closed

    def _room(self) -> int:
        return self._cable.limit - len(self._cable.to_twin)

    def _check(self) -> None:
        if self._dead:
            code = errno.EBADF if self._closed else errno.EIO
            raise OSError(code, strerror(code))

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        self._wait_until(lambda: self.readable, timeout)
        self._check()
        data = self._cable.to_host[: len(buffer)]
        del self._cable.to_host[: len(data)]
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Buffer, timeout: float | None) -> int:
        self._wait_until(lambda: self.writable, timeout)
        self._check()
        passed = memoryview(data)[: max(0, self._room())]
        self._cable.to_twin += passed
        return len(passed)

    def set_baud(self, rate: int) -> None:
        """Change this side's rate, in bit/s, at once; what was written goes before."""
        self._check()
        self._cable.host_baud = rate

    def out_waiting(self) -> int:
        self._check()
        return len(self._cable.to_twin)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self._closed = self._cable.host_gone = True
