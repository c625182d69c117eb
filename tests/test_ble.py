"""Bluetooth end to end: driver, twin, and a phone, on an air by a virtual clock; and on the one of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

import fcm360w
from fcm360w import Module, Peripheral, Write
from fcm360w.commands.ble import BleRole, GetRole, LinkEvent
from fcm360w.errors import CommandError, CommandTimeout, Overrun, PeerClosed, SocketLost, UsageError
from fcm360w.sim import Twin, World

pytest.importorskip("bumble", reason="platform: bumble is not installed")

import spoken
from central import Central
from fcm360w.sim.air import SteppedAir, shared
from fcm360w.sim.dialect import FC41D, MANUAL, Dialect

pytestmark = pytest.mark.driver

R = TypeVar("R")
LIMIT = 20.0
SERVICE, FIRST, SECOND = "fff0", "fff1", "fff2"
LONG = "0123456789abcdef0123456789ABCDEF"


class Field:
    """A world with a phone in it."""

    def __init__(self, dialect: Dialect | None = None) -> None:
        self.world = World(seed=None, dialect=dialect or spoken.dialect())
        self.module: Module = self.world.module()
        self.air = self.world.air
        self.phone: Central = self.do(self._phone())

    async def _phone(self) -> Central:
        return Central(self.air.controller())

    def do(self, main: Coroutine[Any, Any, R]) -> R:
        """Have something done on the air."""
        task = self.air.spawn(main)
        assert self.world.wait_until(task.done, LIMIT)
        return task.result()

    def offer(self, *characteristics: str, **more: Any) -> Peripheral:
        return self.module.ble.peripheral(SERVICE, characteristics or (FIRST, SECOND), **more)

    def met(self, *characteristics: str, mtu: int | None = 247, **more: Any) -> Peripheral:
        """A peripheral whose central is there."""
        peripheral = self.offer(*characteristics, **more)
        peripheral.advertise()
        self.do(self.phone.connect(mtu))
        peripheral.wait_connected(LIMIT)
        self.world.sleep(1.0)
        self.module.events()
        return peripheral


@pytest.fixture
def field() -> Iterator[Field]:
    made = Field()
    yield made
    made.module.close()


# ---- what a central sees


def test_flags_and_name_are_advertised(field: Field) -> None:
    field.offer(name="thermometer").advertise()
    seen = field.do(field.phone.see())
    assert bytes(seen.data) == b"\x02\x01\x06\x0c\x09thermometer"
    assert str(seen.address).lower() == field.module.ble.address()


def test_a_long_name_is_shortened_when_it_is_advertised(field: Field) -> None:
    peripheral = field.met(name="n" * 29)
    assert bytes(field.phone.seen.data) == b"\x02\x01\x06\x1b\x08" + b"n" * 26
    assert field.do(field.phone.read("2a00")) == b"n" * 29
    peripheral.close()


def test_structures_are_advertised_as_they_are(field: Field) -> None:
    told = bytes.fromhex("020106 05ffffff0102")
    field.offer(advertised=told, interval=(32, 16384)).advertise()
    assert bytes(field.do(field.phone.see()).data) == told


def test_who_has_stopped_is_not_seen(field: Field) -> None:
    peripheral = field.offer()
    peripheral.advertise()
    peripheral.stop()
    task = field.air.spawn(field.phone.see())
    assert not field.world.wait_until(task.done, 30.0)
    peripheral.advertise()
    assert field.world.wait_until(task.done, LIMIT)


def test_the_service_has_what_was_told(field: Field) -> None:
    field.met(FIRST, LONG, "fff3", "fff4", "fff5")
    handles = field.phone.handles
    assert list(handles)[-5:] == [FIRST, LONG.lower(), "fff3", "fff4", "fff5"]
    assert [handles[uuid] for uuid in list(handles)[-5:]] == [10, 13, 16, 19, 22]


# ---- data


def test_writes(field: Field) -> None:
    peripheral = field.met()
    payload = bytes(range(256))[:244]
    field.do(field.phone.write(FIRST, b"123456789"))
    field.do(field.phone.write(SECOND, payload, response=False))
    field.do(field.phone.write(SECOND, b"\r\nOK\r\n"))
    got = [peripheral.receive(LIMIT) for _ in range(3)]
    assert [(write.characteristic, write.data) for write in got] == [
        (FIRST, b"123456789"),
        (SECOND, payload),
        (SECOND, b"\r\nOK\r\n"),
    ]
    with pytest.raises(TimeoutError):
        peripheral.receive(1.0)


def test_an_empty_write(field: Field) -> None:
    peripheral = field.met()
    field.do(field.phone.write(FIRST, b""))
    assert peripheral.receive(LIMIT)[:2] == (FIRST, b"")


def test_notifications(field: Field) -> None:
    peripheral = field.met()
    field.do(field.phone.subscribe(SECOND))
    sent: list[bytes | str] = ["21.5 C", b"\x00\r\n\xff", 'a "quote"', "Öl", bytes(244), "x" * 244]
    for data in sent:
        peripheral.notify(SECOND, data)
    field.world.sleep(1.0)
    wanted = [(SECOND, data.encode() if isinstance(data, str) else data) for data in sent]
    assert field.phone.notified == wanted
    assert field.do(field.phone.read(SECOND)) == b"x" * 244


def test_who_has_not_subscribed_is_not_told(field: Field) -> None:
    peripheral = field.met()
    with pytest.raises(CommandError, match=r"has not subscribed.*2\.2\.11"):
        peripheral.notify(FIRST, "hello")


def test_the_mtu_bounds_a_notification(field: Field) -> None:
    peripheral = field.met(mtu=None)
    assert peripheral.mtu == 23
    with pytest.raises(UsageError, match=r"data 21 bytes, outside 1\.\.20"):
        peripheral.notify(FIRST, bytes(21))
    with pytest.raises(UsageError, match="data 0 bytes"):
        peripheral.notify(FIRST, "")


def test_an_end_that_nobody_confirms_is_told_and_can_be_asked_for_again(field: Field) -> None:
    peripheral = field.offer()
    field.world.frozen = True
    with pytest.raises(CommandTimeout):
        peripheral.close()
    field.world.frozen = False
    peripheral.close()
    assert field.module.run(GetRole()).role is BleRole.OFF


def test_the_largest_mtu(field: Field) -> None:
    peripheral = field.met(mtu=517)
    assert peripheral.mtu == 512
    field.do(field.phone.subscribe(FIRST))
    peripheral.notify(FIRST, "y" * 509)
    peripheral.notify(FIRST, bytes(497))
    with pytest.raises(UsageError, match="longer than the 1024 bytes"):
        peripheral.notify(FIRST, bytes(498))
    field.do(field.phone.write(FIRST, b"z" * 509))
    field.world.sleep(1.0)
    assert [len(data) for _, data in field.phone.notified] == [509, 497]
    assert peripheral.receive(LIMIT).data == b"z" * 509


def test_a_program_that_does_not_read_loses_the_latest(field: Field) -> None:
    peripheral = field.met()
    for number in range(1030):
        field.do(field.phone.write(FIRST, number.to_bytes(2, "big")))
        field.world.sleep(0.01)
        field.module.events()
    field.world.sleep(2.0)
    field.module.events()
    assert (peripheral.dropped, field.module.stats().buffers["writes"][:3]) == (6, (1024, 1024, 6))
    got = [peripheral.receive(LIMIT) for _ in range(1024)]
    assert [int.from_bytes(write.data) for write in got] == list(range(1024))
    with pytest.raises(Overrun, match="6 writes"):
        peripheral.receive(LIMIT)
    with pytest.raises(TimeoutError):
        peripheral.receive(1.0)


# ---- the link


def test_iteration_ends_with_the_link(field: Field) -> None:
    peripheral = field.met(auto_advertise=True)
    for turn in range(2):
        field.do(field.phone.write(FIRST, b"%d" % turn))
        field.do(field.phone.disconnect())
        assert [write.data for write in peripheral] == [b"%d" % turn]
        assert not peripheral.connected
        with pytest.raises(PeerClosed):
            peripheral.receive(1.0)
        field.do(field.phone.connect())
        peripheral.wait_connected(LIMIT)


def test_the_end_of_a_link_that_was_not_seen_is_not_lost(field: Field) -> None:
    peripheral = field.met(auto_advertise=True)
    field.do(field.phone.write(FIRST, b"before"))
    field.do(field.phone.disconnect())
    field.do(field.phone.connect())
    field.do(field.phone.write(FIRST, b"after"))
    field.world.sleep(1.0)
    field.module.events()
    assert [write.data for write in peripheral] == [b"before"]
    assert peripheral.connected
    assert peripheral.receive(LIMIT).data == b"after"


def test_without_auto_advertise_it_is_not_seen_again(field: Field) -> None:
    peripheral = field.met()
    field.do(field.phone.disconnect())
    peripheral.wait_disconnected(LIMIT)
    task = field.air.spawn(field.phone.see())
    assert not field.world.wait_until(task.done, 30.0)
    with pytest.raises(PeerClosed):
        peripheral.notify(FIRST, "hello")
    with pytest.raises(TimeoutError):
        peripheral.wait_connected(1.0)


def test_to_close_ends_the_link(field: Field) -> None:
    with field.met() as peripheral:
        pass
    assert field.world.wait_until(lambda: field.phone.gone, LIMIT)
    assert peripheral.over
    with pytest.raises(UsageError, match="closed"):
        peripheral.advertise()
    again = field.met("fff7")
    assert again.characteristics == ("fff7",)


def test_the_module_restarts(field: Field) -> None:
    peripheral = field.met()
    field.module.system.reboot()
    with pytest.raises(SocketLost, match="restarted"):
        peripheral.advertise()
    assert peripheral.over
    assert field.world.wait_until(lambda: field.phone.gone, LIMIT)
    field.met()


def test_a_second_peripheral_ends_the_first(field: Field) -> None:
    first = field.met()
    second = field.offer("fff9")
    with pytest.raises(SocketLost, match="another"):
        first.notify(FIRST, "hello")
    assert not second.over
    first.close()
    second.advertise()


def test_wifi_is_beside_it(field: Field) -> None:
    peripheral = field.met()
    field.module.wifi.join("hall", "open sesame")
    server = field.world.network.serve("10.0.0.9", 8009)
    with field.module.stream("10.0.0.9", 8009, "push") as stream:
        stream.sendall(b"hello")
        field.do(field.phone.write(FIRST, b"beside"))
        assert peripheral.receive(LIMIT).data == b"beside"
    assert server.peers[0].received == b"hello"


def test_what_is_nobodys_is_an_event(field: Field) -> None:
    with field.offer() as peripheral:
        peripheral.advertise()
    assert not [event for event in field.module.events() if isinstance(event.row, LinkEvent)]


# ---- what is refused before anything is sent


@pytest.mark.parametrize(
    ("service", "characteristics", "more", "fault"),
    [
        ("fff", [FIRST], {}, "srv_uuid has 3 digits"),
        ("fffg", [FIRST], {}, "srv_uuid is not all hexadecimal"),
        (SERVICE, [], {}, r"1\.\.5 characteristics, not 0"),
        (SERVICE, ["fff1", "fff2", "fff3", "fff4", "fff5", "fff6"], {}, r"not 6 \(manual 2\.2\.7\)"),
        (SERVICE, ["fff1", 0xFFF1], {}, "two characteristics"),
        (SERVICE, ["fff1ff"], {}, "char_uuid has 6 digits"),
        (SERVICE, [FIRST], {"name": ""}, r"ble_name is 0 bytes long, outside 1\.\.29"),
        (SERVICE, [FIRST], {"interval": (31, 100)}, r"adv_int_min 31 is outside 32\.\.16384"),
        (SERVICE, [FIRST], {"interval": (100, 99)}, "adv_int_min 100 is above"),
        (SERVICE, [FIRST], {"advertised": bytes(32)}, "adv_data"),
        (SERVICE, [FIRST], {"advertised": b"\x05\x09abc"}, "add up to 6, not to 5"),
        (SERVICE, [FIRST], {"advertised": b"\x1c" + bytes(28)}, r"outside 1\.\.27"),
    ],
)
def test_what_cannot_be_is_not_sent(
    field: Field, service: str, characteristics: list[Any], more: dict[str, Any], fault: str
) -> None:
    before = field.module.stats().written
    with pytest.raises(UsageError, match=fault):
        field.module.ble.peripheral(service, characteristics, **more)
    assert field.module.stats().written == before


def test_a_characteristic_that_is_none(field: Field) -> None:
    with pytest.raises(UsageError, match="'fff9' is none of fff1, fff2"):
        field.met().notify("fff9", "hello")


def test_uuids_are_taken_as_they_are_written(field: Field) -> None:
    import uuid

    peripheral = field.offer(uuid.UUID(LONG), 0x2A19, "0000ABCD-0000-1000-8000-00805F9B34FB")  # type: ignore[arg-type]
    assert peripheral.characteristics == (LONG.lower(), "2a19", "0000abcd00001000800000805f9b34fb")


@pytest.mark.parametrize("dialect", [FC41D, MANUAL.with_quirks(["blestat_bare", "blerecv_uuid"])])
def test_what_other_firmware_says_is_understood(dialect: Dialect) -> None:
    field = Field(dialect)
    peripheral = field.met()
    field.do(field.phone.write(SECOND, b"hello"))
    assert peripheral.receive(LIMIT)[:2] == (SECOND, b"hello")
    field.do(field.phone.disconnect())
    peripheral.wait_disconnected(LIMIT)
    field.module.close()


# ---- asyncio


def test_with_asyncio() -> None:
    world = World(seed=None)

    async def main() -> None:
        async with await world.async_module() as module:
            peripheral = await module.ble.peripheral(SERVICE, [FIRST], name="thermometer")
            await peripheral.advertise()
            task = world.air.spawn(phone())
            await peripheral.wait_connected(LIMIT)
            got = [write async for write in peripheral]
            assert [write.data for write in got] == [b"hello"]
            assert task.done()
            await peripheral.wait_disconnected(LIMIT)
            waiting = asyncio.ensure_future(peripheral.wait_connected())
            await asyncio.sleep(1.0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await module.ble.address() == "c8:00:33:77:69:cd"
            await peripheral.close()

    async def phone() -> None:
        central = Central(world.air.controller())
        await central.connect()
        await central.write(FIRST, b"hello")
        await central.disconnect()

    world.run(main())


# ---- by the real clock


def test_twins_of_a_process_share_the_air() -> None:
    async def phone(address: str) -> list[tuple[str, bytes]]:
        central = Central(shared().controller())
        await central.connect(address=address)
        await central.subscribe(FIRST)
        await central.write(FIRST, b"question")
        while not central.notified:
            await asyncio.sleep(0.01)
        await central.disconnect()
        return central.notified

    with (
        Twin(name="air-1"),
        Twin(name="air-2"),
        fcm360w.open("sim://air-1") as one,
        fcm360w.open("sim://air-2") as two,
    ):
        assert one.ble.address() != two.ble.address()
        for module in (one, two):
            peripheral = module.ble.peripheral(SERVICE, [FIRST], name="twin")
            peripheral.advertise()
            phoning = shared().spawn(phone(module.ble.address()))
            peripheral.wait_connected(LIMIT)
            assert peripheral.receive(LIMIT).data == b"question"
            peripheral.notify(FIRST, "answer")
            assert phoning.result(LIMIT) == [(FIRST, b"answer")]
            peripheral.wait_disconnected(LIMIT)


def test_a_host_of_another_process_has_a_radio() -> None:
    """It is gone in the midst of things, and the module hears that."""
    server, port = shared().serve("127.0.0.1", 0)

    async def phone(address: str) -> None:
        from bumble.transport import open_transport

        async with await open_transport(f"tcp-client:127.0.0.1:{port}") as (source, sink):
            central = Central(source, "F0:F1:F2:F3:F4:F6", sink)
            await central.connect(address=address)
            await central.write(FIRST, b"from afar")

    with Twin(name="afar"), fcm360w.open("sim://afar") as module:
        peripheral = module.ble.peripheral(SERVICE, [FIRST])
        peripheral.advertise()
        asyncio.run(phone(module.ble.address()))
        peripheral.wait_connected(LIMIT)
        assert [write.data for write in peripheral] == [b"from afar"]
    shared().post(server.close)


def test_an_air_of_a_world_is_stepped() -> None:
    assert isinstance(World(seed=None).air, SteppedAir)


def test_a_write_is_what_it_says() -> None:
    assert Write("fff1", b"x") == ("fff1", b"x", 0.0)
