"""The engine of the command table: what a row prints, what it reads, what it refuses, what it never shows."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcm360w.commands import CHAPTERS, mqtt, mqttcfg, rows, system, tcp, wifi
from fcm360w.commands.ble import MAX_STRUCTURE, Structures
from fcm360w.errors import UsageError
from fcm360w.parameters import (
    SECRET,
    Dotted,
    Field,
    Hexadecimal,
    Length,
    Named,
    Note,
    ParseError,
    Payload,
    Range,
    split,
)
from fcm360w.settings import Get, Set, Setting
from fcm360w.wire import Ask, Command, Reply, Row

TABLE: list[type[Any]] = [row for chapter in CHAPTERS for row in rows(chapter)]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters='"\x7f', exclude_categories=["Cc", "Cs"]), max_size=20)
EACH_ROW = settings(max_examples=max(10, settings().max_examples // 10))
PLAIN = st.from_regex(r"[A-Za-z0-9.:_-]([A-Za-z0-9.:_ -]{0,18}[A-Za-z0-9.:_-])?", fullmatch=True)


def values(field: Field) -> st.SearchStrategy[Any]:
    """Every legal value of a parameter, as its annotation says."""
    bounds = field.bounds
    if field.members:
        found: st.SearchStrategy[Any] = st.sampled_from(field.members)
    elif isinstance(bounds, Dotted):
        found = st.ip_addresses(v=4).map(str)
    elif isinstance(bounds, Structures):
        found = st.binary(min_size=1, max_size=MAX_STRUCTURE).map(lambda data: bytes([len(data), *data]).hex())
    elif isinstance(bounds, Hexadecimal):
        sizes = st.sampled_from(bounds.sizes[:40])
        found = sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size)).map(bytes.hex)
    elif isinstance(bounds, Range):
        found = st.integers(bounds.low, bounds.high)
    elif isinstance(bounds, Payload):
        found = st.binary(min_size=bounds.low, max_size=min(bounds.high, 40))
    elif field.bare:
        found = PLAIN
    elif isinstance(bounds, Length):
        found = TEXT.filter(lambda text: bounds.check(text) is None)
    elif issubclass(field.type, int):
        found = st.integers(-99, 99_999)
    else:
        found = TEXT
    return found | st.none() if field.optional and field.default is None else found


def legal(row: type[Row]) -> st.SearchStrategy[Any]:
    return st.builds(row, **{field.name: values(field) for field in row.fields()}).map(joined)


def joined(row: Any) -> Any:
    """Of parameters that go together all or none: the others are left out."""
    if isinstance(row, mqtt.Received) and (row.topic is None or row.data is None):
        return row.replace(topic=None, data=None)
    if isinstance(row, (mqttcfg.Ssl, mqttcfg.Will)) and not getattr(row, row.fields()[1].name):
        return type(row)(row.client_idx)
    while isinstance(row, mqttcfg.Joint) and (gap := row.lacking()):
        further: tuple[str, ...] = getattr(row, "FURTHER", ())
        optional = [field.name for field in row.fields() if field.optional]
        left = further[further.index(gap) // 2 * 2 :] if gap in further else optional
        defaults = {field.name: field.default for field in row.fields()}
        row = row.replace(**{name: defaults[name] for name in left})
    return row


def without_payload(row: Any) -> Any:
    """What a line alone can tell: of a counted payload its length, of an uncounted one nothing."""
    field = row.payload_field()
    data = getattr(row, field.name) if field else None
    if data is None:
        return row
    return dataclasses.replace(row, **{field.name: bytes(len(data)) if field.payload.counted else b""})


def each_field(kind: type[Row] = Row) -> Iterator[Any]:
    for row in TABLE:
        if issubclass(row, kind):
            yield from (pytest.param(row, field, id=f"{row.__name__}.{field.name}") for field in row.fields())


def sample(row: type[Any], **changed: Any) -> Any:
    """A legal row, and then some."""

    def simple(field: Field) -> Any:
        if field.members:
            return field.members[0]
        if isinstance(field.bounds, Dotted):
            return "10.0.0.9"
        if isinstance(field.bounds, Hexadecimal):
            return "0109" if isinstance(field.bounds, Structures) else "a1" * field.bounds.sizes[0]
        low = getattr(field.bounds, "low", 1)
        return low if issubclass(field.type, int) else b"x" * low if issubclass(field.type, bytes) else "a" * low

    return row(**{field.name: simple(field) for field in row.fields()} | changed)


# ---- round trips


@pytest.mark.parametrize("row", [row for row in TABLE if "line" not in vars(row) and "read" not in vars(row)])
@EACH_ROW
@given(data=st.data())
def test_parameters_read_back(row: type[Row], data: st.DataObject) -> None:
    given_row = data.draw(legal(row))
    text = given_row.parameters()
    assert row.parse(text, strict=issubclass(row, Command)) == without_payload(given_row)


@pytest.mark.parametrize("row", [row for row in TABLE if issubclass(row, Reply)])
@EACH_ROW
@given(data=st.data())
def test_replies_read_back_from_their_lines(row: type[Reply], data: st.DataObject) -> None:
    given_row = data.draw(legal(row))
    field = row.payload_field()
    payload = getattr(given_row, field.name) if field else None
    name, colon, rest = given_row.line().partition(" " if row.at == "CONNECT" else ": ")
    assert name == row.at
    whose = given_row.whose() if issubclass(row, mqttcfg.OfClient) else None
    assert (row.told(rest, whose) if whose else row.read(rest, payload)) == given_row  # type: ignore[attr-defined]
    assert bool(colon) == bool(rest)


@given(legal(wifi.StationEvent), legal(tcp.Opened), legal(wifi.Addresses))
def test_replies_are_read_without_quotes_and_with_blanks(
    event: wifi.StationEvent, opened: tcp.Opened, addresses: wifi.Addresses
) -> None:
    assert wifi.StationEvent.parse(event.event.value) == event
    assert tcp.Opened.parse(f" {opened.connect_id} , {opened.err} ") == opened
    bare = dataclasses.astuple(addresses)
    if all(text and text == text.strip(" ") and "," not in text for text in bare):
        assert wifi.Addresses.parse(",".join(bare)) == addresses


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (system.Attention(), "AT"),
        (system.BasicEcho(system.Switch.OFF), "ATE0"),
        (system.Echo(), "AT+QECHO=0"),
        (system.GetVersion(), "AT+QVERSION"),
        (system.GetBaudRate(), "AT+QSETBAND?"),
        (system.SetBaudRate(2_000_000), "AT+QSETBAND=2000000,0"),
        (wifi.GetAddresses(), 'AT+QGETIP="station"'),
        (wifi.Join("hall, 2nd floor"), 'AT+QSTAAPINFO="hall, 2nd floor"'),
        (wifi.Join("hall", "opensesame"), 'AT+QSTAAPINFO="hall","opensesame"'),
        (tcp.Open(3, tcp.Service.TCP, "h", 80, 0, tcp.Access.TRANSPARENT), 'AT+QIOPEN=3,"TCP","h",80,0,2'),
        (tcp.ListSockets(), "AT+QISTATE"),
        (tcp.ReadSockets(), "AT+QISTATE?"),
        (tcp.GetSocket(3), "AT+QISTATE=3"),
        (tcp.GetSent(3), "AT+QISEND=3,0"),
        (tcp.Send(3, b"hello"), "AT+QISEND=3,5"),
        (tcp.SendUntil(3, b"hello"), "AT+QISEND=3"),
        (tcp.SendTo(3, b"hello", "10.0.0.9", 5000), 'AT+QISEND=3,5,"10.0.0.9",5000'),
        (tcp.Read(3), "AT+QIRD=3,1500"),
        (tcp.GetReceiveCount(3), "AT+QIRD=3,0"),
        (tcp.SwitchMode(3, tcp.Access.PUSH), "AT+QISWTMD=3,1"),
        (tcp.Resume(), "ATO"),
        (Ask(tcp.Open), "AT+QIOPEN=?"),
        (Get(tcp.PacketSize), 'AT+QICFG="transpktsize"'),
        (Set(tcp.PacketSize(1460)), 'AT+QICFG="transpktsize",1460'),
        (Set(tcp.DataFormat(tcp.Format.HEX, tcp.Format.HEX)), 'AT+QICFG="dataformat",1,1'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_command_lines(command: Command[Any], text: str) -> None:
    assert command.line() == text


def test_body_is_what_follows_the_prompt() -> None:
    assert tcp.Send(3, b"hello").body() == b"hello"
    assert tcp.SendUntil(3, b"hello").body() == b"hello\x1a"
    assert tcp.GetSent(3).body() is None


def test_two_threads_may_need_a_row_for_the_first_time_at_once() -> None:
    script = """
import threading
from fcm360w.commands import tcp
start, failed = threading.Barrier(8), []
def act():
    start.wait()
    try:
        for row in (tcp.Send, tcp.SendTo, tcp.Data):
            row(*[1, b"x", "10.0.0.9", 5][: len(row.fields())] if row is not tcp.Data else [b"x"]).parameters()
    except Exception as error:
        failed.append(repr(error))
threads = [threading.Thread(target=act) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(failed)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


# ---- what is refused before anything is sent


def bounded() -> Iterator[Any]:
    for param in each_field():
        field = param.values[1]
        if isinstance(field.bounds, (Range, Length, Payload)):
            yield param


@pytest.mark.parametrize(("row", "field"), list(bounded()))
def test_bounds_are_told(row: type[Row], field: Field) -> None:
    bounds = field.bounds
    assert bounds
    make: Any = {Range: int, Length: lambda n: "a" * n, Payload: bytes}[type(bounds)]
    for size in (bounds.low, bounds.high):
        sample(row, **{field.name: make(size)}).parameters()
    for size in (bounds.low - 1, bounds.high + 1):
        if size < 0 and not isinstance(bounds, Range):
            continue
        with pytest.raises(UsageError) as caught:
            sample(row, **{field.name: make(size)}).parameters()
        shown = str(caught.value)
        assert all(part in shown for part in (row.__name__, field.names[0], f"{bounds.low}..{bounds.high}", row.ref))


@pytest.mark.parametrize(
    "bad", ["", "10.0.0", "10.0.0.0.9", "10.0.0.256", "10.0.0.0009", "10.0.0.x", "10.0.0.-1", "::1", "host", "1.1.1.²"]
)
def test_an_address_is_dotted(bad: str) -> None:
    with pytest.raises(UsageError, match=r"pridnsaddr .* is no dotted IPv4 address \(manual 2\.1\.20\)"):
        wifi.SetDnsServers(bad).line()


def test_parameters_go_by_the_manuals_name() -> None:
    with pytest.raises(UsageError, match=r"^Send: send_length .*1\.\.1460 \(manual 2\.3\.5\)$"):
        tcp.Send(0, b"").line()
    with pytest.raises(UsageError, match=r"^Close: timeout 0 is outside 1\.\.120 \(manual 2\.3\.3\)$"):
        tcp.Close(0, 0).line()


TEXTS = [param for param in each_field() if param.values[1].type is str]


@pytest.mark.parametrize(("row", "field"), TEXTS)
@pytest.mark.parametrize("bad", ["\r", "\n", '"', "\x00", "\x1a", "\x1b", "\x7f", "\ud800"], ids=repr)
def test_text_that_would_end_the_line_is_refused(row: type[Row], field: Field, bad: str) -> None:
    with pytest.raises(UsageError, match=field.names[0]):
        sample(row, **{field.name: f"abcd{bad}efgh"}).parameters()


@pytest.mark.parametrize(("row", "field"), list(each_field()))
def test_a_wrong_type_is_refused(row: type[Row], field: Field) -> None:
    wrong: Any = 1.5 if field.type is not float else "x"
    with pytest.raises(UsageError, match=field.names[0]):
        sample(row, **{field.name: wrong}).parameters()


def test_bool_is_no_number() -> None:
    with pytest.raises(UsageError, match="connect_id"):
        tcp.GetSocket(True).line()


def test_a_number_is_no_member() -> None:
    with pytest.raises(UsageError, match="access_mode"):
        tcp.SwitchMode(3, 1).line()  # type: ignore[arg-type]


def test_length_counts_bytes() -> None:
    wifi.Join("ä" * 16).line()
    with pytest.raises(UsageError, match=r"ssid is 34 bytes long, outside 1\.\.32"):
        wifi.Join("ä" * 17).line()


def test_a_required_parameter_may_not_be_none() -> None:
    with pytest.raises(UsageError, match="ssid"):
        wifi.Join(None).line()  # type: ignore[arg-type]


# ---- what is never shown


PASSWORD = "geheim-4711"
SECRETS = [param for param in each_field() if param.values[1].secret]


def test_there_is_a_secret() -> None:
    assert any(row.values[0] is wifi.Join and row.values[1].name == "pwd" for row in SECRETS)


@pytest.mark.parametrize(("row", "field"), SECRETS)
def test_secrets_are_masked(row: type[Row], field: Field) -> None:
    given_row = sample(row, **{field.name: PASSWORD})
    assert PASSWORD not in repr(given_row)
    assert "***" in repr(given_row)
    assert PASSWORD in given_row.parameters()
    assert PASSWORD not in given_row.parameters(mask=True)


@pytest.mark.parametrize(("row", "field"), SECRETS)
@pytest.mark.parametrize(
    "spoil", [lambda t: t * 99, lambda t: t + "\r", lambda t: t + "\ud800", lambda t: (t,), str.encode]
)
def test_errors_about_secrets_do_not_tell_them(row: type[Row], field: Field, spoil: Any) -> None:
    bad = spoil(PASSWORD)
    if field.bounds is None and field.fault(bad) is None:
        return
    with pytest.raises(UsageError) as caught:
        sample(row, **{field.name: bad}).parameters()
    error: BaseException | None = caught.value
    while error:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


def test_a_command_masks_its_line() -> None:
    command = wifi.Join("hall", PASSWORD)
    assert command.line(mask=True) == 'AT+QSTAAPINFO="hall","***"'
    assert repr(command) == "Join(ssid='hall', pwd=***)"


class Sealed(Setting, at="+QX", key="seal", ref="9.9"):
    """A setting with a secret."""

    code: Annotated[str, SECRET] = ""


def test_a_setting_masks_its_line() -> None:
    assert Set(Sealed("4711-0815")).line(mask=True) == 'AT+QX="seal","***"'
    assert "4711" not in repr(Set(Sealed("4711-0815")))


def test_long_payloads_are_shown_by_their_length() -> None:
    assert repr(tcp.Send(3, bytes(1000))) == "Send(connect_id=3, data=<1000 bytes>)"
    assert repr(tcp.Send(3, b"hi")) == "Send(connect_id=3, data=b'hi')"
    assert repr(tcp.SwitchMode(3, tcp.Access.PUSH)) == "SwitchMode(connect_id=3, access_mode=Access.PUSH)"


# ---- reading, as a module reads


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (tcp.GetSocket, "12"),
        (tcp.GetSocket, "-1"),
        (tcp.GetSocket, "+1"),
        (tcp.GetSocket, "01"),
        (tcp.GetSocket, "00"),
        (tcp.Send, "1,05"),
        (tcp.GetSocket, "1 1"),
        (tcp.GetSocket, "1_1"),
        (tcp.GetSocket, "٣"),
        (tcp.GetSocket, "0x1"),
        (tcp.GetSocket, '"1"'),
        (tcp.GetSocket, ""),
        (tcp.GetSocket, "1,2"),
        (tcp.GetSocket, "1,"),
        (tcp.GetSocket, "9" * 5000),
        (tcp.SwitchMode, "1,3"),
        (tcp.SwitchMode, "1,"),
        (tcp.Open, '1,TCP,"h",80'),
        (tcp.Open, '1,"NO","h",80'),
        (tcp.Open, '1,"TCP",h,80'),
        (tcp.Open, '1,"TCP","h,80'),
        (tcp.Open, '1,"TCP",,80'),
        (tcp.Open, '1,"TCP","h",80,0,0,0'),
        (tcp.Send, "1,0"),
        (tcp.Send, "1,1461"),
        (tcp.Send, "1,-5"),
        (tcp.Send, "1"),
        (tcp.GetSent, "1,5"),
        (wifi.Join, '"hall","short"'),
        (wifi.Join, '"","opensesame"'),
        (wifi.GetAddresses, "station"),
        (wifi.GetAddresses, '"Station"'),
        (tcp.PacketSize, "transpktsize,5"),
        (tcp.PacketSize, '"transpktsize",1461'),
        (tcp.PacketSize, '"dataformat",1'),
    ],
)
def test_strict_reading_refuses(row: type[Row], text: str) -> None:
    with pytest.raises(ParseError):
        row.parse(text, strict=True)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("3", tcp.Close(3, 10)),
        (" 3 , 5 ", tcp.Close(3, 5)),
        ('3,"TCP", "a,b" ,80', tcp.Open(3, tcp.Service.TCP, "a,b", 80)),
        ('3,"TCP","h",80,,2', tcp.Open(3, tcp.Service.TCP, "h", 80, 0, tcp.Access.TRANSPARENT)),
        ('3,"TCP","h",80,7', tcp.Open(3, tcp.Service.TCP, "h", 80, 7)),
        ("3,5", tcp.Send(3, bytes(5))),
        ("3", tcp.SendUntil(3, b"")),
        ('3,5,"10.0.0.9",5000', tcp.SendTo(3, bytes(5), "10.0.0.9", 5000)),
        ('"hall"', wifi.Join("hall", None)),
        ('"transpktsize",77', tcp.PacketSize(77)),
        ('"transpktsize"', tcp.PacketSize()),
    ],
)
def test_strict_reading_accepts(text: str, row: Row) -> None:
    assert type(row).parse(text, strict=True) == row


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("5,,", None),
        ('"recv",3', tcp.Received(3)),
        ("recv,3", tcp.Received(3)),
        ('"RECV", 3', tcp.Received(3)),
        ('"recv",3,0', tcp.Received(3, b"")),
        ('"recv",4,,"10.0.0.9",5000', tcp.Received(4, None, "10.0.0.9", 5000)),
        ('"closed",3', None),
        ('"recv"', None),
        ('"recv",x', None),
        ('"recv",3,1501', None),
        ('"recv', None),
        ("", None),
    ],
)
def test_lax_reading_of_a_keyed_line(text: str, row: Row | None) -> None:
    if row is None:
        with pytest.raises(ParseError):
            tcp.Received.parse(text)
    else:
        assert tcp.Received.parse(text) == row


def test_a_trailing_comma_of_a_reply_does_not_count() -> None:
    assert tcp.Data.read('5,"10.0.0.9",5000,', b"hello") == tcp.Data(b"hello", "10.0.0.9", 5000)
    with pytest.raises(ParseError):
        tcp.Data.read('5,"10.0.0.9",5000,7', b"hello")


def test_names_that_firmware_spells_in_its_own_way() -> None:
    assert wifi.StationEvent.parse("WLAN_DISCONNECTED").event is wifi.StationChange.DISCONNECTED
    assert tcp.SocketInfo.parse('1,"TCPINCOMING","h",1,2,2,1,0').service_type is tcp.Service.INCOMING
    assert tcp.LastError.parse("552, Invalid parameters") == tcp.LastError(552, "Invalid parameters")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("ssid=hall,bssid=02:00:5e:10:00:01,rssi=-52", wifi.Hotspot("hall", "02:00:5e:10:00:01", -52)),
        ("ssid=a,bssid=b,bssid=c,rssi=-52,channel=6", wifi.Hotspot("a,bssid=b", "c", -52)),
        ("DISCONNECT", None),
        ("ssid=a,bssid=b,rssi=", None),
        ("ssid=a,bssid=b,rssi=-", None),
        ("ssid=a,bssid=b,rssi=--5", None),
        ("ssid=a,bssid=b,rssi=5-5", None),
        ("bssid=b,rssi=5", None),
        ("", None),
    ],
)
def test_hotspot(text: str, row: Row | None) -> None:
    if row is None:
        with pytest.raises(ParseError):
            wifi.Hotspot.read(text)
    else:
        assert wifi.Hotspot.read(text) == row


@pytest.mark.parametrize("row", [row for row in TABLE if issubclass(row, Reply)])
@EACH_ROW
@given(text=st.text(st.sampled_from('0123456789,"-= :abrecvTCPssid'), max_size=40) | st.text(max_size=40))
def test_any_line_is_read_or_refused(row: type[Reply], text: str) -> None:
    with contextlib.suppress(ParseError):
        row.read(text)


@pytest.mark.parametrize("row", [row for row in TABLE if row.payload_field() and issubclass(row, Reply)])
def test_a_payload_is_never_made_up(row: type[Reply]) -> None:
    """A line that counts bytes, where no bytes came with it, is no reply with as many zeros."""
    text = sample(row, data=b"hello").line().partition(" ")[2]
    with pytest.raises(ParseError):
        row.read(text)
    field = row.payload_field()
    assert field
    assert getattr(row.read(text, b"hello"), field.name) == b"hello"


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters=","), max_size=8), min_size=1, max_size=6))
def test_split_keeps_commas_in_quotes(parts: list[str]) -> None:
    parts = [part.replace('"', "").strip(" ") for part in parts]
    quoted = [f'"{part},{part}"' for part in parts]
    assert split(",".join(parts)) == parts
    assert split(" , ".join(quoted)) == quoted


def test_an_open_quote_is_no_parameter() -> None:
    with pytest.raises(ParseError):
        split('1,"a')


# ---- what a row knows of itself


class Opt(Command[tuple[tcp.Sent, ...]], at="+QX", key="k", ref="9.9", form="write", wait=7.0):
    """All that an annotation may say."""

    first: Annotated[int, Range(1, 9, "s"), Named("one", "eins"), Note("X1")]
    second: Annotated[Annotated[str, Length(1, 3)] | None, SECRET] = None


def test_a_row_reads_its_annotations() -> None:
    first, second = Opt.fields()
    assert (first.names, first.note, first.optional, first.bounds) == (("one", "eins"), "X1", False, Range(1, 9, "s"))
    assert (second.names, second.type, second.optional, second.secret) == (("second",), str, True, True)
    assert second.bounds == Length(1, 3)
    assert (Opt.result, Opt.reply, Opt(1).timeout()) == (tuple[tcp.Sent, ...], tcp.Sent, 7.0)
    assert Opt(1).line() == 'AT+QX="k",1'
    assert Opt(1, "ab").line(mask=True) == 'AT+QX="k",1,"***"'


def test_rows_are_frozen_and_compare_by_value() -> None:
    row = tcp.Opened(3, 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.err = 1  # type: ignore[misc]
    assert row == tcp.Opened(3, 0)
    assert hash(row) == hash(tcp.Opened(3, 0))
    assert row != tcp.Opened(4, 0)


def test_finish_follows_the_result_type() -> None:
    info = tcp.SocketInfo(3, tcp.Service.TCP, "h", 1, 2, tcp.SocketState.CONNECTED, 3, tcp.Access.PUSH)
    assert tcp.ListSockets().finish([info, info], "OK") == (info, info)
    assert tcp.ListSockets().finish([], "OK") == ()
    assert tcp.Send(3, b"x").finish([], "SEND OK") is True
    assert tcp.Send(3, b"x").finish([], "SEND FAIL") is False
    assert tcp.GetSent(3).finish([tcp.Sent(1, 1, 0)], "OK") == tcp.Sent(1, 1, 0)
    system.Attention().finish([], "OK")
    with pytest.raises(ParseError, match=r"AT\+QISEND=3,0: OK without \+QISEND"):
        tcp.GetSent(3).finish([], "OK")
    with pytest.raises(ParseError, match=r'AT\+QICFG="transpktsize": OK without \+QICFG'):
        Get(tcp.PacketSize).finish([], "OK")


def test_faults_of_late_lines() -> None:
    assert tcp.Opened(3, 0).fault() is None
    assert tcp.Opened(3, 563).fault() == (563, "Dns failed")
    assert tcp.Opened(3, 999).fault() == (999, "")


def test_ask_and_options_name_a_section_in_their_errors() -> None:
    assert Ask(tcp.Open).section() == "2.3.2"
    assert Get(tcp.PacketSize).section() == "2.3.1"
    assert Set(tcp.PacketSize(5)).section() == "2.3.1"
    assert tcp.Close(3).section() == "2.3.3"
