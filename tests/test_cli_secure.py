"""The options of the command line that secure a connection, in this process, with real servers of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

import certificates
from fcm360w.cli.app import app
from fcm360w.cli.failures import Code
from fcm360w.sim import AccessPoint, Twin
from mosquitto import Mosquitto
from pages import TRAP
from tls_servers import LIMIT, LOCAL, SecureEcho
from web import nginx

URL = "sim://cli-secure"
SECRET = "open sesame"


class Pems(NamedTuple):
    """Files: an authority, one that issued nothing here, and a client's certificate and key."""

    ca: str
    wrong: str
    cert: str
    key: str

    @property
    def client(self) -> list[str]:
        return ["--ca", self.ca, "--cert", self.cert, "--key", self.key]


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin((AccessPoint("hall", SECRET),), name="cli-secure") as twin:
        yield twin


@pytest.fixture
def pems(tmp_path: Path) -> Pems:
    (tmp_path / "ca.pem").write_bytes(certificates.authority().pem)
    (tmp_path / "wrong.pem").write_bytes(certificates.stranger().pem)
    cert, key = certificates.client().save(tmp_path, "client")
    return Pems(str(tmp_path / "ca.pem"), str(tmp_path / "wrong.pem"), str(cert), str(key))


def invoke(*args: str, stdin: bytes = b"") -> Result:
    environment = {"FCM360W_PORT": URL, "FCM360W_PASSWORD": SECRET}
    return CliRunner().invoke(app, args, env=environment, input=stdin, prog_name="fcm360w")


# ---- send, recv


@pytest.mark.usefixtures("twin")
@pytest.mark.parametrize("mode", ["transparent", "push", "buffer"])
def test_send(tmp_path: Path, pems: Pems, mode: str) -> None:
    server = SecureEcho(tmp_path, certificates.server(), client_ca=certificates.authority().pem)
    args = ["--to", f"tcp://{LOCAL}:{server.port}", "--ssid", "hall", "--mode", mode, "--json"]
    result = invoke("send", "-", *args, *pems.client, stdin=TRAP)
    server.close()
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["bytes"], told["acknowledged"]) == (len(TRAP), None)
    assert "under TLS" in result.stderr
    assert server.met(1).client == "module 7"


@pytest.mark.usefixtures("twin")
@pytest.mark.parametrize("trust", ["--insecure", "--ca"])
def test_recv(tmp_path: Path, pems: Pems, trust: str) -> None:
    server = SecureEcho(tmp_path, certificates.server())
    out = tmp_path / "out"
    speaking = threading.Thread(target=speak, args=(server,))
    speaking.start()
    trusting = [trust] if trust == "--insecure" else ["--tls", trust, pems.ca]
    args = ["--from", f"tcp://{LOCAL}:{server.port}", "--out", str(out), "--bytes", str(len(TRAP)), "--ssid", "hall"]
    result = invoke("recv", *args, *trusting)
    speaking.join(LIMIT)
    server.close()
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes() == TRAP


def speak(server: SecureEcho) -> None:
    server.met(1)
    server.links[-1].sendall(TRAP)


@pytest.mark.usefixtures("twin")
def test_a_server_of_a_strange_authority(tmp_path: Path, pems: Pems) -> None:
    server = SecureEcho(tmp_path, certificates.server())
    result = invoke("send", "-", "--to", f"tcp://{LOCAL}:{server.port}", "--ssid", "hall", "--ca", pems.wrong)
    server.close()
    assert result.exit_code == Code.REFUSED
    assert "under TLS that may also be a certificate" in result.stderr


# ---- HTTP


@pytest.mark.usefixtures("twin")
def test_http(tmp_path: Path, pems: Pems) -> None:
    asking = f"ssl_verify_client optional; ssl_client_certificate {pems.ca};"
    with nginx(tmp_path, certificates.server(), asking) as web:
        result = invoke("http", "get", f"{web.url}/who", "--ssid", "hall", *pems.client)
        assert (result.exit_code, result.stdout) == (0, "TLSv1.2 SUCCESS CN=module 7"), result.stderr
        result = invoke("http", "put", f"{web.url}/up/cli", "-d", "@-", "--ssid", "hall", "--ca", pems.ca, stdin=TRAP)
        assert (result.exit_code, (web.pages / "up" / "cli").read_bytes()) == (0, TRAP)
        result = invoke("http", "post", f"{web.url}/who", "-d", "x", "--ssid", "hall", "--insecure")
        assert (result.exit_code, result.stdout) == (0, "TLSv1.2 NONE ")
        result = invoke("http", "get", f"{web.url}/who", "--ssid", "hall", "--ca", pems.wrong)
        assert (result.exit_code, "712" in result.stderr) == (Code.REFUSED, True)


# ---- MQTT


@pytest.mark.usefixtures("twin")
def test_mqtt(tmp_path: Path, pems: Pems) -> None:
    cert, key = certificates.server().save(tmp_path, "server")
    options = (f"cafile {pems.ca}", f"certfile {cert}", f"keyfile {key}", "require_certificate true")
    with Mosquitto(tmp_path, *options) as server:
        where = ["--host", LOCAL, "--server-port", str(server.port), "--ssid", "hall", "-t", "lab/t"]
        result = invoke("mqtt", "pub", *where, "-r", "-q", "1", *pems.client, "21.5")
        assert result.exit_code == 0, result.stderr
        result = invoke("mqtt", "sub", *where, "-n", "1", "--timeout", "20", *pems.client)
        assert (result.exit_code, result.stdout) == (0, "lab/t 21.5\n")
        assert invoke("mqtt", "pub", *where, "--ca", pems.wrong, "x").exit_code == Code.REFUSED


# ---- usage


SEND = ("send", "-", "--to", "tcp://h:1")
RECV = ("recv", "--from", "tcp://h:1", "--out", "-")
PUB = ("mqtt", "pub", "--host", "h", "-t", "t", "x")
SUB = ("mqtt", "sub", "--host", "h", "-t", "t")


@pytest.mark.parametrize("command", [SEND, RECV, PUB, SUB])
def test_tls_alone_does_not_say_whom_to_trust(command: tuple[str, ...]) -> None:
    result = invoke(*command, "--tls")
    assert result.exit_code == Code.USAGE
    assert "pass --ca FILE, or --insecure" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("http", "get", "https://h/"), "pass --ca FILE, or --insecure"),
        (("http", "get", "HTTPS://h/"), "pass --ca FILE, or --insecure"),
        (("http", "put", "http://h/", "-d", "x", "--insecure"), "--insecure: only an https URL is secured"),
        (("http", "get", "http://h/", "--ca", "CA"), "--ca: only an https URL is secured"),
        ((*SEND, "--cert", "CERT"), "--cert and --key go together"),
        ((*SEND, "--ca", "CA", "--key", "KEY"), "--cert and --key go together"),
        ((*RECV, "--ca", "CA", "--insecure"), "--ca and --insecure exclude each other"),
        ((*PUB, "--insecure", "--cert", "CERT", "--key", "KEY"), "--cert without --ca"),
        ((*SUB, "--ca", "/no/such/file"), "does not exist"),
    ],
)
def test_usage(pems: Pems, args: tuple[str, ...], said: str) -> None:
    files = {"CA": pems.ca, "CERT": pems.cert, "KEY": pems.key}
    result = invoke(*(files.get(arg, arg) for arg in args))
    assert result.exit_code == Code.USAGE
    assert said in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.usefixtures("twin")
def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    result = invoke(*SEND, "--ssid", "hall", "--ca", str(tmp_path / "ca.pem"))
    assert result.exit_code == Code.USAGE
    assert "no certificate in PEM form" in result.stderr
