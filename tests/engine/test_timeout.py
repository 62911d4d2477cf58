"""Who waits no longer than it is willing to."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, late_call, lost
from virtual import settle
from waiters import about, is_free, now, queue, rests, waiting

from mongolock_async import LockRepository, LockTimeoutError


@pytest.fixture(params=["calls", "polling"])
def _both_ways(request: pytest.FixtureRequest, memory: FaultyLocks) -> None:
    """Whoever waits for the lock, hears of it, or polls for it."""
    memory.deafen(request.param == "polling")


@pytest.mark.usefixtures("_both_ways")
async def test_a_timeout_comes_exactly_in_time(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    tasks = [waiting(others, timeout=timeout) for timeout in (0.001, 0.3, 0.3, 7.5)]
    for task, timeout in zip(tasks, (0.001, 0.3, 0.3, 7.5), strict=True):
        with pytest.raises(LockTimeoutError, match=f"'cron' was not free within {timeout:g} s"):
            await task
        assert now() == pytest.approx(timeout)


async def test_a_timeout_is_a_timeout_error_that_says_who_was_in_the_way(
    locks: LockRepository, others: LockRepository
) -> None:
    _kept = await locks.acquire("cron", "holder", keep_alive=True)
    await asyncio.sleep(40)
    with pytest.raises(TimeoutError) as caught:
        await others.acquire("cron", timeout=2.5)
    error = caught.value
    assert isinstance(error, LockTimeoutError)
    assert (error.name, error.timeout, error.owner) == ("cron", 2.5, "holder")
    assert error.age == about(42.5)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("timeouts", [[6], [6, 7]], ids=["alone", "two of a process"])
async def test_a_timeout_names_who_is_in_the_way_by_then(make: MakeRepository, timeouts: list[int]) -> None:
    held = await make().acquire("cron", "first")
    successor = waiting(make(), "second")
    await settle()
    others = make()
    tasks = [waiting(others, timeout=timeout) for timeout in timeouts]
    await asyncio.sleep(2)
    await held.release()
    for task, timeout in zip(tasks, timeouts, strict=True):
        with pytest.raises(LockTimeoutError) as caught:
            await task
        assert caught.value.owner == "second"
        assert caught.value.age == about(timeout - 2)
    assert (await successor).held


async def test_one_who_was_granted_the_lock_too_late_was_not_in_its_own_way(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", "holder")
    waiter = waiting(others, "too late", timeout=0.5)
    await settle()
    memory.faults.append(late_call(5))
    await held.release()
    with pytest.raises(LockTimeoutError) as caught:
        await waiter
    assert caught.value.owner == "holder"
    assert await is_free(locks)


async def test_one_who_stands_behind_another_of_its_process_is_told_who_is_in_the_way(
    locks: LockRepository, others: LockRepository
) -> None:
    await locks.acquire("cron", "holder")
    first = waiting(others)
    behind = waiting(others, timeout=3)
    with pytest.raises(LockTimeoutError) as caught:
        await behind
    assert (caught.value.owner, caught.value.age) == ("holder", about(3))
    assert not first.done()


async def test_a_timeout_of_0_asks_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await others.acquire("cron", "holder", timeout=0)
    await asyncio.sleep(4)
    await locks.create("warm")
    memory.sent.clear()
    with pytest.raises(LockTimeoutError) as caught:
        await locks.acquire("cron", timeout=0)
    assert (caught.value.timeout, caught.value.owner, caught.value.age) == (0, "holder", about(4))
    with pytest.raises(LockTimeoutError):
        async with locks.lock("cron", timeout=0):
            pytest.fail("it is held")
    assert now() == 4
    assert memory.sent == {"claim": 2}
    assert await queue(locks) == []
    assert await lease.release()


@pytest.mark.parametrize("timeout", [-0.002, -5, timedelta(seconds=-1)])
async def test_a_timeout_that_is_over_already_asks_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, timeout: float | timedelta
) -> None:
    assert (await others.acquire("cron", timeout=timeout)).held
    with pytest.raises(LockTimeoutError):
        async with locks.lock("cron", timeout=timeout):
            pytest.fail("it is held")
    assert now() == 0
    assert memory.sent["claim"] == 2


async def test_a_timeout_of_0_does_not_overtake_those_who_wait(
    locks: LockRepository, others: LockRepository
) -> None:
    await locks.acquire("cron", ttl=5)
    waiter = waiting(others, "waiter")
    await asyncio.sleep(5)
    with pytest.raises(LockTimeoutError) as caught:
        await locks.acquire("cron", timeout=0)
    assert caught.value.owner == "waiter"
    assert (await waiter).held


async def test_a_timeout_leaves_the_queue_before_it_raises(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    for delay in (0, 0.001, 0.5, 0.999):
        began = now()
        memory.faults.append(Fault("withdraw", delay=delay))
        with pytest.raises(LockTimeoutError):
            await others.acquire("cron", timeout=1)
        assert now() == pytest.approx(began + 1 + delay)
        assert await queue(locks) == []
        assert rests(others)


async def test_leaving_the_queue_holds_a_timeout_up_for_a_second_at_most(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", "holder")
    memory.faults.append(Fault("withdraw", delay=3))
    with pytest.raises(LockTimeoutError, match=r"held by 'holder' for (1\.999|2\.00)"):
        await others.acquire("cron", timeout=1)
    assert now() == 2
    assert len(await queue(locks)) == 1
    await asyncio.sleep(2.01)  # and goes on in the background
    assert await queue(locks) == []
    assert rests(others)


async def test_a_waiter_that_timed_out_leaves_nothing_behind_where_its_leaving_failed(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    await locks.acquire("cron", ttl=60)
    memory.faults.append(lost("withdraw"))
    with pytest.raises(LockTimeoutError):
        await others.acquire("cron", timeout=5)
    assert now() == 5
    (line,) = caplog.messages
    assert line.startswith("a lease of 'cron' was not withdrawn; it expires by itself: ")
    assert rests(others)
    assert len(await queue(locks)) == 1
    await asyncio.sleep(10)  # its place lives no longer
    assert await queue(locks) == []


async def test_a_timeout_of_one_who_stands_behind_another_moves_nobody(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    tasks = [waiting(others, number, timeout=timeout) for number, timeout in enumerate((None, 1, None))]
    await asyncio.sleep(2)
    assert memory.sent["withdraw"] == 0
    assert others.stats().waiting == 2
    await held.release()
    assert (await tasks[0]).owner == 0
    await (await tasks[0]).release()
    assert (await tasks[2]).owner == 2


async def test_the_next_of_a_process_queues_up_when_the_first_has_timed_out(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    first, second = waiting(others, "first", timeout=1), waiting(others, "second")
    await asyncio.sleep(1.01)
    assert first.done()
    assert await queue(locks) == ["second"]
    await held.release()
    assert (await second).held


async def test_two_of_a_process_may_be_leaving_at_a_time(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    await locks.acquire("cron", ttl=60)
    memory.faults.append(Fault("withdraw", delay=0.9, times=2))
    tasks = [waiting(others, timeout=timeout) for timeout in (1, 1.5)]
    for task, left in zip(tasks, (1.9, 2.4), strict=True):
        with pytest.raises(LockTimeoutError):
            await task
        assert now() == pytest.approx(left)
    await asyncio.sleep(1)
    assert rests(others)
    assert caplog.records == []


async def test_somebody_elses_timeout_is_not_ours(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.1):
            await others.acquire("cron", timeout=5)
    assert not isinstance(caught.value, LockTimeoutError)
    assert now() == pytest.approx(0.1)
    await settle()
    assert await queue(locks) == []
    assert rests(others)


async def test_a_timeout_error_of_something_else_is_not_ours(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults.append(Fault("claim", error=TimeoutError("of the network")))
    with pytest.raises(TimeoutError, match="of the network"):
        await locks.acquire("cron", timeout=5)


@pytest.mark.parametrize(
    ("timeout", "error"), [(False, TypeError), (1e12, ValueError), ("1", TypeError), ([0], TypeError)]
)
async def test_a_wrong_timeout_sends_nothing(
    locks: LockRepository, memory: FaultyLocks, timeout: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="timeout"):
        await locks.acquire("cron", timeout=timeout)
    with pytest.raises(error, match="timeout"):
        locks.lock("cron", timeout=timeout)
    assert memory.sent == {}
