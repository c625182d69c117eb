"""What takes several steps with files, for test_power_cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from fcm360w import Module
from fcm360w.sim import firmware_image
from procedures import HOTSPOT, PROCEDURES, SAID, Bench

LONG = SAID * 2
NEW = "FCM360WAAR02A01"


def written(bench: Bench, module: Module) -> None:
    module.files.write_bytes("ca.pem", LONG)
    assert module.files.read_bytes("ca.pem") == LONG


def appended(bench: Bench, module: Module) -> None:
    before = module.files.size("log") if "log" in module.files else 0
    with module.files.open("log", "ab") as file:
        file.write(b"reading")
    assert module.files.size("log") == before + 7


def upgraded(bench: Bench, module: Module) -> None:
    """Whatever was cut before, the old firmware or the new one runs."""
    assert module.system.version() in ("FCM360WAAR01A01", NEW)
    module.wifi.join(*HOTSPOT)
    with served(firmware_image(NEW, LONG)) as port:
        assert module.system.upgrade(f"http://127.0.0.1:{port}/new", 20.0) == NEW


@contextlib.contextmanager
def served(firmware: bytes) -> Iterator[int]:
    """A server that has nothing but this, for one client."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(firmware) + firmware)
                client.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()


PROCEDURES |= {"write a file": written, "append to a file": appended, "upgrade": upgraded}
