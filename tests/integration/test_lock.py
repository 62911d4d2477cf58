"""``async with lock`` and ``@lock``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
import weakref
from typing import Any

import pymongo
import pytest

from mongolock_async import LeaseLostError, LockRepository, LockTimeoutError


async def held(locks: LockRepository, name: str = "cron") -> bool:
    info = await locks.get(name)
    return info is not None and info.held


async def test_a_block_holds_the_lock_and_frees_it(locks: LockRepository) -> None:
    async with locks.lock("cron", owner="me") as lease:
        assert lease.held
        assert await held(locks)
    assert not await held(locks)


async def test_a_lease_that_is_over_is_no_work_for_the_collector(locks: LockRepository) -> None:
    gc.disable()
    try:
        async with locks.lock("cron") as lease:
            over = weakref.ref(lease)
        del lease
        await asyncio.sleep(0.01)
        assert over() is None
    finally:
        gc.enable()


async def test_a_block_that_raises_frees_the_lock(locks: LockRepository) -> None:
    with pytest.raises(KeyError):
        async with locks.lock("cron"):
            raise KeyError
    assert not await held(locks)


async def test_a_cancelled_block_frees_the_lock(locks: LockRepository) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with locks.lock("cron"):
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await held(locks)


async def test_a_block_outlives_its_ttl(locks: LockRepository, others: LockRepository) -> None:
    async with locks.lock("cron", ttl=1.5) as lease:
        await asyncio.sleep(2)
        assert lease.held
        assert await others.obtain("cron") is None


async def test_one_lock_serves_many_tasks_one_at_a_time(locks: LockRepository) -> None:
    lock = locks.lock("cron")
    tokens = []

    async def work() -> None:
        async with lock as lease:
            tokens.append(lease.fencing_token)
            await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(8)))
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 8


async def test_a_lock_is_not_reentrant(locks: LockRepository) -> None:
    await locks.create("cron")
    lock = locks.lock("cron", timeout=0.5)
    async with lock:
        with pytest.raises(LockTimeoutError):
            async with lock:
                pass


async def test_a_lock_sends_nothing_until_it_is_entered(locks: LockRepository, commands: Any) -> None:
    assert repr(locks.lock("cron")) == "<Lock 'cron'>"
    assert commands.counts == {}


async def test_a_decorated_function_runs_under_the_lock(locks: LockRepository) -> None:
    @locks.lock("cron")
    async def work(number: int, *, more: int) -> int:
        """Adds up."""
        assert await held(locks)
        return number + more

    assert await work(1, more=2) == 3
    assert (work.__name__, work.__doc__) == ("work", "Adds up.")
    assert not await held(locks)


async def test_a_plain_function_cannot_be_decorated(locks: LockRepository) -> None:
    with pytest.raises(TypeError, match="coroutine function"):
        locks.lock("cron")(print)  # type: ignore[arg-type]  # that is the point


async def test_a_block_whose_lease_is_taken_is_cancelled_and_says_so(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError) as caught:
        async with locks.lock("cron", owner="me", ttl=0.6) as lease:
            await locks.force_release("cron")
            await asyncio.sleep(60)
    error = caught.value
    assert (error.name, error.owner, error.fencing_token) == ("cron", "me", lease.fencing_token)
    assert lease.lost.is_set()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_loss_does_not_hide_the_bodys_own_error(locks: LockRepository) -> None:
    with pytest.raises(KeyError):
        async with locks.lock("cron", ttl=0.6) as lease:
            await locks.force_release("cron")
            try:
                await lease.lost.wait()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise KeyError from None


async def test_a_body_that_swallows_the_cancellation_hears_of_the_loss(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron", ttl=0.6):
            await locks.force_release("cron")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)


async def test_an_outer_cancellation_at_the_same_moment_wins(locks: LockRepository) -> None:
    async def work() -> None:
        async with locks.lock("cron", ttl=0.6) as lease:
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


async def test_a_release_inside_the_block_is_no_loss(locks: LockRepository) -> None:
    async with locks.lock("cron") as lease:
        assert await lease.release() is True
        await asyncio.sleep(0)


async def test_a_block_left_by_another_task_frees_the_lock(locks: LockRepository) -> None:
    lock = locks.lock("cron")
    await asyncio.create_task(lock.__aenter__())
    await lock.__aexit__(None, None, None)
    assert not await held(locks)


async def test_a_release_that_fails_does_not_spoil_the_block(
    locks: LockRepository, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fail = {"failCommands": ["findAndModify"], "errorCode": 1, "closeConnection": False}
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        async with locks.lock("cron"):
            await client.admin.command(
                {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail}
            )
    assert "was not confirmed" in caplog.text


async def test_a_block_that_stalled_past_its_lease_says_so(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron", ttl=0.3):
            time.sleep(0.5)  # nothing of the loop runs: no timer, no renewal
    lease = await others.obtain("cron")
    assert lease is None or lease.held


async def test_a_block_whose_lease_went_to_another_says_so_at_its_end(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError, match="forced"):
        async with locks.lock("cron"):
            await others.force_release("cron")
            successor = await others.obtain("cron")
    assert successor is not None
    assert await successor.release() is True


async def test_a_body_that_finds_out_by_itself_is_interrupted(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            assert await lease.renew() is False
            await asyncio.sleep(60)


async def test_a_body_that_ends_as_it_finds_out_raises_only_the_loss(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            assert await lease.renew() is False
    await asyncio.sleep(0.01)  # no cancellation is left over


async def test_a_task_group_inside_a_block_is_cancelled_with_it(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron", ttl=0.6), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            await locks.force_release("cron")


async def test_a_timeout_inside_and_outside_of_a_block_work_as_ever(locks: LockRepository) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), locks.lock("cron"):
            await asyncio.sleep(60)
    with pytest.raises(TimeoutError):
        async with locks.lock("cron"), asyncio.timeout(0.1):
            await asyncio.sleep(60)
    assert not await held(locks)


async def test_a_callers_deadline_does_not_keep_the_lock_taken(locks: LockRepository) -> None:
    await locks.create("cron")
    with pymongo.timeout(1):
        async with locks.lock("cron"):
            await asyncio.sleep(1.1)
    assert not await held(locks)


async def test_closing_tells_the_blocks_that_still_run(collection: Any, others: LockRepository) -> None:
    locks = LockRepository(collection)
    entered = asyncio.Event()

    async def work() -> None:
        async with locks.lock("cron"):
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await entered.wait()
    await locks.aclose()
    with pytest.raises(LeaseLostError, match="closed"):
        await task
    assert not await held(others)


async def test_an_exit_elsewhere_takes_the_block_whose_task_is_done(locks: LockRepository) -> None:
    lock = locks.lock("cron", ttl=0.4)
    lost = await asyncio.create_task(lock.__aenter__())
    await locks.force_release("cron")
    async with lock as lease:
        leaving = asyncio.create_task(lock.__aexit__(None, None, None))
        with pytest.raises(LeaseLostError):
            await leaving
        assert lease.held
        assert not lost.held
