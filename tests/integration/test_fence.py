"""Writes that a newer fencing token refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo import WriteConcern
from pymongo.errors import DuplicateKeyError

from mongolock_async import Fenced, LockRepository, StaleTokenError

Late = Any


@pytest.fixture
def accounts(collection: Any) -> Any:
    return collection.database["accounts"]


@pytest.fixture
async def fences(locks: LockRepository, accounts: Any) -> tuple[Fenced, Fenced]:
    """That of a late holder, and that of its successor."""
    late = await locks.acquire("cron")
    await locks.force_release("cron")
    successor = await locks.acquire("cron")
    return late.fenced(accounts), successor.fenced(accounts)


async def test_a_write_stamps_the_document_with_its_token(locks: LockRepository, accounts: Any) -> None:
    lease = await locks.acquire("cron")
    await accounts.insert_one({"_id": 1, "n": 0})
    result = await lease.fenced(accounts).update_one({"_id": 1}, {"$inc": {"n": 1}})
    assert result.matched_count == 1
    assert await accounts.find_one() == {"_id": 1, "n": 1, "_fence": lease.fencing_token}


WRITES = {
    "update_one": lambda fence: fence.update_one({"_id": 1}, {"$set": {"by": "late"}}),
    "update_one, upsert": lambda fence: fence.update_one({"_id": 1}, {"$set": {"by": "late"}}, upsert=True),
    "update_one, other key": lambda fence: fence.update_one(
        {"key": "k"}, {"$set": {"by": "late"}}, upsert=True
    ),
    "update_one, pipeline": lambda fence: fence.update_one({"_id": 1}, [{"$set": {"by": "late"}}]),
    "update_many": lambda fence: fence.update_many({}, {"$set": {"by": "late"}}),
    "replace_one": lambda fence: fence.replace_one({"_id": 1}, {"by": "late"}),
    "replace_one, upsert": lambda fence: fence.replace_one({"_id": 1}, {"by": "late"}, upsert=True),
    "find_one_and_update": lambda fence: fence.find_one_and_update({"_id": 1}, {"$set": {"by": "late"}}),
    "find_one_and_update, upsert": lambda fence: fence.find_one_and_update(
        {"_id": 1}, {"$set": {"by": "late"}}, upsert=True
    ),
    "delete_one": lambda fence: fence.delete_one({"_id": 1}),
    "insert_one": lambda fence: fence.insert_one({"_id": 1, "by": "late"}),
}


@pytest.mark.parametrize("write", WRITES)
async def test_a_late_write_is_refused(fences: tuple[Late, Late], accounts: Any, write: str) -> None:
    late, successor = fences
    await successor.insert_one({"_id": 1, "key": "k", "by": "successor"})
    before = await accounts.find_one()
    with pytest.raises(StaleTokenError, match="stale"):
        await WRITES[write](late)
    assert await accounts.find().to_list(None) == [before]


@pytest.mark.parametrize("write", [write for write in WRITES if write != "insert_one"])
async def test_a_write_in_time_takes_effect(fences: tuple[Late, Late], accounts: Any, write: str) -> None:
    late, successor = fences
    await late.insert_one({"_id": 1, "key": "k", "by": "predecessor"})
    await WRITES[write](successor)
    after = await accounts.find_one()
    assert after is None if write == "delete_one" else after["by"] == "late"
    assert await accounts.count_documents({}) == (0 if write == "delete_one" else 1)


@pytest.mark.parametrize("write", [write for write in WRITES if "upsert" in write or write == "insert_one"])
async def test_an_upsert_makes_a_stamped_document(
    fences: tuple[Late, Late], accounts: Any, write: str
) -> None:
    late, _ = fences
    await WRITES[write](late)
    (made,) = await accounts.find().to_list(None)
    assert (made["by"], made["_fence"]) == ("late", late._token)


async def test_a_document_that_never_carried_a_token_is_written(
    fences: tuple[Late, Late], accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1})
    assert (await fences[0].update_one({"_id": 1}, {"$set": {"a": 1}})).modified_count == 1


async def test_a_filter_that_matches_nothing_is_no_error(fences: tuple[Late, Late], accounts: Any) -> None:
    late, _ = fences
    assert (await late.update_one({"_id": 9}, {"$set": {"a": 1}})).matched_count == 0
    assert (await late.delete_one({"_id": 9})).deleted_count == 0
    assert await late.find_one_and_update({"_id": 9}, {"$set": {"a": 1}}) is None
    assert await accounts.count_documents({}) == 0


async def test_update_many_writes_what_it_may_and_says_so(fences: tuple[Late, Late], accounts: Any) -> None:
    late, successor = fences
    await accounts.insert_one({"_id": 1})
    await successor.insert_one({"_id": 2})
    with pytest.raises(StaleTokenError):
        await late.update_many({}, {"$set": {"by": "late"}})
    assert [found.get("by") async for found in accounts.find().sort("_id", 1)] == ["late", None]


async def test_a_duplicate_key_that_is_not_stale_stays_the_drivers_error(fences: tuple[Late, Late]) -> None:
    late, _ = fences
    await late.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        await late.insert_one({"_id": 1})


async def test_the_field_can_be_named(locks: LockRepository, accounts: Any) -> None:
    lease = await locks.acquire("cron")
    await lease.fenced(accounts, field="token").insert_one({"_id": 1})
    assert await accounts.find_one() == {"_id": 1, "token": lease.fencing_token}


@pytest.mark.parametrize(
    ("field", "error"),
    [("", ValueError), ("$x", ValueError), ("a.b", ValueError), ("_id", ValueError), (7, TypeError)],
)
async def test_a_wrong_field_is_refused(
    locks: LockRepository, accounts: Any, field: Any, error: type[Exception]
) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(error, match="field"):
        lease.fenced(accounts, field)
    with pytest.raises(TypeError, match="async collection"):
        lease.fenced("accounts")  # type: ignore[arg-type]  # that is the point


async def test_concurrent_upserts_of_one_document_all_take_effect(
    fences: tuple[Late, Late], accounts: Any
) -> None:
    late, successor = fences
    for number in range(30):
        writes = (successor.update_one({"_id": number}, {"$inc": {"n": 1}}, upsert=True) for _ in range(8))
        older = late.update_one({"_id": number}, {"$inc": {"late": 1}}, upsert=True)
        *results, last = await asyncio.gather(*writes, older, return_exceptions=True)
        assert not any(isinstance(result, BaseException) for result in results)
        assert not isinstance(last, BaseException) or isinstance(last, StaleTokenError)
    assert {found["n"] async for found in accounts.find()} == {8}


async def test_what_cannot_be_fenced_is_refused(fences: tuple[Late, Late], accounts: Any) -> None:
    late, successor = fences
    await successor.insert_one({"_id": 1, "k": 1})
    with pytest.raises(TypeError, match="no upsert"):
        await late.update_many({"k": 1}, {"$set": {"a": 1}}, upsert=True)
    with pytest.raises(ValueError, match="empty"):
        await late.update_one({"_id": 1}, {})
    with pytest.raises(TypeError, match="filter"):
        await late.update_one(None, {"$set": {"a": 1}})
    assert await accounts.count_documents({}) == 1


async def test_a_fence_needs_acknowledged_writes(locks: LockRepository, accounts: Any) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(ValueError, match="acknowledged"):
        lease.fenced(accounts.with_options(write_concern=WriteConcern(0)))
