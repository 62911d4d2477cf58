"""``every``: the lease that a body has, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing, suppress

import pytest
from faulty import Fault, FaultyLocks, lost, unanswered
from ticking import BEHIND, PERIOD, START, Runs
from virtual import settle
from waiters import about, is_free, look, now, rests

from mongolock_async import Lease, LockRepository

MakeFault = Callable[[str], Fault]


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock begins at a boundary."""
    return FaultyLocks(start=START)


@pytest.fixture
def runs(memory: FaultyLocks) -> Runs:
    return Runs(memory)


@pytest.mark.parametrize(("ttl", "lives"), [(None, PERIOD), (60, PERIOD), (0.5, 0.5)])
async def test_a_lease_lives_for_its_ttl_but_at_most_for_one_period(
    locks: LockRepository, ttl: float | None, lives: float
) -> None:
    async with aclosing(locks.every(PERIOD, "cron", "me", ttl=ttl)) as ticks:
        lease = await anext(ticks)
        assert lease is not None
        assert (lease.name, lease.owner, lease.ttl) == ("cron", "me", lives)


async def test_a_lease_is_kept_alive_while_the_body_runs(locks: LockRepository) -> None:
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        lease = await anext(ticks)
        await asyncio.sleep(60 * PERIOD)
        assert lease is not None
        assert lease.held
        assert [holder.age for holder in (await look(locks)).holders] == [about(300)]


@pytest.mark.parametrize("ending", ["goes on", "breaks", "raises"])
async def test_the_lease_is_released_when_the_loop(
    locks: LockRepository, others: LockRepository, ending: str
) -> None:
    leases = []

    async def loop() -> None:
        async for lease in locks.every(PERIOD, "cron"):
            assert lease is not None
            leases.append(lease)
            if ending == "breaks":
                break
            if ending == "raises":
                raise KeyError

    task = asyncio.create_task(loop())
    await asyncio.sleep(PERIOD + 1)
    assert await is_free(others)
    assert len(leases) == 1
    assert (leases[0].held, leases[0].lost.is_set()) == (False, False)
    task.cancel()
    with suppress(asyncio.CancelledError, KeyError):
        await task


async def test_a_cancelled_loop_releases_its_lease(locks: LockRepository, others: LockRepository) -> None:
    async def work() -> None:
        async for _ in locks.every(PERIOD, "cron"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(PERIOD + 1)
    assert not await is_free(others)
    task.cancel()
    await asyncio.wait([task])
    await settle()
    assert await is_free(others)
    assert rests(locks)


async def test_a_body_that_releases_by_itself_is_served_the_next_boundary(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    async def release(lease: Lease) -> None:
        assert await lease.release() is True

    await runs.follow(locks, 3, release)
    assert runs.served == [1, 2, 3]
    assert memory.sent["release"] == 3


async def test_a_body_whose_lease_is_lost_goes_on_and_can_see_it(
    locks: LockRepository, others: LockRepository, runs: Runs
) -> None:
    async def body(lease: Lease) -> None:
        if len(runs.served) == 1:
            await others.force_release("cron")
            await lease.lost.wait()
            assert now() == about(PERIOD + BEHIND + PERIOD / 3)
            assert not lease.held

    await runs.follow(locks, 3, body)
    assert runs.served == [1, 2, 3]


@pytest.mark.parametrize("fails", [lost, unanswered])
async def test_a_release_that_fails_is_logged_and_costs_no_boundary(
    locks: LockRepository,
    memory: FaultyLocks,
    runs: Runs,
    caplog: pytest.LogCaptureFixture,
    fails: MakeFault,
) -> None:
    memory.faults = [fails("release")]
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        await runs.follow(locks, 4)
    assert runs.served == [1, 2, 3, 4]
    assert caplog.messages == ["release of 'cron' was not confirmed; the lease expires by itself"]
