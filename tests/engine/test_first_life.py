"""A lease that somebody else's command has granted: it lives for 10 s until its holder renews it."""

from __future__ import annotations

import asyncio

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost, lost_call
from virtual import settle
from waiters import about, look, now, waiting

from mongolock_async import Lease, LockRepository
from mongolock_async._engine.keepalive import FIRST_RENEWAL


async def handed(here: LockRepository, there: LockRepository, ttl: float = 30) -> Lease:
    """A lease that is kept alive, just handed over at once from here to there."""
    held = await here.acquire("cron")
    waiter = waiting(there, keep_alive=True, ttl=ttl)
    await settle()
    await held.release()
    return await waiter


async def left(locks: LockRepository) -> float:
    """How long "cron" is held unless it is renewed."""
    (holder,) = (await look(locks)).holders
    return holder.remaining


@pytest.mark.parametrize(
    ("ttl", "margin", "first"),
    [
        (600, None, 10),
        (30, None, 10),
        (10, None, 10),
        (4, None, 4),
        (600, 5, 20),
        (600, 300, 600),
        (30, 10, 30),
    ],
)
async def test_it_lives_for_10_s_or_four_margins_but_for_its_ttl_at_most(
    locks: LockRepository, make: MakeRepository, ttl: float, margin: float | None, first: float
) -> None:
    lease = await handed(locks, make(clock_margin=margin), ttl=ttl)
    assert await left(locks) == about(first)
    ours = margin if margin is not None else min(1, ttl * 0.05)
    assert lease.remaining == about(first - ours)
    assert lease.ttl == ttl


async def test_its_first_renewal_comes_after_a_fifth_of_a_second_and_makes_it_whole(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await handed(locks, others, ttl=600)
    memory.times.clear()
    await asyncio.sleep(FIRST_RENEWAL - 0.01)
    assert await left(locks) == about(10 - 0.19)
    await asyncio.sleep(0.02)
    assert memory.times["renew"] == [about(0.2)]
    assert await left(locks) == about(600 - 0.01)
    assert lease.remaining == about(599 - 0.01)
    await asyncio.sleep(1000)
    assert lease.held
    # A third of its first life later, and from then on a third of its ttl.
    assert memory.times["renew"][1:3] == [about(0.2 + 10 / 3), about(0.2 + 10 / 3 + 200)]


async def test_one_that_is_released_before_is_not_renewed(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await handed(locks, others)
    await asyncio.sleep(FIRST_RENEWAL - 0.001)
    assert await lease.release()
    await asyncio.sleep(60)
    assert memory.sent["renew"] == 0


async def test_one_whose_renewals_fail_is_lost_when_its_first_life_is_over(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await handed(locks, others, ttl=600)
    memory.faults = [lost("renew", times=1000)]
    await lease.lost.wait()
    assert now() == about(9)
    assert (await others.acquire("cron")).held
    assert now() == about(10.002)


async def test_a_renewal_by_hand_makes_it_whole(locks: LockRepository, others: LockRepository) -> None:
    lease = await handed(locks, others, ttl=600)
    assert await lease.renew() is True
    assert await left(locks) == about(600)
    assert lease.remaining == about(599)


async def test_a_claim_or_a_question_of_its_own_has_its_whole_ttl_at_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    _kept = await locks.acquire("cron", ttl=600, keep_alive=True)
    assert await left(locks) == about(600)
    await locks.force_release("cron")
    await locks.acquire("cron", ttl=5)
    lease = await others.acquire("cron", ttl=600, keep_alive=True)  # asked for when it had expired
    assert await left(locks) == about(600)
    await lease.release()
    held = await locks.acquire("cron")
    waiter = waiting(others, ttl=600)  # not kept alive: nothing would make it whole
    await settle()
    await held.release()
    await waiter
    assert await left(locks) == about(600)
    await asyncio.sleep(100)
    assert memory.sent["renew"] == 0


async def test_a_grant_that_nobody_has_heard_of_is_not_prolonged_by_the_refreshes_of_its_place(
    make: MakeRepository, memory: FaultyLocks
) -> None:
    """Its process hears nothing, and its looks hang; but its renewal loop goes on."""
    held = await make().acquire("cron")
    deaf = waiting(make(), ttl=600, keep_alive=True)
    await asyncio.sleep(0.5)
    memory.faults = [lost_call(), Fault("look", delay=60)]  # the first look is its own
    await held.release()
    began = now()
    waiter = waiting(make())
    await asyncio.sleep(9)
    assert memory.sent["refresh"] >= 4
    assert not waiter.done()
    await waiter
    assert now() - began == about(10.002)
    deaf.cancel()


async def test_first_renewals_of_many_locks_go_in_one_command(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    names = [f"n{number}" for number in range(20)]
    held = [await locks.acquire(name) for name in names]
    older = await others.acquire("older", ttl=600, keep_alive=True)
    waiters = [asyncio.create_task(others.acquire(name, ttl=600, keep_alive=True)) for name in names]
    await settle()
    for lease in held:
        await lease.release()
    leases = await asyncio.gather(*waiters)
    await asyncio.sleep(0.5)
    assert memory.times["renew"] == [about(0.2)]
    assert all(lease.remaining > 598 for lease in leases)
    assert older.remaining == about(599 - 0.5)
