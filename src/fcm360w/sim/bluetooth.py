"""The module's Bluetooth: what it offers, in which order that must be told, and what a central does with it.

What the manual leaves open is settled here.  A service is told once; another takes a start anew.  Whoever notifies a
central that has not subscribed is refused.  The name outlives the stack, and nothing outlives a restart.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from fcm360w.commands.ble import (
    FIRST_MTU,
    HANDLES,
    MAX_CHARACTERISTICS,
    BleRole,
    LinkChange,
    LinkEvent,
    MtuChanged,
    Peer,
    PeerRole,
    Written,
)
from fcm360w.errors import TransportUnavailable
from fcm360w.sim.steps import Refused
from fcm360w.wire import Reply

if TYPE_CHECKING:
    from fcm360w.sim.air import Air, SteppedAir
    from fcm360w.sim.peripheral import Peripheral

__all__ = ["Bluetooth"]

log = logging.getLogger("fcm360w.sim")

NAME = "QuecFCM360W"
INTERVAL = 64
MAX_HEARD = 4096


class Ears:
    """Hears of one peripheral, in whatever thread that is, until it is another's turn."""

    def __init__(self, hear: Callable[[Ears, Callable[[], None], bool], None], stack: Bluetooth) -> None:
        self._hear = hear
        self._stack = stack

    def connected(self) -> None:
        self._hear(self, self._stack.on_connected, False)

    def agreed(self, mtu: int) -> None:
        self._hear(self, lambda: self._stack.on_agreed(mtu), False)

    def subscribed(self, index: int, wanted: bool) -> None:
        self._hear(self, lambda: self._stack.on_subscribed(index, wanted), False)

    def written(self, index: int, data: bytes) -> None:
        self._hear(self, lambda: self._stack.on_written(index, data), True)

    def disconnected(self) -> None:
        self._hear(self, self._stack.on_disconnected, False)


class Bluetooth:
    """`tell` is given each line that nobody asked for; `by_uuid`: data come with the UUID in place of the handle.

    `tune` says on which air it is, and what wakes the module when something was heard there; without it there is an
    air of its own, by the module's clock.
    """

    def __init__(self, tell: Callable[[Reply], object], by_uuid: bool = False) -> None:
        self.name = NAME
        self.dropped = 0
        self._tell = tell
        self._by_uuid = by_uuid
        self._find_air: Callable[[], Air] | None = None
        self._air: Air | None = None
        self._wake: Callable[[], object] = lambda: None
        self._heard: deque[tuple[Ears, Callable[[], None]]] = deque()
        self._now = 0.0
        self._address = ""
        self._peripheral: list[Peripheral] = []
        self._leaving: list[Peripheral] = []  # for the loop of the air alone
        self._forget()

    def _forget(self) -> None:
        """Be as before a start of the stack."""
        self.role, self.auto = BleRole.OFF, False
        self.interval = (INTERVAL, INTERVAL)
        self.advertised: bytes | None = None
        self.service, self.done = "", False
        self.characteristics: list[str] = []
        self.wanted = self.linked = False
        self.mtu = FIRST_MTU
        self._subscribed: set[int] = set()
        self._ears: Ears | None = None

    # ---- the air

    def tune(self, air: Callable[[], Air], wake: Callable[[], object]) -> None:
        """Be on an air, which is asked for when it is needed."""
        self._find_air, self._wake = air, wake

    @property
    def air(self) -> Air:
        """TransportUnavailable if bumble is not installed."""
        if self._air is None and self._find_air:
            self._air = self._find_air()
        return self._air or self.own_air()

    def own_air(self) -> SteppedAir:
        """One that nobody else is on but who is brought there."""
        from fcm360w.sim.air import SteppedAir

        if not isinstance(self._air, SteppedAir):
            self._air = SteppedAir(self._now)
        return self._air

    @property
    def address(self) -> str:
        """The Bluetooth address.  Refused if there is no Bluetooth."""
        if not self._address:
            try:
                self._address = self.air.claim()
            except TransportUnavailable as error:
                log.warning("%s", str(error).replace("\n", ": "))
                raise Refused from error
        return self._address

    # ---- commands

    def start(self, role: BleRole, auto: bool) -> None:
        """Begin anew in a role, or end.  Refused if there is no Bluetooth."""
        address = self.address if role is not BleRole.OFF else ""
        self._end()
        self.role, self.auto = role, auto
        if role is BleRole.PERIPHERAL:
            self._open(address)

    def _open(self, address: str) -> None:
        air, name = self.air, self.name
        self._ears = ears = Ears(self._hear, self)
        self._peripheral = made = []

        def make() -> None:
            from fcm360w.sim.peripheral import Peripheral

            made.append(Peripheral(air, address, name, ears))

        air.post(make)

    def _ask(self, act: Callable[[Peripheral], object]) -> None:
        """Ask something of the peripheral, which is made before that."""
        made = self._peripheral
        self.air.post(lambda: act(made[0]))

    def check(self) -> None:
        """Refused unless it is a peripheral."""
        if self.role is not BleRole.PERIPHERAL:
            raise Refused

    def rename(self, name: str) -> None:
        self.name = name
        if self.role is BleRole.PERIPHERAL:
            self._ask(lambda peripheral: peripheral.rename(name))

    def set_interval(self, shortest: int, longest: int) -> None:
        """For the next start of advertising."""
        self.check()
        if shortest > longest or self.wanted:
            raise Refused
        self.interval = shortest, longest

    def set_advertised(self, data: bytes) -> None:
        """What is advertised, at once if it is being advertised."""
        self.check()
        self.advertised = data
        if self.wanted:
            self.advertise()

    def begin_service(self, uuid: str) -> None:
        self.check()
        if self.service:
            raise Refused
        self.service = uuid.lower()

    def add_characteristic(self, uuid: str) -> None:
        self.check()
        full = len(self.characteristics) >= MAX_CHARACTERISTICS
        if not self.service or self.done or full or uuid.lower() in self.characteristics:
            raise Refused
        self.characteristics.append(uuid.lower())

    def end_service(self) -> None:
        self.check()
        if not self.service or self.done:
            raise Refused
        self.done = True
        service, characteristics = self.service, tuple(self.characteristics)
        self._ask(lambda peripheral: peripheral.offer(service, characteristics))

    def advertise(self) -> None:
        """Be seen, `wanted` as long as that is so.  Refused while a central is there: there is one at a time."""
        self.check()
        if self.linked:
            raise Refused
        self.wanted = True
        data, interval = self.advertised, self.interval
        self._ask(lambda peripheral: peripheral.advertise(data, *interval))

    def hide(self) -> None:
        self.check()
        self.wanted = False
        self._ask(lambda peripheral: peripheral.hide())

    def notify(self, uuid: str, data: bytes) -> None:
        """Refused unless the central has subscribed, and the data fit its MTU."""
        self.check()
        if uuid.lower() not in self.characteristics or not self.linked or not 1 <= len(data) <= self.mtu - 3:
            raise Refused
        index = self.characteristics.index(uuid.lower())
        if index not in self._subscribed:
            raise Refused
        self._ask(lambda peripheral: peripheral.notify(index, data))

    # ---- what happens on the air

    def _hear(self, ears: Ears, act: Callable[[], None], spare: bool) -> None:
        """In the thread of the air.  A central that writes faster than the module reads loses what it writes.

        How the link is must be heard, and changes slowly.
        """
        if spare and len(self._heard) >= MAX_HEARD:
            self.dropped += 1
            return
        self._heard.append((ears, act))
        self._wake()

    def on_connected(self) -> None:
        self.linked, self.wanted = True, False
        self.mtu = FIRST_MTU
        self._subscribed.clear()
        self._tell(LinkEvent(LinkChange.CONNECTED))
        self._tell(PeerRole(Peer.HOST))

    def on_agreed(self, mtu: int) -> None:
        self.mtu = mtu
        self._tell(MtuChanged(mtu))

    def on_subscribed(self, index: int, wanted: bool) -> None:
        (self._subscribed.add if wanted else self._subscribed.discard)(index)

    def on_written(self, index: int, data: bytes) -> None:
        where = self.characteristics[index] if self._by_uuid else HANDLES[index]
        self._tell(Written(Peer.HOST, where, data))

    def on_disconnected(self) -> None:
        self.linked = False
        self._subscribed.clear()
        self._tell(LinkEvent(LinkChange.DISCONNECTED))
        if self.auto:
            self.advertise()

    # ---- as a service of the module

    def tick(self, now: float) -> None:
        """Let time pass, and take what was heard."""
        self._now = now
        if self._air is not None:
            self._air.step(now)
        while self._heard:
            ears, act = self._heard.popleft()
            if ears is self._ears:
                act()

    def deadline(self) -> float | None:
        return 0.0 if self._heard else self._air.deadline() if self._air else None

    def lose(self) -> None:
        """Wi-Fi is not its concern."""

    def reset(self) -> None:
        """The module restarts: its central hears that, the host does not."""
        self.linked = False
        self._end()
        self.name = NAME

    def close(self) -> None:
        """The module is gone for good; its address is free once nothing of it is on the air."""
        self._end()
        if self._address:
            self.air.post(self._release)

    def _release(self) -> None:
        """In the loop of the air, as often as something has left it."""
        self._leaving = [each for each in self._leaving if not each.gone.done()]
        if self._leaving:
            self._leaving[0].gone.add_done_callback(lambda _: self._release())
        else:
            self.air.release(self._address)

    def _leave(self, made: list[Peripheral]) -> None:
        """In the loop of the air."""
        self._leaving = [each for each in (*self._leaving, *made) if not each.gone.done()]
        for each in made:
            each.close()

    def _end(self) -> None:
        """Leave the air.  The host hears of a link that ends so."""
        linked, made = self.linked, self._peripheral
        if self._ears:
            self.air.post(lambda: self._leave(made))
        self._peripheral = []
        self._forget()
        if linked:
            self._tell(LinkEvent(LinkChange.DISCONNECTED))
