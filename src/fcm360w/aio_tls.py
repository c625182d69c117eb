"""TLS for asyncio: as tls.py."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from fcm360w.certificates import Pem, Verify, terms
from fcm360w.channel import Mode
from fcm360w.commands.tls import CipherSuite, ConnectionInfo, ListConnections, SslVersion
from fcm360w.contexts import Context, Pool, new_context
from fcm360w.link import Link
from fcm360w.settings import Get, Set, Setting

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule
    from fcm360w.aio_streams import AsyncStream

S = TypeVar("S", bound=Setting)


class AsyncTls:
    """As Tls, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link
        self._pool = Pool()

    async def context(
        self,
        ca: Pem = None,
        cert: Pem = None,
        key: Pem = None,
        verify: Verify | None = None,
        *,
        version: SslVersion = SslVersion.ALL,
        cipher: CipherSuite = CipherSuite.ALL,
        sni: bool = True,
        check_time: bool = False,
        session_cache: bool = False,
        handshake: int = 300,
    ) -> Context:
        """As Tls.context."""
        options = (version, cipher, sni, check_time, session_cache, handshake)
        wanted = terms(ca, cert, key, verify, time.time(), *options)
        return await self._module.run(new_context(self._link, self._pool, wanted))

    async def connect(self, host: str, port: int, context: Context, mode: Mode = "transparent") -> AsyncStream:
        """As Tls.connect."""
        return await self._module.stream(host, port, mode, context)

    async def connections(self) -> tuple[ConnectionInfo, ...]:
        """As Tls.connections."""
        return await self._module.run(ListConnections())

    async def get(self, setting: type[S], context_id: int) -> S:
        """As Tls.get."""
        return await self._module.run(Get(setting, (context_id,)))

    async def set(self, setting: Setting) -> None:
        """As Tls.set."""
        await self._module.run(Set(setting))
