"""The values of a URL's options. Each raises ValueError that names the option."""

from __future__ import annotations

import math
from collections.abc import Mapping

FLAGS = {"1": True, "yes": True, "on": True, "true": True, "0": False, "no": False, "off": False, "false": False}


def positive(options: Mapping[str, str], name: str, default: int | None) -> int | None:
    """Read a whole number above zero."""
    text = options.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"{name}={text}: must be a whole number above zero")
    return int(text)


def seconds(options: Mapping[str, str], name: str, default: float) -> float:
    """Read a duration, zero included."""
    text = options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={text}: must be a number of seconds")
    return value


def flag(options: Mapping[str, str], name: str) -> bool:
    """Read a yes or no; absent is no."""
    text = options.get(name, "0")
    if text.lower() not in FLAGS:
        raise ValueError(f"{name}={text}: must be one of {', '.join(FLAGS)}")
    return FLAGS[text.lower()]
