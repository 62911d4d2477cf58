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
    (warning,) = [record for record in caplog.records if record.name == "mongolock_async"]
    where = f"{collection.full_name}.expires_at"
    assert warning.getMessage().startswith(f"no TTL index on {where}: OperationFailure (code 13)")
    assert warning.levelno == logging.WARNING
    assert "expires_at_1" not in await collection.index_information()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Our own lines."""
    return [record.getMessage() for record in caplog.records if record.name == "mongolock_async"]


DAY = 86_400
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "other seconds": ({"expireAfterSeconds": 5}, "5"),
    "other seconds and name": (
        {"expireAfterSeconds": 5, "name": "mine"},
        "5",
    ),
    "no seconds": ({}, "None"),
    "for some only": (
        {"expireAfterSeconds": DAY, "partialFilterExpression": {"token": 7}},
        "None",
    ),
}


@pytest.mark.parametrize("other", OTHERS)
async def test_an_index_with_another_retention_is_left_alone_and_one_line_says_which(
    locks: LockRepository, collection: Any, caplog: pytest.LogCaptureFixture, other: str
) -> None:
    options, there = OTHERS[other]
    await collection.create_index("expires_at", **options)
    before = await collection.index_information()
    assert await locks.obtain("cron") is not None
    where = f"{collection.full_name}.expires_at"
    instead = f"what is there instead is left as it is (expireAfterSeconds: {there})"
    assert said(caplog) == [f"{where} has no TTL index of 86400 s; {instead}"]
    assert await collection.index_information() == before


async def test_whose_name_another_index_has_is_missed_in_one_line(
    locks: LockRepository, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await collection.create_index("owner", name="expires_at_1")
    assert await locks.obtain("cron") is not None
    (line,) = said(caplog)
    assert line.endswith("(expireAfterSeconds: None)")


SAME: dict[str, dict[str, Any]] = {
    "the same": {"expireAfterSeconds": DAY},
    "another name": {"expireAfterSeconds": DAY, "name": "mine"},
    "in floating point": {"expireAfterSeconds": 86_400.0, "name": "mine"},
    "hidden": {"expireAfterSeconds": DAY, "hidden": True},
}


@pytest.mark.parametrize("may_list", [True, False])
@pytest.mark.parametrize("same", SAME)
async def test_the_same_index_under_another_name_serves_as_well(
    locks: LockRepository,
    collection: Any,
    fail: Fail,
    caplog: pytest.LogCaptureFixture,
    same: str,
    may_list: bool,  # noqa: FBT001 - a parameter
) -> None:
    await collection.create_index("expires_at", **SAME[same])
    before = await collection.index_information()
    if not may_list:
        await fail("listIndexes", errorCode=13)
    assert await locks.obtain("cron") is not None
    assert said(caplog) == []
    await fail("none")
    assert await collection.index_information() == before


async def test_one_that_differs_in_what_does_not_matter_serves_as_well(
    locks: LockRepository, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await collection.create_index("expires_at", expireAfterSeconds=DAY, sparse=True)
    assert await locks.obtain("cron") is not None
    assert said(caplog) == []


async def test_who_may_not_list_indexes_is_told_what_is_wanted(
    locks: LockRepository, collection: Any, fail: Fail, caplog: pytest.LogCaptureFixture
) -> None:
    await collection.create_index("expires_at", expireAfterSeconds=5)
    await fail("listIndexes", errorCode=13)
    assert await locks.obtain("cron") is not None
    (line,) = said(caplog)
    assert "differs from the one that is wanted, with expireAfterSeconds 86400" in line


async def test_without_a_retention_no_index_is_made_and_nothing_is_said(
    make: MakeRepository, collection: Any, commands: CommandLog, caplog: pytest.LogCaptureFixture
) -> None:
    locks = make(retention=None)
    await locks.create("cron")
    assert await locks.obtain("cron") is not None
    assert list(await collection.index_information()) == ["_id_"]
    assert "createIndexes" not in commands.counts
    assert said(caplog) == []


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
