"""What listeners are told of each kind of lock."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import aclosing
from datetime import timedelta

import pytest
from conftest import MakeRepository
from diary import Diary
from faulty import FaultyLocks, lost, unanswered
from ticking import START
from virtual import settle
from waiters import about, rests

from mongolock_async import Lease, LockError, LockRepository, LockTimeoutError
from mongolock_async.testing import MemoryLocks


@pytest.fixture
async def diary() -> Diary:
    return Diary()


@pytest.fixture
async def locks(make: MakeRepository, diary: Diary) -> LockRepository:
    return make(event_listeners=[diary], owner="me")


async def test_a_semaphore_tells_its_kind_and_the_weight(locks: LockRepository, diary: Diary) -> None:
    async with locks.semaphore("gpu", 4, weight=3):
        assert await locks.semaphore("gpu", 4, weight=2).obtain() is None
    assert diary.told == ["acquired", "busy", "released"]
    assert [(event.kind, event.weight) for event in diary.events] == [
        ("semaphore", 3),
        ("semaphore", 2),
        ("semaphore", 3),
    ]


async def test_another_kind_under_the_same_name_is_an_error(locks: LockRepository, diary: Diary) -> None:
    async with locks.lock("gpu"):
        with pytest.raises(LockError):
            await locks.semaphore("gpu", 4).obtain()
    assert diary.told == ["acquired", "failed", "released"]


async def test_readers_that_stand_together_wait_for_nobody(locks: LockRepository, diary: Diary) -> None:
    lock = locks.rwlock("cfg").read()
    async with lock, lock, lock:
        pass
    assert diary.told == ["acquired"] * 3 + ["released"] * 3
    assert len({event.token for event in diary.of("acquired")}) == 3


async def test_an_upgrade_is_a_call_of_its_own_under_the_same_lease(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    reader = await others.rwlock("cfg").read().obtain()
    assert reader is not None
    async with locks.rwlock("cfg").upgradable() as lease:
        upgrading = asyncio.create_task(lease.upgrade(timeout=9))
        await asyncio.sleep(2)
        await reader.release()
        await upgrading
        await lease.upgrade()  # it is one already
        await lease.downgrade()
    told = [told for told in diary.told if told != "renewed"]
    assert told == ["acquired", "waiting", "upgraded", "released"]
    (upgraded,) = diary.of("upgraded")
    assert (upgraded.token, upgraded.waited, upgraded.queued) == (lease.fencing_token, about(2), True)


async def test_an_upgrade_in_vain_has_an_end(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    await others.rwlock("cfg", ttl=60).read().obtain()
    async with locks.rwlock("cfg").upgradable() as lease:
        with pytest.raises(LockTimeoutError):
            await lease.upgrade(timeout=2)
    told = [told for told in diary.told if told != "renewed"]
    assert told == ["acquired", "waiting", "timed_out", "released"]


async def test_several_locks_are_as_many_leases(locks: LockRepository, diary: Diary) -> None:
    async with locks.lock_all("b", "a"):
        pass
    assert diary.told == ["acquired"] * 2 + ["released"] * 2
    assert [event.name for event in diary.of("acquired")] == ["a", "b"]


async def test_each_of_several_locks_tells_its_own_wait(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    holds = [await others.acquire(name) for name in ("a", "b")]
    both = asyncio.create_task(locks.lock_all("a", "b").acquire(timeout=9))
    for hold in holds:
        await asyncio.sleep(2)
        await hold.release()
    await both
    assert [event.waited for event in diary.of("acquired")] == [about(2), about(2)]


async def test_what_was_had_of_several_in_vain_is_released(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    await others.acquire("b")
    assert await locks.lock_all("a", "b").obtain() is None
    assert diary.told == ["acquired", "busy", "released"]
    assert [event.name for event in diary.events] == ["a", "b", "a"]
    assert diary.last.outcome == "released"


async def test_what_could_not_be_given_back_of_several_is_unconfirmed(
    locks: LockRepository, others: LockRepository, diary: Diary, memory: FaultyLocks
) -> None:
    await others.acquire("b")
    memory.faults = [lost("withdraw")]
    assert await locks.lock_all("a", "b").obtain() is None
    assert await others.obtain("a") is None
    assert diary.told == ["acquired", "busy", "released"]
    assert diary.last.outcome == "unconfirmed"


async def test_a_leader_holds_a_lease(locks: LockRepository, diary: Diary) -> None:
    async def serve(lease: Lease) -> None:
        del lease
        await asyncio.sleep(1)

    await locks.election("chief").run(serve)
    assert diary.told == ["acquired", "released"]


@pytest.mark.parametrize("kind", ["every", "cron"])
async def test_a_boundary_is_told_with_its_lag(kind: str) -> None:
    memory, diaries = MemoryLocks(start=START), [Diary(), Diary()]

    async def follow(locks: LockRepository, diary: Diary) -> None:
        made = locks.every(5, "cron") if kind == "every" else locks.cron("*/5 * * * * *", "cron", tz="UTC")
        async with aclosing(made) as ticks:
            async for lease in ticks:
                if lease is not None:
                    assert diary.last.boundary == lease.boundary
                if memory.now >= START + timedelta(seconds=20):
                    return

    locks, others = (LockRepository(memory, event_listeners=[diary]) for diary in diaries)
    async with locks, others:
        await asyncio.gather(*map(follow, (locks, others), diaries))
    served = [event for diary in diaries for event in diary.of("acquired")]
    boundaries = sorted(event.boundary for event in served)
    assert boundaries == [START + timedelta(seconds=5 * number) for number in range(1, 5)]
    assert all(0 <= event.lag <= 0.12 for event in served)
    # Who comes second is refused; asking for the time is not told.
    assert sum(len(diary.of("busy")) for diary in diaries) == 4
    assert {told for diary in diaries for told in diary.told} == {"acquired", "busy", "released"}


async def test_what_is_done_once_is_a_lease_and_then_a_refusal(locks: LockRepository, diary: Diary) -> None:
    async def work() -> None:
        await asyncio.sleep(1)

    async def broken() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await locks.once("migration", broken)
    assert diary.told == ["acquired", "released"]
    assert await locks.once("migration", work)
    assert not await locks.once("migration", work)
    assert diary.told == ["acquired", "released"] * 2 + ["busy"]
    assert [event.kind for event in diary.events] == ["once"] * 5


async def test_one_who_waits_for_what_is_done_meanwhile_is_refused(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    async def work() -> None:
        await asyncio.sleep(3)

    there = asyncio.create_task(others.once("migration", work))
    await settle()
    assert not await locks.once("migration", work)
    await there
    assert diary.told == ["waiting", "busy"]
    assert diary.last.queued


async def test_what_is_made_is_told_and_a_name_for_each_call_is_not(
    locks: LockRepository, diary: Diary
) -> None:
    locks.lock("a")
    locks.semaphore("b", 2)
    locks.rwlock("c").read()
    locks.lock_all("d", "e")
    locks.election("f")
    locks.every(5, "g")
    locks.cron("@daily", "h", tz="UTC")
    await locks.create("i")
    locks.lock(str)
    assert diary.created_names == list("abcdefghi")
    assert diary.told == []


async def test_every_call_and_every_lease_has_one_end_whatever_fails(
    make: MakeRepository, memory: FaultyLocks
) -> None:
    rng = random.Random(14)
    diaries = [Diary() for _ in range(3)]
    repositories = [make(event_listeners=[diary], ttl=6) for diary in diaries]

    async def one(locks: LockRepository) -> None:
        await asyncio.sleep(rng.uniform(0, 240))
        lock = locks.lock("cron", timeout=rng.choice([None, 0, 3]))
        try:
            async with asyncio.timeout(rng.choice([None, 4, 20])), lock:
                await asyncio.sleep(rng.uniform(0, 3))
                if rng.random() < 0.2:
                    await locks.force_release("cron")
                await asyncio.sleep(rng.uniform(0, 3))
        except (LockError, TimeoutError):
            pass

    actions = ["claim", "release", "renew", "ask", "confirm", "withdraw", "look", "refresh"]
    memory.faults = [
        make_fault(action, times=2, delay=rng.uniform(0, 2))
        for action in actions
        for make_fault in (lost, unanswered)
    ]
    await asyncio.gather(*(one(locks) for locks in repositories for _ in range(20)))
    await asyncio.sleep(60)
    assert all(rests(locks) for locks in repositories)
    counts = Counter(told for diary in diaries for told in diary.told)
    calls = counts["acquired"] + counts["timed_out"] + counts["failed"] + counts["busy"]
    assert calls == 60
    assert counts["acquired"] == counts["released"] + counts["lost"]
    assert min(counts["acquired"], counts["timed_out"], counts["failed"], counts["lost"]) > 2
    queued = [event for diary in diaries for event in diary.events if getattr(event, "queued", False)]
    assert len(queued) == counts["waiting"]
    for diary in diaries:
        begun = [event.token for event in diary.of("acquired")]
        ended = [event.token for event in diary.events if hasattr(event, "held")]
        assert sorted(begun) == sorted(ended)
        assert len(set(begun)) == len(begun)
