"""The only loop: carries bytes between the hosts, the serial line, the module and the network, by the real clock."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

from fcm360w.sim.frontends import LINGER, FrontEnd, Host
from fcm360w.sim.link import SimLink
from fcm360w.sim.network import KernelNetwork
from fcm360w.sim.uart import Uart
from fcm360w.sim.watch import READ, Watch

__all__ = ["Runner"]

log = logging.getLogger("fcm360w.sim")

# Seconds.  Of bytes found after a turn that took longer than LATE nobody knows when they came.  A selector rounds what
# is shorter than a millisecond up to one.
LATE = 0.05
MILLISECOND = 0.001


class Loop:
    """A selector, callables posted from other threads, and the descriptor that wakes it for them.

    `awake` is when the selector last returned.
    """

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.awake = time.monotonic()
        self._posted: deque[Callable[[], None]] = deque()
        self._wake_end, self._own_end = socket.socketpair()
        self._wake_end.setblocking(False)
        self._own_end.setblocking(False)
        self._watch = Watch(self.selector, self._own_end, self._woken)
        self._watch.want(READ)

    def post(self, action: Callable[[], None]) -> None:
        """Have `action` run in the loop's thread.  From any thread; nothing happens once the loop is closed."""
        self._posted.append(action)
        with contextlib.suppress(OSError):  # awake already, or closed
            self._wake_end.send(b"\0")

    def _woken(self, mask: int) -> None:
        self._own_end.recv(4096)

    def turn(self, timeout: float | None) -> None:
        """Wait for something to happen and act on it."""
        if self._posted:
            timeout = 0.0
        elif timeout is not None and 0.0 < timeout < MILLISECOND:
            time.sleep(timeout)
            timeout = 0.0
        ready = self.selector.select(timeout)
        self.awake = time.monotonic()
        for key, mask in ready:
            key.data(mask)
        while self._posted:
            self._posted.popleft()()

    def close(self) -> None:
        self._watch.want(0)
        self._wake_end.close()
        self._own_end.close()
        self.selector.close()


class Runner:
    """Runs one module until stop()."""

    def __init__(
        self, loop: Loop, link: SimLink, uart: Uart, network: KernelNetwork, front_ends: list[FrontEnd]
    ) -> None:
        self.host_gone_bytes = 0
        self.host_high_water = 0
        self._loop = loop
        self._link = link
        self._uart = uart
        self._network = network
        self._front_ends = front_ends
        self._speaker: FrontEnd | None = None
        self._stopping = self._late = False

    def stop(self) -> None:
        """From any thread."""

        def stop() -> None:
            self._stopping = True

        self._loop.post(stop)

    def run(self) -> None:
        self._look_after_hosts(time.monotonic())
        while not self._stopping:
            self._late = time.monotonic() - self._loop.awake > LATE
            self._loop.turn(self._timeout())
            self._turn(time.monotonic())

    def _timeout(self) -> float | None:
        if self._can_go_on():
            return 0.0
        times = [self._link.deadline(), self._uart.due(), self._network.deadline()]
        times += [end.host.until for end in self._front_ends if end.host]
        times += [end.deadline() for end in self._front_ends]
        first = min((at for at in times if at is not None), default=None)
        return None if first is None else max(0.0, first - time.monotonic())

    def _can_go_on(self) -> bool:
        """Whether somebody who had no room has made some since, which no descriptor tells."""
        host = self._listener()
        heard = self._uart.from_host.stalled and self._link.room() > 0
        spoken = self._uart.to_host.stalled and host is not None and host.room() > 0
        return heard or spoken or (self._window() > 0 and self._link.hungry())

    def _turn(self, now: float) -> None:
        self._network.tick(now)
        self._hear(now)
        self._link.window = self._window()
        self._link.tick(now)
        if self._uart.from_host.lossy:
            self._overrun(now)
        for data, passage in self._link.data_to_send():
            self._uart.to_host.put(data, now, passage)
        self._change_baud()
        self._speak(now)
        self._look_after_hosts(now)

    def _window(self) -> int:
        """Room on the line to the host; none until half the queue is free, for the sake of fewer, larger pieces."""
        lane = self._uart.to_host
        return lane.room if lane.room >= lane.limit // 2 else 0

    def _hear(self, now: float) -> None:
        """Hosts to line, line to module."""
        lane = self._uart.from_host
        for front_end in self._front_ends:
            host = front_end.host
            if host and host.readable and lane.room and (data := host.receive(lane.room, now)):
                self._speaker = front_end
                if self._late:
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
        ends = [*([self._speaker] if self._speaker else []), *self._front_ends]
        return next((end.host for end in ends if end.host and not end.host.gone), None)

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
