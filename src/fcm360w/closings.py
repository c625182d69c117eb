"""What is closed at the end of a with statement, in threads and in asyncio."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from fcm360w.errors import FCM360WError


class Closing(Protocol):
    """An error that ends it goes before one of closing, which is a note to it and names `_called`."""

    _called: str

    def close(self) -> object: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except (OSError, FCM360WError) as second:
            error.add_note(f"closing the {self._called} failed too: {second}")


class AsyncClosing(Protocol):
    """As Closing, for asyncio."""

    _called: str

    async def close(self) -> object: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
            return
        try:
            await self.close()
        except (OSError, FCM360WError) as second:
            error.add_note(f"closing the {self._called} failed too: {second}")
