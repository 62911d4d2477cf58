"""Elections: arguments, results, and what is a leader."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faulty import FaultyLocks
from virtual import settle
from waiters import about, is_free, now

from mongolock_async import Leader, Lease, LockError, LockRepository

URL = "http://10.0.0.7"


async def test_it_is_a_lock_of_its_name(locks: LockRepository, others: LockRepository) -> None:
    election = locks.election("cron", URL, owner="me", ttl=5)
    assert (election.name, repr(election)) == ("cron", "<Election 'cron'>")
    async with election as lease:
        assert (lease.owner, lease.ttl) == ("me", 5)
        assert await others.election("cron").obtain() is None
        assert await others.election("cron").locked()
        assert await others.obtain("cron") is None
    lease = await election.acquire(timeout=1)
    await lease.release()

    @election
    async def lead() -> Leader | None:
        return await election.leader()

    assert (await lead()) is not None
    assert await is_free(locks)


async def test_the_leader_tells_all_its_value(locks: LockRepository, others: LockRepository) -> None:
    async with locks.election("cron", URL, owner="me") as lease:
        await asyncio.sleep(2)
        leader = await others.election("cron").leader()
        assert leader == Leader("me", URL, lease.fencing_token, leader.age if leader else 0)
        assert leader is not None
        assert leader.age == about(2)


async def test_without_a_holder_nobody_leads(locks: LockRepository) -> None:
    election = locks.election("cron", URL)
    assert await election.leader() is None
    lease = await election.obtain()
    assert lease is not None
    await lease.release()
    assert await election.leader() is None
    await election.obtain()
    await asyncio.sleep(30)
    assert await election.leader() is None


async def test_one_without_a_value_leads_all_the_same(locks: LockRepository, others: LockRepository) -> None:
    async with locks.lock("cron", "me"):
        leader = await others.election("cron").leader()
    assert leader is not None
    assert (leader.owner, leader.value) == ("me", "")


async def test_a_value_belongs_to_a_lease_and_not_to_the_name(locks: LockRepository) -> None:
    async with locks.election("cron", URL):
        pass
    async with locks.election("cron") as lease:
        leader = await locks.election("cron").leader()
    assert leader is not None
    assert (leader.value, leader.fencing_token) == ("", lease.fencing_token)


async def test_a_leader_proclaims_another_value(locks: LockRepository, others: LockRepository) -> None:
    election = others.election("cron")
    async with locks.election("cron", URL, ttl=5) as lease:
        for value in ("http://10.0.0.8", "", "ü" * 512):
            assert await lease.proclaim(value) is True
            leader = await election.leader()
            assert leader is not None
            assert leader.value == value
        await asyncio.sleep(20)  # and the renewals leave it alone
        leader = await election.leader()
        assert leader is not None
        assert leader.value == "ü" * 512


async def test_a_proclamation_of_a_lease_that_is_over_changes_nothing(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    former = await locks.election("cron", "former").acquire()
    await others.force_release("cron")
    async with others.election("cron", URL):
        assert await former.proclaim("late") is False
        assert not former.held
        assert await former.proclaim("late") is False
        leader = await others.election("cron").leader()
    assert leader is not None
    assert leader.value == URL
    assert memory.sent["proclaim"] == 1  # what is known to be over is not asked for


async def test_a_proclamation_renews_nothing(locks: LockRepository) -> None:
    lease = await locks.election("cron", ttl=5).acquire()
    await asyncio.sleep(3)
    assert await lease.proclaim(URL)
    await asyncio.sleep(2)
    assert await locks.election("cron").leader() is None


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, TypeError),
        (7, TypeError),
        (b"bytes", TypeError),
        ("a" * 1025, ValueError),
        ("ü" * 513, ValueError),
        ("a\0b", ValueError),
        ("\ud800", ValueError),
    ],
)
async def test_a_value_is_a_str_of_a_kibibyte_at_most(
    locks: LockRepository, memory: FaultyLocks, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="value must"):
        locks.election("cron", value)
    lease = await locks.election("cron", "a" * 1024).acquire()
    with pytest.raises(error, match="value must"):
        await lease.proclaim(value)
    assert memory.sent["proclaim"] == 0


async def test_only_one_who_holds_alone_has_a_value(locks: LockRepository, memory: FaultyLocks) -> None:
    for lock in (locks.semaphore("gpu", 2), locks.rwlock("cfg").write()):
        async with lock as lease:
            with pytest.raises(TypeError, match="only the leader of an election"):
                await lease.proclaim("value")
    assert memory.sent["proclaim"] == 0


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 1025, None, 7, lambda: "cron"])
async def test_it_needs_the_name_of_a_lock(locks: LockRepository, name: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="name must"):
        locks.election(name)


@pytest.mark.parametrize("serve", [None, 7, "serve"])
async def test_run_takes_a_coroutine_function(locks: LockRepository, serve: Any) -> None:
    with pytest.raises(TypeError, match="serve must be a coroutine function"):
        await locks.election("cron").run(serve)


async def test_what_cannot_be_awaited_is_an_error_after_the_release(locks: LockRepository) -> None:
    serve: Any = lambda lease: None  # noqa: E731, ARG005 - a wrong one
    with pytest.raises(TypeError):
        await locks.election("cron").run(serve)
    assert await is_free(locks)


async def test_run_serves_while_it_leads_and_ends_when_that_returns(
    locks: LockRepository, others: LockRepository
) -> None:
    seen: list[Leader | None] = []

    async def serve(lease: Lease) -> str:
        assert lease.held
        seen.append(await others.election("cron").leader())
        await asyncio.sleep(100)  # and is kept alive
        return "dropped"

    result: object = await locks.election("cron", URL, ttl=5).run(serve)  # type: ignore[func-returns-value]
    assert result is None
    assert now() == about(100)
    assert seen[0] is not None
    assert seen[0].value == URL
    assert await is_free(locks)


async def test_observe_tells_the_leader_now_and_each_change(
    locks: LockRepository, others: LockRepository
) -> None:
    seen: list[tuple[float, str | None]] = []

    async def watch() -> None:
        async for leader in others.election("cron").observe():
            seen.append((now(), None if leader is None else leader.value))  # noqa: PERF401 - each at its moment

    task = asyncio.create_task(watch())
    await asyncio.sleep(1.5)
    first = await locks.election("cron", "first").acquire(keep_alive=True)
    await asyncio.sleep(60)
    await first.proclaim("second")
    await asyncio.sleep(2)
    await first.release()
    await asyncio.sleep(2)
    task.cancel()
    assert [value for _, value in seen] == [None, "first", "second", None]
    assert [moment for moment, _ in seen] == pytest.approx([0, 2, 62, 64], abs=0.01)


async def test_observe_reads_once_a_second(locks: LockRepository, memory: FaultyLocks) -> None:
    async def watch() -> None:
        async for leader in locks.election("cron").observe():
            assert leader is None

    task = asyncio.create_task(watch())
    await asyncio.sleep(60.5)
    task.cancel()
    assert memory.sent == {"view": 61}


async def test_observe_ends_when_it_or_the_repository_is_closed(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    for repository in (locks, others):
        leaders = repository.election("cron").observe()
        assert await anext(leaders) is None
        await (leaders.aclose() if repository is locks else repository.aclose())
        with pytest.raises(StopAsyncIteration):
            await anext(leaders)
    sent = memory.sent["view"]
    await asyncio.sleep(5)
    assert memory.sent["view"] == sent


async def test_one_who_waits_for_a_change_hears_of_the_closing_at_once(locks: LockRepository) -> None:
    leaders = locks.election("cron").observe()
    assert await anext(leaders) is None
    waits = asyncio.ensure_future(anext(leaders))
    await settle()
    await locks.aclose()
    with pytest.raises(StopAsyncIteration):
        await waits
    assert now() < 0.1


async def test_a_closed_repository_has_no_elections(locks: LockRepository) -> None:
    election = locks.election("cron")
    await locks.aclose()

    async def serve(lease: Lease) -> None:
        raise AssertionError(lease)

    for call in (election.leader(), election.run(serve), anext(election.observe())):
        with pytest.raises(LockError, match="closed"):
            await call


async def test_a_new_term_of_the_same_leader_is_a_change(
    locks: LockRepository, others: LockRepository
) -> None:
    election, leaders = locks.election("cron", URL, owner="me"), others.election("cron").observe()
    tokens = []
    for _ in range(2):
        lease = await election.acquire()
        leader = await anext(leaders)
        assert leader is not None
        tokens.append(leader.fencing_token)
        await lease.release()
    assert tokens[0] < tokens[1]
    await leaders.aclose()
