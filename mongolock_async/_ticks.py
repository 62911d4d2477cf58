"""Ticks of the server's clock, each for one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

from . import _clock
from ._document import Tick
from ._errors import LockBackendError
from ._holding import Holding
from ._lease import Lease
from ._session import Request, Session, TickRequest
from ._settings import milliseconds

logger = logging.getLogger("mongolock_async")

# Later than any date: a claim that is never granted, and only tells the time.
NEVER_MS = 2**62
# A pause ends just behind what it waits for, and not just before it.
BEHIND = 0.001


async def ticks(session: Session, request: Request, period: float) -> AsyncGenerator[Lease | None, None]:
    """At each boundary: the lease in one process, None in the others."""
    period_ms = milliseconds(period)
    _, reply = await session.claim(request, TickRequest(period_ms, NEVER_MS))
    done = _Done(reply.tick, period_ms)
    while True:
        await done.next_boundary()
        holding, tick = await _claim(session, request, TickRequest(period_ms, done.boundary_ms))
        early = tick.boundary_ms <= done.boundary_ms
        done = _Done(tick, period_ms)
        if holding is not None:
            try:
                yield holding
            finally:
                await _give_back(holding)
        elif not early:
            yield None


class _Done:
    """The boundary that this process is done with, and when, by the local clock, the next one is due."""

    def __init__(self, tick: Tick, period_ms: int) -> None:
        self.boundary_ms = tick.boundary_ms
        self._due = _clock.now() + tick.until_next
        self._period_ms = period_ms

    async def next_boundary(self) -> None:
        """Sleep until the next boundary; those that have passed already are skipped."""
        late_ms = (_clock.now() - self._due) * 1000
        if late_ms > 0:
            skipped = int(late_ms // self._period_ms) + 1
            self.boundary_ms += skipped * self._period_ms
            self._due += skipped * self._period_ms / 1000
        await asyncio.sleep(self._due - _clock.now() + BEHIND)


async def _claim(session: Session, request: Request, wanted: TickRequest) -> tuple[Holding | None, Tick]:
    """Claim the current boundary, unless it is served, or we are too early, or it cannot be had."""
    while True:
        holding, reply = await session.claim(request, wanted)
        tick = reply.tick
        if holding is not None or tick.served or tick.boundary_ms <= wanted.after_ms:
            return holding, tick
        # A former boundary's lease still stands. Its holder may be dead: try again at its expiry.
        pause = (reply.next_expiry or 0.0) + BEHIND
        if pause >= tick.until_next:
            return None, tick
        await asyncio.sleep(pause)


async def _give_back(holding: Holding) -> None:
    try:
        await holding.release()
    except LockBackendError:
        logger.warning("release of %r was not confirmed; the lease expires by itself", holding.name)
