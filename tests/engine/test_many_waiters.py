"""Ten thousand who wait for one lock in one process."""

from __future__ import annotations

import asyncio
import time

import pytest
from faulty import FaultyLocks
from support import longest_stall
from virtual import settle
from waiters import listens, now, queue, rests, waiting

from mongolock_async import LockRepository

pytestmark = pytest.mark.usefixtures("untraced")

MANY = 10_000


@pytest.fixture(autouse=True)
async def _held(locks: LockRepository) -> None:
    await locks.acquire("cron", ttl=3600)


async def come_and_go(locks: LockRepository, count: int) -> float:
    """The time of its own that this thread needs for so many who arrive, wait for 10 s, and are cancelled."""
    began = time.thread_time()
    tasks = []
    for number in range(count):
        tasks.append(waiting(locks))
        if number % 500 == 0:
            await settle()
    await asyncio.sleep(10)
    assert locks.stats().waiting == count
    for task in tasks:
        task.cancel()
    await settle()
    assert locks.stats().waiting == 0
    assert all(task.cancelled() for task in tasks)
    return time.thread_time() - began


async def test_10000_waiting_tasks_send_what_one_does(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await listens(others)
    memory.sent.clear()
    tasks = [waiting(others) for _ in range(MANY)]
    await asyncio.sleep(9)
    # Its place is refreshed every third of 10 s.
    refreshed = {"refresh": 2, "look": memory.sent["look"]}
    assert refreshed["look"] <= 4
    assert memory.sent == {"claim": 1, **refreshed}
    assert len(await queue(locks)) == 1
    for task in tasks:
        task.cancel()
    await settle()
    assert memory.sent == {"claim": 1, **refreshed, "view": 1, "withdraw": 1}


async def test_10000_that_are_cancelled_at_once_are_gone_at_once_and_leave_nothing(
    locks: LockRepository, others: LockRepository
) -> None:
    await come_and_go(others, MANY)
    assert now() == pytest.approx(10, abs=0.01)
    assert await queue(locks) == []
    assert rests(others)


async def test_each_of_10000_costs_what_each_of_1000_does(others: LockRepository) -> None:
    few = await come_and_go(others, MANY // 10)
    many = await come_and_go(others, MANY)
    assert many < 25 * few  # 11 times, where each costs the same


@pytest.mark.long
async def test_the_loop_stands_still_for_less_than_a_second_while_10000_leave(others: LockRepository) -> None:
    stop = asyncio.Event()
    stall = asyncio.create_task(longest_stall(stop))
    await come_and_go(others, MANY)
    stop.set()
    assert await stall < 1
