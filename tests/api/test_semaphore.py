"""Locks that several may hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faulty import FaultyLocks, lost_call
from virtual import settle
from waiters import look, now, rests

from mongolock_async import Lease, LockError, LockRepository, LockTimeoutError


async def test_as_many_hold_it_as_its_capacity_has_room_for(locks: LockRepository) -> None:
    gpu = locks.semaphore("gpu", 2)
    leases = [await gpu.obtain(), await gpu.obtain(), await gpu.obtain()]
    assert [lease is not None for lease in leases] == [True, True, False]
    info = await look(locks, "gpu")
    assert (info.kind, info.capacity, len(info.holders)) == ("semaphore", 2, 2)


async def test_a_lease_has_all_of_its_weight_or_there_is_none(locks: LockRepository) -> None:
    assert await locks.semaphore("gpu", 3, weight=2).obtain() is not None
    assert await locks.semaphore("gpu", 3, weight=2).obtain() is None
    assert await locks.semaphore("gpu", 3).obtain() is not None


async def test_it_has_the_methods_of_every_lock(locks: LockRepository) -> None:
    gpu = locks.semaphore("gpu", 2, "me", weight=2, ttl=5, timeout=1)
    async with gpu as lease:
        assert (lease.owner, lease.ttl) == ("me", 5)
        with pytest.raises(LockTimeoutError):
            await gpu.acquire()
        with pytest.raises(LockTimeoutError):
            await gpu.acquire(0)

    @gpu
    async def work() -> int:
        return len((await look(locks, "gpu")).holders)

    assert await work() == 1
    assert isinstance(await gpu.acquire(), Lease)


async def test_a_lock_waits_as_long_as_it_was_made_to_unless_it_is_told_otherwise(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.acquire("cron", ttl=600)
    lock = locks.lock("cron", timeout=3)
    ways: list[tuple[dict[str, Any], float]] = [({}, 3), ({"timeout": 1}, 1), ({"timeout": 0}, 0)]
    for options, waited in ways:
        began = now()
        with pytest.raises(LockTimeoutError):
            await lock.acquire(**options)
        assert now() - began == pytest.approx(waited, abs=0.1)
    waiter = asyncio.create_task(lock.acquire(None))
    await asyncio.sleep(60)
    assert not waiter.done()
    waiter.cancel()


async def test_only_a_kept_lease_is_renewed(locks: LockRepository) -> None:
    gpu = locks.semaphore("gpu", 2, ttl=3)
    kept, other = await gpu.acquire(keep_alive=True), await gpu.obtain()
    assert other is not None
    await asyncio.sleep(10)
    assert (kept.held, other.held) == (True, False)


async def test_a_heavy_one_is_not_overtaken(locks: LockRepository, others: LockRepository) -> None:
    held = [await locks.semaphore("gpu", 2, n).acquire() for n in range(2)]
    heavy = asyncio.create_task(others.semaphore("gpu", 2, weight=2).acquire())
    await settle()
    light = asyncio.create_task(locks.semaphore("gpu", 2).acquire())
    await settle()
    await held[0].release()
    await settle()
    assert (heavy.done(), light.done()) == (False, False)
    await held[1].release()
    await settle()
    assert (heavy.done(), light.done()) == (True, False)
    await (await heavy).release()
    await light


@pytest.mark.parametrize(
    ("capacity", "weight", "error"),
    [
        (0, 1, ValueError),
        (-1, 1, ValueError),
        (2**31, 1, ValueError),
        (True, 1, TypeError),
        (2.0, 1, TypeError),
        ("2", 1, TypeError),
        (2, 0, ValueError),
        (2, -1, ValueError),
        (2, 3, ValueError),
        (2, True, TypeError),
        (2, 1.0, TypeError),
        (None, 0, ValueError),
        (None, 2**31, ValueError),
    ],
)
def test_a_wrong_weight_or_capacity_sends_nothing(
    locks: LockRepository, memory: FaultyLocks, capacity: Any, weight: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"capacity|weight"):
        locks.semaphore("gpu", capacity, weight=weight)
    assert not memory.sent


@pytest.mark.parametrize("capacity", [0, -1, True, 1.5, None, 2**31])
async def test_a_wrong_capacity_is_no_resize(
    locks: LockRepository, memory: FaultyLocks, capacity: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match="capacity"):
        await locks.resize("gpu", capacity)
    assert not memory.sent


async def test_a_name_is_one_kind_of_lock_while_it_is_in_use(locks: LockRepository) -> None:
    kinds = {
        "a mutex": locks.lock("x"),
        "a semaphore of capacity 3": locks.semaphore("x", 3),
        "a reader-writer lock": locks.rwlock("x").read(),
    }
    one = locks.semaphore("x", 1)
    for kind, lock in kinds.items():
        held = await lock.acquire()
        for other in [*kinds.values(), locks.semaphore("x", 4), one]:
            if other is lock:
                continue
            with pytest.raises(LockError, match=f"'x' is in use as {kind}"):
                await other.obtain()
            with pytest.raises(LockError, match=f"'x' is in use as {kind}"):
                await other.acquire(5)
        await held.release()
    assert await one.obtain() is not None


async def test_without_a_capacity_it_has_the_stored_one(
    locks: LockRepository, others: LockRepository
) -> None:
    await locks.resize("gpu", 2)
    gpu = others.semaphore("gpu", None)
    assert [await gpu.obtain() is not None for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("before", [None, "mutex"])
async def test_without_a_capacity_none_is_made_up(locks: LockRepository, before: str | None) -> None:
    if before:
        await (await locks.acquire("gpu")).release()
    for take in (locks.semaphore("gpu", None).obtain, locks.semaphore("gpu", None).acquire):
        with pytest.raises(LockError, match="no capacity of 'gpu' is stored"):
            await take()


async def test_what_asks_for_more_than_is_stored_is_refused(locks: LockRepository) -> None:
    await locks.resize("gpu", 2)
    for take in (
        locks.semaphore("gpu", None, weight=3).obtain,
        locks.semaphore("gpu", None, weight=3).acquire,
    ):
        with pytest.raises(LockError, match="capacity of 2 now, less than the weight of 3"):
            await take()


async def test_growing_serves_those_who_wait(locks: LockRepository, others: LockRepository) -> None:
    await locks.semaphore("gpu", 1).acquire()
    waiters = [asyncio.create_task(each.semaphore("gpu", 1).acquire()) for each in (locks, others)]
    await settle()
    await others.resize("gpu", 3)
    await settle()
    assert all(waiter.done() for waiter in waiters)


async def test_shrinking_drains_and_revokes_nobody(locks: LockRepository) -> None:
    leases = [await locks.semaphore("gpu", 3).acquire() for _ in range(3)]
    await locks.resize("gpu", 1)
    assert all([await lease.renew() for lease in leases])
    gpu = locks.semaphore("gpu", None)
    waiter = asyncio.create_task(gpu.acquire())
    for lease in leases:
        await settle()
        assert not waiter.done()
        await lease.release()
    await waiter


@pytest.mark.parametrize("called", [True, False])
async def test_whoever_waits_for_more_than_there_is_now_is_told(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, *, called: bool
) -> None:
    held = await locks.semaphore("gpu", 4).acquire()
    heavy = asyncio.create_task(others.semaphore("gpu", 4, weight=4).acquire())
    await settle()
    light = asyncio.create_task(locks.semaphore("gpu", 4).acquire())
    await settle()
    if not called:
        memory.faults.append(lost_call())
    await locks.resize("gpu", 2)
    began = now()
    with pytest.raises(LockError, match="capacity of 2 now, less than the weight of 4"):
        await heavy
    assert now() - began < (0.01 if called else 9)
    await light  # its way is free
    await held.release()
    assert rests(others)


async def test_a_lock_of_another_kind_is_not_resized_while_it_is_in_use(locks: LockRepository) -> None:
    lease = await locks.acquire("x")
    with pytest.raises(LockError, match="'x' is in use as a mutex"):
        await locks.resize("x", 3)
    await lease.release()
    await locks.resize("x", 3)
    assert (await look(locks, "x")).capacity == 3


async def test_a_semaphore_of_1_grows_again(locks: LockRepository) -> None:
    await locks.resize("gpu", 1)
    await locks.semaphore("gpu", None).acquire()
    await locks.resize("gpu", 2)
    assert await locks.semaphore("gpu", None).obtain() is not None


async def test_a_lease_that_others_may_share_has_no_fence(locks: LockRepository) -> None:
    for lock in (locks.semaphore("s", 3, weight=3), locks.rwlock("rw").read()):
        lease = await lock.acquire()
        with pytest.raises(TypeError, match="nobody shares"):
            lease.fenced(object())  # type: ignore[arg-type] # it does not come to that
