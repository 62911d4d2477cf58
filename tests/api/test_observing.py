"""What can be seen of locks from outside, and of what a repository does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faulty import Fault, FaultyLocks
from waiters import about, look, waiting

from mongolock_async import Holder, Latency, LockInfo, LockRepository, LockTimeoutError, Waiter
from mongolock_async._engine.recorder import Recorder


async def test_a_lock_that_nobody_has_made_is_none(locks: LockRepository) -> None:
    assert await locks.get("cron") is None


async def test_a_lock_tells_its_holder_its_age_and_what_remains(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron", owner="me", ttl=10)
    await asyncio.sleep(2.5)
    holder = Holder("me", 1, lease.fencing_token, about(2.5), about(7.5), 10)
    assert await others.get("cron") == LockInfo("cron", 1, (holder,), (), lease.fencing_token)
    assert (await look(others)).held


async def test_of_a_leader_a_lock_tells_the_value_and_of_any_other_holder_nothing(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    await locks.election("scheduler", "http://10.0.0.7").obtain()
    await locks.acquire("work")
    values = [holder.value async for info in locks.list() for holder in info.holders]
    assert values == ["http://10.0.0.7", ""]
    assert (await look(locks, "scheduler")).holders[0].value == "http://10.0.0.7"
    assert memory.sent["page"] == 1


async def test_a_lock_tells_who_waits_in_their_order(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron", ttl=600)
    waiting(locks, 7)
    await asyncio.sleep(1)
    waiting(others, "last")
    await asyncio.sleep(2)
    # A place lives 10 s, and is refreshed every third of them.
    assert (await look(locks)).queue == (
        Waiter(7, 1, about(3), about(7)),
        Waiter("last", 1, about(2), about(8)),
    )


async def test_a_lock_that_was_made_is_free(locks: LockRepository, memory: FaultyLocks) -> None:
    await locks.create("cron")
    assert await locks.get("cron") == LockInfo("cron", 1, (), (), 0)
    assert not (await look(locks)).held
    assert memory.sent["index"] == 1


async def test_making_a_lock_again_changes_nothing(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    before = await locks.get("cron")
    await locks.create("cron")
    assert await locks.get("cron") == before
    assert await lease.release() is True


async def test_the_list_has_the_names_with_a_prefix_in_their_order(locks: LockRepository) -> None:
    for name in ("job:b", "job:a", "job", "joc", "job:\U0010ffff", "a"):
        await locks.create(name)
    assert [info.name async for info in locks.list(prefix="job:")] == ["job:a", "job:b", "job:\U0010ffff"]
    assert [info.name async for info in locks.list()] == [
        "a",
        "job",
        "job:a",
        "job:b",
        "job:\U0010ffff",
        "joc",
    ]


async def test_the_list_shows_what_a_look_shows(locks: LockRepository) -> None:
    await locks.acquire("a")
    await locks.create("b")
    assert [info async for info in locks.list()] == [await locks.get("a"), await locks.get("b")]


async def test_force_frees_a_lock_whoever_holds_it(locks: LockRepository, others: LockRepository) -> None:
    lease = await locks.acquire("cron")
    assert await others.force_release("cron") is True
    assert await others.force_release("cron") is False
    assert lease.held  # it has not heard of it
    assert await others.obtain("cron") is not None
    assert await lease.release() is False


async def test_force_serves_who_waits(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron", ttl=600)
    waiter = waiting(others)
    await asyncio.sleep(1)
    assert await locks.force_release("cron") is True
    assert (await waiter).held


async def test_force_by_a_token_frees_that_holding_and_none_that_came_later(
    locks: LockRepository, others: LockRepository
) -> None:
    former = await locks.acquire("cron", ttl=5)
    await asyncio.sleep(5)
    successor = await others.acquire("cron")
    assert await locks.force_release("cron", fencing_token=former.fencing_token) is False
    assert await successor.renew() is True
    assert await locks.force_release("cron", fencing_token=successor.fencing_token) is True
    assert await successor.renew() is False


async def test_force_by_a_token_serves_who_waits(locks: LockRepository, others: LockRepository) -> None:
    lease = await locks.acquire("cron", ttl=600)
    waiter = waiting(others)
    await asyncio.sleep(1)
    assert await locks.force_release("cron", fencing_token=lease.fencing_token + 1) is False
    await asyncio.sleep(1)
    assert not waiter.done()
    assert await locks.force_release("cron", fencing_token=lease.fencing_token) is True
    assert (await waiter).held


@pytest.mark.parametrize(
    ("token", "error"),
    [("7", TypeError), (True, TypeError), (7.0, TypeError), (-1, ValueError), (2**63, ValueError)],
)
async def test_a_wrong_token_frees_nobody(
    locks: LockRepository, memory: FaultyLocks, token: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="fencing_token"):
        await locks.force_release("cron", fencing_token=token)
    assert memory.sent == {}


async def test_force_on_an_unknown_lock_makes_nothing(locks: LockRepository) -> None:
    assert await locks.force_release("cron") is False
    assert await locks.get("cron") is None


async def test_stats_begin_with_nothing_and_send_nothing(locks: LockRepository, memory: FaultyLocks) -> None:
    stats = locks.stats()
    assert (stats.held, stats.waiting, stats.waits_by, stats.renewals, stats.losses) == (0, 0, None, 0, 0)
    assert (stats.obtain, stats.renewal, stats.hand_off) == (None, None, None)
    assert memory.sent == {}


async def test_stats_count_leases_waiters_renewals_and_losses(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=0.25, answer=True), Fault("renew", delay=0.125)]
    _kept = await locks.acquire("cron", ttl=30, keep_alive=True)
    await locks.acquire("lost", ttl=5)
    await (await locks.acquire("released")).release()
    waiters = [waiting(locks, timeout=29) for _ in range(3)]
    await asyncio.sleep(28)
    stats = locks.stats()
    assert (stats.held, stats.waiting, stats.losses) == (1, 3, 1)
    assert stats.renewals == 2 + 8  # of the lease, and of the place in the queue
    assert stats.waits_by == "calls"
    assert stats.obtain == Latency(0.0, 0.25)
    assert stats.renewal == Latency(0.0, 0.125)
    for waiter in waiters:
        with pytest.raises(LockTimeoutError):
            await waiter
    await asyncio.sleep(6)  # whoever comes soon finds the listener
    stats = locks.stats()
    assert (stats.held, stats.waiting, stats.waits_by) == (1, 0, None)


async def test_stats_measure_a_hand_over_by_the_servers_clock(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron")
    waiter = waiting(others)
    await asyncio.sleep(1)
    await lease.release()
    await waiter
    await asyncio.sleep(1)
    assert locks.stats().hand_off is None
    assert others.stats().hand_off == Latency(0.0, 0.0)


def test_a_latency_is_the_median_and_the_99th_percentile_of_the_last_thousand() -> None:
    recorder = Recorder()
    assert recorder.median_and_p99() is None
    for number in range(2000):
        recorder.add(number)
    assert recorder.median_and_p99() == (1499.5, 1990)


def test_a_single_duration_is_both() -> None:
    recorder = Recorder()
    recorder.add(3)
    assert recorder.median_and_p99() == (3, 3)
