"""Result codes (manual 5)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple


class SocketCode(IntEnum):
    """Codes of socket commands, +QIOPEN and AT+QIGETERROR (Table 3)."""

    SUCCESS = 0
    UNKNOWN = 550
    BLOCKED = 551
    INVALID_PARAMETERS = 552
    OUT_OF_MEMORY = 553
    CREATE_FAILED = 554
    NOT_SUPPORTED = 555
    BIND_FAILED = 556
    LISTEN_FAILED = 557
    WRITE_FAILED = 558
    READ_FAILED = 559
    ACCEPT_FAILED = 560
    ID_IN_USE = 561
    DNS_BUSY = 562
    DNS_FAILED = 563
    CONNECT_FAILED = 564
    CLOSED = 565
    BUSY = 566
    TIMED_OUT = 567
    CANCELLED = 568
    NOT_ALLOWED = 569
    PORT_BUSY = 570


# What the module prints beside the code, verbatim.
SOCKET_TEXTS = {
    SocketCode.SUCCESS: "Operation success",
    SocketCode.UNKNOWN: "Unknown error",
    SocketCode.BLOCKED: "Operation blocked",
    SocketCode.INVALID_PARAMETERS: "Invalid parameters",
    SocketCode.OUT_OF_MEMORY: "Memory allocation failed",
    SocketCode.CREATE_FAILED: "Create socket failed",
    SocketCode.NOT_SUPPORTED: "Operation not support",
    SocketCode.BIND_FAILED: "Socket bind failed",
    SocketCode.LISTEN_FAILED: "Socket listen failed",
    SocketCode.WRITE_FAILED: "Socket write failed",
    SocketCode.READ_FAILED: "Socket read failed",
    SocketCode.ACCEPT_FAILED: "Socket accept failed",
    SocketCode.ID_IN_USE: "Socket Identity has been used",
    SocketCode.DNS_BUSY: "Dns busy",
    SocketCode.DNS_FAILED: "Dns failed",
    SocketCode.CONNECT_FAILED: "Socket connect failed",
    SocketCode.CLOSED: "Socket has been closed",
    SocketCode.BUSY: "Operation busy",
    SocketCode.TIMED_OUT: "operation timeout",
    SocketCode.CANCELLED: "Cancel sending",
    SocketCode.NOT_ALLOWED: "Operation not allowed",
    SocketCode.PORT_BUSY: "Port busy",
}


class MqttLossCode(IntEnum):
    """Why an MQTT client lost its session, +QMTSTAT (Table 2)."""

    SERVER_CLOSED = 1
    PING_FAILED = 2
    CONNECT_FAILED = 3
    CONNACK_FAILED = 4
    DISCONNECTED = 5
    SENDING_FAILED = 6
    LINK_DOWN = 7
    CLIENT_CLOSED = 8


MQTT_LOSS_TEXTS = {
    MqttLossCode.SERVER_CLOSED: "the server closed or reset the connection",
    MqttLossCode.PING_FAILED: "PINGREQ could not be sent or was not answered",
    MqttLossCode.CONNECT_FAILED: "CONNECT could not be sent or was not answered",
    MqttLossCode.CONNACK_FAILED: "CONNACK did not come in time",
    MqttLossCode.DISCONNECTED: "the client sent DISCONNECT and the server closed",
    MqttLossCode.SENDING_FAILED: "the client gave up, since sending kept failing",
    MqttLossCode.LINK_DOWN: "the link is down or the server out of reach",
    MqttLossCode.CLIENT_CLOSED: "the client closed the connection",
}


class MqttOpenCode(IntEnum):
    """What became of the network of an MQTT client, +QMTOPEN."""

    FAILED = -1
    DONE = 0
    BAD_PARAMETER = 1
    IN_USE = 2
    NETWORK_FAILED = 3
    DNS_FAILED = 4
    NETWORK_LOST = 5
    OUT_OF_MEMORY = 6


MQTT_OPEN_TEXTS = {
    MqttOpenCode.FAILED: "the network could not be opened",
    MqttOpenCode.DONE: "the network is open",
    MqttOpenCode.BAD_PARAMETER: "a parameter is wrong",
    MqttOpenCode.IN_USE: "the client number is in use",
    MqttOpenCode.NETWORK_FAILED: "the network failed",
    MqttOpenCode.DNS_FAILED: "the name could not be resolved",
    MqttOpenCode.NETWORK_LOST: "the network was lost",
    MqttOpenCode.OUT_OF_MEMORY: "the module is out of memory",
}


class ConnackCode(IntEnum):
    """What the server said to a log-in, +QMTCONN."""

    ACCEPTED = 0
    PROTOCOL = 1
    CLIENT_ID = 2
    UNAVAILABLE = 3
    CREDENTIALS = 4
    NOT_AUTHORIZED = 5


CONNACK_TEXTS = {
    ConnackCode.ACCEPTED: "accepted",
    ConnackCode.PROTOCOL: "refused: unacceptable protocol version",
    ConnackCode.CLIENT_ID: "refused: client ID rejected",
    ConnackCode.UNAVAILABLE: "refused: server unavailable",
    ConnackCode.CREDENTIALS: "refused: bad user name or password",
    ConnackCode.NOT_AUTHORIZED: "refused: not authorized",
}


class PacketCode(IntEnum):
    """What became of a packet to an MQTT server, +QMTCONN, +QMTSUB, +QMTUNS and +QMTPUB."""

    ANSWERED = 0
    SENT_AGAIN = 1
    NOT_SENT = 2


PACKET_TEXTS = {
    PacketCode.ANSWERED: "sent and answered",
    PacketCode.SENT_AGAIN: "sent again, for no answer came in time",
    PacketCode.NOT_SENT: "could not be sent",
}


class DoneCode(IntEnum):
    """What became of an end, +QMTCLOSE and +QMTDISC."""

    FAILED = -1
    DONE = 0


DONE_TEXTS = {DoneCode.FAILED: "failed", DoneCode.DONE: "done"}


class HttpCode(IntEnum):
    """Codes of HTTP commands: of their late lines and of +CME ERROR (Table 4)."""

    SUCCESS = 0
    UNKNOWN = 701
    TIMED_OUT = 702
    BUSY = 703
    PORT_BUSY = 704
    NO_REQUEST = 705
    NETWORK = 706
    BAD_URL = 707
    NO_URL = 708
    BAD_ADDRESS = 709
    DNS_FAILED = 710
    CREATE_FAILED = 711
    CONNECT_FAILED = 712
    READ_FAILED = 713
    WRITE_FAILED = 714
    CLOSED = 715
    ENCODE_FAILED = 716
    DECODE_FAILED = 717
    READ_TIMED_OUT = 718
    RESPONSE_FAILED = 719
    INPUT_TIMED_OUT = 720
    WAIT_TIMED_OUT = 721
    RESPONSE_TIMED_OUT = 722
    OUT_OF_MEMORY = 723
    INVALID_PARAMETERS = 724


HTTP_TEXTS = {
    HttpCode.SUCCESS: "success",
    HttpCode.UNKNOWN: "unknown fault",
    HttpCode.TIMED_OUT: "timed out",
    HttpCode.BUSY: "busy",
    HttpCode.PORT_BUSY: "serial port busy",
    HttpCode.NO_REQUEST: "no request to act on",
    HttpCode.NETWORK: "network fault",
    HttpCode.BAD_URL: "bad URL",
    HttpCode.NO_URL: "URL not set",
    HttpCode.BAD_ADDRESS: "bad IP address",
    HttpCode.DNS_FAILED: "DNS fault",
    HttpCode.CREATE_FAILED: "socket not created",
    HttpCode.CONNECT_FAILED: "socket connect fault",
    HttpCode.READ_FAILED: "socket read fault",
    HttpCode.WRITE_FAILED: "socket write fault",
    HttpCode.CLOSED: "socket closed",
    HttpCode.ENCODE_FAILED: "data could not be encoded",
    HttpCode.DECODE_FAILED: "data could not be decoded",
    HttpCode.READ_TIMED_OUT: "reading timed out",
    HttpCode.RESPONSE_FAILED: "response failed",
    HttpCode.INPUT_TIMED_OUT: "input timed out",
    HttpCode.WAIT_TIMED_OUT: "waiting for data timed out",
    HttpCode.RESPONSE_TIMED_OUT: "response timed out",
    HttpCode.OUT_OF_MEMORY: "out of memory",
    HttpCode.INVALID_PARAMETERS: "bad parameter",
}


class CodeTable(NamedTuple):
    """One table of codes: where the manual has it, and what it says of each."""

    ref: str
    texts: Mapping[Any, str]


TABLES: Mapping[str, CodeTable] = {
    "socket": CodeTable("5, Table 3", SOCKET_TEXTS),
    "mqtt_urc": CodeTable("5, Table 2", MQTT_LOSS_TEXTS),
    "mqtt_open": CodeTable("2.5.2", MQTT_OPEN_TEXTS),
    "mqtt_connack": CodeTable("2.5.4", CONNACK_TEXTS),
    "mqtt_packet": CodeTable("2.5.4", PACKET_TEXTS),
    "mqtt_done": CodeTable("2.5.3", DONE_TEXTS),
    "http": CodeTable("5, Table 4", HTTP_TEXTS),
}


def describe(number: int, table: str = "socket") -> tuple[int, str]:
    """A code with its text; codes that the manual does not list get an empty text."""
    texts = {int(code): text for code, text in TABLES[table].texts.items()}
    return number, texts.get(number, "")
