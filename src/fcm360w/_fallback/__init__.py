"""The C core once more, in Python alone: for machines without a compiler, and to test the C against."""

from __future__ import annotations

from .._contract import Core
from .escape import EscapeEngine, GuardEngine
from .framer import FramerEngine
from .hexcodec import HexCodec
from .watch import WatchEngine

core = Core(FramerEngine, EscapeEngine, GuardEngine, WatchEngine, (HexCodec(),))
