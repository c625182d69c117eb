"""The bytes of a module's lines.  The dialect shows here and nowhere else on the wire."""

from __future__ import annotations

import binascii

from fcm360w.commands import mqtt
from fcm360w.commands.ble import LinkEvent
from fcm360w.commands.codes import SocketCode
from fcm360w.commands.files import FileData, FileWritten
from fcm360w.commands.net import Resolved
from fcm360w.commands.tcp import Data, LastError, NoCarrier, Received
from fcm360w.commands.wifi import Addresses, Hotspot, Seen, StationChange, StationEvent
from fcm360w.parameters import Field, encode
from fcm360w.sim.dialect import Dialect
from fcm360w.sim.steps import Prompt
from fcm360w.wire import Reply

__all__ = ["Encoder"]

CRLF = b"\r\n"
WIRELESS = ("2.1.", "2.2.", "3.1.", "3.2.")


class Encoder:
    """Prints replies, final results, prompts and payloads."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def line(self, text: str) -> bytes:
        """A final result, CONNECT, or any text that stands alone between line ends."""
        return CRLF + encode(text) + CRLF

    def refusal(self, code: SocketCode, cme: int | None = None) -> bytes:
        """The final result of a command that failed; with `cme` the one that carries this code."""
        if cme is not None:
            return self.line(f"+CME ERROR: {cme}")
        return self.line(f"+CME ERROR: {int(code)}" if self._dialect.cme_everywhere else "ERROR")

    def banner(self) -> bytes:
        """What is said after a start, if anything."""
        return self.line(self._dialect.banner) if self._dialect.banner else b""

    def prompt(self) -> bytes:
        return self._dialect.prompt

    def invitation(self, prompt: Prompt) -> bytes:
        """What asks for a payload; nothing if it was asked for before."""
        if prompt.more:
            return b""
        return self.line("CONNECT") if prompt.connect else self.prompt()

    def no_carrier(self) -> bytes:
        return self.line(NoCarrier.at)

    def information(self, reply: Reply, *, first: bool, hexed: bool = False) -> bytes:
        """A line that answers a command; `first` if no other line of this answer came before it."""
        whole = self.unsolicited(reply, hexed=hexed)
        bare = isinstance(reply, FileWritten) and self._dialect.qfwrite_bare
        return whole[len(CRLF) :] if bare or (self._dialect.info_compact and not first) else whole

    def unsolicited(self, reply: Reply, *, hexed: bool = False) -> bytes:
        """A line and the payload that belongs to it; `hexed` prints each byte of it as two digits."""
        if isinstance(reply, mqtt.Received) and reply.data is not None:
            return self._message(reply, reply.data, hexed)
        field = reply.payload_field()
        data: bytes | None = getattr(reply, field.name) if field else None
        if field is None or not data:
            return self.line(self._text(reply))
        hexed = hexed and isinstance(reply, (Data, Received))
        body = binascii.hexlify(data).upper() if hexed else data
        counted = reply.replace(**{field.name: body}) if self._dialect.hex_recv_digits else reply
        comma = "," if isinstance(reply, Data) and reply.remote_ip and self._dialect.qird_comma else ""
        open_ended = isinstance(reply, FileData) or (reply.key == "recv" and self._dialect.push_no_trailer)
        return self.line(self._text(counted) + comma) + body + (b"" if open_ended else CRLF)

    def _message(self, reply: mqtt.Received, data: bytes, hexed: bool) -> bytes:
        """A message, with its payload in the line; a module does not mind what a topic holds."""
        body = binascii.hexlify(data).upper() if hexed else data
        count = len(body) if self._dialect.hex_recv_digits else len(data)
        quote = b"" if self._dialect.bare else b'"'
        length = "" if self._dialect.no_len else f"{count},"
        head = encode(f'{reply.at}: {reply.client_idx},{reply.msg_id},"{reply.topic}",{length}')
        return CRLF + head + quote + body + quote + CRLF

    def _text(self, reply: Reply) -> str:
        if isinstance(reply, LastError) and self._dialect.geterror_bare:
            return f"{reply.at}: {int(reply.err)}, {reply.errcode_description}"
        if isinstance(reply, Resolved) and reply.err:
            return f'{reply.at}: "{reply.key}",{reply.err}' + ("" if self._dialect.dnsgip_short else ",0,0")
        if not reply.ref.startswith(WIRELESS):
            return reply.line()
        return f"{reply.at}:{'' if self._dialect.no_space else ' '}{self._wireless(reply)}"

    def _wireless(self, reply: Reply) -> str:
        """The parameters of a Wi-Fi line."""
        if isinstance(reply, Hotspot):
            return reply.line().partition(": ")[2]
        if isinstance(reply, Addresses) and self._dialect.labels:
            return f"ip:{reply.ip},gateway:{reply.gate},mask:{reply.mask},dns:{reply.dns}"
        if isinstance(reply, Seen) and self._dialect.csdk_scan:
            reply = reply.replace(rssi=reply.rssi + 100)
        text = ",".join(self._parameter(reply, field) for field in reply.fields())
        if isinstance(reply, StationEvent) and reply.event is StationChange.DISCONNECTED and self._dialect.underscore:
            return text.replace(" ", "_")
        return text

    def _parameter(self, reply: Reply, field: Field) -> str:
        """As it stands, whatever it holds: a module does not mind a quote in the name of a hotspot."""
        text = field.format(getattr(reply, field.name))
        bare = self._dialect.no_quotes or (self._dialect.blestat_bare and isinstance(reply, LinkEvent))
        bare = bare or (self._dialect.csdk_scan and isinstance(reply, Seen) and field.name != "ssid")
        return text[1:-1] if bare and field.quoted else text
