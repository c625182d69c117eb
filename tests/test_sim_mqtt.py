"""The twin's MQTT clients, byte for byte, against a broker in memory.  W, R and M as in the spec."""

from __future__ import annotations

import pytest

import broker
from broker import Broker
from fcm360w.sim.dialect import MANUAL
from fcm360w.sim.mqtt import HELD
from fcm360w.sim.world import World

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
PROMPT = b"\r\n>"
MOMENT = 0.5


def line(text: bytes) -> bytes:
    return b"\r\n" + text + b"\r\n"


class Desk:
    """A joined module, and a broker."""

    def __init__(self, *quirks: str, joined: bool = True) -> None:
        self.world = World(dialect=MANUAL.with_quirks(quirks), seed=None)
        self.broker = Broker(self.world.network)
        if joined:
            self.world.host.ask(b'AT+QSTAAPINFO="hall","open sesame"\r', b'GOT_IP"\r\n')

    def say(self, data: bytes, seconds: float = MOMENT) -> bytes:
        self.world.host.send(data)
        return self.world.host.read(seconds)

    def at(self, command: bytes, seconds: float = MOMENT) -> bytes:
        return self.say(b"AT" + command + b"\r\n", seconds)

    def wait(self, seconds: float = MOMENT) -> bytes:
        return self.world.host.read(seconds)

    def configured(self, *options: bytes) -> Desk:
        for option in options:
            assert self.at(b"+QMTCFG=" + option) == OK
        return self

    def opened(self) -> Desk:
        assert self.at(b'+QMTOPEN=0,"10.0.0.9",1883') == OK + line(b"+QMTOPEN: 0,0")
        return self

    def connected(self) -> Desk:
        self.opened()
        assert self.at(b'+QMTCONN=0,"me"') == OK + line(b"+QMTCONN: 0,0,0")
        return self

    def publish(self, head: bytes, payload: bytes = b"hello", seconds: float = MOMENT) -> bytes:
        assert self.at(b"+QMTPUB=0,%b,%d" % (head, len(payload))) == PROMPT
        return self.say(payload, seconds)


# ---- network and session


def test_w40_w41_from_the_opening_to_the_close() -> None:
    desk = Desk().connected()
    assert desk.at(b'+QMTSUB=0,1,"a",2,"b",0') == OK + line(b"+QMTSUB: 0,1,0,2,0")
    assert desk.at(b'+QMTUNS=0,2,"a"') == OK + line(b"+QMTUNS: 0,2,0")
    assert desk.at(b"+QMTDISC=0") == OK + line(b"+QMTDISC: 0,0")
    assert desk.at(b"+QMTCLOSE=0") == OK + line(b"+QMTCLOSE: 0,0")
    assert desk.at(b"+QMTCLOSE=0") == ERROR
    kinds = [broker.CONNECT, broker.SUBSCRIBE, broker.UNSUBSCRIBE, broker.DISCONNECT]
    assert (desk.broker.kinds(), desk.broker.peers[0].ended) == (kinds, True)


def test_m13_m16_only_open_clients_are_listed() -> None:
    desk = Desk()
    assert (desk.at(b"+QMTOPEN?"), desk.at(b"+QMTCONN?"), desk.at(b"+QMTRECV?")) == (OK, OK, OK)
    desk.opened()
    assert desk.at(b"+QMTOPEN?") == line(b'+QMTOPEN: 0,"10.0.0.9",1883') + OK
    assert desk.at(b"+QMTCONN?") == line(b"+QMTCONN: 0,1") + OK
    assert desk.at(b"+QMTRECV?") == line(b"+QMTRECV: 0,0,0,0,0,0") + OK
    desk.broker.deaf = {broker.CONNECT}
    assert desk.at(b'+QMTCONN=0,"me"') == OK
    assert desk.at(b"+QMTCONN?") == line(b"+QMTCONN: 0,2") + OK
    desk.world.network.cut("10.0.0.9")
    assert desk.at(b"+QMTCLOSE=0") == OK + line(b"+QMTCONN: 0,2")
    assert desk.at(b"+QMTCONN?") == line(b"+QMTCONN: 0,4") + OK
    assert desk.wait(5.0) == line(b"+QMTCLOSE: 0,0")  # nobody confirms the end


@pytest.mark.parametrize(
    ("host", "code"), [(b"10.0.0.9", 3), (b"nowhere.example", 4), (b"10.0.0.8", -1)], ids=["refused", "name", "silent"]
)
def test_m12_what_opening_may_end_in(host: bytes, code: int) -> None:
    desk = Desk()
    desk.world.network.cut("10.0.0.8")
    said = desk.at(b'+QMTOPEN=0,"%b",99' % host)
    if code == -1:
        said += desk.wait(119.0)
        assert said == OK
        said += desk.wait(1.0)
    assert said == OK + line(b"+QMTOPEN: 0,%d" % code)
    desk.opened()


def test_a_number_in_use_and_no_wi_fi() -> None:
    desk = Desk().opened()
    assert desk.at(b'+QMTOPEN=0,"10.0.0.9",1883') == OK + line(b"+QMTOPEN: 0,2")
    assert Desk(joined=False).at(b'+QMTOPEN=0,"10.0.0.9",1883') == OK + line(b"+QMTOPEN: 0,3")


def test_the_wi_fi_goes() -> None:
    desk = Desk().connected()
    assert desk.publish(b'3,1,0,"t"') == OK + line(b"+QMTPUB: 0,3,0")
    desk.broker.deaf = {broker.PUBLISH}
    assert desk.publish(b'4,1,0,"t"') == OK
    desk.world.network.cut("10.0.0.8")
    assert desk.at(b'+QMTOPEN=1,"10.0.0.8",1883') == OK
    desk.world.lose_ap()
    said = desk.wait()
    assert said.endswith(line(b"+QMTPUB: 0,4,2") + line(b"+QMTSTAT: 0,7") + line(b"+QMTOPEN: 1,5"))


def test_w40_a_log_in_that_is_refused() -> None:
    desk = Desk().opened()
    desk.broker.users = {b"me": b"secret"}
    said = desk.at(b'+QMTCONN=0,"me","me","wrong"')
    assert said == OK + line(b"+QMTCONN: 0,0,4") + line(b"+QMTSTAT: 0,1")
    desk.opened()
    assert desk.at(b'+QMTCONN=0,"me","me","secret"') == OK + line(b"+QMTCONN: 0,0,0")
    assert desk.broker.logins[-1].username == b"me"


def test_what_needs_a_session_is_refused_without_one() -> None:
    desk = Desk()
    for command in (b'+QMTCONN=0,"me"', b'+QMTPUB=0,0,0,0,"t",5', b'+QMTSUB=0,1,"t",0', b'+QMTUNS=0,1,"t"'):
        assert desk.at(command) == ERROR
    assert (desk.at(b"+QMTDISC=0"), desk.at(b"+QMTRECV=0")) == (ERROR, ERROR)
    desk.connected()
    assert desk.at(b'+QMTCONN=0,"me"') == ERROR
    assert desk.at(b'+QMTCONN=0,"me","user"') == ERROR  # M14


def test_what_the_options_put_into_connect() -> None:
    desk = Desk().configured(
        b'"version",0,3', b'"keepalive",0,77', b'"session",0,0', b'"will",0,1,2,1,"w/t","last words"'
    )
    desk.connected()
    will = broker.Post(b"w/t", b"last words", 2, True)
    assert desk.broker.logins == [broker.Connect(3, b"me", 77, False, will, None, None)]
    assert desk.at(b"+QMTCLOSE=0") == OK + line(b"+QMTCLOSE: 0,0")
    assert desk.broker.retained == {b"w/t": will}
    desk.configured(b'"will",0,0').connected()
    assert desk.broker.logins[1].will is None
    assert desk.at(b'+QMTCFG="will",0') == line(b'+QMTCFG: "will",0') + OK


def test_w45_options_of_a_fresh_client_and_of_another() -> None:
    desk = Desk().configured(b'"timeout",0,7,2,1', b'"ssl",0,1,3')
    assert desk.at(b'+QMTCFG="timeout",0') == line(b'+QMTCFG: "timeout",7,2,1') + OK
    assert desk.at(b'+QMTCFG="timeout",1') == line(b'+QMTCFG: "timeout",5,3,0') + OK
    assert desk.at(b'+QMTCFG="ssl",0') == line(b'+QMTCFG: "ssl",1,3') + OK
    assert desk.at(b'+QMTCFG="ssl",2,1') == ERROR
    assert desk.at(b'+QMTCFG="nothing",0') == ERROR


def test_m4_m10_quirks_of_options() -> None:
    assert Desk().at(b'+QMTCFG="timeout",0,61,3,0') == OK
    assert Desk("pkt_timeout_60").at(b'+QMTCFG="timeout",0,61,3,0') == ERROR
    assert Desk().at(b'+QMTCFG="aliauth",0,"a","b","c"') == OK
    assert Desk("aliauth_error").at(b'+QMTCFG="aliauth",0,"a","b","c"') == ERROR


def test_m34_a_status_after_the_end() -> None:
    desk = Desk("disc_stat").connected()
    assert desk.at(b"+QMTDISC=0") == OK + line(b"+QMTDISC: 0,0") + line(b"+QMTSTAT: 0,5")


# ---- how a session ends


@pytest.mark.parametrize("heard", [True, False])
def test_no_connack(heard: bool) -> None:
    desk = Desk().configured(b'"timeout",0,2,3,0').opened()
    desk.broker.deaf = {broker.CONNECT}
    if not heard:
        desk.world.network.cut("10.0.0.9")
    assert desk.at(b'+QMTCONN=0,"me"', 1.9) == OK
    assert desk.wait() == line(b"+QMTCONN: 0,2") + line(b"+QMTSTAT: 0,%d" % (4 if heard else 3))


def test_m35_pings_and_what_becomes_without_an_answer() -> None:
    desk = Desk().configured(b'"keepalive",0,10', b'"timeout",0,2,3,0').connected()
    assert desk.wait(35.0) == b""
    assert desk.broker.kinds()[1:] == [broker.PINGREQ] * 3
    desk.broker.deaf = {broker.PINGREQ}
    assert desk.wait(6.0) == b""
    assert desk.wait(1.0) == line(b"+QMTSTAT: 0,2")
    assert desk.at(b"+QMTCONN?") == OK


def test_without_a_keepalive_there_are_no_pings() -> None:
    desk = Desk().configured(b'"keepalive",0,0').connected()
    assert desk.wait(4000.0) == b""
    assert desk.broker.kinds() == [broker.CONNECT]


def test_the_server_closes_or_talks_nonsense() -> None:
    desk = Desk().connected()
    desk.broker.peers[0].close()
    assert desk.wait() == line(b"+QMTSTAT: 0,1")
    desk.connected()
    desk.broker.peers[1].send(b"\x00\x00")
    assert desk.wait() == line(b"+QMTSTAT: 0,8")
    assert desk.at(b"+QMTCLOSE=0") == OK + line(b"+QMTCLOSE: 0,0")


# ---- publishing


def test_w42_publish() -> None:
    desk = Desk().connected()
    assert desk.publish(b'0,0,0,"t"') == OK + line(b"+QMTPUB: 0,0,0")
    assert desk.publish(b'9,0,1,"t"') == OK + line(b"+QMTPUB: 0,9,0")  # printed as it was typed
    assert desk.publish(b'65535,2,0,"t"') == OK + line(b"+QMTPUB: 0,65535,0")
    assert desk.broker.posts == [
        broker.Post(b"t", b"hello"),
        broker.Post(b"t", b"hello", 0, True),
        broker.Post(b"t", b"hello", 2),
    ]
    sent = [seen for seen in desk.broker.seen if seen.kind == broker.PUBLISH]
    assert sent[2].body == b"\x00\x01t\xff\xffhello"


@pytest.mark.parametrize("payload", [b'\x1a\x1b\r\n\x00\xff"', bytes(2048), b"x"])
def test_counted_payload_may_be_anything(payload: bytes) -> None:
    desk = Desk().connected()
    assert desk.publish(b'1,1,0,"t"', payload, 5.0) == OK + line(b"+QMTPUB: 0,1,0")
    assert desk.broker.posts == [broker.Post(b"t", payload, 1)]


def test_r10_what_comes_after_the_payload_is_deleted() -> None:
    desk = Desk().connected()
    assert desk.at(b'+QMTPUB=0,0,0,0,"t",5') == PROMPT
    assert desk.say(b"hello\x1aAT+QVERSION\r\nAT\r\n" * 100) == OK + line(b"+QMTPUB: 0,0,0")
    assert desk.at(b"") == OK


def test_text_up_to_ctrl_z() -> None:
    desk = Desk().connected()
    assert desk.at(b'+QMTPUB=0,0,0,0,"t"') == PROMPT
    assert desk.say(b"one\r\ntwo\x1a") == OK + line(b"+QMTPUB: 0,0,0")
    assert desk.at(b'+QMTPUB=0,0,0,0,"t"') == PROMPT
    assert desk.say(b"one\x1b") == ERROR
    assert desk.at(b'+QMTPUB=0,0,0,0,"t"') == PROMPT
    assert desk.say(bytes(2049) + b"\x1a", 3.0) == ERROR
    assert desk.broker.posts == [broker.Post(b"t", b"one\r\ntwo")]


def test_a_host_that_types_nothing() -> None:
    desk = Desk().connected()
    assert desk.at(b'+QMTPUB=0,0,0,0,"t",5', 14.9) == PROMPT
    assert desk.say(b"hell", 14.9) == b""
    assert desk.wait() == ERROR
    assert desk.broker.posts == []


@pytest.mark.parametrize(
    "head", [b'0,1,0,"t",5', b'0,2,0,"t",5', b'1,3,0,"t",5', b'1,1,2,"t",5', b'1,1,0,"t",2049', b'1,1,0,"",5']
)
def test_m17_what_is_refused_before_the_prompt(head: bytes) -> None:
    assert Desk().connected().at(b"+QMTPUB=0," + head) == ERROR


def test_m24_five_in_flight() -> None:
    desk = Desk().connected()
    desk.broker.deaf = {broker.PUBLISH}
    for number in range(1, 6):
        assert desk.publish(b'%d,1,0,"t"' % number, seconds=0.05) == OK
    assert desk.at(b'+QMTPUB=0,6,1,0,"t",5') == ERROR
    desk.broker.peers[0].send(broker.packet(broker.PUBACK, broker.word(3)))
    assert desk.wait() == line(b"+QMTPUB: 0,3,0")
    assert desk.at(b'+QMTPUB=0,1,1,0,"t",5') == ERROR  # the id is in use
    assert desk.publish(b'6,1,0,"t"', seconds=0.05) == OK


def test_retransmission() -> None:
    desk = Desk().configured(b'"timeout",0,2,2,0').connected()
    desk.broker.deaf = {broker.PUBLISH}
    assert desk.publish(b'7,1,0,"t"', seconds=1.9) == OK
    assert desk.wait(2.0) == line(b"+QMTPUB: 0,7,1,1")
    assert desk.wait(2.0) == line(b"+QMTPUB: 0,7,1,2")
    assert desk.wait(2.0) == line(b"+QMTPUB: 0,7,2") + line(b"+QMTSTAT: 0,6")
    sent = [seen for seen in desk.broker.seen if seen.kind == broker.PUBLISH]
    assert [seen.flags for seen in sent] == [2, 10, 10]
    assert len({seen.body for seen in sent}) == 1


def test_the_second_half_of_qos_2_is_repeated_too() -> None:
    desk = Desk().configured(b'"timeout",0,2,3,0').connected()
    desk.broker.deaf = {broker.PUBREL}
    assert desk.publish(b'7,2,0,"t"', seconds=2.2) == OK + line(b"+QMTPUB: 0,7,1,1")
    desk.broker.deaf = set()
    assert desk.wait(2.0) == line(b"+QMTPUB: 0,7,1,2") + line(b"+QMTPUB: 0,7,0")
    assert desk.broker.kinds()[1:] == [broker.PUBLISH, *[broker.PUBREL] * 3]
    assert len(desk.broker.posts) == 1


def test_subscriptions_are_repeated() -> None:
    desk = Desk().configured(b'"timeout",0,2,1,0').connected()
    desk.broker.deaf = {broker.SUBSCRIBE}
    assert desk.at(b'+QMTSUB=0,5,"t",1', 2.1) == OK + line(b"+QMTSUB: 0,5,1,1")
    assert desk.at(b'+QMTSUB=0,5,"u",1') == ERROR
    assert desk.wait(2.0) == line(b"+QMTSUB: 0,5,2") + line(b"+QMTSTAT: 0,6")
    assert [seen.flags for seen in desk.broker.seen[1:]] == [2, 2]


def test_m18_m19_what_is_granted() -> None:
    desk = Desk().connected()
    desk.broker.limit = 1
    assert desk.at(b'+QMTSUB=0,1,"a",2,"no",1,"b",0') == OK + line(b"+QMTSUB: 0,1,0,1,128,0")
    assert desk.at(b'+QMTSUB=0,0,"a",2') == ERROR


# ---- receiving


@pytest.mark.parametrize(
    ("quirk", "said"),
    [
        ((), b'+QMTRECV: 0,0,"t",5,"he"lo"'),
        (("bare",), b'+QMTRECV: 0,0,"t",5,he"lo'),
        (("no_len",), b'+QMTRECV: 0,0,"t","he"lo"'),
    ],
)
def test_w43_messages(quirk: tuple[str, ...], said: bytes) -> None:
    desk = Desk(*quirk).connected()
    desk.at(b'+QMTSUB=0,1,"t",2')
    desk.broker.send(b"t", b'he"lo')
    assert desk.wait() == line(said)


def test_hexadecimal_both_ways() -> None:
    desk = Desk().configured(b'"dataformat",0,1,1').connected()
    desk.at(b'+QMTSUB=0,1,"t",0')
    assert desk.publish(b'0,0,0,"t"', b"4f4B") == OK + line(b"+QMTPUB: 0,0,0") + line(b'+QMTRECV: 0,0,"t",2,"4F4B"')
    assert desk.publish(b'0,0,0,"t"', b"4f4") == ERROR
    assert desk.publish(b'0,0,0,"t"', b"4g") == ERROR
    assert desk.broker.posts == [broker.Post(b"t", b"OK")]


def test_hexadecimal_counted_otherwise() -> None:
    desk = Desk("hex_send_bytes", "hex_recv_digits").configured(b'"dataformat",0,1,1').connected()
    desk.at(b'+QMTSUB=0,1,"t",0')
    assert desk.at(b'+QMTPUB=0,0,0,0,"t",2') == PROMPT
    assert desk.say(b"4f4B") == OK + line(b"+QMTPUB: 0,0,0") + line(b'+QMTRECV: 0,0,"t",4,"4F4B"')


def test_messages_at_qos_2_come_once() -> None:
    desk = Desk().connected()
    desk.broker.deaf = {broker.PUBREC}
    said = broker.message(b"t", b"x", 2, 9)
    again = broker.message(b"t", b"x", 2, 9, dup=True)
    desk.broker.peers[0].send(said + again)
    assert desk.wait() == line(b'+QMTRECV: 0,9,"t",1,"x"')
    assert desk.broker.kinds()[1:] == [broker.PUBREC, broker.PUBREC]
    desk.broker.peers[0].send(broker.packet(broker.PUBREL, broker.word(9), 2) + said)
    assert desk.wait() == line(b'+QMTRECV: 0,9,"t",1,"x"')
    assert desk.broker.kinds()[3:] == [broker.PUBCOMP, broker.PUBREC]


def test_w44_m29_m31_five_places() -> None:
    desk = Desk().configured(b'"recv/mode",0,1').connected()
    desk.at(b'+QMTSUB=0,1,"t",1')
    for number in range(6):
        desk.broker.send(b"t", b"%d" % number, 1)
    assert desk.wait() == b"".join(line(b"+QMTRECV: 0,%d" % place) for place in range(5))
    assert desk.at(b"+QMTRECV?") == line(b"+QMTRECV: 0,1,1,1,1,1") + OK
    assert desk.at(b"+QMTRECV=0,3") == line(b'+QMTRECV: 0,4,"t",1,"3"') + OK
    assert desk.at(b"+QMTRECV=0,3") == OK
    desk.broker.send(b"t", b"new", 0)
    assert desk.wait() == line(b"+QMTRECV: 0,3")
    stored = [(1, b"0"), (2, b"1"), (3, b"2"), (0, b"new"), (5, b"4")]
    said = b"".join(line(b'+QMTRECV: 0,%d,"t",%d,"%b"' % (number, len(text), text)) for number, text in stored)
    assert desk.at(b"+QMTRECV=0") == said + OK
    assert desk.at(b"+QMTRECV=0") == OK
    assert desk.world.twin.mqtt.clients[0].dropped == 1


@pytest.mark.parametrize(("topic", "size"), [(b"t", 10241), (b"t" * 257, 1)])
def test_what_is_too_long_is_answered_and_dropped(topic: bytes, size: int) -> None:
    desk = Desk().connected()
    desk.broker.peers[0].send(broker.message(topic, bytes(size), 1, 3) + broker.message(b"u", b"next"))
    assert desk.wait(5.0) == line(b'+QMTRECV: 0,0,"u",4,"next"')
    assert desk.broker.kinds()[1:] == [broker.PUBACK]
    assert desk.world.twin.mqtt.clients[0].dropped == 1


def test_a_slow_host_holds_the_server_and_loses_nothing() -> None:
    desk = Desk().connected()
    desk.at(b'+QMTSUB=0,1,"t",0')
    desk.at(b'+QMTPUB=0,0,0,0,"u",5')
    for number in range(500):
        desk.broker.send(b"t", b"%03d" % number + bytes(500))
    assert desk.wait(10.0) == b""
    assert len(desk.world.twin.waiting) == HELD
    said = desk.say(b"hello") + b"".join(desk.wait() for _ in range(100))
    assert said.startswith(OK)
    assert said.count(b"+QMTRECV: ") == 500
    assert said.index(b'"499') > said.index(b'"498')


def test_a_restart_forgets_everything() -> None:
    desk = Desk().configured(b'"keepalive",0,7').connected()
    desk.world.power_cycle()
    assert b"ready" in desk.wait(2.0)
    assert desk.at(b"+QMTCONN?") == OK
    assert desk.at(b'+QMTCFG="keepalive",0') == line(b'+QMTCFG: "keepalive",120') + OK
    assert desk.broker.peers[0].ended


def test_a_session_that_is_kept() -> None:
    desk = Desk().configured(b'"session",0,0').connected()
    desk.at(b'+QMTSUB=0,1,"t",1')
    desk.at(b"+QMTDISC=0")
    desk.broker.send(b"t", b"meanwhile", 1)
    desk.opened()
    assert desk.at(b'+QMTCONN=0,"me"') == OK + line(b"+QMTCONN: 0,0,0") + line(b'+QMTRECV: 0,1,"t",9,"meanwhile"')


def test_six_at_once() -> None:
    desk = Desk()
    for number in range(6):
        assert desk.at(b'+QMTOPEN=%d,"10.0.0.9",1883' % number) == OK + line(b"+QMTOPEN: %d,0" % number)
        assert desk.at(b'+QMTCONN=%d,"c%d"' % (number, number)) == OK + line(b"+QMTCONN: %d,0,0" % number)
        desk.at(b'+QMTSUB=%d,1,"t",0' % number)
    desk.broker.send(b"t", b"all")
    assert desk.wait() == b"".join(line(b'+QMTRECV: %d,0,"t",3,"all"' % number) for number in range(6))
    assert desk.at(b'+QMTOPEN=6,"10.0.0.9",1883') == ERROR


@pytest.mark.parametrize("codes", [b"\0\0", bytes(9), b"\x80" * 300])
def test_a_server_that_grants_more_than_was_asked_for_is_left(codes: bytes) -> None:
    desk = Desk().connected()
    desk.broker.deaf = {broker.SUBSCRIBE}
    assert desk.at(b'+QMTSUB=0,1,"a",1') == OK
    desk.broker.clients[b"me"].say(broker.packet(broker.SUBACK, broker.word(1) + codes))
    assert desk.wait() == line(b"+QMTSUB: 0,1,2") + line(b"+QMTSTAT: 0,8")
    assert desk.at(b"") == OK
