"""What keeps a twin alive: a part of it that fails is logged and begins anew, and the others do not notice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.network import Attempt, Connection, Datagrams, Echo, Listening, Network

__all__ = ["GuardedNetwork", "Part", "guard", "guarded"]

log = logging.getLogger("fcm360w.sim")

P = ParamSpec("P")
T = TypeVar("T")


class Part(Protocol):
    """Something that can begin anew."""

    def reset(self) -> None:
        """Forget everything."""
        ...


def guarded(part: Part, act: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have a part do something, and begin anew if it fails."""
    try:
        act(*args, **kwargs)
    except Exception:
        log.exception("%s failed, and begins anew", type(part).__name__)
        try:
            part.reset()
        except Exception:
            log.exception("%s cannot begin anew", type(part).__name__)


def guard(part: Callable[[], Part], tell: Callable[[T], object]) -> Callable[[T], None]:
    """A callback of a part's, for others to call."""

    def call(result: T) -> None:
        guarded(part(), tell, result)

    return call


class GuardedNetwork:
    """A network as one part has it; sim.network.Network is its contract."""

    def __init__(self, network: Network, part: Callable[[], Part]) -> None:
        self._network = network
        self._part = part

    def connect(
        self, host: str, port: int, local_port: int, done: Callable[[Connection | SocketCode], None]
    ) -> Attempt:
        return self._network.connect(host, port, local_port, guard(self._part, done))

    def listen(self, local_port: int, arrived: Callable[[Connection], None]) -> Listening | SocketCode:
        return self._network.listen(local_port, guard(self._part, arrived))

    def datagrams(self, local_port: int, *, client: bool = False) -> Datagrams | SocketCode:
        return self._network.datagrams(local_port, client=client)

    def resolve(self, host: str, done: Callable[[str], None]) -> Attempt:
        return self._network.resolve(host, guard(self._part, done))

    def ping(self, host: str, size: int, done: Callable[[Echo | SocketCode], None]) -> Attempt:
        return self._network.ping(host, size, guard(self._part, done))
