"""The twin's files: handles and pointers, what does not fit, what a folder of this machine keeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.volume import FolderVolume, MemoryVolume, Volume
from sim_bench import CONNECT, ERROR, OK, Bench


def opened(bench: Bench, name: str = "a", mode: int = 0) -> int:
    said = bench.host(f'AT+QFOPEN="{name}",{mode}\r'.encode())
    assert said.endswith(OK)
    return int(said.split()[1])


def written(bench: Bench, handle: int, data: bytes) -> bytes:
    assert bench.host(b"AT+QFWRITE=%d,%d\r" % (handle, len(data))) == CONNECT
    return bench.host(data)


def read(bench: Bench, handle: int, count: int = 100) -> bytes:
    said = bench.host(b"AT+QFREAD=%d,%d\r" % (handle, count))
    head, _, rest = said[2:].partition(b"\r\n")
    assert rest.endswith(OK)
    data = rest.removesuffix(OK)
    assert head == b"CONNECT %d" % len(data)
    return data


# ---- modes and pointers


def test_mode_0_keeps_the_tail() -> None:
    """F4."""
    bench = Bench()
    written(bench, opened(bench, "a", 1), b"long old text")
    assert written(bench, opened(bench, "a", 0), b"new") == b"\r\n+QFWRITE: 3,13\r\n" + OK
    assert read(bench, opened(bench, "a", 2)) == b"newg old text"


def test_mode_1_throws_it_away() -> None:
    bench = Bench()
    written(bench, opened(bench, "a", 1), b"long old text")
    assert written(bench, opened(bench, "a", 1), b"new") == b"\r\n+QFWRITE: 3,3\r\n" + OK


def test_mode_2_neither_makes_nor_writes() -> None:
    bench = Bench()
    assert bench.host(b'AT+QFOPEN="a",2\r') == ERROR
    assert bench.host(b"AT+QFLST\r") == OK
    opened(bench, "a", 1)
    assert bench.host(b"AT+QFWRITE=%d,1\r" % opened(bench, "a", 2)) == ERROR


def test_each_handle_has_a_pointer_that_reading_and_writing_move() -> None:
    bench = Bench()
    first = opened(bench, "a", 0)
    written(bench, first, b"abc")
    assert read(bench, first) == b""
    second = opened(bench, "a", 0)
    assert read(bench, second, 2) == b"ab"
    written(bench, second, b"X")
    written(bench, first, b"d")
    assert read(bench, opened(bench, "a", 2)) == b"abXd"


def test_emptied_under_another_handle() -> None:
    bench = Bench()
    first = opened(bench, "a", 0)
    written(bench, first, b"abc")
    opened(bench, "a", 1)
    assert read(bench, first) == b""
    assert written(bench, first, b"d") == b"\r\n+QFWRITE: 1,4\r\n" + OK
    assert read(bench, opened(bench, "a", 2)) == b"\0\0\0d"


def test_handles_are_the_smallest_free() -> None:
    bench = Bench()
    assert [opened(bench, name) for name in "abc"] == [1, 2, 3]
    assert bench.host(b"AT+QFCLOSE=2\r") == OK
    assert opened(bench, "d") == 2
    assert bench.host(b"AT+QFCLOSE=9\r") == ERROR


def test_handles_run_out() -> None:
    bench = Bench()
    for number in range(1, 256):
        assert opened(bench) == number
    assert bench.host(b'AT+QFOPEN="a"\r') == ERROR


def test_a_restart_closes_all() -> None:
    bench = Bench()
    written(bench, opened(bench), b"abc")
    bench.host(b"AT+QRST\r")
    bench.wait(5.0)
    assert bench.host(b"AT+QFOPEN?\r") == OK
    assert bench.host(b"AT+QFREAD=1,1\r") == ERROR
    assert read(bench, opened(bench, "a", 2)) == b"abc"


def test_a_name_may_have_80_bytes() -> None:
    bench = Bench()
    opened(bench, "ä" * 40)
    assert bench.host(f'AT+QFOPEN="{"ä" * 40}a"\r'.encode()) == ERROR
    assert bench.host(b'AT+QFOPEN=""\r') == ERROR
    assert bench.host(b'AT+QFOPEN="UFS:"\r') == ERROR


# ---- data entry


def test_silence_ends_it_with_what_has_come() -> None:
    bench = Bench()
    opened(bench)
    assert bench.host(b"AT+QFWRITE=1,9,3\r") == CONNECT
    assert bench.host(b"he") == b""
    assert bench.wait(2.9) == b""
    assert bench.host(b"llo") == b""
    assert bench.wait(2.9) == b""
    assert bench.wait(0.2) == b"\r\n+QFWRITE: 5,5\r\n" + OK
    assert bench.host(b"AT\r") == OK


def test_a_power_cut_during_the_entry_writes_nothing_of_it() -> None:
    bench = Bench()
    opened(bench)
    written(bench, 1, b"abc")
    bench.host(b"AT+QFWRITE=1,5\rde")
    bench.link.power_cycle(bench.now)
    bench.wait(5.0)
    assert read(bench, opened(bench)) == b"abc"


def test_unsolicited_lines_wait_for_the_end() -> None:
    bench = Bench()
    opened(bench)
    bench.host(b"AT+QFWRITE=1,5\rde")
    bench.module.lose_ap("hall")
    assert bench.tick() == b""
    assert bench.host(b"fgh") == b'\r\n+QFWRITE: 5,5\r\n\r\nOK\r\n\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n'


@pytest.mark.parametrize("line", [b"AT+QFWRITE=1,5;+QVERSION", b"AT+QVERSION;+QFWRITE=1,5"])
def test_no_entry_in_a_chain(line: bytes) -> None:
    bench = Bench()
    opened(bench)
    assert bench.host(line + b"\r").endswith(ERROR)


def test_hexadecimal_sockets_do_not_matter() -> None:
    bench = Bench()
    bench.host(b'AT+QICFG="dataformat",1,1\r')
    written(bench, opened(bench), b"hi\0")
    assert read(bench, opened(bench, "a", 2)) == b"hi\0"


# ---- room


def test_files_share_the_room() -> None:
    bench = Bench(Dialect(flash=10))
    opened(bench, "a"), opened(bench, "b")
    assert written(bench, 1, b"123456") == b"\r\n+QFWRITE: 6,6\r\n" + OK
    assert written(bench, 2, b"12345") == b"\r\n+QFWRITE: 4,4\r\n" + OK
    assert bench.host(b"AT+QFWRITE=2,1\r") == ERROR
    assert bench.host(b"AT+QFLST\r") == b'\r\n+QFLST: "a",6\r\n\r\n+QFLST: "b",4\r\n' + OK
    opened(bench, "a", 1)
    assert written(bench, 2, b"56") == b"\r\n+QFWRITE: 2,6\r\n" + OK


def test_what_is_overwritten_takes_no_room() -> None:
    bench = Bench(Dialect(flash=5))
    written(bench, opened(bench), b"12345")
    assert written(bench, opened(bench), b"abc") == b"\r\n+QFWRITE: 3,5\r\n" + OK


# ---- quirks


def test_qfwrite_bare() -> None:
    bench = Bench(MANUAL.with_quirks(["qfwrite_bare"]))
    assert written(bench, opened(bench), b"abc") == b"+QFWRITE: 3,3\r\n" + OK


def test_info_compact() -> None:
    bench = Bench(MANUAL.with_quirks(["info_compact"]))
    written(bench, opened(bench), b"abc")
    opened(bench, "b")
    assert bench.host(b"AT+QFLST\r") == b'\r\n+QFLST: "a",3\r\n+QFLST: "b",0\r\n' + OK
    assert read(bench, opened(bench, "a", 2)) == b"abc"


def test_qfdel() -> None:
    assert Bench().host(b'AT+QFDEL="a"\r') == ERROR
    bench = Bench(MANUAL.with_quirks(["qfdel"]))
    assert bench.host(b'AT+QFDEL="a"\r') == ERROR
    opened(bench)
    assert bench.host(b'AT+QFDEL="a"\r') == ERROR
    bench.host(b"AT+QFCLOSE=1\r")
    assert bench.host(b'AT+QFDEL="UFS:a"\r') == OK
    assert bench.host(b"AT+QFLST\r") == OK


# ---- where they are


@pytest.fixture(params=["memory", "folder"])
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Volume:
    return MemoryVolume() if request.param == "memory" else FolderVolume(str(tmp_path / "files"))


def test_volumes_are_alike(volume: Volume) -> None:
    assert volume.names() == []
    assert volume.size("a") is None
    volume.empty("b/../c")
    volume.empty("a")
    assert volume.names() == ["a", "b/../c"]
    volume.write("a", 0, b"hello")
    volume.write("a", 3, b"p!!")
    volume.write("a", 8, b"x")
    assert volume.read("a", 1, 100) == b"elp!!\0\0x"
    assert volume.read("a", 100, 1) == b""
    assert volume.size("a") == 9
    volume.empty("a")
    assert volume.size("a") == 0
    volume.delete("a")
    assert volume.names() == ["b/../c"]


NAMES = ("..", ".", "/etc/passwd", "a/b", "~", "A", "a", "ä", "a\\b", "%41", "a.ufs", "con", "x" * 80, "a b")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner" / "files"
    volume = FolderVolume(str(folder))
    volume.empty(name)
    volume.write(name, 0, b"x")
    assert FolderVolume(str(folder)).names() == [name]
    assert [path.parent for path in tmp_path.rglob("*") if path.is_file()] == [folder]
    volume.delete(name)
    assert list(folder.iterdir()) == []


def test_different_names_are_different_files(tmp_path: Path) -> None:
    volume = FolderVolume(str(tmp_path))
    for name in NAMES:
        volume.empty(name)
        volume.write(name, 0, name.encode())
    assert volume.names() == sorted(NAMES)
    assert all(volume.read(name, 0, 999) == name.encode() for name in NAMES)


def test_a_folder_shows_only_what_a_twin_put_there(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("not the module's")
    (tmp_path / "a.b.ufs").write_text("nor this: a dot would be %2E")
    (tmp_path / "%FF.ufs").write_text("nor this")
    (tmp_path / "folder.ufs").mkdir()
    assert FolderVolume(str(tmp_path)).names() == []


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="platform: no O_NOFOLLOW")
def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "files"
    outside.write_text("precious")
    folder.mkdir()
    (folder / "a.ufs").symlink_to(outside)
    bench = Bench(volume=FolderVolume(str(folder)))
    assert bench.host(b'AT+QFOPEN="a",1\r') == ERROR
    assert bench.host(b'AT+QFOPEN="a",2\r') == ERROR
    assert bench.host(b"AT+QFLST\r") == OK
    assert outside.read_text() == "precious"


def test_a_folder_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "files").write_text("a file is in the way")
    bench = Bench(volume=FolderVolume(str(tmp_path / "files")))
    assert bench.host(b'AT+QFOPEN="a",1\r') == ERROR
    assert "the file system fails" in caplog.text
    assert bench.host(b"AT\r") == OK


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    bench = Bench(volume=FolderVolume(str(tmp_path)))
    written(bench, opened(bench), b"abc")
    (tmp_path / "a.ufs").unlink()
    assert bench.host(b"AT+QFREAD=1,5\r") == ERROR
    assert bench.host(b"AT+QFLST\r") == OK
    assert bench.host(b"AT+QFCLOSE=1\r") == OK


def test_a_folder_keeps_them(tmp_path: Path) -> None:
    written(first := Bench(volume=FolderVolume(str(tmp_path))), opened(first), b"abc")
    second = Bench(volume=FolderVolume(str(tmp_path)))
    assert second.host(b"AT+QFOPEN?\r") == OK
    assert read(second, opened(second, "a", 2)) == b"abc"


@pytest.mark.parametrize("name", ["a%22b.ufs", "a%0D%0Ab.ufs", "%7F.ufs", "x" * 81 + ".ufs", "%C3.ufs", "%61.ufs"])
def test_what_the_folder_has_that_no_command_can_name_is_passed_over(name: str, tmp_path: Path) -> None:
    bench = Bench(volume=FolderVolume(str(tmp_path)))
    written(bench, opened(bench, "a"), b"hello")
    (tmp_path / name).write_bytes(b"more")
    assert bench.host(b"AT+QFLST\r") == b'\r\n+QFLST: "a",5\r\n' + OK
