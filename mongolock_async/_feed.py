"""Keeps a stream of grants open while anybody waits. Knows no MongoDB."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import Context
from typing import Generic, Protocol, TypeVar

from ._errors import LockError

logger = logging.getLogger("mongolock_async")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# The stream outlives the last waiter by so long: the next one often comes soon.
LINGER = 5.0
# A stream that failed is opened again after this many seconds, doubled each time.
AGAIN = 1.0
AGAIN_AT_MOST = 60.0


class Source(Protocol[T_co]):
    """An open stream."""

    def next(self) -> Awaitable[Sequence[T_co]]: ...


class Feed(Generic[T]):
    """One stream, opened for the first who wants it, and closed some seconds after the last.

    Args:
        open_stream: opens it; its ``next`` returns within about a second, or raises.
        hear: called with each piece of news.
        changed: called when the stream has opened, or has failed.
        clock: seconds.
    """

    def __init__(
        self,
        open_stream: Callable[[], AbstractAsyncContextManager[Source[T]]],
        hear: Callable[[T], None],
        changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.opened: float | None = None
        self._open = open_stream
        self._hear = hear
        self._changed = changed
        self._clock = clock
        self._wanted = 0
        self._unwanted_since = 0.0
        self._explained = False
        self._task: asyncio.Task[None] | None = None

    @property
    def mode(self) -> str | None:
        """``"events"``, or ``"polling"`` while there is no stream; None: nobody has waited of late."""
        if self.opened is not None:
            return "events"
        return "polling" if self._task is not None and not self._task.done() else None

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Keep it open during the block."""
        self._wanted += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        try:
            yield
        finally:
            self._wanted -= 1
            self._unwanted_since = self._clock()

    async def aclose(self) -> None:
        """Close it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        again = AGAIN
        while not self._idle():
            try:
                async with self._open() as stream:
                    again = AGAIN
                    self._is(self._clock())
                    while not self._idle():
                        for news in await stream.next():
                            self._hear(news)
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait go on by polling
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # to close it has failed, after aclose
                    return
                if not self._explained:
                    reason = error if isinstance(error, LockError) else type(error).__name__
                    logger.warning("waiting by polling: no change stream: %s", reason)
                    self._explained = True
                self._is(None)
                await asyncio.sleep(again)
                again = min(again * 2, AGAIN_AT_MOST)
            finally:
                self.opened = None

    def _is(self, opened: float | None) -> None:
        self.opened = opened
        self._explained = self._explained and opened is None
        self._changed()

    def _idle(self) -> bool:
        return self._wanted == 0 and self._clock() - self._unwanted_since >= LINGER
