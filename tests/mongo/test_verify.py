"""Transactions that commit only under a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mongo.shared import Fail, expire, request
from mongo.transactions import Account, session_of, transact, transaction_of
from pymongo.errors import DuplicateKeyError, OperationFailure
from support import until

from mongolock_async import Fenced, Lease, LeaseLostError, LockBackendError, LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
by_one_driver = pytest.mark.parametrize("driver", ["pymongo"], indirect=True)


async def test_a_transaction_under_a_live_lease_commits(
    locks: LockRepository, client: Any, account: Account
) -> None:
    async with locks.lock("cron") as lease:

        async def work(session: Any) -> None:
            await account.add(session)
            await lease.verify(session)

        assert await transact(client, work) == 1
    assert await account.balance() == 1


async def test_a_transaction_of_a_late_holder_aborts(
    locks: LockRepository, others: LockRepository, client: Any, collection: Any, account: Account
) -> None:
    late = await locks.acquire("cron")
    successors: list[Lease] = []
    tries = 0

    async def work(session: Any) -> None:
        nonlocal tries
        tries += 1
        await account.add(session)
        if not successors:
            await expire(collection)
            successors.append(await others.acquire("cron"))
        assert late.held  # as far as it knows
        await late.verify(session)

    with pytest.raises(LeaseLostError, match="forced"):
        await transact(client, work)
    # The first try sees the lock as it was before the take-over, and is refused by the server.
    assert tries == 2
    assert not late.held
    assert await account.balance() == 0
    assert await successors[0].release() is True


@pytest.mark.parametrize("how", ["expired", "removed"])
async def test_a_transaction_aborts_also_where_nobody_else_has_the_lock(
    locks: LockRepository, client: Any, collection: Any, account: Account, how: str
) -> None:
    late = await locks.acquire("cron")
    if how == "expired":
        await expire(collection)
    else:
        await collection.delete_one({"_id": "cron"})

    async def work(session: Any) -> None:
        await account.add(session)
        await late.verify(session)

    with pytest.raises(LeaseLostError):
        await transact(client, work)
    assert late.lost.is_set()
    assert await account.balance() == 0


async def test_a_holding_is_not_verified_by_another_grant_of_its_id(
    locks: LockRepository, others: LockRepository, client: Any, account: Account
) -> None:
    """A copy of its claim has arrived late, and was granted the lock for nobody."""
    former = await locks.acquire("cron")
    await others.force_release("cron")
    await others._backend.claim(request(), former._holding.id)

    async def work(session: Any) -> None:
        await account.add(session)
        await former.verify(session)

    with pytest.raises(LeaseLostError, match="forced"):
        await transact(client, work)
    assert await account.balance() == 0


async def waited_for(collection: Any) -> bool:
    """Whether a write to the collection waits for the end of a transaction."""
    waits = {"ns": collection.full_name, "writeConflicts": {"$gt": 0}}
    found = await collection.database.client.admin.command({"currentOp": 1, **waits})
    return bool(found["inprog"])


TAKE_OVERS: dict[str, Callable[[LockRepository], Awaitable[object]]] = {
    "by force": lambda locks: locks.force_release("cron"),
    "by standing in line": lambda locks: locks._backend.claim(request(), "n.1", first=10),
}


@by_one_driver
@pytest.mark.parametrize("way", TAKE_OVERS)
async def test_whoever_wants_the_lock_waits_for_the_commit(
    locks: LockRepository, others: LockRepository, client: Any, collection: Any, account: Account, way: str
) -> None:
    lease = await locks.acquire("cron")
    async with transaction_of(client) as session:
        await account.add(session)
        await lease.verify(session)
        taking = asyncio.ensure_future(TAKE_OVERS[way](others))
        await until(lambda: waited_for(collection))
        assert not taking.done()
    assert await taking
    assert await account.balance() == 1


@by_one_driver
@pytest.mark.long
async def test_a_take_over_and_the_commit_cannot_both_happen(
    locks: LockRepository, others: LockRepository, client: Any, collection: Any, account: Account
) -> None:
    """The lease expires between verify and commit: whoever wants the lock waits for the commit."""
    await others.create("other")
    lease = await locks.acquire("cron", ttl=5)

    async def is_over() -> bool:
        over = {"_id": "cron", "$expr": {"$lt": [{"$max": "$holders.expires"}, "$$NOW"]}}
        return await collection.find_one(over) is not None

    async with transaction_of(client) as session:
        await account.add(session)
        await lease.verify(session)
        await until(is_over)
        taking = asyncio.create_task(others.obtain("cron"))
        await until(lambda: waited_for(collection))
        assert not taking.done()
    successor = await taking
    assert successor is not None
    assert successor.fencing_token > lease.fencing_token
    assert await account.balance() == 1


async def test_a_conflict_keeps_its_label_so_that_with_transaction_starts_again(
    locks: LockRepository, client: Any, account: Account
) -> None:
    lease = await locks.acquire("cron")
    renewals: list[bool] = []

    async def work(session: Any) -> None:
        await account.add(session)
        if not renewals:
            renewals.append(
                await lease.renew()
            )  # writes to the lock's document after the transaction has begun
        await lease.verify(session)

    assert await transact(client, work) == 2
    assert await account.balance() == 1


@pytest.mark.parametrize("there", [False, True])
async def test_a_transaction_older_than_the_lease_starts_again_and_commits(
    locks: LockRepository,
    client: Any,
    account: Account,
    there: bool,  # noqa: FBT001 - a parameter
) -> None:
    # The collection must be there: that it is new to the transaction would be an error of its own.
    await locks.create("cron" if there else "other")
    leases: list[Lease] = []

    async def work(session: Any) -> None:
        await account.add(session)
        if not leases:
            leases.append(await locks.acquire("cron"))
        await leases[0].verify(session)

    assert await transact(client, work) == 2
    assert leases[0].held
    assert await account.balance() == 1


@by_one_driver
async def test_a_holder_that_knows_that_it_is_late_is_told_at_once(
    locks: LockRepository, clock: MemoryClock, client: Any
) -> None:
    late = await locks.acquire("cron")
    clock.advance(30)
    with pytest.raises(LeaseLostError, match="expired"):
        async with transaction_of(client) as session:
            await late.verify(session)


async def test_any_other_failure_is_wrapped(locks: LockRepository, client: Any, fail: Fail) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(LockBackendError) as caught:
        async with transaction_of(client) as session:
            await fail("findAndModify", errorCode=8000)
            await lease.verify(session)
    assert (caught.value.action, caught.value.code) == ("verify", 8000)
    assert isinstance(caught.value.__cause__, OperationFailure)


async def test_verify_outside_of_a_transaction_is_refused(locks: LockRepository, client: Any) -> None:
    lease = await locks.acquire("cron")
    async with session_of(client) as session:
        with pytest.raises(ValueError, match="no transaction under way"):
            await lease.verify(session)
    with pytest.raises(TypeError, match="session of the driver"):
        await lease.verify(None)
    assert lease.held


@pytest.mark.parametrize("write", ["insert_one", "update_one"])
async def test_a_duplicate_key_in_a_transaction_is_raised_once(
    client: Any, account: Account, write: str
) -> None:
    fence = Fenced(account.collection, "cron", 7, "_fence")
    await account.collection.create_index("n", unique=True)
    tries = 0

    async def work(session: Any) -> None:
        nonlocal tries
        tries += 1
        if write == "insert_one":
            await fence.insert_one({"_id": 1}, session=session)
        else:
            await fence.update_one({"_id": 2}, {"$set": {"n": 0}}, upsert=True, session=session)

    with pytest.raises(DuplicateKeyError):
        await transact(client, work)
    assert tries == 1
