"""What a small web server of the tests answers, for servers in memory and of plain sockets alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fcm360w.sim.pipes import MemoryPeer

HOST = "web.example"
BIG = bytes(range(256)) * 4000
TRAP = b"a\r\nOK\r\n\r\n+QHTTPREAD: 0\r\n"
CLOSE = ("Connection", "close")


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for other, value in self.headers if other.lower() == name.lower()]


def answer(status: int, body: bytes, *headers: tuple[str, str], announced: bool = True) -> bytes:
    """A response."""
    lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"Content-Length: {len(body)}"] if announced else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*pieces: bytes) -> bytes:
    """A response in chunks."""
    head = b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def page(asked: Asked) -> bytes:
    """What is answered to a request, by its path."""
    pages: dict[str, Callable[[], bytes]] = {
        "/echo": lambda: answer(200, asked.body, ("Content-Type", "text/x-echo"), ("X-Twice", "1"), ("X-Twice", "2")),
        "/count": lambda: answer(200, str(len(asked.body)).encode()),
        "/big": lambda: answer(200, BIG),
        "/trap": lambda: answer(200, TRAP),
        "/open": lambda: answer(200, TRAP + b"end" + TRAP, CLOSE, announced=False),
        "/chunked": lambda: chunked(b"one ", TRAP, b" two"),
        "/empty": lambda: answer(200, b""),
        "/nothing": lambda: answer(204, b"", announced=False),
        "/form": lambda: answer(200, asked.values("Content-Type")[0].encode() + b"\n" + asked.body),
        "/hello": lambda: answer(200, b"hello"),
    }
    return pages.get(asked.path, lambda: answer(404, b"no such page"))()


class Pages:
    """Reads requests off a connection and answers them; `asked` has all of them."""

    def __init__(self, reply: Callable[[Asked], bytes] = page) -> None:
        self.asked: list[Asked] = []
        self._reply = reply

    def serve(self, peer: MemoryPeer) -> None:
        """In memory."""
        come = bytearray()

        def on_data(data: bytes) -> None:
            come.extend(data)
            for said in self.hear(come):
                peer.send(said)
                if b"Connection: close" in said:
                    peer.finish()

        peer.on_data = on_data

    def hear(self, come: bytearray) -> list[bytes]:
        """The answers to what is whole of what has come, which is taken away."""
        said = []
        while asked := parsed(come):
            self.asked.append(asked)
            said.append(self._reply(asked))
        return said


def parsed(come: bytearray) -> Asked | None:
    """A request, once it is whole."""
    end = come.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = come[:end].decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    size = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    if len(come) < end + 4 + size:
        return None
    body = bytes(come[end + 4 : end + 4 + size])
    del come[: end + 4 + size]
    method, path, _ = first.split(" ")
    return Asked(method, path, headers, body)
