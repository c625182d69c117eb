"""Parameters of the command table: what an annotation says about one, and how its value crosses the wire."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple


class ParseError(ValueError):
    """A line does not have the shape its row declares."""


def encode(text: str) -> bytes:
    """Text as it crosses the wire; bytes of a module's line that are no UTF-8 go back as they came."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """The reverse of encode."""
    return data.decode("utf-8", "surrogateescape")


def _encodes(text: str) -> bool:
    try:
        encode(text)
    except UnicodeEncodeError:
        return False
    return True


class Range(NamedTuple):
    """Inclusive bounds of an integer; `unit` is for people."""

    low: int
    high: int
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.low}..{self.high}" if self.low < self.high else str(self.low)

    def check(self, value: int) -> str | None:
        return None if self.low <= value <= self.high else f"{value} is outside {self.low}..{self.high}"


class Length(NamedTuple):
    """Inclusive bounds of a string, in bytes of its UTF-8 form."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}..{self.high} bytes"

    def check(self, value: str) -> str | None:
        size = len(encode(value))
        return None if self.low <= size <= self.high else f"is {size} bytes long, outside {self.low}..{self.high}"


class Payload(NamedTuple):
    """Marks bytes that travel apart from the line: counted, it prints as its length; else it ends with CTRL+Z."""

    low: int
    high: int
    counted: bool = True

    def __str__(self) -> str:
        return f"{self.low}..{self.high} bytes"

    def check(self, value: bytes) -> str | None:
        return None if self.low <= len(value) <= self.high else f"{len(value)} bytes, outside {self.low}..{self.high}"


class Dotted:
    """Four numbers of 0 to 255 with dots between: an IPv4 address."""

    __slots__ = ()

    def __str__(self) -> str:
        return "a dotted IPv4 address"

    def check(self, value: str) -> str | None:
        parts = value.split(".")
        good = len(parts) == 4 and all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts)
        return None if good and max(map(int, parts)) < 256 else f"{value!r} is no dotted IPv4 address"


class Hexadecimal:
    """Text of hexadecimal digits, two for a byte; `sizes` are the numbers of bytes that are allowed."""

    __slots__ = ("sizes",)

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def __str__(self) -> str:
        return f"{self.counts} bytes as hexadecimal digits"

    @property
    def counts(self) -> str:
        """The numbers of bytes, for people."""
        low, high = self.sizes[0], self.sizes[-1]
        return f"{low}..{high}" if high - low == len(self.sizes) - 1 else " or ".join(map(str, self.sizes))

    def check(self, value: str) -> str | None:
        if not set(value) <= set("0123456789abcdefABCDEF"):
            return "is not all hexadecimal digits"
        good = not len(value) % 2 and len(value) // 2 in self.sizes
        return None if good else f"has {len(value)} digits, not two for each of {self.counts} bytes"


class Only:
    """Of an enumeration's members these alone; the others are said by the module, never to it."""

    __slots__ = ("members",)

    def __init__(self, *members: enum.Enum) -> None:
        self.members = members

    def check(self, value: enum.Enum) -> str | None:
        allowed = ", ".join(member.name for member in self.members)
        return None if value in self.members else f"{value.name} is none of {allowed}"


class Named:
    """The manual's names of a parameter whose Python name differs; several where the manual prints alternatives."""

    __slots__ = ("names",)

    def __init__(self, *names: str) -> None:
        self.names = names


class Note(NamedTuple):
    """Why a parameter departs from the manual's print: a row of the project's table of decisions."""

    row: str


class Coded(NamedTuple):
    """The number is a result code, of the table of that name (commands.codes)."""

    table: str


class Mark(enum.Enum):
    """Marks without an argument."""

    SECRET = "never shown in a log, a trace or a repr"
    BARE = "printed without quotes"


SECRET, BARE = Mark.SECRET, Mark.BARE
Bounds = Range | Length | Payload | Dotted | Hexadecimal | Only
Address = Annotated[str, Dotted()]


REQUIRED = object()


class Field(NamedTuple):
    """One parameter, read off its annotation."""

    name: str
    type: type
    bounds: Bounds | None
    optional: bool
    default: object
    names: tuple[str, ...]
    note: str | None
    secret: bool
    bare: bool
    codes: str | None = None

    @property
    def payload(self) -> Payload | None:
        return self.bounds if isinstance(self.bounds, Payload) else None

    @property
    def quoted(self) -> bool:
        return issubclass(self.type, str) and not self.bare

    @property
    def literal(self) -> bool:
        """Whether only one value is allowed: it tells its command from another of the same name."""
        return isinstance(self.bounds, Range) and self.bounds.low == self.bounds.high

    @property
    def members(self) -> tuple[enum.Enum, ...]:
        """The values of an enumeration; empty for anything else."""
        if isinstance(self.bounds, Only):
            return self.bounds.members
        return tuple(self.type) if issubclass(self.type, enum.Enum) else ()

    def limits(self) -> str:
        """What a value may be, for people."""
        if self.members:
            return ", ".join(map(self.format, self.members))
        if isinstance(self.bounds, Range) and self.bounds.unit:
            return f"{self.bounds}{' × ' if self.bounds.unit[0].isdigit() else ' '}{self.bounds.unit}"
        return str(self.bounds) if self.bounds else "text" if issubclass(self.type, str) else "a number"

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if not isinstance(value, self.type) or (self.type is int and isinstance(value, bool)):
            allowed = ", ".join(member.name for member in self.members) or self.limits()
            return f"{value!r} is not {self.type.__name__}: {allowed}"
        if isinstance(value, str) and any(c < " " or c in '"\x7f' for c in value):
            return "must not contain a quote or a control character"
        if isinstance(value, str) and not _encodes(value):
            return "must not contain half a surrogate pair"
        return self.bounds.check(value) if self.bounds else None  # type: ignore[arg-type]

    def format(self, value: Any) -> str:
        plain = value.value if isinstance(value, enum.Enum) else value
        if isinstance(plain, str):
            return plain if self.bare else f'"{plain}"'
        return str(len(plain) if isinstance(plain, bytes) else int(plain))

    def parse(self, text: str, strict: bool = False) -> Any:
        """Read one parameter.  Strict, as a module reads a host's: quotes and digits as declared, within bounds."""
        quoted = len(text) > 1 and text[0] == text[-1] == '"'
        if strict and quoted != self.quoted:
            raise ParseError(f"{self.name}: {text!r}")
        raw = text[1:-1] if quoted else text
        try:
            value = self._convert(raw, strict)
        except ValueError as error:
            raise ParseError(f"{self.name}: {text!r}") from error
        if strict and (fault := self.fault(value)):
            raise ParseError(f"{self.name}: {fault}")
        return value

    def _convert(self, raw: str, strict: bool) -> Any:
        if issubclass(self.type, bytes):
            count = _number(raw, strict)
            if self.payload and count > self.payload.high:
                raise ParseError(f"{self.name}: {count} bytes")
            return bytes(count)
        kind: Callable[[Any], Any] = self.type
        return kind(_number(raw, strict) if issubclass(self.type, int) else raw)


def _number(text: str, strict: bool) -> int:
    """A decimal number as the wire writes it; int() would also take blanks, underscores and other scripts' digits.

    Strict: nor zeros in front.
    """
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()) or (strict and len(digits) > 1 and digits[0] == "0"):
        raise ValueError(text)
    return int(text)


def split(text: str) -> list[str]:
    """Split parameters at commas outside double quotes; blanks around a parameter do not count."""
    if '"' not in text:
        return [part.strip(" ") for part in text.split(",")]
    parts, start, quoted = [], 0, False
    for i, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            parts.append(text[start:i].strip(" "))
            start = i + 1
    if quoted:
        raise ParseError(f"a quote is not closed: {text!r}")
    parts.append(text[start:].strip(" "))
    return parts


def read_field(name: str, hint: Any, default: object = REQUIRED) -> Field:
    """Read a parameter off its annotation."""
    optional = default is not REQUIRED
    extras: list[Any] = []
    if typing.get_origin(hint) is Annotated:
        hint, *extras = typing.get_args(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is Annotated:
        hint, *inner = typing.get_args(hint)
        extras += inner
    names = next((extra for extra in extras if isinstance(extra, Named)), None)
    note = next((extra for extra in extras if isinstance(extra, Note)), None)
    coded = next((extra for extra in extras if isinstance(extra, Coded)), None)
    return Field(
        name=name,
        type=hint,
        bounds=next((extra for extra in extras if isinstance(extra, Bounds)), None),
        optional=optional,
        default=default if optional else None,
        names=names.names if names else (name,),
        note=note.row if note else None,
        secret=SECRET in extras,
        bare=BARE in extras,
        codes=coded.table if coded else None,
    )
