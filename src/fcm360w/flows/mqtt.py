"""Open, log in and close an MQTT client of the module."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fcm360w import hexcodec
from fcm360w.commands.mqtt import (
    MAX_PUBLISH,
    Close,
    Connect,
    Disconnect,
    ListServers,
    MsgId,
    Open,
    Publish,
    Subscribe,
    Unsubscribe,
)
from fcm360w.commands.mqttcfg import (
    ClientIdx,
    DataFormat,
    Delivery,
    KeepAlive,
    Protocol,
    Qos,
    ReceiveMode,
    Session,
    SessionKind,
    Ssl,
    Timeout,
    Topic,
    Version,
    Will,
)
from fcm360w.commands.system import Switch
from fcm360w.commands.tcp import Format
from fcm360w.errors import CommandError, TransportLost, UsageError
from fcm360w.parameters import Named, Payload
from fcm360w.settings import Set, Setting
from fcm360w.steps import Later, Steps, Within
from fcm360w.wire import Command

if TYPE_CHECKING:
    from fcm360w.contexts import Context

CLIENTS = range(6)
TOPICS = 8  # that one request may name
MARGIN = 2.0


class LastWill(NamedTuple):
    """What the server publishes for a client that it lost; at most 256 bytes of text without quotes and controls."""

    topic: str
    payload: str | bytes = ""
    qos: int = 0
    retain: bool = False


class Options(NamedTuple):
    """All that says how a client is connected; see Mqtt.__call__."""

    host: str
    port: int = 1883
    client_id: str = ""
    username: str | None = None
    password: str | None = None
    keepalive: int = 120
    clean: bool = True
    will: LastWill | None = None
    tls: Context | None = None
    version: Protocol = Protocol.V3_1_1
    timeout: int = 5
    retries: int = 3
    stored: bool = False
    hexadecimal: bool = False
    max_payload: int = MAX_PUBLISH

    def __repr__(self) -> str:
        return f"Options({self.host!r}, {self.port}, client_id={self.client_id!r})"

    @property
    def patience(self) -> float:
        """Seconds after which the module has given a packet up."""
        return self.timeout * (self.retries + 1) + MARGIN

    def settings(self, client: int) -> Sequence[Setting]:
        """What the module is told; all of it, for an earlier owner may have told it something else."""
        kind = SessionKind.CLEAN if self.clean else SessionKind.KEPT
        form = Format.HEX if self.hexadecimal else Format.TEXT
        secure = Switch.OFF if self.tls is None else Switch.ON
        return (
            Version(client, self.version),
            Ssl(client, secure, self.tls.context_id if self.tls else None),
            KeepAlive(client, self.keepalive),
            Session(client, kind),
            Timeout(client, self.timeout, self.retries),
            self._will(client),
            ReceiveMode(client, Delivery.STORED if self.stored else Delivery.WHOLE),
            DataFormat(client, form, form),
        )

    def _will(self, client: int) -> Will:
        if self.will is None:
            return Will(client)
        payload = self.will.payload
        text = payload.decode("utf-8", "surrogateescape") if isinstance(payload, bytes) else payload
        return Will(client, Switch.ON, quality(self.will.qos), Switch(self.will.retain), self.will.topic, text)

    def login(self, client: int) -> Connect:
        """The command; UsageError unless user name and password are given both or neither."""
        return Connect(client, self.client_id, self.username, self.password)

    def check(self) -> None:
        """UsageError for what cannot be, before anything is sent."""
        if not 1 <= self.max_payload <= MAX_PUBLISH:
            raise UsageError(f"max_payload {self.max_payload} is outside 1..{MAX_PUBLISH} (manual {Publish.ref})")
        for setting in self.settings(0):
            Set(setting).line()
        Open(0, self.host, self.port).line()
        self.login(0).line()


def quality(qos: int) -> Qos:
    """UsageError unless it is 0, 1 or 2."""
    if qos not in (0, 1, 2):
        raise UsageError(f"qos {qos!r} is not 0, 1 or 2 (manual {Publish.ref})")
    return Qos(qos)


# ---- messages -------------------------------------------------------------------------------------------------------


class Submit(Command[None], at="+QMTPUB", ref="2.5.8", wait=20.0):
    """As mqtt.Publish, done once the module has the message: what becomes of it is told by mqtt.Published."""

    client_idx: ClientIdx
    msg_id: MsgId
    qos: Qos
    retain: Switch
    topic: Topic
    data: Annotated[bytes, Payload(1, MAX_PUBLISH), Named("length")]


class SubmitCounted(Submit, at="+QMTPUB", ref="2.5.8", wait=20.0):
    """As Submit, for firmware that is told the bytes and takes twice as many digits."""

    client_idx: ClientIdx
    msg_id: MsgId
    qos: Qos
    retain: Switch
    topic: Topic
    data: Annotated[bytes, Payload(1, MAX_PUBLISH), Named("length")]

    def body(self) -> bytes | None:
        data = super().body()
        return None if data is None else hexcodec.encode(data)


def subscriptions(client: int, msg_id: int, topics: Sequence[tuple[str, int]]) -> Subscribe:
    """One request for up to eight topics."""
    (topic, qos), *more = topics
    further = [value for name, level in more for value in (name, quality(level))]
    return Subscribe(client, msg_id, topic, quality(qos), *further)  # type: ignore[arg-type]


def ends(client: int, msg_id: int, topics: Sequence[str]) -> Unsubscribe:
    """One request for up to eight topics."""
    return Unsubscribe(client, msg_id, *topics)


# ---- network and session --------------------------------------------------------------------------------------------


def close_client(client: int) -> Steps[None]:
    """Close a client's network; one that is closed already is no error."""
    with contextlib.suppress(CommandError):
        yield from Close(client)


def leave_client(client: int) -> Steps[None]:
    """Log a client off, and close its network."""
    with contextlib.suppress(CommandError):
        yield from Disconnect(client)
    yield from close_client(client)


def free_client(mine: Collection[int]) -> Steps[int]:
    """The lowest client whose network is closed.  If none is, the lowest that an earlier owner left, once it is closed.

    UsageError if all six are `mine`.
    """
    opened = {server.client_idx for server in (yield from ListServers())}
    free = next((number for number in CLIENTS if number not in opened and number not in mine), None)
    if free is not None:
        return free
    left = next((number for number in CLIENTS if number not in mine), None)
    if left is None:
        raise UsageError("all six MQTT clients of the module are in use: close one first (manual 2.5.2)")
    yield from close_client(left)
    return left


def connect_client(
    options: Options, mine: Collection[int] = (), claim: Callable[[int], object] = lambda _: None
) -> Steps[int]:
    """Open a client's network and log it in; its number, which is told to `claim` before anything else.

    CommandError with the code of +QMTOPEN or of the server's refusal; CommandTimeout if no word of it comes.  However
    it fails, the network is closed, at once or before the next flow.
    """
    options.check()
    client = yield from free_client(mine)
    claim(client)
    try:
        if options.tls:
            yield from options.tls.ready()
        for setting in options.settings(client):
            yield from Set(setting)
        yield from Open(client, options.host, options.port)
        yield from Within(options.login(client), options.patience)
    except (TransportLost, GeneratorExit):
        raise
    except CommandError:
        yield from close_client(client)
        raise
    except BaseException:
        yield Later(partial(close_client, client))
        raise
    return client
