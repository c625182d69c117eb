"""What transcripts say of a phone on the air beside the module."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from transcript import Act, decoded

if TYPE_CHECKING:
    from central import Central
    from transcript_twin import Stage

PATIENCE = 30.0
NOT_SEEN = 5.0


def _do(stage: Stage, main: Coroutine[Any, Any, Any]) -> Any:
    task = stage.world.air.spawn(main)
    stage.world.wait_until(task.done, PATIENCE)
    return task.result()


def _phone(stage: Stage) -> Central:
    """The same all through a block."""
    from central import Central

    async def make() -> Central:
        return Central(stage.world.air.controller())

    if stage.phone is None:
        stage.phone = _do(stage, make())
    phone: Central = stage.phone
    return phone


def connects(stage: Stage, step: Act) -> None:
    _do(stage, _phone(stage).connect(None))


def agrees(stage: Stage, step: Act, mtu: str) -> None:
    _do(stage, _phone(stage)._peer.request_mtu(int(mtu)))


def leaves(stage: Stage, step: Act) -> None:
    _do(stage, _phone(stage).disconnect())


def writes(stage: Stage, step: Act, text: str, uuid: str) -> None:
    _do(stage, _phone(stage).write(uuid, decoded(text)))


def subscribes(stage: Stage, step: Act, uuid: str) -> None:
    _do(stage, _phone(stage).subscribe(uuid))


def got(stage: Stage, step: Act, text: str, uuid: str) -> None:
    stage._compare(step, _phone(stage).notified, [(uuid, decoded(text))])


def sees(stage: Stage, step: Act, text: str) -> None:
    stage._compare(step, [bytes(_do(stage, _phone(stage).see()).data)], [decoded(text)])


def sees_nothing(stage: Stage, step: Act) -> None:
    task = stage.world.air.spawn(_phone(stage).see())
    if stage.world.wait_until(task.done, NOT_SEEN):
        raise stage.block.wrong(step.line, f"it sees {task.result().data}")


def is_alone(stage: Stage, step: Act) -> None:
    if not _phone(stage).gone:
        raise stage.block.wrong(step.line, "its link goes on")


Acts = dict[str, Callable[..., None]]
AIR_ACTS: Acts = {
    r"central connects": connects,
    r"central agrees on (\d+)": agrees,
    r"central leaves": leaves,
    r'central writes "([^"]*)" to (\w+)': writes,
    r"central subscribes to (\w+)": subscribes,
}
AIR_CHECKS: Acts = {
    r'central got "([^"]*)" of (\w+)': got,
    r'central sees "([^"]*)"': sees,
    r"central sees nothing": sees_nothing,
    r"central is alone": is_alone,
}
