"""Several locks at a time: all of them, or none."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import about, is_free, look, now, rests

from mongolock_async import LeaseLostError, LockBackendError, LockError, LockRepository, LockTimeoutError

NAMES = ["a", "b", "c", "d"]


async def held(locks: LockRepository) -> list[str]:
    """Those that somebody holds or waits for."""
    infos = [info async for info in locks.list()]
    return [info.name for info in infos if info.holders or info.queue]


async def test_no_order_of_the_callers_deadlocks(locks: LockRepository, others: LockRepository) -> None:
    inside: set[str] = set()

    async def work(repository: LockRepository) -> None:
        for _ in range(20):
            names = random.sample(NAMES, random.randint(2, 4))
            async with repository.lock_all(*names):
                assert inside.isdisjoint(names)
                inside.update(names)
                await asyncio.sleep(random.choice([0, 0.1, 3]))
                inside.difference_update(names)

    await asyncio.gather(*(work(repository) for repository in (locks, others) for _ in range(4)))
    assert await held(locks) == []
    assert rests(locks)
    assert rests(others)


async def test_an_obtain_that_is_refused_leaves_nothing_behind(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.obtain("c")
    assert await locks.lock_all(*NAMES).obtain() is None
    assert await held(locks) == ["c"]
    assert rests(locks)


@pytest.mark.parametrize("fails", [lost, unanswered])
async def test_an_obtain_whose_third_claim_raises_leaves_nothing_behind(
    locks: LockRepository, memory: FaultyLocks, fails: Callable[[str], Fault]
) -> None:
    await locks.create("warm")
    third = fails("claim")
    memory.faults = [Fault("claim", answer=third.answer, times=2), third]
    with pytest.raises(LockBackendError):
        await locks.lock_all(*NAMES).obtain()
    await settle()
    assert memory.sent["claim"] == 3
    assert await held(locks) == []
    assert rests(locks)


@pytest.mark.parametrize("way", ["obtain", "acquire", "block"])
@pytest.mark.parametrize("answer", [False, True])
async def test_one_that_is_cancelled_on_its_way_leaves_nothing_behind(
    locks: LockRepository, memory: FaultyLocks, way: str, *, answer: bool
) -> None:
    several = locks.lock_all(*NAMES)
    memory.faults = [Fault("claim", answer=answer, times=2), Fault("claim", delay=2, answer=answer)]

    async def work() -> None:
        if way == "block":
            async with several:
                raise AssertionError
        await (several.obtain() if way == "obtain" else several.acquire())

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    assert "b" in await held(locks)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(2)
    assert await held(locks) == []
    assert rests(locks)


async def test_one_that_waits_and_is_cancelled_gives_back_the_others_before_it_ends(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("d", ttl=600)
    task = asyncio.create_task(locks.lock_all(*NAMES).acquire())
    await asyncio.sleep(1)
    assert await held(locks) == NAMES
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await held(locks) == ["d"]
    assert rests(locks)


async def test_one_timeout_is_for_all(locks: LockRepository, others: LockRepository) -> None:
    first = await others.acquire("b", ttl=600)
    await others.acquire("d", "them", ttl=600)
    asyncio.get_running_loop().call_later(3, lambda: asyncio.ensure_future(first.release()))
    with pytest.raises(LockTimeoutError) as raised:
        await locks.lock_all(*NAMES, timeout=5).acquire()
    assert now() == about(5)
    assert (raised.value.name, raised.value.timeout, raised.value.owner) == ("d", 5, "them")
    await settle()
    assert await held(locks) == ["d"]


async def test_one_second_of_grace_is_for_all(locks: LockRepository, memory: FaultyLocks) -> None:
    await locks.create("warm")
    memory.faults = [Fault("claim", delay=0.6, times=4)]
    with pytest.raises(LockBackendError):
        await locks.lock_all(*NAMES, timeout=0.1).acquire()
    assert now() == about(1.1)
    await asyncio.sleep(5)
    assert await held(locks) == []


async def test_the_smallest_timeout_takes_free_locks(locks: LockRepository) -> None:
    assert len(await locks.lock_all(*NAMES).acquire(1e-9)) == 4


async def test_without_time_to_wait_each_is_asked_for_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.acquire("b")
    memory.sent.clear()
    with pytest.raises(LockTimeoutError):
        await locks.lock_all(*NAMES).acquire(0)
    assert memory.sent["claim"] == 2
    assert await held(locks) == ["b"]


async def test_those_it_has_live_while_it_waits_for_the_next(
    locks: LockRepository, others: LockRepository
) -> None:
    last = await others.acquire("d", ttl=600)
    for keep_alive in (False, True):
        several = locks.lock_all(*NAMES, ttl=5)
        waiter = asyncio.create_task(several.acquire(keep_alive=keep_alive))
        await asyncio.sleep(61)
        await last.release()
        leases = await waiter
        assert all(lease.remaining >= 0.7 * 5 for lease in leases)
        await asyncio.sleep(10)
        assert [lease.held for lease in leases] == [keep_alive] * 4
        await asyncio.gather(*(lease.release() for lease in leases))
        last = await others.acquire("d", ttl=600)


async def test_what_is_had_at_once_is_not_renewed(locks: LockRepository, memory: FaultyLocks) -> None:
    leases = await locks.lock_all(*NAMES).acquire()
    assert (memory.sent["claim"], memory.sent["prolong"]) == (4, 0)
    await asyncio.sleep(40)
    assert not any(lease.held for lease in leases)


async def test_the_loss_of_one_while_it_waits_ends_the_wait(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("d", ttl=600)
    waiter = asyncio.create_task(locks.lock_all(*NAMES, ttl=3).acquire())
    await asyncio.sleep(1.5)
    await others.force_release("b")
    with pytest.raises(LeaseLostError) as raised:
        await waiter
    assert raised.value.name == "b"
    assert now() < 3
    assert await held(locks) == ["d"]
    assert rests(locks)


async def test_a_wait_that_a_loss_has_ended_leaves_its_task_uncancelled(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("d", ttl=600)
    asyncio.get_running_loop().call_later(1.5, lambda: asyncio.ensure_future(others.force_release("b")))
    with pytest.raises(LeaseLostError):
        await locks.lock_all(*NAMES, ttl=3).acquire()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(1)


async def test_one_lost_before_the_last_is_had_is_the_end_of_an_obtain(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    await locks.create("warm")
    memory.faults = [Fault("claim"), Fault("claim", delay=4)]
    with pytest.raises(LeaseLostError) as raised:
        await locks.lock_all(*NAMES, ttl=3).obtain()
    assert raised.value.name == "a"
    await asyncio.sleep(5)
    assert await held(locks) == []
    assert rests(locks)


async def test_the_loss_of_one_cancels_the_body_once_and_all_are_released_after_it(
    locks: LockRepository, others: LockRepository
) -> None:
    cancellations, free_meanwhile = 0, True
    with pytest.raises(LeaseLostError) as raised:
        async with locks.lock_all(*NAMES, ttl=3):
            await others.force_release("c")
            await others.force_release("a")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancellations += 1
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(2):
                        await asyncio.sleep(60)
                free_meanwhile = await others.obtain("d") is not None
                raise
    assert raised.value.name in {"a", "c"}
    assert (cancellations, free_meanwhile) == (1, False)
    assert await held(locks) == []
    assert rests(locks)


async def test_an_error_of_the_body_has_a_note_of_each_loss(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(KeyError) as raised:
        async with locks.lock_all(*NAMES, ttl=3):
            await others.force_release("a")
            await others.force_release("c")
            raise KeyError
    assert [note.split("'")[1] for note in raised.value.__notes__] == ["a", "c"]
    assert await held(locks) == []


async def test_a_loss_that_the_body_has_not_seen_is_raised_at_its_end(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError) as raised:
        async with locks.lock_all(*NAMES):
            await others.force_release("c")
    assert raised.value.name == "c"


async def test_closing_cancels_the_body_and_all_are_released_after_it(
    locks: LockRepository, others: LockRepository
) -> None:
    held_meanwhile: list[str] = []

    async def work() -> None:
        async with locks.lock_all(*NAMES):
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(2)
                held_meanwhile.extend(await held(others))

    task = asyncio.create_task(work())
    await settle()
    await locks.aclose()
    assert now() == about(2)
    with pytest.raises(LeaseLostError):
        await task
    assert held_meanwhile == NAMES
    assert await held(others) == []


async def test_closing_while_it_waits_gives_back_what_it_has(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("d", ttl=600)
    waiter = asyncio.create_task(locks.lock_all(*NAMES).acquire())
    await asyncio.sleep(1)
    await locks.aclose()
    with pytest.raises(LockError):
        await waiter
    assert await held(others) == ["d"]


async def test_a_release_of_one_in_the_body_is_no_loss(locks: LockRepository) -> None:
    async with locks.lock_all(*NAMES) as (a, *_):
        assert await a.release()
        assert await is_free(locks, "a")
        assert not await is_free(locks, "b")
    assert await held(locks) == []


async def test_releases_go_at_a_time(locks: LockRepository, memory: FaultyLocks) -> None:
    async with locks.lock_all(*NAMES):
        memory.faults = [Fault("release", delay=0.5, answer=True, times=4)]
        began = now()
    assert now() - began == about(0.5)


async def test_a_block_that_is_cancelled_at_its_end_releases_all(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    async def work() -> None:
        async with locks.lock_all(*NAMES):
            memory.faults = [Fault("release", delay=0.5, times=4)]
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(1)
    assert await held(locks) == []
    assert (await look(locks, "a")).fencing_token > 0


async def test_what_was_had_in_vain_does_not_stay_taken(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("d", ttl=600)
    several = locks.lock_all(*NAMES, at_least=60, timeout=1)
    assert await several.obtain() is None
    with pytest.raises(LockTimeoutError):
        await several.acquire()
    assert await held(locks) == ["d"]


async def test_all_names_stay_taken_for_at_least_so_long(locks: LockRepository) -> None:
    async with locks.lock_all("a", "b", at_least=60):
        pass
    assert await held(locks) == ["a", "b"]
    await asyncio.sleep(60)
    assert await held(locks) == []


async def test_one_that_expires_as_it_was_to_is_no_loss(
    locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mongolock_async"):
        leases = await locks.lock_all("a", "b", ttl=5, at_least=60).acquire()
        await asyncio.sleep(30)
    assert not any(lease.held for lease in leases)
    assert (locks.stats().losses, caplog.messages) == (0, [])
    assert await held(locks) == ["a", "b"]


async def test_a_body_may_close_its_own_repository(locks: LockRepository, others: LockRepository) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock_all(*NAMES):
            await locks.aclose()
            await asyncio.sleep(60)
    assert now() < 1
    assert await held(others) == []


async def test_its_leases_may_be_blocks_inside_the_block(locks: LockRepository) -> None:
    async with locks.lock_all("a", "b") as (a, _):
        async with a:
            pass
        assert await held(locks) == ["b"]
    assert await held(locks) == []


async def test_a_loss_that_is_found_when_the_last_is_had_leaves_nothing_behind(
    locks: LockRepository, others: LockRepository
) -> None:
    last = await others.acquire("d", ttl=600)
    waiter = asyncio.create_task(locks.lock_all(*NAMES).acquire())
    await asyncio.sleep(9)
    await others.force_release("b")
    await last.release()
    with pytest.raises(LeaseLostError) as raised:
        await waiter
    assert (raised.value.name, now()) == ("b", about(9))
    assert await held(locks) == []
    assert rests(locks)


async def test_what_nothing_renews_from_here_on_has_its_whole_ttl(
    locks: LockRepository, others: LockRepository
) -> None:
    last = await others.acquire("d", ttl=600)
    waiter = asyncio.create_task(locks.lock_all(*NAMES).acquire())
    await asyncio.sleep(9)
    await last.release()
    assert min(lease.remaining for lease in await waiter) > 28


async def test_giving_back_is_waited_for_and_no_longer_than_a_second(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await others.acquire("d", ttl=600)
    for slow, waited in ((0.5, 0.5), (5.0, 1.0)):
        memory.faults = [Fault("withdraw", delay=slow, times=3)]
        began = now()
        assert await locks.lock_all(*NAMES).obtain() is None
        assert now() - began == about(waited)
        await asyncio.sleep(5)
        assert await held(locks) == ["d"]


async def test_the_error_names_the_one_that_was_lost_first(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError) as raised:
        async with locks.lock_all(*NAMES) as (a, _, c, _):
            await others.force_release("c")
            await others.force_release("a")
            try:
                await c.renew()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await a.renew()
                raise
    assert raised.value.name == "c"


async def test_closing_waits_as_long_as_the_last_lease_lives(
    locks: LockRepository, others: LockRepository
) -> None:
    async def work() -> None:
        async with locks.lock_all("a", "b") as (_, b):
            await b.renew(ttl=100)
            try:
                await asyncio.sleep(600)
            finally:
                await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await settle()
    await locks.aclose(timeout=None)
    assert now() == about(60)
    with pytest.raises(LeaseLostError):
        await task
    assert await held(others) == []


async def test_one_that_expired_while_the_machine_slept_leaves_nothing_behind(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    await locks.create("warm")
    memory.faults = [Fault("claim", times=3), Fault("claim", delay=1)]
    task = asyncio.create_task(locks.lock_all(*NAMES).obtain())
    await asyncio.sleep(0.5)
    clock: Any = locks._member.clock
    clock.ahead += 40  # no timer knows of that
    with pytest.raises(LeaseLostError) as raised:
        await task
    assert raised.value.name == "a"
    await settle()
    assert await held(locks) == []
