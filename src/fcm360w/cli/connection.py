"""A stream to the far end for `send` and `recv`, and the count of what went through it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import fcm360w
from fcm360w.cli.options import Endpoint
from fcm360w.cli.screen import amount, say, speed
from fcm360w.cli.secure import Security, secured
from fcm360w.commands.codes import SocketCode
from fcm360w.errors import CommandError

if TYPE_CHECKING:
    from fcm360w.channel import Mode
    from fcm360w.contexts import Context
    from fcm360w.module import Module
    from fcm360w.streams import Stream

PIECE = 1460
NO_NETWORK = (SocketCode.CONNECT_FAILED, SocketCode.DNS_FAILED)


@dataclass(frozen=True)
class Target:
    """Where to, and how."""

    url: str
    endpoint: Endpoint
    mode: Mode
    ssid: str | None
    password: str | None
    timeout: float | None
    security: Security | None = None


@contextmanager
def connected(target: Target) -> Iterator[tuple[Module, Stream]]:
    """A module and a stream; whatever ends the context, the module is left in command mode."""
    with fcm360w.open(target.url) as module:
        if module.found.data_mode:
            say("the module was left in data mode; it has been brought out of it")
        if target.ssid:
            addresses = module.wifi.join(target.ssid, target.password)
            say(f"joined {target.ssid}, address {addresses.ip}")
        with secured(target.security, module) as context:
            stream = _opened(module, target, context)
        stream.settimeout(target.timeout)
        say(f"connected to {target.endpoint}, {target.mode} mode{', under TLS' if context else ''}")
        try:
            yield module, stream
        except (KeyboardInterrupt, SystemExit):
            say("stopping: the module is brought back to command mode; once more leaves it as it is")
            stream.close(0.0)
            raise


def _opened(module: Module, target: Target, context: Context | None) -> Stream:
    try:
        return module.stream(target.endpoint.host, target.endpoint.port, target.mode, context)
    except CommandError as error:
        if context and error.code == SocketCode.CONNECT_FAILED:
            error.add_note("under TLS that may also be a certificate, a version or a suite that one side refuses")
        if error.code in NO_NETWORK and not target.ssid and module.wifi.addresses().ip == "0.0.0.0":
            error.add_note("the module is joined to no hotspot: pass --ssid and --password")
        raise


def piece_size(baud: int | None) -> int:
    """How much to move at a time: a tenth of a second's worth, in full packets, so that progress is seen."""
    return PIECE * 16 if baud is None else PIECE * min(16, max(1, baud // (100 * PIECE)))


class Tally:
    """Bytes that went through, when, and their digest."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.sha256()
        self._start = self._last = time.perf_counter()

    def add(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self.count += len(data)
        self._last = time.perf_counter()

    @property
    def seconds(self) -> float:
        """From the connection to the last byte."""
        return self._last - self._start

    @property
    def rate(self) -> float:
        return self.count / self.seconds if self.seconds > 0 else 0.0

    def summary(self, verb: str) -> None:
        say(f"{verb} {amount(self.count)} in {self.seconds:.2f} s, {speed(self.rate)}")
        say(f"SHA-256 {self._digest.hexdigest()}")

    def figures(self) -> dict[str, object]:
        """For JSON: bytes, seconds, bytes per second, digest."""
        digest = self._digest.hexdigest()
        return {"bytes": self.count, "seconds": round(self.seconds, 6), "rate": round(self.rate, 1), "sha256": digest}
