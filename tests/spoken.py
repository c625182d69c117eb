"""What the twins of the tests speak that judge the driver: `pytest --twin-dialect NAME --twin-quirk NAME`.

Whatever that is, every test marked `driver` must pass; with one of these options no other is run.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from fcm360w.sim import MANUAL, Dialect, Twin, World, find_dialect

_chosen: tuple[str, tuple[str, ...]] = ("manual", ())


def choose(name: str, quirks: tuple[str, ...]) -> None:
    """Also for twins and worlds that name no dialect.  ValueError for a name that is none."""
    global _chosen
    spoken = find_dialect(name, quirks)
    _chosen = name, quirks
    for kind in (Twin, World):
        kind.__init__.__kwdefaults__["dialect"] = spoken  # type: ignore[misc]


def departs() -> bool:
    """Whether it is anything but the manual's."""
    return find_dialect(*_chosen) != find_dialect("manual")


def dialect(**changes: Any) -> Dialect:
    """The dialect for a twin of this process."""
    return dataclasses.replace(find_dialect(*_chosen), **changes)


def announced() -> Dialect:
    """The same for a test of what follows when a module says that it has restarted."""
    return dialect(banner=dialect().banner or MANUAL.banner)


def url() -> str:
    """The same for a twin that is embedded."""
    name, quirks = _chosen
    return f"sim://?dialect={name}&quirk={','.join(quirks)}"


def units() -> dict[str, Any]:
    """What Tcp.set_hex_units is to be told."""
    sent = "bytes" if dialect().hex_send_bytes else "digits"
    return {"sent": sent, "received": "digits" if dialect().hex_recv_digits else "bytes"}


def lengthless(payload: bytes) -> bytes:
    """A payload that survives in a message without a length: it is one line."""
    return payload.replace(b"\r", b"").replace(b"\n", b"") if dialect().no_len else payload


def arguments() -> list[str]:
    """The same for `fcm360w sim`."""
    name, quirks = _chosen
    return ["--dialect", name, *(word for quirk in quirks for word in ("--quirk", quirk))]
