"""Arguments and results of ``once`` and ``reset``."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from faulty import FaultyLocks
from waiters import look

from mongolock_async import Lease, LockError, LockRepository


async def work() -> str:
    return "dropped"


async def of_two(first: int, second: int) -> None:
    del first, second


def plain() -> None:
    """No coroutine function."""


async def test_a_work_that_needs_an_argument_gets_the_lease(locks: LockRepository) -> None:
    given: list[Lease] = []

    async def with_lease(lease: Lease) -> None:
        given.append(lease)
        assert lease.held

    async def with_default(number: int = 7) -> None:
        assert number == 7

    assert await locks.once("migration 1", with_lease, owner="me", ttl=5) is True
    assert await locks.once("migration 2", with_default) is True
    assert await locks.once("migration 3", functools.partial(of_two, 1, 2)) is True
    assert [(lease.owner, lease.ttl, lease.held) for lease in given] == [("me", 5, False)]


async def test_nobody_holds_what_is_done_and_people_see_that_it_is(locks: LockRepository) -> None:
    assert await locks.once("migration", work) is True
    info = await look(locks, "migration")
    assert (info.kind, info.held, info.queue) == ("done", False, ())
    assert [lock.name async for lock in locks.list(held=True)] == []


async def test_a_name_that_is_done_is_no_lock_until_it_is_reset(locks: LockRepository) -> None:
    await locks.once("migration", work)
    asked = locks.lock("migration"), locks.semaphore("migration", 3), locks.rwlock("migration").read()
    for lock in asked:
        for way in (lock.obtain, lock.acquire):
            with pytest.raises(LockError, match=r"was done by once\(\)"):
                await way()
        assert await lock.locked()
    with pytest.raises(LockError, match="done once"):
        await locks.resize("migration", 3)
    assert await locks.force_release("migration") is False
    await locks.reset("migration")
    assert await locks.obtain("migration") is not None


async def test_what_is_in_use_as_a_lock_is_not_done_once(locks: LockRepository) -> None:
    await locks.obtain("migration")
    with pytest.raises(LockError, match="in use as a mutex"):
        await locks.once("migration", work)


async def test_a_name_that_is_being_done_is_no_lock(locks: LockRepository) -> None:
    async def busy() -> None:
        with pytest.raises(LockError, match="in use as something that is done once"):
            await locks.obtain("migration")

    assert await locks.once("migration", busy) is True


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"name": ""}, ValueError, "name must have"),
        ({"name": 7}, TypeError, "name must be a str"),
        ({"work": plain}, TypeError, "work must be a coroutine function"),
        ({"work": None}, TypeError, "work must be a coroutine function"),
        ({"work": of_two}, TypeError, "must take no argument, or one: the lease"),
        ({"owner": 1.5}, TypeError, "owner"),
        ({"ttl": 0}, ValueError, "ttl"),
        ({"timeout": "1"}, TypeError, "timeout"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    locks: LockRepository, memory: FaultyLocks, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    asked: dict[str, Any] = {"name": "migration", "work": work}
    with pytest.raises(error, match=match):
        await locks.once(**(asked | options))
    assert not memory.sent


async def test_a_wrong_name_is_not_reset(locks: LockRepository, memory: FaultyLocks) -> None:
    with pytest.raises(ValueError, match="name must have"):
        await locks.reset("")
    assert not memory.sent
