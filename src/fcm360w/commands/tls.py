"""TLS connections (manual 2.4, 3.4): options of the six contexts, open, send, receive, close.

A connection has one of the same twelve ids as sockets, and the same access modes.  A context says how it is secured.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Annotated

from fcm360w.commands.codes import describe
from fcm360w.commands.system import Switch
from fcm360w.commands.tcp import MAX_READ, MAX_SEND, Access, ConnectId, SocketState, TcpPort
from fcm360w.parameters import BARE, Coded, Length, Named, Note, Only, Payload, Range
from fcm360w.settings import Setting
from fcm360w.wire import Command, Reply

ContextId = Annotated[int, Range(0, 5)]
FileName = Annotated[str, Length(0, 84), Note("S1")]


class SslVersion(IntEnum):
    """Protocol versions that a context allows."""

    SSL_3_0, TLS_1_0, TLS_1_1, TLS_1_2, ALL = 0, 1, 2, 3, 4


class CipherSuite(StrEnum):
    """The one suite that a context allows, or all of them."""

    TLS_RSA_WITH_AES_256_CBC_SHA = "0X0035"
    TLS_RSA_WITH_AES_128_CBC_SHA = "0X002F"
    TLS_RSA_WITH_RC4_128_SHA = "0X0005"
    TLS_RSA_WITH_3DES_EDE_CBC_SHA = "0X000A"
    TLS_RSA_WITH_AES_256_CBC_SHA256 = "0X003D"
    TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA = "0XC003"
    TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA = "0XC004"
    TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA = "0XC005"
    TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA = "0XC008"
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA = "0XC009"
    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA = "0XC00A"
    TLS_ECDHE_RSA_WITH_RC4_128_SHA = "0XC011"
    TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA = "0XC012"
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA = "0XC013"
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA = "0XC014"
    TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA = "0XC00D"
    TLS_ECDH_RSA_WITH_AES_128_CBC_SHA = "0XC00E"
    TLS_ECDH_RSA_WITH_AES_256_CBC_SHA = "0XC00F"
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 = "0XC023"
    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 = "0XC024"
    TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256 = "0XC025"
    TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384 = "0XC026"
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 = "0XC027"
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 = "0XC028"
    TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256 = "0XC029"
    TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384 = "0XC02A"
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = "0XC02F"
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = "0XC030"
    ALL = "0XFFFF"

    @classmethod
    def _missing_(cls, value: object) -> CipherSuite | None:
        """In either case."""
        upper = value.upper() if isinstance(value, str) else None
        return next((suite for suite in cls if suite.value == upper), None)


class SecLevel(IntEnum):
    """Whose certificate is looked at."""

    NONE, SERVER, BOTH = 0, 1, 2


# ---- options, 2.4.1 -------------------------------------------------------------------------------------------------


class Version(Setting, at="+QSSLCFG", key="sslversion", ref="2.4.1", index=1, test='"sslversion",(0-5),(0-4)'):
    """Protocol versions of a context."""

    ssl_ctx_id: ContextId = 0
    ssl_version: SslVersion = SslVersion.ALL


class Suite(Setting, at="+QSSLCFG", key="ciphersuite", ref="2.4.1", index=1):
    """Cipher suite of a context; in hexadecimal, either case, without quotes."""

    ssl_ctx_id: ContextId = 0
    cipher_suites: Annotated[CipherSuite, BARE, Note("S7")] = CipherSuite.ALL


class Security(Setting, at="+QSSLCFG", key="seclevel", ref="2.4.1", index=1, test='"seclevel",(0-5),(0-2)'):
    """Whose certificate is looked at: nobody's, the server's, or both sides'."""

    ssl_ctx_id: ContextId = 0
    seclevel: SecLevel = SecLevel.NONE


class IgnoreTime(Setting, at="+QSSLCFG", key="ignorelocaltime", ref="2.4.1", index=1):
    """Leave unchecked whether a certificate has begun and not expired."""

    ssl_ctx_id: ContextId = 0
    ignore_ltime: Switch = Switch.ON


class NegotiateTime(Setting, at="+QSSLCFG", key="negotiatetime", ref="2.4.1", index=1):
    """Seconds that a handshake may take."""

    ssl_ctx_id: ContextId = 0
    negotiate_time: Annotated[int, Range(10, 300, "s")] = 300


class Sni(Setting, at="+QSSLCFG", key="sni", ref="2.4.1", index=1):
    """Tell the server the name it is known by."""

    ssl_ctx_id: ContextId = 0
    sni: Switch = Switch.OFF


class SessionCache(Setting, at="+QSSLCFG", key="session_cache", ref="2.4.1", index=1):
    """Resume an earlier session with a server instead of a whole handshake."""

    ssl_ctx_id: ContextId = 0
    session_cache_enable: Switch = Switch.OFF


class CaCert(Setting, at="+QSSLCFG", key="cacert", ref="2.4.1", index=1, test=""):
    """The module's file of the certificate authority that a server's certificate must come from; empty if none."""

    ssl_ctx_id: ContextId = 0
    cacert: FileName = ""


class ClientCert(Setting, at="+QSSLCFG", key="clientcert", ref="2.4.1", index=1, test=""):
    """The module's file of its own certificate; empty if none."""

    ssl_ctx_id: ContextId = 0
    clientcert: FileName = ""


class ClientKey(Setting, at="+QSSLCFG", key="clientkey", ref="2.4.1", index=1, test=""):
    """The module's file of the private key to its own certificate; empty if none."""

    ssl_ctx_id: ContextId = 0
    clientkey: FileName = ""


SETTINGS = (
    Version,
    Suite,
    Security,
    IgnoreTime,
    NegotiateTime,
    Sni,
    SessionCache,
    CaCert,
    ClientCert,
    ClientKey,
)


# ---- open and close, 2.4.2, 2.4.5 -----------------------------------------------------------------------------------


class Opened(Reply, at="+QSSLOPEN", ref="2.4.2"):
    """The connection finished opening; `err` is 0 or a socket code (manual 5, Table 3)."""

    connect_id: ConnectId
    err: Annotated[int, Coded("socket")]

    def fault(self) -> tuple[int, str] | None:
        return describe(self.err) if self.err else None


class Open(
    Command[Opened],
    at="+QSSLOPEN",
    ref="2.4.2",
    wait=450.0,
    late=True,
    test=("(0-5),(0-11),<server_address>,<server_port>,(0-2)",),
):
    """Open a connection and secure it.  Completes with the +QSSLOPEN line, or with CONNECT if transparent."""

    ssl_ctx_id: ContextId
    connect_id: ConnectId
    server_address: str
    server_port: TcpPort
    access_mode: Access = Access.BUFFER

    def connects(self) -> bool:
        return self.access_mode is Access.TRANSPARENT

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, Opened) and reply.connect_id == self.connect_id

    def finish(self, replies: Sequence[Reply], final: str) -> Opened:
        return Opened(self.connect_id, 0) if final == "CONNECT" else super().finish(replies, final)


class Close(Command[None], at="+QSSLCLOSE", ref="2.4.5", wait=10.0, test=("(0-11),(0-65535)",)):
    """Close a connection.  The peer has so many seconds to confirm."""

    connect_id: ConnectId
    close_timeout: Annotated[int, Range(0, 65535, "s")] = 10

    def timeout(self) -> float:
        return float(self.close_timeout) or Command.wait


# ---- send, 2.4.3 ----------------------------------------------------------------------------------------------------


class Send(
    Command[bool],
    at="+QSSLSEND",
    ref="2.4.3",
    wait=15.0,
    final=("SEND OK", "SEND FAIL"),
    test=("(0-11),(1-1460)",),
):
    """Send bytes after the ``>`` prompt.  False: the send buffer is full; nothing was taken, try again."""

    connect_id: ConnectId
    data: Annotated[bytes, Payload(1, MAX_SEND), Named("send_length")]


class SendUntil(Command[bool], at="+QSSLSEND", ref="2.4.3", wait=15.0, final=("SEND OK", "SEND FAIL")):
    """Send text that CTRL+Z ends.  For people at a terminal: the text cannot contain CTRL+Z or ESC."""

    connect_id: ConnectId
    data: Annotated[bytes, Payload(0, MAX_SEND, counted=False)]


# ---- receive, 2.4.4, 3.4 --------------------------------------------------------------------------------------------


class Data(Reply, at="+QSSLRECV", ref="2.4.4"):
    """Received bytes.  None: nothing is waiting."""

    data: Annotated[bytes, Payload(0, MAX_READ), Named("have_readlen")]


class Read(Command[Data], at="+QSSLRECV", ref="2.4.4", wait=5.0, arms=("ssl_data",), test=("(0-11),(1-1500)",)):
    """Read from a connection in buffer mode, at most `read_length` bytes."""

    connect_id: ConnectId
    read_length: Annotated[int, Range(1, MAX_READ, "byte")]


class Received(Reply, at="+QSSLURC", key="recv", ref="3.4.1"):
    """Data arrived.  With `data` in push mode; without, in buffer mode: Read until empty, it is said only once."""

    connect_id: Annotated[ConnectId, Named("client_id")]
    data: Annotated[bytes, Payload(0, MAX_READ), Named("current_recvlength")] | None = None


class Closed(Reply, at="+QSSLURC", key="closed", ref="3.4.2"):
    """The peer or a network fault closed the connection.  The id stays in use until Close."""

    connect_id: Annotated[ConnectId, Named("client_id")]


# ---- states, 2.4.6 --------------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a line of the states is about."""

    CLIENT = "SSLClient"


class Query(IntEnum):
    """Whose connections are asked for."""

    CONTEXT, SOCKET = 0, 1


class ConnectionInfo(Reply, at="+QSSLSTATE", ref="2.4.6"):
    """One connection: the far end, the module's own port, and its context; `server_id` repeats the id."""

    connect_id: ConnectId
    service_type: Kind
    ip_address: str
    remote_port: int
    local_port: int
    socket_state: SocketState
    server_id: int
    access_mode: Access
    devname: str
    ssl_ctx_id: ContextId


class ListConnections(Command[tuple[ConnectionInfo, ...]], at="+QSSLSTATE", ref="2.4.6", form="exec", test=()):
    """Report every connection, by ascending id."""


class ReadConnections(Command[tuple[ConnectionInfo, ...]], at="+QSSLSTATE", ref="2.4.6", form="read"):
    """The read form of ListConnections."""


class GetConnections(Command[tuple[ConnectionInfo, ...]], at="+QSSLSTATE", ref="2.4.6"):
    """Report the connections of one context."""

    query_type: Annotated[Query, Only(Query.CONTEXT), Note("S12")]
    ssl_ctx_id: ContextId


class GetConnection(Command[tuple[ConnectionInfo, ...]], at="+QSSLSTATE", ref="2.4.6"):
    """Report one connection; nothing if the id is unused."""

    query_type: Annotated[Query, Only(Query.SOCKET), Note("S12")]
    connect_id: ConnectId
