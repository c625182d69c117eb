"""What takes several steps of TLS."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from certificates import Authority
from fcm360w import Module
from fcm360w.channel import Mode
from procedures import HOTSPOT, PROCEDURES, SAID, Bench
from tls_servers import SecureEcho


def secured(bench: Bench, module: Module, mode: Mode) -> None:
    """Each time with certificates that the module has not, so that it takes as many steps."""
    authority = Authority()
    mine = authority.issue("module 7")
    module.wifi.join(*HOTSPOT)
    with TemporaryDirectory() as folder:
        server = SecureEcho(Path(folder), authority.issue("127.0.0.1"), client_ca=authority.pem)
        try:
            context = module.tls.context(authority.pem, mine.cert, mine.key)
            with module.stream("127.0.0.1", server.port, mode, context) as stream:
                stream.settimeout(20.0)
                stream.sendall(SAID)
                with stream.makefile("rb") as file:
                    assert file.read(len(SAID)) == SAID
        finally:
            server.close()


PROCEDURES["TLS, buffer"] = lambda bench, module: secured(bench, module, "buffer")
PROCEDURES["TLS, transparent"] = lambda bench, module: secured(bench, module, "transparent")
