"""What can go wrong, told by whose fault it is.

    FCM360WError
    ├── UsageError            also ValueError: the caller asked for what cannot be
    ├── ProtocolError         the bytes on the wire made no sense
    │   └── NoAnswer              also TimeoutError: there were none
    ├── CommandError          the module said no
    ├── CommandTimeout        also TimeoutError: the module said nothing
    │   ├── GivenUp               before its time was over, since somebody recovered the module
    │   └── Restarted             nor will it: it has started anew
    ├── SendTimeout           also TimeoutError: the caller's time is up, and not all has been sent
    ├── PeerClosed            also ConnectionError: the far end of a socket went away
    ├── SocketLost            also ConnectionError: the module dropped a socket of its own accord
    │   └── SessionLost           with an MQTT server
    ├── Overrun               bytes were dropped because nobody took them in time
    └── TransportError        also ConnectionError: the way to the module
        ├── TransportLost         was there, and is gone
        └── TransportUnavailable  could not be opened

Commands are shown as they were sent, with secrets masked by whoever raises. Every error can be pickled.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CommandError",
    "CommandTimeout",
    "FCM360WError",
    "GivenUp",
    "NoAnswer",
    "Overrun",
    "PeerClosed",
    "ProtocolError",
    "Restarted",
    "SendTimeout",
    "SessionLost",
    "SocketLost",
    "TransportError",
    "TransportLost",
    "TransportUnavailable",
    "UsageError",
]

Rebuild = tuple[type["FCM360WError"], tuple[Any, ...]]


def _manual(section: str) -> str:
    return f" (manual {section})" if section else ""


class FCM360WError(Exception):
    """Anything this library raises on purpose."""


class UsageError(FCM360WError, ValueError):
    """The call makes no sense, whatever the module would say."""


class CoreUnavailable(UsageError, ImportError):
    """The environment asks for a core that does not exist or is not installed."""


class ProtocolError(FCM360WError):
    """The wire made no sense: not what the manual allows at this point."""


class NoAnswer(ProtocolError, TimeoutError):
    """Nothing at all comes from where the module should be."""


class CommandError(FCM360WError):
    """The module refused a command.

    `result` is its final line; `code` the number of a +CME ERROR or of a late line, `reason` what chapter 5 says of it.
    """

    def __init__(
        self, command: str, result: str = "ERROR", code: int | None = None, reason: str | None = None, section: str = ""
    ) -> None:
        super().__init__(command, result)
        self.command = command
        self.result = result
        self.code = code
        self.reason = reason
        self.section = section

    def __str__(self) -> str:
        reason = f", {self.reason}" if self.reason else ""
        return f"{self.command}: {self.result}{reason}{_manual(self.section)}"

    def __reduce__(self) -> Rebuild:
        return type(self), (self.command, self.result, self.code, self.reason, self.section)


class CommandTimeout(FCM360WError, TimeoutError):
    """No final answer to a command in the time its row of the table grants."""

    def __init__(self, command: str, seconds: float, section: str = "") -> None:
        super().__init__(command)
        self.command = command
        self.seconds = seconds
        self.section = section

    def __str__(self) -> str:
        return f"{self.command}: no answer within {self.seconds:g} s{_manual(self.section)}"

    def __reduce__(self) -> Rebuild:
        return type(self), (self.command, self.seconds, self.section)


class GivenUp(CommandTimeout):
    """What was waited for `seconds` was given up, since another caller recovered the module."""

    def __str__(self) -> str:
        return f"{self.command}: given up after {self.seconds:g} s to recover the module{_manual(self.section)}"


class Restarted(CommandTimeout):
    """The module restarted `seconds` after it was given the command, and so never answers it."""

    def __str__(self) -> str:
        return f"{self.command}: the module restarted{_manual(self.section)}"


class SendTimeout(FCM360WError, TimeoutError):
    """The caller's time is up: the first `sent` bytes of what was to be sent have gone, the others have not."""

    def __init__(self, sent: int) -> None:
        super().__init__(sent)
        self.sent = sent

    def __str__(self) -> str:
        return f"sending timed out after {self.sent} bytes"


class PeerClosed(FCM360WError, ConnectionError):
    """The far end of a socket closed it. All figures are payload bytes.

    `sent` went to the module, `acknowledged` (None: not known) of them reached the peer's system, and of `uncertain`
    nobody can say: they may have arrived, been dropped, or been taken for commands by the module.
    """

    def __init__(self, sent: int = 0, acknowledged: int | None = None, uncertain: int = 0) -> None:
        super().__init__("the peer closed the connection")
        self.sent = sent
        self.acknowledged = acknowledged
        self.uncertain = uncertain

    def __str__(self) -> str:
        known = "" if self.acknowledged is None else f", {self.acknowledged} acknowledged"
        doubt = f", {self.uncertain} uncertain" if self.uncertain else ""
        return f"the peer closed the connection: {self.sent} bytes sent{known}{doubt}"

    def __reduce__(self) -> Rebuild:
        return type(self), (self.sent, self.acknowledged, self.uncertain)


class SocketLost(FCM360WError, ConnectionError):
    """The module has dropped a socket: it restarted, or its network is gone.  What was not acknowledged may be lost."""


class SessionLost(SocketLost):
    """The session of an MQTT client is gone; `code` is the module's reason (manual 5, Table 2), None if it gave none.

    Of messages that were on their way nobody knows whether they arrived.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return self.message if self.code is None else f"{self.message} (+QMTSTAT {self.code}, manual 5, Table 2)"

    def __reduce__(self) -> Rebuild:
        return type(self), (self.message, self.code)


class Overrun(FCM360WError):
    """A bounded buffer was full and bytes were dropped; said once, after the bytes that came before the gap."""


class TransportError(FCM360WError, ConnectionError):
    """Something between this program and the module."""


class TransportLost(TransportError):
    """The transport broke while in use.

    `cause` is the system's error, whose `errno` this one repeats; `in_flight` the command that was waiting, if any.
    """

    def __init__(self, message: str, cause: OSError | None = None, in_flight: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.in_flight = in_flight
        self.errno = cause.errno if cause else None

    def __str__(self) -> str:
        cause = f": {self.cause.strerror or self.cause}" if self.cause else ""
        waiting = f"; in flight: {self.in_flight}" if self.in_flight else ""
        return f"{self.message}{cause}{waiting}"

    def __reduce__(self) -> Rebuild:
        return type(self), (self.message, self.cause, self.in_flight)


class TransportUnavailable(TransportError):
    """The transport cannot be opened; `hint` says what may help, in one line."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> Rebuild:
        return type(self), (self.message, self.hint)
