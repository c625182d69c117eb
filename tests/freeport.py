"""Ports of this machine that nobody has."""

from __future__ import annotations

import random
import socket


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has at the moment, and that the kernel gives to no one who asks for any."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
