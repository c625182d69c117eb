"""URLs as the module reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Place", "place_of"]

URL = re.compile(r"(https?)://([A-Za-z0-9._-]{1,255})(?::([0-9]{1,5}))?([/?][!-~]*)?", re.IGNORECASE)
PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a URL leads; `host` as it stands there."""

    secure: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        usual = self.port == PORTS["https" if self.secure else "http"]
        return self.host if usual else f"{self.host}:{self.port}"


def place_of(url: str) -> Place | None:
    """Read a URL; None if it is none, or of another kind."""
    match = URL.fullmatch(url.partition("#")[0])
    if match is None:
        return None
    scheme, host, port, target = match.groups()
    number = int(port) if port else PORTS[scheme.lower()]
    if number not in range(1, 65536):
        return None
    target = target or "/"
    return Place(scheme.lower() == "https", host, number, target if target[0] == "/" else f"/{target}")
