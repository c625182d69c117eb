"""How hotspots in reach are written on a command line."""

from __future__ import annotations

import pytest

from fcm360w.sim.hotspots import AccessPoint, parse_access_points, split_access_points


def parsed(text: str) -> AccessPoint:
    (ap,) = parse_access_points([text])
    return ap


def test_name_and_password() -> None:
    assert parsed("hall") == AccessPoint("hall")
    assert parsed("hall:open sesame") == AccessPoint("hall", "open sesame")
    assert parsed("hall:pass:word") == AccessPoint("hall", "pass:word")
    assert "sesame" not in repr(parsed("hall:open sesame"))


def test_options_in_any_order() -> None:
    every = parsed("hall:open sesame,hidden,security=WPA3_SAE,channel=11,rssi=-60")
    assert every == AccessPoint("hall", "open sesame", -60, 11, security="WPA3_SAE", hidden=True)
    assert every == parsed("hall:open sesame,rssi=-60,channel=11,security=WPA3_SAE,hidden")
    assert (every.psk_type, parsed("hall:12345678").psk_type, parsed("hall").psk_type) == (
        "WPA3_SAE",
        "WPA2_AES_PSK",
        "OPEN",
    )


@pytest.mark.parametrize("text", ["a,b", "a,b:12345678,x=1", "x:pass,word,3", "x:1234,ring=12", "x:secret,hide"])
def test_commas_in_names_and_passwords(text: str) -> None:
    ap = parsed(text + ",rssi=-60")
    assert (f"{ap.ssid}:{ap.password}".removesuffix(":"), ap.rssi) == (text, -60)


def test_each_has_a_station_and_a_network_of_its_own() -> None:
    aps = parse_access_points(f"ap {number}" for number in range(300))
    assert len({ap.bssid for ap in aps}) == 300
    assert [ap.lease.ip for ap in aps[:2]] == ["10.0.0.7", "10.0.1.7"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "an SSID has 1 to 32 bytes"),
        ("ü" * 17, "an SSID has 1 to 32 bytes"),
        (",rssi=-60", "an SSID has 1 to 32 bytes"),
        ("hall:", "a password has 8 to 63 bytes"),
        ("hall:short", "a password has 8 to 63 bytes"),
        ("hall:" + "x" * 64, "a password has 8 to 63 bytes"),
        ("ha\rll", "control characters"),
        ("hall,rssi=0", "rssi=0 is not a whole number from -99 to -1"),
        ("hall,rssi=loud", "rssi=loud is not"),
        ("hall,channel=15", "channel=15 is not a whole number from 1 to 14"),
        ("hall,channel=", "channel= is not"),
        ("hall,security=WPA9", "security=WPA9 is not one of OPEN, WEP_SHARED, WPA_TKIP_PSK"),
        ("hall,security=WPA3_SAE", "security=WPA3_SAE needs a password"),
        ("hall:12345678,security=OPEN", "security=OPEN takes no password"),
        ("hall,security=", "security= is not one of"),
        ("hall,hidden,hidden", "hidden is given twice"),
        ("hall,rssi=-1,rssi=-2", "rssi is given twice"),
        ("hall,rsi=-60", "no option 'rsi'; there are rssi, channel, security, hidden"),
        ("hall:12345678,chanel=6", "no option 'chanel'"),
        ("hall:12345678,hiden", "no option 'hiden'"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_access_points([text])
    assert fault in str(caught.value)
    assert "12345678" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_several_in_one_text() -> None:
    assert split_access_points("a:12345678,rssi=-60,b,hidden,channel=3,c") == [
        "a:12345678,rssi=-60",
        "b,hidden,channel=3",
        "c",
    ]
    assert split_access_points("hidden,rssi=-3") == ["hidden,rssi=-3"]
    assert split_access_points("a,b") == ["a", "b"]
