"""Every transcript on the twin and through the driver; that each row of the wire has one; and that wrong ones fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pytest

from effort import stride
from transcript import Block, Step, TranscriptError, read
from transcript_driver import Play, byte_by_byte, in_pieces, unrelated, with_another
from transcript_twin import Stage

T = TypeVar("T")

FOLDER = Path(__file__).parent / "transcripts"
BLOCKS = [block for path in sorted(FOLDER.glob("*.md")) for block in read(path)]
CALLED = [block for block in BLOCKS if block.calls]
STRIDE = stride(1, 4)
ROWS = {f"R{number}" for number in range(1, 12)} | {f"W{number}" for number in range(1, 59)}


def rows(blocks: Sequence[Block]) -> set[str]:
    return {row for block in blocks for row in block.rows}


def some(steps: Iterable[T], block: Block) -> Iterable[T]:
    """Another choice of each block's, so that together they are of every sort."""
    return islice(steps, len(block.name) % STRIDE, None, STRIDE)


def test_every_row_has_a_transcript() -> None:
    assert rows(BLOCKS) == ROWS


def test_every_row_has_one_in_which_the_driver_takes_part() -> None:
    assert rows(CALLED) == ROWS


def test_every_document_is_listed() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in index for path in FOLDER.glob("*.md") if path.name != "README.md")


# ---- the transcripts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_the_twin_says_it(block: Block) -> None:
    Stage(block).play()


@pytest.mark.parametrize("block", CALLED, ids=lambda block: block.name)
def test_the_driver_takes_it(block: Block) -> None:
    Play(block).run(block.steps)
    Play(block).run(byte_by_byte(block.steps))


@pytest.mark.parametrize("block", CALLED, ids=lambda block: block.name)
def test_the_driver_takes_it_cut_anywhere(block: Block) -> None:
    for offset, steps in some(in_pieces(block.steps), block):
        try:
            Play(block).run(steps)
        except TranscriptError as error:
            raise TranscriptError(f"{error}, if cut at {offset}") from error


@pytest.mark.parametrize("block", CALLED, ids=lambda block: block.name)
def test_the_driver_takes_another_line_anywhere(block: Block) -> None:
    said, event = unrelated(block.steps)
    for line, steps in some(with_another(said, block.steps), block):
        try:
            Play(block).run(steps, beside=event)
        except TranscriptError as error:
            raise TranscriptError(f"{error}, with {said!r} at line {line}") from error


# ---- wrong ones -----------------------------------------------------------------------------------------------------

Make = Callable[[str], Block]
OPENED = """\
> AT+QSTAAPINFO="hall","open sesame"
< OK
< +QSTASTAT: "WLAN_CONNECTED"
< +QSTASTAT: "GOT_IP"
> AT+QIOPEN=3,"TCP","10.0.0.9",8009
< OK
< +QIOPEN: 3,0
"""


JOINED = ('< +QSTASTAT: "WLAN_CONNECTED"', '< +QSTASTAT: "GOT_IP"')
UDP = ('> AT+QIOPEN=3,"UDP","10.0.0.9",5000', "< OK", "< +QIOPEN: 3,0", "> AT+QISEND=3,5", r"<< \r\n>")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """The last block of a document; the first line of the text is line 1."""

    def written(text: str) -> Block:
        path = tmp_path / "talk.md"
        path.write_text(text, encoding="utf-8")
        return read(path)[-1]

    return written


def block(*lines: str, head: str = "wire") -> str:
    return "\n".join([f"```{head}", *lines, "```", ""])


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        (block("> AT"), 2, r"says b'\\r\\nOK\\r\\n', not b''"),
        (block("> AT", "< ERROR"), 2, r"says b'\\r\\nOK\\r\\n', not b'\\r\\nERROR\\r\\n'"),
        (block("> AT", "< OK", "< OK"), 2, "not b"),
        (block("> AT", r"<< \r\nOK\n"), 2, "not b"),
        (block("> AT", "< OK", "< +QNO", "> AT", "< OK"), 2, "not b"),
        (block("< OK"), 2, "says b''"),
        (block("> AT+QRST", "< OK", "wait 1", "< ready"), 2, "ready"),
        (block("quirk: echo_on", "> AT", "< OK"), 3, r"says b'AT\\r\\r\\nOK"),
        (block("quirk: nonsense", "> AT", "< OK"), 1, "'nonsense' is not one of"),
        (block("dialect: klingon", "> AT", "< OK"), 1, "'klingon' is not one of"),
        (block("baud: fast", "> AT", "< OK"), 1, "'fast'"),
        (block("somebody knocks"), 2, "'somebody knocks' is nothing that can happen"),
        (block('peer sends "hello"'), 2, "there is no peer"),
        (block(f'{OPENED}peer 2 got "hello"'), 9, "there is no peer 2"),
        (block(f"{OPENED}> AT+QISEND=3,5", r"<< \r\n>", ">> hello", "< SEND OK"), 1, r"peer 1 got \[b'hello'\]"),
        (block(f'{OPENED}peer got "hello"'), 9, r"it got \[\]"),
        (block(f"{OPENED}peer sees the end"), 9, "has not closed"),
        (
            block('> AT+QSTAAPINFO="hall","open sesame"', "< OK", *JOINED, *UDP, ">> hello", "< SEND OK"),
            1,
            r"udp 5000 got \[\(b'hello', 49152\)\], of which nothing is said",
        ),
        (block(f'{OPENED}udp 5000 got "hello" from 7000'), 9, r"it got \[\]"),
    ],
)
def test_a_transcript_that_the_twin_does_not_follow(make: Make, text: str, line: int, fault: str) -> None:
    with pytest.raises(TranscriptError, match=rf"talk\.md:{line}: .*{fault}"):
        Stage(make(text)).play()


VERSION = ("> AT+QVERSION", "< +QVERSION: 1", "< OK")
CLOSED = '< +QIURC: "closed",3'


@pytest.mark.parametrize(
    ("lines", "line", "fault"),
    [
        (("driver: run(GetVersion())", *VERSION), 2, "outcome is Version"),
        (("driver: run(GetVersion())", *VERSION, 'result: Version("2")'), 6, "outcome is Version"),
        (("driver: run(GetVersion())", *VERSION, "raises: CommandError: ERROR"), 6, "outcome is Version"),
        (("driver: run(Attention())", "> AT", "< ERROR"), 2, "'CommandError: ERROR'"),
        (("driver: run(Attention())", "> AT", "< ERROR", "result: None"), 5, "'CommandError: ERROR'"),
        (("driver: run(Attention())", "> AT", "< ERROR", "raises: CommandError: NO"), 5, "'CommandError: ERROR'"),
        (("driver: run(Attention())", "> AT", "< OK", "result: OK"), 5, "NameError"),
        (("driver: run(1 / 0)", "> AT", "< OK"), 2, "ZeroDivisionError"),
        (("driver: run(Attention())", "> ATE0", "< OK"), 2, r"says b'AT\\r\\n', not b'ATE0\\r\\n'"),
        (("driver: run(Attention())", "> AT", "< OK", "> ATE0", "< OK"), 5, "does not say this"),
        (("driver: run(Attention())", "< OK"), 2, r"says b'AT\\r\\n', not b''"),
        (("driver: run(Attention())", "> AT"), 2, "'CommandTimeout'"),
        (("driver: None", "> AT", "< OK"), 3, "does not say this"),
        (("driver: run(Attention())", "> AT", "< OK", CLOSED), 1, r"events are \[Closed"),
        (("driver: run(Attention())", "> AT", "< OK", "event: Closed(3)"), 5, r"events are \[\], not \[Closed"),
        (("driver: run(Attention())", "> AT", "< OK", CLOSED, "event: Closed(4)"), 6, "connect_id=3.*connect_id=4"),
    ],
)
def test_a_transcript_that_the_driver_does_not_follow(make: Make, lines: Sequence[str], line: int, fault: str) -> None:
    wrong = make(block(*lines))
    with pytest.raises(TranscriptError, match=rf"talk\.md:{line}: .*{fault}"):
        Play(wrong).run(wrong.steps)


def test_a_line_that_the_driver_does_not_tell_of(make: Make) -> None:
    good = make(block("driver: run(Attention())", "> AT", "< OK"))
    _, event = unrelated(good.steps)
    with pytest.raises(TranscriptError, match="is not among the events"):
        Play(good).run(good.steps, beside=event)


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("prose\n```wire\n> AT\n", 2, "not closed"),
        (block("> AT", head="wire W1 X1"), 1, "'X1' is neither a row nor setup"),
        (block(), 1, "empty"),
        (block("> AT", ""), 3, "''"),
        (block("> AT "), 2, "ends in a blank"),
        (block(r">> \q"), 2, r"\\q stands for nothing"),
        (block(r'peer sends "\q"'), 2, r"\\q stands for nothing"),
        (block(r">> \x0"), 2, r"\\x stands for nothing"),
        (block(">AT"), 2, "'>AT' is nothing"),
        (block("drivr: run(Attention())"), 2, "'drivr: run"),
        (block("> AT", "< OK", "quirk: echo_on"), 4, "quirk: comes before"),
        (block("result: None"), 2, "result: belongs to no call"),
        (block("event: Booted()"), 2, "event: belongs to no call"),
        (block("driver: None", "result: None", "result: None"), 4, "result: belongs to no call"),
        (block("> AT", "< OK", "driver: None"), 2, "before the driver is called"),
        (block("wait soon"), 2, "soon"),
        (block("wait -1"), 2, "'wait -1' is nothing"),
    ],
)
def test_what_is_no_transcript(make: Make, text: str, line: int, fault: str) -> None:
    with pytest.raises(TranscriptError, match=rf"talk\.md:{line}: .*{fault}"):
        make(text)


# ---- what is made of them -------------------------------------------------------------------------------------------


def said(steps: Sequence[Step]) -> list[bytes]:
    return [data for step in steps if (data := getattr(step, "data", b""))]


def test_bytes_are_written_readably(make: Make) -> None:
    good = make(block("> AT", "< OK", r">> a\r\n\\\x00<SUB><ESC><x*3><é", r"<< \r\n>\x20"))
    assert said(good.steps) == [b"AT\r\n", b"\r\nOK\r\n", b"a\r\n\\\0\x1a\x1bxxx<\xc3\xa9", b"\r\n> "]


def test_a_setup_is_where_the_next_blocks_begin(make: Make) -> None:
    good = make(block("quirk: underscore", "> AT", "< OK", head="wire setup W1") + block("> ATE0", "< OK", head="wire"))
    assert good.before is not None
    assert good.before.rows == ("W1",)
    assert good.settings == (("quirk", "underscore"),)


def test_other_fences_are_prose(tmp_path: Path) -> None:
    path = tmp_path / "talk.md"
    path.write_text("```sh\n> AT\n```\n", encoding="utf-8")
    assert read(path) == []


TALK = block("driver: run(Read(3))", "> AT+QIRD=3,1500", "< +QIRD: 2", r"<< hi\r\n", "< OK", 'result: Data(b"hi")')


def test_cut_at_every_offset(make: Make) -> None:
    good = make(TALK)
    whole = b"".join(said(good.steps))
    variants = dict(in_pieces(good.steps))
    assert list(variants) == list(range(1, len(b"\r\n+QIRD: 2\r\nhi\r\n\r\nOK\r\n")))
    assert all(b"".join(said(steps)) == whole for steps in variants.values())
    assert said(variants[3]) == [b"AT+QIRD=3,1500\r\n", b"\r\n+", b"QIRD: 2\r\n", b"hi\r\n", b"\r\nOK\r\n"]


def test_another_line_is_not_put_into_payload(make: Make) -> None:
    good = make(TALK)
    other = [said(steps).index(b"!") for _, steps in with_another(b"!", good.steps)]
    assert other == [1, 3, 4]


def test_another_line_is_not_put_into_data_mode(make: Make) -> None:
    begun = block("> AT+QISWTMD=3,2", "< CONNECT", "<< hi", "<< you")
    good = make(begun.replace("```\n", "< NO CARRIER\n< +QNO\n```\n"))
    assert [said(steps).index(b"!") for _, steps in with_another(b"!", good.steps)] == [1, 5, 6]
    after = make(begun.replace("```wire", "```wire setup") + block("<< hi", "> AT"))
    assert list(with_another(b"!", after.steps)) == []
