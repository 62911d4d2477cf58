"""Leases that are kept alive for nobody."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest
from faulty import FaultyLocks
from ticking import PERIOD, START
from virtual import settle
from waiters import is_free, look

from mongolock_async import Lease, Lock, LockRepository, Schedule


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock begins at a boundary."""
    return FaultyLocks(start=START)


@contextmanager
def silence() -> Iterator[None]:
    """Nothing is warned of during the block, nor soon after it."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert heard == []


def warned() -> Any:
    return pytest.warns(ResourceWarning, match="the lease of 'cron' was abandoned")


async def expires(memory: FaultyLocks, others: LockRepository, ttl: float = 30) -> None:
    """It is not renewed any more, and expires after its ttl."""
    memory.sent.clear()
    await asyncio.sleep(ttl * 0.6)
    assert (await look(others)).held
    await asyncio.sleep(ttl * 0.4)
    assert await is_free(others)
    assert memory.sent["renew"] == memory.sent["release"] == memory.sent["withdraw"] == 0


@pytest.mark.parametrize("how", ["obtain", "acquire"])
async def test_a_kept_lease_that_nobody_refers_to_is_warned_of_and_expires(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, how: str
) -> None:
    lease = await getattr(locks, how)("cron", ttl=30, keep_alive=True)
    await asyncio.sleep(100)
    assert (await look(others)).held
    await lease.renew()
    with warned():
        del lease
    await expires(memory, others)
    assert locks.stats().held == 0


async def test_one_in_a_cycle_is_warned_of_when_it_is_collected(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    cycle: list[object] = [await locks.acquire("cron", ttl=30, keep_alive=True)]
    cycle.append(cycle)
    del cycle
    with warned():
        gc.collect()
    await expires(memory, others)


async def test_the_warning_names_the_line_that_let_it_go(locks: LockRepository) -> None:
    lease = await locks.acquire("cron", keep_alive=True)
    with warned() as heard:
        del lease
    assert [warning.filename for warning in heard] == [__file__]


async def test_the_lease_of_a_block_is_wanted_whether_or_not_it_is_bound(
    locks: LockRepository, others: LockRepository
) -> None:
    with silence():
        async with locks.lock("cron", ttl=30):
            await asyncio.sleep(100)
            gc.collect()
            assert (await look(others)).held
        assert await is_free(others)


async def test_a_block_that_nobody_refers_to_is_abandoned_too(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    async def enter(lock: Lock) -> None:
        await lock.__aenter__()

    with warned():
        await asyncio.create_task(enter(locks.lock("cron", ttl=30)))
    await expires(memory, others)


async def test_one_that_is_over_is_not_warned_of(locks: LockRepository, memory: FaultyLocks) -> None:
    released, expired, closed = [
        await locks.acquire(name, keep_alive=True) for name in ("released", "expired", "closed")
    ]
    with silence():
        await released.release()
        await locks.force_release("expired")
        await expired.renew()
        closing = LockRepository(memory)
        another = await closing.acquire("cron", keep_alive=True)
        await closing.aclose()
        del released, expired, another
        gc.collect()
    assert closed.held


async def test_one_that_is_not_kept_alive_is_not_warned_of(locks: LockRepository) -> None:
    with silence():
        await locks.acquire("cron", ttl=30)
        gc.collect()


async def test_a_lease_of_every_that_nobody_refers_to_is_warned_of_and_expires(
    locks: LockRepository, others: LockRepository
) -> None:
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        lease = await anext(ticks)
        await asyncio.sleep(100)
        assert (await look(others)).held
        assert lease is not None
        await lease.renew()
        with warned():
            del lease
            await asyncio.sleep(0.2)
        await asyncio.sleep(PERIOD)
        assert await is_free(others)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_lease_of_every_whose_task_has_failed_is_warned_of_and_expires(
    locks: LockRepository, others: LockRepository, *, cancelled: bool
) -> None:
    ticks = locks.every(PERIOD, "cron")
    leases = []

    async def work() -> None:
        async for lease in ticks:
            leases.append(lease)
            await asyncio.sleep(60)
            raise KeyError

    task = asyncio.create_task(work())
    await asyncio.sleep(50)
    assert (await look(others)).held
    with warned() as heard:
        if cancelled:
            task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0.2)
        assert [lease is not None and lease.held for lease in leases] == [True]
        leases.clear()
        assert cancelled or task.exception()
        del task
        gc.collect()
        await asyncio.sleep(0.2)
    assert len(heard) == 1
    await asyncio.sleep(PERIOD)
    assert await is_free(others)
    await ticks.aclose()


async def test_a_task_that_ends_in_order_leaves_the_lease_alone(
    locks: LockRepository, others: LockRepository
) -> None:
    with silence():
        async with aclosing(locks.every(PERIOD, "cron")) as ticks:
            lease = await asyncio.create_task(_next(ticks))
            assert lease is not None
            await asyncio.sleep(100)
            assert lease.held
        assert await is_free(others)


async def _next(ticks: Schedule) -> Lease | None:
    return await anext(ticks)


async def test_an_error_of_a_task_is_still_reported_where_nobody_hears_of_it(
    locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = locks.every(PERIOD, "cron")

    async def work() -> None:
        await anext(ticks)
        raise KeyError

    task = asyncio.create_task(work())
    with warned():
        await asyncio.sleep(2 * PERIOD)
    del task
    gc.collect()
    assert "Task exception was never retrieved" in caplog.text
    await ticks.aclose()


@pytest.mark.parametrize(
    ("ending", "bound"),
    [
        ("break", False),
        ("return", False),
        ("raise", False),
        ("cancel", False),
        ("break", True),
        ("return", True),
    ],
)
async def test_a_loop_that_is_left_is_not_warned_of(
    locks: LockRepository, others: LockRepository, ending: str, *, bound: bool
) -> None:
    async def loop() -> None:
        lease = None
        ticks = locks.every(PERIOD, "cron")
        if bound:
            async for lease in ticks:
                await leave(lease)
                if ending == "return":
                    return
                break
        else:
            del ticks
            async for lease in locks.every(PERIOD, "cron"):
                await leave(lease)
                if ending == "return":
                    return
                break

    async def leave(lease: Lease | None) -> None:
        assert lease is not None
        if ending == "raise":
            raise KeyError
        if ending == "cancel":
            await asyncio.sleep(600)

    with silence():
        task = asyncio.create_task(loop())
        await asyncio.sleep(PERIOD + 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        del task
        gc.collect()
        await settle()
        await asyncio.sleep(0.2)
        assert await is_free(others)
