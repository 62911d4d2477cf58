"""What a caller has set, such as a bound session or the deadline of ``pymongo.timeout``, governs nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextvars import ContextVar

import pytest
from faulty import Fault, FaultyLocks, unanswered
from waiters import now, waiting

from mongolock_async import LockBackendError, LockRepository, LockTimeoutError

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


async def test_no_command_sees_what_its_caller_has_set(
    locks: LockRepository, others: LockRepository, memory: WatchedLocks
) -> None:
    deadline.set("his")
    lease = await locks.acquire("a")
    assert await locks.obtain("a") is None
    await lease.renew()
    await locks.get("a")
    assert [info.name async for info in locks.list()] == ["a"]
    await locks.create("b")
    await locks.force_release("a")
    async with locks.lock("cron"):
        waiter = waiting(others, keep_alive=True)
        await asyncio.sleep(60)
    await (await waiter).release()
    async for tick in locks.every(5, "tick"):
        if tick is not None:
            break
    memory.faults = [unanswered("claim")]
    with pytest.raises(LockBackendError):
        await locks.obtain("cron")
    _kept = await locks.acquire("other", keep_alive=True)
    await locks.aclose()
    assert {*memory.deadlines} >= {
        *("claim", "look", "confirm", "renew", "refresh", "prolong", "release", "withdraw"),
        *("index", "create", "view", "page", "force"),
    }
    assert set.union(*memory.deadlines.values()) == {None}


async def test_no_renewal_of_an_upgrade_or_a_downgrade_sees_it_either(
    locks: LockRepository, others: LockRepository, memory: WatchedLocks
) -> None:
    deadline.set("his")
    lease = await locks.rwlock("cfg").upgradable(ttl=60).acquire()
    reader = await others.rwlock("cfg").read().acquire()
    with pytest.raises(LockTimeoutError):
        await lease.upgrade(timeout=0)
    assert memory.sent["prolong"] == 1
    await reader.release()
    await lease.upgrade()
    await others.force_release("cfg")
    assert await lease.downgrade() is False
    assert memory.sent["prolong"] == 2
    assert set.union(*memory.deadlines.values()) == {None}


async def test_a_cancelled_upgrade_does_not_cut_off_its_renewal(
    locks: LockRepository, others: LockRepository, memory: WatchedLocks
) -> None:
    lease = await locks.rwlock("cfg").upgradable(ttl=60).acquire()
    _reader = await others.rwlock("cfg").read(ttl=60).acquire()
    await asyncio.sleep(20)
    memory.faults.append(Fault("prolong", delay=0.5))
    upgrade = asyncio.create_task(lease.upgrade(timeout=0))
    await asyncio.sleep(0.1)
    upgrade.cancel()
    await asyncio.sleep(1)
    assert lease.remaining > 50


async def test_a_silent_server_holds_up_no_upgrade_by_its_renewal(
    locks: LockRepository, others: LockRepository, memory: WatchedLocks
) -> None:
    lease = await locks.rwlock("cfg").upgradable(ttl=60).acquire()
    _reader = await others.rwlock("cfg").read(ttl=60).acquire()
    memory.faults.append(Fault("prolong", delay=10))
    began = now()
    with pytest.raises(LockTimeoutError):
        await lease.upgrade(timeout=0)
    assert now() - began < 1.1
