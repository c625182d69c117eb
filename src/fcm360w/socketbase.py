"""What sockets of the module have in common with any socket: options, time-outs, files, a descriptor to wait for."""

from __future__ import annotations

import errno
import socket
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

from fcm360w.commanded import Commanded
from fcm360w.contexts import Context
from fcm360w.datagrams import Datagrams
from fcm360w.errors import SendTimeout, UsageError
from fcm360w.leases import Lease
from fcm360w.listener import Listening, ListenMode
from fcm360w.readiness import Signal
from fcm360w.sharing import End, ended, prefetch
from fcm360w.socket_errors import failure, told
from fcm360w.streams import CLOSE_WAIT
from fcm360w.turns import QueueTimeout, Turns

if TYPE_CHECKING:
    from fcm360w.module import Module

R = TypeVar("R")
Address = tuple[str, int]
ANY = "0.0.0.0"
GRACE = 1.0  # seconds that a socket which does not wait for its peer waits for other commands of the link
HARMLESS: int = vars(socket).get("MSG_NOSIGNAL", 0)
AT_ONCE: int = vars(socket).get("MSG_DONTWAIT", 0)


def place(address: object) -> Address:
    """Host and port of an address.  TypeError, OverflowError and OSErrors as those of socket.socket."""
    if not isinstance(address, tuple) or len(address) < 2:
        raise TypeError(f"an address is a tuple of host and port, not {address!r}")
    host, port = address[:2]
    if not isinstance(host, str) or not isinstance(port, int):
        raise TypeError(f"an address is a tuple of host and port, not {address!r}")
    if not 0 <= port <= 65535:
        raise OverflowError("port must be 0-65535.")
    if ":" in host:
        raise failure(errno.EAFNOSUPPORT, "the module knows IPv4 only")
    return host, port


class SocketBase:
    """What a Socket is beside its connection; see Socket."""

    family = socket.AF_INET
    proto = 0

    def __init__(
        self,
        module: Module,
        type: int = socket.SOCK_STREAM,
        *,
        tls: Context | None = None,
        mode: ListenMode = "buffer",
    ) -> None:
        if type not in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            raise failure(errno.EPROTONOSUPPORT, "the module knows SOCK_STREAM and SOCK_DGRAM")
        if mode not in ("push", "buffer"):
            raise UsageError(f"mode {mode!r} of a socket is not one of push, buffer")
        self.type = socket.SocketKind(type)
        self._module = module
        self._link = module.descriptors.link
        self._tls: Context | None = tls
        self._mode: ListenMode = mode
        self._timeout = socket.getdefaulttimeout()
        self._end: End | None = None
        self._name: Address = (ANY, 0)
        self._peer: Address | None = None
        self._signal: Signal | None = None
        self._options: dict[tuple[int, int], int | bytes] = {}
        self._closed = self._deaf = self._mute = self._connecting = self._any = False
        self._error = 0
        self._io_refs = 0
        self._lease = Lease(lambda: self.over, self._part)

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        end = self._end
        return end is None or (bool(end.report) if isinstance(end, Commanded) else end.closed or end.freed)

    @property
    def connect_id(self) -> int:
        """The module's socket id, 0 to 11; -1 if there is none."""
        return self._end.connect_id if self._end else -1

    # ---- how it waits

    @property
    def timeout(self) -> float | None:
        return self._timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def settimeout(self, value: float | None) -> None:
        """Seconds that a call may wait; None is for ever, 0 not at all; see Stream.settimeout."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = None if value is None else float(value)

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        return self._timeout != 0

    def fileno(self) -> int:
        """A descriptor to wait for: readable and writable as the socket is, but without bytes.  -1 once it is closed.

        A thread looks after it.  io.UnsupportedOperation in a World, which has one thread.
        """
        if self._closed and self._io_refs <= 0:
            return -1
        signal = self._signal
        if signal is None:
            self._module.descriptors.check()
            self._signal = signal = Signal(self._ready, lambda: prefetch(self._end))
            if self._connecting:
                signal.hold_until(None)
            self._module.descriptors.add(signal)
        return signal.fileno()

    def _ready(self) -> bool:
        return self._deaf or (self._end is not None and self._end.ready)

    def setsockopt(self, level: int, optname: int, value: int | bytes | None, optlen: int | None = None) -> None:
        """Remembered, for getsockopt; the module has no such options."""
        self._check()
        self._options[level, optname] = value if value is not None else bytes(optlen or 0)

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> int | bytes:
        """SO_ERROR, once, SO_TYPE, or what was set."""
        self._check()
        if (level, optname) == (socket.SOL_SOCKET, socket.SO_ERROR):
            error, self._error = self._error, 0
            return error
        if (level, optname) == (socket.SOL_SOCKET, socket.SO_TYPE):
            return int(self.type)
        return self._options.get((level, optname), bytes(buflen) if buflen else 0)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"id={self.connect_id}, peer={self._peer}"
        return f"<fcm360w.sockets.Socket {self.type.name} {state}>"

    # ---- ends

    def close(self, wait: float = CLOSE_WAIT) -> None:
        """Wait at most `wait` s for the peer to acknowledge, and free the id, once every file over it is closed."""
        self._closed = True
        if self._io_refs <= 0:
            self._part(wait)

    def _part(self, wait: float = CLOSE_WAIT) -> None:
        signal, self._signal = self._signal, None
        try:
            if self._end:
                with told():
                    self._module.drive(ended(self._end, wait))
        except ConnectionAbortedError:
            return  # the module is gone, and so is all that it had
        finally:
            self._module.forget(self._lease)
            if signal:
                self._module.descriptors.remove(signal)

    def _decref_socketios(self) -> None:
        """A file over it was closed."""
        self._io_refs = max(0, self._io_refs - 1)
        if self._closed:
            self.close()

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """As socket.makefile."""
        more = {"encoding": encoding, "errors": errors, "newline": newline}
        made: IO[Any] = socket.socket.makefile(self, mode, buffering, **more)  # type: ignore[call-overload]
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # ---- turns

    def _check(self) -> None:
        if self._closed and self._io_refs <= 0:
            raise failure(errno.EBADF)

    def _opened(self) -> End:
        self._check()
        if self._end is None:
            raise failure(errno.EALREADY if self._connecting else errno.ENOTCONN)
        return self._end

    def _carrier(self) -> Commanded | Datagrams:
        end = self._opened()
        if isinstance(end, Listening):
            raise failure(errno.ENOTCONN)
        return end

    def _speaker(self) -> Commanded | Datagrams:
        if self._mute:
            raise failure(errno.EPIPE)
        return self._carrier()

    def _flags(self, flags: int) -> bool:
        """Whether a call with flags waits."""
        if flags & ~(HARMLESS | AT_ONCE):
            raise failure(errno.EOPNOTSUPP, "of the flags there are MSG_DONTWAIT and MSG_NOSIGNAL")
        return self._timeout != 0 and not flags & AT_ONCE

    def _deadline(self, waits: bool = True) -> float | None:
        if not waits:
            return self._module.clock()
        return None if self._timeout is None else self._module.clock() + self._timeout

    def _turn_by(self, waits: bool = True, deadline: float | None = None) -> float | None:
        """When the commands of others must have let it through."""
        if self._timeout == 0 or not waits:
            return self._module.clock() + GRACE
        return deadline or self._deadline()

    def _hold(self, end: End) -> None:
        self._end = end
        self._module.adopt(self._lease)

    def _offer(self, turns: Turns[R], waits: bool) -> R:
        return self._do(self._held_back(turns, waits), waits)

    def _held_back(self, turns: Turns[R], waits: bool) -> Turns[R]:
        """Send; if there is no room, a socket that does not wait is not writable for a while."""
        try:
            result = yield from turns
        except (QueueTimeout, SendTimeout):
            if (signal := self._signal) and not (waits and self._timeout != 0):
                signal.hold_back(self._link.now)
            raise
        if signal := self._signal:
            signal.flows()
        return result

    def _do(self, turns: Turns[R], waits: bool = True) -> R:
        with told(waits and self._timeout != 0):
            return self._module.drive(self._shown(turns))

    def _shown(self, turns: Turns[R]) -> Turns[R]:
        """Turns after which the descriptor is right at once."""
        try:
            return (yield from turns)
        finally:
            if signal := self._signal:
                signal.failed = False
                signal.show()
