"""Hints and completions while a command is typed, from the table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcm360w.cli.hints import Hint, hint, offers
from fcm360w.commands import tcp
from fcm360w.settings import Set, Setting
from fcm360w.wire import Command
from test_wire import TABLE, sample

WRITTEN = [row for row in TABLE if issubclass(row, Command) and row.form == "write"]


def texts(before: str) -> list[str]:
    return [offer.text for offer in offers(before)[1]]


# ---- completion


@pytest.mark.parametrize(
    ("before", "replaced", "offered"),
    [
        ("AT+QVERS", "AT+QVERS", ["AT+QVERSION"]),
        ("at+qisw", "at+qisw", ["AT+QISWTMD=", "AT+QISWTMD=?"]),
        ("AT+QIC", "AT+QIC", ["AT+QICFG=", "AT+QICLOSE="]),
        ("AT+QISTATE", "AT+QISTATE", ["AT+QISTATE", "AT+QISTATE=", "AT+QISTATE?", "AT+QISTATE=?"]),
        ("ATE", "ATE", ["ATE0", "ATE1"]),
        ("AT+QVERSION;+QRS", "+QRS", ["+QRST"]),
        ("AT+QIOPEN=3,", "", ['"TCP"', '"UDP"', '"TCP LISTENER"', '"UDP SERVICE"']),
        ('AT+QIOPEN=3,"UD', '"UD', ['"UDP"', '"UDP SERVICE"']),
        ('AT+QIOPEN=3,"TCP","a;b,c",80,0,', "", ["0", "1", "2"]),
        ("AT+QIOPEN=3,T", "T", []),
        ('AT+QICFG="trans', '"trans', ['"transpktsize"', '"transwaittm"']),
        ('AT+QICFG="dataformat",0,', "", ["0", "1"]),
        ("AT+QICLOSE=3,", "", ["10"]),
        ("AT+QISEND=3,", "", ["0"]),
        (".l", ".l", [".log"]),
        ("", "", []),
        ("AT+QVERSION;", "", []),
        ("AT+QNO=1,", "", []),
        ("AT+QISTATE?", "AT+QISTATE?", []),
    ],
)
def test_what_a_line_may_go_on_with(before: str, replaced: str, offered: list[str]) -> None:
    assert offers(before)[0] == replaced
    assert texts(before) == offered


def test_a_completion_says_what_it_means() -> None:
    assert offers("AT+QIOPEN=3,")[1][2].meaning == "listener"
    assert offers("AT+QVERS")[1][0].meaning == "Report the firmware version"
    assert offers('AT+QICFG="close')[1][0].meaning.startswith("Close asynchronously")


@pytest.mark.parametrize("row", WRITTEN)
def test_every_command_can_be_completed(row: type[Command[Any]]) -> None:
    line = sample(row).line()
    name = line.partition("=")[0]
    assert any(text.startswith(name) for text in texts(name[:-1]))


# ---- the parameter under the cursor


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("AT+QIOPEN=", "connect_id: 0..11"),
        ("AT+QIOPEN=3", "connect_id: 0..11"),
        ('AT+QIOPEN=3,"', 'service_type: "TCP", "UDP", "TCP LISTENER" listener, "UDP SERVICE"'),
        ('AT+QIOPEN=3,"TCP","h",80,0,', "access_mode: 0 buffer, 1 push, 2 transparent; default 0"),
        ("AT+QISEND=3,", "send_length: 0  or  send_length: 1..1460 bytes"),
        ("AT+QISEND=3,5,", "remote_ip: a dotted IPv4 address in quotes"),
        ('AT+QSTAAPINFO="hall",', "pwd: 8..63 bytes in quotes; optional"),
        ('AT+QICFG="transwaittm",', "transwaittm: 0..20 × 100 ms; default 2"),
        ("AT+QVERSION;+QICLOSE=3,", "timeout: 1..120 s; default 10"),
        ("AT+QVERSION", "Report the firmware version, manual 2.1.2"),
        ("ATE", "ATE0 or ATE1, the basic form of Echo, manual 1.2"),
        ("ATE1", "enable: 0 off, 1 on"),
        ("AT+QNO", ""),
        (".help", ""),
        ("", ""),
        ("AT+QISTATE=3,", ""),
    ],
)
def test_what_is_under_the_cursor(before: str, text: str) -> None:
    assert hint(before).text == text


def test_options_are_named() -> None:
    assert hint("AT+QICFG=").text.startswith("option: transpktsize, transwaittm, ")


@pytest.mark.parametrize(
    ("before", "fault"),
    [
        ("AT+QIOPEN=12", "connect_id 12 is outside 0..11 (manual 2.3.2)"),
        ('AT+QIOPEN=12,"TCP","h', "connect_id 12 is outside 0..11 (manual 2.3.2)"),
        ("AT+QISEND=3,1461", "send_length 1461 is outside 1..1460 bytes (manual 2.3.5)"),
        ("AT+QISEND=3,0", ""),
        ("AT+QISTATE=3,", "too many parameters: 2, at most 1 (manual 2.3.4)"),
        ('AT+QSTAAPINFO="hall","short', ""),
        ('AT+QSTAAPINFO="hall","short"', "pwd is 5 bytes long, outside 8..63 (manual 2.1.16)"),
        ('AT+QICFG="nothing",', "there is no such option"),
        ('AT+QICFG="transwaittm",21', "transwaittm 21 is outside 0..20 (manual 2.3.1)"),
        ("ATE2", "enable 2 is none of 0, 1 (manual 1.2)"),
        ("AT+QNO=1", "the table holds no command +QNO: it is sent as it is typed"),
        ("AT+QNO", ""),
        ("AT+QIOPEN=?", ""),
    ],
)
def test_what_is_marked_as_wrong(before: str, fault: str) -> None:
    assert hint(before).fault == fault


@pytest.mark.parametrize("row", [row for row in TABLE if row in WRITTEN or issubclass(row, Setting)])
def test_a_legal_line_is_never_marked_while_it_is_typed(row: type[Any]) -> None:
    """But for a number that is too small until its last digit."""
    good = sample(row, **({"remote_port": 8} if row is tcp.Open else {}))
    line = (Set(good) if issubclass(row, Setting) else good).line()
    marks = [hint(line[:end]).fault for end in range(len(line) + 1)]
    assert marks[-1] == ""
    assert all(not mark or " is outside " in mark or "no command" in mark for mark in marks)


@given(st.text('AT+QIOPENCFG=?,;"0123 .', max_size=30) | st.text(max_size=20))
def test_nothing_that_is_typed_confuses_it(before: str) -> None:
    assert isinstance(hint(before), Hint)
    replaced, found = offers(before)
    assert before.endswith(replaced)
    assert all(offer.text for offer in found)
