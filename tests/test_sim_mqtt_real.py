"""MQTT of the twin over the kernel's sockets, with mosquitto at the other end and a host of bare bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fcm360w.sim import Twin
from mosquitto import Mosquitto
from sim_host import OK, Host
from test_sim_twin import host_of

EVERYTHING = bytes(range(256)) * 8


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, "sys_interval 1") as running:
        yield running


@pytest.fixture
def host() -> Iterator[Host]:
    with Twin(baud=None) as twin:
        joined = host_of(twin)
        joined.join()
        yield joined
        joined.close()


def line(text: bytes) -> bytes:
    return b"\r\n" + text + b"\r\n"


def connected(host: Host, port: int, number: int = 0) -> None:
    host.ask(b'AT+QMTOPEN=%d,"127.0.0.1",%d' % (number, port), OK + line(b"+QMTOPEN: %d,0" % number))
    host.ask(b'AT+QMTCONN=%d,"client%d"' % (number, number), OK + line(b"+QMTCONN: %d,0,0" % number))


def published(host: Host, head: bytes, payload: bytes) -> None:
    host.ask(b"AT+QMTPUB=%b,%d" % (head, len(payload)), b"\r\n>")
    host.send(payload)
    host.expect(OK)


@pytest.mark.parametrize("version", [3, 4])
def test_from_one_client_to_another(host: Host, server: Mosquitto, version: int) -> None:
    for number in (0, 1):
        host.ask(b'AT+QMTCFG="version",%d,%d' % (number, version), OK)
        connected(host, server.port, number)
    host.ask(b'AT+QMTSUB=1,9,"a/#",2,"b",1', OK + line(b"+QMTSUB: 1,9,0,2,1"))
    published(host, b'0,0,0,0,"a/x"', EVERYTHING)
    told = line(b"+QMTPUB: 0,0,0"), line(b'+QMTRECV: 1,0,"a/x",2048,"%b"' % EVERYTHING)
    assert host.read(sum(map(len, told))) in (told[0] + told[1], told[1] + told[0])
    published(host, b'0,65535,2,0,"a/y"', b"\r\nOK\r\n")
    told = line(b"+QMTPUB: 0,65535,0"), line(b'+QMTRECV: 1,1,"a/y",6,"\r\nOK\r\n"')
    assert host.read(sum(map(len, told))) in (told[0] + told[1], told[1] + told[0])
    host.ask(b'AT+QMTUNS=1,10,"a/#"', OK + line(b"+QMTUNS: 1,10,0"))
    host.ask(b"AT+QMTDISC=0", OK + line(b"+QMTDISC: 0,0"))
    host.ask(b"AT+QMTCLOSE=1", OK + line(b"+QMTCLOSE: 1,0"))


def test_a_will_and_a_retained_message(host: Host, server: Mosquitto) -> None:
    host.ask(b'AT+QMTCFG="will",0,1,1,1,"last","words"', OK)
    connected(host, server.port)
    host.ask(b"AT+QMTCLOSE=0", OK + line(b"+QMTCLOSE: 0,0"))
    connected(host, server.port, 1)
    said = OK + line(b"+QMTSUB: 1,1,0,1") + line(b'+QMTRECV: 1,1,"last",5,"words"')
    host.ask(b'AT+QMTSUB=1,1,"last",1', said)


def test_a_session_that_the_server_keeps(host: Host, server: Mosquitto) -> None:
    host.ask(b'AT+QMTCFG="session",0,0', OK)
    connected(host, server.port)
    host.ask(b'AT+QMTSUB=0,1,"t",1', OK + line(b"+QMTSUB: 0,1,0,1"))
    host.ask(b"AT+QMTDISC=0", OK + line(b"+QMTDISC: 0,0"))
    connected(host, server.port, 1)
    published(host, b'1,1,1,0,"t"', b"meanwhile")
    host.expect(line(b"+QMTPUB: 1,1,0"))
    host.ask(b'AT+QMTOPEN=0,"127.0.0.1",%d' % server.port, OK + line(b"+QMTOPEN: 0,0"))
    said = OK + line(b"+QMTCONN: 0,0,0") + line(b'+QMTRECV: 0,1,"t",9,"meanwhile"')
    host.ask(b'AT+QMTCONN=0,"client0"', said)


def test_pings_keep_a_session_and_a_server_that_dies_ends_it(host: Host, server: Mosquitto) -> None:
    host.ask(b'AT+QMTCFG="keepalive",0,1', OK)
    connected(host, server.port)
    host.ask(b'AT+QMTCFG="keepalive",1,0', OK)
    connected(host, server.port, 1)
    # The server tells its uptime as often as it is set to: by the second time it would have dropped who is silent.
    host.ask(b'AT+QMTSUB=1,1,"$SYS/broker/uptime",0', OK + line(b"+QMTSUB: 1,1,0,0"))
    for _ in range(4):
        heard = b""
        while not heard.endswith(b'"\r\n'):
            heard += host.read(1)
        assert heard.startswith(b'\r\n+QMTRECV: 1,0,"$SYS/broker/uptime",')
    host.ask(b"AT+QMTCLOSE=1", OK + line(b"+QMTCLOSE: 1,0"))
    host.ask(b"AT+QMTCONN?", line(b"+QMTCONN: 0,3") + OK)
    server.kill()
    host.expect(line(b"+QMTSTAT: 0,1"))


def test_the_same_name_twice(host: Host, server: Mosquitto) -> None:
    connected(host, server.port)
    host.ask(b'AT+QMTOPEN=1,"127.0.0.1",%d' % server.port, OK + line(b"+QMTOPEN: 1,0"))
    host.ask(b'AT+QMTCONN=1,"client0"', OK)
    told = line(b"+QMTCONN: 1,0,0"), line(b"+QMTSTAT: 0,1")
    assert host.read(sum(map(len, told))) in (told[0] + told[1], told[1] + told[0])


def test_a_log_in_that_is_refused(host: Host, tmp_path: Path) -> None:
    """The code is the server's: mosquitto says 5 for whoever it does not know."""
    with Mosquitto(tmp_path, users={"eve": "secret"}) as server:
        host.ask(b'AT+QMTOPEN=0,"127.0.0.1",%d' % server.port, OK + line(b"+QMTOPEN: 0,0"))
        host.ask(b'AT+QMTCONN=0,"client0","eve","wrong"', OK + line(b"+QMTCONN: 0,0,5") + line(b"+QMTSTAT: 0,1"))


def test_under_tls(host: Host, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="platform: no cryptography")
    import certificates

    cert, key = certificates.server(kind="rsa").save(tmp_path, "server")
    options = [f"certfile {cert}", f"keyfile {key}"]
    with Mosquitto(tmp_path, *options) as server:
        host.ask(b'AT+QSSLCFG="seclevel",2,0', OK)
        host.ask(b'AT+QMTCFG="ssl",0,1,2', OK)
        connected(host, server.port)
        published(host, b'0,5,1,0,"t"', b"secret")
        host.expect(line(b"+QMTPUB: 0,5,0"))
