"""The command table, one module per chapter of the manual; this file says where each row lives.

Chapters are imported when one of their rows is first needed.  What the framer and the dispatch of lines need at start
stands here as literals, which a test compares with the rows.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from fcm360w.framer import Rule, Start
from fcm360w.settings import Setting
from fcm360w.wire import Command, Reply

CHAPTERS = ("system", "wifi", "ble", "tcp", "tls", "mqttcfg", "mqtt", "http", "net", "files")

# Lines that announce a payload.  The first UNSOLICITED of them may come at any time and are always armed; the others
# only while a command that they answer is pending.  MQTT clients have one each, since each has its own data format.
RULES: Mapping[str, Rule] = {
    "recv": Rule('+QIURC: "recv",', Start.AFTER_LINE, field=1, max=1500),
    "written": Rule("+QBLERECV: ", Start.AFTER_LINE, field=2, max=512),
    "ssl_recv": Rule('+QSSLURC: "recv",', Start.AFTER_LINE, field=1, max=1500),
    **{f"message{client}": Rule(f"+QMTRECV: {client},", Start.INSIDE, field=2, max=10240) for client in range(6)},
    "data": Rule("+QIRD: ", Start.AFTER_LINE, field=0, max=1500),
    "ssl_data": Rule("+QSSLRECV: ", Start.AFTER_LINE, field=0, max=1500),
    "file": Rule("CONNECT ", Start.AFTER_LINE, field=0, max=1 << 20),
    "connect": Rule("CONNECT", Start.RAW),
}
UNSOLICITED = 9

# Of whose payload each byte is two digits while AT+QICFG="dataformat" says so.
HEXED = ("recv", "data")

# Lines that come unasked, by name and lower-case key.
URCS: Mapping[tuple[str, str], str] = {
    ("+QSTASTAT", ""): "wifi:StationEvent",
    ("+QAPSTAT", ""): "wifi:ApEvent",
    ("+QOTASTAT", ""): "system:UpgradeEvent",
    ("+QBLESTAT", ""): "ble:LinkEvent",
    ("+QBLEMTU", ""): "ble:MtuChanged",
    ("+QBLERECV", ""): "ble:Written",
    ("+QBLEPEERROLE", ""): "ble:PeerRole",
    ("+QIURC", "recv"): "tcp:Received",
    ("+QIURC", "closed"): "tcp:Closed",
    ("+QIURC", "incoming"): "tcp:Incoming",
    ("+QIURC", "incoming full"): "tcp:IncomingFull",
    ("+QIOPEN", ""): "tcp:Opened",
    ("+QPING", ""): "net:Pinged",
    ("+QIURC", "dnsgip"): "net:Resolved",
    ("+QSSLURC", "recv"): "tls:Received",
    ("+QSSLURC", "closed"): "tls:Closed",
    ("+QSSLOPEN", ""): "tls:Opened",
    ("+QMTSTAT", ""): "mqtt:Lost",
    ("+QMTRECV", ""): "mqtt:Received",
    ("+QMTOPEN", ""): "mqtt:Opened",
    ("+QMTCLOSE", ""): "mqtt:ClosedNetwork",
    ("+QMTCONN", ""): "mqtt:Connected",
    ("+QMTDISC", ""): "mqtt:Disconnected",
    ("+QMTSUB", ""): "mqtt:Subscribed",
    ("+QMTUNS", ""): "mqtt:Unsubscribed",
    ("+QMTPUB", ""): "mqtt:Published",
    ("+QHTTPURC", "closed"): "http:SessionClosed",
    ("+QHTTPGET", ""): "http:GetOutcome",
    ("+QHTTPPOST", ""): "http:PostOutcome",
    ("+QHTTPPUT", ""): "http:PutOutcome",
    ("+QHTTPREAD", ""): "http:ReadOutcome",
    ("NO CARRIER", ""): "tcp:NoCarrier",
    ("ready", ""): "system:Booted",
    ("RDY", ""): "system:Booted",
}


def chapter(name: str) -> Any:
    """Import a chapter."""
    return importlib.import_module(f"fcm360w.commands.{name}")


def urc(name: str, key: str) -> type[Reply] | None:
    """The row of an unsolicited line, or None."""
    where = URCS.get((name, key.lower())) or URCS.get((name, ""))
    if where is None:
        return None
    module, _, row = where.partition(":")
    found: type[Reply] = vars(chapter(module))[row]
    return found


def rows(name: str) -> list[type[Any]]:
    """Every row of a chapter, in the order of the file.  An option without a key is a base of several."""
    module = chapter(name)
    own = (value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__)
    found = (value for value in own if issubclass(value, (Command, Reply)))
    return [row for row in found if row.key or not issubclass(row, Setting)]
