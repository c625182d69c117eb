"""`serial:///dev/ttyUSB0`, `serial://COM3`: a serial port, opened and set up by pyserial.

On POSIX the bytes do not go through pyserial, whose read costs a select, a copy and two objects a call, but straight to
its descriptor. Elsewhere pyserial moves them too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import serial

from fcm360w_transports import options as option
from fcm360w_transports.readiness import Deadline, Waiter, transfer

if os.name == "posix":
    import termios

    REFUSALS: tuple[type[Exception], ...] = (serial.SerialException, termios.error)
else:
    REFUSALS = (serial.SerialException,)

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Where no descriptor tells when the driver has room: bytes let wait in it, and seconds between two looks at it.
DRIVER_QUEUE = 4096
GLANCE = 0.001

UNIX98_PTYS = range(136, 144)


class Uart:
    """What both kinds share: 8N1, no software flow control (it would eat payload), one user at a time."""

    options: ClassVar[Mapping[str, str]] = {
        "baud": "bit/s, default 115200; on a pty, which has no rate, unknown",
        "rtscts": "1: hardware flow control",
        "slack": "jitter the path may add, in seconds, default 0.02",
    }
    capabilities = frozenset({"baud", "out_waiting"})

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        if not address:
            raise ValueError("no device named: serial:///dev/ttyUSB0, for example")
        self.url = f"serial://{address}"
        self.baud = option.positive(options, "baud", 115200)
        self.slack = option.seconds(options, "slack", 0.02)
        self._serial = _open(address, self.baud, option.flag(options, "rtscts"))
        if "baud" not in options and _is_pty(self._serial):
            self.baud = None

    @staticmethod
    def discover() -> Iterator[tuple[str, str]]:
        """Yield the URL and a description of every serial port of this machine."""
        from serial.tools import list_ports

        for found in list_ports.comports():
            ids = f"{found.vid:04x}:{found.pid:04x} " if found.vid is not None and found.pid is not None else ""
            yield f"serial://{found.device}", f"{ids}{found.description}"

    def set_baud(self, rate: int) -> None:
        """Change the rate at once; what the driver still holds leaves at the new one."""
        try:
            with _errno_always():
                self._serial.baudrate = rate
        except ValueError as error:
            raise OSError(errno.EINVAL, f"this port cannot run at {rate} bit/s") from error
        self.baud = rate

    def out_waiting(self) -> int:
        """Bytes that the driver still holds; an adapter's own memory is not seen."""
        if not self._serial.is_open:
            raise OSError(errno.EBADF, "the serial port was closed")
        with _errno_always():
            return int(self._serial.out_waiting)


class PosixUart(Uart):
    """Moves bytes on the descriptor itself."""

    capabilities = Uart.capabilities | {"fileno"}

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        super().__init__(address, options)
        self._descriptor = self._serial.fileno()
        _make_end_of_file_mean_gone(self._descriptor)
        self._wake_read, self._wake_write = os.pipe()
        self._closed = threading.Lock()
        self._reading, self._writing = threading.RLock(), threading.RLock()
        self._readable = Waiter(self._descriptor, wake=self._wake_read)
        self._writable = Waiter(self._descriptor, write=True, wake=self._wake_read)

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        with self._reading:
            return transfer(lambda: self._receive(buffer), self._readable, timeout)

    def _receive(self, buffer: memoryview) -> int:
        count = os.readv(self.fileno(), [buffer])
        if count == 0 and len(buffer):
            raise OSError(errno.EIO, "the serial port is gone")
        return count

    def write(self, data: Buffer, timeout: float | None) -> int:
        with self._writing:
            return transfer(lambda: os.write(self.fileno(), data), self._writable, timeout)

    def fileno(self) -> int:
        if self._closed.locked():
            raise OSError(errno.EBADF, "the serial port was closed")
        return self._descriptor

    def set_baud(self, rate: int) -> None:
        super().set_baud(rate)
        _make_end_of_file_mean_gone(self._descriptor)

    def close(self) -> None:
        """Close; a thread inside readinto or write leaves it with an OSError first."""
        if not self._closed.acquire(blocking=False):
            return
        os.write(self._wake_write, b"\0")
        with self._reading, self._writing:
            self._serial.close()
            os.close(self._wake_read)
            os.close(self._wake_write)


class PortableUart(Uart):
    """Moves bytes by pyserial alone: Windows."""

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        with _errno_always():
            self._serial.timeout = timeout
            data: bytes = self._serial.read(1)
            if data and len(buffer) > 1:
                data += self._serial.read(min(len(buffer) - 1, self._serial.in_waiting))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Buffer, timeout: float | None) -> int:
        """Hand over what the driver's queue has room for: pyserial cannot tell how far a write that timed out came."""
        view, deadline = memoryview(data).cast("B"), Deadline(timeout)
        with _errno_always():
            while (room := DRIVER_QUEUE - self.out_waiting()) <= 0:
                if deadline.left() == 0.0:
                    return 0
                time.sleep(GLANCE)
            self._serial.write(view[:room])
        return min(room, len(view))

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """Close; a thread inside readinto or write leaves it first."""
        if self._serial.is_open:
            self._serial.cancel_read()
            self._serial.close()


PlatformUart: type[PosixUart] | type[PortableUart] = PosixUart if os.name == "posix" else PortableUart


def _open(device: str, baud: int | None, rtscts: bool) -> serial.Serial:
    with _errno_always(errno.ENOTTY):
        port = serial.Serial(
            device, baud or 115200, timeout=0, rtscts=rtscts, exclusive=True if os.name == "posix" else None
        )
    if rtscts and not _has_modem_lines(port):
        port.close()
        raise OSError(errno.ENOTTY, "this port has no RTS/CTS lines; open it without rtscts")
    with contextlib.suppress(NotImplementedError, ValueError, AttributeError):
        port.set_low_latency_mode(True)
    return port


def _is_pty(port: serial.Serial) -> bool:
    """Whether a program is at the other end: no wire, so no rate but what the URL says."""
    if os.name != "posix":
        return False
    if sys.platform == "linux":
        return os.major(os.fstat(port.fileno()).st_rdev) in UNIX98_PTYS
    return os.path.realpath(str(port.port)).startswith("/dev/ttys")


def _has_modem_lines(port: serial.Serial) -> bool:
    """A pty takes the flow control flag without a word and ignores it."""
    try:
        _ = port.cts
    except OSError:
        return False
    return True


def _make_end_of_file_mean_gone(descriptor: int) -> None:
    """With pyserial's VMIN of 0 an empty port reads like one that was hung up; with 1 it is EAGAIN."""
    with _errno_always():
        settings = termios.tcgetattr(descriptor)
        settings[6][termios.VMIN] = 1
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)


@contextlib.contextmanager
def _errno_always(default: int = errno.EIO) -> Iterator[None]:
    """Turn what pyserial raises, at times without an errno, and termios, which is no OSError, into plain OSErrors."""
    try:
        yield
    except REFUSALS as error:
        number = next((each for each in error.args if isinstance(each, int)), default)
        raise OSError(number, os.strerror(number)) from error
