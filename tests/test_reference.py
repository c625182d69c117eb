"""The table as a reference: nothing of it is left out, and each piece of text is about its row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fcm360w import reference
from fcm360w.commands import URCS, codes, net, system, tcp, wifi
from fcm360w.parameters import Field
from fcm360w.settings import Setting
from fcm360w.wire import Command, Row
from test_wire import TABLE, each_field, sample


def test_every_command_and_option_is_an_entry() -> None:
    entries = reference.entries()
    assert {usage.row for entry in entries for usage in entry.usages} == {
        row for row in TABLE if issubclass(row, Command)
    }
    assert [option for entry in entries for option in entry.options] == [
        row for row in TABLE if issubclass(row, Setting)
    ]
    assert len({(entry.at, entry.section) for entry in entries}) == len(entries)


def test_entries_are_in_the_manuals_order() -> None:
    sections = [[int(part) for part in entry.section.split(".")] for entry in reference.entries()]
    assert sections == sorted(sections)


@pytest.mark.parametrize("row", [row for row in TABLE if row.__name__ != "Escape"])
def test_a_template_is_like_its_line(row: type[Row]) -> None:
    """With the parameters of a legal line in the places of their names it is that line."""
    shown = reference.template(row, whole=True)
    given = sample(row)
    text = f"{given.at}: {given.parameters()}" if isinstance(given, Setting) else given.line()
    for field in row.printed_fields():
        value = field.format(getattr(given, field.name))
        name = "/".join(f"<{name}>" for name in field.names)
        bare = value.strip('"') if "line" in row.__dict__ and not issubclass(row, Setting) else value
        shown = shown.replace(name, bare, 1)
    assert shown == text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (system.Attention, "AT"),
        (system.BasicEcho, "ATE<enable>"),
        (system.GetBaudRate, "AT+QSETBAND?"),
        (system.Echo, "AT+QECHO=<enable>"),
        (wifi.Hotspot, "+QGETWIFISTATE: ssid=<ssid>,bssid=<bssid>,rssi=<rssi>"),
        (
            tcp.Open,
            "AT+QIOPEN=<connect_id>,<service_type>,<ip_address>/<domain_name>,<remote_port>"
            "[,<local_port>[,<access_mode>]]",
        ),
        (tcp.GetSent, "AT+QISEND=<connect_id>,0"),
        (tcp.DataFormat, '+QICFG: "dataformat"[,<send_data_format>[,<recv_data_format>]]'),
        (tcp.IncomingFull, '+QIURC: "incoming full"'),
        (tcp.Escape, "+++"),
    ],
)
def test_templates(row: type[Row], text: str) -> None:
    assert reference.template(row) == text


@pytest.mark.parametrize(("row", "field"), list(each_field()))
def test_a_parameter_tells_what_it_may_be(row: type[Row], field: Field) -> None:
    told = reference.described(field)
    assert told["type"] in ("int", "string", "enum")
    assert json.loads(json.dumps(told)) == told
    assert reference.allowed(field)
    if field.members:
        assert [value["v"] for value in told["values"]] == [member.value for member in field.members]


@pytest.mark.parametrize(
    ("row", "name", "told"),
    [
        (tcp.Open, "remote_port", {"type": "int", "optional": False, "range": [0, 65535], "note": "T7"}),
        (wifi.Join, "ssid", {"type": "string", "optional": False, "length": [1, 32]}),
        (wifi.Join, "pwd", {"type": "string", "optional": True, "length": [8, 63], "secret": True}),
        (tcp.Send, "data", {"type": "int", "optional": False, "range": [1, 1460], "note": "T22"}),
        (tcp.SendTo, "remote_ip", {"type": "string", "optional": False, "shape": "a dotted IPv4 address"}),
        (tcp.Opened, "err", {"type": "int", "optional": False, "codes": "socket"}),
        (
            tcp.PacketWait,
            "transwaittm",
            {"type": "int", "optional": True, "range": [0, 20], "default": 2, "unit": "100 ms"},
        ),
    ],
)
def test_parameters_as_data(row: type[Row], name: str, told: dict[str, Any]) -> None:
    field = next(field for field in row.fields() if field.name == name)
    assert reference.described(field) == told


def test_a_default_makes_no_first_parameter_optional() -> None:
    assert [field.optional for field in reference.parameters(system.Echo)] == [False]
    assert [field.optional for field in reference.parameters(tcp.Close)] == [False, True]
    assert [field.optional for field in reference.parameters(tcp.GetSent)] == [False, False]
    assert [field.optional for field in reference.parameters(tcp.PacketSize)] == [True]


def test_what_a_value_stands_for() -> None:
    assert reference.meaning(tcp.Access.PUSH) == "push"
    assert reference.meaning(wifi.ApChange.CLIENT_LEFT) == "client left"
    assert reference.meaning(tcp.Service.UDP_SERVICE) == ""


def test_an_entry_gathers_its_rows() -> None:
    (entry,) = reference.find("+QIOPEN")
    assert entry.forms == ("test", "write")
    assert entry.notes == ("T6", "T7", "T9")
    assert entry.urcs == (tcp.Opened,)
    assert list(entry.usages[0].outcome) == ["+QIOPEN: <connect_id>,<err>, after OK", "OK or CONNECT within 150 s"]
    (send,) = reference.find("qisend")
    assert [field.names[0] for field in send.fields] == [
        *("connect_id", "send_length", "send_length", "remote_ip", "remote_port")
    ]


def test_an_entry_knows_the_lines_that_its_rows_speak_of() -> None:
    assert reference.find("QSOFTAP")[0].urcs == (wifi.ApEvent,)
    assert reference.find("QWLANOTA")[0].urcs == (system.UpgradeEvent, system.Booted)
    assert reference.find("QVERSION")[0].urcs == ()


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("+QAPSTATIC", ["2.1.10", "2.1.14"]),
        ("qapstatic", ["2.1.10", "2.1.14"]),
        ("AT+QVERSION", ["2.1.2"]),
        ("ATO", ["2.3.10"]),
        ("O", ["2.3.10"]),
        ("AT", ["1.2"]),
        ("+++", ["2.3.11"]),
        ("QNO", []),
    ],
)
def test_a_command_is_found_by_its_name(name: str, sections: list[str]) -> None:
    assert [entry.section for entry in reference.find(name)] == sections


def test_lines_are_found_by_their_name() -> None:
    sockets = [tcp.Received, tcp.Closed, tcp.Incoming, tcp.IncomingFull]
    assert reference.said("qiurc") == [*sockets, net.Resolved, net.HostAddress]
    assert reference.said("rdy") == [system.Booted]
    assert reference.said("qno") == []


EVERY_CODE = {(name, int(code)) for name, table in codes.TABLES.items() for code in table.texts}


def test_every_code_tells_where_it_is_carried() -> None:
    found = {(code.table, code.number): code for code in reference.codes()}
    assert found.keys() == EVERY_CODE
    assert found["http", 712].carriers == ("+QHTTPGET <err>", "+QHTTPPOST <err>", "+QHTTPPUT <err>", "+QHTTPREAD <err>")
    assert found["socket", 565].text == "Socket has been closed"
    assert all(code.carriers for code in found.values())
    assert {"+QIOPEN <err>", "+QIGETERROR <err>", "+QPING <ping_result>"} <= set(found["socket", 565].carriers)


def test_the_whole_table_as_data() -> None:
    told = reference.data()
    assert json.loads(json.dumps(told)) == told
    assert {(urc["prefix"], urc["key"] or "") for urc in told["urcs"]} == set(URCS)
    assert {(code["table"], code["code"]) for code in told["codes"]} == EVERY_CODE
    http = next(command for command in told["commands"] if command["at"] == "+QHTTPCFG")
    assert {option["key"] for option in http["options"]} >= {"url", "header", "form/option", "reset"}
    opened = next(command for command in told["commands"] if command["at"] == "+QIOPEN")
    names = [parameter["name"] for parameter in opened["parameters"]]
    assert names == [
        *("connect_id", "service_type", "ip_address", "domain_name", "remote_port", "local_port", "access_mode")
    ]
    options = next(command for command in told["commands"] if command["at"] == "+QICFG")
    assert options["forms"] == ["test", "write"]
    assert [option["key"] for option in options["options"]] == [option.key for option in tcp.SETTINGS]
