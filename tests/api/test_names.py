"""``@locks.lock(function)``: the name of the lock is made out of the call's arguments."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from faulty import FaultyLocks
from waiters import now

from mongolock_async import Lock, LockRepository


@dataclass
class Order:
    id: int


async def held(locks: LockRepository) -> list[str]:
    return [info.name async for info in locks.list(held=True)]


async def test_each_call_takes_the_lock_of_its_arguments(locks: LockRepository) -> None:
    @locks.lock(lambda order, times=1, *, by: f"order:{order.id}:{times}:{by}")
    async def ship(order: Order, times: int = 1, *, by: str) -> list[str]:
        del order, times, by
        return await held(locks)

    assert await ship(Order(7), by="air") == ["order:7:1:air"]
    assert await ship(Order(8), 2, by="sea") == ["order:8:2:sea"]
    assert await held(locks) == []


async def test_calls_of_one_name_wait_for_each_other_and_of_others_do_not(locks: LockRepository) -> None:
    @locks.lock(lambda order: f"order:{order.id}")
    async def ship(order: Order) -> float:
        await asyncio.sleep(order.id)
        return now()

    assert list(await asyncio.gather(ship(Order(5)), ship(Order(5)), ship(Order(2)))) == [5, 10, 2]


async def test_of_a_method_the_name_is_made_out_of_self_too(locks: LockRepository) -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @locks.lock(lambda self, order: f"{self.name}:{order.id}")
        async def ship(self, order: Order) -> list[str]:
            del order
            return await held(locks)

    assert await Shop("north").ship(Order(7)) == ["north:7"]
    assert await Shop("south").ship(Order(7)) == ["south:7"]


async def test_such_a_lock_has_the_options_of_any_other(locks: LockRepository) -> None:
    @locks.lock(lambda number: f"job:{number}", owner="me", ttl=7, timeout=0)
    async def work(number: int) -> Any:
        info = await locks.get(f"job:{number}")
        assert info is not None
        return info.holders[0]

    holder = await work(1)
    assert (holder.owner, holder.ttl) == ("me", 7)
    await locks.acquire("job:2")
    with pytest.raises(TimeoutError):
        await work(2)


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (7, TypeError), (None, TypeError)])
async def test_a_name_that_is_made_is_checked_as_any_name(
    locks: LockRepository, memory: FaultyLocks, name: Any, error: type[Exception]
) -> None:
    @locks.lock(lambda: name)
    async def work() -> None:
        pytest.fail("it has no name")

    with pytest.raises(error, match="name"):
        await work()
    assert memory.sent == {}


async def test_what_the_function_raises_the_call_raises_and_nothing_is_sent(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    @locks.lock(lambda order: f"order:{order['id']}")
    async def ship(order: dict[str, int]) -> None:
        pytest.fail(f"{order} has no name")

    with pytest.raises(KeyError, match="id"):
        await ship({})
    assert memory.sent == {}


async def enter(lock: Lock) -> None:
    async with lock:
        pytest.fail("it has no name")


async def test_a_lock_without_a_name_of_its_own_is_a_decorator_only(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    lock = locks.lock(lambda order: f"order:{order.id}")
    for use in (enter(lock), lock.locked()):
        with pytest.raises(TypeError, match="a function of a call's arguments: it can only decorate"):
            await use
    with pytest.raises(TypeError, match="can only decorate"):
        lock.name  # noqa: B018 - that is the point
    assert "lambda" in repr(lock)
    assert memory.sent == {}


async def test_a_name_is_made_at_once_or_not_at_all(locks: LockRepository) -> None:
    async def name() -> str:
        return "cron"

    with pytest.raises(TypeError, match="a name cannot be waited for"):
        locks.lock(name)  # type: ignore[arg-type]  # that is the point
