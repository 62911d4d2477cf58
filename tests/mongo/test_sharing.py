"""What locks that are shared cost on a server, in commands, and the fences that their leases have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from mongo.shared import Answers, Fail, callable_by, drained, look, reading
from support import CommandLog, until

from mongolock_async import Lock, LockRepository, StaleTokenError

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)

WAYS: dict[str, Callable[[LockRepository], Lock]] = {
    "mutex": lambda locks: locks.lock("x"),
    "kept": lambda locks: locks.lock("x", at_least=60),
    "semaphore": lambda locks: locks.semaphore("x", 3, weight=2),
    "reader": lambda locks: locks.rwlock("x").read(),
    "writer": lambda locks: locks.rwlock("x").write(),
    "upgradable": lambda locks: locks.rwlock("x").upgradable(),
}


@pytest.mark.parametrize("way", WAYS)
async def test_to_take_a_lock_of_any_kind_is_one_command_and_to_free_it_is_one(
    locks: LockRepository, commands: CommandLog, way: str
) -> None:
    await locks.create("y")
    commands.clear()
    lease = await WAYS[way](locks).obtain()
    assert lease is not None
    assert commands.counts == {"findAndModify": 1}
    await lease.release()
    assert commands.counts == {"findAndModify": 2}


async def test_an_upgrade_is_one_command_for_a_majority_and_so_is_a_downgrade(
    locks: LockRepository, commands: CommandLog
) -> None:
    lease = await locks.rwlock("x").upgradable().acquire()
    commands.clear()
    await lease.upgrade()
    assert commands.counts == {"findAndModify": 1}
    assert commands.last("findAndModify")["writeConcern"] == {"w": "majority"}
    await lease.downgrade()
    assert commands.counts == {"findAndModify": 2}
    assert commands.last("findAndModify")["writeConcern"] == {"w": "majority"}


@pytest.mark.parametrize("end", ["release", "downgrade"])
async def test_readers_elsewhere_are_granted_it_by_one_command_and_called_by_one_call(
    locks: LockRepository, far: LockRepository, commands: CommandLog, end: str
) -> None:
    held = await locks.rwlock("x").upgradable().acquire()
    await held.upgrade()
    await callable_by(locks)
    readers = [asyncio.create_task(far.rwlock("x").read().acquire(keep_alive=True)) for _ in range(10)]

    async def wait() -> bool:
        return len((await look(locks, "x")).queue) == 10 and reading(far)

    await until(wait, within=30)
    await drained(far)
    commands.clear()
    await getattr(held, end)()
    assert commands.counts == {"findAndModify": 1, "insert": 1}
    leases = await asyncio.gather(*readers)
    assert all(lease.held for lease in leases)


async def test_an_upgrade_that_waits_elsewhere_is_called(
    locks: LockRepository, far: LockRepository, far_commands: Answers
) -> None:
    other = await locks.rwlock("x").read().acquire()
    lease = await far.rwlock("x").upgradable().acquire(keep_alive=True)
    upgrade = asyncio.create_task(lease.upgrade())
    await until(lambda: asyncio.sleep(0, reading(far)), within=30)
    await drained(far)
    far_commands.clear()
    await other.release()
    await upgrade
    assert far_commands.counts.get("find") == 1
    assert (await look(locks, "x")).holders[0].weight == 2**31 - 1


@pytest.mark.parametrize("driver", ["pymongo"], indirect=True)
async def test_a_release_whose_answer_was_lost_calls_an_upgrade_all_the_same(
    locks: LockRepository, far: LockRepository, fail: Fail
) -> None:
    other = await locks.rwlock("x").read().acquire()
    lease = await far.rwlock("x").upgradable().acquire(keep_alive=True)
    upgrade = asyncio.create_task(lease.upgrade())
    await until(lambda: asyncio.sleep(0, reading(far)), within=30)
    await drained(far)
    # A code after which the driver still believes in its servers, and so tries again at once.
    await fail(
        "findAndModify",
        writeConcernError={"code": 262, "errmsg": "x", "errorLabels": ["RetryableWriteError"]},
    )
    await other.release()
    await upgrade
    await lease.downgrade()


async def test_writers_fence(locks: LockRepository, collection: Any) -> None:
    accounts = collection.database["accounts"]
    cfg = locks.rwlock("x")
    old = await cfg.write().acquire()
    await old.release()
    upgraded = await cfg.upgradable().acquire()
    await upgraded.upgrade()
    await upgraded.fenced(accounts).update_one({"_id": 1}, {"$set": {"by": "upgraded"}}, upsert=True)
    with pytest.raises(StaleTokenError):
        await old.fenced(accounts).update_one({"_id": 1}, {"$set": {"by": "old"}})
    await upgraded.release()
    new = await cfg.write().acquire()
    await new.fenced(accounts).update_one({"_id": 1}, {"$set": {"by": "new"}})
    with pytest.raises(StaleTokenError):
        await old.fenced(accounts).update_one({"_id": 1}, {"$set": {"by": "old"}})


async def test_a_resize_is_one_command_and_keeps_its_capacity_for_those_who_name_none(
    locks: LockRepository, commands: CommandLog
) -> None:
    await locks.create("y")
    commands.clear()
    await locks.resize("x", 2)
    assert commands.counts == {"findAndModify": 1}
    assert await locks.semaphore("x", None, weight=2).obtain() is not None
