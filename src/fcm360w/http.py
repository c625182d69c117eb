"""HTTP by the module's own client (manual 2.6), for programs with threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fcm360w.fetching import Fields, Headers, Progress, Response, Sink, fetched, requested
from fcm360w.flows import http
from fcm360w.flows.http import Request
from fcm360w.forms import Files
from fcm360w.link import Link

if TYPE_CHECKING:
    from fcm360w.contexts import Context
    from fcm360w.module import Module

__all__ = ["Headers", "Http", "Progress", "Response"]

Watching = Callable[[Progress], object]


class Http:
    """Requests to web servers; the module has one session, so they are served one after the other."""

    def __init__(self, module: Module, link: Link) -> None:
        self._module = module
        self._link = link

    def get(
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
        """GET a URL.  A response of any status is one; CommandError with the HTTP code if there is none.

        `timeout` s, up to 65535, may pass before the response begins, and between two parts of it.  Its body, in memory
        at most 16 MiB (else Overrun), goes with `into` into a binary file instead, as it comes.  `progress` is called
        with a Progress whenever it has changed; neither may use the module meanwhile.  `auth` is a user's name and
        password.  An https URL needs `tls` (see Tls.context), which says who is trusted; UsageError without it (manual
        2.6.1, 2.6.2, 2.6.5).
        """
        request = requested("GET", url, headers, auth=auth, tls=tls, timeout=timeout)
        return self._fetch(request, into, progress)

    def post(
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
        """POST a body of 1 to 1,024,000 bytes: bytes, a text, or fields of a form.  As get.

        `files` go with the fields as one multipart form, each by the name of its field: bytes, or the file's name and
        bytes, or these and its type.  UsageError if the body is empty or too long (manual 2.6.3).
        """
        request = requested("POST", url, headers, data, files, auth, tls, timeout)
        return self._fetch(request, into, progress)

    def put(
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
        """PUT a body of 1 to 1,024,000 bytes.  As post (manual 2.6.4)."""
        request = requested("PUT", url, headers, data, files, auth, tls, timeout)
        return self._fetch(request, into, progress)

    def stop(self) -> None:
        """End the session with a server, if there is one (manual 2.6.6)."""
        self._module.run(http.stop())

    def _fetch(self, request: Request, into: Sink | None, progress: Watching | None) -> Response:
        return self._module.drive(fetched(self._link, request, into, progress))
