"""What the tests of streams share: payloads that are awkward, and what a module says around them."""

from __future__ import annotations

from fcm360w.channel import ACCESS, Channel, Mode
from fcm360w.commanded import Commanded
from fcm360w.errors import TransportLost
from fcm360w.opening import open_channel
from fcm360w.states import State
from fcm360w.steps import EscapePolicy
from scripted import NO_CARRIER, OK, PROMPT, TOKENS, World, answer, line

POLICY = EscapePolicy()
GUARD = POLICY.guard_after
CLOSED = line('+QIURC: "closed",0')
NASTY = [
    bytes(range(256)),
    b"+" * 500,
    b"+++",
    b"++",
    b"+",
    b"a+++",
    b"+++a",
    b"".join(TOKENS),
    NO_CARRIER + b"x",
    b"\r\nOK\r\n",
    b"\r" * 30,
    b"\x1a\x1b\x00\xff",
    b"> ",
]


def receive(world: World, stream: Channel, size: int = 4096, seconds: float | None = None) -> bytes:
    buffer = bytearray(size)
    deadline = None if seconds is None else world.now + seconds
    count = world.drive(stream.receive_into(memoryview(buffer), deadline))
    assert count > 0
    return bytes(buffer[:count])


def receive_exactly(world: World, stream: Channel, size: int, piece: int = 4096) -> bytes:
    out = b""
    while len(out) < size:
        out += receive(world, stream, min(piece, size - len(out)), 60.0)
    return out


def send(world: World, stream: Channel, data: bytes, seconds: float | None = None) -> None:
    deadline = None if seconds is None else world.now + seconds
    world.drive(stream.send(memoryview(data), deadline))


def leaves(world: World, sent: int, acked: int | None = None, connect_id: int = 0, seconds: str = "10") -> None:
    """What a module says to the guarded escape and to what closes a socket."""
    world.on(b"+++", (GUARD + 0.02, OK))
    counts(world, sent, acked, connect_id, seconds)


def counts(world: World, sent: int, acked: int | None = None, connect_id: int = 0, seconds: str = "10") -> None:
    acked = sent if acked is None else acked
    world.on(f"AT+QISEND={connect_id},0", answer(f"+QISEND: {sent},{acked},{sent - acked}"), always=True)
    world.on(f"AT+QICLOSE={connect_id},{seconds}", OK)


def state(world: World) -> State:
    return world.link.state


RESET = ConnectionResetError(104, "Connection reset by peer")


def gone() -> TransportLost:
    return TransportLost("lost sim://", RESET)


class Interrupt(BaseException):
    """Somebody has no more interest."""


def commanded(world: World, mode: Mode, first: bytes = b"", connect_id: int = 0) -> Commanded:
    access = ACCESS[mode]
    used = [f'+QISTATE: {n},"TCP","10.0.0.9",8009,49152,2,{n},1,"uart1"' for n in range(connect_id)]
    world.on("AT+QISTATE", answer(*used))
    opening = f'AT+QIOPEN={connect_id},"TCP","h",80,0,{int(access)}'
    world.on(opening, OK + line(f"+QIOPEN: {connect_id},0") + first)
    opened = world.drive(open_channel(world.link, "h", 80, mode))
    assert isinstance(opened, Commanded)
    world.forget()
    return opened


def recv_urc(data: bytes | None = None, connect_id: int = 0) -> bytes:
    if data is None:
        return line(f'+QIURC: "recv",{connect_id}')
    return b'\r\n+QIURC: "recv",%d,%d\r\n' % (connect_id, len(data)) + data + b"\r\n"


def qird(data: bytes) -> bytes:
    return b"\r\n+QIRD: %d\r\n" % len(data) + (data + b"\r\n" if data else b"") + OK


def sends(world: World, *pieces: bytes, reply: bytes = line("SEND OK")) -> None:
    for piece in pieces:
        world.on(f"AT+QISEND=0,{len(piece)}", PROMPT)
        world.on(piece, reply)
