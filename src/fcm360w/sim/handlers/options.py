"""Options of configuration commands, all alike: ask, set, and tell what can be set."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

from fcm360w.commands.wifi import GetDnsServers, SetDnsServers
from fcm360w.parameters import Field, Range
from fcm360w.settings import Get, Set, Setting
from fcm360w.sim.handlers import handles
from fcm360w.sim.handlers.wifi import dns_servers
from fcm360w.sim.module import Module
from fcm360w.sim.parser import options_of
from fcm360w.sim.steps import Answer, Printed
from fcm360w.wire import Ask, Command

S = TypeVar("S", bound=Setting)
Check = Callable[[Module, S], None]
CHECKS: dict[type[Setting], Check[Any]] = {}


def minds(row: type[S]) -> Callable[[Check[S]], Check[S]]:
    """Register what may refuse an option's value, before it is set and before it is told."""

    def register(check: Check[S]) -> Check[S]:
        CHECKS[row] = check
        return check

    return register


def _checked(module: Module, value: Setting) -> Setting:
    if check := CHECKS.get(type(value)):
        check(module, value)
    return value


@handles(Get)
def get(module: Module, command: Get[Setting]) -> Answer:
    return (_checked(module, module.setting(command.setting, *command.whose)),)


# What setting an option does where it does more than to remember the value.
SETTING: dict[type[Setting], Callable[[Module, Any], None]] = {}


@handles(Set)
def put(module: Module, command: Set[Setting]) -> Answer:
    SETTING.get(type(command.setting), Module.change)(module, _checked(module, command.setting))
    return ()


@handles(Ask)
def ask(module: Module, command: Ask) -> Answer:
    row: type[Any] = command.row
    if row is SetDnsServers:
        return dns_servers(module, GetDnsServers())  # W16
    options = [_described(option) for option in options_of(row.at) if option.test != ""]
    own = [f"{row.at}: {text}" for text in row.test or ()] if issubclass(row, Command) else []
    return tuple(map(Printed, (*options, *own)))


def _described(option: type[Setting]) -> str:
    if option.test:
        return f"{option.at}: {option.test}"
    return ",".join([f'{option.at}: "{option.key}"', *(_values(field) for field in option.fields())])


def _values(field: Field) -> str:
    if isinstance(field.bounds, Range):
        return f"({field.bounds.low}-{field.bounds.high})"
    assert issubclass(field.type, enum.Enum)
    return f"({','.join(str(member.value) for member in field.type)})"
