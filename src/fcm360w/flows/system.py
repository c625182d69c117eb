"""Restart the module, change the speed of its serial port, upgrade its firmware."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from enum import StrEnum

from fcm360w.commands.system import (
    Booted,
    GetBaudRate,
    GetVersion,
    Restart,
    SetBaudRate,
    Switch,
    Upgrade,
    UpgradeBare,
    UpgradeChange,
    UpgradeEvent,
)
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.flows.probe import PROBE, probe, quiet_echo
from fcm360w.steps import Now, Pause, Rate, StartRate, Steps, Tell, Until, forget

# How often a module that may be starting is asked whether it is there, and how long it may be busy with new firmware.
ASK_EVERY = 0.5
INSTALLING = 120.0
ATTEMPTS = 3


class UpgradeStage(StrEnum):
    """How far an upgrade is."""

    DOWNLOADING, CHECKED = "downloading", "downloaded"
    INSTALLING, RUNNING = "installing", "running"


STAGES = {UpgradeChange.FETCHED: UpgradeStage.CHECKED, UpgradeChange.INSTALLING: UpgradeStage.INSTALLING}


def version() -> Steps[str]:
    """The firmware's name."""
    return (yield from GetVersion()).version


def baud() -> Steps[int]:
    """The speed of the module's serial port, as it says."""
    return (yield from GetBaudRate()).baud_rate


def restart(seconds: float) -> Steps[None]:
    """Restart, and wait until the module answers again, its banner or none before.  Its sockets are gone.

    A module whose OK did not get through may have restarted all the same.  CommandTimeout if it is not back in time.
    """
    yield from forget(Booted)
    with contextlib.suppress(CommandTimeout):
        yield from Restart()
    yield from _started(Restart().line(), seconds)


def _started(cause: str, seconds: float) -> Steps[None]:
    """A restarted module runs at the speed that was saved, and its echo may be on."""
    yield StartRate()
    if not (yield from _answers(seconds)):
        raise CommandTimeout(cause, seconds, Restart.ref)
    yield Tell(Booted())
    yield Pause(0.1)  # what was asked of it while it started may be answered late
    yield from quiet_echo()


def _answers(seconds: float) -> Steps[bool]:
    """Ask at the banner, or after a while without one: a module that is about to restart still answers."""
    wait = ASK_EVERY
    for _ in range(math.ceil(seconds / ASK_EVERY)):
        yield from Until(Booted, wait)
        if (yield from probe(PROBE)):
            return True
        wait = ASK_EVERY - PROBE
    return False


def set_baud(rate: int, save: bool) -> Steps[None]:
    """Change the speed of both sides.  If nothing answers at the new one, this side goes back to the old.

    UsageError before anything is sent if the port cannot follow; ProtocolError if the module does not answer.
    """
    command = SetBaudRate(rate, Switch(save))
    command.line()
    before: int | None = yield Rate()
    if before is None:
        before = yield from baud()
    yield Rate(rate)  # a port that refuses it does so while the module can still be heard
    yield Rate(before)
    yield from command
    yield Rate(rate, saved=save)
    if (yield from _settled()):
        return
    yield Rate(before)
    where = "it is back at" if (yield from _settled()) else "nor does it answer at"
    raise ProtocolError(f"the module does not answer at {rate} bit/s, {where} {before} (manual {SetBaudRate.ref})")


def _settled() -> Steps[bool]:
    """What was on the wire during the change may have left half a line in the module."""
    for _ in range(ATTEMPTS):
        if (yield from probe(PROBE)):
            return True
    return False


def untold(stage: UpgradeStage) -> None:
    """Nobody wants to know how far it is."""


def upgrade(url: str, seconds: float, told: Callable[[UpgradeStage], object] = untold) -> Steps[str]:
    """Fetch and install firmware, wait for the restart, and return the version that runs then.

    `told` hears each stage as it begins.  CommandError if it is refused, or cannot be downloaded; CommandTimeout if
    the module has not begun to install it in `seconds`.
    """
    command = Upgrade(url)
    line = command.line()
    yield from forget(UpgradeEvent)
    yield from forget(Booted)
    try:
        yield from command
    except CommandError:
        yield from UpgradeBare(url)
    told(UpgradeStage.DOWNLOADING)
    yield from _downloaded(line, seconds, told)
    yield from _started(line, INSTALLING)
    told(UpgradeStage.RUNNING)
    return (yield from version())


def _downloaded(line: str, seconds: float, told: Callable[[UpgradeStage], object]) -> Steps[None]:
    """Until it is being installed; some lines may have been lost on the way."""
    end = (yield Now()) + seconds
    while True:
        event = yield from Until(UpgradeEvent, max(0.0, end - (yield Now())))
        if event is None:
            raise CommandTimeout(line, seconds, UpgradeEvent.ref)
        if event.event is UpgradeChange.FAILED:
            raise CommandError(line, event.line(), None, "it cannot be downloaded", UpgradeEvent.ref)
        if event.event in STAGES:
            told(STAGES[event.event])
        if event.event is UpgradeChange.INSTALLING:
            return
