"""Restarting the module, changing its speed and its firmware."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from fcm360w.commands import system as rows
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError, UsageError
from fcm360w.events import Event
from fcm360w.flows import system
from fcm360w.states import State
from scripted import ERROR, OK, World, answer, line

READY = line("ready")
OLD, NEW = 115200, 921600


class Wires:
    """A port whose rate can be changed, and a module that is only heard at the same rate."""

    def __init__(self, world: World, rate: int | None = OLD, refuses: int | None = None) -> None:
        self.world = world
        self.rate = rate
        self.refuses = refuses
        self.tried: list[int] = []
        world.link.retune = self.retune

    def retune(self, rate: int | None) -> int | None:
        if rate is not None:
            if rate == self.refuses:
                raise UsageError(f"cannot run at {rate} bit/s")
            self.tried.append(rate)
            self.rate = rate
        return self.rate


def hears(world: World) -> Callable[[Event], bool]:
    """A channel's ear: what is told to all of them."""
    heard: list[object] = []

    def sink(event: Event) -> bool:
        heard.append(event.row)
        return False

    world.link.sinks.append(sink)
    sink.heard = heard  # type: ignore[attr-defined]
    return sink


def awake(world: World) -> None:
    world.on("ATE0", ERROR)
    world.on("AT+QECHO=0", OK)


# ---- restart


@pytest.mark.parametrize("banner", [READY, line("RDY")])
def test_a_restart_waits_for_either_banner(banner: bytes) -> None:
    world = World()
    ear = hears(world)
    world.on("AT+QRST", OK, (3.0, banner))
    for _ in range(5):
        world.on("AT")
    world.on("AT", OK)
    awake(world)
    begin = world.now
    world.run(system.restart(10.0))
    assert begin + 3.0 <= world.now < begin + 3.5
    assert rows.Booted() in ear.heard  # type: ignore[attr-defined]
    assert world.link.state is State.COMMAND
    assert b"ATE0" in world.sent


def test_a_restart_without_a_banner_asks_until_the_module_answers() -> None:
    world = World()
    ear = hears(world)
    world.on("AT+QRST", OK)
    for _ in range(5):
        world.on("AT")
    world.on("AT", OK)
    awake(world)
    begin = world.now
    world.run(system.restart(10.0))
    assert begin + 2.5 <= world.now < begin + 4.0
    assert ear.heard == [rows.Booted()]  # type: ignore[attr-defined]
    asked = [at for at, data in world.writes if data == b"AT\r\n"]
    assert min(later - earlier for earlier, later in pairwise(asked)) == pytest.approx(0.5, abs=0.05)


def test_a_module_that_still_answers_is_not_taken_for_restarted_at_once() -> None:
    """The first question comes half a second after the OK."""
    world = World()
    world.on("AT+QRST", OK, (0.4, READY))
    world.on("AT", OK)
    awake(world)
    world.run(system.restart(10.0))
    assert [data for _, data in world.writes][:2] == [b"AT+QRST\r\n", b"AT\r\n"]
    assert world.writes[1][0] - world.writes[0][0] >= 0.4


def test_a_banner_of_an_earlier_start_does_not_count() -> None:
    world = World()
    world.say(READY)
    world.wait(1.0)
    world.on("AT+QRST", OK, (2.0, READY))
    for _ in range(3):
        world.on("AT")
    world.on("AT", OK)
    awake(world)
    begin = world.now
    world.run(system.restart(10.0))
    assert world.now >= begin + 2.0


def test_a_restart_whose_ok_is_lost() -> None:
    world = World()
    world.on("AT+QRST", (1.0, READY))
    world.on("AT", OK)
    awake(world)
    world.run(system.restart(10.0))
    assert world.script.spent


def test_a_restart_that_is_refused() -> None:
    world = World()
    world.on("AT+QRST", ERROR)
    with pytest.raises(CommandError, match="QRST"):
        world.run(system.restart(10.0))


def test_a_module_that_does_not_come_back() -> None:
    world = World()
    world.on("AT+QRST", OK)
    begin = world.now
    with pytest.raises(CommandTimeout, match=r"AT\+QRST: no answer within 10 s \(manual 2\.1\.1\)"):
        world.run(system.restart(10.0))
    assert begin + 9.0 < world.now < begin + 11.0


def test_answers_that_come_late_are_not_taken_for_others() -> None:
    world = World()
    world.on("AT+QRST", OK, (0.9, READY + OK))
    world.on("AT")
    world.on("AT", OK)
    awake(world)
    world.run(system.restart(10.0))
    world.on("AT+QVERSION", answer("+QVERSION: FCM360W"))
    assert world.run(system.version()) == "FCM360W"


# ---- speed


def test_both_sides_change_speed() -> None:
    world = World()
    wires = Wires(world)
    world.on(f"AT+QSETBAND={NEW},0", OK)
    world.on("AT", OK)
    world.run(system.set_baud(NEW, save=False))
    assert wires.rate == NEW
    assert world.link.start_rate == OLD
    assert world.link.wire_time(0) == pytest.approx(2048 * 10 / NEW)


def test_a_port_without_a_rate_of_its_own_learns_the_modules() -> None:
    world = World()
    wires = Wires(world, rate=None)
    world.on("AT+QSETBAND?", answer(f"+QSETBAND: {OLD}"))
    world.on(f"AT+QSETBAND={NEW},1", OK)
    for _ in range(3):
        world.on("AT")
    world.on("AT", OK)
    with pytest.raises(ProtocolError):
        world.run(system.set_baud(NEW, save=True))
    assert wires.rate == OLD


@pytest.mark.parametrize("rate", [1199, 2_000_001])
def test_a_speed_out_of_range(rate: int) -> None:
    world = World()
    Wires(world)
    with pytest.raises(UsageError, match=r"baud_rate .* outside 1200\.\.2000000 \(manual 2\.1\.5\)"):
        world.run(system.set_baud(rate, save=False))
    assert world.sent == b""


@pytest.mark.parametrize("known", [None, OLD])
def test_a_port_that_cannot_change_its_speed(known: int | None) -> None:
    world = World(baud=known)
    with pytest.raises(UsageError, match="cannot change its baud rate"):
        world.run(system.set_baud(NEW, save=False))
    assert world.sent == b""
    assert world.link.state is State.COMMAND


def test_a_port_that_cannot_run_at_that_speed() -> None:
    """Nothing may be said to the module then: it could not be called back."""
    world = World()
    wires = Wires(world, refuses=NEW)
    with pytest.raises(UsageError, match="cannot run at 921600"):
        world.run(system.set_baud(NEW, save=False))
    assert world.sent == b""
    assert wires.rate == OLD


def test_a_module_that_refuses_a_speed() -> None:
    world = World()
    wires = Wires(world)
    world.on(f"AT+QSETBAND={NEW},0", ERROR)
    with pytest.raises(CommandError):
        world.run(system.set_baud(NEW, save=False))
    assert (wires.rate, world.link.start_rate) == (OLD, None)


def test_this_side_goes_back_if_nothing_answers() -> None:
    """The module said OK and did not change."""
    world = World()
    wires = Wires(world)
    world.on(f"AT+QSETBAND={NEW},0", OK)
    for _ in range(3):
        world.on("AT")
    world.on("AT", (0.01, ERROR))  # what came at the wrong speed was half a line
    world.on("AT", OK)
    with pytest.raises(
        ProtocolError, match=r"does not answer at 921600 bit/s, it is back at 115200 \(manual 2\.1\.5\)"
    ):
        world.run(system.set_baud(NEW, save=False))
    assert wires.tried == [NEW, OLD, NEW, OLD]
    assert world.link.start_rate is None
    assert world.link.state is State.COMMAND


def test_a_module_that_answers_at_neither_speed() -> None:
    world = World()
    wires = Wires(world)
    world.on(f"AT+QSETBAND={NEW},0", OK)
    with pytest.raises(ProtocolError, match="nor does it answer at 115200"):
        world.run(system.set_baud(NEW, save=False))
    assert wires.rate == OLD
    world.on("AT", OK)
    world.on("AT+QSETBAND?", answer(f"+QSETBAND: {OLD}"))
    assert world.run(system.baud()) == OLD


def test_a_first_answer_may_be_lost_in_the_change() -> None:
    world = World()
    wires = Wires(world)
    world.on(f"AT+QSETBAND={NEW},0", OK)
    world.on("AT", b"\xff\x00\r\n")
    world.on("AT", OK)
    world.run(system.set_baud(NEW, save=False))
    assert wires.rate == NEW


@pytest.mark.parametrize("save", [False, True])
def test_after_a_restart_the_speed_is_the_saved_one(save: bool) -> None:
    world = World()
    wires = Wires(world)
    for rate in (NEW, 57600):
        world.on(f"AT+QSETBAND={rate},{int(save)}", OK)
        world.on("AT", OK)
        world.run(system.set_baud(rate, save))
    world.on("AT+QRST", OK, (0.2, READY))
    world.on("AT", OK)
    awake(world)
    world.run(system.restart(10.0))
    assert wires.rate == (57600 if save else OLD)
    assert world.link.start_rate is None


# ---- upgrade


URL = "http://10.0.0.9/new.rbl"


def ota(event: str) -> bytes:
    return line(f'+QOTASTAT: "{event}"')


def test_an_upgrade_ends_with_the_new_version() -> None:
    world = World()
    steps = [(1.0, ota("START_DOWNLOAD")), (60.0, ota("DOWNLOAD_SUCCEED")), (61.0, ota("START_UPGRADE"))]
    world.on(f'AT+QWLANOTA="{URL}"', OK, *steps, (90.0, READY))
    world.on("AT+QVERSION", answer("+QVERSION: FCM360WAAR02A01"))
    for _ in range(57):
        world.on("AT")
    world.on("AT", OK)
    awake(world)
    stages: list[tuple[float, str]] = []
    begin = world.now
    told = lambda stage: stages.append((round(world.now - begin), stage.value))  # noqa: E731
    assert world.run(system.upgrade(URL, 300.0, told)) == "FCM360WAAR02A01"
    assert stages == [(0, "downloading"), (60, "downloaded"), (61, "installing"), (90, "running")]
    assert not [row for row in world.events() if isinstance(row, rows.UpgradeEvent)]


def test_an_upgrade_by_a_url_without_quotes() -> None:
    world = World()
    world.on(f'AT+QWLANOTA="{URL}"', ERROR)
    world.on(f"AT+QWLANOTA={URL}", OK, (1.0, ota("DOWNLOAD_FAILED")))
    with pytest.raises(CommandError, match=r"DOWNLOAD_FAILED.*cannot be downloaded \(manual 3\.1\.3\)"):
        world.run(system.upgrade(URL, 300.0))
    assert world.script.spent


def test_an_upgrade_that_is_refused_either_way() -> None:
    world = World()
    world.on(f'AT+QWLANOTA="{URL}"', ERROR)
    world.on(f"AT+QWLANOTA={URL}", ERROR)
    with pytest.raises(CommandError, match=r"QWLANOTA=.*manual 2\.1\.6"):
        world.run(system.upgrade(URL, 300.0))


def test_an_upgrade_that_nothing_is_heard_of() -> None:
    world = World()
    world.on(f'AT+QWLANOTA="{URL}"', OK, (1.0, ota("START_DOWNLOAD")))
    begin = world.now
    with pytest.raises(CommandTimeout, match="QWLANOTA"):
        world.run(system.upgrade(URL, 50.0))
    assert world.now == pytest.approx(begin + 50.0, abs=0.1)
