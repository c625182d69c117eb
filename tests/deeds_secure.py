"""Requests under TLS, for test_faults: of a server that tests trust, in memory."""

from __future__ import annotations

import certificates
from deeds import Act, Scene, deed
from deeds_http import LIMIT, SECONDS
from fcm360w.contexts import Context
from pages import HOST, TRAP, Pages
from secure_peer import SecurePeer, secure, server_context

URL = f"https://{HOST}"


def serving(scene: Scene) -> Context:
    """A server, and a context that trusts it."""
    issued = certificates.server(HOST)
    scene.world.network.serve(HOST, 443, secure(server_context(issued), answering))
    return scene.module.tls.context(certificates.authority().pem)


def answering(peer: SecurePeer) -> None:
    Pages().serve(peer)  # type: ignore[arg-type]


@deed("Http.get, under TLS", SECONDS)
def get(scene: Scene) -> Act:
    context = serving(scene)
    yield
    response = scene.module.http.get(f"{URL}/hello", tls=context, timeout=LIMIT)
    assert b"hello".startswith(response.body)


@deed("Http.post, under TLS", SECONDS + 70.0)
def post(scene: Scene) -> Act:
    context = serving(scene)
    yield
    assert TRAP.startswith(scene.module.http.post(f"{URL}/echo", data=TRAP, tls=context, timeout=LIMIT).body)
