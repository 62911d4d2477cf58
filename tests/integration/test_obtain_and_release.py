"""Taking a lock at once, and giving it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from support import CommandLog, until

from mongolock_async import Lease, LockRepository

NASTY = ["$token", "a.b.$c", 'say "hi"', "$$NOW", "🔒 ключ", "{$ne: 1}", "x" * 1024, "a\nb"]


async def obtained(locks: LockRepository, name: str = "cron", **options: Any) -> Lease:
    lease = await locks.obtain(name, **options)
    assert lease is not None
    return lease


async def test_a_free_lock_is_obtained(locks: LockRepository) -> None:
    lease = await obtained(locks, owner=4711, ttl=12)
    assert (lease.name, lease.owner, lease.ttl, lease.held) == ("cron", 4711, 12.0, True)
    assert isinstance(lease.fencing_token, int)


async def test_a_held_lock_is_not_obtained(locks: LockRepository, others: LockRepository) -> None:
    await obtained(locks)
    assert await others.obtain("cron") is None
    assert await locks.obtain("cron") is None


async def test_two_names_are_two_locks(locks: LockRepository) -> None:
    assert (await obtained(locks, "a")).held
    assert (await obtained(locks, "b")).held


async def test_a_released_lock_is_free(locks: LockRepository, others: LockRepository) -> None:
    assert await (await obtained(locks)).release() is True
    assert (await obtained(others)).held


async def test_a_released_lease_is_not_held_and_not_lost(locks: LockRepository) -> None:
    lease = await obtained(locks)
    await lease.release()
    assert (lease.held, lease.remaining, lease.lost.is_set()) == (False, 0.0, False)


async def test_a_second_release_says_false(locks: LockRepository) -> None:
    lease = await obtained(locks)
    assert [await lease.release(), await lease.release()] == [True, False]


async def test_an_expired_lock_is_free_within_a_tenth_of_a_second(
    locks: LockRepository, others: LockRepository
) -> None:
    late = []
    for name in ("a", "b", "c"):  # the best of three: the machine has other things to do
        before = time.monotonic()
        await obtained(locks, name, ttl=0.4)
        after = time.monotonic()
        while await others.obtain(name) is None:
            await asyncio.sleep(0.005)
            assert time.monotonic() - after < 5
        assert time.monotonic() - before >= 0.4
        late.append(time.monotonic() - after - 0.4)
    assert min(late) < 0.1


async def test_a_late_release_frees_nobody(locks: LockRepository, others: LockRepository) -> None:
    late = await obtained(locks, ttl=0.2)
    await asyncio.sleep(0.25)
    successor = await obtained(others)
    assert await late.release() is False
    assert await locks.obtain("cron") is None
    assert successor.held


async def test_a_late_renewal_revives_nothing(locks: LockRepository, others: LockRepository) -> None:
    late = await obtained(locks, ttl=0.2)
    late._deadline += 10  # it does not know that it is late
    await asyncio.sleep(0.25)
    successor = await obtained(others)
    assert await late.renew() is False
    assert late.lost.is_set()
    assert await successor.release() is True


async def test_an_expired_lease_is_not_revived_even_if_nobody_took_it(locks: LockRepository) -> None:
    late = await obtained(locks, ttl=0.2)
    late._deadline += 10  # it does not know that it is late
    await asyncio.sleep(0.25)
    assert await late.renew() is False


async def test_a_renewed_lease_lives_for_its_ttl_again(locks: LockRepository) -> None:
    lease = await obtained(locks, ttl=1)
    await asyncio.sleep(0.4)
    before = lease.remaining
    assert await lease.renew() is True
    assert lease.remaining > before + 0.3


async def test_a_lease_knows_that_it_expired_before_the_server_does(locks: LockRepository) -> None:
    lease = await obtained(locks, ttl=0.5)
    await lease.lost.wait()
    assert not lease.held
    info = await locks.get("cron")
    assert info is not None
    assert info.held
    assert 0.0 < info.holders[0].remaining < 0.25


async def test_tokens_grow_with_each_grant(locks: LockRepository, others: LockRepository) -> None:
    tokens = []
    for repository in [locks, others] * 3:
        lease = await obtained(repository)
        tokens.append(lease.fencing_token)
        await lease.release()
    assert tokens == sorted(set(tokens))


async def test_tokens_grow_also_when_the_document_was_dropped(locks: LockRepository, collection: Any) -> None:
    before = await obtained(locks)
    await collection.drop()
    assert (await obtained(locks)).fencing_token > before.fencing_token


@pytest.mark.parametrize("text", NASTY)
async def test_names_and_owners_come_back_as_they_went_in(locks: LockRepository, text: str) -> None:
    lease = await obtained(locks, text, owner=text)
    info = await locks.get(text)
    assert info is not None
    assert (info.name, info.holders[0].owner) == (text, text)
    assert await lease.release() is True


async def test_800_concurrent_claims_of_20_new_names_give_20_leases(
    locks: LockRepository, others: LockRepository
) -> None:
    claims = [repository.obtain(f"n{i % 20}") for i in range(400) for repository in (locks, others)]
    leases = [lease for lease in await asyncio.gather(*claims) if lease is not None]
    assert sorted(lease.name for lease in leases) == sorted(f"n{i}" for i in range(20))


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("",), {}, ValueError),
        ((7,), {}, TypeError),
        (("a", True), {}, TypeError),
        (("a", 2**63), {}, ValueError),
        (("a",), {"ttl": 0}, ValueError),
        (("a",), {"ttl": "30"}, TypeError),
    ],
)
async def test_wrong_arguments_send_nothing(
    locks: LockRepository, commands: Any, arguments: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await locks.obtain(*arguments, **options)
    assert commands.counts == {}


async def test_a_lease_kept_alive_outlives_its_ttl(locks: LockRepository) -> None:
    lease = await obtained(locks, ttl=1.5, keep_alive=True)
    await asyncio.sleep(2)
    assert lease.held
    assert await lease.release() is True


@pytest.fixture
async def server(client: Any) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Has commands of the test fail or wait."""

    async def fail(mode: str | dict[str, int], *commands: str, **how: Any) -> None:
        data = {"failCommands": commands, **how}
        await client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})

    yield fail
    await fail("off")


async def test_a_release_during_a_renewal_still_says_that_the_lease_was_ours(
    locks: LockRepository, commands: CommandLog, server: Any
) -> None:
    lease = await locks.acquire("cron", ttl=6, keep_alive=True)
    # The renewal is answered while the release is held up: nobody else may give the lease back meanwhile.
    await server({"times": 2}, "update", "findAndModify", blockConnection=True, blockTimeMS=500)
    await until(lambda: asyncio.sleep(0, "update" in commands.counts))
    await asyncio.sleep(0.2)
    assert await lease.release() is True
    assert commands.counts["findAndModify"] == 2


async def test_a_lease_that_is_renewed_when_it_is_over_here_is_given_back(
    make: Any, others: LockRepository, server: Any
) -> None:
    locks = make(clock_margin=1)
    lease = await locks.acquire("cron", ttl=3, keep_alive=True)
    await server("alwaysOn", "update", errorCode=8000)
    await until(lambda: asyncio.sleep(0, lease.remaining < 0.45))
    await server("alwaysOn", "update", blockConnection=True, blockTimeMS=400)
    await lease.lost.wait()
    # The server would let it end after another second, had it not been renewed; as it was, after three.
    await until(lambda: taken(others), within=0.8)


async def taken(locks: LockRepository) -> bool:
    return await locks.obtain("cron") is not None


async def test_a_lease_says_who_and_how_long_when_printed(locks: LockRepository) -> None:
    lease = await obtained(locks, owner="me")
    assert "'cron' of 'me'" in repr(lease)
    await lease.release()
    assert "released" in repr(lease)
