"""MQTT (manual 2.5.2 to 2.5.9, 3.5): network of a client, log-in, subscriptions, messages both ways.

A client is a number, 0 to 5.  Its network is opened first and its session then; what the server made of a request comes
as a line after OK.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Self

from fcm360w.commands.codes import describe
from fcm360w.commands.mqttcfg import ClientIdx, Joint, Qos, Topic, first_gap
from fcm360w.commands.system import Switch
from fcm360w.parameters import SECRET, Coded, Length, Named, Note, ParseError, Payload, Range
from fcm360w.wire import Command, Reply, Support

MAX_PUBLISH = 2048
MAX_MESSAGE = 10240

MsgId = Annotated[int, Range(0, 65535)]
PacketResult = Annotated[int, Coded("mqtt_packet")]
DoneResult = Annotated[int, Coded("mqtt_done")]

STATUS = re.compile(r"\d+(,\d+){5}")
PIECE = re.compile(r"[\d,]+")


class ClientState(IntEnum):
    """State of a client's session."""

    INITIALISING, CONNECTING, CONNECTED, DISCONNECTING = 1, 2, 3, 4


# ---- network and session, 2.5.2 to 2.5.5 ----------------------------------------------------------------------------


class Opened(Reply, at="+QMTOPEN", ref="2.5.2"):
    """The network of a client finished opening."""

    client_idx: ClientIdx
    result: Annotated[int, Coded("mqtt_open")]

    def fault(self) -> tuple[int, str] | None:
        return describe(self.result, "mqtt_open") if self.result else None


class Open(Command[Opened], at="+QMTOPEN", ref="2.5.2", wait=120.0, late=True, test=('(0-5),"hostname",(1-65535)',)):
    """Open the network of a client.  Completes with the +QMTOPEN line."""

    client_idx: ClientIdx
    host_name: Annotated[str, Length(1, 100), Note("M11")]
    port: Annotated[int, Range(1, 65535)]

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, Opened) and reply.client_idx == self.client_idx


class Server(Reply, at="+QMTOPEN", ref="2.5.2"):
    """The server that a client's network is open to."""

    client_idx: ClientIdx
    host_name: str
    port: Annotated[int, Range(1, 65535)]


class ListServers(Command[tuple[Server, ...]], at="+QMTOPEN", ref="2.5.2", form="read"):
    """Report every client whose network is open."""


class ClosedNetwork(Reply, at="+QMTCLOSE", ref="2.5.3"):
    """The network of a client was closed, or could not be."""

    client_idx: ClientIdx
    result: DoneResult

    def fault(self) -> tuple[int, str] | None:
        return describe(self.result, "mqtt_done") if self.result else None


class Close(Command[ClosedNetwork], at="+QMTCLOSE", ref="2.5.3", wait=30.0, late=True, test=("(0-5)",)):
    """Close the network of a client.  Completes with the +QMTCLOSE line."""

    client_idx: ClientIdx

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, ClosedNetwork) and reply.client_idx == self.client_idx


class Connected(Reply, at="+QMTCONN", ref="2.5.4"):
    """What became of a log-in.  `result` 1: the request was sent again, and the outcome is still to come."""

    client_idx: ClientIdx
    result: PacketResult
    ret_code: Annotated[int, Coded("mqtt_connack"), Named("retcode", "ret_code")] | None = None

    def fault(self) -> tuple[int, str] | None:
        if self.ret_code:
            return describe(self.ret_code, "mqtt_connack")
        return describe(self.result, "mqtt_packet") if self.result else None


class Connect(
    Joint,
    Command[Connected],
    at="+QMTCONN",
    ref="2.5.4",
    wait=5.0,
    late=True,
    test=("(0-5),<clientID>,<username>,<password>",),
):
    """Log a client in.  Completes with the +QMTCONN line.  User name and password are given both or neither (M13)."""

    client_idx: ClientIdx
    client_id: str
    username: Annotated[str, Note("M13")] | None = None
    password: Annotated[str, SECRET, Note("M13")] | None = None

    def lacking(self) -> str | None:
        if self.username is None:
            return "username" if self.password is not None else None
        return "password" if self.password is None else None

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, Connected) and reply.client_idx == self.client_idx and reply.result != 1


class SessionState(Reply, at="+QMTCONN", ref="2.5.4"):
    """State of one client's session."""

    client_idx: ClientIdx
    state: ClientState


class ListSessions(Command[tuple[SessionState, ...]], at="+QMTCONN", ref="2.5.4", form="read"):
    """Report the session of every client whose network is open."""


class Disconnected(Reply, at="+QMTDISC", ref="2.5.5"):
    """A client was logged off, or could not be."""

    client_idx: ClientIdx
    result: DoneResult

    def fault(self) -> tuple[int, str] | None:
        return describe(self.result, "mqtt_done") if self.result else None


class Disconnect(Command[Disconnected], at="+QMTDISC", ref="2.5.5", wait=30.0, late=True, test=("(0-5)",)):
    """Log a client off.  Completes with the +QMTDISC line."""

    client_idx: ClientIdx

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, Disconnected) and reply.client_idx == self.client_idx


# ---- subscriptions, 2.5.6 and 2.5.7 ---------------------------------------------------------------------------------


class Subscribed(Reply, at="+QMTSUB", ref="2.5.6"):
    """What became of a subscription.

    `value` and those after it are the QoS that the server grants for each topic, 128 for one that it refuses; with
    `result` 1, how often the request was sent again so far.
    """

    client_idx: ClientIdx
    msg_id: MsgId
    result: PacketResult
    value: Annotated[int, Note("M18")] | None = None
    value2: Annotated[int, Note("M18")] | None = None
    value3: Annotated[int, Note("M18")] | None = None
    value4: Annotated[int, Note("M18")] | None = None
    value5: Annotated[int, Note("M18")] | None = None
    value6: Annotated[int, Note("M18")] | None = None
    value7: Annotated[int, Note("M18")] | None = None
    value8: Annotated[int, Note("M18")] | None = None

    def values(self) -> tuple[int, ...]:
        """One for each topic, as far as the module says."""
        every = (self.value, self.value2, self.value3, self.value4, self.value5, self.value6, self.value7, self.value8)
        return tuple(value for value in every if value is not None)

    def fault(self) -> tuple[int, str] | None:
        return describe(self.result, "mqtt_packet") if self.result else None


class Subscribe(
    Joint,
    Command[Subscribed],
    at="+QMTSUB",
    ref="2.5.6",
    wait=15.0,
    late=True,
    test=("(0-5),(0-65535),<topic>,(0-2)",),
):
    """Subscribe to up to eight topics, each with the QoS wanted.  Completes with the +QMTSUB line."""

    client_idx: ClientIdx
    msg_id: MsgId
    topic: Topic
    qos: Qos
    topic2: Topic | None = None
    qos2: Qos | None = None
    topic3: Topic | None = None
    qos3: Qos | None = None
    topic4: Topic | None = None
    qos4: Qos | None = None
    topic5: Topic | None = None
    qos5: Qos | None = None
    topic6: Topic | None = None
    qos6: Qos | None = None
    topic7: Topic | None = None
    qos7: Qos | None = None
    topic8: Topic | None = None
    qos8: Qos | None = None

    FURTHER = tuple(f"{name}{n}" for n in range(2, 9) for name in ("topic", "qos"))

    def lacking(self) -> str | None:
        return first_gap(self, self.FURTHER, 2)

    def pairs(self) -> tuple[tuple[str, Qos], ...]:
        """Topics with their QoS."""
        further = [getattr(self, name) for name in self.FURTHER]
        rest = tuple((topic, qos) for topic, qos in zip(further[::2], further[1::2], strict=True) if topic is not None)
        return ((self.topic, self.qos), *rest)

    def belongs(self, reply: Reply) -> bool:
        mine = isinstance(reply, Subscribed) and (reply.client_idx, reply.msg_id) == (self.client_idx, self.msg_id)
        return mine and isinstance(reply, Subscribed) and reply.result != 1


class Unsubscribed(Reply, at="+QMTUNS", ref="2.5.7"):
    """What became of the end of a subscription; with `result` 1, how often the request was sent again so far."""

    client_idx: ClientIdx
    msg_id: MsgId
    result: PacketResult
    value: int | None = None

    def fault(self) -> tuple[int, str] | None:
        return describe(self.result, "mqtt_packet") if self.result else None


class Unsubscribe(
    Joint,
    Command[Unsubscribed],
    at="+QMTUNS",
    ref="2.5.7",
    wait=15.0,
    late=True,
    test=("(0-5),(0-65535),<topic>",),
):
    """End the subscription to up to eight topics.  Completes with the +QMTUNS line."""

    client_idx: ClientIdx
    msg_id: MsgId
    topic: Topic
    topic2: Topic | None = None
    topic3: Topic | None = None
    topic4: Topic | None = None
    topic5: Topic | None = None
    topic6: Topic | None = None
    topic7: Topic | None = None
    topic8: Topic | None = None

    FURTHER = tuple(f"topic{n}" for n in range(2, 9))

    def lacking(self) -> str | None:
        return first_gap(self, self.FURTHER)

    def topics(self) -> tuple[str, ...]:
        """Every topic."""
        further = (getattr(self, name) for name in self.FURTHER)
        return (self.topic, *(topic for topic in further if topic is not None))

    def belongs(self, reply: Reply) -> bool:
        mine = isinstance(reply, Unsubscribed) and (reply.client_idx, reply.msg_id) == (self.client_idx, self.msg_id)
        return mine and isinstance(reply, Unsubscribed) and reply.result != 1


# ---- messages, 2.5.8, 2.5.9, 3.5.2 ----------------------------------------------------------------------------------


class Published(Reply, at="+QMTPUB", ref="2.5.8"):
    """What became of a message; with `result` 1, how often it was sent again so far."""

    client_idx: ClientIdx
    msg_id: MsgId
    result: PacketResult
    value: int | None = None

    def fault(self) -> tuple[int, str] | None:
        return describe(self.result, "mqtt_packet") if self.result else None


def _published(command: Publish | PublishUntil, reply: Reply) -> bool:
    mine = isinstance(reply, Published) and (reply.client_idx, reply.msg_id) == (command.client_idx, command.msg_id)
    return mine and isinstance(reply, Published) and reply.result != 1


class Publish(
    Command[Published],
    at="+QMTPUB",
    ref="2.5.8",
    wait=15.0,
    late=True,
    test=("(0-5),(0-65535),(0-2),(0,1),<topic>,(1-2048)",),
):
    """Publish bytes, after the ``>`` prompt.  Completes with the +QMTPUB line.  QoS 1 and 2 need a `msg_id` (M17)."""

    client_idx: ClientIdx
    msg_id: Annotated[MsgId, Note("M17")]
    qos: Qos
    retain: Switch
    topic: Topic
    data: Annotated[bytes, Payload(1, MAX_PUBLISH), Named("length")]

    def belongs(self, reply: Reply) -> bool:
        return _published(self, reply)


class PublishUntil(Command[Published], at="+QMTPUB", ref="2.5.8", wait=15.0, late=True):
    """Publish text that CTRL+Z ends.  For people at a terminal: the text cannot contain CTRL+Z or ESC."""

    client_idx: ClientIdx
    msg_id: Annotated[MsgId, Note("M17")]
    qos: Qos
    retain: Switch
    topic: Topic
    data: Annotated[bytes, Payload(0, MAX_PUBLISH, counted=False)]

    def belongs(self, reply: Reply) -> bool:
        return _published(self, reply)


class Received(Reply, at="+QMTRECV", ref="3.5.2"):
    """A message came.  Whole, its second number is its `msg_id`, 0 with QoS 0.

    Without topic and payload it is stored in the module, and the second number is its place, 0 to 4: see ReadStored.
    Firmware that leaves the length out makes `reliable` false: the payload is then what stands between the quotes.
    """

    client_idx: ClientIdx
    msg_id: Annotated[MsgId, Named("msg_id", "recv_id")]
    topic: str | None = None
    data: Annotated[bytes, Payload(0, MAX_MESSAGE), Named("payload_len")] | None = None

    reliable = True

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        if data is None:
            return cls._uncounted(text)
        row = super().read(text, data)
        if row.topic is None or '"' not in text:
            raise ParseError(f"{cls.at}: no message: {text!r}")
        return row

    @classmethod
    def _uncounted(cls, text: str) -> Self:
        """Told of only; or without a length, and then whatever is left between the outermost quotes."""
        head, quoted, rest = text.partition('"')
        topic, between, payload = rest.partition('",')
        if not quoted:
            row = cls.parse(text)
            if row.topic is None:
                return row
        if not between or not payload.startswith('"') or not payload.endswith('"') or len(payload) < 2:
            raise ParseError(f"{cls.at}: announces a payload and brings none: {text!r}")
        row = cls.parse(head.rstrip(" ,")).replace(topic=topic, data=payload[1:-1].encode("utf-8", "surrogateescape"))
        object.__setattr__(row, "reliable", False)
        return row


class Store(Reply, at="+QMTRECV", ref="2.5.9"):
    """Which of a client's five places hold a message."""

    client_idx: ClientIdx
    store_status0: Switch
    store_status1: Switch
    store_status2: Switch
    store_status3: Switch
    store_status4: Switch


class ListStores(Command[tuple[Store, ...]], at="+QMTRECV", ref="2.5.9", form="read"):
    """Report the places of every client whose network is open.

    Its lines are shaped like those of messages, whose payload is counted, so that they come in two parts: up to what
    looks like the length, with so many bytes, and the rest.
    """

    def answer(self, text: str, data: bytes | None = None) -> Reply | None:
        name, found, rest = text.partition(":")
        piece = (rest if found else text).replace(" ", "")
        if (found and name != self.at) or not PIECE.fullmatch(piece):
            return None
        if data is None:
            return None if found and not STATUS.fullmatch(piece) else Support(piece)
        return Support(f"{piece},{data.decode('latin-1')}")

    def finish(self, replies: Sequence[Reply], final: str) -> tuple[Store, ...]:
        stores: list[Store] = []
        text = ""
        for reply in replies:
            text += reply.text if isinstance(reply, Support) else ""
            if STATUS.fullmatch(text):
                stores.append(Store.read(text))
                text = ""
        if text:
            raise ParseError(f"{self.at}: {text!r}")
        return tuple(stores)


class ReadStored(Command[tuple[Received, ...]], at="+QMTRECV", ref="2.5.9", wait=5.0, test=()):
    """Take stored messages out of the module: all of a client, or that in one place.  None: it is empty."""

    client_idx: ClientIdx
    receive_id: Annotated[int, Range(0, 4)] | None = None

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, Received) and reply.client_idx == self.client_idx and reply.data is not None


class Lost(Reply, at="+QMTSTAT", ref="3.5.1"):
    """The module dropped a client's session and network; `err_code` says why."""

    client_idx: ClientIdx
    err_code: Annotated[int, Coded("mqtt_urc")]
