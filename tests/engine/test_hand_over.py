"""A release, where somebody of the same process waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import about, is_free, look, now, queue, rests, waiting

from mongolock_async import Lease, LockBackendError, LockRepository


@pytest.mark.parametrize("hears", [True, False])
async def test_where_nobody_else_waits_the_answer_serves_the_next_of_its_own(
    locks: LockRepository, memory: FaultyLocks, *, hears: bool
) -> None:
    memory.deafen(not hears)
    held = await locks.acquire("cron")
    waiter = waiting(locks, ttl=60, keep_alive=True)
    await settle()
    memory.sent.clear()
    assert await held.release() is True
    lease = await waiter
    assert now() == about(0)
    await settle()
    assert memory.sent == {"release": 1}
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]
    assert lease.remaining == about(9)
    await asyncio.sleep(0.25)  # its first renewal makes it whole
    assert lease.remaining == about(59 - 0.05)


async def test_one_that_is_not_kept_alive_asks_as_nothing_else_would_make_it_whole(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(locks, ttl=60)
    await settle()
    memory.sent.clear()
    assert await held.release() is True
    lease = await waiter
    assert now() == about(0)
    assert memory.sent == {"release": 1, "ask": 1}
    assert lease.remaining == about(59)


async def test_a_turn_of_a_process_is_a_release_and_the_claim_of_the_one_after_the_next(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async def work() -> None:
        async with locks.lock("cron"):
            await asyncio.sleep(0.01)

    await asyncio.gather(*(work() for _ in range(30)))
    assert now() == pytest.approx(0.3)
    assert memory.sent == {"index": 1, "claim": 30, "release": 30}


async def test_a_turn_that_takes_no_time_is_one_command(locks: LockRepository, memory: FaultyLocks) -> None:
    held = []

    async def work() -> None:
        for _ in range(10):
            async with locks.lock("cron") as lease:
                held.append(lease.fencing_token)

    await asyncio.gather(*(work() for _ in range(3)))
    assert held == sorted(set(held))
    assert len(held) == 30
    assert memory.sent == {"index": 1, "claim": 1, "hand_over": 29, "release": 1}
    assert await is_free(locks)


def turns(locks: LockRepository) -> tuple[asyncio.Task[bool], asyncio.Task[Lease]]:
    """One that takes and releases, and the next one, whose claim goes along with the release."""

    async def turn() -> bool:
        return await (await locks.acquire("cron")).release()

    return asyncio.create_task(turn()), waiting(locks, "next", ttl=60)


async def test_a_claim_that_goes_along_with_a_release_is_granted_its_whole_ttl(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    release, waiter = turns(locks)
    lease = await waiter
    assert await release is True
    assert memory.sent == {"index": 1, "claim": 1, "hand_over": 1}
    assert lease.remaining == about(59)


async def test_a_hand_over_serves_those_who_wait_elsewhere_first(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=1, answer=True)]
    release, waiter = turns(locks)
    await settle()
    waiting(others, "there", keep_alive=True)
    assert await release is True
    await settle()
    assert memory.sent["hand_over"] == 1
    info = await look(locks)
    assert [holder.owner for holder in info.holders] == ["there"]
    assert [waiter.owner for waiter in info.queue] == ["next"]
    assert not waiter.done()


@pytest.mark.parametrize("fault", [lost, unanswered])
async def test_a_hand_over_that_fails_is_an_error_to_both_and_leaves_nothing(
    locks: LockRepository, memory: FaultyLocks, fault: Callable[..., Fault]
) -> None:
    memory.faults = [fault("hand_over")]
    release, waiter = turns(locks)
    with pytest.raises(LockBackendError) as of_release:
        await release
    with pytest.raises(LockBackendError) as of_waiter:
        await waiter
    assert [of_release.value.action, of_waiter.value.action] == ["hand_over", "obtain"]
    await settle()
    info = await look(locks)
    assert (len(info.holders), info.queue) == (fault is lost, ())
    assert rests(locks)


@pytest.mark.parametrize("answer", [False, True])
async def test_one_that_leaves_during_a_hand_over_leaves_nothing_behind(
    locks: LockRepository, memory: FaultyLocks, *, answer: bool
) -> None:
    memory.faults = [Fault("hand_over", delay=1, answer=answer)]
    release, waiter = turns(locks)
    await settle()
    waiter.cancel()
    assert await release is True
    await settle()
    assert await is_free(locks)
    assert rests(locks)


async def test_a_hand_over_whose_document_is_gone_claims_anew(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("hand_over", delay=1)]
    release, waiter = turns(locks)
    await settle()
    memory._store.documents.clear()
    assert await release is False
    assert (await waiter).held
    await settle()
    assert memory.sent == {"index": 1, "claim": 2, "hand_over": 1, "withdraw": 1}


@pytest.mark.parametrize("arrival", ["before", "after"])
async def test_where_others_wait_they_come_first(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, arrival: str
) -> None:
    held = await locks.acquire("cron")
    for one in (locks, others) if arrival == "after" else (others, locks):
        waiting(one, "here" if one is locks else "there", keep_alive=True)
        await settle()
    memory.sent.clear()
    await held.release()
    await settle()
    assert memory.sent == {"release": 1, "confirm": 1}
    info = await look(locks)
    assert [holder.owner for holder in info.holders] == ["there"]
    assert [waiter.owner for waiter in info.queue] == ["here"]


async def test_others_that_were_crowding_and_have_left_crowd_no_more(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    there = waiting(others)
    await settle()
    here = waiting(locks, keep_alive=True)
    await settle()
    assert locks._member.waiting.others.crowded("cron")
    there.cancel()
    await asyncio.sleep(1.01)  # until a look has told
    memory.sent.clear()
    await held.release()
    assert (await here).held
    assert now() == about(1.01)
    assert memory.sent == {"release": 1}
    assert not locks._member.waiting.others.crowded("cron")


async def test_a_waiter_that_leaves_during_the_release_leaves_nothing_behind(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    for answer in (False, True):
        held = await locks.acquire("cron")
        waiter = waiting(locks, keep_alive=True)
        await settle()
        memory.faults = [Fault("release", delay=1, answer=answer)]
        release = asyncio.create_task(held.release())
        await settle()
        waiter.cancel()
        assert await release is True
        assert waiter.cancelled()
        await settle()
        assert await is_free(locks)
        assert rests(locks)


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_waiter_whose_claim_is_under_way_is_served_all_the_same(
    locks: LockRepository, memory: FaultyLocks, *, keep_alive: bool
) -> None:
    held = await locks.acquire("cron")
    memory.faults = [Fault("claim", delay=0.5, answer=True)]
    waiter = waiting(locks, keep_alive=keep_alive)
    await settle()
    await held.release()
    lease = await waiter
    assert now() == about(0.5)
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("fails", [lost, unanswered])
async def test_a_release_without_an_answer_serves_it_when_it_looks(
    locks: LockRepository, memory: FaultyLocks, fails: Callable[[str], Fault], *, keep_alive: bool
) -> None:
    held = await locks.acquire("cron", ttl=5)
    waiter = waiting(locks, keep_alive=keep_alive)
    await settle()
    memory.faults = [fails("release")]
    with pytest.raises(LockBackendError):
        await held.release()
    assert (await waiter).held
    if fails is lost:
        assert now() == about(5.002)
    else:
        assert now() <= 1.001


async def test_the_release_of_a_lease_that_is_over_serves_nobody(
    locks: LockRepository, others: LockRepository
) -> None:
    late = await locks.acquire("cron", ttl=1)
    await asyncio.sleep(1)
    successor = await others.acquire("cron")
    waiter = waiting(locks, "waiter")
    await settle()
    assert await late.release() is False
    await settle()
    assert not waiter.done()
    assert await queue(locks) == ["waiter"]
    assert await successor.release() is True
    assert (await waiter).held


async def test_the_tokens_of_those_who_are_served_so_grow(make: MakeRepository) -> None:
    locks = make()
    tokens = []
    for _ in range(10):
        async with locks.lock("cron") as lease:
            tokens.append(lease.fencing_token)
            waiter = waiting(locks)
            await settle()
        after = await waiter
        tokens.append(after.fencing_token)
        await after.release()
    assert tokens == sorted(set(tokens))
