"""Things a module says, for the tests of the core: recorded talks, and strategies that make up others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import strategies as st

from fcm360w.framer import NO_RULE, Framer, Kind, Rule, Start

RECV, QIRD, QMTRECV, QFREAD, CONNECT = range(5)
RULES = (
    Rule('+QIURC: "recv",', Start.AFTER_LINE, field=1, max=1500),
    Rule("+QIRD: ", Start.AFTER_LINE, field=0, max=1500),
    Rule("+QMTRECV: ", Start.INSIDE, field=3, max=4096),
    Rule("CONNECT ", Start.AFTER_LINE, field=0, max=10240),
    Rule("CONNECT", Start.RAW),
)

Span = tuple[int, bytes, int]


def line(text: bytes, rule: int = NO_RULE) -> Span:
    return Kind.LINE, text, rule


def payload(data: bytes, rule: int = NO_RULE) -> Span:
    return Kind.DATA_END, data, rule


PROMPT: Span = (Kind.PROMPT, b">", NO_RULE)
OK = line(b"OK")


@dataclass(frozen=True)
class Talk:
    """Bytes, and the events they are, whatever the cuts.  `setup` is what the caller does first."""

    said: bytes
    heard: list[Span]
    eol: str = "\n"
    setup: dict[str, int] = field(default_factory=dict)

    def framer(self, kind: type[Framer]) -> Framer:
        framer = kind(RULES, eol=self.eol, max_line=64)
        for name, value in self.setup.items():
            SETTERS[name](framer, value)
        return framer


def _set_armed(framer: Framer, mask: int) -> None:
    framer.armed = mask


def _set_doubled(framer: Framer, mask: int) -> None:
    framer.doubled = mask


def _set_want_prompt(framer: Framer, wanted: int) -> None:
    framer.want_prompt = bool(wanted)


SETTERS: dict[str, Callable[[Framer, int], None]] = {
    "armed": _set_armed,
    "doubled": _set_doubled,
    "want_prompt": _set_want_prompt,
}

TALKS = {
    "answer": Talk(
        b"AT+QVERSION\r\r\n+QVERSION: FCM360WAAR01A01\r\n\r\nOK\r\n",
        [line(b"AT+QVERSION"), line(b"+QVERSION: FCM360WAAR01A01"), OK],
    ),
    "read": Talk(b"\r\n+QIRD: 5\r\nhello\r\n\r\nOK\r\n", [line(b"+QIRD: 5", QIRD), payload(b"hello", QIRD), OK]),
    "read nothing": Talk(b"\r\n+QIRD: 0\r\n\r\nOK\r\n", [line(b"+QIRD: 0", QIRD), payload(b"", QIRD), OK]),
    "read tokens": Talk(
        b'\r\n+QIRD: 15,"10.0.0.9",5000\r\n\r\nOK\r\n>+QIRD: 9\r\n\r\nOK\r\n',
        [line(b'+QIRD: 15,"10.0.0.9",5000', QIRD), payload(b"\r\nOK\r\n>+QIRD: 9", QIRD), OK],
    ),
    "unasked": Talk(b"\r\n+QIRD: 5\r\nOK\r\n", [line(b"+QIRD: 5"), OK], setup={"armed": 0b11101}),
    "push": Talk(
        b'\r\n+QIURC: "recv",3,5\r\nhello\r\n\r\n+QIURC: "recv",4\r\n\r\n+QIURC:recv,4,2\r\nOK\r\n',
        [
            line(b'+QIURC: "recv",3,5', RECV),
            payload(b"hello", RECV),
            line(b'+QIURC: "recv",4'),
            line(b"+QIURC:recv,4,2", RECV),
            payload(b"OK", RECV),
        ],
    ),
    "push without trailer": Talk(
        b'\r\n+QIURC: "recv",3,2\r\nhi\r\nOK\r\n', [line(b'+QIURC: "recv",3,2', RECV), payload(b"hi", RECV), OK]
    ),
    "hex": Talk(
        b'\r\n+QIURC: "recv",3,2\r\n4F4B\r\n',
        [line(b'+QIURC: "recv",3,2', RECV), payload(b"4F4B", RECV)],
        setup={"doubled": 1 << RECV},
    ),
    "too much": Talk(
        b"\r\n+QIRD: 1501\r\n+QIRD: 1500x\r\n+QIRD: -1\r\n+QIRD: " + b"9" * 30 + b"\r\n",
        [line(b"+QIRD: 1501"), line(b"+QIRD: 1500x"), line(b"+QIRD: -1"), line(b"+QIRD: " + b"9" * 30)],
    ),
    "message": Talk(
        b'\r\n+QMTRECV: 0,0,"a,b",6,"x\r\n",y"\r\n\r\n+QMTRECV: 0,0\r\n',
        [line(b'+QMTRECV: 0,0,"a,b",6', QMTRECV), payload(b'x\r\n",y', QMTRECV), line(b"+QMTRECV: 0,0")],
    ),
    "bare message": Talk(
        b'\r\n+QMTRECV: 0,0,"t",3,"\nb\r\n\r\n+QMTRECV: 0,0,"t",0,\r\nOK\r\n',
        [
            line(b'+QMTRECV: 0,0,"t",3', QMTRECV),
            payload(b'"\nb', QMTRECV),
            line(b'+QMTRECV: 0,0,"t",0', QMTRECV),
            payload(b"", QMTRECV),
            OK,
        ],
    ),
    "message and junk": Talk(
        b'+QMTRECV: 0,0,"t",1,"x"> +QIRD: 1\r\nOK\r\n',
        [line(b'+QMTRECV: 0,0,"t",1', QMTRECV), payload(b"x", QMTRECV), line(b"> +QIRD: 1"), OK],
        setup={"want_prompt": 1},
    ),
    "prompt": Talk(b"\r\n> \r\nSEND OK\r\n> \r\n", [PROMPT, line(b"SEND OK"), line(b"> ")], setup={"want_prompt": 1}),
    "unwanted prompt": Talk(b"\r\n>\r\nOK\r\n", [line(b">"), OK]),
    "file": Talk(b"\r\nCONNECT 4\r\n\n>\r\r\r\nOK\r\n", [line(b"CONNECT 4", QFREAD), payload(b"\n>\r\r", QFREAD), OK]),
    "transparent": Talk(
        b"\r\nCONNECT\r\n\r\nOK\r\n>",
        [line(b"CONNECT", CONNECT), (Kind.DATA, b"\r\nOK\r\n>", NO_RULE)],
        setup={"want_prompt": 1},
    ),
    "overlong": Talk(
        b"x" * 65 + b"\r\n" + b"y" * 63 + b"\r\n" + b'+QMTRECV: 0,0,"' + b"z" * 80 + b'",1,"a"\n',
        [(Kind.OVERLONG, b"66", NO_RULE), line(b"y" * 63), (Kind.OVERLONG, b"102", NO_RULE)],
    ),
    "host": Talk(
        b'AT\rAT+QIOPEN=3,"TCP"\r\n\r\r\n at \r', [line(b"AT"), line(b'AT+QIOPEN=3,"TCP"'), line(b" at ")], eol="\r"
    ),
}


def without_cuts(spans: list[Span]) -> list[Span]:
    """Events with the cuts of DATA undone."""
    out: list[Span] = []
    open_data = False
    for kind, data, rule in spans:
        if open_data:
            data = out.pop()[1] + data
        out.append((kind, data, rule))
        open_data = kind == Kind.DATA
    return out


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[start:stop] for start, stop in pairwise(edges))


CUTS = st.lists(st.integers(0, 1 << 16), max_size=6)

TOKENS = [
    b"\r\n", b"\r", b"\n", b"0", b"5", b" ", b",", b'"', b"+", b"+++", b"> ", b"\r\n>", b"x" * 70,
    b"\r\nOK\r\n", b"\r\nERROR\r\n", b"\r\nSEND OK\r\n", b"\r\nNO CARRIER\r\n", b"\r\nready\r\n",
    b"\r\nCONNECT\r\n", b"\r\nCONNECT 3\r\n", b"+QIRD: 2\r\n", b"+QIRD: 5,7 , 3 \r\n", b'+QIURC: "closed",0',
    b'\r\n+QIURC: "recv",3\r\n', b'+QMTRECV: 0,0,"t",3,',
]  # fmt: skip
JUNK = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=8), max_size=6).map(b"".join)


@st.composite
def counted(draw: st.DrawFn) -> bytes:
    """A line with its payload, in one of the forms a module may use."""
    data = draw(JUNK)
    head, close = draw(
        st.sampled_from(
            [
                (b'\r\n+QIURC: "recv",3,%d\r\n', b"\r\n"),
                (b'\r\n+QIURC: "recv",3,%d,"10.0.0.9",5000\r\n', b""),
                (b"\r\n+QIURC:recv,3, %d \r\n", b"\r\n"),
                (b"\r\n+QIRD: %d\r\n", b"\r\n\r\nOK\r\n"),
                (b'\r\n+QMTRECV: 0,0,"a,b",%d,"', b'"\r\n'),
                (b"\r\n+QMTRECV: 0,0,t,%d,", b"\r\n"),
                (b"\r\nCONNECT %d\r\n", b"\r\nOK\r\n"),
            ]
        )
    )
    wrong = draw(st.sampled_from([0, 0, 0, 1, -1, 2000]))
    return head % max(len(data) + wrong, 0) + data + close


STREAMS = st.lists(st.sampled_from(TOKENS) | counted() | st.binary(max_size=12), max_size=8).map(b"".join)
