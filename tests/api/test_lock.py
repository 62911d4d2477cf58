"""``locks.lock``: a name to be used around code, as a block and as a decorator."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faulty import FaultyLocks
from waiters import is_free, look, now, waiting

from mongolock_async import LeaseLostError, LockRepository, LockTimeoutError


async def test_a_block_holds_the_lock_and_frees_it(locks: LockRepository) -> None:
    async with locks.lock("cron", owner="me", ttl=12) as lease:
        assert (lease.name, lease.owner, lease.ttl, lease.held) == ("cron", "me", 12.0, True)
        assert [holder.owner for holder in (await look(locks)).holders] == ["me"]
    assert not lease.held
    assert await is_free(locks)


async def test_a_block_is_two_commands(locks: LockRepository, memory: FaultyLocks) -> None:
    async with locks.lock("cron"):
        pass
    assert memory.sent == {"index": 1, "claim": 1, "release": 1}


async def test_a_lock_sends_nothing_until_it_is_entered(locks: LockRepository, memory: FaultyLocks) -> None:
    lock = locks.lock("cron")
    lock(asyncio.sleep)
    assert (lock.name, repr(lock)) == ("cron", "<Lock 'cron'>")
    assert memory.sent == {}


async def test_one_lock_serves_many_tasks_one_at_a_time(locks: LockRepository) -> None:
    lock = locks.lock("cron")
    tokens = []

    async def work() -> None:
        async with lock as lease:
            tokens.append(lease.fencing_token)
            await asyncio.sleep(1)

    await asyncio.gather(*(work() for _ in range(8)))
    assert tokens == sorted(set(tokens))
    assert now() == pytest.approx(8, abs=0.1)


async def test_a_lock_is_not_reentrant(locks: LockRepository) -> None:
    lock = locks.lock("cron", timeout=0.5)
    async with lock as lease:
        with pytest.raises(LockTimeoutError):
            async with lock:
                pytest.fail("it is held")
        assert now() == pytest.approx(0.5, abs=0.001)
        assert await locks.obtain("cron") is None
        assert lease.held


async def test_two_locks_of_different_names_are_nested_freely(locks: LockRepository) -> None:
    async with locks.lock("a") as first, locks.lock("b") as second:
        assert first.held
        assert second.held


async def test_a_block_waits_as_long_as_its_lock_says(locks: LockRepository, others: LockRepository) -> None:
    await others.acquire("cron", ttl=600)
    for timeout, until in ((0, 0), (5, 5), (0.5, 5.5)):
        with pytest.raises(LockTimeoutError):
            async with locks.lock("cron", timeout=timeout):
                pytest.fail("it is held")
        assert now() == pytest.approx(until, abs=0.001)


@pytest.mark.parametrize(
    ("timeout", "error"), [(False, TypeError), (1e12, ValueError), ("1", TypeError), ([0], TypeError)]
)
async def test_a_wrong_timeout_sends_nothing(
    locks: LockRepository, memory: FaultyLocks, timeout: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="timeout"):
        locks.lock("cron", timeout=timeout)
    assert memory.sent == {}


async def test_a_decorated_function_runs_under_the_lock(locks: LockRepository) -> None:
    @locks.lock("cron", owner="me")
    async def work(number: int, *, more: int) -> int:
        """Adds up."""
        assert [holder.owner for holder in (await look(locks)).holders] == ["me"]
        return number + more

    assert await work(1, more=2) == 3
    assert (work.__name__, work.__doc__) == ("work", "Adds up.")
    assert await is_free(locks)
    assert await work(3, more=4) == 7


async def test_a_decorated_function_runs_once_at_a_time(locks: LockRepository) -> None:
    inside, most = 0, 0

    @locks.lock("cron")
    async def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(1)
        inside -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert most == 1


async def test_a_decorated_function_whose_lease_is_lost_is_cancelled(locks: LockRepository) -> None:
    @locks.lock("cron", ttl=30)
    async def work() -> None:
        await locks.force_release("cron")
        await asyncio.sleep(60)

    with pytest.raises(LeaseLostError):
        await work()
    assert now() == 10


async def test_a_decorated_function_raises_what_it_raises(locks: LockRepository) -> None:
    @locks.lock("cron")
    async def work() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await work()
    assert await is_free(locks)


async def test_a_method_can_be_decorated(locks: LockRepository) -> None:
    class Report:
        name = "nightly"

        @locks.lock("cron")
        async def run(self) -> str:
            return self.name

    assert await Report().run() == "nightly"


@pytest.mark.parametrize("plain", [print, lambda: None, len])
async def test_a_plain_function_cannot_be_decorated(locks: LockRepository, plain: Any) -> None:
    with pytest.raises(TypeError, match="@lock takes a coroutine function"):
        locks.lock("cron")(plain)


async def test_a_block_gets_its_turn_behind_those_who_came_before(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron", ttl=600)
    waiter = waiting(others)
    await asyncio.sleep(1)

    async def work() -> None:
        async with locks.lock("cron"):
            assert waiter.done()

    task = asyncio.create_task(work())
    await asyncio.sleep(1)
    await lease.release()
    await (await waiter).release()
    await task
