"""A call is a hint: who waits looks from time to time, and nobody depends on being called."""

from __future__ import annotations

import asyncio
import copy
import itertools

import pytest
from conftest import MakeRepository
from faulty import FaultyLocks, late_call, lost, lost_call
from virtual import settle
from waiters import MS, about, look, now, queue, waiting

from mongolock_async import LockRepository

# What the pauses grow to, and what a call that is lost costs at most.
PAUSES = (1, 1.5, 2.25, 3.375, 5)
MANY = 10


async def test_looks_come_after_1_s_and_then_more_rarely_up_to_5_s(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    memory.faults = [lost("refresh", times=1000)]  # each would be a look
    waiting(others)
    await settle()
    # A place that is not refreshed is lost after 10 s.
    await asyncio.sleep(9)
    looks = [0.0, *memory.times["look"]]
    assert len(looks) == 5
    for (sooner, later), pause in zip(itertools.pairwise(looks), PAUSES, strict=False):
        assert 0.9 * pause - 1e-5 <= later - sooner <= pause + 1e-5


async def test_a_refresh_is_a_look(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    waiting(others)
    await asyncio.sleep(600)
    assert memory.sent["refresh"] == 179
    looks = [look for look in memory.times["look"] if look > 10]
    # But nobody is told by them of the others.
    assert [later - sooner for sooner, later in itertools.pairwise(looks)] == [about(8)] * (len(looks) - 1)
    assert len(looks) >= 73
    assert memory.sent["ask"] == 0


async def test_a_look_changes_nothing(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    waiting(others)
    await settle()
    before = copy.deepcopy(memory._store.documents)
    memory.sent.clear()
    await asyncio.sleep(3)  # its place is refreshed a little later
    assert memory.sent == {"look": 2}
    assert memory._store.documents == before


@pytest.mark.parametrize("waited", [0.5, 1.5, 3, 21])
async def test_a_lost_call_costs_the_time_to_the_next_look_or_refresh(
    make: MakeRepository, memory: FaultyLocks, waited: float
) -> None:
    costs = []
    for _ in range(MANY):
        locks, others = make(), make()
        held = await locks.acquire("cron", ttl=600)
        waiter = waiting(others)
        await asyncio.sleep(waited)
        memory.faults = [lost_call()]
        memory.missed = 0
        memory.sent.clear()
        began = now()
        await held.release()
        lease = await waiter
        costs.append(now() - began)
        assert memory.missed == 1
        assert memory.sent["look"] >= 1
        assert memory.sent["ask"] == 1
        await lease.release()
    assert max(costs) <= min(1.0 if waited < 1 else 5.0, 10 / 3 + 0.01) + MS
    assert max(costs) >= 0.1


async def test_a_look_that_shows_a_grant_without_a_call_asks_and_tells_the_ear(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others, ttl=60)
    await settle()
    memory.faults = [lost_call()]
    memory.sent.clear()
    await held.release()
    lease = await waiter
    assert memory.sent == {"release": 1, "look": 1, "ask": 1}
    assert memory.missed == 1
    assert 0.9 <= now() <= 1 + MS
    assert lease.remaining == about(59)  # the question has made it whole
    assert [holder.remaining for holder in (await look(locks)).holders] == [about(60)]


async def test_a_call_that_comes_after_the_look_changes_nothing(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others, keep_alive=True)
    await settle()
    memory.faults = [late_call(1.5)]
    await held.release()
    lease = await waiter
    assert memory.missed == 1
    memory.sent.clear()
    await asyncio.sleep(2)
    assert lease.held
    assert memory.sent == {}


async def test_a_refresh_that_does_not_find_the_place_has_it_looked_for_at_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=600)
    waiter = waiting(others)
    await asyncio.sleep(301)
    looks = memory.sent["look"]
    while memory.sent["look"] == looks:
        await asyncio.sleep(0.1)  # so that the next refresh comes before the next look
    memory.faults = [lost_call()]
    memory.times.clear()
    await held.release()
    await waiter
    (refresh,) = memory.times["refresh"]
    assert memory.times["look"] == memory.times["ask"] == [about(refresh)]
    assert now() == about(refresh)


async def test_where_a_look_shows_that_it_could_be_served_it_asks_at_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=600)
    waiter = waiting(others)
    await settle()
    memory._store.documents["cron"].holders.clear()  # by nobody's command
    await waiter
    assert 0.9 <= now() <= 1 + MS
    assert memory.sent["ask"] == 1
    assert memory.missed == 0


async def test_what_may_have_been_missed_is_looked_for_by_all_at_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    await locks.acquire("other", ttl=3600)
    waiting(others)
    asyncio.create_task(others.acquire("other")).add_done_callback(lambda task: task.cancelled())
    await asyncio.sleep(300)
    memory.times.clear()
    memory.deafen(deaf=False)  # the ear says that it has changed
    await settle()
    assert memory.times["look"] == [about(300)] * 2


async def test_an_error_of_a_look_ends_the_wait_and_leaves_the_queue(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    memory.faults = [lost("look")]
    waiter = waiting(others)
    await asyncio.wait([waiter])
    assert type(waiter.exception()).__name__ == "LockBackendError"
    assert 0.9 <= now() <= 1 + MS
    await settle()
    assert await queue(locks) == []
