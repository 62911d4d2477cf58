"""One process that takes part in a schedule: it waits for each boundary, and claims it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from mongolock_async._errors import LockError
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import NEVER_MS, NO_TICK, Request, TickRequest

from .boundaries import Boundaries
from .holding import CLOSED, NO_LOSS, Holding
from .member import WORD, Member
from .outage import Outage
from .pauses import Backoff
from .work import Lease, do

# A pause ends just behind what it waits for, and not just before it.
BEHIND = 0.001
# How often, at the least, a boundary is tried for while a former holder is late.
TRIES = 20
# The most seconds between two of these tries.
LONGEST_TRY = 1.0
# How often ``obtain`` claims, where boundaries pass while its claims are on their way.
OBTAINS = 3
# Nobody sleeps for more seconds without a look at the clock on the wall. Where that has moved away from ours
# by more than so many, a hypervisor may have stopped ours, and the server is asked for the time again.
LONGEST_SLEEP = 60.0
APART = 1.0
# Whoever had no luck at the last boundary comes a little later to the next one: by so many seconds at the
# most, and by no more than this part of the time from one boundary to the next.
SPREAD = 0.1
PART = 0.1


class Ticks:
    """The boundaries of one schedule, as one process meets them.

    Args:
        catch_up: seconds for which a boundary that was missed may be made up for; None: it is not.
    """

    def __init__(
        self, member: Member, request: Request, boundaries: Boundaries, catch_up: float | None
    ) -> None:
        self._member = member
        self._request = request
        self._boundaries = boundaries
        self._catch_up_ms = None if catch_up is None else round(catch_up * 1000)
        self._who = f"{boundaries}, {request.name!r}"
        self._outage = Outage(self._who)
        # The last boundary that this process is done with, and whether somebody else had it.
        self._done = 0
        self._lost = False
        # What the server's clock showed, and when: by the local clock, and by the one on the wall. An outage
        # makes it worth nothing.
        self._told: tuple[int, float, float] | None = None

    async def held(self) -> AsyncGenerator[Holding | None, None]:
        """At each boundary: what is held in one process, None in the others. The member's end is its end.

        It goes on after an outage, with the next boundary, or with one that is to be made up for.
        """
        lifetime = self._member.lifetime
        lifetime.check()
        while True:
            try:
                holding = await self._next()
            except LockError as error:
                if lifetime.is_closed:
                    return
                pause = self._outage.met(error)
                self._told = None
                await lifetime.sleep(pause)
                continue
            if lifetime.is_closed:
                return
            if holding is None:
                yield None
                continue
            try:
                with self._member.abandoned.unless_its_task_fails(holding):
                    yield holding
            finally:
                if holding.ended not in {*NO_LOSS, CLOSED}:  # else, it is given back
                    await self._member.release_within(holding, WORD)

    async def run(
        self, lease_of: Callable[[Holding], Lease], work: Callable[[Lease], Awaitable[object]]
    ) -> None:
        """Do the work at each boundary that is ours, until the member is closed.

        ``lease_of``: what the work is given of what is held.
        """
        async with aclosing(self.held()) as boundaries:
            async for holding in boundaries:
                if holding is not None:
                    await do(self._member, work, lease_of(holding), holding, self._who)

    async def obtain(self) -> Holding | None:
        """The boundary that lasts now, if nobody had it yet."""
        last_ms = await self._ask_time()
        for _ in range(OBTAINS):
            due = self._boundaries.last(self._now())
            if last_ms >= due:
                break
            holding, reply = await self._claim(due, self._boundaries.next(due))
            was_in_time = self._boundaries.period is not None or self._boundaries.last(self._now()) == due
            if holding is not None or was_in_time:
                return holding
            last_ms = reply.tick.last_ms
        return None

    async def _next(self) -> Holding | None:
        """Wait for the next boundary, and claim it. None: somebody else had it, or it cannot be had."""
        missed = await self._meet() if self._told is None else None
        due = self._boundaries.next(max(self._done, self._now())) if missed is None else missed
        spread = self._spread(due)
        backoff = Backoff(longest=LONGEST_TRY)
        while True:
            await self._sleep_until(due, spread)
            holding, reply = await self._claim(due, self._end(due, missed))
            tick = reply.tick
            if holding is not None:
                break
            current = self._boundaries.last(tick.now_ms)
            if current < due:  # the local clock is fast
                continue
            # The claim came too late for its own boundary. Or a former one's lease still stands: its holder
            # is late, or dead. The lock may become free until this boundary is over: at the lease's expiry,
            # if not before.
            due = current
            pause = min(backoff.pause(reply.next_expiry), self._length(due) / TRIES)
            if tick.last_ms >= due or tick.now_ms + 1000 * pause >= self._end(due, missed):
                break
            await self._member.lifetime.sleep(pause)
        self._done, self._lost = max(due, tick.last_ms), holding is None
        return holding

    async def _meet(self) -> int | None:
        """Ask for the time; the boundary that was missed, if it is to be made up for."""
        last_ms = await self._ask_time()
        self._outage.over()
        now = self._now()
        due = self._boundaries.last(now)
        in_time = self._catch_up_ms is not None and now < due + self._catch_up_ms
        return due if in_time and 0 < last_ms < due else None

    async def _ask_time(self) -> int:
        """Hear what the server's clock shows; the last boundary that was served."""
        _, reply = await self._member.ask(self._request.ticking(NO_TICK))
        self._hear(reply)
        return reply.tick.last_ms

    async def _claim(self, due: int, until: int) -> tuple[Holding | None, Reply]:
        """Claim it; if boundaries come in periods, the one that lasts on the arrival of the claim."""
        kept = self._boundaries.next(due) - due + (self._catch_up_ms or 0)
        period = self._boundaries.period
        tick = TickRequest(due, until if period is None else NEVER_MS, kept, period)
        request = self._request.shortened(self._length(due)).ticking(tick)
        holding, reply = await self._member.claim(request)
        self._hear(reply)
        if holding is not None:
            holding.boundary_ms = reply.tick.last_ms
        return holding, reply

    def _end(self, due: int, missed: int | None) -> int:
        """Until when it may be served."""
        end = self._boundaries.next(due)
        return min(end, due + (self._catch_up_ms or 0)) if due == missed else end

    def _hear(self, reply: Reply) -> None:
        clock = self._member.clock
        self._told = reply.tick.now_ms, clock.now(), clock.wall()

    def _now(self) -> int:
        """What the server's clock shows, in milliseconds; by the local clock, from when it was last told."""
        assert self._told is not None
        told, heard, _ = self._told
        return told + int((self._member.clock.now() - heard) * 1000)

    def _length(self, due: int) -> float:
        """Seconds that a boundary lasts."""
        return (self._boundaries.next(due) - due) / 1000

    def _spread(self, due: int) -> float:
        return random.uniform(0, min(SPREAD, PART * self._length(due))) if self._lost else 0.0

    async def _sleep_until(self, due: int, spread: float) -> None:
        lifetime = self._member.lifetime
        while due > self._now() and not lifetime.is_closed:
            left = (due - self._now()) / 1000
            await lifetime.sleep(min(left + BEHIND + spread, LONGEST_SLEEP))
            if self._is_apart():
                await self._ask_time()

    def _is_apart(self) -> bool:
        """Whether the clock on the wall was set since, or ours stood still."""
        assert self._told is not None
        _, heard, seen = self._told
        clock = self._member.clock
        return abs((clock.wall() - seen) - (clock.now() - heard)) > APART
