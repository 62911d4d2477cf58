"""Thousands of leases in one process, and a pool that others keep busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import CommandLog, connected, longest_stall, until

from mongolock_async import LockRepository
from mongolock_async.testing import Mongod

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

LEASES = 5000
TTL = 30.0
PERIODS = 1.2
# Of this thread's own time; most of it is a batch of 1,000 that is sent.
STALL = 0.3


@pytest.fixture
def uri(standalone: Mongod) -> str:
    return standalone.uri


async def test_5000_leases_cost_five_commands_a_period_and_none_is_lost(
    collection: Any, commands: CommandLog
) -> None:
    async with LockRepository(collection) as locks:
        leases = []
        for start in range(0, LEASES, 50):
            names = range(start, start + 50)
            leases += await asyncio.gather(
                *(locks.acquire(f"n{name}", ttl=TTL, keep_alive=True) for name in names)
            )
        commands.clear()
        before = locks.stats().renewals
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(PERIODS * TTL / 3, stop.set)
        stall = await longest_stall(stop)
        print(f"{commands.counts} in {PERIODS} periods; longest stall {stall * 1000:.0f} ms")
        assert all(lease.held for lease in leases)
        assert locks.stats().renewals >= before + LEASES
        assert set(commands.counts) == {"update"}
        assert commands.counts["update"] <= 5 * (PERIODS + 1)
        assert stall < STALL
        assert locks.stats().losses == 0


@pytest.fixture
async def small(uri: str, driver: str) -> AsyncIterator[Any]:
    """A client with few connections."""
    async with connected(driver, uri, maxPoolSize=10) as small:
        yield small


async def test_a_saturated_pool_costs_no_lease(small: Any, collection: Any) -> None:
    database = small[collection.database.name]
    async with LockRepository(database.locks, ttl=9) as locks:
        leases = [await locks.acquire(f"n{number}", keep_alive=True) for number in range(20)]
        busy = True

        async def load(number: int) -> None:
            while busy:
                await database.load.find_one({"_id": number})

        async def each_is_renewed_twice() -> bool:
            return locks.stats().renewals >= 2 * len(leases)

        tasks = [asyncio.create_task(load(number)) for number in range(128)]
        await until(each_is_renewed_twice, within=60)
        busy = False
        await asyncio.gather(*tasks)
        print(locks.stats().renewal)
        assert all(lease.held for lease in leases)
