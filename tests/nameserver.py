"""A name server of this machine, in DNS by UDP: what tests ask through a module."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


def answer(query: bytes, zone: dict[str, tuple[str, ...]], ttl: int) -> bytes:
    """What a server of this zone says: the addresses of a name, or that it does not exist.

    A name that has one other name is an alias of that.
    """
    request = dns.message.from_wire(query)
    response = dns.message.make_response(request, recursion_available=True)
    name = request.question[0].name.to_text().rstrip(".").lower()
    if name not in zone:
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()
    values = zone[name]
    if values and not values[0][0].isdigit():
        response.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", "CNAME", f"{values[0]}."))
        name, values = values[0], zone[values[0]]
    if values:
        response.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", "A", *values))
    return response.to_wire()


class NameServer:
    """Serves a zone at a free port of 127.0.0.1; `asked` has the names, in order.  `silent` ones get no answer."""

    def __init__(self, zone: dict[str, tuple[str, ...]], ttl: int = 300, silent: tuple[str, ...] = ()) -> None:
        self.asked: list[str] = []
        self._zone, self._ttl, self._silent = zone, ttl, silent
        self._link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._link.bind(("127.0.0.1", 0))
        self.port: int = self._link.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            query, sender = self._link.recvfrom(4096)
            if not query:
                return
            name = dns.message.from_wire(query).question[0].name.to_text().rstrip(".")
            self.asked.append(name)
            if name not in self._silent:
                self._link.sendto(answer(query, self._zone, self._ttl), sender)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(20)
        self._link.close()
