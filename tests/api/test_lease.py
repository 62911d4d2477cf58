"""What a holder has in its hand."""

from __future__ import annotations

import asyncio

import pytest
from faulty import FaultyLocks
from virtual import settle
from waiters import about

from mongolock_async import Lease, LockError, LockRepository

SURFACE = {
    *("name", "owner", "ttl", "fencing_token", "held", "remaining", "lost"),
    *("release", "renew", "fenced", "verify"),
}


async def test_a_lease_has_this_surface_and_no_other(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    assert {name for name in dir(lease) if not name.startswith("_")} == SURFACE


@pytest.mark.parametrize("name", sorted(SURFACE - {"release", "renew", "fenced", "verify"}))
async def test_what_a_lease_says_cannot_be_changed(locks: LockRepository, name: str) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(AttributeError):
        setattr(lease, name, None)


async def test_a_lease_is_one_whichever_way_it_was_got(locks: LockRepository) -> None:
    leases = [await locks.obtain("a"), await locks.acquire("b"), await anext(locks.every(5, "c"))]
    async with locks.lock("d") as lease:
        leases.append(lease)
    assert {type(lease) for lease in leases} == {Lease}


async def test_a_lease_is_never_equal_to_another_of_the_same_lock(locks: LockRepository) -> None:
    first = await locks.acquire("cron")
    await first.release()
    assert first != await locks.acquire("cron")


async def test_remaining_counts_down_to_0(locks: LockRepository) -> None:
    lease = await locks.acquire("cron", ttl=30)
    assert lease.remaining == about(29)
    await asyncio.sleep(20)
    assert (lease.remaining, lease.held) == (about(9), True)
    await asyncio.sleep(10)
    assert (lease.remaining, lease.held) == (0.0, False)


async def test_a_renewed_lease_lives_for_its_ttl_again(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await locks.acquire("cron", ttl=30)
    await asyncio.sleep(20)
    assert await lease.renew() is True
    assert lease.remaining == about(29)
    assert memory.sent == {"index": 1, "claim": 1, "prolong": 1}


async def test_a_released_lease_is_not_renewed(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await locks.acquire("cron")
    await lease.release()
    assert await lease.renew() is False
    assert memory.sent["prolong"] == 0
    assert not lease.lost.is_set()


async def test_a_second_release_says_false_and_sends_nothing(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron")
    assert [await lease.release(), await lease.release()] == [True, False]
    assert memory.sent["release"] == 1


async def test_two_releases_at_a_time_free_the_lock_once(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron")
    waiter = asyncio.create_task(others.acquire("cron"))
    await settle()
    # Each may be a repetition of the other: the last release of a lock is one, however often it is sent.
    assert all(await asyncio.gather(lease.release(), lease.release()))
    assert await (await waiter).release() is True


async def test_a_lease_says_what_it_is_when_printed(locks: LockRepository) -> None:
    lease = await locks.acquire("cron", owner="me", ttl=30)
    token = lease.fencing_token
    await asyncio.sleep(0.5)
    assert repr(lease) == f"<Lease 'cron' of 'me', token {token}: 28.500 s left>"
    await lease.release()
    assert repr(lease) == f"<Lease 'cron' of 'me', token {token}: released>"
    lost = await locks.acquire("cron", owner=7, ttl=30)
    await lost.lost.wait()
    assert repr(lost) == f"<Lease 'cron' of 7, token {lost.fencing_token}: expired unrenewed>"


async def test_without_transactions_a_lease_cannot_be_verified_and_stays(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(LockError, match="memory has none"):
        await lease.verify(object())
    assert lease.held
