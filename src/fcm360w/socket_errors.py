"""This library's errors as those of the system's sockets, OSErrors with an errno, for programs that know only those.

    the time is up                      TimeoutError; BlockingIOError, EAGAIN, if the socket does not wait
    the module does not answer          TimeoutError, ETIMEDOUT
    the peer has closed, while sending  BrokenPipeError, EPIPE
    the module dropped the socket       ConnectionResetError, ECONNRESET
    the port is lost or closed          ConnectionAbortedError, ECONNABORTED
    the module said no                  by its code (manual 5, Table 3): ConnectionRefusedError, socket.gaierror, ...
    bytes are missing                   OSError, EIO

The error that it was is the `__cause__`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

from fcm360w.commands.codes import SocketCode
from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    FCM360WError,
    NoAnswer,
    Overrun,
    PeerClosed,
    ProtocolError,
    SocketLost,
    TransportError,
)
from fcm360w.flows.sockets import AllInUse

ERRNO = {
    SocketCode.BLOCKED: errno.EBUSY,
    SocketCode.INVALID_PARAMETERS: errno.EINVAL,
    SocketCode.OUT_OF_MEMORY: errno.ENOMEM,
    SocketCode.CREATE_FAILED: errno.ENETDOWN,
    SocketCode.NOT_SUPPORTED: errno.EOPNOTSUPP,
    SocketCode.BIND_FAILED: errno.EADDRINUSE,
    SocketCode.LISTEN_FAILED: errno.EADDRINUSE,
    SocketCode.ID_IN_USE: errno.EMFILE,
    SocketCode.CONNECT_FAILED: errno.ECONNREFUSED,
    SocketCode.CLOSED: errno.ENOTCONN,
    SocketCode.BUSY: errno.EBUSY,
    SocketCode.TIMED_OUT: errno.ETIMEDOUT,
    SocketCode.CANCELLED: errno.ECONNABORTED,
    SocketCode.NOT_ALLOWED: errno.EACCES,
    SocketCode.PORT_BUSY: errno.EADDRINUSE,
}
NAMES = {SocketCode.DNS_BUSY: socket.EAI_AGAIN, SocketCode.DNS_FAILED: socket.EAI_NONAME}
KINDS: tuple[tuple[type[Exception], int], ...] = (
    (NoAnswer, errno.ETIMEDOUT),
    (CommandTimeout, errno.ETIMEDOUT),
    (PeerClosed, errno.EPIPE),
    (SocketLost, errno.ECONNRESET),
    (TransportError, errno.ECONNABORTED),
    (Overrun, errno.EIO),
    (ProtocolError, errno.EPROTO),
    (AllInUse, errno.EMFILE),
)


def failure(number: int, why: object = "") -> OSError:
    """The system's error of a number, of the class that Python has for it."""
    text = os.strerror(number)
    return OSError(number, f"{text}: {why}" if why else text)


def translated(error: Exception, waits: bool = True) -> Exception:
    """As a socket of the system would tell it; UsageError, and what is not this library's, stay what they are."""
    if isinstance(error, CommandError):
        return _refused(error)
    for kind, number in KINDS:
        if isinstance(error, kind):
            return failure(number, error)
    if isinstance(error, TimeoutError) and (isinstance(error, FCM360WError) or error.errno is None):
        return TimeoutError("timed out") if waits else failure(errno.EAGAIN)
    return error


def _refused(error: CommandError) -> OSError:
    name, number = NAMES.get(error.code), ERRNO.get(error.code)  # type: ignore[call-overload]
    return socket.gaierror(name, str(error)) if name is not None else failure(number or errno.EIO, error)


@contextlib.contextmanager
def told(waits: bool = True) -> Iterator[None]:
    """Translate what goes wrong in the block, of a socket that waits or does not."""
    try:
        yield
    except Exception as error:
        other = translated(error, waits)
        if other is error:
            raise
        raise other from error
