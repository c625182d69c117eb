"""Radios for Bluetooth hosts of other processes: each that connects by TCP speaks HCI with one."""

from __future__ import annotations

import asyncio
import logging

from bumble.controller import Controller
from bumble.hci import HCI_ErrorCode
from bumble.link import LocalLink
from bumble.ll import TerminateInd
from bumble.transport.common import StreamPacketSource

__all__ = ["RemoteHost"]

log = logging.getLogger("fcm360w.sim")


class RemoteHost(StreamPacketSource):
    """One host, for as long as it is connected.  To be used in the loop of the air."""

    def __init__(self, link: LocalLink, address: str) -> None:
        super().__init__()
        self._link = link
        self._address = address
        self._controller: Controller | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._controller = Controller(self._address, self, self, self._link, self._address)

    def on_packet(self, packet: bytes) -> None:
        """What the radio says to its host."""
        if self._transport:
            self._transport.write(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        """Its links end, as if it had gone out of reach."""
        self._transport = None
        controller, self._controller = self._controller, None
        if controller is None:
            return
        controller.le_legacy_advertiser.stop()
        for advertising in controller.advertising_sets.values():
            advertising.stop()
        for connection in tuple(controller.le_connections.values()):
            connection.send_ll_control_pdu(TerminateInd(HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR))
        self._link.remove_controller(controller)
