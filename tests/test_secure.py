"""TLS together with other chapters, end to end: HTTPS, firmware, TCP; with real servers of this machine."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import certificates
import fcm360w
import spoken
from certificates import EXPIRED
from fcm360w import CommandError, EscapePolicy, Module, UsageError
from fcm360w.commands import tls
from fcm360w.commands.http import SendGet, SslContext, Url
from fcm360w.commands.mqttcfg import Ssl
from fcm360w.commands.system import Switch
from fcm360w.flows.system import UpgradeStage
from fcm360w.settings import Get, Set
from fcm360w.sim import Twin
from mosquitto import Mosquitto
from pages import BIG, TRAP
from procedures_secure import NEW, serving
from tls_servers import LIMIT, LOCAL, SecureEcho
from web import Web, nginx

pytestmark = pytest.mark.driver

HOTSPOT = "hall", "open sesame"
URL = "sim://secure"
QUICK = EscapePolicy(guard_before=0.3, guard_after=0.3, slack=0.1)
CONNECT_FAILED = 712


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(dialect=spoken.dialect(guard=0.3), name="secure") as twin:
        yield twin


@pytest.fixture
def module(twin: Twin) -> Iterator[Module]:
    with fcm360w.open(URL, escape=QUICK) as module:
        module.wifi.join(*HOTSPOT)
        yield module


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    root = tmp_path_factory.mktemp("web")
    (root / "ca.pem").write_bytes(certificates.authority().pem)
    asking = f"ssl_verify_client optional; ssl_client_certificate {root}/ca.pem;"
    with nginx(root, certificates.server(), asking) as web:
        (web.pages / "big").write_bytes(BIG)
        (web.pages / "trap").write_bytes(TRAP)
        (web.pages / "chunked" / "page").write_bytes(TRAP + b'<!--#echo var="request_uri" -->' + TRAP)
        yield web


# ---- HTTPS


def test_a_server_that_is_checked(module: Module, web: Web) -> None:
    with module.tls.context(certificates.authority().pem) as context:
        for path, body in (("/big", BIG), ("/trap", TRAP)):
            response = module.http.get(web.url + path, tls=context)
            assert (response.status, response.body, response.inferred_end) == (200, body, False)
        response = module.http.get(f"{web.url}/chunked/page", tls=context)
        assert response.body == TRAP + b"/chunked/page" + TRAP
        assert module.http.get(f"{web.url}/who", tls=context).body == b"TLSv1.2 NONE "


def test_large_bodies_both_ways(module: Module, web: Web) -> None:
    body = (BIG * 2)[:1_024_000]
    with module.tls.context(certificates.authority().pem) as context:
        assert module.http.put(f"{web.url}/up/large", data=body, tls=context).status == 201
        assert (web.pages / "up" / "large").read_bytes() == body
        file = io.BytesIO()
        response = module.http.get(f"{web.url}/up/large", into=file, tls=context)
    assert (response.size, file.getvalue()) == (len(body), body)


def test_a_client_that_shows_a_certificate(module: Module, web: Web) -> None:
    mine = certificates.client()
    with module.tls.context(certificates.authority().pem, mine.cert, mine.key) as context:
        response = module.http.post(f"{web.url}/who", data=b"x", tls=context)
    assert response.body == b"TLSv1.2 SUCCESS CN=module 7"


def test_a_server_that_demands_a_certificate(module: Module, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.authority().pem)
    demanding = f"ssl_verify_client on; ssl_client_certificate {tmp_path}/ca.pem;"
    with nginx(tmp_path, certificates.server(), demanding) as web, module.tls.context() as context:
        assert module.http.get(f"{web.url}/who", tls=context).status == 400


def test_a_server_of_a_strange_authority(module: Module, web: Web) -> None:
    with module.tls.context(certificates.stranger().pem) as context:
        for send in (
            lambda: module.http.get(f"{web.url}/big", tls=context),
            lambda: module.http.post(f"{web.url}/big", data=b"x", tls=context),
        ):
            with pytest.raises(CommandError, match="socket connect fault") as caught:
                send()
            assert caught.value.code == CONNECT_FAILED
    with module.tls.context() as context:
        assert module.http.get(f"{web.url}/trap", tls=context).body == TRAP


def test_a_server_whose_time_is_over_or_whose_name_is_another(module: Module, tmp_path: Path) -> None:
    ca = certificates.authority().pem
    (tmp_path / "old").mkdir()
    with nginx(tmp_path / "old", certificates.server(LOCAL, days=EXPIRED)) as web:
        assert code(module, f"{web.url}/", module.tls.context(ca, check_time=True)) == CONNECT_FAILED
        assert code(module, f"{web.url}/", module.tls.context(ca)) == 0
    (tmp_path / "other").mkdir()
    with nginx(tmp_path / "other", certificates.server("other.example")) as web:
        assert code(module, f"https://localhost:{web.port}/", module.tls.context(ca)) == CONNECT_FAILED


def code(module: Module, url: str, context: fcm360w.Context) -> int:
    """How a request ended."""
    with context:
        try:
            module.http.get(url, tls=context)
        except CommandError as error:
            return error.code or -1
    return 0


def test_https_without_a_context_says_what_to_do(module: Module, web: Web) -> None:
    before = module.stats().written
    for url in (web.url, web.url.replace("https", "HTTPS")):
        with pytest.raises(UsageError, match=r"tls is missing.*tls\.context"):
            module.http.get(url)
        with pytest.raises(UsageError, match="tls is missing"):
            module.http.put(url, data=b"x")
    assert module.stats().written == before


def test_a_server_without_tls_and_a_client_without(module: Module, web: Web, tmp_path: Path) -> None:
    with nginx(tmp_path) as plain, module.tls.context() as context:
        assert code(module, plain.url.replace("http", "https"), context) == CONNECT_FAILED
    assert module.http.get(web.url.replace("https", "http")).status == 400


def test_the_context_is_the_one_that_is_told(module: Module, web: Web) -> None:
    """Contexts 0 and 1 trust another authority; context 2 the right one."""
    wrong = [module.tls.context(certificates.stranger().pem) for _ in range(2)]
    right = module.tls.context(certificates.authority().pem)
    assert module.http.get(f"{web.url}/trap", tls=right).body == TRAP
    assert module.run(Get(SslContext)).ssl_ctx_id == right.context_id == 2
    for context in wrong:
        assert code(module, web.url, context) == CONNECT_FAILED


def test_a_closed_context_is_refused(module: Module, web: Web) -> None:
    context = module.tls.context()
    context.close()
    with pytest.raises(UsageError, match="the TLS context is closed"):
        module.http.get(web.url, tls=context)


def test_a_context_is_set_up_again_after_a_restart(module: Module, web: Web) -> None:
    context = module.tls.context(certificates.stranger().pem)
    module.system.reboot()
    module.wifi.join(*HOTSPOT)
    with pytest.raises(CommandError) as caught:
        module.http.get(web.url, tls=context)
    assert caught.value.code == CONNECT_FAILED


def test_asyncio(twin: Twin, web: Web) -> None:
    async def main() -> None:
        async with await fcm360w.open_async(URL) as module:
            await module.wifi.join(*HOTSPOT)
            with await module.tls.context(certificates.authority().pem) as context:
                assert (await module.http.get(f"{web.url}/big", tls=context)).body == BIG
                assert (await module.http.put(f"{web.url}/up/async", data=TRAP, tls=context)).status in (201, 204)
                with pytest.raises(UsageError, match="tls is missing"):
                    await module.http.get(web.url)

    asyncio.run(main())
    assert (web.pages / "up" / "async").read_bytes() == TRAP


# ---- firmware


@pytest.fixture
def firmware() -> Iterator[str]:
    with serving() as url:
        yield url


def test_firmware_comes_by_https(module: Module, firmware: str) -> None:
    told: list[UpgradeStage] = []
    with module.tls.context(certificates.authority().pem) as context:
        assert context.context_id == 0
        assert module.system.upgrade(firmware, progress=told.append) == NEW
    assert told == list(UpgradeStage)
    assert module.system.version() == NEW


def test_firmware_of_a_server_that_is_not_trusted(module: Module, firmware: str) -> None:
    before = module.system.version()
    with module.tls.context(certificates.stranger().pem), pytest.raises(CommandError, match="cannot be downloaded"):
        module.system.upgrade(firmware)
    assert module.system.version() == before


# ---- TCP, MQTT


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[SecureEcho]:
    server = SecureEcho(tmp_path, certificates.server())
    yield server
    server.close()


def test_tcp_connects_under_tls(module: Module, echo: SecureEcho) -> None:
    context = module.tls.context(certificates.authority().pem)
    with module.tcp.connect(LOCAL, echo.port, "push", tls=context) as stream:
        stream.settimeout(LIMIT)
        stream.sendall(TRAP)
        assert stream.makefile("rb").read(len(TRAP)) == TRAP
    assert echo.met(1).version == "TLSv1.2"


def test_tcp_connects_under_tls_with_asyncio(twin: Twin, echo: SecureEcho) -> None:
    async def main() -> None:
        async with await fcm360w.open_async(URL, QUICK) as module:
            await module.wifi.join(*HOTSPOT)
            context = await module.tls.context(certificates.authority().pem)
            async with await module.tcp.connect(LOCAL, echo.port, "buffer", tls=context) as stream:
                stream.settimeout(LIMIT)
                await stream.sendall(b"hello")
                assert await stream.recv(99) == b"hello"

    asyncio.run(main())
    assert echo.met(1).version == "TLSv1.2"


def test_mqtt_sets_its_context_up_again_after_a_restart(module: Module, tmp_path: Path) -> None:
    cert, key = certificates.server().save(tmp_path, "server")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificates.authority().pem)
    with Mosquitto(tmp_path, f"cafile {ca}", f"certfile {cert}", f"keyfile {key}") as server:
        context = module.tls.context(certificates.authority().pem, session_cache=True)
        client = module.mqtt(LOCAL, server.port, tls=context)
        assert module.run(Get(Ssl, (client.client_idx,))).ssl_enable is Switch.ON
        module.system.reboot()
        module.wifi.join(*HOTSPOT)
        assert module.tls.get(tls.SessionCache, 0).session_cache_enable is Switch.OFF
        client.reconnect()
        assert module.tls.get(tls.SessionCache, 0).session_cache_enable is Switch.ON
        client.publish("a", b"secret", 1)
        client.close()


def test_the_twin_takes_context_1_unless_it_is_told_another(module: Module, web: Web) -> None:
    """For a program that uses the commands alone."""
    assert module.run(Get(SslContext)).ssl_ctx_id == 1
    contexts = [module.tls.context(), module.tls.context(certificates.stranger().pem), module.tls.context()]
    assert [context.context_id for context in contexts] == [0, 1, 2]
    module.run(Set(Url(f"{web.url}/trap")))
    with pytest.raises(CommandError) as caught:
        module.run(SendGet(20))
    assert caught.value.code == CONNECT_FAILED
    module.run(Set(SslContext(2)))
    assert module.run(SendGet(20)).http_rsp_code == 200
    module.http.stop()
