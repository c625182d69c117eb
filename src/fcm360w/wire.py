"""The engine of the command table: frozen dataclasses in, AT lines out, and back.

One row of the table is one class.  The class body lists the parameters in the order of the wire; the class line carries
everything else the manual says about the row: its name, its form, its section, how long it may take and how it ends.
Nothing is generated: driver, twin, `explain` and tests walk the same classes.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Generator, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, dataclass_transform

from fcm360w.errors import UsageError

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S", bound="Setting")

Form = Literal["exec", "read", "write"]


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


# ---- what an annotation may say about a parameter -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Range:
    """Inclusive bounds of an integer; `unit` is for people."""

    low: int
    high: int
    unit: str = ""

    def check(self, value: int) -> str | None:
        return None if self.low <= value <= self.high else f"{value} is outside {self.low}..{self.high}"


@dataclasses.dataclass(frozen=True)
class Length:
    """Inclusive bounds of a string, in bytes of its UTF-8 form."""

    low: int
    high: int

    def check(self, value: str) -> str | None:
        size = len(encode(value))
        return None if self.low <= size <= self.high else f"is {size} bytes long, outside {self.low}..{self.high}"


@dataclasses.dataclass(frozen=True)
class Payload:
    """Marks bytes that travel apart from the line: counted, it prints as its length; else it ends with CTRL+Z."""

    low: int
    high: int
    counted: bool = True

    def check(self, value: bytes) -> str | None:
        return None if self.low <= len(value) <= self.high else f"{len(value)} bytes, outside {self.low}..{self.high}"


@dataclasses.dataclass(frozen=True)
class Named:
    """The manual's names of a parameter whose Python name differs; several where the manual prints alternatives."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclasses.dataclass(frozen=True)
class Note:
    """Why a parameter departs from the manual's print: a row of the project's table of decisions."""

    row: str


class Mark(enum.Enum):
    """Marks without an argument."""

    SECRET = "never shown in a log, a trace or a repr"
    BARE = "printed without quotes"


SECRET, BARE = Mark.SECRET, Mark.BARE
Bounds = Range | Length | Payload


@dataclasses.dataclass(frozen=True)
class Field:
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

    @property
    def payload(self) -> Payload | None:
        return self.bounds if isinstance(self.bounds, Payload) else None

    @property
    def quoted(self) -> bool:
        return issubclass(self.type, str) and not self.bare

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if not isinstance(value, self.type) or (self.type is int and isinstance(value, bool)):
            return f"{value!r} is not {self.type.__name__}"
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
        """Read one parameter.  Strict, as a module reads a host's: quotes as declared, value within bounds."""
        quoted = len(text) > 1 and text[0] == text[-1] == '"'
        if strict and quoted != self.quoted:
            raise ParseError(f"{self.name}: {text!r}")
        raw = text[1:-1] if quoted else text
        try:
            value = self._convert(raw)
        except ValueError as error:
            raise ParseError(f"{self.name}: {text!r}") from error
        if strict and (fault := self.fault(value)):
            raise ParseError(f"{self.name}: {fault}")
        return value

    def _convert(self, raw: str) -> Any:
        if issubclass(self.type, bytes):
            count = _number(raw)
            if self.payload and count > self.payload.high:
                raise ParseError(f"{self.name}: {count} bytes")
            return bytes(count)
        kind: Callable[[Any], Any] = self.type
        return kind(_number(raw) if issubclass(self.type, int) else raw)


def _number(text: str) -> int:
    """A decimal number as the wire writes it; int() would also take blanks, underscores and other scripts' digits."""
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()):
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


def _field(field: dataclasses.Field[Any], hint: Any) -> Field:
    optional = field.default is not dataclasses.MISSING
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
    return Field(
        name=field.name,
        type=hint,
        bounds=next((extra for extra in extras if isinstance(extra, (Range, Length, Payload))), None),
        optional=optional,
        default=field.default if optional else None,
        names=names.names if names else (field.name,),
        note=note.row if note else None,
        secret=SECRET in extras,
        bare=BARE in extras,
    )


# ---- rows -----------------------------------------------------------------------------------------------------------


@dataclass_transform(frozen_default=True)
class Row:
    """Base of every row.  Subclasses become frozen dataclasses."""

    at: ClassVar[str] = ""
    key: ClassVar[str | None] = None
    ref: ClassVar[str] = ""

    def __init_subclass__(cls, at: str = "", key: str | None = None, ref: str = "", **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.at, cls.key, cls.ref = at or cls.at, key or cls.key, ref or cls.ref

    def __new__(cls, *values: Any, **named: Any) -> Self:
        """Make the class a dataclass when it is first used: a program needs few of some hundred rows, and each costs
        half a millisecond to compile."""
        if "__dataclass_fields__" not in cls.__dict__:
            dataclasses.dataclass(frozen=True, repr=False)(cls)
        return super().__new__(cls)

    @classmethod
    @functools.cache
    def fields(cls) -> tuple[Field, ...]:
        """The parameters, in the order of the wire."""
        if "__dataclass_fields__" not in cls.__dict__:
            dataclasses.dataclass(frozen=True, repr=False)(cls)
        hints = typing.get_type_hints(cls, include_extras=True)
        return tuple(_field(f, hints[f.name]) for f in dataclasses.fields(cls))  # type: ignore[arg-type]

    @classmethod
    @functools.cache
    def printed_fields(cls) -> tuple[Field, ...]:
        """Those that the line shows: all but a payload that is not counted."""
        return tuple(field for field in cls.fields() if not field.payload or field.payload.counted)

    @classmethod
    @functools.cache
    def payload_field(cls) -> Field | None:
        return next((field for field in cls.fields() if field.payload), None)

    def parameters(self, mask: bool = False) -> str:
        """The parameters as text; UsageError if one is out of bounds.  `mask` hides the secret ones."""
        parts = [f'"{self.key}"'] if self.key else []
        omitted = 0
        for field in self.fields():
            value = getattr(self, field.name)
            if value is None or (field.payload and not field.payload.counted):
                self._check(field, value)
                omitted += 1
                continue
            self._check(field, value)
            parts += [""] * omitted
            omitted = 0
            parts.append('"***"' if mask and field.secret else field.format(value))
        return ",".join(parts)

    def _check(self, field: Field, value: Any) -> None:
        if value is None and field.optional:
            return
        if fault := field.fault(value):
            shown = "is not text" if field.secret and not isinstance(value, str) else fault
            raise UsageError(f"{type(self).__name__}: {field.names[0]} {shown} (manual {self.ref})")

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Self:
        """Build a row from the text after ``+NAME: `` or ``AT+NAME=``.  ParseError if it has another shape."""
        parts = split(text) if text.strip(" ") else []
        if cls.key is not None and not (parts and _is_key(parts.pop(0), cls.key, strict)):
            raise ParseError(f"not {cls.at} {cls.key!r}: {text!r}")
        fields = cls.printed_fields()
        if len(parts) > len(fields):
            if strict or any(parts[len(fields) :]):
                raise ParseError(f"{cls.__name__}: {len(parts)} parameters in {text!r}")
        values: dict[str, Any] = {}
        for field, part in zip(fields, parts, strict=False):
            if part:
                values[field.name] = field.parse(part, strict)
        missing = [f.name for f in fields if not f.optional and f.name not in values]
        if missing:
            raise ParseError(f"{cls.__name__}: {missing[0]} is missing in {text!r}")
        for field in cls.fields():
            if field.name not in values and field.payload and not field.optional:
                values[field.name] = b""
        return cls(**values)

    def __repr__(self) -> str:
        shown = (f"{f.name}={'***' if f.secret else _brief(getattr(self, f.name))}" for f in self.fields())
        return f"{type(self).__name__}({', '.join(shown)})"


def _is_key(text: str, key: str, strict: bool) -> bool:
    return text == f'"{key}"' if strict else text.strip('"').lower() == key.lower()


def _brief(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 32:
        return f"<{len(value)} bytes>"
    return f"{type(value).__name__}.{value.name}" if isinstance(value, enum.Enum) else repr(value)


class Reply(Row):
    """A line of the module, ``+NAME: ...``, solicited or not."""

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        """Build from the text after the name, and from the payload that came with the line."""
        row = cls.parse(text)
        field = cls.payload_field()
        if field is None or (data is None and not getattr(row, field.name)):
            return row
        if data is None:
            raise ParseError(f"{cls.at}: {text!r} announces a payload and brings none")
        return dataclasses.replace(row, **{field.name: data})

    def fault(self) -> tuple[int, str] | None:
        """Code and text of the failure that a late line reports; None if it reports success."""
        return None

    def line(self) -> str:
        """The line as a module writes it, without its line ends and payload."""
        text = self.parameters()
        return f"{self.at}: {text}" if text else self.at


class Command(Row, Generic[R]):
    """A request that ends in a value of type R.

    Completes with one of `final`, or as `late` says: with its reply, which comes after OK.  R tells which lines are the
    answer: a Reply, a tuple of one kind of Reply, a bool (the first of `final`, or not) or None.  `arms` names the
    framer's rules for payloads that only this command can bring.
    """

    form: ClassVar[Form] = "write"
    test: ClassVar[tuple[str, ...] | None] = None
    wait: ClassVar[float] = 0.3
    final: ClassVar[tuple[str, ...]] = ("OK",)
    late: ClassVar[bool] = False
    arms: ClassVar[tuple[str, ...]] = ()
    result: ClassVar[Any] = None
    reply: ClassVar[type[Reply] | None] = None

    def __init_subclass__(
        cls,
        form: Form = "write",
        test: tuple[str, ...] | None = None,
        wait: float = 0.3,
        final: tuple[str, ...] = ("OK",),
        late: bool = False,
        arms: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        super().__init_subclass__(**more)
        cls.form, cls.test, cls.wait, cls.final, cls.late, cls.arms = form, test, wait, final, late, arms
        cls.result, cls.reply = _result_of(cls)

    def line(self, mask: bool = False) -> str:
        """The command line, without its CR.  UsageError if a parameter is out of bounds."""
        if self.form == "exec":
            return f"AT{self.at}"
        return f"AT{self.at}?" if self.form == "read" else f"AT{self.at}={self.parameters(mask)}"

    def body(self) -> bytes | None:
        """What is sent at the prompt; None if there is no prompt."""
        field = self.payload_field()
        if field is None or field.payload is None:
            return None
        data: bytes = getattr(self, field.name)
        return data if field.payload.counted else data + b"\x1a"

    def section(self) -> str:
        """Where the manual has it."""
        return self.ref

    def timeout(self) -> float:
        """Seconds the manual gives the module, counted from the end of the command line."""
        return self.wait

    def connects(self) -> bool:
        """Whether CONNECT ends the command and begins data mode."""
        return False

    def replies(self) -> dict[str, type[Reply]]:
        """The kinds of line that answer the command, by the name they begin with."""
        return {self.reply.at: self.reply} if self.reply else {}

    def answer(self, text: str, data: bytes | None = None) -> Reply | None:
        """A line, with the payload that came with it, as an answer; None if it is none.  ParseError: it is misshapen."""
        name, _, rest = text.partition(":")
        row = self.replies().get(name)
        return row.read(rest.strip(" "), data) if row else None

    def belongs(self, reply: Reply) -> bool:
        """Whether a line of the right kind answers this very command."""
        return True

    def finish(self, replies: Sequence[Reply], final: str) -> R:
        """The result.  ParseError if the module left out what it must say."""
        if self.result is bool:
            return typing.cast("R", final == self.final[0])
        if self.reply is None:
            return typing.cast("R", None)
        if typing.get_origin(self.result) is tuple:
            return typing.cast("R", tuple(replies))
        if not replies:
            raise ParseError(f"{self.line(mask=True)}: {final} without {self.reply.at}")
        return typing.cast("R", replies[0])

    def __iter__(self) -> Generator[Any, Any, R]:
        result: R = yield self
        return result


def _result_of(cls: type[Command[Any]]) -> tuple[Any, type[Reply] | None]:
    """The R of Command[R] and the Reply in it."""
    for base in getattr(cls, "__orig_bases__", ()):
        for arg in typing.get_args(base):
            inner = typing.get_args(arg)[0] if typing.get_origin(arg) is tuple else arg
            return arg, inner if isinstance(inner, type) and issubclass(inner, Reply) else None
    return cls.result, cls.reply


class Flow(Protocol[R_co]):
    """Anything that yields steps and returns a value: a command, or a generator of them."""

    def __iter__(self) -> Generator[Any, Any, R_co]: ...


class Support(Reply):
    """One line of the answer to a test command, as printed."""

    text: Annotated[str, BARE]

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        return cls(text)


class Ask(Command[tuple[Support, ...]], ref="1.2"):
    """Ask which values a command takes: ``AT+NAME=?``, the test command."""

    row: type[Command[Any]]

    def line(self, mask: bool = False) -> str:
        return f"AT{self.row.at}=?"

    def section(self) -> str:
        return self.row.ref

    def replies(self) -> dict[str, type[Reply]]:
        return {self.row.at: Support}


# ---- settings -------------------------------------------------------------------------------------------------------


class Setting(Reply):
    """One remembered option of a configuration command: its values, their ranges and their defaults."""


class Get(Command[S], Generic[S]):
    """Read an option."""

    setting: type[S]

    def line(self, mask: bool = False) -> str:
        return f'AT{self.setting.at}="{self.setting.key}"'

    def section(self) -> str:
        return self.setting.ref

    def replies(self) -> dict[str, type[Reply]]:
        return {self.setting.at: self.setting}

    def finish(self, replies: Sequence[Reply], final: str) -> S:
        if not replies:
            raise ParseError(f"{self.line()}: {final} without {self.setting.at}")
        return typing.cast("S", replies[0])


class Set(Command[None], Generic[S]):
    """Write an option."""

    setting: S

    def line(self, mask: bool = False) -> str:
        return f"AT{self.setting.at}={self.setting.parameters(mask)}"

    def section(self) -> str:
        return self.setting.ref
