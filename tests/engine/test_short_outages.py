"""How long an outage may be that costs no lease (docs/failure.md)."""

from __future__ import annotations

import asyncio

import pytest
from faulty import Fault, FaultyLocks, lost

from mongolock_async import LockBackendError, LockRepository

FOR_EVER = 10_000
HOW = {
    "refused": lost("renew", times=FOR_EVER),
    "silent": Fault("renew", FOR_EVER, LockBackendError("renew", None, "NetworkTimeout"), times=FOR_EVER),
}


async def outage(
    locks: LockRepository, memory: FaultyLocks, *, how: str, begin: float, seconds: float
) -> bool:
    """Whether a lease of 30 s outlives it."""
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    await asyncio.sleep(begin)
    memory.faults = [HOW[how]]
    await asyncio.sleep(seconds)
    memory.faults = []
    await asyncio.sleep(30)
    held = lease.held
    await lease.release()
    return held


@pytest.mark.parametrize("how", HOW)
async def test_one_of_less_than_half_the_ttl_costs_no_lease_whenever_it_begins(
    locks: LockRepository, memory: FaultyLocks, how: str
) -> None:
    begins = [tenth / 10 for tenth in range(0, 250, 3)]
    assert all([await outage(locks, memory, how=how, begin=begin, seconds=14.9) for begin in begins])


@pytest.mark.parametrize("how", HOW)
async def test_a_longer_one_costs_those_whose_renewal_was_about_to_come(
    locks: LockRepository, memory: FaultyLocks, how: str
) -> None:
    assert not await outage(locks, memory, how=how, begin=9.9, seconds=15.2)
    assert await outage(locks, memory, how=how, begin=0.1, seconds=15.2)
