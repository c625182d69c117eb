"""A plain TCP server on this machine, as the far end of the demonstration."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

PATIENCE = 30.0


class Server:
    """Accepts one client, takes `count` bytes from it, and when told to begins to send `reply`."""

    def __init__(self, reply: bytes, count: int) -> None:
        self.received = bytearray(count)
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.host, self.port = self._listener.getsockname()
        self._all, self._go = threading.Event(), threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="fcm360w-demo-server", daemon=True)

    def await_all(self) -> None:
        """Return when all has arrived.  OSError if it did not."""
        self._all.wait()
        if self._error:
            raise self._error

    def begin(self) -> None:
        """Let it send."""
        self._go.set()

    def _run(self) -> None:
        try:
            client, _ = self._listener.accept()
            with client:
                client.settimeout(PATIENCE)
                self._serve(client)
        except OSError as error:
            self._error = error
        finally:
            self._all.set()

    def _serve(self, client: socket.socket) -> None:
        room = memoryview(self.received)
        while room:
            count = client.recv_into(room)
            if not count:
                raise ConnectionError("the client of the demonstration closed too early")
            room = room[count:]
        self._all.set()
        self._go.wait(PATIENCE)
        client.sendall(self._reply)
        while client.recv(4096):  # until the client closes, so that what was sent is not reset
            continue

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._go.set()
        self._listener.close()
        if error is None:
            self._thread.join(PATIENCE)
