"""What each thing costs, counted in commands, and how they are sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mongo.shared import expire, request
from pymongo import MongoClient
from support import CommandLog

from mongolock_async import LockRepository
from mongolock_async._protocol.request import NEVER_MS, TickRequest
from mongolock_async.testing import ReplicaSet

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)

DAY_MS = 86_400_000

LOOKS: dict[str, Callable[[LockRepository], Awaitable[object]]] = {
    "get": lambda locks: locks.get("cron"),
    "list": lambda locks: anext(locks.list()),
    "look": lambda locks: locks._backend.look("cron", "m.1"),
}


@pytest.fixture
async def warm(locks: LockRepository, commands: CommandLog) -> LockRepository:
    """A repository whose index is made."""
    await locks.create("cron")
    commands.clear()
    return locks


@pytest.mark.parametrize("way", ["obtain", "acquire"])
async def test_to_take_a_free_lock_is_one_command(
    warm: LockRepository, commands: CommandLog, way: str
) -> None:
    assert await getattr(warm, way)("cron") is not None
    assert commands.counts == {"findAndModify": 1}


async def test_obtaining_a_held_lock_is_one_command(warm: LockRepository, commands: CommandLog) -> None:
    await warm.obtain("cron")
    commands.clear()
    assert await warm.obtain("cron") is None
    assert commands.counts == {"findAndModify": 1}


async def test_a_release_is_one_command_and_a_second_one_is_none(
    warm: LockRepository, commands: CommandLog
) -> None:
    lease = await warm.acquire("cron")
    commands.clear()
    await lease.release()
    await lease.release()
    assert commands.counts == {"findAndModify": 1}


async def test_an_uncontended_block_is_two_commands(warm: LockRepository, commands: CommandLog) -> None:
    async with warm.lock("cron"):
        pass
    assert commands.counts == {"findAndModify": 2}


async def test_a_boundary_is_one_command_and_one_for_the_release(
    warm: LockRepository, commands: CommandLog
) -> None:
    holding, _ = await warm._member.claim(request().ticking(TickRequest(DAY_MS, NEVER_MS, 0)))
    assert holding is not None
    assert commands.counts == {"findAndModify": 1}
    await warm._member.release(holding)
    assert commands.counts == {"findAndModify": 2}


async def test_renewing_many_leases_is_one_command(warm: LockRepository, commands: CommandLog) -> None:
    batch = await _leases(warm, 20)
    commands.clear()
    assert await warm._backend.renew(batch, 5) == {lease for lease, _ in batch.values()}
    assert commands.counts == {"update": 1}


async def test_a_lost_lease_among_many_costs_one_read(
    warm: LockRepository, collection: Any, commands: CommandLog
) -> None:
    batch = await _leases(warm, 4)
    await warm.force_release("n1")
    await expire(collection, "n2")
    commands.clear()
    assert await warm._backend.renew(batch, 5) == {batch["n0"][0], batch["n3"][0]}
    assert commands.counts == {"update": 1, "find": 1}


@pytest.mark.parametrize("look", LOOKS)
async def test_a_look_is_one_read_of_one_node(warm: LockRepository, commands: CommandLog, look: str) -> None:
    assert await LOOKS[look](warm)
    assert commands.counts == {"find": 1}
    assert commands.last("find")["readConcern"]["level"] == "local"


async def test_a_release_waits_for_one_node_and_all_else_for_the_majority(
    warm: LockRepository, commands: CommandLog
) -> None:
    lease = await warm.acquire("cron")
    assert commands.last("findAndModify")["writeConcern"] == {"w": "majority"}
    await lease.renew()
    assert commands.last("findAndModify")["writeConcern"] == {"w": "majority"}
    await warm._backend.renew({"cron": (lease._holding.id, lease.fencing_token)}, 5)
    assert commands.last("update")["writeConcern"] == {"w": "majority"}
    await warm._backend.refresh({"cron": "none"}, 5)
    assert commands.last("update")["writeConcern"] == {"w": "majority"}
    await lease.release()
    assert commands.last("findAndModify")["writeConcern"] == {"w": 1}


async def test_every_command_has_a_deadline(warm: LockRepository, commands: CommandLog) -> None:
    async with warm.lock("cron") as lease:
        await lease.renew()
        await warm._backend.renew({"cron": (lease._holding.id, lease.fencing_token)}, 5)
        await warm._backend.look("cron", lease._holding.id)
        await warm.get("cron")
        assert [info async for info in warm.list()]
    await warm.force_release("cron")
    names = [event.command_name for event in commands.sent]
    limits = [event.command.get("maxTimeMS", 0) for event in commands.sent]
    assert set(names) == {"findAndModify", "update", "find"}
    assert all(0 < limit <= 20_000 for limit in limits), dict(zip(names, limits, strict=True))


@pytest.mark.parametrize("driver", ["pymongo"], indirect=True)
async def test_a_failed_obtain_leaves_no_oplog_entry(
    warm: LockRepository, collection: Any, replica_set: ReplicaSet
) -> None:
    await warm.obtain("cron")
    with MongoClient[dict[str, Any]](replica_set.uri) as client:
        oplog = client.local["oplog.rs"]

        def entries() -> int:
            return oplog.count_documents({"ns": collection.full_name})

        before = entries()
        for _ in range(5):
            assert await warm.obtain("cron") is None
        assert entries() == before > 0


async def _leases(locks: LockRepository, count: int) -> dict[str, tuple[str, int]]:
    """So many, by their names."""
    leases = [await locks.acquire(f"n{number}") for number in range(count)]
    return {lease.name: (lease._holding.id, lease.fencing_token) for lease in leases}
