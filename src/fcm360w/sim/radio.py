"""The simulated radio: access points, and a station that joins one of them.  Time is an argument."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from fcm360w.commands.wifi import Addresses, StationChange

__all__ = ["DEFAULT_AP", "AccessPoint", "Radio", "parse_access_points"]

DOWN = Addresses("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
LEASE = Addresses("10.0.0.7", "10.0.0.1", "255.255.255.0", "10.0.0.1")


@dataclasses.dataclass(frozen=True)
class AccessPoint:
    """A hotspot in reach; an empty password means open.  `rssi` in dBm."""

    ssid: str
    password: str = dataclasses.field(default="", repr=False)
    rssi: int = -52
    channel: int = 6
    bssid: str = "02:00:5e:10:00:01"


DEFAULT_AP = AccessPoint("hall", "open sesame")


def parse_access_points(texts: Iterable[str]) -> tuple[AccessPoint, ...]:
    """Read ``SSID[:PASSWORD]``, one hotspot a text; the first colon divides.  ValueError for a bad name or password."""
    found = []
    for number, text in enumerate(texts, 1):
        ssid, colon, password = text.partition(":")
        if not 1 <= len(ssid.encode()) <= 32:
            raise ValueError(f"ap={text}: an SSID has 1 to 32 bytes")
        if colon and not 8 <= len(password.encode()) <= 63:
            raise ValueError(f"ap={ssid}: a password has 8 to 63 bytes")
        found.append(AccessPoint(ssid, password, bssid=f"02:00:5e:10:{number >> 8:02x}:{number & 255:02x}"))
    return tuple(found)


class Radio:
    """The station.  `notify` is told of each change; `delay` seconds pass before each."""

    def __init__(self, aps: Iterable[AccessPoint], notify: Callable[[StationChange], None], delay: float) -> None:
        self.aps = tuple(aps)
        self.enabled = False
        self.joined: AccessPoint | None = None
        self.addresses = DOWN
        self._notify = notify
        self._delay = delay
        self._target: AccessPoint | None = None
        self._plan: list[tuple[float, StationChange]] = []

    @property
    def up(self) -> bool:
        """Whether the network can be used."""
        return self.addresses is not DOWN

    def join(self, ssid: str, password: str, now: float) -> None:
        """Leave what is joined, then try; notifications tell how it went."""
        self.leave()
        self.enabled = True
        self._target = max((ap for ap in self.aps if ap.ssid == ssid), key=lambda ap: ap.rssi, default=None)
        self._plan = [(now + i * self._delay, change) for i, change in enumerate(self._course(password), 1)]

    def _course(self, password: str) -> tuple[StationChange, ...]:
        if self._target is None:
            return (StationChange.NO_AP,)
        if self._target.password not in ("", password):
            return (StationChange.DISCONNECTED,)
        return (StationChange.CONNECTED, StationChange.GOT_IP)

    def leave(self) -> None:
        """Drop the link, if any, and disable the station."""
        linked = self.joined is not None
        self.reset()
        if linked:
            self._notify(StationChange.DISCONNECTED)

    def reset(self) -> None:
        """Forget everything, silently."""
        self.enabled, self.joined, self.addresses = False, None, DOWN
        self._target, self._plan = None, []

    def deadline(self) -> float | None:
        return self._plan[0][0] if self._plan else None

    def tick(self, now: float) -> None:
        while self._plan and self._plan[0][0] <= now:
            _, change = self._plan.pop(0)
            if change is StationChange.CONNECTED:
                self.joined = self._target
            elif change is StationChange.GOT_IP:
                self.addresses = LEASE
            self._notify(change)
