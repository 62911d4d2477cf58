"""Documents that somebody else's transaction keeps from being written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mongo.transactions import transaction_of
from support import until

from mongolock_async import LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)


@pytest.mark.long
async def test_a_document_that_a_stranger_keeps_locked_costs_no_other_lease(
    locks: LockRepository, clock: MemoryClock, client: Any, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The drivers tell it as a timeout of the network."""
    leases = [await locks.acquire(f"n{number}", ttl=18, keep_alive=True) for number in range(4)]
    async with transaction_of(client) as session:
        await collection.update_one({"_id": "n1"}, {"$set": {"mine": 1}}, session=session)
        clock.advance(6)
        await until(lambda: asyncio.sleep(0, locks.stats().renewals == 3), within=30)
    kinds = {"NetworkTimeout", "ExecutionTimeout (code 50)", "no answer in time"}
    assert caplog.messages[0] in {f"renewal of 4 leases failed: {kind}; trying again" for kind in kinds}
    await until(lambda: asyncio.sleep(0, locks.stats().renewals >= 4), within=30)
    assert all(lease.held for lease in leases)
