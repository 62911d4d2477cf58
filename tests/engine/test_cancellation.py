"""Callers that go away, at any moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks
from virtual import settle
from waiters import is_free, now, rests

from mongolock_async import Lease, LockRepository

Claim = Callable[[LockRepository], Awaitable[Lease | None]]


async def obtain(locks: LockRepository) -> Lease | None:
    return await locks.obtain("cron", keep_alive=True)


async def acquire(locks: LockRepository) -> Lease | None:
    return await locks.acquire("cron", timeout=30, keep_alive=True)


async def block(locks: LockRepository) -> None:
    async with locks.lock("cron"):
        await asyncio.sleep(1)


async def tick(locks: LockRepository) -> None:
    async for _ in locks.every(2, "cron"):
        pass


claims = pytest.mark.parametrize("claim", [obtain, acquire, block, tick])


async def cancelled(task: asyncio.Task[Lease | None]) -> None:
    """Cancel it; what it got all the same is its caller's, who gives it back."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (lease := task.result()):
        await lease.release()


@claims
async def test_a_claim_cancelled_after_any_step_leaves_nothing_behind(
    make: MakeRepository, others: LockRepository, claim: Claim
) -> None:
    await others.create("cron")
    for steps in range(30):
        locks = make()
        task = asyncio.create_task(_coroutine(claim, locks))
        for _ in range(steps):
            await asyncio.sleep(0)
        await cancelled(task)
        await settle()
        assert rests(locks), steps
        assert await is_free(others), steps


async def _coroutine(claim: Claim, locks: LockRepository) -> Lease | None:
    return await claim(locks)


@claims
@pytest.mark.parametrize("delay", [0.5, 1.5, 2.5, 3.5, 4.5])
async def test_a_claim_cancelled_on_its_way_there_or_back_leaves_nothing_behind(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, claim: Claim, delay: float
) -> None:
    await others.create("cron")
    memory.faults = [
        Fault("index", delay=1),
        Fault("claim", delay=1),
        Fault("claim", delay=1, answer=True),
        Fault("release", delay=1),
        Fault("withdraw", delay=1),
    ]
    task = asyncio.create_task(_coroutine(claim, locks))
    await asyncio.sleep(delay)
    await cancelled(task)
    # Nobody waits for what is under way, except for a release, or until a place has left the queue.
    assert now() <= delay + 1
    await asyncio.sleep(10)
    assert rests(locks)
    assert await is_free(others)


async def test_a_cancelled_claim_is_withdrawn_as_soon_as_it_is_answered(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=5, answer=True)]
    task = asyncio.create_task(locks.obtain("cron"))
    await asyncio.sleep(1)
    await cancelled(task)
    assert now() == 1
    await asyncio.sleep(3.9)
    assert not await is_free(others)
    await asyncio.sleep(0.2)
    assert await is_free(others)
    assert locks.stats().losses == 0


async def test_a_cancelled_release_goes_on(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron")
    memory.faults = [Fault("release", delay=1)]
    release = asyncio.create_task(lease.release())
    await asyncio.sleep(0.5)
    release.cancel()
    await asyncio.wait([release])
    assert release.cancelled()
    assert not lease.held
    await asyncio.sleep(1)
    assert await is_free(others)


async def test_a_cancelled_renewal_leaves_the_lease_as_it_was(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    memory.faults = [Fault("ask", delay=5)]
    renewal = asyncio.create_task(lease.renew())
    await asyncio.sleep(1)
    renewal.cancel()
    await asyncio.wait([renewal])
    await asyncio.sleep(10)
    assert lease.held
    assert await lease.release() is True


@pytest.mark.parametrize("seed", range(3))
async def test_cancellations_at_random_moments_leave_nothing_behind(
    make: MakeRepository, memory: FaultyLocks, seed: int
) -> None:
    chance = random.Random(seed)
    members = [make() for _ in range(3)]
    inside = 0

    async def work(locks: LockRepository, name: str) -> None:
        nonlocal inside
        async with locks.lock(name):
            inside += 1
            await asyncio.sleep(chance.random() / 5)

    tasks = []
    for _ in range(150):
        faults = [
            Fault(action, chance.random() / 5, answer=chance.random() < 0.5) for action in ("claim", "ask")
        ]
        memory.faults = [
            *faults,
            Fault("release", chance.random() / 5),
            Fault("withdraw", chance.random() / 5),
        ]
        tasks.append(asyncio.create_task(work(chance.choice(members), f"n{chance.randrange(3)}")))
        await asyncio.sleep(chance.random() / 10)
        chance.choice(tasks).cancel()
    await asyncio.wait(tasks)
    assert 0 < inside < 150
    assert any(task.cancelled() for task in tasks)
    assert all(task.cancelled() or task.exception() is None for task in tasks)
    await asyncio.sleep(2)
    assert all(map(rests, members))
    assert all([not info.held and not info.queue async for info in members[0].list()])
