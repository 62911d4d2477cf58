"""Ticks: each boundary of the server's clock in one process, and in one only."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from mongolock_async import LockRepository, _projection, _protocol
from mongolock_async._holding import Holding
from mongolock_async._lease import Lease
from mongolock_async._ticks import NEVER_MS

PERIOD = 0.6
PERIOD_MS = 600
DAY_MS = 86_400_000


async def boundary_of(collection: Any, name: str = "cron") -> int:
    """The last boundary served, in milliseconds since the epoch."""
    pipeline = [{"$match": {"_id": name}}, {"$project": {"ms": {"$toLong": "$boundary"}}}]
    cursor = collection.aggregate(pipeline)
    if asyncio.iscoroutine(cursor):
        cursor = await cursor
    return [int(found["ms"]) async for found in cursor].pop()


class Runs:
    """What several processes did, boundary by boundary."""

    def __init__(self) -> None:
        self.served: list[int] = []
        self.idle = 0
        self.inside = 0
        self.most = 0

    async def follow(self, locks: LockRepository, boundaries: int, body: Any = None) -> None:
        async with aclosing(locks.every(PERIOD, "cron")) as ticks:
            seen = 0
            async for lease in ticks:
                seen += 1
                if lease is None:
                    self.idle += 1
                else:
                    self.inside += 1
                    self.most = max(self.most, self.inside)
                    self.served.append(lease.fencing_token // PERIOD_MS * PERIOD_MS)
                    if body is not None:
                        await body(lease)
                    self.inside -= 1
                if seen >= boundaries:
                    break

    def gaps(self) -> list[int]:
        """From one served boundary to the next, in periods."""
        return [(b - a) // PERIOD_MS for a, b in zip(self.served, self.served[1:], strict=False)]


async def test_each_boundary_is_served_once_however_many_take_part(make: Any) -> None:
    runs = Runs()
    await asyncio.gather(*(runs.follow(make(), 6) for _ in range(5)))
    assert set(runs.gaps()) == {1}
    assert all(boundary % PERIOD_MS == 0 for boundary in runs.served)
    assert len(runs.served) + runs.idle == 30
    assert len(runs.served) in {6, 7}  # not all need to have begun in the same period


async def test_a_boundary_stays_served_once_with_jitter(make: Any) -> None:
    runs = Runs()

    async def late(_: Lease) -> None:
        await asyncio.sleep(random.random() * PERIOD / 2)

    async def follow(number: int) -> None:
        await asyncio.sleep(number * 0.05)
        await runs.follow(make(), 6, late)

    await asyncio.gather(*(follow(number) for number in range(4)))
    assert set(runs.gaps()) == {1}
    assert runs.most == 1


async def test_a_restarted_process_does_not_run_the_boundary_again(locks: LockRepository, make: Any) -> None:
    request = locks._request("cron", None, None, keep_alive=False)
    holding, _ = await locks._session.claim(request.ticking(DAY_MS, 0))
    assert holding is not None
    await holding.release()
    again, reply = await make()._session.claim(request.ticking(DAY_MS, 0))
    assert again is None
    assert reply.tick.served
    assert reply.holders == ()


async def test_a_boundary_that_a_process_is_done_with_is_not_claimed_early(locks: LockRepository) -> None:
    request = locks._request("cron", None, None, keep_alive=False)
    _, reply = await locks._session.claim(request.ticking(DAY_MS, NEVER_MS))
    done = reply.tick.boundary_ms
    holding, reply = await locks._session.claim(request.ticking(DAY_MS, done))
    assert holding is None
    assert not reply.tick.served


async def test_a_body_that_outlasts_the_period_skips_boundaries(make: Any) -> None:
    runs = Runs()

    async def long(lease: Lease) -> None:
        await asyncio.sleep(PERIOD * 1.6)
        assert lease.held

    await asyncio.gather(*(runs.follow(make(), 3, long) for _ in range(2)))
    assert runs.most == 1
    assert all(gap >= 1 for gap in runs.gaps())


async def test_one_process_with_a_long_body_wakes_at_every_other_boundary(locks: LockRepository) -> None:
    runs = Runs()

    async def long(_: Lease) -> None:
        await asyncio.sleep(PERIOD * 1.5)

    await runs.follow(locks, 4, long)
    assert runs.gaps() == [2, 2, 2]


async def test_a_holder_that_dies_costs_its_own_boundary_and_no_other(make: Any, collection: Any) -> None:
    dead = make()
    runs = Runs()
    ticks = dead.every(PERIOD, "cron")
    lease = await anext(ticks)
    assert isinstance(lease, Holding)
    dead._session._claims.keep_alive.discard(lease)  # it neither renews nor releases any more
    runs.served.append(await boundary_of(collection))
    await runs.follow(make(), 3)
    assert runs.gaps() == [1, 1, 1]
    await ticks.aclose()


async def test_a_lease_lives_at_most_one_period(locks: LockRepository) -> None:
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        lease = await anext(ticks)
        assert lease is not None
        assert lease.ttl == PERIOD


async def test_a_shorter_ttl_is_obeyed(locks: LockRepository) -> None:
    async with aclosing(locks.every(PERIOD, "cron", "me", ttl=0.3)) as ticks:
        lease = await anext(ticks)
        assert lease is not None
        assert (lease.ttl, lease.owner) == (0.3, "me")


@pytest.mark.parametrize("ending", ["goes on", "breaks", "raises"])
async def test_the_lease_is_released_when_the_loop(
    locks: LockRepository, others: LockRepository, ending: str
) -> None:
    seen: list[Lease] = []
    try:
        async for lease in locks.every(PERIOD, "cron"):
            if len(seen) == 1:
                break
            assert lease is not None
            seen.append(lease)
            if ending == "breaks":
                break
            if ending == "raises":
                raise KeyError
    except KeyError:
        pass
    async with asyncio.timeout(PERIOD / 2):
        while (info := await others.get("cron")) is None or info.held:
            await asyncio.sleep(0.005)
    assert not seen[0].held
    assert not seen[0].lost.is_set()


async def test_a_cancelled_loop_releases_its_lease(locks: LockRepository, others: LockRepository) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async for lease in locks.every(PERIOD, "cron"):
            if lease is not None:
                entered.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.05)
    info = await others.get("cron")
    assert info is not None
    assert not info.held


async def test_a_process_stopped_for_several_periods_runs_none_of_them_late(locks: LockRepository) -> None:
    runs = Runs()

    async def stopped(_: Lease) -> None:
        time.sleep(PERIOD * 2.5)  # blocks the loop, as SIGSTOP would

    await runs.follow(locks, 2, stopped)
    assert runs.gaps() == [3]


async def test_a_served_boundary_is_remembered_for_as_long_as_it_lasts(
    locks: LockRepository, collection: Any
) -> None:
    week = 7 * 86_400
    request = locks._request("cron", None, None, keep_alive=False)
    holding, _ = await locks._session.claim(request.ticking(week * 1000, 0))
    assert holding is not None
    stored = await collection.find_one({"_id": "cron"})
    assert (stored["expires_at"] - stored["boundary"]).total_seconds() >= week


async def test_a_tick_is_one_command_and_one_for_the_release(locks: LockRepository, commands: Any) -> None:
    await locks.create("cron")
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        assert await anext(ticks) is not None
        commands.clear()
        assert await anext(ticks) is not None
        assert commands.counts == {"findAndModify": 2}


async def test_a_lost_lease_in_a_tick_can_be_seen(locks: LockRepository) -> None:
    async with aclosing(locks.every(PERIOD, "cron")) as ticks:
        lease = await anext(ticks)
        assert lease is not None
        await locks.force_release("cron")
        async with asyncio.timeout(5):
            await lease.lost.wait()
        assert not lease.held


@pytest.mark.parametrize(("period", "error"), [(0, ValueError), (-5, ValueError), ("5", TypeError)])
async def test_a_wrong_period_sends_nothing(
    locks: LockRepository, commands: Any, period: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="period"):
        locks.every(period, "cron")
    with pytest.raises(ValueError, match="name"):
        locks.every(5, "")
    assert commands.counts == {}


def test_an_answer_that_comes_late_tells_the_boundary_that_was_granted(plain: Any) -> None:
    """A reply that was lost is read once more, by then perhaps after the next boundary."""
    claim = _protocol.claim_tick(
        "s.1", owner="me", ttl_ms=60_000, period_ms=1000, after_ms=0, now=datetime(2026, 1, 1, tzinfo=UTC)
    )
    plain.update_one({"_id": "tick"}, claim, upsert=True)
    late = datetime(2026, 1, 1, 0, 0, 2, 500_000, tzinfo=UTC)
    answer = plain.find_one({"_id": "tick"}, _projection.reply_tick("s.1", period_ms=1000, now=late))
    assert answer["reply"]["tick"]["boundary_ms"] == datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000
    assert answer["reply"]["tick"]["next_ms"] == 500
