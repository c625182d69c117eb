"""HTTP end to end: driver and twin, with nginx at the other side."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import fcm360w
import spoken
from fcm360w.cli.app import app
from fcm360w.cli.failures import Code
from fcm360w.errors import CommandError
from fcm360w.module import Module
from fcm360w.sim import Twin
from pages import BIG, TRAP
from web import PASSWORD, USER, Web, nginx

pytestmark = pytest.mark.driver

HOTSPOT = "hall", "open sesame"
URL = "sim://http-servers"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with nginx(tmp_path_factory.mktemp("web")) as web:
        (web.pages / "big").write_bytes(BIG)
        (web.pages / "trap").write_bytes(TRAP)
        (web.pages / "empty").write_bytes(b"")
        (web.pages / "secret" / "page").write_bytes(b"told")
        (web.pages / "chunked" / "page").write_bytes(TRAP + b'<!--#echo var="request_uri" -->' + TRAP)
        yield web


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin(dialect=spoken.dialect(), name="http-servers") as twin:
        yield twin


@pytest.fixture
def module(twin: Twin) -> Iterator[Module]:
    with fcm360w.open(URL) as module:
        module.wifi.join(*HOTSPOT)
        yield module


@pytest.mark.parametrize(("path", "body"), [("/big", BIG), ("/trap", TRAP), ("/empty", b"")])
def test_what_is_announced(module: Module, web: Web, path: str, body: bytes) -> None:
    response = module.http.get(web.url + path)
    assert (response.status, response.body, response.inferred_end) == (200, body, False)
    assert response.headers["server"].startswith("nginx")
    assert response.headers["content-length"] == str(len(body))


def test_chunks(module: Module, web: Web) -> None:
    response = module.http.get(f"{web.url}/chunked/page")
    assert response.body == TRAP + b"/chunked/page" + TRAP
    assert response.inferred_end
    assert "content-length" not in response.headers


def test_basic_authentication(module: Module, web: Web) -> None:
    assert module.http.get(f"{web.url}/secret/page").status == 401
    assert module.http.get(f"{web.url}/secret/page", auth=(USER, "wrong")).status == 401
    assert module.http.get(f"{web.url}/secret/page", auth=(USER, PASSWORD)).body == b"told"


def test_a_redirection_is_not_followed(module: Module, web: Web) -> None:
    response = module.http.get(f"{web.url}/moved")
    assert response.status == 302
    assert response.headers["location"].endswith("/")


def test_what_the_server_sees(module: Module, web: Web) -> None:
    assert module.http.get(f"{web.url}/seen", headers={"X-One": "a b"}).body == b"GET a b "
    assert module.http.post(f"{web.url}/seen", data=b"12345").body == b"POST  5"


@pytest.mark.parametrize("size", [1, 1_024_000])
def test_put_writes_what_get_reads(module: Module, web: Web, size: int) -> None:
    body = (BIG * 2)[:size]
    assert module.http.put(f"{web.url}/up/{size}", data=body).status == 201
    assert (web.pages / "up" / str(size)).read_bytes() == body
    file = io.BytesIO()
    module.http.get(f"{web.url}/up/{size}", into=file)
    assert file.getvalue() == body


def test_asyncio(twin: Twin, web: Web) -> None:
    async def main() -> None:
        async with await fcm360w.open_async(URL) as module:
            await module.wifi.join(*HOTSPOT)
            assert (await module.http.get(f"{web.url}/big")).body == BIG
            with pytest.raises(CommandError, match="707"):
                await module.http.get("nonsense")

    asyncio.run(main())


# ---- the command line


def invoke(*args: str, **more: str) -> Result:
    hotspot = ["--ssid", HOTSPOT[0], "--password", HOTSPOT[1]]
    return CliRunner().invoke(app, ["http", *args, "-p", URL, *hotspot], prog_name="fcm360w", **more)


@pytest.mark.usefixtures("twin")
def test_get_by_command_line(web: Web, tmp_path: Path) -> None:
    result = invoke("get", f"{web.url}/trap")
    assert (result.exit_code, result.stdout_bytes) == (0, TRAP)
    assert "status 200" in result.stderr
    out = tmp_path / "out"
    result = invoke("get", f"{web.url}/chunked/page", "-o", str(out), "--json")
    told = json.loads(result.stdout)
    assert (told["status"], told["bytes"], told["inferred_end"]) == (200, 2 * len(TRAP) + 13, True)
    assert out.stat().st_size == told["bytes"]
    assert any(name.lower() == "server" for name, _ in told["headers"])


@pytest.mark.usefixtures("twin")
def test_put_and_post_by_command_line(web: Web, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(BIG)
    assert invoke("put", f"{web.url}/up/cli", "-d", f"@{tmp_path / 'data'}").exit_code == 0
    assert (web.pages / "up" / "cli").read_bytes() == BIG
    result = invoke("post", f"{web.url}/seen", "-d", "@-", "-H", "X-One: yes", input="four")
    assert result.stdout == "POST yes 4"
    assert invoke("post", f"{web.url}/seen", "-d", "hello").stdout == "POST  5"


@pytest.mark.usefixtures("twin")
def test_exit_codes(web: Web, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = invoke("get", f"{web.url}/none")
    assert (result.exit_code, "status 404" in result.stderr) == (Code.REFUSED, True)
    assert invoke("get", f"{web.url}/secret/page", "--user", f"{USER}:{PASSWORD}").stdout == "told"
    assert invoke("get", "http://127.0.0.1:1/", "-o", str(out)).exit_code == Code.REFUSED
    assert not out.exists()


@pytest.mark.parametrize(
    "args",
    [
        ["get", "http://h/", "--json"],
        ["get", "http://h/", "-H", "no colon"],
        ["get", "http://h/", "--user", "nocolon"],
        ["get", "http://h/", "--timeout", "0"],
        ["get", "http://h/", "-o", "/no/such/folder/file"],
        ["post", "http://h/"],
        ["post", "http://h/", "-d", "@/no/such/file"],
        ["put", "http://h/", "-d", ""],
    ],
)
@pytest.mark.usefixtures("twin")
def test_usage(args: list[str]) -> None:
    assert invoke(*args).exit_code == Code.USAGE
