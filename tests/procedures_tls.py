"""What takes several steps of TLS."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import certificates
from certificates import Authority
from fcm360w import Module
from fcm360w.channel import Mode
from procedures import HOTSPOT, PROCEDURES, SAID, Bench
from tls_servers import SecureEcho


def set_up(bench: Bench, module: Module) -> None:
    """Each time with a certificate that the module has not, so that it takes as many steps."""
    module.tls.context(Authority().pem)


def secured(bench: Bench, module: Module, mode: Mode) -> None:
    module.wifi.join(*HOTSPOT)
    with TemporaryDirectory() as folder:
        server = SecureEcho(Path(folder), certificates.server())
        try:
            with module.stream("127.0.0.1", server.port, mode, module.tls.context()) as stream:
                stream.settimeout(20.0)
                stream.sendall(SAID)
                with stream.makefile("rb") as file:
                    assert file.read(len(SAID)) == SAID
        finally:
            server.close()


PROCEDURES["TLS, a context"] = set_up
PROCEDURES["TLS, buffer"] = lambda bench, module: secured(bench, module, "buffer")
PROCEDURES["TLS, transparent"] = lambda bench, module: secured(bench, module, "transparent")
