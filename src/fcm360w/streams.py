"""Byte streams over a module for programs with threads: close to `socket.socket`, and files over them."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from fcm360w.channel import Channel, Report
from fcm360w.commands.tcp import Sent
from fcm360w.errors import FCM360WError, PeerClosed, SendTimeout, UsageError
from fcm360w.inbox import Chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fcm360w.module import Module

CLOSE_WAIT = 10.0


def writable_bytes(buffer: Buffer, nbytes: int = 0) -> memoryview:
    """The first `nbytes` bytes, all if 0, of a buffer that may be received into.  UsageError if it may not."""
    if nbytes < 0:
        raise UsageError(f"nbytes is 0 or more, not {nbytes}")
    view = flat(buffer)
    if view.readonly:
        raise UsageError("recv_into needs a writable buffer")
    return view[:nbytes] if nbytes else view


def flat(buffer: Buffer) -> memoryview:
    """The bytes of a buffer.  UsageError if they are not in one piece, or it is an array without any."""
    try:
        return memoryview(buffer).cast("B")
    except (TypeError, ValueError, BufferError) as error:
        raise UsageError(f"the buffer is empty, not contiguous or of a foreign format: {error}") from error


def sized(size: int) -> bytearray:
    """Room for `size` bytes.  UsageError if that is negative."""
    if size < 0:
        raise UsageError(f"recv needs a size of 0 or more, not {size}: there is no reading to the end")
    return bytearray(size)


class Holders:
    """Who has suspended a stream; whoever did would wait for itself, were it to send or receive."""

    def __init__(self) -> None:
        self._holding: list[object] = []

    def check(self, who: object) -> None:
        if self._holding and who in self._holding:
            raise UsageError(
                "the stream is suspended here: neither sending nor receiving is possible before it goes on"
            )

    @contextlib.contextmanager
    def hold(self, who: object) -> Iterator[None]:
        self._holding.append(who)
        try:
            yield
        finally:
            self._holding.remove(who)


class Stream:
    """A TCP connection of the module.

    One thread may send while another receives.  `sent` and `received` count payload bytes; `report` is there once the
    stream is closed, and says how much of what was sent the peer's system acknowledged.
    """

    def __init__(self, module: Module, channel: Channel) -> None:
        self._module = module
        self._channel = channel
        self._timeout: float | None = None
        self._holders = Holders()

    @property
    def connect_id(self) -> int:
        """The module's socket id, 0 to 11."""
        return self._channel.connect_id

    @property
    def peer(self) -> tuple[str, int]:
        """The far end: host and port as they were asked for, or a client's as the module told them."""
        return self._channel.peer

    @property
    def transparent(self) -> bool:
        """Whether the serial port is the stream, so that nothing else can be done with the module."""
        return self._channel.transparent

    @property
    def over(self) -> bool:
        """Whether the module has nothing of it any more: what is left is what was received."""
        return self._channel.report is not None

    @property
    def sent(self) -> int:
        return self._channel.sent

    @property
    def received(self) -> int:
        return self._channel.received

    @property
    def report(self) -> Report | None:
        return self._channel.report

    def settimeout(self, seconds: float | None) -> None:
        """Limit every later call; None waits for ever.  A call that runs out raises TimeoutError.

        A command that has begun is not cut short: that takes milliseconds, but if the module has fallen silent 20 s,
        the manual's time and what it takes to look for it.  Nor is finding out whether NO CARRIER was payload: two
        guards.
        """
        self._timeout = seconds

    def sendall(self, data: Buffer) -> None:
        """Send all bytes; they are on their way to the module when it returns.

        PeerClosed if the connection ended; `sent` then tells how many bytes went, its error how many are uncertain.
        SendTimeout, of a limit that was set, says how much of the data has gone.
        A lone ``+++`` in transparent mode takes a guard time more, since it must not stand alone between silences.
        """
        self._holders.check(threading.get_ident())
        self._module.drive(self._channel.send(flat(data), self._deadline()))

    def recv_into(self, buffer: Buffer, nbytes: int = 0) -> int:
        """Receive at least one byte into a writable buffer (any: bytearray, memoryview, numpy array); how many.

        `nbytes` limits it; 0 is the buffer's size.  PeerClosed once all that came before the end has been received.
        """
        self._holders.check(threading.get_ident())
        view = writable_bytes(buffer, nbytes)
        return self._module.drive(self._channel.receive_into(view, self._deadline())) if view else 0

    def recv(self, size: int) -> bytes:
        """Receive at least one and at most `size` bytes.  PeerClosed at the end, not empty bytes: see makefile."""
        buffer = sized(size)
        count = self.recv_into(buffer)
        return bytes(memoryview(buffer)[:count])

    def recv_chunk(self, size: int) -> Chunk:
        """As recv, but only bytes that one read of the port brought, with its time, in seconds of `Module.clock`.

        What may be the module's own NO CARRIER comes later than the rest of its read, with the same time.  If more
        than 1024 reads wait to be received, the oldest of them count as one.
        """
        self._holders.check(threading.get_ident())
        buffer = sized(size)
        if not buffer:
            return Chunk(self._module.clock(), b"")
        at, count = self._module.drive(self._channel.receive_chunk_into(memoryview(buffer), self._deadline()))
        return Chunk(at, bytes(memoryview(buffer)[:count]))

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Leave data mode for a while, so that any thread can run commands; in push and buffer mode it always can.

        Takes two guard times and more.  Who sends or receives meanwhile waits; the thread that suspended the stream
        must not: UsageError.  What the peer sends meanwhile is received afterwards.  CommandTimeout if the module does
        not leave data mode, after which the stream goes on, or does not return to it, after which it has ended.
        """
        module, channel = self._module, self._channel
        module.drive(channel.suspend())
        try:
            with self._holders.hold(threading.get_ident()):
                yield
        except BaseException as error:
            try:
                module.drive(channel.resume())
            except (OSError, FCM360WError) as second:
                error.add_note(f"the stream does not go on: {second}")
            raise
        module.drive(channel.resume())

    def verify(self) -> Sent:
        """How many bytes the module has sent, how many of them the peer's system has acknowledged, and how many not.

        In transparent mode the stream is suspended for it.  PeerClosed if the connection ended.
        """
        return self._module.drive(self._channel.verify())

    def makefile(self, mode: str = "rb", buffering: int = -1, **text: Any) -> IO[Any]:
        """A file over the stream, as `socket.makefile` makes: ``r``, ``w`` or both, ``b`` for bytes."""
        if not set(mode) <= set("rwb") or not set(mode) & set("rw"):
            raise UsageError(f"mode {mode!r} is not made of r, w and b")
        raw = StreamIO(self, "r" in mode, "w" in mode)
        size = io.DEFAULT_BUFFER_SIZE if buffering < 0 else buffering
        if size == 0:
            return raw  # type: ignore[return-value]
        binary: Any = (
            io.BufferedRWPair(raw, raw, size)
            if "r" in mode and "w" in mode
            else io.BufferedReader(raw, size)
            if "r" in mode
            else io.BufferedWriter(raw, size)
        )
        return binary if "b" in mode else io.TextIOWrapper(binary, **text)

    def close(self, wait: float = CLOSE_WAIT) -> Report:
        """Leave data mode, wait at most `wait` s for the peer to acknowledge, as long for it to close, free the id."""
        try:
            return self._module.drive(self._channel.close(wait))
        finally:
            if self._channel.report:
                self._module.forget(self)

    def _deadline(self) -> float | None:
        return None if self._timeout is None else self._module.clock() + self._timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close.  PeerClosed, or SocketLost, if some of what was sent was not acknowledged and no call has said so."""
        if error is None:
            self.close()
            if missed := self._channel.passed_over():
                raise missed
            return
        try:
            self.close()
        except (OSError, FCM360WError) as second:
            error.add_note(f"closing the stream failed too: {second}")


class StreamIO(io.RawIOBase):
    """A raw file over a stream."""

    def __init__(self, stream: Stream, reading: bool, writing: bool) -> None:
        self._stream = stream
        self._reading = reading
        self._writing = writing
        self._cut_short = False

    def readable(self) -> bool:
        return self._reading

    def writable(self) -> bool:
        return self._writing

    def readinto(self, buffer: Buffer) -> int:
        """OSError after a TimeoutError: the buffer above has dropped what it had gathered by then."""
        if self._cut_short:
            raise OSError("cannot read from a file after a time-out")
        try:
            return self._stream.recv_into(buffer)
        except PeerClosed:
            return 0
        except TimeoutError:
            self._cut_short = True
            raise

    def write(self, data: Buffer) -> int:
        """How much was sent, at least a byte; the buffer above keeps the rest.  SendTimeout if nothing could be."""
        try:
            self._stream.sendall(data)
        except SendTimeout as error:
            if error.sent:
                return error.sent
            raise
        return memoryview(data).nbytes
