"""Plain socket servers for tests to talk to through a module: nothing of this project in them."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from types import TracebackType
from typing import Self

LIMIT = 20.0


class Connection:
    """One client: what it sent is gathered in a thread of its own until it closes; then this side closes too."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.data = bytearray()
        self.grown = threading.Condition()
        self.ended = False
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self) -> None:
        try:
            while chunk := self.link.recv(65536):
                with self.grown:
                    self.data += chunk
                    self.grown.notify_all()
        except OSError:
            pass
        self.close()
        with self.grown:
            self.ended = True
            self.grown.notify_all()

    def wait_for(self, count: int) -> bytes:
        """The first `count` bytes."""
        with self.grown:
            assert self.grown.wait_for(lambda: len(self.data) >= count or self.ended, LIMIT), "nothing came"
            return bytes(self.data[:count])

    def wait_for_end(self) -> bytes:
        """Everything, once the client has closed."""
        with self.grown:
            assert self.grown.wait_for(lambda: self.ended, LIMIT), "the client did not close"
            return bytes(self.data)

    def send(self, data: bytes) -> None:
        self.link.sendall(data)

    def close(self) -> None:
        """End the connection, all that was sent first."""
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()


class Peer:
    """A listening socket on a free port of the loopback address."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._arrived: queue.Queue[Connection] = queue.Queue()
        self._all: list[Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(link)
            self._all.append(connection)
            self._arrived.put(connection)

    def next(self) -> Connection:
        """The next client."""
        return self._arrived.get(timeout=LIMIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self._all:
            connection.close()
