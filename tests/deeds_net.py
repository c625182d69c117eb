"""What test_faults does to ping and names."""

from __future__ import annotations

from deeds import FACES, HERE, simple
from fcm360w.net import Net

FACES.append(Net)

simple("Net.ping", lambda module: module.net.ping(HERE, 2, 2), 75.0)
simple("Net.resolve", lambda module: module.net.resolve("firmware.example"), 65.0)
