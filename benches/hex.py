"""How fast is the hex codec beside binascii, radixly, faster-hexbytes and memcpy, and from which size on does it pay?

    python benches/hex.py [--quick] [--json] [--crossover]

GB/s are of binary bytes; a ratio is the median, over rounds in which all take their turn, of binascii's time divided by
the other's in the same round.  binascii's digits are lower case; "upper" is what it takes to make them upper case, as
everything but binascii and faster-hexbytes does.  "into" writes to a buffer that is there already.  memcpy copies the
binary bytes alone.  The crossover is the size from which on the C core is quicker than the standard library at a new
`bytes` object of upper-case digits, or of octets; --crossover measures nothing else.
Exit status 1 if a result is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from binascii import a2b_hex, b2a_hex
from collections.abc import Callable, Iterable
from importlib import import_module
from statistics import median
from timeit import Timer
from typing import Any, NamedTuple

from fcm360w import hexcodec

SIZES = {"64 B": 64, "one AT+QISEND": 1460, "64 kB": 65536, "4 MB": 4 << 20}
LADDER = [*range(1, 16), *range(16, 512, 16), *range(512, 2049, 64)]
SHORT = 0.5e-3  # seconds of one run; what is slower runs once


class Contender(NamedTuple):
    name: str
    statement: str  # of f, the input x and the buffer out
    function: Callable[..., Any]
    kind: type[bytes] | type[str] = bytes  # of the input


def peers(way: str) -> list[Contender]:
    found = []
    for name, path, statement in (
        ("radixly", "radixly.base16:" + way, "f(x)"),
        ("faster-hexbytes", "faster_hexbytes:HexBytes", "f(x).hex()" if way == "encode" else "f(x)"),
    ):
        module, attribute = path.split(":")
        try:
            function = vars(import_module(module))[attribute]
        except ImportError:
            print(f"{name} is not installed: pip install {name}", file=sys.stderr)
            continue
        found.append(Contender(name, statement, function, bytes if way == "encode" else str))
    return found


def levels(way: str) -> list[Contender]:
    codecs = hexcodec.implementations().items()
    into = [(name, codec.encode_into if way == "encode" else codec.decode_into) for name, codec in codecs]
    return [Contender(f"{name} into", "f(x, out)", function) for name, function in into]


def contenders(way: str) -> list[Contender]:
    memcpy = [Contender("memcpy", "out[:] = x", len)]
    if way == "encode":
        upper = Contender("binascii, upper", "f(x).upper()", b2a_hex)
        ours = [Contender("fcm360w", "f(x)", hexcodec.encode), Contender("into", "f(x, out)", hexcodec.encode_into)]
        return [Contender("binascii", "f(x)", b2a_hex), upper, *peers(way), *ours, *levels(way), *memcpy]
    ours = [Contender("fcm360w", "f(x)", hexcodec.decode), Contender("into", "f(x, out)", hexcodec.decode_into)]
    return [Contender("binascii", "f(x)", a2b_hex), *peers(way), *ours, *levels(way), *memcpy]


def prepare(way: str, size: int, contender: Contender) -> tuple[Timer, bool]:
    """How to time it, and whether its result is right."""
    octets = random.Random(size).randbytes(size)
    source, expected = octets, octets.hex().upper().encode()
    if way == "decode":
        source, expected = expected, octets
    out = memoryview(bytearray(len(expected)))
    if contender.name == "memcpy":
        source = expected = octets
        out = memoryview(bytearray(size))
    names = {"f": contender.function, "out": out, "x": source if contender.kind is bytes else source.decode()}
    if "out" in contender.statement:
        exec(contender.statement, names)
        result = bytes(out)
    else:
        answer = eval(contender.statement, names)
        result = answer.encode() if isinstance(answer, str) else bytes(answer)
    if way == "encode" and contender.name != "memcpy":
        result = result.upper()
    return Timer(contender.statement, globals=names), result == expected


def measure(timers: Iterable[Timer], rounds: int) -> list[list[float]]:
    """Seconds a call, by timer and round."""
    counted = [(timer, max(1, int(SHORT / timer.timeit(3) * 3))) for timer in timers]
    columns = [[timer.timeit(count) / count for timer, count in counted] for _ in range(rounds)]
    return [list(row) for row in zip(*columns, strict=True)]


def compare(way: str, size: int, rounds: int) -> list[dict[str, Any]]:
    entrants = contenders(way)
    prepared = [prepare(way, size, contender) for contender in entrants]
    times = measure((timer for timer, _ in prepared), rounds)
    return [
        {
            "way": way,
            "bytes": size,
            "name": contender.name,
            "ns": round(median(row) * 1e9, 1),
            "GB/s": round(size / median(row) / 1e9, 3),
            "ratio": round(median(base / own for base, own in zip(times[0], row, strict=True)), 2),
            "right": right,
        }
        for contender, (_, right), row in zip(entrants, prepared, times, strict=True)
    ]


def crossover(way: str, rounds: int) -> int | None:
    """The least size, in binary bytes, from which on the core in use is quicker than the standard library."""
    if way == "encode":
        pair = [Contender("library", "f(x).upper()", b2a_hex), Contender("core", "f(x)", hexcodec.encode)]
    else:
        pair = [Contender("library", "f(x)", a2b_hex), Contender("core", "f(x)", hexcodec.decode)]
    best = None
    for size in reversed(LADDER):
        library, core = measure((prepare(way, size, contender)[0] for contender in pair), rounds)
        if median(own / base for base, own in zip(library, core, strict=True)) >= 1:
            break
        best = size
    return best


def show(rows: list[dict[str, Any]]) -> None:
    for label, size in SIZES.items():
        for way in ("encode", "decode"):
            print(f"\n{way}, {label} ({size:,} bytes)")
            for row in rows:
                if (row["bytes"], row["way"]) == (size, way):
                    speed = f"{row['ns']:>14,.0f} ns {row['GB/s']:>8.2f} GB/s {row['ratio']:>7.2f} x"
                    print(f"  {row['name']:<16} {speed}{'' if row['right'] else '  WRONG'}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--crossover", action="store_true")
    options = parser.parse_args()
    rounds = 5 if options.quick else 41
    sizes = [] if options.crossover else SIZES.values()
    rows = [row for size in sizes for way in ("encode", "decode") for row in compare(way, size, rounds)]
    least = {way: crossover(way, rounds) for way in ("encode", "decode")}
    good = all(row["right"] for row in rows)
    if options.json:
        print(json.dumps({"level": hexcodec.in_use(), "rows": rows, "crossover": least, "good": good}))
        return not good
    if rows:
        show(rows)
    print(f"\nlevel in use: {hexcodec.in_use()} of {', '.join(hexcodec.LEVELS)}")
    for way, size in least.items():
        print(f"crossover, {way}: {size or 'none up to ' + str(LADDER[-1])} binary bytes")
    return not good


if __name__ == "__main__":
    sys.exit(main())
