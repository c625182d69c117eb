"""The command line as a typist sees it: echo, chains, line ends, and when the rate changes."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from fcm360w.sim.dialect import MANUAL
from sim_bench import CONNECT, ERROR, JOIN, OK, Bench

VERSION = b"\r\n+QVERSION: FCM360WAAR01A01\r\n"
MAC = b'\r\n+QWLMAC: "88:00:33:77:69:cc"\r\n'
READY = b"\r\nready\r\n"


def loud(**more: object) -> Bench:
    bench = Bench(**more)
    bench.host(b"ATE1\r")
    return bench


# ---- echo (R6) ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"AT+QVERSIOM\x08N\r",
        b"at+qno\t\x7f\x00\xff\xfe\r",
        b"  AT \r",
        'AT+QSTAAPINFO="höhle'.encode() + b"\r",
        b"AT+QNO;+QVERSION\r",
        b"A" * 1025 + b"\r",
        b"A" * 9000 + b"\r",
    ],
)
def test_every_byte_comes_back_and_nothing_is_edited(line: bytes) -> None:
    bench = loud()
    assert bench.host(line) == line + ERROR
    pieces = b"".join(bench.host(line[i : i + 1]) for i in range(len(line)))
    assert pieces == line + ERROR


def test_empty_lines_come_back_and_line_feeds_do_not() -> None:
    bench = loud()
    assert bench.host(b"\r\r\n\r\nAT\r\n\r\n") == b"\r\r\rAT\r" + OK + b"\r"


def test_what_is_typed_while_the_module_is_busy_comes_back_when_it_is_read() -> None:
    bench = loud()
    assert bench.host(b"AT+QWSCAN\rAT\r") == b"AT+QWSCAN\r"
    assert bench.wait(1.0).endswith(OK + b"AT\r" + OK)


def test_nothing_comes_back_while_the_module_starts() -> None:
    bench = loud()
    bench.host(b"AT+QECHO=1\rAT+QRST\r")
    assert bench.host(b"AT\r\nAT+QV") == b""
    assert bench.wait(1.0) == READY
    assert bench.link.ignored == 9
    assert bench.host(b"ERSION\r") == b"ERSION\r" + ERROR, "the first half was never heard"


def test_echo_of_a_data_mode_that_ends() -> None:
    bench = loud()
    bench.open(3)
    assert bench.host(b"AT+QISWTMD=3,2\r\n") == b"AT+QISWTMD=3,2\r" + CONNECT
    bench.wait(1.5)
    assert bench.host(b"+++") == b""
    assert bench.wait(1.5) == OK
    assert bench.host(b"AT\r") == b"AT\r" + OK


# ---- chains (W4, W5) ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"AT;+QVERSION\r", VERSION + OK),
        (b"AT+QVERSION;\r", VERSION + OK),
        (b"AT;;\r", OK),
        (b"AT+QVERSION;AT\r", VERSION + ERROR),
        (b"AT+QVERSION;E0;+QWLMAC\r", VERSION + MAC + OK),
        (b'AT+QSTAAPINFO="a;b";+QVERSION\r', VERSION + OK + b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n'),
        (b'AT+QGETIP="ap;+QVERSION\r', ERROR),
        (b"AT+QSTAST;+QAPSTATE;+QSTADHCP?\r", None),
    ],
)
def test_chains(said: bytes, answer: bytes | None) -> None:
    found = Bench().host(said)
    if answer is None:
        answer = b'\r\n+QSTAST: "STATION_UP"\r\n\r\n+QAPSTATE: "SOFTAP_DOWN"\r\n\r\n+QSTADHCP: 1\r\n' + OK
    assert found == answer


def test_a_chain_that_waits_has_one_result() -> None:
    bench = Bench()
    assert bench.host(b"AT+QVERSION;+QWSCAN;+QWLMAC\r") == VERSION
    said = bench.wait(1.0)
    assert said.startswith(b"\r\n+QWSCAN: ")
    assert said.endswith(MAC + OK)
    assert said.count(OK) == 1


def test_late_lines_of_a_chain_follow_its_result() -> None:
    bench = Bench(joined=False)
    assert bench.host(JOIN[:-1] + b";+QVERSION\r") == VERSION + OK
    assert bench.wait(1.0).count(b"+QSTASTAT") == 2


def test_a_restart_waits_for_the_end_of_its_line() -> None:
    bench = Bench()
    assert bench.host(b"AT+QRST;+QVERSION\r") == VERSION + OK
    assert bench.wait(1.0) == READY
    assert bench.host(b"AT+QRST;+QNO\r") == ERROR
    assert bench.wait(1.0) == READY


# ---- speed (W6) -----------------------------------------------------------------------------------------------------


def test_the_rate_changes_after_the_answer() -> None:
    bench = Bench()
    assert bench.host(b"AT+QSETBAND=9600,0;+QWSCAN\r") == b""
    assert bench.link.take_baud() is None
    assert bench.wait(1.0).endswith(OK)
    assert bench.link.take_baud() == 9600
    assert bench.link.take_baud() is None


@pytest.mark.parametrize("parameters", [b"9600", b"9600,0", b"1200,1", b"2000000,0", b"1842000,0"])
def test_w5_any_rate_in_range_with_or_without_save(parameters: bytes) -> None:
    bench = Bench()
    assert bench.host(b"AT+QSETBAND=" + parameters + b"\r") == OK
    assert bench.host(b"AT+QSETBAND?\r") == b"\r\n+QSETBAND: " + parameters.partition(b",")[0] + b"\r\n" + OK


@pytest.mark.parametrize(
    "parameters", [b"", b"9600,2", b"9600,0,0", b"+9600", b"9600.0", b'"9600"', b"9600,-1", b"0x2580"]
)
def test_rates_that_are_none(parameters: bytes) -> None:
    bench = Bench()
    assert bench.host(b"AT+QSETBAND=" + parameters + b"\r") == ERROR
    assert bench.link.take_baud() is None


# ---- names and forms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"At+qVeRsIoN\r", VERSION + OK),
        (b"ate0\r", OK),
        (b"aTe1\r", OK),
        (b"ATE 0\r", ERROR),
        (b"ATE2\r", ERROR),
        (b"ATE0,1\r", ERROR),
        (b"ATE=0\r", ERROR),
        (b"AT=\r", ERROR),
        (b"AT?\r", ERROR),
        (b"AT=?\r", ERROR),
        (b"ATZ\r", ERROR),
        (b"AT&F\r", ERROR),
        (b"ATS3=13\r", ERROR),
        (b"A\r", ERROR),
        (b"A T\r", ERROR),
        (b" AT\r", ERROR),
        (b"AT+\r", ERROR),
        (b"AT+QRST=?\r", ERROR),
        (b"AT+QRST?\r", ERROR),
        (b"AT+QRST=1\r", ERROR),
        (b"AT+QECHO?\r", ERROR),
        (b"AT+QECHO=?\r", ERROR),
        (b"AT+QECHO\r", ERROR),
        (b"AT+QVERSION=1\r", ERROR),
        (b"AT+QSETBAND=?\r", ERROR),
        (b"AT+QSETBAND\r", ERROR),
        (b"AT+QSTASTOP?\r", ERROR),
        (b"AT+QSOFTAP?\r", ERROR),
        (b"AT+QSOFTAPSTATIC\r", ERROR),
    ],
)
def test_names_and_forms(said: bytes, answer: bytes) -> None:
    assert Bench().host(said) == answer


# ---- while it is busy -----------------------------------------------------------------------------------------------


def test_input_waits_while_the_module_is_busy_as_far_as_it_has_room() -> None:
    bench = Bench(dataclasses.replace(MANUAL, scan_delay=10.0))
    bench.host(b"AT+QWSCAN\r" + b"AT\r" * 1000)
    assert bench.link.room() == 4096 - 3000
    assert bench.link.input_high_water == 3000
    assert bench.wait(10.0).count(OK) == 1001
    assert bench.link.room() == 4096


# ---- the log


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (b'AT+QHTTPCFG="auth","u:s3cret"\r', b'AT+QHTTPCFG="auth"\r'),
        (b'AT+QHTTPCFG="header","Cookie: s3cret"\r', b'AT+QHTTPCFG="header"\r'),
    ],
)
def test_the_log_shows_no_secret_of_an_answer(said: bytes, asked: bytes, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.DEBUG, "fcm360w.wire.twin"):
        assert bench.host(said) == OK
        assert b"s3cret" in bench.host(asked)
        bench.host(b"AT+QVERSION\r")
    assert "s3cret" not in caplog.text
    assert "twin > +QHTTPCFG: ***" in caplog.text
    assert "twin > +QVERSION: FCM360W" in caplog.text
