"""A copy of a claim that arrives after another process has the lock: its former holder does not believe."""

from __future__ import annotations

import asyncio

import pytest
from faulty import FaultyLocks
from virtual import settle
from waiters import queue, waiting

from mongolock_async import Lease, LeaseLostError, LockRepository
from mongolock_async._protocol.request import Request


async def handed(locks: LockRepository, others: LockRepository) -> Lease:
    """A lease of one who has waited."""
    first = await others.acquire("cron")
    waiter = waiting(locks, ttl=30, keep_alive=True)
    await settle()
    await first.release()
    lease = await waiter
    await asyncio.sleep(1)
    return lease


async def copy_arrives(memory: FaultyLocks, lease: Lease) -> None:
    """Of the claim with which it waited."""
    await memory.backend().claim(Request("cron", "copy", 30), lease._holding.id, first=10)


async def test_a_renewal_is_not_confirmed_by_a_place_in_the_queue(
    memory: FaultyLocks, locks: LockRepository, others: LockRepository
) -> None:
    lease = await handed(locks, others)
    await others.force_release("cron")
    await others.acquire("cron", ttl=60)
    await copy_arrives(memory, lease)
    assert await queue(others) == ["copy"]
    await asyncio.sleep(9.9)
    assert lease.lost.is_set()
    assert await lease.renew() is False


@pytest.mark.parametrize("way", ["renewal", "loop", "release"])
async def test_a_holding_does_not_stand_by_another_grant_of_its_id(
    memory: FaultyLocks, locks: LockRepository, others: LockRepository, way: str
) -> None:
    lease = await handed(locks, others)
    await others.force_release("cron")
    successor = await others.acquire("cron")
    await copy_arrives(memory, lease)
    await successor.release()
    info = await others.get("cron")
    assert info is not None
    assert [holder.owner for holder in info.holders] == ["copy"]
    if way == "loop":
        await asyncio.sleep(9.9)
        assert lease.lost.is_set()
    else:
        assert await (lease.renew() if way == "renewal" else lease.release()) is False


async def test_a_block_says_so_if_its_release_finds_another_grant_of_its_id(
    memory: FaultyLocks, locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron") as lease:
            await others.force_release("cron")
            successor = await others.acquire("cron")
            await copy_arrives(memory, lease)
            await successor.release()
