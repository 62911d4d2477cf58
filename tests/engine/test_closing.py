"""The end of a repository."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from contextlib import aclosing

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost
from uses import uses
from virtual import settle
from waiters import about, is_free, look, now, queue, rests, waiting

from mongolock_async import LeaseLostError, LockError, LockRepository


async def all_free(locks: LockRepository) -> bool:
    return all([not info.held and not info.queue async for info in locks.list()])


async def test_closing_releases_what_is_held(memory: FaultyLocks, others: LockRepository) -> None:
    async with LockRepository(memory) as locks:
        leases = [await locks.acquire(f"n{number}", keep_alive=number % 2 == 0) for number in range(6)]
    assert not any(lease.held for lease in leases)
    assert all(lease.lost.is_set() for lease in leases)
    assert await all_free(others)
    assert (locks.stats().held, locks.stats().losses) == (0, 0)


async def test_closing_leaves_no_task_and_no_timer(memory: FaultyLocks, others: LockRepository) -> None:
    locks = LockRepository(memory)
    await others.acquire("cron", ttl=600)
    _kept = await locks.acquire("mine", keep_alive=True)
    waiter = waiting(locks)
    await asyncio.sleep(60)
    assert len(asyncio.all_tasks()) > 1
    await locks.aclose()
    with pytest.raises(LockError, match="closed"):
        await waiter
    await others.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not memory.clock._timers
    assert rests(locks)


async def test_a_closed_repository_says_so(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    lease = await locks.acquire("cron")
    await locks.aclose()
    memory.sent.clear()
    for use in uses(locks, lease):
        with pytest.raises(LockError, match="this LockRepository is closed"):
            await use
    assert memory.sent == {}


async def test_closing_a_second_time_does_nothing(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    await locks.acquire("cron")
    await locks.aclose()
    memory.sent.clear()
    await locks.aclose()
    assert memory.sent == {}


async def test_all_who_close_wait_for_the_end(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    await locks.acquire("cron")
    memory.faults = [Fault("withdraw", delay=4)]
    first, second = asyncio.create_task(locks.aclose()), asyncio.create_task(locks.aclose())
    await asyncio.sleep(3.9)
    assert not first.done()
    assert not second.done()
    await asyncio.gather(first, second)
    assert now() == 4


async def test_a_lease_of_a_closed_repository_can_still_be_released(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    lease = await locks.acquire("cron")
    await locks.aclose()
    assert await lease.release() is True  # it has been, by the closing
    assert "the repository was closed" in repr(lease)


async def test_closing_tells_the_blocks_that_still_run(memory: FaultyLocks, others: LockRepository) -> None:
    locks = LockRepository(memory)

    async def work() -> None:
        async with locks.lock("cron"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    await locks.aclose()
    with pytest.raises(LeaseLostError, match="the repository was closed"):
        await task
    assert now() == 1
    assert await is_free(others)


async def test_closing_ends_the_loops_of_every(memory: FaultyLocks, others: LockRepository) -> None:
    locks = LockRepository(memory)
    async with aclosing(locks.every(5, "cron")) as ticks:
        lease = await anext(ticks)
        assert lease is not None
        await locks.aclose()
        assert lease.lost.is_set()
        with pytest.raises(StopAsyncIteration):
            await anext(ticks)
    assert await is_free(others)


async def test_those_who_wait_are_told_at_once_and_leave_the_queue(
    memory: FaultyLocks, others: LockRepository
) -> None:
    await others.acquire("cron", ttl=600)
    locks = LockRepository(memory)
    waiters = [waiting(locks) for _ in range(5)]
    await asyncio.sleep(1)
    assert len(await queue(others)) == 1
    await locks.aclose()
    assert [type(waiter.exception()) for waiter in waiters] == [LockError] * 5
    assert now() == 1
    assert await queue(others) == []


@pytest.mark.parametrize("answer", [False, True])
async def test_closing_waits_for_claims_under_way_and_gives_back_what_they_get(
    memory: FaultyLocks, others: LockRepository, *, answer: bool
) -> None:
    locks = LockRepository(memory)
    memory.faults = [Fault("claim", delay=3, answer=answer, times=10)]
    claims = [asyncio.create_task(locks.obtain(f"n{number}")) for number in range(10)]
    await asyncio.sleep(1)
    await locks.aclose()
    assert now() == 3
    assert await all_free(others)
    leases = await asyncio.gather(*claims)
    assert not any(lease is None or lease.held for lease in leases)


async def test_a_claim_that_has_not_been_sent_yet_is_not_sent_any_more(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    memory.faults = [Fault("index", delay=3)]
    claims = [asyncio.create_task(locks.obtain("cron")), waiting(locks)]
    await asyncio.sleep(1)
    await locks.aclose()
    for claim in claims:
        with pytest.raises(LockError, match="closed"):
            await claim
    assert memory.sent == {"index": 1}


async def test_closing_waits_for_releases_under_way(memory: FaultyLocks, others: LockRepository) -> None:
    locks = LockRepository(memory)
    lease = await locks.acquire("cron")
    memory.faults = [Fault("release", delay=3)]
    release = asyncio.create_task(lease.release())
    await settle()
    await locks.aclose()
    assert now() == about(3)
    assert await release is True
    assert memory.sent["withdraw"] == 0
    assert await is_free(others)


async def test_closing_waits_for_a_renewal_that_is_late(memory: FaultyLocks, others: LockRepository) -> None:
    locks = LockRepository(memory)
    _kept = await locks.acquire("cron", ttl=30, keep_alive=True)
    memory.faults = [Fault("renew", delay=60)]
    await asyncio.sleep(11)
    await locks.aclose(timeout=None)
    assert now() == 70
    assert await is_free(others)


async def test_a_cancelled_closing_goes_on(memory: FaultyLocks, others: LockRepository) -> None:
    locks = LockRepository(memory)
    lease = await locks.acquire("cron", keep_alive=True)
    memory.faults = [Fault("withdraw", delay=3)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await locks.aclose()
    assert not lease.held
    assert not await is_free(others)
    await locks.aclose()
    assert now() == 3
    assert await is_free(others)


async def test_what_cannot_be_given_back_is_logged_and_expires_by_itself(
    memory: FaultyLocks, others: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    memory.faults = [lost("withdraw")]
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        async with LockRepository(memory) as locks:
            _kept = await locks.acquire("cron", ttl=30, keep_alive=True)
            await locks.acquire("other", ttl=30)
    assert len(caplog.messages) == 1
    assert "was not withdrawn; it expires by itself" in caplog.text
    assert [(await look(others, name)).held for name in ("cron", "other")] == [True, False]
    await asyncio.sleep(30)
    assert await is_free(others)


async def test_a_block_that_raises_closes_too(memory: FaultyLocks, others: LockRepository) -> None:
    with pytest.raises(KeyError):
        async with LockRepository(memory) as locks:
            await locks.acquire("cron")
            raise KeyError
    assert await is_free(others)


async def test_a_repository_that_was_used_and_never_closed_is_warned_of(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    await locks.acquire("cron")
    await asyncio.sleep(60)  # the lease is over, and no timer refers to it
    with pytest.warns(ResourceWarning, match=f"unclosed <LockRepository {memory.backend().full_name}>"):
        del locks


async def test_a_repository_that_was_closed_or_never_used_is_not(
    memory: FaultyLocks, make: MakeRepository
) -> None:
    await make().acquire("cron")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with LockRepository(memory) as closed:
            await closed.obtain("cron")
        unused = LockRepository(memory)
        await unused.get("cron")
        with pytest.raises(TypeError):
            LockRepository(memory, ttl="30")  # type: ignore[arg-type]  # that is the point
        del closed, unused
        gc.collect()
