"""Explanations: of lines either side says, of codes, of whole commands; in text and as JSON, without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.cli.app import app
from fcm360w.commands import codes, http, tcp, wifi
from fcm360w.explain import Reading, explain
from fcm360w.settings import Get, Set, Setting
from fcm360w.wire import Command, Reply
from test_wire import EACH_ROW, TABLE, each_field, legal, sample

SECRET = "open sesame"
PLAIN = [row for row in TABLE if "read" not in row.__dict__]


def invoke(*args: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, ["explain", *args], prog_name="fcm360w")


def only(text: str) -> Reading:
    (reading,) = explain(text)
    return reading


# ---- every row


@pytest.mark.parametrize("row", [row for row in TABLE if issubclass(row, Command)])
@EACH_ROW
@given(data=st.data())
def test_every_legal_command_line_has_a_reading(row: type[Command[Any]], data: st.DataObject) -> None:
    line = data.draw(legal(row)).line()
    readings = [reading for reading in explain(line) if reading.section == row.ref]
    assert readings
    assert all(reading.faults == () for reading in readings)
    assert all(reading.follows for reading in readings)


@pytest.mark.parametrize("row", [row for row in TABLE if issubclass(row, Reply)])
@EACH_ROW
@given(data=st.data())
def test_every_line_of_the_module_has_a_reading(row: type[Reply], data: st.DataObject) -> None:
    given_row = data.draw(legal(row))
    readings = [reading for reading in explain(given_row.line()) if reading.section == row.ref]
    assert any(reading.faults == () for reading in readings)


# Options that hold several values have a command of their own that asks for them.
SEVERAL = {http.Header, http.FormField}


@pytest.mark.parametrize("row", [row for row in TABLE if issubclass(row, Setting)])
def test_every_option_has_readings(row: type[Setting]) -> None:
    asked, put = only(Get(row, row().whose()).line()), only(Set(row()).line())
    if row not in SEVERAL:
        assert asked.about == f"Ask for an option.  {put.about}"
    assert [part.text for part in asked.parts] == [field.format(field.default) for field in row.fields()[: row.index]]
    given = [field for field in row.fields() if field.default is not None]
    shown = ['"***"' if field.secret else field.format(field.default) for field in given]
    assert [part.text for part in put.parts] == shown + [""] * (len(row.fields()) - len(given))
    assert asked.faults == put.faults == ()


@pytest.mark.parametrize("name", codes.TABLES)
def test_every_code_has_a_reading(name: str) -> None:
    table = codes.TABLES[name]
    for code, text in table.texts.items():
        (reading,) = (found for found in explain(str(int(code))) if found.kind == f"{name} code {code.name}")
        assert reading.section == table.ref
        assert text in reading.about


@pytest.mark.parametrize(("row", "field"), [param for param in each_field() if param.values[1].secret])
def test_secrets_are_in_no_reading(row: type[Any], field: Any) -> None:
    good = sample(row, **{field.name: SECRET}).line()
    for line in (good, good.replace('"', ""), f"{good},1", good[:-1], good.replace("=", " "), good.replace("=", "?")):
        told = json.dumps([reading.data() for reading in explain(line)])
        shown = invoke(line)
        assert SECRET not in told + shown.output
        assert SECRET not in invoke(line, "--json").output
        assert "Traceback" not in shown.output
    assert "***" in invoke(good).output


# ---- what a host says


def test_a_command_is_told_parameter_by_parameter() -> None:
    reading = only('AT+QIOPEN=3,"TCP LISTENER","10.0.0.9",8009,0,2')
    assert (reading.kind, reading.section) == ("write command", "2.3.2")
    told = {part.name: (part.text, part.meaning, part.limits, part.note) for part in reading.parts}
    assert told == {
        "connect_id": ("3", "", "0..11", None),
        "service_type": (
            '"TCP LISTENER"',
            "Kind of socket: listener",
            '"TCP", "UDP", "TCP LISTENER", "UDP SERVICE"',
            None,
        ),
        "ip_address/domain_name": ('"10.0.0.9"', "", "text", "T6"),
        "remote_port": ("8009", "", "0..65535", "T7"),
        "local_port": ("0", "", "0..65535", "T9"),
        "access_mode": ("2", "How received data reach the host: transparent", "0, 1, 2", None),
    }
    assert reading.follows == ("CONNECT within 150 s",)


@pytest.mark.parametrize(
    ("line", "follows"),
    [
        ("AT", ["OK within 0.3 s"]),
        ('AT+QIOPEN=3,"TCP","h",80', ["+QIOPEN: <connect_id>,<err> after OK", "OK within 150 s"]),
        ("AT+QISEND=3,5", ["> then 5 bytes", "SEND OK or SEND FAIL within 15 s"]),
        ("AT+QISEND=3", ["> then text; CTRL+Z sends it, ESC cancels it", "SEND OK or SEND FAIL within 15 s"]),
        ("AT+QICLOSE=3,120", ["OK within 120 s"]),
        ("ATO", ["CONNECT within 5 s"]),
        ('AT+QICFG="transpktsize"', ['+QICFG: "transpktsize",<transpktsize>', "OK within 0.3 s"]),
        ("AT+QISTATE=?", ["OK"]),
        ("AT+QISWTMD=?", ["+QISWTMD: (0-11),(0-2)", "OK"]),
    ],
)
def test_what_follows_a_command(line: str, follows: list[str]) -> None:
    assert list(only(line).follows) == follows


def test_every_reading_of_a_line_is_told() -> None:
    sections = [reading.section for reading in explain('AT+QAPSTATIC="10.0.0.2","255.0.0.0","10.0.0.1","10.0.0.1"')]
    assert sections == ["2.1.10", "2.1.14"]
    sections = [reading.section for reading in explain('AT+QVERSION;+QICFG="dataformat",1;+QISTATE=3')]
    assert sections == ["2.1.2", "2.3.1", "2.3.4"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('AT+QIOPEN=12,"TCP","h",80', "connect_id 12 is outside 0..11 (manual 2.3.2)"),
        ('AT+QIOPEN=3,"TCP INCOMING","h",80', "service_type INCOMING is none of TCP, UDP, LISTENER, UDP_SERVICE"),
        ('AT+QSTAAPINFO="hall","short"', "pwd is 5 bytes long, outside 8..63 (manual 2.1.16)"),
        ("AT+QVERSION?", "there is no read form, only exec (manual 2.1.2)"),
        ("AT+QVERSION=?", "there is no test form, only exec (manual 2.1.2)"),
        ("AT+QICLOSE", "there is no exec form, only test, write (manual 2.3.3)"),
        ("ATE", "there is no exec form, only write (manual 1.2)"),
        ('AT+QICFG="colour",1', "there is no such option, only transpktsize, transwaittm, dataformat,"),
        ("AT+QNO=1", "the table holds no such command: +QNO=*** (manual 1.2)"),
        ("AT+QECHO =1", "a blank stands in the name of the command (manual 1.2)"),
        ('AT+QGETIP="ap', "a quote is not closed (manual 1.2)"),
        (f"AT+QGETIP={'a' * 1024}", "longer than the 1024 bytes that the module takes (manual 1.2)"),
    ],
)
def test_what_is_wrong_with_a_line(line: str, fault: str) -> None:
    assert any(told.startswith(fault) for told in only(line).faults)
    assert invoke(line).exit_code == 1


# ---- what a module says


@pytest.mark.parametrize(
    ("line", "section", "kind", "parts"),
    [
        ("+QIRD: 5", "2.3.6", "answer", ["5", "", ""]),
        ("+QIRD: 25,20,5", "2.3.6", "answer", ["25", "20", "5"]),
        ('+QIRD: 5,"10.0.0.9",5000', "2.3.6", "answer", ["5", '"10.0.0.9"', "5000"]),
        ('+QIURC: "recv",3', "3.3.2", "unsolicited line", ["3", "", "", ""]),
        ('+QMTCFG: "ssl",0', "2.5.1", "answer", ["0", ""]),
        ('+QMTCFG: "timeout",5,3,0', "2.5.1", "answer", ["5", "3", "0"]),
        ('+QMTRECV: 0,0,"t",5,"hello"', "3.5.2", "unsolicited line", ["0", "0", '"t"', "5"]),
        ('+QIURC: "incoming full"', "3.3.3", "unsolicited line", []),
        ("+QSTASTAT:GOT_IP", "3.1.1", "unsolicited line", ["GOT_IP"]),
        ("+QGETWIFISTATE: ssid=a,b,bssid=02:00,rssi=-52", "2.1.18", "answer", ["a,b", "02:00", "-52"]),
        ('+QICFG: "dataformat",0,1', "2.3.1", "answer", ["0", "1"]),
        ('+QICFG: "dataformat",(0,1),(0,1)', "2.3.1", "answer to the test command", ["(0,1)", "(0,1)"]),
        ("+QISWTMD: (0-11), (0-2)", "2.3.8", "answer to the test command", ["(0-11)", "(0-2)"]),
        ("ready", "2.1.1", "unsolicited line", []),
        ("RDY", "2.1.1", "unsolicited line", []),
        ("NO CARRIER", "2.3.10", "unsolicited line", []),
        ("OK", "1.2", "final result", []),
        ("ERROR", "1.2", "final result", []),
        ("CONNECT", "1.2", "final result", []),
        (">", "1.2", "final result", []),
    ],
)
def test_lines_of_the_module(line: str, section: str, kind: str, parts: list[str]) -> None:
    reading = only(f"\r\n{line}\r\n")
    assert (reading.section, reading.kind, [part.text for part in reading.parts]) == (section, kind, parts)
    assert reading.faults == ()


def test_a_final_result_of_two_commands_has_two_readings() -> None:
    assert [reading.section for reading in explain("SEND FAIL")] == ["2.3.5", "2.4.3"]


def test_a_bare_word_may_stand_in_either_case() -> None:
    for value in ("0XFFFF", "0xFFFF", "0xffff"):
        assert only(f'AT+QSSLCFG="ciphersuite",1,{value}').faults == ()


def test_a_payload_is_announced() -> None:
    assert only('+QIURC: "recv",3,5').follows == ("5 bytes of payload, then CR LF",)
    assert only("+QIRD: 0").follows == ()


def test_codes_in_lines_are_told() -> None:
    assert only("+QIOPEN: 3,564").parts[1].meaning == "Socket connect failed"
    assert only("+QIOPEN: 3,999").parts[1].meaning == "no code of the manual"
    assert only("+CME ERROR: 565").about == "The command was refused: Socket has been closed."
    assert "does not hold" in only("+CME ERROR: 999").about


def test_a_line_that_the_manual_does_not_allow_says_so() -> None:
    assert only('+QIURC: "closed",99').faults == ("connect_id 99 is outside 0..11 (manual 3.3.1)",)


@pytest.mark.parametrize("text", ["hello", "42", "+QNO: 1", "", "+QIURC", '+QIURC: "news",1'])
def test_what_is_nothing_known_has_no_reading(text: str) -> None:
    assert explain(text) == []


@given(st.text(max_size=40) | st.text('AT+QISEND=?,;"0123: ', max_size=40).map("AT".__add__))
def test_nothing_confuses_it(text: str) -> None:
    for reading in explain(text):
        assert reading.section
        assert json.dumps(reading.data())


# ---- the command


def test_a_line_is_printed_in_columns() -> None:
    assert invoke("AT+QISWTMD=3,3").output.splitlines() == [
        "AT+QISWTMD=3,3  write command, manual 2.3.8",
        "  Change the access mode of an open socket. Completes with CONNECT if transparent.",
        "  connect_id   3  0..11",
        "  access_mode  3  0, 1, 2",
        "  wrong: access_mode 3 is none of 0, 1, 2 (manual 2.3.8)",
    ]


def test_a_command_is_printed_whole() -> None:
    result = invoke("QISWTMD")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "AT+QISWTMD  manual 2.3.8",
        "",
        "  test   AT+QISWTMD=?",
        "         +QISWTMD: (0-11),(0-2)",
        "         OK",
        "",
        "  write  AT+QISWTMD=<connect_id>,<access_mode>",
        "         Change the access mode of an open socket. Completes with CONNECT if transparent.",
        "         OK or CONNECT within 5 s",
        "",
        "  parameters",
        "    connect_id   0..11",
        "    access_mode  0 buffer, 1 push, 2 transparent",
    ]


def test_options_lines_and_decisions_are_printed() -> None:
    shown = invoke("+QICFG").output
    assert '  write  AT+QICFG="transwaittm"[,<transwaittm>]' in shown
    assert "         transwaittm  0..20 × 100 ms; default 2" in shown
    assert "  decisions  T3, T2" in shown
    assert "+QSTASTAT: <event>" in invoke("QSTAAPINFO").output
    assert "pwd   8..63 bytes; optional; never shown" in invoke("QSTAAPINFO").output
    assert '+QIURC: "incoming full"  manual 3.3.3' in invoke("QIURC").output


def test_the_table_is_listed() -> None:
    shown = invoke("--all").output
    for row in TABLE:
        if issubclass(row, Command):
            assert f"AT{row.at}" in shown or row.at == "+++"
    assert "565  Socket has been closed" in shown


def test_json_is_one_object() -> None:
    assert json.loads(invoke("--all", "--json").output).keys() == {"commands", "urcs", "codes"}
    told = json.loads(invoke("QIOPEN", "--json").output)
    assert told["commands"][0]["section"] == "2.3.2"
    assert told["lines"][0]["prefix"] == "+QIOPEN"
    readings = json.loads(invoke("+QIOPEN: 3,0", "--json").output)["readings"]
    assert readings[0]["parts"][1]["meaning"] == "Operation success"


@pytest.mark.parametrize("arguments", [[], ["AT", "--all"], ["hunter42"]])
def test_errors_of_usage(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "hunter42" not in result.output


def test_an_example_names_what_it_should() -> None:
    """The one of the command's own help."""
    assert only('AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,2').faults == ()
    assert wifi.Join.ref == only('AT+QSTAAPINFO="hall"').section
    assert tcp.Open.ref == "2.3.2"
