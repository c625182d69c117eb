"""TLS of the twin for real, in a world of its own: what a context says is what is agreed on, or not."""

from __future__ import annotations

import logging
import ssl
import warnings
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="platform: no cryptography")

from certificates import EXPIRED, FUTURE, Days, authority, client, server, stranger
from fcm360w.commands.tls import CipherSuite, SecLevel, SslVersion
from fcm360w.sim.contexts import SUITES, Terms, made
from fcm360w.sim.dialect import MANUAL, Dialect
from fcm360w.sim.pipes import MemoryPeer
from fcm360w.sim.world import World
from secure_peer import SecurePeer, secure, server_context

OK = b"\r\nOK\r\n"
NAME, PORT = "logger.example", 8883


class Bench:
    """A world with a TLS server, and a module that has joined."""

    def __init__(self, context: ssl.SSLContext, dialect: Dialect = MANUAL, baud: int | None = 115200) -> None:
        self.world = World(dialect=dialect, baud=baud)
        self.peers: list[SecurePeer] = []
        self.world.network.serve(NAME, PORT, secure(context, self.peers.append))
        self.ask('AT+QSTAAPINFO="hall","open sesame"', 1.0)

    def ask(self, line: str, seconds: float = 0.2) -> bytes:
        self.world.host.send(line.encode() + b"\r")
        return self.world.host.read(seconds)

    def store(self, name: str, data: bytes) -> None:
        self.ask(f'AT+QFOPEN="{name}",1')
        self.ask(f"AT+QFWRITE=1,{len(data)}")
        self.world.host.send(data)
        assert self.world.host.read(1.0).endswith(OK)
        assert self.ask("AT+QFCLOSE=1") == OK

    def set(self, **options: object) -> None:
        for key, value in options.items():
            assert self.ask(f'AT+QSSLCFG="{key}",0,{value}') == OK

    def open(self, host: str = NAME, access: int = 0) -> int:
        """The code of the late line."""
        said = self.ask(f'AT+QSSLOPEN=0,4,"{host}",{PORT},{access}', 1.0)
        assert said.startswith(OK + b"\r\n+QSSLOPEN: 4,"), said
        return int(said.rpartition(b",")[2])

    def again(self, host: str = NAME) -> SecurePeer:
        """Open once more, successfully."""
        assert self.ask("AT+QSSLCLOSE=4").endswith(OK)
        assert self.open(host) == 0
        return self.peers[-1]


@pytest.fixture
def bench() -> Bench:
    return Bench(server_context(server(NAME)))


# ---- a connection


def test_bytes_both_ways(bench: Bench) -> None:
    assert bench.open() == 0
    peer = bench.peers[0]
    assert peer.tls.version() == "TLSv1.2"
    bench.ask("AT+QSSLSEND=4,5")
    bench.world.host.send(b"hello")
    assert bench.world.host.read(0.2) == b"\r\nSEND OK\r\n"
    assert peer.received == b"hello"
    peer.send(b"you")
    assert bench.world.host.read(0.2) == b'\r\n+QSSLURC: "recv",4\r\n'
    assert bench.ask("AT+QSSLRECV=4,1500") == b"\r\n+QSSLRECV: 3\r\nyou\r\n" + OK
    assert bench.ask("AT+QSSLCLOSE=4") == OK
    assert peer.ended


def test_a_large_stream_both_ways() -> None:
    """More than any buffer holds, in transparent mode."""
    bench = Bench(server_context(server(NAME)), baud=None)
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",{PORT},2', 1.0) == b"\r\nCONNECT\r\n"
    peer, data = bench.peers[0], bytes(range(256)) * 2000
    peer.send(data)
    assert b"".join(bench.world.host.read(0.1) for _ in range(100)) == data
    bench.world.host.send(data)
    bench.world.sleep(5.0)
    assert peer.received == data


def test_the_peer_says_goodbye(bench: Bench) -> None:
    assert bench.open() == 0
    bench.peers[0].send(b"last")
    bench.peers[0].close()
    assert bench.world.host.read(0.5) == b'\r\n+QSSLURC: "recv",4\r\n\r\n+QSSLURC: "closed",4\r\n'
    assert bench.ask("AT+QSSLRECV=4,9") == b"\r\n+QSSLRECV: 4\r\nlast\r\n" + OK


@pytest.mark.parametrize("end", [MemoryPeer.close, MemoryPeer.reset])
def test_the_peer_goes_without_a_word(bench: Bench, end: object) -> None:
    assert bench.open() == 0
    getattr(bench.peers[0].peer, end.__name__)()  # type: ignore[attr-defined]
    assert bench.world.host.read(0.5) == b'\r\n+QSSLURC: "closed",4\r\n'


def test_the_peer_talks_nonsense(bench: Bench) -> None:
    assert bench.open() == 0
    bench.peers[0].peer.send(b"no TLS record at all")
    assert bench.world.host.read(0.5) == b'\r\n+QSSLURC: "closed",4\r\n'


def test_what_is_sent_is_counted_in_the_clear(bench: Bench) -> None:
    """The send buffer is full when the peer's window and ours are, not before; nothing is lost."""
    assert bench.open() == 0
    peer = bench.peers[0]
    peer.peer.reading, peer.peer.window = False, 0
    sent = 0
    for _ in range(100):
        bench.ask("AT+QSSLSEND=4,1460")
        bench.world.host.send(b"x" * 1460)
        if b"SEND FAIL" in bench.world.host.read(0.3):
            break
        sent += 1460
    assert 60_000 < sent < 65_536
    peer.peer.window, peer.peer.reading = 65536, True
    peer.peer.fed()
    bench.world.sleep(1.0)
    assert bench.world.twin.sockets.client(4, secure=True).sent()[0] == sent


# ---- versions and suites


VERSIONS = [(1, "TLSv1"), (2, "TLSv1.1"), (3, "TLSv1.2"), (4, "TLSv1.2")]


@pytest.mark.parametrize(("number", "version"), VERSIONS)
def test_versions(number: int, version: str) -> None:
    context = server_context(server(NAME))
    bench = Bench(context)
    bench.set(sslversion=number)
    assert bench.open() == 0
    assert bench.peers[0].tls.version() == version


def test_nobody_has_ssl_3(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.set(sslversion=0)
    with caplog.at_level(logging.WARNING, "fcm360w.sim"):
        assert bench.open() == 564
    assert "OpenSSL has no SSL 3.0" in caplog.text
    assert not bench.peers


def test_a_server_that_wants_more_than_the_module_has() -> None:
    context = server_context(server(NAME))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    bench = Bench(context)
    assert bench.open() == 564


@pytest.mark.parametrize("suite", list(SUITES), ids=lambda suite: suite.name)
def test_suites(
    caplog: pytest.LogCaptureFixture,
    suite: CipherSuite,
) -> None:
    bench = Bench(server_context(server(NAME, kind="ec" if "ECDSA" in suite.name else "rsa")))
    bench.set(ciphersuite=suite.value)
    with caplog.at_level(logging.WARNING, "fcm360w.sim"):
        code = bench.open()
    if code == 0:
        cipher = bench.peers[0].tls.cipher()
        assert cipher
        assert cipher[0] == SUITES[suite]
        return
    assert code == 564
    assert f"OpenSSL has no {suite.name}" in caplog.text
    assert any(gone in suite.name for gone in ("RC4", "3DES", "TLS_ECDH_"))


def test_every_suite_of_the_table_has_a_name() -> None:
    assert SUITES.keys() == set(CipherSuite) - {CipherSuite.ALL}
    assert len(set(SUITES.values())) == len(SUITES)


# ---- certificates


def test_nobody_is_asked_for_a_certificate() -> None:
    bench = Bench(server_context(stranger().issue("someone.else", days=EXPIRED)))
    bench.set(ignorelocaltime=0, sni=1)
    assert bench.open() == 0


def test_the_servers_certificate(bench: Bench) -> None:
    bench.set(seclevel=1)
    assert bench.open() == 564
    bench.set(cacert='"ca.pem"')
    assert bench.open() == 564
    bench.store("ca.pem", authority().pem)
    assert bench.open() == 0
    bench.store("ca.pem", stranger().pem)
    bench.ask("AT+QSSLCLOSE=4")
    assert bench.open() == 564
    bench.store("ca.pem", b"no certificate")
    assert bench.open() == 564
    assert len(bench.peers) == 2


def test_the_certificate_itself_may_be_trusted(bench: Bench) -> None:
    bench.store("ca.pem", server(NAME).cert)
    bench.set(seclevel=1, cacert='"UFS:ca.pem"')
    assert bench.open() == 0


@pytest.mark.parametrize("days", [EXPIRED, FUTURE])
@pytest.mark.parametrize(("ignored", "code"), [(1, 0), (0, 564)])
def test_s4_dates(days: Days, ignored: int, code: int) -> None:
    bench = Bench(server_context(server(NAME, days=days)))
    bench.store("ca.pem", authority().pem)
    bench.set(seclevel=1, cacert='"ca.pem"', ignorelocaltime=ignored)
    assert bench.open() == code


@pytest.mark.parametrize(("told", "code"), [(0, 0), (1, 564)])
def test_a_name_that_is_told_must_be_the_servers(told: int, code: int) -> None:
    bench = Bench(server_context(server("other.example")))
    bench.store("ca.pem", authority().pem)
    bench.set(seclevel=1, cacert='"ca.pem"', sni=told)
    assert bench.open() == code


@pytest.mark.parametrize(("told", "expected"), [(0, [None]), (1, [NAME])])
def test_sni(told: int, expected: list[str | None]) -> None:
    context, names = server_context(server(NAME)), []
    context.sni_callback = lambda tls, name, ctx: names.append(name)
    bench = Bench(context)
    bench.set(sni=told)
    assert bench.open() == 0
    assert names == expected


def test_an_address_is_no_name() -> None:
    bench = Bench(server_context(server(NAME)))
    bench.store("ca.pem", authority().pem)
    bench.set(seclevel=1, cacert='"ca.pem"', sni=1)
    assert bench.open(bench.world.network.names[NAME]) == 0


def test_both_certificates() -> None:
    bench = Bench(server_context(server(NAME), authority().pem))
    bench.store("ca.pem", authority().pem)
    bench.set(seclevel=1, cacert='"ca.pem"')
    assert bench.open() != 0 or b"closed" in bench.world.host.read(0.5)
    bench.ask("AT+QSSLCLOSE=4")
    bench.set(seclevel=2)
    assert bench.open() == 564
    bench.store("user.pem", client().cert)
    bench.store("user_key.pem", server(NAME).key)
    bench.set(clientcert='"user.pem"', clientkey='"user_key.pem"')
    assert bench.open() == 564
    bench.store("user_key.pem", client().key)
    assert bench.open() == 0
    assert bench.peers[-1].tls.getpeercert()


def test_s2_default_names() -> None:
    bench = Bench(server_context(server(NAME)), MANUAL.with_quirks(["default_names"]))
    bench.set(seclevel=1)
    assert bench.open() == 564
    bench.store("ca.pem", authority().pem)
    assert bench.open() == 0


# ---- sessions


@pytest.mark.parametrize("kept", [0, 1])
def test_a_session_is_resumed(bench: Bench, kept: int) -> None:
    bench.set(session_cache=kept)
    assert bench.open() == 0
    assert bench.again().tls.session_reused is bool(kept)
    bench.set(session_cache=1 - kept)
    assert not bench.again().tls.session_reused


def test_a_session_ends_with_what_it_was_agreed_under(bench: Bench) -> None:
    bench.set(session_cache=1)
    assert bench.open() == 0
    bench.store("ca.pem", stranger().pem)
    bench.set(seclevel=1, cacert='"ca.pem"')
    bench.ask("AT+QSSLCLOSE=4")
    assert bench.open() == 564


def test_a_restart_forgets_sessions(bench: Bench) -> None:
    bench.set(session_cache=1)
    assert bench.open() == 0
    bench.ask("AT+QRST", 2.0)
    bench.ask('AT+QSTAAPINFO="hall","open sesame"', 1.0)
    bench.set(session_cache=1)
    assert bench.open() == 0
    assert not bench.peers[-1].tls.session_reused


# ---- time, and what may befall a handshake


def test_a_handshake_takes_only_so_long(bench: Bench) -> None:
    bench.world.network.serve(NAME, 9, lambda peer: None)
    bench.set(negotiatetime=10)
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",9') == OK
    assert bench.world.host.read(9.5) == b""
    assert bench.world.host.read(0.6) == b"\r\n+QSSLOPEN: 4,564\r\n"


def test_closed_while_it_opens(bench: Bench) -> None:
    met: list[MemoryPeer] = []
    bench.world.network.serve(NAME, 9, met.append)
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",9') == OK
    assert b',1,4,0,"uart1",0' in bench.ask("AT+QSSLSTATE")
    assert bench.ask("AT+QSSLSEND=4,5") == b"\r\nERROR\r\n"
    assert bench.ask("AT+QSSLCLOSE=4") == OK
    assert met[0].ended
    assert bench.world.host.read(400.0) == b""


@pytest.mark.parametrize("end", ["close", "reset"])
def test_the_server_goes_while_it_opens(bench: Bench, end: str) -> None:
    bench.world.network.serve(NAME, 9, getattr(MemoryPeer, end))
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",9', 1.0) == OK + b"\r\n+QSSLOPEN: 4,564\r\n"


def test_the_hotspot_goes_while_it_opens(bench: Bench) -> None:
    bench.world.network.serve(NAME, 9, lambda peer: None)
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",9') == OK
    bench.world.lose_ap("hall")
    assert b"+QSSLOPEN: 4,564" in bench.world.host.read(1.0)
    assert not bench.world.twin.dialler._attempts


def test_a_plain_server(bench: Bench) -> None:
    bench.world.network.serve(NAME, 9, lambda peer: peer.send(b"220 logger.example ESMTP\r\n"))
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",9', 1.0) == OK + b"\r\n+QSSLOPEN: 4,564\r\n"


def test_power_fails_in_the_handshake(bench: Bench) -> None:
    met: list[MemoryPeer] = []
    bench.world.network.serve(NAME, 9, met.append)
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",9') == OK
    bench.world.power_cycle()
    assert bench.world.host.read(1.0) == b"\r\nready\r\n"
    assert met[0].broken or met[0].ended


def test_transparent_mode_waits_for_the_handshake(bench: Bench) -> None:
    bench.world.network.serve(NAME, 9, lambda peer: None)
    bench.set(negotiatetime=10)
    assert bench.ask(f'AT+QSSLOPEN=0,4,"{NAME}",9,2', 9.5) == b""
    assert bench.world.host.read(1.0) == b"\r\nERROR\r\n"


@pytest.mark.parametrize("version", [SslVersion.TLS_1_0, SslVersion.TLS_1_1, SslVersion.TLS_1_2])
def test_what_python_deprecates_disturbs_no_filter_of_another_thread(
    version: SslVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used(**more: Any) -> None:
        raise AssertionError("the process's filters are put aside for a while")

    terms = Terms(version, CipherSuite.ALL, SecLevel.NONE, False, False, False, b"", b"", b"")
    with monkeypatch.context() as patch:
        patch.setattr(warnings, "catch_warnings", used)
        context = made(terms)
    assert context.minimum_version == context.maximum_version
    with pytest.raises(DeprecationWarning):
        warnings.warn("ssl.TLSVersion.TLSv1 of others", DeprecationWarning, stacklevel=1)
