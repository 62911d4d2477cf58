"""Which commands are governed by what their caller has set, such as the deadline of ``pymongo.timeout``."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextvars import ContextVar

import pytest
from faulty import FaultyLocks, unanswered
from waiters import waiting

from mongolock_async import LockBackendError, LockRepository

deadline: ContextVar[str | None] = ContextVar("deadline", default=None)


class WatchedLocks(FaultyLocks):
    """Remembers which deadlines governed the commands of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: defaultdict[str, set[str | None]] = defaultdict(set)

    async def happen(self, action: str, *, answer: bool) -> None:
        self.deadlines[action].add(deadline.get())
        await super().happen(action, answer=answer)


@pytest.fixture
async def memory() -> WatchedLocks:
    return WatchedLocks()


async def test_a_callers_deadline_governs_what_it_asks_for(
    locks: LockRepository, memory: WatchedLocks
) -> None:
    deadline.set("his")
    lease = await locks.acquire("a")
    assert await locks.obtain("a") is None
    await lease.renew()
    await locks.get("a")
    await locks.force_release("a")
    assert [memory.deadlines[action] for action in ("claim", "prolong", "view", "force")] == [{"his"}] * 4


async def test_it_does_not_govern_what_is_done_for_everybody_or_after_the_caller(
    locks: LockRepository, others: LockRepository, memory: WatchedLocks
) -> None:
    deadline.set("his")
    async with locks.lock("cron"):
        waiter = waiting(others)
        await asyncio.sleep(60)
    await (await waiter).release()
    memory.faults = [unanswered("claim")]
    with pytest.raises(LockBackendError):
        await locks.obtain("cron")
    await locks.acquire("other", keep_alive=True)
    await locks.aclose()
    for action in ("index", "renew", "refresh", "release", "withdraw"):
        assert memory.deadlines[action] == {None}, action
