"""A machine that is suspended: its clock goes on, and the timers of the event loop stand still."""

from __future__ import annotations

import asyncio

from mongolock_async._engine.clock import SystemClock


class Machine(SystemClock):
    """The system's clock, in virtual time.

    Attributes:
        ahead: seconds for which the machine was suspended, as a ``MemoryClock`` has them.
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """The time."""
        return asyncio.get_running_loop().time() + self.ahead

    def suspend(self, seconds: float) -> None:
        """So much time passes, and no timer knows of it."""
        self.ahead += seconds
