"""A module on its board: carries bytes between the hosts, the serial line, the module and the network.

Time is an argument.  Whoever runs the board calls `turn` whenever something happened, and by `deadline` at the latest.
"""

from __future__ import annotations

import logging
from typing import Protocol

from fcm360w.sim.frontends import LINGER, FrontEnd, Host
from fcm360w.sim.link import SimLink
from fcm360w.sim.uart import Uart

__all__ = ["Board", "Clocked"]

log = logging.getLogger("fcm360w.sim")


class Clocked(Protocol):
    """What is told the time, and tells when it wants to be told at the latest."""

    def tick(self, now: float) -> None: ...
    def deadline(self) -> float | None: ...


class Board:
    """Holds nothing open, waits for nothing."""

    def __init__(self, link: SimLink, uart: Uart, network: Clocked, front_ends: list[FrontEnd]) -> None:
        self.host_gone_bytes = 0
        self.host_high_water = 0
        self._link = link
        self._uart = uart
        self._network = network
        self._front_ends = front_ends
        self._speaker: FrontEnd | None = None

    def deadline(self, now: float) -> float | None:
        """When to call turn() at the latest; `now` if there is something to do already."""
        if self._can_go_on():
            return now
        times = [self._link.deadline(), self._uart.due(), self._network.deadline()]
        times += [end.host.until for end in self._front_ends if end.host]
        times += [end.deadline() for end in self._front_ends]
        return min((at for at in times if at is not None), default=None)

    def turn(self, now: float, late: bool = False) -> None:
        """Let time pass, and carry what may be carried.  `late`: of bytes of hosts nobody knows when they came."""
        self._network.tick(now)
        self._hear(now, late)
        self._link.window = self._window()
        self._link.tick(now)
        if self._uart.from_host.lossy:
            self._overrun(now)
        for data, passage in self._link.data_to_send():
            self._uart.to_host.put(data, now, passage)
        self._change_baud()
        self._speak(now)
        self._look_after_hosts(now)

    def power_cycle(self, now: float) -> None:
        """Take the module's power away and give it back; what is on the line is lost with it."""
        self._link.power_cycle(now)
        self._uart.power_cycle(self._link.take_baud(), now)

    def _can_go_on(self) -> bool:
        """Whether somebody who had no room has made some since, which no descriptor tells."""
        host = self._listener()
        heard = self._uart.from_host.stalled and self._link.room() > 0
        spoken = self._uart.to_host.stalled and host is not None and host.room() > 0
        return heard or spoken or (self._window() > 0 and self._link.hungry())

    def _window(self) -> int:
        """Room on the line to the host; none until half the queue is free, for the sake of fewer, larger pieces."""
        lane = self._uart.to_host
        return lane.room if lane.room >= lane.limit // 2 else 0

    def _hear(self, now: float, late: bool) -> None:
        """Hosts to line, line to module."""
        lane = self._uart.from_host
        for front_end in self._front_ends:
            host = front_end.host
            if host and host.readable and lane.room and (data := host.receive(lane.room, now)):
                self._speaker = front_end
                if late:
                    self._link.touch(now)
                lane.put(data, now)
        self._deliver(now)

    def _deliver(self, now: float) -> None:
        for chunk in self._uart.from_host.take(now, self._link.room()):
            self._link.receive(chunk.data, chunk.last, self._uart.byte_time)

    def _overrun(self, now: float) -> None:
        """Without flow control: what the module cannot take although it has just been served is lost."""
        left = -1
        while left != (left := len(self._uart.from_host)):
            self._deliver(now)
        self._uart.from_host.drop(now)

    def _speak(self, now: float) -> None:
        """Line to host.  Without a host the line stands still."""
        host = self._listener()
        for chunk in self._uart.to_host.take(now, host.room() if host else 0):
            if chunk.passage:
                chunk.passage.add(len(chunk.data), chunk.first, chunk.last)
            if host:
                host.send(chunk.data)
                self.host_high_water = max(self.host_high_water, host.high_water)
        self._uart.settle()

    def _listener(self) -> Host | None:
        """The host that spoke last, else any."""
        for end in (self._speaker, *self._front_ends):
            if end and end.host and not end.host.gone:
                return end.host
        return None

    def _change_baud(self) -> None:
        baud = self._link.take_baud()
        if baud is not None:
            self._uart.switch(baud)

    def _look_after_hosts(self, now: float) -> None:
        lane = self._uart.from_host
        for front_end in self._front_ends:
            front_end.tick(now)
            host = front_end.host
            if host is None:
                continue
            host.listen(lane.room >= lane.limit // 4)
            if host.ended and (host.until is None or self._answering(host)):
                host.until = now + LINGER
            if host.gone or (host.until is not None and now >= host.until):
                self.host_gone_bytes += host.close()
                front_end.host = None
                log.info("host left %s", front_end.url)

    def _answering(self, host: Host) -> bool:
        """Whether something that a host sent before it ended, or the answer, is still under way."""
        return bool(len(self._uart.from_host) or len(self._uart.to_host)) or not host.idle()
