"""The TTL index: clean-up, and nothing more."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from mongo.shared import Fail, MakeRepository
from support import CommandLog

from mongolock_async import LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


async def test_create_makes_the_ttl_index_with_a_day_of_retention(
    locks: LockRepository, collection: Any
) -> None:
    await locks.create("cron")
    index = (await collection.index_information())["expires_at_1"]
    assert index["expireAfterSeconds"] == 86_400


async def test_the_first_claims_make_the_index_once(
    make: MakeRepository, collection: Any, commands: CommandLog
) -> None:
    locks = make(retention=60)
    await asyncio.gather(*(locks.obtain(f"n{number}") for number in range(10)))
    assert commands.counts["createIndexes"] == 1
    assert (await collection.index_information())["expires_at_1"]["expireAfterSeconds"] == 60


async def test_a_lock_works_without_the_index_after_one_warning(
    locks: LockRepository,
    clock: MemoryClock,
    collection: Any,
    commands: CommandLog,
    fail: Fail,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await fail("createIndexes", errorCode=13)
    for _ in range(3):
        assert await (await locks.acquire("cron")).release() is True
        clock.advance(60)
    assert commands.counts["createIndexes"] == 1
    # asyncio, in debug mode, has its own to say on a busy machine.
    (warning,) = [record for record in caplog.records if record.name == "mongolock_async"]
    where = f"{collection.full_name}.expires_at"
    assert warning.getMessage().startswith(f"no TTL index on {where}: OperationFailure (code 13)")
    assert warning.levelno == logging.WARNING
    assert "expires_at_1" not in await collection.index_information()


async def test_an_index_with_another_retention_is_left_alone(
    locks: LockRepository, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await collection.create_index("expires_at", expireAfterSeconds=5)
    assert await locks.obtain("cron") is not None
    assert "code 85" in caplog.text
    assert (await collection.index_information())["expires_at_1"]["expireAfterSeconds"] == 5


async def test_an_index_that_failed_for_lack_of_a_connection_is_tried_again_after_a_while(
    locks: LockRepository, clock: MemoryClock, collection: Any, commands: CommandLog, fail: Fail
) -> None:
    await fail("createIndexes", closeConnection=True)
    for name in ("a", "b"):
        assert await locks.obtain(name) is not None
    assert commands.counts["createIndexes"] == 1
    clock.advance(10)
    assert await locks.obtain("c") is not None
    assert "expires_at_1" in await collection.index_information()
