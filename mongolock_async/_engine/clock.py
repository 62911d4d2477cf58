"""The clock that deadlines are judged by, and what waits for it."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class Timer(Protocol):
    """Something that is called later, unless it is cancelled."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Seconds that only ever grow, from wherever they began."""

    def now(self) -> float:
        """The time."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back after so many seconds, in the event loop that runs now."""


# By the name of the system: its clock that goes on while the machine is suspended. Python's own,
# ``time.monotonic``, stands still meanwhile on both.
THROUGH_SLEEP = {"Linux": "CLOCK_BOOTTIME", "Darwin": "CLOCK_MONOTONIC"}


class SystemClock:
    """This machine's clock; on Linux and macOS, it counts the time of a suspended machine."""

    def __init__(self) -> None:
        self._id = getattr(time, THROUGH_SLEEP.get(platform.system(), ""), None)

    def now(self) -> float:
        """The time."""
        return time.monotonic() if self._id is None else time.clock_gettime(self._id)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back after so many seconds of the loop's clock, which a suspended machine may stop."""
        return asyncio.get_running_loop().call_later(seconds, callback)


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
    return asyncio.timeout(None) if seconds is None else _timeout(clock, seconds)


@asynccontextmanager
async def _timeout(clock: Clock, seconds: float) -> AsyncIterator[asyncio.Timeout]:
    async with asyncio.timeout(None) as scope:
        timer = clock.call_later(seconds, lambda: scope.reschedule(asyncio.get_running_loop().time()))
        try:
            yield scope
        finally:
            timer.cancel()
