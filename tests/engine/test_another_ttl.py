"""``lease.renew(ttl=...)``: a lease goes on with another ttl."""

from __future__ import annotations

import asyncio

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, unanswered
from virtual import settle
from waiters import about, is_free, look, now

from mongolock_async import Lease, LockBackendError, LockRepository

# A lease of 30 s is believed for 29 s, one of 60 s for 59 s, and one of 3 s for 2.85 s.


async def kept(locks: LockRepository, ttl: float = 30) -> Lease:
    return await locks.acquire("cron", ttl=ttl, keep_alive=True)


async def test_a_longer_ttl_counts_at_once(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await locks.acquire("cron", ttl=30)
    await asyncio.sleep(20)
    assert await lease.renew(ttl=60) is True
    assert (lease.ttl, lease.remaining) == (60, about(59))
    (holder,) = (await look(locks)).holders
    assert (holder.ttl, holder.remaining) == (60, about(60))
    assert memory.sent["prolong"] == 1


async def test_a_shorter_ttl_takes_nothing_back(locks: LockRepository, others: LockRepository) -> None:
    lease = await locks.acquire("cron", ttl=30)
    assert await lease.renew(ttl=3) is True
    assert (lease.ttl, lease.remaining) == (3, about(29))
    await asyncio.sleep(28)
    assert lease.held
    assert await others.obtain("cron") is None
    assert await lease.renew() is True
    assert lease.remaining == about(2.85)


@pytest.mark.parametrize(("ttl", "pace"), [(60, 20), (3, 1)])
async def test_a_kept_lease_is_renewed_at_the_pace_of_its_new_ttl(
    locks: LockRepository, memory: FaultyLocks, ttl: float, pace: float
) -> None:
    lease = await kept(locks)
    await asyncio.sleep(5)
    await lease.renew(ttl=ttl)
    await asyncio.sleep(3 * pace + 0.5)
    assert memory.times["renew"] == [about(5 + pace * n) for n in (1, 2, 3)]


async def test_a_kept_lease_lives_on_with_any_ttl(locks: LockRepository, others: LockRepository) -> None:
    lease = await kept(locks)
    for ttl in (0.5, 600, 3, 30):
        assert await lease.renew(ttl=ttl) is True
        for _ in range(20):
            await asyncio.sleep(ttl / 7)
            assert lease.held
            assert await others.obtain("cron") is None
    assert await lease.release() is True


async def test_a_lease_that_is_not_kept_is_not_kept_by_another_ttl(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    await lease.renew(ttl=3)
    await lease.lost.wait()
    assert now() == about(29)
    assert memory.sent["renew"] == 0


async def test_a_renewal_under_way_at_a_change_is_believed_for_the_shorter_ttl(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await kept(locks)
    # The loop's renewal is sent at 10 s, and carried out after the change, by the ttl of 3 s.
    memory.faults = [Fault("renew", delay=4), *[Fault("renew", delay=60, times=100)]]
    await asyncio.sleep(11)
    await lease.renew(ttl=3)
    await asyncio.sleep(5)
    assert lease.remaining == about(29 - 16)  # as it was promised when it began
    await lease.lost.wait()
    assert now() == about(29)
    assert await others.obtain("cron") is None


async def test_a_change_without_an_answer_is_believed_only_if_it_shortens(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await kept(locks)
    memory.faults = [unanswered("prolong", times=2)]
    with pytest.raises(LockBackendError):
        await lease.renew(ttl=60)
    assert (lease.ttl, lease.remaining) == (30, about(29))
    await asyncio.sleep(10)
    with pytest.raises(LockBackendError):
        await lease.renew(ttl=3)
    await asyncio.sleep(60)
    assert lease.held
    assert (lease.ttl, lease.remaining < 3) == (30, True)
    assert await lease.renew(ttl=60) is True
    assert (lease.ttl, lease.remaining) == (60, about(59))


async def test_a_change_that_is_held_up_undoes_no_later_one(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    memory.faults = [Fault("prolong", delay=5)]
    late = asyncio.create_task(lease.renew(ttl=3))
    await asyncio.sleep(1)
    assert await lease.renew(ttl=60) is True
    assert await late is True
    (holder,) = (await look(locks)).holders
    assert (lease.ttl, holder.ttl) == (60, 60)
    await asyncio.sleep(50)
    assert await lease.renew() is True
    assert lease.remaining == about(59)


async def test_a_change_that_came_too_late_is_not_believed(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    memory.faults = [Fault("prolong", delay=5)]
    late = asyncio.create_task(lease.renew(ttl=60))
    await asyncio.sleep(1)
    assert await lease.renew(ttl=3) is True
    assert await late is True
    assert (lease.ttl, lease.remaining) == (3, about(29 - 5))


async def test_a_lease_that_was_handed_over_is_made_whole_by_another_ttl(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await others.acquire("cron", ttl=60)
    waiter = asyncio.create_task(kept(locks, ttl=600))
    await asyncio.sleep(1)
    await held.release()
    lease = await waiter
    assert lease.remaining < 10
    assert await lease.renew(ttl=60) is True
    assert lease.remaining == about(59)
    await asyncio.sleep(600)
    assert lease.held


async def test_a_lease_that_is_over_gets_no_other_ttl(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    await lease.lost.wait()
    assert await lease.renew(ttl=60) is False
    assert memory.sent["prolong"] == 0
    forced = await locks.acquire("cron")
    await others.force_release("cron")
    assert await forced.renew(ttl=60) is False
    await settle()
    assert await is_free(others)


async def test_the_margin_is_that_of_the_ttl_unless_it_was_chosen(make: MakeRepository) -> None:
    lease = await make(clock_margin=5).acquire("cron", ttl=30)
    assert await lease.renew(ttl=60) is True
    assert lease.remaining == about(55)
    assert await lease.renew(ttl=4) is True
    await asyncio.sleep(54)
    assert await lease.renew() is True
    assert lease.remaining == about(2)  # never more than half
