"""Thousands of leases in one process, and a pool that others keep busy."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import CommandLog, connected, longest_stall

from mongolock_async import LockRepository
from mongolock_async.testing import ReplicaSet

LEASES = 5000
TTL = 6.0
SECONDS = 12.0


@pytest.fixture
def uri(replica_set: ReplicaSet) -> str:
    return replica_set.uri


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_5000_leases_cost_five_commands_a_period_and_none_is_lost(
    collection: Any, commands: CommandLog
) -> None:
    asyncio.get_running_loop().set_debug(False)  # which would itself block the loop
    async with LockRepository(collection) as locks:
        leases = []
        for start in range(0, LEASES, 50):
            names = range(start, start + 50)
            leases += await asyncio.gather(
                *(locks.acquire(f"n{name}", ttl=TTL, keep_alive=True) for name in names)
            )
        commands.clear()
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(SECONDS, stop.set)
        stall = await longest_stall(stop)
        periods = SECONDS / (TTL / 3)
        print(f"{commands.counts} in {periods:.0f} periods; longest stall {stall * 1000:.0f} ms")
        assert all(lease.held for lease in leases)
        assert set(commands.counts) == {"update"}
        assert commands.counts["update"] <= 5 * (periods + 1)
        assert stall < 0.1
        assert locks.stats().losses == 0


@pytest.fixture
async def small(uri: str, driver: str) -> AsyncIterator[Any]:
    """A client with few connections."""
    async with connected(driver, uri, maxPoolSize=10) as small:
        yield small


@pytest.mark.long
@pytest.mark.parametrize("own", [False, True], ids=["the same client", "a client for renewals"])
async def test_a_saturated_pool_costs_no_lease(client: Any, small: Any, own: bool) -> None:  # noqa: FBT001 - drawn
    asyncio.get_running_loop().set_debug(False)
    name = f"test_{uuid.uuid4().hex}"
    renewals = client[name].locks if own else None
    async with LockRepository(small[name].locks, ttl=3, renewal_collection=renewals) as locks:
        leases = [await locks.acquire(f"n{number}", keep_alive=True) for number in range(20)]
        busy = True

        async def load(number: int) -> None:
            while busy:
                await small[name].load.find_one({"_id": number})

        tasks = [asyncio.create_task(load(number)) for number in range(128)]
        await asyncio.sleep(8)
        busy = False
        await asyncio.gather(*tasks)
        print(locks.stats().renewal)
        assert all(lease.held for lease in leases)
    await client.drop_database(name)
