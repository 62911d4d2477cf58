"""An upgrade or a downgrade of a lease beside or after another, and what is left of many."""

from __future__ import annotations

import asyncio

import pytest
from faulty import Fault, FaultyLocks, lost
from virtual import settle
from waiters import look, now, rests

from mongolock_async import (
    Lease,
    LeaseLostError,
    LockBackendError,
    LockError,
    LockRepository,
    LockTimeoutError,
)
from mongolock_async._protocol.kind import UPGRADABLE, WRITER


async def upgraded(locks: LockRepository) -> Lease:
    lease = await locks.rwlock("cfg").upgradable().acquire(keep_alive=True)
    await lease.upgrade()
    return lease


async def weights(locks: LockRepository) -> list[int]:
    return [holder.weight for holder in (await look(locks, "cfg")).holders]


async def test_an_upgrade_beside_a_downgrade_comes_after_it(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgraded(locks)
    memory.faults.append(Fault("withdraw", delay=1, answer=True))
    downgrade = asyncio.create_task(lease.downgrade())
    await asyncio.sleep(0.5)
    await lease.upgrade()
    assert await downgrade is True
    assert await weights(locks) == [WRITER]
    await lease.downgrade()
    assert await weights(locks) == [UPGRADABLE]
    assert await others.rwlock("cfg").read().obtain() is not None


async def test_two_downgrades_at_a_time_are_one_command(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await upgraded(locks)
    memory.faults.append(Fault("withdraw", delay=1))
    assert all(await asyncio.gather(lease.downgrade(), lease.downgrade()))
    assert memory.sent["withdraw"] == 1
    assert await weights(locks) == [UPGRADABLE]


async def test_a_downgrade_that_waited_for_one_that_failed_is_sent_itself(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgraded(locks)
    memory.faults.append(lost("withdraw", delay=1))
    first, second = await asyncio.gather(lease.downgrade(), lease.downgrade(), return_exceptions=True)
    assert isinstance(first, LockBackendError)
    assert second is True
    assert await weights(locks) == [UPGRADABLE]


async def test_a_downgrade_that_came_before_an_upgrade_takes_nothing_from_it(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgraded(locks)
    memory.faults.append(lost("withdraw", delay=1))

    async def fail_and_upgrade() -> None:
        with pytest.raises(LockBackendError):
            await lease.downgrade()
        await lease.upgrade()

    await asyncio.gather(fail_and_upgrade(), lease.downgrade())
    assert await weights(locks) == [WRITER]


async def test_a_downgrade_that_is_cancelled_goes_on_and_the_next_upgrade_waits_for_it(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgraded(locks)
    memory.faults.append(Fault("withdraw", delay=1))
    downgrade = asyncio.create_task(lease.downgrade())
    await settle()
    downgrade.cancel()
    began = now()
    await lease.upgrade()
    assert now() - began == pytest.approx(1, abs=0.01)
    assert memory.sent["withdraw"] == 1
    await lease.release()
    assert rests(locks)


async def test_another_upgrade_of_an_upgraded_lease_that_is_over_is_a_loss(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.rwlock("cfg").upgradable(ttl=5).acquire()
    await lease.upgrade()
    await asyncio.sleep(6)
    sent = memory.sent.copy()
    with pytest.raises(LeaseLostError, match="expired"):
        await lease.upgrade()
    assert memory.sent == sent


async def test_many_upgrades_leave_nothing_behind(locks: LockRepository) -> None:
    lease = await upgraded(locks)
    await lease.downgrade()
    before = len(lease._holding._on_end)
    for _ in range(100):
        await lease.upgrade()
        await lease.downgrade()
    assert len(lease._holding._on_end) == before == 1
    await lease.release()
    assert rests(locks)


async def test_closing_ends_the_pause_of_an_upgrade(memory: FaultyLocks) -> None:
    locks = LockRepository(memory)
    lease = await locks.rwlock("cfg").upgradable().acquire(keep_alive=True)
    late = lease._holding.request.upgrade()
    await memory.backend().claim(late, f"{lease._holding.id}+99")
    upgrade = asyncio.create_task(lease.upgrade())
    await asyncio.sleep(10)
    began = now()
    await locks.aclose()
    assert now() == began
    with pytest.raises(LockError, match="closed"):
        await upgrade


async def test_a_timeout_of_an_upgrade_names_another_holder(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.rwlock("cfg").upgradable("me").acquire(keep_alive=True)
    await others.rwlock("cfg").read("he").acquire(keep_alive=True)
    for timeout in (0, 5):
        with pytest.raises(LockTimeoutError, match="held by 'he'"):
            await lease.upgrade(timeout)


async def test_a_timeout_of_an_upgrade_that_nobody_reads_beside_names_nobody(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.rwlock("cfg").upgradable("me").acquire(keep_alive=True)
    await memory.backend().claim(lease._holding.request.upgrade(), f"{lease._holding.id}+99")
    with pytest.raises(LockTimeoutError) as error:
        await lease.upgrade(timeout=0)
    assert (error.value.owner, error.value.age) == (None, None)
