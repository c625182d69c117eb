"""The history of typed lines, in the user's state folder.  Secrets are not written there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History

from fcm360w.cli.screen import say
from fcm360w.lines import masked

KEPT = 1000


def state_file() -> Path:
    """Where the history is kept."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "fcm360w" / "at_history"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "fcm360w" / "at_history"


def stored(text: str) -> str | None:
    """A typed line as it is kept; None for what is no command, since nothing is known of what is in it."""
    if text.startswith("."):
        return text
    return masked(text) if text[:2].upper() == "AT" and text.isprintable() else None


class MaskedHistory(History):
    """At most the last KEPT lines.  In this run a line can be had again as it was typed, in later ones masked."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path: Path | None = path

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines() if self._path else []
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            self._give_up(error)
            return []
        if len(lines) > KEPT:
            self._write("w", "".join(f"{line}\n" for line in lines[-KEPT:]))
        return lines[: -KEPT - 1 : -1]

    def store_string(self, string: str) -> None:
        if (line := stored(string)) is not None:
            self._write("a", f"{line}\n")

    def _write(self, mode: str, text: str) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self._path, mode, encoding="utf-8", opener=_private) as file:
                file.write(text)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        say(f"the history is not kept: {error}")
        self._path = None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
