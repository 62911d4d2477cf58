"""Few connections, or few threads, and many who wait: neither a kept lease nor the application starves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from support import connected, until

from mongolock_async import LockRepository
from mongolock_async.testing import Mongod

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

WAITING = 20
TTL = 3.0
# Each as long as two periods of the longest await of those who listen.
LONG = 10.0
# Far longer than any of it takes on an idle machine, and shorter than an await of the server.
ANSWERED = 3.0

Collections = Callable[[int], Any]


@pytest.fixture
def uri(standalone: Mongod) -> str:
    return standalone.uri


async def wait_beside_a_lease(application: Any, collections: Collections) -> None:
    """Twenty repositories wait, one lease is kept, and the application reads."""
    async with AsyncExitStack() as stack:

        async def repository(number: int) -> LockRepository:
            return await stack.enter_async_context(LockRepository(collections(number)))

        keeper = await repository(0)
        kept = await keeper.acquire("kept", ttl=TTL, keep_alive=True)
        held = [await keeper.acquire("held", ttl=600)]
        waiting = [await repository(number) for number in range(WAITING)]
        for name in {collections(number).full_name for number in range(WAITING)} - {collections(0).full_name}:
            other = LockRepository(application[name.partition(".")[0]][name.partition(".")[2]])
            await stack.enter_async_context(other)
            held.append(await other.acquire("held", ttl=600))
        tasks = [asyncio.create_task(one.acquire("held")) for one in waiting]
        await until(lambda: asyncio.sleep(0, all(one.stats().waits_by for one in waiting)), within=30)
        slowest, ends = 0.0, time.monotonic() + LONG
        while time.monotonic() < ends:
            began = time.monotonic()
            await application.app.things.find_one({"_id": 1})
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.05)
        modes = sorted(str(one.stats().waits_by) for one in waiting)
        print(f"slowest find_one {slowest * 1000:.0f} ms, {modes.count('calls')} of {WAITING} hear")
        assert kept.held
        assert keeper.stats().losses == 0
        assert slowest < ANSWERED
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_20_repositories_that_wait_on_one_client_starve_nobody(client: Any, collection: Any) -> None:
    await wait_beside_a_lease(client, lambda _: collection)


async def test_20_collections_that_are_waited_for_by_one_client_starve_nobody(
    client: Any, collection: Any
) -> None:
    await wait_beside_a_lease(client, lambda number: collection.database[f"locks_{number}"])


@pytest.fixture
async def clients(uri: str, driver: str) -> AsyncIterator[list[Any]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(driver, uri)) for _ in range(WAITING)]


async def test_20_clients_whose_repositories_wait_starve_nobody(
    client: Any, clients: list[Any], collection: Any
) -> None:
    """Motor's have one executor in common."""
    await wait_beside_a_lease(
        client, lambda number: clients[number][collection.database.name][collection.name]
    )


@pytest.mark.parametrize("size", [1, 2])
async def test_20_repositories_that_wait_on_a_small_pool_starve_nobody(
    uri: str, driver: str, collection: Any, size: int
) -> None:
    async with connected(driver, uri, maxPoolSize=size) as small:
        await wait_beside_a_lease(small, lambda _: small[collection.database.name][collection.name])
