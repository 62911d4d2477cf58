"""``schedule.run``: work at each boundary that is ours, and cancelled with its lease."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from faulty import FaultyLocks, lost
from ticking import BEHIND, PERIOD, START
from waiters import about, is_free, now, rests

from mongolock_async import Lease, LockBackendError, LockError, LockRepository
from mongolock_async._engine.work import NoWorkError


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock begins at a boundary."""
    return FaultyLocks(start=START)


class Works:
    """What was done, and when: one thing after another, the last one again and again."""

    def __init__(self, *things: Any) -> None:
        self.began: list[float] = []
        self.ended: list[str] = []
        self._things = list(things)

    async def __call__(self, lease: Lease) -> None:
        assert lease.held
        self.began.append(round(now(), 1))
        thing = self._things.pop(0) if len(self._things) > 1 else self._things[0]
        try:
            await thing(lease)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append("")


async def nothing(_: Lease) -> None:
    """No time passes."""


async def sleep(_: Lease) -> None:
    """For longer than any test."""
    await asyncio.sleep(10**6)


async def fail(_: Lease) -> None:
    raise KeyError("what")


async def cancelled(_: Lease) -> None:
    task = asyncio.ensure_future(asyncio.sleep(1))
    task.cancel()
    await task


async def ended(task: asyncio.Task[None], seconds: float) -> None:
    """Let it run for so long."""
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])


async def test_the_work_is_done_at_each_boundary_by_one(make: Any) -> None:
    works = Works(nothing)
    tasks = [asyncio.create_task(make().every(PERIOD, "cron").run(works)) for _ in range(5)]
    await asyncio.gather(*(ended(task, 20 * PERIOD + 1) for task in tasks))
    assert works.began == [PERIOD * number for number in range(1, 21)]


@pytest.mark.parametrize(("thing", "name"), [(fail, "KeyError"), (cancelled, "CancelledError")])
async def test_an_error_of_the_work_is_logged_and_the_next_boundary_comes(
    locks: LockRepository, others: LockRepository, caplog: pytest.LogCaptureFixture, thing: Any, name: str
) -> None:
    works = Works(thing, nothing)
    with caplog.at_level(logging.ERROR, "mongolock_async"):
        await ended(asyncio.create_task(locks.every(PERIOD, "cron").run(works)), 2 * PERIOD + 1)
    assert works.ended == [name, ""]
    (record,) = caplog.records
    assert record.getMessage() == "every 5 s, 'cron': the work has failed; it goes on with the next boundary"
    assert record.exc_info is not None
    assert record.exc_info[0] is not None
    assert record.exc_info[0].__name__ == name
    assert await is_free(others)


async def test_the_work_is_cancelled_when_its_lease_is_lost_and_the_next_boundary_comes(
    locks: LockRepository, others: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    works = Works(sleep, nothing)
    task = asyncio.create_task(locks.every(PERIOD, "cron").run(works))
    await asyncio.sleep(PERIOD + 0.5)
    await others.force_release("cron")
    with caplog.at_level(logging.ERROR, "mongolock_async"):
        await ended(task, 2 * PERIOD)
    assert works.ended[0] == "CancelledError"
    assert works.began[:2] == [PERIOD, 2 * PERIOD]
    assert caplog.records == []


async def test_the_lease_is_released_when_the_work_has_ended_and_not_before(
    locks: LockRepository, others: LockRepository
) -> None:
    async def slow(_: Lease) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1)
            assert not await is_free(others)

    task = asyncio.create_task(locks.every(PERIOD, "cron").run(slow))
    await asyncio.sleep(PERIOD + 0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_free(others)
    assert rests(locks)


async def test_run_ends_when_the_repository_is_closed(memory: FaultyLocks, others: LockRepository) -> None:
    locks = LockRepository(memory)
    works = Works(nothing)
    task = asyncio.create_task(locks.every(PERIOD, "cron").run(works))
    await asyncio.sleep(PERIOD + 0.5)
    await locks.aclose()
    await task
    assert now() == PERIOD + 0.5
    assert works.ended == [""]
    assert await is_free(others)


async def test_work_under_way_is_cancelled_when_the_repository_is_closed(
    memory: FaultyLocks, others: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    locks = LockRepository(memory)
    works = Works(sleep)
    task = asyncio.create_task(locks.every(PERIOD, "cron").run(works))
    await asyncio.sleep(PERIOD + 0.5)
    await locks.aclose()
    await task
    assert works.ended == ["CancelledError"]
    assert caplog.records == []
    assert await is_free(others)


async def test_work_that_swallows_its_cancellation_is_not_cancelled_any_more(
    locks: LockRepository, others: LockRepository
) -> None:
    async def stubborn(lease: Lease) -> None:
        try:
            await lease.lost.wait()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)

    works = Works(stubborn, nothing)
    task = asyncio.create_task(locks.every(PERIOD, "cron").run(works))
    await asyncio.sleep(PERIOD + 0.5)
    await others.force_release("cron")
    await asyncio.sleep(2 * PERIOD)
    assert works.ended[:2] == ["", ""]
    assert task.cancelling() == 0
    task.cancel()
    await asyncio.wait([task])


async def test_run_outlives_outages(locks: LockRepository, memory: FaultyLocks) -> None:
    works = Works(nothing)
    memory.faults = [lost("claim", times=3)]
    await ended(asyncio.create_task(locks.every(PERIOD, "cron").run(works)), 4 * PERIOD + 1)
    assert works.began[-1] == 4 * PERIOD


async def test_run_raises_what_mongodb_refuses(locks: LockRepository, memory: FaultyLocks) -> None:
    refusal = lost("claim")
    refusal.error = LockBackendError("obtain", "cron", "OperationFailure", 13)
    memory.faults = [refusal]
    with pytest.raises(LockBackendError, match="code 13"):
        await locks.every(PERIOD, "cron").run(nothing)


async def test_run_on_a_closed_repository_says_so(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    await locks.aclose()
    with pytest.raises(LockError, match="closed"):
        await locks.every(PERIOD, "cron").run(nothing)


@pytest.mark.parametrize("wrong", [None, "work", nothing(None)])  # type: ignore[arg-type]  # it is never begun
async def test_what_is_no_work_is_refused_before_anything_is_sent(
    locks: LockRepository, memory: FaultyLocks, wrong: Any
) -> None:
    with pytest.raises(TypeError, match="work must be a coroutine function"):
        await locks.every(PERIOD, "cron").run(wrong)
    assert memory.sent == {}
    if asyncio.iscoroutine(wrong):
        wrong.close()


async def test_work_that_cannot_be_awaited_ends_the_run(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(NoWorkError, match="work must return an awaitable, not int"):
        await locks.every(PERIOD, "cron").run(lambda _: 1)  # type: ignore[arg-type, return-value]  # that is the point
    assert now() == about(PERIOD + BEHIND)
    assert await is_free(others)


async def test_closing_waits_for_the_end_of_the_work_before_the_lease_is_released(
    memory: FaultyLocks, others: LockRepository
) -> None:
    locks = LockRepository(memory)
    free = []

    async def slow(_: Lease) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1)
            free.append(await is_free(others))

    task = asyncio.create_task(locks.every(PERIOD, "cron").run(slow))
    await asyncio.sleep(PERIOD + 0.5)
    await locks.aclose()
    assert now() == about(PERIOD + 1.5)
    assert free == [False]
    assert await is_free(others)
    await task
