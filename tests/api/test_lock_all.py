"""``lock_all``: its arguments, and what it is in the hand."""

from __future__ import annotations

from typing import Any

import pytest
from faulty import FaultyLocks
from waiters import is_free, look

from mongolock_async import Lease, LockRepository


async def test_its_leases_stand_in_the_order_of_the_callers_each_name_once(locks: LockRepository) -> None:
    both = locks.lock_all("b", "a", "b")
    assert (both.names, repr(both)) == (("b", "a"), "<LockAll 'b', 'a'>")
    async with both as leases:
        assert isinstance(leases, tuple)
        assert [lease.name for lease in leases] == ["b", "a"]
    taken = await both.obtain()
    assert taken is not None
    assert [lease.name for lease in taken] == ["b", "a"]
    for lease in taken:
        await lease.release()
    assert [lease.name for lease in await both.acquire()] == ["b", "a"]


async def test_locks_are_taken_in_the_order_of_their_names(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.obtain("b")
    assert await locks.lock_all("c", "b", "a").obtain() is None
    assert await others.get("a") is not None
    assert await others.get("c") is None


async def test_it_has_the_methods_of_a_lock(locks: LockRepository, others: LockRepository) -> None:
    both = locks.lock_all("a", "b", owner="me", ttl=5)
    assert not await both.locked()

    @both
    async def work(number: int, *, more: int) -> int:
        """Work."""
        assert (await look(locks, "a")).holders[0].owner == "me"
        assert await others.lock_all("b", "c").locked()
        assert await others.lock_all("b", "c").obtain() is None
        return number + more

    assert work.__doc__ == "Work."
    assert await work(1, more=2) == 3
    assert await is_free(locks, "a")
    assert await is_free(locks, "b")


async def test_it_decorates_coroutine_functions_only(locks: LockRepository) -> None:
    wrong: Any = print
    with pytest.raises(TypeError, match="coroutine function"):
        locks.lock_all("a")(wrong)


async def test_a_block_may_be_entered_by_many_tasks_and_again(locks: LockRepository) -> None:
    both = locks.lock_all("a", "b", timeout=0)
    for _ in range(2):
        async with both as leases:
            assert all(lease.held for lease in leases)


async def test_one_name_is_enough(locks: LockRepository) -> None:
    async with locks.lock_all("a") as (lease,):
        assert isinstance(lease, Lease)


@pytest.mark.parametrize(
    ("names", "options", "error"),
    [
        ((), {}, ValueError),
        (("a", ""), {}, ValueError),
        (("a", "b\0"), {}, ValueError),
        (("a", None), {}, TypeError),
        ((["a", "b"],), {}, TypeError),
        (("a",), {"owner": 1.5}, TypeError),
        (("a",), {"ttl": 0.01}, ValueError),
        (("a",), {"timeout": "1"}, TypeError),
        (("a",), {"at_least": 0}, ValueError),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    locks: LockRepository,
    memory: FaultyLocks,
    names: tuple[Any, ...],
    options: dict[str, Any],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        locks.lock_all(*names, **options)
    assert memory.sent == {}


async def test_no_name_is_refused_with_a_reason(locks: LockRepository) -> None:
    with pytest.raises(ValueError, match="at least one name"):
        locks.lock_all()
    with pytest.raises(ValueError, match="timeout must be finite"):
        await locks.lock_all("a").acquire(float("nan"))
