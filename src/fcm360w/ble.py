"""Bluetooth Low Energy, for programs with threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fcm360w.closings import Closing
from fcm360w.errors import PeerClosed
from fcm360w.flows import ble
from fcm360w.flows.ble import Service, uuid_of
from fcm360w.link import Link
from fcm360w.offering import Offering, Write, open_offering

if TYPE_CHECKING:
    from uuid import UUID

    from fcm360w.module import Module

__all__ = ["Ble", "Peripheral", "Write"]


class Peripheral(Closing):
    """One service with up to five characteristics, for one central at a time."""

    _called = "peripheral"
    transparent = False

    def __init__(self, module: Module, channel: Offering) -> None:
        self._module = module
        self._channel = channel

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        return self._channel.closed or bool(self._channel.lost)

    @property
    def characteristics(self) -> tuple[str, ...]:
        """Their UUIDs, 4 or 32 lower-case digits, in the order they were given."""
        return self._channel.service.characteristics

    @property
    def connected(self) -> bool:
        """Whether a central is there, as far as has been heard."""
        return self._channel.connected

    @property
    def mtu(self) -> int:
        """What was agreed with the central, 23 until something was; a value may have 3 bytes less (manual 3.2.2)."""
        return self._channel.mtu

    @property
    def dropped(self) -> int:
        """Writes that were dropped because nobody took them in time."""
        return self._channel.dropped

    def advertise(self) -> None:
        """Let centrals see the module, and connect.  It ends when one does (manual 2.2.9)."""
        self._module.drive(self._channel.advertise())

    def stop(self) -> None:
        """Be seen no longer; a central that is there stays (manual 2.2.10)."""
        self._module.drive(self._channel.stop())

    def wait_connected(self, timeout: float | None = None) -> None:
        """Wait until a central is there, or came and went since this was asked last.

        TimeoutError after `timeout` seconds, never if None (manual 3.2.1).
        """
        self._module.drive(self._channel.visited(self._deadline(timeout)))

    def wait_disconnected(self, timeout: float | None = None) -> None:
        """Wait until no central is there; TimeoutError as wait_connected (manual 3.2.1)."""
        self._module.drive(self._channel.left(self._deadline(timeout)))

    def notify(self, characteristic: str | int | UUID, data: bytes | str) -> None:
        """Tell the central that a characteristic has a new value: 1 byte to the MTU less 3 (manual 2.2.11).

        UsageError if it does not fit; PeerClosed if no central is there; CommandError if it has not subscribed.
        """
        self._module.drive(self._channel.notify(characteristic, data))

    def receive(self, timeout: float | None = None) -> Write:
        """What the central wrote next (manual 3.2.3).  PeerClosed, once what it wrote is read, if it is gone.

        TimeoutError after `timeout` seconds; Overrun, once, where some was dropped; SocketLost if the module restarted.
        """
        return self._module.drive(self._channel.receive(self._deadline(timeout)))

    def __iter__(self) -> Iterator[Write]:
        """What the central writes, until it is gone."""
        while True:
            try:
                yield self.receive()
            except PeerClosed:
                return

    def close(self) -> None:
        """End Bluetooth, and the link if there is one."""
        self._module.drive(self._channel.close())
        self._module.forget(self)

    def _deadline(self, timeout: float | None) -> float | None:
        return None if timeout is None else self._module.clock() + timeout


class Ble:
    """Bluetooth Low Energy (manual 2.2, 3.2)."""

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link

    def address(self) -> str:
        """The module's Bluetooth address, six lower-case hex pairs joined by colons (manual 2.2.2)."""
        return self._module.run(ble.address())

    def peripheral(
        self,
        service: str | int | UUID,
        characteristics: Sequence[str | int | UUID],
        name: str | None = None,
        auto_advertise: bool = False,
        interval: tuple[int, int] | None = None,
        advertised: bytes | None = None,
    ) -> Peripheral:
        """Offer a service with 1 to 5 characteristics; `advertise` then lets centrals see it (manual 2.2.1 to 2.2.8).

        A UUID has 16 or 128 bits.  `name` has 1 to 29 bytes; with `auto_advertise` the module is seen again when a
        central has gone; `interval` is the shortest and the longest time between advertisements, 32 to 16384 times
        0.625 ms; `advertised` are structures of at most 31 bytes instead of flags and name.
        An earlier peripheral ends.
        """
        uuids = tuple(map(uuid_of, characteristics))
        offered = Service(uuid_of(service), uuids, name, auto_advertise, interval, advertised)
        return self._module.adopt(Peripheral(self._module, self._module.drive(open_offering(self._link, offered))))
