"""Ports: byte pipes to a module, named by URLs.

A *transport* is a class of some other package, found by its entry point in the group `fcm360w.transports` and imported
when its scheme is first opened. It raises OSError, ImportError, or ValueError for an option's bad value; they become
this library's errors here and nowhere else.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast, runtime_checkable
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from fcm360w.errors import TransportLost, TransportUnavailable, UsageError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["OpenPort", "Port", "Scheme", "Transport", "list_ports", "open_port"]

GROUP = "fcm360w.transports"

# What this project's entry points say. Opening one of these looks no further: a search of all that is installed costs
# more than everything else in open_port, and a source tree that was never installed has no entry points.
BUILT_IN = MappingProxyType(
    {
        "serial": "fcm360w_transports.uart:PlatformUart",
        "sim": "fcm360w.sim.port:open_sim",
        "tcp": "fcm360w_transports.tcp:TcpPort",
    }
)

# Packages that are not called like their module.
PACKAGES = MappingProxyType({"serial": "pyserial", "usb": "pyusb"})


class Port(Protocol):
    """A byte pipe to a module. One thread may read while another writes.

    `url` names it, without secrets; `baud` is the UART's rate in bit/s, 0 if there is no UART, None if it is not known;
    `slack` the jitter in seconds that the path may add to a pause. `capabilities` names what else it can do: "fileno",
    "baud" (`set_baud`), "out_waiting".
    """

    @property
    def url(self) -> str: ...
    @property
    def baud(self) -> int | None: ...
    @property
    def slack(self) -> float: ...
    @property
    def capabilities(self) -> frozenset[str]: ...

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        """Read what is there, at least a byte; 0 when `timeout` seconds (None: no end) pass first.

        Raises OSError when the other side is gone: there is no end of file.
        """
        ...

    def write(self, data: Buffer, timeout: float | None) -> int:
        """Write some of `data` and return how many bytes; 0 when `timeout` seconds pass without room for one."""
        ...

    def close(self) -> None:
        """Close, as often as you like."""
        ...

    def fileno(self) -> int:
        """A non-blocking descriptor for select and asyncio, or -1."""
        ...


@runtime_checkable
class SetsBaud(Protocol):
    """A port with the capability "baud"."""

    def set_baud(self, rate: int) -> None:
        """Change this side's rate, in bit/s, at once."""
        ...


@runtime_checkable
class CountsOutput(Protocol):
    """A port with the capability "out_waiting"."""

    def out_waiting(self) -> int:
        """Bytes written that the operating system still holds."""
        ...


@runtime_checkable
class Discovers(Protocol):
    """A transport that can tell what is plugged in, as pairs of URL and description."""

    def discover(self) -> Iterable[tuple[str, str]]: ...


class Transport(Protocol):
    """What an entry point names: a class, or anything else that can be called like one.

    `options` has a line of help for each option that a URL may carry.
    """

    @property
    def options(self) -> Mapping[str, str]: ...
    def __call__(self, address: str, options: Mapping[str, str], /) -> Port: ...


class OpenPort:
    """A transport's port whose every OSError leaves as TransportLost."""

    def __init__(self, raw: Port) -> None:
        self.raw = raw

    @property
    def url(self) -> str:
        return self.raw.url

    @property
    def baud(self) -> int | None:
        return self.raw.baud

    @property
    def slack(self) -> float:
        return self.raw.slack

    @property
    def capabilities(self) -> frozenset[str]:
        return self.raw.capabilities

    def readinto(self, buffer: memoryview, timeout: float | None) -> int:
        try:
            return self.raw.readinto(buffer, timeout)
        except OSError as error:
            raise self._lost(error) from error

    def write(self, data: Buffer, timeout: float | None) -> int:
        try:
            return self.raw.write(data, timeout)
        except OSError as error:
            raise self._lost(error) from error

    def fileno(self) -> int:
        try:
            return self.raw.fileno()
        except OSError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        try:
            self.raw.close()
        except OSError as error:
            raise self._lost(error) from error

    def set_baud(self, rate: int) -> None:
        """Change this side's rate, in bit/s. Raises UsageError where the port cannot, or cannot run at that one."""
        if not isinstance(self.raw, SetsBaud):
            raise UsageError(f"{self.url} cannot change its baud rate")
        try:
            self.raw.set_baud(rate)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise UsageError(f"{self.url} cannot run at {rate} bit/s") from error
            raise self._lost(error) from error

    def out_waiting(self) -> int | None:
        """Bytes written that the operating system still holds; None where it does not tell."""
        if not isinstance(self.raw, CountsOutput):
            return None
        try:
            return self.raw.out_waiting()
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> TransportLost:
        return TransportLost(f"lost {self.url}", error)


class Scheme(NamedTuple):
    """A kind of URL.

    `options` has a line of help for each; `found` the URL and description of what is plugged in now; `missing` says why
    the scheme cannot be used, if so.
    """

    name: str
    options: Mapping[str, str]
    found: tuple[tuple[str, str], ...] = ()
    missing: str = ""


def open_port(url: str) -> OpenPort:
    """Open `scheme://address?option=value`, a device's bare path, or `COM3`.

    Raises UsageError for a URL that means nothing, before anything is opened, and TransportUnavailable.
    """
    scheme, address, options = parse_url(url)
    transport = _load(scheme)
    _check_options(scheme, options, transport.options)
    shown = f"{scheme}://{address}"
    try:
        return OpenPort(transport(address, options))
    except ImportError as error:
        raise _not_installed(scheme, error) from error
    except OSError as error:
        raise _cannot_open(shown, address, error) from error
    except ValueError as error:
        raise UsageError(f"{shown}: {error}") from error


def list_ports() -> list[Scheme]:
    """Tell what could be opened: every scheme, and the devices that are there. Loads every transport."""
    return [_describe(name) for name in sorted(BUILT_IN.keys() | _others())]


def parse_url(url: str) -> tuple[str, str, dict[str, str]]:
    """Split a URL into scheme, address and options; a bare path is a serial port's. Raises UsageError."""
    try:
        parts = urlsplit(url if "://" in url else f"serial://{quote(url, safe='/?=&')}", allow_fragments=False)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise UsageError(f"not a URL of a port: {error}") from error
    options = dict(pairs)
    if len(options) < len(pairs):
        raise UsageError(f"{parts.scheme}://: an option is given twice")
    return parts.scheme, unquote(parts.netloc + parts.path), options


def _others() -> dict[str, str]:
    from importlib.metadata import entry_points  # 50 ms

    return {each.name: each.value for each in entry_points(group=GROUP) if each.name not in BUILT_IN}


def _load(scheme: str) -> Transport:
    place = BUILT_IN.get(scheme) or _others().get(scheme)
    if place is None:
        known = (f"{name}://" for name in BUILT_IN.keys() | _others())
        raise UsageError(f"no transport is called {scheme}://; there are {_listed(known)}")
    module, _, name = place.partition(":")
    try:
        return cast("Transport", vars(import_module(module))[name])
    except ImportError as error:
        raise _not_installed(scheme, error) from error


def _check_options(scheme: str, given: Iterable[str], known: Iterable[str]) -> None:
    unknown = set(given) - set(known)
    if unknown:
        raise UsageError(f"{scheme}:// has no option {_listed(unknown)}; it has {_listed(known) or 'none'}")


def _cannot_open(shown: str, address: str, error: OSError) -> TransportUnavailable:
    from fcm360w.port_hints import hint_for

    return TransportUnavailable(f"cannot open {shown}: {error.strerror or error}", hint_for(error, address))


def _not_installed(scheme: str, error: ImportError) -> TransportUnavailable:
    module = (error.name or "fcm360w").partition(".")[0]
    command = f"pip install {PACKAGES.get(module, module)}"
    return TransportUnavailable(f"{scheme}:// needs something that is not installed: {error}", command)


def _describe(name: str) -> Scheme:
    try:
        transport = _load(name)
        found = tuple(transport.discover()) if isinstance(transport, Discovers) else ()
    except (TransportUnavailable, OSError) as error:
        return Scheme(name, {}, missing=str(error))
    return Scheme(name, transport.options, found)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
