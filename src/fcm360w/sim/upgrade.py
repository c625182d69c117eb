"""An upgrade over the air: firmware is fetched through the module's network, checked, and its version remembered.

The answer must be 200, bring as much as it announces, and be an image: a line of ASCII that ends with LF,

    FCM360W-FIRMWARE <version> <length> <CRC-32>

and so many bytes, which have that checksum (as zlib's, in eight hexadecimal digits).  The version is 1 to 64 printable
characters without blanks.  What the bytes are is not looked at.  `image` makes one.
"""

from __future__ import annotations

import enum
import logging
import re
import zlib
from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.system import UpgradeChange
from fcm360w.sim.guard import Part
from fcm360w.sim.network import Attempt, Connection
from fcm360w.sim.steps import Refused
from fcm360w.sim.urls import place_of

__all__ = ["Image", "Upgrade", "image"]

log = logging.getLogger("fcm360w.sim")

STATUS = re.compile(rb"HTTP/1\.[01] 200\b")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,10})[ \t]*\r\n", re.IGNORECASE)
HEADER = re.compile(rb"FCM360W-FIRMWARE ([!-~]{1,64}) ([0-9]{1,10}) ([0-9A-Fa-f]{8})\n")
MAX_HEADER = 128
MAX_HEAD = 4096
READ = 64 * 1024
PATIENCE = 30.0


Dial = Callable[[Part, str, int, int | None, Callable[[Connection | SocketCode], None]], Attempt]

# Whose certificates AT+QSSLCFG names for an https URL; the manual does not say.
CONTEXT = 0


def image(version: str, body: bytes = b"") -> bytes:
    """Firmware of that version.  ValueError if it cannot be one."""
    made = b"FCM360W-FIRMWARE %b %d %08x\n%b" % (version.encode("ascii"), len(body), zlib.crc32(body), body)
    if not HEADER.match(made):
        raise ValueError(f"{version!r} is not 1 to 64 printable characters without blanks")
    return made


class Image:
    """An image as it comes, of which nothing but the header is kept."""

    def __init__(self) -> None:
        self._head = b""
        self._header: re.Match[bytes] | None = None
        self._count = self._check = 0

    def take(self, data: bytes) -> None:
        if self._header is None:
            self._head += data
            self._header = HEADER.match(self._head)
            if self._header is None:
                self._head = self._head[:MAX_HEADER]
                return
            data = self._head[self._header.end() :]
            self._head = b""
        self._count += len(data)
        self._check = zlib.crc32(data, self._check)

    def version(self) -> str | None:
        """Of the whole image; None if it is none."""
        if self._header is None:
            return None
        version, length, check = self._header.groups()
        whole = int(length) == self._count and int(check, 16) == self._check
        return version.decode() if whole else None


class Stage(enum.Enum):
    """How far an upgrade is."""

    IDLE, FETCHING, INSTALLING = range(3)


class Upgrade:
    """At most one at a time.  `tell` is told of each change; `delay` seconds pass between the last and the restart.

    `installed`: the module has to restart, by reset(), and runs `version` from then on.  A server that says nothing for
    30 s has failed.
    """

    def __init__(self, dial: Dial, tell: Callable[[UpgradeChange], None], delay: float) -> None:
        self.installed = False
        self.version = ""
        self._dial = dial
        self._image = Image()
        self._tell = tell
        self._delay = delay
        self._stage = Stage.IDLE
        self._until: float | None = None
        self._request = b""
        self._attempt: Attempt | None = None
        self._link: Connection | None = None
        self._head = b""
        self._in_body = False
        self._left: int | None = None

    def start(self, url: str, online: bool, now: float) -> None:
        """Begin to fetch.  Refused if this is no URL, or another upgrade runs."""
        place = place_of(url)
        if place is None:
            raise Refused(SocketCode.INVALID_PARAMETERS)
        if self._stage is not Stage.IDLE:
            raise Refused(SocketCode.BUSY)
        self._tell(UpgradeChange.STARTED)
        if not online:
            self._fail("no network")
            return
        self._stage, self._until = Stage.FETCHING, now + PATIENCE
        self._request = f"GET {place.target} HTTP/1.0\r\nHost: {place.authority}\r\n\r\n".encode()
        try:
            context = CONTEXT if place.secure else None
            self._attempt = self._dial(self, place.host, place.port, context, self._connected)
        except Refused as refusal:
            self._fail(f"no connection: {refusal.code.name}")

    def _connected(self, result: Connection | SocketCode) -> None:
        self._attempt = None
        if isinstance(result, SocketCode):
            self._fail(f"no connection: {result.name}")
            return
        self._link = result
        result.send(self._request)

    def reset(self) -> None:
        """Give up, or start afresh, silently."""
        self._let_go()
        self._stage, self._until, self.installed = Stage.IDLE, None, False

    def lose(self) -> None:
        """The Wi-Fi is gone."""
        if self._stage is Stage.FETCHING:
            self._fail("the network is gone")

    def deadline(self) -> float | None:
        return 0.0 if self._link and self._link.readable else self._until

    def tick(self, now: float) -> None:
        """Let time pass, and fetch some of what has come."""
        if self._link and self._link.readable:
            data = self._link.receive(READ)
            if data is None:
                self._ended(now)
            elif data:
                self._until = now + PATIENCE
                self._take(data, now)
        if self._until is None or now < self._until:
            return
        if self._stage is Stage.INSTALLING:
            self.installed, self._until = True, None
        else:
            self._fail("the server says nothing")

    def _take(self, data: bytes, now: float) -> None:
        if not self._in_body:
            self._head += data
            self._read_head()
        else:
            self._take_body(data)
        if self._left is not None and self._left <= 0:
            self._fetched(now)

    def _read_head(self) -> None:
        """Find out how much is still to come, once the head of the answer is complete."""
        head, found, body = self._head.partition(b"\r\n\r\n")
        if not found and len(self._head) <= MAX_HEAD:
            return
        if not found or not STATUS.match(head):
            self._fail(f"the server says {head[:40]!r}")
            return
        length = LENGTH.search(head + b"\r\n")
        self._in_body, self._left = True, int(length[1]) if length else None
        self._take_body(body)

    def _take_body(self, data: bytes) -> None:
        """No more than was announced."""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._image.take(data)

    def _ended(self, now: float) -> None:
        """The server has closed: that ends a body whose length it did not announce."""
        if self._in_body and self._left is None:
            self._fetched(now)
        else:
            self._fail("the server closed too early")

    def _fetched(self, now: float) -> None:
        version = self._image.version()
        if version is None:
            self._fail("what the server has is no image, or a damaged one")
            return
        self._let_go()
        self.version = version
        self._stage, self._until = Stage.INSTALLING, now + self._delay
        self._tell(UpgradeChange.FETCHED)
        self._tell(UpgradeChange.INSTALLING)

    def _fail(self, reason: str) -> None:
        log.warning("upgrade: %s", reason)
        self._let_go()
        self._stage, self._until = Stage.IDLE, None
        self._tell(UpgradeChange.FAILED)

    def _let_go(self) -> None:
        if self._attempt:
            self._attempt.cancel()
        if self._link:
            self._link.close()
        self._attempt = self._link = None
        self._head, self._in_body, self._left = b"", False, None
        self._image = Image()
