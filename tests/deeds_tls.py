"""What the TLS face offers, as deeds; and streams under TLS, of a server that tests trust."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import certificates
from deeds import FACES, HERE, MODES, SAID, Act, Scene, deed, simple
from fcm360w.channel import Mode
from fcm360w.commands import tls
from fcm360w.commands.system import Switch
from fcm360w.commands.tcp import Access
from fcm360w.contexts import Context
from fcm360w.errors import CommandTimeout
from fcm360w.flows.tls import CONNECTING, connect_secure
from fcm360w.tls import Tls
from secure_peer import SecurePeer, secure

FACES += (Tls,)
SECURE_PORT = 8010
OPENING = 460.0


@cache
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*certificates.server(HERE).save(Path(folder), "server"))
    return context


def echo(peer: SecurePeer) -> None:
    peer.on_data = peer.send


def secured(scene: Scene) -> Context:
    scene.world.network.serve(HERE, SECURE_PORT, secure(server_context(), echo))
    return scene.module.tls.context(certificates.authority().pem)


simple("Tls.connections", lambda module: module.tls.connections())
simple("Tls.get", lambda module: module.tls.get(tls.Sni, 1))
simple("Tls.set", lambda module: module.tls.set(tls.Sni(1, Switch.ON)))


@deed("Module.run, a TLS connection without a holder", 180.0)
def unheld(scene: Scene) -> Act:
    context = secured(scene)
    yield
    opening = connect_secure(context.context_id, HERE, SECURE_PORT, Access.PUSH, 10.0)
    scene.module.run(opening)


@deed("Module.run, a TLS connection that does not come about in time", 40.0)
def unanswered(scene: Scene) -> Act:
    """The time that a caller has for it, far below the manual's."""
    scene.world.network.serve(HERE, SECURE_PORT, lambda peer: None)
    yield
    with contextlib.suppress(CommandTimeout):
        scene.module.run(connect_secure(0, HERE, SECURE_PORT, Access.PUSH, 5.0 - CONNECTING))


@deed("Module.stream, TCP beside a TLS connection of a command's", 180.0)
def hidden(scene: Scene) -> Act:
    context = secured(scene)
    scene.module.run(connect_secure(context.context_id, HERE, SECURE_PORT, Access.PUSH, 10.0))
    yield
    scene.stream("push").close()


@deed("Tls.context", 60.0)
def context(scene: Scene) -> Act:
    mine = certificates.client()
    yield
    with scene.module.tls.context(certificates.authority().pem, mine.cert, mine.key):
        pass


def streaming(mode: Mode) -> Any:
    def act(scene: Scene) -> Act:
        context = secured(scene)
        yield
        stream = scene.keep(scene.module.tls.connect(HERE, SECURE_PORT, context, mode))
        stream.sendall(SAID)
        left = len(SAID)
        while left:
            left -= len(stream.recv(left))
        stream.close()

    return act


@deed("Stream.suspended, under TLS beside another", OPENING)
def suspended(scene: Scene) -> Act:
    context = secured(scene)
    scene.keep(scene.module.stream(HERE, SECURE_PORT, "push", context))
    stream = scene.keep(scene.module.stream(HERE, SECURE_PORT, tls=context))
    yield
    with stream.suspended():
        scene.module.tls.connections()
    stream.sendall(b"hello")
    stream.recv(5)
    stream.close()


for mode in MODES:
    deed(f"Tls.connect, {mode}", OPENING)(streaming(mode))
