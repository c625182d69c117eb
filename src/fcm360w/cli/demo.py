"""`fcm360w demo`: the main job on the embedded twin, with figures."""

from __future__ import annotations

import itertools
import json
import random
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import rich_click as click

from fcm360w.cli.options import output_options
from fcm360w.cli.screen import say

if TYPE_CHECKING:
    from fcm360w.cli.loopback import Server
    from fcm360w.sim import Twin
    from fcm360w.streams import Stream

BAUD = 2_000_000
BITS_PER_BYTE = 10
PACED, UNPACED = 400_000, 20_000_000
ENOUGH = 0.97
NOTES = (
    "Ceiling: {baud:,} bit/s / {bits} = {ceiling:,} B/s, for 8N1 puts {bits} bits on the wire for each byte.",
    "Paced runs are timed by the twin at its serial line, from the first payload byte to the last; unpaced runs by this"
    " program, from end to end.",
    "CPU, in % of one core, is that of the whole process, which twin and server share; Driver that of the one thread"
    " that moves the data.",
)


@dataclass(frozen=True)
class Run:
    """One direction.  Rates in bytes per second; `ceiling` and `utilisation` None if unpaced; CPU in cores."""

    baud: int | None
    direction: Literal["to network", "to host"]
    bytes: int
    seconds: float
    rate: float
    ceiling: float | None
    utilisation: float | None
    cpu: float
    driver_cpu: float
    sha256: str
    intact: bool

    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        where = f"{'paced' if self.baud else 'unpaced'} {self.direction}"
        if not self.intact:
            return f"{where}: SHA-256 differs"
        if self.utilisation is not None and self.utilisation < ENOUGH:
            return f"{where}: only {self.utilisation:.1%} of the wire used, {ENOUGH:.0%} wanted; is the machine busy?"
        return None


@click.command()
@output_options
def demo(as_json: bool) -> None:
    """Show the product at work: no hardware, no arguments, no network but this machine's own.

    Starts the digital twin and a plain TCP server, joins Wi-Fi, opens a transparent stream and moves data both ways,
    paced as a 2 Mbaud wire and unpaced.  Checks SHA-256 on both ends.  Takes some 15 s.
    """
    from fcm360w.cli.failures import Incomplete

    start = time.monotonic()
    runs = [*perform(BAUD, PACED), *perform(None, UNPACED)]
    problems = [problem for run in runs if (problem := run.problem())]
    if as_json:
        click.echo(json.dumps({"runs": [asdict(run) for run in runs], "problems": problems}))
    else:
        _show(runs)
    if problems:
        raise Incomplete("; ".join(problems))
    say(f"All SHA-256 digests agree.  {time.monotonic() - start:.1f} s in all.")


def perform(baud: int | None, count: int) -> list[Run]:
    """Move `count` bytes each way over a line of that bit rate, None for unpaced."""
    import fcm360w
    from fcm360w.cli.loopback import Server
    from fcm360w.sim import AccessPoint, Twin

    source = random.Random(count)
    outbound, inbound = source.randbytes(count), source.randbytes(count)
    hotspot = AccessPoint("hall", "open sesame")
    with (
        Server(inbound, count) as server,
        Twin([hotspot], baud=baud, name="demo") as twin,
        fcm360w.open("sim://demo") as module,
    ):
        address = module.wifi.join(hotspot.ssid, hotspot.password).ip
        say(f"joined {hotspot.ssid}, address {address}; moving {count:,} bytes each way, {_line(baud)}")
        with module.stream(server.host, server.port) as stream:
            return [_send(stream, server, outbound, twin), _receive(stream, server, inbound, twin)]


def _line(baud: int | None) -> str:
    return f"{baud / 1e6:g} Mbit/s" if baud else "unpaced"


class Meter:
    """Time and CPU from its making to stop()."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time(), time.thread_time()
        self.seconds = self.cpu = self.driver_cpu = 0.0

    def stop(self) -> None:
        wall, process, thread = self._start
        self.seconds = time.perf_counter() - wall
        self.cpu = (time.process_time() - process) / self.seconds
        self.driver_cpu = (time.thread_time() - thread) / self.seconds


def _send(stream: Stream, server: Server, data: bytes, twin: Twin) -> Run:
    meter = Meter()
    stream.sendall(data)
    server.await_all()
    meter.stop()
    return _judge("to network", data, server.received, meter, twin)


def _receive(stream: Stream, server: Server, data: bytes, twin: Twin) -> Run:
    received = memoryview(bytearray(len(data)))
    meter, done = Meter(), 0
    server.begin()
    while done < len(data):
        done += stream.recv_into(received[done:])
    meter.stop()
    return _judge("to host", data, received, meter, twin)


def _judge(
    direction: Literal["to network", "to host"], sent: bytes, arrived: bytearray | memoryview, meter: Meter, twin: Twin
) -> Run:
    seconds, used, counted = meter.seconds, None, len(sent)
    passage = twin.stamps.to_network if direction == "to network" else twin.stamps.to_host
    if twin.baud and passage.first is not None and passage.last is not None:
        seconds, used = passage.last - passage.first, passage.utilisation(twin.baud)
        counted -= 1  # the first byte had passed when the time began
    digest = sha256(arrived).hexdigest()
    return Run(
        baud=twin.baud,
        direction=direction,
        bytes=len(sent),
        seconds=seconds,
        rate=counted / seconds,
        ceiling=twin.baud / BITS_PER_BYTE if twin.baud else None,
        utilisation=used,
        cpu=meter.cpu,
        driver_cpu=meter.driver_cpu,
        sha256=digest,
        intact=digest == sha256(sent).hexdigest(),
    )


def _show(runs: list[Run]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("Direction", no_wrap=True)
    for title in ("Bytes", "Seconds", "kB/s", "Ceiling", "Used", "CPU", "Driver"):
        table.add_column(title, justify="right", no_wrap=True)
    for baud, group in itertools.groupby(runs, lambda run: run.baud):
        table.add_row(f"[bold]{_line(baud)}")
        for run in group:
            table.add_row(*_cells(run))
    console = Console(highlight=False)
    with console.capture() as shown:  # rich would end the program itself if nobody reads it
        console.print(table)
        for note in NOTES:
            console.print(note.format(baud=BAUD, bits=BITS_PER_BYTE, ceiling=BAUD // BITS_PER_BYTE), style="dim")
    click.echo(shown.get(), nl=False)


def _cells(run: Run) -> tuple[str, ...]:
    return (
        f"  {run.direction}",
        f"{run.bytes:,}",
        f"{run.seconds:.3f}",
        f"{run.rate / 1000:,.1f}",
        f"{run.ceiling / 1000:.1f}" if run.ceiling else "–",
        f"{run.utilisation:.1%}" if run.utilisation is not None else "–",
        f"{run.cpu:.0%}",
        f"{run.driver_cpu:.0%}",
    )
