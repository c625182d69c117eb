"""Ping and names: manual 2.7, 2.8."""

from __future__ import annotations

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.net import HostAddress, Ping, Pinged, Resolve, Resolved
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.names import Answer
from fcm360w.sim.network import is_address
from fcm360w.sim.steps import Answer as Said


@handles(Ping)
def ping(module: Module, command: Ping) -> Said:
    if module.radio.up or module.radio.ap_up:
        module.pings.start(command, module.now)
    else:
        module.notify(Pinged(SocketCode.CONNECT_FAILED if is_address(command.host) else SocketCode.DNS_FAILED))
    return ()


@handles(Resolve)
def resolve(module: Module, command: Resolve) -> Said:
    def found(result: Answer | SocketCode) -> None:
        if isinstance(result, SocketCode):
            module.notify(Resolved(result))
            return
        module.notify(Resolved(0, len(result.addresses), result.ttl))
        for address in result.addresses:
            module.notify(HostAddress(address))

    if module.radio.up or module.radio.ap_up:
        module.names.look_up(command.hostname, module.now, found)
    else:
        found(SocketCode.DNS_FAILED)
    return ()
