"""The tree of errors: its shape, its words, and its way through a pickle."""

from __future__ import annotations

import errno
import pickle

import pytest

from fcm360w import errors
from fcm360w.errors import (
    CommandError,
    CommandTimeout,
    FCM360WError,
    GivenUp,
    NoAnswer,
    PeerClosed,
    ProtocolError,
    SendTimeout,
    TransportError,
    TransportLost,
    TransportUnavailable,
    UsageError,
)

RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

SAMPLES: list[tuple[FCM360WError, str]] = [
    (UsageError("no such option"), "no such option"),
    (ProtocolError("+QIRD without a length"), "+QIRD without a length"),
    (NoAnswer("the module does not answer AT"), "the module does not answer AT"),
    (CommandError("AT+QIOPEN=0"), "AT+QIOPEN=0: ERROR"),
    (
        CommandError("AT+QHTTPGET=60", "+CME ERROR: 706", 706, "HTTP(S) no network", "2.6.3"),
        "AT+QHTTPGET=60: +CME ERROR: 706, HTTP(S) no network (manual 2.6.3)",
    ),
    (CommandTimeout("AT+QIOPEN=0", 150.0, "2.3.2"), "AT+QIOPEN=0: no answer within 150 s (manual 2.3.2)"),
    (GivenUp("AT+QIOPEN=0", 3.5, "2.3.2"), "AT+QIOPEN=0: given up after 3.5 s to recover the module (manual 2.3.2)"),
    (SendTimeout(1460), "sending timed out after 1460 bytes"),
    (PeerClosed(), "the peer closed the connection: 0 bytes sent"),
    (PeerClosed(100, 90, 10), "the peer closed the connection: 100 bytes sent, 90 acknowledged, 10 uncertain"),
    (TransportLost("lost sim://"), "lost sim://"),
    (
        TransportLost("lost tcp://h:1", RESET, "AT+QISEND=0,5"),
        "lost tcp://h:1: Connection reset by peer; in flight: AT+QISEND=0,5",
    ),
    (TransportUnavailable("cannot open COM3"), "cannot open COM3"),
    (TransportUnavailable("cannot open COM3", "pip install pyserial"), "cannot open COM3\npip install pyserial"),
]


@pytest.mark.parametrize(("error", "text"), SAMPLES, ids=lambda each: type(each).__name__)
def test_text(error: FCM360WError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("error", [error for error, _ in SAMPLES], ids=lambda each: type(each).__name__)
def test_pickle_keeps_everything(error: FCM360WError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert {**vars(again), "cause": None} == {**vars(error), "cause": None}
    assert repr(vars(again).get("cause")) == repr(vars(error).get("cause"))


def test_lost_transport_repeats_the_errno_of_its_cause() -> None:
    assert TransportLost("lost", RESET).errno == errno.ECONNRESET
    assert TransportLost("lost").errno is None


def test_in_flight_may_be_learned_later() -> None:
    error = TransportLost("lost sim://")
    error.in_flight = "AT"
    assert str(error) == "lost sim://; in flight: AT"


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (UsageError, (ValueError,)),
        (CommandTimeout, (TimeoutError,)),
        (GivenUp, (CommandTimeout,)),
        (PeerClosed, (ConnectionError,)),
        (TransportLost, (TransportError, ConnectionError)),
        (TransportUnavailable, (TransportError, ConnectionError)),
    ],
)
def test_tree(error: type[FCM360WError], bases: tuple[type[Exception], ...]) -> None:
    assert issubclass(error, FCM360WError)
    assert all(issubclass(error, base) for base in bases)


def test_every_error_is_drawn_in_the_docstring() -> None:
    assert errors.__doc__
    for name in errors.__all__:
        assert f" {name} " in errors.__doc__ or f" {name}\n" in errors.__doc__
