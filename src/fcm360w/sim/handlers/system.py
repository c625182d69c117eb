"""The module itself: manual 1.2, 2.1.1 to 2.1.5."""

from __future__ import annotations

from fcm360w.commands.system import (
    Attention,
    BasicEcho,
    BaudRate,
    Echo,
    GetBaudRate,
    GetVersion,
    Restart,
    SetBaudRate,
    Switch,
    Version,
)
from fcm360w.sim.handlers import handles
from fcm360w.sim.module import Module
from fcm360w.sim.steps import Answer, Refused


@handles(Attention)
def attention(module: Module, command: Attention) -> Answer:
    return ()


@handles(BasicEcho)
def basic_echo(module: Module, command: BasicEcho) -> Answer:
    if module.dialect.ate_error and not module.ate_refused:
        module.ate_refused = True
        raise Refused
    module.echo = command.enable is Switch.ON
    return ()


@handles(Echo)
def echo(module: Module, command: Echo) -> Answer:
    module.echo = command.enable is Switch.ON
    return ()


@handles(Restart)
def restart(module: Module, command: Restart) -> Answer:
    module.restarting = True
    return ()


@handles(GetVersion)
def version(module: Module, command: GetVersion) -> Answer:
    return (Version(module.dialect.version),)


@handles(GetBaudRate)
def baud_rate(module: Module, command: GetBaudRate) -> Answer:
    return (BaudRate(module.baud),)


@handles(SetBaudRate)
def set_baud_rate(module: Module, command: SetBaudRate) -> Answer:
    module.set_baud(command.baud_rate, save=command.save is Switch.ON)
    return ()
