"""MQTT from the program to a server in memory, on a virtual clock; what goes wrong, and what is refused."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from typing import Any

import pytest

import spoken
from broker import PUBLISH, SUBSCRIBE, Broker
from fcm360w import LastWill, SessionLost, aio_mqtt, mqtt
from fcm360w.commands.mqtt import ListServers, ListStores, Received, Store
from fcm360w.commands.mqttcfg import DataFormat, Version
from fcm360w.commands.system import Switch
from fcm360w.errors import CommandError, FCM360WError, Overrun, UsageError
from fcm360w.flows.mqtt import Options
from fcm360w.messaging import MAX_WAITING, Client
from fcm360w.module import Module
from fcm360w.parameters import ParseError
from fcm360w.settings import Get
from fcm360w.sim import World
from fcm360w.steps import Within
from fcm360w.turns import perform
from scripted import OK, PROMPT, answer, line
from scripted import World as Scripted

pytestmark = pytest.mark.driver

HERE = "10.0.0.9"


@pytest.fixture
def world() -> World:
    return World(seed=None)


@pytest.fixture
def module(world: World) -> Module:
    opened = world.module()
    opened.wifi.join("hall", "open sesame")
    opened.tcp.set_hex_units(**spoken.units())
    return opened


@pytest.fixture
def broker(world: World) -> Broker:
    return Broker(world.network)


PAYLOADS = [b"x", b'"', b'","', b"one\r\n+QMTPUB: 0,1,0\r\nOK\r\n", b"\x00\x1a\x1b", bytes(range(256)) * 5]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: repr(payload[:12]))
@pytest.mark.parametrize("more", [{}, {"stored": True}, {"hexadecimal": True}], ids=["whole", "stored", "hex"])
def test_a_payload_comes_back_as_it_went(module: Module, broker: Broker, payload: bytes, more: dict[str, bool]) -> None:
    payload = payload[:700] if more.get("hexadecimal") else spoken.lengthless(payload[:700])
    with module.mqtt(HERE, **more) as client:
        client.subscribe("a,b/#", 2)
        for qos in (0, 1, 2):
            client.publish("a,b/c", payload, qos)
            message = client.recv(10.0)
            assert (message.topic, message.payload) == ("a,b/c", payload)
            assert message.reliable is not spoken.dialect().no_len


def test_a_window_of_five_and_no_more(module: Module, broker: Broker) -> None:
    with module.mqtt(HERE) as client:
        client.subscribe("a", 1)
        for number in range(40):
            client.publish("a", b"%d" % number, number % 3, wait=False)
        client.flush()
        assert client.published == 40
        assert sorted(int(client.recv(10.0).payload) for _ in range(40)) == list(range(40))


def test_each_client_has_its_own_number(module: Module, broker: Broker) -> None:
    clients = [module.mqtt(HERE, client_id=f"c{number}") for number in range(6)]
    assert [client.client_idx for client in clients] == list(range(6))
    with pytest.raises(UsageError, match="all six"):
        module.mqtt(HERE, client_id="c6")
    clients[3].close()
    assert module.mqtt(HERE, client_id="c7").client_idx == 3
    module.close()


def test_a_client_that_an_earlier_owner_left_is_taken_when_no_other_is_free(module: Module, broker: Broker) -> None:
    for number in range(6):
        module.mqtt(HERE, client_id=f"c{number}")
    module.mqtt._mine.clear()
    assert module.mqtt(HERE, client_id="new").client_idx == 0


def test_a_restart_of_the_module_ends_the_session(module: Module, broker: Broker) -> None:
    client = module.mqtt(HERE)
    client.subscribe("a")
    module.system.reboot()
    assert not client.connected
    with pytest.raises(SessionLost, match="restarted"):
        client.recv(1.0)
    module.wifi.join("hall", "open sesame")
    client.reconnect()
    client.publish("a", b"again")
    assert client.recv(10.0).payload == b"again"


def test_what_the_wifi_takes_along_is_told(module: Module, broker: Broker) -> None:
    client = module.mqtt(HERE)
    module.wifi.leave()
    with pytest.raises(SessionLost, match=r"out of reach \(\+QMTSTAT 7, manual 5, Table 2\)") as caught:
        client.recv(10.0)
    assert caught.value.code == 7
    assert pickle.loads(pickle.dumps(caught.value)).code == 7
    client.close()


def test_a_server_that_is_not_there(module: Module) -> None:
    with pytest.raises(CommandError, match="network failed") as caught:
        module.mqtt(HERE)
    assert caught.value.code == 3
    assert module.run(ListServers()) == ()


def test_what_nobody_takes_is_dropped_and_told(module: Module, broker: Broker) -> None:
    with module.mqtt(HERE) as client:
        client.subscribe("a")
        for number in range(MAX_WAITING + 2):
            client.publish("a", b"%d" % number)
        module.run(ListServers())
        assert client.dropped == 2
        for _ in range(MAX_WAITING):
            client.recv(1.0)
        with pytest.raises(Overrun, match="2 messages"):
            client.recv(1.0)
        with pytest.raises(TimeoutError):
            client.recv(1.0)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"port": 0}, "port 0 is outside 1..65535"),
        ({"keepalive": 3601}, "keep_alive_time 3601 is outside 0..3600"),
        ({"timeout": 0}, "pkt_timeout 0 is outside 1..1200"),
        ({"retries": 11}, "retry_times 11 is outside 0..10"),
        ({"username": "eve"}, "password is missing"),
        ({"password": "geheim"}, "username is missing"),
        ({"will": LastWill("t", 'a"b')}, "will_message must not contain a quote"),
        ({"will": LastWill("t", "x", 3)}, "qos 3 is not 0, 1 or 2"),
        ({"will": LastWill("", "x")}, "will_topic is 0 bytes long"),
        ({"max_payload": 2049}, "max_payload 2049 is outside 1..2048"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_sent(module: Module, more: dict[str, Any], told: str) -> None:
    before = module.stats().bytes_sent if hasattr(module.stats(), "bytes_sent") else None
    with pytest.raises(UsageError) as caught:
        module.mqtt(HERE, **more)
    assert told in str(caught.value)
    assert "manual 2.5" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert before is None or module.stats().bytes_sent == before


def test_messages_out_of_bounds_are_refused(module: Module, broker: Broker) -> None:
    with module.mqtt(HERE) as client:
        for payload in (b"", bytes(1501)):
            with pytest.raises(UsageError, match=r"outside 1\.\.1500"):
                client.publish("a", payload)
        with pytest.raises(UsageError, match="topic"):
            client.publish('a"b', b"x")
        with pytest.raises(UsageError, match="empty"):
            client.subscribe([])
    with pytest.raises(UsageError, match="closed"):
        client.publish("a", b"x")


# ---- what nobody waited for


def test_iteration_ends_when_another_task_disconnects(world: World, broker: Broker) -> None:
    async def main() -> None:
        async with await world.async_module() as module:
            await module.wifi.join("hall", "open sesame")
            client = await module.mqtt(HERE)

            async def listen() -> list[Any]:
                return [message async for message in client]

            listening = asyncio.create_task(listen())
            await asyncio.sleep(1.0)
            await client.disconnect()
            assert await listening == []

    world.run(main())


@pytest.mark.parametrize("said", [line("ready"), line("+QMTSTAT: 0,1")])
def test_a_session_that_is_lost_while_it_is_left_and_not_left_is_lost(said: bytes) -> None:
    words = Scripted()
    client = session(words)
    words.on("AT+QMTDISC=0", said)
    with pytest.raises(FCM360WError):
        words.drive(client.close())
    assert not client.connected
    with pytest.raises(SessionLost):
        client.check()


def test_closing_waits_for_word_of_what_was_published(module: Module, broker: Broker) -> None:
    client = module.mqtt(HERE)
    for number in range(4):
        client.publish("a", b"%d" % number, 1, wait=False)
    client.close()
    assert client.published == 4


@pytest.mark.parametrize("end", ["close", "disconnect"])
def test_closing_tells_of_what_did_not_arrive(world: World, module: Module, broker: Broker, end: str) -> None:
    client = module.mqtt(HERE, timeout=1, retries=0)
    broker.deaf = {PUBLISH}
    client.publish("a", b"x", 1, wait=False)
    begun = world.now
    with pytest.raises(CommandError, match="QMTPUB"):
        client.close() if end == "close" else client.disconnect()
    assert world.now - begun < 10.0
    assert not client.connected
    assert module.run(ListServers()) == ()
    client.close()


def test_a_new_session_tells_of_what_the_old_one_took_along(module: Module, broker: Broker) -> None:
    client = module.mqtt(HERE, keepalive=0)
    broker.deaf = {PUBLISH}
    client.publish("a", b"x", 1, wait=False)
    module.system.reboot()
    broker.deaf = set()
    module.wifi.join("hall", "open sesame")
    client.reconnect()
    with pytest.raises(SessionLost, match="restarted"):
        client.flush()
    client.publish("a", b"y", 1)
    client.close()


def test_messages_of_a_lost_session_are_told_when_it_is_closed(module: Module, broker: Broker) -> None:
    client = module.mqtt(HERE)
    broker.deaf = {PUBLISH}
    client.publish("a", b"x", 1, wait=False)
    module.system.reboot()
    with pytest.raises(SessionLost, match="restarted"):
        client.close()
    client.close()


def test_what_has_arrived_is_not_kept(module: Module, broker: Broker) -> None:
    with module.mqtt(HERE) as client:
        for _ in range(60):
            client.publish("a", b"x" * 100, 1, wait=False)
            module.run(ListServers())
        assert len(client._client._sending) <= 5


# ---- connecting anew


def test_who_reconnects_subscribes_again_though_the_server_was_to_keep_the_session(
    module: Module, broker: Broker
) -> None:
    client = module.mqtt(HERE, client_id="c", clean=False)
    client.subscribe("a", 1)
    client.disconnect()
    broker.sessions.clear()  # as a server that was started anew
    client.reconnect()
    client.publish("a", b"x", 1)
    assert client.recv(10.0).payload == b"x"
    client.close()


def test_the_module_closes_each_client_once(module: Module, broker: Broker) -> None:
    client = module.mqtt(HERE)
    for _ in range(3):
        client.reconnect()
    assert module._sockets.count(client) == 1


def test_a_client_whose_subscriptions_fail_is_closed_with_the_module(module: Module, broker: Broker) -> None:
    client = module.mqtt(HERE)
    client.subscribe("a", 1)
    client.disconnect()
    broker.deaf = {SUBSCRIBE}
    with pytest.raises(FCM360WError):
        client.reconnect()
    assert client in module._sockets
    broker.deaf = set()
    module.close()
    assert not client.connected


# ---- turns that are not one's own


def session(world: Scripted, **more: Any) -> Client:
    """A client that is logged in, of a module of few words."""
    client = Client(world.link, Options("h", **more), set())
    client._claim(0)
    return client


def test_a_message_that_is_cancelled_in_the_queue_takes_no_others_word() -> None:
    world = Scripted()
    client = session(world)
    world.start(perform(world.link, Within(ListServers(), 60.0)))
    for _ in range(5):
        driver = world.start(client.publish("a", b"x", 0, False, False))
        world.cancel(driver, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            driver.result()
    assert client._sending == []


def test_a_message_that_the_module_has_goes_on_when_its_sender_is_cancelled() -> None:
    world = Scripted()
    client = session(world)
    world.on('AT+QMTPUB=0,1,1,0,"a",1', PROMPT)
    world.on(b"x", OK)
    driver = world.start(client.publish("a", b"x", 1, False, True))
    world.wait(1.0)
    world.cancel(driver, KeyboardInterrupt())
    assert [sending.begun for sending in client._sending] == [True]
    world.say(line("+QMTPUB: 0,1,0"))
    world.drive(client.flush())
    assert client.published == 1


def test_a_reader_keeps_its_time_while_another_has_the_link() -> None:
    world = Scripted()
    client = session(world, stored=True)
    world.start(perform(world.link, Within(ListServers(), 60.0)))
    world.say(line("+QMTRECV: 0,0"))
    world.wait(1.0)
    begun = world.now
    with pytest.raises(TimeoutError):
        world.drive(client.receive(begun + 2.0))
    assert world.now == begun + 2.0


# ---- lines


def test_stores_are_read_although_their_lines_look_like_messages() -> None:
    for statuses in ("0,0,0,0,0", "1,1,1,1,1", "0,1,0,1,0", "1,0,1,0,1", "0,0,1,1,0"):
        world = Scripted()
        lines = [f"+QMTRECV: {client},{statuses}" for client in range(2)]
        world.on("AT+QMTRECV?", answer(*lines))
        switches = [Switch(int(text)) for text in statuses.split(",")]
        assert world.run(ListStores()) == (Store(0, *switches), Store(1, *switches))


def test_options_are_answered_without_saying_whose() -> None:
    world = Scripted()
    world.on('AT+QMTCFG="version",3', answer('+QMTCFG: "version",3'))
    assert world.run(Get(Version, (3,))) == Version(3, Version(3).vsn.__class__(3))


@pytest.mark.parametrize("data", [b'"hello"', b"hello"], ids=["quoted", "bare"])
def test_a_payload_is_taken_by_its_length(data: bytes) -> None:
    world = Scripted()
    world.say(b'\r\n+QMTRECV: 0,7,"t",5,' + data + b"\r\n" + OK)
    world.wait(1.0)
    row = world.events()[0]
    assert row == Received(0, 7, "t", b"hello")


def test_a_payload_without_a_length_is_taken_from_between_quotes_and_marked() -> None:
    row = Received.read('0,7,"t","he said "no""')
    assert (row.data, row.reliable) == (b'he said "no"', False)
    for text in ('0,7,"t",hello', '0,7,"t","', "0", "0,7,t,5"):
        with pytest.raises(ParseError):
            Received.read(text)


def test_digits_are_counted_for_each_client_apart() -> None:
    world = Scripted()
    world.link.double(DataFormat(1, DataFormat().send_mode, DataFormat().recv_mode.__class__(1)))
    world.say(b'\r\n+QMTRECV: 1,0,"t",2,"4F4B"\r\n\r\n+QMTRECV: 0,0,"t",2,"OK"\r\n')
    world.wait(1.0)
    assert world.events() == [Received(1, 0, "t", b"4F4B"), Received(0, 0, "t", b"OK")]


# ---- the two faces


@pytest.mark.parametrize("name", ["Mqtt", "MqttClient"])
def test_the_face_for_asyncio_is_the_same(name: str) -> None:
    one, other = vars(mqtt)[name], vars(aio_mqtt)[f"Async{name}"]
    methods = {key for key, member in vars(one).items() if inspect.isfunction(member)}
    renamed = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__"}
    for key in methods:
        twin = vars(other)[renamed.get(key, key)]
        assert (
            list(inspect.signature(twin).parameters.values())[2:]
            == [*inspect.signature(vars(one)[key]).parameters.values()][2:]
            or key == "__init__"
        )
    assert {key for key, member in vars(one).items() if isinstance(member, property)} == {
        key for key, member in vars(other).items() if isinstance(member, property)
    }
