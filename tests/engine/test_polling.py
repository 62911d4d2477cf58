"""Those who wait where nothing can be heard."""

from __future__ import annotations

import asyncio
import copy
import itertools

import pytest
from faulty import FaultyLocks, lost_call
from virtual import settle
from waiters import MS, about, look, now, queue, stand, waiting

from mongolock_async import LockRepository


@pytest.fixture(autouse=True)
def _deafness(memory: FaultyLocks) -> None:
    memory.deafen(deaf=True)


def longest(waited: float, before: int) -> float:
    """How long one may pause that has waited so long, and has so many before it in the queue."""
    return min(min(max(0.010, waited / 10), 0.250) * (1 + before), 1)


async def test_it_says_that_it_polls(locks: LockRepository, others: LockRepository) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await asyncio.sleep(10)
    assert (locks.stats().waits_by, others.stats().waits_by) == (None, "polling")
    await held.release()
    assert (await waiter).held


@pytest.mark.parametrize("before", [0, 1, 3, 9])
async def test_the_pauses_between_looks_grow_with_the_time_waited_and_the_place_in_the_queue(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, before: int
) -> None:
    await locks.acquire("cron", ttl=3600)
    for number in range(before):
        await stand(memory.backend(), f"dead.{number}")
    began = now()
    waiting(others)
    await asyncio.sleep(9)
    looks = [began, *memory.times["look"]]
    assert now() - looks[-1] <= 2 * longest(9, before)
    for sooner, later in itertools.pairwise(looks):
        most = longest(sooner - began, before)
        if any(sooner < refresh <= later for refresh in memory.times["refresh"]):
            most *= 2  # that was a look, too
        assert longest(sooner - began, before) / 2 <= later - sooner <= most + 1e-9


async def test_one_who_moves_up_looks_more_often(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    for number in range(9):
        await stand(memory.backend(), f"dead.{number}")
    waiting(others)
    await asyncio.sleep(20)
    looks = memory.times["look"]
    assert min(later - sooner for sooner, later in itertools.pairwise(looks) if 8 < sooner < 9) >= 0.5 - 1e-9
    # Twice that, where a refresh comes between.
    assert max(later - sooner for sooner, later in itertools.pairwise(looks) if sooner > 11.1) <= 0.51


async def test_a_look_never_writes(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    waiting(others)
    await settle()
    before = copy.deepcopy(memory._store.documents)
    memory.sent.clear()
    await asyncio.sleep(3)  # its place is refreshed a little later
    assert memory.sent.keys() == {"look"}
    assert memory.sent["look"] > 20
    assert memory._store.documents == before


async def test_a_look_that_shows_a_grant_is_followed_by_one_question(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await asyncio.sleep(2)
    await held.release()
    memory.sent.clear()
    lease = await waiter
    assert memory.sent == {"look": 1, "ask": 1}
    assert lease.remaining == about(29)
    assert now() <= 2 + longest(2, 0) + 1e-9


async def test_a_release_in_this_process_is_known_at_once(locks: LockRepository, memory: FaultyLocks) -> None:
    held = await locks.acquire("cron", ttl=120)
    waiter = waiting(locks)
    await asyncio.sleep(20)
    began = now()
    await held.release()
    assert (await waiter).held
    assert now() == began
    assert memory.sent["confirm"] == 0


async def test_after_a_release_in_this_process_the_pauses_begin_anew(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=3600)
    waiter = waiting(locks)
    await asyncio.sleep(30.5)
    await stand(memory.backend(), "elsewhere.1", ttl=3600)
    await asyncio.sleep(0.51)  # a look has told
    began = now()
    memory.times.clear()
    await held.release()  # the lock goes elsewhere, and ours looks in vain
    await asyncio.sleep(1)
    looks = memory.times["look"]
    assert looks[0] == began
    assert all(
        later - sooner <= longest(sooner - began, 0) + 1e-9 for sooner, later in itertools.pairwise(looks)
    )
    assert not waiter.done()


async def test_a_release_in_this_process_wakes_those_of_this_lock_alone(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    other = await locks.acquire("other", ttl=120)
    await others.acquire("cron", ttl=120)
    waiting(locks)
    await asyncio.sleep(30)
    began = now()
    memory.times.clear()
    await other.release()
    await settle()
    assert memory.times["look"] == []
    assert now() == about(began)


async def test_who_waits_by_polling_stops_that_when_calls_are_heard_again(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await asyncio.sleep(8)
    memory.deafen(deaf=False)
    assert others.stats().waits_by == "calls"
    await settle()
    memory.sent.clear()
    await asyncio.sleep(4)
    assert memory.sent["look"] <= 4
    began = now()
    await held.release()
    assert (await waiter).held
    assert now() == began


async def test_an_ear_that_goes_deaf_means_polling_from_then_on(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.deafen(deaf=False)
    held = await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await asyncio.sleep(20.1)
    memory.deafen(deaf=True)
    memory.times.clear()
    await settle()
    assert memory.times["look"] == [about(20.1)]  # for what may have been missed
    await asyncio.sleep(5)
    assert memory.sent["look"] >= 20
    began = now()
    await held.release()
    assert (await waiter).held
    assert now() <= began + longest(25, 0) + MS


async def test_what_was_called_while_nobody_knew_of_the_deafness_is_found_when_it_is_known(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.deafen(deaf=False)
    held = await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await asyncio.sleep(20.1)
    memory.faults = [lost_call()]
    await held.release()
    await settle()
    assert not waiter.done()
    memory.deafen(deaf=True)
    assert (await waiter).held
    assert now() == about(20.1)


async def test_who_polls_refreshes_its_place(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron", ttl=120)
    waiter = waiting(others, "waiter")
    await asyncio.sleep(60)
    assert await queue(locks) == ["waiter"]
    assert (await look(locks)).queue[0].age == about(60)
    assert not waiter.done()


async def test_who_polls_finds_out_at_once_that_its_place_is_lost(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=120)
    waiting(others, "waiter")
    await asyncio.sleep(11)
    memory._store.documents["cron"].queue.clear()
    await asyncio.sleep(0.25 + MS)
    assert await queue(locks) == ["waiter"]
