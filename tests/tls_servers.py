"""Real TLS servers of this machine: OpenSSL's, nginx, and one of the standard library that tells what it saw."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from certificates import Issued
from freeport import free_port

LOCAL = "127.0.0.1"
LIMIT = 20.0


def tool(name: str) -> str:
    """A program of this machine; the test is skipped where there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"platform: {name} is not installed")
    return found


@contextlib.contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens at a port while the block runs."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        try:
            await_listening(process, port, folder / "server.log")
            yield process
        finally:
            process.terminate()
            process.wait(LIMIT)


def await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it takes connections; fails with its log if it ends before."""
    for _ in range(int(LIMIT / 0.02)):
        with contextlib.suppress(OSError):
            socket.create_connection((LOCAL, port), LIMIT).close()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            break
    pytest.fail(f"the server does not listen: {log.read_text(errors='replace')}")


@contextlib.contextmanager
def openssl_server(folder: Path, issued: Issued, *options: str) -> Iterator[int]:
    """``openssl s_server``: it sends back each line that it gets, reversed.  Its port."""
    cert, key = issued.save(folder, "server")
    port = free_port()
    command = [tool("openssl"), "s_server", "-accept", f"{LOCAL}:{port}", "-cert", str(cert), "-key", str(key)]
    chain = ["-cert_chain", str(cert)] if issued.cert.count(b"-----BEGIN") > 1 else []
    with running([*command, *chain, "-rev", "-quiet", *options], folder, port):
        yield port


NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {local}:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        {more}
        location / {{ return 200 "$ssl_protocol $ssl_cipher $ssl_server_name $ssl_session_reused $ssl_client_s_dn"; }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, issued: Issued, more: str = "") -> Iterator[int]:
    """nginx under TLS: it answers with what it knows of the connection.  Its port."""
    cert, key = issued.save(folder, "server")
    port = free_port()
    text = NGINX.format(folder=folder, local=LOCAL, port=port, cert=cert, key=key, more=more)
    (folder / "nginx.conf").write_text(text)
    command = [tool("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with running(command, folder, port):
        yield port


class Seen(NamedTuple):
    """What a server knows of one connection."""

    version: str | None
    cipher: str | None
    name: str | None
    client: str | None
    resumed: bool


class SecureEcho:
    """Sends back what its clients send, under TLS."""

    def __init__(self, folder: Path, issued: Issued, client_ca: bytes | None = None, ciphers: str = "") -> None:
        cert, key = issued.save(folder, "echo")
        self.context = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if ciphers:
            context.set_ciphers(ciphers)
        context.load_cert_chain(cert, key)
        if client_ca:
            context.load_verify_locations(cadata=client_ca.decode())
            context.verify_mode = ssl.CERT_REQUIRED
        self._names: dict[int, str | None] = {}
        context.sni_callback = lambda link, name, _: self._names.__setitem__(id(link), name)
        self._seen: list[Seen] = []
        self.links: list[ssl.SSLSocket] = []
        self._told = threading.Condition()
        self._listener = socket.create_server((LOCAL, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                threading.Thread(target=self._meet, args=(link,), daemon=True).start()

    def _meet(self, link: socket.socket) -> None:
        link.settimeout(LIMIT)
        try:
            secure = self.context.wrap_socket(link, server_side=True)
        except OSError:
            link.close()
            return
        self._note(secure)
        with contextlib.suppress(OSError), secure:
            while data := secure.recv(65536):
                secure.sendall(data)

    def _note(self, link: ssl.SSLSocket) -> None:
        told = link.getpeercert()
        subject: Any = (told or {}).get("subject", ())
        names = [value for group in subject for key, value in group if key == "commonName"]
        cipher = link.cipher()
        client = names[0] if names else None
        resumed = bool(link.session_reused)
        name = self._names.get(id(link))
        with self._told:
            self._seen.append(Seen(link.version(), cipher[0] if cipher else None, name, client, resumed))
            self.links.append(link)
            self._told.notify_all()

    def met(self, count: int) -> Seen:
        """What it knows of the client that came `count`-th.  A client may be through before its server is."""
        with self._told:
            self._told.wait_for(lambda: len(self._seen) >= count, LIMIT)
            return self._seen[count - 1]

    def hang_up(self) -> None:
        """Say goodbye to the latest client, and end its connection."""
        self.met(1)
        link = self.links[-1]
        link.setblocking(False)  # it says goodbye, and does not wait for the answer
        with contextlib.suppress(OSError):
            link.unwrap()
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self.links:
            with contextlib.suppress(OSError):
                link.close()
