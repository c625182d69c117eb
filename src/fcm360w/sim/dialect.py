"""What firmware is free to choose: one switch per hole in the manual, as data.

The default is the dialect `manual`.  A quirk is one departure from it, switched on by name.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Self

__all__ = ["DIALECTS", "FC41D", "MANUAL", "QUIRKS", "Dialect", "Quirk", "find_dialect"]


class Quirk(NamedTuple):
    """One departure: what it looks like, and the switches that make it."""

    says: str
    changes: Mapping[str, Any]


class Says(NamedTuple):
    """Marks a switch that is off by default, and is a quirk of the same name when it is on."""

    text: str


@dataclasses.dataclass(frozen=True)
class Dialect:
    """Times are in seconds."""

    # ---- lines
    prompt: bytes = b"\r\n>"
    info_compact: Annotated[bool, Says("information lines of one answer share their line ends")] = False
    cme_everywhere: Annotated[bool, Says("+CME ERROR: 552 where the manual has ERROR")] = False
    urc_in_prompt: Annotated[bool, Says("unsolicited lines come in the middle of a payload's entry")] = False
    bare_strings: Annotated[bool, Says("strings of a command may lack their quotes")] = False
    qurccfg: Annotated[bool, Says("AT+QURCCFG is accepted, and does nothing")] = False

    # ---- the module and its serial line
    version: str = "FCM360WAAR01A01"
    echo_on: Annotated[bool, Says("echo is on as delivered")] = False
    ate_error: Annotated[bool, Says("the first ATE after a start is refused")] = False
    banner: str | None = "ready"
    boot_delay: float = 0.2
    response_delay: float = 0.0  # from a command's CR to its answer
    guard: float = 1.0  # silence before and after +++
    upgrade_delay: float = 0.2  # between downloaded firmware and the restart

    # ---- Wi-Fi
    no_space: Annotated[bool, Says('+QSTASTAT:"GOT_IP"; Wi-Fi lines only')] = False
    no_quotes: Annotated[bool, Says("+QSTASTAT: GOT_IP; Wi-Fi and Bluetooth lines only")] = False
    underscore: Annotated[bool, Says('+QSTASTAT: "WLAN_DISCONNECTED"')] = False
    labels: Annotated[bool, Says("+QGETIP: ip:10.0.0.7,gateway:10.0.0.1,mask:...,dns:...")] = False
    disconnect_text: Annotated[bool, Says("+QGETWIFISTATE: DISCONNECT and OK while not joined")] = False
    csdk_scan: Annotated[bool, Says("+QWSCAN quotes only names, and adds 100 to the dBm")] = False
    qstastatic: Annotated[bool, Says("AT+QSTASTATIC sets the station's addresses")] = False
    softap_reject: Annotated[bool, Says("a third argument of AT+QSOFTAP is refused")] = False
    join_delay: float = 0.05  # before each event of a join, and of the module's own hotspot
    scan_delay: float = 0.1

    # ---- Bluetooth
    ble_central: Annotated[bool, Says("AT+QBLEINIT=1 is accepted")] = False
    qbleqadvparam: Annotated[bool, Says("AT+QBLEQADVPARAM is AT+QBLEADVPARAM")] = False
    blerecv_uuid: Annotated[bool, Says('+QBLERECV: 0,"fff1",9, with the UUID instead of the handle')] = False
    blestat_bare: Annotated[bool, Says("+QBLESTAT: CONNECTED")] = False

    # ---- sockets
    push_no_trailer: Annotated[bool, Says('+QIURC: "recv" ends with its data')] = False
    geterror_bare: Annotated[bool, Says("+QIGETERROR: 552, Invalid parameters")] = False
    no_carrier_only: Annotated[bool, Says("no closed line after NO CARRIER")] = False
    close_unused_error: Annotated[bool, Says("AT+QICLOSE of an id not in use is refused")] = False
    incoming_buffer: Annotated[bool, Says("a listener's clients are in buffer mode whatever the listener's")] = False
    incoming_low: Annotated[bool, Says("a listener's clients get the lowest free id")] = False
    qird_comma: Annotated[bool, Says('+QIRD: 5,"10.0.0.9",5000, with a comma at the end')] = False
    hex_send_bytes: Annotated[bool, Says("the length at the prompt counts bytes, not the digits")] = False
    hex_recv_digits: Annotated[bool, Says("the length of received data counts digits, not the bytes")] = False
    qistate_type: Annotated[bool, Says("AT+QISTATE=1,3 is AT+QISTATE=3")] = False
    dnsgip_short: Annotated[bool, Says('+QIURC: "dnsgip",563 where no name is found')] = False
    separate_ids: Annotated[bool, Says("TLS connections have twelve ids of their own")] = False
    header_apart: Annotated[bool, Says('AT+QHTTPCFG="header","Accept","*/*", name and value apart')] = False
    send_buffer: int = 64 * 1024  # bytes of a socket's that may be unacknowledged

    # ---- TLS
    default_names: Annotated[bool, Says("certificates that are not set are ca.pem, user.pem, user_key.pem")] = False

    # ---- MQTT
    bare: Annotated[bool, Says("the payload in +QMTRECV lacks its quotes")] = False
    no_len: Annotated[bool, Says("the length in +QMTRECV is left out")] = False
    pkt_timeout_60: Annotated[bool, Says("a time limit for packets of more than 60 s is refused")] = False
    aliauth_error: Annotated[bool, Says('AT+QMTCFG="aliauth" is refused')] = False
    disc_stat: Annotated[bool, Says("+QMTSTAT: 0,5 follows +QMTDISC")] = False
    # ---- files
    qfdel: Annotated[bool, Says("AT+QFDEL deletes a file")] = False
    qfwrite_bare: Annotated[bool, Says("+QFWRITE: 5,5 follows the payload without a line end before it")] = False
    flash: int = 64 * 1024  # bytes that all files together may have

    def with_quirks(self, names: Iterable[str]) -> Self:
        """Switch quirks on.  ValueError names the known ones."""
        changes: dict[str, Any] = {}
        for name in names:
            if name not in QUIRKS:
                raise ValueError(f"quirk {name!r} is not one of {', '.join(QUIRKS)}")
            changes |= QUIRKS[name].changes
        return dataclasses.replace(self, **changes)


def _switches() -> dict[str, Quirk]:
    hints = typing.get_type_hints(Dialect, include_extras=True)
    marked = {name: mark for name, hint in hints.items() for mark in typing.get_args(hint) if isinstance(mark, Says)}
    return {name: Quirk(mark.text, {name: True}) for name, mark in marked.items()}


QUIRKS: Mapping[str, Quirk] = MappingProxyType(
    _switches()
    | {
        "prompt_space": Quirk("a blank follows the prompt", {"prompt": b"\r\n> "}),
        "prompt_crlf": Quirk("a line end follows the prompt", {"prompt": b"\r\n>\r\n"}),
        "prompt_connect": Quirk("CONNECT is the prompt", {"prompt": b"\r\nCONNECT\r\n"}),
        "banner_rdy": Quirk("RDY after a start", {"banner": "RDY"}),
        "banner_none": Quirk("nothing is said after a start", {"banner": None}),
        "banner_delay": Quirk("three seconds to start, as on hardware", {"boot_delay": 3.0}),
        "slow_answers": Quirk("each answer takes 50 ms", {"response_delay": 0.05}),
        "slow_wifi": Quirk("a scan takes five seconds, a join two", {"scan_delay": 5.0, "join_delay": 1.0}),
        "small_send_buffer": Quirk("a socket holds two packets until they are acknowledged", {"send_buffer": 2920}),
    }
)

MANUAL = Dialect()
FC41D = MANUAL.with_quirks(
    ["no_space", "no_quotes", "bare_strings", "labels", "underscore", "qurccfg", "qstastatic"],
)
DIALECTS: Mapping[str, Dialect] = MappingProxyType({"manual": MANUAL, "fc41d": FC41D})


def find_dialect(name: str, quirks: Iterable[str] = ()) -> Dialect:
    """A dialect by name, with quirks.  ValueError names the known ones."""
    if name not in DIALECTS:
        raise ValueError(f"dialect {name!r} is not one of {', '.join(DIALECTS)}")
    return DIALECTS[name].with_quirks(quirks)
