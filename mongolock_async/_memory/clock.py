"""A clock that a test may set forward."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class MemoryClock:
    """The event loop's clock, and what it was set forward by. Satisfies ``_engine.clock.Clock``.

    Attributes:
        ahead: seconds that it was set forward by.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        self._timers: set[MemoryTimer] = set()

    def now(self) -> float:
        """The time, in seconds; outside of an event loop, by the machine's monotonic clock."""
        try:
            return asyncio.get_running_loop().time() + self.ahead
        except RuntimeError:
            return time.monotonic() + self.ahead

    def wall(self) -> float:
        """The same: nobody sets it."""
        return self.now()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> MemoryTimer:
        """Call back after so many seconds."""
        timer = MemoryTimer(self, self.now() + seconds, callback, self._timers)
        self._timers.add(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Set it forward; what is due by then is called next, in the order of its time."""
        self.ahead += seconds
        for timer in sorted(self._timers, key=lambda timer: timer.due):
            timer.start()


class MemoryTimer:
    """Calls back once the clock shows its time."""

    def __init__(
        self, clock: MemoryClock, due: float, callback: Callable[[], object], timers: set[MemoryTimer]
    ) -> None:
        self.due = due
        self._clock = clock
        self._callback = callback
        self._timers = timers
        self._handle: asyncio.Handle | None = None
        self.start()

    def start(self) -> None:
        """Count the time that is left, from now."""
        if self._handle is not None:
            self._handle.cancel()
        loop = asyncio.get_running_loop()
        left = self.due - self._clock.now()
        self._handle = loop.call_later(left, self._fire) if left > 0 else loop.call_soon(self._fire)

    def cancel(self) -> None:
        """Do not call back."""
        self._timers.discard(self)
        self._callback = _nothing  # whoever keeps the timer must not keep what it would have called
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        self._timers.discard(self)
        self._callback()


def _nothing() -> None:
    """What a cancelled timer would call."""
