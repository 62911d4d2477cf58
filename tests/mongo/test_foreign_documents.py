"""Documents in the collection that are no locks, or no more."""

from __future__ import annotations

from typing import Any

import pytest
from mongo.shared import look, request, stands, waiting, with_clock
from support import until

from mongolock_async import LockError, LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = [
    pytest.mark.parametrize("uri", ["standalone"], indirect=True),
    pytest.mark.parametrize("driver", ["pymongo"], indirect=True),
]

FOREIGN = [
    {"foo": 1},
    {"holders": "me"},
    {"holders": [], "queue": []},
    {"holders": [], "queue": "none", "token": 1, "capacity": 1},
    {"holders": {}, "queue": [], "token": 1, "capacity": 1},
    {"holders": [], "queue": [], "token": "1", "capacity": 1},
]


async def nothing() -> None:
    """Never done."""


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
        locks.force_release("cron", fencing_token=1),
        locks.lock("cron").locked(),
        anext(locks.every(1, "cron")),
        locks.once("cron", nothing),
        locks.reset("cron"),
        locks._backend.finish("cron", "m.1", 1),
        locks._backend.ask("cron", "m.1"),
        locks._backend.release("cron", "m.1"),
        locks._backend.withdraw("cron", "m.1"),
    ):
        with pytest.raises(LockError, match="is not a lock; it was left as it is"):
            await use
    assert await locks._backend.adopt("cron", "m.1", 1, "n.1") is None
    assert await locks._backend.renew({"cron": ("m.1", 1)}, 5) == set()
    assert await locks._backend.refresh({"cron": "m.1"}, 5) == set()
    assert await collection.find_one({"_id": "cron"}) == stored


async def test_nothing_but_a_claim_makes_a_lock_of_an_empty_document(
    locks: LockRepository, collection: Any
) -> None:
    await collection.insert_one({"_id": "cron"})
    for use in (locks.force_release("cron"), locks.reset("cron"), locks._backend.release("cron", "m.1")):
        with pytest.raises(LockError, match="is not a lock"):
            await use
    assert await collection.find_one({"_id": "cron"}) == {"_id": "cron"}
    assert await locks.obtain("cron") is not None


async def test_the_list_passes_foreign_documents_over(locks: LockRepository, collection: Any) -> None:
    await locks.create("a")
    await collection.insert_many([{"_id": 7}, {"foo": 1}, {"_id": "b", "foo": 1}])
    assert [info.name async for info in locks.list()] == ["a"]


async def test_a_lease_whose_document_turned_foreign_cannot_be_released(
    locks: LockRepository, collection: Any
) -> None:
    lease = await locks.acquire("cron")
    await collection.replace_one({"_id": "cron"}, {"mine": True})
    with pytest.raises(LockError, match="is not a lock"):
        await lease.release()
    assert not lease.held


async def test_a_document_that_is_replaced_by_a_foreign_one_ends_the_wait(
    locks: LockRepository, others: LockRepository, collection: Any
) -> None:
    await locks.acquire("cron")
    clock = with_clock(others)
    waiter = waiting(others)
    await stands(locks)
    await collection.replace_one({"_id": "cron"}, {"somebody": "else's"})
    clock.advance(1)  # it looks
    with pytest.raises(LockError, match="not a lock"):
        await waiter


async def test_one_broken_document_costs_no_other_lease(
    locks: LockRepository, clock: MemoryClock, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    leases = [await locks.acquire(f"n{number}", ttl=30, keep_alive=True) for number in range(4)]
    await collection.update_one({"_id": "n1"}, {"$set": {"holders.0.ttl": "broken"}})
    clock.advance(11)

    async def failed() -> bool:
        return "renewal of 4 leases failed" in caplog.text

    await until(failed)
    clock.advance(3)

    async def renewed() -> bool:
        return locks.stats().renewals == 3

    await until(renewed)
    clock.advance(15.5)
    assert [lease.held for lease in leases] == [True, False, True, True]


async def test_a_document_that_a_transaction_had_verified_is_still_a_lock(
    locks: LockRepository, collection: Any
) -> None:
    await locks._backend.claim(request(), "m.1")
    await collection.update_one({"_id": "cron"}, {"$set": {"verified": 3}})
    assert (await look(locks)).held
    assert (await locks._backend.release("cron", "m.1"))[0] is True
