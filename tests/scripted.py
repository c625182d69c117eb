"""A module of few words, and an artificial clock: drives turns on a link without I/O and without waiting.

`Script` says what a module answers to what it hears. `World` runs drivers, generators of turns, the way a facade does,
against a script; time jumps to whatever comes next.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from fcm360w.commands.tcp import Access
from fcm360w.errors import TransportLost
from fcm360w.events import Event
from fcm360w.flows import sockets
from fcm360w.link import Link
from fcm360w.steps import EscapePolicy
from fcm360w.transparent import Transparent
from fcm360w.turns import Turn, Turned, Turns, perform
from fcm360w.wire import Flow, Reply

R = TypeVar("R")
Said = bytes | TransportLost
Reaction = Said | tuple[float, Said]  # with the seconds after which it comes
Cut = Callable[[bytes], Iterable[bytes]]

LATENCY = 0.01
END = b"\r\n"
OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
CONNECT = b"\r\nCONNECT\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"
PROMPT = b"\r\n>"
TOKENS = (
    OK,
    ERROR,
    CONNECT,
    NO_CARRIER,
    PROMPT,
    b"> ",
    b"+++",
    b'\r\n+QIURC: "closed",0\r\n',
    b"\r\nSEND OK\r\n",
    b"\x1a\x1b",
)


def line(text: str) -> bytes:
    """A line as a module writes it."""
    return f"\r\n{text}\r\n".encode()


def answer(*texts: str) -> bytes:
    """Information lines and OK."""
    return b"".join(map(line, texts)) + OK


class Script:
    """What a module says to what it hears.

    An expectation is used up unless it is to hold always; the first that fits counts.
    """

    def __init__(self) -> None:
        self.expected: list[tuple[str | bytes, tuple[Reaction, ...], bool]] = []
        self.heard = bytearray()
        self.unheeded = bytearray()

    def on(self, said: str | bytes, *reactions: Reaction, always: bool = False) -> None:
        """React to a command line (text), whether or not it follows an unheeded `+++`, or to raw bytes."""
        self.expected.append((said, reactions, always))

    def hear(self, data: bytes) -> list[Reaction]:
        """The reactions to what is heard, byte by byte."""
        out: list[Reaction] = []
        for i in range(len(data)):
            self.heard += data[i : i + 1]
            self.unheeded += data[i : i + 1]
            for entry in self.expected:
                if self._fits(entry[0]):
                    self._use(entry)
                    out += entry[1]
                    break
        return out

    def _fits(self, said: str | bytes) -> bool:
        if isinstance(said, bytes):
            return self.unheeded.endswith(said)
        if not self.unheeded.endswith(END):
            return False
        last = self.unheeded[: -len(END)].rsplit(END, 1)[-1]
        return last.lstrip(b"+") == said.encode() or last.endswith(b"+++" + said.encode())

    def _use(self, entry: tuple[str | bytes, tuple[Reaction, ...], bool]) -> None:
        self.unheeded.clear()
        if not entry[2]:
            self.expected.remove(entry)

    @property
    def spent(self) -> bool:
        return all(always for _, _, always in self.expected)


class Driver(Generic[R]):
    """Turns in progress; `taken` counts them."""

    def __init__(self, turns: Turns[R]) -> None:
        self.turns = turns
        self.taken = 0
        self.turn: Turn | None = None
        self.value: R | None = None
        self.error: BaseException | None = None
        self.resume(lambda: next(turns))

    @property
    def done(self) -> bool:
        return self.turn is None

    def resume(self, go: Callable[[], Turn]) -> None:
        """To its next turn, or its end."""
        self.taken += 1
        try:
            self.turn = go()
        except StopIteration as stop:
            self.turn, self.value = None, stop.value
        except BaseException as error:
            self.turn, self.error = None, error

    def cancel(self, error: BaseException) -> None:
        """As a facade whose caller is interrupted."""
        try:
            self.turn = self.turns.throw(error)
        except BaseException as raised:
            self.turn, self.error = None, raised

    def result(self) -> R:
        assert self.done
        if self.error:
            raise self.error
        return self.value  # type: ignore[return-value]


class World:
    """A link, a script, a clock."""

    def __init__(self, policy: EscapePolicy | None = None, baud: int | None = None, cut: Cut | None = None) -> None:
        self.now = 100.0
        self.link = Link(self.now, policy, baud)
        self.script = Script()
        self.cut: Cut = cut or (lambda data: [data])
        self.incoming: list[tuple[float, int, Said]] = []
        self.writes: list[tuple[float, bytes]] = []
        self.drivers: list[Driver[Any]] = []
        self.write_limit = 1 << 20
        self.stuck = self.blocked = self.changed = False
        self.link.stuck = lambda: self.stuck
        self.link.moved = self._note
        self._order = itertools.count()

    # ---- the module's side

    def on(self, said: str | bytes, *reactions: Reaction, always: bool = False) -> None:
        self.script.on(said, *reactions, always=always)

    def say(self, data: Said, after: float = LATENCY) -> None:
        """Something comes, unasked or not, so many seconds from now."""
        heapq.heappush(self.incoming, (self.now + after, next(self._order), data))

    @property
    def sent(self) -> bytes:
        """All that the host has written and nobody has forgotten."""
        return b"".join(data for _, data in self.writes)

    def forget(self) -> None:
        self.writes.clear()

    # ---- the host's side

    def start(self, turns: Turns[R]) -> Driver[R]:
        """Begin, as another thread would."""
        if not self._waiting():
            self.link.news = self.changed = False
        self.link.tick(self.now)
        driver = Driver(turns)
        self.drivers.append(driver)
        return driver

    def finish(self, driver: Driver[R]) -> R:
        while not driver.done:
            self.step()
        return driver.result()

    def drive(self, turns: Turns[R]) -> R:
        return self.finish(self.start(turns))

    def run(self, flow: Flow[R], trusting: bool = False) -> R:
        return self.drive(perform(self.link, flow, trusting))

    def cancel(self, driver: Driver[Any], error: BaseException) -> None:
        """Its caller is cancelled, which waits for the end of what is shielded; the others notice."""
        while driver.turn and driver.turn.shielded:
            self.step()
        if not driver.done:
            driver.cancel(error)
        self._flush()
        self._tell()

    def cancel_to_the_end(self, driver: Driver[Any], error: BaseException) -> None:
        """As cancel, and what it still does then is interrupted as well wherever it may be."""
        while not driver.done:
            self.cancel(driver, error)

    def wait(self, seconds: float) -> None:
        """Let time pass while nobody asks for anything but whoever drives already."""
        end = self.now + seconds
        while self.link.news or self.changed or ((then := self._next_time()) is not None and then < end):
            self.step()
        self._advance(end)
        self._flush()

    def events(self) -> list[Reply]:
        """Take all events."""
        out: list[Reply] = []
        while event := self.link.events.take():
            assert isinstance(event, Event)
            out.append(event.row)
        return out

    # ---- how time goes

    def step(self) -> None:
        """Write what may be written; else let time jump to the next thing that happens."""
        self._flush()
        if self._write_payload() or self._tell():
            return
        then = self._next_time()
        assert then is not None, "nothing will ever happen"
        self._advance(max(then, self.now))

    def _flush(self) -> None:
        link = self.link
        while link.out and not self.blocked:
            data = bytes(link.out[: self.write_limit])
            link.wrote(len(data), self.now)
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        self.writes.append((self.now, data))
        for reaction in self.script.hear(data):
            after, said = reaction if isinstance(reaction, tuple) else (LATENCY, reaction)
            self.say(said, after)

    def _write_payload(self) -> bool:
        wrote = False
        for driver in self._waiting():
            assert driver.turn
            if driver.turn.write is None:
                continue
            count = min(self.link.may_send(driver.turn.write), self.write_limit)
            if count:
                data = bytes(driver.turn.write[:count])
                self.link.data_sent(driver.turn.write[:count], self.now)
                self._hear(data)
                self._resume(driver, Turned(count, 0))
                wrote = True
        return wrote

    def _note(self) -> None:
        self.changed = True

    def _tell(self) -> bool:
        """Whoever waits hears of what another has changed, as a facade's notify does."""
        if not (self.link.news or self.changed):
            return False
        self.link.news = self.changed = False
        for driver in self._waiting():
            self._resume(driver, Turned())
        return True

    def _next_time(self) -> float | None:
        times = [driver.turn.deadline for driver in self._waiting() if driver.turn]
        times += [self.link.deadline(), self.incoming[0][0] if self.incoming and self.link.has_room else None]
        return min((time for time in times if time is not None), default=None)

    def _advance(self, then: float) -> None:
        self.now = then
        read = self._deliver()
        if self.link.error is None:
            self.link.tick(self.now)
        for driver in self._waiting():
            if self.link.error:
                self._throw(driver)
            else:
                self._resume(driver, Turned(0, read.get(driver, 0)))

    def _deliver(self) -> dict[Driver[Any], int]:
        read: dict[Driver[Any], int] = {}
        while self.incoming and self.incoming[0][0] <= self.now and self.link.has_room and not read:
            _, _, said = heapq.heappop(self.incoming)
            if isinstance(said, TransportLost):
                self.link.lost(said, self.now)
                return {}
            for piece in self.cut(said):
                self._receive(piece, read)
        return read

    def _receive(self, piece: bytes, read: dict[Driver[Any], int]) -> None:
        for driver in self._waiting():
            into = driver.turn.read if driver.turn else None
            if into is not None and len(into) >= len(piece) and self.link.in_place and not read:
                into[: len(piece)] = piece
                if count := self.link.receive_in_place(into[: len(piece)], self.now):
                    read[driver] = count
                return
        self.link.receive(piece, self.now)

    def _waiting(self) -> list[Driver[Any]]:
        self.drivers = [driver for driver in self.drivers if not driver.done]
        return list(self.drivers)

    def _resume(self, driver: Driver[Any], turned: Turned) -> None:
        driver.resume(lambda: driver.turns.send(turned))
        self.changed = self.changed or driver.done

    def _throw(self, driver: Driver[Any]) -> None:
        def go() -> Turn:
            try:
                self.link.check()
            except TransportLost as error:
                return driver.turns.throw(error)
            raise AssertionError("not lost")

        driver.resume(go)


def each_byte(data: bytes) -> Iterable[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def cut_at(offset: int) -> Cut:
    """Cut the whole of what a module says, taken together, at one offset."""
    seen = 0

    def cut(data: bytes) -> list[bytes]:
        nonlocal seen
        here, seen = offset - seen, seen + len(data)
        return [data[:here], data[here:]] if 0 < here < len(data) else [data]

    return cut


def transparent(world: World, first: bytes = b"", connect_id: int = 0) -> Transparent:
    """Open a transparent stream; `first` comes in one burst with CONNECT."""
    used = [f'+QISTATE: {n},"TCP","10.0.0.9",8009,49152,2,{n},0,"uart1"' for n in range(connect_id)]
    world.on("AT+QISTATE", answer(*used))
    world.on(f'AT+QIOPEN={connect_id},"TCP","h",80,0,2', CONNECT + first)
    found = world.run(sockets.connect("h", 80, Access.TRANSPARENT))
    return Transparent(world.link, found)
