"""Reach of other hosts, and their names, for programs with threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcm360w.flows import net
from fcm360w.flows.net import HostAddresses, PingResult
from fcm360w.link import Link

if TYPE_CHECKING:
    from fcm360w.module import Module


class Net:
    """Ping and names (manual 2.7, 2.8)."""

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link

    def ping(self, host: str, count: int = 4, timeout: int = 4) -> PingResult:
        """Send 1 to 10 echo requests to a name or address, each of which has `timeout` seconds, 1 to 255.

        A host that does not answer is no error: `received` is 0.  CommandError with the socket code if there is no such
        name, or no network (manual 2.7.1).
        """
        return self._module.run(net.ping(host, count, timeout))

    def resolve(self, name: str) -> HostAddresses:
        """Look a name up; its addresses, and for how many seconds they hold.

        CommandError with the socket code if there is none (manual 2.8.1).
        """
        return self._module.run(net.resolve(name))
