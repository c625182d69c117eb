"""A request and an upgrade by HTTPS, for test_power_cut: against a server of this machine."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import certificates
from certificates import Authority
from fcm360w import Context, Module
from fcm360w.sim import firmware_image
from procedures import HOTSPOT, PROCEDURES, Bench

NEW = "FCM360WAAR02A01"


class Firmware(http.server.BaseHTTPRequestHandler):
    """Sends an image, whatever is asked for."""

    def do_GET(self) -> None:
        made = firmware_image(NEW, bytes(range(256)) * 40)
        self.send_response(200)
        self.send_header("Content-Length", str(len(made)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(made)

    def log_message(self, *about: object) -> None:
        """Nothing is logged."""


class Server(http.server.ThreadingHTTPServer):
    """Under TLS; a client that is gone is no fault."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing is printed."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """A server of a certificate that tests trust; the URL of its image."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*certificates.server().save(Path(folder), "firmware"))
    with Server(("127.0.0.1", 0), Firmware) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}/fw.rbl"
        finally:
            server.shutdown()
            thread.join()


def prepared(module: Module) -> Context:
    """A context; it takes as many steps each time, for the module has another authority's certificate before."""
    module.tls.context(Authority().pem).close()
    return module.tls.context(certificates.authority().pem)


def got(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    with serving() as url, prepared(module) as context:
        assert module.http.get(url, tls=context, timeout=20.0).status == 200


def upgraded(bench: Bench, module: Module) -> None:
    module.wifi.join(*HOTSPOT)
    with serving() as url, prepared(module):
        assert module.system.upgrade(url) == NEW


PROCEDURES["HTTPS"] = got
PROCEDURES["firmware by HTTPS"] = upgraded
