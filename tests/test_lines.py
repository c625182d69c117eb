"""Command lines: which rows they may be, what is wrong with them, and what of them may be shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.commands import system, tcp, wifi
from fcm360w.lines import every_row, lay, masked, piece, pieces, replies, table
from fcm360w.settings import Get, Set, Setting
from fcm360w.wire import Command, Reply
from test_wire import EACH_ROW, TABLE, legal, without_payload

COMMANDS = [row for row in TABLE if issubclass(row, Command) and row is not tcp.Escape]


# ---- the table by name


def test_every_row_has_its_name() -> None:
    assert every_row() == tuple(TABLE)
    assert {row for rows in table().values() for row in rows} == {
        row for row in TABLE if issubclass(row, (Command, Setting))
    }
    assert {row for row in TABLE if issubclass(row, Reply)} == {row for rows in replies().values() for row in rows}
    assert replies()["RDY"] == replies()["READY"] == [system.Booted]


# ---- lines to rows


@pytest.mark.parametrize("row", COMMANDS)
@EACH_ROW
@given(data=st.data())
def test_a_legal_line_is_its_command(row: type[Command[Any]], data: st.DataObject) -> None:
    command = data.draw(legal(row))
    (each,) = pieces(command.line()) or [piece("")]
    fits = [fit for fit in each.fits() if fit.row is row]
    assert [fit.faults for fit in fits] == [[]]
    assert fits[0].command() == without_payload(command)


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("AT+QISEND=3", [tcp.SendUntil]),
        ("AT+QISEND=3,0", [tcp.GetSent]),
        ("AT+QISEND=3,1460", [tcp.Send]),
        ("AT+QIRD=3", [tcp.Read]),
        ("at+qird = 3 , 0", []),
        ("at+qird= 3 , 0 ", [tcp.GetReceiveCount]),
        ('AT+QAPSTATIC="10.0.0.2","255.0.0.0","10.0.0.1","10.0.0.1"', [wifi.SetStationAddresses, wifi.SetApAddresses]),
        ('AT+QWLANOTA="http://h/x"', [system.Upgrade]),
        ("AT+QWLANOTA=http://h/x", [system.UpgradeBare]),
        ('AT+QIOPEN=1,"TCP LISTENER","127.0.0.1",,7000,1', [tcp.Open]),
        ('AT+QICFG="transpktsize"', [tcp.PacketSize]),
        ("ATE1", [system.BasicEcho]),
    ],
)
def test_a_line_is_the_row_that_leaves_the_least_out(line: str, rows: list[type[Any]]) -> None:
    found = [fit for each in pieces(line) for fit in each.fits() if not fit.faults and each.name == each.name.strip()]
    assert [fit.row for fit in found] == rows


def test_an_option_is_asked_for_or_set() -> None:
    assert piece('+QICFG="transpktsize"').fits()[0].command() == Get(tcp.PacketSize)
    assert piece('+QICFG="transpktsize",9').fits()[0].command() == Set(tcp.PacketSize(9))
    assert piece('+QICFG="nothing",9').fits() == []


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("+QISTATE=12", ["connect_id 12 is outside 0..11"]),
        ("+QISTATE=", ["there is no parameter", "connect_id is missing: 0..11"]),
        ("+QISTATE=1,", ["nothing follows the last comma"]),
        ("+QISTATE=1,2,3", ["too many parameters: 3, at most 1"]),
        ('+QISTATE="1"', ["connect_id must not stand in quotes"]),
        ("+QISTATE=03", ["connect_id is written 3, not 03"]),
        ("+QISTATE=one", ["connect_id one is no number: 0..11"]),
        ("+QICLOSE=1,", ["nothing follows the last comma"]),
        ("+QISWTMD=1", ["access_mode is missing: 0, 1, 2"]),
        ("+QISWTMD=1,3", ["access_mode 3 is none of 0, 1, 2"]),
        ("+QISWTMD=12,3", ["connect_id 12 is outside 0..11", "access_mode 3 is none of 0, 1, 2"]),
        ("+QGETIP=station", ["mode must stand in quotes"]),
        ("+QISEND=3,1461", ["send_length 1461 is outside 1..1460 bytes"]),
        ('+QISEND=3,5,"10.0.0.9"', ["remote_port is missing: 1..65535"]),
    ],
)
def test_faults_name_parameter_bound_and_section(line: str, faults: list[str]) -> None:
    fits = piece(line).fits()
    assert [f"{fault} (manual {fits[0].row.ref})" for fault in faults] in [fit.faults for fit in fits]


def test_firmware_that_wants_no_quotes_is_understood() -> None:
    assert piece("+QGETIP=station").commands() == [wifi.GetAddresses()]
    assert piece("+QIOPEN=0,TCP,h,80,0,2").commands()[0].connects()


def test_what_is_still_being_typed_lacks_nothing() -> None:
    fit = lay(tcp.Open, ["3", ""], whole=False)
    assert fit
    assert fit.faults == []


# ---- what may be shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('AT+QSTAAPINFO="hall","open sesame"', 'AT+QSTAAPINFO="hall","***"'),
        ("at+qstaapinfo=hall,open,sesame", 'at+qstaapinfo=hall,"***","***"'),
        ('AT+QSTAAPINFO="hall","open', "AT+QSTAAPINFO=***"),
        ('AT+QNEWS="open sesame"', "AT+QNEWS=***"),
        ('AT+QSTAAPINFO "hall","open sesame"', "AT+QSTAAPINFO***"),
        ('AT+QSTAAPINFO?"hall","open sesame"', "AT+QSTAAPINFO***"),
        ('AT+QSTAAPINFO:"hall","open sesame"', "AT+QSTAAPINFO***"),
        ('AT+QSTAAPINFO="ha"ll","sec;ret12"', "AT+QSTAAPINFO=***;***"),
        ("AT+QSTAAPINFO=hall,open;sesame", 'AT+QSTAAPINFO=hall,"***";***'),
        ('AT "open sesame"', "AT ***"),
        ("ATE0;+QVERSION;O", "ATE0;+QVERSION;O"),
        ('AT+QVERSION;+QSTAAPINFO="hall","x;y"', 'AT+QVERSION;+QSTAAPINFO="hall","***"'),
        ('AT+QGETIP="station"', 'AT+QGETIP="station"'),
        ("AT+QISTATE?", "AT+QISTATE?"),
        ("AT", "AT"),
    ],
)
def test_secrets_are_masked(line: str, shown: str) -> None:
    assert masked(line) == shown


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12), st.sampled_from('=?:, ;"'))
def test_a_password_is_shown_in_no_line_that_begins_like_a_join(junk: str, sign: str) -> None:
    assert "hunter42" not in masked(f'AT+QSTAAPINFO{junk}{sign}"hall","hunter42"')
