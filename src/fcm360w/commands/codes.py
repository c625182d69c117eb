"""Result codes (manual 5)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple


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


def describe(number: int) -> tuple[int, str]:
    """A code with its text; codes that the manual does not list get an empty text."""
    return number, SOCKET_TEXTS.get(SocketCode(number), "") if number in SocketCode._value2member_map_ else ""


class CodeTable(NamedTuple):
    """One table of codes: where the manual has it, and what it says of each."""

    ref: str
    texts: Mapping[SocketCode, str]


TABLES: Mapping[str, CodeTable] = {
    "socket": CodeTable("5, Table 3", SOCKET_TEXTS),
}
