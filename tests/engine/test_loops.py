"""A repository belongs to one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from faulty import FaultyLocks
from uses import uses
from virtual import VirtualLoop

from mongolock_async import Lease, LockError, LockRepository


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        yield runner


@pytest.fixture
def second() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        yield runner


async def refused(memory: FaultyLocks, locks: LockRepository, lease: Lease) -> None:
    memory.sent.clear()
    for use in (
        *uses(locks, lease),
        lease.release(),
        lease.verify(object()),
        locks.aclose(),
    ):
        with pytest.raises(LockError, match="belongs to another event loop; make one inside each"):
            await use
    assert memory.sent == {}


def test_in_a_second_event_loop_a_repository_is_refused_and_goes_on_in_the_first(
    runner: asyncio.Runner, second: asyncio.Runner
) -> None:
    memory = FaultyLocks()
    locks = LockRepository(memory)
    lease = runner.run(locks.acquire("cron", keep_alive=True))
    second.run(refused(memory, locks, lease))
    assert runner.run(lease.renew())
    assert runner.run(lease.release())
    runner.run(locks.aclose())


def test_after_its_event_loop_a_repository_is_refused(runner: asyncio.Runner) -> None:
    memory = FaultyLocks()
    locks = LockRepository(memory)

    async def use() -> Lease:
        lease = await locks.acquire("cron", ttl=600)
        await locks.aclose()
        return lease

    with asyncio.Runner(loop_factory=VirtualLoop) as first:
        lease = first.run(use())
    runner.run(refused(memory, locks, lease))


def test_a_repository_made_outside_of_an_event_loop_belongs_to_the_first_that_uses_it(
    runner: asyncio.Runner,
) -> None:
    locks = LockRepository(FaultyLocks())
    lock, ticks = locks.lock("cron"), locks.every(5, "tick")

    async def use() -> None:
        async with locks, lock as lease:
            assert lease.held
            assert await anext(ticks)
            await ticks.aclose()

    runner.run(use())


def test_locks_in_memory_may_be_used_by_one_repository_after_another(runner: asyncio.Runner) -> None:
    memory = FaultyLocks()

    async def use() -> int:
        async with LockRepository(memory) as locks, locks.lock("cron") as lease:
            await asyncio.sleep(100)
            return lease.fencing_token

    with asyncio.Runner(loop_factory=VirtualLoop) as first:
        token = first.run(use())
    assert runner.run(use()) > token
