"""Files in the module: flows, faces, file objects, with and without asyncio; on the twin in a virtual world."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fcm360w
import scripted
import spoken
from deeds import Faulty
from fcm360w.commands.files import CloseFile, FileInfo, FileMode, ListFiles, ListOpened, OpenFile
from fcm360w.errors import CommandError, CommandTimeout, FCM360WError, ProtocolError, SocketLost, UsageError
from fcm360w.files import FileReader, FileWriter
from fcm360w.flows import files
from fcm360w.module import Module
from fcm360w.sim import MANUAL, Twin, World
from fcm360w.steps import Steps, Within
from scripted import ERROR, OK, answer, line

pytestmark = pytest.mark.driver

BYTES = bytes(range(256)) * 17  # two pieces and a bit


@pytest.fixture
def world() -> World:
    return World(baud=None)


@pytest.fixture
def keeping() -> World:
    """Its firmware cannot delete."""
    return World(baud=None, dialect=spoken.dialect(qfdel=False))


@pytest.fixture
def module(world: World) -> Iterator[Module]:
    with world.module() as module:
        yield module


# ---- whole files


@pytest.mark.parametrize("size", [0, 1, files.PIECE - 1, files.PIECE, files.PIECE + 1, 20_000])
def test_what_is_written_reads_back(world: World, module: Module, size: int) -> None:
    data = (BYTES * 5)[:size]
    module.files.write_bytes("ca.pem", data)
    assert module.files.read_bytes("ca.pem") == data
    assert module.files.entries() == (FileInfo("ca.pem", size),)
    assert world.twin.files.opened() == ()


@settings(max_examples=max(5, settings().max_examples // 10))
@given(
    st.lists(st.sampled_from([b"\r\nOK\r\n", b"CONNECT 5\r\n", b">", b"+++", b"\x1a", b"\x1b", b"x" * 999]), max_size=9)
)
def test_bytes_that_look_like_lines(pieces: list[bytes]) -> None:
    with World(baud=None).module() as module:
        module.files.write_bytes("odd", b"".join(pieces))
        assert module.files.read_bytes("odd") == b"".join(pieces)


@pytest.mark.parametrize("buffer", [bytearray(b"hello"), memoryview(b"hello"), memoryview(b"h.e.l.l.o")[::2]])
def test_any_bytes_can_be_written(module: Module, buffer: Any) -> None:
    module.files.write_bytes("a", buffer)
    assert module.files.read_bytes("a") == b"hello"


def test_a_shorter_file_leaves_no_tail(module: Module) -> None:
    module.files.write_bytes("ca.pem", BYTES)
    module.files.write_bytes("ca.pem", b"short")
    assert module.files.read_bytes("ca.pem") == b"short"


def test_names_have_an_optional_prefix(module: Module) -> None:
    module.files.write_bytes("UFS:ca.pem", b"x")
    assert [entry.filename for entry in module.files] == ["ca.pem"]
    assert "ca.pem" in module.files
    assert "UFS:ca.pem" in module.files
    assert "other" not in module.files
    assert 5 not in module.files
    assert module.files.size("UFS:ca.pem") == 1


@pytest.mark.parametrize("name", ["", "UFS:", "x" * 81, 'a"b', "a\r\nb", "ä" * 41])
def test_a_name_that_is_none_is_refused_before_anything_is_sent(world: World, module: Module, name: str) -> None:
    before = module.stats()
    for call in (module.files.open, lambda name: module.files.write_bytes(name, b"x"), module.files.delete):
        with pytest.raises(UsageError, match=r"filename .*\(manual 2\.9"):
            call(name)
    assert module.stats().commands == before.commands


@pytest.mark.parametrize("name", ["x" * 80, "../../etc/passwd", "a;b, c", "ä" * 40, ".hidden", "%41"])
def test_odd_names(module: Module, name: str) -> None:
    module.files.write_bytes(name, b"x")
    assert [entry.filename for entry in module.files] == [name]
    assert module.files.read_bytes(name) == b"x"


def test_there_is_no_such_file(module: Module) -> None:
    for call in (module.files.read_bytes, module.files.size):
        with pytest.raises(CommandError, match="there is no file 'none'"):
            call("none")
    with pytest.raises(CommandError, match=r"QFOPEN.*manual 2\.9\.1"):
        module.files.open("none")


def test_what_does_not_fit(world: World, module: Module) -> None:
    module.files.write_bytes("other", b"x")
    with pytest.raises(CommandError, match=r"QFWRITE.*has not taken all of it.*2\.9\.3"):
        module.files.write_bytes("big", bytes(MANUAL.flash + 1))
    assert module.files.size("big") == MANUAL.flash - 1
    with pytest.raises(CommandError, match=r"QFWRITE.*ERROR"):
        module.files.write_bytes("more", b"x")
    assert world.twin.files.opened() == ()
    module.files.write_bytes("big", b"")
    module.files.write_bytes("more", b"x")


def test_progress_is_told(module: Module) -> None:
    told: list[tuple[int, int]] = []
    module.files.write_bytes("a", bytes(5000), lambda *at: told.append(at))
    assert told == [(0, 5000), (2048, 5000), (4096, 5000), (5000, 5000)]
    told.clear()
    module.files.read_bytes("a", lambda *at: told.append(at))
    assert told == [(2048, 5000), (4096, 5000), (5000, 5000)]


def test_a_callback_that_fails_leaves_no_handle(world: World, module: Module) -> None:
    def fail(done: int, total: int) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        module.files.write_bytes("a", BYTES, fail)
    assert world.twin.files.opened() == ()
    assert module.system.version()


def test_a_flash_that_forgets_is_found_out() -> None:
    world = scripted.World()
    world.on("AT+QFOPEN?", OK)
    world.on('AT+QFOPEN="a",1', answer("+QFOPEN: 1"))
    world.on("AT+QFWRITE=1,5,5", line("CONNECT"))
    world.on(b"hello", answer("+QFWRITE: 5,5"))
    world.on("AT+QFCLOSE=1", OK)
    world.on("AT+QFOPEN?", OK)
    world.on('AT+QFOPEN="a",2', answer("+QFOPEN: 1"))
    world.on("AT+QFREAD=1,2048", line("CONNECT 5") + b"hallo" + OK)
    world.on("AT+QFREAD=1,2048", line("CONNECT 0") + OK)
    world.on("AT+QFCLOSE=1", OK)
    with pytest.raises(ProtocolError, match="a does not read back"):
        world.run(files.write_whole("a", b"hello"))
    assert world.script.spent


@pytest.mark.parametrize("end", [line("CONNECT 0") + OK, line("+CME ERROR: 402"), ERROR])
def test_every_way_to_end_a_file(end: bytes) -> None:
    """F7."""
    world = scripted.World()
    world.on("AT+QFLST", answer('+QFLST: "UFS:a",5'))
    world.on("AT+QFOPEN?", OK)
    world.on('AT+QFOPEN="a",2', answer("+QFOPEN: 3"))
    world.on("AT+QFREAD=3,2048", line("CONNECT 5") + b"hello" + OK)
    world.on("AT+QFREAD=3,2048", end)
    if b"ERROR" in end:
        world.on("AT+QFOPEN?", answer('+QFOPEN: "a",3,2'))
    world.on("AT+QFCLOSE=3", OK)
    assert world.run(files.read_whole("UFS:a")) == b"hello"
    assert world.script.spent


def test_a_handle_that_is_gone_is_no_end() -> None:
    world = scripted.World()
    world.on("AT+QFREAD=3,2048", ERROR)
    world.on("AT+QFOPEN?", OK)
    with pytest.raises(CommandError, match="QFREAD"):
        world.run(files.read_piece(3, 2048))


def test_a_file_that_ends_too_early() -> None:
    world = scripted.World()
    world.on("AT+QFLST", answer('+QFLST: "a",6'))
    world.on("AT+QFOPEN?", OK)
    world.on('AT+QFOPEN="a",2', answer("+QFOPEN: 1"))
    world.on("AT+QFREAD=1,2048", line("CONNECT 0") + OK)
    world.on("AT+QFCLOSE=1", OK)
    with pytest.raises(ProtocolError, match="ends after 0 bytes, of 6"):
        world.run(files.read_whole("a"))


@pytest.mark.parametrize("newlines", [b"", b"\r\n", b"\r\n\r\n"])
def test_blank_lines_before_what_was_written(newlines: bytes) -> None:
    """F9: none to two."""
    world = scripted.World()
    world.on("AT+QFWRITE=1,5,5", line("CONNECT"))
    world.on(b"hello", newlines + b"+QFWRITE: 5,5\r\n" + OK)
    assert world.run(files.write_piece(1, b"hello")).total_length == 5


# ---- what is left behind


def break_off(world: Faulty) -> None:
    raise KeyboardInterrupt


def stand_still(world: Faulty) -> None:
    world.frozen = True
    world.after(25.0, lambda: setattr(world, "frozen", False))


FAULTS: dict[str, Callable[[Faulty], None]] = {"interrupt": break_off, "standstill": stand_still}
ACTS: dict[str, Callable[[Module], object]] = {
    "write": lambda module: module.files.write_bytes("new", BYTES),
    "read": lambda module: module.files.read_bytes("old"),
    "append": lambda module: module.files.open("old", "ab").close(),
    "open": lambda module: module.files.open("old").close(),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("act", ACTS)
def test_no_handle_is_left_whatever_breaks_it_off(act: str, fault: str) -> None:
    """At every moment of it, the next command finds none; nor is an answer taken for another's."""
    moment, done = 0, False
    while not done:
        moment += 1
        world = Faulty(None)
        module = world.module()
        module.files.write_bytes("old", BYTES)
        world.moments, world.faults = 0, {moment: lambda world=world: FAULTS[fault](world)}  # type: ignore[misc]
        with contextlib.suppress(KeyboardInterrupt, FCM360WError):
            ACTS[act](module)
            done = world.moments < moment
        world.faults.clear()
        world.sleep(30.0)
        assert module.run(ListOpened()) == (), f"at {moment}"
        assert module.files.read_bytes("old")[: len(BYTES)] == BYTES
        module.close()
    assert moment > 5


def test_a_handle_that_cannot_be_closed_is_closed_later(world: World, module: Module) -> None:
    file = module.files.open("a", "wb")
    world.frozen = True
    with pytest.raises(CommandTimeout):
        file.close()
    assert file.closed
    world.frozen = False
    module.system.version()
    assert world.twin.files.opened() == ()


def test_an_opening_that_is_given_up_closes_nobody_elses() -> None:
    """At every moment of it, not even a handle of the same file and mode."""
    moment, late, done = 0, 0, False
    while not done:
        moment += 1
        world = Faulty(None)
        module = world.module()
        module.files.write_bytes("a", b"aaaa")
        module.files.write_bytes("b", b"bbbb")
        first = module.files.open("a")
        world.moments, world.faults = 0, {moment: lambda world=world: stand_still(world)}  # type: ignore[misc]
        with contextlib.suppress(FCM360WError):
            module.files.open("a").close()
            done = world.moments < moment
        world.faults.clear()
        world.sleep(30.0)
        late += len(world.twin.files.opened()) - 1
        second = module.files.open("b")
        assert (first.read(), second.read()) == (b"aaaa", b"bbbb"), f"at {moment}"
        assert len(world.twin.files.opened()) == 2, f"at {moment}"
        module.close()
    assert late, "some were opened after all"


@pytest.mark.parametrize("error", [KeyboardInterrupt, CommandTimeout("AT", 1.0)])
def test_what_is_undone_begins_anew_when_it_was_broken_off(module: Module, error: BaseException) -> None:
    failures, told = [error], []

    def flow() -> Steps[None]:
        told.append((yield from ListOpened()))
        if failures:
            raise failures.pop()
        told.append((yield from ListFiles()))

    module._link.undone += [flow, lambda: CloseFile(9)]
    with pytest.raises(error if isinstance(error, type) else type(error)):
        module.system.version()
    assert len(told) == 1
    assert module.system.version()
    assert len(told) == 3
    assert not module._link.undone


def test_closing_what_was_left_can_be_cancelled() -> None:
    """Wherever that is, the next command goes on with it."""

    async def main(world: Faulty, moment: int) -> bool:
        async with await world.async_module() as module:
            for name in ("a", "b"):
                await module.run(OpenFile(name, FileMode.EMPTY))
                module._link.undone.append(partial(files._abandoned, OpenFile(name, FileMode.EMPTY), ()))
            task = asyncio.ensure_future(module.system.version())
            world.moments, world.faults = 0, {moment: task.cancel}
            with contextlib.suppress(asyncio.CancelledError):
                await task
            world.faults.clear()
            assert await module.run(ListOpened()) == (), f"at {moment}"
            assert not module._link.undone
            return not task.cancelled()

    moments = itertools.count(1)
    while not (world := Faulty(None)).run(main(world, next(moments))):
        pass
    assert next(moments) > 5


# ---- file objects


def test_a_file_object(world: World, module: Module) -> None:
    with module.files.open("log", "wb") as file:
        assert isinstance(file, FileWriter)
        assert isinstance(file, io.BufferedWriter)
        assert (file.name, file.readable(), file.writable(), file.seekable()) == ("log", False, True, False)
        file.write(b"one\n")
        file.write(BYTES)
    with module.files.open("log", "ab") as file:
        file.write(b"two\n")
    with module.files.open("log") as file:
        assert isinstance(file, FileReader)
        assert (file.readable(), file.writable()) == (True, False)
        assert file.readline() == b"one\n"
        assert file.read() == BYTES + b"two\n"
        assert file.read() == b""
    assert world.twin.files.opened() == ()
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_text_over_a_file_object(module: Module) -> None:
    with io.TextIOWrapper(module.files.open("t", "wb"), "utf-8") as text:
        text.write("21.5 °C\n")
    with io.TextIOWrapper(module.files.open("t"), "utf-8") as text:
        assert text.readlines() == ["21.5 °C\n"]


def test_several_at_once(module: Module) -> None:
    module.files.write_bytes("a", b"aaaa")
    module.files.write_bytes("b", b"bbbb")
    with module.files.open("a") as first, module.files.open("b") as second, module.files.open("c", "wb") as third:
        third.write(first.read(2) + second.read(2))
    assert module.files.read_bytes("c") == b"aabb"


@pytest.mark.parametrize("mode", ["", "r", "w", "rb+", "xb"])
def test_other_modes(module: Module, mode: str) -> None:
    before = module.stats().commands
    with pytest.raises(UsageError, match=r"is not one of rb, wb, ab \(manual 2\.9\.1\)"):
        module.files.open("a", mode)
    assert module.stats().commands == before


def test_a_restart_ends_it(module: Module) -> None:
    module.files.write_bytes("a", b"x")
    file, other = module.files.open("a"), module.files.open("b", "wb")
    module.system.reboot()
    with pytest.raises(SocketLost, match="a is no longer open"):
        file.read()
    assert file.over
    fresh = module.files.open("a")
    file.close()
    other.close()
    assert fresh.read() == b"x", "whose handle has the same number"


def test_the_module_closes_them(world: World) -> None:
    module = world.module()
    module.files.open("a", "wb").write(b"hello")
    module.close()
    assert world.twin.files.opened() == ()
    with world.module() as module:
        assert module.files.read_bytes("a") == b"hello"


def test_a_full_module_is_told_by_the_writer(world: World, module: Module) -> None:
    module.files.write_bytes("other", b"x")
    file = module.files.open("a", "wb")
    with pytest.raises(CommandError, match="has not taken all of it"):
        for _ in range(0, 2 * MANUAL.flash, 100):
            file.write(bytes(100))
    written = module.files.size("a")
    module.files.write_bytes("other", b"")
    with pytest.raises(CommandError, match="has not taken all of it"):
        file.close()
    assert world.twin.files.opened() == ()
    assert module.files.size("a") == written, "what was written in part is not written again"


def test_a_writer_that_fails_in_a_with_statement_tells_the_first_error(module: Module) -> None:
    with pytest.raises(KeyError) as caught, module.files.open("a", "wb") as file:
        file.write(b"x")
        file.raw.held._failure = CommandError("AT")
        raise KeyError("mine")
    assert caught.value.__notes__ == ["closing the file failed too: AT: ERROR"]


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_written_twice_whatever_breaks_it_off(fault: str) -> None:
    """At every moment of it; whoever is told of no error has all that was written."""
    pieces = [b"%04d," % number * 20 for number in range(50)]
    moment, done = 0, False
    while not done:
        moment += 1
        world = Faulty(None)
        module = world.module()
        file = module.files.open("new", "wb")
        world.moments, world.faults = 0, {moment: lambda world=world: FAULTS[fault](world)}  # type: ignore[misc]
        failures = 0
        for act in (*(partial(file.write, piece) for piece in pieces), file.flush, file.close):
            try:
                act()
            except (KeyboardInterrupt, FCM360WError):
                failures += 1
        done = world.moments < moment
        world.faults.clear()
        world.sleep(30.0)
        found = module.files.read_bytes("new")
        assert failures or found == b"".join(pieces), f"at {moment}"
        assert max(map(found.count, pieces)) <= 1, f"at {moment}"
        assert len(module.run(ListOpened())) == 0, f"at {moment}"
        module.close()
    assert moment > 5


# ---- delete


def test_delete() -> None:
    world = World(baud=None, dialect=MANUAL.with_quirks(["qfdel"]))
    with world.module() as module:
        module.files.write_bytes("a", b"x")
        module.files.delete("UFS:a")
        assert module.files.entries() == ()
        with pytest.raises(CommandError, match="there is no file 'a'"):
            module.files.delete("a")


def test_a_module_that_is_woken_again_has_no_file_open(module: Module) -> None:
    old = module.files.open("a", "wb")
    module.wake()
    with module.files.open("b", "wb") as new:
        new.write(b"one")
        old.write(b"FROM-A")
        with pytest.raises(SocketLost, match="woken: a is no longer open"):
            old.close()
        new.write(b"two")
    assert module.files.read_bytes("b") == b"onetwo"


def test_firmware_that_cannot_delete(keeping: World) -> None:
    with keeping.module() as module:
        module.files.write_bytes("a", b"x")
        with pytest.raises(CommandError, match=r"this firmware cannot delete: write b'' to empty it"):
            module.files.delete("a")
        assert "a" in module.files


# ---- asyncio


def test_with_asyncio(keeping: World) -> None:
    async def main() -> None:
        async with await keeping.async_module() as module:
            told: list[int] = []
            await module.files.write_bytes("a", BYTES, lambda done, total: told.append(done))
            assert told[-1] == len(BYTES)
            assert await module.files.read_bytes("a") == BYTES
            assert [entry async for entry in module.files] == [FileInfo("a", len(BYTES))]
            assert await module.files.exists("a")
            assert await module.files.size("a") == len(BYTES)
            async with await module.files.open("b", "wb") as file:
                assert await file.write(BYTES) == len(BYTES)
                with pytest.raises(UsageError, match="b is open for writing"):
                    await file.read()
            assert file.over
            with pytest.raises(ValueError, match="closed"):
                await file.write(b"x")
            async with await module.files.open("b", "ab") as file:
                await file.write(b"end")
            async with await module.files.open("b") as file:
                assert await file.read(3) == BYTES[:3]
                assert await file.read() == BYTES[3:] + b"end"
                assert await file.read() == b""
            with pytest.raises(CommandError, match="cannot delete"):
                await module.files.delete("b")
            left = await module.files.open("b")
        assert left.over

    keeping.run(main())
    assert keeping.twin.files.opened() == ()


def test_a_task_that_is_cancelled_leaves_no_handle(world: World) -> None:
    async def main() -> None:
        async with await world.async_module() as module:
            for pause in range(40):
                task = asyncio.ensure_future(module.files.write_bytes("a", BYTES))
                for _ in range(pause):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                assert await module.run(ListOpened()) == ()

    world.run(main())


# ---- commands


def test_an_undone_flow_that_fails_is_forgotten(world: World, module: Module) -> None:
    module._link.undone.append(lambda: CloseFile(9))
    assert module.system.version()
    assert not module._link.undone


def test_what_is_undone_waits_until_the_module_answers(world: World, module: Module) -> None:
    module.run(OpenFile("a", FileMode.EMPTY))
    world.frozen = True
    with pytest.raises(CommandTimeout):
        module.run(Within(files.ListFiles(), 1.0))
    module._link.undone.append(lambda: files.close_file(1))
    with pytest.raises(FCM360WError):
        module.system.version()
    world.frozen = False
    assert module.run(ListOpened()) == ()


# ---- the twin's own folder


def test_files_outlive_the_twin(tmp_path: Path) -> None:
    folder = str(tmp_path / "module")
    with Twin(name="files", fs=folder), fcm360w.open("sim://files") as module:
        module.files.write_bytes("../ca.pem", BYTES)
    with Twin(name="files", fs=folder), fcm360w.open("sim://files") as module:
        assert module.files.read_bytes("../ca.pem") == BYTES
        module.system.reboot()
        assert module.files.size("../ca.pem") == len(BYTES)
    assert sorted(path.name for path in (tmp_path / "module" / "files").iterdir()) == ["%2E%2E%2Fca%2Epem.ufs"]
    assert [path.name for path in tmp_path.iterdir()] == ["module"]
