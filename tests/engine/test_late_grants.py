"""A grant of which the answer comes after its ttl: it is lost, and the lock is not said to be taken."""

from __future__ import annotations

import asyncio

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks
from virtual import settle
from waiters import is_free, look, now, rests

from mongolock_async import LeaseLostError, LockBackendError, LockRepository, LockTimeoutError


@pytest.fixture
async def slow(make: MakeRepository, memory: FaultyLocks) -> LockRepository:
    """The answer to its next claim takes longer than its ttl."""
    slow = make(ttl=2)
    await slow.create("cron")
    memory.faults = [Fault("claim", 2.5, answer=True)]
    return slow


async def test_one_that_is_over_keeps_no_name(slow: LockRepository, others: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        await slow.lock("cron", at_least=3600).obtain()
    await settle()
    assert await others.obtain("cron") is not None


async def test_one_whose_caller_has_gone_keeps_no_name(slow: LockRepository) -> None:
    claim = asyncio.create_task(slow.lock("cron", at_least=3600).obtain())
    await asyncio.sleep(1)
    claim.cancel()
    await asyncio.wait([claim])
    await asyncio.sleep(2)
    assert await is_free(slow)
    assert rests(slow)


async def test_one_who_waits_gives_it_back_and_is_granted_another(slow: LockRepository) -> None:
    lease = await slow.lock("cron", at_least=3600).acquire()
    assert now() < 4
    (holder,) = (await look(slow)).holders
    assert holder.fencing_token == lease.fencing_token


@pytest.mark.parametrize("at_least", [None, 3600])
async def test_a_semaphore_with_room_for_it_is_not_taken(
    slow: LockRepository, others: LockRepository, memory: FaultyLocks, at_least: float | None
) -> None:
    memory.faults, faults = [], memory.faults
    await others.semaphore("cron", 3).acquire(keep_alive=True)
    memory.faults = faults
    with pytest.raises(LeaseLostError):
        await slow.semaphore("cron", 3, at_least=at_least).obtain()
    await settle()
    assert len((await look(others)).holders) == 1


async def test_a_lock_that_others_read_is_not_taken_for_a_reader(
    slow: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults, faults = [], memory.faults
    await others.rwlock("cron").read().acquire(keep_alive=True)
    memory.faults = faults
    with pytest.raises(LeaseLostError):
        await slow.rwlock("cron").read().obtain()


async def hanging(locks: LockRepository, memory: FaultyLocks, weight: int) -> asyncio.Task[object]:
    """One who waits first in the line of its process, for part of a semaphore of 3, and hears nothing."""
    await locks.create("warm")
    memory.faults = [Fault("claim", 60)]
    head = asyncio.create_task(locks.semaphore("cron", 3, weight=weight).acquire())
    await settle()
    return head


async def test_who_stands_behind_one_without_an_answer_is_not_told_that_a_semaphore_with_room_is_taken(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.semaphore("cron", 3).acquire(keep_alive=True)
    head = await hanging(locks, memory, weight=1)
    with pytest.raises(LockBackendError, match="no answer in time"):
        await locks.semaphore("cron", 3).acquire(timeout=0.5)
    with pytest.raises(LockTimeoutError):
        await locks.semaphore("cron", 3, weight=3).acquire(timeout=0.5)
    head.cancel()


async def test_who_stood_behind_one_that_wanted_more_than_there_was_is_told_so(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.semaphore("cron", 3).acquire(keep_alive=True)
    both = [locks.semaphore("cron", 3, weight=weight).acquire(timeout=5) for weight in (3, 1)]
    errors = await asyncio.gather(*both, return_exceptions=True)
    assert [type(error) for error in errors] == [LockTimeoutError] * 2
