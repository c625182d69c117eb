"""What goes on in the module besides sockets and radio: an upgrade, clients of protocols."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Service"]


class Service(Protocol):
    """Runs beside the commands; whatever happens, it is given time soon after."""

    def tick(self, now: float) -> None:
        """Let time pass, and take what the network has for it."""
        ...

    def deadline(self) -> float | None:
        """When to call tick() at the latest; 0 if it has something to do already."""
        ...

    def lose(self) -> None:
        """The Wi-Fi is gone."""
        ...

    def reset(self) -> None:
        """The module restarts: forget everything, silently."""
        ...
