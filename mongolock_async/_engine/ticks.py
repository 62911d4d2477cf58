"""Ticks of the server's clock, each for one process."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from mongolock_async._errors import LockError
from mongolock_async._protocol.reply import Tick
from mongolock_async._protocol.request import Request
from mongolock_async._settings import milliseconds

from .clock import Clock
from .holding import CLOSED, Holding
from .member import WORD, Member
from .outage import Outage
from .pauses import Backoff

# Later than any date: a claim that is never granted, and only tells the time.
NEVER_MS = 2**62
# A pause ends just behind what it waits for, and not just before it.
BEHIND = 0.001
# How often, at the least, a boundary is tried for while a former holder is late.
TRIES = 20


async def ticks(member: Member, request: Request, period: float) -> AsyncGenerator[Holding | None, None]:
    """At each boundary: what is held in one process, None in the others. Ends when the member is closed."""
    period_ms = milliseconds(period)
    done: _Done | None = None
    outage = Outage(f"every {period:g} s, {request.name!r}")
    member.lifetime.check()
    while True:
        try:
            if done is None:
                _, reply = await member.claim(request.ticking(period_ms, NEVER_MS))
                done = _Done(reply.tick, period_ms, member.clock)
                outage.over()
            await member.lifetime.sleep(done.until_next())
            holding, tick = await _claim(member, request, period_ms, done.boundary_ms)
        except LockError as error:
            if member.lifetime.is_closed:
                return
            pause = outage.met(error)
            done = None
            await member.lifetime.sleep(pause)
            continue
        if member.lifetime.is_closed:
            return
        early = tick.boundary_ms <= done.boundary_ms
        done.hear(tick)
        if holding is not None:
            try:
                with member.abandoned.unless_its_task_fails(holding):
                    yield holding
            finally:
                if holding.ended != CLOSED:  # else, whoever closes gives it back
                    await member.release_within(holding, WORD)
        elif not early:
            yield None


class _Done:
    """The boundary that this process is done with, and when, by the local clock, the next one is due."""

    def __init__(self, tick: Tick, period_ms: int, clock: Clock) -> None:
        self.boundary_ms = 0
        self._due = 0.0
        self._period_ms = period_ms
        self._clock = clock
        self.hear(tick)

    def hear(self, tick: Tick) -> None:
        """The server has told where its clock stands; it may have gone back, and no boundary comes twice."""
        self.boundary_ms = max(self.boundary_ms, tick.boundary_ms)
        self._due = self._clock.now() + tick.until_next

    def until_next(self) -> float:
        """Seconds until the next boundary; those that have passed already are skipped."""
        late_ms = (self._clock.now() - self._due) * 1000
        if late_ms > 0:
            skipped = int(late_ms // self._period_ms) + 1
            self.boundary_ms += skipped * self._period_ms
            self._due += skipped * self._period_ms / 1000
        return self._due - self._clock.now() + BEHIND


async def _claim(
    member: Member, request: Request, period_ms: int, done_ms: int
) -> tuple[Holding | None, Tick]:
    """Claim the current boundary, unless it is served, or we are too early, or it cannot be had."""
    backoff = Backoff()
    while True:
        holding, reply = await member.claim(request.ticking(period_ms, done_ms))
        tick = reply.tick
        if holding is not None or tick.served or tick.boundary_ms <= done_ms:
            return holding, tick
        # A former boundary's lease still stands: its holder is late, or dead. Until this boundary is over,
        # the lock may become free, at the lease's expiry if not before.
        pause = min(backoff.pause(reply.next_expiry), period_ms / 1000 / TRIES)
        if pause >= tick.until_next:
            return None, tick
        await member.lifetime.sleep(pause)
