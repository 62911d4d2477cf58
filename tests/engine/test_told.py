"""What listeners are told of calls and of leases."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest
from conftest import MakeRepository
from diary import Diary
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import about, now, waiting

from mongolock_async import (
    LeaseLostError,
    LockBackendError,
    LockError,
    LockRepository,
    LockTimeoutError,
)
from mongolock_async._engine.holding import CLOSED, EXPIRED, FORCED
from mongolock_async._engine.listeners import Listeners
from mongolock_async._engine.told import story_of
from mongolock_async._protocol.request import Request
from mongolock_async.testing import MemoryLocks

task_of: ContextVar[str] = ContextVar("task_of", default="nobody's")


@pytest.fixture
async def diary() -> Diary:
    return Diary()


@pytest.fixture
async def locks(make: MakeRepository, diary: Diary) -> LockRepository:
    return make(event_listeners=[diary], owner="me")


async def test_a_block_is_one_lease_that_was_held_for_so_long(locks: LockRepository, diary: Diary) -> None:
    async with locks.lock("cron") as lease:
        assert diary.told == ["acquired"]
        await asyncio.sleep(3)
    assert diary.told == ["acquired", "released"]
    acquired, released = diary.events
    assert (acquired.name, acquired.owner, acquired.kind, acquired.weight) == ("cron", "me", "mutex", 1)
    assert acquired.fencing_token == acquired.token == released.token == lease.fencing_token
    assert (acquired.waited, acquired.queued, acquired.place, acquired.hand_off) == (0, False, None, None)
    assert (acquired.outcome, acquired.boundary, acquired.lag) == ("granted", None, None)
    assert (released.held, released.outcome) == (3, "released")


async def test_a_refusal_is_busy(locks: LockRepository, others: LockRepository, diary: Diary) -> None:
    await others.acquire("cron")
    assert await locks.obtain("cron") is None
    assert await locks.lock("cron").obtain() is None
    assert diary.told == ["busy", "busy"]
    assert diary.last.outcome == "busy"
    assert not diary.last.queued


async def test_one_who_waits_has_a_place_and_is_handed_the_lock(
    locks: LockRepository, others: LockRepository, make: MakeRepository, diary: Diary
) -> None:
    held = await others.acquire("cron")
    first = waiting(make())
    await settle()
    second = waiting(locks)
    await asyncio.sleep(0.5)
    third = waiting(locks)
    await settle()
    assert [event.place for event in diary.of("waiting")] == [1, None]  # the third stands behind the second
    await asyncio.sleep(1.5)
    await held.release()
    await (await first).release()
    await (await second).release()
    await third
    assert diary.told[2:4] == ["acquired", "released"]
    served, then = diary.of("acquired")
    assert (served.queued, served.place, served.waited) == (True, 1, about(2))
    assert served.hand_off == about(0)
    assert (then.queued, then.waited) == (True, about(1.5))


async def test_one_behind_its_own_process_has_its_first_place_told_at_the_end(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    held = await others.acquire("cron")
    first, second = waiting(locks), waiting(locks)
    await settle()
    elsewhere = waiting(others)
    await settle()
    await held.release()
    await (await first).release()
    await (await elsewhere).release()
    await second
    assert {event.place for event in diary.of("waiting")} == {0, None}
    assert [event.place for event in diary.of("acquired")] == [0, 1]  # the one elsewhere came before


@pytest.mark.parametrize("tasks", [1, 3])
async def test_one_whose_time_is_up_is_told_who_had_it(
    locks: LockRepository, others: LockRepository, diary: Diary, tasks: int
) -> None:
    await others.acquire("cron", "them")
    calls = [locks.acquire("cron", timeout=2) for _ in range(tasks)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {LockTimeoutError}
    assert diary.told == ["waiting"] * tasks + ["timed_out"] * tasks
    assert (diary.last.waited, diary.last.timeout, diary.last.holder) == (about(2), 2, "them")
    assert (diary.last.outcome, diary.last.queued) == ("timeout", True)


async def test_one_who_asks_once_waits_for_nothing(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    held = await others.acquire("cron")
    with pytest.raises(LockTimeoutError):
        await locks.acquire("cron", timeout=0)
    await held.release()
    await locks.acquire("cron", timeout=0)
    assert diary.told == ["timed_out", "acquired"]
    assert not diary.events[0].queued


async def test_a_wait_that_is_cancelled_has_an_end(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    await others.acquire("cron")
    waiter = waiting(locks)
    await asyncio.sleep(1)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert diary.told == ["waiting", "failed"]
    assert (diary.last.outcome, diary.last.queued, diary.last.place) == ("cancelled", True, 0)
    assert diary.last.waited == about(1)


@pytest.mark.parametrize("waits", [True, False])
async def test_an_error_ends_a_call(
    locks: LockRepository, diary: Diary, memory: FaultyLocks, *, waits: bool
) -> None:
    memory.faults = [lost("claim", delay=1)]
    with pytest.raises(LockBackendError) as caught:
        await (locks.acquire("cron") if waits else locks.obtain("cron"))
    assert diary.told == ["failed"]
    assert (diary.last.outcome, diary.last.error, diary.last.waited) == ("error", caught.value, 1)


async def test_a_call_of_a_closed_repository_is_no_call(locks: LockRepository, diary: Diary) -> None:
    await locks.aclose()
    for call in (locks.obtain("cron"), locks.acquire("cron")):
        with pytest.raises(LockError):
            await call
    assert diary.told == []


async def test_a_lease_that_expires_is_lost(locks: LockRepository, diary: Diary) -> None:
    lease = await locks.acquire("cron", ttl=10)
    await asyncio.sleep(20)
    assert diary.told == ["acquired", "lost"]
    assert (diary.last.held, diary.last.reason, diary.last.outcome) == (9.5, EXPIRED, "lost")
    assert not await lease.release()
    assert diary.told == ["acquired", "lost"]


async def test_a_lease_that_was_forced_is_lost_at_its_next_renewal(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron", ttl=9):
            await asyncio.sleep(1)
            await others.force_release("cron")
            await asyncio.sleep(10)
    assert diary.told == ["acquired", "lost"]
    assert (diary.last.held, diary.last.reason) == (3, FORCED)


async def test_a_loss_that_the_release_finds_out_is_a_loss(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron"):
            await others.force_release("cron")
    assert diary.told == ["acquired", "lost"]
    assert diary.last.reason == FORCED


async def test_a_loss_that_a_renewal_of_the_holders_finds_out_is_told(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    lease = await locks.acquire("cron")
    await others.force_release("cron")
    assert not await lease.renew()
    assert diary.told == ["acquired", "lost"]


async def test_a_release_without_an_answer_is_told_once(
    locks: LockRepository, diary: Diary, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron")
    memory.faults = [lost("release", delay=2)]
    await asyncio.sleep(1)
    with pytest.raises(LockBackendError):
        await lease.release()
    assert diary.told == ["acquired", "released"]
    assert (diary.last.outcome, diary.last.held) == ("unconfirmed", 1)
    assert await lease.release()
    assert diary.told == ["acquired", "released"]


async def test_a_lease_that_goes_on_elsewhere_is_exported_and_adopted(
    locks: LockRepository, make: MakeRepository, diary: Diary, memory: FaultyLocks
) -> None:
    there = Diary()
    successor = make(event_listeners=[there])
    memory.faults = [Fault("adopt", delay=2, answer=True)]
    lease = await locks.acquire("cron")
    await asyncio.sleep(2)
    text = await lease.export()
    assert diary.told[::2] == ["acquired", "released"]  # it was renewed for its successor
    assert (diary.last.outcome, diary.last.held) == ("exported", 2)
    adopted = await successor.adopt(text)
    assert adopted is not None
    assert await successor.adopt(text) is None
    assert there.told == ["acquired"]
    assert (there.last.owner, there.last.token, there.last.queued) == ("me", lease.fencing_token, False)
    assert there.last.waited == 2


async def test_closing_ends_leases_and_waits(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    await others.acquire("other")
    lease = await locks.acquire("cron", keep_alive=True)
    waiter = asyncio.create_task(locks.acquire("other"))
    await settle()
    await locks.aclose()
    await asyncio.wait([waiter])
    assert sorted(diary.told) == ["acquired", "failed", "released", "waiting"]
    assert diary.of("released")[0].outcome == "closed"
    assert lease._holding.ended == CLOSED


async def test_a_lease_that_was_to_expire_is_not_lost(locks: LockRepository, diary: Diary) -> None:
    await locks.lock("cron", ttl=10, at_least=60).obtain()
    await asyncio.sleep(20)
    assert diary.told == ["acquired", "released"]
    assert diary.last.outcome == "expired"


async def test_each_renewal_of_a_lease_is_told_and_none_of_a_place(
    locks: LockRepository, others: LockRepository, diary: Diary, memory: FaultyLocks
) -> None:
    held = await others.acquire("other", ttl=300)
    waiter = asyncio.create_task(locks.acquire("other"))
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    memory.faults = [Fault("renew", delay=0.5, answer=True)]
    await asyncio.sleep(31)
    assert diary.of("renewed")[0].duration == 0.5
    assert [event.duration for event in diary.of("renewed")[1:]] == [0] * 2
    assert {event.name for event in diary.of("renewed")} == {"cron"}
    await lease.renew()
    await lease.renew(ttl=60)
    assert len(diary.of("renewed")) == 5
    assert diary.of("renewed")[-1].remaining == about(lease.remaining)
    await held.release()
    await waiter


async def test_a_renewal_whose_answer_comes_after_the_release_is_not_told(
    locks: LockRepository, diary: Diary, memory: FaultyLocks
) -> None:
    lease = await locks.acquire("cron", ttl=30, keep_alive=True)
    memory.faults = [Fault("renew", delay=2, answer=True)]
    await asyncio.sleep(11)
    await lease.release()
    await asyncio.sleep(5)
    assert diary.told == ["acquired", "released"]


async def test_a_renewal_is_not_told_after_the_end(locks: LockRepository, diary: Diary) -> None:
    lease = await locks.acquire("cron")
    lease._holding.renewed(now())
    lease._holding.end(CLOSED)
    await settle()
    assert diary.told == ["acquired", "released"]


async def test_a_wait_is_told_once_with_the_place_known_then_and_ends_with_its_first(diary: Diary) -> None:
    listeners = Listeners([diary], MemoryLocks().clock)
    story = story_of(listeners, Request("cron", "me", 30))
    for place in (None, 2, 1, None):
        story.waits(place)
    story.refused()
    assert diary.told == ["waiting", "busy"]
    assert [event.place for event in diary.events] == [None, 2]


async def test_what_a_listener_is_told_of_a_call_it_is_told_in_its_task(
    make: MakeRepository, others: LockRepository
) -> None:
    seen: list[tuple[str, str]] = []

    class Looks(Diary):
        def _note(self, method: str, event: object) -> None:
            seen.append((method, task_of.get()))
            super()._note(method, event)

    locks = make(event_listeners=[Looks()])

    async def one(name: str) -> None:
        task_of.set(name)
        async with locks.lock("cron", timeout=2):
            await asyncio.sleep(1)

    await asyncio.gather(one("first"), one("second"))
    held = await others.acquire("cron")
    with pytest.raises(LockTimeoutError):
        await one("third")
    task_of.set("fourth")
    await locks.obtain("cron")
    await held.release()
    told = [("acquired", "first"), ("waiting", "second"), ("acquired", "second"), ("waiting", "third")]
    assert set(seen) >= {*told, ("timed_out", "third"), ("busy", "fourth")}


async def test_whoever_hears_of_the_beginning_of_a_call_hears_all_of_it_and_nobody_else_does(
    locks: LockRepository, others: LockRepository, diary: Diary
) -> None:
    held = await others.acquire("cron")
    lease = await locks.acquire("other")
    waiter = waiting(locks)
    await settle()
    late = Diary()
    locks._member.listeners.add(late)
    await held.release()
    await (await waiter).release()
    await lease.release()
    assert late.told == []
    async with locks.lock("cron"):
        pass
    assert late.told == ["acquired", "released"]
    assert diary.told[-2:] == ["acquired", "released"]


async def test_a_claim_that_was_carried_out_without_an_answer_is_no_lease(
    locks: LockRepository, diary: Diary, memory: FaultyLocks
) -> None:
    memory.faults = [unanswered("claim")]
    with pytest.raises(LockBackendError):
        await locks.acquire("cron")
    await settle()
    assert diary.told == ["failed"]


async def test_a_grant_that_was_over_before_its_answer_is_an_error(
    locks: LockRepository, diary: Diary, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=40, answer=True)]
    with pytest.raises(LeaseLostError):
        await locks.obtain("cron", ttl=30)
    assert diary.told == ["failed"]
    assert isinstance(diary.last.error, LeaseLostError)
