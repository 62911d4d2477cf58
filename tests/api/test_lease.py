"""What a holder has in its hand."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from faulty import FaultyLocks, lost
from virtual import settle
from waiters import about, is_free

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


@pytest.mark.parametrize(
    ("ttl", "error"), [(0, ValueError), (0.09, ValueError), (-1, ValueError), ("1", TypeError)]
)
async def test_a_wrong_ttl_renews_nothing(
    locks: LockRepository, memory: FaultyLocks, ttl: Any, error: type[Exception]
) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(error, match="ttl"):
        await lease.renew(ttl=ttl)
    assert memory.sent["prolong"] == 0


async def test_the_block_of_a_lease_releases_it(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await locks.acquire("cron")
    async with lease as same:
        assert same is lease
        assert await locks.obtain("cron") is None
    assert not lease.held
    assert await is_free(locks)
    assert memory.sent["release"] == 1


async def test_the_block_of_a_lease_releases_it_also_after_an_error(locks: LockRepository) -> None:
    with pytest.raises(KeyError):
        async with await locks.acquire("cron"):
            raise KeyError
    assert await is_free(locks)


async def test_the_block_of_a_lease_does_not_release_it_twice(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with await locks.acquire("cron") as lease:
        assert await lease.release() is True
    assert memory.sent["release"] == 1


async def test_the_block_of_a_lease_neither_renews_nor_interrupts(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async with await locks.acquire("cron", ttl=5) as lease:
        await asyncio.sleep(60)
        assert lease.lost.is_set()
    assert memory.sent["renew"] == 0
    async with await locks.acquire("cron", keep_alive=True) as lease:
        await locks.force_release("cron")
        await asyncio.sleep(60)
        assert lease.lost.is_set()


async def test_a_release_that_fails_does_not_spoil_the_block_of_a_lease(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    memory.faults = [lost("release")]
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        async with await locks.acquire("cron"):
            pass
    assert caplog.messages == ["release of 'cron' was not confirmed; the lease expires by itself"]


async def test_a_lease_says_what_it_is_when_printed(locks: LockRepository) -> None:
    lease = await locks.acquire("cron", owner="me", ttl=30)
    token = lease.fencing_token
    await asyncio.sleep(0.5)
    assert repr(lease) == f"<Lease 'cron' of 'me', token {token}: 28.500 s left>"
    await lease.release()
    assert repr(lease) == f"<Lease 'cron' of 'me', token {token}: released>"
    over = await locks.acquire("cron", owner=7, ttl=30)
    await over.lost.wait()
    assert repr(over) == f"<Lease 'cron' of 7, token {over.fencing_token}: expired unrenewed>"


async def test_without_transactions_a_lease_cannot_be_verified_and_stays(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    with pytest.raises(LockError, match="memory has none"):
        await lease.verify(object())
    assert lease.held
