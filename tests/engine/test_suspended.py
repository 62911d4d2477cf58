"""What is waited for comes a minute late at the most on a machine that was suspended meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import cast

import pytest
from faulty import FaultyLocks
from suspended import Machine
from ticking import BEHIND, START
from waiters import about, now

from mongolock_async import LockRepository, Schedule
from mongolock_async._engine.clock import LONGEST
from mongolock_async._memory.clock import MemoryClock

HOUR = 3600


@pytest.fixture
async def machine() -> Machine:
    return Machine()


@pytest.fixture
async def memory(machine: Machine) -> FaultyLocks:
    """Locks whose clock begins at a boundary, for processes on this machine."""
    locks = FaultyLocks(start=START)
    locks._store.clock = cast("MemoryClock", machine)
    return locks


def hourly(locks: LockRepository, kind: str) -> Schedule:
    return locks.every(HOUR, "cron") if kind == "every" else locks.cron("@hourly", "cron", tz="UTC")


@pytest.mark.parametrize("kind", ["every", "cron"])
async def test_a_boundary_comes_a_minute_late_at_the_most_and_costs_no_further_command(
    locks: LockRepository, memory: FaultyLocks, machine: Machine, kind: str
) -> None:
    async with aclosing(hourly(locks, kind)) as ticks:
        waits = asyncio.ensure_future(anext(ticks))
        await asyncio.sleep(600)
        machine.suspend(HOUR - 600 - 5)
        lease = await waits
        assert lease is not None
        assert machine.now() <= HOUR + LONGEST
        assert memory.sent["claim"] == 2  # for the time, and for the boundary


async def test_without_a_suspension_a_boundary_that_is_far_away_is_in_time(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with aclosing(hourly(locks, "every")) as ticks:
        assert await anext(ticks) is not None
    assert now() == about(HOUR + BEHIND)
    assert memory.sent["claim"] == 2


async def test_one_who_slept_over_boundaries_takes_the_last_of_them(
    locks: LockRepository, machine: Machine
) -> None:
    async with aclosing(hourly(locks, "every")) as ticks:
        waits = asyncio.ensure_future(anext(ticks))
        await asyncio.sleep(600)
        machine.suspend(7 * HOUR)
        lease = await waits
        assert lease is not None
        assert lease.boundary is not None
        assert (lease.boundary - START).total_seconds() == 7 * HOUR
        assert now() <= 600 + LONGEST


async def test_a_lease_that_is_still_alive_is_renewed_soon_after(
    locks: LockRepository, machine: Machine
) -> None:
    lease = await locks.acquire("report", ttl=HOUR, keep_alive=True)
    await asyncio.sleep(10)
    machine.suspend(0.9 * HOUR)
    await asyncio.sleep(LONGEST)
    assert lease.remaining > 0.9 * HOUR


async def test_a_lease_that_is_over_is_told_so_soon_after(locks: LockRepository, machine: Machine) -> None:
    lease = await locks.acquire("report", ttl=HOUR)
    await asyncio.sleep(10)
    machine.suspend(HOUR)
    await asyncio.sleep(LONGEST)
    assert lease.lost.is_set()


@pytest.mark.parametrize("kind", ["every", "cron"])
async def test_after_a_hypervisors_pause_the_server_is_asked_for_the_time(
    locks: LockRepository, memory: FaultyLocks, machine: Machine, kind: str
) -> None:
    async with aclosing(hourly(locks, kind)) as ticks:
        waits = asyncio.ensure_future(anext(ticks))
        await asyncio.sleep(600)
        memory._store._epoch += HOUR / 2  # elsewhere, time goes on
        machine.pause(HOUR / 2)
        assert await waits is not None
        assert now() == about(HOUR / 2 + BEHIND)
        assert memory.sent["claim"] == 3  # one more, for the time


async def test_closing_ends_one_who_sleeps_for_long(locks: LockRepository) -> None:
    waits = asyncio.ensure_future(anext(hourly(locks, "every"), "the end"))
    await asyncio.sleep(600)
    await locks.aclose()
    assert await waits == "the end"
    assert now() == 600
