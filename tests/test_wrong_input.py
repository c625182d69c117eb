"""Wrong input, generated from the table: the twin answers the manual's error, the driver refuses to send it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fcm360w.errors import UsageError
from fcm360w.module import Module
from fcm360w.parameters import Dotted, Field, Hexadecimal, Length, Payload, Range
from fcm360w.settings import Set, Setting
from fcm360w.sim.parser import Reader
from fcm360w.wire import Command, Row
from sim_bench import ERROR, OK, Bench
from test_wire import TABLE, sample

if TYPE_CHECKING:
    from typing_extensions import Buffer

WRITTEN: list[type[Any]] = [
    row for row in TABLE if issubclass(row, Setting) or (issubclass(row, Command) and row.form == "write")
]


# ---- the twin -------------------------------------------------------------------------------------------------------


def texts(field: Field) -> Iterator[tuple[str, str]]:
    """What is wrong with a parameter, and how it looks on the wire."""
    bounds = field.bounds
    if isinstance(bounds, (Range, Payload)):
        yield from (("below", str(bounds.low - 1)), ("above", str(bounds.high + 1)))
    elif isinstance(bounds, Length):
        sizes = (("below", bounds.low - 1), ("above", bounds.high + 1))
        yield from ((name, "a" * size if field.bare else f'"{"a" * size}"') for name, size in sizes if size >= 0)
    elif isinstance(bounds, Dotted):
        yield from (("below", '"10.0.0.-1"'), ("above", '"10.0.0.256"'))
    elif isinstance(bounds, Hexadecimal):
        longer = "a1" * (bounds.sizes[-1] + 1)
        yield from (("below", '""'), ("above", f'"{longer}"'), ("odd", f'"{longer[3:]}"'), ("digits", '"fff-"'))
    elif field.members and field.bare:
        yield "unknown", "NONE"
    elif field.members and not field.quoted:
        values = [int(member.value) for member in field.members]
        yield from (("below", str(min(values) - 1)), ("above", str(max(values) + 1)))
    elif field.members:
        yield "unknown", '"NO SUCH"'
    if field.quoted:
        yield from (("bare", "abcdefgh"), ("type", "1"))
    elif not field.bare:
        yield from (("quoted", '"1"'), ("type", "one"))


def spoilt(row: type[Any]) -> Iterator[tuple[str, list[str]]]:
    """A legal line's parameters with one fault each."""
    good = sample(row)
    first = [f'"{row.key}"'] if row.key else []
    parts = [field.format(getattr(good, field.name)) for field in row.printed_fields()]
    for place, field in enumerate(row.printed_fields()):
        before, after = first + parts[:place], parts[place + 1 :]
        yield from ((f"{field.names[0]} {name}", [*before, text, *after]) for name, text in texts(field))
        if not field.optional or (field.literal and place):
            yield f"{field.names[0]} missing", before
            yield f"{field.names[0]} empty", [*before, "", *after]
    yield "one too many", [*first, *parts, "0"]


def line(row: type[Any], parts: list[str]) -> str:
    return f"AT{row.at}={','.join(parts)}" if row.at.startswith("+") else f"AT{row.at}{','.join(parts)}"


def named(row: type[Any]) -> str:
    """The name of a row; with its chapter's, if an earlier chapter has one of the same name."""
    first = next(other for other in TABLE if other.__name__ == row.__name__)
    return row.__name__ if row is first else f"{row.__module__.rpartition('.')[2]}.{row.__name__}"


def cases() -> Iterator[Any]:
    for row in WRITTEN:
        yield from (pytest.param(row, line(row, parts), id=f"{named(row)}: {name}") for name, parts in spoilt(row))


# What spoils one row makes another; and what the project reads more kindly than the manual's syntax is.
OTHERS = {
    "GetSent: send_length above": "Send",
    "GetSent: send_length missing": "SendUntil",
    "Send: send_length below": "GetSent",
    "Send: send_length missing": "SendUntil",
    "SendTo: send_length missing": "SendUntil",
    "SendTo: remote_ip missing": "Send",
    "Read: read_length below": "GetReceiveCount",
    "GetReceiveCount: read_length above": "Read",
    "GetReceiveCount: read_length missing": "Read",
    "NotifyBytes: hex_length empty": "Notify, G-08",
    "Upgrade: url bare": "UpgradeBare, W20",
    "Upgrade: url type": "UpgradeBare, W20",
    "SendUntil: one too many": "GetSent",
    "Open: remote_port empty": "T7",
    "tls.Send: send_length missing": "SendUntil",
    "GetConnections: query_type above": "GetConnection",
    "GetConnection: query_type below": "GetConnections",
    "StartAp: one too many": "W11",
    "AddHeaderApart: header_name missing": "GetHeaders",
}
CASES = [case for case in cases() if case.id not in OTHERS]
EXCEPTIONS = [case for case in cases() if case.id in OTHERS]


@pytest.fixture(scope="module")
def joined() -> Bench:
    return Bench()


def test_exceptions_are_cases() -> None:
    assert {case.id for case in EXCEPTIONS} == OTHERS.keys()


@pytest.mark.parametrize(("row", "text"), EXCEPTIONS)
def test_an_exception_is_another_command(row: type[Any], text: str) -> None:
    Reader(lambda setting: setting()).parse(text.removeprefix("AT"))


@pytest.mark.parametrize(("row", "text"), CASES)
def test_the_twin_refuses(joined: Bench, row: type[Any], text: str) -> None:
    joined.host(b"AT+QISTATE\r")
    refused = b"\r\n+CME ERROR: 724\r\n" if row.ref.startswith("2.6.") else ERROR  # G-10
    assert joined.host(f"{text}\r".encode()) == refused
    code = b'552,"Invalid parameters"' if row.ref.startswith(("2.3.", "2.4.")) else b'0,"Operation success"'
    assert joined.host(b"AT+QIGETERROR\r") == b"\r\n+QIGETERROR: %s\r\n" % code + OK


# ---- wrong state ----------------------------------------------------------------------------------------------------


def hung_up(bench: Bench) -> None:
    bench.open(3).end()
    bench.wait(0.1)


def left(bench: Bench) -> None:
    bench.host(b"AT+QSTASTOP\r")
    bench.wait(0.1)


def nothing(bench: Bench) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "text", "code"),
    [
        (left, b"AT+QGETWIFISTATE", None),
        (nothing, b"AT+QISEND=3", 565),
        (nothing, b"AT+QISEND=3,5", 565),
        (nothing, b"AT+QISEND=3,0", 565),
        (nothing, b"AT+QIRD=3", 565),
        (nothing, b"AT+QIRD=3,0", 565),
        (nothing, b"AT+QISWTMD=3,1", 565),
        (hung_up, b"AT+QISEND=3,5", 565),
        (hung_up, b"AT+QISWTMD=3,2", 565),
        (lambda bench: bench.open(3), b'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,0', 561),
        (lambda bench: bench.open(3), b'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,2', 561),
        (lambda bench: bench.open(3, access=1), b"AT+QIRD=3,100", 569),
        (lambda bench: bench.listener(3), b"AT+QISEND=3,5", 569),
        (lambda bench: bench.service(3), b"AT+QISEND=3", 552),
        (lambda bench: bench.open(3), b'AT+QISEND=3,5,"10.0.0.9",5000', 569),
        (nothing, b'AT+QIOPEN=3,"TCP LISTENER","127.0.0.1",0,7000,2', None),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else None,
)
def test_the_twin_refuses_what_its_state_forbids(
    prepare: Callable[[Bench], object], text: bytes, code: int | None
) -> None:
    bench = Bench()
    prepare(bench)
    assert bench.host(text + b"\r").endswith(ERROR)
    assert code is None or bench.host(b"AT+QIGETERROR\r").startswith(b"\r\n+QIGETERROR: %d," % code)


def test_there_is_nothing_to_resume() -> None:
    assert Bench().host(b"ATO\r") == b"\r\nNO CARRIER\r\n"


# ---- the driver -----------------------------------------------------------------------------------------------------


class Recorder:
    """A port that takes everything down and answers nothing."""

    url = "record://"
    baud: int | None = None
    slack = 0.0
    capabilities = frozenset[str]()

    def __init__(self) -> None:
        self.written = bytearray()

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        return 0

    def write(self, data: Buffer, timeout: float | None) -> int:
        self.written += memoryview(data)
        return memoryview(data).nbytes

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        return


def values(field: Field) -> Iterator[tuple[str, Any]]:
    """Values that a parameter must not have."""
    bounds = field.bounds
    if isinstance(bounds, Range):
        yield from (("below", bounds.low - 1), ("above", bounds.high + 1))
    elif isinstance(bounds, (Length, Payload)):
        unit: Any = "a" if isinstance(bounds, Length) else b"a"
        yield from (
            (name, unit * size) for name, size in (("below", bounds.low - 1), ("above", bounds.high + 1)) if size >= 0
        )
    elif isinstance(bounds, Dotted):
        yield from (("below", "10.0.0.-1"), ("above", "10.0.0.256"))
    elif isinstance(bounds, Hexadecimal):
        yield from (("below", ""), ("above", "a1" * (bounds.sizes[-1] + 1)), ("digits", "fff-"))
    elif issubclass(field.type, enum.Enum):
        yield from ((name, value) for name, value in (("below", -1), ("above", 99)))
        yield from (("said only", member) for member in field.type if member not in field.members)
    yield "type", 1.5
    if not field.optional or field.default is not None:
        yield "none", None


def calls() -> Iterator[Any]:
    for row in TABLE:
        if issubclass(row, (Command, Setting)):
            for field in row.fields():
                yield from (
                    pytest.param(row, field, value, id=f"{row.__name__}: {field.names[0]} {name}")
                    for name, value in values(field)
                )


def run(module: Module, row: Row) -> None:
    module.run(Set(row) if isinstance(row, Setting) else row)  # type: ignore[arg-type]


@pytest.mark.parametrize(("row", "field", "value"), list(calls()))
def test_the_driver_sends_no_value_out_of_bounds(row: type[Any], field: Field, value: Any) -> None:
    port = Recorder()
    module = Module(port)
    with pytest.raises(UsageError) as caught:
        run(module, sample(row, **{field.name: value}))
    assert not port.written
    told = str(caught.value)
    assert told.startswith(f"{row.__name__}: {field.names[0]} ")
    assert told.endswith(f"(manual {row.ref})")
    assert bound_of(field, value) in told
    module.close()


def bound_of(field: Field, value: Any) -> str:
    """What the message must say of the bound."""
    if field.secret and not isinstance(value, str):
        return "is not text"
    if field.members:
        return ", ".join(member.name for member in field.members)
    if isinstance(field.bounds, (Range, Length, Payload)):
        low, high = field.bounds[:2]
        return str(low) if low == high else f"{low}..{high}"
    if isinstance(field.bounds, Hexadecimal):
        return "is not all hexadecimal digits" if value == "fff-" else field.bounds.counts
    return "dotted IPv4 address" if field.bounds else field.type.__name__


@pytest.mark.parametrize("row", [row for row in WRITTEN if issubclass(row, Command)])
def test_the_driver_sends_nothing_that_lacks_a_parameter_or_has_one_too_many(row: type[Any]) -> None:
    port = Recorder()
    module = Module(port)
    fields = row.fields()
    good = [getattr(sample(row), field.name) for field in fields]
    for place, field in enumerate(fields):
        if not field.optional:
            with pytest.raises(UsageError) as caught:
                run(module, row(*good[:place]))
            assert (
                str(caught.value) == f"{row.__name__}: {field.names[0]} is missing: {field.limits()} (manual {row.ref})"
            )
    with pytest.raises(UsageError, match=rf"{len(fields) + 1}, at most {len(fields)} \(manual {row.ref}\)"):
        run(module, row(*good, 0))
    assert not port.written
    module.close()
