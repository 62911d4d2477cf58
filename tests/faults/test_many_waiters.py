"""Ten thousand who wait."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from support import CommandLog, longest_stall, until

from mongolock_async import LockRepository

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("uri", ["replica_set"], indirect=True),
]

WAITERS = 10_000
# Of this thread's own time: on a machine that others share, the wall clock would show their work, too.
STALL = 0.3
GOING = 2.0


async def test_10000_waiting_tasks_cost_what_one_does(
    locks: LockRepository, make: Any, commands: CommandLog
) -> None:
    """They arrive, wait for 10 s, and are cancelled all at once."""
    others = make()
    await locks.acquire("cron", ttl=300)
    await others.create("warm")
    commands.clear()
    stop = asyncio.Event()
    stall = asyncio.create_task(longest_stall(stop))
    tasks = []
    for number in range(WAITERS):
        tasks.append(asyncio.create_task(others.acquire("cron")))
        if number % 500 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(10)
    counts = {name: count for name, count in commands.counts.items() if name != "getMore"}
    assert others.stats().waiting == WAITERS
    began = time.thread_time()
    for task in tasks:
        task.cancel()
    # To wait for the tasks would be 10,000 callbacks of this test's own.
    while others.stats().waiting:
        await asyncio.sleep(0)
    gone = time.thread_time() - began
    stop.set()
    stalled = await stall
    await until(lambda: empty(locks), within=30)
    assert all(task.cancelled() for task in tasks)
    print(f"{counts}, longest stall {stalled * 1000:.0f} ms, gone in {gone:.2f} s")
    assert sum(counts.values()) <= 12
    assert stalled < STALL
    assert gone < GOING


async def empty(locks: LockRepository) -> bool:
    info = await locks.get("cron")
    return info is not None and not info.queue


async def test_1000_releases_at_the_moment_of_an_arrival_leave_nobody_waiting(make: Any) -> None:
    """Each pair has a name of its own; the waiter arrives 2 ms before the release to 5 ms after it."""
    late = []

    async def pairs(count: int) -> None:
        here, there = make(), make()
        name = str(random.random())
        for _ in range(count):
            held = await here.acquire(name)
            waiter = asyncio.create_task(there.acquire(name))
            await asyncio.sleep(random.uniform(0, 0.012))
            began = time.monotonic()
            await held.release()
            async with asyncio.timeout(
                20
            ):  # at its expiry, 30 s after the claim, he would find out by himself
                lease = await waiter
            late.append(time.monotonic() - began)
            await lease.release()

    await asyncio.gather(*(pairs(250) for _ in range(4)))
    print(f"longest {max(late):.3f} s of {len(late)}")
    assert len(late) == 1_000


async def test_those_who_wait_survive_a_change_of_primary(make: Any, replica_set: Any) -> None:
    """Also a waiter whose cursor was open on the old one, which does not end it."""
    locks, others = make(), make()
    held = await locks.acquire("cron", ttl=60)
    waiter = asyncio.create_task(others.acquire("cron"))
    await until(lambda: queued(locks))
    await asyncio.sleep(0.3)
    await replica_set.step_down()
    await held.release()
    async with asyncio.timeout(20):
        assert (await waiter).held


async def queued(locks: LockRepository) -> bool:
    info = await locks.get("cron")
    return info is not None and len(info.queue) == 1
