"""The TTL index: clean-up, and nothing more."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from mongolock_async import LockRepository


async def test_create_makes_the_ttl_index_with_a_day_of_retention(
    locks: LockRepository, collection: Any
) -> None:
    await locks.create("cron")
    index = (await collection.index_information())["expires_at_1"]
    assert index["expireAfterSeconds"] == 86_400


async def test_the_first_claim_makes_the_index_once(make: Any, collection: Any, commands: Any) -> None:
    locks = make(retention=60)
    await asyncio.gather(*(locks.obtain(f"n{number}") for number in range(10)))
    assert commands.counts["createIndexes"] == 1
    assert (await collection.index_information())["expires_at_1"]["expireAfterSeconds"] == 60


async def test_a_lock_works_without_the_index_after_one_warning(
    locks: LockRepository, client: Any, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fail = {"failCommands": ["createIndexes"], "errorCode": 13}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail})
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        for _ in range(3):
            lease = await locks.acquire("cron")
            await lease.release()
    # asyncio, in debug mode, has its own to say on a busy machine.
    (warning,) = [record for record in caplog.records if record.name == "mongolock_async"]
    where = f"{collection.database.name}.locks.expires_at"
    assert warning.getMessage().startswith(f"no TTL index on {where}: OperationFailure (code 13)")


async def test_an_index_with_another_retention_is_left_alone(
    collection: Any, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await collection.create_index("expires_at", expireAfterSeconds=5)
    assert await make().obtain("cron") is not None
    assert "code 85" in caplog.text


async def test_an_index_that_failed_for_lack_of_a_connection_is_tried_again_after_a_while(
    locks: LockRepository, client: Any, collection: Any
) -> None:
    fail = {"failCommands": ["createIndexes"], "closeConnection": True}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail})
    assert await locks.obtain("a") is not None
    assert await locks.obtain("b") is not None
    assert "expires_at_1" not in await collection.index_information()
    locks._session._index._due = 0.0  # the while is over
    assert await locks.obtain("c") is not None
    assert "expires_at_1" in await collection.index_information()


async def test_the_document_expires_when_its_last_lease_does(locks: LockRepository, collection: Any) -> None:
    lease = await locks.acquire("cron", ttl=100)
    document = await collection.find_one({"_id": "cron"})
    assert document["expires_at"] == document["holders"][0]["expires"]
    await lease.release()
    assert (await collection.find_one({"_id": "cron"}))["expires_at"] == document["expires_at"]
