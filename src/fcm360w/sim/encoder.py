"""The bytes of a module's lines.  The dialect shows here and nowhere else on the wire."""

from __future__ import annotations

import binascii

from fcm360w.commands.tcp import Data, LastError, NoCarrier, Received
from fcm360w.commands.wifi import StationChange, StationEvent
from fcm360w.sim.dialect import Dialect
from fcm360w.wire import Reply

__all__ = ["Encoder"]

CRLF = b"\r\n"


class Encoder:
    """Prints replies, final results, prompts and payloads."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def line(self, text: str) -> bytes:
        """A final result, CONNECT, or any text that stands alone between line ends."""
        return CRLF + text.encode() + CRLF

    def prompt(self) -> bytes:
        return self._dialect.prompt

    def no_carrier(self) -> bytes:
        return self.line(NoCarrier.at)

    def information(self, reply: Reply, *, first: bool, hexed: bool = False) -> bytes:
        """A line that answers a command; `first` if no other line of this answer came before it."""
        whole = self.unsolicited(reply, hexed=hexed)
        return whole[len(CRLF) :] if self._dialect.info_compact and not first else whole

    def unsolicited(self, reply: Reply, *, hexed: bool = False) -> bytes:
        """A line and the payload that belongs to it; `hexed` prints each byte of it as two digits."""
        if not isinstance(reply, (Data, Received)) or not reply.data:
            return self.line(self._text(reply))
        body = binascii.hexlify(reply.data).upper() if hexed else reply.data
        counted = reply.replace(data=body) if self._dialect.hex_recv_digits else reply
        comma = "," if isinstance(reply, Data) and reply.remote_ip and self._dialect.qird_comma else ""
        trailer = b"" if isinstance(reply, Received) and self._dialect.push_no_trailer else CRLF
        return self.line(counted.line() + comma) + body + trailer

    def _text(self, reply: Reply) -> str:
        if isinstance(reply, LastError) and self._dialect.geterror_bare:
            return f"{reply.at}: {int(reply.err)}, {reply.errcode_description}"
        text = reply.line()
        if isinstance(reply, StationEvent) and reply.event is StationChange.DISCONNECTED and self._dialect.underscore:
            text = text.replace("WLAN DISCONNECTED", "WLAN_DISCONNECTED")
        if self._dialect.no_space and reply.__class__.__module__ == StationEvent.__module__:
            text = text.replace(": ", ":", 1)
        return text
