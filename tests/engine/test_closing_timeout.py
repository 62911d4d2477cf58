"""How long the end of a repository takes, and what is left to the background."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest
from faulty import Fault, FaultyLocks, lost
from virtual import VirtualLoop, settle
from waiters import about, is_free, now, rests, waiting

from mongolock_async import LockError, LockRepository
from mongolock_async._engine.member import IN_TIME


@pytest.fixture
def locks(memory: FaultyLocks) -> LockRepository:
    """One that the test closes."""
    return LockRepository(memory)


@pytest.mark.parametrize("timeout", [0, 2, 4.5, None])
async def test_closing_ends_with_its_timeout(
    locks: LockRepository, memory: FaultyLocks, timeout: float | None
) -> None:
    await locks.acquire("cron")
    memory.faults = [Fault("withdraw", delay=60)]
    await locks.aclose(timeout=timeout)
    assert now() == (60 if timeout is None else about(IN_TIME * timeout))


async def test_closing_takes_5_seconds_by_default(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [Fault(action, delay=20, times=100) for action in ("withdraw", "renew", "claim")]
    for number in range(50):
        await locks.acquire(f"n{number}", ttl=600)
    waiter = waiting(locks)
    await settle()
    began = now()
    await locks.aclose()
    assert now() - began == about(IN_TIME * 5)
    await locks.aclose(timeout=None)
    with pytest.raises(LockError, match="closed"):
        await waiter


async def test_leaving_the_repositorys_block_takes_no_longer(memory: FaultyLocks) -> None:
    async with LockRepository(memory) as locks:
        await locks.acquire("cron")
        memory.faults = [Fault("withdraw", delay=60)]
    assert now() == about(IN_TIME * 5)


async def test_what_is_not_done_in_time_goes_on_and_one_line_says_so(
    locks: LockRepository, memory: FaultyLocks, others: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("cron", "other"):
        await locks.acquire(name)
    memory.faults = [Fault("withdraw", delay=20, times=2)]
    await locks.aclose()
    assert caplog.messages == [
        "closing goes on after 5 s; commands without an answer: 2; what is not released expires"
    ]
    assert not await is_free(others)
    await asyncio.sleep(15.6)
    assert await is_free(others)
    assert rests(locks)


async def test_leases_are_over_before_anything_is_waited_for(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", keep_alive=True)
    memory.faults = [Fault("claim", delay=20)]
    waiter = waiting(locks)
    await settle()
    closing = asyncio.create_task(locks.aclose())
    await settle()
    assert not lease.held
    await closing
    await asyncio.wait([waiter])


async def test_a_timeout_of_0_sends_what_there_is_to_send(
    locks: LockRepository, memory: FaultyLocks, others: LockRepository
) -> None:
    lease = await locks.acquire("cron", keep_alive=True)
    await locks.aclose(timeout=0)
    assert not lease.held
    await settle()
    assert await is_free(others)
    assert memory.sent["withdraw"] == 1


def test_a_loop_that_ends_after_a_timeout_has_nothing_to_complain_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> weakref.ref[LockRepository]:
        memory = FaultyLocks()
        locks, others = LockRepository(memory), LockRepository(memory)
        held = await others.acquire("held")
        lease = await locks.acquire("cron", keep_alive=True)
        waiter = asyncio.create_task(locks.acquire("held"))
        await asyncio.sleep(15)
        memory.faults = [
            Fault("withdraw", delay=20, times=9),
            lost("claim", delay=20),
            Fault("renew", delay=20),
        ]
        claim = asyncio.create_task(locks.obtain("other"))
        await asyncio.sleep(6)
        await locks.aclose(timeout=1)
        await others.aclose(timeout=1)
        waiter.cancel()
        await asyncio.wait([waiter])
        claim.cancel()
        assert not lease.held
        assert not held.held
        return weakref.ref(locks)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        locks = runner.run(main())
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert locks() is None


async def test_a_timeout_of_closing_is_a_duration(locks: LockRepository) -> None:
    with pytest.raises(ValueError, match="timeout must be finite"):
        await locks.aclose(timeout=float("nan"))
    with pytest.raises(TypeError, match="timeout must be seconds or a timedelta"):
        await locks.aclose(timeout="5")  # type: ignore[arg-type]  # that is the point
    assert await locks.obtain("cron")
    await locks.aclose()
