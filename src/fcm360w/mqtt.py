"""MQTT for programs with threads: connect a client of the module's to a server, publish, subscribe, receive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from fcm360w.closings import Closing
from fcm360w.commands.mqttcfg import Protocol as Version
from fcm360w.errors import UsageError
from fcm360w.flows.mqtt import LastWill, Options
from fcm360w.link import Link
from fcm360w.messaging import Client, Message

if TYPE_CHECKING:
    from fcm360w.contexts import Context
    from fcm360w.module import Module

Topics = str | tuple[str, int] | Sequence[str | tuple[str, int]]
PORT, SECURE_PORT = 1883, 8883


def named(topics: Topics, qos: int) -> list[tuple[str, int]]:
    """Topics with the QoS of each.  UsageError if there are none."""
    if isinstance(topics, str):
        return [(topics, qos)]
    if isinstance(topics, tuple) and len(topics) == 2 and isinstance(topics[0], str) and isinstance(topics[1], int):
        return [(topics[0], topics[1])]
    each_of = cast("Sequence[str | tuple[str, int]]", topics)
    pairs = [(each, qos) if isinstance(each, str) else each for each in each_of]
    if not pairs:
        raise UsageError("subscribe: topics is empty (manual 2.5.6)")
    return [(str(topic), int(level)) for topic, level in pairs]


def bare(topics: str | Sequence[str]) -> list[str]:
    """A list of topics.  UsageError if there are none."""
    found = [topics] if isinstance(topics, str) else list(topics)
    if not found:
        raise UsageError("unsubscribe: topics is empty (manual 2.5.7)")
    return found


def encoded(payload: bytes | bytearray | str) -> bytes:
    """Text goes as UTF-8."""
    return payload.encode() if isinstance(payload, str) else bytes(payload)


class Mqtt:
    """MQTT clients of the module, at most six (manual 2.5)."""

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link
        self._mine: set[int] = set()

    def __call__(
        self,
        host: str,
        port: int | None = None,
        *,
        client_id: str = "",
        username: str | None = None,
        password: str | None = None,
        keepalive: int = 120,
        clean: bool = True,
        will: LastWill | None = None,
        tls: Context | None = None,
        version: Version = Version.V3_1_1,
        timeout: int = 5,
        retries: int = 3,
        stored: bool = False,
        hexadecimal: bool = False,
        max_payload: int = 1500,
    ) -> MqttClient:
        """Connect to a server, by default at port 1883, with `tls` at 8883.

        `keepalive` 0 to 3600 s; not `clean`: the server keeps subscriptions and what comes for them.  `timeout`, 1 to
        1200 s, is a packet's, which is sent again `retries` times, 0 to 10.  `stored`: messages are kept in the
        module's five places until they are taken, and what finds no place is lost there.  `hexadecimal`: payloads cross
        the serial port as digits.  `max_payload`: the manual has two limits of a message, 1500 and 2048 bytes.
        CommandError with the code of +QMTOPEN, or of the server's refusal (manual 2.5.1 to 2.5.4).
        """
        where = (SECURE_PORT if tls else PORT) if port is None else port
        options = Options(
            host, where, client_id, username, password, keepalive, clean, will, tls, version, timeout, retries,
            stored, hexadecimal, max_payload,
        )  # fmt: skip
        client = Client(self._link, options, self._mine)
        self._module.drive(client.connect())
        return self._module.adopt(MqttClient(self._module, client))


class MqttClient(Closing):
    """A session with an MQTT server.  Any thread may call."""

    _called = "MQTT client"
    transparent = False

    def __init__(self, module: Module, client: Client) -> None:
        self._module = module
        self._client = client

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return not self._client.connected

    @property
    def connected(self) -> bool:
        """Whether there is a session, as far as the module has said."""
        return self._client.connected

    @property
    def client_idx(self) -> int:
        """The module's number of the client, 0 to 5."""
        return self._client.client_idx

    @property
    def published(self) -> int:
        """Messages that the server has."""
        return self._client.published

    @property
    def received(self) -> int:
        """Messages that came, those that were dropped included."""
        return self._client.received

    @property
    def dropped(self) -> int:
        """Messages that were dropped because nobody took them in time."""
        return self._client.dropped

    def subscribe(self, topic: Topics, qos: int = 0) -> tuple[int, ...]:
        """Subscribe to a topic, or to several, each perhaps with a QoS of its own; the QoS that is granted for each.

        CommandError if the server refuses one, the others being subscribed then (manual 2.5.6).
        """
        return self._module.drive(self._client.subscribe(named(topic, qos)))

    def unsubscribe(self, topic: str | Sequence[str]) -> None:
        """End subscriptions (manual 2.5.7)."""
        self._module.drive(self._client.unsubscribe(bare(topic)))

    def publish(
        self, topic: str, payload: bytes | bytearray | str, qos: int = 0, retain: bool = False, wait: bool = True
    ) -> None:
        """Publish a message, and wait until the server has it, or with QoS 0 until it is sent.

        Without `wait` until the module has it: of those five may be on their way, and `flush` tells of their failures.
        CommandError if it could not be sent; SessionLost if the session was lost meanwhile (manual 2.5.8).
        """
        self._module.drive(self._client.publish(topic, encoded(payload), qos, retain, wait))

    def flush(self) -> None:
        """Wait until all that was published has arrived; raises the first failure nobody has heard of."""
        self._module.drive(self._client.flush())

    def recv(self, timeout: float | None = None) -> Message:
        """The message that has waited longest; TimeoutError if none comes in `timeout` seconds.

        Overrun, once, where some were dropped.  SessionLost if there is no session any more, and nothing is left.
        """
        deadline = None if timeout is None else self._module.clock() + timeout
        return self._module.drive(self._client.receive(deadline))

    def __iter__(self) -> Iterator[Message]:
        """Messages as they come, until the client is closed.  Overrun and SessionLost as `recv`."""
        while (message := self._module.drive(self._client.next())) is not None:
            yield message

    def reconnect(self) -> None:
        """Connect anew, after a loss or not, and subscribe again.

        Of messages that nobody waited for, and nobody knows whether they arrived, `flush` tells.
        """
        self._module.drive(self._client.reconnect())
        self._module.adopt(self)
        self._module.drive(self._client.resubscribe())

    def disconnect(self) -> None:
        """Log off and close the network; the server does not publish the will then (manual 2.5.3, 2.5.5).

        What was published without waiting has until then as long as a packet has; raises the first failure of it.
        """
        self._module.drive(self._client.close())
        self._module.forget(self)

    def close(self) -> None:
        """As disconnect; a session that was lost is no error, unless messages may have gone with it."""
        self.disconnect()
