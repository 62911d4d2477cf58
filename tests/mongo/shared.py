"""What the tests of MongoDB's side have in common."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo.monitoring import CommandStartedEvent
from support import HANDSHAKE, CommandLog, until

from mongolock_async import Lease, LockInfo, LockRepository
from mongolock_async._engine.member import Member
from mongolock_async._engine.place import State
from mongolock_async._memory.clock import MemoryClock
from mongolock_async._protocol.request import Request

# Has the next commands of these names fail or wait.
Fail = Callable[..., Awaitable[None]]
MakeRepository = Callable[..., LockRepository]

PAST = {"$subtract": ["$$NOW", 1]}


class Meanwhile(CommandLog):
    """Has something happen while a command is under way; ``todo`` is for the next commands, one each."""

    def __init__(self) -> None:
        super().__init__()
        self.todo: list[Callable[[], Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        super().started(event)
        if event.command_name not in HANDSHAKE and self.todo:
            self.todo.pop(0)()


def request(owner: str | int = "me", name: str = "cron", ttl: float = 30, **options: Any) -> Request:
    """A claim of the lock."""
    return Request(name, owner, ttl, **options)


def with_clock(locks: LockRepository, clock: MemoryClock | None = None) -> MemoryClock:
    """Have it judge its deadlines by a clock that the test sets forward; the server keeps its own."""
    clock = clock or MemoryClock()
    locks._member = Member(locks._backend, locks._backend, clock, None)
    return clock


async def look(locks: LockRepository, name: str = "cron") -> LockInfo:
    info = await locks.get(name)
    assert info is not None
    return info


async def is_free(locks: LockRepository, name: str = "cron") -> bool:
    info = await locks.get(name)
    return info is None or (not info.held and not info.queue)


async def drained(locks: LockRepository) -> None:
    """Wait for what goes on in the background."""
    await locks._member.background.drain()


def waiting(locks: LockRepository, *arguments: Any, **options: Any) -> asyncio.Task[Lease]:
    return asyncio.create_task(locks.acquire("cron", *arguments, **options))


async def stands(locks: LockRepository, count: int = 1) -> None:
    """Wait until so many stand in the queue."""

    async def so_many() -> bool:
        info = await locks.get("cron")
        return info is not None and len(info.queue) == count

    await until(so_many, within=30)


async def listens(locks: LockRepository) -> None:
    """Wait until its stream is open, what was missed before is asked for, and the last look is answered."""

    async def hears_all() -> bool:
        waiting = locks._member.waiting
        calls = waiting._calls
        return calls.opened is not None and all(
            place.state is State.QUEUED and place.opening == calls.openings
            for place in waiting._places.values()
        )

    await until(hears_all, within=30)
    await drained(locks)


async def expire(collection: Any, name: str = "cron") -> None:
    """Let the leases of a lock be over on the server, and nobody know."""
    over = {"$mergeObjects": ["$$e", {"expires": PAST}]}
    holders = {"$map": {"input": "$holders", "as": "e", "in": over}}
    await collection.update_one({"_id": name}, [{"$set": {"holders": holders}}])


async def close(client: Any) -> None:
    """PyMongo awaits it, and Motor does not."""
    closing = client.close()
    if inspect.isawaitable(closing):
        await closing
