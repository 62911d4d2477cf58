"""Claims that the server, or the way to it, might mistake."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mongo.shared import Fail, Meanwhile, look
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from mongolock_async import LockBackendError, LockRepository

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

NASTY = ["$token", "a.b.$c", 'say "hi"', "$$NOW", "🔒 ключ", "{$ne: 1}", "x" * 1024, "a\nb"]


@on_replica_set
async def test_concurrent_claims_of_new_names_give_one_lease_each(
    locks: LockRepository, others: LockRepository
) -> None:
    claims = [repository.obtain(f"n{number % 4}") for number in range(32) for repository in (locks, others)]
    leases = [lease for lease in await asyncio.gather(*claims) if lease is not None]
    assert sorted(lease.name for lease in leases) == ["n0", "n1", "n2", "n3"]


@on_standalone
async def test_names_and_owners_come_back_as_they_went_in(locks: LockRepository) -> None:
    for text in NASTY:
        lease = await locks.acquire(text, owner=text)
        info = await look(locks, text)
        assert (info.name, info.holders[0].owner) == (text, text)
        assert await lease.renew() is True
        assert await lease.release() is True
    assert [info.name async for info in locks.list()] == sorted(NASTY)


@on_standalone
async def test_tokens_grow_also_when_the_collection_was_dropped(
    locks: LockRepository, collection: Any
) -> None:
    before = await locks.acquire("cron")
    await collection.drop()
    assert (await locks.acquire("cron")).fencing_token > before.fencing_token


@on_standalone
async def test_an_error_of_the_driver_is_wrapped_and_kept(locks: LockRepository, fail: Fail) -> None:
    await locks.create("cron")
    await fail("findAndModify", errorCode=8000)
    with pytest.raises(LockBackendError) as caught:
        await locks.obtain("cron", owner="secret")
    error = caught.value
    assert (error.action, error.name, error.kind, error.code) == ("obtain", "cron", "OperationFailure", 8000)
    assert isinstance(error.__cause__, OperationFailure)
    assert "secret" not in str(error)


@pytest.fixture
def commands() -> Meanwhile:
    return Meanwhile()


@on_standalone
@pytest.mark.parametrize("way", ["obtain", "acquire", "create"])
async def test_a_duplicate_key_of_claims_that_race_is_tried_again(
    locks: LockRepository, collection: Any, uri: str, commands: Meanwhile, way: str
) -> None:
    """MongoDB hides the race for a name; this one is for another unique key, which goes meanwhile."""
    await collection.create_index("capacity", unique=True)
    await locks.create("other")
    commands.clear()
    with MongoClient[dict[str, Any]](uri) as blocking:

        def give_way() -> None:
            blocking[collection.database.name][collection.name].drop_index("capacity_1")

        commands.todo = [lambda: None, give_way]
        await getattr(locks, way)("cron")
    assert commands.counts == {"findAndModify": 2}
    assert await locks.get("cron") is not None


@on_standalone
async def test_a_duplicate_key_that_stays_is_an_error_of_the_claim(
    locks: LockRepository, collection: Any, commands: Meanwhile
) -> None:
    await collection.create_index("capacity", unique=True)
    await locks.create("other")
    commands.clear()
    with pytest.raises(LockBackendError, match="DuplicateKeyError") as caught:
        await locks.obtain("cron")
    assert caught.value.code == 11000
    assert commands.counts["findAndModify"] < 10
