"""Boundaries that nobody served in their time: ``catch_up``, ``obtain``, and claims that were held up."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from faulty import Fault, FaultyLocks, lost
from ticking import KINDS
from virtual import settle
from waiters import now

from mongolock_async import Lease, LockBackendError, LockRepository, Schedule
from mongolock_async._protocol.request import NO_TICK

HOUR = 3600.0
DAY = 24 * HOUR
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def memory() -> FaultyLocks:
    return FaultyLocks(start=NOON)


def nights(locks: LockRepository, catch_up: float | None = None) -> Schedule:
    """Due at 3 o'clock: 15 hours after the start for the first time."""
    return locks.cron("0 3 * * *", "report", tz="UTC", catch_up=catch_up)


def night(day: int) -> datetime:
    """3 o'clock of this day."""
    return datetime(2026, 1, day, 3, tzinfo=UTC)


async def boundary(schedule: Schedule) -> datetime:
    """The next one that is ours."""
    async with aclosing(schedule) as ticks:
        lease = await anext(ticks)
        assert lease is not None
        assert lease.boundary is not None
        return lease.boundary


@pytest.mark.parametrize(
    ("asleep", "catch_up", "expected"),
    [
        # 9 o'clock of the third day.
        (30 * HOUR, 7 * HOUR, night(3)),
        (30 * HOUR, 5 * HOUR, night(4)),
        (30 * HOUR, None, night(4)),
        (30 * HOUR, 1000 * HOUR, night(3)),
        # Of several that were missed, the last one.
        (79 * HOUR, 8 * HOUR, night(5)),
        (79 * HOUR, 1000 * HOUR, night(5)),
    ],
)
async def test_the_last_missed_boundary_is_run_at_the_start_unless_it_is_too_old(
    locks: LockRepository,
    others: LockRepository,
    asleep: float,
    catch_up: float | None,
    expected: datetime,
) -> None:
    assert await boundary(nights(locks)) == night(2)
    await asyncio.sleep(asleep)
    began = now()
    assert await boundary(nights(others, catch_up)) == expected
    assert (now() == began) == (expected < NOON + timedelta(seconds=began))


async def test_what_was_missed_is_run_once_and_then_come_the_next_boundaries(
    locks: LockRepository, others: LockRepository
) -> None:
    assert await boundary(nights(locks)) == night(2)
    await asyncio.sleep(DAY + HOUR)
    seen: list[datetime | None] = []

    async def follow(locks: LockRepository) -> None:
        async for lease in nights(locks, 2 * HOUR):
            seen.extend([] if lease is None else [lease.boundary])

    tasks = [asyncio.create_task(follow(one)) for one in (locks, others)]
    await asyncio.sleep(2 * DAY)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert seen == [night(3), night(4), night(5)]


async def test_what_was_served_is_not_run_again(locks: LockRepository, others: LockRepository) -> None:
    assert await boundary(nights(locks)) == night(2)
    await asyncio.sleep(HOUR)
    assert await boundary(nights(others, DAY)) == night(3)


async def test_a_schedule_that_was_never_served_begins_with_its_next_boundary(locks: LockRepository) -> None:
    assert await boundary(nights(locks, 1000 * DAY)) == night(2)


async def test_what_an_outage_made_everybody_miss_is_run_when_it_is_over(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with aclosing(nights(locks, HOUR)) as ticks:
        assert await anext(ticks) is not None
        following = asyncio.ensure_future(anext(ticks))
        fault = lost("claim", times=10**6)
        memory.faults = [fault]
        await asyncio.sleep(DAY + HOUR / 2)
        fault.times = 0
        lease = await following
        assert lease is not None
        assert lease.boundary == night(3)
    assert now() <= 15 * HOUR + DAY + HOUR / 2 + 5.1


async def test_without_catch_up_an_outage_costs_its_boundary(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with aclosing(nights(locks)) as ticks:
        assert await anext(ticks) is not None
        following = asyncio.ensure_future(anext(ticks))
        fault = lost("claim", times=10**6)
        memory.faults = [fault]
        await asyncio.sleep(DAY + HOUR / 2)
        fault.times = 0
        lease = await following
        assert lease is not None
        assert lease.boundary == night(4)


async def test_a_missed_boundary_that_a_late_holder_keeps_is_given_up_when_it_is_too_old(
    locks: LockRepository, others: LockRepository
) -> None:
    assert await boundary(nights(locks)) == night(2)
    await asyncio.sleep(DAY)
    late = await others.acquire("report", ttl=DAY)
    async with aclosing(nights(locks, 60)) as ticks:
        assert await anext(ticks) is None
        assert now() == pytest.approx(15 * HOUR + DAY + 60, abs=1.1)
        await late.release()
        lease = await anext(ticks)
        assert lease is not None
        assert lease.boundary == night(4)


async def test_the_document_outlives_the_time_in_which_its_next_boundary_can_be_made_up_for(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    for name, catch_up in (("short", None), ("long", 10 * DAY)):
        lease = await locks.cron("0 3 * * *", name, tz="UTC", catch_up=catch_up).obtain()
        assert lease is not None
        kept = memory._store.documents[name].expires_at
        assert kept == (night(2).timestamp() + (catch_up or 0)) * 1000


async def test_obtain_takes_the_boundary_that_lasts_if_nobody_had_it(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await nights(locks).obtain()
    assert lease is not None
    assert lease.boundary == night(1)
    assert memory.sent["claim"] == 2
    assert await nights(others).obtain() is None
    await lease.release()
    assert await nights(others).obtain() is None
    await asyncio.sleep(DAY)
    lease = await nights(others).obtain()
    assert lease is not None
    assert lease.boundary == night(2)


async def test_obtain_does_not_wait_for_one_who_holds_the_lock(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.acquire("report", ttl=60)
    memory.sent.clear()
    assert await nights(locks).obtain() is None
    assert memory.sent["claim"] == 2
    assert now() == 0
    await asyncio.sleep(61)
    assert await nights(locks).obtain() is not None


async def test_what_obtain_took_is_kept_alive_until_it_is_released(locks: LockRepository) -> None:
    lease = await locks.every(1, "cron").obtain()
    await asyncio.sleep(60)
    assert lease is not None
    assert lease.held
    assert await lease.release() is True


@pytest.mark.parametrize(("kind", "claims"), [("every", 2), ("cron", 3)])
async def test_obtain_in_the_last_moment_of_a_boundary_takes_the_next_one(
    locks: LockRepository, memory: FaultyLocks, kind: str, claims: int
) -> None:
    await asyncio.sleep(3.999)
    memory.faults = [Fault("claim"), Fault("claim", 1.5)]
    lease = await KINDS[kind](locks).obtain()
    assert lease is not None
    assert lease.boundary == NOON + timedelta(seconds=5)
    assert memory.sent["claim"] == claims


async def test_obtain_does_not_go_on_for_ever_where_boundaries_pass_while_its_claims_are_on_their_way(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", 6, times=100)]
    assert await KINDS["cron"](locks).obtain() is None
    assert memory.sent["claim"] == 4


async def test_obtain_raises_what_it_meets(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [lost("claim")]
    with pytest.raises(LockBackendError):
        await nights(locks).obtain()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_claim_that_is_held_up_until_its_boundary_is_over_gets_the_one_that_lasts_then(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, kind: str
) -> None:
    async with aclosing(KINDS[kind](locks)) as ticks:
        waits = asyncio.ensure_future(anext(ticks))
        await settle()
        memory.faults = [Fault("claim", 6)]
        lease = await waits
        assert lease is not None
        assert lease.boundary == NOON + timedelta(seconds=10)
        assert now() == pytest.approx(11.001, abs=0.025)
    assert await KINDS[kind](others).obtain() is None


async def test_where_every_claim_is_on_its_way_for_longer_than_a_period_boundaries_are_served_all_the_same(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", 1.5, times=100)]
    async with aclosing(locks.every(1, "cron", ttl=1)) as ticks:
        leases = [await anext(ticks) for _ in range(5)]
    assert None not in leases


@pytest.mark.parametrize("kind", KINDS)
async def test_a_late_claim_of_a_boundary_that_somebody_had_is_not_sent_again(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, kind: str
) -> None:
    async with aclosing(KINDS[kind](locks)) as ticks:
        waits = asyncio.ensure_future(anext(ticks))
        await settle()
        memory.faults = [Fault("claim", 6)]
        await asyncio.sleep(10.5)
        lease = await KINDS[kind](others).obtain()
        assert lease is not None
        await lease.release()
        memory.sent.clear()
        assert await waits is None
        assert memory.sent["claim"] == 0


async def test_a_boundary_is_a_moment_in_utc_and_other_leases_have_none(locks: LockRepository) -> None:
    zone = "Asia/Kolkata"
    lease = await locks.cron("0 18 * * *", "evening", tz=zone).obtain()
    assert lease is not None
    assert lease.boundary == datetime(2025, 12, 31, 12, 30, tzinfo=UTC)
    assert lease.boundary.tzinfo is UTC
    other = await locks.obtain("other")
    assert other is not None
    assert other.boundary is None


async def test_who_only_asks_for_the_time_leaves_the_lock_as_it_is(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease: Lease | None = await locks.obtain("cron")
    request = locks._request("cron", None, None, keep_alive=False)
    before = memory._store.documents["cron"]
    holding, reply = await locks._member.claim(request.ticking(NO_TICK))
    assert (holding, reply.tick.last_ms) == (None, 0)
    assert memory._store.documents["cron"] == before
    assert lease is not None
    assert lease.held
