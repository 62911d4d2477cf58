"""Until when a lease is held, here and on the server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from faulty import Fault, FaultyLocks, lost
from virtual import settle
from waiters import about, look, now

from mongolock_async import Lease, LockRepository
from mongolock_async._engine.holding import EXPIRED, Holding
from mongolock_async._memory.clock import MemoryClock, MemoryTimer
from mongolock_async._protocol.request import Request

# What times are compared by: floats add up to a little more or less.
EXACTLY = 1e-9


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock begins at 0, so that a whole millisecond is one."""
    return FaultyLocks(start=datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("ttl", "margin"), [(3600, 1), (30, 1), (10, 0.5), (2, 0.1), (1, 0.1), (0.125, 0.0625)]
)
async def test_a_lease_is_over_here_a_margin_before_it_is_on_the_server(
    locks: LockRepository, ttl: float, margin: float
) -> None:
    lease = await locks.acquire("cron", ttl=ttl)
    assert lease.remaining == pytest.approx(ttl - margin, abs=EXACTLY)
    await asyncio.sleep(lease.remaining - 1e-6)
    assert (lease.held, lease.lost.is_set()) == (True, False)
    await lease.lost.wait()
    assert now() == pytest.approx(ttl - margin, abs=EXACTLY)
    assert (lease.held, lease.remaining) == (False, 0.0)
    (holder,) = (await look(locks)).holders
    assert holder.remaining == pytest.approx(margin, abs=0.001)


@pytest.mark.parametrize(("margin", "remaining"), [(4, 6), (0.001, 9.999), (60, 5)])
async def test_the_margin_can_be_chosen_up_to_half_the_ttl(
    make: Any, margin: float, remaining: float
) -> None:
    lease = await make(clock_margin=margin).acquire("cron", ttl=10)
    assert lease.remaining == pytest.approx(remaining, abs=EXACTLY)


async def test_a_lock_is_free_at_the_expiry_and_not_before(
    locks: LockRepository, others: LockRepository
) -> None:
    await locks.acquire("cron", ttl=0.5)
    await asyncio.sleep(0.499)
    assert await others.obtain("cron") is None
    await asyncio.sleep(0.001)
    assert await others.obtain("cron") is not None


async def test_an_expired_holder_is_not_shown(locks: LockRepository) -> None:
    await locks.acquire("cron", ttl=0.5)
    await asyncio.sleep(0.5)
    assert (await look(locks)).holders == ()


async def test_a_lease_counts_from_before_its_claim_was_sent(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=2), Fault("claim", delay=1, answer=True)]
    lease = await locks.acquire("cron", ttl=10)
    assert lease.remaining == 10 - 0.5 - 3
    (holder,) = (await look(locks)).holders
    assert holder.remaining == 9


async def test_a_renewal_counts_from_before_it_was_sent(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await locks.acquire("cron", ttl=10)
    memory.faults = [Fault("prolong", delay=2), Fault("prolong", delay=1, answer=True)]
    await asyncio.sleep(4)
    assert await lease.renew() is True
    assert lease.remaining == 10 - 0.5 - 3
    await lease.lost.wait()
    assert now() == 13.5


async def test_a_renewal_that_was_overtaken_takes_nothing_back(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=10)
    memory.faults = [Fault("prolong", delay=3, answer=True)]
    renewals = [asyncio.create_task(lease.renew())]
    await asyncio.sleep(2)
    renewals.append(asyncio.create_task(lease.renew()))
    assert await asyncio.gather(*renewals) == [True, True]
    assert lease.remaining == 2 + 10 - 0.5 - 3


async def test_a_lease_kept_alive_is_held_for_as_long_as_it_is_wanted(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    await asyncio.sleep(605)
    assert lease.remaining == 30 - 1 - 5
    assert await others.obtain("cron") is None
    assert await lease.release() is True
    await asyncio.sleep(60)
    assert memory.times["renew"] == list(range(10, 601, 10))


async def test_a_lease_that_is_not_kept_alive_is_not_renewed(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    await lease.lost.wait()
    assert memory.sent["renew"] == 0


async def test_two_renewals_may_hang_and_the_lease_is_held(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    memory.faults = [Fault("renew", delay=60, times=2)]
    await asyncio.sleep(24.99)
    assert lease.held
    await asyncio.sleep(0.02)
    assert memory.times["renew"] == [10, 17.5, 25]
    assert lease.remaining == about(28.99)


async def test_a_lease_that_nothing_renews_is_lost_at_its_last_deadline(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    await asyncio.sleep(15)
    memory.faults = [lost("renew", times=1000)]
    await lease.lost.wait()
    assert now() == 10 + 29  # the last that succeeded was sent at 10
    assert locks.stats().losses == 1


async def test_a_released_lease_is_neither_held_nor_lost(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    await lease.release()
    assert (lease.held, lease.remaining, lease.lost.is_set()) == (False, 0.0, False)
    await asyncio.sleep(60)
    assert not lease.lost.is_set()
    assert locks.stats().losses == 0


async def test_a_late_release_frees_nobody(locks: LockRepository, others: LockRepository) -> None:
    late = await locks.acquire("cron", ttl=0.5)
    await asyncio.sleep(0.5)
    successor = await others.acquire("cron")
    assert await late.release() is False
    assert await locks.obtain("cron") is None
    assert await successor.release() is True


async def test_a_release_in_the_margin_says_that_the_server_still_had_it(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron", ttl=10)
    await lease.lost.wait()
    assert await lease.release() is True
    assert await others.obtain("cron") is not None


def unaware(lease: Lease) -> Lease:
    """One whose process does not know that it is late."""
    lease._holding._deadline += 60
    return lease


@pytest.mark.parametrize("taker", ["nobody", "somebody else"])
async def test_a_late_renewal_revives_nothing(
    locks: LockRepository, others: LockRepository, taker: str
) -> None:
    late = unaware(await locks.acquire("cron", ttl=0.5))
    await asyncio.sleep(0.5)
    successor = [await others.acquire("cron")] if taker != "nobody" else []
    assert await late.renew() is False
    assert (late.held, late.lost.is_set()) == (False, True)
    tokens = [holder.fencing_token for holder in (await look(locks)).holders]
    assert tokens == [lease.fencing_token for lease in successor]


async def test_a_lease_that_knows_that_it_is_over_sends_no_renewal(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    late = await locks.acquire("cron", ttl=0.5)
    await late.lost.wait()
    assert await late.renew() is False
    assert memory.sent["prolong"] == 0


@pytest.mark.parametrize("taker", ["nobody", "somebody else"])
async def test_a_lease_that_was_forced_is_lost_at_its_next_renewal(
    locks: LockRepository, others: LockRepository, taker: str
) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    await asyncio.sleep(1)
    await others.force_release("cron")
    if taker != "nobody":
        await others.acquire("cron")
    await lease.lost.wait()
    assert now() == 10
    assert "forced" in repr(lease)


async def test_a_process_that_slept_knows_it_at_once(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    await settle()
    memory.advance(29.5)
    assert (lease.held, lease.remaining) == (False, 0.0)
    await settle()
    assert lease.lost.is_set()
    assert memory.sent["renew"] == 0


async def test_a_loss_is_one_line_in_the_log_without_the_owner(
    locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "mongolock_async"):
        lease = await locks.acquire("cron", owner="secret", ttl=0.5)
        await lease.lost.wait()
    ours = [record.getMessage() for record in caplog.records if record.name == "mongolock_async"]
    assert ours == ["lease of 'cron' is lost: expired unrenewed"]


class HastyClock(MemoryClock):
    """Its timers come early, as where the machine sleeps and the clock of the loop stands still."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> MemoryTimer:
        return super().call_later(seconds / 2 if seconds > 0.001 else seconds, callback)


async def test_a_timer_that_comes_early_ends_no_lease() -> None:
    holding = Holding("m.1", Request("cron", "me", 10.0), 1, lambda _: 0.5, HastyClock())
    holding.confirm(0.0, 10.0)
    await holding.lost.wait()
    assert now() == pytest.approx(9.5, abs=EXACTLY)
    assert holding.ended == EXPIRED
