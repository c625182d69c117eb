"""The module itself: manual 1.2, 2.1.1 to 2.1.6."""

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
    Upgrade,
    UpgradeBare,
    Version,
)
from fcm360w.sim.foreign import ReportPort
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
    module.save(echo=command.enable is Switch.ON)
    module.echo = command.enable is Switch.ON
    return ()


@handles(Restart)
def restart(module: Module, command: Restart) -> Answer:
    module.restarting = True
    return ()


@handles(GetVersion)
def version(module: Module, command: GetVersion) -> Answer:
    return (Version(module.version),)


@handles(GetBaudRate)
def baud_rate(module: Module, command: GetBaudRate) -> Answer:
    return (BaudRate(module.baud),)


@handles(SetBaudRate)
def set_baud_rate(module: Module, command: SetBaudRate) -> Answer:
    if command.save is Switch.ON:
        module.save(baud=command.baud_rate)
    module.set_baud(command.baud_rate)
    return ()


@handles(Upgrade)
def upgrade(module: Module, command: Upgrade) -> Answer:
    module.upgrade.start(command.url, module.radio.up, module.now)
    return ()


@handles(UpgradeBare)
def upgrade_bare(module: Module, command: UpgradeBare) -> Answer:
    module.upgrade.start(command.url, module.radio.up, module.now)
    return ()


@handles(ReportPort)
def report_port(module: Module, command: ReportPort) -> Answer:
    if not module.dialect.qurccfg:
        raise Refused
    return ()
