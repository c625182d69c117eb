"""Transcripts: what host and module say on the wire, as documents.  tests/transcripts/README.md has the format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

MOMENT = 0.5  # seconds that follow everything that is said or happens; in them the module says what it has to say
CRLF = b"\r\n"
NAMED = {"SUB": b"\x1a", "ESC": b"\x1b"}
ESCAPES = {"r": b"\r", "n": b"\n", "\\": b"\\"}
TOKEN = re.compile(r"<(SUB|ESC)>|<(.)\*(\d+)>|\\x([0-9a-f]{2})|\\(.?)|(.)", re.DOTALL)
WIRE = re.compile(r"(>>?|<<?) (.+)")
ROW = re.compile(r"[RW]\d+")
FENCE = "```"
DATA_ENDS = (b"\r\nNO CARRIER\r\n", b"\r\nOK\r\n")
DATA_BEGINS = b"\r\nCONNECT\r\n"


class TranscriptError(Exception):
    """A document is not a transcript, or what it says is not so."""


@dataclass(frozen=True)
class Host:
    """Bytes of the host."""

    line: int
    data: bytes


@dataclass(frozen=True)
class Said:
    """Bytes of the module.  `apart`: another line may come before them; `streaming`: what follows is data mode's."""

    line: int
    data: bytes
    framed: bool
    apart: bool = True
    streaming: bool = False


@dataclass(frozen=True)
class Act:
    """Something happens, or is found to have happened, beside the serial line."""

    line: int
    words: str

    @property
    def seconds(self) -> float | None:
        """How much time passes, if that is all."""
        return float(self.words.removeprefix("wait ")) if self.words.startswith("wait ") else None


@dataclass(frozen=True)
class Call:
    """The driver is called; `name` is what the value is kept under."""

    line: int
    code: str
    name: str = ""


@dataclass(frozen=True)
class Outcome:
    """What comes of the driver: `kind` is result, raises or event."""

    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Gap:
    """Where the module's bytes are cut.  It is not written."""

    line: int


Step = Host | Said | Act | Call | Outcome | Gap


@dataclass(frozen=True)
class Block:
    """One conversation; `before` is the setup from which it goes on."""

    path: Path
    line: int
    rows: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    before: Block | None = None

    @property
    def calls(self) -> bool:
        """Whether the driver takes part."""
        return any(isinstance(step, Call) for step in self.steps)

    @property
    def streams(self) -> bool:
        """Whether it ends in data mode."""
        said = [step for step in self.steps if isinstance(step, Said)]
        return bool(said) and said[-1].streaming

    @property
    def name(self) -> str:
        return f"{self.path.name}:{self.line}"

    def wrong(self, line: int, message: str) -> TranscriptError:
        return TranscriptError(f"{self.path}:{line}: {message}")


# ---- reading --------------------------------------------------------------------------------------------------------


def read(path: Path) -> list[Block]:
    """The blocks of a document.  TranscriptError names file and line."""
    blocks: list[Block] = []
    setup: Block | None = None
    for line, words, body in _fences(path):
        rows = tuple(word for word in words if word != "setup")
        block = _block(Block(path, line, rows, (), (), None if "setup" in words else setup), body)
        setup = block if "setup" in words else setup
        blocks.append(block)
    return blocks


def _fences(path: Path) -> Iterator[tuple[int, list[str], list[tuple[int, str]]]]:
    """The fenced blocks that begin with the word wire: their line, the other words, and their own lines."""
    opened, words, body = 0, [""], list[tuple[int, str]]()
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.startswith(FENCE):
            body.append((number, text))
        elif not opened:
            opened, words, body = number, text.removeprefix(FENCE).split() or [""], []
        else:
            if words[0] == "wire":
                yield opened, words[1:], body
            opened = 0
    if opened:
        raise TranscriptError(f"{path}:{opened}: the block is not closed")


def _block(empty: Block, body: list[tuple[int, str]]) -> Block:
    for row in empty.rows:
        if not ROW.fullmatch(row):
            raise empty.wrong(empty.line, f"{row!r} is neither a row nor setup")
    steps: list[Step] = []
    settings = list(empty.before.settings if empty.before else ())
    for line, text in body:
        try:
            read_line = _line(line, text)
        except ValueError as error:
            raise empty.wrong(line, str(error)) from error
        if isinstance(read_line, tuple):
            if steps:
                raise empty.wrong(line, f"{read_line[0]}: comes before everything else")
            settings.append(read_line)
        else:
            steps.append(read_line)
    return _checked(
        replace(
            empty,
            settings=tuple(settings),
            steps=tuple(_apart(steps, empty.before is not None and empty.before.streams)),
        )
    )


def _line(line: int, text: str) -> Step | tuple[str, str]:
    """A step, or a setting and its value."""
    if text != text.rstrip():
        raise ValueError("the line ends in a blank: write it as \\x20")
    if wire := WIRE.fullmatch(text):
        return _on_wire(line, wire[1], decoded(wire[2]))
    word, colon, rest = text.partition(": ")
    if colon and word in KINDS:
        return KINDS[word](line, rest)
    act = Act(line, text)
    decoded(text)
    if not text or (colon and " " not in word) or text[0] in "<>" or (act.seconds or 0) < 0:
        raise ValueError(f"{text!r} is nothing that a transcript can hold")
    return act


def _on_wire(line: int, mark: str, data: bytes) -> Step:
    if mark[0] == ">":
        return Host(line, data if mark == ">>" else data + CRLF)
    return Said(line, data, False) if mark == "<<" else Said(line, CRLF + data + CRLF, True)


def _call(line: int, text: str) -> Call:
    assigned = re.fullmatch(r"(\w+) = (.+)", text)
    return Call(line, assigned[2], assigned[1]) if assigned else Call(line, text)


KINDS: dict[str, Callable[[int, str], Step | tuple[str, str]]] = {
    "dialect": lambda line, text: ("dialect", text),
    "quirk": lambda line, text: ("quirk", text),
    "baud": lambda line, text: ("baud", text),
    "driver": _call,
    "result": lambda line, text: Outcome(line, "result", text),
    "raises": lambda line, text: Outcome(line, "raises", text),
    "event": lambda line, text: Outcome(line, "event", text),
}


def decoded(text: str) -> bytes:
    """The bytes of a text that has escapes.  ValueError for an escape that is none."""
    return b"".join(map(_token, TOKEN.finditer(text)))


def _token(match: re.Match[str]) -> bytes:
    name, filler, count, code, escape, plain = match.groups()
    if name:
        return NAMED[name]
    if filler:
        return filler.encode() * int(count)
    if code:
        return bytes([int(code, 16)])
    if plain:
        return plain.encode()
    if escape not in ESCAPES:
        raise ValueError(f"\\{escape} stands for nothing: \\r, \\n, \\\\ and \\x with two digits do")
    return ESCAPES[escape]


def _apart(steps: Sequence[Step], streaming: bool) -> Iterator[Step]:
    """Mark what continues a line, and what is data mode."""
    before: Step | None = None
    for step in steps:
        if isinstance(step, Said):
            goes_on = not step.framed and isinstance(before, Said) and (before.framed or not before.apart)
            apart = not (goes_on or streaming)
            if step.framed:
                streaming = step.data == DATA_BEGINS or (streaming and step.data not in DATA_ENDS)
            step = replace(step, apart=apart, streaming=streaming)
        yield step
        before = step


def _checked(block: Block) -> Block:
    """Every outcome follows a call, which has one at most; with a call in the block, none of the host's words is not
    the driver's."""
    called = answered = False
    for step in block.steps:
        if isinstance(step, Call):
            called, answered = True, False
        elif isinstance(step, Outcome) and not (block.calls if step.kind == "event" else called and not answered):
            raise block.wrong(step.line, f"{step.kind}: belongs to no call of the driver")
        elif isinstance(step, Outcome):
            answered = answered or step.kind != "event"
        elif isinstance(step, Host) and block.calls and not called:
            raise block.wrong(step.line, "the host speaks before the driver is called")
    if not block.steps:
        raise block.wrong(block.line, "the block is empty")
    return block
