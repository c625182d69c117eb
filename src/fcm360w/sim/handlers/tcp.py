"""TCP and UDP sockets: manual 2.3."""

from __future__ import annotations

import binascii
from collections.abc import Generator
from typing import Any

from fcm360w.commands.codes import SOCKET_TEXTS, SocketCode
from fcm360w.commands.tcp import (
    MAX_SEND,
    Accept,
    Accepted,
    Access,
    Choice,
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
    SocketInfo,
    SocketState,
    SwitchMode,
)
from fcm360w.sim.endpoints import Client, Socket, UdpService
from fcm360w.sim.foreign import GetSocketOfType
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.network import is_address
from fcm360w.sim.steps import Answer, Connect, Ending, Prompt, Refused, Step, Steps, Wait

NO_CARRIER = "NO CARRIER"
CONFIRMED_EVERY = 0.002
SERVERS = (Service.LISTENER, Service.UDP_SERVICE)
EVERY_ADDRESS = ("", "0.0.0.0", "127.0.0.1")


def _own_address(module: Module) -> str:
    """The station's; while it has none, that of the module's own hotspot."""
    radio = module.radio
    return radio.addresses.ip if radio.up or not radio.ap_up else radio.own.addresses.ip


# ---- open and close -------------------------------------------------------------------------------------------------


@handles(Open)
def open_socket(module: Module, command: Open) -> Steps:
    _check(module, command)
    transparent = command.access_mode is Access.TRANSPARENT
    if code := _unreachable(module, command):
        if transparent:
            raise Refused(code)
        module.notify(Opened(command.connect_id, code))
        return None
    if not transparent:
        module.sockets.open(command, lambda socket: _tell(module, socket))
        return None
    return (yield from opening(module, module.sockets.open(command, lambda _: None), command.timeout()))


def opening(module: Module, socket: Socket, seconds: float) -> Steps:
    """Wait until a socket is connected, and give it the serial port.  Refused if it is not after so long."""
    yield Wait(lambda: socket.state is not SocketState.OPENING, seconds)
    if not isinstance(socket, Client) or not socket.connected:
        module.sockets.free(socket)
        raise Refused(socket.failure or SocketCode.CONNECT_FAILED)
    return Connect(socket)


def _tell(module: Module, socket: Socket) -> None:
    module.notify(Opened(socket.id, socket.failure))


def _check(module: Module, command: Open) -> None:
    server = command.service_type in SERVERS
    if command.service_type is Service.INCOMING:
        raise Refused(SocketCode.INVALID_PARAMETERS)
    if not (command.local_port if server else command.remote_port and command.host):
        raise Refused(SocketCode.INVALID_PARAMETERS)
    if server and command.access_mode is Access.TRANSPARENT:
        raise Refused(SocketCode.NOT_SUPPORTED)
    if module.sockets.holder(command.connect_id):
        raise Refused(SocketCode.ID_IN_USE)


def _unreachable(module: Module, command: Open) -> SocketCode:
    """What is in the way before the network is asked."""
    server = command.service_type in SERVERS
    if not (module.radio.up or module.radio.ap_up):
        return SocketCode.CONNECT_FAILED if server or is_address(command.host) else SocketCode.DNS_FAILED
    elsewhere = server and command.host not in (*EVERY_ADDRESS, _own_address(module))
    return SocketCode.BIND_FAILED if elsewhere else SocketCode.SUCCESS


@handles(Close)
def close(module: Module, command: Close) -> Steps:
    socket = closable(module, module.sockets.holder(command.connect_id))
    if socket and module.setting(CloseMode).close_mode:
        socket.shut()
        socket.close_until = module.now + command.timeout_s
    elif socket:
        yield from closing(module, socket, command.timeout_s)
    return None


def closable(module: Module, socket: Socket | None, *, secure: bool = False) -> Socket | None:
    """What is to be closed; None if nothing is.  Refused if it is not for this command to close."""
    if socket and socket.secure is not secure:
        raise Refused(SocketCode.NOT_ALLOWED)
    if socket is None or socket.close_until is not None:
        if module.dialect.close_unused_error:
            raise Refused(SocketCode.CLOSED)
        return None
    return socket


def closing(module: Module, socket: Socket, seconds: float) -> Steps:
    """Close, and wait until the peer has confirmed, or so long."""
    socket.shut()
    yield Wait(socket.gone, seconds, every=CONFIRMED_EVERY)
    module.sockets.free(socket)
    return None


@handles(Accept)
def accept(module: Module, command: Accept) -> Answer:
    listener = module.sockets.listener(command.listener_socket_id)
    if not listener.pending:
        return ()
    if command.accept is Choice.REJECT:
        listener.pending.popleft().close()
        return ()
    client = module.sockets.accept(listener, command.incoming_socket_id).info(_own_address(module))
    return (Accepted(client.connect_id, client.ip_address, client.remote_port),)


# ---- state ----------------------------------------------------------------------------------------------------------


def _states(module: Module, sockets: list[Socket]) -> tuple[SocketInfo, ...]:
    return tuple(socket.info(_own_address(module)) for socket in sockets if not socket.secure)


@handles(ListSockets)
def list_sockets(module: Module, command: ListSockets) -> Answer:
    return _states(module, module.sockets.every())


@handles(ReadSockets)
def read_sockets(module: Module, command: ReadSockets) -> Answer:
    return _states(module, module.sockets.every())


@handles(GetSocket)
def get_socket(module: Module, command: GetSocket) -> Answer:
    socket = module.sockets.find(command.connect_id)
    return _states(module, [socket] if socket else [])


@handles(GetSocketOfType)
def get_socket_of_type(module: Module, command: GetSocketOfType) -> Answer:
    if not module.dialect.qistate_type:
        raise Refused
    return get_socket(module, GetSocket(command.connect_id))


@handles(GetLastError)
def get_last_error(module: Module, command: GetLastError) -> Answer:
    return (LastError(module.last_error, SOCKET_TEXTS[module.last_error]),)


# ---- send -----------------------------------------------------------------------------------------------------------


@handles(GetSent)
def get_sent(module: Module, command: GetSent) -> Answer:
    total, unacked = module.sockets.carrier(command.connect_id).sent()
    return (Sent(total, total - unacked, unacked),)


@handles(Send)
def send(module: Module, command: Send) -> Steps:
    return (yield from _send(module, command.connect_id, len(command.data)))


@handles(SendUntil)
def send_until(module: Module, command: SendUntil) -> Steps:
    return (yield from _send(module, command.connect_id, None))


def _send(module: Module, number: int, count: int | None) -> Steps:
    if isinstance(module.sockets.find(number), UdpService):
        raise Refused(SocketCode.INVALID_PARAMETERS)  # to whom?
    module.sockets.client(number)
    data = yield from _typed(module, count)
    return sending(module.sockets.client(number).send(data, module.dialect.send_buffer))


@handles(SendTo)
def send_to(module: Module, command: SendTo) -> Steps:
    module.sockets.service(command.connect_id)
    data = yield from _typed(module, len(command.data))
    return sending(module.sockets.service(command.connect_id).send(data, command.remote_ip, command.remote_port))


def sending(taken: bool) -> Ending:
    """The final result of a send."""
    return "SEND OK" if taken else "SEND FAIL"


def _typed(module: Module, count: int | None) -> Generator[Step, Any, bytes]:
    """What the host enters after the prompt, as it goes to the network."""
    hexed = module.setting(DataFormat).send_data_format is Format.HEX
    width = 2 if hexed and module.dialect.hex_send_bytes else 1
    typed = yield from entry(module, None if count is None else count * width, MAX_SEND * width)
    return _decoded(typed) if hexed else typed


def entry(module: Module, count: int | None, limit: int) -> Generator[Step, Any, bytes]:
    """What the host enters after the prompt."""
    typed: bytes = yield Prompt(count, limit, float(module.setting(SendTimeout).timeout))
    return typed


def _decoded(digits: bytes) -> bytes:
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        raise Refused(SocketCode.INVALID_PARAMETERS) from None


# ---- receive --------------------------------------------------------------------------------------------------------


@handles(Read)
def read(module: Module, command: Read) -> Answer:
    socket = module.sockets.carrier(command.connect_id)
    if socket.access is not Access.BUFFER:
        raise Refused(SocketCode.NOT_ALLOWED)
    return (Data(*socket.take(module.holds(command.read_length))),)


@handles(GetReceiveCount)
def get_receive_count(module: Module, command: GetReceiveCount) -> Answer:
    socket = module.sockets.carrier(command.connect_id)
    unread = len(socket.inbox)
    return (ReceiveCount(socket.taken + unread, socket.taken, unread),)


# ---- modes ----------------------------------------------------------------------------------------------------------


@handles(SwitchMode)
def switch_mode(module: Module, command: SwitchMode) -> Answer:
    number, secure = command.connect_id, _is_secure(module, command.connect_id)
    socket = module.sockets.get(number, secure=secure)
    if command.access_mode is Access.TRANSPARENT:
        if not isinstance(socket, Client):
            raise Refused(SocketCode.NOT_SUPPORTED)
        return Connect(module.sockets.client(number, secure=secure))
    if socket.state is SocketState.OPENING:
        raise Refused(SocketCode.BUSY)
    socket.access = command.access_mode
    socket.announced = False
    return ()


def _is_secure(module: Module, number: int) -> bool:
    """The one command that is for sockets of both sorts (T33); where both have this id, it is for TCP and UDP."""
    return not module.sockets.find(number) and module.sockets.find(number, secure=True) is not None


@handles(Resume)
def resume(module: Module, command: Resume) -> Answer:
    socket = _resumable(module)
    return Connect(socket) if socket else NO_CARRIER


def _resumable(module: Module) -> Client | None:
    """The last transparent socket, else the lowest connected one."""
    last = module.sockets.last_transparent
    candidates = [*([last] if last else []), *module.sockets.every()]
    return next((socket for socket in candidates if isinstance(socket, Client) and socket.connected), None)


@handles(Escape)
def escape(module: Module, command: Escape) -> Answer:
    return ()
