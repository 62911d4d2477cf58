"""A lease that a thread renews, or finds lost, while the event loop of its holder stands still."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from faulty import FaultyLocks
from virtual import settle

from mongolock_async import Lease, LeaseLostError, LockRepository
from mongolock_async._engine.holding import EXPIRED, FORCED, RELEASED, Holding

T = TypeVar("T")


def in_a_thread(work: Callable[[], T]) -> T:
    """Its result; the loop stands still meanwhile."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def renew(lease: Lease, memory: FaultyLocks) -> None:
    """A thread hears that it was renewed just now."""
    in_a_thread(lambda: lease._holding.renewed(memory.clock.now()))


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks whose clock shows the loop's time in every thread, as the system's clock does."""
    memory, loop = FaultyLocks(), asyncio.get_running_loop()
    clock: Any = memory.clock
    clock.now = lambda: loop.time() + clock.ahead
    return memory


@pytest.fixture
async def lease(locks: LockRepository) -> Lease:
    """One that nothing but the test renews."""
    return await locks.acquire("cron", ttl=30)


@pytest.fixture
def heard(lease: Lease) -> list[str]:
    """The threads in which it was called back at the end of the lease."""
    heard: list[str] = []
    lease._holding.on_end(lambda _: heard.append(threading.current_thread().name))
    return heard


async def test_a_lease_that_a_thread_renews_is_held_though_the_loop_stood_still_for_longer_than_its_ttl(
    lease: Lease, memory: FaultyLocks
) -> None:
    for _ in range(5):
        memory.advance(20)  # the loop does not run
        renew(lease, memory)
    assert lease.remaining == pytest.approx(29)
    await settle()
    assert (lease.held, lease.lost.is_set()) == (True, False)


async def test_the_deadline_is_read_in_every_thread(lease: Lease, memory: FaultyLocks) -> None:
    assert in_a_thread(lambda: lease.held)
    assert in_a_thread(lambda: lease.remaining) == pytest.approx(29)
    memory.advance(29)
    assert in_a_thread(lambda: (lease.held, lease.remaining)) == (False, 0.0)


async def test_a_late_renewal_of_a_lease_that_the_loop_has_not_ended_yet_saves_it(
    lease: Lease, memory: FaultyLocks
) -> None:
    """The timer is due, and reads the deadline again before it ends anything."""
    memory.advance(29.5)
    assert not lease.held
    in_a_thread(lambda: lease._holding.renewed(memory.clock.now() - 5))
    await settle()
    assert (lease.held, lease.lost.is_set()) == (True, False)


async def test_what_a_thread_finds_lost_is_not_held_at_once_and_the_loop_hears_when_it_runs(
    lease: Lease, heard: list[str]
) -> None:
    in_a_thread(lease._holding.gone)
    assert (lease.held, lease.remaining, in_a_thread(lambda: lease.held)) == (False, 0.0, False)
    assert (heard, lease.lost.is_set()) == ([], False)
    await settle()
    assert (heard, lease.lost.is_set()) == (["MainThread"], True)


async def test_an_end_that_the_loop_finds_before_it_hears_of_the_threads_is_told_once(
    lease: Lease, heard: list[str]
) -> None:
    in_a_thread(lease._holding.gone)
    lease._holding.end(RELEASED)
    assert (lease._holding.ended, len(heard), lease.lost.is_set()) == (FORCED, 1, True)
    await settle()
    assert len(heard) == 1


async def test_a_released_lease_is_not_ended_again_by_a_thread(lease: Lease, heard: list[str]) -> None:
    await lease.release()
    in_a_thread(lease._holding.gone)
    await settle()
    assert (lease._holding.ended, len(heard), lease.lost.is_set()) == (RELEASED, 1, False)


async def test_a_lease_that_has_expired_is_not_revived_by_a_thread(lease: Lease, memory: FaultyLocks) -> None:
    memory.advance(29.5)
    await settle()
    renew(lease, memory)
    assert (lease._holding.ended, lease.held) == (EXPIRED, False)


async def test_a_member_counts_a_loss_that_a_thread_has_found(locks: LockRepository, lease: Lease) -> None:
    in_a_thread(lease._holding.gone)
    await settle()
    assert (locks.stats().held, locks.stats().losses) == (0, 1)


async def test_a_block_whose_body_let_nothing_else_run_raises_what_a_thread_has_found(
    locks: LockRepository,
) -> None:
    with pytest.raises(LeaseLostError) as lost:
        async with locks.lock("cron") as lease:
            in_a_thread(lease._holding.gone)
    assert lost.value.reason == FORCED


async def test_a_body_is_cancelled_at_its_next_await_after_a_thread_has_found_the_loss(
    locks: LockRepository,
) -> None:
    went_on = False
    with pytest.raises(LeaseLostError, match=FORCED):
        async with locks.lock("cron") as lease:
            in_a_thread(lease._holding.gone)
            await lease.lost.wait()
            await settle()
            went_on = True
    assert not went_on


async def test_an_end_after_the_loop_was_closed_is_nobodys_affair() -> None:
    holdings: list[Holding] = []

    def elsewhere() -> None:
        async def main() -> None:
            locks = LockRepository(FaultyLocks())
            holdings.append((await locks.acquire("cron"))._holding)
            await locks.aclose()

        asyncio.run(main())

    in_a_thread(elsewhere)
    holdings[0].end(EXPIRED)
    assert not holdings[0].held
