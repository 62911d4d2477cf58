"""What is looked at before the first lock is kept: the collection, and what it compares names by."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mongo.shared import Fail
from pymongo.collation import Collation
from support import CommandLog

from mongolock_async import LockError, LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

CASE_INSENSITIVE = Collation("en", strength=2)
# By this one "x" and "X" are two names, but lists are in another order, and "é" has two spellings.
CASE_SENSITIVE = Collation("en", strength=3)

Make = Callable[[Any], Awaitable[object]]


def with_collation(collation: Collation) -> Make:
    return lambda collection: collection.database.create_collection(collection.name, collation=collation)


async def as_view(collection: Any) -> None:
    await collection.database["others"].insert_one({"_id": "cron"})
    await collection.database.create_collection(collection.name, viewOn="others", pipeline=[])


async def as_filtering_view(collection: Any) -> None:
    pipeline = [{"$match": {"_id": {"$ne": 7}}}, {"$sort": {"x": 1}}]
    await collection.database.create_collection(collection.name, viewOn="others", pipeline=pipeline)


async def as_time_series(collection: Any) -> None:
    await collection.database.create_collection(collection.name, timeseries={"timeField": "since"})


UNFIT: dict[str, tuple[Make, str]] = {
    "case-insensitive": (with_collation(CASE_INSENSITIVE), "has a default collation"),
    "case-sensitive": (with_collation(CASE_SENSITIVE), "has a default collation"),
    "view": (as_view, "is a view or a time series collection"),
    "view that filters": (as_filtering_view, "is a view or a time series collection"),
    "time series": (as_time_series, "is a view or a time series collection"),
}


@pytest.mark.parametrize("unfit", UNFIT)
async def test_a_collection_that_cannot_tell_names_apart_or_is_none_is_refused_at_the_first_use(
    locks: LockRepository, collection: Any, commands: CommandLog, unfit: str
) -> None:
    make, why = UNFIT[unfit]
    await make(collection)
    commands.clear()
    for name in ("x", "X"):
        with pytest.raises(LockError, match=f"{collection.full_name} {why}"):
            await locks.obtain(name)
    assert commands.counts == {"explain": 1}


async def test_a_capped_collection_is_refused_where_the_server_makes_no_ttl_index_on_it(
    locks: LockRepository, client: Any, collection: Any
) -> None:
    if (await client.server_info())["versionArray"] < [6]:
        pytest.skip("before 6.0, MongoDB makes one")
    await collection.database.create_collection(collection.name, capped=True, size=4096)
    with pytest.raises(LockError, match=f"{collection.full_name} is a capped collection"):
        await locks.obtain("cron")
    assert await collection.count_documents({}) == 0


async def test_one_that_was_made_anew_without_is_taken_after_a_while(
    locks: LockRepository, clock: MemoryClock, collection: Any
) -> None:
    await with_collation(CASE_INSENSITIVE)(collection)
    with pytest.raises(LockError, match="collation"):
        await locks.obtain("x")
    await collection.drop()
    clock.advance(10)
    assert [bool(await locks.obtain(name)) for name in ("x", "X")] == [True, True]


@pytest.mark.parametrize("there", ["missing", "empty", "with other indexes"])
async def test_an_ordinary_collection_is_taken_after_one_look(
    locks: LockRepository, collection: Any, commands: CommandLog, there: str
) -> None:
    if there == "empty":
        await with_collation(Collation("simple"))(collection)
    elif there == "with other indexes":
        await collection.create_index("owner", collation=CASE_INSENSITIVE)
        await collection.create_index([("_id", 1), ("x", 1)], collation=CASE_INSENSITIVE)
    commands.clear()
    for name in ("x", "X", "y"):
        assert await locks.obtain(name) is not None
    assert commands.counts == {"explain": 1, "createIndexes": 1, "findAndModify": 3}
    assert [info.name async for info in locks.list()] == ["X", "x", "y"]


async def test_the_look_has_a_deadline(locks: LockRepository, commands: CommandLog) -> None:
    await locks.create("cron")
    assert 0 < commands.last("explain")["maxTimeMS"] <= 5_000


async def test_where_nobody_may_look_locks_are_kept_without_a_word(
    locks: LockRepository,
    clock: MemoryClock,
    fail: Fail,
    commands: CommandLog,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "mongolock_async")
    await fail("explain", errorCode=13)
    for _ in range(2):
        assert await (await locks.acquire("cron")).release() is True
        clock.advance(60)
    assert commands.counts["explain"] == 1
    assert [record for record in caplog.records if record.name == "mongolock_async"] == []


async def test_where_the_look_has_no_answer_it_is_taken_again_after_a_while(
    locks: LockRepository, clock: MemoryClock, collection: Any, fail: Fail
) -> None:
    await fail("explain", closeConnection=True)
    assert await locks.obtain("a") is not None
    await collection.drop()
    await with_collation(CASE_INSENSITIVE)(collection)
    clock.advance(10)
    with pytest.raises(LockError, match="collation"):
        await locks.obtain("b")
