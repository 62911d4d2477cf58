"""Work that goes on when its caller does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from mongolock_async._errors import LockError

logger = logging.getLogger("mongolock_async")

T = TypeVar("T")


def report(task: asyncio.Future[Any]) -> None:
    """Log what ended a task of ours that should not have; for ``add_done_callback``.

    Errors of ours are no surprise: whoever waits for the task is told so, and its caller may be gone.
    """
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, LockError):
        logger.error("a task of mongolock_async failed: %s", type(error).__name__, exc_info=error)


class Background:
    """The tasks of one member. None is lost, and no failure of one is left unheard by asyncio."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start it, in a context of its own: no deadline and no session of the caller's governs it."""
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end, also if the caller is cancelled, or a deadline of the caller's is over."""
        return await asyncio.shield(self.spawn(work))

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        report(task)
