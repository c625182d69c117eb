"""Offer a service to whoever comes, be seen, tell the one that came something, and end that."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from fcm360w.commands.ble import (
    MAX_CHARACTERISTICS,
    AddCharacteristic,
    Advertise,
    BleAddress,
    BleRole,
    GetBleAddress,
    Init,
    Notify,
    NotifyBytes,
    ServiceDone,
    SetAdvertised,
    SetBleName,
    SetInterval,
    SetService,
    StopAdvertising,
)
from fcm360w.commands.system import Switch
from fcm360w.errors import CommandError, TransportLost, UsageError
from fcm360w.pending import MAX_COMMAND
from fcm360w.steps import Later, Steps
from fcm360w.wire import Command


class Service(NamedTuple):
    """What a peripheral is: lower-case UUIDs of 4 or 32 digits, and what is seen of it from afar.

    `interval` is the shortest and the longest time between advertisements, in units of 0.625 ms.
    """

    uuid: str
    characteristics: tuple[str, ...]
    name: str | None = None
    auto_advertise: bool = False
    interval: tuple[int, int] | None = None
    advertised: bytes | None = None


def uuid_of(uuid: object) -> str:
    """A UUID as the module wants it (B7): text, with dashes or without, a number of 16 bits, or a uuid.UUID."""
    return f"{uuid:04x}" if isinstance(uuid, int) else str(uuid).replace("-", "").lower()


def address() -> Steps[str]:
    """The module's Bluetooth address, in lower case."""
    found: BleAddress = yield from GetBleAddress()
    return found.ble_addr.lower()


def commands_of(service: Service) -> list[Command[None]]:
    """What tells the module of a service.  UsageError if it is not to be."""
    count = len(service.characteristics)
    if not 1 <= count <= MAX_CHARACTERISTICS:
        raise UsageError(f"a service has 1..{MAX_CHARACTERISTICS} characteristics, not {count} (manual 2.2.7)")
    if len(set(service.characteristics)) < count:
        raise UsageError("two characteristics of one UUID cannot be told apart (manual 2.2.11)")
    if service.interval and service.interval[0] > service.interval[1]:
        raise UsageError(f"SetInterval: adv_int_min {service.interval[0]} is above adv_int_max (manual 2.2.4)")
    commands: list[Command[None]] = [SetBleName(service.name)] if service.name is not None else []
    commands += [SetInterval(*service.interval)] if service.interval else []
    commands += [SetAdvertised(service.advertised.hex())] if service.advertised is not None else []
    commands += [SetService(service.uuid), *map(AddCharacteristic, service.characteristics)]
    for command in commands:
        command.line()
    return commands


def offer(service: Service) -> Steps[None]:
    """Begin as a peripheral with a service, whatever Bluetooth did before.  CommandError if the module refuses.

    Sibling modules register a service without being asked to (B9), so a refusal of that is no error.
    """
    commands = commands_of(service)
    yield from _begin(Init(BleRole.PERIPHERAL, Switch(service.auto_advertise)))
    try:
        for command in commands:
            yield from command
        with contextlib.suppress(CommandError):
            yield from ServiceDone()
    except (TransportLost, GeneratorExit):
        raise
    except CommandError:
        yield from end()
        raise
    except BaseException:
        yield Later(end)
        raise


def _begin(command: Init) -> Steps[None]:
    """What an earlier owner began may have to be ended first."""
    try:
        yield from command
    except CommandError:
        yield from end()
        yield from command


def end() -> Steps[None]:
    """End Bluetooth, and the link if there is one; at least be seen no longer, if the module knows no end of it."""
    try:
        yield from Init(BleRole.OFF)
    except CommandError:
        with contextlib.suppress(CommandError):
            yield from StopAdvertising()


def advertise() -> Steps[None]:
    """Let centrals see the module, and connect."""
    yield from Advertise()


def stop() -> Steps[None]:
    """Be seen no longer."""
    yield from StopAdvertising()


def notification(uuid: str, data: bytes | str) -> Command[None]:
    """The command that tells a central something: text as it is if the line can hold it, else by its digits (B10).

    UsageError if there is too much of it for a line of the module's.
    """
    if isinstance(data, str) and all(" " <= char < "\x7f" and char != '"' for char in data):
        command: Command[None] = Notify(uuid, data)
    else:
        raw = data.encode() if isinstance(data, str) else data
        command = NotifyBytes(uuid, len(raw), raw.hex())
    if len(command.line()) > MAX_COMMAND:
        limit = f"the {MAX_COMMAND} bytes that the module takes"
        raise UsageError(f"{type(command).__name__}: data makes the line longer than {limit} (manual 2.2.11)")
    return command


def notify(command: Command[None]) -> Steps[None]:
    """Tell the central something.  CommandError, with the likely reason, if the module refuses."""
    try:
        yield from command
    except CommandError as error:
        if error.reason:
            raise
        reason = "the central has not subscribed, or is gone"
        raise CommandError(error.command, error.result, error.code, reason, error.section) from error


def sizes(data: Sequence[int] | str) -> int:
    """How many bytes a central gets."""
    return len(data.encode()) if isinstance(data, str) else len(data)
