"""Those who wait where nothing can be heard."""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging

import pytest
from faulty import Fault, FaultyLocks, deaf, lost
from virtual import settle
from waiters import MS, about, look, now, queue, stand, waiting

from mongolock_async import LockRepository


@pytest.fixture(autouse=True)
def deafness(memory: FaultyLocks) -> Fault:
    fault = deaf()
    memory.faults.append(fault)
    return fault


def longest(waited: float, before: int) -> float:
    """How long one may pause that has waited so long, and has so many before it in the queue."""
    return min(min(max(0.010, waited / 10), 0.250) * (1 + before), 1)


async def test_one_line_says_why_waiting_polls(
    locks: LockRepository, others: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        held = await locks.acquire("cron")
        waiter = waiting(others)
        await asyncio.sleep(10)
        assert others.stats().waits_by == "polling"
        await held.release()
        await (await waiter).release()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith("waiting by polling: no change stream: watch: ")
    assert "40573" in record.message


@pytest.mark.parametrize("before", [0, 1, 3, 9])
async def test_the_pauses_between_looks_grow_with_the_time_waited_and_the_place_in_the_queue(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, before: int
) -> None:
    memory.faults[:] = [Fault("listen", delay=3600)]
    await locks.acquire("cron", ttl=3600)
    for number in range(before):
        await stand(memory.backend(), f"dead.{number}")
    began = now()
    waiting(others)
    await asyncio.sleep(9)
    looks = [began, *memory.times["look"]]
    for sooner, later in itertools.pairwise(looks):
        assert longest(sooner - began, before) / 2 <= later - sooner <= longest(sooner - began, before) + 1e-9
    assert now() - looks[-1] <= longest(9, before)


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
    assert max(later - sooner for sooner, later in itertools.pairwise(looks) if sooner > 11) <= 0.26


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


async def test_a_release_in_this_process_is_looked_for_at_once(locks: LockRepository) -> None:
    held = await locks.acquire("cron", ttl=120)
    waiter = waiting(locks)
    await asyncio.sleep(20)
    began = now()
    await held.release()
    assert (await waiter).held
    assert now() == began


async def test_after_a_release_in_this_process_the_pauses_begin_anew(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults[:] = [Fault("listen", delay=3600)]
    held = await locks.acquire("cron", ttl=3600)
    waiter = waiting(locks)
    await asyncio.sleep(30)
    await stand(memory.backend(), "elsewhere.1", ttl=3600)
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


async def test_who_waits_by_polling_stops_that_when_listening_works_again(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, deafness: Fault
) -> None:
    held = await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await asyncio.sleep(8)
    deafness.times = 0
    await asyncio.sleep(7 + MS)  # it is tried again after 1, 2, 4 and 8 s
    assert others.stats().waits_by == "events"
    memory.sent.clear()
    await asyncio.sleep(1)
    assert memory.sent["look"] == 0
    began = now()
    await held.release()
    assert (await waiter).held
    assert now() == began


async def test_a_listener_that_breaks_means_polling_until_there_is_another(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    memory.faults.clear()
    held = await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await asyncio.sleep(3.5)
    assert (others.stats().waits_by, caplog.messages) == ("events", [])
    memory.faults.append(lost("next"))
    await asyncio.sleep(0.8)
    assert others.stats().waits_by == "polling"
    assert memory.sent["look"] > 0
    assert len(caplog.messages) == 1
    await asyncio.sleep(1)
    assert others.stats().waits_by == "events"
    looks = memory.sent["look"]
    await asyncio.sleep(5)
    assert memory.sent["look"] == looks
    await held.release()
    assert (await waiter).held


async def test_a_call_that_a_broken_listener_has_swallowed_is_looked_for(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults[:] = [lost("call")]
    held = await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await asyncio.sleep(20)
    await held.release()
    assert (await waiter).held
    assert now() <= 20 + longest(20, 0) + MS


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
