"""What each quirk and each dialect puts on the wire, and what each takes from it."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from fcm360w.sim.dialect import DIALECTS, FC41D, MANUAL, QUIRKS, Dialect, find_dialect
from fcm360w.sim.hotspots import AccessPoint
from sim_bench import ERROR, JOIN, OK, Bench

SEEN = AccessPoint("a,b", "open sesame", rssi=-60, channel=11)
HIDDEN = AccessPoint("c", rssi=-99, hidden=True)
STATIC = b'="10.0.0.50","255.255.0.0","10.0.0.254","8.8.8.8"\r'


def quirky(*names: str, **more: typing.Any) -> Bench:
    return Bench(MANUAL.with_quirks(names), **more)


# ---- the switches ---------------------------------------------------------------------------------------------------


def test_every_switch_is_a_quirk() -> None:
    off = {field.name for field in dataclasses.fields(Dialect) if field.default is False}
    assert off <= set(QUIRKS)
    for name in off:
        assert QUIRKS[name].changes == {name: True}


def test_what_a_dialect_consists_of() -> None:
    assert find_dialect("manual") == MANUAL
    assert find_dialect("fc41d", ["banner_rdy"]) == dataclasses.replace(FC41D, banner="RDY")
    assert set(DIALECTS) == {"manual", "fc41d"}


def test_unknown_names_are_answered_with_the_known() -> None:
    with pytest.raises(ValueError, match="'latin' is not one of manual, fc41d"):
        find_dialect("latin")
    with pytest.raises(ValueError, match=r"info_compact, .*slow_wifi"):
        find_dialect("fc41d", ["nonsense"])


# ---- lines in general -----------------------------------------------------------------------------------------------


def test_w8_info_compact() -> None:
    bench = quirky("info_compact", aps=(SEEN, HIDDEN), joined=False)
    bench.host(b"AT+QWSCAN\r")
    assert bench.wait(1.0) == (
        b'\r\n+QWSCAN: "a,b","WPA2_AES_PSK",-60,"02:00:5e:10:00:01",11'
        b'\r\n+QWSCAN: "","OPEN",-99,"02:00:5e:10:00:01",6\r\n' + OK
    )


def test_cme_everywhere() -> None:
    bench = quirky("cme_everywhere")
    assert bench.host(b"AT+QNO\r") == b"\r\n+CME ERROR: 552\r\n"
    assert bench.host(b"A" * 1025 + b"\r") == b"\r\n+CME ERROR: 552\r\n"
    assert bench.host(b"AT+QISEND=3,5\r") == b"\r\n+CME ERROR: 565\r\n"
    bench.open(3)
    assert bench.host(b"AT+QISEND=3\rx\x1b") == b"\r\n>\r\n+CME ERROR: 568\r\n"
    assert bench.host(b"AT+QVERSION;+QNO\r").endswith(b"\r\n\r\n+CME ERROR: 552\r\n")
    assert bench.host(b"ATO\r") == b"\r\nCONNECT\r\n"


def test_urc_in_prompt() -> None:
    bench = quirky("urc_in_prompt")
    first, second = bench.open(3), bench.open(4, 1)
    assert bench.host(b"AT+QISEND=3,5\r") == b"\r\n>"
    first.arrive(b"x")
    assert bench.host(b"he") == b'\r\n+QIURC: "recv",3\r\n'
    second.arrive(b"y")
    second.end()
    assert bench.tick() == b'\r\n+QIURC: "recv",4,1\r\ny\r\n\r\n+QIURC: "closed",4\r\n'
    assert bench.host(b"llo") == b"\r\nSEND OK\r\n"
    assert first.sent == [b"hello"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"AT+QGETIP=ap\r", b'\r\n+QGETIP: "0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"\r\n' + OK),
        (b'AT+QGETIP="ap"\r', b'\r\n+QGETIP: "0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"\r\n' + OK),
        (b"AT+QGETIP= ap \r", b'\r\n+QGETIP: "0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"\r\n' + OK),
        (b"AT+QGETIP=a p\r", ERROR),
        (b"AT+QICFG=transwaittm\r", b'\r\n+QICFG: "transwaittm",2\r\n' + OK),
        (b"AT+QICFG=transwaittm,3\r", OK),
        (b'AT+QICFG=dataformat,"1",1\r', ERROR),
        (b"AT+QAPSTATIC=10.0.0.50,255.255.0.0,10.0.0.254,8.8.8.8\r", OK + b'\r\n+QSTASTAT: "GOT_IP"\r\n'),
        (b"AT+QSTAAPINFO=hall,open sesame\r", ERROR),
        (b"AT+QSTAAPINFO=nowhere,12345678\r", OK + b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n'),
        (b"AT+QIOPEN=3,TCP,10.0.0.9,8009\r", OK + b"\r\n+QIOPEN: 3,0\r\n"),
        (b"AT+QWLANOTA=http://10.0.0.9/x\r", OK + b'\r\n+QOTASTAT: "START_DOWNLOAD"\r\n'),
        (b'AT+QWLANOTA="http://10.0.0.9/x"\r', OK + b'\r\n+QOTASTAT: "START_DOWNLOAD"\r\n'),
        (b"AT+QECHO=0,\r", ERROR),
    ],
)
def test_bare_strings(said: bytes, answer: bytes) -> None:
    assert quirky("bare_strings").host(said) == answer


def test_qurccfg() -> None:
    for said in (b'AT+QURCCFG="urcport","uart1"\r', b'AT+QURCCFG="urcport"\r'):
        assert quirky("qurccfg").host(said) == OK
        assert Bench().host(said) == ERROR


# ---- starting -------------------------------------------------------------------------------------------------------


def test_banners() -> None:
    for name, said in (("banner_rdy", b"\r\nRDY\r\n"), ("banner_none", b""), ("banner_delay", b"\r\nready\r\n")):
        bench = quirky(name)
        bench.host(b"AT+QRST\r")
        early = bench.wait(2.9)
        assert early == (b"" if name == "banner_delay" else said)
        assert early + bench.wait(0.2) == said
        assert bench.host(b"AT\r") == OK


# ---- Wi-Fi ----------------------------------------------------------------------------------------------------------


def test_no_space_is_for_wifi_lines_alone() -> None:
    bench = quirky("no_space", joined=False)
    assert bench.host(JOIN) + bench.wait(1.0) == (OK + b'\r\n+QSTASTAT:"WLAN_CONNECTED"\r\n\r\n+QSTASTAT:"GOT_IP"\r\n')
    assert bench.host(b"AT+QWLMAC\r") == b'\r\n+QWLMAC:"88:00:33:77:69:cc"\r\n' + OK
    assert bench.host(b"AT+QSETBAND?\r") == b"\r\n+QSETBAND:115200\r\n" + OK
    assert bench.host(b'AT+QIDNSCFG="8.8.8.8"\rAT+QIDNSCFG=?\r') == OK + b'\r\n+QIDNSCFG:"8.8.8.8","0.0.0.0"\r\n' + OK
    assert bench.host(b"AT+QISEND=?\r").startswith(b"\r\n+QISEND: (0-11)")


def test_no_quotes_is_for_wifi_lines_alone() -> None:
    bench = quirky("no_quotes", aps=(SEEN, HIDDEN), joined=False)
    bench.host(b"AT+QWSCAN\r")
    assert bench.wait(1.0) == (
        b"\r\n+QWSCAN: a,b,WPA2_AES_PSK,-60,02:00:5e:10:00:01,11\r\n\r\n+QWSCAN: ,OPEN,-99,02:00:5e:10:00:01,6\r\n" + OK
    )
    assert bench.host(b'AT+QGETIP="ap"\r') == b"\r\n+QGETIP: 0.0.0.0,0.0.0.0,0.0.0.0,0.0.0.0\r\n" + OK
    assert bench.host(b"AT+QIGETERROR\r") == b'\r\n+QIGETERROR: 0,"Operation success"\r\n' + OK


def test_underscore() -> None:
    assert quirky("underscore").host(b"AT+QSTASTOP\r") == OK + b'\r\n+QSTASTAT: "WLAN_DISCONNECTED"\r\n'


def test_labels() -> None:
    assert quirky("labels").host(b'AT+QGETIP="station"\r') == (
        b"\r\n+QGETIP: ip:10.0.0.7,gateway:10.0.0.1,mask:255.255.255.0,dns:10.0.0.1\r\n" + OK
    )


def test_disconnect_text() -> None:
    bench = quirky("disconnect_text", joined=False)
    assert bench.host(b"AT+QGETWIFISTATE\r") == b"\r\n+QGETWIFISTATE: DISCONNECT\r\n" + OK


def test_csdk_scan() -> None:
    bench = quirky("csdk_scan", aps=(SEEN, HIDDEN), joined=False)
    bench.host(b"AT+QWSCAN\r")
    assert bench.wait(1.0) == (
        b'\r\n+QWSCAN: "a,b",WPA2_AES_PSK,40,02:00:5e:10:00:01,11\r\n'
        b'\r\n+QWSCAN: "",OPEN,1,02:00:5e:10:00:01,6\r\n' + OK
    )


def test_qstastatic() -> None:
    assert quirky("qstastatic").host(b"AT+QSTASTATIC" + STATIC) == OK + b'\r\n+QSTASTAT: "GOT_IP"\r\n'
    assert Bench().host(b"AT+QSTASTATIC" + STATIC) == ERROR


def test_slow_wifi() -> None:
    bench = quirky("slow_wifi", joined=False)
    bench.host(JOIN)
    assert bench.wait(1.9) == b'\r\n+QSTASTAT: "WLAN_CONNECTED"\r\n'
    assert bench.wait(0.2) == b'\r\n+QSTASTAT: "GOT_IP"\r\n'
    bench.host(b"AT+QWSCAN\r")
    assert bench.wait(4.9) == b""
    assert bench.wait(0.2).startswith(b"\r\n+QWSCAN: ")


def test_fc41d() -> None:
    bench = Bench(FC41D, joined=False)
    assert bench.host(b"AT+QVERSION\r") == b"\r\n+QVERSION:FCM360WAAR01A01\r\n" + OK
    assert bench.host(b"AT+QURCCFG=urcport,uart1\r") == OK
    assert bench.host(b"AT+QSTAAPINFO=hall,wrong-one\r") + bench.wait(1.0) == (
        OK + b"\r\n+QSTASTAT:WLAN_DISCONNECTED\r\n"
    )
    assert bench.host(JOIN) + bench.wait(1.0) == OK + b"\r\n+QSTASTAT:WLAN_CONNECTED\r\n\r\n+QSTASTAT:GOT_IP\r\n"
    assert bench.host(b"AT+QGETIP=station\r") == (
        b"\r\n+QGETIP:ip:10.0.0.7,gateway:10.0.0.1,mask:255.255.255.0,dns:10.0.0.1\r\n" + OK
    )
    assert bench.host(b"AT+QGETWIFISTATE\r") == (
        b"\r\n+QGETWIFISTATE:ssid=hall,bssid=02:00:5e:10:00:01,rssi=-52\r\n" + OK
    )
    assert bench.host(b"AT+QSTASTATIC" + STATIC) == OK + b"\r\n+QSTASTAT:GOT_IP\r\n"
    bench.host(b"AT+QRST\r")
    assert bench.wait(1.0) == b"\r\nready\r\n"
