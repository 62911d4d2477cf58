"""``await lock.locked()``: whether an ``obtain`` would be refused now."""

from __future__ import annotations

import asyncio

import pytest
from faulty import FaultyLocks
from waiters import waiting

from mongolock_async import LockError, LockRepository
from mongolock_async._protocol.reply import Person, View
from mongolock_async._protocol.request import Request


async def test_a_lock_is_locked_while_somebody_has_it(locks: LockRepository, others: LockRepository) -> None:
    lock = locks.lock("cron")
    assert await lock.locked() is False
    lease = await others.acquire("cron")
    assert await lock.locked() is True
    await lease.release()
    assert await lock.locked() is False


async def test_a_lock_is_locked_by_its_own_repository_too(locks: LockRepository) -> None:
    async with locks.lock("cron"):
        assert await locks.lock("cron").locked() is True


async def test_a_lock_whose_holder_has_expired_is_not_locked(locks: LockRepository) -> None:
    await locks.acquire("cron", ttl=5)
    await asyncio.sleep(5)
    assert await locks.lock("cron").locked() is False
    assert await locks.obtain("cron") is not None


async def test_a_lock_that_is_waited_for_is_locked(locks: LockRepository, others: LockRepository) -> None:
    await others.acquire("cron", ttl=5)
    waiter = waiting(others)
    await asyncio.sleep(4.9995)
    await asyncio.sleep(0.0005)  # the holder has expired, and whoever waits has not asked yet
    assert await locks.lock("cron").locked() is True
    assert (await waiter).held


async def test_to_ask_is_one_read_and_makes_nothing(locks: LockRepository, memory: FaultyLocks) -> None:
    assert await locks.lock("cron").locked() is False
    assert memory.sent == {"view": 1}
    assert await locks.get("cron") is None


async def test_a_closed_repository_does_not_answer(locks: LockRepository) -> None:
    lock = locks.lock("cron")
    await locks.aclose()
    with pytest.raises(LockError, match="closed"):
        await lock.locked()


def view(*weights: int, capacity: int = 1, waiting: int = 0) -> View:
    """Held in these weights."""

    def person(weight: int) -> Person:
        return {"owner": "a", "weight": weight, "age_ms": 1, "left_ms": 1}

    return {
        "kind": "semaphore",
        "capacity": capacity,
        "token": 7,
        "holders": [person(weight) for weight in weights],
        "queue": [person(1) for _ in range(waiting)],
    }


@pytest.mark.parametrize(
    ("lock", "refused"),
    [
        (view(capacity=4), False),
        (view(2, capacity=4), False),
        (view(1, 2, capacity=4), True),  # two do not fit into one
        (view(4, capacity=4), True),
        (view(2, capacity=4, waiting=1), True),  # nobody is overtaken
        (view(capacity=4, waiting=1), True),
        (view(capacity=9), False),  # a lock that nobody uses takes another capacity
        (view(2, capacity=9), True),
    ],
)
def test_a_weight_is_refused_where_not_all_of_it_fits_or_somebody_waits(lock: View, *, refused: bool) -> None:
    request = Request("gpu", "me", 30, weight=2, capacity=4, kind="semaphore")
    assert request.is_refused_by(lock) is refused


@pytest.mark.parametrize(
    ("lock", "refused"),
    [(view(capacity=4), False), (view(2, capacity=4), False), (view(3, capacity=4), True), (view(), True)],
)
def test_without_a_capacity_the_stored_one_counts(lock: View, *, refused: bool) -> None:
    request = Request("gpu", "me", 30, weight=2, capacity=None, kind="semaphore")
    assert request.is_refused_by(lock) is refused


def test_a_lock_of_another_kind_is_refused_while_it_is_in_use() -> None:
    assert Request("gpu", "me", 30).is_refused_by(view(1)) is True
    assert Request("gpu", "me", 30).is_refused_by(view()) is False
