"""Which core does the work: the C one where it is built, else its pure-Python twin.

FCM360W_CORE=c or =python in the environment decides; it is read once, at import.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import cast

from ._contract import Core
from .errors import CoreUnavailable

VARIABLE = "FCM360W_CORE"


def load(name: str) -> Core:
    """Import a core by name, `c` or `python`.  CoreUnavailable for another name, ImportError if missing."""
    modules = {"c": "._native", "python": "._fallback"}
    if name not in modules:
        raise CoreUnavailable(f"{VARIABLE} is {name!r}: it must be 'c' or 'python'")
    return cast(Core, import_module(modules[name], __package__).core)


def choose(wanted: str | None) -> tuple[str, Core]:
    """The core asked for, or the best there is.  CoreUnavailable if the one asked for is missing."""
    if wanted:
        try:
            return wanted, load(wanted)
        except ModuleNotFoundError as missing:
            raise CoreUnavailable(
                f"{VARIABLE}={wanted}, but the compiled module {missing.name} is not installed: install a wheel for"
                f" this platform, or a C compiler and the package from source, or unset {VARIABLE}"
            ) from missing
    try:
        return "c", load("c")
    except ModuleNotFoundError:
        return "python", load("python")


def cores() -> dict[str, Core]:
    """Every core that can be imported, by name."""
    found = {"python": load("python")}
    try:
        return {"c": load("c")} | found
    except ModuleNotFoundError:
        return found


CORE, core = choose(os.environ.get(VARIABLE))
