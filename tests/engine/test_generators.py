"""What becomes of a block inside of an async generator: as PEP 789 has it (docs/guarantees.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from virtual import settle
from waiters import is_free, now

from mongolock_async import LeaseLostError, LockRepository


async def numbers(locks: LockRepository, count: int = 1000) -> AsyncGenerator[int, None]:
    """Yields under a lock, as one should not."""
    async with locks.lock("cron"):
        for number in range(count):
            yield number


async def test_a_generator_that_is_read_to_its_end_frees_the_lock(locks: LockRepository) -> None:
    assert [number async for number in numbers(locks, 3)] == [0, 1, 2]
    assert await is_free(locks)


async def test_a_generator_that_is_closed_frees_the_lock(locks: LockRepository) -> None:
    async with aclosing(numbers(locks)) as several:
        assert await anext(several) == 0
        assert not await is_free(locks)
    assert await is_free(locks)


async def test_a_generator_that_is_left_and_not_closed_keeps_the_lock(locks: LockRepository) -> None:
    several = numbers(locks)
    async for _ in several:
        break
    await asyncio.sleep(600)
    assert not await is_free(locks)
    await several.aclose()
    assert await is_free(locks)


async def test_a_loss_cancels_the_caller_who_does_not_hear_why(locks: LockRepository) -> None:
    async def read() -> None:
        async with aclosing(numbers(locks)) as several:
            async for _ in several:
                await locks.force_release("cron")
                await asyncio.sleep(60)

    task = asyncio.create_task(read())
    await asyncio.sleep(11)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_free(locks)


async def test_a_loss_does_not_reach_a_generator_whose_reader_is_another_task(locks: LockRepository) -> None:
    several = numbers(locks, 1)
    assert await asyncio.create_task(anext(several)) == 0
    await locks.force_release("cron")
    await asyncio.sleep(60)  # the task that entered is done, and cannot be cancelled
    with pytest.raises(LeaseLostError):
        await anext(several)


async def test_a_lock_around_the_loop_is_right(locks: LockRepository) -> None:
    async def plain() -> AsyncGenerator[int, None]:
        yield 0

    with pytest.raises(LeaseLostError):
        async with locks.lock("cron"):
            async for _ in plain():
                await locks.force_release("cron")
                await asyncio.sleep(60)
    assert now() == 10
    await settle()
    assert await is_free(locks)


async def test_an_async_generator_cannot_be_decorated(locks: LockRepository) -> None:
    with pytest.raises(TypeError, match="takes a coroutine function"):
        locks.lock("cron")(numbers)  # type: ignore[arg-type]  # that is the point
