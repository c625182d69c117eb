"""An MQTT client of the module, without I/O: what it has sent and not heard of, what came and nobody took.

Up to five messages may be on their way, as the module allows; what becomes of each comes as a line of its own, while
other commands go on.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from fcm360w import hexcodec
from fcm360w.commands.codes import describe
from fcm360w.commands.mqtt import Lost, Published, ReadStored, Received
from fcm360w.commands.mqttcfg import Qos
from fcm360w.commands.system import Booted, Switch
from fcm360w.errors import CommandError, CommandTimeout, FCM360WError, Overrun, SessionLost, UsageError
from fcm360w.events import Event
from fcm360w.flows.mqtt import (
    TOPICS,
    Options,
    Submit,
    SubmitCounted,
    connect_client,
    ends,
    leave_client,
    quality,
    subscriptions,
)
from fcm360w.link import Link
from fcm360w.steps import Steps, Unbroken, Within
from fcm360w.turns import Turn, Turns, patiently, perform, shielded

WINDOW = 5
MAX_WAITING = 1024
MAX_BYTES = 4 << 20
REFUSED = 128
LAST_ID = 65535


class Message(NamedTuple):
    """What came for a subscription.  `msg_id` is 0 with QoS 0; `at` is in seconds of the module's clock.

    `reliable` is false if the firmware told no length, so that the payload had to be taken from between quotes.
    """

    topic: str
    payload: bytes
    msg_id: int = 0
    at: float = 0.0
    reliable: bool = True


class Gap(NamedTuple):
    """Messages that were dropped here, and how many bytes were in them."""

    messages: int
    size: int


class Sending:
    """A message on its way.

    `due`: when there is nothing more to hope for; `awaited`: whoever sent it stays; `begun`: the module was told of it;
    `lost`: there will be no word of it, for the session is another.
    """

    def __init__(self, command: Submit, due: float, awaited: bool) -> None:
        self.command = command
        self.due = due
        self.awaited = awaited
        self.begun = False
        self.again = 0
        self.outcome: Published | None = None
        self.lost: SessionLost | None = None

    @property
    def settled(self) -> bool:
        return self.outcome is not None or self.lost is not None

    def submitted(self) -> Steps[None]:
        """Give it to the module, unless its session ended while it waited for its turn."""
        if self.lost:
            raise self.lost
        yield from Unbroken(self.command, begun=self._begin)

    def _begin(self) -> None:
        self.begun = True


class Client:
    """One of six.  `lost` says why there is no session any more, if that was not its doing.

    `received` counts the messages that came, `dropped` those of them that nobody took in time.
    """

    def __init__(self, link: Link, options: Options, mine: set[int]) -> None:
        self.link = link
        self.options = options
        self.client_idx = -1
        self.lost: SessionLost | None = None
        self.connected = self.closed = self._leaving = False
        self._loss: SessionLost | None = None
        self.received = self.dropped = self.published = 0
        self.subscribed: dict[str, int] = {}
        self._mine = mine
        self._inbox: deque[Message | Gap] = deque()
        self._waiting = self._size = 0
        self._count_mark = link.mark("messages", MAX_WAITING)
        self._size_mark = link.mark("message_bytes", MAX_BYTES)
        self._stored = self._reading = False
        self._sending: list[Sending] = []
        self._failed: list[Exception] = []
        self._last_id = 0

    # ---- what the module says

    def take(self, event: Event) -> bool:
        """Whether a line is this client's alone; if so it is dealt with."""
        row = event.row
        if isinstance(row, Booted):
            self._lose(SessionLost("the module restarted, its MQTT clients are gone"))
            return False
        if getattr(row, "client_idx", None) != self.client_idx:
            return False
        if isinstance(row, Received):
            self._arrived(row, event.at)
        elif isinstance(row, Published):
            self._told(row)
        elif isinstance(row, Lost):
            code, text = describe(row.err_code, "mqtt_urc")
            self._lose(SessionLost(f"the MQTT session was lost: {text or 'no reason that the manual knows'}", code))
        else:
            return False
        return True

    def _lose(self, error: SessionLost) -> None:
        if self._leaving:
            self._loss = self._loss or error  # none, unless it is not left after all
        elif self.connected:
            self.lost, self.connected = self.lost or error, False
            self._detach()

    def _detach(self) -> None:
        self._mine.discard(self.client_idx)
        if self.take in self.link.sinks:
            self.link.sinks.remove(self.take)

    def _told(self, row: Published) -> None:
        """Lines of one id come in the order of the messages; those of QoS 0 have all the same."""
        waiting = (each for each in self._sending if each.command.msg_id == row.msg_id and not each.settled)
        sending = next(waiting, None)
        if sending and row.result == 1:
            sending.again = row.value or sending.again + 1
        elif sending:
            sending.outcome = row

    def _arrived(self, row: Received, at: float) -> None:
        if row.data is None or row.topic is None:
            self._stored = True
            return
        self.received += 1
        payload = self._decoded(row.data)
        if payload is None or self._waiting >= MAX_WAITING or self._size + len(payload) > MAX_BYTES:
            self._miss(len(row.data))
            return
        self._inbox.append(Message(row.topic, payload, row.msg_id, at, row.reliable))
        self._waiting, self._size = self._waiting + 1, self._size + len(payload)
        self._count_mark.rise(self._waiting)
        self._size_mark.rise(self._size)

    def _decoded(self, data: bytes) -> bytes | None:
        try:
            return hexcodec.decode(data) if self.options.hexadecimal else data
        except ValueError:
            return None

    def _miss(self, size: int) -> None:
        self.dropped += 1
        self._count_mark.dropped += 1
        self._size_mark.dropped += size
        last = self._inbox[-1] if self._inbox else None
        if isinstance(last, Gap):
            self._inbox[-1] = Gap(last.messages + 1, last.size + size)
        else:
            self._inbox.append(Gap(1, size))

    # ---- from the beginning to the end

    def connect(self) -> Turns[None]:
        """Open the network and log in.  UsageError if it is connected already, or its TLS context is of no use."""
        if self.connected:
            raise UsageError("the MQTT client is connected already")
        self._trust()
        flow = connect_client(self.options, self._mine, self._claim)
        try:
            yield from perform(self.link, flow)
        except BaseException:
            self.connected = False
            self._detach()
            raise
        self.closed = False
        self.check()

    def _claim(self, client: int) -> None:
        self._strand()
        self.client_idx = client
        self.lost = self._loss = None
        self.connected = True  # so that what ends it at once is not missed
        self._stored = False
        self._mine.add(client)
        self.link.sinks.append(self.take)

    def _trust(self) -> None:
        if self.options.tls:
            self.options.tls.check(self.link)

    def reconnect(self) -> Turns[None]:
        """Connect anew.  The subscriptions are to be made again: see resubscribe."""
        self._trust()
        if self.connected:
            yield from self._leave()
        yield from self.connect()

    def resubscribe(self) -> Turns[None]:
        """Subscribe again to all: nobody tells whether the server has kept the session."""
        if self.subscribed:
            yield from self.subscribe(list(self.subscribed.items()))

    def close(self) -> Turns[None]:
        """Log off and close the network; what came and nobody took stays.

        Raises the first failure of a message that nobody waited for.
        """
        if self.connected:
            yield from self._leave()
        self._strand()
        self._settle()
        self.closed = True
        self._confess()

    def _leave(self) -> Turns[None]:
        """As long as the module may still say what became of the messages on their way, it is listened to."""
        with contextlib.suppress(SessionLost):
            yield from self._emptied()
        if self.connected:
            self._leaving = True
            try:
                yield from perform(self.link, leave_client(self.client_idx))
            except BaseException:
                self._leaving = False
                if self._loss:
                    self._lose(self._loss)
                raise
            self.connected = self._leaving = False
            self._detach()

    def _strand(self) -> None:
        """No more will be heard of messages on their way."""
        why = self.lost or SessionLost("the MQTT session ended: nobody knows whether the message arrived")
        for sending in self._sending:
            if not sending.settled:
                sending.lost = SessionLost(why.message, why.code)

    def check(self) -> None:
        """TransportLost or SessionLost if there is no session; UsageError if the client was closed."""
        self.link.check()
        if self.lost:
            raise SessionLost(self.lost.message, self.lost.code)
        if not self.connected:
            raise UsageError("the MQTT client is closed")

    # ---- subscriptions

    def subscribe(self, topics: Sequence[tuple[str, int]]) -> Turns[tuple[int, ...]]:
        """The QoS granted for each.  CommandError if the server refuses one of them."""
        self.check()
        granted: list[int] = []
        for start in range(0, len(topics), TOPICS):
            part = topics[start : start + TOPICS]
            command = subscriptions(self.client_idx, self._next_id(), part)
            told = yield from perform(self.link, Within(command, self.options.patience))
            values = told.values() or tuple(qos for _, qos in part)
            refused = [topic for (topic, _), value in zip(part, values, strict=False) if value >= REFUSED]
            self.subscribed |= {topic: qos for topic, qos in part if topic not in refused}
            granted += values
            if refused:
                reason = f"the server refuses {', '.join(refused)}"
                raise CommandError(command.line(), told.line(), REFUSED, reason, command.section())
        return tuple(granted)

    def unsubscribe(self, topics: Sequence[str]) -> Turns[None]:
        """End subscriptions."""
        self.check()
        for start in range(0, len(topics), TOPICS):
            part = topics[start : start + TOPICS]
            command = ends(self.client_idx, self._next_id(), part)
            yield from perform(self.link, Within(command, self.options.patience))
            for topic in part:
                self.subscribed.pop(topic, None)

    def _next_id(self) -> int:
        """Of messages on their way none has it."""
        used = {sending.command.msg_id for sending in self._sending}
        while True:
            self._last_id = self._last_id % LAST_ID + 1
            if self._last_id not in used:
                return self._last_id

    # ---- sending

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool, wait: bool) -> Turns[None]:
        """Send a message once there is room for it; if `wait`, until the server has it.

        CommandError if it could not be sent, CommandTimeout if the module says nothing, SessionLost if it lost the
        session: then nobody knows.
        """
        command = self._submission(topic, payload, quality(qos), retain)
        self.check()
        self._settle()
        while sum(not each.settled for each in self._sending) >= WINDOW:
            yield from self._progress()
        if qos:
            command = command.replace(msg_id=self._next_id())
        sending = Sending(command, self.link.now + self.options.patience + command.timeout(), wait)
        self._sending.append(sending)
        try:
            yield from self._deliver(sending)
        except BaseException as error:
            if isinstance(error, FCM360WError) or not sending.begun:
                self._forget(sending)
            raise
        finally:
            sending.awaited = False
        if wait:
            self._finish(sending)

    def _deliver(self, sending: Sending) -> Turns[None]:
        """Give a message to the module and, if it is awaited, wait for word of it.  Interrupted, it goes on."""
        yield from perform(self.link, sending.submitted())
        sending.due = self.link.now + self.options.patience
        while sending.awaited and not sending.settled and self.link.now < sending.due:
            yield from self._progress()

    def _submission(self, topic: str, payload: bytes, qos: Qos, retain: bool) -> Submit:
        """UsageError, before anything is sent, for what the module would not take."""
        digits = self.options.hexadecimal
        most = self.options.max_payload // 2 if digits else self.options.max_payload
        if not 1 <= len(payload) <= most:
            unit = " while data are hexadecimal" if digits else ""
            raise UsageError(f"Publish: length {len(payload)} bytes, outside 1..{most}{unit} (manual 2.5.8)")
        kind = SubmitCounted if digits and self.link.hex_sent_bytes else Submit
        data = hexcodec.encode(payload) if digits and kind is Submit else payload
        command = kind(max(0, self.client_idx), 0, qos, Switch(retain), topic, data)
        command.line()
        return command

    def _forget(self, sending: Sending) -> None:
        if sending in self._sending:
            self._sending.remove(sending)

    def _progress(self) -> Turns[None]:
        """Wait for news of messages on their way, and settle those that nobody waits for."""
        self.check()
        if not any(each.settled and not each.awaited for each in self._sending):
            times = (each.due for each in self._sending if not each.settled and each.due > self.link.now)
            yield Turn(deadline=min(times, default=None))
        self._settle()

    def _settle(self) -> None:
        """See what became of messages that nobody waits for.  Of their failures the first are kept."""
        for each in [each for each in self._sending if not each.awaited]:
            if each.settled or (self.connected and self.link.now >= each.due):
                try:
                    self._finish(each)
                except (CommandError, CommandTimeout, SessionLost) as error:
                    self._failed = [*self._failed, error][:WINDOW]

    def _finish(self, sending: Sending) -> None:
        """Raise what became of it, unless it has arrived."""
        self._forget(sending)
        outcome, command = sending.outcome, sending.command
        line = command.line()
        if sending.lost:
            raise sending.lost
        if outcome is None:
            self.check()
            raise CommandTimeout(line, self.options.patience, command.section())
        if fault := outcome.fault():
            raise CommandError(line, outcome.line(), *fault, command.section())
        self.published += 1

    def flush(self) -> Turns[None]:
        """Wait until the server has all that was sent; raise the first failure of those that nobody waited for."""
        yield from self._emptied()
        self._confess()

    def _emptied(self) -> Turns[None]:
        """Wait until there is word of all messages that nobody waits for, or none to hope for."""
        while not all(each.awaited for each in self._sending):
            yield from self._progress()

    def _confess(self) -> None:
        if self._failed:
            failed, self._failed = self._failed, []
            raise failed[0]

    # ---- receiving

    def receive(self, deadline: float | None) -> Turns[Message]:
        """The oldest message.  Overrun, once, where some were dropped; TimeoutError at the deadline."""
        while not self._inbox:
            if self._stored and self.connected:
                yield from shielded(perform(self.link, self._fetch(), deadline=deadline), lambda: self._reading)
                continue
            self.check()
            yield from patiently(Turn(deadline=deadline))
            nothing = not (self._inbox or self._stored or self.lost or self.link.error)
            if nothing and deadline is not None and self.link.now >= deadline:
                raise TimeoutError("no message came in time")
        item = self._inbox.popleft()
        if isinstance(item, Gap):
            raise Overrun(f"{item.messages} messages, {item.size} bytes, are missing here: nobody took them in time")
        self._waiting, self._size = self._waiting - 1, self._size - len(item.payload)
        return item

    def next(self) -> Turns[Message | None]:
        """As receive; None once the client was closed, and nothing is left."""
        try:
            return (yield from self.receive(None))
        except UsageError:
            if self.closed:
                return None
            raise

    def _fetch(self) -> Steps[None]:
        """Take what the module has stored.  A message that comes meanwhile is told of again."""
        if not self._stored:
            return
        self._stored, self._reading = False, True
        try:
            for row in (yield from ReadStored(self.client_idx)):
                self._arrived(row, self.link.now)
        except BaseException:
            self._stored = True
            raise
        finally:
            self._reading = False
