"""Waiters that are killed while they stand in a queue."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from support import until

from mongolock_async import LockRepository

ROOT = Path(__file__).parents[2]
TTL = 600
WAITER = f"""
import asyncio, sys
from pymongo import AsyncMongoClient
from mongolock_async import LockRepository

async def main():
    client = AsyncMongoClient(sys.argv[1])
    locks = LockRepository(client[sys.argv[2]].locks, owner="dead")
    async with locks.lock("cron", ttl={TTL}):
        pass

asyncio.run(main())
"""


async def stand(locks: LockRepository, count: int) -> bool:
    """Whether so many stand in the queue."""
    info = await locks.get("cron")
    return info is not None and len(info.queue) == count


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("driver", ["pymongo"], indirect=True)
async def test_a_waiter_that_was_killed_costs_the_next_one_ten_seconds_and_not_its_ttl(
    uri: str, locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron", ttl=TTL)
    database = locks._backend.full_name.partition(".")[0]
    dead = subprocess.Popen([sys.executable, "-c", WAITER, uri, database], cwd=ROOT)
    await until(lambda: stand(locks, 1))
    waiter = asyncio.create_task(others.acquire("cron", ttl=TTL))
    await until(lambda: stand(locks, 2))
    dead.kill()
    dead.wait()
    clock = asyncio.get_running_loop()
    began = clock.time()
    await held.release()
    async with asyncio.timeout(60):
        assert (await waiter).held
    print(f"{clock.time() - began:.1f} s after the release")
    assert clock.time() - began < 12
