"""The end of a repository, while blocks run."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from faulty import Fault, FaultyLocks
from virtual import settle
from waiters import about, is_free, now, rests, waiting

from mongolock_async import LeaseLostError, LockRepository
from mongolock_async._engine.member import IN_TIME


@pytest.fixture
def locks(memory: FaultyLocks) -> LockRepository:
    """One that the test closes."""
    return LockRepository(memory)


class Body:
    """A block whose body, when it is cancelled, takes so long to end."""

    def __init__(self, locks: LockRepository, takes: float, *, ttl: float = 30) -> None:
        self.ended: float | None = None
        self._takes = takes
        self._lock = locks.lock("cron", ttl=ttl)
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda task: task.exception())

    async def _run(self) -> None:
        async with self._lock:
            try:
                await asyncio.sleep(600)
            finally:
                await asyncio.sleep(self._takes)
                self.ended = now()


async def test_closing_lets_nobody_in_while_a_body_still_runs(
    locks: LockRepository, others: LockRepository
) -> None:
    body = Body(locks, 1)
    await settle()
    successor = waiting(others)
    await asyncio.sleep(2)
    closing = asyncio.create_task(locks.aclose())
    await successor
    assert body.ended == about(3) == now()
    await closing
    assert now() == about(3)
    with pytest.raises(LeaseLostError, match="the repository was closed"):
        await body.task


async def test_closing_waits_for_a_body_no_longer_than_its_lease_lasts(
    locks: LockRepository, others: LockRepository
) -> None:
    body = Body(locks, 60, ttl=3)
    await settle()
    await locks.aclose(timeout=None)
    assert now() == about(3 - 0.15)
    assert body.ended is None
    await asyncio.sleep(0.15)
    assert await is_free(others)
    with pytest.raises(LeaseLostError):
        await body.task


async def test_closing_waits_for_a_body_no_longer_than_its_timeout(
    locks: LockRepository, others: LockRepository
) -> None:
    body = Body(locks, 20)
    await settle()
    await locks.aclose()
    assert now() == about(IN_TIME * 5)
    assert not await is_free(others)
    with pytest.raises(LeaseLostError):
        await body.task
    assert now() == about(20)
    await settle()
    assert await is_free(others)
    assert rests(locks)


async def test_the_release_of_a_block_is_waited_for(
    locks: LockRepository, memory: FaultyLocks, others: LockRepository
) -> None:
    Body(locks, 1)
    await settle()
    memory.faults = [Fault("release", delay=2)]
    await locks.aclose()
    assert now() == about(3)
    assert await is_free(others)
    assert memory.sent["release"] == 1
    assert memory.sent["withdraw"] == 0


async def test_a_lease_without_a_block_is_released_before_the_bodies_end(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("other", keep_alive=True)
    Body(locks, 2)
    await settle()
    closing = asyncio.create_task(locks.aclose())
    await settle()
    assert await is_free(others, "other")
    assert not lease.held
    assert not closing.done()
    await closing


async def test_those_who_wait_are_told_before_the_bodies_end(locks: LockRepository) -> None:
    Body(locks, 2)
    await settle()
    waiter = waiting(locks)
    await settle()
    closing = asyncio.create_task(locks.aclose())
    await settle()
    assert waiter.done()
    await closing


async def test_a_body_may_close_the_repository_and_is_cancelled_after_that(
    locks: LockRepository, memory: FaultyLocks, others: LockRepository
) -> None:
    lease = await locks.acquire("other")
    memory.faults = [Fault("withdraw", delay=2)]
    closed = False
    with pytest.raises(LeaseLostError, match="the repository was closed"):
        async with locks.lock("cron"):
            await locks.aclose()
            closed = True
            await asyncio.sleep(60)
    assert closed
    assert now() == about(2)
    assert not lease.held
    assert await is_free(others)
    assert await is_free(others, "other")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_body_that_ends_with_the_closing_is_not_cancelled(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError, match="the repository was closed"):
        async with locks.lock("cron"), locks.lock("other"):
            await locks.aclose()
    assert await is_free(others)
    assert await is_free(others, "other")
    await asyncio.sleep(1)


async def test_a_body_that_closes_waits_for_the_other_bodies(
    locks: LockRepository, others: LockRepository
) -> None:
    body = Body(locks, 2)
    await settle()
    with pytest.raises(LeaseLostError):
        async with locks.lock("other"):
            await locks.aclose()
            assert body.ended == about(2) == now()
            assert not await is_free(others, "other")
    await asyncio.wait([body.task])


async def test_two_bodies_that_close_do_not_wait_for_each_other(locks: LockRepository) -> None:
    async def close(name: str) -> None:
        async with locks.lock(name):
            try:
                await asyncio.sleep(1)
            finally:
                await locks.aclose()

    results = await asyncio.gather(close("a"), close("b"), return_exceptions=True)
    assert [type(result) for result in results] == [LeaseLostError] * 2
    assert now() == about(1)


async def test_a_body_that_waits_for_one_who_closes_is_cancelled(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError, match="the repository was closed"):
        async with locks.lock("cron"):
            await asyncio.gather(asyncio.create_task(locks.aclose()))
    await locks.aclose()
    assert now() == about(0)
    assert await is_free(others)


async def test_a_body_that_is_cancelled_while_it_closes_is_cancelled(
    locks: LockRepository, memory: FaultyLocks, others: LockRepository
) -> None:
    lease = await locks.acquire("other")
    memory.faults = [Fault("withdraw", delay=60)]

    async def close() -> None:
        async with locks.lock("cron"):
            await locks.aclose()

    task = asyncio.create_task(close())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settle()
    assert await is_free(others)
    assert not lease.held
    await locks.aclose(timeout=None)


async def test_a_block_that_is_entered_while_the_repository_closes_does_not_run(
    locks: LockRepository, memory: FaultyLocks, others: LockRepository
) -> None:
    memory.faults = [Fault("claim", delay=0.9, answer=True)]
    began = []

    async def work() -> None:
        async with locks.lock("cron", timeout=0):
            began.append(now())
            try:
                await asyncio.sleep(600)
            finally:
                await asyncio.sleep(1)
                assert not await is_free(others)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.5)
    await locks.aclose()
    with pytest.raises(LeaseLostError):
        await task
    assert now() == about(1.9 if began else 0.9)
    await settle()
    assert await is_free(others)


async def test_a_decorated_function_ends_before_the_next_one_begins(
    locks: LockRepository, others: LockRepository
) -> None:
    ended = []

    @locks.lock("cron")
    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(600)
        await asyncio.sleep(1)
        ended.append(now())

    task = asyncio.create_task(work())
    await settle()
    successor = waiting(others)
    await asyncio.sleep(1)
    await locks.aclose()
    await successor
    assert ended == [about(2)]
    with pytest.raises(LeaseLostError):
        await task


async def test_a_block_whose_task_is_done_is_not_waited_for_and_keeps_the_next_one_out(
    locks: LockRepository, others: LockRepository
) -> None:
    lock = locks.lock("cron")
    lease = await asyncio.create_task(lock.__aenter__())
    await locks.aclose()
    assert now() == about(0)
    assert lease.lost.is_set()
    assert not await is_free(others)
    with pytest.raises(LeaseLostError):
        await lock.__aexit__(None, None, None)
    assert await is_free(others)


async def test_a_body_of_a_lease_is_not_cancelled_and_keeps_the_next_one_out_until_it_ends(
    locks: LockRepository, others: LockRepository
) -> None:
    async def work() -> None:
        async with await locks.acquire("cron", ttl=30, keep_alive=True) as lease:
            await lease.lost.wait()
            await asyncio.sleep(2)
            assert not await is_free(others)

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    await locks.aclose()
    assert now() == about(3)
    await task
    assert await is_free(others)


async def test_a_block_of_a_closed_repository_is_left_when_the_server_has_released_it(
    locks: LockRepository, memory: FaultyLocks, others: LockRepository
) -> None:
    memory.faults = [Fault("release", delay=0.5)]
    with pytest.raises(LeaseLostError, match="the repository was closed"):
        async with locks.lock("cron"):
            await locks.aclose()
    assert now() == about(0.5)
    assert await is_free(others)
