"""Join a hotspot, and leave it."""

from __future__ import annotations

import contextlib

from fcm360w.commands.wifi import (
    Addresses,
    GetAddresses,
    GetHotspot,
    Join,
    Leave,
    StationChange,
    StationEvent,
)
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.steps import Pause, Steps, Until

_ENDS = {StationChange.GOT_IP, StationChange.NO_AP, StationChange.DISCONNECTED}
_REASONS = {StationChange.NO_AP: "no such hotspot", StationChange.DISCONNECTED: "refused: is the password right?"}


def join(ssid: str, password: str | None, seconds: float) -> Steps[Addresses]:
    """Join and wait for an address.  CommandError if the hotspot is absent or refuses; CommandTimeout if nothing comes.

    An empty password is none: the hotspot is open.
    """
    command = Join(ssid, password or None)
    line = command.line(mask=True)
    if (yield from _joined()):
        yield from _leave()
    yield from _forget()
    yield from command
    event = yield from Until(StationEvent, seconds, lambda event: event.event in _ENDS)
    if event is None:
        raise CommandTimeout(line, seconds, StationEvent.ref)
    if event.event is not StationChange.GOT_IP:
        raise CommandError(line, event.line(), None, _REASONS[event.event], StationEvent.ref)
    return (yield from GetAddresses())


def _joined() -> Steps[bool]:
    """A module that is not joined answers ERROR, or OK without a hotspot."""
    try:
        yield from GetHotspot()
    except (CommandError, ProtocolError):
        return False
    return True


def _forget() -> Steps[None]:
    """Lines that told of an earlier join must not be taken for the fate of the next."""
    while (yield from Until(StationEvent, 0.0)):
        continue


def _leave() -> Steps[None]:
    """A module that is joined says that it left."""
    yield from _forget()
    with contextlib.suppress(CommandError):
        yield from Leave()
    yield from Until(StationEvent, 1.0, lambda event: event.event is StationChange.DISCONNECTED)


def leave() -> Steps[None]:
    """Leave the hotspot."""
    yield from Leave()
    yield Pause(0.0)
