"""This library's errors as the system's."""

from __future__ import annotations

import errno
import socket

import pytest

from fcm360w import errors
from fcm360w.commands.codes import SocketCode
from fcm360w.flows.sockets import AllInUse
from fcm360w.socket_errors import ERRNO, NAMES, failure, told, translated
from fcm360w.turns import QueueTimeout

WAITED = [errors.SendTimeout(3), QueueTimeout("others"), TimeoutError("receiving timed out")]
TOLD = [
    (errors.CommandTimeout("AT", 1.0), TimeoutError, errno.ETIMEDOUT),
    (errors.Restarted("AT", 1.0), TimeoutError, errno.ETIMEDOUT),
    (errors.NoAnswer("nothing"), TimeoutError, errno.ETIMEDOUT),
    (errors.PeerClosed(3), BrokenPipeError, errno.EPIPE),
    (errors.SocketLost("restarted"), ConnectionResetError, errno.ECONNRESET),
    (errors.TransportLost("unplugged"), ConnectionAbortedError, errno.ECONNABORTED),
    (errors.Overrun("missing"), OSError, errno.EIO),
    (errors.ProtocolError("noise"), OSError, errno.EPROTO),
    (AllInUse("twelve"), OSError, errno.EMFILE),
    (errors.CommandError("AT", code=SocketCode.CONNECT_FAILED), ConnectionRefusedError, errno.ECONNREFUSED),
    (errors.CommandError("AT", code=SocketCode.DNS_FAILED), socket.gaierror, socket.EAI_NONAME),
    (errors.CommandError("AT", code=12345), OSError, errno.EIO),
    (errors.CommandError("AT"), OSError, errno.EIO),
]


@pytest.mark.parametrize(("error", "kind", "number"), TOLD, ids=lambda value: type(value).__name__)
def test_each_has_an_errno(error: Exception, kind: type[OSError], number: int) -> None:
    with pytest.raises(kind) as caught, told():
        raise error
    assert caught.value.errno == number
    assert caught.value.__cause__ is error
    assert str(error) in str(caught.value)


@pytest.mark.parametrize("error", WAITED, ids=lambda error: type(error).__name__)
def test_time_that_is_up(error: Exception) -> None:
    with pytest.raises(TimeoutError, match=r"^timed out$"), told():
        raise error
    with pytest.raises(BlockingIOError) as caught, told(waits=False):
        raise error
    assert caught.value.errno == errno.EAGAIN


def test_every_code_of_the_manual_has_one() -> None:
    assert ERRNO.keys() | NAMES.keys() | {
        SocketCode.SUCCESS,
        SocketCode.UNKNOWN,
        SocketCode.WRITE_FAILED,
        SocketCode.READ_FAILED,
        SocketCode.ACCEPT_FAILED,
    } == set(SocketCode)


@pytest.mark.parametrize("error", [errors.UsageError("no"), failure(errno.EBADF), KeyError("x")])
def test_others_stay_what_they_are(error: Exception) -> None:
    assert translated(error) is error
    with pytest.raises(type(error)) as caught, told():
        raise error
    assert caught.value is error
