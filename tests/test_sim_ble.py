"""The twin's Bluetooth: what it says without bumble, its bounds, and the loop that a world's air runs in."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fcm360w.commands.ble import BleRole
from fcm360w.sim import air
from fcm360w.sim.bluetooth import Bluetooth
from fcm360w.sim.steploop import StepLoop
from sim_bench import ERROR, OK, Bench


def test_without_bumble_it_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(air, "find_spec", lambda name: None)
    bench = Bench()
    with caplog.at_level(logging.WARNING, "fcm360w.sim"):
        assert bench.host(b"AT+QBLEINIT=2,0\r") == ERROR
    assert "pip install 'fcm360w[ble]'" in caplog.text
    assert bench.host(b"AT+QBLEINIT=0,0\r") == OK
    assert bench.host(b"AT+QBLEINIT?\r") == b"\r\n+QBLEINIT: 0\r\n" + OK
    assert bench.host(b"AT+QBLEADVSTART\r") == ERROR


def test_a_central_that_writes_faster_than_the_line_loses_the_latest() -> None:
    pytest.importorskip("bumble", reason="platform: bumble is not installed")
    bench = Bench()
    for line in (b"AT+QBLEINIT=2,0", b'AT+QBLEGATTSSRV="fff0"', b'AT+QBLEGATTSCHAR="fff1"', b"AT+QBLEGATTSSRVDONE"):
        assert bench.host(line + b"\r") == OK
    ears: Any = bench.module.bluetooth._ears
    for number in range(5000):
        ears.written(0, b"%d" % number)
    assert bench.module.bluetooth.dropped == 5000 - 4096


def test_what_another_peripheral_hears_is_not_told() -> None:
    pytest.importorskip("bumble", reason="platform: bumble is not installed")
    bench = Bench()
    bench.host(b"AT+QBLEINIT=2,0\r")
    ears: Any = bench.module.bluetooth._ears
    bench.host(b"AT+QBLEINIT=2,0\r")
    ears.connected()
    assert bench.tick() == b""
    assert not bench.module.bluetooth.linked


# ---- the loop


def test_timers_run_when_their_time_has_come() -> None:
    loop = StepLoop(10.0)  # type: ignore[abstract]
    said: list[str] = []
    loop.call_later(2.0, said.append, "late")
    loop.call_later(1.0, said.append, "early")
    loop.call_later(1.5, said.append, "never").cancel()
    loop.call_soon(said.append, "now")
    assert loop.deadline() == 10.0
    loop.step(10.0)
    assert (said, loop.deadline()) == (["now"], 11.0)
    loop.step(11.0)
    assert loop.deadline() == 12.0
    loop.step(20.0)
    assert (said, loop.deadline()) == (["now", "early", "late"], None)


def test_tasks_run_inside_a_task_of_another_loop() -> None:
    loop = StepLoop(0.0)  # type: ignore[abstract]

    async def inner() -> float:
        await asyncio.sleep(1.0)
        return asyncio.get_running_loop().time()

    async def outer() -> None:
        task = loop.create_task(inner())
        mine = asyncio.current_task()
        for now in (0.0, 0.5, 1.0):
            loop.step(now)
        assert task.result() == 1.0
        assert asyncio.current_task() is mine
        await asyncio.sleep(0)

    asyncio.run(outer())


def test_an_error_of_a_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    loop = StepLoop(0.0)  # type: ignore[abstract]
    loop.call_soon(lambda: 1 / 0)
    loop.step(0.0)
    assert "ZeroDivisionError" in caplog.text


def test_the_end_of_a_link_is_heard_behind_everything_else() -> None:
    pytest.importorskip("bumble", reason="platform: bumble is not installed")
    bench = Bench()
    for line in (b"AT+QBLEINIT=2,0", b'AT+QBLEGATTSSRV="fff0"', b'AT+QBLEGATTSCHAR="fff1"', b"AT+QBLEGATTSSRVDONE"):
        assert bench.host(line + b"\r") == OK
    ears: Any = bench.module.bluetooth._ears
    ears.connected()
    for number in range(5000):
        ears.written(0, b"%d" % number)
    ears.disconnected()
    assert bench.tick().endswith(b'\r\n+QBLESTAT: "DISCONNECTED"\r\n')
    assert not bench.module.bluetooth.linked


# ---- addresses


def on(shared: air.SteppedAir) -> Bluetooth:
    made = Bluetooth(lambda line: None)
    made.tune(lambda: shared, lambda: None)
    return made


def test_a_twin_keeps_its_address_when_its_stack_stops() -> None:
    pytest.importorskip("bumble", reason="platform: bumble is not installed")
    shared = air.SteppedAir(0.0)
    first, second = on(shared), on(shared)
    first.start(BleRole.PERIPHERAL, False)
    shared.step(1.0)
    first.start(BleRole.OFF, False)
    shared.step(2.0)
    assert first.address != second.address
    first.start(BleRole.PERIPHERAL, False)
    second.start(BleRole.PERIPHERAL, False)
    shared.step(3.0)
    first.close()
    shared.step(4.0)
    assert on(shared).address not in (second.address, ""), "an address that is in use was given away"


def test_an_address_is_free_when_nothing_of_the_twin_is_on_the_air() -> None:
    pytest.importorskip("bumble", reason="platform: bumble is not installed")
    shared = air.SteppedAir(0.0)
    first = on(shared)
    address = first.address
    first.start(BleRole.PERIPHERAL, False)
    shared.step(1.0)
    first.close()
    early = on(shared).address
    shared.step(2.0)
    assert shared.link.controllers == set()
    assert (early != address, on(shared).address) == (True, address)
