"""Replies that were lost, and callers that went away."""

from __future__ import annotations

import asyncio
import random
import time
import warnings
from typing import Any

import pymongo
import pytest

from mongolock_async import LeaseLostError, LockBackendError, LockRepository, LockTimeoutError


async def free(locks: LockRepository, name: str = "cron") -> bool:
    info = await locks.get(name)
    return info is None or (not info.held and not info.queue)


async def lose_a_reply(client: Any) -> None:
    """The next write of this kind is done, and its answer never arrives; the driver repeats it."""
    await client.admin.command(
        {
            "configureFailPoint": "onPrimaryTransactionalWrite",
            "mode": {"times": 1},
            "data": {"closeConnection": True},
        }
    )


@pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
async def test_a_repeated_claim_is_read_again_and_gives_one_grant(
    locks: LockRepository, client: Any, commands: Any
) -> None:
    await locks.create("cron")
    await lose_a_reply(client)
    commands.clear()
    lease = await locks.acquire("cron", owner="me")
    assert commands.counts == {"findAndModify": 2, "find": 1}
    assert lease.held
    info = await locks.get("cron")
    assert info is not None
    assert [holder.fencing_token for holder in info.holders] == [lease.fencing_token]


@pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
async def test_a_repeated_release_says_what_the_first_one_did(
    locks: LockRepository, client: Any, commands: Any
) -> None:
    lease = await locks.acquire("cron")
    await lose_a_reply(client)
    commands.clear()
    assert await lease.release() is True
    assert commands.counts == {"findAndModify": 2}
    assert await free(locks)


@pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
async def test_a_repeated_release_of_another_lease_says_false(
    locks: LockRepository, others: LockRepository, client: Any
) -> None:
    late = await locks.acquire("cron", ttl=0.2)
    await asyncio.sleep(0.25)
    successor = await others.acquire("cron")
    await lose_a_reply(client)
    assert await late.release() is False
    assert await successor.release() is True


async def test_a_claim_whose_connection_broke_is_asked_again_with_the_same_id(
    locks: LockRepository, client: Any, commands: Any, uri: str
) -> None:
    await locks.create("cron")
    # On a replica set the driver repeats it once by itself; it takes a second break to reach us.
    breaks = 1 if "replicaSet" not in uri else 2
    fail = {"failCommands": ["findAndModify"], "closeConnection": True}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": breaks}, "data": fail})
    commands.clear()
    lease = await locks.acquire("cron")
    assert set(commands.counts) == {"findAndModify"}
    assert commands.counts["findAndModify"] > breaks  # one more, where the machine stalls for a second
    assert len({str(event.command["update"]) for event in commands.sent}) == 1
    info = await locks.get("cron")
    assert info is not None
    assert [holder.fencing_token for holder in info.holders] == [lease.fencing_token]


async def test_a_claim_that_fails_after_it_was_written_is_given_back(
    locks: LockRepository, client: Any, collection: Any
) -> None:
    await locks.create("cron")
    fail = {"failCommands": ["findAndModify"], "writeConcernError": {"code": 64, "errmsg": "waited too long"}}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail})
    with pytest.raises(LockBackendError):
        await locks.obtain("cron")
    await locks._session._background.drain()
    assert await free(locks)
    assert (await collection.find_one({"_id": "cron"}))["token"] > 0


async def test_a_cancelled_claim_leaves_nothing_behind(locks: LockRepository) -> None:
    await locks.create("cron")
    for delay in [0.0, 0.0002, 0.001, 0.003] * 5:
        claim = asyncio.create_task(locks.obtain("cron"))
        await asyncio.sleep(delay)
        claim.cancel()
        await asyncio.wait([claim])
        lease = None if claim.cancelled() else claim.result()
        if lease is not None:
            await lease.release()
        await locks._session._background.drain()
        assert await free(locks)


async def test_cancellations_at_random_moments_leave_nothing_behind(
    collection: Any, others: LockRepository
) -> None:
    locks = LockRepository(collection)

    async def work() -> None:
        async with locks.lock(f"n{random.randrange(5)}"):
            await asyncio.sleep(random.random() / 200)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10):
            tasks = [asyncio.create_task(work()) for _ in range(20)]
            for task in tasks:
                await asyncio.sleep(random.random() / 500)
                task.cancel()
            await asyncio.wait(tasks)
        await locks.aclose()
    assert not locks._session._background
    assert all([not info.held and not info.queue async for info in others.list()])


async def test_a_cancelled_release_goes_on(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    release = asyncio.create_task(lease.release())
    await asyncio.sleep(0)
    release.cancel()
    await asyncio.wait([release])
    assert not lease.held
    await locks._session._background.drain()
    assert await free(locks)


async def test_a_release_that_failed_can_be_tried_again(locks: LockRepository, client: Any) -> None:
    lease = await locks.acquire("cron")
    fail = {"failCommands": ["findAndModify"], "errorCode": 8000}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail})
    with pytest.raises(LockBackendError):
        await lease.release()
    assert not lease.held
    assert await lease.release() is True


async def test_a_callers_deadline_does_not_govern_the_renewals(locks: LockRepository) -> None:
    await locks.create("cron")
    with pymongo.timeout(1):
        lease = await locks.acquire("cron", ttl=2, keep_alive=True)
    await asyncio.sleep(3)
    assert lease.held


async def test_a_server_that_is_away_makes_nobody_stand_in_line(client: Any) -> None:
    away = type(client)("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=100)
    locks = LockRepository(away.a.locks, command_timeout=0.4)
    began = time.monotonic()
    results = await asyncio.gather(*(locks.obtain(f"n{i}") for i in range(5)), return_exceptions=True)
    assert all(isinstance(result, LockBackendError) for result in results)
    await locks.aclose()
    assert time.monotonic() - began < 3
    closing = away.close()
    if closing is not None:
        await closing


async def test_an_answer_slower_than_half_the_ttl_is_confirmed_before_it_is_believed(
    locks: LockRepository, client: Any, commands: Any
) -> None:
    await locks.create("cron")
    slow = {"failCommands": ["findAndModify"], "blockConnection": True, "blockTimeMS": 600}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": slow})
    commands.clear()
    lease = await locks.acquire("cron", ttl=1)
    assert commands.counts == {"findAndModify": 2}
    assert lease.remaining > 0.6


async def test_an_answer_slower_than_the_ttl_is_a_lost_lease(locks: LockRepository, client: Any) -> None:
    await locks.create("cron")
    slow = {"failCommands": ["findAndModify"], "blockConnection": True, "blockTimeMS": 150}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 2}, "data": slow})
    with pytest.raises(LeaseLostError, match="longer than the ttl"):
        await locks.obtain("cron", ttl=0.2)
    await locks._session._background.drain()
    assert await free(locks)


async def test_a_renewal_that_was_answered_too_late_is_given_back(locks: LockRepository, client: Any) -> None:
    lease = await locks.acquire("cron", ttl=1)
    await asyncio.sleep(0.6)
    slow = {"failCommands": ["findAndModify"], "blockConnection": True, "blockTimeMS": 350}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": slow})
    assert await lease.renew() is False
    await locks._session._background.drain()
    assert await free(locks)


async def test_a_cancelled_closing_goes_on(collection: Any, client: Any, others: LockRepository) -> None:
    locks = LockRepository(collection)
    lease = await locks.acquire("cron", keep_alive=True)
    slow = {"failCommands": ["findAndModify"], "blockConnection": True, "blockTimeMS": 300}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": slow})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await locks.aclose()
    assert not lease.held
    await locks.aclose()
    assert await free(others)


async def test_a_timeout_is_kept_from_the_first_call_on(client: Any) -> None:
    away = type(client)("mongodb://127.0.0.1:1/")
    locks = LockRepository(away.a.locks, command_timeout=2)
    began = time.monotonic()
    with pytest.raises(LockTimeoutError):
        await locks.acquire("cron", timeout=0.3)
    assert time.monotonic() - began < 1.5
    await locks.aclose()
    closing = away.close()
    if closing is not None:
        await closing
