"""The clock that deadlines are judged by, and what waits for it."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol


class Timer(Protocol):
    """Something that is called later, unless it is cancelled."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Seconds that only ever grow, from wherever they began."""

    def now(self) -> float:
        """The time."""

    def wall(self) -> float:
        """Seconds by the clock on the wall, which may be set: a jump of it says that time was missed."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back after so many seconds, in the event loop that runs now."""


# By the name of the system: its clock that goes on while the machine is suspended. Python's own,
# ``time.monotonic``, stands still meanwhile on both.
THROUGH_SLEEP = {"Linux": "CLOCK_BOOTTIME", "Darwin": "CLOCK_MONOTONIC"}
# A suspended machine stops the loop's timers. So none is set for longer than so many seconds, and by no more
# can anything come late, however long the machine was suspended.
LONGEST = 60.0


class SystemClock:
    """This machine's clock; on Linux and macOS, it counts the time of a suspended machine."""

    def __init__(self) -> None:
        self._id = getattr(time, THROUGH_SLEEP.get(platform.system(), ""), None)

    def now(self) -> float:
        """The time."""
        return time.monotonic() if self._id is None else time.clock_gettime(self._id)

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back after so many seconds; up to ``LONGEST`` later if the machine was suspended meanwhile."""
        if seconds > LONGEST:
            return _LongTimer(self, self.now() + seconds, callback)
        return asyncio.get_running_loop().call_later(seconds, callback)


class _LongTimer:
    """Looks at the clock from time to time, since that of the loop may have stood still."""

    def __init__(self, clock: Clock, due: float, callback: Callable[[], object]) -> None:
        self._clock = clock
        self._due = due
        self._look(callback)

    def cancel(self) -> None:
        """Do not call back."""
        self._handle.cancel()

    def _look(self, callback: Callable[[], object]) -> None:
        left = self._due - self._clock.now()
        loop = asyncio.get_running_loop()
        if left > LONGEST:
            self._handle = loop.call_later(LONGEST, self._look, callback)
        else:
            self._handle = loop.call_later(left, callback)


async def sleep(clock: Clock, seconds: float) -> None:
    """Let so much time pass."""
    await wait(clock, asyncio.Event(), seconds)


async def wait(clock: Clock, event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set; after so many seconds, set it."""
    timer = clock.call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()


def timeout(clock: Clock, seconds: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
    """As ``asyncio.timeout``, by this clock; None: no limit."""
    return asyncio.timeout(None) if seconds is None else _Timeout(clock, seconds)


class _Timeout(AbstractAsyncContextManager[asyncio.Timeout]):
    """No generator: a loop that closes those that are left begins no new ones."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._scope = asyncio.timeout(None)
        self._timer: Timer | None = None

    async def __aenter__(self) -> asyncio.Timeout:
        await self._scope.__aenter__()
        self._timer = self._clock.call_later(self._seconds, self._over)
        return self._scope

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._scope.__aexit__(exc_type, exc, traceback)

    def _over(self) -> None:
        self._scope.reschedule(asyncio.get_running_loop().time())
