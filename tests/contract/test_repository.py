"""What a user sees of a lock, whatever it is kept in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest
from contract.shared import Later, request
from support import until

from mongolock_async import LeaseLostError, LockError, LockInfo, LockRepository, LockTimeoutError, Schedule

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERIOD = 1.0


async def look(locks: LockRepository, name: str = "cron") -> LockInfo:
    info = await locks.get(name)
    assert info is not None
    return info


async def stands(locks: LockRepository, count: int = 1) -> None:
    """Wait until so many stand in the queue."""

    async def so_many() -> bool:
        return len((await look(locks)).queue) == count

    await until(so_many)


async def test_a_lock_has_one_holder_and_is_free_after_its_release(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.obtain("cron", 4711, ttl=12)
    assert lease is not None
    assert (lease.name, lease.owner, lease.ttl, lease.held) == ("cron", 4711, 12.0, True)
    assert await others.obtain("cron") is None
    assert [await lease.release(), await lease.release()] == [True, True]
    successor = await others.obtain("cron")
    assert successor is not None
    assert successor.fencing_token > lease.fencing_token


async def test_one_who_waits_gets_the_lock_with_its_release(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    waiter = asyncio.create_task(others.acquire("cron", "waiter"))
    await stands(locks)
    assert not waiter.done()
    assert await held.release() is True
    lease = await waiter
    info = await look(locks)
    assert [(holder.owner, holder.fencing_token) for holder in info.holders] == [
        ("waiter", lease.fencing_token)
    ]
    assert lease.fencing_token > held.fencing_token
    assert lease.held
    assert await lease.release() is True


async def test_one_who_waits_gets_a_dead_holders_lock(
    locks: LockRepository, others: LockRepository, later: Later
) -> None:
    dead = await locks.acquire("cron")
    await later(29.7)
    lease = await others.acquire("cron")
    assert lease.fencing_token > dead.fencing_token
    assert await dead.release() is False


async def test_one_who_does_not_wait_is_told_who_is_in_the_way(
    locks: LockRepository, others: LockRepository
) -> None:
    await locks.acquire("cron", "holder")
    with pytest.raises(LockTimeoutError) as caught:
        await others.acquire("cron", timeout=0)
    assert (caught.value.name, caught.value.timeout, caught.value.owner) == ("cron", 0, "holder")
    assert (await look(locks)).queue == ()


@pytest.mark.parametrize("timeout", [0.001, 0, -1])
async def test_the_smallest_timeout_takes_a_lock_that_is_free(locks: LockRepository, timeout: float) -> None:
    await locks.create("cron")
    assert (await locks.acquire("cron", timeout=timeout)).held


async def test_a_timeout_leaves_the_queue(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    with pytest.raises(LockTimeoutError):
        await others.acquire("cron", timeout=0.1)
    await stands(locks, 0)


async def test_many_take_turns_and_never_two_at_a_time(locks: LockRepository, others: LockRepository) -> None:
    inside = turns = 0

    async def work(repository: LockRepository) -> None:
        nonlocal inside, turns
        for _ in range(3):
            async with repository.lock("cron"):
                inside += 1
                assert inside == 1
                await asyncio.sleep(0)
                inside -= 1
                turns += 1

    await asyncio.gather(*(work(repository) for repository in (locks, others) * 3))
    assert turns == 18


async def test_a_block_gives_the_lock_back_also_when_its_body_raises(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(KeyError):
        async with locks.lock("cron") as lease:
            assert await others.obtain("cron") is None
            raise KeyError
    assert not lease.held
    assert await others.obtain("cron") is not None


async def test_a_block_whose_lease_is_lost_is_cancelled_and_says_so(
    locks: LockRepository, others: LockRepository
) -> None:
    with pytest.raises(LeaseLostError, match="forced"):
        async with locks.lock("cron") as lease:
            assert await others.force_release("cron") is True
            assert await lease.renew() is False
            await asyncio.sleep(60)
    assert locks.stats().losses == 1


async def test_a_lease_that_the_store_has_lost_is_not_renewed(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron")
    assert await lease.renew() is True
    await others.force_release("cron")
    assert await lease.renew() is False
    assert lease.lost.is_set()


async def test_a_boundary_is_one_process_s_and_nobody_else_s(make: Callable[..., LockRepository]) -> None:
    async def next_of(locks: LockRepository) -> int | None:
        async with aclosing(locks.every(PERIOD, "cron")) as ticks:
            lease = await anext(ticks)
            return None if lease is None else lease.fencing_token // round(PERIOD * 1000)

    boundaries = await asyncio.gather(*(next_of(make()) for _ in range(4)))
    served = [boundary for boundary in boundaries if boundary is not None]
    assert len(served) == len(set(served)) > 0


async def test_a_lock_shows_who_holds_it_and_who_waits(
    locks: LockRepository, others: LockRepository, later: Later
) -> None:
    assert await locks.get("cron") is None
    lease = await locks.acquire("cron", "me", ttl=12)
    waiter = asyncio.create_task(others.acquire("cron", 7))
    await stands(locks)
    await later(2)
    info = await look(others)
    (holder,), (waits,) = info.holders, info.queue
    assert (info.name, info.capacity, info.held) == ("cron", 1, True)
    assert (holder.owner, holder.weight, holder.fencing_token) == ("me", 1, lease.fencing_token)
    assert (waits.owner, waits.weight) == (7, 1)
    assert holder.age + holder.remaining == pytest.approx(12)
    assert 2 <= waits.age <= holder.age
    waiter.cancel()
    await asyncio.wait([waiter])


async def test_the_list_has_free_locks_too(locks: LockRepository) -> None:
    for name in ("job:b", "job:a", "other"):
        await locks.create(name)
    await locks.acquire("job:b")
    assert [(info.name, info.held) async for info in locks.list("job:")] == [
        ("job:a", False),
        ("job:b", True),
    ]
    assert len([info async for info in locks.list()]) == 3


async def test_force_frees_a_lock_whoever_holds_it(locks: LockRepository, others: LockRepository) -> None:
    lease = await locks.acquire("cron")
    assert [await others.force_release("cron") for _ in range(2)] == [True, False]
    assert await others.obtain("cron") is not None
    assert await lease.release() is False


async def test_a_name_in_use_with_another_capacity_is_refused(locks: LockRepository) -> None:
    await locks._backend.claim(request("other", name="gpu", capacity=3), "other.1")
    before = await look(locks, "gpu")
    for use in (locks.obtain("gpu"), locks.acquire("gpu")):
        with pytest.raises(LockError, match="'gpu' is in use as a semaphore of capacity 3"):
            await use
    after = await look(locks, "gpu")
    assert (after.capacity, after.fencing_token, len(after.holders)) == (3, before.fencing_token, 1)
    assert after.queue == ()


async def test_a_closed_repository_says_so(make: Callable[..., LockRepository]) -> None:
    locks = make()
    await locks.aclose()
    await locks.aclose()
    for use in (locks.obtain("a"), locks.acquire("a"), locks.get("a"), locks.create("a"), locks.__aenter__()):
        with pytest.raises(LockError, match="closed"):
            await use


async def test_closing_gives_back_what_is_held_and_leaves_every_queue(
    locks: LockRepository, others: LockRepository
) -> None:
    _kept = await locks.acquire("a", keep_alive=True)
    held = await others.acquire("b")
    waiter = asyncio.create_task(locks.acquire("b"))

    async def queued() -> bool:
        return bool((await look(others, "b")).queue)

    await until(queued)
    await locks.aclose()
    with pytest.raises(LockError, match="closed"):
        await waiter
    assert [(info.held, info.queue) async for info in others.list()] == [(False, ()), (True, ())]
    assert await held.release() is True


async def test_a_second_of_cron_is_one_process_s_and_whoever_asks_later_gets_none_of_it(
    make: Callable[..., LockRepository],
) -> None:
    def seconds() -> Schedule:
        return make().cron("* * * * * *", "report", tz="Europe/Berlin")

    async with aclosing(seconds()) as one, aclosing(seconds()) as other:
        leases = await asyncio.gather(anext(one), anext(other))
        served = [lease.boundary for lease in leases if lease is not None]
        assert len(set(served)) == len(served) > 0
        assert all(boundary is not None and boundary.microsecond == 0 for boundary in served)
        again = await seconds().obtain()
        assert again is None or again.boundary not in served
