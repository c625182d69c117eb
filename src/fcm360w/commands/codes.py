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


def describe(number: int) -> tuple[int, str]:
    """A code with its text; codes that the manual does not list get an empty text."""
    return number, SOCKET_TEXTS.get(SocketCode(number), "") if number in SocketCode._value2member_map_ else ""


def describe_http(number: int) -> tuple[int, str]:
    """As describe, for the codes of HTTP."""
    return number, HTTP_TEXTS.get(HttpCode(number), "") if number in HttpCode._value2member_map_ else ""


class CodeTable(NamedTuple):
    """One table of codes: where the manual has it, and what it says of each."""

    ref: str
    texts: Mapping[Any, str]


TABLES: Mapping[str, CodeTable] = {
    "socket": CodeTable("5, Table 3", SOCKET_TEXTS),
    "http": CodeTable("5, Table 4", HTTP_TEXTS),
}
