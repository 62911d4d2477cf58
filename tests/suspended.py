"""A machine that is suspended: the timers of the event loop stand still, and its clock goes on, or not."""

from __future__ import annotations

import asyncio

from mongolock_async._engine.clock import SystemClock


class Machine(SystemClock):
    """The system's clock, in virtual time.

    Attributes:
        ahead: seconds for which the machine was suspended, as a ``MemoryClock`` has them.
        paused: seconds for which all of its clocks stood still; the one on the wall was set since.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        self.paused = 0.0

    def now(self) -> float:
        """The time."""
        return asyncio.get_running_loop().time() + self.ahead

    def wall(self) -> float:
        """The time, as people see it."""
        return self.now() + self.paused

    def suspend(self, seconds: float) -> None:
        """So much time passes, and no timer knows of it."""
        self.ahead += seconds

    def pause(self, seconds: float) -> None:
        """A hypervisor stops it for so long; only the clock on the wall is set right after that."""
        self.paused += seconds
