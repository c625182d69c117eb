"""Payload as hexadecimal digits: how the lengths beside it are counted, and sending to firmware that counts bytes."""

from __future__ import annotations

from typing import Annotated, Literal

from fcm360w import hexcodec
from fcm360w.commands.tcp import MAX_SEND, ConnectId, Send, SendTo, TcpPort
from fcm360w.parameters import Address, Named, Payload

Unit = Literal["digits", "bytes"]
Counted = Annotated[bytes, Payload(1, MAX_SEND), Named("send_length")]


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
