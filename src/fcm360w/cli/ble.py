"""`fcm360w ble serve`."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich_click as click

from fcm360w.cli.options import output_options, port_option
from fcm360w.cli.screen import printable, say
from fcm360w.errors import CommandError, FCM360WError, Overrun, PeerClosed, UsageError

if TYPE_CHECKING:
    from fcm360w.ble import Peripheral, Write

# A signal that comes just before a wait does not end it, so no wait is long.
SLICE = 0.5


@click.group()
def ble() -> None:
    """Offer a Bluetooth service through the module."""


@ble.command(epilog="Example: fcm360w ble serve -p /dev/ttyUSB0 --service fff0 -c fff1 --name bench --notify fff1")
@port_option
@click.option("--service", required=True, metavar="UUID", help="The service, of 16 or 128 bits.")
@click.option(
    "-c", "--characteristic", "characteristics", required=True, multiple=True, metavar="UUID", help="Up to five."
)
@click.option("--name", help="What the module is seen as.")
@click.option("--notify", metavar="UUID", help="Tell the central each line of stdin as this characteristic's value.")
@click.option("-n", "--count", type=click.IntRange(1), help="Stop after so many writes.")
@click.option("--for", "seconds", type=click.FloatRange(0), metavar="SECONDS", help="Stop after so long.")
@output_options
def serve(
    url: str,
    service: str,
    characteristics: tuple[str, ...],
    name: str | None,
    notify: str | None,
    count: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Be seen, let centrals connect, and print what they write, until interrupted: UUID and value, one a line.

    With --json one object a line.  A line of stdin waits until a central is there that has subscribed.
    """
    import fcm360w

    with (
        fcm360w.open(url) as module,
        module.ble.peripheral(service, characteristics, name, auto_advertise=True) as peripheral,
        _telling(peripheral, notify) as teller,
    ):
        try:
            peripheral.advertise()
            say(f"advertising as {module.ble.address()}; Ctrl-C ends it")
            for number, write in enumerate(_writes(peripheral, teller, seconds), 1):
                _print(write, as_json)
                if number == count:
                    return
        except KeyboardInterrupt:
            say("ending Bluetooth")


def _writes(peripheral: Peripheral, teller: Teller | None, seconds: float | None) -> Iterator[Write]:
    """Of one central after the other, until the time is up."""
    end = None if seconds is None else time.monotonic() + seconds
    met = False
    while (left := SLICE if end is None else min(SLICE, end - time.monotonic())) > 0:
        if teller and teller.failure:
            raise teller.failure
        try:
            if not met:
                peripheral.wait_connected(left)
                met = True
                say("a central is there")
            yield peripheral.receive(left)
        except TimeoutError:
            continue
        except PeerClosed:
            met = False
            say("the central is gone")
        except Overrun as error:
            say(str(error))


class Teller:
    """Notifies the lines of stdin in a thread of its own.  `failure` ends it."""

    def __init__(self, peripheral: Peripheral, characteristic: str) -> None:
        self.failure: FCM360WError | None = None
        self.over = threading.Event()
        self._peripheral = peripheral
        self._characteristic = characteristic
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            for line in _stdin():
                self._tell(line.rstrip(b"\r\n"))
        except FCM360WError as error:
            self.failure = error

    def _tell(self, value: bytes) -> None:
        while not self.over.is_set():
            try:
                self._peripheral.notify(self._characteristic, value)
                return
            except (PeerClosed, CommandError):  # there is none, or it has not subscribed
                self.over.wait(SLICE)
            except UsageError as error:
                if not self.over.is_set():
                    say(f"not told: {error}")
                return


def _stdin() -> Iterator[bytes]:
    """Its lines, by a buffer of our own: at its end the interpreter needs the lock of the usual one."""
    try:
        number = sys.stdin.fileno()
    except OSError:
        yield from sys.stdin.buffer
        return
    with open(number, "rb", closefd=False) as lines:
        yield from lines


@contextmanager
def _telling(peripheral: Peripheral, characteristic: str | None) -> Iterator[Teller | None]:
    from fcm360w.flows.ble import uuid_of

    if characteristic is None:
        yield None
        return
    if uuid_of(characteristic) not in peripheral.characteristics:
        raise click.UsageError(f"--notify {characteristic} is none of the characteristics")
    teller = Teller(peripheral, characteristic)
    try:
        yield teller
    finally:
        teller.over.set()


def _print(write: Write, as_json: bool) -> None:
    text = write.data.decode("utf-8", "backslashreplace")
    if as_json:
        click.echo(json.dumps({"characteristic": write.characteristic, "value": text, "hex": write.data.hex()}))
    else:
        click.echo(f"{write.characteristic} {printable(text)}")
    sys.stdout.flush()
