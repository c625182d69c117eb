"""Requests, for test_power_cut: against a web server of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from fcm360w import Module
from pages import TRAP, Pages
from procedures import HOTSPOT, PROCEDURES, Bench


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """A server, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_serve, args=listener.accept()[:1], daemon=True).start()


def _serve(link: socket.socket) -> None:
    come, pages = bytearray(), Pages()
    with contextlib.suppress(OSError), link:
        while data := link.recv(65536):
            come += data
            for said in pages.hear(come):
                link.sendall(said)
                if b"Connection: close" in said:
                    return


def got(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    with serving() as port:
        response = module.http.get(f"http://127.0.0.1:{port}/open", headers={"A": "b"}, timeout=20.0)
        assert response.body == TRAP + b"end" + TRAP


def posted(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    with serving() as port:
        response = module.http.post(f"http://127.0.0.1:{port}/echo", data=TRAP * 100, timeout=20.0)
        assert response.body == TRAP * 100


PROCEDURES["http get"] = got
PROCEDURES["http post"] = posted
