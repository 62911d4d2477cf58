"""Renewals beside transactions, which keep the documents of their locks from being written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mongo.shared import expire
from mongo.transactions import Account, session_of, transact, transaction_of
from support import CommandLog, until

from mongolock_async import LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = [
    pytest.mark.parametrize("uri", ["replica_set"], indirect=True),
    pytest.mark.parametrize("driver", ["pymongo"], indirect=True),
]


async def test_a_transaction_older_than_the_ttl_starts_again_and_commits(
    locks: LockRepository, client: Any, collection: Any, account: Account
) -> None:
    """As the transaction sees the lock, the lease has expired; by then it was renewed."""
    lease = await locks.acquire("cron")
    live = await collection.find_one()
    await expire(collection)
    renewed: list[object] = []

    async def work(session: Any) -> None:
        await account.add(session)
        if not renewed:
            renewed.append(await collection.replace_one({"_id": "cron"}, live))
        await lease.verify(session)

    assert await transact(client, work) == 2
    assert lease.held
    assert await account.balance() == 1


async def test_verifying_one_lease_delays_no_renewal_of_another(
    locks: LockRepository, clock: MemoryClock, client: Any, account: Account, commands: CommandLog
) -> None:
    async with locks.lock("other") as other, locks.lock("cron") as lease:
        async with transaction_of(client) as session:
            await account.add(session)
            await lease.verify(session)
            commands.clear()
            clock.advance(10)
            await until(lambda: asyncio.sleep(0, other.remaining > 25))
            assert commands.counts == {"update": 1}
            clock.advance(10)  # by now the verified one is renewed too, and waits for the transaction
            await until(lambda: asyncio.sleep(0, other.remaining > 25))
            assert lease.remaining < 10
        await until(lambda: asyncio.sleep(0, lease.remaining > 25))


async def blocked(collection: Any, count: int) -> None:
    """Wait until so many writes wait for the end of a transaction."""

    async def so_many() -> bool:
        waits = {"ns": collection.full_name, "writeConflicts": {"$gt": 0}}
        found = await collection.database.client.admin.command({"currentOp": 1, **waits})
        return len(found["inprog"]) == count

    await until(so_many, within=15)


RENEWALS: dict[str, Callable[[Any, str, int], Awaitable[object]]] = {
    "a batch": lambda backend, lease, token: backend.renew({"cron": (lease, token)}, 20),
    "a renewal": lambda backend, lease, token: backend.prolong("cron", lease, token),
    "a question": lambda backend, lease, _token: backend.ask("cron", lease),
}
KINDS = {**{kind: [kind] for kind in RENEWALS}, "all of them": list(RENEWALS)}


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
async def test_of_renewals_that_wait_for_a_transaction_the_latest_expiry_stands(
    locks: LockRepository, client: Any, collection: Any, account: Account, kinds: list[str]
) -> None:
    """They are carried out in any order, each with the time at which it began."""
    lease = await locks.acquire("cron")
    renewals: list[asyncio.Future[Any]] = []
    async with transaction_of(client) as session:
        await account.add(session)
        await lease.verify(session)
        for count in range(1, 7):
            await asyncio.sleep(0.02)
            began = (await client.admin.command("hello"))["localTime"]
            renew = RENEWALS[kinds[count % len(kinds)]]
            renewal = renew(locks._backend, lease._holding.id, lease.fencing_token)
            renewals.append(asyncio.ensure_future(renewal))
            await blocked(collection, count)
    await asyncio.gather(*renewals)
    (holder,) = (await collection.find_one())["holders"]
    assert (holder["expires"] - began).total_seconds() >= 30


async def test_short_transactions_one_after_another_do_not_starve_the_renewal(
    locks: LockRepository, clock: MemoryClock, client: Any, account: Account
) -> None:
    async with locks.lock("cron") as lease:

        async def work(session: Any) -> None:
            await account.add(session)
            clock.advance(1.5)
            await lease.verify(session)

        for _ in range(40):
            await transact(client, work)
        assert lease.held
        assert locks.stats().renewals > 0


async def test_a_later_transaction_of_the_session_does_not_keep_the_lease_from_renewal(
    locks: LockRepository, clock: MemoryClock, client: Any, account: Account
) -> None:
    async with locks.lock("cron") as lease, session_of(client) as session:

        async def verified(session: Any) -> None:
            await account.add(session)
            await lease.verify(session)

        async def long(session: Any) -> None:
            await account.add(session)
            clock.advance(10)
            clock.advance(10)
            await until(lambda: asyncio.sleep(0, lease.remaining > 25))

        await session.with_transaction(verified)
        await session.with_transaction(long)
    assert await account.balance() == 2
