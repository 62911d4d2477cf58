"""A session that the caller has bound to his context is not ours."""

from __future__ import annotations

from typing import Any

import pymongo
import pytest
from mongo.shared import look
from mongo.transactions import session_of

from mongolock_async import LockRepository

pytestmark = [
    pytest.mark.parametrize("uri", ["replica_set"], indirect=True),
    pytest.mark.parametrize("driver", ["pymongo"], indirect=True),
    pytest.mark.skipif(pymongo.version_tuple < (4, 17), reason="this PyMongo has no session.bind"),
]


async def test_no_command_joins_the_transaction_of_a_bound_session(
    locks: LockRepository, others: LockRepository, client: Any
) -> None:
    released = await locks.acquire("released")
    async with session_of(client) as session, session.bind(end_session=False):
        await session.start_transaction()
        lease = await locks.acquire("cron", ttl=60)
        assert await others.obtain("cron") is None
        assert await lease.renew()
        assert await released.release()
        await locks.create("created")
        assert [info.name async for info in locks.list()] == ["created", "cron", "released"]
        assert await locks.force_release("released") is False
        await session.abort_transaction()
    assert (await look(locks)).holders[0].fencing_token == lease.fencing_token
    assert not (await look(locks, "released")).held


async def test_a_deadline_of_the_caller_ends_no_command(locks: LockRepository) -> None:
    await locks.create("cron")
    with pymongo.timeout(1e-6):
        lease = await locks.acquire("cron")
        assert await locks.get("cron")
        assert await lease.renew()
        assert await lease.release()
