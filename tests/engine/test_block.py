"""``async with lock``: it holds the lock while its body runs, and frees it at the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import about, is_free, now, rests

from mongolock_async import LeaseLostError, LockRepository

MakeFault = Callable[[str], Fault]


async def test_a_block_outlives_its_ttl(locks: LockRepository, others: LockRepository) -> None:
    async with locks.lock("cron", ttl=30) as lease:
        await asyncio.sleep(600)
        assert lease.held
        assert await others.obtain("cron") is None
    assert await is_free(locks)


async def test_a_block_that_raises_frees_the_lock(locks: LockRepository) -> None:
    with pytest.raises(KeyError):
        async with locks.lock("cron"):
            raise KeyError
    assert await is_free(locks)


async def test_a_cancelled_block_frees_the_lock(locks: LockRepository) -> None:
    async def work() -> None:
        async with locks.lock("cron"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 1
    assert await is_free(locks)


@pytest.mark.parametrize("fails", [lost, unanswered])
async def test_a_release_that_fails_does_not_spoil_the_block(
    locks: LockRepository, memory: FaultyLocks, fails: MakeFault, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        async with locks.lock("cron", ttl=30):
            memory.faults = [fails("release")]
    assert caplog.messages == ["release of 'cron' was not confirmed; the lease expires by itself"]
    await asyncio.sleep(30)
    assert await is_free(locks)
    assert memory.sent["renew"] == 0


async def test_a_release_is_waited_for_no_longer_than_a_second(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        async with locks.lock("cron", ttl=30):
            await asyncio.sleep(5)
            memory.faults = [Fault("release", delay=0.9, answer=True)]
        assert now() == 5.9
        assert caplog.messages == []
        async with locks.lock("cron", ttl=30):
            memory.faults = [Fault("release", delay=20)]
    assert now() == about(5.9 + 1)
    assert "was not confirmed" in caplog.text
    assert await is_free(locks) is False
    await asyncio.sleep(19.1)  # it goes on in the background
    assert await is_free(locks)
    assert rests(locks)


async def test_a_release_is_waited_for_no_longer_than_the_lease_lasts(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with locks.lock("cron", ttl=1):
        memory.faults = [Fault("release", delay=20)]
        await asyncio.sleep(0.3)
    assert now() == about(0.9)


async def test_a_body_that_fails_before_its_loss_is_found_out_raises_its_own_error(
    locks: LockRepository,
) -> None:
    with pytest.raises(KeyError):
        async with locks.lock("cron"):
            await locks.force_release("cron")
            raise KeyError


async def test_a_release_inside_the_block_is_no_loss(locks: LockRepository, memory: FaultyLocks) -> None:
    async with locks.lock("cron") as lease:
        assert await lease.release() is True
        await asyncio.sleep(60)
    assert memory.sent["release"] == 1


@pytest.mark.parametrize("stall", [29.5, 31])
async def test_a_block_that_stalled_past_its_lease_says_so_at_its_end(
    locks: LockRepository, memory: FaultyLocks, stall: float
) -> None:
    with pytest.raises(LeaseLostError, match="expired unrenewed"):
        async with locks.lock("cron", ttl=30):
            memory.advance(stall)
    await settle()
    assert await is_free(locks)


async def test_a_block_that_stalled_less_than_that_goes_on(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with locks.lock("cron", ttl=30) as lease:
        for _ in range(20):
            memory.advance(28.5)
            await settle()
            assert lease.remaining == about(29)


async def test_a_block_whose_lease_went_to_another_says_so_at_its_end(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError, match="forced"):
        async with locks.lock("cron"):
            await others.force_release("cron")
            successor = await others.acquire("cron")
    assert await successor.release() is True


async def test_a_block_left_by_another_task_frees_the_lock(locks: LockRepository) -> None:
    lock = locks.lock("cron")
    await asyncio.create_task(lock.__aenter__())
    await lock.__aexit__(None, None, None)
    assert await is_free(locks)


async def test_an_exit_elsewhere_takes_the_block_whose_task_is_done(locks: LockRepository) -> None:
    lock = locks.lock("cron")
    gone = await asyncio.create_task(lock.__aenter__())
    await locks.force_release("cron")
    async with lock as lease:
        with pytest.raises(LeaseLostError):
            await asyncio.create_task(lock.__aexit__(None, None, None))
        assert lease.held
        assert not gone.held


async def test_a_lease_that_is_over_is_no_work_for_the_collector(locks: LockRepository) -> None:
    gc.disable()
    try:
        async with locks.lock("cron") as lease:
            over: list[weakref.ref[Any]] = [weakref.ref(lease), weakref.ref(lease._holding)]
        lease = await locks.acquire("cron", ttl=30)
        over += [weakref.ref(lease), weakref.ref(lease._holding)]
        await lease.lost.wait()
        del lease
        await settle()
        assert [gone() for gone in over] == [None] * 4
    finally:
        gc.enable()
