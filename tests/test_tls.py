"""TLS end to end: driver and twin, with real servers of this machine at the other side."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import certificates
import fcm360w
import spoken
from certificates import EXPIRED, Authority
from fcm360w import AsyncModule, CommandError, EscapePolicy, Module, PeerClosed, UsageError
from fcm360w.channel import Mode
from fcm360w.commands import tls
from fcm360w.commands.system import Switch
from fcm360w.commands.tcp import Access
from fcm360w.commands.tls import CipherSuite, SslVersion
from fcm360w.sim import AccessPoint, Twin
from mosquitto import Mosquitto
from tls_servers import LIMIT, LOCAL, SecureEcho, nginx, openssl_server

pytestmark = pytest.mark.driver

QUICK = EscapePolicy(guard_before=0.3, guard_after=0.3, slack=0.1)
MODES: tuple[Mode, ...] = ("transparent", "push", "buffer")
SAID = bytes(range(256)) * 40
CONNECT_FAILED = 564


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin((AccessPoint("hall", "open sesame"),), dialect=spoken.dialect(guard=0.3), name="tls") as twin:
        yield twin


@pytest.fixture
def module(twin: Twin) -> Iterator[Module]:
    with fcm360w.open("sim://tls", escape=QUICK) as module:
        module.wifi.join("hall", "open sesame")
        yield module


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[SecureEcho]:
    server = SecureEcho(tmp_path, certificates.server())
    yield server
    server.close()


def exchanged(module: Module, port: int, mode: Mode, context: fcm360w.Context, said: bytes = SAID) -> None:
    with module.stream(LOCAL, port, mode, context) as stream:
        stream.settimeout(LIMIT)
        stream.sendall(said)
        with stream.makefile("rb") as file:
            assert file.read(len(said)) == said
        assert (stream.sent, stream.received) == (len(said), len(said))
    assert stream.report
    assert stream.report.acknowledged is None


def refused(module: Module, port: int, context: fcm360w.Context, host: str = LOCAL) -> None:
    with pytest.raises(CommandError) as caught:
        module.stream(host, port, "push", context)
    assert caught.value.code == CONNECT_FAILED
    assert module.tls.connections() == ()


# ---- streams


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_in_every_mode(module: Module, echo: SecureEcho, mode: Mode) -> None:
    with module.tls.context(ca=certificates.authority().pem) as context:
        exchanged(module, echo.port, mode, context)
    assert echo.met(1).version == "TLSv1.2"


@pytest.mark.parametrize("mode", MODES)
def test_the_server_closes(module: Module, echo: SecureEcho, mode: Mode) -> None:
    stream = module.stream(LOCAL, echo.port, mode, module.tls.context())
    stream.settimeout(LIMIT)
    stream.sendall(b"hello")
    assert stream.makefile("rb", 0).read(5) == b"hello"
    echo.hang_up()
    with pytest.raises(PeerClosed) as caught:
        stream.recv(100)
    assert (caught.value.sent, caught.value.acknowledged, caught.value.uncertain) == (5, None, 5)
    assert module.tls.connections() == ()


def test_a_transparent_stream_is_suspended(module: Module, echo: SecureEcho) -> None:
    with module.stream(LOCAL, echo.port, tls=module.tls.context()) as stream:
        stream.settimeout(LIMIT)
        with stream.suspended():
            assert [info.connect_id for info in module.tls.connections()] == [stream.connect_id]
        stream.sendall(b"+++")
        assert stream.makefile("rb").read(3) == b"+++"


def test_tls_and_tcp_share_the_ids(module: Module, echo: SecureEcho) -> None:
    with socket.create_server((LOCAL, 0)) as listener:
        port = listener.getsockname()[1]
        context = module.tls.context()
        streams = [
            module.stream(LOCAL, port, "push") if number % 2 else module.stream(LOCAL, echo.port, "push", context)
            for number in range(6)
        ]
        assert [stream.connect_id for stream in streams] == list(range(6))
        assert [info.connect_id for info in module.tls.connections()] == [0, 2, 4]
        for stream in streams:
            stream.close()


def test_a_connection_that_a_command_opened_keeps_its_id(module: Module, echo: SecureEcho) -> None:
    context = module.tls.context()
    module.run(tls.Open(context.context_id, 0, LOCAL, echo.port, Access.PUSH))
    with socket.create_server((LOCAL, 0)) as listener:
        for mode in MODES:
            with module.stream(LOCAL, listener.getsockname()[1], mode) as stream:
                assert stream.connect_id == (0 if spoken.dialect().separate_ids else 1)
    assert [info.connect_id for info in module.tls.connections()] == [0]


def test_nobody_counts_what_is_acknowledged(module: Module, echo: SecureEcho) -> None:
    for mode in MODES:
        with (
            module.stream(LOCAL, echo.port, mode, module.tls.context()) as stream,
            pytest.raises(UsageError, match=r"manual 2\.4"),
        ):
            stream.verify()


def test_what_an_earlier_owner_left_is_closed(twin: Twin, echo: SecureEcho) -> None:
    with fcm360w.open("sim://tls", escape=QUICK) as module:
        module.wifi.join("hall", "open sesame")
        module.stream(LOCAL, echo.port, "push", module.tls.context())
        module._sockets.clear()
    with fcm360w.open("sim://tls", escape=QUICK) as module:
        assert module.found.sockets == (0,)
        assert module.tls.connections() == ()


def test_asyncio(twin: Twin, echo: SecureEcho) -> None:
    with_asyncio(lambda module: scene(module, echo))


async def scene(module: AsyncModule, echo: SecureEcho) -> None:
    with await module.tls.context(certificates.authority().pem) as context:
        for mode in MODES:
            async with await module.tls.connect(LOCAL, echo.port, context, mode) as stream:
                assert len(await module.tls.connections()) == 1 if mode != "transparent" else True
                await stream.sendall(SAID)
                found = b""
                while len(found) < len(SAID):
                    found += await stream.recv(65536)
                assert found == SAID
        await module.tls.set(tls.Sni(context.context_id, Switch.OFF))
        assert (await module.tls.get(tls.Sni, context.context_id)).sni is Switch.OFF


def with_asyncio(scene: Callable[[AsyncModule], Awaitable[None]]) -> None:
    async def run() -> None:
        async with await fcm360w.open_async("sim://tls", escape=QUICK) as module:
            await module.wifi.join("hall", "open sesame")
            async with asyncio.timeout(3 * LIMIT):
                await scene(module)

    asyncio.run(run())


# ---- who is trusted


def test_a_chain_is_followed(module: Module, tmp_path: Path) -> None:
    between = Authority("between", above=certificates.authority())
    server = SecureEcho(tmp_path, between.issue(LOCAL))
    exchanged(module, server.port, "push", module.tls.context(certificates.authority().pem))
    server.close()


def test_a_server_of_a_stranger_is_refused(module: Module, tmp_path: Path) -> None:
    server = SecureEcho(tmp_path, certificates.stranger().issue(LOCAL))
    refused(module, server.port, module.tls.context(certificates.authority().pem))
    exchanged(module, server.port, "push", module.tls.context())
    server.close()


def test_a_server_whose_time_is_over(module: Module, tmp_path: Path) -> None:
    server = SecureEcho(tmp_path, certificates.server(LOCAL, days=EXPIRED))
    ca = certificates.authority().pem
    refused(module, server.port, module.tls.context(ca, check_time=True))
    exchanged(module, server.port, "push", module.tls.context(ca))
    server.close()


def test_a_server_of_another_name(module: Module, tmp_path: Path) -> None:
    server = SecureEcho(tmp_path, certificates.server("other.example"))
    context = module.tls.context(certificates.authority().pem)
    refused(module, server.port, context, "localhost")
    server.close()


def test_the_server_is_told_its_name(module: Module, tmp_path: Path) -> None:
    server = SecureEcho(tmp_path, certificates.server("localhost"))
    ca = certificates.authority().pem
    for count, sni, name in ((1, True, "localhost"), (2, False, None)):
        with module.stream("localhost", server.port, "push", module.tls.context(ca, sni=sni)):
            assert server.met(count).name == name
    server.close()


def test_a_client_shows_its_certificate(module: Module, tmp_path: Path) -> None:
    authority, mine = certificates.authority(), certificates.client()
    server = SecureEcho(tmp_path, certificates.server(), client_ca=authority.pem)
    cert, key = mine.save(tmp_path, "client")
    exchanged(module, server.port, "push", module.tls.context(authority.pem, cert, str(key)))
    assert server.met(1).client == "module 7"
    refused(module, server.port, module.tls.context(authority.pem))
    server.close()


# ---- versions, suites, sessions


@pytest.mark.parametrize(
    ("option", "version"),
    [("-tls1", SslVersion.TLS_1_0), ("-tls1_1", SslVersion.TLS_1_1), ("-tls1_2", SslVersion.TLS_1_2)],
)
def test_versions_of_openssl(module: Module, tmp_path: Path, option: str, version: SslVersion) -> None:
    issued = certificates.server(kind="rsa")
    with openssl_server(tmp_path, issued, option, "-cipher", "ALL:@SECLEVEL=0") as port:
        for wanted in (version, SslVersion.ALL):
            with module.tls.context(version=wanted) as context, module.stream(LOCAL, port, "push", context) as stream:
                stream.settimeout(LIMIT)
                stream.sendall(b"hello\n")
                assert stream.makefile("rb").readline() == b"olleh\n"
        other = SslVersion.TLS_1_2 if version is not SslVersion.TLS_1_2 else SslVersion.TLS_1_1
        refused(module, port, module.tls.context(version=other))


def test_a_server_of_nothing_but_tls_1_3(module: Module, tmp_path: Path) -> None:
    with openssl_server(tmp_path, certificates.server(), "-tls1_3") as port:
        refused(module, port, module.tls.context())


def test_suites(module: Module, tmp_path: Path) -> None:
    server = SecureEcho(tmp_path, certificates.server(kind="rsa"), ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    good, bad = CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    exchanged(module, server.port, "push", module.tls.context(cipher=good))
    assert server.met(1).cipher == "ECDHE-RSA-AES128-GCM-SHA256"
    refused(module, server.port, module.tls.context(cipher=bad))
    refused(module, server.port, module.tls.context(cipher=CipherSuite.TLS_RSA_WITH_RC4_128_SHA))
    server.close()


def asked(module: Module, port: int, context: fcm360w.Context) -> list[str]:
    """What nginx knows of the connection."""
    with module.stream(LOCAL, port, "buffer", context) as stream:
        stream.settimeout(LIMIT)
        stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
        told: bytes = stream.makefile("rb").read()
        return told.decode().partition("\r\n\r\n")[2].split(" ")


def test_nginx(module: Module, tmp_path: Path) -> None:
    ca, mine = certificates.authority(), certificates.client()
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    more = f"ssl_protocols TLSv1.2; ssl_verify_client on; ssl_client_certificate {tmp_path}/ca.pem;"
    with nginx(tmp_path, certificates.server(), more) as port:
        version, _, _, _, *client = asked(module, port, module.tls.context(ca.pem, mine.cert, mine.key))
        assert version == "TLSv1.2"
        assert client == ["CN=module", "7"]


def test_a_session_is_resumed(module: Module, tmp_path: Path) -> None:
    more = "ssl_protocols TLSv1.2; ssl_session_cache shared:s:1m;"
    with nginx(tmp_path, certificates.server(), more) as port:
        for cache, second in ((True, "r"), (False, ".")):
            context = module.tls.context(certificates.authority().pem, session_cache=cache)
            assert [asked(module, port, context)[3] for _ in range(2)] == [".", second]


# ---- contexts


def test_the_module_has_six_contexts(module: Module) -> None:
    contexts = [module.tls.context() for _ in range(6)]
    assert [context.context_id for context in contexts] == list(range(6))
    with pytest.raises(UsageError, match="all six"):
        module.tls.context()
    contexts[3].close()
    with pytest.raises(UsageError, match="closed"):
        contexts[3].context_id  # noqa: B018
    with pytest.raises(UsageError, match="closed"):
        module.stream(LOCAL, 1, "push", contexts[3])
    assert module.tls.context().context_id == 3


def test_files_are_written_once(module: Module) -> None:
    authority, mine = certificates.authority(), certificates.client()
    counts = []
    for _ in range(2):
        before = module.stats().written
        with module.tls.context(authority.pem, mine.cert, mine.key):
            counts.append(module.stats().written - before)
    size = len(authority.pem) + len(mine.cert) + len(mine.key)
    assert counts[0] > size > counts[1]
    with module.tls.context(certificates.stranger().pem) as context:
        assert module.tls.get(tls.CaCert, context.context_id).cacert == "tls0_ca.pem"


def test_a_context_outlives_a_restart(module: Module, echo: SecureEcho) -> None:
    context = module.tls.context(certificates.authority().pem, session_cache=True)
    module.system.reboot()
    assert module.tls.get(tls.Security, 0).seclevel is tls.SecLevel.NONE
    module.wifi.join("hall", "open sesame")
    exchanged(module, echo.port, "push", context)
    assert module.tls.get(tls.Security, 0).seclevel is tls.SecLevel.SERVER


def test_a_context_names_no_file_of_an_earlier_owner(module: Module) -> None:
    mine = certificates.client()
    module.tls.context(certificates.authority().pem, mine.cert, mine.key).close()
    with module.tls.context():
        told = module.tls.get(tls.CaCert, 0).cacert, module.tls.get(tls.ClientCert, 0).clientcert
        assert (*told, module.tls.get(tls.ClientKey, 0).clientkey) == ("", "", "")


def test_a_context_is_of_use_to_its_own_module_alone(module: Module) -> None:
    from fcm360w.sim import World

    other = World(seed=None).module()
    context = other.tls.context()
    sent = module.stats().written
    uses: list[Callable[[], object]] = [
        lambda: module.stream(LOCAL, 1, "push", context),
        lambda: module.http.get("https://h/", tls=context),
        lambda: module.mqtt("h", tls=context),
    ]
    for use in uses:
        with pytest.raises(UsageError, match="another module's"):
            use()
    assert module.stats().written == sent


def test_who_reconnects_with_a_context_that_was_closed_keeps_the_session(module: Module, tmp_path: Path) -> None:
    cert, key = certificates.server().save(tmp_path, "server")
    with Mosquitto(tmp_path, f"certfile {cert}", f"keyfile {key}") as server, module.tls.context() as context:
        client = module.mqtt(LOCAL, server.port, tls=context)
        context.close()
        with pytest.raises(UsageError, match="TLS context is closed"):
            client.reconnect()
        assert client.connected
        client.close()


def test_a_context_that_cannot_be_set_up_is_free_again(module: Module) -> None:
    too_large = certificates.authority().pem * 200
    with pytest.raises(CommandError):
        module.tls.context(too_large)
    assert module.tls.context().context_id == 0
