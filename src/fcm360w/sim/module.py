"""The state of the simulated module: what its handlers read and change."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tcp import Closed, DataFormat, Format
from fcm360w.commands.wifi import StationChange, StationEvent
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.network import Network
from fcm360w.sim.radio import DEFAULT_AP, AccessPoint, Radio
from fcm360w.sim.sockets import Sockets
from fcm360w.wire import Reply, Setting

__all__ = ["FACTORY_BAUD", "Module"]

S = TypeVar("S", bound=Setting)

FACTORY_BAUD = 115200
MAX_WAITING = 256


class Module:
    """Settings, radio, sockets, and the lines that wait to be said.

    `now` is the time of the command being served.  `restarting` and `next_baud` are requests to who runs the module.
    """

    def __init__(
        self,
        network: Network,
        dialect: Dialect = MANUAL,
        aps: Iterable[AccessPoint] = (DEFAULT_AP,),
        baud: int | None = None,
    ) -> None:
        self.dialect = dialect
        self.now = 0.0
        self.radio = Radio(aps, self._station_changed, dialect.join_delay)
        self.sockets = Sockets(network, self)
        self.waiting: deque[Reply] = deque()
        self.waiting_high_water = 0
        self.waiting_dropped = 0
        self.echo = dialect.echo_on
        self.baud = self._saved_baud = baud or FACTORY_BAUD
        self.next_baud: int | None = None
        self.restarting = False
        self.last_error = SocketCode.SUCCESS
        self.ate_refused = False
        self._settings: dict[type[Setting], Setting] = {}

    def setting(self, row: type[S]) -> S:
        """The value of an option."""
        value = self._settings.get(row)
        return value if isinstance(value, row) else row()

    def change(self, value: Setting) -> None:
        """Set an option."""
        self._settings[type(value)] = value

    @property
    def hexed(self) -> bool:
        """Whether received data are printed as hexadecimal digits."""
        return self.setting(DataFormat).recv_data_format is Format.HEX

    def holds(self, length: int) -> int:
        """Bytes that received data of this length on the wire stand for."""
        return max(1, length // 2) if self.hexed and self.dialect.hex_recv_digits else length

    def notify(self, line: Reply) -> bool:
        """Queue an unsolicited or late line.  False: beyond a bound the newest is dropped and counted."""
        if len(self.waiting) >= MAX_WAITING and not isinstance(line, Closed):
            self.waiting_dropped += 1
            return False
        self.waiting.append(line)
        self.waiting_high_water = max(self.waiting_high_water, len(self.waiting))
        return True

    def set_baud(self, baud: int, save: bool) -> None:
        """Change the rate of the serial port after the answer has left."""
        self.baud = self.next_baud = baud
        if save:
            self._saved_baud = baud

    def reboot(self) -> None:
        """What a restart leaves: the saved values and nothing else."""
        self.restarting = False
        self.sockets.reset()
        self.radio.reset()
        self.waiting.clear()
        self._settings.clear()
        self.last_error = SocketCode.SUCCESS
        self.ate_refused = False
        if self.baud != self._saved_baud:
            self.set_baud(self._saved_baud, save=False)

    def _station_changed(self, change: StationChange) -> None:
        self.notify(StationEvent(change))
        if change is StationChange.DISCONNECTED:
            self.sockets.lose()

    def deadline(self, now: float) -> float | None:
        times = (self.radio.deadline(), self.sockets.deadline(now))
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        self.now = now
        self.radio.tick(now)
        self.sockets.tick(now)
