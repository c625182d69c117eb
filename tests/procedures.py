"""What takes several steps, and what it is done with; procedures_<chapter>.py have those of a chapter."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fcm360w import Module
from fcm360w.channel import Mode
from freeport import free_port

SAID = bytes(range(256)) * 12
HOTSPOT = "hall", "open sesame"


class Power:
    """The twin in a process of its own, at one port and with one memory, whenever it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._place = "127.0.0.1:0"
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def on(self) -> None:
        command = [sys.executable, "-m", "fcm360w", "sim", "--unpaced", "--tcp", self._place, "--fs", self._folder]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self._place = self.url.removeprefix("tcp://")

    def off(self) -> None:
        """As a plug that is pulled."""
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._process = None


class Echo:
    """Sends back what its clients send."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._return, args=self._listener.accept()[:1], daemon=True).start()

    def _return(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), link:
            while data := link.recv(65536):
                link.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Bench(NamedTuple):
    """What a procedure has at hand."""

    power: Power
    echo: Echo


def joined(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT, save=True)


def streamed(mode: Mode) -> Callable[[Bench, Module], None]:
    def act(bench: Bench, module: Module) -> None:
        module.wifi.join(*HOTSPOT)
        with module.stream("127.0.0.1", bench.echo.port, mode) as stream:
            stream.settimeout(20.0)
            stream.sendall(SAID)
            with stream.makefile("rb") as file:
                assert file.read(len(SAID)) == SAID

    return act


def listened(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    with module.tcp.listen(free_port()) as listener, contextlib.suppress(TimeoutError):
        listener.accept(0.2)


def datagrams(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    with module.udp.bind(free_port()) as service:
        service.sendto(b"hello", ("127.0.0.1", bench.echo.port))


def restarted(bench: Bench, module: Module) -> None:
    module.system.reboot()


PROCEDURES: dict[str, Callable[[Bench, Module], None]] = {
    "join": joined,
    "stream, transparent": streamed("transparent"),
    "stream, push": streamed("push"),
    "stream, buffer": streamed("buffer"),
    "listen": listened,
    "datagrams": datagrams,
    "restart": restarted,
}
