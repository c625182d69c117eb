"""Ping and names end to end: through real name servers and echo requests of this machine, and by a virtual clock."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

import fcm360w
from fcm360w import CommandError, HostAddresses, Module, UsageError
from fcm360w.cli.app import app
from fcm360w.commands.codes import SocketCode
from fcm360w.commands.net import Pinged
from fcm360w.sim import Twin, World, kernel_echo
from fcm360w.sim.dialect import find_dialect
from nameserver import NameServer, answer

pytestmark = pytest.mark.driver

ZONE = {
    "logger.example": ("10.0.0.9", "10.0.0.10"),
    "alias.example": ("logger.example",),
    "empty.example": (),
    "here.example": ("127.0.0.1",),
}
FIRST, SECOND = "192.0.2.53", "192.0.2.54"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(ZONE) as server:
        yield server


@pytest.fixture
def module(server: NameServer) -> Iterator[Module]:
    """A module whose name server is the test's."""
    with Twin(name="net", routes={(FIRST, 53): ("127.0.0.1", server.port)}), fcm360w.open("sim://net") as module:
        module.wifi.join("hall", "open sesame")
        module.wifi.set_dns(FIRST)
        yield module


def joined(world: World) -> Module:
    module = world.module()
    module.wifi.join("hall", "open sesame")
    return module


def refused(call: Any) -> int | None:
    with pytest.raises(CommandError) as caught:
        call()
    return caught.value.code


# ---- names


def test_all_addresses_of_a_name(module: Module, server: NameServer) -> None:
    for name in ("logger.example", "alias.example"):
        found = module.net.resolve(name)
        assert (set(found.addresses), found.ttl) == ({"10.0.0.9", "10.0.0.10"}, 300)
    assert server.asked == ["logger.example", "alias.example"]


@pytest.mark.parametrize("name", ["nobody.example", "empty.example", "a..b"])
def test_a_name_without_an_address(module: Module, name: str) -> None:
    assert refused(lambda: module.net.resolve(name)) == SocketCode.DNS_FAILED


def test_an_address_is_its_own(module: Module, server: NameServer) -> None:
    assert module.net.resolve("10.0.0.9") == HostAddresses(("10.0.0.9",), 0)
    assert server.asked == []


def test_without_a_server_of_its_own_this_machine_is_asked() -> None:
    with Twin(name="net"), fcm360w.open("sim://net") as module:
        module.wifi.join("hall", "open sesame")
        assert module.net.resolve("localhost").addresses == ("127.0.0.1",)


def zoned(world: World, address: str, zone: dict[str, tuple[str, ...]]) -> list[bytes]:
    """A name server in memory; what it is asked."""
    host, queries = world.network.udp(address, 53), []

    def take(query: bytes, port: int) -> None:
        queries.append(query)
        host.send(answer(query, zone, 60), port)

    host.on_data = take
    return queries


def test_the_second_server_is_asked_if_the_first_says_nothing() -> None:
    world = World()
    zoned(world, SECOND, ZONE)
    module = joined(world)
    module.wifi.set_dns(FIRST, SECOND)
    begun = world.now
    assert set(module.net.resolve("logger.example").addresses) == {"10.0.0.9", "10.0.0.10"}
    assert 5.0 <= world.now - begun < 6.0


def test_servers_that_say_nothing_are_asked_twice_each() -> None:
    world = World()
    silent = world.network.udp(FIRST, 53)
    module = joined(world)
    module.wifi.set_dns(FIRST)
    begun = world.now
    assert refused(lambda: module.net.resolve("logger.example")) == SocketCode.DNS_FAILED
    assert 10.0 <= world.now - begun < 11.0
    assert len({data[:2] for data, _ in silent.received}) == 2, "another question has another number"


def test_answers_of_others_and_to_other_questions_do_not_count() -> None:
    world = World()
    right, wrong = world.network.udp(FIRST, 53), world.network.udp(SECOND, 53)
    lies = dict.fromkeys(ZONE, ("10.9.9.9",))

    def take(query: bytes, port: int) -> None:
        wrong.send(answer(query, lies, 1), port)
        right.send(b"\xff\xff" + answer(query, lies, 1)[2:], port)
        right.send(answer(query, ZONE, 60), port)

    right.on_data = take
    module = joined(world)
    module.wifi.set_dns(FIRST)
    assert set(module.net.resolve("logger.example").addresses) == {"10.0.0.9", "10.0.0.10"}


@pytest.mark.parametrize("rubbish", [b"", b"x", b"\0" * 40])
def test_rubbish_is_no_address(rubbish: bytes) -> None:
    world = World()
    host = world.network.udp(FIRST, 53)
    host.on_data = lambda query, port: host.send(query[:2] + rubbish, port)
    module = joined(world)
    module.wifi.set_dns(FIRST)
    assert refused(lambda: module.net.resolve("logger.example")) == SocketCode.DNS_FAILED


def test_without_dnspython_the_log_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "dns.message", None)
    module = joined(World())
    module.wifi.set_dns(FIRST)
    assert refused(lambda: module.net.resolve("logger.example")) == SocketCode.DNS_FAILED
    assert "pip install 'fcm360w[sim]'" in caplog.text


def test_at_most_four_names_at_once() -> None:
    world = World(dialect=find_dialect("manual"))
    world.network.udp(FIRST, 53)
    host = world.host
    host.ask(b'AT+QSTAAPINFO="hall","open sesame"\r')
    host.read(1.0)
    host.ask(b'AT+QIDNSCFG="%b"\r' % FIRST.encode())
    for number in range(4):
        assert b"dnsgip" not in host.ask(b'AT+QIDNSGIP="host%d.example"\r' % number)
    host.send(b'AT+QIDNSGIP="host5.example"\r')
    assert host.read(1.0) == b'\r\nOK\r\n\r\n+QIURC: "dnsgip",562,0,0\r\n'
    assert host.read(60.0).count(b'"dnsgip",563,0,0') == 4


def test_the_end_of_wifi_ends_a_search() -> None:
    world = World(dialect=find_dialect("manual"))
    world.network.udp(FIRST, 53)
    host = world.host
    host.ask(b'AT+QSTAAPINFO="hall","open sesame"\r')
    host.read(1.0)
    host.ask(b'AT+QIDNSCFG="%b"\r' % FIRST.encode())
    host.ask(b'AT+QIDNSGIP="logger.example"\r')
    world.lose_ap()
    assert b'+QIURC: "dnsgip",563,0,0\r\n' in host.read(0.5)


def test_some_firmware_says_less_of_a_name_that_is_not_found() -> None:
    world = World(dialect=find_dialect("manual", ["dnsgip_short"]))
    assert refused(lambda: joined(world).net.resolve("nobody.example")) == SocketCode.DNS_FAILED


# ---- ping


def test_this_machine_answers(module: Module) -> None:
    found = module.net.ping("127.0.0.1", 2)
    assert (found.sent, found.received, found.lost) == (2, 2, 0)
    assert [(each.ping_result, each.ip_address, each.size) for each in found.replies] == [(0, "127.0.0.1", 32)] * 2
    assert all(each.ttl for each in found.replies)
    assert found.minimum is not None
    assert found.maximum is not None
    assert found.average is not None
    assert found.minimum <= found.average <= found.maximum


def test_a_place_with_a_route_is_its_substitute() -> None:
    with Twin(name="net", routes={("10.0.0.9", 8009): ("127.0.0.1", 9)}), fcm360w.open("sim://net") as module:
        module.wifi.join("hall", "open sesame")
        found = module.net.ping("10.0.0.9", 1)
        assert (found.received, found.replies[0].ip_address) == (1, "10.0.0.9")


def test_names_are_asked_first(module: Module, server: NameServer) -> None:
    assert module.net.ping("here.example", 1).received == 1
    assert server.asked == ["here.example"]
    assert refused(lambda: module.net.ping("nobody.example")) == SocketCode.DNS_FAILED


def test_where_no_echo_request_may_be_sent_the_log_says_what_permits_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, module: Module
) -> None:
    monkeypatch.setattr(kernel_echo, "_opened", lambda: kernel_echo.log.warning(kernel_echo.PERMISSION))
    assert module.net.ping("127.0.0.1", 1).replies == (Pinged(SocketCode.CREATE_FAILED),)
    assert "net.ipv4.ping_group_range" in caplog.text


def test_some_are_lost() -> None:
    world = World()
    world.network.serve("10.0.0.9", 80)
    module = joined(world)
    world.after(0.5, lambda: world.network.cut("10.0.0.9"))
    world.after(1.5, lambda: world.network.mend("10.0.0.9"))
    found = module.net.ping("10.0.0.9", 3, 1)
    assert [each.ping_result for each in found.replies] == [0, SocketCode.TIMED_OUT, 0]
    assert (found.sent, found.received, found.lost) == (3, 2, 1)
    assert (found.minimum, found.maximum, found.average) == (2, 2, 2)


def test_nobody_answers() -> None:
    world = World()
    module = joined(world)
    found = module.net.ping("10.0.0.99", 3, 2)
    assert (found.sent, found.received, found.lost, found.average) == (3, 0, 3, None)
    assert module.events()[1:] == [], "the module's summary is taken, too"


def test_wrong_values_are_refused_before_anything_is_sent() -> None:
    module = joined(World())
    sent = module.stats().written
    for call, message in (
        (lambda: module.net.ping("10.0.0.9", 11), r"pingnum 11 is outside 1\.\.10 \(manual 2\.7\.1\)"),
        (lambda: module.net.ping("10.0.0.9", 1, 256), r"timeout 256 is outside 1\.\.255 \(manual 2\.7\.1\)"),
        (lambda: module.net.ping(""), r"host is 0 bytes long"),
        (lambda: module.net.resolve('a"b'), r"hostname must not contain a quote"),
    ):
        with pytest.raises(UsageError, match=message):
            call()
    assert module.stats().written == sent


# ---- asyncio, command line


def test_tasks(server: NameServer) -> None:
    async def main() -> None:
        async with await fcm360w.open_async("sim://net") as module:
            await module.wifi.join("hall", "open sesame")
            await module.wifi.set_dns(FIRST)
            assert (await module.net.ping("127.0.0.1", 1)).received == 1
            assert (await module.net.resolve("logger.example")).ttl == 300

    with Twin(name="net", routes={(FIRST, 53): ("127.0.0.1", server.port)}):
        asyncio.run(main())


def test_ping_and_dns_on_the_command_line() -> None:
    with Twin(name="net-cli", tcp=("127.0.0.1", 0)) as twin:
        url = next(url for url in twin.urls if url.startswith("tcp"))
        with fcm360w.open(url) as module:
            module.wifi.join("hall", "open sesame")
        ping = CliRunner().invoke(app, ["ping", "127.0.0.1", "-c", "1", "-p", url])
        assert ping.exit_code == 0, ping.stderr
        assert "32 bytes from 127.0.0.1" in ping.stdout
        assert "1 sent, 1 received, 0 lost" in ping.stdout
        as_json = CliRunner().invoke(app, ["ping", "127.0.0.1", "-c", "1", "-p", url, "--json"])
        assert json.loads(as_json.stdout)["received"] == 1
        names = CliRunner().invoke(app, ["dns", "localhost", "-p", url])
        assert (names.exit_code, names.stdout) == (0, "127.0.0.1\n")
        nobody = CliRunner().invoke(app, ["dns", "nobody.invalid", "-p", url])
        assert nobody.exit_code == 1
        assert "563" in nobody.stderr


def test_the_end_of_wifi_ends_the_answers() -> None:
    world = World()
    world.network.serve("10.0.0.9", 80)
    module = joined(world)
    world.after(0.5, world.lose_ap)
    found = module.net.ping("10.0.0.9", 3, 1)
    assert [each.ping_result for each in found.replies] == [0, SocketCode.CONNECT_FAILED, SocketCode.CONNECT_FAILED]
    assert (found.sent, found.received, found.lost) == (3, 1, 2)
