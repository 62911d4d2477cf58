"""Looking inside, and by force."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from mongolock_async import LockBackendError, LockError, LockRepository
from mongolock_async._protocol import claim

FOREIGN = [
    {"foo": 1},
    {"holders": "me"},
    {"holders": [], "queue": []},
    {"holders": [], "queue": "none", "token": 1, "capacity": 1},
    {"holders": {}, "queue": [], "token": 1, "capacity": 1},
    {"holders": [], "queue": [], "token": "1", "capacity": 1},
]


async def test_a_lock_without_a_document_is_none(locks: LockRepository) -> None:
    assert await locks.get("cron") is None


async def test_get_tells_owner_age_and_what_remains(locks: LockRepository) -> None:
    lease = await locks.acquire("cron", owner="me", ttl=10)
    await asyncio.sleep(0.05)
    info = await locks.get("cron")
    assert info is not None
    (holder,) = info.holders
    assert (info.name, info.capacity, info.held, info.queue) == ("cron", 1, True, ())
    assert (holder.owner, holder.weight, holder.fencing_token) == ("me", 1, lease.fencing_token)
    assert 0.04 < holder.age < 1
    assert holder.age + holder.remaining == pytest.approx(10, abs=0.001)
    assert info.fencing_token == lease.fencing_token


async def test_get_tells_who_waits(locks: LockRepository, collection: Any) -> None:
    await locks.acquire("cron")
    pipeline = claim("other.1", owner=7, ttl_ms=1000, wait=True)
    await collection.find_one_and_update({"_id": "cron"}, pipeline)
    info = await locks.get("cron")
    assert info is not None
    assert [(waiter.owner, waiter.weight) for waiter in info.queue] == [(7, 1)]
    assert 9 < info.queue[0].remaining <= 10
    assert 0 <= info.queue[0].age < 1


async def test_an_expired_holder_is_not_shown(locks: LockRepository) -> None:
    await locks.acquire("cron", ttl=0.1)
    await asyncio.sleep(0.15)
    info = await locks.get("cron")
    assert info is not None
    assert not info.held


async def test_a_created_lock_is_free(locks: LockRepository) -> None:
    await locks.create("cron")
    info = await locks.get("cron")
    assert info is not None
    assert (info.held, info.fencing_token) == (False, 0)


async def test_creating_a_lock_again_changes_nothing(locks: LockRepository, collection: Any) -> None:
    lease = await locks.acquire("cron")
    before = await collection.find_one({"_id": "cron"})
    await locks.create("cron")
    assert await collection.find_one({"_id": "cron"}) == before
    assert lease.held


async def test_list_walks_the_names_with_a_prefix_in_order(locks: LockRepository) -> None:
    for name in ("job:b", "job:a", "job", "joc", "job:\U0010ffff", "a"):
        await locks.create(name)
    assert [info.name async for info in locks.list(prefix="job:")] == ["job:a", "job:b", "job:\U0010ffff"]
    assert len([info async for info in locks.list()]) == 6


async def test_list_passes_foreign_documents_over(locks: LockRepository, collection: Any) -> None:
    await locks.create("a")
    await collection.insert_many([{"_id": 7}, {"foo": 1}, {"_id": "b", "foo": 1}])
    assert [info.name async for info in locks.list()] == ["a"]


async def test_force_release_frees_a_lock(locks: LockRepository, others: LockRepository) -> None:
    lease = await locks.acquire("cron")
    assert await others.force_release("cron") is True
    assert await others.force_release("cron") is False
    assert await others.obtain("cron") is not None
    assert await lease.release() is False


async def test_force_release_of_an_unknown_lock_makes_nothing(locks: LockRepository) -> None:
    assert await locks.force_release("cron") is False
    assert await locks.get("cron") is None


@pytest.mark.parametrize("document", FOREIGN, ids=str)
async def test_a_foreign_document_is_refused_and_left_as_it_is(
    locks: LockRepository, collection: Any, document: dict[str, Any]
) -> None:
    stored = {"_id": "cron", **document}
    await collection.insert_one(stored)
    for use in (
        locks.obtain("cron"),
        locks.acquire("cron"),
        locks.create("cron"),
        locks.get("cron"),
        locks.force_release("cron"),
        anext(locks.every(1, "cron")),
    ):
        with pytest.raises(LockError, match="is not a lock; it was left as it is"):
            await use
    assert await collection.find_one({"_id": "cron"}) == stored


async def test_nothing_but_a_claim_makes_a_lock_of_an_empty_document(
    locks: LockRepository, collection: Any
) -> None:
    await collection.insert_one({"_id": "cron"})
    with pytest.raises(LockError, match="is not a lock"):
        await locks.force_release("cron")
    assert await collection.find_one({"_id": "cron"}) == {"_id": "cron"}
    assert await locks.obtain("cron") is not None


async def test_one_broken_document_costs_no_other_lease(locks: LockRepository, collection: Any) -> None:
    leases = [await locks.acquire(f"n{number}", ttl=3, keep_alive=True) for number in range(4)]
    await collection.update_one({"_id": "n1"}, {"$set": {"capacity": 2.5}})
    await asyncio.sleep(3.5)
    assert [lease.held for lease in leases] == [True, False, True, True]


async def test_a_lease_whose_document_turned_foreign_cannot_be_released(
    locks: LockRepository, collection: Any
) -> None:
    lease = await locks.acquire("cron")
    await collection.replace_one({"_id": "cron"}, {"mine": True})
    with pytest.raises(LockError, match="is not a lock"):
        await lease.release()


async def test_a_name_in_use_with_another_capacity_is_refused(locks: LockRepository, collection: Any) -> None:
    pipeline = claim("other.1", owner=7, ttl_ms=60_000, capacity=3)
    await collection.find_one_and_update({"_id": "gpu"}, pipeline, upsert=True)
    before = await collection.find_one({"_id": "gpu"})
    with pytest.raises(LockError, match="in use with capacity 3"):
        await locks.obtain("gpu")
    assert await collection.find_one({"_id": "gpu"}) == before


async def test_an_error_of_the_driver_is_wrapped_and_kept(locks: LockRepository, client: Any) -> None:
    await locks.create("cron")
    fail = {"failCommands": ["findAndModify"], "errorCode": 8000}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail})
    with pytest.raises(LockBackendError) as caught:
        await locks.obtain("cron", owner="secret")
    error = caught.value
    assert (error.action, error.name, error.code) == ("obtain", "cron", 8000)
    assert isinstance(error.__cause__, OperationFailure)
    assert "secret" not in str(error)


async def test_a_closed_client_is_a_backend_error(client: Any, collection: Any, uri: str) -> None:
    closed = type(client)(uri)
    locks = LockRepository(closed[collection.database.name]["locks"])
    await locks.create("cron")
    closing = closed.close()
    if closing is not None:
        await closing
    with pytest.raises(LockBackendError):
        await locks.obtain("cron")
    await locks.aclose()


async def test_a_forked_child_is_refused(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    locks._session._pid = os.getpid() + 1
    for use in (locks.obtain("a"), lease.release(), lease.renew()):
        with pytest.raises(LockError, match="fork"):
            await use
    locks._session._pid = os.getpid()
    assert lease.held
    lease._pid = os.getpid() + 1
    assert not lease.held
