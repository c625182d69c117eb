"""What test_faults does to a module, and the scene it is done in; deeds_<chapter>.py have the deeds of a chapter."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from effort import CAMPAIGN
from fcm360w import sockets, streams
from fcm360w.channel import Mode
from fcm360w.module import Module
from fcm360w.sim import World, firmware_image
from fcm360w.sim.pipes import MemoryPeer

HERE, PORT, OWN_PORT = "10.0.0.9", 8009, 7000
MODES: tuple[Mode, ...] = ("transparent", "push", "buffer")
SAID = bytes(range(256)) * 6
HOTSPOT = "hall", "open sesame"
IMAGE = firmware_image("FCM360WAAR09A09", b"firm")
FIRMWARE = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(IMAGE) + IMAGE

USUAL, OPENING = 30.0, 152.0  # seconds

Act = Generator[None, None, None]

# Without pacing a command is three moments, with it thrice as many.
BAUD = 115200 if CAMPAIGN else None


class Faulty(World):
    """A world in which something befalls the module at one of its moments: whenever anything happens."""

    def __init__(self, baud: int | None) -> None:
        self.moments = 0
        self.faults: dict[int, Callable[[], None]] = {}
        super().__init__(baud=baud, seed=None)

    def _turn(self) -> None:
        self.moments += 1
        if self.moments in self.faults:
            self.faults[self.moments]()
        super()._turn()


class Scene:
    """A world with a module that is joined, and hosts that send back what they are sent."""

    def __init__(self, baud: int | None) -> None:
        self.world = Faulty(baud)
        self.peers: list[MemoryPeer] = []
        self.open: list[Any] = []
        network = self.world.network
        network.serve(HERE, PORT, self.echo)
        network.serve("firmware.example", 80, lambda peer: peer.send(FIRMWARE))
        host = network.udp(HERE, PORT)
        host.on_data = host.send
        self.module = self.world.module()
        self.module.wifi.join(*HOTSPOT)

    def echo(self, peer: MemoryPeer) -> None:
        self.peers.append(peer)
        peer.on_data = peer.send

    def keep(self, thing: Any) -> Any:
        """Something that is to be closed when the act is over, however it ended."""
        self.open.append(thing)
        if hasattr(thing, "settimeout"):
            thing.settimeout(USUAL)
        return thing

    def stream(self, mode: Mode) -> streams.Stream:
        stream: streams.Stream = self.keep(self.module.stream(HERE, PORT, mode))
        return stream

    def listener(self, manual: bool = False) -> sockets.Listener:
        listener: sockets.Listener = self.keep(self.module.tcp.listen(OWN_PORT, manual=manual))
        return listener


# ---- what can be done: what comes before the first yield prepares it


class Deed(NamedTuple):
    """Something that the faces offer, in one of its ways, and the seconds that it may take.

    `undo` is what a user has to do if it was done by half.
    """

    perform: Callable[[Scene], Act]
    seconds: float = USUAL
    baud: int | None = BAUD
    undo: Callable[[Module], object] = lambda module: None


DEEDS: dict[str, Deed] = {}
FACES: list[type] = []  # of the chapters, whose every method must be a deed


def deed(name: str, *details: Any, **more: Any) -> Callable[[Callable[[Scene], Act]], None]:
    def register(perform: Callable[[Scene], Act]) -> None:
        DEEDS[name] = Deed(perform, *details, **more)

    return register


def simple(name: str, call: Callable[[Module], object], *details: Any, **more: Any) -> None:
    def perform(scene: Scene) -> Act:
        yield
        call(scene.module)

    DEEDS[name] = Deed(perform, *details, **more)
