"""What a holder has in its hand."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from faulty import Fault, FaultyLocks, lost
from virtual import settle
from waiters import about, is_free

from mongolock_async import Lease, LockBackendError, LockError, LockRepository

METHODS = {"release", "renew", "upgrade", "downgrade", "fenced", "verify", "proclaim", "export"}
SURFACE = {"name", "owner", "ttl", "fencing_token", "held", "remaining", "lost", "boundary"} | METHODS


async def test_a_lease_has_this_surface_and_no_other(locks: LockRepository) -> None:
    lease = await locks.acquire("cron")
    assert {name for name in dir(lease) if not name.startswith("_")} == SURFACE


@pytest.mark.parametrize("name", sorted(SURFACE - METHODS))
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


@pytest.mark.parametrize("ours", [True, False])
async def test_a_second_release_says_what_the_first_did_and_sends_nothing(
    locks: LockRepository, memory: FaultyLocks, *, ours: bool
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    await asyncio.sleep(0 if ours else 31)
    assert [await lease.release() for _ in range(3)] == [ours] * 3
    assert memory.sent["release"] == 1


async def test_two_releases_at_a_time_are_one(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron")
    successors = [asyncio.create_task(others.acquire("cron")) for _ in range(2)]
    await settle()
    memory.faults = [Fault("release", delay=1, answer=True)]
    first = asyncio.create_task(lease.release())
    await asyncio.sleep(0.5)
    await (await successors[0]).release()  # the last release that the server knows of is another by now
    assert await lease.release() is True
    assert await first is True
    assert memory.sent["release"] == 2
    assert (await successors[1]).held


async def test_a_release_after_one_that_was_cancelled_says_that_the_lease_was_ours(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron")
    memory.faults = [Fault("release", delay=1)]
    cancelled = asyncio.create_task(lease.release())
    await asyncio.sleep(0.5)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert cancelled.cancelled()
    assert await lease.release() is True
    assert await (await others.acquire("cron")).release() is True
    assert await lease.release() is True
    assert memory.sent["release"] == 2


async def test_two_releases_at_a_time_fail_together_and_a_third_tries_again(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron")
    memory.faults = [lost("release", delay=1)]
    results = await asyncio.gather(lease.release(), lease.release(), return_exceptions=True)
    assert [type(result) for result in results] == [LockBackendError] * 2
    assert await lease.release() is True
    assert memory.sent["release"] == 2


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
