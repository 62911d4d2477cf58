"""One who waits for a lock: what for, since when, and for how long."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from mongolock_async._protocol.request import Request

from . import clock as clocks
from .clock import Clock
from .told import UNTOLD, CallStory

# Nobody is held up for longer than that beyond a timeout or a cancellation: by the answer to a question under
# way (even the shortest timeout has one), and by leaving the queue.
GRACE = 1.0
# The kind of the error where there was none of the driver's.
NO_ANSWER = "no answer in time"


class TimeUp(Exception):  # noqa: N818 - no error: it ends a wait, and reaches no user
    """The caller is not willing to wait any longer."""


class Caller:
    """One call of ``acquire``.

    Attributes:
        request: what it waits for.
        timeout: for how many seconds; None: for ever.
        began: since when.
        token: that of the lease that it is to upgrade, which is in nobody's way; None: it is for a new lease.
        leaving: what takes its place out of the queue.
        story: what is told of it.
    """

    def __init__(
        self,
        request: Request,
        timeout: float | None,
        clock: Clock,
        began: float | None = None,
        *,
        token: int | None = None,
        story: CallStory = UNTOLD,
    ) -> None:
        self.request = request
        self.timeout = timeout
        self.began = clock.now() if began is None else began
        self.token = token
        self.leaving: asyncio.Task[None] | None = None
        self.story = story
        self._clock = clock

    def until_served(self) -> AbstractAsyncContextManager[None]:
        """``TimeUp`` when the timeout is over."""
        return self._within(0.0)

    def until_answered(self) -> AbstractAsyncContextManager[None]:
        """``TimeUp`` when the time of grace is over, too: a question is under way."""
        return self._within(GRACE)

    def check(self) -> None:
        """``TimeUp`` if the timeout is over."""
        left = self._left(0.0)
        if left is not None and left <= 0:
            raise TimeUp

    @property
    def left_of_grace(self) -> float:
        """Seconds in which it must be told at the latest; infinite without a timeout."""
        left = self._left(GRACE)
        return math.inf if left is None else left

    async def gone(self) -> None:
        """Wait until its place is taken out, also if it is cancelled, in the time of grace from now."""
        loop = asyncio.get_running_loop()
        end = loop.time() + min(GRACE, self.left_of_grace)
        cancelled = None
        while self.leaving is not None and not self.leaving.done() and loop.time() < end:
            try:
                await asyncio.wait([self.leaving], timeout=end - loop.time())
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _left(self, more: float) -> float | None:
        return None if self.timeout is None else self.began + self.timeout + more - self._clock.now()

    @asynccontextmanager
    async def _within(self, more: float) -> AsyncIterator[None]:
        try:
            async with clocks.timeout(self._clock, self._left(more)) as scope:
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise TimeUp from error
