"""What a long queue costs, in the server's own CPU time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mongo.shared import look, request

from mongolock_async import LockRepository

pytestmark = [
    pytest.mark.parametrize("uri", ["standalone"], indirect=True),
    pytest.mark.parametrize("driver", ["pymongo"], indirect=True),
]

WAITERS = 1000
TIMES = 6


async def queue_up(collection: Any, count: int) -> None:
    """So many processes stand in the queue."""
    number = {"$toString": "$$n"}
    entry = {
        "lease": {"$concat": ["0123456789abcdef", number, ".1"]},
        "owner": "somebody:12345",
        "weight": 1,
        "ttl": 30_000,
        "since": "$$NOW",
        "expires": {"$add": ["$$NOW", 600_000]},
    }
    queue = {"$map": {"input": {"$range": [0, count]}, "as": "n", "in": entry}}
    await collection.update_one({"_id": "cron"}, [{"$set": {"queue": queue}}])


async def cost(client: Any, work: Callable[[], Awaitable[object]]) -> float:
    """Seconds of the server's CPU time that it takes; the least of several, as the server has other work."""
    least = float("inf")
    for _ in range(3):
        before = await used(client)
        for _ in range(TIMES):
            await work()
        least = min(least, (await used(client) - before) / TIMES)
    return least


async def used(client: Any) -> float:
    """Seconds that the server has computed since its start."""
    info = (await client.admin.command("serverStatus"))["extra_info"]
    seconds: float = (info["user_time_us"] + info["system_time_us"]) / 1e6
    return seconds


async def test_in_a_queue_of_1000_a_command_costs_a_few_times_what_it_costs_alone(
    locks: LockRepository, client: Any, collection: Any
) -> None:
    """It grows with the queue, and not with its square, which would be a hundred times as much."""
    held = await locks.acquire("cron", ttl=600)
    backend: Any = locks._backend

    async def claim() -> None:
        assert (await backend.claim(request(), "m.1")).grant is None

    async def release() -> None:
        assert (await backend.release("cron", "m.1"))[0] is False

    async def renew() -> None:
        assert await backend.renew({"cron": (held._holding.id, held.fencing_token)}, 20)

    async def see() -> None:
        assert (await backend.look("cron", "m.1")).grant is None

    alone = [await cost(client, work) for work in (claim, release, renew, see)]
    await queue_up(collection, WAITERS)
    crowded = [await cost(client, work) for work in (claim, release, renew, see)]
    print(f"alone {alone}, behind {WAITERS} {crowded}")
    assert all(much < 20 * little for little, much in zip(alone, crowded, strict=True))
    assert len((await look(locks)).queue) == WAITERS


async def test_in_a_queue_of_1000_a_release_serves_the_first(locks: LockRepository, collection: Any) -> None:
    held = await locks.acquire("cron", ttl=600)
    await queue_up(collection, WAITERS)
    assert await held.release() is True
    info = await look(locks)
    assert [holder.owner for holder in info.holders] == ["somebody:12345"]
    assert len(info.queue) == WAITERS - 1
