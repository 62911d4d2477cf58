"""Writes that a newer fencing token refuses."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from pymongo import WriteConcern
from pymongo.errors import DuplicateKeyError

from mongolock_async import Fenced, LockRepository, StaleTokenError

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

LATE, NEWER = 41, 42

WRITES: dict[str, Callable[[Any], Awaitable[object]]] = {
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
    "find_one_and_replace": lambda fence: fence.find_one_and_replace({"_id": 1}, {"by": "late"}),
    "find_one_and_replace, upsert": lambda fence: fence.find_one_and_replace(
        {"_id": 1}, {"by": "late"}, upsert=True
    ),
    "find_one_and_delete": lambda fence: fence.find_one_and_delete({"_id": 1}),
    "delete_one": lambda fence: fence.delete_one({"_id": 1}),
    "delete_many": lambda fence: fence.delete_many({}),
    "insert_one": lambda fence: fence.insert_one({"_id": 1, "by": "late"}),
}


@pytest.fixture
def accounts(collection: Any) -> Any:
    return collection.database["accounts"]


@pytest.fixture
def late(accounts: Any) -> Fenced:
    """That of a late holder."""
    return Fenced(accounts, "cron", LATE, "_fence")


@pytest.fixture
def successor(accounts: Any) -> Fenced:
    """That of the one who has the lock by now."""
    return Fenced(accounts, "cron", NEWER, "_fence")


async def test_a_write_stamps_the_document_with_the_token_of_its_lease(
    locks: LockRepository, accounts: Any
) -> None:
    lease = await locks.acquire("cron")
    await accounts.insert_one({"_id": 1, "n": 0})
    result = await lease.fenced(accounts).update_one({"_id": 1}, {"$inc": {"n": 1}})
    assert result.matched_count == 1
    await lease.fenced(accounts, field="token").insert_one({"_id": 2})
    assert await accounts.find().sort("_id", 1).to_list(None) == [
        {"_id": 1, "n": 1, "_fence": lease.fencing_token},
        {"_id": 2, "token": lease.fencing_token},
    ]


@pytest.mark.parametrize("write", WRITES)
async def test_a_late_write_is_refused(late: Fenced, successor: Fenced, accounts: Any, write: str) -> None:
    await successor.insert_one({"_id": 1, "key": "k", "by": "successor"})
    before = await accounts.find_one()
    with pytest.raises(StaleTokenError, match="fencing token 41 of lock 'cron' is stale"):
        await WRITES[write](late)
    assert await accounts.find().to_list(None) == [before]


@pytest.mark.parametrize("write", [write for write in WRITES if write != "insert_one"])
async def test_a_write_in_time_takes_effect(
    late: Fenced, successor: Fenced, accounts: Any, write: str
) -> None:
    await late.insert_one({"_id": 1, "key": "k", "by": "predecessor"})
    await WRITES[write](successor)
    found = await accounts.find().to_list(None)
    stamps = [(document["by"], document["_fence"]) for document in found]
    assert stamps == ([] if "delete" in write else [("late", NEWER)])


@pytest.mark.parametrize("write", [write for write in WRITES if "upsert" in write or write == "insert_one"])
async def test_an_upsert_makes_a_stamped_document(late: Fenced, accounts: Any, write: str) -> None:
    await WRITES[write](late)
    (made,) = await accounts.find().to_list(None)
    assert (made["by"], made["_fence"]) == ("late", LATE)


async def test_a_document_that_never_carried_a_token_is_written(late: Fenced, accounts: Any) -> None:
    await accounts.insert_one({"_id": 1})
    assert (await late.update_one({"_id": 1}, {"$set": {"a": 1}})).modified_count == 1


async def test_a_filter_that_matches_nothing_is_no_error(late: Fenced, accounts: Any) -> None:
    assert (await late.update_one({"_id": 9}, {"$set": {"a": 1}})).matched_count == 0
    assert (await late.update_many({"_id": 9}, {"$set": {"a": 1}})).matched_count == 0
    assert (await late.delete_one({"_id": 9})).deleted_count == 0
    assert (await late.delete_many({"_id": 9})).deleted_count == 0
    assert await late.find_one_and_update({"_id": 9}, {"$set": {"a": 1}}) is None
    assert await late.find_one_and_replace({"_id": 9}, {"a": 1}) is None
    assert await late.find_one_and_delete({"_id": 9}) is None
    assert await accounts.count_documents({}) == 0


async def test_update_many_writes_what_it_may_and_says_so(
    late: Fenced, successor: Fenced, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1})
    await successor.insert_one({"_id": 2})
    with pytest.raises(StaleTokenError):
        await late.update_many({}, {"$set": {"by": "late"}})
    assert [found.get("by") async for found in accounts.find().sort("_id", 1)] == ["late", None]


async def test_delete_many_deletes_what_it_may_and_says_so(
    late: Fenced, successor: Fenced, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1})
    await successor.insert_one({"_id": 2})
    with pytest.raises(StaleTokenError):
        await late.delete_many({})
    assert [found["_id"] async for found in accounts.find()] == [2]
    assert (await successor.delete_many({})).deleted_count == 1


async def test_of_several_the_first_that_may_be_deleted_is(
    late: Fenced, successor: Fenced, accounts: Any
) -> None:
    await successor.insert_one({"_id": 1})
    await late.insert_one({"_id": 2})
    assert await late.find_one_and_delete({}, sort={"_id": 1}) == {"_id": 2, "_fence": LATE}
    with pytest.raises(StaleTokenError):
        await late.find_one_and_delete({}, sort={"_id": 1})
    assert await accounts.count_documents({}) == 1


class Obliging(dict[str, Any]):
    """A class of documents that has every attribute."""

    def __getattr__(self, name: str) -> int:
        return 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("there", [False, True])
async def test_an_upsert_that_finds_applies_once_whatever_class_documents_have(
    accounts: Any, *, there: bool, after: bool
) -> None:
    odd = accounts.with_options(codec_options=CodecOptions(document_class=Obliging))
    fence = Fenced(odd, "cron", LATE, "_fence")
    if there:
        await accounts.insert_one({"_id": 1, "n": 0})
    found = await fence.find_one_and_update(
        {"_id": 1}, {"$inc": {"n": 1}}, upsert=True, return_document=after
    )
    assert (await accounts.find_one())["n"] == 1
    assert found is None if not there and not after else found["n"] == after
    replaced = await fence.find_one_and_replace(
        {"_id": 1}, {"n": 7}, upsert=True, return_document=after, projection={"_id": 0, "n": 1}
    )
    assert replaced == {"n": 7 if after else 1}


async def test_an_insert_gives_the_callers_document_its_id_and_no_stamp(late: Fenced, accounts: Any) -> None:
    document: dict[str, Any] = {"n": 1}
    result = await late.insert_one(document)
    assert document == {"n": 1, "_id": result.inserted_id}
    assert await accounts.find_one() == {**document, "_fence": LATE}
    await late.delete_one({"_id": result.inserted_id})
    assert (await late.insert_one(document)).inserted_id == result.inserted_id
    with pytest.raises(DuplicateKeyError):  # and not a second document, where the first was in doubt
        await late.insert_one(document)


async def test_a_document_that_cannot_be_changed_is_inserted_all_the_same(
    late: Fenced, accounts: Any
) -> None:
    result = await late.insert_one(MappingProxyType({"n": 1}))
    assert await accounts.find_one() == {"_id": result.inserted_id, "n": 1, "_fence": LATE}


async def test_two_locks_with_a_field_each_guard_the_same_document(accounts: Any) -> None:
    first, second = Fenced(accounts, "a", NEWER, "_fence_a"), Fenced(accounts, "b", LATE, "_fence_b")
    await first.insert_one({"_id": 1})
    await second.update_one({"_id": 1}, {"$set": {"n": 1}})
    assert await accounts.find_one() == {"_id": 1, "n": 1, "_fence_a": NEWER, "_fence_b": LATE}


async def test_a_fence_cannot_be_copied(late: Fenced) -> None:
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="this Fenced cannot be copied or pickled"):
            way(late)


async def test_a_duplicate_key_that_is_not_stale_stays_the_drivers_error(late: Fenced, accounts: Any) -> None:
    await accounts.create_index("key", unique=True)
    await late.insert_one({"_id": 1, "key": "k"})
    with pytest.raises(DuplicateKeyError):
        await late.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        await late.update_one({"_id": 2}, {"$set": {"key": "k"}}, upsert=True)
    assert await accounts.count_documents({}) == 1


async def test_concurrent_upserts_of_one_document_all_take_effect(
    late: Fenced, successor: Fenced, accounts: Any
) -> None:
    for number in range(6):
        writes = [successor.update_one({"_id": number}, {"$inc": {"n": 1}}, upsert=True) for _ in range(8)]
        older = late.update_one({"_id": number}, {"$inc": {"late": 1}}, upsert=True)
        *results, last = await asyncio.gather(*writes, older, return_exceptions=True)
        assert not any(isinstance(result, BaseException) for result in results)
        assert not isinstance(last, BaseException) or isinstance(last, StaleTokenError)
    assert {found["n"] async for found in accounts.find()} == {8}


async def test_what_cannot_be_fenced_is_refused(late: Any, successor: Fenced, accounts: Any) -> None:
    await successor.insert_one({"_id": 1, "k": 1})
    with pytest.raises(TypeError, match="no upsert"):
        await late.update_many({"k": 1}, {"$set": {"a": 1}}, upsert=True)
    with pytest.raises(ValueError, match="empty"):
        await late.update_one({"_id": 1}, {})
    with pytest.raises(TypeError, match="filter"):
        await late.update_one(None, {"$set": {"a": 1}})
    for delete in (late.delete_many, late.find_one_and_delete):
        with pytest.raises(TypeError, match="filter"):
            await delete(None)
    assert await accounts.find().to_list(None) == [{"_id": 1, "k": 1, "_fence": NEWER}]


@pytest.mark.parametrize(
    ("field", "error"),
    [("", ValueError), ("$x", ValueError), ("a.b", ValueError), ("_id", ValueError), (7, TypeError)],
)
async def test_a_wrong_field_is_refused(accounts: Any, field: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="field"):
        Fenced(accounts, "cron", LATE, field)


async def test_a_fence_needs_an_async_collection_and_acknowledged_writes(accounts: Any) -> None:
    with pytest.raises(TypeError, match="async collection"):
        Fenced("accounts", "cron", LATE, "_fence")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match="acknowledged"):
        Fenced(accounts.with_options(write_concern=WriteConcern(0)), "cron", LATE, "_fence")


async def test_a_lease_is_wanted_while_a_fence_refers_to_it(
    locks: LockRepository, accounts: Any, recwarn: pytest.WarningsRecorder
) -> None:
    lease = await locks.acquire("cron", keep_alive=True)
    fenced = lease.fenced(accounts)
    del lease
    assert list(recwarn) == []
    with pytest.warns(ResourceWarning, match="'cron'"):
        del fenced
