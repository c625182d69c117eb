"""The twin's process is killed after each write of every procedure of several steps: one clear error, and once more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import fcm360w
from effort import stride
from fcm360w import FCM360WError, Module, TransportLost
from procedures import PROCEDURES, Bench, Echo, Power

if TYPE_CHECKING:
    from typing_extensions import Buffer

for chapter in Path(__file__).parent.glob("procedures_*.py"):
    import_module(chapter.stem)

# Each cut is a process.
STRIDE = stride(1, 6)


class Counted:
    """Counts what a module's port is given, and acts at the `last`."""

    def __init__(self, module: Module, last: int, act: Callable[[], None]) -> None:
        self.count = 0
        self._last, self._act = last, act
        port: Any = module._port
        self._write = port.write
        port.write = self.write

    def write(self, data: Buffer, timeout: float | None) -> int:
        done: int = self._write(data, timeout)
        self.count += 1
        if self.count == self._last:
            self._act()
        return done


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    power = Power(tmp_path / "memory")
    power.on()
    with contextlib.closing(Echo()) as echo:
        yield Bench(power, echo)
    power.off()


def perform(bench: Bench, name: str, last: int = 0) -> int:
    """How many writes it takes; the process is killed after the `last`."""
    with fcm360w.open(bench.power.url) as module:
        counted = Counted(module, last, bench.power.off)
        PROCEDURES[name](bench, module)
        return counted.count


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_power_cut_after_every_write(bench: Bench, name: str) -> None:
    writes = perform(bench, name)
    assert writes > 1
    for last in range(1 + len(name) % STRIDE, writes, STRIDE):
        with pytest.raises(FCM360WError) as caught:
            perform(bench, name, last)
        assert isinstance(caught.value, TransportLost), f"after write {last} of {writes}"
        bench.power.on()
    perform(bench, name)
