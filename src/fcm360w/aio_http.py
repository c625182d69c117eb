"""HTTP by the module's own client, for asyncio: as http.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcm360w.fetching import Fields, Response, Sink, fetched, requested
from fcm360w.flows import http
from fcm360w.flows.http import Request
from fcm360w.forms import Files
from fcm360w.http import Watching
from fcm360w.link import Link

if TYPE_CHECKING:
    from fcm360w.aio import AsyncModule
    from fcm360w.contexts import Context


class AsyncHttp:
    """As Http, for asyncio."""

    def __init__(self, module: AsyncModule, link: Link) -> None:
        self._module = module
        self._link = link

    async def get(
        self,
        url: str,
        *,
        headers: Fields | None = None,
        auth: tuple[str, str] | None = None,
        tls: Context | None = None,
        timeout: float = 60.0,
        into: Sink | None = None,
        progress: Watching | None = None,
    ) -> Response:
        """As Http.get."""
        request = requested("GET", url, headers, auth=auth, tls=tls, timeout=timeout)
        return await self._fetch(request, into, progress)

    async def post(
        self,
        url: str,
        *,
        data: bytes | str | Fields | None = None,
        files: Files | None = None,
        headers: Fields | None = None,
        auth: tuple[str, str] | None = None,
        tls: Context | None = None,
        timeout: float = 60.0,
        into: Sink | None = None,
        progress: Watching | None = None,
    ) -> Response:
        """As Http.post."""
        request = requested("POST", url, headers, data, files, auth, tls, timeout)
        return await self._fetch(request, into, progress)

    async def put(
        self,
        url: str,
        *,
        data: bytes | str | Fields | None = None,
        files: Files | None = None,
        headers: Fields | None = None,
        auth: tuple[str, str] | None = None,
        tls: Context | None = None,
        timeout: float = 60.0,
        into: Sink | None = None,
        progress: Watching | None = None,
    ) -> Response:
        """As Http.put."""
        request = requested("PUT", url, headers, data, files, auth, tls, timeout)
        return await self._fetch(request, into, progress)

    async def stop(self) -> None:
        """As Http.stop."""
        await self._module.run(http.stop())

    async def _fetch(self, request: Request, into: Sink | None, progress: Watching | None) -> Response:
        return await self._module.drive(fetched(self._link, request, into, progress))
