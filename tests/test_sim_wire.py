"""The twin's bytes against the canonical ones, written out; W and R are the numbers of the wire's specification."""

from __future__ import annotations

import pytest

from fcm360w.commands.codes import SocketCode
from fcm360w.sim.dialect import MANUAL
from fcm360w.sim.hotspots import AccessPoint
from sim_bench import CONNECT, ERROR, JOIN, OK, Bench

VERSION = b"\r\n+QVERSION: FCM360WAAR01A01\r\n"
MAC = b'\r\n+QWLMAC: "88:00:33:77:69:cc"\r\n'
CLOSED_3 = b'\r\n+QIURC: "closed",3\r\n'
RECV_3 = b'\r\n+QIURC: "recv",3\r\n'
PROMPT = b"\r\n>"
SEND_OK = b"\r\nSEND OK\r\n"
CONNECTED = b'\r\n+QSTASTAT: "WLAN_CONNECTED"\r\n'
GOT_IP = b'\r\n+QSTASTAT: "GOT_IP"\r\n'
DISCONNECTED = b'\r\n+QSTASTAT: "WLAN DISCONNECTED"\r\n'


def last_error(bench: Bench) -> bytes:
    return bench.host(b"AT+QIGETERROR\r").removeprefix(b"\r\n+QIGETERROR: ").partition(b",")[0]


PLAIN = [
    ("W1 bare", b"AT\r", OK),
    ("W1 unknown", b"AT+QNO\r", ERROR),
    ("W1 no AT", b"hello\r", ERROR),
    ("W1 1024 bytes", b"AT" + b"x" * 1022 + b"\r", ERROR),
    ("W1 over-long", b"A" * 1025 + b"\r", ERROR),
    ("W1 much too long", b"AT" * 5000 + b"\rAT\r", ERROR + OK),
    ("W2", b"AT+QVERSION\r", VERSION + OK),
    ("W4", b"AT+QVERSION;+QWLMAC\r", VERSION + MAC + OK),
    ("W4 three", b"AT+QVERSION;+QWLMAC;+QVERSION\r", VERSION + MAC + VERSION + OK),
    ("W5 failure", b"AT+QVERSION;+QNO;+QWLMAC\r", VERSION + ERROR),
    ("W5 prompt", b"AT+QVERSION;+QISEND=3,5;+QWLMAC\r", VERSION + ERROR),
    ("W5 data mode", b'AT+QVERSION;+QIOPEN=3,"TCP","10.0.0.9",8009,0,2\r', VERSION + ERROR),
    ("W5 ATO", b"AT+QVERSION;O\r", VERSION + ERROR),
    ("W5 prompt first", b"AT+QISEND=3;+QVERSION\r", ERROR),
    ("R5 CR LF", b"AT\r\nAT+QVERSION\r\n", OK + VERSION + OK),
    ("R5 empty lines", b"\r\r\n\r\nAT\r", OK),
    ("R8 after equals", b'AT+QGETIP= "ap" \r', b'\r\n+QGETIP: "0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"\r\n' + OK),
    ("R8 around comma", b'AT+QICFG= "dataformat" , 1 , 0\r', OK),
    ("R8 around semicolon", b"AT+QVERSION ; +QWLMAC \r", VERSION + MAC + OK),
    ("R8 before CR", b"AT  \r", OK),
    ("R8 in name", b"AT+QVER SION\r", ERROR),
    ("R8 after AT", b"AT +QVERSION\r", ERROR),
    ("R8 before equals", b'AT+QGETIP ="ap"\r', ERROR),
    ("R8 before question mark", b"AT+QSETBAND ?\r", ERROR),
    ("R8 in number", b"AT+QISTATE=1 1\r", ERROR),
    ("R8 in test", b"AT+QISEND= ?\r", OK.replace(b"OK", b"ERROR")),
    ("R7 signed number", b"AT+QISTATE=+1\r", ERROR),
    ("R7 no quotes", b"AT+QGETIP=station\r", ERROR),
    ("R7 quoted number", b'AT+QISTATE="1"\r', ERROR),
    ("R7 open quote", b'AT+QGETIP="station\r', ERROR),
    ("trailing comma", b"AT+QISTATE=1,\r", ERROR),
    ("trailing comma of an optional", b"AT+QICLOSE=3, \r", ERROR),
    ("nothing after equals", b"AT+QGETIP=\r", ERROR),
    ("one too many", b"AT+QISTATE=1,3\r", ERROR),
    ("form not listed", b"AT+QVERSION?\r", ERROR),
    ("test not listed", b"AT+QVERSION=?\r", ERROR),
    ("escape is no line", b"AT+++\r", ERROR),
    ("not text", b"AT+Q\xff\xfe\r", ERROR),
    ("lower case", b"at+qversion\r", VERSION + OK),
    ("mixed case", b"aT+qVersion\r", VERSION + OK),
    ("case of strings", b'AT+QGETIP="Station"\r', ERROR),
    ("ATE without number", b"ATE\r", ERROR),
    ("ATE0", b"ATE0\r", OK),
    ("QECHO", b"AT+QECHO=0\r", OK),
    ("QECHO range", b"AT+QECHO=2\r", ERROR),
    ("QSETBAND read", b"AT+QSETBAND?\r", b"\r\n+QSETBAND: 115200\r\n" + OK),
    ("QSETBAND low", b"AT+QSETBAND=1199,0\r", ERROR),
    ("QSETBAND high", b"AT+QSETBAND=2000001,0\r", ERROR),
    ("QSTAST", b"AT+QSTAST\r", b'\r\n+QSTAST: "STATION_UP"\r\n' + OK),
    ("W11 up", b'AT+QGETIP="station"\r', b'\r\n+QGETIP: "10.0.0.7","10.0.0.1","255.255.255.0","10.0.0.1"\r\n' + OK),
    ("W11 other word", b'AT+QGETIP="both"\r', ERROR),
    (
        "W12",
        b"AT+QGETWIFISTATE\r",
        b"\r\n+QGETWIFISTATE: ssid=hall,bssid=02:00:5e:10:00:01,rssi=-52\r\n" + OK,
    ),
    (
        "W14",
        b"AT+QICFG=?\r",
        b'\r\n+QICFG: "transpktsize",(1-1460)\r\n\r\n+QICFG: "transwaittm",(0-20)\r\n'
        b'\r\n+QICFG: "dataformat",(0,1),(0,1)\r\n\r\n+QICFG: "passiveclosed",(0,1)\r\n'
        b'\r\n+QICFG: "tcp/accept",(0,1)\r\n\r\n+QICFG: "qisend/timeout",(0-120)\r\n'
        b'\r\n+QICFG: "close/mode",(0,1)\r\n\r\n+QICFG: "tcp/tw_cycle",(0,1)\r\n' + OK,
    ),
    ("W15 QISEND", b"AT+QISEND=?\r", b"\r\n+QISEND: (0-11),(0-1460),<remoteIP>,(1-65535)\r\n" + OK),
    ("QIRD test", b"AT+QIRD=?\r", b"\r\n+QIRD: (0-11),(0-1500)\r\n" + OK),
    ("QICLOSE test", b"AT+QICLOSE=?\r", b"\r\n+QICLOSE: (0-11),(1-120)\r\n" + OK),
    ("QISWTMD test", b"AT+QISWTMD=?\r", b"\r\n+QISWTMD: (0-11),(0-2)\r\n" + OK),
    ("QISTATE test", b"AT+QISTATE=?\r", OK),
    ("QIGETERROR test", b"AT+QIGETERROR=?\r", OK),
    (
        "QIOPEN test",
        b"AT+QIOPEN=?\r",
        b'\r\n+QIOPEN: (0-11),("TCP","UDP","TCP LISTENER","UDP SERVICE"),<IP_address>/<domain_name>,'
        b"(1-65535),(1-65535),(0-2)\r\n" + OK,
    ),
    ("W19 nothing", b"AT+QISTATE\r", OK),
    ("W19 unused", b"AT+QISTATE=3\r", OK),
    ("W35 unused", b"AT+QICLOSE=3\r", OK),
    ("W26 nothing to resume", b"ATO\r", b"\r\nNO CARRIER\r\n"),
    ("W37 no error", b"AT+QIGETERROR\r", b'\r\n+QIGETERROR: 0,"Operation success"\r\n' + OK),
]


@pytest.mark.parametrize(("said", "answer"), [row[1:] for row in PLAIN], ids=[row[0] for row in PLAIN])
def test_plain_commands(said: bytes, answer: bytes) -> None:
    assert Bench().host(said) == answer


def test_every_split_of_a_conversation() -> None:
    """What the module says does not depend on how its input was cut, with echo and without."""
    said = (
        b"AT\r\nate1\rAT+QVERSION ;+QWLMAC\r\n\r\nAT+QISEND=3,7\r\nhel\r\nlo\x1aAT\r"
        b"AT+QISEND=3\rtyped\x1aAT+QNO;+QVERSION\r\n" + b"A" * 1100 + b"\rATE0\rAT+QICLOSE=3\r\nAT+QISTATE\r"
    )

    def played(*pieces: bytes) -> tuple[bytes, list[bytes]]:
        bench = Bench()
        connection = bench.open(3)
        return b"".join(bench.host(piece) for piece in pieces), connection.sent

    whole = played(said)
    assert whole[1] == [b"hel\r\nlo", b"typed"]
    for cut in range(len(said)):
        assert played(said[:cut], said[cut:]) == whole, cut
    assert played(*(said[i : i + 1] for i in range(len(said)))) == whole


def test_w5_no_prompt_and_no_data_mode_in_a_chain() -> None:
    bench = Bench()
    bench.open(3)
    for part in (b"+QISEND=3,5", b"+QISEND=3", b"+QISWTMD=3,2", b"O"):
        assert bench.host(b"AT+QVERSION;" + part + b";+QWLMAC\r") == VERSION + ERROR
        assert last_error(bench) == b"569"
        assert bench.host(b"AT" + part + b";+QVERSION\r") == ERROR
    assert bench.host(b"AT+QISEND=3,0;+QICLOSE=3\r") == b"\r\n+QISEND: 0,0,0\r\n" + OK


# ---- echo, restart, speed -------------------------------------------------------------------------------------------


def test_w3_echo() -> None:
    bench = Bench()
    assert bench.host(b"ATE1\r\n") == OK
    assert bench.host(b"AT+QVERSION\r\n") == b"AT+QVERSION\r" + VERSION + OK
    assert bench.host(b"AT+Q") == b"AT+Q"
    assert bench.host(b"NO\r\n") == b"NO\r" + ERROR
    assert bench.host(b"AT+QECHO=0\r") == b"AT+QECHO=0\r" + OK
    assert bench.host(b"AT\r") == OK


def test_r6_neither_payload_nor_data_is_echoed() -> None:
    bench = Bench()
    bench.open(3)
    bench.host(b"ATE1\r")
    assert bench.host(b"AT+QISEND=3,5\r\nhello") == b"AT+QISEND=3,5\r" + PROMPT + SEND_OK
    assert bench.host(b"AT+QISWTMD=3,2\r\nhello") == b"AT+QISWTMD=3,2\r" + CONNECT


def test_w6_restart() -> None:
    bench = Bench()
    connection = bench.open(3)
    bench.host(b'AT+QECHO=1\rAT+QICFG="transwaittm",7\r')
    assert bench.host(b"AT+QRST\r\nAT\r") == b"AT+QRST\r" + OK
    assert connection.closed
    assert bench.host(b"AT\r") == b""
    assert bench.wait(10.0) == b"\r\nready\r\n"
    assert bench.host(b"AT\r") == b"AT\r" + OK, "echo is saved"
    bench.host(b"ATE0\r")
    assert bench.host(b'AT+QICFG="transwaittm"\r') == b'\r\n+QICFG: "transwaittm",2\r\n' + OK
    assert bench.host(b"AT+QGETWIFISTATE\r") == ERROR
    assert bench.link.ignored == len(b"\nAT\r" + b"AT\r")


def test_w6_baud_rate() -> None:
    bench = Bench(baud=9600)
    assert bench.host(b"AT+QSETBAND=115200,0\r") == OK
    assert bench.module.next_baud == 115200
    assert bench.host(b"AT+QSETBAND?\r") == b"\r\n+QSETBAND: 115200\r\n" + OK
    bench.host(b"AT+QRST\r")
    bench.wait(1.0)
    assert bench.host(b"AT+QSETBAND?\r") == b"\r\n+QSETBAND: 9600\r\n" + OK
    assert bench.host(b"AT+QSETBAND=19200,1\rAT+QRST\r") == OK + OK
    bench.wait(1.0)
    assert bench.host(b"AT+QSETBAND?\r") == b"\r\n+QSETBAND: 19200\r\n" + OK


# ---- Wi-Fi ----------------------------------------------------------------------------------------------------------


def test_w9_join() -> None:
    bench = Bench(joined=False)
    assert bench.host(b"AT+QSTAST\r") == b'\r\n+QSTAST: "STATION_DOWN"\r\n' + OK
    assert bench.host(JOIN) == OK
    assert bench.wait(0.04) == b""
    assert bench.wait(0.02) == CONNECTED
    assert bench.wait(0.05) == GOT_IP


@pytest.mark.parametrize(
    ("who", "answer"),
    [
        (b'"hall","open sesam3"', DISCONNECTED),
        (b'"hall"', DISCONNECTED),
        (b'"Hall","open sesame"', b'\r\n+QSTASTAT: "SCAN_NO_AP"\r\n'),
    ],
)
def test_w10_failed_joins(who: bytes, answer: bytes) -> None:
    bench = Bench(joined=False)
    assert bench.host(b"AT+QSTAAPINFO=" + who + b"\r") == OK
    assert bench.wait(5.0) == answer
    assert bench.host(b"AT+QGETWIFISTATE\r") == ERROR
    assert bench.host(b'AT+QGETIP="station"\r') == (b'\r\n+QGETIP: "0.0.0.0","0.0.0.0","0.0.0.0","0.0.0.0"\r\n' + OK)


@pytest.mark.parametrize("who", [b'"","open sesame"', b'"hall","short"', b'"%b"' % (b"x" * 33), b'hall,"open sesame"'])
def test_malformed_joins(who: bytes) -> None:
    assert Bench(joined=False).host(b"AT+QSTAAPINFO=" + who + b"\r") == ERROR


def test_w10_leave() -> None:
    bench = Bench()
    assert bench.host(b"AT+QSTASTOP\r") == OK + DISCONNECTED
    assert bench.host(b"AT+QSTASTOP\r") == OK
    assert bench.host(b"AT+QSTAST\r") == b'\r\n+QSTAST: "STATION_DOWN"\r\n' + OK


def test_join_while_joined() -> None:
    bench = Bench()
    assert bench.host(JOIN) == OK + DISCONNECTED
    assert bench.wait(1.0) == CONNECTED + GOT_IP


def test_leaving_takes_the_connections_along() -> None:
    bench = Bench()
    connection = bench.open(3)
    bench.network.outcome = None
    bench.host(b'AT+QIOPEN=4,"TCP","10.0.0.9",8009\r')
    assert bench.host(b"AT+QSTASTOP\r") == OK + DISCONNECTED + b"\r\n+QIOPEN: 4,564\r\n" + CLOSED_3
    assert connection.closed
    assert bench.host(b"AT+QICLOSE=3\r") == OK
    assert bench.host(b"AT+QISTATE\r") == OK


def test_open_access_point_and_the_strongest_of_two() -> None:
    bench = Bench(joined=False)
    bench.module.radio.aps = (
        AccessPoint("yard", rssi=-80, bssid="02:00:5e:10:00:02"),
        AccessPoint("yard", rssi=-60, bssid="02:00:5e:10:00:03"),
    )
    bench.host(b'AT+QSTAAPINFO="yard"\r')
    assert bench.wait(1.0) == CONNECTED + GOT_IP
    assert bench.host(b"AT+QGETWIFISTATE\r") == (
        b"\r\n+QGETWIFISTATE: ssid=yard,bssid=02:00:5e:10:00:03,rssi=-60\r\n" + OK
    )


# ---- options --------------------------------------------------------------------------------------------------------

OPTIONS = [
    (b'"transpktsize",1024', b'"transpktsize",1460', [b'"transpktsize",0', b'"transpktsize",1461']),
    (b'"transwaittm",2', b'"transwaittm",20', [b'"transwaittm",21', b'"transwaittm",-1']),
    (b'"dataformat",0,0', b'"dataformat",1,1', [b'"dataformat",2,0', b'"dataformat",0,2', b'"dataformat",0,0,0']),
    (b'"passiveclosed",0', b'"passiveclosed",1', [b'"passiveclosed",2']),
    (b'"tcp/accept",1', b'"tcp/accept",0', [b'"tcp/accept",2']),
    (b'"qisend/timeout",5', b'"qisend/timeout",120', [b'"qisend/timeout",121']),
    (b'"close/mode",0', b'"close/mode",1', [b'"close/mode",2']),
    (b'"tcp/tw_cycle",0', b'"tcp/tw_cycle",1', [b'"tcp/tw_cycle",2', b'"nothing"', b"transwaittm,1"]),
]


@pytest.mark.parametrize(("default", "other", "bad"), OPTIONS)
def test_options(default: bytes, other: bytes, bad: list[bytes]) -> None:
    bench = Bench()
    key = default.partition(b",")[0]
    assert bench.host(b"AT+QICFG=" + key + b"\r") == b"\r\n+QICFG: " + default + b"\r\n" + OK
    assert bench.host(b"AT+QICFG=" + other + b"\r") == OK
    for wrong in bad:
        assert bench.host(b"AT+QICFG=" + wrong + b"\r") == ERROR
        assert last_error(bench) == b"552"
    assert bench.host(b"AT+QICFG=" + key + b"\r") == b"\r\n+QICFG: " + other + b"\r\n" + OK


def test_an_omitted_value_is_kept() -> None:
    bench = Bench()
    bench.host(b'AT+QICFG="dataformat",0,1\r')
    assert bench.host(b'AT+QICFG="dataformat",1\r') == OK
    assert bench.host(b'AT+QICFG="dataformat"\r') == b'\r\n+QICFG: "dataformat",1,1\r\n' + OK
    assert bench.host(b'AT+QICFG="dataformat",,0\r') == OK
    assert bench.host(b'AT+QICFG="dataformat"\r') == b'\r\n+QICFG: "dataformat",1,0\r\n' + OK


# ---- opening and closing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "late"), [(0, b"0"), (564, b"564"), (563, b"563")])
@pytest.mark.parametrize("access", [b"0", b"1"])
def test_w16_open(outcome: int, late: bytes, access: bytes) -> None:
    bench = Bench()
    bench.network.outcome = SocketCode(outcome)
    said = bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,' + access + b"\r")
    assert said == OK + b"\r\n+QIOPEN: 3," + late + b"\r\n"
    assert bench.network.asked == [("10.0.0.9", 8009, 0)]
    assert last_error(bench) == late
    info = b'\r\n+QISTATE: 3,"TCP","10.0.0.9",8009,49152,2,3,' + access + b',"uart1"\r\n'
    assert bench.host(b"AT+QISTATE=3\r") == (b"" if outcome else info) + OK


def test_w16_local_port_and_short_form() -> None:
    bench = Bench()
    bench.host(b'AT+QIOPEN=0,"TCP","example.org",80,4000\rAT+QIOPEN=1,"TCP","example.org",80\r')
    assert bench.network.asked == [("example.org", 80, 4000), ("example.org", 80, 0)]


@pytest.mark.parametrize("access", [b"0", b"1", b"2"])
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (b'12,"TCP","10.0.0.9",8009,0', b"552"),
        (b'3,"tcp","10.0.0.9",8009,0', b"552"),
        (b'3,"TCP INCOMING","10.0.0.9",8009,0', b"552"),
        (b'3,"TCP","10.0.0.9",0,0', b"552"),
        (b'3,"TCP","10.0.0.9",65536,0', b"552"),
        (b'3,"TCP","10.0.0.9",8009,65536', b"552"),
        (b'3,"TCP","",8009,0', b"552"),
        (b'5,"TCP","10.0.0.9",8009,0', b"561"),
        (b'3,"UDP","10.0.0.9",0,0', b"552"),
        (b'3,"TCP LISTENER","127.0.0.1",0,0', b"552"),
        (b'3,"UDP SERVICE","127.0.0.1",0,0', b"552"),
    ],
)
def test_w17_refused_opens(parameters: bytes, code: bytes, access: bytes) -> None:
    bench = Bench()
    bench.open(5)
    assert bench.host(b"AT+QIOPEN=" + parameters + b"," + access + b"\r") == ERROR
    assert last_error(bench) == code


@pytest.mark.parametrize("outcome", [564, 563])
def test_w17_transparent_open_fails(outcome: int) -> None:
    bench = Bench()
    bench.network.outcome = SocketCode(outcome)
    assert bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,2\r') == ERROR
    assert last_error(bench) == b"%d" % outcome
    assert bench.host(b"AT+QISTATE\r") == OK


def test_r11_no_wifi() -> None:
    bench = Bench(joined=False)
    assert bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009\r') == OK + b"\r\n+QIOPEN: 3,564\r\n"
    assert last_error(bench) == b"564"
    assert bench.host(b'AT+QIOPEN=3,"TCP","example.org",80,0,1\r') == OK + b"\r\n+QIOPEN: 3,563\r\n"
    assert last_error(bench) == b"563"
    assert bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,2\r') == ERROR
    assert last_error(bench) == b"564"
    assert bench.network.asked == []
    assert bench.host(b"AT+QISTATE\r") == OK


def test_w18_transparent_open_and_r5() -> None:
    bench = Bench()
    assert bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009,0,2\r\n\nhello') == CONNECT
    bench.wait(0.5)
    assert bench.network.connections[0].sent == [b"\nhello"], "the LF after the CR is the command's, the next is data"


def test_w19_state() -> None:
    bench = Bench()
    bench.open(3, 1)
    bench.open(1)
    bench.network.outcome = None
    bench.host(b'AT+QIOPEN=7,"TCP","example.org",80\r')
    lines = (
        b'\r\n+QISTATE: 1,"TCP","10.0.0.9",8009,49152,2,1,0,"uart1"\r\n'
        b'\r\n+QISTATE: 3,"TCP","10.0.0.9",8009,49152,2,3,1,"uart1"\r\n'
        b'\r\n+QISTATE: 7,"TCP","0.0.0.0",80,0,1,7,0,"uart1"\r\n'
    )
    assert bench.host(b"AT+QISTATE\r") == lines + OK
    assert bench.host(b"AT+QISTATE?\r") == lines + OK
    bench.network.connections[0].end()
    assert bench.tick() == CLOSED_3
    assert bench.host(b"AT+QISTATE=3\r") == b'\r\n+QISTATE: 3,"TCP","10.0.0.9",8009,49152,4,3,1,"uart1"\r\n' + OK


def test_w35_close() -> None:
    bench = Bench()
    connection = bench.open(3)
    assert bench.host(b"AT+QICLOSE=3\r") == OK
    assert connection.finishing
    assert connection.closed
    assert bench.host(b"AT+QISTATE\r") == OK


def test_close_waits_for_the_peer_and_serves_nobody_meanwhile() -> None:
    bench = Bench()
    connection = bench.open(3)
    other = bench.open(4)
    connection.confirmed = False
    assert bench.host(b"AT+QICLOSE=3,20\rAT\r") == b""
    other.arrive(b"x")
    assert bench.wait(19.9) == b""
    assert bench.wait(0.2) == OK + b'\r\n+QIURC: "recv",4\r\n' + OK
    connection = bench.open(3)
    connection.confirmed = False
    assert bench.host(b"AT+QICLOSE=3\r") == b""
    bench.wait(5.0)
    connection.confirmed = True
    assert bench.wait(0.1) == OK


def test_nothing_is_said_of_a_socket_that_is_being_closed() -> None:
    bench = Bench()
    for option in (b"0", b"1"):
        bench.host(b'AT+QICFG="close/mode",' + option + b"\r")
        connection = bench.open(3)
        connection.confirmed = False
        bench.host(b"AT+QICLOSE=3\r")
        connection.arrive(b"late")
        bench.tick()
        connection.end()
        bench.tick()
        connection.confirmed = True
        assert bench.wait(1.0) == (CLOSED_3 if option == b"1" else OK)


def test_w35_asynchronous_close() -> None:
    bench = Bench()
    bench.host(b'AT+QICFG="close/mode",1\r')
    bench.open(3)
    assert bench.host(b"AT+QICLOSE=3,5\r") == OK + CLOSED_3
    bench.open(3).confirmed = False
    assert bench.host(b"AT+QICLOSE=3,5\r") == OK
    assert bench.host(b"AT+QISTATE=3\r") == b'\r\n+QISTATE: 3,"TCP","10.0.0.9",8009,49152,4,3,0,"uart1"\r\n' + OK
    assert bench.host(b"AT+QICLOSE=3\r") == OK
    assert bench.wait(4.9) == b""
    assert bench.wait(0.2) == CLOSED_3
    assert bench.host(b"AT+QISTATE\r") == OK


def test_close_while_opening() -> None:
    bench = Bench()
    bench.network.outcome = None
    bench.host(b'AT+QIOPEN=3,"TCP","10.0.0.9",8009\r')
    assert bench.host(b"AT+QICLOSE=3\r") == OK
    bench.network.outcome = SocketCode.SUCCESS
    assert bench.tick() == b""
    assert bench.host(b"AT+QISTATE\r") == OK


def test_w33_peer_closes() -> None:
    bench = Bench()
    connection = bench.open(3)
    connection.end()
    assert bench.tick() == CLOSED_3
    assert bench.host(b"AT+QISEND=3,5\r") == ERROR
    assert last_error(bench) == b"565"
    bench.host(b"AT+QICLOSE=3\r")
    bench.host(b'AT+QICFG="passiveclosed",1\r')
    connection = bench.open(3)
    connection.end()
    assert bench.tick() == CLOSED_3
    assert connection.closed
    assert bench.host(b"AT+QISTATE\r") == OK


# ---- sending --------------------------------------------------------------------------------------------------------


def test_w20_counted_send() -> None:
    bench = Bench()
    connection = bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    assert bench.host(b"hel") == b""
    assert bench.host(b"lo") == SEND_OK
    everything = bytes(range(256))
    assert bench.host(b"AT+QISEND=3,256\r" + everything + b"AT\r") == PROMPT + SEND_OK + OK
    assert connection.sent == [b"hello", everything]


def test_w20_send_buffer_full() -> None:
    bench = Bench()
    connection = bench.open(3)
    connection.capacity = 4
    assert bench.host(b"AT+QISEND=3,5\rhello") == PROMPT + b"\r\nSEND FAIL\r\n"
    assert connection.sent == []
    assert bench.host(b"AT+QISEND=3,4\rhell") == PROMPT + SEND_OK


def test_w21_variable_length() -> None:
    bench = Bench()
    connection = bench.open(3)
    assert bench.host(b"AT+QISEND=3\r\n") == PROMPT
    assert bench.host(b"hel\r\nlo\x1aAT\r") == SEND_OK + OK
    assert connection.sent == [b"hel\r\nlo"]
    assert bench.host(b"AT+QISEND=3\r" + b"x" * 1460 + b"\x1a") == PROMPT + SEND_OK


def test_w22_escape_cancels_only_variable_length() -> None:
    bench = Bench()
    connection = bench.open(3)
    assert bench.host(b"AT+QISEND=3\rhel\x1bAT\r") == PROMPT + ERROR + OK
    assert last_error(bench) == b"568"
    assert bench.host(b"AT+QISEND=3,3\ra\x1bb") == PROMPT + SEND_OK
    assert connection.sent == [b"a\x1bb"]


def test_w22_silence() -> None:
    bench = Bench()
    bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    assert bench.wait(4.9) == b""
    assert bench.host(b"hel") == b""
    assert bench.wait(4.9) == b""
    assert bench.wait(0.1) == ERROR
    assert last_error(bench) == b"567"
    assert bench.network.connections[0].sent == []
    bench.host(b'AT+QICFG="qisend/timeout",0\r')
    assert bench.host(b"AT+QISEND=3\r") == PROMPT
    assert bench.wait(100_000.0) == b""
    assert bench.host(b"\x1a") == SEND_OK


@pytest.mark.parametrize("size", [1461, 5000])
def test_w22_too_much(size: int) -> None:
    bench = Bench()
    connection = bench.open(3)
    assert bench.host(b"AT+QISEND=3\r" + b"x" * size) == PROMPT
    assert bench.host(b"\x1a") == ERROR
    assert last_error(bench) == b"552"
    assert connection.sent == []


@pytest.mark.parametrize("access", [0, 1])
def test_w23_peer_closes_while_the_prompt_is_open(access: int) -> None:
    bench = Bench()
    connection = bench.open(3, access)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    connection.end()
    assert bench.host(b"hel") == b""
    assert bench.host(b"lo") == ERROR + CLOSED_3
    assert last_error(bench) == b"565"
    assert connection.sent == []


def test_w24_no_prompt() -> None:
    bench = Bench()
    assert bench.host(b"AT+QISEND=3,5\r") == ERROR
    assert last_error(bench) == b"565"
    bench.open(3)
    assert bench.host(b"AT+QISEND=3,1461\r") == ERROR
    assert last_error(bench) == b"552"
    assert bench.host(b'AT+QISEND=3,5,"10.0.0.9",5000\r') == ERROR
    assert last_error(bench) == b"569"
    assert bench.host(b"AT+QISEND=12,5\r") == ERROR
    assert last_error(bench) == b"552"
    bench.network.connections[0].end()
    bench.tick()
    assert bench.host(b"AT+QISEND=3\r") == ERROR
    assert last_error(bench) == b"565"


def test_w25_counts() -> None:
    bench = Bench()
    connection = bench.open(3)
    bench.host(b"AT+QISEND=3,1280\r" + b"x" * 1280)
    connection.unacknowledged = 80
    assert bench.host(b"AT+QISEND=3,0\r") == b"\r\n+QISEND: 1280,1200,80\r\n" + OK
    connection.unacknowledged = 0
    connection.end()
    assert bench.host(b"AT+QISEND=3,0\r") == b"\r\n+QISEND: 1280,1280,0\r\n" + OK + CLOSED_3
    bench.host(b"AT+QICLOSE=3\r")
    assert bench.host(b"AT+QISEND=3,0\r") == ERROR
    assert last_error(bench) == b"565"


@pytest.mark.parametrize("stray", [b"\x1a", b"\r", b"\n"])
def test_r10_one_stray_byte(stray: bytes) -> None:
    bench = Bench()
    bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\rhello" + stray + b"AT\r") == PROMPT + SEND_OK + OK
    assert bench.host(b"AT+QISEND=3,5\rhello") == PROMPT + SEND_OK
    assert bench.host(stray) == b""
    assert bench.host(b"AT\r") == OK


def test_r10_the_second_is_input() -> None:
    bench = Bench()
    bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\rhello\x1a\x1aAT\r") == PROMPT + SEND_OK + ERROR


# ---- receiving ------------------------------------------------------------------------------------------------------


def test_w27_w29_buffer_mode() -> None:
    bench = Bench()
    connection = bench.open(3)
    connection.arrive(b"hel")
    assert bench.tick() == RECV_3
    connection.arrive(b"lo")
    assert bench.tick() == b"", "said once until drained"
    assert bench.host(b"AT+QIRD=3,0\r") == b"\r\n+QIRD: 5,0,5\r\n" + OK
    assert bench.host(b"AT+QIRD=3,2\r") == b"\r\n+QIRD: 2\r\nhe\r\n" + OK
    assert bench.host(b"AT+QIRD=3,1500\r") == b"\r\n+QIRD: 3\r\nllo\r\n" + OK
    assert bench.host(b"AT+QIRD=3\r") == b"\r\n+QIRD: 0\r\n" + OK
    assert bench.host(b"AT+QIRD=3,0\r") == b"\r\n+QIRD: 5,5,0\r\n" + OK
    connection.arrive(bytes(range(256)))
    assert bench.tick() == RECV_3
    assert bench.host(b"AT+QIRD=3\r") == b"\r\n+QIRD: 256\r\n" + bytes(range(256)) + b"\r\n" + OK


def test_buffer_mode_is_bounded_and_loses_nothing() -> None:
    bench = Bench()
    connection = bench.open(3)
    data = bytes(range(256)) * 1000
    connection.arrive(data)
    assert bench.tick() == RECV_3
    unread = bench.host(b"AT+QIRD=3,0\r").partition(b"\r\n\r\n")[0].rpartition(b",")[2]
    assert int(unread) == 32768
    got = b""
    while not (said := bench.host(b"AT+QIRD=3,1500\r")).startswith(b"\r\n+QIRD: 0"):
        head, _, rest = said.removeprefix(b"\r\n+QIRD: ").partition(b"\r\n")
        got += rest[: int(head)]
    assert got == data


def test_t29_data_outlive_the_connection() -> None:
    bench = Bench()
    connection = bench.open(3)
    connection.arrive(b"hello")
    connection.end()
    assert bench.tick() == RECV_3 + CLOSED_3
    assert bench.host(b"AT+QIRD=3\r") == b"\r\n+QIRD: 5\r\nhello\r\n" + OK
    assert bench.host(b"AT+QIRD=3\r") == b"\r\n+QIRD: 0\r\n" + OK


def test_w28_push() -> None:
    bench = Bench()
    connection = bench.open(3, 1)
    connection.arrive(b"hello")
    assert bench.tick() == b'\r\n+QIURC: "recv",3,5\r\nhello\r\n'
    connection.arrive(b"x" * 1460 + b"yz")
    connection.end()
    assert bench.tick() == (
        b'\r\n+QIURC: "recv",3,1460\r\n' + b"x" * 1460 + b'\r\n\r\n+QIURC: "recv",3,2\r\nyz\r\n' + CLOSED_3
    )
    assert bench.host(b"AT+QIRD=3,1500\r") == ERROR
    assert last_error(bench) == b"569"


def test_push_waits_for_room_on_the_line() -> None:
    bench = Bench()
    connection = bench.open(3, 1)
    connection.arrive(b"x" * 4000)
    bench.link.window = 0
    assert bench.tick() == b""
    assert bench.link.hungry()
    bench.link.window = 1
    assert bench.tick().startswith(b'\r\n+QIURC: "recv",3,1460\r\n')
    bench.link.window = 65536
    assert bench.tick().count(b"recv") == 2
    assert not bench.link.hungry()


def test_w29_errors() -> None:
    bench = Bench()
    assert bench.host(b"AT+QIRD=3,1500\r") == ERROR
    assert last_error(bench) == b"565"
    bench.open(3)
    assert bench.host(b"AT+QIRD=3,1501\r") == ERROR
    assert last_error(bench) == b"552"


def test_r9_lines_wait_for_the_final_result() -> None:
    bench = Bench()
    first, second = bench.open(3), bench.open(4, 1)
    assert bench.host(b"AT+QISEND=3,5\r") == PROMPT
    first.arrive(b"a")
    second.arrive(b"b")
    second.end()
    assert bench.tick() == b""
    assert bench.host(b"hello") == (
        SEND_OK + RECV_3 + b'\r\n+QIURC: "recv",4,1\r\nb\r\n' + b'\r\n+QIURC: "closed",4\r\n'
    )


def test_lines_come_while_a_command_is_being_typed() -> None:
    bench = Bench()
    connection = bench.open(3)
    bench.host(b"AT+QVER")
    connection.arrive(b"x")
    assert bench.tick() == RECV_3
    assert bench.host(b"SION\r") == VERSION + OK


def test_w30_hexadecimal() -> None:
    bench = Bench()
    connection = bench.open(3)
    push = bench.open(4, 1)
    bench.host(b'AT+QICFG="dataformat",1,1\r')
    assert bench.host(b"AT+QISEND=3,4\r4f4B") == PROMPT + SEND_OK
    assert connection.sent == [b"OK"]
    for wrong in (b"4f4", b"4f4g", b"4f 4"):
        assert bench.host(b"AT+QISEND=3,%d\r%b" % (len(wrong), wrong)) == PROMPT + ERROR
        assert last_error(bench) == b"552"
    push.arrive(b"OK")
    assert bench.tick() == b'\r\n+QIURC: "recv",4,2\r\n4F4B\r\n'
    connection.arrive(b"OK")
    bench.tick()
    assert bench.host(b"AT+QIRD=3,2\r") == b"\r\n+QIRD: 2\r\n4F4B\r\n" + OK


def test_w36_switch_access_mode() -> None:
    bench = Bench()
    connection = bench.open(3)
    connection.arrive(b"hello")
    bench.tick()
    assert bench.host(b"AT+QISWTMD=3,1\r") == OK + b'\r\n+QIURC: "recv",3,5\r\nhello\r\n'
    assert bench.host(b"AT+QISWTMD=3,0\r") == OK
    connection.arrive(b"hello")
    assert bench.tick() == RECV_3
    assert bench.host(b"AT+QISWTMD=3,2\r") == CONNECT + b"hello"


def test_switch_errors() -> None:
    bench = Bench()
    assert bench.host(b"AT+QISWTMD=3,1\r") == ERROR
    assert last_error(bench) == b"565"
    bench.open(3).end()
    bench.tick()
    assert bench.host(b"AT+QISWTMD=3,2\r") == ERROR
    assert last_error(bench) == b"565"
    assert bench.host(b"AT+QISWTMD=3,3\r") == ERROR
    assert last_error(bench) == b"552"


# ---- errors and dialects --------------------------------------------------------------------------------------------


def test_w37_last_error() -> None:
    bench = Bench()
    bench.host(b"AT+QISEND=3,1461\r")
    bad = b'\r\n+QIGETERROR: 552,"Invalid parameters"\r\n'
    assert bench.host(b"AT+QIGETERROR\r") == bad + OK
    assert bench.host(b"AT+QVERSION;+QNO\r") == VERSION + ERROR
    assert bench.host(b"AT+QIGETERROR\r") == bad + OK, "only socket commands count, and asking changes nothing"
    assert bench.host(b"AT+QIGETERROR=5\r") == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == bad + OK, "nor does asking in a form that does not exist"
    bench.host(b"AT+QISTATE\r")
    assert bench.host(b"AT+QIGETERROR\r") == b'\r\n+QIGETERROR: 0,"Operation success"\r\n' + OK
    assert bench.host(b"AT+QISTATE=12\r") == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == bad + OK


def quirky(*names: str) -> Bench:
    return Bench(MANUAL.with_quirks(names))


def test_w8_info_compact() -> None:
    bench = quirky("info_compact")
    assert bench.host(b"AT+QVERSION;+QWLMAC\r") == (
        b'\r\n+QVERSION: FCM360WAAR01A01\r\n+QWLMAC: "88:00:33:77:69:cc"\r\n' + OK
    )
    assert bench.host(b"AT+QVERSION\r") == VERSION + OK


def test_quirks_of_sockets() -> None:
    bench = quirky("push_no_trailer", "geterror_bare", "close_unused_error")
    bench.open(3, 1).arrive(b"hello")
    assert bench.tick() == b'\r\n+QIURC: "recv",3,5\r\nhello'
    assert bench.host(b"AT+QICLOSE=9\r") == ERROR
    assert bench.host(b"AT+QIGETERROR\r") == b"\r\n+QIGETERROR: 565, Socket has been closed\r\n" + OK


def test_quirks_of_wifi() -> None:
    bench = quirky("underscore", "no_space", "disconnect_text")
    assert bench.host(b"AT+QSTASTOP\r") == OK + b'\r\n+QSTASTAT:"WLAN_DISCONNECTED"\r\n'
    assert bench.host(b"AT+QGETWIFISTATE\r") == b"\r\n+QGETWIFISTATE:DISCONNECT\r\n" + OK
    assert bench.host(b"AT+QVERSION\r") == b"\r\n+QVERSION:FCM360WAAR01A01\r\n" + OK
    assert bench.host(b"AT+QIGETERROR\r") == b'\r\n+QIGETERROR: 0,"Operation success"\r\n' + OK


def test_quirks_of_starting() -> None:
    bench = quirky("ate_error", "echo_on", "banner_rdy")
    bench.host(b"AT\r")
    assert bench.host(b"ATE0\r") == b"ATE0\r" + ERROR
    assert bench.host(b"ATE0\r") == b"ATE0\r" + OK
    bench.host(b"AT+QRST\r")
    assert bench.wait(1.0) == b"\r\nRDY\r\n"
    assert bench.host(b"ATE0\r") == b"ATE0\r" + ERROR
    silent = quirky("banner_none")
    silent.host(b"AT+QRST\r")
    assert silent.wait(1.0) == b""


@pytest.mark.parametrize(
    ("name", "prompt"), [("space", b"\r\n> "), ("crlf", b"\r\n>\r\n"), ("connect", b"\r\nCONNECT\r\n")]
)
def test_quirks_of_the_prompt(name: str, prompt: bytes) -> None:
    bench = quirky(f"prompt_{name}")
    bench.open(3)
    assert bench.host(b"AT+QISEND=3,5\rhello") == prompt + SEND_OK


def test_slow_answers() -> None:
    bench = quirky("slow_answers")
    assert bench.host(b"AT\rAT+QVERSION\r") == b""
    assert bench.wait(0.05) == OK
    assert bench.wait(0.05) == VERSION + OK


def test_unknown_quirk() -> None:
    with pytest.raises(ValueError, match="info_compact"):
        MANUAL.with_quirks(["nonsense"])
