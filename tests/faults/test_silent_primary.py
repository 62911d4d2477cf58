"""A primary that keeps its connections and answers nothing, while another is elected."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pymongo
import pytest
from conftest import MakeRepository
from pymongo import WriteConcern
from pymongo.errors import PyMongoError
from secured import running
from support import CommandLog, connected, until

from mongolock_async import LockRepository
from mongolock_async.testing import ReplicaSet

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

# A secondary that had just begun to follow the node that is stopped does so for up to a minute.
COMMAND_TIMEOUT = 90


@pytest.fixture(scope="module")
def servers() -> Iterator[ReplicaSet]:
    """A set whose primary may be stopped."""
    with running(ReplicaSet(3)) as servers:
        yield servers


@pytest.fixture
async def collection(servers: ReplicaSet, driver: str, commands: CommandLog) -> AsyncIterator[Any]:
    await servers.secondaries()
    async with connected(driver, servers.uri, event_listeners=[commands]) as client:
        database = client[f"test_{uuid.uuid4().hex}"]
        await database.get_collection("all", write_concern=WriteConcern(3)).insert_one({})
        yield database.locks


@pytest.fixture
def locks(make: MakeRepository) -> LockRepository:
    return make(command_timeout=COMMAND_TIMEOUT)


@pytest.fixture
def others(make: MakeRepository) -> LockRepository:
    return make(command_timeout=COMMAND_TIMEOUT)


@asynccontextmanager
async def silent(servers: ReplicaSet) -> AsyncIterator[int]:
    """The primary, at this port, is stopped during the block."""
    primary = await servers.primary()
    primary.stop()
    began = time.monotonic()
    try:
        yield primary.port
    finally:
        primary.resume()
        print(f"done {time.monotonic() - began:.1f} s after the primary was stopped")


async def test_a_claim_that_has_no_answer_is_asked_of_the_next_primary(
    servers: ReplicaSet, locks: LockRepository
) -> None:
    await locks.create("cron")
    async with silent(servers):
        assert await locks.obtain("cron", ttl=60)


async def test_a_release_that_has_no_answer_is_sent_to_the_next_primary(
    servers: ReplicaSet, locks: LockRepository, commands: CommandLog
) -> None:
    lease = await locks.acquire("cron", ttl=600)
    async with silent(servers) as stopped:
        assert await lease.release()
    # It is for one node; another election may undo it.
    last = [event for event in commands.sent if event.command_name == "findAndModify"][-1]
    assert last.connection_id[1] != stopped


async def test_a_hand_off_reaches_one_whose_cursor_fell_silent(
    servers: ReplicaSet, collection: Any, locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron", ttl=120)
    waiter = asyncio.create_task(others.acquire("cron"))
    await until(lambda: hears(others))
    await asyncio.sleep(0.5)
    async with silent(servers):
        await held.release()
        await acknowledged(collection)
        async with asyncio.timeout(20):  # by the driver alone it would be 29 s
            assert (await waiter).held


async def acknowledged(collection: Any) -> None:
    """Wait until a majority acknowledges a write again: how long that takes is the servers' affair."""
    majority = collection.database.get_collection("pulse", write_concern=WriteConcern("majority"))
    while True:
        try:
            with pymongo.timeout(1):
                await majority.insert_one({})
        except PyMongoError:
            await asyncio.sleep(0.1)
        else:
            return


async def hears(locks: LockRepository) -> bool:
    backend: Any = locks._backend
    listening = backend._calls._listening
    return listening is not None and listening._cursor is not None and bool(listening._cursor.cursor_id)
