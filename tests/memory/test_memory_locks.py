"""``MemoryLocks``, as those use it who test code of their own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from virtual import VirtualLoop, settle
from waiters import about, look

from mongolock_async import LeaseLostError, LockError, LockRepository, LockTimeoutError
from mongolock_async.testing import MemoryLocks

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def memory() -> MemoryLocks:
    return MemoryLocks(start=NEW_YEAR)


async def test_two_repositories_on_it_see_each_other(memory: MemoryLocks) -> None:
    async with LockRepository(memory, owner="one") as one, LockRepository(memory, owner="two") as two:
        lease = await one.acquire("cron")
        assert await two.obtain("cron") is None
        assert [holder.owner for holder in (await look(two)).holders] == ["one"]
        waiter = asyncio.create_task(two.acquire("cron"))
        await settle()
        await lease.release()
        assert (await waiter).owner == "two"


async def test_two_of_them_have_nothing_in_common(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as here, LockRepository(MemoryLocks()) as there:
        assert await here.obtain("cron") is not None
        assert await there.obtain("cron") is not None


async def test_it_keeps_what_is_in_it_when_a_repository_is_closed(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as locks:
        token = (await locks.acquire("cron")).fencing_token
    async with LockRepository(memory) as locks:
        assert (await locks.acquire("cron")).fencing_token > token


async def test_its_clock_begins_where_it_is_told_and_runs_with_the_loops(memory: MemoryLocks) -> None:
    assert memory.now == NEW_YEAR
    await asyncio.sleep(1.5)
    assert memory.now == NEW_YEAR + timedelta(seconds=1.5)


async def test_its_clock_begins_now_if_it_is_not_told() -> None:
    before = datetime.now(UTC)
    shown = MemoryLocks().now
    after = datetime.now(UTC)
    millisecond = timedelta(milliseconds=1)  # its resolution
    assert before - millisecond <= shown <= after


async def test_its_clock_can_begin_in_any_time_zone_and_shows_utc() -> None:
    memory = MemoryLocks(start=datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert memory.now == NEW_YEAR
    assert memory.now.tzinfo is UTC


@pytest.mark.parametrize("forward", [3600, 3600.0, timedelta(hours=1)])
async def test_advance_sets_its_clock_forward(memory: MemoryLocks, forward: float | timedelta) -> None:
    memory.advance(forward)
    assert memory.now == NEW_YEAR + timedelta(hours=1)


async def test_what_expires_meanwhile_has_expired_at_once(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as locks, LockRepository(memory) as others:
        lease = await locks.acquire("cron", ttl=30, keep_alive=True)
        memory.advance(20)
        assert (lease.held, lease.remaining) == (True, about(9))
        memory.advance(11)
        assert (lease.held, lease.remaining) == (False, 0.0)
        assert await others.obtain("cron") is not None
        assert lease.lost.is_set()


async def test_a_block_whose_ttl_has_passed_is_cancelled(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as locks:
        with pytest.raises(LeaseLostError, match="expired unrenewed"):
            async with locks.lock("cron", ttl=30):
                memory.advance(31)
                await asyncio.sleep(60)
    assert memory.now == NEW_YEAR + timedelta(seconds=31)


async def test_steps_of_a_third_of_the_ttl_keep_a_lease(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as locks, locks.lock("cron", ttl=30) as lease:
        for _ in range(20):
            memory.advance(10)
            await asyncio.sleep(0.01)
            assert lease.remaining == pytest.approx(29, abs=0.02)


async def test_who_waits_for_a_time_that_has_come_goes_on(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as locks:
        await locks.acquire("cron", "holder", ttl=3600)
        waiter = asyncio.create_task(locks.acquire("cron", timeout=600))
        await settle()
        memory.advance(timedelta(minutes=10))
        with pytest.raises(LockTimeoutError) as caught:
            await waiter
        assert (caught.value.owner, caught.value.age) == ("holder", about(600))
    assert memory.now == NEW_YEAR + timedelta(minutes=10)


async def test_the_next_boundary_of_every_can_be_gone_to(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as locks, aclosing(locks.every(86_400, "nightly")) as nights:
        for night in range(1, 4):
            following = asyncio.ensure_future(anext(nights))
            await settle()
            memory.advance(NEW_YEAR + timedelta(days=night, seconds=1) - memory.now)
            assert await following is not None
            assert memory.now < NEW_YEAR + timedelta(days=night, seconds=1.1)


@pytest.mark.parametrize(
    ("start", "error"),
    [
        ("2026-01-01", TypeError),
        (0, TypeError),
        (NEW_YEAR.date(), TypeError),
        (datetime(2026, 1, 1), ValueError),  # noqa: DTZ001 - that is the point
    ],
)
def test_a_wrong_start_is_refused(start: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="start must"):
        MemoryLocks(start=start)


@pytest.mark.parametrize(("forward", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)])
async def test_its_clock_is_never_set_back(memory: MemoryLocks, forward: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="seconds"):
        memory.advance(forward)
    assert memory.now == NEW_YEAR


async def test_verify_is_refused_and_costs_nothing(memory: MemoryLocks) -> None:
    async with LockRepository(memory) as locks:
        lease = await locks.acquire("cron")
        with pytest.raises(LockError, match="verify needs the transactions of a replica set"):
            await lease.verify(object())
        assert await lease.release() is True


async def test_renewals_go_to_the_same_locks_or_nowhere(memory: MemoryLocks) -> None:
    with pytest.raises(ValueError, match="renewal_collection must be memory-"):
        LockRepository(memory, renewal_collection=MemoryLocks())
    async with LockRepository(memory, renewal_collection=memory) as locks:
        lease = await locks.acquire("cron", ttl=30, keep_alive=True)
        await asyncio.sleep(600)
        assert lease.held


async def test_the_options_of_a_collection_are_accepted(memory: MemoryLocks) -> None:
    options: dict[str, Any] = {"retention": 60, "command_timeout": 5, "clock_margin": 1, "ttl": 10}
    async with LockRepository(memory, **options) as locks:
        assert (await locks.acquire("cron")).remaining == about(9)


async def test_it_says_what_it_is_when_printed(memory: MemoryLocks) -> None:
    assert re.fullmatch(r"<MemoryLocks memory-\d+>", repr(memory))
    assert repr(memory) != repr(MemoryLocks())
    assert repr(LockRepository(memory)) == repr(memory).replace("MemoryLocks", "LockRepository")


class Report:
    """Somebody's job, which must not run in two processes at a time."""

    def __init__(self, locks: LockRepository) -> None:
        self.sent = 0
        self._locks = locks

    async def run(self) -> bool:
        """Send the report, unless another process does."""
        lease = await self._locks.obtain("report", keep_alive=True)
        if lease is None:
            return False
        await asyncio.sleep(5)
        self.sent += 1
        await lease.release()
        return True


@pytest.fixture
async def reports(memory: MemoryLocks) -> AsyncIterator[list[Report]]:
    async with LockRepository(memory) as one, LockRepository(memory) as two:
        yield [Report(one), Report(two)]


async def test_a_job_runs_in_one_process_only(reports: list[Report]) -> None:
    assert sorted(await asyncio.gather(*(report.run() for report in reports))) == [False, True]
    assert sum(report.sent for report in reports) == 1
    assert all([await report.run() for report in reports])


async def test_a_job_runs_elsewhere_when_its_process_has_died(
    reports: list[Report], memory: MemoryLocks
) -> None:
    dies, lives = reports
    task = asyncio.create_task(dies.run())
    await settle()
    task.cancel()
    assert await lives.run() is False
    memory.advance(31)
    assert await lives.run() is True


def test_made_outside_of_a_loop_it_shows_its_start_in_whatever_loop_it_is_used() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    memory = MemoryLocks(start=start)
    memory.advance(60)

    async def shown() -> datetime:
        return memory.now

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(shown()) == start + timedelta(seconds=60)
