"""Bodies that stop their event loop, and drivers that are busy, for longer than a lease lives."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from support import connected, until

from mongolock_async import Lease, LeaseLostError, LockRepository
from mongolock_async.testing import ReplicaSet

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

TTL = 2.0
BODY = 7.0
# Four times as many as Motor has threads, and more than the client has connections.
QUERIES = 20 * (os.cpu_count() or 1)


@pytest.fixture
def uri(replica_set: ReplicaSet) -> str:
    return replica_set.uri


@pytest.fixture
def renewals(uri: str, collection: Any) -> Iterator[Any]:
    """The same collection by a blocking client."""
    with MongoClient[Any](uri) as client:
        yield client[collection.database.name][collection.name]


@contextmanager
def watched(lease: Lease) -> Iterator[list[bool]]:
    """What another thread reads of it, every 10 ms."""
    over = threading.Event()
    seen: list[bool] = []

    def watch() -> None:
        while not over.wait(0.01):
            seen.append(lease.held and lease.remaining > 0)

    with ThreadPoolExecutor() as pool:
        watching = pool.submit(watch)
        try:
            yield seen
        finally:
            over.set()
            watching.result()


async def take_once(uri: str, database: str) -> float:
    """Wait for the lock as another process would, in the loop of another thread; when it was got."""
    async with AsyncMongoClient[Any](uri) as client, LockRepository(client[database].locks) as locks:
        await locks.acquire("cron", timeout=60)
        return time.monotonic()


def neighbour(pool: ThreadPoolExecutor, uri: str, collection: Any) -> asyncio.Future[float]:
    """One who waits for the lock from now on; when it got it."""
    work = take_once(uri, collection.database.name)
    return asyncio.get_running_loop().run_in_executor(pool, lambda: asyncio.run(work))


def computes() -> None:
    """Nothing else of this process runs, but for what the interpreter lets in every 5 ms."""
    until = time.monotonic() + BODY
    while time.monotonic() < until:
        sum(range(10_000))


@pytest.mark.parametrize("body", [lambda: time.sleep(BODY), computes], ids=["sleeps", "computes"])
async def test_a_body_may_stop_the_loop_for_longer_than_the_ttl(
    uri: str, collection: Any, renewals: Any, body: Callable[[], None]
) -> None:
    async with LockRepository(collection, ttl=TTL, renewal_collection=renewals) as locks:

        async def somebody_waits() -> bool:
            info = await locks.get("cron")
            return info is not None and len(info.queue) == 1

        with ThreadPoolExecutor() as pool:
            async with locks.lock("cron") as lease:
                got_it = neighbour(pool, uri, collection)
                await until(somebody_waits, within=30)
                with watched(lease) as seen:
                    body()
                assert lease.held
                left = time.monotonic()
            assert await got_it >= left
        assert len(seen) > 50
        assert all(seen)
        assert locks.stats().losses == 0
        print(locks.stats().renewal)


async def test_with_renewals_in_the_loop_such_a_body_loses_its_lease(collection: Any) -> None:
    async with LockRepository(collection, ttl=TTL) as locks:
        with pytest.raises(LeaseLostError):
            async with locks.lock("cron") as lease:
                time.sleep(TTL + 1)
                assert not lease.held


async def test_slow_queries_in_every_thread_and_connection_cost_no_lease(
    uri: str, driver: str, collection: Any, renewals: Any
) -> None:
    """Of all threads of Motor, or of all connections of PyMongo's client."""
    async with connected(driver, uri, maxPoolSize=10) as small:
        database = small[collection.database.name]
        await database.load.insert_one({})
        busy = True

        async def load() -> None:
            while busy:
                await database.load.find_one({"$where": "sleep(500) || true"})

        async with LockRepository(database.locks, ttl=TTL, renewal_collection=renewals) as locks:
            lease = await locks.acquire("cron", keep_alive=True)
            with ThreadPoolExecutor() as pool:
                got_it = neighbour(pool, uri, collection)
                queries = [asyncio.create_task(load()) for _ in range(QUERIES)]
                with watched(lease) as seen:
                    await asyncio.sleep(BODY)
                    time.sleep(TTL)  # and the loop stands still besides
                assert not got_it.done()
                busy = False
                await asyncio.gather(*queries)
                assert lease.held
                left = time.monotonic()
                assert await lease.release()
                assert await got_it >= left
            assert all(seen)
