"""Who comes before whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from conftest import MakeRepository
from faulty import FaultyLocks
from virtual import settle
from waiters import about, is_free, now, queue, waiting

from mongolock_async import Lease, LockRepository


@pytest.fixture(params=["calls", "polling"], autouse=True)
def _mode(request: pytest.FixtureRequest, memory: FaultyLocks) -> None:
    """Whoever waits for the lock, hears of it, or polls for it."""
    memory.deafen(request.param == "polling")


async def served(held: Lease, tasks: Sequence[asyncio.Task[Lease]]) -> list[object]:
    """The owners of the leases that these tasks get, in their order; each is given back after a second."""
    order: list[object] = []
    await held.release()
    left = set(tasks)
    while left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        (task,) = done
        order.append(task.result().owner)
        await asyncio.sleep(1)
        await task.result().release()
    return order


async def test_the_tasks_of_a_process_are_served_in_their_order(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    tasks = [waiting(others, number) for number in range(10)]
    await settle()
    assert await served(held, tasks) == list(range(10))


async def test_processes_are_served_in_the_order_of_the_queue(make: MakeRepository) -> None:
    repositories = [make() for _ in range(6)]
    held = await repositories[0].acquire("cron")
    tasks = []
    for number in (2, 5, 3, 1, 4):
        tasks.append(waiting(repositories[number], number))
        await settle()
    assert await queue(repositories[0]) == [2, 5, 3, 1, 4]
    assert await served(held, tasks) == [2, 5, 3, 1, 4]


async def test_processes_with_many_tasks_take_turns(make: MakeRepository) -> None:
    first, second = make(), make()
    held = await make().acquire("cron")
    tasks = [
        waiting(locks, f"{name}{number}") for name, locks in (("a", first), ("b", second)) for number in "123"
    ]
    await settle()
    assert await served(held, tasks) == ["a1", "b1", "a2", "b2", "a3", "b3"]


@pytest.mark.parametrize("known", [False, True])
async def test_at_a_release_those_who_wait_elsewhere_come_first(
    locks: LockRepository, others: LockRepository, *, known: bool
) -> None:
    held = await locks.acquire("cron")
    here = waiting(locks, "here")
    await settle()
    there = waiting(others, "there")
    await asyncio.sleep(1.01 if known else 0.001)  # by then a look has told of those elsewhere
    assert await queue(locks) == ["here", "there"]
    await held.release()
    lease = await there
    assert await queue(locks) == ["here"]
    assert not here.done()
    await lease.release()
    assert (await here).held


async def test_a_release_sends_those_of_other_locks_nowhere(
    locks: LockRepository, others: LockRepository
) -> None:
    held, other = await others.acquire("cron"), await locks.acquire("other")
    here = waiting(locks, "here")
    await settle()
    there = waiting(others, "there")
    await settle()
    assert locks._member.waiting.places("other") == []
    await other.release()
    assert await queue(locks) == ["here", "there"]
    here.cancel()
    await held.release()
    await there


async def test_a_cancelled_task_loses_its_place_and_nobody_elses(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    tasks = [waiting(others, number) for number in range(5)]
    await settle()
    tasks[0].cancel()
    tasks[2].cancel()
    assert await served(held, [tasks[1], tasks[3], tasks[4]]) == [1, 3, 4]
    assert tasks[0].cancelled()
    assert tasks[2].cancelled()
    assert await is_free(locks)


async def test_a_process_that_leaves_the_queue_moves_the_others_up(make: MakeRepository) -> None:
    repositories = [make() for _ in range(5)]
    held = await repositories[0].acquire("cron")
    tasks = []
    for number in range(1, 5):
        tasks.append(waiting(repositories[number], number))
        await settle()
    tasks[0].cancel()
    tasks[2].cancel()
    await settle()
    assert await queue(repositories[0]) == [2, 4]
    assert await served(held, [tasks[1], tasks[3]]) == [2, 4]


async def test_other_locks_are_not_waited_for(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    waiting(others)
    await settle()
    assert (await others.acquire("other", timeout=0)).held
    assert now() == about(0)
