"""What each thing costs, counted in commands."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from support import CommandLog

from mongolock_async import LockRepository
from mongolock_async.testing import ReplicaSet


@pytest.fixture
async def warm(locks: LockRepository, commands: CommandLog) -> LockRepository:
    """A repository whose index is made."""
    await locks.create("cron")
    commands.clear()
    return locks


async def test_obtaining_a_free_lock_is_one_command(warm: LockRepository, commands: CommandLog) -> None:
    await warm.obtain("cron")
    assert commands.counts == {"findAndModify": 1}


async def test_obtaining_a_held_lock_is_one_command(warm: LockRepository, commands: CommandLog) -> None:
    await warm.obtain("cron")
    commands.clear()
    assert await warm.obtain("cron") is None
    assert commands.counts == {"findAndModify": 1}


async def test_a_release_is_one_command(warm: LockRepository, commands: CommandLog) -> None:
    lease = await warm.acquire("cron")
    commands.clear()
    await lease.release()
    await lease.release()
    assert commands.counts == {"findAndModify": 1}


async def test_an_uncontended_block_is_two_commands(warm: LockRepository, commands: CommandLog) -> None:
    async with warm.lock("cron"):
        pass
    assert commands.counts == {"findAndModify": 2}


async def test_renewing_many_leases_is_one_command_a_period(
    warm: LockRepository, commands: CommandLog
) -> None:
    leases = [await warm.obtain(f"n{number}") for number in range(20)]
    batch = {lease.name: lease.id for lease in leases if lease}  # type: ignore[attr-defined]  # a Holding
    commands.clear()
    assert await warm._store.renew_many(batch, 5) == set(batch.values())
    assert commands.counts == {"update": 1}


async def test_a_lost_lease_among_many_costs_one_read(warm: LockRepository, commands: CommandLog) -> None:
    leases = [await warm.acquire(f"n{number}") for number in range(3)]
    batch = {lease.name: lease.id for lease in leases}  # type: ignore[attr-defined]  # a Holding
    await warm.force_release("n1")
    commands.clear()
    held = await warm._store.renew_many(batch, 5)
    assert held == {batch["n0"], batch["n2"]}
    assert commands.counts == {"update": 1, "find": 1}


async def test_a_release_waits_for_one_node_and_a_claim_for_the_majority(
    warm: LockRepository, commands: CommandLog
) -> None:
    lease = await warm.acquire("cron")
    assert commands.last("findAndModify")["writeConcern"] == {"w": "majority"}
    await lease.release()
    assert commands.last("findAndModify")["writeConcern"] == {"w": 1}


async def test_every_command_has_a_deadline(warm: LockRepository, commands: CommandLog) -> None:
    async with warm.lock("cron"):
        pass
    await warm.get("cron")
    assert all(0 < event.command["maxTimeMS"] <= 20_000 for event in commands.sent)


@pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
async def test_a_failed_obtain_leaves_no_oplog_entry(
    warm: LockRepository, collection: Any, replica_set: ReplicaSet
) -> None:
    await warm.obtain("cron")
    namespace = f"{collection.database.name}.locks"
    with MongoClient[dict[str, Any]](replica_set.uri) as client:
        oplog = client.local["oplog.rs"]
        before = oplog.count_documents({"ns": namespace})
        for _ in range(5):
            assert await warm.obtain("cron") is None
        assert oplog.count_documents({"ns": namespace}) == before
        assert before > 0
