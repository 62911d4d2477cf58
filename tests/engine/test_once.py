"""Work that is done once, by one process."""

from __future__ import annotations

import asyncio

import pytest
from faulty import FaultyLocks, lost, lost_call, unanswered
from virtual import settle
from waiters import is_free, look, now, rests

from mongolock_async import Lease, LeaseLostError, LockBackendError, LockRepository, LockTimeoutError
from mongolock_async._protocol.request import Request


class Work:
    """Takes so many seconds; may fail the first time."""

    def __init__(self, seconds: float = 3.0, error: Exception | None = None) -> None:
        self.runs = 0
        self.ended = 0
        self._seconds = seconds
        self._error = error

    async def do(self) -> None:
        self.runs += 1
        await asyncio.sleep(self._seconds)
        error, self._error = self._error, None
        if error is not None:
            raise error
        self.ended += 1


async def kind(locks: LockRepository) -> str:
    return (await look(locks, "migration")).kind


async def test_one_does_it_and_all_others_learn_so_when_it_is_done(
    locks: LockRepository, others: LockRepository
) -> None:
    work = Work()
    everybody = [locks.once("migration", work.do) for _ in range(3)]
    everybody += [others.once("migration", work.do) for _ in range(3)]
    assert await asyncio.gather(*everybody) == [True, *[False] * 5]
    assert work.runs == 1
    assert now() == pytest.approx(3, abs=0.1)
    assert await locks.once("migration", work.do) is False
    assert rests(locks)
    assert rests(others)


async def test_what_was_done_before_is_known_by_one_command(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.once("migration", Work().do)
    memory.sent.clear()
    assert await locks.once("migration", Work().do) is False
    await settle()
    assert memory.sent == {"index": 1, "claim": 1}


async def test_alone_it_costs_a_claim_and_its_end(locks: LockRepository, memory: FaultyLocks) -> None:
    assert await locks.once("migration", Work(1).do) is True
    assert memory.sent == {"index": 1, "claim": 1, "finish": 1}


async def test_one_who_waits_learns_it_without_taking_the_lock(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    work = Work()
    first = asyncio.create_task(locks.once("migration", work.do))
    await settle()
    memory.sent.clear()
    assert await others.once("migration", work.do) is False
    assert await first
    assert (memory.sent["claim"], memory.sent["confirm"], memory.sent["withdraw"]) == (1, 1, 0)


async def test_one_whose_call_is_lost_learns_it_by_a_look(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    work = Work()
    first = asyncio.create_task(locks.once("migration", work.do))
    await settle()
    memory.faults = [lost_call()]
    assert await others.once("migration", work.do) is False
    assert await first
    assert work.runs == 1
    assert now() == pytest.approx(5.5, abs=3)


async def test_an_exception_leaves_it_undone_and_the_next_does_it(
    locks: LockRepository, others: LockRepository
) -> None:
    work = Work(error=ValueError("broken"))
    first = asyncio.create_task(locks.once("migration", work.do))
    await settle()
    assert await others.once("migration", work.do) is True
    with pytest.raises(ValueError, match="broken"):
        await first
    assert (work.runs, work.ended) == (2, 1)
    assert now() == pytest.approx(6, abs=0.1)


async def test_a_cancelled_work_is_undone(locks: LockRepository, others: LockRepository) -> None:
    work = Work()
    first = asyncio.create_task(locks.once("migration", work.do))
    await asyncio.sleep(1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await is_free(locks, "migration")
    assert await others.once("migration", work.do) is True


async def test_a_loss_cancels_the_work_which_is_undone(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    work = Work(60)
    memory.faults = [lost("renew", times=1000)]
    with pytest.raises(LeaseLostError):
        await locks.once("migration", work.do, ttl=3)
    assert (work.runs, work.ended) == (1, 0)
    memory.faults = []
    assert await others.once("migration", Work().do) is True


async def test_a_work_that_ends_without_its_lease_is_undone(
    locks: LockRepository, others: LockRepository
) -> None:
    async def forced() -> None:
        await others.force_release("migration")

    with pytest.raises(LeaseLostError):
        await locks.once("migration", forced)
    assert await kind(locks) == "once"


async def test_a_work_that_lets_its_lease_go_is_undone(locks: LockRepository) -> None:
    async def release(lease: Lease) -> None:
        await lease.release()

    with pytest.raises(LeaseLostError, match="released"):
        await locks.once("migration", release)
    assert await is_free(locks, "migration")


async def test_an_unknown_outcome_is_an_error_and_never_true(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    work = Work()
    memory.faults = [unanswered("finish")]
    with pytest.raises(LockBackendError):
        await locks.once("migration", work.do)
    assert await locks.once("migration", work.do) is False
    assert work.runs == 1


async def test_an_outcome_that_never_arrived_is_an_error_and_it_is_undone_at_once(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    work = Work()
    memory.faults = [lost("finish")]
    with pytest.raises(LockBackendError):
        await locks.once("migration", work.do)
    assert await locks.once("migration", work.do) is True
    assert work.runs == 2
    assert now() == pytest.approx(6, abs=0.1)


async def test_whoever_is_cancelled_at_the_end_has_done_it_all_the_same(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    work = Work(0)
    with memory.silent():
        memory._answers.set()
        task = asyncio.create_task(locks.once("migration", work.do))
        while not work.ended:
            await asyncio.sleep(0)
        memory._answers.clear()
        await settle()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settle()
    assert await kind(locks) == "done"


async def test_a_dead_process_leaves_it_undone_when_its_lease_has_expired(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    await memory.backend().claim(Request("migration", "dead", 5, kind="once"), "dead.1")
    assert await locks.once("migration", Work(0).do) is True
    assert now() == pytest.approx(5, abs=0.2)


async def test_a_timeout_is_for_the_waiting_alone(locks: LockRepository, others: LockRepository) -> None:
    work = Work(10)
    first = asyncio.create_task(locks.once("migration", work.do, timeout=1))
    await settle()
    for timeout in (0, 2):
        with pytest.raises(LockTimeoutError):
            await others.once("migration", work.do, timeout=timeout)
    assert await first is True


async def test_what_is_reset_is_done_again(locks: LockRepository, others: LockRepository) -> None:
    work = Work(0)
    assert await locks.reset("migration") is False
    await locks.once("migration", work.do)
    assert [await others.reset("migration"), await locks.reset("migration")] == [True, False]
    assert await others.once("migration", work.do) is True
    assert work.runs == 2


async def test_a_reset_lets_whoever_is_at_it_alone(locks: LockRepository, others: LockRepository) -> None:
    task = asyncio.create_task(locks.once("migration", Work().do))
    await settle()
    assert await others.reset("migration") is False
    assert await task is True
    assert await kind(others) == "done"


async def test_a_closing_repository_leaves_it_undone(memory: FaultyLocks, others: LockRepository) -> None:
    work = Work(60)
    async with LockRepository(memory) as locks:
        task = asyncio.create_task(locks.once("migration", work.do))
        await settle()
    with pytest.raises(LeaseLostError):
        await task
    assert await others.once("migration", Work().do) is True


async def test_where_no_call_is_heard_those_of_the_same_process_learn_it_at_once(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.deafen(deaf=True)
    work = Work(99.37)
    assert await asyncio.gather(*(locks.once("migration", work.do) for _ in range(3))) == [True, False, False]
    assert now() == pytest.approx(99.37, abs=0.01)
