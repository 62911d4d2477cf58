"""Loops that are left by ``break``: over boundaries, and over leaders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
from faulty import FaultyLocks
from ticking import PERIOD, START
from virtual import VirtualLoop

from mongolock_async import Leader, LockRepository, Schedule

Iterates = Callable[[LockRepository], AsyncGenerator[Leader | None, None] | Schedule]
ITERATORS: dict[str, Iterates] = {
    "schedule": lambda locks: locks.every(PERIOD, "cron"),
    "observe": lambda locks: locks.election("cron").observe(),
}


@pytest.mark.parametrize("kind", ITERATORS)
def test_one_that_was_left_and_is_still_referred_to_ends_in_order_with_the_event_loop(kind: str) -> None:
    """As ``asyncio.run`` does it: all generators are closed at a time, in whatever order."""
    complaints: list[str] = []

    async def use() -> tuple[object, LockRepository]:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said["message"]))
        locks = LockRepository(FaultyLocks(start=START))
        iterator = ITERATORS[kind](locks)
        async for _ in iterator:
            break
        return iterator, locks

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        _iterator, locks = runner.run(use())
        runner.get_loop().run_until_complete(runner.get_loop().shutdown_asyncgens())
        runner.run(locks.aclose())
    assert complaints == []
