"""A name that stays taken for some time from the grant, whatever becomes of the lease."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from faulty import Fault, FaultyLocks, lost
from waiters import about, is_free, look, now, rests

from mongolock_async import Lease, LockRepository


async def obtain(locks: LockRepository, at_least: float, **options: Any) -> Lease:
    lease = await locks.lock("cron", at_least=at_least, **options).obtain()
    assert lease is not None
    return lease


async def test_a_name_stays_taken_after_an_early_release(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await obtain(locks, 5)
    await asyncio.sleep(1)
    assert await lease.release() is True
    assert not lease.held
    await asyncio.sleep(3.9)
    assert await others.obtain("cron") is None
    await asyncio.sleep(0.2)
    assert await others.obtain("cron") is not None


async def test_a_name_is_free_at_the_release_once_its_time_has_passed(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await obtain(locks, 5)
    await asyncio.sleep(6)
    await lease.release()
    assert await others.obtain("cron") is not None


async def test_a_name_stays_taken_after_its_lease_has_expired_and_the_lease_is_over(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await obtain(locks, 60, ttl=10)
    await asyncio.sleep(11)
    assert (lease.held, await lease.renew(), await lease.release()) == (False, False, False)
    await asyncio.sleep(48)
    assert await others.obtain("cron") is None
    await asyncio.sleep(1.1)
    assert await others.obtain("cron") is not None


async def test_what_is_left_of_a_released_lease_is_shown_until_it_goes(locks: LockRepository) -> None:
    lease = await obtain(locks, 5)
    await lease.release()
    await asyncio.sleep(1)
    (holder,) = (await look(locks)).holders
    assert (holder.fencing_token, holder.age, holder.remaining) == (
        lease.fencing_token,
        about(1),
        about(4),
    )


@pytest.mark.parametrize("ttl", [2.0, 30.0])
async def test_one_who_waits_asks_at_the_moment_at_which_the_name_is_free(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, ttl: float
) -> None:
    lease = await obtain(locks, 20, ttl=ttl)
    began = now()
    waiter = asyncio.create_task(others.acquire("cron"))
    await asyncio.sleep(1)
    await lease.release()
    await waiter
    assert 20 <= now() - began < 20.1
    assert memory.sent["ask"] <= 2


async def test_a_release_grants_nobody_while_the_name_is_to_stay_taken(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await obtain(locks, 5)
    waiter = asyncio.create_task(others.acquire("cron"))
    await asyncio.sleep(1)
    await lease.release()
    await asyncio.sleep(3)
    assert not waiter.done()
    await waiter


async def test_one_that_was_waited_for_keeps_its_name_from_its_grant(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await others.acquire("cron")
    waiter = asyncio.create_task(locks.lock("cron", at_least=5).acquire())
    await asyncio.sleep(7)
    await held.release()
    await (await waiter).release()
    await asyncio.sleep(4.9)
    assert not await is_free(others)
    await asyncio.sleep(0.2)
    assert await others.obtain("cron") is not None


async def test_closing_does_not_cut_it_short(memory: FaultyLocks, others: LockRepository) -> None:
    async with LockRepository(memory) as locks:
        await obtain(locks, 5)
    await asyncio.sleep(4.9)
    assert await others.obtain("cron") is None
    await asyncio.sleep(0.2)
    assert await others.obtain("cron") is not None


async def test_a_block_and_a_decorated_function_keep_the_name(
    locks: LockRepository, others: LockRepository
) -> None:
    async with locks.lock("cron", at_least=5):
        pass
    assert await others.obtain("cron") is None

    @locks.lock("other", at_least=5)
    async def work() -> None:
        pass

    await work()
    assert await others.obtain("other") is None


async def test_a_lease_that_is_left_to_expire_on_purpose_is_no_loss(
    locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lease = await obtain(locks, 5, ttl=5)
    await asyncio.sleep(6)
    assert not lease.held
    assert (locks.stats().losses, caplog.messages) == (0, [])


async def test_a_kept_lease_that_is_lost_is_a_loss_all_the_same(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    lease = await locks.lock("cron", ttl=3, at_least=5).obtain(keep_alive=True)
    assert lease is not None
    memory.faults.append(lost("renew", times=100))
    await lease.lost.wait()
    assert locks.stats().losses == 1
    assert "is lost" in caplog.text


async def test_force_release_frees_the_name(locks: LockRepository, others: LockRepository) -> None:
    await (await obtain(locks, 60)).release()
    assert await others.force_release("cron") is True
    assert await others.obtain("cron") is not None


async def test_a_cancelled_claim_keeps_no_name(locks: LockRepository, others: LockRepository) -> None:
    claim = asyncio.create_task(locks.lock("cron", at_least=60).obtain())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    claim.cancel()
    await asyncio.gather(claim, return_exceptions=True)
    await asyncio.sleep(1)
    assert await others.obtain("cron") is not None
    assert rests(locks)


async def test_part_of_a_semaphore_stays_taken(locks: LockRepository) -> None:
    some = await locks.semaphore("gpu", 3, weight=2, at_least=5).acquire()
    await some.release()
    assert await locks.semaphore("gpu", 3, weight=2).obtain() is None
    assert await locks.semaphore("gpu", 3).obtain() is not None
    await asyncio.sleep(5)
    assert await locks.semaphore("gpu", 3, weight=2).obtain() is not None


async def test_one_who_waits_is_told_the_moment_before_the_release(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    """No look is needed for that: a lease may be released early, and then its name is free at that time."""
    lease = await obtain(locks, 0.8, ttl=30)
    began = now()
    waiter = asyncio.create_task(others.acquire("cron"))
    await asyncio.sleep(0.3)
    await lease.release()
    await waiter
    assert now() - began == pytest.approx(0.8, abs=0.02)
    assert memory.sent["look"] == 0


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_waiter_that_died_keeps_the_name_for_its_first_life_only(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, *, keep_alive: bool
) -> None:
    held = await locks.acquire("cron")
    dead = asyncio.create_task(others.lock("cron", at_least=600).acquire(keep_alive=keep_alive))
    await asyncio.sleep(1)
    memory.faults = [Fault(action, 3600, times=100) for action in ("ask", "confirm", "renew", "refresh")]
    await held.release()
    await asyncio.sleep(10.1)
    assert await locks.obtain("cron") is not None
    dead.cancel()


async def test_one_that_is_kept_alive_keeps_its_name_from_its_grant(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await others.acquire("cron")
    waiter = asyncio.create_task(locks.lock("cron", at_least=50).acquire(keep_alive=True))
    await asyncio.sleep(1)
    await held.release()
    await (await waiter).release()
    await asyncio.sleep(49)
    assert not await is_free(others)
    await asyncio.sleep(1.1)
    assert await is_free(others)


async def test_one_that_hears_from_its_own_process_keeps_its_name_though_it_is_lost(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = asyncio.create_task(locks.lock("cron", at_least=50).acquire(keep_alive=True))
    await asyncio.sleep(1)
    await held.release()
    lease = await waiter
    memory.faults = [lost("renew", times=1000)]
    await lease.lost.wait()
    assert not await is_free(others)


@pytest.mark.parametrize("kind", ["read", "write", "upgradable"])
async def test_a_reader_writer_lock_stays_taken_by_each_kind(
    locks: LockRepository, others: LockRepository, kind: str
) -> None:
    for cfg, options in ((locks.rwlock("cfg", at_least=5), {}), (locks.rwlock("cfg"), {"at_least": 5})):
        lease = await getattr(cfg, kind)(**options).obtain()
        await asyncio.sleep(1)
        assert await lease.release()
        began = now()
        async with others.rwlock("cfg").write() as writer:
            assert now() == pytest.approx(began + 4, abs=0.01)
            assert writer.held


async def test_a_writer_among_readers_waits_for_what_stays_taken_and_readers_behind_it_wait_too(
    locks: LockRepository, others: LockRepository
) -> None:
    cfg = locks.rwlock("cfg", at_least=5)
    for _ in range(3):
        async with cfg.read():
            await asyncio.sleep(0.5)
    writer = asyncio.create_task(others.rwlock("cfg").write().acquire())
    await asyncio.sleep(0.1)
    assert await cfg.read().obtain() is None
    await (await writer).release()
    assert now() == pytest.approx(1 + 5, abs=0.01)


async def test_an_upgrade_and_its_end_leave_the_time_for_which_it_stays_taken(
    locks: LockRepository, others: LockRepository
) -> None:
    async with locks.rwlock("cfg").upgradable(at_least=5) as lease:
        await lease.upgrade()
        await asyncio.sleep(1)
        await lease.downgrade()
    assert await others.rwlock("cfg").read().obtain() is not None
    assert await others.rwlock("cfg").upgradable().obtain() is None
    await others.rwlock("cfg").upgradable().acquire()
    assert now() == pytest.approx(5, abs=0.01)


async def test_at_least_of_a_reader_writer_lock_is_a_duration(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    wrong: Any
    for wrong, error in ((0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError)):
        with pytest.raises(error, match="at_least must be"):
            locks.rwlock("cfg", at_least=wrong)
        for way in (locks.rwlock("cfg").read, locks.rwlock("cfg").write, locks.rwlock("cfg").upgradable):
            with pytest.raises(error, match="at_least must be"):
                way(at_least=wrong)
    assert memory.sent == {}
