"""Whether a lock is taken, or its server away: a wait tells the two apart, and ends in time either way."""

from __future__ import annotations

import asyncio

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks
from virtual import settle
from waiters import about, is_free, now, queue, rests, waiting

from mongolock_async import LockBackendError, LockRepository, LockTimeoutError


@pytest.fixture
async def _warm(locks: LockRepository, others: LockRepository) -> None:
    """The index is made, so that a claim is one command."""
    await locks.create("cron")
    await others.create("cron")


@pytest.mark.parametrize("timeout", [0, 0.002, 5])
@pytest.mark.parametrize("warm", [True, False])
async def test_a_server_that_has_not_answered_is_no_lock_that_is_taken(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, timeout: float, *, warm: bool
) -> None:
    await locks.create("cron")
    if warm:
        await others.create("cron")
    with memory.silent():
        with pytest.raises(
            LockBackendError, match="acquire 'cron': MongoDB failed: no answer in time"
        ) as caught:
            await others.acquire("cron", timeout=timeout)
        assert now() == pytest.approx(timeout + 1)
    assert (caught.value.action, caught.value.name, caught.value.code) == ("acquire", "cron", None)
    assert caught.value.__cause__ is None
    await settle()
    assert rests(others)
    assert await is_free(locks)  # what was claimed meanwhile is withdrawn


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("timeout", [0.002, 5])
async def test_the_error_of_a_claim_that_fails_in_the_time_of_grace_is_told(
    locks: LockRepository, memory: FaultyLocks, timeout: float
) -> None:
    memory.faults = [Fault("claim", timeout + 0.5, LockBackendError("obtain", "cron", "AutoReconnect"))]
    with pytest.raises(LockBackendError, match="AutoReconnect"):
        await locks.acquire("cron", timeout=timeout)
    assert now() == pytest.approx(timeout + 0.5)


async def test_a_server_that_has_said_during_the_wait_that_the_lock_is_taken_is_believed(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", "holder", ttl=60)
    waiter = waiting(others, timeout=5)
    await asyncio.sleep(1)
    with memory.silent():
        with pytest.raises(LockTimeoutError) as caught:
            await waiter
        assert now() == pytest.approx(6)
    assert (caught.value.owner, caught.value.age) == ("holder", about(6))


async def test_what_the_server_has_said_before_the_wait_counts_for_nothing(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await asyncio.sleep(1)
    with memory.silent():
        with pytest.raises(LockBackendError, match="no answer in time"):
            await others.acquire("cron", timeout=2)
        assert now() == pytest.approx(4)
    waiter.cancel()


async def test_who_is_told_last_that_nobody_has_it_is_not_told_that_it_is_taken(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=30)
    await others.create("warm")
    waiter = waiting(others, timeout=5)
    await settle()
    # The grant is not heard of; the look that finds it comes back, and the question after that does not.
    memory.faults = [Fault("call", 60), Fault("ask", 60)]
    await held.release()
    with pytest.raises(LockBackendError, match="no answer in time"):
        await waiter
    assert now() == about(6)
    assert memory.sent["look"] == 1


async def test_a_lock_whose_document_is_gone_is_not_taken(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=30)
    waiter = waiting(others, timeout=2)
    await settle()
    memory.faults = [Fault("ask", 60)]
    memory._store.documents.clear()
    with pytest.raises(LockBackendError, match="no answer in time"):
        await waiter
    assert now() == pytest.approx(3)


@pytest.mark.usefixtures("_warm")
async def test_nothing_is_asked_anew_when_the_time_is_up(others: LockRepository, memory: FaultyLocks) -> None:
    memory.sent.clear()
    memory.faults = [Fault("claim", delay=0.7, answer=True)]
    with pytest.raises(LockBackendError):
        await others.acquire("cron", ttl=0.6, timeout=0.2)
    assert now() == pytest.approx(0.7)
    assert memory.sent["claim"] == 1


@pytest.mark.usefixtures("_warm")
async def test_claims_that_are_answered_too_late_time_after_time_are_no_lock_that_is_taken(
    others: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults = [Fault("claim", delay=4, answer=True, times=10)]
    with pytest.raises(LockBackendError, match="no answer in time"):
        await others.acquire("cron", ttl=3, timeout=10)
    assert now() == pytest.approx(11)


async def test_those_behind_another_of_their_process_look_once_when_their_time_is_up(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", "holder", ttl=60)
    first = waiting(others)
    await asyncio.sleep(0.1)
    tasks = [waiting(others, timeout=timeout) for timeout in (0.001, 0.001, 0.001, 0.01, 0.01, 0.5)]
    for task in tasks:
        with pytest.raises(LockTimeoutError) as caught:
            await task
        assert caught.value.owner == "holder"
    assert now() == about(0.6)
    assert memory.sent["look"] == 1
    assert not first.done()


@pytest.mark.parametrize("timeout", [0.001, 0.5])
async def test_those_behind_another_of_their_process_hear_of_the_error_of_their_look(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, timeout: float
) -> None:
    await locks.acquire("cron", ttl=60)
    first = waiting(others)
    await asyncio.sleep(1.1)
    error = LockBackendError("look", "cron", "NotPrimaryError", 10107)
    error.__cause__ = OSError("of the driver")
    memory.faults = [Fault("look", 0.5, error)]
    tasks = [waiting(others, timeout=timeout) for _ in range(2)]
    for task in tasks:
        with pytest.raises(
            LockBackendError, match=r"acquire 'cron': .* NotPrimaryError \(code 10107\)"
        ) as caught:
            await task
        assert caught.value.__cause__ is error.__cause__
    assert now() == pytest.approx(1.1 + timeout + 0.5)
    assert not first.done()


@pytest.mark.parametrize("timeout", [0, 0.002])
async def test_a_small_timeout_waits_for_the_answer_to_its_one_question(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, timeout: float
) -> None:
    memory.faults = [Fault("index", 0.3), Fault("claim", 0.3), Fault("claim", 0.3, answer=True)]
    lease = await others.acquire("cron", timeout=timeout)
    assert now() == pytest.approx(0.9)
    assert lease.held
    memory.faults = [Fault("index", 0.3), Fault("claim", 0.3), Fault("claim", 0.3, answer=True)]
    with pytest.raises(LockTimeoutError):
        await locks.acquire("cron", timeout=timeout)
    assert now() == pytest.approx(1.8)
    assert await queue(locks) == []
    assert rests(locks)


@pytest.mark.parametrize("hears", [True, False], ids=["calls", "polling"])
@pytest.mark.parametrize("keep_alive", [True, False], ids=["confirmed", "asked"])
async def test_a_question_that_is_under_way_when_the_time_is_up_may_still_serve_it(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, *, keep_alive: bool, hears: bool
) -> None:
    memory.deafen(not hears)
    held = await locks.acquire("cron")
    waiter = waiting(others, timeout=5, keep_alive=keep_alive)
    memory.faults = [Fault(action, 0.9, answer=True) for action in ("confirm", "ask")]
    await asyncio.sleep(4.5)
    await held.release()
    assert (await waiter).held
    assert 5 < now() < 6


@pytest.mark.usefixtures("_warm")
async def test_a_question_and_leaving_share_one_second(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    memory.faults = [Fault("claim", 1.2), Fault("withdraw", 5)]
    with pytest.raises(LockTimeoutError):
        await others.acquire("cron", timeout=0.5)
    assert now() == pytest.approx(1.5)


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("timeout", [0, 0.5])
async def test_a_claim_that_is_answered_a_second_after_the_timeout_is_given_back(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, timeout: float
) -> None:
    memory.faults.append(Fault("claim", delay=timeout + 1.1, answer=True))
    with pytest.raises(LockBackendError, match="no answer in time"):
        await others.acquire("cron", timeout=timeout)
    assert now() == pytest.approx(timeout + 1)
    assert not await is_free(locks)
    await asyncio.sleep(0.2)
    assert await is_free(locks)
    assert rests(others)


@pytest.mark.parametrize("timeout", [0, 0.002, 1])
async def test_one_that_asks_after_an_outage_is_served(
    make: MakeRepository, memory: FaultyLocks, timeout: float
) -> None:
    locks = make()
    with memory.silent(), pytest.raises(LockBackendError):
        await locks.acquire("cron", timeout=timeout)
    await settle()
    assert (await locks.acquire("cron", timeout=timeout)).held
