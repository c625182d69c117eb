"""The twin's HTTP client against real servers of this machine: Python's own, and nginx."""

from __future__ import annotations

import http.server
import os
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcm360w.sim import Twin
from freeport import free_port
from sim_host import CONNECT, OK, Host

BODY = random.Random(11).randbytes(1_024_000)
DONE = OK + b"\r\n+QHTTPREAD: 0\r\n"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
CONFIGURATION = """
{user} daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi; client_max_body_size 2m; default_type text/plain;
  server {{
    listen 127.0.0.1:{port}; root {root}/www;
    location /guarded {{ auth_basic "x"; auth_basic_user_file {root}/users; try_files /page =404; }}
    location /moved {{ return 302 /page; }}
    location /taken {{ proxy_pass http://127.0.0.1:{port}/sink; }}
    location /sink {{ return 200 "taken"; }}
  }}
}}
"""


class Pages(http.server.BaseHTTPRequestHandler):
    """GET gives the body, without a length; POST and PUT send back what they get, in chunks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BODY)

    def do_POST(self) -> None:
        self.protocol_version = "HTTP/1.1"
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(data), 9999):
            piece = data[at : at + 9999]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, *about: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def host() -> Iterator[Host]:
    with Twin() as twin:
        end = twin.attach()
        host = Host(end)
        host.join()
        yield host
        end.close()


@pytest.fixture
def pages() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    if NGINX is None:
        pytest.skip("platform: nginx is not installed")
    port = free_port()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "page").write_bytes(BODY)
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers may not read what is in the folder
    (tmp_path / "users").write_text("ann:{PLAIN}secret\n")
    (tmp_path / "conf").write_text(CONFIGURATION.format(root=tmp_path, port=port, user=user))
    tmp_path.chmod(0o755)
    process = subprocess.Popen([NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "conf")], stderr=subprocess.PIPE)
    try:
        _await_port(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except ConnectionRefusedError:
            continue
        return
    pytest.fail(f"nginx ended: {process.communicate()[1]!r}")


def go_to(host: Host, port: int, path: str = "/") -> None:
    host.ask(b'AT+QHTTPCFG="url","http://127.0.0.1:%d%b"' % (port, path.encode()), OK)


def get(host: Host, line: bytes, body: bytes) -> None:
    host.ask(b"AT+QHTTPGET=60", OK + b"\r\n+QHTTPGET: %b\r\n" % line)
    host.ask(b"AT+QHTTPREAD=60", CONNECT + body + DONE)


def send(host: Host, method: bytes, body: bytes, line: bytes) -> None:
    host.ask(b"AT+QHTTP%b=%d,60,60" % (method, len(body)), CONNECT)
    host.send(body)
    host.expect(OK + b"\r\n+QHTTP%b: %b\r\n" % (method, line))


def test_a_body_that_the_end_of_the_connection_ends(host: Host, pages: int) -> None:
    go_to(host, pages)
    get(host, b"0,200", BODY)


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
def test_chunks_and_a_long_body_both_ways(host: Host, pages: int, method: bytes) -> None:
    go_to(host, pages)
    send(host, method, BODY, b"0,200")
    host.ask(b"AT+QHTTPREAD=60", CONNECT + BODY + DONE)


def test_nginx_sends_a_file_with_its_length(host: Host, nginx: int) -> None:
    go_to(host, nginx, "/page")
    get(host, b"0,200,1024000", BODY)


def test_nginx_asks_for_a_password(host: Host, nginx: int) -> None:
    go_to(host, nginx, "/guarded")
    host.send(b"AT+QHTTPGET\r\n")
    host.expect(OK)
    assert host.line().startswith(b"+QHTTPGET: 0,401,")
    host.ask(b'AT+QHTTPCFG="auth","ann:secret"', OK)
    get(host, b"0,200,1024000", BODY)


def test_nginx_is_followed_nowhere(host: Host, nginx: int) -> None:
    go_to(host, nginx, "/moved")
    host.ask(b'AT+QHTTPCFG="rsp/header",1', OK)
    host.send(b"AT+QHTTPGET\r\n")
    host.expect(OK)
    assert host.line().startswith(b"+QHTTPGET: 0,302,")
    host.ask(b"AT+QHTTPREAD", CONNECT + b"HTTP/1.1 302 Moved Temporarily\r\n")


def test_nginx_takes_a_long_body(host: Host, nginx: int) -> None:
    go_to(host, nginx, "/taken")
    send(host, b"POST", BODY, b"0,200,5")
    host.ask(b"AT+QHTTPREAD", CONNECT + b"taken" + DONE)


def test_nginx_says_when_it_closes(host: Host, nginx: int) -> None:
    go_to(host, nginx, "/sink")
    host.ask(b'AT+QHTTPCFG="closed/ind",1', OK)
    host.ask(b"AT+QHTTPGET", OK + b'\r\n+QHTTPGET: 0,200,5\r\n\r\n+QHTTPURC: "closed"\r\n')
    host.ask(b"AT+QHTTPREAD", CONNECT + b"taken" + DONE)


def test_nobody_is_there(host: Host) -> None:
    port = free_port()
    go_to(host, port)
    host.ask(b"AT+QHTTPGET", OK + b"\r\n+QHTTPGET: 712\r\n")
    host.ask(b"AT+QHTTPPOST=5,60,60", b"\r\n+CME ERROR: 712\r\n")
