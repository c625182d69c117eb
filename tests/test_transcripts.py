"""Every transcript on the twin and through the driver; that each row of the wire has one; and that wrong ones fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from transcript import Block, TranscriptError, read
from transcript_driver import Play, in_pieces, unrelated, with_another
from transcript_twin import Stage

FOLDER = Path(__file__).parent / "transcripts"
BLOCKS = [block for path in sorted(FOLDER.glob("*.md")) for block in read(path)]
CALLED = [block for block in BLOCKS if block.calls]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_the_twin_says_it(block: Block) -> None:
    Stage(block).play()


@pytest.mark.parametrize("block", CALLED, ids=lambda block: block.name)
def test_the_driver_takes_it(block: Block) -> None:
    Play(block).run(block.steps)


@pytest.mark.parametrize("block", CALLED, ids=lambda block: block.name)
def test_the_driver_takes_it_cut_anywhere(block: Block) -> None:
    for offset, steps in in_pieces(block.steps):
        try:
            Play(block).run(steps)
        except TranscriptError as error:
            raise TranscriptError(f"{error}, if cut at {offset}") from error


@pytest.mark.parametrize("block", CALLED, ids=lambda block: block.name)
def test_the_driver_takes_another_line_anywhere(block: Block) -> None:
    said, event = unrelated(block.steps)
    for line, steps in with_another(said, block.steps):
        try:
            Play(block).run(steps, beside=event)
        except TranscriptError as error:
            raise TranscriptError(f"{error}, with {said!r} at line {line}") from error
