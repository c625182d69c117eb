"""TCP and UDP sockets (manual 2.3, 3.3): open, send, receive, close, transparent mode.

A socket is one of twelve ids.  Its access mode says how received data reach the host: kept in the module until read
(buffer), with an unsolicited line (direct push), or as the bare byte stream of the serial port (transparent).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Annotated, Self

from fcm360w.commands.codes import describe
from fcm360w.commands.system import Switch
from fcm360w.parameters import Address, Coded, Named, Note, Only, Payload, Range, split
from fcm360w.settings import Setting
from fcm360w.wire import Command, Reply

ConnectId = Annotated[int, Range(0, 11)]
TcpPort = Annotated[int, Range(1, 65535)]
LocalPort = Annotated[int, Range(0, 65535), Note("T9")]
Host = Annotated[str, Named("ip_address", "domain_name"), Note("T6")]
MAX_SEND = 1460
MAX_READ = 1500


class Service(StrEnum):
    """Kind of socket.  INCOMING is a connection that a listener accepted; it is reported, never opened."""

    TCP, UDP = "TCP", "UDP"
    LISTENER, UDP_SERVICE = "TCP LISTENER", "UDP SERVICE"
    INCOMING = "TCP INCOMING"

    @classmethod
    def _missing_(cls, value: object) -> Service | None:
        return cls.INCOMING if value == "TCPINCOMING" else None


Opening = Annotated[Service, Only(Service.TCP, Service.UDP, Service.LISTENER, Service.UDP_SERVICE)]


class Access(IntEnum):
    """How received data reach the host."""

    BUFFER, PUSH, TRANSPARENT = 0, 1, 2


class SocketState(IntEnum):
    """State of a socket id."""

    INITIAL, OPENING, CONNECTED, LISTENING, CLOSING = 0, 1, 2, 3, 4


class Format(IntEnum):
    """How payload crosses the serial port."""

    TEXT, HEX = 0, 1


# ---- options, 2.3.1 -------------------------------------------------------------------------------------------------


class PacketSize(Setting, at="+QICFG", key="transpktsize", ref="2.3.1"):
    """Transparent mode: bytes gathered before a packet is sent."""

    transpktsize: Annotated[int, Range(1, 1460, "byte")] = 1024


class PacketWait(Setting, at="+QICFG", key="transwaittm", ref="2.3.1"):
    """Transparent mode: how long a smaller packet waits for more, in 100 ms; 0 sends at once."""

    transwaittm: Annotated[int, Range(0, 20, "100 ms")] = 2


class DataFormat(Setting, at="+QICFG", key="dataformat", ref="2.3.1"):
    """Text or hexadecimal payloads; transparent mode is always text."""

    send_data_format: Format = Format.TEXT
    recv_data_format: Format = Format.TEXT

    def doubles(self) -> bool:
        return self.recv_data_format is Format.HEX

    def doubles_sent(self) -> bool:
        return self.send_data_format is Format.HEX


class PassiveClosed(Setting, at="+QICFG", key="passiveclosed", ref="2.3.1"):
    """Free the id by itself once the peer has closed."""

    closed: Switch = Switch.OFF


class AutoAccept(Setting, at="+QICFG", key="tcp/accept", ref="2.3.1"):
    """Accept clients of a listener without being asked."""

    state: Annotated[Switch, Note("T3")] = Switch.ON


class SendTimeout(Setting, at="+QICFG", key="qisend/timeout", ref="2.3.1"):
    """Seconds of silence after the prompt that end the input of a payload; 0 waits for ever."""

    timeout: Annotated[int, Range(0, 120, "s"), Note("T3")] = 5


class CloseMode(Setting, at="+QICFG", key="close/mode", ref="2.3.1"):
    """Close asynchronously: OK at once, the closed line when it is done."""

    close_mode: Switch = Switch.OFF


class TimeWaitCycle(Setting, at="+QICFG", key="tcp/tw_cycle", ref="2.3.1"):
    """Release closed connections early."""

    tw_enable: Annotated[Switch, Note("T2")] = Switch.OFF


SETTINGS = (PacketSize, PacketWait, DataFormat, PassiveClosed, AutoAccept, SendTimeout, CloseMode, TimeWaitCycle)


# ---- open and close, 2.3.2 to 2.3.4 ---------------------------------------------------------------------------------


class Opened(Reply, at="+QIOPEN", ref="2.3.2"):
    """The socket finished opening; `err` is 0 or a socket code (manual 5, Table 3)."""

    connect_id: ConnectId
    err: Annotated[int, Coded("socket")]

    def fault(self) -> tuple[int, str] | None:
        return describe(self.err) if self.err else None


class Open(
    Command[Opened],
    at="+QIOPEN",
    ref="2.3.2",
    wait=150.0,
    late=True,
    test=('(0-11),("TCP","UDP","TCP LISTENER","UDP SERVICE"),<IP_address>/<domain_name>,(1-65535),(1-65535),(0-2)',),
):
    """Open a socket.  Completes with the +QIOPEN line, or with CONNECT if transparent."""

    connect_id: ConnectId
    service_type: Opening
    host: Host
    remote_port: Annotated[int, Range(0, 65535), Note("T7")]
    local_port: LocalPort = 0
    access_mode: Access = Access.BUFFER

    @classmethod
    def parse(cls, text: str, strict: bool = False) -> Self:
        """A listener's or a service's remote port may be left empty."""
        parts = split(text)
        return super().parse(",".join([*parts[:3], parts[3] or "0", *parts[4:]]) if parts[4:] else text, strict)

    def connects(self) -> bool:
        return self.access_mode is Access.TRANSPARENT

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, Opened) and reply.connect_id == self.connect_id

    def finish(self, replies: Sequence[Reply], final: str) -> Opened:
        return Opened(self.connect_id, 0) if final == "CONNECT" else super().finish(replies, final)


class Close(Command[None], at="+QICLOSE", ref="2.3.3", wait=10.0, test=("(0-11),(1-120)",)):
    """Close a socket.  The module serves no other command until the peer has confirmed or `timeout` s have passed."""

    connect_id: ConnectId
    timeout_s: Annotated[int, Range(1, 120, "s"), Named("timeout")] = 10

    def timeout(self) -> float:
        return float(self.timeout_s)


class SocketInfo(Reply, at="+QISTATE", ref="2.3.4"):
    """One socket: peer for a client, own address for a listener or service; `server_id` is a listener's id."""

    connect_id: ConnectId
    service_type: Service
    ip_address: str
    remote_port: int
    local_port: int
    socket_state: SocketState
    server_id: int
    access_mode: Access
    at_port: str = "uart1"


class ListSockets(Command[tuple[SocketInfo, ...]], at="+QISTATE", ref="2.3.4", form="exec", test=()):
    """Report every socket in use, by ascending id."""


class ReadSockets(Command[tuple[SocketInfo, ...]], at="+QISTATE", ref="2.3.4", form="read"):
    """The read form of ListSockets."""


class GetSocket(Command[tuple[SocketInfo, ...]], at="+QISTATE", ref="2.3.4"):
    """Report one socket; nothing if the id is unused."""

    connect_id: ConnectId


# ---- send, 2.3.5 ----------------------------------------------------------------------------------------------------


class Sent(Reply, at="+QISEND", ref="2.3.5"):
    """Bytes sent on a socket in all, acknowledged by the peer's network stack, and not yet."""

    total_send_length: int
    ackedbytes: int
    unackedbytes: int


class GetSent(Command[Sent], at="+QISEND", ref="2.3.5"):
    """Report how much of what was sent is acknowledged: ``AT+QISEND=<id>,0``."""

    connect_id: ConnectId
    send_length: Annotated[int, Range(0, 0)] = 0


class Send(
    Command[bool],
    at="+QISEND",
    ref="2.3.5",
    wait=15.0,
    final=("SEND OK", "SEND FAIL"),
    test=("(0-11),(0-1460),<remoteIP>,(1-65535)",),
):
    """Send bytes after the ``>`` prompt.  False: the send buffer is full; nothing was taken, try again."""

    connect_id: ConnectId
    data: Annotated[bytes, Payload(1, MAX_SEND), Named("send_length"), Note("T22")]


class SendUntil(Command[bool], at="+QISEND", ref="2.3.5", wait=15.0, final=("SEND OK", "SEND FAIL")):
    """Send text that CTRL+Z ends.  For people at a terminal: the text cannot contain CTRL+Z or ESC."""

    connect_id: ConnectId
    data: Annotated[bytes, Payload(0, MAX_SEND, counted=False)]


class SendTo(Command[bool], at="+QISEND", ref="2.3.5", wait=15.0, final=("SEND OK", "SEND FAIL")):
    """Send one datagram from a UDP service to a dotted address."""

    connect_id: ConnectId
    data: Annotated[bytes, Payload(1, MAX_SEND), Named("send_length"), Note("T22")]
    remote_ip: Address
    remote_port: TcpPort


# ---- receive, 2.3.6, 3.3 --------------------------------------------------------------------------------------------


class Data(Reply, at="+QIRD", ref="2.3.6"):
    """Received bytes, with their sender in the case of a UDP service.  No bytes: nothing is waiting."""

    data: Annotated[bytes, Payload(0, MAX_READ), Named("read_actual_length")]
    remote_ip: str | None = None
    remote_port: int | None = None


class Read(Command[Data], at="+QIRD", ref="2.3.6", wait=5.0, arms=("data",), test=("(0-11),(0-1500)",)):
    """Read from a socket in buffer mode, at most `read_length` bytes."""

    connect_id: ConnectId
    read_length: Annotated[int, Range(1, MAX_READ, "byte"), Note("T28")] = MAX_READ


class ReceiveCount(Reply, at="+QIRD", ref="2.3.6"):
    """Bytes received on a socket in all, read by the host, and waiting."""

    total_receive_length: int
    have_read_length: int
    unread_length: int


class GetReceiveCount(Command[ReceiveCount], at="+QIRD", ref="2.3.6", wait=5.0):
    """Report how much was received and read: ``AT+QIRD=<id>,0``."""

    connect_id: ConnectId
    read_length: Annotated[int, Range(0, 0)] = 0


class Received(Reply, at="+QIURC", key="recv", ref="3.3.2"):
    """Data arrived.  With `data` in push mode; without, in buffer mode: Read until empty, it is said only once."""

    connect_id: ConnectId
    data: Annotated[bytes, Payload(0, MAX_READ), Named("currentrecvlength")] | None = None
    remote_ip: str | None = None
    remote_port: int | None = None


class Closed(Reply, at="+QIURC", key="closed", ref="3.3.1"):
    """The peer or a network fault closed the connection.  The id stays in use until Close."""

    connect_id: ConnectId


class Incoming(Reply, at="+QIURC", key="incoming", ref="3.3.4"):
    """A listener accepted a client under an id the module chose."""

    connect_id: ConnectId
    server_id: int
    remote_ip: str
    remote_port: int


class IncomingFull(Reply, at="+QIURC", key="incoming full", ref="3.3.3"):
    """A client was turned away: no id is free."""


# ---- accept, 2.3.7 --------------------------------------------------------------------------------------------------


class Choice(IntEnum):
    """What becomes of a client that waits."""

    REJECT, ACCEPT = 0, 1


class Accepted(Reply, at="+QIACCEPT", ref="2.3.7"):
    """A client was let in; Incoming follows."""

    incoming_socket_id: ConnectId
    remote_addr: str
    remote_port: int


class Accept(Command[tuple[Accepted, ...]], at="+QIACCEPT", ref="2.3.7", test=("(0-11),(0,1),(0-11)",)):
    """Let the oldest client in that waits at a listener, or reject it.  No line if none waits, or it is rejected."""

    listener_socket_id: ConnectId
    accept: Choice
    incoming_socket_id: ConnectId | None = None


# ---- modes and errors, 2.3.8 to 2.3.11 ------------------------------------------------------------------------------


class SwitchMode(Command[None], at="+QISWTMD", ref="2.3.8", wait=5.0, test=("(0-11),(0-2)",)):
    """Change the access mode of an open socket.  Completes with CONNECT if transparent."""

    connect_id: ConnectId
    access_mode: Access

    def connects(self) -> bool:
        return self.access_mode is Access.TRANSPARENT


class LastError(Reply, at="+QIGETERROR", ref="2.3.9"):
    """Code and text of the latest fault of a socket command; 0 after a success (manual 5, Table 3)."""

    err: Annotated[int, Coded("socket")]
    errcode_description: str = ""


class GetLastError(Command[LastError], at="+QIGETERROR", ref="2.3.9", form="exec", test=()):
    """Report why the latest socket command failed."""


class Resume(Command[None], at="O", ref="2.3.10", form="exec", wait=5.0):
    """``ATO``: return to transparent mode.  NO CARRIER, an error here, if no connection is left."""

    def connects(self) -> bool:
        return True


class NoCarrier(Reply, at="NO CARRIER", ref="2.3.10"):
    """Transparent mode ended: the peer closed, or there was nothing to resume."""

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        return cls()


class Escape(Command[None], at="+++", ref="2.3.11", form="exec"):
    """Three plus signs between silences, without CR: leave transparent mode, keep the connection.

    It is not a line, so it cannot be run as a command; the flow `flows.leave` performs it.
    """

    def line(self, mask: bool = False) -> str:
        return "+++"
