"""What the dead leave to those who wait: holders their locks, and waiters their places."""

from __future__ import annotations

import asyncio

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost_call
from virtual import settle
from waiters import MS, about, look, now, queue, stand, waiting

from mongolock_async import LockRepository
from mongolock_async._protocol.request import Request


@pytest.fixture(params=["calls", "polling"])
def _both_ways(request: pytest.FixtureRequest, memory: FaultyLocks) -> None:
    """Whoever waits for the lock, hears of it, or polls for it."""
    memory.deafen(request.param == "polling")


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
    granted = now()
    assert 6 - MS <= granted <= 6.002 + MS  # a poll may come in these two milliseconds
    await second  # the first one has died, too
    assert 5 - MS <= now() - granted <= 5.002 + MS


@pytest.mark.usefixtures("_both_ways")
async def test_a_dead_holders_lock_is_not_kept_from_the_next_by_a_head_that_has_died(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=6)
    await stand(memory.backend(), "dead.1", ttl=3)
    await others.acquire("cron")
    # Either the next one's question, 50 ms late, has granted the lock to the head, or a look within these
    # 50 ms has put that off until the head's place expires.
    assert 9.052 - MS <= now() <= 9.054 + MS or 10 - MS <= now() <= 10.052 + MS


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
@pytest.mark.parametrize("ttl", [3, 600])
@pytest.mark.parametrize("age", [0, 5, 9.9])
async def test_a_waiter_that_died_costs_the_next_one_10_s_at_most(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, ttl: float, age: float
) -> None:
    held = await locks.acquire("cron", ttl=3600)
    await stand(memory.backend(), "dead.1", ttl=ttl)
    waiter = waiting(others)
    await asyncio.sleep(age)
    released = now()
    await held.release()
    assert [holder.owner for holder in (await look(locks)).holders] == ["dead.1"]
    assert [holder.remaining for holder in (await look(locks)).holders] == [about(min(ttl, 10))]
    await waiter
    if ttl == 600:
        assert 10 - MS <= now() - released <= 10.002 + MS
    else:  # at the latest when it is told of the others
        assert ttl - MS <= now() - released <= 8 + 0.052 + MS


@pytest.mark.usefixtures("_both_ways")
async def test_that_is_so_however_long_it_has_waited_before_it_died(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=3600, keep_alive=True)
    backend = memory.backend()
    await stand(backend, "dead.1", ttl=600)
    waiter = waiting(others)
    for _ in range(15):
        await asyncio.sleep(3)
        await backend.refresh({"cron": "dead.1"}, 1)
    await asyncio.sleep(0.5)
    released = now()
    await held.release()
    await waiter
    assert 10 - MS <= now() - released <= 10.002 + MS


@pytest.mark.usefixtures("_both_ways")
async def test_a_light_one_behind_a_heavy_one_that_died_is_served_when_that_place_expires(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    """The holder is kept alive all the time: no expiry of a holder ever comes."""
    held = await locks._member.acquire(
        Request("cron", "holder", 30, keep_alive=True, capacity=2, kind="semaphore"), None
    )
    heavy = Request("cron", "heavy", 600, weight=2, capacity=2, kind="semaphore")
    backend = memory.backend()
    await backend.claim(heavy, "dead.1", first=10)
    light = asyncio.create_task(
        others._member.acquire(Request("cron", "light", 30, capacity=2, kind="semaphore"), None)
    )
    for _ in range(12):
        await asyncio.sleep(3)
        await backend.refresh({"cron": "dead.1"}, 1)
    died = now()
    assert not light.done()
    await light
    assert 10 - MS <= now() - died <= 10 + 0.052 + MS
    assert held.held
    assert sorted(str(holder.owner) for holder in (await look(locks)).holders) == ["holder", "light"]


async def test_a_process_that_dies_between_its_grant_and_its_call_costs_a_second(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    for waited in (0.001, 0.3, 0.8):
        held = await locks.acquire("cron", ttl=600)
        waiter = waiting(others)
        await asyncio.sleep(waited)
        memory.faults = [lost_call()]
        began = now()
        await held.release()
        lease = await waiter
        assert 0.9 - waited <= now() - began <= 1 - waited + MS
        await lease.release()
