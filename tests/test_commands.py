"""Lint of the whole command table, and of what may be imported where."""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fcm360w
from fcm360w.commands import CHAPTERS, RULES, UNSOLICITED, URCS, chapter, codes, mqtt, rows, tcp, urc, wifi
from fcm360w.commands.mqttcfg import Joint
from fcm360w.framer import Start
from fcm360w.parameters import Length, ParseError, Payload, Range, split
from fcm360w.settings import Setting
from fcm360w.wire import Command, Reply
from test_wire import EACH_ROW, TABLE, legal, sample, without_payload

SOURCE = Path(fcm360w.__file__).parent
COMMANDS: list[type[Command[Any]]] = [row for row in TABLE if issubclass(row, Command)]
REPLIES: list[type[Reply]] = [row for row in TABLE if issubclass(row, Reply)]
SETTINGS: list[type[Setting]] = [row for row in TABLE if issubclass(row, Setting)]
WRITTEN = [row for row in COMMANDS if row.form == "write" and row.at.startswith("+")]

# Lines that firmware words otherwise than the row, which keeps the manual's or the commonest name.
ALIASES = {"RDY": "ready"}


# ---- rows


@pytest.mark.parametrize("row", TABLE)
def test_every_row_names_its_section(row: type[Any]) -> None:
    assert re.fullmatch(r"\d(\.\d+){1,2}", row.ref)


@pytest.mark.parametrize("row", TABLE)
def test_every_row_says_what_it_is(row: type[Any]) -> None:
    text = row.__dict__["__doc__"]
    assert text
    assert not text.startswith(f"{row.__name__}(")
    assert text.splitlines()[0].endswith((".", ".  It"))


@pytest.mark.parametrize("row", TABLE)
def test_every_row_has_a_name_on_the_wire(row: type[Any]) -> None:
    assert row.at or row.__name__ == "Attention"
    assert row.at == row.at.strip()


@pytest.mark.parametrize("strict", [False, True])
def test_the_remote_port_of_a_server_may_be_left_empty(strict: bool) -> None:
    expected = tcp.Open(1, tcp.Service.LISTENER, "127.0.0.1", 0, 7000)
    assert tcp.Open.parse('1,"TCP LISTENER","127.0.0.1",,7000', strict) == expected
    for text in ('1,"TCP LISTENER","127.0.0.1"', '1,"TCP LISTENER",,,7000', '1,"TCP LISTENER","127.0.0.1,,7000'):
        with pytest.raises(ParseError):
            tcp.Open.parse(text, strict)


def enums() -> Iterator[type[enum.Enum]]:
    for module in (*map(chapter, CHAPTERS), codes):
        own = (
            value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__
        )
        yield from (value for value in own if issubclass(value, enum.Enum))


@pytest.mark.parametrize("kind", list(enums()))
def test_every_enum_says_what_it_is(kind: type[enum.Enum]) -> None:
    assert (kind.__dict__.get("__doc__") or "An enumeration.") != "An enumeration."


@pytest.mark.parametrize("row", TABLE)
def test_optional_parameters_come_last(row: type[Any]) -> None:
    optional = [field.optional for field in row.fields()]
    assert optional == sorted(optional)


@pytest.mark.parametrize("kind", list(enums()))
def test_every_member_of_an_enum_has_a_name_and_a_value_of_its_own(kind: type[enum.Enum]) -> None:
    """A name that says what the value stands for, not one that repeats a number."""
    assert len(kind.__members__) == len(list(kind))
    for member in kind:
        assert re.fullmatch(r"[A-Z][A-Z0-9]+(_[A-Z0-9]+)*", member.name)
        assert not re.fullmatch(r"(VALUE|MODE|OPTION|TYPE|STATE|CODE|RESERVED)_?[0-9]*", member.name)
        assert len({str(other.value).lower() for other in kind}) == len(list(kind))


@pytest.mark.parametrize("row", TABLE)
def test_parameters_are_told_apart(row: type[Any]) -> None:
    names = [name for field in row.fields() for name in field.names]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names if name != "sslctxID")


@pytest.mark.parametrize("row", TABLE)
def test_bounds_leave_something(row: type[Any]) -> None:
    for field in row.fields():
        if isinstance(field.bounds, (Range, Length, Payload)):
            assert field.bounds.low <= field.bounds.high


@pytest.mark.parametrize("row", [*COMMANDS, *SETTINGS])
def test_a_number_that_a_host_says_has_its_bounds(row: type[Any]) -> None:
    assert all(field.bounds or field.members or field.literal for field in row.fields() if field.type is int)


@pytest.mark.parametrize(
    ("chapter", "last"),
    [
        *[
            ("2.1", 22),
            ("2.2", 11),
            ("2.3", 11),
            ("2.4", 6),
            ("2.5", 9),
            ("2.6", 6),
            ("2.7", 1),
            ("2.8", 1),
            ("2.9", 5),
        ],
        *[("3.1", 3), ("3.2", 4), ("3.3", 4), ("3.4", 2), ("3.5", 2)],
    ],
)
def test_no_section_of_the_manual_is_missing(chapter: str, last: int) -> None:
    found = {row.ref for row in TABLE if row.ref.startswith(f"{chapter}.")}
    assert found == {f"{chapter}.{number}" for number in range(1, last + 1)}


@pytest.mark.parametrize("row", TABLE)
def test_a_row_has_at_most_one_payload(row: type[Any]) -> None:
    assert sum(field.payload is not None for field in row.fields()) <= 1


@pytest.mark.parametrize("row", TABLE)
def test_defaults_are_legal(row: type[Any]) -> None:
    for field in row.fields():
        assert not field.optional or field.default is None or field.fault(field.default) is None


@pytest.mark.parametrize("row", TABLE)
def test_secrets_are_text(row: type[Any]) -> None:
    assert all(field.type is str for field in row.fields() if field.secret)


# The manual prints one command under two sections.
TWICE = {wifi.SetApAddresses}


def test_rows_are_told_apart() -> None:
    """By kind, name, key, form, and the parameters that must be there."""

    def signature(row: type[Any]) -> tuple[object, ...]:
        needed = tuple((field.type, field.bounds, field.optional, field.bare) for field in row.fields())
        return issubclass(row, Command), row.at, row.key, getattr(row, "form", ""), needed

    found: dict[tuple[object, ...], str] = {}
    for row in TABLE:
        if row in TWICE:
            continue
        other = found.setdefault(signature(row), row.__name__)
        assert other == row.__name__


@pytest.mark.parametrize("row", WRITTEN)
@EACH_ROW
@given(data=st.data())
def test_a_command_line_can_only_be_one_command(row: type[Command[Any]], data: st.DataObject) -> None:
    """Of the rows that take its parameters, it is the one that leaves the fewest to their defaults."""
    given_row = data.draw(legal(row))
    text = given_row.parameters()
    count = len(split(text))
    fits: dict[int, list[Command[Any]]] = {}
    for other in WRITTEN:
        if other.at == row.at and (other is row or other not in TWICE):
            try:
                parsed = other.parse(text, strict=True)
            except ValueError:
                continue
            fits.setdefault(len(other.printed_fields()) - count, []).append(parsed)
    assert without_payload(given_row) in fits[min(fits)]
    assert len(fits[min(fits)]) == (2 if row in TWICE else 1)


@pytest.mark.parametrize("row", COMMANDS)
def test_waits_and_results_make_sense(row: type[Command[Any]]) -> None:
    assert row.wait > 0
    assert row.final
    assert row.form in ("exec", "read", "write")
    assert row.form == "write" or not row.fields()
    assert row.reply is None or row.reply in REPLIES
    assert not row.late or row.reply is not None


@pytest.mark.parametrize("row", COMMANDS)
def test_a_lines_length_fits_the_module(row: type[Command[Any]]) -> None:
    assert len(sample(row).line()) <= 1024


def test_the_first_row_of_a_name_that_can_be_asked_has_the_answer() -> None:
    for at in {row.at for row in COMMANDS}:
        assert sum(row.test is not None for row in COMMANDS if row.at == at) <= 1


# ---- options


def test_settings_are_listed_in_order() -> None:
    listed = [row for name in CHAPTERS for row in vars(chapter(name)).get("SETTINGS", ())]
    assert listed == SETTINGS
    assert len({(row.at, row.key) for row in SETTINGS}) == len(SETTINGS)


@pytest.mark.parametrize("row", SETTINGS)
def test_a_setting_has_a_default_for_everything(row: type[Setting]) -> None:
    assert row.key
    assert row().parameters()
    assert all(field.optional for field in row.fields())
    assert issubclass(row, Joint) or all(field.default is not None for field in row.fields())


# ---- what the framer and the dispatch need at start


COUNTING = [row for row in REPLIES if (field := row.payload_field()) and field.payload and field.payload.counted]
ANNOUNCING = [row for row in COUNTING if row is not mqtt.Received]  # which has its payload in the line
MESSAGES = [rule for rule in RULES.values() if rule.start is Start.INSIDE]


def prefix_of(row: type[Reply]) -> str:
    colon = ":" if row.at.startswith("+") else ""
    return f'{row.at}{colon} "{row.key}",' if row.key else f"{row.at}{colon} "


def test_some_lines_announce_a_payload() -> None:
    assert {"Data", "Received"} <= {row.__name__ for row in ANNOUNCING}


@pytest.mark.parametrize("row", ANNOUNCING)
def test_a_payload_has_its_rule(row: type[Reply]) -> None:
    found = [(name, rule) for name, rule in RULES.items() if rule.prefix == prefix_of(row)]
    assert len(found) == 1
    name, rule = found[0]
    field = row.payload_field()
    assert field
    assert field.payload
    assert rule.start is Start.AFTER_LINE
    assert rule.field == row.fields().index(field)
    assert rule.max == field.payload.high
    unsolicited = list(RULES).index(name) < UNSOLICITED
    assert unsolicited == (urc(row.at, row.key or "") is row)
    assert unsolicited != any(name in command.arms for command in COMMANDS if command.reply is row)


def test_each_mqtt_client_has_a_rule_for_its_messages() -> None:
    """The number of the client is in the prefix, so that the count is one field less far away."""
    field = mqtt.Received.payload_field()
    assert field
    assert field.payload
    place = mqtt.Received.fields().index(field) - 1
    wanted = [(f"+QMTRECV: {client},", Start.INSIDE, place, field.payload.high) for client in range(6)]
    assert [tuple(rule) for rule in MESSAGES] == wanted
    assert all(list(RULES).index(f"message{client}") < UNSOLICITED for client in range(6))


def test_a_rule_has_its_reply() -> None:
    prefixes = {prefix_of(row) for row in ANNOUNCING} | {rule.prefix for rule in MESSAGES}
    for name, rule in RULES.items():
        assert rule.prefix in prefixes or (name, rule.prefix, rule.start) == ("connect", "CONNECT", Start.RAW)


@pytest.mark.parametrize("row", COMMANDS)
def test_a_command_arms_what_it_needs(row: type[Command[Any]]) -> None:
    needed = [prefix_of(reply) for reply in [row.reply] if reply in ANNOUNCING]
    assert [RULES[name].prefix for name in row.arms] == needed
    assert all(list(RULES).index(name) >= UNSOLICITED for name in row.arms)


@pytest.mark.parametrize(("name", "key"), list(URCS))
def test_an_unsolicited_line_has_its_row(name: str, key: str) -> None:
    row = urc(name, key)
    assert row in REPLIES
    assert row.at == ALIASES.get(name, name)
    assert (row.key or "") == key
    assert key == key.lower()
    assert urc(name, key.upper()) is row


def test_urcs_of_chapter_three_are_dispatched() -> None:
    dispatched = {urc(name, key) for name, key in URCS}
    assert {row for row in REPLIES if row.ref.startswith("3.")} <= dispatched


def test_an_unknown_line_has_no_row() -> None:
    assert urc("+QNO", "") is None
    assert urc("+QIURC", "no") is None
    assert urc("OK", "") is None


def test_codes_have_texts() -> None:
    assert set(codes.SOCKET_TEXTS) == set(codes.SocketCode)
    assert set(codes.HTTP_TEXTS) == set(codes.HttpCode)
    assert codes.describe(712, "http") == (712, "socket connect fault")
    assert codes.describe(-1, "http") == (-1, "")
    assert codes.describe(565) == (565, "Socket has been closed")
    assert codes.describe(-1) == (-1, "")


def test_chapters_are_listed() -> None:
    files = {path.stem for path in (SOURCE / "commands").glob("*.py")} - {"__init__", "codes"}
    assert files == set(CHAPTERS)
    assert all(rows(name) for name in CHAPTERS)


# ---- layers


BELOW = [
    *(SOURCE / f"{name}.py" for name in ("_contract", "_select", "_native", "framer", "escape", "hexcodec", "wire")),
    *(
        SOURCE / f"{name}.py"
        for name in ("events", "steps", "states", "datamode", "link", "pending", "turns", "inbox", "stats", "errors")
    ),
    *(
        SOURCE / f"{name}.py"
        for name in (
            "holder",
            "channel",
            "commanded",
            "transparent",
            "attached",
            "opening",
            "datagrams",
            "filing",
            "listener",
            "sharing",
            "leases",
        )
    ),
    SOURCE / "offering.py",
    SOURCE / "chapters.py",
    SOURCE / "messaging.py",
    *(SOURCE / f"{name}.py" for name in ("lines", "reference", "explain", "settings", "waits")),
    *(SOURCE / f"{name}.py" for name in ("closing", "fetching", "forms")),
    *sorted((SOURCE / "flows").glob("*.py")),
    *sorted((SOURCE / "commands").glob("*.py")),
    *sorted((SOURCE / "_fallback").glob("*.py")),
]
CLOCKS_AND_IO = {"asyncio", "datetime", "select", "selectors", "signal", "socket", "subprocess", "threading", "time"}
LOCKS = {"wire.py": {"threading"}}  # rows are completed at first use, perhaps by two threads at once
FACADES = {"aio", "aio_faces", "aio_sockets", "aio_streams", "faces", "module", "ports", "sockets", "streams"}
FACADES |= {"aio_files", "files", "aio_net", "net"}
FACADES |= {"aio_files", "files", "aio_transport", "readiness", "socket_errors", "socketbase", "socketlike"}
FACADES |= {"cli", "sim", "threads"}
FACADES |= {"aio_ble", "ble", "aio_http", "http"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", BELOW, ids=lambda path: str(path.relative_to(SOURCE)))
def test_below_the_facades_is_no_clock_and_no_io(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path)}
    assert not found & (CLOCKS_AND_IO - LOCKS.get(path.name, set()))
    inside = {name.split(".")[1] for name in imports(path) if name.startswith("fcm360w.")}
    assert not inside & FACADES


@pytest.mark.parametrize("path", BELOW, ids=lambda path: str(path.relative_to(SOURCE)))
def test_below_the_facades_is_no_print_and_no_open(path: Path) -> None:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    assert not {func.id for func in calls if isinstance(func, ast.Name)} & {"print", "open", "input"}


@pytest.mark.parametrize("name", ["link", "pending", "waits", "datamode", "turns"])
def test_the_link_names_no_command(name: str) -> None:
    tree = ast.parse((SOURCE / f"{name}.py").read_text())
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not named & {row.__name__ for row in TABLE} - {"Lost"}  # which is an event's name, too
    assert not [name for name in imports(SOURCE / f"{name}.py") if name.startswith("fcm360w.commands.")]


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_table_has_no_logic_of_the_link(name: str) -> None:
    wanted = {"fcm360w.wire", "fcm360w.settings", "fcm360w.parameters", "fcm360w.errors"}
    wanted |= {f"fcm360w.commands.{other}" for other in (*CHAPTERS, "codes")}
    found = {each for each in imports(SOURCE / "commands" / f"{name}.py") if each.startswith("fcm360w.")}
    assert {each for each in found if not any(each == want or each.startswith(f"{want}.") for want in wanted)} == set()
