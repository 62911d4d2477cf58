"""``async with lock``: its body is interrupted when the lease is lost."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost
from virtual import settle
from waiters import about, is_free, now, queue

from mongolock_async import LeaseLostError, LockRepository
from mongolock_async._engine.holding import EXPIRED, SLOW

# Leases live 30 s here and are renewed at 10, 20, ... s: that is when a loss is found out.


def cancellations() -> int:
    """How many requests to cancel this task are left over."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_a_block_whose_lease_is_gone_is_cancelled_and_says_so(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError) as caught:
        async with locks.lock("cron", owner="me", ttl=30) as lease:
            await others.force_release("cron")
            await asyncio.sleep(60)
    assert now() == 10
    error = caught.value
    assert (error.name, error.owner, error.fencing_token) == ("cron", "me", lease.fencing_token)
    assert error.reason.startswith("forced")
    assert lease.lost.is_set()
    assert cancellations() == 0


async def test_a_body_is_cancelled_before_the_server_lets_anybody_in(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    with pytest.raises(LeaseLostError, match="expired unrenewed"):
        async with locks.lock("cron", ttl=30):
            memory.faults = [lost("renew", times=1000), lost("release", times=1000)]
            await asyncio.sleep(60)
    assert now() == about(29)
    assert await others.obtain("cron") is None
    await asyncio.sleep(1)
    assert await others.obtain("cron") is not None


async def test_a_lost_block_does_not_wait_for_its_release(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [lost("renew", times=1000), Fault("release", delay=60)]
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron", ttl=30):
            await asyncio.sleep(60)
    assert now() == about(29)
    assert memory.sent["release"] == 1


async def test_a_loss_does_not_hide_the_bodys_own_error(locks: LockRepository) -> None:
    with pytest.raises(KeyError):
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                assert lease.lost.is_set()
                raise KeyError from None
    assert cancellations() == 0


async def test_a_body_that_swallows_the_cancellation_hears_of_the_loss(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron"):
            await locks.force_release("cron")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await asyncio.sleep(60)
    assert now() == 70
    assert cancellations() == 0


async def test_an_outer_cancellation_at_the_same_moment_wins(locks: LockRepository) -> None:
    async def work() -> None:
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            try:
                await asyncio.sleep(60)
            finally:
                assert lease.lost.is_set()
                current = asyncio.current_task()
                assert current is not None
                current.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())


async def test_a_timeout_that_expires_while_the_body_cleans_up_wins(locks: LockRepository) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(11), locks.lock("cron"):
            await locks.force_release("cron")
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(2)
    assert now() == 11
    assert cancellations() == 0


async def test_a_timeout_inside_and_outside_of_a_block_work_as_ever(locks: LockRepository) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2), locks.lock("cron"):
            await asyncio.sleep(60)
    with pytest.raises(TimeoutError):
        async with locks.lock("cron"), asyncio.timeout(3):
            await asyncio.sleep(60)
    assert now() == 5
    assert await is_free(locks)
    assert cancellations() == 0


async def test_a_task_group_inside_a_block_is_cancelled_with_it(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron"), asyncio.TaskGroup() as group:
            member = group.create_task(asyncio.sleep(60))
            await locks.force_release("cron")
    assert member.cancelled()
    assert now() == 10


async def test_a_block_that_stalled_past_its_lease_is_cancelled_at_once(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    with pytest.raises(LeaseLostError, match="expired unrenewed"):
        async with locks.lock("cron", ttl=30):
            memory.advance(31)
            await asyncio.sleep(60)
    assert now() == 0


async def test_a_body_that_finds_out_by_itself_is_interrupted(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            assert await lease.renew() is False
            await asyncio.sleep(60)
    assert now() == 0


async def test_a_body_that_ends_as_it_finds_out_raises_only_the_loss(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            assert await lease.renew() is False
    assert cancellations() == 0
    await settle()  # and none is to come


async def test_the_loss_of_the_outer_of_two_blocks_ends_both(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError) as caught:
        async with locks.lock("outer"), locks.lock("inner"):
            await locks.force_release("outer")
            await asyncio.sleep(60)
    assert caught.value.name == "outer"
    assert cancellations() == 0
    assert await is_free(locks, "inner")


async def test_the_loss_of_the_inner_of_two_blocks_leaves_the_outer_its_lease(locks: LockRepository) -> None:
    async with locks.lock("outer") as lease:
        with pytest.raises(LeaseLostError) as caught:
            async with locks.lock("inner"):
                await locks.force_release("inner")
                await asyncio.sleep(60)
        assert caught.value.name == "inner"
        assert cancellations() == 0
        await asyncio.sleep(60)
        assert lease.held
    assert await is_free(locks, "outer")


async def test_two_losses_at_a_time_leave_no_cancellation_over(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("outer"), locks.lock("inner"):
            await locks.force_release("outer")
            await locks.force_release("inner")
            await asyncio.sleep(60)
    assert now() == 10
    assert cancellations() == 0


async def test_a_loss_while_another_lock_is_waited_for_leaves_that_queue(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("cron", ttl=600)
    with pytest.raises(LeaseLostError) as caught:
        async with locks.lock("outer"):
            await others.force_release("outer")
            async with locks.lock("cron"):
                pytest.fail("it is held")
    assert caught.value.name == "outer"
    await settle()
    assert await queue(others) == []


async def test_a_stall_at_any_step_of_entering_a_block_is_found_out(
    make: MakeRepository, memory: FaultyLocks
) -> None:
    async def work(locks: LockRepository) -> str:
        async with locks.lock("cron", ttl=30) as lease:
            if not lease.held:
                await settle()
                pytest.fail("it should have been interrupted")
            await asyncio.sleep(60)
            assert lease.held
            return "did not notice"

    outcomes = set()
    for steps in range(30):
        task = asyncio.create_task(work(make()))
        for _ in range(steps):
            await asyncio.sleep(0)
        memory.advance(40)
        try:
            outcomes.add(await task)
        except LeaseLostError as error:
            outcomes.add(error.reason)
    assert outcomes == {"did not notice", SLOW, EXPIRED}
