"""TLS connections: manual 2.4."""

from __future__ import annotations

from functools import partial

from fcm360w.commands import tcp
from fcm360w.commands.codes import SocketCode
from fcm360w.commands.tcp import MAX_SEND, Access
from fcm360w.commands.tls import (
    Close,
    Data,
    GetConnection,
    GetConnections,
    ListConnections,
    NegotiateTime,
    Open,
    Opened,
    Read,
    ReadConnections,
    Send,
    SendUntil,
)
from fcm360w.sim.endpoints import Socket
from fcm360w.sim.handlers import handles
from fcm360w.sim.handlers.tcp import closable, closing, entry, opening, sending
from fcm360w.sim.module import Module
from fcm360w.sim.network import is_address
from fcm360w.sim.secure_client import SecureClient
from fcm360w.sim.steps import Answer, Refused, Steps


@handles(Open)
def open_connection(module: Module, command: Open) -> Steps:
    if not command.server_address:
        raise Refused(SocketCode.INVALID_PARAMETERS)
    if module.sockets.holder(command.connect_id, secure=True):
        raise Refused(SocketCode.ID_IN_USE)
    transparent = command.access_mode is Access.TRANSPARENT
    if not (module.radio.up or module.radio.ap_up):
        code = SocketCode.CONNECT_FAILED if is_address(command.server_address) else SocketCode.DNS_FAILED
        if transparent:
            raise Refused(code)
        module.notify(Opened(command.connect_id, code))
        return None
    if not transparent:
        _begin(module, command)
        return None
    patience = tcp.Open.wait + module.setting(NegotiateTime, command.ssl_ctx_id).negotiate_time
    return (yield from opening(module, _begin(module, command), patience))


def _begin(module: Module, command: Open) -> Socket:
    number, access = command.connect_id, command.access_mode

    def done(socket: Socket) -> None:
        if access is not Access.TRANSPARENT:
            module.notify(Opened(number, socket.failure))

    plain = tcp.Open(number, tcp.Service.TCP, command.server_address, command.server_port, 0, access)
    dial = partial(module.dial, module.sockets)
    return module.sockets.begin(SecureClient(number, access, command.ssl_ctx_id, dial), plain, done)


@handles(Close)
def close(module: Module, command: Close) -> Steps:
    socket = closable(module, module.sockets.holder(command.connect_id, secure=True), secure=True)
    if socket:
        yield from closing(module, socket, command.close_timeout)
    return None


@handles(Send)
def send(module: Module, command: Send) -> Steps:
    return (yield from _send(module, command.connect_id, len(command.data)))


@handles(SendUntil)
def send_until(module: Module, command: SendUntil) -> Steps:
    return (yield from _send(module, command.connect_id, None))


def _send(module: Module, number: int, count: int | None) -> Steps:
    module.sockets.client(number, secure=True)
    data = yield from entry(module, count, MAX_SEND)
    return sending(module.sockets.client(number, secure=True).send(data, module.dialect.send_buffer))


@handles(Read)
def read(module: Module, command: Read) -> Answer:
    socket = module.sockets.carrier(command.connect_id, secure=True)
    if socket.access is not Access.BUFFER:
        raise Refused(SocketCode.NOT_ALLOWED)
    return (Data(socket.take(command.read_length).data),)


# ---- state ----------------------------------------------------------------------------------------------------------


def _connections(module: Module) -> list[SecureClient]:
    return [socket for socket in module.sockets.every() if isinstance(socket, SecureClient)]


@handles(ListConnections)
def list_connections(module: Module, command: ListConnections) -> Answer:
    return tuple(socket.connection_info() for socket in _connections(module))


@handles(ReadConnections)
def read_connections(module: Module, command: ReadConnections) -> Answer:
    return list_connections(module, ListConnections())


@handles(GetConnections)
def get_connections(module: Module, command: GetConnections) -> Answer:
    return tuple(socket.connection_info() for socket in _connections(module) if socket.context == command.ssl_ctx_id)


@handles(GetConnection)
def get_connection(module: Module, command: GetConnection) -> Answer:
    return tuple(socket.connection_info() for socket in _connections(module) if socket.id == command.connect_id)
