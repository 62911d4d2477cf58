"""Hears of grants while anybody waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import Context

from mongolock_async._errors import LockError

from .backend import Call, Listener
from .clock import Clock, sleep

logger = logging.getLogger("mongolock_async")

# The listener outlives the last waiter by so many seconds: the next one often comes soon.
LINGER = 5.0
# One that failed is replaced after so many seconds, doubled each time.
AGAIN = 1.0
AGAIN_AT_MOST = 60.0


class Calls:
    """One listener, opened for the first who waits, and closed some seconds after the last.

    Args:
        listen: opens it.
        hear: called with each call.
        changed: called when the listener has opened, or has failed.
        clock: what the pauses are judged by.

    Attributes:
        opened: since when it listens; None: it does not.
        openings: how often it has begun to listen.
    """

    def __init__(
        self,
        listen: Callable[[], AbstractAsyncContextManager[Listener]],
        hear: Callable[[Call], None],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        self.opened: float | None = None
        self.openings = 0
        self._listen = listen
        self._hear = hear
        self._changed = changed
        self._clock = clock
        self._wanted = 0
        self._unwanted_since = 0.0
        self._explained = False
        self._task: asyncio.Task[None] | None = None

    @property
    def mode(self) -> str | None:
        """``"events"``, or ``"polling"`` while nothing is heard; None: nobody has waited of late."""
        if self.opened is not None:
            return "events"
        return "polling" if self._task is not None and not self._task.done() else None

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Listen during the block."""
        self._wanted += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        try:
            yield
        finally:
            self._wanted -= 1
            self._unwanted_since = self._clock.now()

    async def aclose(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        again = AGAIN
        while not self._idle():
            try:
                async with self._listen() as listener:
                    again = AGAIN
                    self.openings += 1
                    self._is(self._clock.now())
                    while not self._idle():
                        for call in await listener.next():
                            self._hear(call)
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait go on by polling
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # to close it has failed, after aclose
                    return
                if not self._explained:
                    reason = error if isinstance(error, LockError) else type(error).__name__
                    logger.warning("waiting by polling: no change stream: %s", reason)
                    self._explained = True
                self._is(None)
                await sleep(self._clock, again)
                again = min(again * 2, AGAIN_AT_MOST)
            finally:
                self.opened = None

    def _is(self, opened: float | None) -> None:
        self.opened = opened
        self._explained = self._explained and opened is None
        self._changed()

    def _idle(self) -> bool:
        return self._wanted == 0 and self._clock.now() - self._unwanted_since >= LINGER
