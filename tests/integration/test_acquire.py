"""Waiting for a lock."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from mongolock_async import LockRepository, LockTimeoutError


async def test_a_free_lock_is_acquired_at_once(locks: LockRepository, commands: Any) -> None:
    await locks.create("cron")
    commands.clear()
    assert (await locks.acquire("cron")).held
    assert commands.counts == {"findAndModify": 1}


async def test_a_waiter_gets_the_lock_after_its_release(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron")
    waiter = asyncio.create_task(others.acquire("cron"))
    await asyncio.sleep(0.05)
    assert not waiter.done()
    await lease.release()
    async with asyncio.timeout(1):
        assert (await waiter).held


async def test_a_waiter_gets_a_dead_holders_lock_within_a_tenth_of_a_second(
    locks: LockRepository, others: LockRepository
) -> None:
    late = []
    for name in ("a", "b", "c"):  # the best of three: the machine has other things to do
        await locks.acquire(name, ttl=0.4)
        expires = time.monotonic() + 0.4
        await others.acquire(name)
        late.append(time.monotonic() - expires)
    assert min(late) < 0.1


async def test_a_timeout_says_who_was_in_the_way(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron", owner="holder")
    with pytest.raises(LockTimeoutError) as caught:
        await others.acquire("cron", timeout=0.5)
    error = caught.value
    assert (error.name, error.timeout, error.owner) == ("cron", 0.5, "holder")
    assert error.age is not None
    assert 0 <= error.age < 5


async def test_a_timeout_comes_in_time(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await others.acquire("cron", timeout=0.3)
    assert 0.29 < time.monotonic() - began < 1


async def test_a_waiter_that_timed_out_leaves_nothing_behind(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(LockTimeoutError):
        await others.acquire("cron", timeout=0.05)
    await others.aclose()
    await lease.release()
    info = await locks.get("cron")
    assert info is not None
    assert (info.holders, info.queue) == ((), ())


async def test_somebody_elses_timeout_is_not_ours(locks: LockRepository) -> None:
    await locks.acquire("cron")
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.1):
            await locks.acquire("cron", timeout=5)
    assert not isinstance(caught.value, LockTimeoutError)


async def test_every_waiter_gets_its_turn(locks: LockRepository, others: LockRepository) -> None:
    inside, most, turns = 0, 0, 0

    async def work(repository: LockRepository) -> None:
        nonlocal inside, most, turns
        for _ in range(3):
            async with repository.lock("cron"):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.002)
                inside -= 1
                turns += 1

    async with asyncio.timeout(30):
        await asyncio.gather(*(work(repository) for repository in (locks, others) * 3))
    assert (most, turns) == (1, 18)


@pytest.mark.parametrize(
    ("timeout", "error"), [(False, TypeError), (-1, ValueError), ("1", TypeError), ([0], TypeError)]
)
async def test_a_wrong_timeout_sends_nothing(
    locks: LockRepository, commands: Any, timeout: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="timeout"):
        await locks.acquire("cron", timeout=timeout)
    with pytest.raises(error, match="timeout"):
        locks.lock("cron", timeout=timeout)
    assert commands.counts == {}
