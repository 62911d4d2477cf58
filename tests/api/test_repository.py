"""What a repository takes, and how it grants locks."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from conftest import MakeRepository
from faulty import FaultyLocks
from waiters import about, look

from mongolock_async import Lease, LockError, LockRepository
from mongolock_async._protocol.request import Request
from mongolock_async.testing import MemoryLocks

NASTY = ["$token", "a.b.$c", 'say "hi"', "$$NOW", "🔒 ключ", "{$ne: 1}", "x" * 1024, "a\nb"]


async def obtained(locks: LockRepository, name: str = "cron", *arguments: Any, **options: Any) -> Lease:
    lease = await locks.obtain(name, *arguments, **options)
    assert lease is not None
    return lease


async def test_a_free_lock_is_obtained(locks: LockRepository) -> None:
    lease = await obtained(locks, owner=4711, ttl=12)
    assert (lease.name, lease.owner, lease.ttl, lease.held) == ("cron", 4711, 12.0, True)
    assert isinstance(lease.fencing_token, int)


async def test_a_held_lock_is_not_obtained(locks: LockRepository, others: LockRepository) -> None:
    await obtained(locks)
    assert await others.obtain("cron") is None
    assert await locks.obtain("cron") is None


async def test_a_lock_that_is_waited_for_is_not_obtained(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await obtained(locks)
    waiter = asyncio.create_task(others.acquire("cron"))
    await asyncio.sleep(1)
    await lease.release()
    assert await locks.obtain("cron") is None
    assert (await waiter).held


async def test_two_names_are_two_locks(locks: LockRepository) -> None:
    assert (await obtained(locks, "a")).held
    assert (await obtained(locks, "b")).held


async def test_a_released_lock_is_free(locks: LockRepository, others: LockRepository) -> None:
    assert await (await obtained(locks)).release() is True
    assert (await obtained(others)).held


async def test_obtaining_is_one_command(locks: LockRepository, memory: FaultyLocks) -> None:
    await obtained(locks)
    assert await locks.obtain("cron") is None
    assert memory.sent == {"index": 1, "claim": 2}


async def test_tokens_grow_with_each_grant(locks: LockRepository, others: LockRepository) -> None:
    tokens = []
    for repository in [locks, others] * 5:
        lease = await obtained(repository)
        tokens.append(lease.fencing_token)
        await lease.release()
    assert tokens == sorted(set(tokens))


async def test_tokens_grow_also_when_the_document_was_dropped(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    before = await obtained(locks)
    await asyncio.sleep(0.01)  # the token is as old as the clock, to the millisecond
    memory._store.documents.clear()
    assert (await obtained(locks)).fencing_token > before.fencing_token


async def test_200_claims_at_a_time_of_20_new_names_give_20_leases(
    locks: LockRepository, others: LockRepository
) -> None:
    claims = [repository.obtain(f"n{i % 20}") for i in range(100) for repository in (locks, others)]
    leases = [lease for lease in await asyncio.gather(*claims) if lease is not None]
    assert sorted(lease.name for lease in leases) == sorted(f"n{i}" for i in range(20))


@pytest.mark.parametrize("text", NASTY)
async def test_names_and_owners_come_back_as_they_went_in(locks: LockRepository, text: str) -> None:
    lease = await obtained(locks, text, owner=text)
    info = await look(locks, text)
    assert (info.name, info.holders[0].owner) == (text, text)
    assert await lease.release() is True


async def test_what_is_not_said_is_what_the_repository_says(make: MakeRepository) -> None:
    lease = await obtained(make(owner="us", ttl=timedelta(minutes=2)))
    assert (lease.owner, lease.ttl) == ("us", 120.0)


async def test_without_a_word_a_lease_is_this_process_s_for_30_seconds(make: MakeRepository) -> None:
    lease = await obtained(make())
    assert str(lease.owner).endswith(f":{os.getpid()}")
    assert (lease.ttl, lease.remaining) == (30.0, about(29))


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("",), {}, ValueError),
        ((7,), {}, TypeError),
        (("a", True), {}, TypeError),
        (("a", 2**63), {}, ValueError),
        (("a",), {"ttl": 0}, ValueError),
        (("a",), {"ttl": 0.099}, ValueError),
        (("a",), {"ttl": "30"}, TypeError),
    ],
)
async def test_wrong_arguments_send_nothing(
    locks: LockRepository, memory: FaultyLocks, arguments: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await locks.obtain(*arguments, **options)
    with pytest.raises(error):
        await locks.acquire(*arguments, **options)
    with pytest.raises(error):
        locks.lock(*arguments, **options)
    with pytest.raises(error):
        locks.every(5, *arguments, **options)
    assert memory.sent == {}


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (7, TypeError), ("a\0b", ValueError)])
async def test_a_wrong_name_is_looked_for_nowhere(
    locks: LockRepository, memory: FaultyLocks, name: Any, error: type[Exception]
) -> None:
    for use in (locks.get(name), locks.create(name), locks.force_release(name), locks.reset(name)):
        with pytest.raises(error, match="name"):
            await use
    if name != "":
        with pytest.raises(error, match="name"):
            await anext(locks.list(name))
    assert memory.sent == {}


@pytest.mark.parametrize(
    ("period", "error"), [(0, ValueError), (0.099, ValueError), (-5, ValueError), ("5", TypeError)]
)
async def test_a_wrong_period_sends_nothing(
    locks: LockRepository, memory: FaultyLocks, period: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="period"):
        locks.every(period, "cron")
    assert memory.sent == {}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": 0}, ValueError),
        ({"ttl": timedelta(milliseconds=99)}, ValueError),
        ({"ttl": None}, TypeError),
        ({"retention": -1}, ValueError),
        ({"retention": "1"}, TypeError),
        ({"command_timeout": float("inf")}, ValueError),
        ({"clock_margin": 0}, ValueError),
        ({"clock_margin": "1"}, TypeError),
        ({"owner": True}, TypeError),
        ({"owner": 2**63}, ValueError),
    ],
    ids=str,
)
async def test_wrong_options_are_refused(memory: FaultyLocks, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        LockRepository(memory, **options)


@pytest.mark.parametrize("wrong", [None, "locks", 7, {}, MemoryLocks], ids=str)
def test_what_is_no_collection_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="pass an async collection"):
        LockRepository(wrong)


async def test_other_durations_may_be_shorter_than_a_ttl(memory: FaultyLocks) -> None:
    LockRepository(memory, ttl=0.1, retention=0.01, command_timeout=0.01, clock_margin=0.01)


async def test_a_name_in_use_with_another_capacity_is_refused(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    await memory.backend().claim(Request("gpu", "me", 30, capacity=3, kind="semaphore"), "m.1")
    for use in (locks.obtain("gpu"), locks.acquire("gpu")):
        with pytest.raises(LockError, match="'gpu' is in use as a semaphore of capacity 3"):
            await use
    assert (await look(locks, "gpu")).capacity == 3
    assert locks.stats().held == 0


async def test_a_repository_says_where_it_is_when_printed(locks: LockRepository, memory: FaultyLocks) -> None:
    assert repr(locks) == f"<LockRepository {memory.backend().full_name}>"
