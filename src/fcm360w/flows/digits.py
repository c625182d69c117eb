"""Payload as hexadecimal digits: how the lengths beside it are counted, and sending to firmware that counts bytes."""

from __future__ import annotations

import typing
from typing import Annotated, Literal

from fcm360w import hexcodec
from fcm360w.commands.tcp import MAX_SEND, ConnectId, Send, SendTo, TcpPort
from fcm360w.errors import UsageError
from fcm360w.link import Link
from fcm360w.parameters import Address, Named, Payload

Unit = Literal["digits", "bytes"]
UNITS = typing.get_args(Unit)
Counted = Annotated[bytes, Payload(1, MAX_SEND), Named("send_length")]


def count(link: Link, sent: Unit, received: Unit) -> None:
    """Tell the link what lengths count beside digits.  UsageError for anything but the two units."""
    for name, unit in (("sent", sent), ("received", received)):
        if unit not in UNITS:
            raise UsageError(f"{name}={unit!r} is not one of {', '.join(UNITS)}")
    link.count_hex(sent == "bytes", received == "digits")


class SendCounted(Send, at="+QISEND", ref="2.3.5", wait=15.0, final=("SEND OK", "SEND FAIL")):
    """As Send, for firmware that is told the bytes and takes twice as many digits."""

    connect_id: ConnectId
    data: Counted

    def body(self) -> bytes | None:
        data = super().body()
        return None if data is None else hexcodec.encode(data)


class SendToCounted(SendTo, at="+QISEND", ref="2.3.5", wait=15.0, final=("SEND OK", "SEND FAIL")):
    """As SendTo, in the same way."""

    connect_id: ConnectId
    data: Counted
    remote_ip: Address
    remote_port: TcpPort

    def body(self) -> bytes | None:
        data = super().body()
        return None if data is None else hexcodec.encode(data)
