"""Reach of other hosts, and their names, for asyncio: as net.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcm360w.flows import net
from fcm360w.flows.net import HostAddresses, PingResult
from fcm360w.link import Link

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule


class AsyncNet:
    """As Net, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link

    async def ping(self, host: str, count: int = 4, timeout: int = 4) -> PingResult:
        """As Net.ping."""
        return await self._module.run(net.ping(host, count, timeout))

    async def resolve(self, name: str) -> HostAddresses:
        """As Net.resolve."""
        return await self._module.run(net.resolve(name))
