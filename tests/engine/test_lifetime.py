"""Where and when a repository may be used: in one process; and its index, which the first claim makes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from faulty import Fault, FaultyLocks
from uses import uses
from waiters import about, now, waiting

from mongolock_async import LockBackendError, LockError, LockRepository
from mongolock_async._engine.background import Background
from mongolock_async._engine.lifetime import Lifetime
from mongolock_async._memory.clock import MemoryClock


class Child:
    """Makes this process look like a child that it has forked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def begins(self) -> None:
        pid = os.getpid() + 1
        self._monkeypatch.setattr(os, "getpid", lambda: pid)

    def ends(self) -> None:
        self._monkeypatch.undo()


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    return Child(monkeypatch)


async def test_in_a_forked_child_a_repository_is_refused(
    locks: LockRepository, memory: FaultyLocks, child: Child
) -> None:
    lease = await locks.acquire("cron")
    memory.sent.clear()
    child.begins()
    for use in (
        *uses(locks, lease),
        lease.release(),
        lease.verify(object()),
        locks.aclose(),
    ):
        with pytest.raises(LockError, match="made before a fork; make a new one in the child"):
            await use
    assert memory.sent == {}
    child.ends()


async def test_a_forked_child_holds_nothing_and_its_parent_still_does(
    locks: LockRepository, others: LockRepository, child: Child
) -> None:
    lease = await locks.acquire("cron", ttl=30)
    child.begins()
    assert (lease.held, lease.remaining) == (False, 0.0)
    with pytest.raises(LockError):
        await lease.release()
    child.ends()
    assert (lease.held, lease.lost.is_set()) == (True, False)
    assert await others.obtain("cron") is None
    assert await lease.release() is True


async def test_a_repository_made_in_the_child_is_not_refused(memory: FaultyLocks, child: Child) -> None:
    child.begins()
    async with LockRepository(memory) as locks:
        assert (await locks.acquire("cron")).held
    child.ends()


async def test_a_child_is_not_warned_of_what_its_parent_has_to_close(
    memory: FaultyLocks, child: Child, recwarn: pytest.WarningsRecorder
) -> None:
    locks = LockRepository(memory)
    await locks.acquire("cron")
    await asyncio.sleep(60)  # nothing else refers to it
    child.begins()
    del locks
    child.ends()
    assert list(recwarn) == []


async def test_the_index_is_made_once(locks: LockRepository, memory: FaultyLocks) -> None:
    await locks.create("a")
    await locks.obtain("b")
    await locks.acquire("c")
    await asyncio.sleep(3600)
    await locks.obtain("d")
    assert memory.times["index"] == [0]


@pytest.mark.parametrize(
    "use",
    ["get", "force_release", "reset"],
)
async def test_no_index_is_made_where_nothing_is_claimed(
    locks: LockRepository, memory: FaultyLocks, use: str
) -> None:
    await getattr(locks, use)("cron")
    assert memory.sent["index"] == 0


async def test_those_who_come_at_a_time_share_one_attempt(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [Fault("index", delay=3)]
    leases = await asyncio.gather(*(locks.obtain(f"n{number}") for number in range(10)))
    assert all(leases)
    assert now() == 3
    assert memory.sent["index"] == 1


async def test_one_who_goes_away_leaves_the_attempt_to_the_others(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("index", delay=3)]
    first, second = waiting(locks), asyncio.create_task(locks.obtain("other"))
    await asyncio.sleep(1)
    first.cancel()
    assert await second is not None
    assert now() == 3
    assert memory.sent == {"index": 1, "claim": 1}


async def test_a_timeout_counts_while_the_index_is_made(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults = [Fault("index", delay=20)]
    with pytest.raises(LockBackendError, match="no answer in time"):
        await locks.acquire("cron", timeout=0.3)
    assert now() == about(1.3)


class Away:
    """A backend whose server cannot make the index at first, or can keep no locks at all."""

    def __init__(self, refusal: LockError | None = None) -> None:
        self.attempts: list[float] = []
        self.made = False
        self.refusal = refusal

    def bind(self) -> None:
        pass

    async def index(self) -> bool:
        self.attempts.append(now())
        if self.refusal is not None:
            raise self.refusal
        return self.made


async def test_an_index_that_could_not_be_made_is_tried_again_after_10_seconds() -> None:
    backend: Any = Away()
    lifetime = Lifetime(backend, backend, Background(), MemoryClock())
    for _ in range(25):
        await lifetime.begin()
        await asyncio.sleep(1)
    assert backend.attempts == [0, 10, 20]
    backend.made = True
    for _ in range(25):
        await lifetime.begin()
        await asyncio.sleep(1)
    assert backend.attempts == [0, 10, 20, 30]


USES: dict[str, Callable[[LockRepository], Awaitable[object]]] = {
    "obtain": lambda locks: locks.obtain("cron"),
    "acquire": lambda locks: locks.acquire("cron"),
    "acquire, asking once": lambda locks: locks.acquire("cron", timeout=0),
    "lock": lambda locks: locks.lock("cron").__aenter__(),
    "every": lambda locks: anext(locks.every(1, "cron")),
    "create": lambda locks: locks.create("cron"),
}


@pytest.mark.parametrize("use", USES)
async def test_where_no_locks_can_be_kept_all_that_makes_one_says_so_and_sends_nothing(
    locks: LockRepository, memory: FaultyLocks, use: str
) -> None:
    memory.faults = [Fault("index", error=LockError("a view keeps no locks"))]
    for _ in range(2):
        with pytest.raises(LockError, match="a view keeps no locks"):
            await USES[use](locks)
    assert memory.sent == {"index": 1}


async def test_all_who_wait_for_the_same_look_hear_that_no_locks_can_be_kept(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("index", delay=3, error=LockError("a view keeps no locks"))]
    outcomes = await asyncio.gather(*(locks.obtain("cron") for _ in range(3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["a view keeps no locks"] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3  # an error collects the traceback of each raise


async def test_what_cannot_keep_locks_is_looked_at_again_after_10_seconds() -> None:
    backend: Any = Away(LockError("a view keeps no locks"))
    lifetime = Lifetime(backend, backend, Background(), MemoryClock())
    for _ in range(11):
        with pytest.raises(LockError, match="a view"):
            await lifetime.begin()
        await asyncio.sleep(1)
    assert backend.attempts == [0, 10]
    backend.refusal, backend.made = None, True
    await asyncio.sleep(9)
    await lifetime.begin()
    assert backend.attempts == [0, 10, 20]
