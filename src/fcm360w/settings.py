"""Options of the command table: what a configuration command remembers, how it is read and how it is written."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from fcm360w.errors import UsageError
from fcm360w.parameters import ParseError
from fcm360w.wire import Command, Reply

S = TypeVar("S", bound="Setting")


class Setting(Reply):
    """One remembered option of a configuration command: its values, their ranges and their defaults.

    The first `index` parameters are no values, but say whose option it is: which context's, which client's.  `test` is
    what the answer to the test command says of it, where that does not follow from the bounds; "" if it is silent.
    `anonymous`: the answer to the question for it does not repeat whose it is.
    """

    index: ClassVar[int] = 0
    anonymous: ClassVar[bool] = False
    test: ClassVar[str | None] = None

    def __init_subclass__(cls, index: int = 0, test: str | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.index, cls.test = index or cls.index, test

    @classmethod
    def told(cls, text: str, whose: tuple[Any, ...]) -> Self:
        """Read the answer to the question for it; `whose` it is was said there."""
        return cls.read(text)

    def whose(self) -> tuple[Any, ...]:
        """The values of the parameters that say whose option it is."""
        return tuple(getattr(self, field.name) for field in self.fields()[: self.index])


class Get(Command[S], Generic[S]):
    """Read an option; `whose` are the parameters that say whose it is, if the row has such."""

    setting: type[S]
    whose: tuple[Any, ...] = ()

    def line(self, mask: bool = False) -> str:
        fields = self.setting.fields()[: self.setting.index]
        if len(self.whose) != len(fields):
            names = ", ".join(field.names[0] for field in fields) or "nothing"
            raise UsageError(f"Get: whose {self.setting.__name__} is told by {names} (manual {self.setting.ref})")
        for field, value in zip(fields, self.whose, strict=True):
            if fault := field.fault(value):
                raise UsageError(f"{self.setting.__name__}: {field.names[0]} {fault} (manual {self.setting.ref})")
        whose = (field.format(value) for field, value in zip(fields, self.whose, strict=True))
        return f"AT{self.setting.at}=" + ",".join([f'"{self.setting.key}"', *whose])

    def answer(self, text: str, data: bytes | None = None) -> Reply | None:
        name, _, rest = text.partition(":")
        return self.setting.told(rest.strip(" "), self.whose) if name == self.setting.at else None

    def belongs(self, reply: Reply) -> bool:
        return isinstance(reply, Setting) and reply.whose() == self.whose

    def section(self) -> str:
        return self.setting.ref

    def replies(self) -> dict[str, type[Reply]]:
        return {self.setting.at: self.setting}

    def finish(self, replies: Sequence[Reply], final: str) -> S:
        if not replies:
            raise ParseError(f"{self.line()}: {final} without {self.setting.at}")
        return typing.cast("S", replies[0])


class Set(Command[None], Generic[S]):
    """Write an option."""

    setting: S

    def line(self, mask: bool = False) -> str:
        return f"AT{self.setting.at}={self.setting.parameters(mask)}"

    def section(self) -> str:
        return self.setting.ref

    def doubles(self) -> bool | None:
        return self.setting.doubles()

    def doubles_sent(self) -> bool | None:
        return self.setting.doubles_sent()

    def digits(self) -> Mapping[str, bool]:
        return self.setting.digits()
