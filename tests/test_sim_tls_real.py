"""TLS of the twin over the kernel's sockets, with OpenSSL's own server at the other end."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="platform: no cryptography")

import certificates
from fcm360w.sim import Twin
from sim_host import Host
from test_sim_twin import host_of
from tls_servers import openssl_server


def opened(host: Host, port: int, access: int = 0) -> None:
    host.join()
    host.ask(b'AT+QSSLOPEN=0,4,"127.0.0.1",%d,%d' % (port, access), b"\r\nOK\r\n\r\n+QSSLOPEN: 4,0\r\n")


def sent(host: Host, data: bytes) -> None:
    host.ask(b"AT+QSSLSEND=4,%d" % len(data), b"\r\n>")
    host.send(data)
    host.expect(b"\r\nSEND OK\r\n")


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1", "-tls1_2"])
def test_openssl(tmp_path: Path, option: str) -> None:
    with (
        openssl_server(tmp_path, certificates.server(), option, "-cipher", "ALL:@SECLEVEL=0") as port,
        Twin() as twin,
    ):
        host = host_of(twin)
        opened(host, port, access=1)
        sent(host, b"hello\n")
        host.expect(b'\r\n+QSSLURC: "recv",4,6\r\nolleh\n\r\n')
        host.ask(b"AT+QSSLCLOSE=4", b"\r\nOK\r\n")
        host.close()


def test_many_lines(tmp_path: Path) -> None:
    """As fast as it goes, in records of every size."""
    with openssl_server(tmp_path, certificates.server(kind="rsa")) as port, Twin(baud=None) as twin:
        host = host_of(twin)
        opened(host, port, access=1)
        for size in (1, 2, 255, 256, 1000, 1459):
            line = b"x" * size
            sent(host, line + b"\n")
            host.expect(b'\r\n+QSSLURC: "recv",4,%d\r\n%b\n\r\n' % (size + 1, line))
        host.close()
