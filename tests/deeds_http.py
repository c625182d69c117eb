"""What the HTTP face offers, for test_faults."""

from __future__ import annotations

import io

from deeds import FACES as ALL
from deeds import Act, Scene, deed, simple
from fcm360w.http import Http
from pages import HOST, TRAP, Pages

ALL.append(Http)
URL = f"http://{HOST}"
LIMIT = 5.0

# Options and requests, connecting, a pause within the response, and the end of the session at last.
SECONDS = 160.0


def serving(scene: Scene) -> None:
    scene.world.network.serve(HOST, 80, Pages().serve)


@deed("Http.get", SECONDS)
def get(scene: Scene) -> Act:
    serving(scene)
    yield
    response = scene.module.http.get(f"{URL}/hello", headers={"A": "b"}, auth=("user", "pass"), timeout=LIMIT)
    assert b"hello".startswith(response.body)


@deed("Http.get of what is not announced", SECONDS)
def get_open(scene: Scene) -> Act:
    serving(scene)
    yield
    file = io.BytesIO()
    scene.module.http.get(f"{URL}/open", timeout=LIMIT, into=file)
    assert (TRAP + b"end" + TRAP).startswith(file.getvalue())


@deed("Http.post", SECONDS + 70.0)
def post(scene: Scene) -> Act:
    serving(scene)
    yield
    assert TRAP.startswith(scene.module.http.post(f"{URL}/echo", data=TRAP, timeout=LIMIT).body)


@deed("Http.put", SECONDS + 70.0)
def put(scene: Scene) -> Act:
    serving(scene)
    yield
    scene.module.http.put(f"{URL}/count", data=bytes(5000), timeout=LIMIT)


simple("Http.stop", lambda module: module.http.stop())
