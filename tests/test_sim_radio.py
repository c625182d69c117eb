"""The simulated radio, byte for byte; W and R are the numbers of the wire's specification."""

from __future__ import annotations

import pytest

from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.hotspots import AccessPoint
from fcm360w.sim.radio import MAX_CLIENTS
from sim_bench import CONNECT, ERROR, JOIN, OK, Bench

NO_AP = b'\r\n+QSTASTAT: "SCAN_NO_AP"\r\n'
CONNECTED = b'\r\n+QSTASTAT: "WLAN_CONNECTED"\r\n'
GOT_IP = b'\r\n+QSTASTAT: "GOT_IP"\r\n'
DISCONNECTED = b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n'
AP_UP = b'\r\n+QAPSTAT: "AP_UP"\r\n'
AP_DOWN = b'\r\n+QAPSTAT: "AP_DOWN"\r\n'
STATIC = b'AT+QAPSTATIC="10.0.0.50","255.255.0.0","10.0.0.254","8.8.8.8"\r'

HALL = AccessPoint("hall", "open sesame")
YARD = AccessPoint("yard", rssi=-60, channel=11, bssid="02:00:5e:10:00:02", network="10.0.1")
CELLAR = AccessPoint("cellar", "down below", rssi=-80, channel=1, bssid="02:00:5e:10:00:03", hidden=True)
ALL = (HALL, YARD, CELLAR)


def ip(bench: Bench, role: bytes = b"station") -> bytes:
    return bench.host(b'AT+QGETIP="%b"\r' % role).removeprefix(b"\r\n+QGETIP: ").partition(b"\r\n")[0]


def joined(name: bytes, *aps: AccessPoint, dialect: Dialect = MANUAL) -> Bench:
    bench = Bench(dialect, joined=False, aps=aps)
    bench.host(b"AT+QSTAAPINFO=" + name + b"\r")
    bench.wait(1.0)
    return bench


# ---- scan -----------------------------------------------------------------------------------------------------------

HALL_SEEN = b'\r\n+QWSCAN: "hall","WPA2_AES_PSK",-52,"02:00:5e:10:00:01",6\r\n'
YARD_SEEN = b'\r\n+QWSCAN: "yard","OPEN",-60,"02:00:5e:10:00:02",11\r\n'
CELLAR_SEEN = b'\r\n+QWSCAN: "","WPA2_AES_PSK",-80,"02:00:5e:10:00:03",1\r\n'


def test_w7_scan() -> None:
    bench = Bench(joined=False, aps=(CELLAR, YARD, HALL))
    assert bench.host(b"AT+QWSCAN\rAT\r") == b""
    assert bench.wait(0.09) == b""
    assert bench.wait(0.02) == HALL_SEEN + YARD_SEEN + CELLAR_SEEN + OK + OK


def test_w7_nothing_found() -> None:
    bench = Bench(joined=False, aps=())
    bench.host(b"AT+QWSCAN\r")
    assert bench.wait(1.0) == OK


@pytest.mark.parametrize("form", [b"?", b"=?", b"=1"])
def test_scan_has_one_form(form: bytes) -> None:
    assert Bench(aps=ALL).host(b"AT+QWSCAN" + form + b"\r") == ERROR


def test_names_as_they_are() -> None:
    bench = Bench(
        joined=False, aps=(AccessPoint('say "hi", you'), AccessPoint("höhle", "elf lange jahre", security="?"))
    )
    bench.host(b"AT+QWSCAN\r")
    assert bench.wait(1.0).split(b"\r\n")[1::2][:2] == [
        b'+QWSCAN: "say "hi", you","OPEN",-52,"02:00:5e:10:00:01",6',
        '+QWSCAN: "höhle","?",-52,"02:00:5e:10:00:01",6'.encode(),
    ]


def test_signals_vary_with_a_seed_and_alike() -> None:
    def played(seed: int | None) -> list[bytes]:
        bench = Bench(aps=ALL, seed=seed)
        return [bench.host(b"AT+QWSCAN\r") + bench.wait(1.0) + bench.host(b"AT+QGETWIFISTATE\r") for _ in range(20)]

    assert len(set(played(None))) == 1
    assert played(5) == played(5)
    assert played(5) != played(6)
    assert len(set(played(5))) > 10
    levels = [int(line.split(b",")[2]) for said in played(5) for line in said.split(b"\r\n") if b'"hall"' in line]
    assert set(levels) <= set(range(-55, -48))


# ---- joining --------------------------------------------------------------------------------------------------------


def test_w9_each_hotspot_has_a_network_of_its_own() -> None:
    bench = joined(b'"yard"', *ALL)
    assert ip(bench) == b'"10.0.1.7","10.0.1.1","255.255.255.0","10.0.1.1"'
    assert bench.host(b'AT+QSTAAPINFO="hall","open sesame"\r') == OK + DISCONNECTED
    assert ip(bench) == b'"0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"'
    assert bench.wait(1.0) == CONNECTED + GOT_IP
    assert ip(bench) == b'"10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"'


def test_a_hidden_hotspot_is_joined_by_its_name() -> None:
    bench = joined(b'"cellar","down below"', *ALL)
    assert bench.host(b"AT+QGETWIFISTATE\r") == (
        b"\r\n+QGETWIFISTATE: ssid=cellar,bssid=02:00:5e:10:00:03,rssi=-80\r\n" + OK
    )


def test_leaving_ends_a_join_that_is_under_way() -> None:
    bench = Bench(joined=False)
    bench.host(JOIN)
    assert bench.host(b"AT+QSTASTOP\r") == OK
    assert bench.wait(5.0) == b""
    bench.host(JOIN)
    assert bench.wait(0.06) == CONNECTED
    assert bench.host(b"AT+QSTASTOP\r") == OK + DISCONNECTED
    assert bench.wait(5.0) == b""


def test_a_new_join_takes_the_place_of_one_under_way() -> None:
    bench = Bench(joined=False, aps=ALL)
    bench.host(b'AT+QSTAAPINFO="nowhere"\r')
    assert bench.host(b'AT+QSTAAPINFO="yard"\r') == OK
    assert bench.wait(5.0) == CONNECTED + GOT_IP


def test_a_failed_join_leaves_the_station_enabled() -> None:
    bench = Bench(joined=False)
    bench.host(b'AT+QSTAAPINFO="nowhere"\r')
    assert bench.wait(1.0) == NO_AP
    assert bench.host(b"AT+QSTAST\r") == b'\r\n+QSTAST: "STATION_UP"\r\n' + OK
    assert bench.host(b"AT+QSTASTOP\r") == OK
    assert bench.host(b"AT+QSTAST\r") == b'\r\n+QSTAST: "STATION_DOWN"\r\n' + OK


# ---- addresses ------------------------------------------------------------------------------------------------------


def test_static_addresses_of_a_joined_station() -> None:
    bench = Bench()
    assert bench.host(STATIC) == OK + GOT_IP
    assert ip(bench) == b'"10.0.0.50","10.0.0.254","255.255.0.0","8.8.8.8"'
    assert bench.host(b"AT+QSTADHCP?\r") == b"\r\n+QSTADHCP: 0\r\n" + OK
    assert bench.host(JOIN) == OK + DISCONNECTED
    assert bench.wait(1.0) == CONNECTED + GOT_IP
    assert ip(bench) == b'"10.0.0.50","10.0.0.254","255.255.0.0","8.8.8.8"'
    assert bench.host(b"AT+QSTADHCP=1\r") == OK
    assert bench.wait(1.0) == GOT_IP
    assert ip(bench) == b'"10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"'
    assert bench.host(b"AT+QSTADHCP?\r") == b"\r\n+QSTADHCP: 1\r\n" + OK


def test_static_addresses_before_joining() -> None:
    bench = Bench(joined=False)
    assert bench.host(b"AT+QSTADHCP=0\r" + STATIC) == OK + OK
    assert ip(bench) == b'"0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"'
    bench.host(JOIN)
    assert bench.wait(0.06) == CONNECTED
    assert bench.wait(0.05) == GOT_IP
    assert ip(bench).startswith(b'"10.0.0.50"')


def test_static_addresses_while_joining() -> None:
    bench = Bench(joined=False)
    bench.host(b"AT+QSTADHCP=0\r" + JOIN)
    assert bench.host(STATIC) == OK
    assert bench.wait(1.0) == CONNECTED + GOT_IP
    assert ip(bench).startswith(b'"10.0.0.50"')


def test_no_address_without_dhcp() -> None:
    bench = Bench(joined=False)
    bench.host(b"AT+QSTADHCP=0\r" + JOIN)
    assert bench.wait(60.0) == CONNECTED
    assert ip(bench).startswith(b'"0.0.0.0"')
    assert bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009\r') == OK + b"\r\n+QIOPEN: 3,564\r\n"
    assert bench.host(b"AT+QSTADHCP=1\r") == OK
    assert bench.wait(1.0) == GOT_IP


def test_switching_dhcp_off_keeps_the_address() -> None:
    bench = Bench()
    assert bench.host(b"AT+QSTADHCP=0\r") == OK
    assert bench.wait(1.0) == b""
    assert ip(bench).startswith(b'"10.0.0.7"')
    assert bench.host(b"AT+QSTADHCP=1\rAT+QSTADHCP=1\r") == OK + OK
    assert bench.wait(1.0) == GOT_IP


def test_switching_dhcp_off_between_link_and_address() -> None:
    bench = Bench(joined=False)
    bench.host(JOIN)
    assert bench.wait(0.06) == CONNECTED
    bench.host(b"AT+QSTADHCP=0\r")
    assert bench.wait(5.0) == b""


@pytest.mark.parametrize(
    "said",
    [
        b'AT+QAPSTATIC="10.0.0.50","255.255.0.0","10.0.0.254"\r',
        b'AT+QAPSTATIC="10.0.0.50","255.255.0.0","10.0.0.254","8.8.8.8","1.1.1.1"\r',
        b'AT+QAPSTATIC="10.0.0.256","255.255.0.0","10.0.0.254","8.8.8.8"\r',
        b'AT+QAPSTATIC="10.0.0","255.255.0.0","10.0.0.254","8.8.8.8"\r',
        b'AT+QAPSTATIC=10.0.0.50,"255.255.0.0","10.0.0.254","8.8.8.8"\r',
        b'AT+QSTASTATIC="10.0.0.50","255.255.0.0","10.0.0.254","8.8.8.8"\r',
        b"AT+QAPSTATIC?\r",
        b"AT+QSTADHCP=2\r",
        b"AT+QSTADHCP\r",
        b"AT+QSTADHCP=\r",
        b'AT+QGETIP="both"\r',
        b"AT+QGETIP?\r",
        b'AT+QIDNSCFG="8.8.8"\r',
        b'AT+QIDNSCFG="8.8.8.8","1.1.1.1","1.0.0.1"\r',
        b"AT+QIDNSCFG\r",
    ],
)
def test_malformed_addresses(said: bytes) -> None:
    bench = Bench()
    before = ip(bench)
    assert bench.host(said) == ERROR
    assert ip(bench) == before


def test_qstastatic_leaves_the_own_hotspot_alone() -> None:
    bench = Bench(MANUAL.with_quirks(["qstastatic"]))
    bench.host(b'AT+QSOFTAP="mine"\r')
    bench.wait(1.0)
    before = ip(bench, b"ap")
    assert bench.host(STATIC.replace(b"QAP", b"QSTA")) == OK + GOT_IP
    assert (ip(bench)[:11], ip(bench, b"ap")) == (b'"10.0.0.50"', before)


def test_w12_dns_servers() -> None:
    bench = Bench()
    own = b'\r\n+QIDNSCFG: "10.0.0.1","0.0.0.0"\r\n' + OK
    assert bench.host(b"AT+QIDNSCFG?\r") == own
    assert bench.host(b"AT+QIDNSCFG=?\r") == own
    assert bench.host(b'AT+QIDNSCFG="8.8.8.8","1.1.1.1"\r') == OK
    assert bench.host(b"AT+QIDNSCFG?\r") == b'\r\n+QIDNSCFG: "8.8.8.8","1.1.1.1"\r\n' + OK
    assert ip(bench).endswith(b',"8.8.8.8"')
    bench.host(JOIN)
    bench.wait(1.0)
    assert bench.host(b'AT+QIDNSCFG="9.9.9.9"\r') == OK
    assert bench.host(b"AT+QIDNSCFG=?\r") == b'\r\n+QIDNSCFG: "9.9.9.9","0.0.0.0"\r\n' + OK
    bench.host(b"AT+QSTASTOP\r")
    assert ip(bench) == b'"0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"'
    bench.host(b"AT+QRST\r")
    bench.wait(1.0)
    assert bench.host(b"AT+QIDNSCFG?\r") == b'\r\n+QIDNSCFG: "0.0.0.0","0.0.0.0"\r\n' + OK


# ---- the module's own hotspot ---------------------------------------------------------------------------------------


def test_w13_own_hotspot() -> None:
    bench = Bench(joined=False)
    assert bench.host(b"AT+QAPSTATE\r") == b'\r\n+QAPSTATE: "SOFTAP_DOWN"\r\n' + OK
    assert ip(bench, b"ap") == b'"0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"'
    assert bench.module.ap_client(joins=True) is None, "nobody comes before it is there"
    assert bench.host(b'AT+QSOFTAP="mine","12345678"\r') == OK
    assert bench.wait(0.06) == AP_UP
    assert bench.module.radio.ap_up
    assert bench.host(b"AT+QAPSTATE\r") == b'\r\n+QAPSTATE: "SOFTAP_UP"\r\n' + OK
    assert ip(bench, b"ap") == b'"192.168.19.1","0.0.0.0","255.255.255.0","0.0.0.0"'
    mac = bench.module.ap_client(joins=True)
    assert bench.tick() == b'\r\n+QAPSTAT: "AP_CONNECT"\r\n'
    assert bench.module.ap_client(joins=False) == mac
    assert bench.tick() == b'\r\n+QAPSTAT: "AP_DISCONNECT"\r\n'
    assert bench.module.ap_client(joins=False) is None
    assert bench.host(b"AT+QSOFTAPSTOP\r") == OK + AP_DOWN
    assert bench.host(b"AT+QSOFTAPSTOP\r") == OK
    assert bench.host(b"AT+QAPSTATE\r") == b'\r\n+QAPSTATE: "SOFTAP_DOWN"\r\n' + OK
    assert not bench.module.radio.ap_up


def test_clients_have_addresses_by_the_seed_and_are_bounded() -> None:
    def played(seed: int) -> list[str | None]:
        bench = Bench(joined=False, seed=seed)
        bench.host(b'AT+QSOFTAP="mine"\r')
        bench.wait(1.0)
        return [bench.module.ap_client(joins=True) for _ in range(MAX_CLIENTS + 1)]

    first = played(3)
    assert first == played(3)
    assert first != played(4)
    assert (len(set(first[:-1])), first[-1]) == (MAX_CLIENTS, None)


def test_an_own_hotspot_that_is_started_again_starts_afresh() -> None:
    bench = Bench(joined=False)
    bench.host(b'AT+QSOFTAP="mine"\r')
    bench.wait(1.0)
    bench.module.ap_client(joins=True)
    bench.tick()
    assert bench.host(b'AT+QSOFTAP="ours"\r') == OK + AP_DOWN
    assert bench.wait(1.0) == AP_UP
    assert bench.module.ap_client(joins=False) is None


def test_w1_static_addresses_are_the_own_hotspots_first() -> None:
    bench = Bench()
    bench.host(b'AT+QSOFTAP="mine"\r')
    assert bench.wait(1.0) == AP_UP
    assert bench.host(STATIC) == OK
    assert ip(bench, b"ap") == b'"10.0.0.50","10.0.0.254","255.255.0.0","8.8.8.8"'
    assert ip(bench).startswith(b'"10.0.0.7"'), "both may be up (W24)"
    bench.host(b"AT+QSOFTAPSTOP\r")
    assert bench.host(STATIC) == OK + GOT_IP


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        (b'"mine","12345678",0', OK),
        (b'"mine",,1', OK),
        (b'"mine","12345678",x', ERROR),
        (b'"mine","12345678",0,0', ERROR),
        (b'"mine",""', ERROR),
        (b'"mine","1234567"', ERROR),
        (b'"mine","%b"' % (b"x" * 64), ERROR),
        (b'"","12345678"', ERROR),
        (b'"%b"' % (b"x" * 33), ERROR),
        (b"mine", ERROR),
        (b'"mine","12345678",', ERROR),
    ],
)
def test_w11_w12_parameters_of_the_own_hotspot(parameters: bytes, answer: bytes) -> None:
    bench = Bench(joined=False)
    assert bench.host(b"AT+QSOFTAP=" + parameters + b"\r") == answer
    assert bench.wait(1.0) == (AP_UP if answer == OK else b"")
    reject = Bench(MANUAL.with_quirks(["softap_reject"]), joined=False)
    assert reject.host(b"AT+QSOFTAP=" + parameters + b"\r") == ERROR


# ---- loss and return ------------------------------------------------------------------------------------------------


def test_the_hotspot_goes_out_of_reach() -> None:
    bench = Bench(aps=ALL)
    connection = bench.open(3)
    bench.module.lose_ap("yard")
    assert bench.tick() == b""
    bench.module.lose_ap("hall")
    assert bench.tick() == DISCONNECTED + b'\r\n+QIURC: "closed",3\r\n'
    assert connection.closed
    assert bench.host(b"AT+QGETWIFISTATE\r") == ERROR
    assert bench.host(b"AT+QSTAST\r") == b'\r\n+QSTAST: "STATION_UP"\r\n' + OK
    assert bench.host(b"AT+QWSCAN\r") + bench.wait(1.0) == CELLAR_SEEN + OK
    assert bench.host(JOIN) + bench.wait(1.0) == OK + NO_AP
    bench.module.restore_ap("hall", bench.now)
    assert bench.wait(60.0) == b"", "it was not saved"
    assert bench.host(JOIN) + bench.wait(1.0) == OK + CONNECTED + GOT_IP


def test_a_saved_hotspot_is_joined_again_when_it_returns() -> None:
    bench = joined(b'"yard"', *ALL)
    assert bench.host(JOIN.replace(b"INFO", b"INFODEF")) == OK + DISCONNECTED
    bench.wait(1.0)
    bench.module.lose_ap("hall")
    assert bench.tick() == DISCONNECTED
    bench.module.restore_ap("yard", bench.now)
    assert bench.wait(1.0) == b""
    bench.module.restore_ap("hall", bench.now)
    assert bench.wait(1.0) == CONNECTED + GOT_IP
    bench.module.restore_ap("hall", bench.now)
    assert bench.wait(1.0) == b"", "it is joined already"
    bench.module.lose_ap("hall")
    bench.host(b"AT+QSTASTOP\r")
    bench.module.restore_ap("hall", bench.now)
    assert bench.wait(1.0) == b"", "the host has told it to leave"


def test_the_hotspot_goes_while_it_is_joined() -> None:
    bench = Bench(joined=False)
    bench.host(JOIN)
    bench.module.lose_ap("hall")
    assert bench.wait(1.0) == NO_AP
    bench.module.restore_ap("hall", bench.now)
    bench.host(JOIN)
    assert bench.wait(0.06) == CONNECTED
    bench.module.lose_ap("hall")
    assert bench.wait(1.0) == DISCONNECTED


def test_the_hotspot_goes_in_data_mode() -> None:
    bench = Bench()
    assert bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,2\r') == CONNECT
    bench.module.lose_ap("hall")
    said = bench.tick()
    assert said == b"\r\nNO CARRIER\r\n" + DISCONNECTED + b'\r\n+QIURC: "closed",3\r\n'
    assert bench.host(b"AT\r") == OK


def test_changes_wait_for_the_final_result() -> None:
    bench = Bench()
    bench.open(3)
    bench.host(b"AT+QISEND=3,5\r")
    bench.module.lose_ap("hall")
    assert bench.tick() == b""
    assert bench.host(b"hello") == ERROR + DISCONNECTED + b'\r\n+QIURC: "closed",3\r\n'


# ---- what is left ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"AT+QWEBCFG=1\r", OK),
        (b"AT+QWEBCFG=2\r", ERROR),
        (b"AT+QWEBCFG?\r", ERROR),
        (b"AT+QWLMAC\r", b'\r\n+QWLMAC: "88:00:33:77:69:cc"\r\n' + OK),
        (b"AT+QWLMAC?\r", ERROR),
        (b"AT+QSTAAPINFORMV\r", OK),
        (b"AT+QSTAAPINFORMV=1\r", ERROR),
        (b"AT+QSTAAPINFODEF\r", ERROR),
        (b'AT+QURCCFG="urcport","uart1"\r', ERROR),
    ],
)
def test_other_commands(said: bytes, answer: bytes) -> None:
    assert Bench().host(said) == answer


def test_forgetting_keeps_the_link() -> None:
    bench = Bench()
    bench.host(JOIN.replace(b"INFO", b"INFODEF"))
    bench.wait(1.0)
    assert bench.host(b"AT+QSTAAPINFORMV\r") == OK
    assert bench.wait(1.0) == b""
    assert ip(bench).startswith(b'"10.0.0.7"')
