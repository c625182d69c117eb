"""The module for programs with threads: `open()`, `Module` and its faces."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fcm360w.attached import attach
from fcm360w.channel import ACCESS, Channel, Mode
from fcm360w.chapters import Chapter
from fcm360w.closings import Closing
from fcm360w.errors import CommandTimeout, FCM360WError, TransportLost, UsageError
from fcm360w.events import Event
from fcm360w.faces import System, Tcp, Udp, Wifi
from fcm360w.flows import start
from fcm360w.flows.recover import Recovery
from fcm360w.leases import Lease
from fcm360w.link import Link
from fcm360w.opening import open_channel
from fcm360w.ports import CountsOutput, Port, SetsBaud, open_port
from fcm360w.stats import Stats, snapshot
from fcm360w.steps import EscapePolicy
from fcm360w.streams import CLOSE_WAIT, Stream
from fcm360w.threads import Waiters, Waiting, writable
from fcm360w.turns import Turn, Turned, Turns, earlier, events, left, perform, recovered, wait, woken
from fcm360w.wire import Command, Flow, Reply

if TYPE_CHECKING:
    from fcm360w.ble import Ble
    from fcm360w.contexts import Context
    from fcm360w.files import Files
    from fcm360w.http import Http
    from fcm360w.mqtt import Mqtt
    from fcm360w.net import Net
    from fcm360w.readiness import Descriptors
    from fcm360w.socketlike import Socket
    from fcm360w.tls import Tls

R = TypeVar("R")
E = TypeVar("E", bound=Reply)
C = TypeVar("C", bound="Closable")
READ_SIZE = 65536
DEFAULT = object()  # the time-out of socket.setdefaulttimeout


class Closable(Protocol):
    """What a module closes when it is closed itself.  A transparent one bars all others until it is closed."""

    @property
    def transparent(self) -> bool: ...
    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more."""
        ...

    def close(self) -> object: ...


def open(url: str, escape: EscapePolicy | None = None) -> Module:
    """Open a port and bring the module behind it to command mode, whatever state an earlier owner left it in.

    Takes milliseconds if the module answers, seconds if it must be brought out of data mode, and a second more for each
    socket that an earlier owner left whose peer is gone.  `escape` is the guard of transparent mode; the default is the
    manual's second with the port's own slack.  The module's echo is switched off, for good.
    UsageError for a bad URL, TransportUnavailable if it cannot be opened, NoAnswer if nothing comes, ProtocolError if
    what comes makes no sense.
    """
    return awake(Module(open_port(url), escape))


def awake(module: Module) -> Module:
    """The module in command mode; closed, if that fails."""
    try:
        module.wake()
    except BaseException:
        with contextlib.suppress(OSError):
            module.close()
        raise
    return module


def new_link(port: Port, escape: EscapePolicy | None, now: float) -> Link:
    """A link for a port, its wire traced to the log if that is wanted."""
    link = Link(now, escape or EscapePolicy(slack=port.slack), port.baud)
    link.stuck = lambda: bytes_are_stuck(port)
    link.retune = lambda rate: retune(port, rate)
    if "logging" in sys.modules:
        _trace_to_log(link)
    return link


def _trace_to_log(link: Link) -> None:
    """Only a program that has imported logging can want it; the import takes longer than all of the link."""
    import logging

    log = logging.getLogger("fcm360w.wire")
    if log.isEnabledFor(logging.DEBUG):
        link.trace = lambda direction, text: log.debug("%s %s", direction, text)


def bytes_are_stuck(port: Port) -> bool:
    """Whether bytes written are still on this side, as far as the system tells.  The next turn says if it is lost."""
    try:
        waiting = port.out_waiting() if isinstance(port, CountsOutput) else 0
        fd = port.fileno()
    except TransportLost:
        return False
    return bool(waiting) or (fd >= 0 and not writable(fd))


def retune(port: Port, rate: int | None) -> int | None:
    """Change a port's bit rate, or with None see whether it can be; the one it has then.  UsageError if it cannot."""
    if "baud" not in port.capabilities or not isinstance(port, SetsBaud):
        raise UsageError(f"{port.url} cannot change its baud rate")
    if rate is not None:
        port.set_baud(rate)
    return port.baud


def closing(socket: Closable, left: float) -> Callable[[], object]:
    """How a socket is closed when its module is, with so many seconds left."""
    return partial(socket.close, max(0.0, left)) if isinstance(socket, Stream | Lease) else socket.close


def check_flow(flow: object) -> None:
    """UsageError for a command after which the serial port would be a byte stream that nobody reads."""
    if isinstance(flow, Command) and flow.connects():
        raise UsageError(f"{flow.line(mask=True)} begins data mode: use stream() or attach()")


def check_mode(mode: str) -> None:
    """UsageError for a mode that is none."""
    if mode not in ACCESS:
        raise UsageError(f"mode {mode!r} is not one of {', '.join(ACCESS)}")


class Module(Closing):
    """A module behind a port.  Any thread may call; commands are served in the order they were asked for.

    `waiting` is how it waits for the port, and by which clock; the default is that of the operating system.
    `threaded`: another thread may do something meanwhile.
    """

    _called = "module"

    ble: Chapter[Ble] = Chapter("ble", "Ble", "Bluetooth Low Energy (manual 2.2).")
    tls: Chapter[Tls] = Chapter("tls", "Tls", "TLS (manual 2.4).")
    mqtt: Chapter[Mqtt] = Chapter("mqtt", "Mqtt", "MQTT (manual 2.5).")
    http: Chapter[Http] = Chapter("http", "Http", "HTTP (manual 2.6).")
    net: Chapter[Net] = Chapter("net", "Net", "Ping and names (manual 2.7, 2.8).")
    files: Chapter[Files] = Chapter("files", "Files", "Files in the module (manual 2.9).")
    descriptors: Chapter[Descriptors] = Chapter(
        "readiness", "Descriptors", "For sockets that have none: Socket.fileno."
    )

    def __init__(self, port: Port, escape: EscapePolicy | None = None, waiting: Waiting | None = None) -> None:
        self._port = port
        self._waiters = waiting or Waiters(port.fileno(), threading.Lock())
        self._lock, self.clock = self._waiters.lock, self._waiters.clock
        self.threaded = isinstance(self._waiters, Waiters)
        self._link = new_link(port, escape, self.clock())
        self._link.moved = self._waiters.notify
        self._scratch = memoryview(bytearray(READ_SIZE))
        self._sockets: list[Closable] = []
        self.found = start.Found()
        self.wifi, self.system = Wifi(self), System(self)
        self.tcp, self.udp = Tcp(self, self._link), Udp(self, self._link)

    @property
    def url(self) -> str:
        return self._port.url

    @property
    def baud(self) -> int | None:
        """Bit rate of the wire, as the port or else the module says; None if there is no wire, or neither knows."""
        return self._link.baud or None

    def run(self, flow: Flow[R]) -> R:
        """Run a command, or a flow of them, to its result.

        UsageError before anything is sent if a parameter is out of bounds; CommandError if the module refuses;
        CommandTimeout if it does not answer in the manual's time; TransportLost if the port is gone.
        UsageError, too, for a command that begins data mode: `stream` and `attach` do that, and leave it again.
        """
        check_flow(flow)
        return self.drive(perform(self._link, flow))

    def wake(self) -> start.Found:
        """Bring the module to command mode, echo off, no socket or file open; what was done is in `found`."""
        self.found = self.drive(woken(self._link))
        if self._link.baud is None:
            self._link.pace(self.drive(perform(self._link, start.rate(), trusting=True)))
        return self.found

    def recover(self) -> Recovery:
        """Bring a module that does not answer, or a link that is stuck, to command mode; what had to be done.

        Takes milliseconds if nothing is wrong, half a minute at worst, and a second for each open socket.  The flow
        that has the link loses it, and ends in GivenUp; those behind it go on afterwards.  A transparent stream goes on
        when it is next used, unless its socket had to be closed.  ProtocolError if nothing helps, CommandTimeout if no
        byte leaves the port.
        """
        return self.drive(recovered(self._link))

    def stats(self) -> Stats:
        """Figures since the port was opened: bytes, commands and how long they took, what was lost and where."""
        with self._lock:
            return snapshot(self._link)

    def wait(self, kind: type[E], timeout: float) -> E | None:
        """Wait for an unsolicited line of a kind; one that came earlier and was not taken counts.  None: it did not.

        Commands of other threads go on meanwhile.  Of several that wait for the same line one gets it.
        """
        return self.drive(wait(self._link, kind, timeout))

    def events(self) -> list[Event]:
        """Take all unsolicited lines and incidents that have come and nobody has taken."""
        return self.drive(events(self._link))

    def stream(self, host: str, port: int, mode: Mode = "transparent", tls: Context | None = None) -> Stream:
        """Open a TCP connection as a byte stream, under TLS if it is given a context (see Tls.context).

        Transparent is the fastest, and leaves room for nothing else on the link; push and buffer go on beside other
        commands.  CommandError with the socket code if the connection fails; 564 is a TLS handshake's, too (manual
        2.3.2, 2.4.2, 5).
        """
        check_mode(mode)
        return self.stream_over(self.drive(open_channel(self._link, host, port, mode, tls)))

    def create_connection(
        self,
        address: tuple[str, int],
        timeout: object = DEFAULT,
        source_address: tuple[str, int] | None = None,
        *,
        tls: Context | None = None,
    ) -> Socket:
        """As socket.create_connection, under TLS if there is a context: for http.client, and whatever else takes one.

        `timeout` limits the connecting and all that follows, see Socket.settimeout.  OSErrors as those of a socket: see
        socket_errors.
        """
        from fcm360w.socketlike import create_connection

        return create_connection(self, address, timeout, source_address, tls)

    def attach(self, command: Command[Any]) -> Stream:
        """Run a command that begins data mode, such as ATO; what follows is a byte stream.

        Closing it leaves data mode and does nothing else: the socket stays open.  UsageError if the command is another
        kind of command, CommandError if the module refuses.
        """
        return self.stream_over(self.drive(attach(self._link, command)))

    def stream_over(self, channel: Channel) -> Stream:
        """A channel of this module's link as a stream, which is closed with the module."""
        return self.adopt(Stream(self, channel))

    def adopt(self, socket: C) -> C:
        """Close a socket when this is closed, unless it has been by then, or has ended."""
        self._sockets = [each for each in self._sockets if not each.over and each is not socket]
        self._sockets.append(socket)
        return socket

    def forget(self, socket: Closable) -> None:
        """A socket was closed."""
        if socket in self._sockets:
            self._sockets.remove(socket)

    def close(self) -> None:
        """Close what sockets are open, leave data mode, release the port.

        All streams together have ten seconds for their peers to acknowledge, and as long to close; those that are left
        then have a second each.  A module that has not answered once is not asked again.
        """
        failed: list[Exception] = []
        end = self.clock() + CLOSE_WAIT
        try:
            for socket in sorted(self._sockets, key=lambda socket: not socket.transparent):
                self._part(closing(socket, end - self.clock()), failed)
            self._part(self._leave, failed)
        finally:
            with self._lock:
                self._link.lost(TransportLost(f"{self.url} was closed"), self.clock())
                self._waiters.close()
            self._port.close()
        if failed:
            raise failed[0]

    def _part(self, act: Callable[[], object], failed: list[Exception]) -> None:
        """One act of closing; the others follow whatever becomes of it, unless the port is gone."""
        if self._link.error is None and not any(isinstance(error, CommandTimeout) for error in failed):
            try:
                act()
            except (OSError, FCM360WError) as error:
                failed.append(error)

    def _leave(self) -> None:
        self.drive(perform(self._link, left(self._link), trusting=True))

    # ---- turns

    def drive(self, turns: Turns[R]) -> R:
        """Perform turns to their end in this thread.  An interrupt waits for the next turn that is not shielded."""
        interrupt: BaseException | None = None
        with self._lock:
            self._link.tick(self.clock())
            try:
                turn = next(turns)
                while True:
                    try:
                        if interrupt and not turn.shielded:
                            raise interrupt
                        turned = self._turn(turn)
                    except Exception as error:
                        turn = turns.throw(error)
                    except BaseException as error:
                        interrupt = error
                        turn = turns.send(Turned()) if turn.shielded else turns.throw(error)
                    else:
                        turn = turns.send(turned)
            except StopIteration as stop:
                result: R = stop.value
            except Exception as error:
                if interrupt:
                    raise interrupt from error
                raise
            finally:
                turns.close()
                self._waiters.notify()
        if interrupt:
            raise interrupt
        return result

    def _turn(self, turn: Turn) -> Turned:
        try:
            return self._move(turn)
        except TransportLost as error:
            self._link.lost(error, self.clock())
            self._link.check()
            raise

    def _move(self, turn: Turn) -> Turned:
        link, mode = self._link, self._link.data
        self._flush()
        writing = bool(link.out) or turn.write is not None
        deadline = earlier(turn.deadline, link.deadline())
        seconds = None if deadline is None else max(0.0, deadline - self.clock())
        if link.news:
            link.news, seconds = False, 0.0
            self._waiters.notify()
        readable, writable = self._waiters.wait(link.has_room, writing, seconds)
        link.check()
        wrote = read = 0
        same = link.data is mode  # else another's payload may be under way by now
        if writable:
            self._flush()
            wrote = self._write(turn.write) if turn.write is not None and same and not link.out else 0
        if readable:
            read = self._read(turn.read if same else None)
        link.tick(self.clock())
        return Turned(wrote, read)

    def _flush(self) -> None:
        """Write what the link has to say.  Interrupted, nobody knows how much has gone, and nothing is to go twice."""
        link = self._link
        if not link.out:
            return
        try:
            link.wrote(self._port.write(link.out, 0), self.clock())
        except (KeyboardInterrupt, SystemExit):
            link.out.clear()
            raise

    def _write(self, data: memoryview) -> int:
        allowed = self._link.may_send(data)
        if not allowed:
            return 0
        count = self._port.write(data[:allowed], 0)
        if count:
            self._link.data_sent(data[:count], self.clock())
        return count

    def _read(self, into: memoryview | None) -> int:
        link = self._link
        if into is not None and link.in_place:
            into = into[:READ_SIZE]
            count = self._port.readinto(into, 0)
            return link.receive_in_place(into[:count], self.clock()) if count else 0
        count = self._port.readinto(self._scratch, 0)
        if count:
            link.receive(self._scratch[:count], self.clock())
            self._waiters.notify()
        return 0
