"""TCP sockets: manual 2.3."""

from __future__ import annotations

import binascii

from fcm360w.commands.codes import SOCKET_TEXTS, SocketCode
from fcm360w.commands.tcp import (
    MAX_SEND,
    Access,
    Close,
    CloseMode,
    Data,
    DataFormat,
    Escape,
    Format,
    GetLastError,
    GetReceiveCount,
    GetSent,
    GetSocket,
    LastError,
    ListSockets,
    Open,
    Opened,
    Read,
    ReadSockets,
    ReceiveCount,
    Resume,
    Send,
    SendTimeout,
    SendTo,
    SendUntil,
    Sent,
    Service,
    SocketState,
    SwitchMode,
)
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.network import is_address
from fcm360w.sim.sockets import Socket
from fcm360w.sim.steps import Answer, Connect, Prompt, Refused, Steps, Wait

NO_CARRIER = "NO CARRIER"
CONFIRMED_EVERY = 0.002


@handles(Open)
def open_socket(module: Module, command: Open) -> Steps:
    _check(module, command)
    transparent = command.access_mode is Access.TRANSPARENT
    if not module.radio.up:
        code = SocketCode.CONNECT_FAILED if is_address(command.host) else SocketCode.DNS_FAILED
        if transparent:
            raise Refused(code)
        module.notify(Opened(command.connect_id, code))
        return None
    if not transparent:
        module.sockets.open(command, lambda socket: module.notify(Opened(socket.id, socket.failure)))
        return None
    socket = module.sockets.open(command, lambda _: None)
    yield Wait(lambda: socket.state is not SocketState.OPENING, command.timeout())
    if not socket.connected:
        module.sockets.free(socket)
        raise Refused(socket.failure or SocketCode.CONNECT_FAILED)
    return Connect(socket)


def _check(module: Module, command: Open) -> None:
    if command.service_type is Service.INCOMING:
        raise Refused(SocketCode.INVALID_PARAMETERS)
    if command.service_type is not Service.TCP:
        raise Refused(SocketCode.NOT_SUPPORTED)
    if not command.remote_port or not command.host:
        raise Refused(SocketCode.INVALID_PARAMETERS)
    if module.sockets.find(command.connect_id):
        raise Refused(SocketCode.ID_IN_USE)


@handles(Close)
def close(module: Module, command: Close) -> Steps:
    socket = module.sockets.find(command.connect_id)
    if socket is None or socket.close_until is not None:
        if module.dialect.close_unused_error:
            raise Refused(SocketCode.CLOSED)
        return None
    done = module.sockets.shut(socket)
    if module.setting(CloseMode).close_mode:
        socket.close_until = module.now + command.timeout_s
        return None
    yield Wait(done, command.timeout_s, every=CONFIRMED_EVERY)
    module.sockets.free(socket)
    return None


@handles(ListSockets)
def list_sockets(module: Module, command: ListSockets) -> Answer:
    return tuple(socket.info() for socket in module.sockets.every())


@handles(ReadSockets)
def read_sockets(module: Module, command: ReadSockets) -> Answer:
    return tuple(socket.info() for socket in module.sockets.every())


@handles(GetSocket)
def get_socket(module: Module, command: GetSocket) -> Answer:
    socket = module.sockets.find(command.connect_id)
    return (socket.info(),) if socket else ()


@handles(GetSent)
def get_sent(module: Module, command: GetSent) -> Answer:
    socket = module.sockets.get(command.connect_id)
    total, unacked = socket.sent()
    return (Sent(total, total - unacked, unacked),)


@handles(Send)
def send(module: Module, command: Send) -> Steps:
    return (yield from _send(module, command.connect_id, len(command.data)))


@handles(SendUntil)
def send_until(module: Module, command: SendUntil) -> Steps:
    return (yield from _send(module, command.connect_id, None))


@handles(SendTo)
def send_to(module: Module, command: SendTo) -> Answer:
    module.sockets.get(command.connect_id)
    raise Refused(SocketCode.NOT_ALLOWED)


def _send(module: Module, number: int, count: int | None) -> Steps:
    module.sockets.client(number)
    patience = float(module.setting(SendTimeout).timeout)
    typed: bytes = yield Prompt(count, MAX_SEND, patience)
    data = _decoded(typed) if module.setting(DataFormat).send_data_format is Format.HEX else typed
    link = module.sockets.client(number).connection
    if link is None or len(data) > link.room():
        return "SEND FAIL"
    link.send(data)
    return "SEND OK"


def _decoded(digits: bytes) -> bytes:
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        raise Refused(SocketCode.INVALID_PARAMETERS) from None


@handles(Read)
def read(module: Module, command: Read) -> Answer:
    socket = module.sockets.get(command.connect_id)
    if socket.access is not Access.BUFFER:
        raise Refused(SocketCode.NOT_ALLOWED)
    return (Data(socket.take(command.read_length)),)


@handles(GetReceiveCount)
def get_receive_count(module: Module, command: GetReceiveCount) -> Answer:
    socket = module.sockets.get(command.connect_id)
    waiting = len(socket.inbox)
    return (ReceiveCount(socket.received, socket.received - waiting, waiting),)


@handles(SwitchMode)
def switch_mode(module: Module, command: SwitchMode) -> Answer:
    if command.access_mode is Access.TRANSPARENT:
        return Connect(module.sockets.client(command.connect_id))
    socket = module.sockets.get(command.connect_id)
    socket.access = command.access_mode
    socket.announced = False
    return ()


@handles(GetLastError)
def get_last_error(module: Module, command: GetLastError) -> Answer:
    return (LastError(module.last_error, SOCKET_TEXTS[module.last_error]),)


@handles(Resume)
def resume(module: Module, command: Resume) -> Answer:
    socket = _resumable(module)
    return Connect(socket) if socket else NO_CARRIER


def _resumable(module: Module) -> Socket | None:
    """The last transparent socket, else the lowest connected one."""
    last = module.sockets.find(-1 if module.sockets.last_transparent is None else module.sockets.last_transparent)
    candidates = [*([last] if last else []), *module.sockets.every()]
    return next((socket for socket in candidates if socket.connected), None)


@handles(Escape)
def escape(module: Module, command: Escape) -> Answer:
    return ()
