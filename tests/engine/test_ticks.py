"""Schedules: each boundary of the server's clock in one process, and in one only."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import aclosing

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks
from ticking import BEHIND, KINDS, PERIOD, START, Runs
from waiters import MS, about, now

from mongolock_async import Lease, LockRepository


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock begins at a boundary."""
    return FaultyLocks(start=START)


@pytest.fixture
def runs(memory: FaultyLocks, request: pytest.FixtureRequest) -> Runs:
    return Runs(memory, getattr(request, "param", "every"))


# The same by ``every`` and by ``cron``.
either = pytest.mark.parametrize("runs", KINDS, indirect=True)


async def long(_: Lease) -> None:
    """The body of one who misses the next boundary."""
    await asyncio.sleep(1.5 * PERIOD)


@either
async def test_each_boundary_is_served_once_however_many_take_part(make: MakeRepository, runs: Runs) -> None:
    await asyncio.gather(*(runs.follow(make(), 100) for _ in range(5)))
    assert runs.served == list(range(1, 101))
    assert runs.when == [about(PERIOD * number + BEHIND) for number in runs.served]
    assert runs.idle == 400


@either
async def test_a_boundary_is_one_command_and_one_for_the_release(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    await runs.follow(locks, 100)
    assert runs.served == list(range(1, 101))
    assert memory.sent == {"index": 1, "claim": 1 + 100, "release": 100}


async def test_with_bodies_of_every_length_within_the_period_each_boundary_is_served_once(
    make: MakeRepository, runs: Runs
) -> None:
    chance = random.Random(1)

    async def body(_: Lease) -> None:
        await asyncio.sleep(chance.random() * 4.9)

    async def follow() -> None:
        await asyncio.sleep(chance.random() * 4.9)
        await runs.follow(make(), 100, body)

    await asyncio.gather(*(follow() for _ in range(5)))
    assert runs.served == list(range(1, 101))
    assert runs.idle == 400
    assert runs.most == 1


@pytest.mark.parametrize("seed", range(2))
async def test_with_longer_bodies_a_boundary_is_missed_only_while_one_of_them_runs(
    make: MakeRepository, runs: Runs, seed: int
) -> None:
    chance = random.Random(seed)
    passed = set[int]()

    async def body(lease: Lease) -> None:
        began = runs.boundary()
        await asyncio.sleep(chance.random() * 3 * PERIOD)
        assert lease.held
        # The current one is lost, too, where it is over before anybody tries again.
        passed.update(range(began, runs.boundary(PERIOD / 20 + BEHIND)))

    await asyncio.gather(*(runs.follow(make(), 20, body) for _ in range(3)))
    assert runs.most == 1
    assert runs.served == sorted(set(runs.served))
    assert set(range(1, 20)) <= passed | set(runs.served)


async def test_a_process_with_a_long_body_wakes_at_every_other_boundary(
    locks: LockRepository, runs: Runs
) -> None:
    await runs.follow(locks, 10, long)
    assert runs.served == [1, 3, 5, 7, 9]
    assert runs.idle == 0


@either
async def test_another_takes_a_boundary_as_long_as_it_lasts(make: MakeRepository, runs: Runs) -> None:
    await asyncio.gather(*(runs.follow(make(), 5, long) for _ in range(2)))
    assert runs.served == [1, 2, 4, 5]
    assert 2.5 * PERIOD < runs.when[1] <= 2.55 * PERIOD + BEHIND


async def test_a_boundary_that_cannot_be_had_is_tried_20_times_at_the_least(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.acquire("cron", ttl=600)
    async with aclosing(locks.every(1, "cron")) as ticks:
        assert await anext(ticks) is None
    tries = [when for when in memory.times["claim"] if when > 1]
    assert len(tries) >= 20
    assert max(later - sooner for sooner, later in itertools.pairwise(tries)) <= 1 / 20 + 1e-9
    assert now() <= 2


@either
async def test_a_holder_that_dies_costs_its_own_boundary_and_no_other(
    make: MakeRepository, runs: Runs
) -> None:
    dead = make()
    async with aclosing(dead.every(PERIOD, "cron")) as ticks:
        lease = await anext(ticks)
        assert lease is not None
        dead._member.leases.keep_alive.discard(lease._holding)
        await asyncio.gather(*(runs.follow(make(), 7) for _ in range(3)))
    assert runs.served == [2, 3, 4, 5, 6, 7]
    # Its lease is over when the next boundary comes.
    assert runs.when[0] <= 2 * PERIOD + 0.005


@either
async def test_a_boundary_that_nobody_lets_go_is_lost(make: MakeRepository, runs: Runs) -> None:
    await make().acquire("cron", ttl=2.8 * PERIOD)
    await runs.follow(make(), 5)
    assert runs.idle == 1
    assert runs.served == [2, 3, 4, 5]
    # At its expiry, 2 ms later at the most: one of the tries in between may come in these.
    assert 2.8 * PERIOD - MS <= runs.when[0] <= 2.8 * PERIOD + 0.002 + MS


@pytest.mark.parametrize(("seconds", "served"), [(4, 1), (12, 2), (12.99, 2), (13, 3), (86_400, 17_280)])
async def test_of_the_boundaries_that_were_slept_through_the_current_one_alone_can_be_run(
    locks: LockRepository, memory: FaultyLocks, runs: Runs, seconds: float, served: int
) -> None:
    task = asyncio.create_task(runs.follow(locks, served + 2))
    await asyncio.sleep(2)
    memory.advance(seconds)
    await task
    assert runs.served == [served, served + 1, served + 2]
    assert runs.when[0] == about(2 + BEHIND if seconds == 13 else 2)
    assert runs.when[1:] == [about(PERIOD * number + BEHIND - seconds) for number in runs.served[1:]]


@either
async def test_a_body_that_was_stopped_runs_none_of_the_boundaries_late(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    async def stopped(_: Lease) -> None:
        if len(runs.served) == 2:
            memory.advance(3.5 * PERIOD)

    await runs.follow(locks, 9, stopped)
    assert runs.served == [1, 2, 6, 7, 8, 9]
    assert runs.when[2] == about(12.5 + BEHIND)


@either
async def test_boundaries_before_the_first_call_are_not_made_up_for(
    locks: LockRepository, runs: Runs
) -> None:
    await asyncio.sleep(2 * PERIOD + 1)
    await runs.follow(locks, 4)
    assert runs.served == [3, 4]


async def test_a_restarted_process_does_not_run_the_boundary_again(make: MakeRepository, runs: Runs) -> None:
    await runs.follow(make(), 1)
    assert now() == about(PERIOD + BEHIND)
    await runs.follow(make(), 2)
    assert runs.served == [1, 2]
    assert runs.idle == 0


@either
async def test_one_who_wakes_before_the_boundary_waits_for_it(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    task = asyncio.create_task(runs.follow(locks, 3))
    await asyncio.sleep(6)
    memory._store._epoch -= 1  # the server's clock is slower than the local one
    await task
    assert runs.served == [1, 2, 3]
    assert runs.when == [about(5 + BEHIND), about(11 + BEHIND), about(16 + BEHIND)]
    assert runs.idle == 0
    assert memory.times["claim"] == [
        about(number) for number in (0, 5 + BEHIND, 10 + BEHIND, 11 + BEHIND, 16 + BEHIND)
    ]


@either
async def test_no_boundary_comes_twice_where_the_servers_clock_goes_back(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    task = asyncio.create_task(runs.follow(locks, 5))
    await asyncio.sleep(3 * PERIOD + 1)
    memory._store._epoch -= 1.5 * PERIOD
    await task
    assert runs.served == [1, 2, 3, 4, 5]
    assert runs.idle == 0


async def test_the_boundaries_are_those_of_the_servers_clock(
    make: MakeRepository, memory: FaultyLocks
) -> None:
    for period in (0.25, 7, 60, 3600):
        async with aclosing(make().every(period, f"every {period}")) as ticks:
            await anext(ticks)
            milliseconds = round(memory.now.timestamp() * 1000)
            assert milliseconds % round(period * 1000) in {0, 1, 2}


async def test_a_boundary_whose_answer_took_longer_than_half_the_ttl_is_confirmed_and_run(
    locks: LockRepository, memory: FaultyLocks, runs: Runs
) -> None:
    memory.faults = [Fault("claim", answer=True, times=1), Fault("claim", 0.6 * PERIOD, answer=True, times=1)]
    await runs.follow(locks, 2)
    assert runs.served[0] == 1
    assert runs.when[0] == about(PERIOD + BEHIND + 0.6 * PERIOD)
    assert memory.sent["ask"] == 1
