"""What follows a suspected NO CARRIER, however much it is: set aside, and brought back where it belongs."""

from __future__ import annotations

import random

import pytest

from fcm360w.commands import RULES, UNSOLICITED
from fcm360w.datamode import DataMode
from fcm360w.escape import Verdict
from fcm360w.inbox import marks
from fcm360w.steps import EscapePolicy

MARKER = b"\r\nNO CARRIER\r\n"
CLOSED = b'\r\n+QIURC: "closed",0\r\n'
CHAIN = b"\r\nERROR\r\n" * 30_000 + CLOSED
SHORT_CHAIN = b"\r\nERROR\r\n" * 2_000 + CLOSED  # for reads of a few bytes, each of which is judged
CHAINS = [(7, SHORT_CHAIN), (100, CHAIN), (4096, CHAIN), (65536, CHAIN)]


PUSHED = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + b"x" * 1368
PUSHES = b"".join(b'\r\n+QIURC: "recv",%d,%d\r\n%b\r\n' % (n, len(PUSHED), PUSHED) for n in (1, 2, 3))


def data_mode() -> DataMode:
    return DataMode(EscapePolicy(), list(RULES.values()), (1 << UNSOLICITED) - 1, 0.0, marks())


def pieces(data: bytes, size: int) -> list[bytes]:
    """Reads of one burst: none longer than the port gives at once."""
    chance = random.Random(size)
    out = []
    while data:
        cut = chance.randint(1, size)
        out.append(data[:cut])
        data = data[cut:]
    return out


@pytest.mark.parametrize(("size", "chain"), CHAINS, ids=[str(size) for size, _ in CHAINS])
def test_a_chain_of_any_length_keeps_the_suspicion(size: int, chain: bytes) -> None:
    data = data_mode()
    for number, piece in enumerate(pieces(b"payload" + MARKER + chain, size)):
        data.receive(piece, number * 1e-4)
        assert len(data.withheld) < 2048 + size
    assert data.suspected
    assert data.inbox == b"payload"
    data.tick(1000.0)
    assert data.watch.verdict is Verdict.SILENT
    assert data.after_marker() == chain
    assert data.inbox == b"payload"


@pytest.mark.parametrize("ending", [b"", b"\r\n+QIU", PUSHES[:1100]])
@pytest.mark.parametrize("size", [7, 100, 1000, 4096, 65536])
def test_line_ends_in_a_counted_payload_do_not_cut_the_chain(size: int, ending: bytes) -> None:
    data, chain = data_mode(), CLOSED + PUSHES + ending
    for number, piece in enumerate(pieces(b"payload" + MARKER + chain, size)):
        data.receive(piece, number * 1e-4)
        assert data.inbox == b"payload"[: len(data.inbox)]
    assert data.suspected
    assert data.after_marker() == chain


@pytest.mark.parametrize(("size", "chain"), CHAINS, ids=[str(size) for size, _ in CHAINS])
def test_a_chain_that_was_payload_is_delivered_whole(size: int, chain: bytes) -> None:
    data, stream = data_mode(), b"payload" + MARKER + chain + b"and more"
    for number, piece in enumerate(pieces(stream, size)):
        data.receive(piece, number * 1e-4)
    assert not data.suspected
    assert data.inbox + data.withheld == stream
    assert data.received == len(data.inbox)


def test_a_chain_released_by_the_link_is_delivered_whole() -> None:
    data = data_mode()
    for number, piece in enumerate(pieces(MARKER + CHAIN, 4096)):
        data.receive(piece, number * 1e-4)
    data.release()
    assert data.inbox == MARKER + CHAIN


def test_the_last_of_several_markers_counts_after_a_long_chain() -> None:
    data = data_mode()
    for number, piece in enumerate(pieces(MARKER + CHAIN + MARKER + CHAIN, 4096)):
        data.receive(piece, number * 1e-4)
    assert data.inbox == MARKER + CHAIN
    assert data.after_marker() == CHAIN
