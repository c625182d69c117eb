"""Procedures of the Wi-Fi face beside the plain join: saving, addresses, the module's own hotspot, how it stands."""

from __future__ import annotations

import pytest

from fcm360w.commands import wifi as rows
from fcm360w.errors import CommandError, CommandTimeout, UsageError
from fcm360w.flows import wifi
from fcm360w.pending import MARGIN
from fcm360w.steps import Within
from scripted import ERROR, OK, World, answer, line

ADDRESSES = '+QGETIP: "10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"'
HOTSPOT = "+QGETWIFISTATE: ssid=hall,bssid=02:00:5e:10:00:01,rssi=-52"
FIXED = ("10.0.0.9", "255.255.255.0", "10.0.0.1", "8.8.8.8")
PRINTED = ",".join(f'"{part}"' for part in FIXED)


def sta(event: str) -> bytes:
    return line(f'+QSTASTAT: "{event}"')


def ap(event: str) -> bytes:
    return line(f'+QAPSTAT: "{event}"')


# ---- joining


def test_join_and_save() -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", ERROR)
    world.on('AT+QSTAAPINFODEF="hall","opensesame"', OK, (0.5, sta("WLAN_CONNECTED")), (0.6, sta("GOT_IP")))
    world.on('AT+QGETIP="station"', answer(ADDRESSES))
    assert world.run(wifi.join("hall", "opensesame", 30.0, save=True)).ip == "10.0.0.7"
    assert world.script.spent


@pytest.mark.parametrize("reply", [OK, ERROR, b""])
def test_a_join_that_takes_too_long_does_not_come_true_later(reply: bytes) -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", ERROR)
    world.on('AT+QSTAAPINFO="hall"', OK)
    world.on("AT+QSTASTOP", reply)
    begin = world.now
    with pytest.raises(CommandTimeout, match="QSTAAPINFO"):
        world.run(wifi.join("hall", None, 12.0))
    assert world.script.spent
    assert world.now < begin + 12.0 + MARGIN + 1.0


@pytest.mark.parametrize(
    "nothing", [ERROR, OK, answer("+QGETWIFISTATE: DISCONNECT"), answer("+QGETWIFISTATE:DISCONNECT")]
)
def test_each_word_for_not_joined(nothing: bytes) -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", nothing, always=True)
    assert world.run(wifi.joined()) is None
    with pytest.raises(CommandError, match=r"not joined \(manual 2\.1\.18\)"):
        world.run(wifi.hotspot())
    assert world.events() == []
    assert world.link.unparsed == 0


def test_the_hotspot() -> None:
    world = World()
    world.on("AT+QGETWIFISTATE", answer(HOTSPOT), always=True)
    assert world.run(wifi.joined()) == world.run(wifi.hotspot()) == rows.Hotspot("hall", "02:00:5e:10:00:01", -52)


def test_a_scan_may_take_its_time() -> None:
    world = World()
    world.on("AT+QWSCAN", (19.0, answer('+QWSCAN: "hall","WPA2_AES_PSK",-52,"02:00:5e:10:00:01",6')))
    (seen,) = world.run(rows.Scan())
    assert (seen.ssid, seen.channel) == ("hall", 6)
    world.on("AT+QWSCAN")
    with pytest.raises(CommandTimeout, match="no answer within 22 s"):
        world.run(rows.Scan())


# ---- addresses


@pytest.mark.parametrize("other", [OK, ERROR])
def test_fixed_addresses_go_by_whichever_name_the_firmware_knows(other: bytes) -> None:
    world = World()
    world.on("AT+QSTADHCP?", answer("+QSTADHCP: 1"))
    world.on("AT+QSTADHCP=0", OK)
    world.on(f"AT+QSTASTATIC={PRINTED}", other)
    if other == ERROR:
        world.on(f"AT+QAPSTATIC={PRINTED}", OK)
    world.run(wifi.fix_addresses(*FIXED))
    assert world.script.spent


@pytest.mark.parametrize("before", [0, 1])
def test_addresses_that_are_refused_leave_dhcp_as_it_was(before: int) -> None:
    world = World()
    world.on("AT+QSTADHCP?", answer(f"+QSTADHCP: {before}"))
    world.on("AT+QSTADHCP=0", OK)
    world.on(f"AT+QSTASTATIC={PRINTED}", ERROR)
    world.on(f"AT+QAPSTATIC={PRINTED}", ERROR)
    world.on(f"AT+QSTADHCP={before}", OK)
    with pytest.raises(CommandError, match="QAPSTATIC"):
        world.run(wifi.fix_addresses(*FIXED))
    assert world.script.spent


def test_addresses_are_checked_before_anything_is_sent() -> None:
    world = World()
    with pytest.raises(UsageError, match=r"gate .* \(manual 2\.1\.10\)"):
        world.run(wifi.fix_addresses("10.0.0.9", "255.255.255.0", "the gateway", "8.8.8.8"))
    assert world.sent == b""


def test_the_hardware_address() -> None:
    world = World()
    world.on("AT+QWLMAC", answer('+QWLMAC: "88:00:33:77:69:cc"'))
    assert world.run(wifi.mac()) == "88:00:33:77:69:cc"


# ---- the module's own hotspot


@pytest.mark.parametrize(("password", "printed"), [("12345678", ',"12345678"'), (None, ""), ("", "")])
def test_a_hotspot_is_there_once_it_is_on_the_air(password: str | None, printed: str) -> None:
    world = World()
    world.say(ap("AP_UP"))  # of an earlier one
    world.wait(1.0)
    begin = world.now
    world.on(f'AT+QSOFTAP="bench"{printed}', OK, (0.1, ap("AP_CONNECT")), (3.0, ap("AP_UP")))
    world.run(wifi.start_ap("bench", password))
    assert world.now >= begin + 3.0
    assert world.events() == [rows.ApEvent(rows.ApChange.CLIENT_JOINED)]


def test_a_hotspot_whose_line_does_not_come_may_be_up_all_the_same() -> None:
    world = World()
    world.on('AT+QSOFTAP="bench"', OK)
    world.on("AT+QAPSTATE", answer('+QAPSTATE: "SOFTAP_UP"'))
    world.run(wifi.start_ap("bench", None))
    assert world.script.spent


def test_a_hotspot_that_does_not_come_up() -> None:
    world = World()
    world.on('AT+QSOFTAP="bench","opensesame"', OK)
    world.on("AT+QAPSTATE", answer('+QAPSTATE: "SOFTAP_DOWN"'))
    begin = world.now
    with pytest.raises(CommandTimeout, match=r"manual 3\.1\.2") as caught:
        world.run(wifi.start_ap("bench", "opensesame"))
    assert world.now < begin + wifi.AP_STARTS + 1.0
    assert "opensesame" not in str(caught.value)


def test_a_password_of_a_hotspot_is_checked_before_anything_is_sent() -> None:
    world = World()
    with pytest.raises(UsageError, match="key"):
        world.run(wifi.start_ap("bench", "short"))
    assert world.sent == b""


# ---- both


@pytest.mark.parametrize("joined", [True, False])
def test_status(joined: bool) -> None:
    world = World()
    world.on("AT+QSTAST", answer('+QSTAST: "STATION_UP"' if joined else '+QSTAST: "STATION_DOWN"'))
    world.on("AT+QGETWIFISTATE", answer(HOTSPOT) if joined else ERROR)
    world.on('AT+QGETIP="station"', answer(ADDRESSES))
    world.on("AT+QAPSTATE", answer('+QAPSTATE: "SOFTAP_DOWN"' if joined else '+QAPSTATE: "SOFTAP_UP"'))
    found = world.run(wifi.status())
    assert (found.station, found.hotspot is not None, found.ap) == (joined, joined, not joined)
    assert found.addresses.gate == "10.0.0.1"


def test_a_module_that_falls_silent_is_one_clear_error() -> None:
    world = World()
    world.on("AT+QSTAST")
    with pytest.raises(CommandTimeout, match="QSTAST"):
        world.run(wifi.status())
    world.on("AT", OK)
    world.on("AT+QWLMAC", answer('+QWLMAC: "88:00:33:77:69:cc"'))
    assert world.run(Within(rows.GetMacAddress(), 1.0)).mac
