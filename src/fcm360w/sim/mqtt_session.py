"""One connection of an MQTT client to its server: what is in flight, what is repeated, and how it ends.

Time is an argument, and the bytes are the connection's.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Callable, Iterator

from fcm360w.commands.codes import MqttLossCode, PacketCode
from fcm360w.sim.mqtt_codec import (
    DISCONNECT,
    PINGREQ,
    Answer,
    Decoder,
    Kind,
    Login,
    Malformed,
    Message,
    Packet,
    acknowledge,
    connect,
)
from fcm360w.sim.network import Connection

__all__ = ["Exchange", "Patience", "Session"]

log = logging.getLogger("fcm360w.sim")

READ = 4096
EXACTLY_ONCE = 2


@dataclasses.dataclass
class Exchange:
    """A packet of the host's, until it is settled.

    `awaits` is the kind of its answer, None for a message that gets none.  `again` is the packet when it is repeated.
    `tell` hears of each outcome, with what the server granted, or how often the packet was sent again.  `topics` is how
    many of them the answer has to settle.
    """

    awaits: Kind | None
    packet_id: int
    packet: bytes
    again: bytes
    tell: Callable[[PacketCode, tuple[int, ...]], None]
    topics: int = 0
    due: float = 0.0
    repeated: int = 0
    sent: bool = False


@dataclasses.dataclass(frozen=True)
class Patience:
    """How many seconds a packet has until it is repeated, and how often that is done."""

    seconds: float
    repeats: int


class Session:
    """From the network connection to its end.

    `accepted` is told of the CONNACK, `arrived` of each message, and `lost` of the end, after which the session does
    nothing more.  `patience` may change at any time.  While `held()` nothing is read: the host has no room, and the
    server has to wait.  `seen` has the ids of messages at QoS 2 that the server has not released yet; it may outlive
    the session.
    """

    def __init__(
        self,
        link: Connection,
        *,
        accepted: Callable[[Answer], None],
        arrived: Callable[[Message], None],
        lost: Callable[[MqttLossCode], None],
        held: Callable[[], bool],
        seen: set[int],
    ) -> None:
        self.connected = False
        self.exchanges: list[Exchange] = []
        self.patience = Patience(0.0, 0)
        self._link: Connection | None = link
        self._accepted = accepted
        self._arrived = arrived
        self._lost = lost
        self._held = held
        self._seen = seen
        self._keepalive = 0
        self._packets: Iterator[Packet] = iter(())
        self._decoder = Decoder()
        self._unread = False
        self._outbox: deque[tuple[bytes, Exchange | None]] = deque()
        self._now = self._spoken = 0.0
        self._login_until: float | None = None
        self._pong_until: float | None = None

    # ---- what the host wants

    def login(self, login: Login, now: float) -> None:
        """Send CONNECT."""
        self._keepalive = login.keepalive
        self._login_until = now + self.patience.seconds
        self._say(connect(login), now)

    def start(self, exchange: Exchange, now: float) -> None:
        """Send a packet of the host's."""
        exchange.due = now + self.patience.seconds
        self.exchanges.append(exchange)
        self._say(exchange.packet, now, exchange)

    def in_flight(self, packet_id: int) -> bool:
        """Whether an id is in use."""
        return any(exchange.awaits and exchange.packet_id == packet_id for exchange in self.exchanges)

    def finish(self, now: float, *, politely: bool) -> tuple[Connection, bool]:
        """End our direction of the connection and give it up; `politely` with DISCONNECT, and whether that was sent."""
        assert self._link is not None
        if politely:
            self._say(DISCONNECT, now)
        link, sent = self._link, not self._outbox
        self._let_go()
        link.finish()
        return link, sent

    def drop(self, loss: MqttLossCode) -> None:
        """Close the connection and tell why."""
        if self._link:
            self._link.close()
            self._let_go()
            self._lost(loss)

    def abandon(self) -> None:
        """Close it, and tell nobody."""
        if self._link:
            self._link.close()
        self._link = None
        self._outbox.clear()
        self.exchanges.clear()

    def _let_go(self) -> None:
        """What is in flight has failed."""
        self._link = None
        self._outbox.clear()
        failed, self.exchanges = self.exchanges, []
        for exchange in failed:
            exchange.tell(PacketCode.NOT_SENT, ())

    # ---- sending

    def _say(self, packet: bytes, now: float, exchange: Exchange | None = None) -> None:
        self._now = now
        self._outbox.append((packet, exchange))
        self._flush()

    def _flush(self) -> None:
        """Send what there is room for."""
        while self._link and self._outbox and self._link.room() >= len(self._outbox[0][0]):
            packet, exchange = self._outbox.popleft()
            self._link.send(packet)
            self._spoken = self._now
            if exchange:
                exchange.sent = True
                if exchange.awaits is None:
                    self._settle(exchange, PacketCode.ANSWERED, ())

    def _settle(self, exchange: Exchange, outcome: PacketCode, values: tuple[int, ...]) -> None:
        self.exchanges.remove(exchange)
        exchange.tell(outcome, values)

    # ---- time

    def deadline(self) -> float | None:
        """When to call tick() at the latest."""
        if self._link is None:
            return None
        times = [self._ping_due(), self._pong_until]
        if not self._held():
            if self._unread or self._link.readable:
                return 0.0
            times += [self._login_until, *(exchange.due for exchange in self.exchanges)]
        return min((at for at in times if at is not None), default=None)

    def _ping_due(self) -> float | None:
        waits = self.connected and self._keepalive and self._pong_until is None
        return self._spoken + self._keepalive if waits else None

    def tick(self, now: float) -> None:
        """Let time pass, and take what the server has said."""
        self._now = now
        self._flush()
        self._read()
        if self._held():
            self._pong_until = None  # what the server says goes unheard for now
        elif self._link:
            self._hurry(now)
        if self._link and (due := self._ping_due()) is not None and now >= due:
            self._pong_until = now + self.patience.seconds
            self._say(PINGREQ, now)

    def _hurry(self, now: float) -> None:
        """Repeat what was not answered in time, or give up."""
        if self._login_until is not None and now >= self._login_until:
            unsent = self._outbox or (self._link and self._link.outstanding())
            self.drop(MqttLossCode.CONNECT_FAILED if unsent else MqttLossCode.CONNACK_FAILED)
        elif self._pong_until is not None and now >= self._pong_until:
            self.drop(MqttLossCode.PING_FAILED)
        for exchange in [exchange for exchange in self.exchanges if now >= exchange.due]:
            if exchange.repeated >= self.patience.repeats:
                self.drop(MqttLossCode.SENDING_FAILED)
                return
            self._repeat(exchange, now)

    def _repeat(self, exchange: Exchange, now: float) -> None:
        exchange.due = now + self.patience.seconds
        exchange.repeated += 1
        if exchange.sent:
            exchange.sent = False
            self._say(exchange.again, now, exchange)
        exchange.tell(PacketCode.SENT_AGAIN, (exchange.repeated,))

    # ---- receiving

    def _read(self) -> None:
        while self._link and not self._held():
            packet = self._next(self._link)
            if packet is not None:
                self._take(packet)
            elif not self._unread:
                return

    def _next(self, link: Connection) -> Packet | None:
        """The next packet; None if it is not complete, or the connection has ended."""
        try:
            if packet := next(self._packets, None):
                self._unread = True
                return packet
        except Malformed as fault:
            log.warning("mqtt: %s", fault)
            self.drop(MqttLossCode.CLIENT_CLOSED)
            return None
        self._unread = False
        if link.readable:
            data = link.receive(READ)
            if data is None:
                self.drop(MqttLossCode.SERVER_CLOSED)
            elif data:
                self._pong_until = None
                self._unread, self._packets = True, self._decoder.feed(data)
        return None

    def _take(self, packet: Packet) -> None:
        first = isinstance(packet, Answer) and packet.kind is Kind.CONNACK
        if first == self.connected or (first and self._login_until is None):
            log.warning("mqtt: %s out of order", packet)
            self.drop(MqttLossCode.CLIENT_CLOSED)
        elif isinstance(packet, Message):
            self._take_message(packet)
        else:
            TAKERS[packet.kind](self, packet)

    def _take_accepted(self, answer: Answer) -> None:
        self._login_until = None
        self.connected = answer.codes == (0,)
        if self.connected and not answer.present:
            self._seen.clear()
        self._accepted(answer)

    def _take_message(self, message: Message) -> None:
        known = message.qos == EXACTLY_ONCE and message.packet_id in self._seen
        if message.qos == EXACTLY_ONCE:
            self._seen.add(message.packet_id)
        if not known:
            self._arrived(message)
        if message.qos:
            kind = Kind.PUBREC if message.qos == EXACTLY_ONCE else Kind.PUBACK
            self._say(acknowledge(kind, message.packet_id), self._now)

    def _take_release(self, answer: Answer) -> None:
        self._seen.discard(answer.packet_id)
        self._say(acknowledge(Kind.PUBCOMP, answer.packet_id), self._now)

    def _take_receipt(self, answer: Answer) -> None:
        """The first half of a message at QoS 2 is done; a server that repeats itself is answered again."""
        release = acknowledge(Kind.PUBREL, answer.packet_id)
        exchange = self._waiting_for(answer)
        if exchange:
            exchange.due = self._now + self.patience.seconds
            exchange.awaits, exchange.again, exchange.sent = Kind.PUBCOMP, release, False
        self._say(release, self._now, exchange)

    def _take_end(self, answer: Answer) -> None:
        exchange = self._waiting_for(answer)
        if exchange and len(answer.codes) != exchange.topics:
            log.warning("mqtt: %d codes for %d topics", len(answer.codes), exchange.topics)
            self.drop(MqttLossCode.CLIENT_CLOSED)
        elif exchange:
            self._settle(exchange, PacketCode.ANSWERED, answer.codes)

    def _take_pong(self, answer: Answer) -> None:
        """That anything came is enough."""

    def _waiting_for(self, answer: Answer) -> Exchange | None:
        wanted = (answer.kind, answer.packet_id)
        return next((exchange for exchange in self.exchanges if (exchange.awaits, exchange.packet_id) == wanted), None)


TAKERS: dict[Kind, Callable[[Session, Answer], None]] = {
    Kind.CONNACK: Session._take_accepted,
    Kind.PUBACK: Session._take_end,
    Kind.PUBREC: Session._take_receipt,
    Kind.PUBREL: Session._take_release,
    Kind.PUBCOMP: Session._take_end,
    Kind.SUBACK: Session._take_end,
    Kind.UNSUBACK: Session._take_end,
    Kind.PINGRESP: Session._take_pong,
}
