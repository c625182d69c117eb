"""The engine of the command table: frozen dataclasses in, AT lines out, and back.

One row of the table is one class.  The class body lists the parameters in the order of the wire; the class line carries
everything else the manual says about the row: its name, its form, its section, how long it may take and how it ends.
Nothing is generated: driver, twin, `explain` and tests walk the same classes.
"""

from __future__ import annotations

import enum
import functools
import threading
import typing
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, dataclass_transform

from fcm360w.errors import UsageError
from fcm360w.parameters import BARE, REQUIRED, Field, ParseError, read_field, split

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Form = Literal["exec", "read", "write"]


# Two threads may need a row for the first time at once.
_COMPLETING = threading.RLock()

# ---- rows -----------------------------------------------------------------------------------------------------------


def _complete(cls: type) -> None:
    """Make a row's class a dataclass when it is first used.

    A program needs few of some hundred rows, and each costs a millisecond to compile; so does the import of dataclasses
    and of what it needs, twenty times over.
    """
    if cls.__dict__.get("_complete_"):
        return
    import dataclasses

    with _COMPLETING:
        if not cls.__dict__.get("_complete_"):
            dataclasses.dataclass(frozen=True, repr=False)(cls)
            type.__setattr__(cls, "__init__", _checked(vars(cls)["__init__"]))
            cls._complete_ = True  # type: ignore[attr-defined]


def _checked(make: Callable[..., None]) -> Callable[..., None]:
    """A constructor whose parameters, if they are not those of the row, are the caller's fault like any other value."""

    @functools.wraps(make)
    def init(self: Row, *values: Any, **named: Any) -> None:
        try:
            make(self, *values, **named)
        except TypeError as error:
            if fault := self.misfit(len(values), named.keys()):
                raise UsageError(f"{type(self).__name__}: {fault} (manual {self.ref})") from error
            raise

    return init


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
        _complete(cls)
        return super().__new__(cls)

    @classmethod
    @functools.cache
    def fields(cls) -> tuple[Field, ...]:
        """The parameters, in the order of the wire."""
        _complete(cls)
        hints = typing.get_type_hints(cls, include_extras=True)
        names = cls.__dict__["__dataclass_fields__"]
        return tuple(read_field(name, hints[name], cls.__dict__.get(name, REQUIRED)) for name in names)

    @classmethod
    @functools.cache
    def printed_fields(cls) -> tuple[Field, ...]:
        """Those that stand in the line: all but a payload that nothing counts."""
        return tuple(field for field in cls.fields() if not field.payload or field.payload.counted)

    @classmethod
    @functools.cache
    def payload_field(cls) -> Field | None:
        return next((field for field in cls.fields() if field.payload), None)

    @classmethod
    def misfit(cls, count: int, named: Collection[str]) -> str | None:
        """What is wrong with `count` parameters by place and some by name; None if nothing."""
        fields = cls.fields()
        if count > len(fields):
            return f"too many parameters: {count}, at most {len(fields)}"
        rest = {field.name: field for field in fields[count:]}
        if wrong := [name for name in named if name not in rest]:
            return f"{wrong[0]} is given twice, or no parameter"
        missing = next((field for name, field in rest.items() if not field.optional and name not in named), None)
        return f"{missing.names[0]} is missing: {missing.limits()}" if missing else None

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
        if value is None and field.optional and field.default is None:
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
        if len(parts) > len(fields) and (strict or any(parts[len(fields) :])):
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

    @staticmethod
    def reason(code: int) -> str:
        """What chapter 5 says of the code that a refusal carries; empty if nothing."""
        return ""

    def replace(self, **changes: Any) -> Self:
        """The same row with some parameters changed."""
        import dataclasses

        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

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
    """A line of the module, ``+NAME: ...``, solicited or not.

    `said` is the line itself, as it came, if it came unasked; firmware words some lines otherwise than the manual.
    `restarts`: whoever says it has forgotten all commands.
    """

    said: ClassVar[str] = ""
    restarts: ClassVar[bool] = False

    def saying(self, text: str) -> Self:
        """This row, with the line that it was read from."""
        object.__setattr__(self, "said", text)
        return self

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        """Build from the text after the name, and from the payload that came with the line."""
        row = cls.parse(text)
        field = cls.payload_field()
        if field is None or (data is None and not getattr(row, field.name)):
            return row
        if data is None:
            raise ParseError(f"{cls.at}: {text!r} announces a payload and brings none")
        return row.replace(**{field.name: data})

    def fault(self) -> tuple[int, str] | None:
        """Code and text of the failure that a late line reports; None if it reports success."""
        return None

    def doubles(self) -> bool | None:
        """Whether received payload takes two hex digits a byte once this holds; None if it does not concern that."""
        return None

    def doubles_sent(self) -> bool | None:
        """As doubles, for payload that is sent."""
        return None

    def digits(self) -> Mapping[str, bool]:
        """As doubles, for the payload of single rules of the framer, by name."""
        return {}

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
        if self.form == "read":
            return f"AT{self.at}?"
        return f"AT{self.at}{'=' if self.at.startswith('+') else ''}{self.parameters(mask)}"

    def body(self) -> bytes | None:
        """What is sent at the prompt; None if there is no prompt.  UsageError if it is out of bounds."""
        field = self.payload_field()
        if field is None or field.payload is None:
            return None
        data: bytes = getattr(self, field.name)
        self._check(field, data)
        return data if field.payload.counted else data + b"\x1a"

    def prompt(self) -> str:
        """What invites the payload, if there is one."""
        return ">"

    def section(self) -> str:
        """Where the manual has it."""
        return self.ref

    def timeout(self) -> float:
        """Seconds the manual gives the module, counted from the end of the command line."""
        return self.wait

    def connects(self) -> bool:
        """Whether CONNECT ends the command and begins data mode."""
        return False

    def doubles(self) -> bool | None:
        """As Reply.doubles, once the command has succeeded."""
        return None

    def doubles_sent(self) -> bool | None:
        """As Reply.doubles_sent, once the command has succeeded."""
        return None

    def digits(self) -> Mapping[str, bool]:
        """As Reply.digits, once the command has succeeded."""
        return {}

    def replies(self) -> dict[str, type[Reply]]:
        """The kinds of line that answer the command, by the name they begin with."""
        return {self.reply.at: self.reply} if self.reply else {}

    def answer(self, text: str, data: bytes | None = None) -> Reply | None:
        """A line, with the payload that came with it, as an answer; None if it is none.  ParseError if misshapen."""
        name, _, rest = text.partition(":")
        row = self.replies().get(name)
        return row.read(rest.strip(" "), data) if row else None

    def belongs(self, reply: Reply) -> bool:
        """Whether a line of the right kind answers this very command."""
        return True

    def ends(self, reply: Reply) -> bool:
        """Whether a line that answers the command is its final result, too, where that is still to come."""
        return False

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
