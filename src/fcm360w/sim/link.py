"""The module's end of the serial line, without I/O: bytes and their times in, bytes out.

Five modes.  COMMAND reads lines; a line starts a job, a generator that runs its commands one after the other.  The
job prints lines until it ends, asks for a payload (PROMPT), waits for something (BUSY), restarts the module (BOOT), or
hands the port to a socket (DATA).  Lines that nobody asked for wait from a command's CR to its final result, and all
through DATA.  Input that the current mode does not take stays in the queue, where the next mode finds it.
"""

from __future__ import annotations

import enum
import logging

from fcm360w.commands import tls
from fcm360w.commands.codes import SocketCode
from fcm360w.commands.mqtt import Received as Message
from fcm360w.commands.tcp import Access, Escape, Opened, PacketSize, PacketWait, Received
from fcm360w.framer import Framer, Kind
from fcm360w.lines import masked
from fcm360w.parameters import decode
from fcm360w.sim.datamode import DataMode
from fcm360w.sim.encoder import Encoder
from fcm360w.sim.endpoints import Client
from fcm360w.sim.entry import ESC, Entry
from fcm360w.sim.module import Module
from fcm360w.sim.packer import Packer
from fcm360w.sim.performer import Performer
from fcm360w.sim.steps import Connect, Ending, Prompt, Raw, Refused, Speech, Steps, Wait
from fcm360w.sim.uart import Passage, PayloadStamps
from fcm360w.wire import Reply

__all__ = ["Mode", "SimLink"]

log = logging.getLogger("fcm360w.sim")
wire = logging.getLogger("fcm360w.wire.twin")

MAX_LINE = 1024
INPUT = 4096
STRAY = b"\x1a\r\n"
DAY = 86400.0


class Mode(enum.Enum):
    """Who takes the host's bytes."""

    COMMAND, BUSY, PROMPT, DATA, BOOT = range(5)


class SimLink:
    """One module.  `window` is how many bytes of the network's the line can take now; whoever runs the link sets it."""

    def __init__(self, module: Module, now: float = 0.0) -> None:
        self.module = module
        self.stamps = PayloadStamps()
        self.window = 65536
        self.ignored = 0
        self.input_high_water = 0
        self._performer = Performer(module)
        self._encoder = Encoder(module.dialect)
        self._framer = Framer(eol="\r", max_line=MAX_LINE)
        self._mode = Mode.COMMAND
        self._takers = {
            Mode.COMMAND: self._take_line,
            Mode.PROMPT: self._take_payload,
            Mode.DATA: self._take_data,
            Mode.BOOT: self._take_nothing,
        }
        self._in = b""
        self._echoed = 0
        self._stray = False
        self._out: list[tuple[bytes, Passage | None]] = []
        self._queued = 0
        self._told = False
        self._job: Steps | None = None
        self._wait: Wait | None = None
        self._room_again = Wait(lambda: self._queued < self.window, DAY)
        self._until = 0.0
        self._entry: Entry | None = None
        self._data: DataMode | None = None
        self.module.tick(now)

    @property
    def mode(self) -> Mode:
        return self._mode

    # ---- the four calls of a sans-I/O machine ----

    def receive(self, data: bytes, now: float, byte_time: float = 0.0) -> None:
        """Take bytes from the host, the last of which came at `now`, each `byte_time` after the one before."""
        self.module.now = now
        self._in = self._in + data if self._in else data
        self._consume(now, byte_time)
        self.input_high_water = max(self.input_high_water, len(self._in))

    def data_to_send(self) -> list[tuple[bytes, Passage | None]]:
        """The bytes for the host since the last call, in pieces; payload of data mode has its passage."""
        out, self._out, self._queued = self._out, [], 0
        return out

    def deadline(self) -> float | None:
        """When to call tick() at the latest."""
        times = [self.module.deadline(self.module.now)]
        if self._mode is Mode.BOOT:
            times.append(self._until)
        if self._wait:
            times.append(self._until)
            times.append(self.module.now + self._wait.every if self._wait.every else None)
        if self._entry:
            times.append(self._entry.deadline())
        if self._data:
            times.append(self._data.deadline())
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        """Let time pass, and fetch what the network has."""
        self.module.tick(now)
        if self.module.upgrade.installed:
            self._restart()
        elif self._mode is Mode.BOOT and now >= self._until:
            self._booted()
        elif self._wait and ((done := self._wait.done()) or now >= self._until):
            self._resume_job(done)
        elif self._entry and (silent := self._entry.deadline()) is not None and now >= silent:
            self._expire(self._entry)
        elif self._data and self._data.tick(now):
            self._escaped()
        self._serve_network()
        self._consume(now, 0.0)

    def power_cycle(self, now: float) -> None:
        """Take the power away and give it back: whatever goes on is gone, what is saved remains."""
        self.module.now = now
        self._in, self._out, self._queued = b"", [], 0
        self._restart()

    def take_baud(self) -> int | None:
        """The rate that the line has to change to, once; never before the answer to the command is out."""
        if self._job:
            return None
        baud, self.module.next_baud = self.module.next_baud, None
        return baud

    def room(self) -> int:
        """Bytes of the host that can be taken now; more would have to wait."""
        if self._data:
            return max(0, self._data.room() - len(self._in))
        return max(0, INPUT - len(self._in))

    @property
    def overlong_dropped(self) -> int:
        """Bytes of command lines that were too long."""
        return self._framer.dropped

    def hungry(self) -> bool:
        """Whether the network has more for the host than the window let through."""
        if self._data:
            return self._data.socket.waiting()
        if self._wait is self._room_again:
            return True
        pushing = (socket for socket in self.module.sockets.every() if socket.access is Access.PUSH)
        return self._may_speak() and (bool(self.module.waiting) or any(len(socket.inbox) for socket in pushing))

    def touch(self, now: float) -> None:
        """Nobody listened to the host until `now`: no silence was observed."""
        if self._data:
            self._data.touch(now)

    # ---- input ----

    def _consume(self, now: float, byte_time: float) -> None:
        before: tuple[int, Mode] | None = None
        while self._in and before != (len(self._in), self._mode) and self._mode in self._takers:
            before = (len(self._in), self._mode)
            if self._mode is not Mode.COMMAND:
                self._skip_line_feed()
            self._takers[self._mode](now, byte_time)
            self._serve_network()

    def _skip_line_feed(self) -> None:
        """One LF after the CR of a command is part of it, also when it opened a prompt or data mode."""
        if self._framer.skip_lf and self._in:
            self._framer.skip_lf = False
            self._in = self._in.removeprefix(b"\n") if self._in[0] == 10 else self._in

    def _take_line(self, now: float, byte_time: float) -> None:
        if self._stray:
            self._stray = False
            if self._in[0] in STRAY:
                self._in = self._in[1:]
        events, used = self._framer.scan(self._in, cap=1)
        self._echo(used if events else len(self._in))
        text = self._in[events[0].off :][: events[0].len] if events else b""
        self._in = self._in[used:]
        self._echoed = max(0, self._echoed - used)
        if not events:
            return
        if events[0].kind == Kind.OVERLONG:
            self._say(self._encoder.refusal(SocketCode.INVALID_PARAMETERS))
        elif text := text.replace(b"\n", b""):
            self._start(text)

    def _echo(self, end: int) -> None:
        if self.module.echo:
            self._put(self._in[self._echoed : end].replace(b"\n", b""))
        self._echoed = max(end, self._echoed)

    def _take_payload(self, now: float, byte_time: float) -> None:
        if self._entry is None or not self._in:
            return
        entry = self._entry
        used = entry.feed(self._in, now)
        taken, self._in = self._in[:used], self._in[used:]
        if not entry.done:
            return
        self._stray = entry.counted
        try:
            payload = entry.payload(cancelled=not entry.counted and taken.endswith(ESC))
        except Refused as refusal:
            self._resume_job(refusal)
        else:
            self._resume_job(payload)

    def _expire(self, entry: Entry) -> None:
        """The host was silent for too long."""
        try:
            payload = entry.expire()
        except Refused as refusal:
            self._resume_job(refusal)
        else:
            self._resume_job(payload)

    def _take_data(self, now: float, byte_time: float) -> None:
        if self._data is None:
            return
        chunk = self._in[: self._data.room()]
        if not chunk:
            return
        if self._data.receive(chunk, now, byte_time):
            self._escaped()
        else:
            self._in = self._in[len(chunk) :]

    def _take_nothing(self, now: float, byte_time: float) -> None:
        self.ignored += len(self._in)
        self._in = b""

    # ---- jobs ----

    def _start(self, line: bytes) -> None:
        if wire.isEnabledFor(logging.DEBUG):
            wire.debug("twin < %s", masked(decode(line)))
        self._told = False
        self._job = self._performer.perform(line)
        self._resume_job(None)

    def _resume_job(self, value: object) -> None:
        """Continue the job with the outcome of what it waited for, a Refused to be raised in it."""
        self._wait = self._entry = None
        self._mode = Mode.BUSY
        job = self._job
        assert job is not None
        try:
            step = job.throw(value) if isinstance(value, Refused) else job.send(value)
            while isinstance(step, (Reply, Raw)):
                self._inform(step)
                full = isinstance(step, Raw) and not self._room_again.done()
                step = self._room_again if full else job.send(None)
        except StopIteration as stop:
            self._finish(stop.value)
        except Refused as refusal:
            self._end(self._encoder.refusal(refusal.code, refusal.cme))
        except Exception:
            log.exception("the handler failed")
            self.module.last_error = SocketCode.UNKNOWN
            self._end(self._encoder.refusal(SocketCode.UNKNOWN))
        else:
            self._suspend(step)

    def _inform(self, reply: Reply | Raw) -> None:
        if isinstance(reply, Raw):
            self._put(reply.data)
            return
        self._say(self._encoder.information(reply, first=not self._told, hexed=self.module.hexes(reply)), reply)
        self._told = True

    def _suspend(self, step: Prompt | Wait) -> None:
        now = self.module.now
        if isinstance(step, Prompt):
            self._entry = Entry(step, now)
            self._mode = Mode.PROMPT
            self._say(self._encoder.invitation(step))
        elif step.done():
            self._resume_job(True)
        else:
            self._wait, self._until = step, now + step.seconds

    def _finish(self, ending: Ending) -> None:
        if isinstance(ending, Connect):
            self._job = None
            self._connect(ending.socket)
        else:
            self._end(self._encoder.line(ending or "OK"))

    def _end(self, result: bytes) -> None:
        """Say the final result of a line."""
        self._job = None
        self._mode = Mode.COMMAND
        self._say(result)
        if self.module.restarting:
            self._restart()

    def _restart(self) -> None:
        """Start afresh, whatever goes on."""
        self._job = self._wait = self._entry = self._data = None
        self.module.reboot()
        self._framer.reset()
        self._stray, self._echoed = False, 0
        self._mode = Mode.BOOT
        self._until = self.module.now + self.module.dialect.boot_delay

    def _booted(self) -> None:
        self._mode = Mode.COMMAND
        self._say(self._encoder.banner())
        self.module.booted()

    # ---- data mode ----

    def _connect(self, socket: Client) -> None:
        self.module.sockets.last_transparent = socket
        socket.access = Access.TRANSPARENT
        wait = self.module.setting(PacketWait).transwaittm * 0.1
        packer = Packer(self.module.setting(PacketSize).transpktsize, wait)
        self.stamps.reset()
        guard = self.module.dialect.guard
        self._data = DataMode(socket, packer, guard, self.stamps.to_network, self.module.now)
        self._mode = Mode.DATA
        self._say(self._encoder.line("CONNECT"))

    def _escaped(self) -> None:
        socket = self._leave_data_mode()
        socket.access = Access.BUFFER
        socket.announced = False
        self._told = False
        self._job = self._performer.handle(Escape())
        self._resume_job(None)

    def _leave_data_mode(self) -> Client:
        assert self._data is not None
        self._data.finish()
        socket, self._data = self._data.socket, None
        self._mode = Mode.COMMAND
        self._framer.reset()
        self._echoed = 0
        return socket

    def _lost_carrier(self) -> None:
        socket = self._leave_data_mode()
        socket.access = Access.BUFFER
        self._say(self._encoder.no_carrier())
        self.module.sockets.report_end(socket, silent=self.module.dialect.no_carrier_only)

    # ---- output ----

    def _serve_network(self) -> None:
        busy = self._data.socket if self._data else None
        self.module.sockets.poll(busy)
        if busy:
            while data := busy.take(self.window - self._queued).data:
                self._put(data, self.stamps.to_host)
            if busy.ended and not len(busy.inbox):
                self._lost_carrier()
        while self._may_speak() and self._say_first():
            self.module.sockets.poll(busy)

    def _may_speak(self) -> bool:
        """Whether lines that nobody asked for have their turn (R9)."""
        return self._mode is Mode.COMMAND or (self._mode is Mode.PROMPT and self.module.dialect.urc_in_prompt)

    def _say_first(self) -> bool:
        """Say the line that has waited longest.  False: there is none, or no room on the line for its data."""
        if not self.module.waiting:
            return False
        line = self.module.waiting[0]
        if isinstance(line, (Received, tls.Received)) and not self._deliver(line):
            return False
        if isinstance(line, Message) and self._queued >= self.window:
            return False
        if isinstance(line, Speech):
            return self._give_way(line)
        self.module.waiting.popleft()
        if isinstance(line, (Opened, tls.Opened)):
            self.module.last_error = SocketCode(line.err)
        if not isinstance(line, (Received, tls.Received)):
            self._say(self._encoder.unsolicited(line, hexed=self.module.hexes(line)), line)
        return True

    def _deliver(self, line: Received | tls.Received) -> bool:
        socket = self.module.sockets.find(line.connect_id, secure=isinstance(line, tls.Received))
        return socket is None or self.module.sockets.deliver(
            socket,
            lambda: self._queued < self.window,
            lambda reply: self._say(self._encoder.unsolicited(reply, hexed=self.module.hexed)),
        )

    def _give_way(self, speech: Speech) -> bool:
        """Let it have the line, which it has not while a payload is being entered."""
        if self._mode is not Mode.COMMAND:
            return False
        self.module.waiting.popleft()
        self._told, self._job = False, speech.steps()
        self._resume_job(None)
        return True

    def _say(self, line: bytes, reply: Reply | None = None) -> None:
        """Put a line, and the payload that belongs to it."""
        if wire.isEnabledFor(logging.DEBUG):
            secret = reply is not None and any(field.secret for field in reply.fields())
            shown = decode(line.strip(b"\r\n").partition(b"\r\n")[0])
            wire.debug("twin > %s", f"{shown.partition(':')[0]}: ***" if secret else shown)
        self._put(line)

    def _put(self, data: bytes, passage: Passage | None = None) -> None:
        if data:
            self._out.append((data, passage))
            self._queued += len(data)
