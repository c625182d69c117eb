"""Every form of every command: the manual's are answered by the twin, all others are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fcm360w.commands import ble, files, http, mqtt, system, tcp, tls, wifi
from fcm360w.reference import entries
from fcm360w.wire import Command
from sim_bench import CONNECT, ERROR, OK, Bench
from test_wire import TABLE, sample

PROMPT = b"\r\n>"

# What the module prints for a test command, from the manual and the project's reading of its gaps, not from the rows.
TESTS = {
    "AT+QIDNSCFG": ('+QIDNSCFG: "10.0.0.1","0.0.0.0"',),
    "AT+QICFG": (
        '+QICFG: "transpktsize",(1-1460)',
        '+QICFG: "transwaittm",(0-20)',
        '+QICFG: "dataformat",(0,1),(0,1)',
        '+QICFG: "passiveclosed",(0,1)',
        '+QICFG: "tcp/accept",(0,1)',
        '+QICFG: "qisend/timeout",(0-120)',
        '+QICFG: "close/mode",(0,1)',
        '+QICFG: "tcp/tw_cycle",(0,1)',
    ),
    "AT+QIOPEN": (
        '+QIOPEN: (0-11),("TCP","UDP","TCP LISTENER","UDP SERVICE"),'
        "<IP_address>/<domain_name>,(1-65535),(1-65535),(0-2)",
    ),
    "AT+QICLOSE": ("+QICLOSE: (0-11),(1-120)",),
    "AT+QISTATE": (),
    "AT+QISEND": ("+QISEND: (0-11),(0-1460),<remoteIP>,(1-65535)",),
    "AT+QIRD": ("+QIRD: (0-11),(0-1500)",),
    "AT+QIACCEPT": ("+QIACCEPT: (0-11),(0,1),(0-11)",),
    "AT+QPING": ("+QPING: <host>,(1-255),(1-10)",),
    "AT+QIDNSGIP": ("+QIDNSGIP: <hostname>",),
    "AT+QISWTMD": ("+QISWTMD: (0-11),(0-2)",),
    "AT+QIGETERROR": (),
    "AT+QSSLCFG": (
        '+QSSLCFG: "sslversion",(0-5),(0-4)',
        '+QSSLCFG: "ciphersuite",(0-5),(0X0035,0X002F,0X0005,0X000A,0X003D,0XC003,0XC004,0XC005,0XC008,0XC009,0XC00A,'
        "0XC011,0XC012,0XC013,0XC014,0XC00D,0XC00E,0XC00F,0XC023,0XC024,0XC025,0XC026,0XC027,0XC028,0XC029,0XC02A,"
        "0XC02F,0XC030,0XFFFF)",
        '+QSSLCFG: "seclevel",(0-5),(0-2)',
        '+QSSLCFG: "ignorelocaltime",(0-5),(0,1)',
        '+QSSLCFG: "negotiatetime",(0-5),(10-300)',
        '+QSSLCFG: "sni",(0-5),(0,1)',
        '+QSSLCFG: "session_cache",(0-5),(0,1)',
    ),
    "AT+QSSLOPEN": ("+QSSLOPEN: (0-5),(0-11),<server_address>,<server_port>,(0-2)",),
    "AT+QSSLSEND": ("+QSSLSEND: (0-11),(1-1460)",),
    "AT+QSSLRECV": ("+QSSLRECV: (0-11),(1-1500)",),
    "AT+QSSLCLOSE": ("+QSSLCLOSE: (0-11),(0-65535)",),
    "AT+QSSLSTATE": (),
    "AT+QFOPEN": ("+QFOPEN: <filename>,(0-2)",),
    "AT+QFREAD": ("+QFREAD: <filehandle>,<length>",),
    "AT+QFWRITE": ("+QFWRITE: <filehandle>,<length>,<timeout>",),
    "AT+QFCLOSE": ("+QFCLOSE: <filehandle>",),
    "AT+QFLST": (),
    "AT+QMTCFG": (
        '+QMTCFG: "version",(0-5),(3,4)',
        '+QMTCFG: "ssl",(0-5),(0,1),(0-5)',
        '+QMTCFG: "keepalive",(0-5),(0-3600)',
        '+QMTCFG: "session",(0-5),(0,1)',
        '+QMTCFG: "timeout",(0-5),(1-1200),(0-10),(0,1)',
        '+QMTCFG: "will",(0-5),(0,1),(0-2),(0,1),<will_topic>,<will_message>',
        '+QMTCFG: "recv/mode",(0-5),(0,1)',
        '+QMTCFG: "dataformat",(0-5),(0,1),(0,1)',
    ),
    "AT+QMTOPEN": ('+QMTOPEN: (0-5),"hostname",(1-65535)',),
    "AT+QMTCLOSE": ("+QMTCLOSE: (0-5)",),
    "AT+QMTCONN": ("+QMTCONN: (0-5),<clientID>,<username>,<password>",),
    "AT+QMTDISC": ("+QMTDISC: (0-5)",),
    "AT+QMTSUB": ("+QMTSUB: (0-5),(0-65535),<topic>,(0-2)",),
    "AT+QMTUNS": ("+QMTUNS: (0-5),(0-65535),<topic>",),
    "AT+QMTPUB": ("+QMTPUB: (0-5),(0-65535),(0-2),(0,1),<topic>,(1-2048)",),
    "AT+QMTRECV": (),
    "AT+QHTTPCFG": (
        '+QHTTPCFG: "url",<url_string>',
        '+QHTTPCFG: "header",<header_value>',
        '+QHTTPCFG: "auth",<username_password>',
        '+QHTTPCFG: "sslctxid",(0-5)',
        '+QHTTPCFG: "rsp/header",(0,1)',
        '+QHTTPCFG: "rspout/auto",(0,1)',
        '+QHTTPCFG: "closed/ind",(0,1)',
        '+QHTTPCFG: "form/option",<name>,<file_name>,<content_type>',
        '+QHTTPCFG: "reset"',
    ),
    "AT+QHTTPGET": ("+QHTTPGET: (1-65535)",),
    "AT+QHTTPPOST": ("+QHTTPPOST: (1-1024000),(1-65535),(1-65535)",),
    "AT+QHTTPPUT": ("+QHTTPPUT: (1-1024000),(1-65535),(1-65535)",),
    "AT+QHTTPREAD": ("+QHTTPREAD: (1-65535)",),
    "AT+QHTTPSTOP": (),
}


def peripheral(*lines: bytes) -> Callable[[Bench], None]:
    """Bluetooth has begun, and was told this."""

    def prepare(bench: Bench) -> None:
        for line in (b"AT+QBLEINIT=2,0", *lines):
            assert bench.host(line + b"\r") == OK

    return prepare


def subscribed(bench: Bench) -> None:
    peripheral(b'AT+QBLEGATTSSRV="a1a1"', b'AT+QBLEGATTSCHAR="a1a1"', b"AT+QBLEGATTSSRVDONE")(bench)
    bench.wait(0.1)
    bench.module.bluetooth.on_connected()
    bench.module.bluetooth.on_subscribed(0, True)


def has_url(bench: Bench) -> None:
    bench.host(b'AT+QHTTPCFG="url","http://10.0.0.9/"\r')


def has_response(bench: Bench) -> None:
    has_url(bench)
    bench.host(b"AT+QHTTPGET\r")
    bench.network.connections[-1].arrive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    bench.tick()


def has_network(bench: Bench) -> None:
    bench.host(b'AT+QMTOPEN=0,"10.0.0.9",1883\r')
    bench.tick()


def logged_in(bench: Bench) -> None:
    has_network(bench)
    bench.host(b'AT+QMTCONN=0,"logger"\r')
    bench.network.connections[-1].arrive(bytes([0x20, 2, 0, 0]))
    bench.tick()


# What a row needs to be served, and which are not served at all in the dialect `manual`.
NEEDS: dict[type[Command[Any]], Callable[[Bench], object]] = {
    ble.SetInterval: peripheral(),
    ble.SetAdvertised: peripheral(),
    ble.Advertise: peripheral(),
    ble.StopAdvertising: peripheral(),
    ble.SetService: peripheral(),
    ble.AddCharacteristic: peripheral(b'AT+QBLEGATTSSRV="fff0"'),
    ble.ServiceDone: peripheral(b'AT+QBLEGATTSSRV="fff0"'),
    ble.Notify: subscribed,
    ble.NotifyBytes: subscribed,
    tcp.GetSent: lambda bench: bench.open(0),
    tcp.Send: lambda bench: bench.open(0),
    tcp.SendUntil: lambda bench: bench.open(0),
    tcp.SendTo: lambda bench: bench.service(0),
    tcp.Read: lambda bench: bench.open(0),
    tcp.GetReceiveCount: lambda bench: bench.open(0),
    tcp.Accept: lambda bench: bench.listener(0),
    tcp.SwitchMode: lambda bench: bench.open(0),
    tcp.Resume: lambda bench: bench.open(0),
    files.ReadFile: lambda bench: bench.host(b'AT+QFOPEN="a"\r'),
    files.WriteFile: lambda bench: bench.host(b'AT+QFOPEN="a"\r'),
    files.WriteSome: lambda bench: bench.host(b'AT+QFOPEN="a"\r'),
    files.CloseFile: lambda bench: bench.host(b'AT+QFOPEN="a"\r'),
    tls.Send: lambda bench: bench.secure(0),
    tls.SendUntil: lambda bench: bench.secure(0),
    tls.Read: lambda bench: bench.secure(0),
    mqtt.Close: has_network,
    mqtt.Connect: has_network,
    mqtt.Disconnect: logged_in,
    mqtt.Subscribe: logged_in,
    mqtt.Unsubscribe: logged_in,
    mqtt.Publish: logged_in,
    mqtt.PublishUntil: logged_in,
    mqtt.ReadStored: logged_in,
    http.SendGet: has_url,
    http.SendGetUsual: has_url,
    http.SendPost: has_url,
    http.SendPut: has_url,
    http.ReadResponse: has_response,
    http.ReadResponseUsual: has_response,
}
UNKNOWN = {files.DeleteFile, wifi.SetStationAddressesApart, http.AddHeaderApart}
LISTED = [row for row in TABLE if issubclass(row, Command) and row not in UNKNOWN and row is not tcp.Escape]


@pytest.fixture(scope="module")
def joined() -> Bench:
    return Bench()


# ---- test commands


def test_every_test_command_has_its_answer_here() -> None:
    assert {entry.name for entry in entries() if "test" in entry.forms} == TESTS.keys()


@pytest.mark.parametrize("name", TESTS)
def test_a_test_command_is_answered_to_the_byte(joined: Bench, name: str) -> None:
    expected = "".join(f"\r\n{line}\r\n" for line in TESTS[name]).encode() + OK
    assert joined.host(f"{name}=?\r".encode()) == expected


# ---- listed forms


# What the twin wants beyond what the row does.
VALUES: dict[type[Command[Any]], dict[str, Any]] = {
    system.Upgrade: {"url": "http://10.0.0.9/firmware"},
    system.UpgradeBare: {"url": "http://10.0.0.9/firmware"},
    tcp.Open: {"remote_port": 8009},
    mqtt.Subscribe: {"msg_id": 1},
    mqtt.Unsubscribe: {"msg_id": 1},
    files.ReadFile: {"filehandle": 1},
    files.WriteFile: {"filehandle": 1},
    files.WriteSome: {"filehandle": 1},
    files.CloseFile: {"filehandle": 1},
}


@pytest.mark.parametrize("row", LISTED)
def test_a_listed_form_is_answered(row: type[Command[Any]]) -> None:
    bench = Bench()
    NEEDS.get(row, lambda bench: None)(bench)
    bench.wait(1.0)
    command = sample(row, **VALUES.get(row, {}))
    said = bench.host(command.line().encode() + b"\r") or bench.wait(10.0)
    invited = PROMPT if command.prompt() == ">" else CONNECT
    wanted = CONNECT if command.connects() else invited if command.body() is not None else OK
    assert wanted in said
    assert ERROR not in said


def test_the_escape_is_answered() -> None:
    bench = Bench()
    bench.open(0, access=2)
    bench.wait(2.0)
    bench.host(b"+++")
    assert bench.wait(2.0) == OK


# ---- forms that are not listed


def unlisted() -> Iterator[Any]:
    listed: dict[str, set[str]] = {}
    for entry in entries():
        listed.setdefault(entry.name, set()).update(entry.forms)
    spelled = {"test": "{}=?", "read": "{}?", "write": "{}=1", "exec": "{}"}
    for entry in {entry.name: entry for entry in entries() if entry.at != "+++"}.values():
        lines = [line.format(entry.name) for form, line in spelled.items() if form not in listed[entry.name]]
        yield from (pytest.param(entry.section, line, id=line) for line in lines)


@pytest.mark.parametrize(("section", "line"), list(unlisted()))
def test_a_form_that_is_not_listed_is_refused(joined: Bench, section: str, line: str) -> None:
    joined.host(b"AT+QISTATE\r")
    assert joined.host(f"{line}\r".encode()) == ERROR
    told = section.startswith(("2.3.", "2.4.")) and section != "2.3.9"
    code = b'552,"Invalid parameters"' if told else b'0,"Operation success"'
    assert joined.host(b"AT+QIGETERROR\r") == b"\r\n+QIGETERROR: %s\r\n" % code + OK
