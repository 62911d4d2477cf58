"""What the dead leave to those who wait: holders their locks, and waiters their places."""

from __future__ import annotations

import asyncio

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, deaf
from virtual import settle
from waiters import MS, about, look, now, queue, stand, waiting

from mongolock_async import LockRepository


@pytest.fixture(params=["events", "polling"])
def _both_ways(request: pytest.FixtureRequest, memory: FaultyLocks) -> None:
    """Whoever waits for the lock, hears of it, or polls for it."""
    if request.param == "polling":
        memory.faults.append(deaf())


@pytest.mark.usefixtures("_both_ways")
async def test_a_dead_holders_lock_is_taken_within_milliseconds_of_its_expiry(
    locks: LockRepository, others: LockRepository
) -> None:
    for ttl in (0.4, 10, 45):
        began = now()
        await locks.acquire("cron", ttl=ttl)
        lease = await others.acquire("cron")
        assert began + ttl - MS <= now() <= began + ttl + 0.002 + MS
        await lease.release()


async def test_those_behind_the_head_ask_50_ms_later_for_each_place(
    make: MakeRepository, memory: FaultyLocks
) -> None:
    await make().acquire("cron", ttl=9)
    tasks = []
    for _ in range(5):
        tasks.append(waiting(make(), ttl=60))
        await settle()
    memory.times.clear()
    await asyncio.sleep(9.5)
    assert [task.done() for task in tasks] == [True, False, False, False, False]
    assert memory.times["ask"] == [about(9.002 + 0.050 * place) for place in range(5)]


@pytest.mark.usefixtures("_both_ways")
async def test_a_dead_holders_lock_goes_to_the_head_and_then_to_the_next(make: MakeRepository) -> None:
    await make().acquire("cron", "dead", ttl=6)
    first = waiting(make(), ttl=5)
    await settle()
    second = waiting(make())
    await first
    assert now() == about(6.002)
    await second  # the first one has died, too
    assert now() == about(11.004)


@pytest.mark.usefixtures("_both_ways")
async def test_a_dead_holders_lock_is_not_kept_from_the_next_by_a_head_that_has_died(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=6)
    await stand(memory.backend(), "dead.1", ttl=3)
    await others.acquire("cron")
    # It is the next one's question, 50 ms late, that has granted the lock to the head.
    assert now() == about(6.052 + 3 + 0.002)


@pytest.mark.usefixtures("_both_ways")
async def test_a_head_that_cannot_ask_is_granted_the_lock_by_the_next(
    make: MakeRepository, memory: FaultyLocks
) -> None:
    await make().acquire("cron", ttl=6)
    waiting(make(), "head")
    await settle()
    waiting(make(), "next")
    await settle()
    memory.faults.append(Fault("ask", delay=2))
    await asyncio.sleep(6.06)
    info = await look(make())
    assert [holder.owner for holder in info.holders] == ["head"]
    assert [waiter.owner for waiter in info.queue] == ["next"]


@pytest.mark.usefixtures("_both_ways")
async def test_a_waiter_that_died_is_passed_over_once_its_place_has_expired(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    await stand(memory.backend(), "dead.1")
    waiter = waiting(others, "alive")
    await asyncio.sleep(9.9)
    assert await queue(locks) == ["dead.1", "alive"]
    await asyncio.sleep(0.11)
    assert await queue(locks) == ["alive"]
    await held.release()
    await waiter
    assert now() <= 10.01 + 0.50  # the longest pause of one that polls as the second in the queue


@pytest.mark.usefixtures("_both_ways")
async def test_a_lock_that_a_dead_waiter_was_granted_is_free_after_its_ttl(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    await stand(memory.backend(), "dead.1", ttl=3)
    waiter = waiting(others)
    await asyncio.sleep(5)
    await held.release()
    assert [holder.owner for holder in (await look(locks)).holders] == ["dead.1"]
    await waiter
    # Whoever hears, finds out when it refreshes its own place.
    assert 8 <= now() <= 8 + 10 / 3
