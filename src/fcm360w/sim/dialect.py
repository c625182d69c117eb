"""What firmware is free to choose: one switch per hole in the manual, as data.

The default is the dialect `manual`.  A quirk is one departure from it, switched on by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

__all__ = ["MANUAL", "QUIRKS", "Dialect"]


@dataclasses.dataclass(frozen=True)
class Dialect:
    """Times are in seconds."""

    prompt: bytes = b"\r\n>"
    info_compact: bool = False  # information lines of one answer share their line ends
    push_no_trailer: bool = False  # "recv" lines end with their data
    geterror_bare: bool = False  # +QIGETERROR: 552, Invalid parameters
    no_carrier_only: bool = False  # no closed line after NO CARRIER
    no_space: bool = False  # +QSTASTAT:"GOT_IP"; Wi-Fi lines only
    underscore: bool = False  # "WLAN_DISCONNECTED"
    disconnect_text: bool = False  # QGETWIFISTATE of no link is not an ERROR
    close_unused_error: bool = False  # QICLOSE of an id not in use
    incoming_buffer: bool = False  # a listener's clients are in buffer mode whatever the listener's
    incoming_low: bool = False  # a listener's clients get the lowest free id
    qird_comma: bool = False  # +QIRD: 5,"10.0.0.9",5000,
    hex_send_bytes: bool = False  # the length at the prompt counts bytes, not the digits
    hex_recv_digits: bool = False  # the length of received data counts digits, not the bytes
    qistate_type: bool = False  # AT+QISTATE=1,3 is AT+QISTATE=3
    urc_in_prompt: bool = False  # unsolicited lines come in the middle of a payload's entry
    send_buffer: int = 64 * 1024  # bytes of a socket's that may be unacknowledged
    ate_error: bool = False  # the first ATE after a start is refused
    echo_on: bool = False  # echo as delivered
    banner: str | None = "ready"
    boot_delay: float = 0.2
    join_delay: float = 0.05  # before each event of a join
    response_delay: float = 0.0  # from a command's CR to its answer
    guard: float = 1.0  # silence before and after +++
    version: str = "FCM360WAAR01A01"

    def with_quirks(self, names: Iterable[str]) -> Self:
        """Switch quirks on.  ValueError names the known ones."""
        changes: dict[str, Any] = {}
        for name in names:
            if name not in QUIRKS:
                raise ValueError(f"quirk {name!r} is not one of {', '.join(QUIRKS)}")
            changes |= QUIRKS[name]
        return dataclasses.replace(self, **changes)


MANUAL = Dialect()

_FLAGS = [field.name for field in dataclasses.fields(Dialect) if field.default is False]

QUIRKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {name: {name: True} for name in _FLAGS}
    | {
        "prompt_space": {"prompt": b"\r\n> "},
        "prompt_crlf": {"prompt": b"\r\n>\r\n"},
        "prompt_connect": {"prompt": b"\r\nCONNECT\r\n"},
        "banner_rdy": {"banner": "RDY"},
        "banner_none": {"banner": None},
        "slow_answers": {"response_delay": 0.05},
        "small_send_buffer": {"send_buffer": 2920},
    }
)
