"""What the module remembers: across a restart, across a power cut, across the twin's own end."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from fcm360w.sim.dialect import MANUAL
from fcm360w.sim.store import Credentials, FileStore, MemoryStore, Saved
from sim_bench import ERROR, JOIN, OK, Bench

READY = b"\r\nready\r\n"
CONNECTED = b'\r\n+QSTASTAT: "WLAN_CONNECTED"\r\n'
GOT_IP = b'\r\n+QSTASTAT: "GOT_IP"\r\n'
SAVE = JOIN.replace(b"INFO", b"INFODEF")
FULL = Saved(echo=True, baud=9600, hotspot=Credentials("hall", "open sesame"), web_setup=True)


def restart(bench: Bench) -> bytes:
    bench.host(b"AT+QRST\r")
    return bench.wait(5.0)


# ---- in a folder ----------------------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "a" / "b"))
    assert store.load() == Saved()
    for saved in (FULL, Saved(hotspot=Credentials("höhle")), Saved()):
        store.save(saved)
        assert FileStore(str(tmp_path / "a" / "b")).load() == saved
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["settings.json"]


@pytest.mark.skipif(os.name == "nt", reason="platform: no modes")
def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "settings.new").touch(0o666)  # left behind by a twin that died
        FileStore(str(tmp_path)).save(FULL)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "settings.json").stat().st_mode) == 0o600


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(str(tmp_path))
    store.save(FULL)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        store.save(Saved())
    assert store.load() == FULL
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        b'"text"',
        b'{"echo": 1}',
        b'{"baud": true}',
        b'{"baud": 300}',
        b'{"baud": "9600"}',
        b'{"hotspot": "hall"}',
        b'{"hotspot": {"ssid": 3}}',
        b'{"hotspot": {"name": "hall"}}',
        b'{"hotspot": []}',
        b'{"web_setup": null}',
        b'{"unknown": 1}',
    ],
)
def test_what_no_twin_has_written(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "settings.json").write_bytes(text)
    with pytest.raises(ValueError, match=r"settings\.json was not written by a twin: remove it"):
        FileStore(str(tmp_path)).load()


def test_an_older_twin_knew_less(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"echo": True}))
    assert FileStore(str(tmp_path)).load() == Saved(echo=True)


def test_no_password_is_shown() -> None:
    assert "sesame" not in repr(FULL)


# ---- in the module --------------------------------------------------------------------------------------------------


def test_what_a_restart_leaves() -> None:
    bench = Bench(aps=())
    bench.host(b'ATE1\rAT+QICFG="transwaittm",7\rAT+QSOFTAP="mine"\rAT+QSTADHCP=0\rAT+QIDNSCFG="8.8.8.8"\r')
    bench.wait(1.0)
    assert restart(bench) == READY
    assert bench.host(b'AT+QICFG="transwaittm"\r') == b'\r\n+QICFG: "transwaittm",2\r\n' + OK, "and no echo"
    assert bench.host(b"AT+QAPSTATE;+QSTADHCP?;+QIDNSCFG?\r") == (
        b'\r\n+QAPSTATE: "SOFTAP_DOWN"\r\n\r\n+QSTADHCP: 1\r\n\r\n+QIDNSCFG: "0.0.0.0","0.0.0.0"\r\n' + OK
    )
    assert restart(bench) == READY


def test_echo_is_saved_by_qecho_alone() -> None:
    bench = Bench()
    bench.host(b"AT+QECHO=1\rATE0\r")
    restart(bench)
    assert bench.host(b"AT\r") == b"AT\r" + OK
    loud = Bench(MANUAL.with_quirks(["echo_on"]))
    loud.host(b"AT+QECHO=0\r")
    restart(loud)
    assert loud.host(b"AT\r") == OK


def test_w21_the_saved_hotspot_is_joined_at_a_start() -> None:
    bench = Bench(joined=False)
    assert bench.host(SAVE) + bench.wait(1.0) == OK + CONNECTED + GOT_IP
    assert restart(bench) == READY + CONNECTED + GOT_IP
    assert bench.host(b"AT+QSTAAPINFORMV\r") == OK
    assert restart(bench) == READY
    assert bench.host(b"AT+QSTAST\r") == b'\r\n+QSTAST: "STATION_DOWN"\r\n' + OK


def test_joining_without_saving_keeps_what_is_saved() -> None:
    bench = Bench(joined=False)
    bench.host(SAVE)
    bench.wait(1.0)
    bench.host(b'AT+QSTAAPINFO="elsewhere"\r')
    bench.wait(1.0)
    assert restart(bench) == READY + CONNECTED + GOT_IP


def test_a_hotspot_is_saved_though_it_cannot_be_joined() -> None:
    bench = Bench(joined=False)
    bench.host(b'AT+QSTAAPINFODEF="attic"\r')
    bench.wait(1.0)
    assert restart(bench) == READY + b'\r\n+QSTASTAT: "SCAN_NO_AP"\r\n'


def test_power_cycle_ends_whatever_goes_on() -> None:
    for said in (b"AT+QV", b"AT+QISEND=3,5\rhel", b"AT+QWSCAN\r", b"AT+QISWTMD=3,2\r", b'AT+QSOFTAP="mine"\r', b""):
        bench = Bench(joined=False)
        bench.host(SAVE)
        bench.wait(1.0)
        connection = bench.open(3)
        bench.host(said)
        bench.link.power_cycle(bench.now)
        assert bench.tick() == b""
        assert connection.closed
        assert bench.host(b"AT\r") == b""
        assert bench.wait(5.0) == READY + CONNECTED + GOT_IP
        assert bench.link.ignored == 3
        assert bench.host(b"AT\r") == OK
        assert bench.host(b"AT+QISTATE\r") == OK


def test_a_rate_that_was_not_saved_goes_with_the_power() -> None:
    bench = Bench(baud=9600)
    bench.host(b"AT+QSETBAND=19200,0\r")
    assert bench.link.take_baud() == 19200
    bench.link.power_cycle(bench.now)
    assert bench.link.take_baud() == 9600


def test_the_next_twin_starts_with_what_was_saved(tmp_path: Path) -> None:
    bench = Bench(joined=False, baud=9600, store=FileStore(str(tmp_path)))
    bench.host(SAVE + b"AT+QECHO=1\rAT+QSETBAND=19200,1\rAT+QWEBCFG=1\r")
    bench.wait(1.0)
    bench.host(b'AT+QSTAAPINFO="elsewhere"\r')
    again = Bench(joined=False, baud=9600, store=FileStore(str(tmp_path)))
    assert again.wait(5.0) == b"", "it has been running for a while"
    assert again.host(b"AT+QSETBAND?\r") == b"AT+QSETBAND?\r\r\n+QSETBAND: 19200\r\n" + OK
    assert again.module.radio.addresses.ip == "10.0.0.7"
    assert again.module.saved == dataclasses.replace(FULL, baud=19200)
    assert restart(again) == READY + CONNECTED + GOT_IP


def test_a_saved_hotspot_that_is_gone_or_has_another_password() -> None:
    for saved in (Credentials("attic"), Credentials("hall", "of mirrors")):
        store = MemoryStore()
        store.save(Saved(hotspot=saved))
        bench = Bench(joined=False, store=store)
        assert bench.wait(5.0) == b""
        assert bench.host(b"AT+QGETWIFISTATE\r") == ERROR
        assert bench.host(b"AT+QSTAST\r") == b'\r\n+QSTAST: "STATION_UP"\r\n' + OK


class FullStore(MemoryStore):
    def save(self, saved: Saved) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("said", [SAVE, b"AT+QECHO=1\r", b"AT+QSETBAND=9600,1\r", b"AT+QWEBCFG=1\r"])
def test_what_cannot_be_saved_is_refused(said: bytes) -> None:
    bench = Bench(joined=False, store=FullStore())
    assert bench.host(said) == ERROR
    assert bench.wait(1.0) == b""
    assert bench.host(b"AT\r") == OK
    assert bench.host(b"AT+QSETBAND?\r") == b"\r\n+QSETBAND: 115200\r\n" + OK
