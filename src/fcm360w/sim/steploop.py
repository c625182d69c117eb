"""An event loop that does not run by itself: it takes a step when it is told to, and the time from whoever tells it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

__all__ = ["StepLoop"]

log = logging.getLogger("fcm360w.sim")

R = TypeVar("R")
Context = contextvars.Context | None


class StepLoop(asyncio.AbstractEventLoop):
    """Callbacks, timers, futures and tasks; no files, threads or signals.  `now` is in seconds."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self._stepping = False

    # ---- stepping

    def step(self, now: float) -> None:
        """Run all that is due; what that brings about at once, too."""
        self.now = max(self.now, now)
        if self._stepping:
            return
        self._stepping = True
        try:
            with running(self):
                while self._next_is_ready():
                    handle = self._ready.popleft()
                    if not handle.cancelled():
                        handle._run()
        finally:
            self._stepping = False

    def _next_is_ready(self) -> bool:
        while self._timers and (self._timers[0][0] <= self.now or self._timers[0][2].cancelled()):
            self._ready.append(heapq.heappop(self._timers)[2])
        return bool(self._ready)

    def deadline(self) -> float | None:
        """When to call step() at the latest."""
        if self._ready:
            return self.now
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    # ---- what asyncio asks of a loop

    def time(self) -> float:
        return self.now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is dropped when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, R], *, name: str | None = None, context: Context = None
    ) -> asyncio.Task[R]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def is_running(self) -> bool:
        return self._stepping

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A task that is still there when the loop is thrown away did nothing wrong."""
        error = context.get("exception")
        log.log(logging.ERROR if error else logging.DEBUG, "on the air: %s", context.get("message"), exc_info=error)


@contextlib.contextmanager
def running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Be the running loop for a while, perhaps inside another, and inside a task of that."""
    outer = asyncio._get_running_loop()
    task = asyncio.current_task(outer) if outer else None
    if outer and task:
        asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if outer and task:
            asyncio.tasks._enter_task(outer, task)
