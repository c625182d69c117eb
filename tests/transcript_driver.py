"""Transcripts through the driver: a module that says what they have, whole, in pieces, and with lines between."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fcm360w.channel import Channel, Mode, Report
from fcm360w.closing import Intake
from fcm360w.commands import ble, codes, files, http, mqtt, mqttcfg, net, system, tcp, tls, wifi
from fcm360w.errors import CommandError, FCM360WError
from fcm360w.events import Unparsed
from fcm360w.flows import files as storage
from fcm360w.flows import http as web
from fcm360w.flows import leave, sockets, start
from fcm360w.flows import net as reach
from fcm360w.flows import system as modules
from fcm360w.flows import wifi as hotspots
from fcm360w.inbox import INBOX
from fcm360w.opening import open_channel
from fcm360w.settings import Get, Set
from fcm360w.steps import EscapePolicy, until
from fcm360w.wire import Ask, Command, Reply, Support
from scripted import LATENCY, Reaction, World
from transcript import MOMENT, Act, Block, Call, Gap, Host, Outcome, Said, Step, TranscriptError

GAP = 0.001  # seconds between the pieces of what was cut
UNRELATED: tuple[tuple[bytes, Reply], ...] = (
    (b'\r\n+QIURC: "incoming full"\r\n', tcp.IncomingFull()),
    (b'\r\n+QAPSTAT: "AP_CONNECT"\r\n', wifi.ApEvent(wifi.ApChange.CLIENT_JOINED)),
)
POLICY = EscapePolicy()


class Play:
    """One block, once."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.world = World(POLICY)
        self.follower = self.world.script = Follower(block, lambda: self.world.now)  # type: ignore[assignment]
        self.names = NAMES | {"run": self.world.run, "open_stream": self._open_stream, "fetched": self._fetched}
        if block.before and block.before.calls:
            self._perform(block.before.steps)
            self.world.events()

    def _open_stream(self, host: str, port: int, mode: Mode) -> Stream:
        return Stream(self.world, self.world.drive(open_channel(self.world.link, host, port, mode)))

    def _fetched(self, url: str) -> tuple[Any, bytes]:
        """How a GET ended, and all that was read."""
        framed = web.Framed()
        intake = Intake(self.world.link.mark("http_inbox", INBOX), framed)
        outcome = self.world.run(web.fetch(web.Request("GET", url), intake, framed))
        buffer = bytearray(INBOX)
        return outcome, bytes(buffer[: intake.pieces.take_into(memoryview(buffer))])

    def run(self, steps: Sequence[Step], beside: Reply | None = None) -> None:
        """Play these steps, the block's or a variant of them.  TranscriptError if anything else comes of it.

        `beside` is an event that must come as well, once, wherever.
        """
        self._perform(steps)
        events = self.world.events()
        if beside is not None:
            if events.count(beside) != 1:
                raise self.block.wrong(self.block.line, f"{beside} is not among the events: {events}")
            events.remove(beside)
        told = [step for step in steps if isinstance(step, Outcome) and step.kind == "event"]
        wanted = [self._value(step.line, step.text) for step in told]
        if events != wanted:
            line = told[0].line if told else self.block.line
            raise self.block.wrong(line, f"the events are {events}, not {wanted}")

    def _perform(self, steps: Sequence[Step]) -> None:
        for call, part in calls(steps):
            for after, said in self.follower.follow(part, call.line if call else self.block.line):
                self.world.say(said, after)
            came = self._call(call) if call else ""
            while self.world.incoming:
                self.world.wait(self.world.incoming[0][0] - self.world.now + LATENCY)
            self.follower.finish()
            if call and not call.name:
                self._compare(call, came, part)

    def _call(self, call: Call) -> Any:
        """What is returned, or the error that is raised."""
        try:
            value = self._value(call.line, call.code)
        except FCM360WError as error:
            return error
        if call.name:
            self.names[call.name] = value
        return value

    def _compare(self, call: Call, came: Any, part: Sequence[Step]) -> None:
        told = next((step for step in part if isinstance(step, Outcome) and step.kind != "event"), None)
        if isinstance(came, FCM360WError):
            came = described(came)
            right = told is not None and told.kind == "raises" and told.text == came
        elif told is None:
            right = came is None
        else:
            right = told.kind == "result" and came == self._value(told.line, told.text)
        if not right:
            raise self.block.wrong(told.line if told else call.line, f"the driver's outcome is {came!r}")

    def _value(self, line: int, code: str) -> Any:
        try:
            return eval(compiled(code), self.names)
        except (FCM360WError, TranscriptError):
            raise
        except Exception as error:
            raise self.block.wrong(line, f"{type(error).__name__}: {error}") from error


class Follower:
    """The module's part: says what a call's steps have, one after the other, once the host has said its own."""

    def __init__(self, block: Block, clock: Callable[[], float]) -> None:
        self._block = block
        self._clock = clock
        self._steps: Sequence[Step] = ()
        self._line = block.line
        self._heard = b""
        self._silent_from = 0.0

    def follow(self, steps: Sequence[Step], line: int) -> list[Reaction]:
        """Begin, with what comes behind a line; returns what the module says first."""
        self._steps, self._line, self._heard = steps, line, b""
        return self._reactions()

    def hear(self, data: bytes) -> list[Reaction]:
        """As scripted.Script."""
        self._heard += data
        said: list[Reaction] = []
        while self._heard:
            step = self._steps[0] if self._steps else None
            wanted = step.data if isinstance(step, Host) else b""
            if step is None or not wanted or not self._heard.startswith(wanted[: len(self._heard)]):
                raise self._block.wrong(self._line, f"after this the driver says {self._heard!r}, not {wanted!r}")
            if len(self._heard) < len(wanted):
                break
            self._heard, self._steps, self._line = self._heard[len(wanted) :], self._steps[1:], step.line
            said += self._reactions()
        return said

    def finish(self) -> None:
        """TranscriptError if the host has not said all."""
        if self._steps:
            raise self._block.wrong(self._steps[0].line, f"the driver does not say this, only {self._heard!r}")

    def _reactions(self) -> list[Reaction]:
        """What the module says until the host is to speak, after what it says already."""
        count = next((i for i, step in enumerate(self._steps) if isinstance(step, Host)), len(self._steps))
        steps, self._steps = self._steps[:count], self._steps[count:]
        begin = max(LATENCY, self._silent_from - self._clock() + LATENCY)
        said = [(begin + after, data) for after, data in bursts(steps)]
        self._silent_from = self._clock() + said[-1][0] if said else self._silent_from
        return list(said)


def bursts(steps: Sequence[Step]) -> list[tuple[float, bytes]]:
    """What the module says, in one piece but for pauses and gaps, and after how many seconds each piece comes."""
    pieces = [(0.0, b"")]
    for step in steps:
        after, said = pieces[-1]
        if isinstance(step, Said):
            pieces[-1] = after, said + step.data
        elif isinstance(step, Gap):
            pieces.append((after + GAP, b""))
        elif isinstance(step, Act) and step.seconds is not None:
            pieces.append((max(after, MOMENT) + step.seconds, b""))
    return [piece for piece in pieces if piece[1]]


# ---- what a transcript may call -------------------------------------------------------------------------------------


class Stream:
    """As fcm360w.Stream."""

    def __init__(self, world: World, channel: Channel) -> None:
        self._world = world
        self._channel = channel

    def sendall(self, data: bytes) -> None:
        self._world.drive(self._channel.send(memoryview(data), None))

    def recv(self, size: int) -> bytes:
        """Exactly so many bytes, however they come."""
        got = bytearray()
        while len(got) < size:
            buffer = bytearray(size - len(got))
            got += buffer[: self._world.drive(self._channel.receive_into(memoryview(buffer), None))]
        return bytes(got)

    def close(self) -> Report:
        return self._world.drive(self._channel.close(10.0))


class Say(Command[tuple[str, ...]], form="exec", wait=150.0, final=("OK", "SEND OK"), arms=("data",)):
    """A line that is no row's, and perhaps what follows the prompt, as `fcm360w at` would say it."""

    text: str
    payload: bytes | None = None

    def line(self, mask: bool = False) -> str:
        return self.text

    def body(self) -> bytes | None:
        return self.payload

    def answer(self, text: str, data: bytes | None = None) -> Reply | None:
        name = text.partition(":")[0].lower()
        return Unparsed(text) if name.startswith("+") and name in self.text.lower() else None

    def finish(self, replies: Sequence[Any], final: str) -> tuple[str, ...]:
        return (*(reply.text for reply in replies), final)


def _public(*modules: types.ModuleType) -> dict[str, Any]:
    """The classes of the chapters."""
    found = [
        (name, value)
        for module in modules
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
    ]
    assert len(dict(found)) == len(found), "two rows of one name"
    return dict(found)


NAMES: dict[str, Any] = _public(codes, system, wifi, ble, tcp, http, net, files) | {
    "tls": tls,
    "mqtt": mqtt,
    "mqttcfg": mqttcfg,
    "Ask": Ask,
    "Get": Get,
    "Set": Set,
    "Support": Support,
    "Unparsed": Unparsed,
    "Say": Say,
    "Report": Report,
    "PingResult": reach.PingResult,
    "HostAddresses": reach.HostAddresses,
    "ping": reach.ping,
    "resolve": reach.resolve,
    "connect": sockets.connect,
    "delete": storage.delete,
    "explained": sockets.explained,
    "leave": lambda: leave.leave(POLICY),
    "wake": lambda: start.wake(POLICY),
    "Found": start.Found,
    "fix_addresses": hotspots.fix_addresses,
    "join": hotspots.join,
    "read_whole": storage.read_whole,
    "restart": modules.restart,
    "start_ap": hotspots.start_ap,
    "write_whole": storage.write_whole,
    "until": until,
}


# ---- steps ----------------------------------------------------------------------------------------------------------


def calls(steps: Sequence[Step]) -> Iterator[tuple[Call | None, Sequence[Step]]]:
    """Each call with what belongs to it; what comes before the first belongs to none."""
    call: Call | None = None
    part: list[Step] = []
    for step in steps:
        if isinstance(step, Call):
            yield call, part
            call, part = step, []
        else:
            part.append(step)
    yield call, part


def in_pieces(steps: Sequence[Step]) -> Iterator[tuple[int, list[Step]]]:
    """The same steps, with what the module says cut at each offset of the whole of it."""
    offset = 0
    for index, step in enumerate(steps):
        if not isinstance(step, Said):
            continue
        for at in range(0 if offset else 1, len(step.data)):
            first, second = (Said(step.line, data, False) for data in (step.data[:at], step.data[at:]))
            yield offset + at, [*steps[:index], first, Gap(step.line), second, *steps[index + 1 :]]
        offset += len(step.data)


def byte_by_byte(steps: Sequence[Step]) -> list[Step]:
    """The same steps, with a gap after each byte of the module's."""
    out: list[Step] = []
    for step in steps:
        if isinstance(step, Said):
            for i in range(len(step.data)):
                out += [Said(step.line, step.data[i : i + 1], False), Gap(step.line)]
        else:
            out.append(step)
    return out


def unrelated(steps: Sequence[Step]) -> tuple[bytes, Reply]:
    """A line that is not in it, and its event."""
    said = b"".join(step.data for step in steps if isinstance(step, Said))
    return next(pair for pair in UNRELATED if pair[0] not in said)


def with_another(said: bytes, steps: Sequence[Step]) -> Iterator[tuple[int, list[Step]]]:
    """The same steps, with another line before each line of the module's, and after the last."""
    other = Said(0, said, True)
    last = max((index for index, step in enumerate(steps) if isinstance(step, Said)), default=-1)
    for index, step in enumerate(steps):
        if isinstance(step, Said) and step.apart:
            yield step.line, [*steps[:index], other, *steps[index:]]
        if index == last and isinstance(step, Said) and not step.streaming:
            yield step.line, [*steps[: index + 1], other, *steps[index + 1 :]]


@functools.cache
def compiled(code: str) -> types.CodeType:
    return compile(code, "<transcript>", "eval")


def described(error: FCM360WError) -> str:
    """The kind of error, and what of a refusal is not the command."""
    kind = type(error).__name__
    if not isinstance(error, CommandError):
        return kind
    return f"{kind}: {error.result}" + (f" ({error.code})" if error.code is not None else "")
