"""Is a module there, in command mode?"""

from __future__ import annotations

import contextlib

from fcm360w.commands.system import Attention, BasicEcho, Echo, GetVersion, Switch
from fcm360w.errors import CommandError, CommandTimeout, ProtocolError
from fcm360w.steps import Foreign, Steps, Within

PROBE = 0.3


def probe(seconds: float = PROBE) -> Steps[bool]:
    """Whether the module answers in command mode.  ERROR is an answer too: an earlier owner had left half a line."""
    for _ in range(2):
        try:
            yield from Within(Attention(), seconds)
        except CommandTimeout:
            return False
        except CommandError:
            continue
        return True
    return False


def certain() -> Steps[bool]:
    """As probe, but an OK alone may be a peer's payload: the version must follow, and nothing that is no module's."""
    before = yield Foreign()
    if not (yield from probe()):
        return False
    try:
        yield from Within(GetVersion(), PROBE)
    except (CommandError, CommandTimeout, ProtocolError):
        return False
    after = yield Foreign()
    return bool(before == after)


def patiently_certain() -> Steps[bool]:
    """As certain, where the answer to an earlier command may come first."""
    return (yield from certain()) or (yield from certain())


def quiet_echo() -> Steps[None]:
    """Some firmware refuses the first ATE0 after power-up, so both ways are tried and neither must succeed."""
    for command in (BasicEcho(Switch.OFF), Echo(Switch.OFF)):
        with contextlib.suppress(CommandError):
            yield from command
