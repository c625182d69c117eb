"""A host that knows nothing of this project's code: bytes out, bytes in, and a patience of many seconds."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Protocol

PATIENCE = 20.0
OK = b"\r\nOK\r\n"
CONNECT = b"\r\nCONNECT\r\n"
JOINED = b'\r\nOK\r\n\r\n+QSTASTAT: "WLAN_CONNECTED"\r\n\r\n+QSTASTAT: "GOT_IP"\r\n'


class Wire(Protocol):
    def fileno(self) -> int: ...


class Host:
    """Reads and writes a descriptor, however it came about."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._descriptor = wire.fileno()
        os.set_blocking(self._descriptor, False)

    def send(self, data: bytes) -> None:
        view, end = memoryview(data), time.monotonic() + PATIENCE
        while view:
            self._wait(end, write=True)
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                continue

    def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        got, end = bytearray(), time.monotonic() + PATIENCE
        while len(got) < count:
            self._wait(end, write=False, got=got)
            try:
                data = os.read(self._descriptor, count - len(got))
            except BlockingIOError:
                continue
            assert data, f"the line went dead after {bytes(got[-200:])!r}"
            got += data
        return bytes(got)

    def _wait(self, end: float, write: bool, got: bytearray | None = None) -> None:
        left = max(0.0, end - time.monotonic())
        ready = select.select([] if write else [self._descriptor], [self._descriptor] if write else [], [], left)
        assert any(ready), f"nothing more came after {bytes((got or b'')[-200:])!r}"

    def expect(self, text: bytes) -> None:
        assert self.read(len(text)) == text

    def ask(self, line: bytes, answer: bytes) -> None:
        self.send(line + b"\r\n")
        self.expect(answer)

    def line(self) -> bytes:
        """One framed line, without its frame."""
        assert self.read(2) == b"\r\n"
        text = b""
        while not text.endswith(b"\r\n"):
            text += self.read(1)
        return text[:-2]

    def query(self, line: bytes) -> bytes:
        """The one information line of a command that ends in OK."""
        self.send(line + b"\r\n")
        text = self.line()
        self.expect(OK)
        return text

    def join(self) -> None:
        self.ask(b'AT+QSTAAPINFO="hall","open sesame"', JOINED)

    def open(self, number: int, port: int, access: int = 0) -> None:
        answer = CONNECT if access == 2 else OK + b"\r\n+QIOPEN: %d,0\r\n" % number
        self.ask(b'AT+QIOPEN=%d,"TCP","127.0.0.1",%d,0,%d' % (number, port, access), answer)

    def leave_data_mode(self) -> None:
        """The only pause of real time in these tests: the guard cannot be hurried."""
        time.sleep(1.1)
        self.send(b"+++")
        self.expect(OK)

    def close(self) -> None:
        close = getattr(self._wire, "close", None)
        if close:
            close()


class Server:
    """A plain listener on this machine; `window` bounds what its system takes for those that do not read."""

    def __init__(self, window: int | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        if window is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]
        self._links: list[socket.socket] = []

    def accept(self) -> socket.socket:
        link, _ = self._listener.accept()
        link.settimeout(PATIENCE)
        self._links.append(link)
        return link

    def close(self) -> None:
        for link in (self._listener, *self._links):
            link.close()


def received(link: socket.socket, count: int) -> bytes:
    """Exactly so many bytes from a plain socket."""
    got = bytearray()
    while len(got) < count and (data := link.recv(count - len(got))):
        got += data
    return bytes(got)


def received_to_end(link: socket.socket) -> bytes:
    got = bytearray()
    while data := link.recv(65536):
        got += data
    return bytes(got)
