"""What a socket with the manners of socket.socket offers, as deeds."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from deeds import DEEDS, FACES, HERE, OPENING, OWN_PORT, PORT, SAID, USUAL, Act, Deed, Scene, deed
from fcm360w.socketlike import Socket

FACES += (Socket,)


def connected(scene: Scene, kind: int = socket.SOCK_STREAM) -> Socket:
    made: Socket = scene.keep(Socket(scene.module, kind))
    made.connect((HERE, PORT))
    return made


def listening(scene: Scene) -> Socket:
    made: Socket = scene.keep(Socket(scene.module))
    made.bind(("", OWN_PORT))
    made.listen()
    return made


def failing(act: Callable[[], object]) -> None:
    """What goes wrong is told as by a socket of the system."""
    with contextlib.suppress(OSError):
        act()


def on_a_socket(name: str, act: Callable[[Scene, Socket], object], kind: int = socket.SOCK_STREAM) -> None:
    def perform(scene: Scene) -> Act:
        made = connected(scene, kind)
        if kind == socket.SOCK_DGRAM:
            made.send(b"hello")
        else:
            scene.peers[0].send(b"hello")
        yield
        failing(lambda: act(scene, made))

    DEEDS[f"Socket.{name}"] = Deed(perform)


def exchange(scene: Scene, made: Socket) -> None:
    with made.makefile("rwb") as file:
        file.write(SAID)
        file.flush()
        file.read(len(SAID))


def one_by_one(scene: Scene, made: Socket) -> None:
    left = memoryview(SAID)
    while left:
        left = left[made.send(left) :]


on_a_socket("recv", lambda _, made: made.recv(99))
on_a_socket("recv, a datagram", lambda _, made: made.recv(99), socket.SOCK_DGRAM)
on_a_socket("recv without waiting", lambda _, made: made.recv(99, socket.MSG_DONTWAIT))
on_a_socket("recv_into", lambda _, made: made.recv_into(bytearray(99)))
on_a_socket("recvfrom", lambda _, made: made.recvfrom(99), socket.SOCK_DGRAM)
on_a_socket("recvfrom_into", lambda _, made: made.recvfrom_into(bytearray(99)))
on_a_socket("send", one_by_one)
on_a_socket("send, a datagram", lambda _, made: made.send(b"hello"), socket.SOCK_DGRAM)
on_a_socket("sendall", lambda _, made: made.sendall(SAID))
on_a_socket("sendmsg", lambda _, made: made.sendmsg([b"hel", b"lo"]))
on_a_socket("makefile", exchange)
on_a_socket("getpeername", lambda _, made: made.getpeername())
on_a_socket("getsockname", lambda _, made: made.getsockname())
on_a_socket("shutdown", lambda _, made: made.shutdown(socket.SHUT_RDWR))
on_a_socket("close", lambda _, made: made.close())


@deed("Socket.connect", OPENING)
def connect(scene: Scene) -> Act:
    yield
    failing(lambda: connected(scene))


@deed("Socket.connect that is limited", 60.0)
def connect_limited(scene: Scene) -> Act:
    scene.world.network.cut("10.0.0.66")
    made = scene.keep(Socket(scene.module))
    made.settimeout(2.0)
    yield
    failing(lambda: made.connect(("10.0.0.66", PORT)))


@deed("Socket.connect_ex", OPENING)
def connect_ex(scene: Scene) -> Act:
    made = scene.keep(Socket(scene.module))
    yield
    made.connect_ex((HERE, 1))


@deed("Module.create_connection", OPENING)
def create_connection(scene: Scene) -> Act:
    yield
    failing(lambda: scene.keep(scene.module.create_connection((HERE, PORT), USUAL)))


@deed("Socket.bind", OPENING)
def bind(scene: Scene) -> Act:
    made = scene.keep(Socket(scene.module, socket.SOCK_DGRAM))
    yield
    failing(lambda: made.bind(("", OWN_PORT)))


@deed("Socket.sendto", OPENING)
def sendto(scene: Scene) -> Act:
    made = scene.keep(Socket(scene.module, socket.SOCK_DGRAM))
    yield
    failing(lambda: made.sendto(b"datagram", (HERE, PORT)))


@deed("Socket.listen", OPENING)
def listen(scene: Scene) -> Act:
    yield
    failing(lambda: listening(scene))


@deed("Socket.accept")
def accept(scene: Scene) -> Act:
    made = listening(scene)
    scene.echo(scene.world.network.dial(OWN_PORT))
    yield
    failing(lambda: scene.keep(made.accept()[0]))
