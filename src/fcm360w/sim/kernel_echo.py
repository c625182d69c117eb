"""Echo requests through the kernel: by the socket that the system may let anybody have, else by a raw one."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import struct
from collections.abc import Callable

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.network import Echo
from fcm360w.sim.watch import READ, Watch

__all__ = ["KernelEcho"]

log = logging.getLogger("fcm360w.sim")

HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
ECHO_REPLY, ECHO_REQUEST = 0, 8
LONGEST = 2048
PERMISSION = "no echo request may be sent here: sysctl -w net.ipv4.ping_group_range='0 2147483647' permits them"


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _request(identifier: int, payload: bytes) -> bytes:
    blank = HEADER.pack(ECHO_REQUEST, 0, 0, identifier, 1) + payload
    return HEADER.pack(ECHO_REQUEST, 0, _checksum(blank), identifier, 1) + payload


def _opened() -> tuple[socket.socket, bool] | None:
    """A socket for echo requests, and whether it is a raw one."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            link = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        except OSError:
            continue
        link.setblocking(False)
        return link, kind is socket.SOCK_RAW
    log.warning(PERMISSION)
    return None


class KernelEcho:
    """One request and its answer.  `post` calls back later, in the loop's thread."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        post: Callable[[Callable[[], None]], None],
        done: Callable[[Echo | SocketCode], None],
    ) -> None:
        self._selector = selector
        self._post = post
        self._done: Callable[[Echo | SocketCode], None] | None = done
        self._watch: Watch | None = None
        self._link: socket.socket | None = None
        self._payload = os.urandom(8)  # by which the answer to this very request is known
        self._raw = False

    def start(self, host: str, size: int) -> None:
        """Send it, with a payload of `size` bytes, at least eight."""
        self._payload = self._payload.ljust(size, b"\x55")
        opened = _opened()
        if opened is None:
            self._post(lambda: self._end(SocketCode.CREATE_FAILED))
            return
        self._link, self._raw = opened
        self._watch = Watch(self._selector, self._link, self._ready)
        self._watch.want(READ)
        try:
            if option := vars(socket).get("IP_RECVTTL"):
                self._link.setsockopt(socket.IPPROTO_IP, option, 1)
            self._link.sendto(_request(os.getpid() & 0xFFFF, self._payload), (host, 0))
        except OSError as error:
            log.info("echo request to %s: %s", host, error)
            self._post(lambda: self._end(SocketCode.CONNECT_FAILED))

    def _ready(self, mask: int) -> None:
        assert self._link is not None
        try:
            data, ancillary, _, (address, _) = self._link.recvmsg(LONGEST, 64)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            log.info("echo request: %s", error)
            self._end(SocketCode.CONNECT_FAILED)
            return
        ttl = next((struct.unpack("@i", value)[0] for _, kind, value in ancillary if kind == socket.IP_TTL), 0)
        if self._raw:
            ttl, data = data[8], data[(data[0] & 15) * 4 :]
        if data[:1] == bytes([ECHO_REPLY]) and data[HEADER.size :] == self._payload:
            self._end(Echo(address, len(self._payload), ttl))

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._done = None
        self._end(SocketCode.CANCELLED)

    def _end(self, result: Echo | SocketCode) -> None:
        if self._watch:
            self._watch.want(0)
        if self._link:
            self._link.close()
        self._watch = self._link = None
        done, self._done = self._done, None
        if done:
            done(result)
