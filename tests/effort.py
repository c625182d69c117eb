"""How much a run of the suite tries: all in a campaign, less where it is run again on another core or Python."""

from __future__ import annotations

from hypothesis import settings

CAMPAIGN = settings.default is settings.get_profile("long")
AGAIN = settings.default is settings.get_profile("quick")


def stride(usual: int, again: int) -> int:
    """Of so many steps, each a test of its own, one is tried."""
    return 1 if CAMPAIGN else again if AGAIN else usual
