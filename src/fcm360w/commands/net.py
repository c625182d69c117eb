"""Reach of other hosts, and their names (manual 2.7, 2.8)."""

from __future__ import annotations

from typing import Annotated, Self, cast

from fcm360w.commands.codes import describe
from fcm360w.parameters import Address, Coded, Length, Named, Range
from fcm360w.wire import Command, Reply

HostName = Annotated[str, Length(1, 150)]

# ---- ping, 2.7.1 ----------------------------------------------------------------------------------------------------

SUMMARY_FIELDS = 7


class Pinged(Reply, at="+QPING", ref="2.7.1"):
    """What became of one request: 0 and the reply, its length in bytes, ms and hops left; or only a socket code.

    A summary has the same name, and more numbers.
    """

    ping_result: Annotated[int, Coded("socket")]
    ip_address: Address | None = None
    size: Annotated[int | None, Named("bytes")] = None
    time: int | None = None
    ttl: int | None = None

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        """A summary is read as one, wherever this is expected."""
        row = PingSummary if text.count(",") == SUMMARY_FIELDS - 1 else None
        return cast("Self", row.read(text)) if row else super().read(text, data)


class PingSummary(Reply, at="+QPING", ref="2.7.1"):
    """Requests, replies and losses, and the shortest, longest and mean time in ms.  Comes if there was a reply."""

    finresult: Annotated[int, Coded("socket")]
    sent: int
    rcvd: int
    lost: int
    minimum: Annotated[int, Named("min")]
    maximum: Annotated[int, Named("max")]
    average: Annotated[int, Named("avg")]


class Ping(Command[None], at="+QPING", ref="2.7.1", test=("<host>,(1-255),(1-10)",)):
    """Send echo requests to a host.  Pinged comes for each, and PingSummary in the end."""

    host: HostName
    seconds: Annotated[int, Range(1, 255, "s"), Named("timeout")] = 4
    pingnum: Annotated[int, Range(1, 10)] = 4


# ---- names, 2.8.1 ---------------------------------------------------------------------------------------------------


class Resolved(Reply, at="+QIURC", key="dnsgip", ref="2.8.1"):
    """Whether a name was found, how many addresses it has, and for how many seconds they hold; these follow."""

    err: Annotated[int, Coded("socket")]
    ip_count: int = 0
    dns_ttl: int = 0

    @classmethod
    def read(cls, text: str, data: bytes | None = None) -> Self:
        """A line with an address is read as one, wherever this is expected."""
        return cast("Self", HostAddress.read(text)) if "." in text else super().read(text, data)

    def fault(self) -> tuple[int, str] | None:
        return describe(self.err) if self.err else None


class HostAddress(Reply, at="+QIURC", key="dnsgip", ref="2.8.1"):
    """One address of the name."""

    host_ip_addr: Address


class Resolve(Command[None], at="+QIDNSGIP", ref="2.8.1", wait=60.0, test=("<hostname>",)):
    """Look a name up.  Resolved tells how it went, a HostAddress for each address follows."""

    hostname: HostName
