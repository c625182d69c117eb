"""nginx on a free port of this machine, for tests that want a web server that is none of ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from certificates import Issued
from freeport import free_port

PATIENCE = 20.0
USER, PASSWORD = "user", "open sesame"
CONFIGURATION = """
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log stderr error;
events {{ worker_connections 64; }}
http {{
  access_log off;
  default_type application/x-page;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  client_max_body_size 4m;
  server {{
    listen 127.0.0.1:{port}{tls}
    root {root}/pages;
    location /secret/ {{ auth_basic "secret"; auth_basic_user_file {root}/users; }}
    location /up/ {{ dav_methods PUT; }}
    location /chunked/ {{ ssi on; ssi_types application/x-page; }}
    location = /moved {{ return 302 /; }}
    location = /seen {{ return 200 "$request_method $http_x_one $content_length"; }}
    location = /who {{ return 200 "$ssl_protocol $ssl_client_verify $ssl_client_s_dn"; }}
  }}
}}
"""


class Web(NamedTuple):
    """A server: its port, and the folder that it serves."""

    port: int
    pages: Path
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextlib.contextmanager
def nginx(root: Path, issued: Issued | None = None, more: str = "") -> Iterator[Web]:
    """The server, once it listens, under TLS if it has a certificate.  Skips where there is none."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not program:
        pytest.skip("platform: no nginx")
    for name in ("secret", "up", "chunked"):
        (root / "pages" / name).mkdir(parents=True)
    (root / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    port = free_port()
    tls = secured(root, issued, more) if issued else ";"
    (root / "nginx.conf").write_text(CONFIGURATION.format(root=root, port=port, tls=tls))
    command = [program, "-p", str(root), "-c", str(root / "nginx.conf"), "-e", "stderr"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        _await(process, port)
        yield Web(port, root / "pages", "https" if issued else "http")
    finally:
        process.terminate()
        process.communicate()


def secured(root: Path, issued: Issued, more: str) -> str:
    """The rest of a ``listen``, and what follows it."""
    cert, key = issued.save(root, "server")
    return f" ssl; ssl_certificate {cert}; ssl_certificate_key {key}; {more}"


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Until it takes a connection."""
    while True:
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), PATIENCE).close()
                return
        else:
            assert process.stderr is not None
            pytest.fail(f"nginx ended: {process.stderr.read().decode()}")
