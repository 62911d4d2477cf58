"""Those who wait no longer: cancelled, closed, or failed; and what they leave behind, which is nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import Pair, about, is_free, listens, look, now, pair, queue, rests, turns, waiting

from mongolock_async import Lease, LockBackendError, LockError, LockRepository

pytestmark = pytest.mark.usefixtures("untraced")

# More turns of the loop than a wait has that needs no time.
TURNS = 20
MODES = pytest.mark.parametrize("hears", [True, False], ids=["calls", "polling"])
Making = Callable[..., Fault]


async def end_of(both: Pair, waiter: asyncio.Task[Lease]) -> str:
    """How its wait has ended; soon after, the lock is free."""
    await asyncio.wait([waiter])
    if waiter.cancelled():
        end = "cancelled"
    elif error := waiter.exception():
        end = type(error).__name__
    else:
        end = "served"
        await waiter.result().release()
    await asyncio.sleep(0.05)
    assert await is_free(both.here)
    assert rests(both.there)
    return end


async def release_after(count: int, held: Lease) -> None:
    """Release it after so many turns of the loop."""
    await turns(count)
    await held.release()


@MODES
async def test_a_cancellation_in_any_turn_of_a_wait_leaves_nothing_behind(*, hears: bool) -> None:
    ends = set()
    for released, cancelled in itertools.product(range(TURNS), repeat=2):
        async with pair(hears=hears) as both:
            held = await both.here.acquire("cron")
            waiter = waiting(both.there)
            release = asyncio.create_task(release_after(released, held))
            await turns(cancelled)
            waiter.cancel()
            await release
            ends.add(await end_of(both, waiter))
    # Who polls looks after some milliseconds only.
    assert ends == ({"cancelled", "served"} if hears else {"cancelled"})


@MODES
@pytest.mark.parametrize("keep_alive", [True, False], ids=["confirmed", "asked"])
async def test_a_cancellation_at_any_moment_of_a_wait_leaves_nothing_behind(
    *, keep_alive: bool, hears: bool
) -> None:
    """A command takes a millisecond there, and one back; the lock is released after 12 of them."""
    ends = set()
    for moment in range(64):
        async with pair(hears=hears) as both:
            held = await both.here.acquire("cron")
            for action in ("claim", "ask", "look", "confirm", "release", "withdraw"):
                both.slow(action, 0.001)
                both.slow(action, 0.001, answer=True)
            waiter = waiting(both.there, keep_alive=keep_alive)
            loop = asyncio.get_running_loop()
            loop.call_later(moment * 0.0005, waiter.cancel)
            await asyncio.sleep(0.012)
            await held.release()
            ends.add(await end_of(both, waiter))
    assert ends == {"cancelled", "served"}


async def test_one_who_is_cancelled_twice_leaves_nothing_behind() -> None:
    for first, second in itertools.product(range(TURNS), range(1, 6)):
        async with pair() as both:
            held = await both.here.acquire("cron")
            waiter = waiting(both.there)
            await turns(first)
            waiter.cancel()
            await turns(second)
            waiter.cancel()
            await held.release()
            assert await end_of(both, waiter) == "cancelled"


@MODES
async def test_closing_in_any_turn_of_a_wait_leaves_nothing_behind(*, hears: bool) -> None:
    ends = set()
    for released, closed in itertools.product(range(TURNS), repeat=2):
        async with pair(hears=hears) as both:
            held = await both.here.acquire("cron")
            began = now()
            tasks = [waiting(both.there) for _ in range(2)]
            release = asyncio.create_task(release_after(released, held))
            await turns(closed)
            await both.there.aclose()
            assert now() == began
            assert rests(both.there)
            await release
            ends.update([await end_of(both, task) for task in tasks])
    assert ends == ({"LockError", "served"} if hears else {"LockError"})


async def test_closing_sends_those_who_wait_away(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=3600)
    tasks = [waiting(others) for _ in range(20)]
    await asyncio.sleep(60)
    memory.sent.clear()
    await others.aclose()
    assert now() == 60
    for task in tasks:
        with pytest.raises(LockError, match="closed"):
            await task
    assert memory.sent == {"withdraw": 1}
    assert await queue(locks) == []
    assert rests(others)
    assert others.stats().waits_by is None


async def test_who_comes_after_closing_is_sent_away_at_once(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    await locks.aclose()
    with pytest.raises(LockError, match="closed"):
        await locks.acquire("cron")
    assert memory.sent == {}


@pytest.mark.parametrize("fault", [lost, unanswered])
async def test_an_error_of_the_claim_ends_the_wait(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, fault: Making
) -> None:
    held = await locks.acquire("cron")
    for free in (False, True):
        memory.faults.append(fault("claim", delay=3))
        with pytest.raises(LockBackendError):
            await others.acquire("cron")
        await settle()
        assert await queue(locks) == []
        assert len((await look(locks)).holders) == (0 if free else 1)
        assert rests(others)
        await held.release()


@pytest.mark.parametrize("fault", [lost, unanswered])
async def test_an_error_of_a_question_ends_the_wait(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, fault: Making
) -> None:
    await listens(others)
    await locks.acquire("cron", ttl=5)
    memory.faults.append(fault("ask", times=10))
    with pytest.raises(LockBackendError):
        await others.acquire("cron")
    assert now() == about(5.002)
    await settle()
    assert await is_free(locks)
    assert rests(others)


async def test_an_error_of_a_look_ends_the_wait(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    memory.faults = [lost("look")]
    with pytest.raises(LockBackendError):
        await others.acquire("cron")
    await settle()
    assert await queue(locks) == []
    assert rests(others)


async def test_after_an_error_of_one_the_next_of_its_process_tries(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    memory.faults.append(lost("claim"))
    first, second = waiting(others, "first"), waiting(others, "second")
    with pytest.raises(LockBackendError):
        await first
    await settle()
    assert await queue(locks) == ["second"]
    await held.release()
    assert (await second).held


async def test_a_refresh_of_its_place_that_fails_ends_no_wait(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    memory.faults += [lost("refresh", times=3), unanswered("refresh", times=3)]
    waiter = waiting(others, "waiter")
    await asyncio.sleep(20)
    assert memory.sent["refresh"] > 6
    assert await queue(locks) == ["waiter"]
    await held.release()
    assert (await waiter).held


async def test_a_cancelled_waiter_leaves_the_queue_before_that_is_raised(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await settle()
    memory.faults = [Fault("withdraw", 0.5)]
    waiter.cancel()
    await asyncio.wait([waiter])
    assert waiter.cancelled()
    assert now() == about(0.5)
    assert await queue(locks) == []
    await held.release()
    assert await locks.obtain("cron") is not None


async def test_leaving_the_queue_holds_a_cancellation_up_for_a_second_at_most(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    for timeout in (None, 60):
        waiter = waiting(others, timeout=timeout)
        await settle()
        memory.faults = [Fault("withdraw", 3)]
        began = now()
        waiter.cancel()
        await asyncio.wait([waiter])
        assert waiter.cancelled()
        assert now() == about(began + 1)
        assert len(await queue(locks)) == 1
        await asyncio.sleep(2.01)  # and goes on in the background
        assert await queue(locks) == []
        assert rests(others)


async def test_a_second_cancellation_meanwhile_cuts_nothing_short(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await settle()
    memory.faults = [Fault("withdraw", 0.5)]
    for _ in range(3):
        waiter.cancel()
        await asyncio.sleep(0.1)
    assert not waiter.done()
    await asyncio.wait([waiter])
    assert waiter.cancelled()
    assert now() == about(0.5)
    assert await queue(locks) == []


async def test_a_cancellation_while_a_timeout_leaves_the_queue_is_raised_after_that(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    waiter = waiting(others, timeout=1)
    memory.faults = [Fault("withdraw", 0.5)]
    await asyncio.sleep(1.2)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert waiter.cancelled()
    assert now() == about(1.5)


async def test_of_those_who_are_cancelled_only_the_one_with_a_place_waits_until_it_is_gone(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    tasks = [waiting(others) for _ in range(3)]
    await settle()
    memory.faults = [Fault("withdraw", 0.5)]
    for task in tasks:
        task.cancel()
    await settle()
    assert [task.done() for task in tasks] == [False, True, True]
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    assert now() == about(0.5)


async def test_the_next_of_a_process_queues_up_while_a_cancelled_one_leaves(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    first, second = waiting(others, "first"), waiting(others, "second")
    await settle()
    memory.faults = [Fault("withdraw", 0.5)]
    first.cancel()
    await settle()
    assert await queue(locks) == ["first", "second"]
    await asyncio.wait([first])
    await held.release()
    assert (await second).owner == "second"
    assert now() == about(0.5)


async def test_one_that_is_cancelled_while_it_claims_waits_until_the_claim_is_withdrawn(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.create("cron")
    memory.faults = [Fault("claim", 0.5, answer=True)]
    waiter = waiting(others)
    await asyncio.sleep(0.2)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert now() == about(0.5)
    assert await locks.obtain("cron") is not None


async def test_one_that_is_cancelled_while_it_is_granted_the_lock_gives_it_to_the_next(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    first = waiting(others, keep_alive=True)
    await settle()
    second = waiting(locks)
    await settle()
    memory.faults = [Fault("confirm", 0.5)]
    await held.release()
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    assert (await second).held
    assert now() == about(0.5)
