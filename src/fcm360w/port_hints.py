"""What may help when a port cannot be opened: one line for each of the usual causes."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

__all__ = ["hint_for"]

PLAIN = {
    errno.ENOENT: "no such device; `fcm360w ports` lists those that are there",
    errno.ENXIO: "the device is there, but nothing is behind it",
    errno.ECONNREFUSED: "nothing listens there: is the twin or the bridge running, and the port number right?",
    errno.ETIMEDOUT: "no answer from that address: a wrong host, or a firewall in between?",
    errno.EHOSTUNREACH: "no way to that address from here",
    errno.ENETUNREACH: "no way to that address from here",
}


def hint_for(error: OSError, address: str) -> str:
    """Say in one line what may help, or nothing."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return _permission(address)
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        return _in_use(address)
    return PLAIN.get(error.errno or 0, "")


def _permission(device: str) -> str:
    with contextlib.suppress(ImportError, OSError, KeyError):
        import grp

        group = grp.getgrgid(Path(device).stat().st_gid).gr_name
        if group != "root":
            return f"it belongs to group {group}: `sudo usermod -aG {group} $USER`, then log in again"
    return "this user may not open it"


def _in_use(device: str) -> str:
    holders = ", ".join(f"{name} (process {number})" for number, name in _holders(device))
    return f"in use by {holders}" if holders else "another program has it open"


def _holders(device: str) -> list[tuple[int, str]]:
    """Processes that have the device open, as far as this user may see; Linux only."""
    wanted, found = os.path.realpath(device), []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == wanted:
                process = link.parent.parent
                found.append((int(process.name), (process / "comm").read_text().strip()))
    return sorted(set(found))
