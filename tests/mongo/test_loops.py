"""Clients and repositories that meet a second event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from mongo.shared import close
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from mongolock_async import LockError, LockRepository
from mongolock_async.testing import Mongod


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def client_of(driver: str, server: Mongod) -> Any:
    return (AsyncIOMotorClient if driver == "motor" else AsyncMongoClient)(server.uri)


async def use(client: Any, locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    assert await lease.release()
    await locks.aclose()
    await close(client)


def test_a_repository_that_was_used_is_refused_in_a_second_loop(
    driver: str, standalone: Mongod, runner: asyncio.Runner
) -> None:
    with asyncio.Runner() as first:
        client = client_of(driver, standalone)
        locks = LockRepository(client.loops.locks)
        first.run(use(client, locks))
    with pytest.raises(LockError, match="this LockRepository belongs to another event loop"):
        runner.run(locks.obtain("cron"))


def test_a_new_repository_on_a_client_of_another_loop_is_refused(
    driver: str, standalone: Mongod, runner: asyncio.Runner
) -> None:
    async def first_use() -> None:
        await client.loops.command("ping")

    with asyncio.Runner() as first:
        client = client_of(driver, standalone)
        first.run(first_use())
        locks = LockRepository(client.loops.locks)
        with pytest.raises(LockError, match=r"the client of loops\.locks belongs to another event loop"):
            runner.run(locks.obtain("cron"))
        first.run(use(client, locks))


def test_a_client_for_renewals_of_another_loop_is_refused(
    driver: str, standalone: Mongod, runner: asyncio.Runner
) -> None:
    async def first_use() -> None:
        await renewing.loops.command("ping")

    with asyncio.Runner() as first:
        client = client_of(driver, standalone)
        renewing: AsyncMongoClient[Any] = AsyncMongoClient(standalone.uri)
        first.run(first_use())
        locks = LockRepository(client.loops.locks, renewal_collection=renewing.loops.locks)
        with pytest.raises(LockError, match="belongs to another event loop"):
            runner.run(locks.obtain("cron", keep_alive=True))
        first.run(close_all(client, renewing))


async def close_all(*clients: Any) -> None:
    for client in clients:
        await close(client)


def test_each_loop_may_have_client_and_repository_of_its_own(driver: str, standalone: Mongod) -> None:
    for _ in range(2):
        with asyncio.Runner() as runner:
            client = client_of(driver, standalone)
            runner.run(use(client, LockRepository(client.loops.locks)))


# What a first script often looks like.
MODULE = """
import asyncio, sys
from pymongo import AsyncMongoClient
from motor.motor_asyncio import AsyncIOMotorClient
from mongolock_async import LockRepository

client = (AsyncIOMotorClient if sys.argv[2] == "motor" else AsyncMongoClient)(sys.argv[1])
locks = LockRepository(client.module.locks)

async def main():
    async with locks.lock("cron"):
        print("in the block", flush=True)

asyncio.run(main())
asyncio.run(main())
"""


def test_a_repository_of_a_module_is_refused_by_the_second_run(driver: str, standalone: Mongod) -> None:
    command = [sys.executable, "-c", MODULE, standalone.uri, driver]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ended.stdout == "in the block\n"
    assert ended.stderr.rstrip().endswith(
        "LockError: this LockRepository belongs to another event loop; make one inside each"
    )
