"""Waiting for a lock, and being called."""

from __future__ import annotations

import asyncio

import pytest
from conftest import MakeRepository
from faulty import FaultyLocks, late_call
from virtual import settle
from waiters import MS, about, is_free, look, now, queue, rests, waiting

from mongolock_async import LockRepository

# A place in the queue lives 10 s, and is refreshed every third of that.
REFRESHED = 10 / 3


async def test_a_free_lock_is_acquired_at_once(locks: LockRepository, memory: FaultyLocks) -> None:
    assert (await locks.acquire("cron")).held
    assert memory.sent == {"index": 1, "claim": 1}
    assert now() == 0


async def test_a_waiter_gets_the_lock_at_its_release(locks: LockRepository, others: LockRepository) -> None:
    held = await locks.acquire("cron", keep_alive=True)
    waiter = waiting(others)
    await asyncio.sleep(300)
    assert not waiter.done()
    await held.release()
    assert (await waiter).held
    assert now() == pytest.approx(300)


async def test_a_hand_over_is_one_write_and_one_read_and_takes_no_time(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others, keep_alive=True)
    await asyncio.sleep(0.5)
    memory.sent.clear()
    await held.release()
    await waiter
    assert now() == about(0.5)
    await settle()
    assert memory.sent == {"release": 1, "confirm": 1}


async def test_a_turn_of_two_who_contend_is_two_writes_and_one_read(
    make: MakeRepository, memory: FaultyLocks
) -> None:
    async def contend(locks: LockRepository) -> None:
        for _ in range(100):
            async with locks.lock("cron", ttl=60):
                await asyncio.sleep(0.05)

    await asyncio.gather(contend(make()), contend(make()))
    assert now() == pytest.approx(200 * 0.05)
    assert memory.sent == {"index": 2, "claim": 200, "release": 200, "confirm": 199}
    assert memory.missed == 0


async def test_every_waiter_gets_its_turn_and_has_it_alone(make: MakeRepository) -> None:
    inside, turns = 0, 0

    async def work(locks: LockRepository) -> None:
        nonlocal inside, turns
        for _ in range(5):
            async with locks.lock("cron"):
                assert inside == 0
                inside += 1
                await asyncio.sleep(1)
                inside -= 1
                turns += 1

    repositories = [make() for _ in range(3)]
    await asyncio.gather(*(work(locks) for locks in repositories * 4))
    assert turns == 60
    assert now() == pytest.approx(60)


async def test_many_tasks_of_a_process_have_one_place_in_the_queue(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    tasks = [waiting(others) for _ in range(50)]
    await settle()
    assert len(await queue(locks)) == 1
    assert others.stats().waiting == 50
    assert memory.sent["claim"] == 2
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await settle()
    assert await queue(locks) == []
    assert others.stats().waiting == 0
    assert rests(others)


async def test_who_waits_refreshes_a_place_and_looks_and_writes_nothing_else(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    waiting(others)
    await settle()
    memory.sent.clear()
    await asyncio.sleep(60)
    assert memory.sent == {"refresh": 18, "look": memory.sent["look"]}


async def test_a_place_is_refreshed_in_time(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron", ttl=3600)
    waiting(others)
    await settle()
    for second in range(1, 61):
        await asyncio.sleep(1)
        (waiter,) = (await look(locks)).queue
        assert waiter.age == about(second)
        assert 10 - REFRESHED - MS <= waiter.remaining <= 10


async def test_a_lost_place_is_taken_anew_under_a_new_id(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    waiter = waiting(others, "back again")
    await asyncio.sleep(2.6)  # the next look is later than the next refresh
    (lost,) = others._member.waiting.places("cron")
    memory._store.documents["cron"].queue.clear()
    await asyncio.sleep(REFRESHED - 2.6 - 0.01)
    assert await queue(locks) == []
    await asyncio.sleep(0.02)
    assert await queue(locks) == ["back again"]
    assert lost not in others._member.waiting.places("cron")
    assert not waiter.done()


async def test_a_lock_whose_document_is_removed_goes_to_who_waits(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    waiter = waiting(others)
    await asyncio.sleep(2.6)
    del memory._store.documents["cron"]
    assert (await waiter).held
    assert now() == about(REFRESHED)


async def test_a_holder_that_is_kept_alive_is_not_asked_after(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    """Looks tell of its next expiry before the last one that they have told of."""
    _kept = await locks.acquire("cron", ttl=30, keep_alive=True)
    waiter = waiting(others)
    await asyncio.sleep(200)
    assert memory.sent["ask"] == 0
    assert not waiter.done()


async def test_a_lease_got_by_waiting_has_the_token_that_the_server_gave(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await settle()
    await held.release()
    lease = await waiter
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]
    assert lease.fencing_token > held.fencing_token
    assert await lease.release()
    assert await is_free(locks)


async def test_a_hand_over_is_measured_by_the_servers_clock(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    for _ in range(2):
        assert others.stats().hand_off is None  # also where a lock was free at once
        await (await others.acquire("other")).release()
    waiter = waiting(others, keep_alive=True)
    await asyncio.sleep(0.5)
    memory.faults.append(late_call(0.25))
    await held.release()
    await waiter
    hand_off = others.stats().hand_off
    assert hand_off is not None
    assert hand_off.median == about(0.25)


async def test_it_says_how_it_waits(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    assert (locks.stats().waits_by, others.stats().waits_by) == (None, None)
    waiter = waiting(others)
    await settle()
    assert (locks.stats().waits_by, others.stats().waits_by) == (None, "calls")
    memory.deafen(deaf=True)
    assert (locks.stats().waits_by, others.stats().waits_by) == (None, "polling")
    await held.release()
    await waiter
    assert others.stats().waits_by is None
