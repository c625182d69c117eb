"""Sockets of the module with the manners of `socket.socket`, for programs that know no other, in threads.

    http.client     connection._create_connection = module.create_connection
    paho-mqtt       class Client(mqtt.Client): def _create_socket_connection(self): return module.create_connection(...)
    socketserver    server.socket = fcm360w.sockets.Socket(module), bound

What the module cannot do is an OSError, EOPNOTSUPP: closing one direction only, looking at bytes without taking them.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fcm360w.commanded import Commanded
from fcm360w.contexts import Context
from fcm360w.datagrams import Datagrams, open_client, open_service
from fcm360w.errors import UsageError
from fcm360w.listener import Listening, open_listener
from fcm360w.opening import open_channel
from fcm360w.sharing import End, any_port, datagram, dotted, ended, received, sent, whereabouts
from fcm360w.socket_errors import failure, told
from fcm360w.socketbase import ANY, Address, SocketBase, place
from fcm360w.streams import CLOSE_WAIT, flat, sized, writable_bytes
from fcm360w.turns import Turns, limited, perform

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fcm360w.module import Module

R = TypeVar("R")
TRIES = 16


def seconds(timeout: object) -> float | None:
    """A time-out as a caller of socket.create_connection may give it: anything that is no number is the default's."""
    return (
        float(timeout) if isinstance(timeout, int | float) else None if timeout is None else socket.getdefaulttimeout()
    )


def create_connection(
    module: Module, address: Address, timeout: object, source_address: Address | None, context: Context | None
) -> Socket:
    """See Module.create_connection."""
    made = Socket(module, tls=context)
    made.settimeout(seconds(timeout))
    try:
        if source_address:
            made.bind(source_address)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


class Socket(SocketBase):
    """A socket of the module: TCP or UDP by its `type`, under TLS if it is given a context.

    Errors are those of socket.socket, see socket_errors.  Who does not wait (`settimeout(0)`) waits for no peer; a
    command of the module it takes all the same, which is milliseconds, and at most a second for those of others.
    In `mode` buffer what nobody receives stays in the module, and its peer must wait; in push mode this side drops what
    exceeds 4 MiB, which is EIO.  Up to twelve share the link, a command of 1460 bytes each in turn.
    """

    # ---- coming about

    def bind(self, address: Address) -> None:
        """Choose the module's own port; 0 is any.  A UDP socket is open then.  The host is "" or the module's own."""
        host, port = place(address)
        if self._end or self._name[1]:
            raise failure(errno.EINVAL, "the socket is bound already")
        if host not in ("", ANY) and host != self._where(-1)[0]:
            raise failure(errno.EADDRNOTAVAIL, host)
        self._name, self._any = (ANY, port or any_port()), not port
        if self.type is socket.SOCK_DGRAM:
            self._serve(partial(open_service, self._link))

    def listen(self, backlog: int = 128) -> None:
        """Let clients in.  `backlog` is the module's affair: clients that wait to be accepted have an id each."""
        if self.type is not socket.SOCK_STREAM or self._tls:
            raise failure(errno.EOPNOTSUPP, "the module serves TCP only")
        if isinstance(self._end, Listening):
            return
        if self._end:
            raise failure(errno.EISCONN)
        if not self._name[1]:
            self.bind(("", 0))
        self._serve(lambda port: open_listener(self._link, port, self._mode, False))

    def _serve(self, opening: Callable[[int], Turns[End]]) -> None:
        """Open what waits for others; if any port will do, and nobody knows which, another if it is taken."""
        for last in reversed(range(TRIES)):
            try:
                self._hold(self._do(opening(self._name[1])))
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not (self._any and last):
                    raise
                self._name = (ANY, any_port())

    def accept(self) -> tuple[Socket, Address]:
        """The client that has waited longest, and its address."""
        end = self._opened()
        if not isinstance(end, Listening):
            raise failure(errno.EINVAL, "the socket does not listen")
        channel = self._do(end.accept(self._turn_by() if end.waiting else self._deadline()))
        client = Socket(self._module, mode=self._mode)
        client._hold(channel)
        client._peer = channel.peer
        return client, channel.peer

    def connect(self, address: Address) -> None:
        """Connect; a host is an address or a name, which the module looks up.

        BlockingIOError, EINPROGRESS, for a socket that does not wait: it is writable when it is done, and getsockopt of
        SO_ERROR says how.
        """
        peer = place(address)
        self._check()
        if self._connecting:
            raise failure(errno.EALREADY)
        if self._end:
            raise failure(errno.EISCONN if self._peer else errno.EINVAL)
        if self._name[1]:
            raise failure(errno.EOPNOTSUPP, "the module chooses the port that it connects from")
        if self._timeout != 0:
            self._connect(peer, self._deadline())
            return
        self._connecting = True
        if signal := self._signal:
            signal.hold_until(None)
        threading.Thread(target=self._connect_late, args=(peer,), daemon=True).start()
        raise failure(errno.EINPROGRESS)

    def connect_ex(self, address: Address) -> int:
        """As connect, but returns the errno of what went wrong, 0 if nothing did."""
        try:
            self.connect(address)
        except socket.gaierror:
            raise
        except OSError as error:
            return error.errno or (errno.EAGAIN if isinstance(error, TimeoutError) else errno.EIO)
        return 0

    def _connect(self, peer: Address, deadline: float | None) -> None:
        opening: Turns[Commanded | Datagrams]
        if self.type is socket.SOCK_DGRAM:
            opening = open_client(self._link, *peer)
        else:
            opening = open_channel(self._link, *peer, self._mode, self._tls)  # type: ignore[assignment]
        with told():
            end = self._module.drive(limited(self._link, opening, deadline))
        self._hold(end)
        self._peer = peer

    def _connect_late(self, peer: Address) -> None:
        try:
            self._connect(peer, None)
        except OSError as error:
            self._error = error.errno or errno.EIO
        except Exception:
            self._error = errno.EINVAL
            raise
        finally:
            self._connecting = False
            self._module.drive(self._settled())
            if self._closed:
                self._part()

    def _settled(self) -> Turns[None]:
        """Let whoever waits for the connection look."""
        if signal := self._signal:
            signal.failed = bool(self._error)
            signal.resume()
            signal.show()
        yield from ()

    # ---- receiving

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """At least one byte and at most `bufsize`, or a datagram as far as it fits; nothing at the end of a stream."""
        buffer = sized(bufsize)
        return bytes(memoryview(buffer)[: self.recv_into(buffer, 0, flags)])

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """As recv, into a buffer; how many bytes."""
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Address | None]:
        """As recv, and from whom, which of a stream is None."""
        buffer = sized(bufsize)
        count, sender = self.recvfrom_into(buffer, 0, flags)
        return bytes(memoryview(buffer)[:count]), sender

    def recvfrom_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> tuple[int, Address | None]:
        """As recvfrom, into a buffer; how many bytes."""
        waits, end = self._flags(flags), self._carrier()
        view = writable_bytes(buffer, nbytes)
        if isinstance(end, Datagrams):
            came = self._do(datagram(end, self._deadline(waits)), waits)
            count = min(len(view), len(came.data))
            view[:count] = came.data[:count]
            return count, (came.ip, came.port)
        if not view or self._deaf:
            return 0, None
        return self._do(received(end, view, self._deadline(waits)), waits), None

    # ---- sending

    def send(self, data: Buffer, flags: int = 0) -> int:
        """As many bytes as one command carries, 1460 at most, or a datagram; how many."""
        waits, end, view = self._flags(flags), self._speaker(), flat(data)
        if isinstance(end, Datagrams):
            return self._send_datagram(end, bytes(view), self._peer)
        if not view:
            return 0
        return self._offer(end.send_some(view, self._deadline(waits), self._turn_by(waits)), waits)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """All bytes; they are on their way to the module when it returns."""
        waits, end = self._flags(flags), self._speaker()
        if isinstance(end, Datagrams):
            self.send(data, flags)
            return
        deadline = self._deadline(waits)
        self._offer(sent(end, flat(data), deadline, lambda: self._turn_by(waits, deadline)), waits)

    def sendmsg(
        self, buffers: Iterable[Buffer], ancdata: Iterable[object] = (), flags: int = 0, address: Address | None = None
    ) -> int:
        """As send or sendto, of several buffers.  There is no ancillary data."""
        data = b"".join(flat(buffer) for buffer in buffers)
        return self.sendto(data, flags, address) if address else self.send(data, flags)

    def sendto(self, data: Buffer, *args: Any) -> int:
        """`sendto(data[, flags], address)`: a datagram to a dotted address.  What is not bound gets any port."""
        host, port = place(args[-1] if args else None)
        self._flags(args[0] if len(args) > 1 else 0)
        if self.type is not socket.SOCK_DGRAM or self._peer:
            raise failure(errno.EISCONN if self._peer else errno.EOPNOTSUPP)
        if not dotted(host):
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: a datagram needs a dotted address")
        if self._end is None:
            self.bind(("", 0))
        end = self._carrier()
        assert isinstance(end, Datagrams)
        return self._send_datagram(end, bytes(flat(data)), (host, port))

    def _send_datagram(self, end: Datagrams, data: bytes, peer: Address | None) -> int:
        if peer is None:
            raise failure(errno.EDESTADDRREQ)
        deadline = self._turn_by()
        sending = end.send_to(data, *peer, deadline) if end.peer is None else end.send(data, deadline)
        try:
            self._offer(sending, self._timeout != 0)
        except UsageError as error:
            raise failure(errno.EMSGSIZE, error) from error
        return len(data)

    # ---- ends

    def shutdown(self, how: int) -> None:
        """SHUT_RD: nothing more is received.  SHUT_RDWR closes the connection, SHUT_WR is EOPNOTSUPP."""
        end = self._carrier()
        if how == socket.SHUT_WR:
            raise failure(errno.EOPNOTSUPP, "the module cannot close one direction of a connection")
        self._deaf = True
        if how == socket.SHUT_RDWR:
            self._mute = True
            self._do(ended(end, CLOSE_WAIT))

    # ---- what it says of itself

    def getpeername(self) -> Address:
        """The far end."""
        if self._peer is None or self._end is None:
            raise failure(errno.ENOTCONN)
        host, port = self._peer
        if not dotted(host):
            host = self._do(perform(self._link, whereabouts(self.connect_id, self._tls is not None))).remote_ip or host
        return host, port

    def getsockname(self) -> Address:
        """The module's own address and port; 0.0.0.0 unless it is connected."""
        if self._peer is None:
            self._check()
            self._any = False
            return self._name
        if not self._name[1]:
            self._name = self._where(self.connect_id)
        return self._name

    def _where(self, connect_id: int) -> Address:
        found = self._do(perform(self._link, whereabouts(connect_id, self._tls is not None)))
        return found.ip, found.port
