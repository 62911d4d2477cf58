"""Callers that went away, while a driver was at work for them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pymongo
import pytest
from mongo.shared import drained, is_free
from support import CommandLog, until

from mongolock_async import LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


async def test_a_cancelled_claim_leaves_nothing_behind(locks: LockRepository) -> None:
    await locks.create("cron")
    for delay in [0.0, 0.0002, 0.001, 0.003] * 3:
        claim = asyncio.create_task(locks.obtain("cron"))
        await asyncio.sleep(delay)
        claim.cancel()
        await asyncio.wait([claim])
        lease = None if claim.cancelled() else claim.result()
        if lease is not None:
            await lease.release()
        await drained(locks)
        assert await is_free(locks)


async def test_cancellations_at_random_moments_leave_nothing_behind(
    collection: Any, others: LockRepository
) -> None:
    locks = LockRepository(collection)

    async def work() -> None:
        async with locks.lock(f"n{random.randrange(3)}"):
            await asyncio.sleep(random.random() / 200)

    for _ in range(4):
        tasks = [asyncio.create_task(work()) for _ in range(12)]
        for task in tasks:
            await asyncio.sleep(random.random() / 500)
            task.cancel()
        await asyncio.wait(tasks)
    await locks.aclose()
    assert not locks._member.background
    assert all([not info.held and not info.queue async for info in others.list()])


async def test_a_cancelled_release_goes_on(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    release = asyncio.create_task(lease.release())
    await asyncio.sleep(0)
    release.cancel()
    await asyncio.wait([release])
    assert not lease.held
    await drained(locks)
    assert await is_free(locks)


async def test_a_callers_deadline_governs_neither_a_claim_nor_its_renewals(
    locks: LockRepository, clock: MemoryClock, commands: CommandLog
) -> None:
    await locks.create("cron")
    with pymongo.timeout(0.001):
        lease = await locks.acquire("cron", ttl=300, keep_alive=True)
        clock.advance(100)
        await until(lambda: asyncio.sleep(0, locks.stats().renewals == 1))
    assert commands.last("update")["maxTimeMS"] > 8000
    assert lease.remaining > 290
