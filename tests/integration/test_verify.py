"""Transactions that commit only under a lease."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from mongolock_async import LeaseLostError, LockBackendError, LockRepository

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)


@pytest.fixture
def accounts(collection: Any) -> Any:
    return collection.database["accounts"]


@asynccontextmanager
async def session_of(client: Any) -> AsyncIterator[Any]:
    """Motor awaits the session, and PyMongo the transaction."""
    session = client.start_session()
    async with await session if inspect.isawaitable(session) else session as entered:
        yield entered


@asynccontextmanager
async def transaction_of(client: Any) -> AsyncIterator[Any]:
    async with session_of(client) as session:
        started = session.start_transaction()
        async with await started if inspect.isawaitable(started) else started:
            yield session


async def test_a_transaction_under_a_live_lease_commits(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1, "n": 0})
    async with locks.lock("cron") as lease, session_of(client) as session:

        async def work(session: Any) -> None:
            await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
            await lease.verify(session)

        await session.with_transaction(work)
    assert (await accounts.find_one())["n"] == 1


async def test_a_transaction_of_a_late_holder_aborts(
    locks: LockRepository, others: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1, "n": 0})
    late: Any = await locks.acquire("cron", ttl=0.3)
    successor: Any = None
    tries = 0

    async def work(session: Any) -> None:
        nonlocal successor, tries
        tries += 1
        await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        if successor is None:
            await asyncio.sleep(0.4)
            successor = await others.acquire("cron")
        late._ended = None  # it was stopped, and does not know yet
        late._deadline += 10
        await late.verify(session)

    async with session_of(client) as session:
        with pytest.raises(LeaseLostError):
            await session.with_transaction(work)
    # The first try sees the lock as it was before the take-over, and is refused by the server.
    assert tries == 2
    assert (await accounts.find_one())["n"] == 0
    assert await successor.release() is True


async def test_a_take_over_and_the_commit_cannot_both_happen(
    locks: LockRepository, others: LockRepository, client: Any, accounts: Any
) -> None:
    """The lease expires between verify and commit: whoever wants the lock waits for the commit."""
    await accounts.insert_one({"_id": 1, "n": 0})
    lease = await locks.acquire("cron", ttl=0.5)
    async with transaction_of(client) as session:
        await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        await lease.verify(session)
        taking = asyncio.create_task(others.acquire("cron"))
        await asyncio.sleep(0.8)
        assert not taking.done()
    async with asyncio.timeout(5):
        assert (await taking).held
    assert (await accounts.find_one())["n"] == 1


async def test_verifying_one_lease_delays_no_renewal_of_another(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1})
    async with locks.lock("other", ttl=1.5) as other, locks.lock("cron", ttl=4) as lease:
        async with transaction_of(client) as session:
            await accounts.update_one({"_id": 1}, {"$set": {"n": 1}}, session=session)
            await lease.verify(session)
            await asyncio.sleep(2)
            assert other.held
        await asyncio.sleep(1)
        assert lease.held
        assert other.held


async def test_a_conflict_keeps_its_label_so_that_with_transaction_starts_again(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1, "n": 0})
    lease = await locks.acquire("cron")
    tries = 0

    async def work(session: Any) -> None:
        nonlocal tries
        tries += 1
        await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        if tries == 1:
            await lease.renew()  # writes to the lock's document after the transaction has begun
        await lease.verify(session)

    async with session_of(client) as session:
        await session.with_transaction(work)
    assert tries == 2
    assert (await accounts.find_one())["n"] == 1


async def test_a_holder_that_knows_that_it_is_late_is_told_at_once(
    locks: LockRepository, client: Any
) -> None:
    late = await locks.acquire("cron", ttl=0.2)
    await asyncio.sleep(0.25)
    with pytest.raises(LeaseLostError, match="expired"):
        async with transaction_of(client) as session:
            await late.verify(session)


async def test_any_other_failure_is_wrapped(locks: LockRepository, client: Any) -> None:
    lease = await locks.acquire("cron")
    fail = {"failCommands": ["findAndModify"], "errorCode": 8000}
    with pytest.raises(LockBackendError) as caught:
        async with transaction_of(client) as session:
            await client.admin.command(
                {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail}
            )
            await lease.verify(session)
    assert isinstance(caught.value.__cause__, OperationFailure | PyMongoError)


async def test_verify_outside_of_a_transaction_is_refused(locks: LockRepository, client: Any) -> None:
    lease = await locks.acquire("cron")
    async with session_of(client) as session:
        with pytest.raises(ValueError, match="no transaction under way"):
            await lease.verify(session)
    with pytest.raises(TypeError, match="session of the driver"):
        await lease.verify(None)
    assert lease.held


async def test_a_transaction_older_than_the_ttl_starts_again_and_commits(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1, "n": 0})
    tries = 0
    async with locks.lock("cron", ttl=2) as lease, session_of(client) as session:

        async def work(session: Any) -> None:
            nonlocal tries
            tries += 1
            await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
            if tries == 1:
                await asyncio.sleep(2.5)
            await lease.verify(session)

        await session.with_transaction(work)
        assert lease.held
    assert tries == 2
    assert (await accounts.find_one())["n"] == 1


async def test_a_transaction_older_than_the_lease_starts_again_and_commits(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1, "n": 0})
    lease: Any = None

    async def work(session: Any) -> None:
        nonlocal lease
        await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        if lease is None:
            lease = await locks.acquire("cron")
        await lease.verify(session)

    async with session_of(client) as session:
        await session.with_transaction(work)
    assert lease.held
    assert (await accounts.find_one())["n"] == 1


async def test_short_transactions_one_after_another_do_not_starve_the_renewal(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1, "n": 0})
    async with locks.lock("cron", ttl=2) as lease, session_of(client) as session:

        async def work(session: Any) -> None:
            await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
            await asyncio.sleep(0.05)
            await lease.verify(session)

        until = asyncio.get_running_loop().time() + 3.5
        while asyncio.get_running_loop().time() < until:
            await session.with_transaction(work)
        assert lease.held


async def test_a_later_transaction_of_the_session_does_not_keep_the_lease_from_renewal(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    await accounts.insert_one({"_id": 1, "n": 0})
    async with locks.lock("cron", ttl=2) as lease, session_of(client) as session:

        async def verified(session: Any) -> None:
            await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
            await lease.verify(session)

        async def long(session: Any) -> None:
            await accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
            await asyncio.sleep(3)

        await session.with_transaction(verified)
        await session.with_transaction(long)
        assert lease.held
    assert (await accounts.find_one())["n"] == 2


async def test_a_duplicate_key_in_a_transaction_is_raised_once(
    locks: LockRepository, client: Any, accounts: Any
) -> None:
    lease = await locks.acquire("cron")
    await lease.fenced(accounts).insert_one({"_id": 1})
    tries = 0

    async def work(session: Any) -> None:
        nonlocal tries
        tries += 1
        await lease.fenced(accounts).insert_one({"_id": 1}, session=session)

    async with session_of(client) as session:
        with pytest.raises(DuplicateKeyError):
            await session.with_transaction(work)
    assert tries == 1
