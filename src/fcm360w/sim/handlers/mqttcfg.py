"""Options of MQTT clients: manual 2.5.1.  Most are like all options; two may be refused."""

from __future__ import annotations

from fcm360w.commands.codes import SocketCode
from fcm360w.commands.mqttcfg import AliAuth, Timeout
from fcm360w.sim.handlers.options import minds
from fcm360w.sim.module import Module
from fcm360w.sim.steps import Refused

LONGEST_TIMEOUT = 60


@minds(Timeout)
def timeout(module: Module, value: Timeout) -> None:
    if module.dialect.pkt_timeout_60 and value.pkt_timeout > LONGEST_TIMEOUT:
        raise Refused(SocketCode.INVALID_PARAMETERS)


@minds(AliAuth)
def aliauth(module: Module, value: AliAuth) -> None:
    if module.dialect.aliauth_error:
        raise Refused(SocketCode.NOT_SUPPORTED)
