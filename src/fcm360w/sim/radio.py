"""The simulated radio: a station that joins hotspots in reach, and a hotspot of the module's own.  Time is an argument.

Both may be up at once (W24).  What the manual leaves open is settled here: a station whose hotspot goes out of reach
says WLAN DISCONNECTED, stays enabled, and comes back by itself only to a hotspot that is saved.  A static address
switches DHCP off, stays until DHCP is switched on again or the module restarts, and counts as got once the station is
joined (W2, W26).  DNS servers that were set go before those of DHCP until a restart; the twin resolves names by its own
system, whatever they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fcm360w.commands.wifi import Addresses, ApChange, ApEvent, DnsServers, Seen, StationChange, StationEvent
from fcm360w.sim.hotspots import AccessPoint
from fcm360w.wire import Reply

__all__ = ["DOWN", "OWN_ADDRESS", "OwnHotspot", "Radio", "Station"]

NOWHERE = "0.0.0.0"
DOWN = Addresses(NOWHERE, NOWHERE, NOWHERE, NOWHERE)
OWN_ADDRESS = Addresses("192.168.19.1", NOWHERE, "255.255.255.0", NOWHERE)
MAX_CLIENTS = 8


class Station:
    """Joins one hotspot.  `tell` is told of each change; `delay` seconds pass before each.

    `enabled` says nothing of a link (QSTAST).  Of several hotspots of one name the strongest is joined.
    """

    def __init__(self, tell: Callable[[StationChange], None], delay: float) -> None:
        self.enabled = False
        self.joined: AccessPoint | None = None
        self.addresses = DOWN
        self.dhcp = True
        self._fixed: Addresses | None = None
        self._tell = tell
        self._delay = delay
        self._target: AccessPoint | None = None
        self._next: tuple[float, StationChange] | None = None

    @property
    def idle(self) -> bool:
        """Whether it is enabled, but neither joined nor about to be."""
        return self.enabled and self.joined is None and self._next is None

    def join(self, hotspots: Iterable[AccessPoint], password: str, now: float) -> None:
        """Leave what is joined (W25), then try the strongest; what is told says how it went."""
        self.leave()
        self.enabled = True
        self._target = max(hotspots, key=lambda ap: ap.rssi, default=None)
        self._next = (now + self._delay, self._fate(password))

    def resume(self, hotspots: Iterable[AccessPoint], password: str) -> None:
        """Be as if joined some time ago, without a word of it."""
        tell, self._tell = self._tell, lambda change: None
        self.join(hotspots, password, 0.0)
        self.tick(float("inf"))
        self._tell = tell

    def _fate(self, password: str) -> StationChange:
        if self._target is None:
            return StationChange.NO_AP
        return StationChange.CONNECTED if self._target.password in ("", password) else StationChange.DISCONNECTED

    def fix(self, addresses: Addresses) -> None:
        """Use static addresses, at once if joined."""
        self._fixed, self.dhcp = addresses, False
        if self.joined:
            self._next = None
            self._change(StationChange.GOT_IP, 0.0)

    def use_dhcp(self, wanted: bool, now: float) -> None:
        """Switch DHCP; an address that is there stays until there is another."""
        if wanted and not self.dhcp:
            self._fixed = None
            self._next = (now + self._delay, StationChange.GOT_IP) if self.joined else self._next
        elif not wanted and self.joined and self._next:
            self._next = None
        self.dhcp = wanted

    def leave(self) -> None:
        """Drop the link, if any, and disable the station."""
        linked = self.joined is not None
        self._unlink()
        self.enabled, self._target = False, None
        if linked:
            self._tell(StationChange.DISCONNECTED)

    def lose(self, lost: AccessPoint) -> None:
        """A hotspot is out of reach."""
        if self.joined == lost:
            self._unlink()
            self._tell(StationChange.DISCONNECTED)
        elif self._target == lost and self._next:
            self._next = (self._next[0], StationChange.NO_AP)

    def reset(self) -> None:
        """Be as after a start, silently."""
        self._unlink()
        self.enabled, self.dhcp, self._fixed, self._target = False, True, None, None

    def _unlink(self) -> None:
        self.joined, self.addresses, self._next = None, DOWN, None

    def deadline(self) -> float | None:
        return self._next[0] if self._next else None

    def tick(self, now: float) -> None:
        while self._next and self._next[0] <= now:
            (at, change), self._next = self._next, None
            self._change(change, at)

    def _change(self, change: StationChange, at: float) -> None:
        if change is StationChange.CONNECTED:
            self.joined = self._target
            self._next = (at + self._delay, StationChange.GOT_IP) if self.dhcp or self._fixed else None
        elif change is StationChange.GOT_IP and self.joined:
            self.addresses = self._fixed or self.joined.lease
        self._tell(change)


class OwnHotspot:
    """The module's own hotspot.  `enabled` from the command on, `up` once it has been told; nobody comes before."""

    def __init__(self, tell: Callable[[ApChange], None], delay: float) -> None:
        self.enabled = self.up = False
        self.clients: list[str] = []
        self._fixed: Addresses | None = None
        self._tell = tell
        self._delay = delay
        self._until: float | None = None

    @property
    def addresses(self) -> Addresses:
        return self._fixed or OWN_ADDRESS if self.enabled else DOWN

    def start(self, now: float) -> None:
        """Open it; one that is open is closed first."""
        self.stop()
        self.enabled, self._until = True, now + self._delay

    def fix(self, addresses: Addresses) -> None:
        """Use static addresses, until a restart of the module."""
        self._fixed = addresses

    def stop(self) -> None:
        """Close it; its clients go without a word."""
        was_up = self.up
        self.enabled, self.up, self._until = False, False, None
        self.clients.clear()
        if was_up:
            self._tell(ApChange.DOWN)

    def client_joins(self, mac: str) -> bool:
        """Whether there is room for another client."""
        if not self.up or len(self.clients) == MAX_CLIENTS:
            return False
        self.clients.append(mac)
        self._tell(ApChange.CLIENT_JOINED)
        return True

    def client_leaves(self) -> str | None:
        """The one that leaves: the first that came.  None if nobody is there."""
        if not self.clients:
            return None
        self._tell(ApChange.CLIENT_LEFT)
        return self.clients.pop(0)

    def reset(self) -> None:
        """Be as after a start, silently."""
        self.up = False
        self.stop()
        self._fixed = None

    def deadline(self) -> float | None:
        return self._until

    def tick(self, now: float) -> None:
        if self._until is not None and now >= self._until:
            self.up, self._until = True, None
            self._tell(ApChange.UP)


class Radio:
    """Station, own hotspot, and the hotspots in reach.

    `notify` is given each line that tells of a change; `delay` seconds pass before each.  `wobble` says by how many dB
    a signal differs from what it is on average.
    """

    def __init__(
        self,
        aps: Iterable[AccessPoint],
        notify: Callable[[Reply], None],
        delay: float,
        wobble: Callable[[], int] = lambda: 0,
    ) -> None:
        self.aps = tuple(aps)
        self.station = Station(lambda change: notify(StationEvent(change)), delay)
        self.own = OwnHotspot(lambda change: notify(ApEvent(change)), delay)
        self._lost: set[str] = set()
        self._wobble = wobble
        self._servers: DnsServers | None = None

    @property
    def up(self) -> bool:
        """Whether the station can use the network."""
        return self.station.addresses is not DOWN

    @property
    def ap_up(self) -> bool:
        """Whether the module's own hotspot is on the air."""
        return self.own.up

    @property
    def joined(self) -> AccessPoint | None:
        return self.station.joined

    @property
    def addresses(self) -> Addresses:
        """The station's."""
        if self.up and self._servers:
            return self.station.addresses.replace(dns=self._servers.pridnsaddr)
        return self.station.addresses

    @property
    def servers(self) -> DnsServers:
        """What names are asked of: what was set, else what the station's network says."""
        return self._servers or DnsServers(self.station.addresses.dns)

    @property
    def chosen_servers(self) -> tuple[str, ...]:
        """Those of them that were set by command."""
        chosen = (self._servers.pridnsaddr, self._servers.secdnsaddr) if self._servers else ()
        return tuple(server for server in chosen if server != NOWHERE)

    def set_servers(self, first: str, second: str | None) -> None:
        self._servers = DnsServers(first, second or NOWHERE)

    def join(self, ssid: str, password: str, now: float) -> None:
        """Join a hotspot by name, a hidden one too."""
        self.station.join(self._in_reach(ssid), password, now)

    def resume(self, ssid: str, password: str) -> None:
        """Be as if a hotspot had been joined some time ago."""
        self.station.resume(self._in_reach(ssid), password)

    def leave(self) -> None:
        self.station.leave()

    def fix(self, addresses: Addresses) -> None:
        """Static addresses for the role that is up: the module's own hotspot first, else the station (W1)."""
        role = self.own if self.own.enabled else self.station
        role.fix(addresses)

    def scan(self) -> tuple[Seen, ...]:
        """What is in reach, the strongest first; a hidden hotspot shows no name."""
        seen = [
            Seen("" if ap.hidden else ap.ssid, ap.psk_type, self.level(ap), ap.bssid, ap.channel)
            for ap in self.aps
            if ap.ssid not in self._lost
        ]
        return tuple(sorted(seen, key=lambda one: -one.rssi))

    def level(self, ap: AccessPoint) -> int:
        """A signal's strength at this moment, in dBm."""
        return max(-99, min(-1, ap.rssi + self._wobble()))

    def lose(self, ssid: str) -> None:
        """The hotspots of a name go out of reach."""
        self._lost.add(ssid)
        for ap in self.aps:
            if ap.ssid == ssid:
                self.station.lose(ap)

    def restore(self, ssid: str) -> None:
        """They are back."""
        self._lost.discard(ssid)

    def _in_reach(self, ssid: str) -> list[AccessPoint]:
        return [ap for ap in self.aps if ap.ssid == ssid and ssid not in self._lost]

    def reset(self) -> None:
        """Forget everything but what is in reach, silently."""
        self.station.reset()
        self.own.reset()
        self._servers = None

    def deadline(self) -> float | None:
        times = (self.station.deadline(), self.own.deadline())
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        self.station.tick(now)
        self.own.tick(now)
