"""Options of MQTT clients (manual 2.5.1): protocol, transport, time limits, will, how messages come.

A client is a number, 0 to 5, and each has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Self

from fcm360w.commands.system import Switch
from fcm360w.commands.tcp import Format
from fcm360w.errors import UsageError
from fcm360w.parameters import SECRET, Length, Note, ParseError, Range, split
from fcm360w.settings import Setting
from fcm360w.wire import Row

ClientIdx = Annotated[int, Range(0, 5)]
Topic = Annotated[str, Length(1, 256), Note("M37")]


class Protocol(IntEnum):
    """MQTT 3.1 or 3.1.1."""

    V3_1, V3_1_1 = 3, 4


class Qos(IntEnum):
    """How hard a message is delivered."""

    AT_MOST_ONCE, AT_LEAST_ONCE, EXACTLY_ONCE = 0, 1, 2


class SessionKind(IntEnum):
    """Whether the server keeps subscriptions for a client that has left."""

    KEPT, CLEAN = 0, 1


class Delivery(IntEnum):
    """Whether a message comes whole, or is stored in the module and only told of."""

    WHOLE, STORED = 0, 1


class Joint(Row):
    """A row some of whose parameters are given together or not at all."""

    def lacking(self) -> str | None:
        """The parameter that is missing beside those that are given."""
        return None

    def parameters(self, mask: bool = False) -> str:
        if name := self.lacking():
            raise UsageError(f"{type(self).__name__}: {name} is missing beside the others (manual {self.ref})")
        return super().parameters(mask)

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Self:
        row = super().parse(text, strict)
        if strict and (name := row.lacking()):
            raise ParseError(f"{cls.__name__}: {name} is missing in {text!r}")
        return row


def first_gap(row: Row, names: Sequence[str], step: int = 1) -> str | None:
    """The first of some parameters that is left out before one that is given, or within a group of `step`."""
    given = [getattr(row, name) is not None for name in names]
    count = max((index + 1 for index, there in enumerate(given) if there), default=0)
    wanted = -(-count // step) * step
    return next((names[index] for index in range(wanted) if not given[index]), None)


# ---- options --------------------------------------------------------------------------------------------------------


class OfClient(Row):
    """An option of a client.  The answer to the question for it does not repeat whose it is."""

    anonymous: ClassVar[bool] = True

    @classmethod
    def told(cls, text: str, whose: tuple[Any, ...]) -> Self:
        key, *values = split(text) if text else [""]
        return cls.parse(",".join([key, *map(str, whose), *values]))

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        return cls.told(text, (0,))

    def line(self) -> str:
        key, _, *values = split(self.parameters())
        return f"{self.at}: {','.join([key, *values])}"


class Version(OfClient, Setting, at="+QMTCFG", key="version", ref="2.5.1", index=1):
    """Protocol version of a client."""

    client_idx: ClientIdx = 0
    vsn: Annotated[Protocol, Note("M7")] = Protocol.V3_1_1


class Ssl(Joint, OfClient, Setting, at="+QMTCFG", key="ssl", ref="2.5.1", index=1):
    """Plain TCP, or TLS as a context says."""

    client_idx: ClientIdx = 0
    ssl_enable: Switch = Switch.OFF
    ssl_ctx_idx: Annotated[int, Range(0, 5)] | None = None

    def lacking(self) -> str | None:
        return "ssl_ctx_idx" if self.ssl_enable and self.ssl_ctx_idx is None else None

    def line(self) -> str:
        return super().line() if self.ssl_enable else f'{self.at}: "{self.key}",0'


class KeepAlive(OfClient, Setting, at="+QMTCFG", key="keepalive", ref="2.5.1", index=1):
    """Seconds of silence after which the module pings the server; 0 never."""

    client_idx: ClientIdx = 0
    keep_alive_time: Annotated[int, Range(0, 3600, "s")] = 120


class Session(OfClient, Setting, at="+QMTCFG", key="session", ref="2.5.1", index=1):
    """Whether the server keeps the client's subscriptions, and what comes for them, once it has left."""

    client_idx: ClientIdx = 0
    clean_session: SessionKind = SessionKind.CLEAN


class Timeout(OfClient, Setting, at="+QMTCFG", key="timeout", ref="2.5.1", index=1):
    """How long a packet waits for its answer, and how often it is sent again; the notice has no known effect (M6)."""

    client_idx: ClientIdx = 0
    pkt_timeout: Annotated[int, Range(1, 1200, "s"), Note("M4")] = 5
    retry_times: Annotated[int, Range(0, 10)] = 3
    timeout_notice: Switch = Switch.OFF


class Will(
    Joint,
    OfClient,
    Setting,
    at="+QMTCFG",
    key="will",
    ref="2.5.1",
    index=1,
    test='"will",(0-5),(0,1),(0-2),(0,1),<will_topic>,<will_message>',
):
    """The message that the server sends for a client that it lost.  With the flag all of it must be given."""

    client_idx: ClientIdx = 0
    will_flag: Switch = Switch.OFF
    will_qos: Qos | None = None
    will_retain: Switch | None = None
    will_topic: Topic | None = None
    will_message: Annotated[str, Length(0, 256), Note("M5")] | None = None

    def lacking(self) -> str | None:
        names = ("will_qos", "will_retain", "will_topic", "will_message")
        given = [getattr(self, name) is not None for name in names]
        return names[given.index(False)] if (self.will_flag or any(given)) and not all(given) else None

    def line(self) -> str:
        return super().line() if self.will_flag else f'{self.at}: "{self.key}",0'


class ReceiveMode(OfClient, Setting, at="+QMTCFG", key="recv/mode", ref="2.5.1", index=1):
    """Whether messages come whole, or are stored in the module's five places and only told of."""

    client_idx: ClientIdx = 0
    msg_recv_mode: Delivery = Delivery.WHOLE


class DataFormat(OfClient, Setting, at="+QMTCFG", key="dataformat", ref="2.5.1", index=1):
    """Text or hexadecimal payloads."""

    client_idx: ClientIdx = 0
    send_mode: Format = Format.TEXT
    recv_mode: Format = Format.TEXT

    def digits(self) -> Mapping[str, bool]:
        return {f"message{self.client_idx}": self.recv_mode is Format.HEX}


class AliAuth(OfClient, Setting, at="+QMTCFG", key="aliauth", ref="2.5.1", index=1, test=""):
    """What a cloud of Alibaba's knows the device by; the manual mentions it without a word of what it does (M10)."""

    client_idx: ClientIdx = 0
    product_key: Annotated[str, Note("M10")] = ""
    device_name: Annotated[str, Note("M10")] = ""
    device_secret: Annotated[str, SECRET, Note("M10")] = ""


SETTINGS = (Version, Ssl, KeepAlive, Session, Timeout, Will, ReceiveMode, DataFormat, AliAuth)
