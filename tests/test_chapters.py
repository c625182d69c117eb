"""The faces of a module that are made when a program asks for them: one of each, whoever asks first."""

from __future__ import annotations

import contextlib
import inspect
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

import fcm360w
from fcm360w.aio import AsyncModule
from fcm360w.chapters import Chapter
from fcm360w.module import Module
from fcm360w.sim import World

BOTH: list[type[Any]] = [Module, AsyncModule]
NAMES = ("ble", "tls", "mqtt", "http", "net", "files")
SYNC = (*NAMES, "descriptors")


def chapter(kind: type[Any], name: str) -> Chapter[Any]:
    found = vars(kind)[name]
    assert isinstance(found, Chapter)
    return found


def face(kind: type[Any], name: str) -> type[Any]:
    found = chapter(kind, name)
    made = vars(import_module(f"fcm360w.{found.where}"))[found.name]
    assert isinstance(made, type)
    return made


def together(count: int, act: Callable[[], object]) -> list[object]:
    """What each of some threads gets."""
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(act()), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    return results


@pytest.mark.parametrize("name", SYNC)
def test_threads_that_ask_at_once_get_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are in its constructor before the first has left it, where nothing keeps them out."""
    kind, count = face(Module, name), 4
    begin, meeting = kind.__init__, threading.Barrier(count)

    def late(self: Any, *args: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(5.0)
        begin(self, *args)

    monkeypatch.setattr(kind, "__init__", late)
    with World(baud=None).module() as module:
        found = together(count, lambda: vars(Module)[name].__get__(module, Module))
        assert len(found) == count
        assert len(set(map(id, found))) == 1
        assert vars(module)[name] is found[0]


def test_threads_that_ask_at_once_get_contexts_of_their_own() -> None:
    with fcm360w.open("sim://") as module:
        numbers = together(4, lambda: module.tls.context(verify="none").context_id)
    assert sorted(map(str, numbers)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("kind", BOTH)
def test_each_is_what_the_class_says(kind: type[Any]) -> None:
    names = SYNC if kind is Module else NAMES
    said = inspect.get_annotations(kind)
    assert {name for name, value in vars(kind).items() if isinstance(value, Chapter)} == set(names)
    for name in names:
        found = chapter(kind, name)
        assert said[name] == f"Chapter[{found.name}]"
        assert inspect.getdoc(found)
        assert face(kind, name).__name__ == found.name
        assert getattr(kind, name) is found


def test_none_is_imported_before_it_is_asked_for() -> None:
    script = (
        "import sys, fcm360w.module, fcm360w.aio; print(*[n for n in sys.argv[1:] if f'fcm360w.{n}' in sys.modules])"
    )
    names = [chapter(kind, name).where for kind in BOTH for name in NAMES]
    done = subprocess.run([sys.executable, "-c", script, *names], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
