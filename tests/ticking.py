"""Processes that take part in a schedule, and what they did. For the rooms that have virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from waiters import now

from mongolock_async import Lease, LockRepository, Schedule
from mongolock_async.testing import MemoryLocks

PERIOD = 5
# A boundary is claimed a millisecond after it has come.
BEHIND = 0.001
# A boundary, so that the time of a test tells how many have passed.
START = datetime(2026, 1, 1, tzinfo=UTC)

Body = Callable[[Lease], Awaitable[None]]
# The same boundaries, made in two ways.
KINDS: dict[str, Callable[[LockRepository], Schedule]] = {
    "every": lambda locks: locks.every(PERIOD, "cron"),
    "cron": lambda locks: locks.cron("*/5 * * * * *", "cron", tz="UTC"),
}


class Runs:
    """What several processes did. The first boundary after the start has the number 1.

    Attributes:
        served: the boundaries for which a body ran, and ``when``: the times at which they began.
        idle: how often somebody woke for nothing.
        most: the most bodies that ran at a time.
    """

    def __init__(self, memory: MemoryLocks, kind: str = "every") -> None:
        self.served: list[int] = []
        self.when: list[float] = []
        self.idle = 0
        self.most = 0
        self._inside = 0
        self._memory = memory
        self._kind = KINDS[kind]

    def boundary(self, ahead: float = 0.0) -> int:
        """The last one that the clock will have passed in so many seconds."""
        return (self._memory.now - START + timedelta(seconds=ahead)) // timedelta(seconds=PERIOD)

    async def follow(self, locks: LockRepository, last: int, body: Body | None = None) -> None:
        """Take part until this boundary."""
        async with aclosing(self._kind(locks)) as ticks:
            async for lease in ticks:
                if lease is None:
                    self.idle += 1
                else:
                    self._inside += 1
                    self.most = max(self.most, self._inside)
                    self.served.append(self.boundary())
                    self.when.append(now())
                    if body is not None:
                        await body(lease)
                    self._inside -= 1
                if self.boundary() >= last:
                    return
