"""Files, as test_faults does them to a module."""

from __future__ import annotations

import contextlib
from unittest import mock

from deeds import FACES, SAID, Act, Scene, deed
from fcm360w.commands.files import OpenedFile
from fcm360w.errors import FCM360WError
from fcm360w.files import Files

FACES += (Files,)
LONG = SAID * 4  # three pieces


def stored(scene: Scene) -> None:
    scene.module.files.write_bytes("there", LONG)


@deed("Files.write_bytes")
def write_bytes(scene: Scene) -> Act:
    yield
    scene.module.files.write_bytes("new", LONG)
    assert scene.world.twin.files.opened() == ()


@deed("Files.write_bytes of what does not fit")
def write_too_much(scene: Scene) -> Act:
    scene.module.files.write_bytes("big", bytes(60_000))
    yield
    with contextlib.suppress(FCM360WError):
        scene.module.files.write_bytes("new", bytes(6_000))
    scene.module.files.write_bytes("big", b"")


@deed("Files.write_bytes interrupted")
def write_interrupted(scene: Scene) -> Act:
    yield
    with contextlib.suppress(KeyboardInterrupt):
        scene.module.files.write_bytes("new", LONG, interrupt)


def interrupt(done: int, total: int) -> None:
    if done:
        raise KeyboardInterrupt


@deed("Files.read_bytes")
def read_bytes(scene: Scene) -> Act:
    stored(scene)
    yield
    assert scene.module.files.read_bytes("there") == LONG


@deed("Files.open to read")
def open_to_read(scene: Scene) -> Act:
    stored(scene)
    yield
    with scene.keep(scene.module.files.open("there")) as file:
        assert file.read() == LONG


@deed("Files.open to write")
def open_to_write(scene: Scene) -> Act:
    yield
    with scene.keep(scene.module.files.open("new", "wb")) as file:
        file.write(LONG)


@deed("Files.open to append")
def open_to_append(scene: Scene) -> Act:
    stored(scene)
    yield
    with scene.keep(scene.module.files.open("there", "ab")) as file:
        file.write(b"end")


@deed("Files.entries")
def entries(scene: Scene) -> Act:
    stored(scene)
    yield
    assert [(entry.filename, entry.file_size) for entry in scene.module.files] == [("there", len(LONG))]


@deed("Files.exists")
def exists(scene: Scene) -> Act:
    yield
    assert "there" not in scene.module.files


@deed("Files.size")
def size(scene: Scene) -> Act:
    stored(scene)
    yield
    assert scene.module.files.size("there") == len(LONG)


@deed("Files.delete")
def delete(scene: Scene) -> Act:
    stored(scene)
    yield
    with contextlib.suppress(FCM360WError):
        scene.module.files.delete("there")


@deed("Files.open of a module that answers late")
def open_late(scene: Scene) -> Act:
    """What it opens after all is closed before anything else is done."""
    store = scene.world.twin.files
    told = store.opened

    def then_still() -> tuple[OpenedFile, ...]:
        """The last answer before the twin stands still for a while."""
        scene.world.frozen = True
        scene.world.after(3.0, lambda: setattr(scene.world, "frozen", False))
        return told()

    yield
    with mock.patch.object(store, "opened", then_still), contextlib.suppress(FCM360WError):
        scene.keep(scene.module.files.open("new", "wb"))
    scene.world.sleep(1.0)
    scene.module.system.version()
    assert scene.open or not store.opened()
