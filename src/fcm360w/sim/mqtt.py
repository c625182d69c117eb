"""The module's six MQTT clients: their networks, their sessions, and the places where messages wait for the host."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from fcm360w.commands.codes import DoneCode, MqttLossCode, MqttOpenCode, PacketCode, SocketCode
from fcm360w.commands.mqtt import (
    ClientState,
    ClosedNetwork,
    Connect,
    Connected,
    Disconnected,
    Lost,
    Opened,
    Published,
    Received,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from fcm360w.commands.mqttcfg import (
    Delivery,
    KeepAlive,
    Qos,
    ReceiveMode,
    Session,
    SessionKind,
    Ssl,
    Timeout,
    Version,
    Will,
)
from fcm360w.parameters import encode
from fcm360w.sim import mqtt_codec as codec
from fcm360w.sim.mqtt_codec import Kind
from fcm360w.sim.mqtt_session import Exchange, Patience
from fcm360w.sim.mqtt_session import Session as Link
from fcm360w.sim.network import Attempt, Connection
from fcm360w.sim.steps import Refused
from fcm360w.wire import Reply

if TYPE_CHECKING:
    from fcm360w.sim.module import Module

__all__ = ["CLIENTS", "WINDOW", "Client", "Mqtt"]

log = logging.getLogger("fcm360w.sim")

CLIENTS = 6
PLACES = 5
WINDOW = 5
LONGEST_TOPIC = 256
HELD = 32  # lines that wait for the host, from which on the servers have to wait, too
OPEN_PATIENCE = 120.0
END_PATIENCE = 5.0
LOOK = 0.002
UNANSWERED = (None, Kind.PUBACK, Kind.PUBREC, Kind.PUBCOMP)  # what a message may wait for
OPEN_CODES = {
    SocketCode.DNS_FAILED: MqttOpenCode.DNS_FAILED,
    SocketCode.CLOSED: MqttOpenCode.NETWORK_LOST,
    SocketCode.OUT_OF_MEMORY: MqttOpenCode.OUT_OF_MEMORY,
}


@dataclasses.dataclass
class Ending:
    """A connection whose end the server has still to confirm, and what is said then."""

    link: Connection
    until: float
    lines: list[Reply]


class Client:
    """One of six.  `state` is None while it has no network; `dropped` counts messages that found no place."""

    def __init__(self, number: int, module: Module) -> None:
        self.number = number
        self.state: ClientState | None = None
        self.host, self.port = "", 0
        self.places: list[codec.Message | None] = [None] * PLACES
        self.dropped = 0
        self._module = module
        self._attempt: Attempt | None = None
        self._until = 0.0
        self._link: Link | None = None
        self._ending: Ending | None = None
        self._unclosed = False
        self._seen: set[int] = set()

    # ---- network

    def open(self, host: str, port: int) -> None:
        """Connect to a server; +QMTOPEN tells the outcome."""
        module = self._module
        if self.state or self._attempt:
            module.notify(Opened(self.number, MqttOpenCode.IN_USE))
        elif not (module.radio.up or module.radio.ap_up):
            module.notify(Opened(self.number, MqttOpenCode.NETWORK_FAILED))
        else:
            ssl = module.setting(Ssl, self.number)
            self.host, self.port = host, port
            self._until = module.now + OPEN_PATIENCE
            self._attempt = module.dial(
                module.mqtt, host, port, ssl.ssl_ctx_idx if ssl.ssl_enable else None, self._dialled
            )

    def _dialled(self, result: Connection | SocketCode) -> None:
        self._attempt = None
        if isinstance(result, SocketCode):
            self._module.notify(Opened(self.number, OPEN_CODES.get(result, MqttOpenCode.NETWORK_FAILED)))
            return
        self._link = Link(
            result, accepted=self._accepted, arrived=self._arrived, lost=self._lost, held=self._held, seen=self._seen
        )
        self.places = [None] * PLACES
        self._unclosed = True
        self.state = ClientState.INITIALISING
        self._module.notify(Opened(self.number, MqttOpenCode.DONE))

    def _give_up(self, code: MqttOpenCode) -> None:
        if self._attempt:
            self._attempt.cancel()
            self._attempt = None
            self._module.notify(Opened(self.number, code))

    def _held(self) -> bool:
        return len(self._module.waiting) >= HELD

    def _lost(self, loss: MqttLossCode) -> None:
        self._fail_login()
        self._link = self.state = None
        self._module.notify(Lost(self.number, loss))

    def _fail_login(self) -> None:
        if self.state is ClientState.CONNECTING:
            self._module.notify(Connected(self.number, PacketCode.NOT_SENT))

    # ---- session

    def connect(self, command: Connect) -> None:
        """Log in; +QMTCONN tells the outcome.  Refused unless the network is open and there is no session."""
        if self._link is None or self.state is not ClientState.INITIALISING:
            raise Refused(SocketCode.NOT_ALLOWED)
        login = self._login(command)
        if login.clean:
            self._seen.clear()
        self.state = ClientState.CONNECTING
        self._link.patience = self._patience()
        self._link.login(login, self._module.now)

    def _patience(self) -> Patience:
        timeout = self._module.setting(Timeout, self.number)
        return Patience(timeout.pkt_timeout, timeout.retry_times)

    def _login(self, command: Connect) -> codec.Login:
        setting, number = self._module.setting, self.number
        will = setting(Will, number)
        last = None
        if will.will_flag and will.will_topic is not None:
            message = encode(will.will_message or "")
            last = codec.LastWill(will.will_topic, message, will.will_qos or 0, bool(will.will_retain))
        return codec.Login(
            setting(Version, number).vsn,
            command.client_id,
            setting(KeepAlive, number).keep_alive_time,
            setting(Session, number).clean_session is SessionKind.CLEAN,
            command.username,
            command.password,
            last,
        )

    def _accepted(self, answer: codec.Answer) -> None:
        code = answer.codes[0]
        self.state = ClientState.INITIALISING if code else ClientState.CONNECTED
        self._module.notify(Connected(self.number, PacketCode.ANSWERED, code))

    def disconnect(self) -> None:
        """Log off, and end the connection; +QMTDISC tells the outcome.  Refused if there is no session."""
        session = self._connected()
        lines: list[Reply] = [Disconnected(self.number, DoneCode.DONE)]
        if self._module.dialect.disc_stat:
            lines.append(Lost(self.number, MqttLossCode.DISCONNECTED))
        self._end(session, lines, politely=True)

    def close(self) -> None:
        """End the connection; +QMTCLOSE tells the outcome.  Refused if nothing was opened since it was closed last."""
        closed = ClosedNetwork(self.number, DoneCode.DONE)
        if self._ending:
            self._ending.lines.append(closed)
        elif self._link:
            self._fail_login()
            self._end(self._link, [closed], politely=False)
        elif self._attempt:
            self._give_up(MqttOpenCode.FAILED)
            self._module.notify(closed)
        elif self._unclosed:
            self._module.notify(closed)
        else:
            raise Refused(SocketCode.CLOSED)
        self._unclosed = False

    def _end(self, session: Link, lines: list[Reply], *, politely: bool) -> None:
        self._link = None
        link, sent = session.finish(self._module.now, politely=politely)
        if politely and not sent:
            link.close()
            self.state = None
            self._module.notify(Disconnected(self.number, DoneCode.FAILED))
            return
        self.state = ClientState.DISCONNECTING
        self._ending = Ending(link, self._module.now + END_PATIENCE, lines)

    def _ended(self) -> None:
        if self._ending:
            self._ending.link.close()
            ending, self._ending, self.state = self._ending, None, None
            for line in ending.lines:
                self._module.notify(line)

    # ---- what the host sends

    def _connected(self) -> Link:
        """The session.  Refused if there is none."""
        if self._link is None or self.state is not ClientState.CONNECTED:
            raise Refused(SocketCode.CLOSED)
        return self._link

    def admit(self, qos: Qos, packet_id: int) -> None:
        """Refused unless one more message may be sent, with that id."""
        self._admit(packet_id if qos else None, message=True)

    def _admit(self, packet_id: int | None, *, message: bool) -> Link:
        link = self._connected()
        waiting = sum((exchange.awaits in UNANSWERED) is message for exchange in link.exchanges)
        if waiting >= WINDOW:
            raise Refused(SocketCode.BUSY)
        if packet_id is not None and (packet_id == 0 or link.in_flight(packet_id)):
            raise Refused(SocketCode.INVALID_PARAMETERS)
        link.patience = self._patience()
        return link

    def publish(self, packet_id: int, qos: Qos, retain: bool, topic: str, payload: bytes) -> None:
        """Send a message; +QMTPUB tells what becomes of it.  Refused as by `admit`."""
        link = self._admit(packet_id if qos else None, message=True)
        first = codec.publish(topic, payload, qos, retain, packet_id)
        again = codec.publish(topic, payload, qos, retain, packet_id, again=True)
        awaits = (None, Kind.PUBACK, Kind.PUBREC)[qos]

        def tell(outcome: PacketCode, values: tuple[int, ...]) -> None:
            self._module.notify(Published(self.number, packet_id, outcome, *values))

        link.start(Exchange(awaits, packet_id, first, again, tell), self._module.now)

    def subscribe(self, command: Subscribe) -> None:
        """Subscribe; +QMTSUB tells what the server grants.  Refused without a session, and for an id in use."""
        link = self._admit(command.msg_id, message=False)
        pairs = command.pairs()
        packet = codec.subscribe(command.msg_id, pairs)

        def tell(outcome: PacketCode, values: tuple[int, ...]) -> None:
            self._module.notify(Subscribed(self.number, command.msg_id, outcome, *values))

        link.start(Exchange(Kind.SUBACK, command.msg_id, packet, packet, tell, len(pairs)), self._module.now)

    def unsubscribe(self, command: Unsubscribe) -> None:
        """End subscriptions; +QMTUNS tells the outcome.  Refused as `subscribe`."""
        link = self._admit(command.msg_id, message=False)
        packet = codec.unsubscribe(command.msg_id, command.topics())

        def tell(outcome: PacketCode, values: tuple[int, ...]) -> None:
            self._module.notify(Unsubscribed(self.number, command.msg_id, outcome, *values))

        link.start(Exchange(Kind.UNSUBACK, command.msg_id, packet, packet, tell), self._module.now)

    # ---- what the server sends

    def _arrived(self, message: codec.Message) -> None:
        if message.payload is None or len(encode(message.topic)) > LONGEST_TOPIC:
            self._drop(message, "it is too long")
        elif self._module.setting(ReceiveMode, self.number).msg_recv_mode is Delivery.WHOLE:
            if not self._module.notify(self.told(message)):
                self._drop(message, "too much waits for the host")
        elif None in self.places:
            place = self.places.index(None)
            self.places[place] = message
            self._module.notify(Received(self.number, place))
        else:
            self._drop(message, "every place is taken")

    def _drop(self, message: codec.Message, reason: str) -> None:
        self.dropped += 1
        log.warning("mqtt: client %d drops a message of %r: %s", self.number, message.topic, reason)

    def told(self, message: codec.Message) -> Received:
        """A message as a line."""
        return Received(self.number, message.packet_id, message.topic, message.payload)

    def take(self, place: int | None) -> tuple[Received, ...]:
        """Empty a place, or all of them.  Refused if there is neither a network nor a message."""
        if self.state is None and not any(self.places):
            raise Refused(SocketCode.CLOSED)
        wanted = range(PLACES) if place is None else [place]
        found = [message for index in wanted if (message := self.places[index])]
        for index in wanted:
            self.places[index] = None
        return tuple(map(self.told, found))

    # ---- time

    def deadline(self) -> float | None:
        if self._ending:
            return min(self._module.now + LOOK, self._ending.until)
        return self._until if self._attempt else self._link.deadline() if self._link else None

    def tick(self, now: float) -> None:
        if self._ending and (self._ending.link.finished() or now >= self._ending.until):
            self._ended()
        if self._attempt and now >= self._until:
            self._give_up(MqttOpenCode.FAILED)
        if self._link:
            self._link.patience = self._patience()
            self._link.tick(now)

    def lose(self) -> None:
        """The Wi-Fi is gone."""
        self._give_up(MqttOpenCode.NETWORK_LOST)
        self._ended()
        if self._link:
            self._link.drop(MqttLossCode.LINK_DOWN)

    def abandon(self) -> None:
        """Let go of the network, silently."""
        if self._attempt:
            self._attempt.cancel()
        if self._link:
            self._link.abandon()
        if self._ending:
            self._ending.link.close()


class Mqtt:
    """The service: all six."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self.clients = self._fresh()

    def _fresh(self) -> tuple[Client, ...]:
        return tuple(Client(number, self._module) for number in range(CLIENTS))

    def open(self) -> tuple[Client, ...]:
        """Those that have a network."""
        return tuple(client for client in self.clients if client.state)

    def deadline(self) -> float | None:
        times = [client.deadline() for client in self.clients]
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        for client in self.clients:
            client.tick(now)

    def lose(self) -> None:
        for client in self.clients:
            client.lose()

    def reset(self) -> None:
        for client in self.clients:
            client.abandon()
        self.clients = self._fresh()
