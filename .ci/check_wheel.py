"""Check an installed wheel from the outside: it is whole, it is the compiled one, and its transports can be loaded."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

os.environ["FCM360W_CORE"] = "c"

import fcm360w
import fcm360w._core as core
from fcm360w.ports import BUILT_IN


def main() -> None:
    for module in (fcm360w, core):
        assert module.__file__
        assert Path(module.__file__).is_relative_to(sys.prefix), f"{module.__file__} is not the installed one"
    assert version("fcm360w") == fcm360w.__version__
    places = {each.name: each.value for each in entry_points(group="fcm360w.transports")}
    assert places == dict(BUILT_IN), places
    for each in entry_points(group="fcm360w.transports"):
        assert each.load().options, each
    print(f"fcm360w {fcm360w.__version__} on Python {sys.version.split()[0]}: {Path(str(core.__file__)).name}")


main()
