"""300 processes in one schedule: each boundary once, and the claims spread a little."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing

import pytest
from conftest import MakeRepository
from faulty import FaultyLocks
from ticking import BEHIND, START
from waiters import MS, now

from mongolock_async import Lease, LockRepository
from mongolock_async._engine.ticks import SPREAD

pytestmark = pytest.mark.usefixtures("untraced")

MEMBERS = 300
PERIOD = 1
LAST = 8


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock begins at a boundary."""
    return FaultyLocks(start=START)


@pytest.fixture
async def ran() -> list[float]:
    """When somebody worked."""
    return []


async def follow(locks: LockRepository, ran: list[float], last: int) -> Lease | None:
    """Take part until this boundary; the lease of the last one, if it is ours."""
    lease = None
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        while now() < last:
            lease = await anext(ticks)
            if lease is not None:
                ran.append(now())
    return lease


async def test_of_300_members_one_runs_each_boundary_and_none_is_late(
    make: MakeRepository, ran: list[float]
) -> None:
    await asyncio.gather(*(follow(make(), ran, LAST) for _ in range(MEMBERS)))
    assert ran == [pytest.approx(PERIOD * number + BEHIND, abs=MS) for number in range(1, LAST + 1)]


async def test_300_members_do_not_come_all_at_once(
    make: MakeRepository, memory: FaultyLocks, ran: list[float]
) -> None:
    await asyncio.gather(*(follow(make(), ran, LAST) for _ in range(MEMBERS)))
    claims = [when for when in memory.times["claim"] if when > 2]
    assert len(claims) == MEMBERS * (LAST - 1)
    assert max(Counter(round(when, 3) for when in claims).values()) <= 20
    assert max(when % PERIOD for when in claims) <= SPREAD + 3 * BEHIND


async def test_when_the_one_who_had_luck_is_gone_the_next_boundary_is_a_little_late_at_the_most(
    make: MakeRepository, ran: list[float]
) -> None:
    lucky = make()
    gone = asyncio.create_task(follow(lucky, ran, 5))
    await asyncio.sleep(0)
    await asyncio.gather(gone, *(follow(make(), ran, LAST) for _ in range(2)))
    assert [int(when) for when in ran] == list(range(1, LAST + 1))
    assert ran[4] == pytest.approx(5 + BEHIND, abs=MS)
    assert 6 + BEHIND <= ran[5] <= 6 + SPREAD + 3 * BEHIND
    assert ran[6:] == [pytest.approx(number + BEHIND, abs=MS) for number in range(7, LAST + 1)]
