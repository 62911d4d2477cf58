"""Leases that go on in another process."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import about, is_free, look, now, rests, waiting

from mongolock_async import Lease, LeaseLostError, LockBackendError, LockError, LockRepository


async def held(locks: LockRepository, ttl: float = 6.0, *, keep_alive: bool = True) -> Lease:
    return await locks.acquire("cron", "giver", ttl=ttl, keep_alive=keep_alive)


async def test_it_goes_on_with_owner_and_token_and_the_giver_has_nothing(
    locks: LockRepository, others: LockRepository
) -> None:
    given = await held(locks)
    lease = await others.adopt(await given.export(), keep_alive=True)
    assert lease is not None
    assert (lease.name, lease.owner, lease.ttl) == ("cron", "giver", 6)
    assert lease.fencing_token == given.fencing_token
    assert (given.held, given.remaining, given.lost.is_set()) == (False, 0, False)
    assert "exported" in repr(given)
    await asyncio.sleep(60)
    assert lease.held
    assert rests(locks)
    assert locks.stats().losses == 0
    assert await lease.release() is True


async def test_used_twice_it_gives_one_holder(locks: LockRepository, others: LockRepository) -> None:
    text = await (await held(locks)).export()
    leases = await asyncio.gather(others.adopt(text), locks.adopt(text), others.adopt(text))
    assert [lease is not None for lease in leases].count(True) == 1


async def test_it_may_be_given_on_and_back(locks: LockRepository, others: LockRepository) -> None:
    lease = await held(locks)
    for repository in (others, others, locks):
        adopted = await repository.adopt(await lease.export())
        assert adopted is not None
        lease = adopted
    assert await lease.release() is True


async def test_it_lives_for_its_whole_ttl_from_the_export_on(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await held(locks, keep_alive=False)
    await asyncio.sleep(4)
    text = await lease.export()
    await asyncio.sleep(5)
    adopted = await others.adopt(text)
    assert adopted is not None
    assert adopted.remaining > 5


async def test_what_nobody_adopts_expires(locks: LockRepository, others: LockRepository) -> None:
    text = await (await held(locks)).export()
    lease = await waiting(others)
    assert lease.held
    assert now() == pytest.approx(6, abs=0.1)
    assert await locks.adopt(text) is None


async def test_an_exported_lease_releases_renews_and_verifies_nothing(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await held(locks)
    text = await lease.export()
    memory.sent.clear()
    assert await lease.release() is False
    assert await lease.renew() is False
    with pytest.raises(LeaseLostError, match="exported"):
        await lease.export()
    assert not memory.sent
    assert await others.adopt(text) is not None


async def test_nothing_is_sent_of_it_any_more(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await held(locks)
    await lease.export()
    memory.sent.clear()
    await asyncio.sleep(60)
    assert not memory.sent


async def test_a_block_goes_on_without_its_lease_and_releases_nothing(
    locks: LockRepository, others: LockRepository
) -> None:
    async with locks.lock("cron", ttl=6) as lease:
        adopted = await others.adopt(await lease.export(), keep_alive=True)
        await asyncio.sleep(60)
    async with await held_of(others) as another:
        await another.export()
    assert adopted is not None
    assert adopted.held


async def held_of(locks: LockRepository) -> Lease:
    return await locks.acquire("another", keep_alive=True)


async def test_closing_releases_nothing_that_was_exported(
    memory: FaultyLocks, others: LockRepository
) -> None:
    async with LockRepository(memory) as locks:
        text = await (await held(locks)).export()
    assert await others.adopt(text) is not None


async def test_an_exported_lease_may_be_forgotten(locks: LockRepository) -> None:
    lease = await held(locks)
    await lease.export()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del lease
        gc.collect()


async def test_what_is_over_is_not_exported(locks: LockRepository, others: LockRepository) -> None:
    lease = await held(locks)
    await others.force_release("cron")
    with pytest.raises(LeaseLostError):
        await lease.export()
    assert lease.lost.is_set()


async def test_an_export_without_an_answer_changes_nothing(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await held(locks)
    memory.faults = [lost("prolong")]
    with pytest.raises(LockBackendError):
        await lease.export()
    await asyncio.sleep(60)
    assert lease.held


async def test_a_cancelled_export_changes_nothing(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await held(locks)
    memory.faults = [Fault("prolong", delay=1)]
    export = asyncio.create_task(lease.export())
    await settle()
    export.cancel()
    await asyncio.sleep(60)
    assert lease.held


async def test_an_upgraded_lease_is_downgraded_first(locks: LockRepository, others: LockRepository) -> None:
    lease = await locks.rwlock("cfg").upgradable().acquire(keep_alive=True)
    await lease.upgrade()
    with pytest.raises(LockError, match="downgrade it first"):
        await lease.export()
    await lease.downgrade()
    adopted = await others.adopt(await lease.export())
    assert adopted is not None
    await adopted.upgrade()
    assert await adopted.downgrade() is True


async def test_a_late_renewal_of_the_giver_finds_nothing(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await held(locks)
    memory.faults = [Fault("renew", delay=1)]
    await asyncio.sleep(2.1)  # a renewal is on its way
    adopted = await others.adopt(await lease.export())
    await asyncio.sleep(5)
    assert adopted is not None
    assert (await look(others)).holders[0].remaining == about(1)


async def test_an_answer_to_the_giver_that_comes_after_the_export_takes_nothing_back(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await held(locks, ttl=60)
    memory.faults = [Fault("prolong", delay=3, answer=True)]
    renewal = asyncio.create_task(lease.renew())
    await settle()
    text = await lease.export()
    assert await renewal is False
    await settle()
    assert await others.adopt(text) is not None


async def test_an_adoption_without_an_answer_is_an_error_and_leaves_no_lease_behind(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    text = await (await held(locks, ttl=600)).export()
    memory.faults = [unanswered("adopt")]
    with pytest.raises(LockBackendError):
        await others.adopt(text)
    await settle()
    assert await is_free(others)


async def test_an_adoption_that_never_arrived_can_be_tried_again(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    text = await (await held(locks)).export()
    memory.faults = [lost("adopt")]
    with pytest.raises(LockBackendError):
        await others.adopt(text)
    await settle()
    assert await others.adopt(text) is not None


async def test_a_cancelled_adoption_leaves_nothing_behind(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    text = await (await held(locks, ttl=600)).export()
    memory.faults = [Fault("adopt", delay=1, answer=True)]
    adoption = asyncio.create_task(others.adopt(text))
    await asyncio.sleep(0.5)
    adoption.cancel()
    await asyncio.sleep(1)
    assert await is_free(others)
    assert rests(others)


async def test_an_adoption_whose_answer_came_after_its_ttl_is_lost(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    text = await (await held(locks)).export()
    memory.faults = [Fault("adopt", delay=7, answer=True)]
    with pytest.raises(LeaseLostError):
        await others.adopt(text)


async def test_a_name_that_stays_taken_stays_so_when_its_lease_was_adopted(
    locks: LockRepository, others: LockRepository
) -> None:
    given = await locks.lock("cron", at_least=60).acquire()
    adopted = await others.adopt(await given.export())
    assert adopted is not None
    await adopted.release()
    assert await others.obtain("cron") is None
    assert (await waiting(others)).held
    assert now() == pytest.approx(60, abs=0.1)
