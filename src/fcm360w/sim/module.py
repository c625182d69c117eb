"""The state of the simulated module: what its handlers read and change."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fcm360w.commands import mqtt, mqttcfg
from fcm360w.commands.ble import LinkEvent, MtuChanged, PeerRole, Written
from fcm360w.commands.codes import SocketCode
from fcm360w.commands.system import UpgradeChange, UpgradeEvent
from fcm360w.commands.tcp import DataFormat, Format, Incoming, IncomingFull
from fcm360w.commands.wifi import ApChange, ApEvent, StationChange, StationEvent
from fcm360w.settings import Setting
from fcm360w.sim.bluetooth import Bluetooth
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.dialler import Dialler
from fcm360w.sim.files import Files
from fcm360w.sim.guard import GuardedNetwork, Part, guard, guarded
from fcm360w.sim.hotspots import DEFAULT_AP, AccessPoint
from fcm360w.sim.http import Http
from fcm360w.sim.mqtt import Mqtt
from fcm360w.sim.names import Names
from fcm360w.sim.network import Attempt, Connection, Network
from fcm360w.sim.pings import Pings
from fcm360w.sim.radio import Radio
from fcm360w.sim.service import Service
from fcm360w.sim.sockets import Sockets
from fcm360w.sim.steps import Refused, Speech
from fcm360w.sim.store import MemoryStore, Store
from fcm360w.sim.upgrade import Upgrade
from fcm360w.sim.volume import MemoryVolume, Volume
from fcm360w.wire import Reply

__all__ = ["FACTORY_BAUD", "Module"]

log = logging.getLogger("fcm360w.sim")

S = TypeVar("S", bound=Setting)

FACTORY_BAUD = 115200
MAX_WAITING = 256
WOBBLE = 3

# When too much waits the latest of these are lost, which are data of others, or turned away; of those that tell how
# things are, the oldest: both may come without end while the host does not listen.  All others are few.
SPARE = (Written, Incoming, IncomingFull)
STATES = (StationEvent, ApEvent, LinkEvent, PeerRole, MtuChanged)


class Module:
    """Settings, radio, sockets, services, and the lines that wait to be said.

    `now` is the time of the command being served.  `restarting` and `next_baud` are requests to who runs the module.
    `chance` makes every choice, and is the same for the same `seed`; without a seed signals do not vary.  `baud` is
    the rate as delivered.  ValueError or OSError if `store` cannot be read.
    """

    def __init__(
        self,
        network: Network,
        dialect: Dialect = MANUAL,
        aps: Iterable[AccessPoint] = (DEFAULT_AP,),
        baud: int | None = None,
        store: Store | None = None,
        seed: int | None = None,
        volume: Volume | None = None,
    ) -> None:
        self.dialect = dialect
        self.now = 0.0
        self.chance = random.Random(seed or 0)
        self._store = store or MemoryStore()
        self.saved = self._store.load()
        wobble = self._wobble if seed is not None else lambda: 0
        self.radio = Radio(aps, self._radio_changed, dialect.join_delay, wobble)
        self._network = network
        self.sockets = Sockets(GuardedNetwork(network, lambda: self.sockets), self)
        self.upgrade = Upgrade(self.dial, self._upgrade_changed, dialect.upgrade_delay)
        self.files = Files(volume or MemoryVolume(), dialect.flash)
        self.names = Names(GuardedNetwork(network, lambda: self.names), self.chance, lambda: self.radio.chosen_servers)
        self.pings = Pings(GuardedNetwork(network, lambda: self.pings), self.names, self.notify, lambda: self.online)
        self.bluetooth = Bluetooth(self.notify, dialect.blerecv_uuid)
        self.mqtt = Mqtt(self)
        self.http = Http(self)
        self.dialler = Dialler(
            GuardedNetwork(network, lambda: self.dialler),
            self.setting,
            self.files.whole,
            default_names=dialect.default_names,
        )
        self.services: tuple[Service, ...] = (
            self.upgrade,
            self.files,
            self.dialler,
            self.names,
            self.pings,
            self.bluetooth,
            self.mqtt,
            self.http,
        )
        self.waiting: deque[Reply | Speech] = deque()
        self.waiting_high_water = 0
        self.waiting_dropped = 0
        self._delivered_baud = baud or FACTORY_BAUD
        self.baud = self.saved.baud or self._delivered_baud
        self.next_baud: int | None = None
        self.restarting = False
        self.ate_refused = False
        self.echo = self._echo_at_start()
        self.last_error = SocketCode.SUCCESS
        self._settings: dict[tuple[Any, ...], Setting] = {}
        if self.saved.hotspot:
            self.radio.resume(self.saved.hotspot.ssid, self.saved.hotspot.password)

    def _wobble(self) -> int:
        return self.chance.randint(-WOBBLE, WOBBLE)

    # ---- settings ----

    def setting(self, row: type[S], *whose: Any) -> S:
        """The value of an option; `whose`, if several have it (Setting.index)."""
        value = self._settings.get((row, *whose))
        return value if isinstance(value, row) else row(*whose)

    def change(self, value: Setting) -> None:
        """Set an option."""
        self._settings[type(value), *value.whose()] = value

    @property
    def hexed(self) -> bool:
        """Whether received data are printed as hexadecimal digits."""
        return self.setting(DataFormat).recv_data_format is Format.HEX

    def hexes(self, line: Reply) -> bool:
        """Whether the payload of a line is printed so."""
        if isinstance(line, mqtt.Received):
            return self.setting(mqttcfg.DataFormat, line.client_idx).recv_mode is Format.HEX
        return self.hexed

    def holds(self, length: int) -> int:
        """Bytes that received data of this length on the wire stand for."""
        return max(1, length // 2) if self.hexed and self.dialect.hex_recv_digits else length

    def save(self, **changes: Any) -> None:
        """Remember what survives a restart.  Refused if the store fails."""
        saved = dataclasses.replace(self.saved, **changes)
        try:
            self._store.save(saved)
        except OSError as error:
            log.warning("cannot save: %s", error)
            raise Refused(SocketCode.UNKNOWN) from error
        self.saved = saved

    @property
    def version(self) -> str:
        """The firmware that runs: what was installed last, or that it was delivered with."""
        return self.saved.version or self.dialect.version

    def set_baud(self, baud: int) -> None:
        """Change the rate of the serial port after the answer has left."""
        self.baud = self.next_baud = baud

    def _echo_at_start(self) -> bool:
        return self.dialect.echo_on if self.saved.echo is None else self.saved.echo

    # ---- clients of protocols ----

    @property
    def online(self) -> bool:
        """Whether there is a network, the station's or that of the module's own hotspot."""
        return self.radio.up or self.radio.ap_up

    def dial(
        self, whose: Part, host: str, port: int, context: int | None, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        """Connect to a server; with `context` under TLS, as AT+QSSLCFG says of that context.  As Network.connect.

        `whose` attempt it is: that begins anew if `done` fails.
        """
        done = guard(lambda: whose, done)
        if context is not None:
            return self.dialler.dial(host, port, context, done)
        return self._network.connect(host, port, 0, done)

    # ---- lines that nobody asked for ----

    def notify(self, line: Reply | Speech) -> bool:
        """Queue an unsolicited or late line.  False: too much waits, and it is dropped and counted.

        What answers a command never is.
        """
        if len(self.waiting) >= MAX_WAITING:
            if _is_spare(line):
                self.waiting_dropped += 1
                return False
            self._supersede(line)
        self.waiting.append(line)
        self.waiting_high_water = max(self.waiting_high_water, len(self.waiting))
        return True

    def _supersede(self, line: Reply | Speech) -> None:
        """Drop the oldest line that told of such a change."""
        older = next((each for each in self.waiting if type(each) is type(line)), None)
        if older is not None and isinstance(line, STATES):
            self.waiting.remove(older)
            self.waiting_dropped += 1

    def _radio_changed(self, line: Reply) -> None:
        self.notify(line)
        if isinstance(line, StationEvent) and line.event is StationChange.DISCONNECTED:
            self.sockets.lose(servers=not self.radio.ap_up)
        elif isinstance(line, ApEvent) and line.event is ApChange.DOWN and not self.radio.up:
            self.sockets.lose()
        else:
            return
        for service in self.services:
            guarded(service, service.lose)

    def _upgrade_changed(self, change: UpgradeChange) -> None:
        self.notify(UpgradeEvent(change))

    # ---- what happens to a module ----

    def reboot(self) -> None:
        """What a restart leaves: the saved values and nothing else.  An upgrade that has got so far is made."""
        self.restarting = False
        if self.upgrade.installed:
            with contextlib.suppress(Refused):
                self.save(version=self.upgrade.version)
        self.sockets.reset()
        for service in self.services:
            guarded(service, service.reset)
        self.radio.reset()
        self.waiting.clear()
        self._settings.clear()
        self.last_error = SocketCode.SUCCESS
        self.ate_refused = False
        self.echo = self._echo_at_start()
        baud = self.saved.baud or self._delivered_baud
        if self.baud != baud:
            self.set_baud(baud)

    def booted(self) -> None:
        """The module is up again: the saved hotspot is joined (W21)."""
        if self.saved.hotspot:
            self.radio.join(self.saved.hotspot.ssid, self.saved.hotspot.password, self.now)

    def lose_ap(self, ssid: str) -> None:
        """The hotspots of a name go out of reach; with the station's own its sockets are lost."""
        self.radio.lose(ssid)

    def restore_ap(self, ssid: str, now: float) -> None:
        """They are back.  The station joins a saved one again by itself, if it is not joined elsewhere."""
        self.radio.restore(ssid)
        saved = self.saved.hotspot
        if saved and saved.ssid == ssid and self.radio.station.idle:
            self.radio.join(saved.ssid, saved.password, now)

    def ap_client(self, joins: bool) -> str | None:
        """A client comes to the module's own hotspot, or the first that came goes.

        Its hardware address; None if none can come or is there.
        """
        if not joins:
            return self.radio.own.client_leaves()
        mac = "02:00:5e:20:" + ":".join(f"{self.chance.randrange(256):02x}" for _ in range(2))
        return mac if self.radio.own.client_joins(mac) else None

    # ---- time ----

    def deadline(self, now: float) -> float | None:
        services = (service.deadline() for service in self.services)
        times = (self.radio.deadline(), self.sockets.deadline(now), *services)
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        self.now = now
        guarded(self.radio, self.radio.tick, now)
        guarded(self.sockets, self.sockets.tick, now)
        for service in self.services:
            guarded(service, service.tick, now)


def _is_spare(line: Reply | Speech) -> bool:
    """Whether there is no need to say it."""
    return isinstance(line, SPARE) or (isinstance(line, mqtt.Received) and line.topic is not None)
