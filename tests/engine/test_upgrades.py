"""An upgradable reader that becomes a writer, and a reader again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faulty import Fault, FaultyLocks, lost, lost_call, unanswered
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


async def upgradable(locks: LockRepository, **options: Any) -> Lease:
    return await locks.rwlock("cfg").upgradable(**options).acquire(keep_alive=True)


async def reader(locks: LockRepository) -> Lease:
    return await locks.rwlock("cfg").read().acquire(keep_alive=True)


async def weights(locks: LockRepository) -> list[int]:
    return [holder.weight for holder in (await look(locks, "cfg")).holders]


async def test_alone_it_is_upgraded_by_one_command_and_downgraded_by_one(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgradable(locks)
    before = memory.sent.copy()
    await lease.upgrade()
    assert memory.sent - before == {"claim": 1}
    assert await weights(locks) == [WRITER]
    assert await lease.downgrade() is True
    assert memory.sent - before == {"claim": 1, "withdraw": 1, "view": 1}
    assert await weights(locks) == [UPGRADABLE]


async def test_the_lease_stays_what_it_is(locks: LockRepository) -> None:
    lease = await upgradable(locks)
    token, remaining = lease.fencing_token, lease.remaining
    await lease.upgrade()
    assert lease.fencing_token == token
    assert lease.remaining == pytest.approx(remaining, abs=0.01)
    assert await lease.renew() is True
    assert (await look(locks, "cfg")).holders[0].fencing_token == token


async def test_it_waits_for_the_other_readers_and_lets_no_new_one_in(
    locks: LockRepository, others: LockRepository
) -> None:
    lease, other = await upgradable(locks), await reader(others)
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    assert await others.rwlock("cfg").read().obtain() is None
    assert not upgrade.done()
    await other.release()
    await settle()
    assert upgrade.done()
    assert await others.rwlock("cfg").read().obtain() is None


async def test_it_goes_before_all_who_wait(locks: LockRepository, others: LockRepository) -> None:
    lease, other = await upgradable(locks), await reader(others)
    writer = asyncio.create_task(others.rwlock("cfg").write().acquire())
    await settle()
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    await other.release()
    await settle()
    assert (upgrade.done(), writer.done()) == (True, False)
    await lease.release()
    await writer


async def test_it_waits_in_no_line_of_its_process(locks: LockRepository) -> None:
    lease, other = await upgradable(locks), await reader(locks)
    writer = asyncio.create_task(locks.rwlock("cfg").write().acquire())
    await settle()
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    await other.release()
    await settle()
    assert upgrade.done()
    await lease.release()
    await writer


async def test_a_downgrade_lets_readers_in_at_once(locks: LockRepository, others: LockRepository) -> None:
    lease = await upgradable(locks)
    await lease.upgrade()
    readers = [asyncio.create_task(reader(others)) for _ in range(10)]
    await settle()
    assert not any(task.done() for task in readers)
    await lease.downgrade()
    await settle()
    assert all(task.done() for task in readers)
    assert lease.held


async def test_a_second_upgrade_sends_nothing_and_one_after_a_downgrade_is_another(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgradable(locks)
    await lease.upgrade()
    await lease.upgrade(timeout=0)
    assert memory.sent["claim"] == 2
    await lease.downgrade()
    await lease.downgrade()
    assert memory.sent["withdraw"] == 1
    await lease.upgrade()
    assert await weights(locks) == [WRITER]


@pytest.mark.parametrize("timeout", [0, 2])
async def test_a_timeout_leaves_an_upgradable_reader(
    locks: LockRepository, others: LockRepository, timeout: float
) -> None:
    lease, other = await upgradable(locks), await reader(others)
    began = now()
    with pytest.raises(LockTimeoutError, match="'cfg' was not free within"):
        await lease.upgrade(timeout)
    assert now() - began == pytest.approx(timeout, abs=0.1)
    info = await look(locks, "cfg")
    assert (info.queue, lease.held) == ((), True)
    assert await others.rwlock("cfg").read().obtain() is not None
    await other.release()
    assert lease.held


async def test_one_that_is_cancelled_leaves_an_upgradable_reader(
    locks: LockRepository, others: LockRepository
) -> None:
    lease, _ = await upgradable(locks), await reader(others)
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    upgrade.cancel()
    await asyncio.gather(upgrade, return_exceptions=True)
    await settle()
    assert (await look(locks, "cfg")).queue == ()
    assert lease.held


async def test_one_that_was_given_up_while_it_was_granted_is_taken_back(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgradable(locks)
    memory.faults.append(Fault("claim", delay=1, answer=True))
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    upgrade.cancel()
    assert await weights(locks) == [WRITER]
    await asyncio.gather(upgrade, return_exceptions=True)
    await asyncio.sleep(1)
    assert await weights(locks) == [UPGRADABLE]
    assert await others.rwlock("cfg").read().obtain() is not None


async def test_one_that_could_not_be_taken_back_is_taken_back_by_the_next(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgradable(locks)
    memory.faults += [unanswered("claim"), lost("withdraw", times=2)]
    with pytest.raises(LockBackendError):
        await lease.upgrade()
    await settle()
    assert await weights(locks) == [WRITER]
    await lease.upgrade()
    await lease.downgrade()
    assert await weights(locks) == [UPGRADABLE]


async def test_a_late_end_of_an_upgrade_does_not_end_a_later_one(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgradable(locks)
    await lease.upgrade()
    first = lease._holding.upgrade
    assert first is not None
    await lease.downgrade()
    await lease.upgrade()
    await memory.backend().withdraw("cfg", first)
    assert await weights(locks) == [WRITER]


async def test_an_upgrade_goes_with_its_lease(locks: LockRepository, others: LockRepository) -> None:
    lease, other = await upgradable(locks), await reader(others)
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    await lease.release()
    assert (await look(others, "cfg")).queue == ()
    began = now()
    with pytest.raises(LeaseLostError, match="released"):
        await upgrade
    assert now() - began < 0.01
    await settle()
    assert await weights(others) == [1]
    await other.release()
    assert rests(locks)


@pytest.mark.parametrize("forced", [True, False])
async def test_an_upgrade_of_a_lease_that_is_over_is_a_loss(
    locks: LockRepository, others: LockRepository, *, forced: bool
) -> None:
    lease = await locks.rwlock("cfg").upgradable(ttl=5).acquire()
    if forced:
        await others.force_release("cfg")
    else:
        await asyncio.sleep(6)
    with pytest.raises(LeaseLostError):
        await lease.upgrade(timeout=60)
    assert await lease.downgrade() is False
    assert await others.rwlock("cfg").write().obtain() is not None


async def test_an_upgrade_that_waits_for_longer_than_its_lease_lives_ends_with_it(
    locks: LockRepository, others: LockRepository
) -> None:
    other = await reader(others)
    lease = await locks.rwlock("cfg").upgradable(ttl=5).acquire()
    began = now()
    with pytest.raises(LeaseLostError):
        await lease.upgrade()
    assert now() - began == pytest.approx(5, abs=0.3)
    await other.release()
    assert await others.rwlock("cfg").write().acquire(timeout=1)


async def test_an_upgrade_outlives_its_place_and_many_renewals(
    locks: LockRepository, others: LockRepository
) -> None:
    lease, other = await upgradable(locks, ttl=6), await reader(others)
    upgrade = asyncio.create_task(lease.upgrade())
    await asyncio.sleep(60)
    assert not upgrade.done()
    await other.release()
    await settle()
    assert (upgrade.done(), lease.held) == (True, True)
    await asyncio.sleep(60)
    assert lease.held
    assert await weights(locks) == [WRITER]


async def test_an_upgrade_whose_call_is_lost_is_found_by_a_look(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease, other = await upgradable(locks), await reader(others)
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    memory.faults.append(lost_call())
    await other.release()
    began = now()
    await upgrade
    assert now() - began < 6


async def test_a_reader_that_died_is_waited_for_until_it_expires(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.rwlock("cfg").read(ttl=7).acquire()
    lease = await upgradable(locks)
    began = now()
    await lease.upgrade()
    assert now() - began == pytest.approx(7, abs=0.1)


async def test_two_upgrades_of_a_lease_at_a_time_are_one_too_many(
    locks: LockRepository, others: LockRepository
) -> None:
    lease, other = await upgradable(locks), await reader(others)
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    for again in (lease.upgrade, lease.downgrade):
        with pytest.raises(LockError, match="under way"):
            await again()
    await other.release()
    await upgrade


async def test_only_an_upgradable_reader_is_upgraded(locks: LockRepository, memory: FaultyLocks) -> None:
    leases = [
        await locks.acquire("a"),
        await locks.semaphore("b", 3).acquire(),
        await locks.rwlock("c").read().acquire(),
        await locks.rwlock("d").write().acquire(),
    ]
    sent = memory.sent.copy()
    for lease in leases:
        for change in (lease.upgrade, lease.downgrade):
            with pytest.raises(TypeError, match="upgradable"):
                await change()
    assert memory.sent == sent


async def test_a_wrong_timeout_of_an_upgrade_sends_nothing(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgradable(locks)
    with pytest.raises(TypeError, match="timeout"):
        await lease.upgrade("5")  # type: ignore[arg-type] # on purpose
    assert memory.sent["claim"] == 1


async def test_it_fences_while_it_is_upgraded(locks: LockRepository) -> None:
    lease = await upgradable(locks)
    for way, error in ((None, "nobody shares"), (lease.upgrade, "collection"), (lease.downgrade, "nobody")):
        if way is not None:
            await way()
        with pytest.raises(TypeError, match=error):
            lease.fenced(object())  # type: ignore[arg-type] # it does not come to a write


async def test_an_upgrade_inside_a_block_ends_with_it(locks: LockRepository, others: LockRepository) -> None:
    async with locks.rwlock("cfg").upgradable() as lease:
        await lease.upgrade(timeout=5)
    assert await others.rwlock("cfg").write().obtain() is not None
    assert rests(locks)


async def test_a_closed_repository_ends_an_upgrade(memory: FaultyLocks, others: LockRepository) -> None:
    other = await reader(others)
    locks = LockRepository(memory)
    lease = await upgradable(locks)
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    await locks.aclose()
    with pytest.raises(LockError):
        await upgrade
    assert len((await look(others, "cfg")).holders) == 1
    await other.release()


async def test_one_who_polls_hears_of_a_release_of_its_own_process_at_once(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.deafen(deaf=True)
    lease, other = await upgradable(locks), await reader(locks)
    upgrade = asyncio.create_task(lease.upgrade())
    await asyncio.sleep(10)
    await other.release()
    began = now()
    await upgrade
    assert now() - began < 0.01


async def test_a_name_that_is_another_kind_of_lock_by_now_ends_an_upgrade_as_a_loss(
    locks: LockRepository, others: LockRepository
) -> None:
    lease, _ = await upgradable(locks), await reader(others)
    upgrade = asyncio.create_task(lease.upgrade())
    await settle()
    await others.force_release("cfg")
    await others.acquire("cfg")
    with pytest.raises(LeaseLostError):
        await upgrade


async def test_an_upgrade_that_arrives_late_holds_up_the_next_one_and_asks_not_all_the_time(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await upgradable(locks)
    late = lease._holding.request.upgrade()
    await memory.backend().claim(late, f"{lease._holding.id}+99")
    sent = memory.sent["claim"]
    with pytest.raises(LockTimeoutError):
        await lease.upgrade(timeout=10)
    assert memory.sent["claim"] - sent < 100
    assert lease.held
