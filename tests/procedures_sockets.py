"""What takes several steps with a socket that has the manners of socket.socket."""

from __future__ import annotations

from fcm360w import Module, TransportLost
from procedures import HOTSPOT, PROCEDURES, SAID, Bench


def exchanged(bench: Bench, module: Module) -> None:
    """Errors of a socket are the system's; what was behind them is the module's."""
    module.wifi.join(*HOTSPOT)
    try:
        with module.create_connection(("127.0.0.1", bench.echo.port), timeout=20.0) as link:
            link.sendall(SAID)
            got = b""
            while len(got) < len(SAID):
                got += link.recv(65536)
            assert got == SAID
        module.tcp.sockets()
    except OSError as error:
        if isinstance(error.__cause__, TransportLost):
            raise error.__cause__ from None
        raise


PROCEDURES["socket"] = exchanged
